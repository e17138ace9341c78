//! Lays the inputs of a case out in linear memory, the same in each: a table of rows, and what their addresses point to.
//!
//! What is copied or searched lies in two windows of 12 KiB where it is not longer than that, so that it stays in a
//! first-level cache. Tables of 256 rows stay there, too; those of 65,536 rows (768 KiB) are streamed from the second.

use crate::cases::{Case, Inputs};
use crate::distributions::Distribution;
use crate::loops::{EMPTY, Function, MEMCHR, MEMCMP, MEMMOVE, MEMSET, STRCHR, STRCMP, STRSTR};
use crate::numbers;
use crate::random::Random;
use crate::table::{DRAWN_ROWS, FIRST, PAGES, ROWS, Row, SECOND, SLOTS, Table};
use bareflow::engine::seams::WASM_PAGE_BYTES;
use bareflow::libc::LibcFunction;
use wasmparser::ValType;

const FIXED_ROWS: u32 = 256;
/// Most bytes that one pass over a table of one size works on, where more than one row does.
const PASS_BYTES: u32 = 1 << 20;
const WINDOW: u32 = 12 << 10;
/// Offsets of what is longer than a window are spread over this much.
const LEAST_SPREAD: u32 = 4096;
const CACHE_LINE: u32 = 64;
const SEED: u64 = 1;

/// What all of memory holds that is copied or compared; nothing searches for it.
const FILLING: u8 = 0x5a;
const NEEDLE_BYTES: u32 = 4;

/// Writes what `case` needs into `memory`.
pub fn lay_out(case: &Case, memory: &mut [u8]) -> Table {
    let mut layout = Layout { memory, random: Random(SEED), rows: Vec::new(), bytes: Vec::new() };
    layout.memory[FIRST as usize..PAGES * WASM_PAGE_BYTES as usize].fill(FILLING);
    match &case.inputs {
        Inputs::Size { bytes, aligned } => layout.blocks_of_one_size(case.function, *bytes, *aligned),
        Inputs::Sizes(sizes) => layout.blocks(case.function, sizes),
        Inputs::Length { bytes, aligned } => layout.strings_of_one_length(case.function, *bytes, *aligned),
        Inputs::Lengths(lengths) => layout.strings(case.function, lengths),
        Inputs::Pairs { bytes } => layout.rows = vec![[*bytes, 0, 0]; FIXED_ROWS as usize],
        Inputs::Numbers { function, .. } => layout.numbers(function),
        Inputs::Trace(rows) => layout.rows = rows.iter().map(|row| [row[0], SLOTS + 8 * row[1], row[2]]).collect(),
    }
    Table { is_rounded: matches!(case.inputs, Inputs::Numbers { .. }), ..layout.finish(case.function) }
}

struct Layout<'a> {
    memory: &'a mut [u8],
    random: Random,
    rows: Vec<Row>,
    /// How much each row works on.
    bytes: Vec<u32>,
}

