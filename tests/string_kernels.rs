//! The string kernels against plain byte loops, on this CPU: results, pages touched, instructions used.

#[path = "string_kernels/encoding.rs"]
mod encoding;
#[path = "string_kernels/model.rs"]
mod model;
#[path = "common/random.rs"]
mod random;
#[path = "string_kernels/room.rs"]
mod room;

use bareflow::engine::specialise::strings::{StringFunction, string_kernel};
use bareflow::engine::specialise::{KernelId, Operation, Pasted, Vectors};
use model::{Answer, Model};
use random::Random;
use room::{Code, Room};

const ALL_VECTORS: [Vectors; 3] = [Vectors::Sse2, Vectors::Avx2, Vectors::Avx512];
const LONGEST: usize = 200;

/// The levels that this CPU has.
fn vectors_here() -> impl Iterator<Item = Vectors> {
    ALL_VECTORS.into_iter().filter(|vectors| match vectors {
        Vectors::Sse2 => true,
        Vectors::Avx2 => is_x86_feature_detected!("avx2"),
        Vectors::Avx512 => {
            is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
        }
    })
}

/// What tells one kernel from another.
type Named = (StringFunction, Vectors, u32);

/// Every kernel of every level.
fn all() -> impl Iterator<Item = Named> {
    let functions = || StringFunction::ALL.into_iter();
    let named = move |vectors| functions().flat_map(move |function| [0, 1].map(|detail| (function, vectors, detail)));
    ALL_VECTORS.into_iter().flat_map(named)
}

/// What is pasted in front of calls of this kernel, if anything is.
fn head((function, vectors, detail): Named) -> Option<Vec<u8>> {
    let id = KernelId { operation: Operation::String(function), vectors, detail, rare: false };
    match id.pasted().unwrap()? {
        Pasted::Head(code) => Some(code),
        Pasted::Whole(_) => None,
    }
}

/// The same with such a call, of `kernel`.
fn headed(named: Named, kernel: &[u8]) -> Option<Vec<u8>> {
    let mut code = head(named)?;
    // A call of what stands behind the return (Intel SDM volume 2: CALL rel32, RET).
    code.extend([0xe8, 1, 0, 0, 0, 0xc3]);
    code.extend(kernel);
    Some(code)
}

#[test]
fn some_calls_have_their_shortest_way_in_front() {
    let have_one: Vec<_> = all().filter(|named| head(*named).is_some()).collect();
    assert!(have_one.contains(&(StringFunction::Memcmp, Vectors::Avx512, 0)));
    assert!(have_one.contains(&(StringFunction::Memchr, Vectors::Avx2, 1)));
    assert!(have_one.contains(&(StringFunction::Strlen, Vectors::Avx2, 0)));
}

/// Every kernel that this CPU can run, also with what is pasted in front of its calls, and a room to run it in.
struct Bench {
    room: Room,
    kernels: Vec<(StringFunction, Vectors, Code)>,
    random: Random,
}

impl Bench {
    fn new(pages: usize, seed: u64) -> Self {
        let mut kernels = Vec::new();
        let here: Vec<Vectors> = vectors_here().collect();
        for named in all().filter(|(_, vectors, _)| here.contains(vectors)) {
            let (function, vectors, detail) = named;
            let code = string_kernel(function, vectors, detail).unwrap();
            for code in headed(named, &code).into_iter().chain([code]) {
                let new = (function, vectors, code);
                if !kernels.contains(&new) {
                    kernels.push(new);
                }
            }
        }
        let kernels =
            kernels.into_iter().map(|(function, vectors, code)| (function, vectors, Code::new(&code))).collect();
        Self { room: Room::new(pages), kernels, random: Random(seed) }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.next() % bound as u64) as usize
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.room.bytes()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// `len` bytes other than 0, of an alphabet of `letters`.
    fn text(&mut self, len: usize, letters: usize) -> Vec<u8> {
        (0..len).map(|_| 255 - self.below(letters) as u8).collect()
    }

    /// Calls each of `functions` at every level, with offsets for addresses, and compares results and memory.
    fn check(&mut self, functions: &[StringFunction], first: usize, second: usize, third: usize) {
        let before = self.room.bytes().to_vec();
        for (function, vectors, code) in self.kernels.clone() {
            if functions.contains(&function) {
                self.check_one(function, vectors, code, [first, second, third], &before);
            }
        }
    }

