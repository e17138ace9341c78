//! A queue of bytes from one interrupt handler to one reader, without locks.
//!
//! The handler only moves `head`, the reader only moves `tail`; each publishes with release and reads the other with
//! acquire. When the ring is full, new bytes are dropped and counted: a reader that has fallen behind keeps the order.

use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Indices run freely and are taken modulo the capacity, a power of two, so that wrapping keeps them consistent.
pub(super) struct Ring<const CAPACITY: usize> {
    bytes: [AtomicU8; CAPACITY],
    head: AtomicUsize,
    tail: AtomicUsize,
    lost: AtomicU64,
}

impl<const CAPACITY: usize> Ring<CAPACITY> {
    pub(super) const fn new() -> Self {
        const { assert!(CAPACITY.is_power_of_two()) };
        Self {
            bytes: [const { AtomicU8::new(0) }; CAPACITY],
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Called by the producer; false if the ring is full, and the byte counts as lost.
    pub(super) fn push(&self, byte: u8) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        if self.is_full() {
            self.count_lost();
            return false;
        }
        self.bytes[head % CAPACITY].store(byte, Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Release);
        true
    }

    /// Called by the producer: whether the next byte would be lost.
    pub(super) fn is_full(&self) -> bool {
        self.len() == CAPACITY
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.head.load(Ordering::Acquire).wrapping_sub(self.tail.load(Ordering::Acquire))
    }

    /// Called by the producer: a byte was lost before it came here.
    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that were lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Called by the consumer.
    pub(super) fn pop(&self) -> Option<u8> {
        let tail = self.tail.load(Ordering::Relaxed);
        if tail == self.head.load(Ordering::Acquire) {
            return None;
        }
        let byte = self.bytes[tail % CAPACITY].load(Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::vec::Vec;

    #[test]
    fn full_ring_keeps_the_oldest_bytes() {
        let ring = Ring::<128>::new();
        let taken = (0..=255).filter(|&byte| ring.push(byte)).count();
        assert_eq!((taken, ring.lost()), (128, 128));
        let bytes: Vec<u8> = core::iter::from_fn(|| ring.pop()).collect();
        assert_eq!(bytes, (0..128).collect::<Vec<u8>>());
        assert!(ring.push(7));
        assert_eq!([ring.pop(), ring.pop()], [Some(7), None]);
    }

    #[test]
    fn bytes_cross_threads_in_order() {
        let ring = Ring::<128>::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..100_000u32 {
                    while !ring.push(number as u8) {
                        thread::yield_now();
                    }
                }
            });
            for number in 0..100_000u32 {
                let byte = loop {
                    match ring.pop() {
                        Some(byte) => break byte,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(byte, number as u8);
            }
        });
    }
}
