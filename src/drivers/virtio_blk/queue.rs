//! The queue of requests, of any size that a device has, and the memory of the one request that is in it.
//!
//! Source: VIRTIO 1.2, sections 2.7 (split virtqueues) and 5.2.6 (requests).

use alloc::boxed::Box;
use alloc::format;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{Ordering, fence};

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;
use virtio_drivers::{BufferDirection, Error, Hal, PAGE_SIZE};

use crate::drivers::disk::Failure;

/// Requests go into the first queue.
pub(super) const QUEUE: u16 = 0;
/// Enough for one request, which takes three places.
const MOST_PLACES: u32 = 16;

/// What a device says of a request.
pub(super) const OK: u8 = 0;
pub(super) const IO_ERROR: u8 = 1;
pub(super) const UNSUPPORTED: u8 = 2;
/// Stands there until the device says something.
pub(super) const NO_ANSWER: u8 = 0xff;

/// A queue, whatever its size.
pub(super) trait Ring {
    /// # Safety
    /// The buffers stay, and nobody else uses them, until they are popped or the device has been reset.
    unsafe fn add<'a>(&mut self, to_device: &[&'a [u8]], from_device: &mut [&'a mut [u8]]) -> Result<u16, Error>;

    /// Whether the device waits to be told of a new request.
    fn wants_notice(&self) -> bool;

    fn has_answer(&self) -> bool;

    /// # Safety
    /// The buffers are those that were added when `token` was returned.
    unsafe fn pop<'a>(
        &mut self,
        token: u16,
        to_device: &'a [&'a [u8]],
        from_device: &'a mut [&'a mut [u8]],
    ) -> Result<(), Error>;
}

impl<H: Hal, const PLACES: usize> Ring for VirtQueue<H, PLACES> {
    unsafe fn add<'a>(&mut self, to_device: &[&'a [u8]], from_device: &mut [&'a mut [u8]]) -> Result<u16, Error> {
        // SAFETY: the caller vouches for the buffers.
        unsafe { self.add(to_device, from_device) }
    }

    fn wants_notice(&self) -> bool {
        // The device looks for requests after it has said that it waits, so this must look after the request is there.
        fence(Ordering::SeqCst);
        self.should_notify()
    }

    fn has_answer(&self) -> bool {
        self.can_pop()
    }

    unsafe fn pop<'a>(
        &mut self,
        token: u16,
        to_device: &'a [&'a [u8]],
        from_device: &'a mut [&'a mut [u8]],
    ) -> Result<(), Error> {
        // SAFETY: the caller vouches for the buffers.
        unsafe { self.pop_used(token, to_device, from_device) }.map(|_| ())
    }
}

/// Sets the queue up. A legacy device says how large it is; another one is content with less.
pub(super) fn open<H: Hal + 'static>(transport: &mut impl Transport) -> Result<Box<dyn Ring>, Failure> {
    let offered = transport.max_queue_size(QUEUE);
    let places = match offered {
        MOST_PLACES.. if !transport.requires_legacy_layout() => MOST_PLACES,
        _ => offered,
    };
    let opened = match places {
        4 => ring::<H, 4>(transport),
        8 => ring::<H, 8>(transport),
        16 => ring::<H, 16>(transport),
        32 => ring::<H, 32>(transport),
        64 => ring::<H, 64>(transport),
        128 => ring::<H, 128>(transport),
        256 => ring::<H, 256>(transport),
        512 => ring::<H, 512>(transport),
        1024 => ring::<H, 1024>(transport),
        _ => return Err(Failure::Reported(format!("its queue has {offered} places"))),
    };
    opened.map_err(|error| Failure::Reported(format!("its queue cannot be used: {error}")))
}

fn ring<H: Hal + 'static, const PLACES: usize>(transport: &mut impl Transport) -> Result<Box<dyn Ring>, Error> {
    let mut queue = VirtQueue::<H, PLACES>::new(transport, QUEUE, false, false)?;
    // Nobody serves interrupts.
    queue.set_dev_notify(false);
    Ok(Box::new(queue))
}

/// What a device is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    kind: u32,
    sector: u64,
}

impl Request {
    pub(super) const FLUSH: Self = Self { kind: 4, sector: 0 };
    pub(super) const SERIAL: Self = Self { kind: 8, sector: 0 };

    pub(super) fn read(sector: u64) -> Self {
        Self { kind: 0, sector }
    }

    pub(super) fn write(sector: u64) -> Self {
        Self { kind: 1, sector }
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&self.kind.to_le_bytes());
        header[8..].copy_from_slice(&self.sector.to_le_bytes());
        header
    }
}

