//! The machine-code kernels for copies and fills, run on this CPU and compared with Rust's own.

#[path = "kernels/pages.rs"]
mod pages;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::specialise::any_size::Limits;
use bareflow::engine::specialise::shape::Shape;
use bareflow::engine::specialise::{KernelId, MAX_BYTES, Operation, Vectors, any_copy, any_fill, kernel};
use iced_x86::code_asm::CodeAssembler;
use pages::{Code, Guarded, faults};

/// Past the last class that is not a loop's, with any alignment.
const SIZES: std::ops::RangeInclusive<usize> = 0..=600;
/// Distances of a destination from its source: around every width, both ways.
const DISTANCES: [isize; 23] =
    [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 200, 255, 300];

/// The levels that this CPU has.
fn levels() -> Vec<Vectors> {
    let mut levels = vec![Vectors::Sse2];
    if is_x86_feature_detected!("avx2") {
        levels.push(Vectors::Avx2);
    } else {
        eprintln!("skipped: this CPU has no AVX2");
    }
    let has_avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("bmi2");
    if has_avx512 {
        levels.push(Vectors::Avx512);
    } else {
        eprintln!("skipped: this CPU has no AVX-512");
    }
    levels
}

fn any_size(operation: Operation, vectors: Vectors, shape: Shape, limits: Limits) -> Code {
    let mut assembler = CodeAssembler::new(64).unwrap();
    match operation {
        Operation::Copy => any_copy::emit(&mut assembler, vectors, shape, limits).unwrap(),
        _ => any_fill::emit(&mut assembler, vectors, shape, limits).unwrap(),
    }
    assembler.ret().unwrap();
    Code::new(&assembler.assemble(0).unwrap())
}

/// Every shape that differs from the others in its classes or tests.
fn shapes(vectors: Vectors) -> Vec<Shape> {
    let mut shapes: Vec<(String, Shape)> = Vec::new();
    for shape in (0..1 << 14).map(Shape::from_number) {
        let classes = shape.classes(vectors);
        let ranges = (0..classes.len()).flat_map(|first| (first..classes.len()).map(move |last| (first, last)));
        let splits: Vec<_> = ranges.map(|(first, last)| shape.split(first, last)).collect();
        shapes.push((format!("{classes:?} {splits:?}"), shape));
    }
    shapes.sort();
    shapes.dedup_by(|one, other| one.0 == other.0);
    shapes.into_iter().map(|(_, shape)| shape).collect()
}

/// One shape for each way to divide sizes into classes.
fn divisions(vectors: Vectors) -> Vec<Shape> {
    let mut shapes = shapes(vectors);
    shapes.sort_by_key(|shape| format!("{:?}", shape.classes(vectors)));
    shapes.dedup_by_key(|shape| shape.classes(vectors));
    shapes
}

/// The shape for a site that nothing is known about.
fn usual(vectors: Vectors) -> Shape {
    Shape::of(vectors, &[], 0)
}

/// Bytes that tell places apart.
fn pattern(len_bytes: usize) -> Vec<u8> {
    (0..len_bytes).map(|index| (index ^ (index >> 8).wrapping_mul(91)) as u8).collect()
}

fn random(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize % below
}

/// Copies inside `memory` and compares all of it with what `copy_within` makes of `before`.
fn check_copy(code: &Code, memory: &mut [u8], before: &[u8], to: usize, from: usize, bytes: usize, what: &str) {
    memory.copy_from_slice(before);
    assert!(to + bytes <= memory.len() && from + bytes <= memory.len());
    let start = memory.as_mut_ptr();
    // SAFETY: both blocks lie inside `memory`.
    unsafe { code.copy(start.add(to), start.add(from), bytes) };
    let mut expected = before.to_vec();
    expected.copy_within(from..from + bytes, to);
    assert!(memory == expected, "{what}: {bytes} bytes from {from} to {to}");
}

/// Fills inside `memory` and compares all of it.
fn check_fill(code: &Code, memory: &mut [u8], to: usize, bytes: usize, what: &str) {
    memory.fill(0x11);
    assert!(to + bytes <= memory.len());
    // SAFETY: the block lies inside `memory`.
    unsafe { code.fill(memory.as_mut_ptr().add(to), 0xffff_ffa5, bytes) };
    let (head, rest) = memory.split_at(to);
    let (block, tail) = rest.split_at(bytes);
    assert!(block.iter().all(|byte| *byte == 0xa5), "{what}: {bytes} bytes to {to}: not filled");
    assert!(head.iter().chain(tail).all(|byte| *byte == 0x11), "{what}: {bytes} bytes to {to}: filled around it");
}