    fn check_one(
        &mut self,
        function: StringFunction,
        vectors: Vectors,
        code: Code,
        [first, second, third]: [usize; 3],
        before: &[u8],
    ) {
        let mut after = before.to_vec();
        let expected = Model(&mut after).call(function, first, second, third);
        let second_is_byte =
            matches!(function, StringFunction::Memchr | StringFunction::Strchr | StringFunction::Strrchr);
        let address_or_byte = if second_is_byte { second as u64 } else { self.room.address(second) };
        let arguments = [self.room.address(first), address_or_byte, third as u64];
        let call = (function, vectors, first, second, third);
        let Some(expected) = expected else {
            return assert!(self.room.faults(code, arguments), "{call:?} stays inside memory");
        };
        let result = code.call(arguments);
        let result = match expected {
            Answer::Difference(_) => Answer::Difference(result as i32),
            Answer::Length(_) => Answer::Length(result),
            Answer::Nothing => Answer::Nothing,
            Answer::Found(_) => Answer::Found((result != 0).then(|| (result - self.room.address(0)) as usize)),
        };
        assert_eq!(result, expected, "{call:?}");
        if self.room.bytes() != after {
            let at = self.room.bytes().iter().zip(&after).position(|(is, ought)| is != ought);
            panic!("{call:?}: byte {at:?} of memory is wrong");
        }
        self.room.bytes().copy_from_slice(before);
    }
}

const COMPARISONS: [StringFunction; 3] = [StringFunction::Memcmp, StringFunction::Strcmp, StringFunction::Strncmp];
const SEARCHES: [StringFunction; 4] =
    [StringFunction::Memchr, StringFunction::Strlen, StringFunction::Strchr, StringFunction::Strrchr];

/// A place for a block of up to `len` bytes: at any alignment, at the beginning or at the end of memory, or across a
/// page boundary.
fn place(bench: &mut Bench, from: usize, to: usize, len: usize) -> usize {
    match bench.below(4) {
        0 => to - len,
        1 => from,
        2 => {
            let page = from + 4096 * (1 + bench.below((to - from) / 4096 - 1));
            (page - bench.below(len + 1).min(page - from)).min(to - len)
        }
        _ => from + bench.below(to - from - len),
    }
}

#[test]
fn searches_agree_at_every_alignment_and_length() {
    let mut bench = Bench::new(2, 1);
    for len in 0..=LONGEST {
        for alignment in 0..64 {
            let at = 4000 + alignment;
            let text = bench.text(len, 40);
            bench.room.bytes()[at - 64..at + 2 * LONGEST].fill(0);
            bench.put(at, &text);
            let (byte, bound) = (256 * bench.below(3) + 255 - bench.below(60), bench.below(LONGEST + 50));
            bench.check(&SEARCHES, at, byte, bound);
            bench.check(&SEARCHES, at, 0, len + 1);
            bench.check(&[StringFunction::Memchr], at, 0, len);
        }
    }
}

#[test]
fn searches_find_a_byte_at_every_position() {
    let mut bench = Bench::new(2, 2);
    for len in 0..=LONGEST {
        for position in 0..=len {
            let at = if bench.below(2) == 0 { 4096 + bench.below(64) } else { 4096 - bench.below(len + 64) };
            bench.room.bytes()[at - 1..=at + len].fill(7);
            bench.put(at + len, &[0]);
            bench.put(at + position, &[9]);
            bench.put(at + len + 1, &[9, 0]);
            bench.check(&SEARCHES, at, 9, len);
            bench.check(&SEARCHES, at, 9, u32::MAX as usize);
        }
    }
}

#[test]
fn comparisons_agree_at_every_position_of_a_difference() {
    let mut bench = Bench::new(4, 3);
    for len in 0..=LONGEST {
        for position in 0..=len {
            let a = place(&mut bench, 0, 8192, len + 1);
            let b = place(&mut bench, 8192, 16384, len + 1);
            let mut text = bench.text(len, 255);
            text.push(0);
            bench.put(a, &text);
            text[position] = [0, 1, 128, 255][bench.below(4)];
            bench.put(b, &text);
            let bound = bench.below(len + 2);
            bench.check(&COMPARISONS, a, b, bound);
            bench.check(&COMPARISONS, b, a, position);
            bench.check(&COMPARISONS, a, b, position + 1);
            bench.check(&COMPARISONS, b, a, len + 1);
        }
    }
}

