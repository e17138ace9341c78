//! Memory between two inaccessible pages, and machine code to call on it.

use std::ptr;

const PAGE: usize = 4096;

/// Pages that can be read and written, with one that cannot on either side.
pub struct Room {
    base: *mut u8,
    len: usize,
}

/// Anonymous pages.
fn map(len: usize, protection: libc::c_int) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at an address of the system's choice affects no existing memory.
    let address = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    assert_ne!(address, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
    address.cast()
}

impl Room {
    pub fn new(pages: usize) -> Self {
        let len = pages * PAGE;
        let outer = map(len + 2 * PAGE, libc::PROT_NONE);
        // SAFETY: one page into a mapping that is longer.
        let base = unsafe { outer.add(PAGE) };
        // SAFETY: the range lies inside the mapping just made, which nothing refers to.
        let result = unsafe { libc::mprotect(base.cast(), len, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        Self { base, len }
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: base..base + len is mapped for as long as the process lives, initialised by the system, and borrowed from self.
        unsafe { std::slice::from_raw_parts_mut(self.base, self.len) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The machine address of byte `at`.
    pub fn address(&self, at: usize) -> u64 {
        self.base as u64 + at as u64
    }

    /// Calls `code` in a child process; true if that ends with a segmentation fault.
    pub fn faults(&self, code: Code, arguments: [u64; 3]) -> bool {
        // SAFETY: the child calls nothing but the kernel, which needs no lock that another thread could hold, and ends.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "{}", std::io::Error::last_os_error());
        if child == 0 {
            code.call(arguments);
            // SAFETY: ends the child without running what the parent registered.
            unsafe { libc::_exit(0) }
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV
    }
}

/// A kernel in executable memory that is never given back.
#[derive(Clone, Copy)]
pub struct Code(extern "sysv64" fn(u64, u64, u64) -> u64);

impl Code {
    pub fn new(kernel: &[u8]) -> Self {
        let address = map(kernel.len(), libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the mapping is new and at least as long as the kernel.
        unsafe { ptr::copy_nonoverlapping(kernel.as_ptr(), address, kernel.len()) };
        // SAFETY: as above; only the call below goes there.
        let result = unsafe { libc::mprotect(address.cast(), kernel.len(), libc::PROT_READ | libc::PROT_EXEC) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the address is that of a whole leaf function of the System V convention.
        Self(unsafe { std::mem::transmute::<*mut u8, extern "sysv64" fn(u64, u64, u64) -> u64>(address) })
    }

    pub fn call(self, [first, second, third]: [u64; 3]) -> u64 {
        (self.0)(first, second, third)
    }
}
