//! `memcpy`, `memmove`, `memset`, `memcmp` and `memchr`.

use super::twin::Twin;
use super::{LibcUnderTest, Random};

/// Two places far enough apart for blocks of [`LARGEST`] bytes at any alignment.
const A: usize = 1024;
const B: usize = 2048;
const LARGEST: usize = 200;

pub fn copies_agree_with_the_host_at_every_alignment(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(1);
    let mut twin = Twin::new(libc);
    for n in 0..=LARGEST {
        for alignments in 0..256 {
            let (dst, src) = (A + alignments / 16, B + alignments % 16);
            let bytes: Vec<u8> = (0..n).map(|_| random.byte()).collect();
            twin.put(src, &bytes);
            let name = if random.below(2) == 0 { "memcpy" } else { "memmove" };
            twin.call(name, &[dst, src, n]);
            twin.check(A - 64..A + 512, (name, dst, src, n));
        }
    }
    twin.check_all();
}

pub fn copies_may_overlap(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(2);
    let mut twin = Twin::new(libc);
    for _ in 0..20_000 {
        let n = random.below(300);
        let src = A + 300 + random.below(16);
        let dst = src + random.below(2 * n + 1) - n;
        twin.put(src, &(0..n).map(|_| random.byte()).collect::<Vec<u8>>());
        let name = if random.below(2) == 0 { "memcpy" } else { "memmove" };
        twin.call(name, &[dst, src, n]);
        twin.check(A - 64..A + 1024, (name, dst, src, n));
    }
    twin.check_all();
}

pub fn large_copies_and_fills_agree_with_the_host(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(3);
    let mut twin = Twin::new(libc);
    let bytes: Vec<u8> = (0..twin.memory_len()).map(|_| random.byte()).collect();
    twin.put(0, &bytes);
    for n in [255, 256, 257, 511, 512, 513, 1000, 4095, 4096, 4097, 10_000, 50_000] {
        for _ in 0..4 {
            let limit = twin.memory_len() - n;
            let (dst, src) = (random.below(limit), random.below(limit));
            twin.call("memmove", &[dst, src, n]);
            twin.call("memcpy", &[src, dst, n]);
            twin.call("memcmp", &[src, dst, n]);
            twin.call("memset", &[random.below(limit), random.below(256), n]);
            twin.check_all();
        }
    }
}

pub fn fills_agree_with_the_host_at_every_alignment(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(4);
    let mut twin = Twin::new(libc);
    for n in 0..=LARGEST {
        for alignment in 0..16 {
            // Only the low byte of the value counts.
            let value = random.below(1 << 31);
            twin.call("memset", &[A + alignment, value, n]);
            twin.check(A - 64..A + 512, ("memset", alignment, value, n));
        }
    }
    twin.check_all();
}

pub fn comparisons_give_the_difference_of_the_first_differing_bytes(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(5);
    let mut twin = Twin::new(libc);
    for n in 0..=LARGEST {
        for alignments in 0..256 {
            let (a, b) = (A + alignments / 16, B + alignments % 16);
            let bytes: Vec<u8> = (0..n).map(|_| random.byte()).collect();
            twin.put(a, &bytes);
            twin.put(b, &bytes);
            twin.call("memcmp", &[a, b, n]);
            if n > 0 {
                twin.put(b + random.below(n), &[random.byte()]);
                twin.call("memcmp", &[a, b, n]);
            }
            // Bytes behind the blocks do not count.
            twin.put(a + n, &[1]);
            twin.put(b + n, &[2]);
            twin.call("memcmp", &[b, a, n]);
        }
    }
    twin.check_all();
}

pub fn searches_find_the_first_byte_and_read_nothing_behind_it(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(6);
    let mut twin = Twin::new(libc);
    for n in 0..=LARGEST {
        for alignment in 0..16 {
            let bytes: Vec<u8> = (0..n).map(|_| random.below(40) as u8).collect();
            twin.put(A + alignment, &bytes);
            twin.put(A + alignment + n, &[41]);
            twin.call("memchr", &[A + alignment, random.below(40), n]);
            twin.call("memchr", &[A + alignment, 256 + random.below(40), n]);
            assert_eq!(twin.call("memchr", &[A + alignment, 41, n]), 0);
        }
    }
    let last = twin.memory_len() - 1;
    twin.put(last, &[200]);
    assert_eq!(twin.call("memchr", &[last - 20, 200, i32::MAX as usize]), last as i32);
}

pub fn blocks_may_end_where_memory_ends(libc: &mut impl LibcUnderTest) {
    let mut random = Random::new(7);
    let mut twin = Twin::new(libc);
    let end = twin.memory_len();
    for n in 0..=LARGEST {
        twin.put(end - n, &(0..n).map(|_| random.byte()).collect::<Vec<u8>>());
        twin.call("memcpy", &[A, end - n, n]);
        twin.call("memcmp", &[A, end - n, n]);
        twin.call("memset", &[end - n, n, n]);
        twin.call("memmove", &[end - n, A, n]);
        twin.call("memmove", &[end - n, end - n - n / 2, n]);
        assert_eq!(twin.call("memchr", &[end, 0, 0]), 0);
        twin.check(end - 1024..end, n);
    }
    twin.check_all();
}
