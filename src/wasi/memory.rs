//! The program's memory as WASI sees it: every address and length is the program's word, so each is checked.
//!
//! [`GuestMemory`] is the only way to those bytes in this layer; an access outside them is [`Errno::Fault`].

use super::abi::Errno;
use alloc::vec::Vec;
use core::ops::Range;

/// An address and a length as the program gave them, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub address: u32,
    pub len: u32,
}

/// Most buffers in one scatter or gather call (IOV_MAX on Linux).
const BUFFERS_MAX: u32 = 1024;

/// Bytes in an `iovec` or `ciovec`: address, then length.
const IOVEC_BYTES: u32 = 8;

/// Linear memory during one call.
pub struct GuestMemory<'m> {
    bytes: &'m mut [u8],
}

impl<'m> GuestMemory<'m> {
    pub fn new(bytes: &'m mut [u8]) -> Self {
        Self { bytes }
    }

    /// Fails unless `len` bytes at `address` exist. For results that are written after a side effect.
    pub fn check(&self, address: u32, len: u32) -> Result<(), Errno> {
        self.range(Span { address, len }).map(|_| ())
    }

    pub fn slice(&self, span: Span) -> Result<&[u8], Errno> {
        let range = self.range(span)?;
        Ok(&self.bytes[range])
    }

    pub fn slice_mut(&mut self, span: Span) -> Result<&mut [u8], Errno> {
        let range = self.range(span)?;
        Ok(&mut self.bytes[range])
    }

    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Errno> {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.slice_mut(Span { address, len })?.copy_from_slice(bytes);
        Ok(())
    }

    pub fn write_u32(&mut self, address: u32, value: u32) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    pub fn write_u64(&mut self, address: u32, value: u64) -> Result<(), Errno> {
        self.write(address, &value.to_le_bytes())
    }

    /// The buffers that an array of `iovecs.len` elements at `iovecs.address` names, each of them inside the memory.
    /// Their total length fits a `u32`, or the call is [`Errno::Inval`].
    pub fn buffers(&self, iovecs: Span) -> Result<Vec<Span>, Errno> {
        if iovecs.len > BUFFERS_MAX {
            return Err(Errno::Inval);
        }
        let array = self.slice(Span { address: iovecs.address, len: iovecs.len * IOVEC_BYTES })?;
        let mut total = 0u32;
        let mut buffers = Vec::with_capacity(iovecs.len as usize);
        for iovec in array.chunks_exact(IOVEC_BYTES as usize) {
            let buffer = Span { address: u32_at(iovec, 0), len: u32_at(iovec, 4) };
            self.check(buffer.address, buffer.len)?;
            total = total.checked_add(buffer.len).ok_or(Errno::Inval)?;
            buffers.push(buffer);
        }
        Ok(buffers)
    }

    fn range(&self, span: Span) -> Result<Range<usize>, Errno> {
        let end = u64::from(span.address) + u64::from(span.len);
        if end > self.bytes.len() as u64 {
            return Err(Errno::Fault);
        }
        Ok(span.address as usize..end as usize)
    }
}

/// The little-endian field at `offset` of `record`, which holds at least `offset + 4` bytes.
pub fn u32_at(record: &[u8], offset: usize) -> u32 {
    (0..4).fold(0, |value, i| value | u32::from(record[offset + i]) << (8 * i))
}

/// The little-endian field at `offset` of `record`, which holds at least `offset + 8` bytes.
pub fn u64_at(record: &[u8], offset: usize) -> u64 {
    u64::from(u32_at(record, offset)) | u64::from(u32_at(record, offset + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn accepts_an_empty_span_at_the_end_and_nothing_past_it() {
        let mut bytes = [0; 16];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.check(16, 0), Ok(()));
        assert_eq!(memory.check(17, 0), Err(Errno::Fault));
        assert_eq!(memory.check(15, 2), Err(Errno::Fault));
    }

    #[test]
    fn address_plus_length_does_not_wrap() {
        let mut bytes = [0; 16];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.check(u32::MAX, u32::MAX), Err(Errno::Fault));
        assert_eq!(memory.check(8, u32::MAX - 7), Err(Errno::Fault));
    }

    #[test]
    fn reads_an_iovec_array_and_checks_every_buffer() {
        let mut bytes = vec![0; 64];
        bytes[0..8].copy_from_slice(&[16, 0, 0, 0, 4, 0, 0, 0]);
        bytes[8..16].copy_from_slice(&[60, 0, 0, 0, 4, 0, 0, 0]);
        let memory = GuestMemory::new(&mut bytes);
        let both = memory.buffers(Span { address: 0, len: 2 });
        assert_eq!(both, Ok(vec![Span { address: 16, len: 4 }, Span { address: 60, len: 4 }]));
        bytes[12] = 5;
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.buffers(Span { address: 0, len: 2 }), Err(Errno::Fault));
    }

    #[test]
    fn refuses_more_buffers_than_the_limit_before_touching_them() {
        let mut bytes = [0; 8];
        let memory = GuestMemory::new(&mut bytes);
        assert_eq!(memory.buffers(Span { address: 0, len: 1025 }), Err(Errno::Inval));
        assert_eq!(memory.buffers(Span { address: 0, len: 1024 }), Err(Errno::Fault));
    }
}
