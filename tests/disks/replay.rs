//! What a boot writes, replayed to every point at which the power may fail: QEMU's `blklogwrites` logs it, in the format of
//! Linux's dm-log-writes.

use super::{CONTROLLERS, copy_of_generations, each, folder, generation_on, generations, guest};
use bareflow::host::qemu::disk::{Controller, Disk};
use bareflow::store::{BlockDevice, BlockError, SECTOR_BYTES};
use serde_json::json;
use std::fs;
use std::path::Path;

/// What a boot did to its disk.
#[derive(Debug)]
enum Entry {
    Write { sector: u64, bytes: Vec<u8> },
    Flush,
}

/// Reads the log in `path`.
fn read_log(path: &Path) -> Vec<Entry> {
    let log = fs::read(path).expect("the log can be read");
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| log[at + byte]));
    assert_eq!((word(0), word(8)), (0x6a_7366_7773_6872, 1), "this is no log");
    let (count, unit) = (word(16), (word(24) & 0xffff_ffff) as usize);
    let mut at = unit;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (sector, sectors, flags) = (word(at), word(at + 8), word(at + 16));
        at += unit;
        let bytes = sectors as usize * unit;
        if bytes > 0 {
            let (sector, bytes) = (sector * (unit / SECTOR_BYTES) as u64, log[at..at + bytes].to_vec());
            entries.push(Entry::Write { sector, bytes });
            at += sectors as usize * unit;
        }
        if flags & 1 != 0 {
            entries.push(Entry::Flush);
        }
    }
    entries
}

/// The log of a boot after so many others.
fn log_of_a_boot(controller: Controller, boots: usize) -> Vec<Entry> {
    let folder = folder();
    let image = copy_of_generations(&folder, boots);
    let log = folder.path().join("log");
    // No larger than it has to be, but there: QEMU lets it grow.
    fs::write(&log, []).expect("the temporary folder can be written");
    let file = |path: &Path| json!({"driver": "file", "filename": path.to_string_lossy()});
    let logging = json!({"driver": "blklogwrites", "file": file(&image), "log": file(&log)});
    let boot = guest(Disk::new(controller, format!("json:{}", json!({"driver": "raw", "file": logging})))).run();
    boot.expect(&format!("profile saved as generation {}\n", boots + 1));
    let entries = read_log(&log);
    let mut replayed = generations(boots).to_vec();
    entries.iter().for_each(|entry| apply(&mut replayed, entry));
    assert!(replayed == fs::read(&image).expect("the store can be read"), "the log is not all that was written");
    entries
}

fn apply(image: &mut [u8], entry: &Entry) {
    if let Entry::Write { sector, bytes } = entry {
        image[*sector as usize * SECTOR_BYTES..][..bytes.len()].copy_from_slice(bytes);
    }
}

/// A disk in memory, to be read.
struct Image<'i>(&'i mut [u8]);

impl BlockDevice for Image<'_> {
    fn sectors(&self) -> u64 {
        (self.0.len() / SECTOR_BYTES) as u64
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        buffer.copy_from_slice(&self.0[first as usize * SECTOR_BYTES..][..buffer.len()]);
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0[first as usize * SECTOR_BYTES..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

/// Draws a number below `below`.
fn draw(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// How many samples there are of the disks that a power failure between two flushes may leave.
const SAMPLES: u64 = 200;

/// Which generations disks have after power failures between two flushes: `before` is what the first one made safe,
/// `writes` come until the second. A block reaches the medium as a whole or not at all; each, or most, or few do.
fn fail(before: &[u8], writes: &[Entry], block_bytes: usize, seed: &mut u64) -> Vec<u64> {
    let mut left = Vec::new();
    let mut image = before.to_vec();
    // Every prefix, as a disk leaves it that keeps their order.
    left.push(generation_on(Image(&mut image)));
    for write in writes {
        apply(&mut image, write);
        left.push(generation_on(Image(&mut image)));
    }
    for sample in 0..if writes.is_empty() { 0 } else { SAMPLES } {
        let mut image = before.to_vec();
        for write in writes {
            let Entry::Write { sector, bytes } = write else { continue };
            for (number, block) in bytes.chunks(block_bytes).enumerate() {
                if draw(seed, SAMPLES) < sample {
                    let at = *sector as usize * SECTOR_BYTES + number * block_bytes;
                    image[at..at + block.len()].copy_from_slice(block);
                }
            }
        }
        left.push(generation_on(Image(&mut image)));
    }
    left
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn every_prefix_that_flushes_allow_leaves_the_old_or_the_new_generation() {
    let boots: Vec<_> = CONTROLLERS.into_iter().flat_map(|controller| [(controller, 1), (controller, 2)]).collect();
    let name = |(controller, boots): &(Controller, usize)| format!("{:<14} boot {}", controller.name(), boots + 1);
    generations(1);
    each(&boots, name, |&(controller, boots)| {
        let entries = log_of_a_boot(controller, boots);
        let block_bytes = if controller == Controller::Nvme4096 { 4096 } else { SECTOR_BYTES };
        let (mut image, mut seed, mut left) = (generations(boots).to_vec(), 1, Vec::new());
        let parts: Vec<&[Entry]> = entries.split(|entry| matches!(entry, Entry::Flush)).collect();
        for writes in &parts {
            left.extend(fail(&image, writes, block_bytes, &mut seed));
            writes.iter().for_each(|write| apply(&mut image, write));
        }
        let (old, new) = (boots as u64, boots as u64 + 1);
        assert!(left.iter().all(|left| [old, new].contains(left)), "left with {left:?}");
        assert_eq!(left.last(), Some(&new), "the last flush made the new generation safe");
        let (writes, flushes) = (entries.len() + 1 - parts.len(), parts.len() - 1);
        let is_new = left.iter().filter(|&&left| left == new).count();
        format!("{writes} writes, {flushes} flushes: {} disks, {is_new} with the new generation", left.len())
    });
}
