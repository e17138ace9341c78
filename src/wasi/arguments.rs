//! From the engine's words to typed arguments.
//!
//! An [`Argument`] knows the WebAssembly parameters it is made of, so that a handler's signature and the type that
//! the linker checks cannot disagree.

use super::memory::Span;
use wasmparser::ValType;

/// The words of one call, taken from the left. The engine's `i32` is the low half of its word.
pub struct Words<'w> {
    words: core::slice::Iter<'w, u64>,
}

impl<'w> Words<'w> {
    /// `words` holds one word for each parameter of the function; [`super::Wasi`] has checked their number.
    pub fn new(words: &'w [u64]) -> Self {
        Self { words: words.iter() }
    }

    fn next(&mut self) -> u64 {
        self.words.next().copied().unwrap_or(0)
    }
}

/// A parameter of a WASI function: one or more WebAssembly parameters.
pub trait Argument {
    const TYPES: &'static [ValType];

    fn take(words: &mut Words<'_>) -> Self;
}

impl Argument for u32 {
    const TYPES: &'static [ValType] = &[ValType::I32];

    fn take(words: &mut Words<'_>) -> Self {
        words.next() as u32
    }
}

impl Argument for u64 {
    const TYPES: &'static [ValType] = &[ValType::I64];

    fn take(words: &mut Words<'_>) -> Self {
        words.next()
    }
}

impl Argument for i64 {
    const TYPES: &'static [ValType] = &[ValType::I64];

    fn take(words: &mut Words<'_>) -> Self {
        words.next().cast_signed()
    }
}

impl Argument for Span {
    const TYPES: &'static [ValType] = &[ValType::I32, ValType::I32];

    fn take(words: &mut Words<'_>) -> Self {
        Span { address: u32::take(words), len: u32::take(words) }
    }
}

/// How `path_open` is asked to open.
#[derive(Clone, Copy, Debug)]
pub struct OpenRequest {
    pub path: Span,
    pub open_flags: u32,
    pub rights: u64,
    pub rights_inheriting: u64,
    pub fd_flags: u32,
}

impl Argument for OpenRequest {
    const TYPES: &'static [ValType] =
        &[ValType::I32, ValType::I32, ValType::I32, ValType::I64, ValType::I64, ValType::I32];

    fn take(words: &mut Words<'_>) -> Self {
        OpenRequest {
            path: Span::take(words),
            open_flags: u32::take(words),
            rights: u64::take(words),
            rights_inheriting: u64::take(words),
            fd_flags: u32::take(words),
        }
    }
}

/// Which times of a file are to be set, and to what.
#[derive(Clone, Copy, Debug)]
pub struct TimesRequest {
    pub accessed_ns: u64,
    pub modified_ns: u64,
    pub flags: u32,
}

impl Argument for TimesRequest {
    const TYPES: &'static [ValType] = &[ValType::I64, ValType::I64, ValType::I32];

    fn take(words: &mut Words<'_>) -> Self {
        TimesRequest { accessed_ns: u64::take(words), modified_ns: u64::take(words), flags: u32::take(words) }
    }
}

/// The types of several arguments, one after the other. `N` is their total.
pub const fn flatten<const N: usize>(arguments: &[&[ValType]]) -> [ValType; N] {
    let mut types = [ValType::I32; N];
    let (mut filled, mut i) = (0, 0);
    while i < arguments.len() {
        let mut j = 0;
        while j < arguments[i].len() {
            types[filled] = arguments[i][j];
            filled += 1;
            j += 1;
        }
        i += 1;
    }
    types
}
