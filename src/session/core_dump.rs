//! Core dumps of programs, in the form that WebAssembly's tools read: a module whose memories, data and globals are those of the
//! program, with the calls that were active in custom sections (WebAssembly/tool-conventions, Coredump.md).
//!
//! Pure. Key function: [`write`]. Locals and operands of a call are left out: compiled code keeps most of them in registers, whose
//! values are gone when the calls are walked, or not at all. Memory is written as it is, with nothing beside it but a header for
//! each part, for there may be no other. Neighbours: both faces call it after a trap.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use wasmparser::ValType;

use crate::engine::seams::WASM_PAGE_BYTES;
use crate::engine::{Engine, TraceFrame, Trap};

/// Sections by their numbers (WebAssembly core specification, 5.5.2).
const CUSTOM: u8 = 0;
const MEMORIES: u8 = 5;
const GLOBALS: u8 = 6;
const DATA: u8 = 11;

/// What ends a constant expression.
const END: u8 = 0x0b;

/// Memory is looked at in such pieces, and those that hold nothing but 0 are left out.
const PIECE_BYTES: usize = 4096;

/// Of calls in a row from one place, so many are written.
const MOST_EQUAL_CALLS: u64 = 1000;

/// The form has no room for what the memories hold; nothing of that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more than 4 GiB of memory hold something, and the form has no room for that")
    }
}

impl core::error::Error for TooLarge {}

/// Hands to `out`, piece by piece, what the program `name` was when it ended by `trap`.
pub fn write(engine: &mut Engine, trap: &Trap, name: &str, out: &mut dyn FnMut(&[u8])) -> Result<(), TooLarge> {
    out(b"\0asm\x01\0\0\0");
    custom(out, "core", &[&[0], &text(name)[..]].concat());
    custom(out, "coremodules", &[&[1, 0], &text(name)[..]].concat());
    let globals: Vec<_> = engine.globals_of_program().collect();
    let mut instance = vec![1, 0, 0];
    for count in [engine.memory_count(), globals.len()] {
        unsigned(&mut instance, count as u64);
        (0..count).for_each(|index| unsigned(&mut instance, index as u64));
    }
    custom(out, "coreinstances", &instance);
    custom(out, "corestack", &stack(trap));
    let mut memories = count(engine.memory_count());
    for index in 0..engine.memory_count() {
        memories.push(0);
        unsigned(&mut memories, engine.memory_of_program(index).len() as u64 / WASM_PAGE_BYTES);
    }
    section(out, MEMORIES, &memories);
    let mut values = count(globals.len());
    for (ty, value) in globals {
        global(&mut values, ty.content_type, value);
    }
    section(out, GLOBALS, &values);
    data(engine, out)
}

/// The calls that were active, innermost first. What the libc did in place of the program's own function is at its beginning.
fn stack(trap: &Trap) -> Vec<u8> {
    let frames = trap.backtrace.iter().filter_map(|frame| Some((frame.index?, frame)));
    let calls = |frame: &TraceFrame| frame.times.min(MOST_EQUAL_CALLS);
    let mut stack = [&[0], &text("main")[..]].concat();
    unsigned(&mut stack, frames.clone().map(|(_, frame)| calls(frame)).sum());
    for (index, frame) in frames {
        let offset = frame.offset.zip(frame.body_start).map_or(0, |(offset, start)| offset.saturating_sub(start));
        for _ in 0..calls(frame) {
            stack.extend([0, 0]);
            unsigned(&mut stack, u64::from(index));
            unsigned(&mut stack, u64::from(offset));
            stack.extend([0, 0]);
        }
    }
    stack
}

/// A global that nobody changes any more, with its value; a reference is null, for what it leads to is gone.
fn global(out: &mut Vec<u8>, ty: ValType, [low, high]: [u64; 2]) {
    match ty {
        ValType::I32 => {
            out.extend([0x7f, 0, 0x41]);
            signed(out, i64::from(low as i32));
        }
        ValType::I64 => {
            out.extend([0x7e, 0, 0x42]);
            signed(out, low as i64);
        }
        ValType::F32 => {
            out.extend([0x7d, 0, 0x43]);
            out.extend((low as u32).to_le_bytes());
        }
        ValType::F64 => {
            out.extend([0x7c, 0, 0x44]);
            out.extend(low.to_le_bytes());
        }
        ValType::V128 => {
            out.extend([0x7b, 0, 0xfd, 0x0c]);
            out.extend(low.to_le_bytes());
            out.extend(high.to_le_bytes());
        }
        ValType::Ref(ty) => {
            let ty = if ty.is_extern_ref() { 0x6f } else { 0x70 };
            out.extend([ty, 0, 0xd0, ty]);
        }
    }
    out.push(END);
}

