//! Address space from Linux: the one place that calls `mmap`.

use std::io;
use std::mem::ManuallyDrop;
use std::ptr;

/// A mapping that is given back when dropped.
pub struct Mapping {
    address: *mut u8,
    len_bytes: usize,
}

/// How the pages of a mapping may be used.
#[derive(Clone, Copy)]
pub enum Access {
    None,
    ReadWrite,
    ReadExecute,
}

impl Access {
    const fn protection(self) -> libc::c_int {
        match self {
            Self::None => libc::PROT_NONE,
            Self::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Self::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

impl Mapping {
    /// Reserves address space; nothing is accessible yet.
    pub fn reserve(len_bytes: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the system's choice affects no existing memory.
        let address = unsafe { libc::mmap(ptr::null_mut(), len_bytes, libc::PROT_NONE, flags, -1, 0) };
        Self::checked(address, len_bytes)
    }

    /// The same at `address`, a multiple of the page size. Fails where something is there already.
    pub fn reserve_at(address: usize, len_bytes: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
        let wanted = ptr::without_provenance_mut(address);
        // SAFETY: a new mapping that takes the place of no other one affects no existing memory.
        let mapped = unsafe { libc::mmap(wanted, len_bytes, libc::PROT_NONE, flags, -1, 0) };
        let mapping = Self::checked(mapped, len_bytes)?;
        // Linux before 4.17 does not know the last flag, and goes elsewhere.
        if mapping.address as usize == address { Ok(mapping) } else { Err(io::ErrorKind::AddrInUse.into()) }
    }

    /// The same from a multiple of `alignment` on, which is a power of two and a multiple of the page size.
    pub fn reserve_aligned(len_bytes: usize, alignment: usize) -> io::Result<Self> {
        let mut whole = Self::reserve(len_bytes + alignment)?;
        let (first, end) = (whole.address, whole.address.wrapping_add(whole.len_bytes));
        whole.address = first.wrapping_add(first.align_offset(alignment));
        whole.len_bytes = len_bytes;
        let behind = whole.address.wrapping_add(len_bytes);
        for (from, to) in [(first, whole.address), (behind, end)] {
            // SAFETY: the range is the rest of what was reserved just now. That it is empty or cannot be given back harms nobody.
            unsafe { libc::munmap(from.cast(), to as usize - from as usize) };
        }
        Ok(whole)
    }

    /// Memory for good, all of it 0.
    pub fn zeroed(len_bytes: usize) -> io::Result<&'static mut [u8]> {
        let mapping = ManuallyDrop::new(Self::reserve(len_bytes)?);
        mapping.protect(0, len_bytes, Access::ReadWrite)?;
        // SAFETY: the mapping is new, accessible, nobody else's, and never given back.
        Ok(unsafe { core::slice::from_raw_parts_mut(mapping.address, len_bytes) })
    }

    fn checked(address: *mut libc::c_void, len_bytes: usize) -> io::Result<Self> {
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address: address.cast(), len_bytes })
    }

    /// Maps `file` over bytes `0..len_bytes` of this reservation, shared.
    pub fn place_file(&self, file: libc::c_int, len_bytes: usize, access: Access) -> io::Result<()> {
        assert!(len_bytes <= self.len_bytes);
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: the range lies inside this reservation, which nothing else refers to.
        let address = unsafe { libc::mmap(self.address.cast(), len_bytes, access.protection(), flags, file, 0) };
        if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Changes the access to bytes `start..start + len_bytes`.
    pub fn protect(&self, start: usize, len_bytes: usize, access: Access) -> io::Result<()> {
        assert!(start.checked_add(len_bytes).is_some_and(|end| end <= self.len_bytes));
        // SAFETY: the range lies inside this mapping; slices of it are handed out by owners that only ever open it up.
        let result = unsafe { libc::mprotect(self.address.add(start).cast(), len_bytes, access.protection()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub fn address(&self) -> *mut u8 {
        self.address
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and its owner is gone.
        unsafe { libc::munmap(self.address.cast(), self.len_bytes) };
    }
}
