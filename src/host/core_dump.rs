//! Core dumps of programs, in the form that WebAssembly's tools read: a module whose memories, data and globals are those of the
//! program, with the calls that were active in custom sections (WebAssembly/tool-conventions, Coredump.md).
//!
//! Key function: [`write`]. What a frame's locals and operands were is not known any more. Neighbour: the command calls it after a
//! trap.

use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::vec;
use std::vec::Vec;
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

/// A part of a memory that holds something.
struct Part {
    memory: usize,
    bytes: Range<usize>,
    /// What stands in front of it in the data section.
    header: Vec<u8>,
}

/// Writes to `out` what the program `name` was when it ended by `trap`.
pub fn write(out: &mut dyn Write, engine: &mut Engine, trap: &Trap, name: &str) -> io::Result<()> {
    out.write_all(b"\0asm\x01\0\0\0")?;
    custom(out, "core", &[&[0], &text(name)[..]].concat())?;
    custom(out, "coremodules", &[&[1, 0], &text(name)[..]].concat())?;
    let globals: Vec<_> = engine.globals_of_program().collect();
    let mut instance = vec![1, 0, 0];
    for count in [engine.memory_count(), globals.len()] {
        unsigned(&mut instance, count as u64);
        (0..count).for_each(|index| unsigned(&mut instance, index as u64));
    }
    custom(out, "coreinstances", &instance)?;
    custom(out, "corestack", &stack(trap))?;
    let mut memories = count(engine.memory_count());
    for index in 0..engine.memory_count() {
        memories.push(0);
        unsigned(&mut memories, engine.memory_of_program(index).len() as u64 / WASM_PAGE_BYTES);
    }
    section(out, MEMORIES, &memories)?;
    let mut values = count(globals.len());
    for (ty, value) in globals {
        global(&mut values, ty.content_type, value);
    }
    section(out, GLOBALS, &values)?;
    data(out, engine)
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

fn data(out: &mut dyn Write, engine: &mut Engine) -> io::Result<()> {
    let mut parts = Vec::new();
    for memory in 0..engine.memory_count() {
        parts.extend(parts_of(memory, engine.memory_of_program(memory)));
    }
    let number = count(parts.len());
    let bytes = number.len() + parts.iter().map(|part| part.header.len() + part.bytes.len()).sum::<usize>();
    let bytes =
        u32::try_from(bytes).map_err(|_| io::Error::new(ErrorKind::FileTooLarge, "more than 4 GiB of memory"))?;
    out.write_all(&section_header(DATA, bytes as usize))?;
    out.write_all(&number)?;
    for Part { memory, bytes, header } in parts {
        out.write_all(&header)?;
        out.write_all(&engine.memory_of_program(memory)[bytes])?;
    }
    Ok(())
}

/// The parts of memory number `memory` that hold something.
fn parts_of(memory: usize, content: &[u8]) -> Vec<Part> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (piece, start) in content.chunks(PIECE_BYTES).zip((0..).step_by(PIECE_BYTES)) {
        let end = start + piece.len();
        match ranges.last_mut() {
            _ if piece.iter().all(|byte| *byte == 0) => {}
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    let part = |bytes: Range<usize>| {
        let mut header = if memory == 0 { vec![0] } else { vec![2] };
        if memory > 0 {
            unsigned(&mut header, memory as u64);
        }
        header.push(0x41);
        signed(&mut header, i64::from(bytes.start as u32 as i32));
        header.push(END);
        unsigned(&mut header, bytes.len() as u64);
        Part { memory, bytes, header }
    };
    ranges.into_iter().map(part).collect()
}

fn custom(out: &mut dyn Write, name: &str, content: &[u8]) -> io::Result<()> {
    section(out, CUSTOM, &[&text(name), content].concat())
}

fn section(out: &mut dyn Write, number: u8, content: &[u8]) -> io::Result<()> {
    out.write_all(&section_header(number, content.len()))?;
    out.write_all(content)
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
        let ranges: Vec<_> = parts_of(0, &content).into_iter().map(|part| part.bytes).collect();
        assert_eq!(ranges, [PIECE_BYTES..3 * PIECE_BYTES, 4 * PIECE_BYTES..5 * PIECE_BYTES]);
    }
}