/// How many bytes go along with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data {
    None,
    ToDevice(usize),
    FromDevice(usize),
}

const HEADER_BYTES: usize = 16;

/// Places in the memory of a request.
const HEADER_AT: usize = 0;
const ANSWER_AT: usize = HEADER_BYTES;
const DATA_AT: usize = PAGE_SIZE;
const MEMORY_BYTES: usize = DATA_AT + MAX_DATA_BYTES;
/// The most bytes that go along with one request.
pub(super) const MAX_DATA_BYTES: usize = 128 << 10;

/// Contiguous memory for one request. It is never given back: a broken device may write there at any time.
pub(super) struct QueueMemory<H> {
    start: NonNull<u8>,
    hal: PhantomData<H>,
}

impl<H: Hal> QueueMemory<H> {
    pub(super) fn allocate() -> Result<Self, Error> {
        match H::dma_alloc(MEMORY_BYTES / PAGE_SIZE, BufferDirection::Both) {
            (0, _) => Err(Error::DmaError),
            (_, start) => Ok(Self { start, hal: PhantomData }),
        }
    }

    /// Copies the first bytes of the data.
    pub(super) fn load_data(&self, bytes: &mut [u8]) {
        assert!(bytes.len() <= MAX_DATA_BYTES, "a driver left its memory");
        // SAFETY: the range is inside of our memory. A broken device may write there meanwhile: then the bytes are arbitrary,
        // as those of a device are in any case.
        unsafe { self.start.add(DATA_AT).as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
    }

    /// Sets the first bytes of the data.
    pub(super) fn store_data(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= MAX_DATA_BYTES, "a driver left its memory");
        self.store(DATA_AT, bytes);
    }

    /// Puts a request into the queue; returns what it is called there.
    pub(super) fn give(&mut self, ring: &mut dyn Ring, request: Request, data: Data) -> Result<u16, Failure> {
        self.store(HEADER_AT, &request.header());
        self.store(ANSWER_AT, &[NO_ANSWER]);
        // SAFETY: our memory stays, and is used otherwise only before requests are given and after they are taken back.
        let added = self.with_parts(data, |to_device, from_device| unsafe { ring.add(to_device, from_device) });
        added.map_err(|error| Failure::Reported(format!("its queue: {error}")))
    }

    /// Takes the request that is called `token` out of the queue; returns what the device says of it.
    pub(super) fn take_back(&mut self, ring: &mut dyn Ring, token: u16, data: Data) -> Result<u8, Failure> {
        // SAFETY: these are the parts that were given.
        self.with_parts(data, |to_device, from_device| unsafe { ring.pop(token, to_device, from_device) })
            .map_err(|error| Failure::Reported(format!("its queue: {error}")))?;
        // SAFETY: the place is inside of our memory.
        Ok(unsafe { self.start.add(ANSWER_AT).read_volatile() })
    }

    /// Hands on what the device reads of a request, and what it writes.
    fn with_parts<R>(
        &mut self,
        data: Data,
        use_parts: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
    ) -> R {
        let at = |at: usize| self.start.as_ptr().wrapping_add(at);
        // SAFETY: inside of our memory, which was zeroed, and nobody writes there.
        let header = unsafe { slice::from_raw_parts(at(HEADER_AT), HEADER_BYTES) };
        // SAFETY: inside of our memory, and no other reference is there.
        let answer = unsafe { slice::from_raw_parts_mut(at(ANSWER_AT), 1) };
        match data {
            Data::None => use_parts(&[header], &mut [answer]),
            Data::ToDevice(bytes) => {
                // SAFETY: as the header; `bytes` is at most `MAX_DATA_BYTES`, as was checked when the data was put there.
                let data = unsafe { slice::from_raw_parts(at(DATA_AT), bytes.min(MAX_DATA_BYTES)) };
                use_parts(&[header, data], &mut [answer])
            }
            Data::FromDevice(bytes) => {
                // SAFETY: as the answer, from which it is apart.
                let data = unsafe { slice::from_raw_parts_mut(at(DATA_AT), bytes.min(MAX_DATA_BYTES)) };
                use_parts(&[header], &mut [data, answer])
            }
        }
    }

    /// Sets bytes that lie inside of the memory.
    fn store(&mut self, at: usize, bytes: &[u8]) {
        // SAFETY: the callers see to the range; no reference into it is left.
        unsafe { self.start.add(at).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        fence(Ordering::SeqCst);
    }
}
