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
/// against 49 to 58 at this size on Zen 4, 70 to 98 at twice this. At half of it they are no faster, and they are never
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

/// Emits the ways through a long block of `rdx` bytes, without the last `ret`: `by_loop`, or from `limits` on
/// `by_string` or by a loop of streaming stores. `unless` jumps to its label where only the cached loop will do.
pub fn emit_ways(
    assembler: &mut CodeAssembler,
    limits: Limits,
    unless: impl FnOnce(&mut CodeAssembler, CodeLabel) -> Result<(), IcedError>,
    by_string: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
    by_loop: impl Fn(&mut CodeAssembler, Store) -> Result<(), IcedError>,
) -> Result<(), IcedError> {
    let streaming_from = limits.streaming_from;
    let string_from = limits.string_from.filter(|string| streaming_from.is_none_or(|streaming| *string < streaming));
    let Some(first) = string_from.or(streaming_from) else { return by_loop(assembler, Store::Cached) };
    let mut cached = assembler.create_label();
    assembler.cmp(edx, first)?;
    assembler.jb(cached)?;
    unless(assembler, cached)?;
    let mut streaming = assembler.create_label();
    if string_from.is_some() {
        if let Some(bytes) = streaming_from {
            assembler.cmp(edx, bytes)?;
            assembler.jae(streaming)?;
        }
        by_string(assembler)?;
        assembler.ret()?;
    }
    if streaming_from.is_some() {
        if string_from.is_some() {
            assembler.set_label(&mut streaming)?;
        }
        by_loop(assembler, Store::PastCaches)?;
        assembler.ret()?;
    }
    assembler.set_label(&mut cached)?;
    by_loop(assembler, Store::Cached)
}

/// How a class is covered without a branch whose largest size is four times `quarter`: one piece of that at each end, and
/// another beside each, which lies on the first again for sizes that two pieces cover.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_instructions_are_for_cpus_that_do_them_fast_and_have_nothing_better() {
        let string_from =
            |vectors, fast| Limits::of(Operation::Copy, vectors, fast, LAST_LEVEL_CACHE_BYTES).string_from;
        assert_eq!(string_from(Vectors::Sse2, true), Some(STRING_FROM));
        assert_eq!(string_from(Vectors::Sse2, false), None);
        assert_eq!(string_from(Vectors::Avx2, true), None);
    }

    #[test]
    fn what_fits_the_cache_is_not_streamed() {
        let streaming_from = |operation| Limits::of(operation, Vectors::Avx2, true, 8 << 20).streaming_from;
        assert_eq!(streaming_from(Operation::Fill), Some(8 << 20));
        assert_eq!(streaming_from(Operation::Copy), Some(4 << 20), "two blocks share it");
    }
}
