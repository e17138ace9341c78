//! `strlen`, `strcmp`, `strncmp`, `strcpy`, `strncpy`, `strcat`, `strchr`, `strrchr` and `strstr`.

use super::twin::Twin;
use super::{LibcUnderTest, Random};

/// Two places far enough apart for strings of [`LONGEST`] bytes at any alignment.
const A: usize = 1024;
const B: usize = 2048;
const LONGEST: usize = 200;

/// `len` bytes of an alphabet of `letters` bytes that ends at 255, and the terminator.
fn string(random: &mut Random, len: usize, letters: usize) -> Vec<u8> {
    let text = (0..len).map(|_| 255 - random.below(letters) as u8);
    text.chain([0]).collect()
}

pub fn lengths_and_copies_agree_with_the_host_at_every_alignment(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(11);
    let mut twin = Twin::new(libc);
    for len in 0..=LONGEST {
        for alignments in 0..256 {
            let (dst, src) = (A + alignments / 16, B + alignments % 16);
            let text = string(&mut random, len, 255);
            twin.put(src, &text);
            assert_eq!(twin.call("strlen", &[src]), len as i32);
            twin.call("strcpy", &[dst, src]);
            twin.check(A - 64..A + 512, ("strcpy", dst, src, len));
            twin.put(dst + random.below(len + 1), &[0]);
            twin.call("strcat", &[dst, src]);
            twin.check(A - 64..A + 512, ("strcat", dst, src, len));
        }
    }
    twin.check_all();
}

pub fn bounded_copies_fill_up_with_zeros(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(12);
    let mut twin = Twin::new(libc);
    for _ in 0..20_000 {
        let (dst, src) = (A + random.below(16), B + random.below(16));
        let len = random.below(LONGEST);
        let bound = random.below(2 * LONGEST);
        let text = string(&mut random, len, 255);
        twin.put(src, &text);
        twin.put(dst, &[7; 2 * LONGEST]);
        twin.call("strncpy", &[dst, src, bound]);
        twin.check(A - 64..A + 512, ("strncpy", dst, src, len, bound));
    }
    twin.check_all();
}

pub fn comparisons_give_the_difference_as_unsigned_chars(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(13);
    let mut twin = Twin::new(libc);
    for _ in 0..50_000 {
        let (a, b) = (A + random.below(16), B + random.below(16));
        let len = random.below(LONGEST);
        let text = string(&mut random, len, 255);
        twin.put(a, &text);
        twin.put(b, &text);
        if random.below(4) > 0 {
            // A byte of 0 makes one a prefix of the other.
            let byte = if random.below(4) == 0 { 0 } else { random.byte() };
            twin.put(b + random.below(len + 1), &[byte, 0]);
        }
        twin.call("strcmp", &[a, b]);
        twin.call("strcmp", &[b, a]);
        twin.call("strncmp", &[a, b, random.below(2 * LONGEST)]);
        twin.call("strncmp", &[b, a, len]);
    }
    twin.check_all();
}

pub fn searches_agree_with_the_host(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(14);
    let mut twin = Twin::new(libc);
    for len in 0..=LONGEST {
        for alignment in 0..16 {
            let at = A + alignment;
            let text = string(&mut random, len, 40);
            twin.put(at, &text);
            for name in ["strchr", "strrchr"] {
                twin.call(name, &[at, 255 - random.below(40)]);
                twin.call(name, &[at, 511 - random.below(40)]);
                assert_eq!(twin.call(name, &[at, 1]), 0);
                assert_eq!(twin.call(name, &[at, 0]), (at + len) as i32);
                assert_eq!(twin.call(name, &[at, 256]), (at + len) as i32);
            }
        }
    }
    twin.check_all();
}

pub fn substrings_are_found_where_they_first_begin(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(15);
    let mut twin = Twin::new(libc);
    for _ in 0..20_000 {
        let (s, part) = (A + random.below(16), B + random.below(16));
        let (len, part_len) = (random.below(LONGEST), random.below(6));
        let text = string(&mut random, len, 3);
        let needle = string(&mut random, part_len, 3);
        twin.put(s, &text);
        twin.put(part, &needle);
        twin.call("strstr", &[s, part]);
        assert!(twin.call("strstr", &[s, s + random.below(len + 1)]) != 0, "a string holds its own end");
        assert_eq!(twin.call("strstr", &[s, s + len]), s as i32, "an empty string begins everywhere");
    }
    twin.check_all();
}

pub fn strings_may_end_where_memory_ends(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(16);
    let mut twin = Twin::new(libc);
    let end = twin.memory_len();
    for len in 0..=LONGEST {
        let text = string(&mut random, len, 255);
        let last = end - text.len();
        twin.put(last, &text);
        assert_eq!(twin.call("strlen", &[last]), len as i32);
        twin.call("strcpy", &[A, last]);
        twin.call("strncpy", &[A, last, len + 40]);
        twin.call("strcmp", &[A, last]);
        twin.call("strcmp", &[last, A]);
        twin.call("strncmp", &[last, A, i32::MAX as usize]);
        twin.call("strchr", &[last, 0]);
        twin.call("strchr", &[last, 300]);
        twin.call("strrchr", &[last, 300]);
        twin.call("strstr", &[A, last]);
        twin.put(B, b"\x01\x02\x03\0");
        assert_eq!(twin.call("strstr", &[last, B]) != 0, text.windows(3).any(|part| part == [1, 2, 3]));
        twin.put(B, &text);
        twin.call("strcpy", &[last, B]);
        twin.call("strncpy", &[last, B, text.len()]);
        twin.put(last, &[0]);
        twin.call("strcat", &[last, B]);
        twin.check(end - 1024..end, len);
    }
    twin.check_all();
}
