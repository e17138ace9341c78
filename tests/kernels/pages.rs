//! Pages to run code on and pages next to which every access faults.

use std::ptr;

const PAGE: usize = 4096;

/// A private anonymous mapping, given back when dropped.
struct Mapping {
    address: *mut u8,
    len_bytes: usize,
}

impl Mapping {
    fn new(len_bytes: usize) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice affects no existing memory.
        let address = unsafe { libc::mmap(ptr::null_mut(), len_bytes, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Self { address: address.cast(), len_bytes }
    }

    fn protect(&self, start: usize, len_bytes: usize, protection: libc::c_int) {
        assert!(start + len_bytes <= self.len_bytes);
        // SAFETY: the range lies inside this mapping.
        let result = unsafe { libc::mprotect(self.address.add(start).cast(), len_bytes, protection) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.address.cast(), self.len_bytes) };
    }
}

/// Machine code that can be called.
pub struct Code {
    mapping: Mapping,
}

impl Code {
    pub fn new(bytes: &[u8]) -> Self {
        let mapping = Mapping::new(bytes.len().next_multiple_of(PAGE));
        mapping.protect(0, mapping.len_bytes, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the mapping is writable, new and at least as long as the code.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), mapping.address, bytes.len()) };
        mapping.protect(0, mapping.len_bytes, libc::PROT_READ | libc::PROT_EXEC);
        Self { mapping }
    }

    /// Calls the code as a copy.
    ///
    /// # Safety
    /// The code copies `bytes` bytes, and both blocks may be accessed, or faulting is what is tested.
    pub unsafe fn copy(&self, to: *mut u8, from: *const u8, bytes: usize) {
        // SAFETY: every kernel has this type.
        let function: extern "sysv64" fn(*mut u8, *const u8, usize) =
            unsafe { std::mem::transmute(self.mapping.address) };
        function(to, from, bytes);
    }

    /// Calls the code as a fill; the bits of `byte` above the lowest eight are to be ignored.
    ///
    /// # Safety
    /// As for [`Self::copy`].
    pub unsafe fn fill(&self, to: *mut u8, byte: u32, bytes: usize) {
        // SAFETY: every kernel has this type.
        let function: extern "sysv64" fn(*mut u8, u32, usize) = unsafe { std::mem::transmute(self.mapping.address) };
        function(to, byte, bytes);
    }
}

/// Memory between two inaccessible pages.
pub struct Guarded {
    mapping: Mapping,
}

impl Guarded {
    /// At least `len_bytes` bytes.
    pub fn new(len_bytes: usize) -> Self {
        let inside = len_bytes.next_multiple_of(PAGE);
        let mapping = Mapping::new(inside + 2 * PAGE);
        mapping.protect(PAGE, inside, libc::PROT_READ | libc::PROT_WRITE);
        Self { mapping }
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: these pages are accessible, and the borrow is the only one.
        unsafe { std::slice::from_raw_parts_mut(self.mapping.address.add(PAGE), self.mapping.len_bytes - 2 * PAGE) }
    }
}

/// Whether `run` ends its process by an access to memory that it may not access, within ten seconds.
pub fn faults(run: impl FnOnce()) -> bool {
    // SAFETY: the child calls machine code and `alarm` and `_exit`, all of which are allowed after a fork.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: ends the child by a signal if it takes too long, and without running anything of the parent's.
        unsafe { libc::alarm(10) };
        // SAFETY: without this, Rust's handler for overflowing stacks would report first.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        run();
        // SAFETY: as above.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `child` is this process's own.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child);
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV
}