impl Layout<'_> {
    fn blocks_of_one_size(&mut self, function: Function, bytes: u32, aligned: bool) {
        for _ in 0..(PASS_BYTES / bytes).clamp(1, FIXED_ROWS) {
            let [first, second] = [(); 2].map(|()| self.offset(bytes, aligned));
            self.block(function, first, second, bytes);
        }
    }

    /// Each at any byte of its window.
    fn blocks(&mut self, function: Function, sizes: &Distribution) {
        for _ in 0..DRAWN_ROWS {
            let bytes = sizes.draw(&mut self.random);
            let [first, second] = [(); 2].map(|()| self.below(WINDOW - bytes));
            self.block(function, first, second, bytes);
        }
    }

    fn block(&mut self, function: Function, first: u32, second: u32, bytes: u32) {
        let second = match function {
            MEMSET => u32::from(FILLING),
            MEMCHR => 0,
            // In one window, so that some overlap.
            MEMMOVE => FIRST + second,
            _ => SECOND + second,
        };
        self.rows.push([FIRST + first, second, bytes]);
        self.bytes.push(bytes);
    }

    fn strings_of_one_length(&mut self, function: Function, bytes: u32, aligned: bool) {
        let mut at = 0;
        while self.rows.len() < FIXED_ROWS as usize && (at == 0 || at + bytes + 2 * CACHE_LINE <= WINDOW) {
            at = at.next_multiple_of(CACHE_LINE) + if aligned { 0 } else { 1 + self.below(CACHE_LINE - 1) };
            self.string(function, at, bytes);
            at += bytes + 1;
        }
    }

    /// A window full of them, one behind the other, which rows then pick at random.
    fn strings(&mut self, function: Function, lengths: &Distribution) {
        let mut at = 0;
        loop {
            let bytes = lengths.draw(&mut self.random);
            if at + bytes >= WINDOW {
                break;
            }
            self.string(function, at, bytes);
            at += bytes.max(NEEDLE_BYTES) + 1;
        }
        let picked: Vec<usize> = (0..DRAWN_ROWS).map(|_| self.below(self.rows.len() as u32) as usize).collect();
        self.rows = picked.iter().map(|index| self.rows[*index]).collect();
        self.bytes = picked.iter().map(|index| self.bytes[*index]).collect();
    }

    /// A string of `bytes` letters at offset `at`, and what it is compared with or searched for: an equal string, its
    /// last letter, which is nowhere before, or its last four.
    fn string(&mut self, function: Function, at: u32, bytes: u32) {
        let bytes = if function == STRSTR { bytes.max(NEEDLE_BYTES) } else { bytes };
        let mut text: Vec<u8> = (0..bytes).map(|_| b'a' + self.below(25) as u8).collect();
        if function == STRCHR
            && let Some(last) = text.last_mut()
        {
            *last = b'z';
        }
        let second = match function {
            STRCMP => self.write_string(SECOND + at, &text),
            STRSTR => self.write_string(SECOND + at, &text[text.len() - NEEDLE_BYTES as usize..]),
            _ => u32::from(text.last().copied().unwrap_or(0)),
        };
        let first = self.write_string(FIRST + at, &text);
        self.rows.push([first, second, 0]);
        self.bytes.push(bytes + 1);
    }

    fn write_string(&mut self, address: u32, text: &[u8]) -> u32 {
        let place = &mut self.memory[address as usize..][..=text.len()];
        place[..text.len()].copy_from_slice(text);
        place[text.len()] = 0;
        address
    }

    /// A window full of arguments, which rows then pick at random.
    fn numbers(&mut self, function: &LibcFunction) {
        let is_double = function.results[0] == ValType::F64;
        let call_bytes = 8 * function.params.len() as u32;
        let calls = WINDOW / call_bytes;
        for call in 0..calls {
            for (number, place) in numbers::typical(function.name, &mut self.random).into_iter().zip(0..) {
                let at = (FIRST + call * call_bytes + place * 8) as usize;
                match is_double {
                    true => self.memory[at..][..8].copy_from_slice(&number.to_le_bytes()),
                    false => self.memory[at..][..4].copy_from_slice(&(number as f32).to_le_bytes()),
                }
            }
        }
        for _ in 0..DRAWN_ROWS {
            let at = FIRST + self.below(calls) * call_bytes;
            self.rows.push([at, at + 8, 0]);
            self.bytes.push(0);
        }
    }

    fn offset(&mut self, bytes: u32, aligned: bool) -> u32 {
        let spread = WINDOW.saturating_sub(bytes).max(LEAST_SPREAD);
        let line = self.below(spread / CACHE_LINE) * CACHE_LINE;
        line + if aligned { 0 } else { 1 + self.below(CACHE_LINE - 1) }
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.random.next() % u64::from(end)) as u32
    }

    fn finish(self, function: Function) -> Table {
        let rows = self.rows.iter().flatten().flat_map(|word| word.to_le_bytes());
        self.memory[ROWS as usize..].iter_mut().zip(rows).for_each(|(place, byte)| *place = byte);
        let cycles: f64 = self.bytes.iter().map(|bytes| limit_cycles(function, *bytes)).sum();
        let limit_cycles = (function != EMPTY).then(|| cycles / self.bytes.len() as f64);
        Table {
            first: ROWS,
            rows: self.rows.len() as u32,
            limit_cycles,
            may_be_cut: function != EMPTY,
            is_rounded: false,
        }
    }
}

/// The cycles that a core needs for `bytes` in its first-level cache if it stores 32 bytes in each, or loads two times 32.
fn limit_cycles(function: Function, bytes: u32) -> f64 {
    let vectors = f64::from(bytes.div_ceil(32));
    let both_are_read = matches!(function, MEMCMP | STRCMP);
    let is_written = function.name.starts_with("memcpy") || matches!(function, MEMMOVE | MEMSET);
    if both_are_read || is_written { vectors } else { vectors / 2.0 }
}