#[test]
fn comparisons_agree_on_blocks_that_overlap_or_are_one() {
    let mut bench = Bench::new(2, 4);
    for _ in 0..20_000 {
        let len = bench.below(600);
        let a = 3500 + bench.below(600);
        let b = a + bench.below(80);
        let text = bench.text(len + 80, 1);
        bench.put(a, &text);
        bench.put(a + len, &[0]);
        let bound = bench.below(800);
        bench.check(&COMPARISONS, a, b, bound);
        bench.check(&COMPARISONS, b, a, bound);
    }
}

#[test]
fn long_blocks_agree() {
    let mut bench = Bench::new(16, 5);
    for _ in 0..400 {
        let len = bench.below(20_000);
        let a = place(&mut bench, 0, 32768, len + 1);
        let b = place(&mut bench, 32768, 65536, len + 1);
        let mut text = bench.text(len, 200);
        text.push(0);
        bench.put(a, &text);
        let position = bench.below(len + 1);
        text[position] ^= 1 << bench.below(8);
        bench.put(b, &text);
        for bound in [position, position + 1, len + 1] {
            bench.check(&COMPARISONS, a, b, bound);
            bench.check(&[StringFunction::Memchr], a, 0, bound);
        }
        bench.check(&SEARCHES[1..], a, 3, 0);
        bench.put(a + position, &[3]);
        bench.check(&SEARCHES, a, 3, u32::MAX as usize);
    }
}

/// The byte that decides is the last of memory, however many were allowed.
#[test]
fn nothing_behind_the_deciding_byte_is_touched() {
    let mut bench = Bench::new(2, 6);
    let end = bench.room.len();
    for len in 0..=LONGEST {
        for other in 0..80 {
            let (a, b) = (end - len - 1, 1000 + other);
            let text = bench.text(len, 255);
            bench.room.bytes()[b - 64..b + 2 * LONGEST].fill(0);
            bench.put(a, &text);
            bench.put(b, &text);
            bench.put(end - 1, &[0]);
            bench.check(&SEARCHES, a, 0, u32::MAX as usize);
            bench.check(&[StringFunction::Strstr], a, b, 0);
            bench.check(&COMPARISONS[1..], a, b, u32::MAX as usize);
            bench.check(&COMPARISONS[1..], b, a, len + 1);
            bench.put(b + len, &[1]);
            bench.check(&COMPARISONS[1..], a, b, u32::MAX as usize);
            bench.check(&COMPARISONS[1..], b, a, u32::MAX as usize);
            // What follows faults, each time in a process of its own.
            if other % 16 != 0 {
                continue;
            }
            bench.check(&[StringFunction::Memcmp], a, b, u32::MAX as usize);
            bench.check(&[StringFunction::Memcmp], b, a, u32::MAX as usize);
            // A part without end matters as far as it is found.
            bench.put(end - 1, &[1]);
            bench.put(b, &[2, 3, 0]);
            bench.check(&[StringFunction::Strstr], b, end - 1, 0);
        }
    }
}

#[test]
fn a_size_of_zero_touches_nothing() {
    let mut bench = Bench::new(1, 7);
    let outside = bench.room.len();
    for at in [outside, outside + 100] {
        bench.check(&[StringFunction::Memchr], at, 0, 0);
        bench.check(&[StringFunction::Memcmp, StringFunction::Strncmp], at, at, 0);
    }
}

#[test]
fn what_runs_out_of_memory_faults() {
    let mut bench = Bench::new(1, 8);
    let end = bench.room.len();
    bench.room.bytes().fill(5);
    for len in [0, 1, 15, 16, 31, 63, 64, 65, 200, 1000] {
        bench.check(&SEARCHES, end - len, 6, len + 1);
        bench.check(&COMPARISONS, end - len, 64, len + 1);
        bench.check(&COMPARISONS, 65, end - len, len + 1);
        bench.check(&[StringFunction::Strcpy, StringFunction::Strncpy], 65, end - len, len + 1);
        bench.check(&[StringFunction::Strcat, StringFunction::Strncpy], end - len, 65, len + 1);
    }
}