#[test]
fn copies_of_any_size_move_as_memmove_at_every_alignment_and_overlap() {
    let before = pattern(2048);
    let mut memory = before.clone();
    for vectors in levels() {
        for shape in divisions(vectors) {
            let code = any_size(Operation::Copy, vectors, shape, Limits::NONE);
            let what = format!("{vectors:?} {shape:?}");
            for bytes in SIZES {
                for (index, distance) in DISTANCES.iter().flat_map(|distance| [*distance, -*distance]).enumerate() {
                    let from = 700 + (index * 7 + bytes) % 64;
                    check_copy(&code, &mut memory, &before, from.wrapping_add_signed(distance), from, bytes, &what);
                }
            }
        }
    }
}

#[test]
fn copies_and_fills_of_any_size_obey_every_shape() {
    let before = pattern(1400);
    let mut memory = before.clone();
    for vectors in levels() {
        for shape in shapes(vectors) {
            let copy = any_size(Operation::Copy, vectors, shape, Limits::NONE);
            let fill = any_size(Operation::Fill, vectors, shape, Limits::NONE);
            let what = format!("{vectors:?} {shape:?}");
            // Around every limit between classes.
            let joints = [0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 100, 128, 129, 256, 257, 512, 513, 600];
            for bytes in joints {
                check_copy(&copy, &mut memory, &before, 3, 701, bytes, &what);
                check_fill(&fill, &mut memory, 5, bytes, &what);
            }
        }
    }
}

#[test]
fn fills_of_any_size_fill_their_block_only() {
    let mut memory = vec![0; 800];
    for vectors in levels() {
        for shape in divisions(vectors) {
            let code = any_size(Operation::Fill, vectors, shape, Limits::NONE);
            for bytes in SIZES {
                for to in (0..64).step_by(3) {
                    check_fill(&code, &mut memory, to, bytes, &format!("{vectors:?} {shape:?}"));
                }
            }
        }
    }
}

#[test]
fn nothing_outside_the_blocks_is_accessed() {
    let mut source = Guarded::new(8192);
    let mut target = Guarded::new(8192);
    let len = source.bytes().len();
    source.bytes().copy_from_slice(&pattern(len));
    for vectors in levels() {
        for (shape, limits) in divisions(vectors).into_iter().flat_map(|shape| limits().map(|limits| (shape, limits))) {
            let copy = any_size(Operation::Copy, vectors, shape, limits);
            let fill = any_size(Operation::Fill, vectors, shape, limits);
            for bytes in SIZES.chain([1000, 2047, 4096, 5000, 8192]) {
                for (from, to) in [(0, 0), (0, len - bytes), (len - bytes, 0), (len - bytes, len - bytes)] {
                    let expected = source.bytes()[from..from + bytes].to_vec();
                    let from = source.bytes()[from..].as_ptr();
                    let to = target.bytes()[to..].as_mut_ptr();
                    // SAFETY: both blocks lie inside their memory.
                    unsafe { copy.copy(to, from, bytes) };
                    // SAFETY: the block is part of `target`.
                    let block = unsafe { std::slice::from_raw_parts(to, bytes) };
                    assert!(block == expected, "{vectors:?} {shape:?} {limits:?}: {bytes} bytes");
                    // SAFETY: as above.
                    unsafe { fill.fill(to, 7, bytes) };
                }
            }
        }
    }
}

/// Every way through the code for long blocks, at sizes that tests can afford.
fn limits() -> [Limits; 5] {
    let of = |string_from, streaming_from| Limits { string_from, streaming_from };
    [Limits::NONE, of(Some(900), None), of(None, Some(1500)), of(Some(900), Some(3000)), of(Some(3000), Some(900))]
}

