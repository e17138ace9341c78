//! Traces of the heap: one with random sizes, and the recorded one of the sample program.

use crate::random::Random;
use crate::table::{DRAWN_ROWS, MAX_SLOTS, Row, step};
use std::collections::HashMap;
use std::path::Path;

const LIVE: u32 = 1000;
const SEED: u64 = 2;
/// Sizes are spread evenly over powers of two: 16 to 1023 bytes.
const SIZE_BITS: std::ops::Range<u64> = 4..10;

/// Each step frees the block in a random slot and allocates another one there. Begins and ends without blocks.
pub fn random() -> Vec<Row> {
    let mut random = Random(SEED);
    let mut size = move || {
        let bits = SIZE_BITS.start + random.next() % (SIZE_BITS.end - SIZE_BITS.start);
        ((1 << bits) + random.next() % (1 << bits)) as u32
    };
    let mut slots = Random(SEED + 1);
    let mut rows: Vec<Row> = (0..LIVE).map(|slot| [step::MALLOC, slot, size()]).collect();
    while rows.len() < DRAWN_ROWS as usize - LIVE as usize {
        let slot = (slots.next() % u64::from(LIVE)) as u32;
        rows.push([step::FREE, slot, 0]);
        rows.push([step::MALLOC, slot, size()]);
    }
    rows.extend((0..LIVE).map(|slot| [step::FREE, slot, 0]));
    rows
}

/// The recorded trace in file `path`, if it is there; what it leaves allocated is freed at the end.
pub fn recorded(path: &Path) -> Option<Vec<Row>> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut replay = Replay::default();
    for line in text.lines() {
        replay.line(line).unwrap_or_else(|| panic!("{}: not a call of the heap: {line:?}", path.display()));
    }
    let mut left: Vec<u32> = replay.slots.values().copied().collect();
    left.sort_unstable();
    replay.rows.extend(left.into_iter().map(|slot| [step::FREE, slot, 0]));
    Some(replay.rows)
}

#[derive(Default)]
struct Replay {
    rows: Vec<Row>,
    /// By the address that the recorded run had.
    slots: HashMap<u32, u32>,
    /// Slots without a block.
    unused: Vec<u32>,
    slot_count: u32,
}

impl Replay {
    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let call = words.next()?;
        let numbers: Vec<u32> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        match (call, numbers[..].as_ref()) {
            ("malloc", &[size, address]) => self.allocate(step::MALLOC, size, address),
            ("calloc", &[size, address]) => self.allocate(step::CALLOC, size, address),
            ("realloc", &[0, size, address]) => self.allocate(step::MALLOC, size, address),
            ("realloc", &[old, size, address]) => {
                let slot = self.slots.remove(&old)?;
                self.slots.insert(address, slot);
                self.rows.push([step::REALLOC, slot, size]);
            }
            // Programs free nothing, too: slot 0 never has a block.
            ("free", &[0]) => self.rows.push([step::FREE, 0, 0]),
            ("free", &[address]) => {
                let slot = self.slots.remove(&address)?;
                self.unused.push(slot);
                self.rows.push([step::FREE, slot, 0]);
            }
            _ => return None,
        }
        Some(())
    }

    fn allocate(&mut self, step: u32, size: u32, address: u32) {
        let slot = self.unused.pop().unwrap_or_else(|| {
            self.slot_count += 1;
            self.slot_count
        });
        assert!(slot < MAX_SLOTS, "the trace has more live blocks than there is room for");
        self.slots.insert(address, slot);
        self.rows.push([step, slot, size]);
    }
}