#[test]
fn copies_agree_at_every_length_and_write_nothing_else() {
    let mut bench = Bench::new(4, 9);
    let copies = [StringFunction::Strcpy, StringFunction::Strncpy];
    for len in 0..=LONGEST {
        for _ in 0..64 {
            let src = place(&mut bench, 0, 8192, len + 1);
            let bound = bench.below(2 * LONGEST);
            let dst = place(&mut bench, 8192, 16384, bound.max(len + 1));
            let mut text = bench.text(len, 255);
            text.push(0);
            bench.put(src, &text);
            bench.check(&copies, dst, src, bound);
            bench.check(&copies[1..], dst, src, len);
            bench.check(&copies[1..], dst, src, len + 1);
            let before = bench.below(300).min(dst - 8192);
            let start = bench.text(before, 255);
            bench.put(dst - before, &start);
            bench.put(dst, &[0]);
            bench.check(&[StringFunction::Strcat], dst - before, src, 0);
        }
    }
}

#[test]
fn long_copies_agree() {
    let mut bench = Bench::new(16, 10);
    for _ in 0..200 {
        let len = bench.below(20_000);
        let (src, dst) = (place(&mut bench, 0, 32768, len + 1), place(&mut bench, 32768, 65536, len + 1));
        let mut text = bench.text(len, 255);
        text.push(0);
        bench.put(src, &text);
        bench.check(&[StringFunction::Strcpy], dst, src, 0);
        let bound = len / 2 + bench.below(len / 2 + 1);
        bench.check(&[StringFunction::Strncpy], dst, src, bound);
        bench.check(&[StringFunction::Strncpy], dst, src, len + 1);
    }
}

/// C leaves it undefined; the bodies of the libc do not.
#[test]
fn overlapping_copies_agree_with_copying_byte_by_byte() {
    let mut bench = Bench::new(2, 11);
    for _ in 0..5000 {
        let len = bench.below(400);
        let src = 3700 + bench.below(500);
        let dst = src - bench.below(200);
        let mut text = bench.text(len, 255);
        text.push(0);
        bench.put(src, &text);
        bench.check(&[StringFunction::Strcpy, StringFunction::Strncpy], dst, src, len + 100);
        bench.check(&[StringFunction::Strncpy], src + (src - dst), src, len + 30);
    }
    let (src, text) = (bench.room.len() - 300, [3; 200]);
    bench.put(src, &text);
    bench.room.bytes()[src + 200..].fill(0);
    for distance in [1, 15, 16, 31, 32, 63, 64, 65, 200] {
        bench.check(&[StringFunction::Strcpy], src + distance, src, 0);
    }
}

#[test]
fn parts_are_found_where_they_first_begin() {
    let mut bench = Bench::new(4, 12);
    for _ in 0..60_000 {
        let (len, part_len) = (bench.below(LONGEST), bench.below(6));
        let string = place(&mut bench, 0, 8192, len + 1);
        let part = place(&mut bench, 8192, 16384, part_len + 1);
        let letters = 2 + bench.below(2);
        for (at, len) in [(string, len), (part, part_len)] {
            let mut text = bench.text(len, letters);
            text.push(0);
            bench.put(at, &text);
        }
        bench.check(&[StringFunction::Strstr], string, part, 0);
        let suffix = string + bench.below(len + 1);
        bench.check(&[StringFunction::Strstr], string, suffix, 0);
    }
}

#[test]
fn long_parts_are_found() {
    let mut bench = Bench::new(4, 13);
    for _ in 0..2000 {
        let (len, part_len) = (bench.below(4000), 1 + bench.below(400));
        let string = place(&mut bench, 0, 8192, len + 1);
        let part = place(&mut bench, 8192, 16384, part_len + 1);
        let mut text = vec![7; len];
        text.push(0);
        bench.put(string, &text);
        let mut needle = vec![7; part_len];
        let odd = bench.below(part_len);
        needle[odd] = [7, 8][bench.below(2)];
        let at = bench.below(len + 1);
        bench.put(string + at, if at < len { &[8] } else { &[0] });
        needle.push(0);
        bench.put(part, &needle);
        bench.check(&[StringFunction::Strstr], string, part, 0);
    }
}
