//! The libc under test beside the host's C library: the same calls on the same bytes.

use super::LibcUnderTest;
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::ops::Range;

/// Both libraries, with memories that hold the same bytes.
pub struct Twin<'a, L: LibcUnderTest> {
    under_test: &'a mut L,
    mirror: Vec<u8>,
}

impl<'a, L: LibcUnderTest> Twin<'a, L> {
    pub fn new(under_test: &'a mut L) -> Self {
        let mirror = under_test.memory().to_vec();
        Self { under_test, mirror }
    }

    pub fn memory_len(&self) -> usize {
        self.mirror.len()
    }

    /// Puts `bytes` at `address` in both memories.
    pub fn put(&mut self, address: usize, bytes: &[u8]) {
        let range = address..address + bytes.len();
        self.mirror[range.clone()].copy_from_slice(bytes);
        self.under_test.memory()[range].copy_from_slice(bytes);
    }

    /// Calls `name` in both; both must give the same result. Returns it.
    pub fn call(&mut self, name: &str, args: &[usize]) -> i32 {
        let expected = host_call(Cell::from_mut(&mut self.mirror[..]).as_slice_of_cells(), name, args);
        let words: Vec<i32> = args.iter().map(|arg| *arg as i32).collect();
        let result = self.under_test.call(name, &words);
        assert_eq!(result, expected, "{name}{args:?} on {}", self.excerpt(args));
        result
    }

    /// The bytes of both memories within `range` must be the same.
    pub fn check(&mut self, range: Range<usize>, what: impl std::fmt::Debug) {
        let memory = &self.under_test.memory()[range.clone()];
        assert!(memory == &self.mirror[range.clone()], "{what:?} left other bytes within {range:?}");
    }

    /// Both memories must be the same throughout.
    pub fn check_all(&mut self) {
        self.check(0..self.mirror.len(), "the test");
    }

    fn excerpt(&self, args: &[usize]) -> String {
        let len = self.mirror.len();
        let bytes = |at: &usize| &self.mirror[(*at).min(len)..(*at + 16).min(len)];
        format!("{:02x?}", args.iter().map(bytes).collect::<Vec<_>>())
    }
}

/// Calls the host's function on `memory`, whose first byte has address 0. What it returns is put as the libc's
/// contract has it: addresses relative to `memory`, 0 for NULL, and the difference of the deciding bytes.
/// (Cells, since several pointers into `memory` live at once.)
fn host_call(memory: &[Cell<u8>], name: &str, args: &[usize]) -> i32 {
    match (name, args) {
        ("memcpy" | "memmove", &[dst, src, n]) => {
            let (to, from) = (block(memory, dst, n), block(memory, src, n));
            // SAFETY: both blocks of n bytes lie in `memory`; memmove allows them to overlap.
            unsafe { libc::memmove(to, from, n) };
            dst as i32
        }
        ("memset", &[dst, byte, n]) => {
            let to = block(memory, dst, n);
            // SAFETY: the block of n bytes lies in `memory`.
            unsafe { libc::memset(to, byte as i32, n) };
            dst as i32
        }
        ("memcmp", &[a, b, n]) => {
            let (one, other) = (block(memory, a, n), block(memory, b, n));
            // SAFETY: both blocks of n bytes lie in `memory`.
            let order = unsafe { libc::memcmp(one, other, n) };
            difference(memory, a, b, order)
        }
        ("memchr", &[at, byte, n]) => {
            // C11 7.24.5.1 lets n exceed the block if the byte occurs in it.
            let start = block(memory, at, n.min(memory.len() - at));
            // SAFETY: the block lies in `memory`, and callers pass a larger n only if the byte occurs.
            relative(memory, unsafe { libc::memchr(start, byte as i32, n) })
        }
        _ => host_string_call(memory, name, args),
    }
}

fn host_string_call(memory: &[Cell<u8>], name: &str, args: &[usize]) -> i32 {
    let whole = |address| string(memory, address, usize::MAX);
    match (name, args) {
        // SAFETY: `string` found the terminator.
        ("strlen", &[s]) => unsafe { libc::strlen(whole(s)) as i32 },
        // SAFETY: `string` found both terminators.
        ("strcmp", &[a, b]) => difference(memory, a, b, unsafe { libc::strcmp(whole(a), whole(b)) }),
        ("strncmp", &[a, b, n]) => {
            let (one, other) = (string(memory, a, n), string(memory, b, n));
            // SAFETY: `string` found a terminator or n bytes in each.
            difference(memory, a, b, unsafe { libc::strncmp(one, other, n) })
        }
        // SAFETY: `string` found the terminator.
        ("strchr", &[s, byte]) => relative(memory, unsafe { libc::strchr(whole(s), byte as i32) }.cast()),
        // SAFETY: `string` found the terminator.
        ("strrchr", &[s, byte]) => relative(memory, unsafe { libc::strrchr(whole(s), byte as i32) }.cast()),
        // SAFETY: `string` found both terminators.
        ("strstr", &[s, part]) => relative(memory, unsafe { libc::strstr(whole(s), whole(part)) }.cast()),
        _ => host_string_copy(memory, name, args),
    }
}

fn host_string_copy(memory: &[Cell<u8>], name: &str, args: &[usize]) -> i32 {
    let (dst, src, bound) = (args[0], args[1], args.get(2).copied().unwrap_or(usize::MAX));
    let from = string(memory, src, bound);
    let copied = match name {
        "strncpy" => bound,
        _ => len(memory, src, bound) + 1,
    };
    let start = if name == "strcat" { dst + len(memory, dst, usize::MAX) } else { dst };
    let to = block(memory, start, copied).cast();
    match name {
        // SAFETY: the source is a string, and as many bytes lie in `memory` from the destination on.
        "strcpy" | "strcat" => unsafe { libc::strcpy(to, from) },
        // SAFETY: the source is a string or `bound` bytes, and `bound` bytes lie in `memory` from the destination on.
        "strncpy" => unsafe { libc::strncpy(to, from, bound) },
        _ => panic!("no host function {name} with {} arguments", args.len()),
    };
    dst as i32
}

/// A pointer to `len` bytes of `memory`.
fn block(memory: &[Cell<u8>], address: usize, len: usize) -> *mut c_void {
    memory[address..address + len].as_ptr().cast_mut().cast()
}

/// A pointer to a string in `memory`, or to its first `bound` bytes.
fn string(memory: &[Cell<u8>], address: usize, bound: usize) -> *mut c_char {
    let len = len(memory, address, bound);
    assert!(len == bound || memory[address + len].get() == 0, "a terminator within memory");
    memory[address..].as_ptr().cast_mut().cast()
}

/// Bytes before the terminator, at most `bound`.
fn len(memory: &[Cell<u8>], address: usize, bound: usize) -> usize {
    memory[address..].iter().take(bound).take_while(|byte| byte.get() != 0).count()
}

fn relative(memory: &[Cell<u8>], pointer: *const c_void) -> i32 {
    if pointer.is_null() { 0 } else { (pointer as usize - memory.as_ptr() as usize) as i32 }
}

/// C only defines the sign of a comparison; the libc promises the difference of the deciding bytes.
fn difference(memory: &[Cell<u8>], a: usize, b: usize, order: i32) -> i32 {
    if order == 0 {
        return 0;
    }
    let mut pairs = memory[a..].iter().zip(&memory[b..]);
    let (one, other) = pairs.find(|(one, other)| one != other).expect("unequal blocks differ somewhere");
    let difference = i32::from(one.get()) - i32::from(other.get());
    assert_eq!(difference.signum(), order.signum(), "the host orders by the first differing bytes");
    difference
}
