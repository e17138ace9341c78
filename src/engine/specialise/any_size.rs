//! What copies and fills of any size share.

use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::shape::{Shape, SizeClass};
use super::{Operation, Vectors};

/// From how many bytes something other than the loop is faster, on this CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limits {
    /// `rep movsb` and `rep stosb`.
    pub string_from: Option<u32>,
    /// Stores past the caches.
    pub streaming_from: Option<u32>,
}

/// With ERMS or FSRM the string instructions move more than 16 bytes a cycle, which is what SSE2 moves: 60 to 72 bytes/ns
/// against 50 to 58 at this size on Zen 4, 70 to 98 at twice this. At half of it they lose to SSE2, and they are never
/// faster than a loop of AVX2 (72 against 113 bytes/ns at this size, 99 against 116 at 8 KiB).
const STRING_FROM: u32 = 2048;

/// For CPUs that do not tell: larger than most. Streaming what would have stayed in the cache costs three times the time
/// (26 against 77 bytes/ns), not streaming what does not fit in it costs at most that for copies and little for fills.
pub const LAST_LEVEL_CACHE_BYTES: u32 = 32 << 20;

impl Limits {
    /// The loop throughout.
    pub const NONE: Self = Self { string_from: None, streaming_from: None };

    /// `has_fast_strings` is ERMS or FSRM.
    pub fn of(operation: Operation, vectors: Vectors, has_fast_strings: bool, last_level_cache_bytes: u32) -> Self {
        let strings = has_fast_strings && vectors == Vectors::Sse2;
        // A copy has two blocks that share the cache.
        let streaming_from = match operation {
            Operation::Fill => last_level_cache_bytes,
            _ => last_level_cache_bytes / 2,
        };
        Self { string_from: strings.then_some(STRING_FROM), streaming_from: Some(streaming_from) }
    }

    /// Where the string instruction begins, unless everything from there on is streamed.
    pub fn string_before_streaming(self) -> Option<u32> {
        self.string_from.filter(|string| self.streaming_from.is_none_or(|streaming| *string < streaming))
    }
}

/// How a loop stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Cached,
    PastCaches,
}

/// Emits `shape`'s tests of `rdx` and for each class what `body` emits, without the last `ret`.
pub fn emit_classes(
    assembler: &mut CodeAssembler,
    vectors: Vectors,
    shape: Shape,
    mut body: impl FnMut(&mut CodeAssembler, SizeClass) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    let classes = shape.classes(vectors);
    // Subtrees not emitted yet, with their labels.
    let mut pending = Vec::new();
    let (mut first, mut last) = (0, classes.len() - 1);
    loop {
        while let Some(limit) = shape.split(first, last) {
            let above = assembler.create_label();
            assembler.cmp(edx, classes[limit].max)?;
            assembler.ja(above)?;
            pending.push((above, limit + 1, last));
            last = limit;
        }
        body(assembler, classes[first])?;
        let Some((mut label, next_first, next_last)) = pending.pop() else { return Ok(()) };
        assembler.ret()?;
        assembler.set_label(&mut label)?;
        (first, last) = (next_first, next_last);
    }
}

/// How a class whose largest size is four times a width is covered without a branch: half a class's smallest size from
/// each end, and as much again beside it, which for the smaller half of the sizes is the same bytes again.
///
/// `rax` = the distance of the second piece from the first, 0 or `quarter`; `rcx` = where the third ends.
pub fn quarters(assembler: &mut CodeAssembler, quarter: u32) -> Result<(), IcedError> {
    assembler.lea(eax, dword_ptr(rdx - 1))?;
    assembler.and(eax, 2 * quarter)?;
    assembler.shr(eax, 1)?;
    assembler.mov(rcx, rdx)?;
    assembler.sub(rcx, rax)
}

/// `k1` = the lowest `rdx` bits set, of 64; if `max` is 128, `k2` = the same of the next 64. `rdx` is at most `max`.
pub fn masks(assembler: &mut CodeAssembler, max: u32) -> Result<(), IcedError> {
    assembler.mov(rax, -1i64)?;
    assembler.bzhi(rcx, rax, rdx)?;
    assembler.kmovq(k1, rcx)?;
    if max > 64 {
        assembler.xor(ecx, ecx)?;
        assembler.sub(edx, 64)?;
        assembler.cmovb(edx, ecx)?;
        assembler.bzhi(rax, rax, rdx)?;
        assembler.kmovq(k2, rax)?;
    }
    Ok(())
}