#[test]
fn long_blocks_go_right_by_loop_string_instruction_and_stream() {
    let len = 100_000;
    let before = pattern(len);
    let mut memory = before.clone();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for vectors in levels() {
        for limits in limits() {
            let copy = any_size(Operation::Copy, vectors, usual(vectors), limits);
            let fill = any_size(Operation::Fill, vectors, usual(vectors), limits);
            let what = format!("{vectors:?} {limits:?}");
            for round in 0..300 {
                let bytes = 257 + random(&mut state, if round % 3 == 0 { 40_000 } else { 4000 });
                let from = random(&mut state, len - bytes);
                // Half of the destinations are near, so that the blocks overlap.
                let near = (from + random(&mut state, 600)).saturating_sub(300).min(len - bytes);
                let to = if round % 2 == 0 { near } else { random(&mut state, len - bytes) };
                check_copy(&copy, &mut memory, &before, to, from, bytes, &what);
                check_fill(&fill, &mut memory, to, bytes, &what);
            }
        }
    }
}

#[test]
fn blocks_out_of_bounds_fault() {
    let mut memory = Guarded::new(16 << 20);
    let len = memory.bytes().len();
    let middle = memory.bytes()[len / 2..].as_mut_ptr();
    let last = memory.bytes()[len - 1..].as_mut_ptr();
    for vectors in levels() {
        for (shape, limits) in divisions(vectors).into_iter().zip(limits()) {
            let copy = any_size(Operation::Copy, vectors, shape, limits);
            let fill = any_size(Operation::Fill, vectors, shape, limits);
            for bytes in [2, 9, 17, 33, 65, 129, 257, 513, 1000, 5000, u32::MAX as usize] {
                let what = format!("{vectors:?} {shape:?} {limits:?}: {bytes} bytes");
                // SAFETY: that these calls fault is what is tested.
                assert!(faults(|| unsafe { copy.copy(last, middle, bytes) }), "{what} to the end");
                // SAFETY: as above.
                assert!(faults(|| unsafe { copy.copy(middle, last, bytes) }), "{what} from the end");
                // SAFETY: as above.
                assert!(faults(|| unsafe { fill.fill(last, 0, bytes) }), "{what} filled");
                // SAFETY: the first byte may be accessed.
                assert!(!faults(|| unsafe { copy.copy(last, middle, 1) }), "{what}: one byte is not out of bounds");
            }
        }
    }
}

#[test]
fn kernels_of_one_size_copy_and_fill_that_size() {
    let len = 2 * MAX_BYTES as usize + 700;
    let before = pattern(len);
    let mut memory = before.clone();
    for vectors in levels() {
        for bytes in (64..=600).chain((601..=MAX_BYTES).step_by(61)).chain([1024, 2048, 4095, MAX_BYTES]) {
            let of = |operation| {
                Code::new(
                    &kernel(KernelId { operation, vectors, detail: bytes, rare: false }, CpuFeatures::detect())
                        .unwrap(),
                )
            };
            let (copy, fill, what) = (of(Operation::CopyExactly), of(Operation::FillExactly), format!("{vectors:?}"));
            let bytes = bytes as usize;
            // Their guard admits no destination inside the source.
            for (index, distance) in DISTANCES.iter().map(|distance| -distance).chain([bytes as isize]).enumerate() {
                let from = 400 + index;
                check_copy(&copy, &mut memory, &before, from.wrapping_add_signed(distance), from, bytes, &what);
            }
            for to in [31, 32, 33, 61, 63, 64] {
                check_fill(&fill, &mut memory, to, bytes, &what);
            }
        }
    }
}

#[test]
fn kernels_of_one_size_access_nothing_outside_their_blocks() {
    let mut source = Guarded::new(MAX_BYTES as usize);
    let mut target = Guarded::new(MAX_BYTES as usize);
    for vectors in levels() {
        for bytes in (64..=600).chain([1000, MAX_BYTES]) {
            let of = |operation| {
                Code::new(
                    &kernel(KernelId { operation, vectors, detail: bytes, rare: false }, CpuFeatures::detect())
                        .unwrap(),
                )
            };
            let (copy, fill, bytes) = (of(Operation::CopyExactly), of(Operation::FillExactly), bytes as usize);
            for at in [0, MAX_BYTES as usize - bytes] {
                let (from, to) = (source.bytes()[at..].as_ptr(), target.bytes()[at..].as_mut_ptr());
                // SAFETY: both blocks lie inside their memory.
                unsafe { copy.copy(to, from, bytes) };
                // SAFETY: as above.
                unsafe { fill.fill(to, 1, bytes) };
            }
        }
    }
}