fn data(engine: &mut Engine, out: &mut dyn FnMut(&[u8])) -> Result<(), TooLarge> {
    let (mut number, mut bytes) = (0, 0);
    for memory in 0..engine.memory_count() {
        for part in parts(engine.memory_of_program(memory)) {
            number += 1;
            bytes += part_header(memory, &part).len() + part.len();
        }
    }
    let number = count(number);
    let bytes = u32::try_from(number.len() + bytes).map_err(|_| TooLarge)?;
    out(&section_header(DATA, bytes as usize));
    out(&number);
    for memory in 0..engine.memory_count() {
        let content = engine.memory_of_program(memory);
        for part in parts(content) {
            out(&part_header(memory, &part));
            out(&content[part]);
        }
    }
    Ok(())
}

/// The parts of a memory that hold something.
fn parts(content: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let holds = |piece: &&[u8]| piece.iter().any(|byte| *byte != 0);
    let mut at = 0;
    core::iter::from_fn(move || {
        let empty = content[at..].chunks(PIECE_BYTES).take_while(|piece| !holds(piece)).count();
        let start = at + empty * PIECE_BYTES;
        let full = content.get(start..)?.chunks(PIECE_BYTES).take_while(holds).count();
        at = (start + full * PIECE_BYTES).min(content.len());
        (full > 0).then_some(start..at)
    })
}

/// What stands in front of a part of memory number `memory` in the data section.
fn part_header(memory: usize, part: &Range<usize>) -> Vec<u8> {
    let mut header = if memory == 0 { vec![0] } else { vec![2] };
    if memory > 0 {
        unsigned(&mut header, memory as u64);
    }
    header.push(0x41);
    signed(&mut header, i64::from(part.start as u32 as i32));
    header.push(END);
    unsigned(&mut header, part.len() as u64);
    header
}

fn custom(out: &mut dyn FnMut(&[u8]), name: &str, content: &[u8]) {
    section(out, CUSTOM, &[&text(name), content].concat());
}

fn section(out: &mut dyn FnMut(&[u8]), number: u8, content: &[u8]) {
    out(&section_header(number, content.len()));
    out(content);
}

fn section_header(number: u8, bytes: usize) -> Vec<u8> {
    let mut header = vec![number];
    unsigned(&mut header, bytes as u64);
    header
}

fn count(number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    unsigned(&mut out, number as u64);
    out
}

/// A name: its length and its bytes.
fn text(name: &str) -> Vec<u8> {
    let mut out = count(name.len());
    out.extend_from_slice(name.as_bytes());
    out
}

/// A number in LEB128 (5.2.2).
fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn signed(out: &mut Vec<u8>, mut number: i64) {
    while !(-64..64).contains(&number) {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8 & 0x7f);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_specification_has_them() {
        let unsigned = |number| {
            let mut out = Vec::new();
            super::unsigned(&mut out, number);
            out
        };
        let signed = |number| {
            let mut out = Vec::new();
            super::signed(&mut out, number);
            out
        };
        assert_eq!([0, 127, 128, 624_485].map(unsigned), [&[0][..], &[0x7f], &[0x80, 1], &[0xe5, 0x8e, 0x26]]);
        assert_eq!([0, 63, 64, -64, -65].map(signed), [&[0][..], &[0x3f], &[0xc0, 0], &[0x40], &[0xbf, 0x7f]]);
        assert_eq!(signed(i64::from(i32::MIN)), [0x80, 0x80, 0x80, 0x80, 0x78]);
    }

    #[test]
    fn what_holds_nothing_is_left_out() {
        let mut content = vec![0; 5 * PIECE_BYTES];
        content[PIECE_BYTES] = 1;
        content[3 * PIECE_BYTES - 1] = 1;
        content[5 * PIECE_BYTES - 1] = 1;
        let ranges: Vec<_> = parts(&content).collect();
        assert_eq!(ranges, [PIECE_BYTES..3 * PIECE_BYTES, 4 * PIECE_BYTES..5 * PIECE_BYTES]);
        assert!(parts(&[]).next().is_none() && parts(&content[..PIECE_BYTES]).next().is_none());
        assert_eq!(parts(&content[PIECE_BYTES..]).next(), Some(0..2 * PIECE_BYTES));
    }
}
