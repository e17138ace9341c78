//! A device with its registers and memory, for tests: it serves its queue and can be told to misbehave.

use super::registers::{CONFIG_BYTES, Region, Registers, common, legacy};
use super::transport::{Legacy, Modern};
use crate::drivers::disk::SECTOR_BYTES;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::rc::Rc;
use std::vec::Vec;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

std::thread_local! {
    /// What was lent out: address and bytes.
    static LENT: RefCell<BTreeMap<u64, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// Memory that is where devices see it.
pub(super) struct FakeMemory;

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, PAGE_SIZE).expect("whole pages")
}

// SAFETY: memory comes from the allocator of the process, zeroed and in whole pages.
unsafe impl Hal for FakeMemory {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let bytes = pages * PAGE_SIZE;
        // SAFETY: there is at least one page.
        let start = NonNull::new(unsafe { alloc_zeroed(layout(bytes)) }).expect("there is memory");
        LENT.with_borrow_mut(|lent| lent.insert(start.as_ptr() as u64, bytes));
        (start.as_ptr() as u64, start)
    }

    unsafe fn dma_dealloc(address: PhysAddr, start: NonNull<u8>, pages: usize) -> i32 {
        let lent = LENT.with_borrow_mut(|lent| lent.remove(&address));
        assert_eq!(lent, Some(pages * PAGE_SIZE), "given back, but not lent");
        // SAFETY: it was lent just until now.
        unsafe { dealloc(start.as_ptr(), layout(pages * PAGE_SIZE)) };
        0
    }

    unsafe fn mmio_phys_to_virt(_address: PhysAddr, _bytes: usize) -> NonNull<u8> {
        unreachable!("only the crate's own transport maps registers")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as u64
    }

    unsafe fn unshare(_address: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}

/// How many bytes are lent out.
pub(super) fn lent_bytes() -> usize {
    LENT.with_borrow(|lent| lent.values().sum())
}

/// Fails unless all of the range is lent out.
fn check(address: u64, bytes: usize) {
    let inside = LENT.with_borrow(|lent| {
        lent.range(..=address).next_back().is_some_and(|(start, lent)| address + bytes as u64 <= start + *lent as u64)
    });
    assert!(inside, "the device was told of {bytes} bytes at {address:#x}, which are nobody's");
}

fn load<const BYTES: usize>(address: u64) -> [u8; BYTES] {
    check(address, BYTES);
    // SAFETY: it is lent out, to this device, and this is the only thread that has to do with it.
    unsafe { (address as *const [u8; BYTES]).read_unaligned() }
}

fn load_bytes(address: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|byte| load::<1>(address + byte)[0]).collect()
}

fn store(address: u64, bytes: &[u8]) {
    check(address, bytes.len());
    // SAFETY: as for loading.
    unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Answers no request any more, not even after a reset.
    Hangs,
    /// Answers none until it is reset.
    HangsUntilReset,
    /// Answers none, and does not end a reset.
    NeverStops,
    /// Answers when so many milliseconds have gone by.
    Late(u64),
    /// This sector cannot be read or written.
    BadSector(u64),
    BadFlush,
    /// Answers this instead of success.
    Answers(u8),
    /// Says that it is done with a request of another name.
    OtherName(u32),
    /// Says that it is done with more requests than there are, before it begins.
    CountsWrong(u16),
    /// Wants a reset instead of answering.
    WantsReset,
    /// Says that it does not want to be told of requests, although it does.
    WantsNoNotice,
}

pub(super) struct Machine {
    pub medium: Vec<u8>,
    pub features: u64,
    pub config: [u8; CONFIG_BYTES],
    pub queue_size: u16,
    pub notify_offset: u16,
    pub serial: Option<&'static str>,
    pub fault: Fault,
    /// The cache cannot be switched off.
    pub keeps_cache: bool,
    /// The configuration changes whenever it is looked at.
    pub is_restless: bool,
    /// Takes no features.
    pub is_picky: bool,
    /// All registers read as ones.
    pub is_gone: bool,
    pub is_cut_off: bool,
    /// (kind, sector, bytes of data) of every request but that for the serial number.
    pub requests: Vec<(u32, u64, usize)>,
    pub resets: usize,
    pub accepted: u64,
    pub now_ms: u64,
    status: u32,
    select: [u32; 2],
    generation: u8,
    /// Descriptors, what is available, what is used; none while the queue is not enabled.
    queue: [u64; 3],
    enabled: bool,
    seen: u16,
    used: u16,
    told: bool,
}

#[derive(Clone)]
pub(super) struct Fake {
    pub machine: Rc<RefCell<Machine>>,
    legacy: bool,
}

pub(super) const VERSION_1: u64 = 1 << 32;
pub(super) const FLUSH: u64 = 1 << 9;
const CONFIG_AT: usize = 0;

impl Fake {
    fn new(sectors: u64, legacy: bool) -> Self {
        let mut config = [0; CONFIG_BYTES];
        config[CONFIG_AT..][..8].copy_from_slice(&sectors.to_le_bytes());
        config[20..][..4].copy_from_slice(&512u32.to_le_bytes());
        let machine = Machine {
            medium: std::vec![0; sectors as usize * SECTOR_BYTES],
            // Indirect descriptors and event indices are there to be left alone.
            features: FLUSH | 1 << 28 | 1 << 29 | if legacy { 0 } else { VERSION_1 },
            config,
            queue_size: 256,
            notify_offset: 3,
            serial: Some("S1"),
            fault: Fault::None,
            keeps_cache: false,
            is_restless: false,
            is_picky: false,
            is_gone: false,
            is_cut_off: false,
            requests: Vec::new(),
            resets: 0,
            accepted: 0,
            now_ms: 0,
            // As firmware leaves a device that it has booted from.
            status: 0xf,
            select: [0; 2],
            generation: 0,
            queue: [0x1000; 3],
            enabled: true,
            seen: 0,
            used: 0,
            told: false,
        };
        Self { machine: Rc::new(RefCell::new(machine)), legacy }
    }

    pub(super) fn modern(sectors: u64) -> Self {
        Self::new(sectors, false)
    }

    pub(super) fn legacy(sectors: u64) -> Self {
        Self::new(sectors, true)
    }

    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Machine) -> R) -> R {
        change(&mut self.machine.borrow_mut())
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        self.change(|machine| machine.fault = fault);
    }

    pub(super) fn set_config(&self, at: usize, value: u32) {
        self.change(|machine| machine.config[at..][..4].copy_from_slice(&value.to_le_bytes()));
    }

    pub(super) fn requests(&self) -> Vec<(u32, u64, usize)> {
        self.change(|machine| std::mem::take(&mut machine.requests))
    }

    pub(super) fn as_modern(&self) -> Modern<Self> {
        Modern::new(self.clone(), 4)
    }

    pub(super) fn as_legacy(&self, uses_msix: bool) -> Legacy<Self> {
        Legacy::new(self.clone(), uses_msix)
    }
}

impl Machine {
    fn set_status(&mut self, value: u32) {
        if value != 0 {
            let step = value & !self.status;
            assert!(
                step.count_ones() <= 1 && value & self.status == self.status,
                "{value:#x} after {:#x}",
                self.status
            );
            let refused = if self.is_picky { 0x8 } else { 0 };
            self.status = value & !refused;
            return;
        }
        self.resets += 1;
        if self.fault == Fault::NeverStops {
            return;
        }
        if self.fault == Fault::HangsUntilReset {
            self.fault = Fault::None;
        }
        (self.status, self.accepted, self.enabled, self.queue) = (0, 0, false, [0; 3]);
        (self.seen, self.used, self.told) = (0, 0, false);
    }

    /// Looks into the queue.
    fn serve(&mut self) {
        assert!(self.status & 0x4 != 0 && self.enabled, "a request before the device is started");
        match self.fault {
            Fault::Hangs | Fault::HangsUntilReset | Fault::NeverStops => return,
            Fault::Late(at_ms) if self.now_ms < at_ms => {
                self.told = true;
                return;
            }
            Fault::WantsReset => {
                self.status |= 0x40;
                return;
            }
            _ => {}
        }
        if self.is_cut_off || self.is_gone {
            return;
        }
        self.told = false;
        let [_, available, used] = self.queue;
        assert_eq!(load::<2>(available), [1, 0], "interrupts are wanted");
        let end = u16::from_le_bytes(load(available + 2));
        while self.seen != end {
            let place = u64::from(self.seen % self.queue_size);
            let head = u16::from_le_bytes(load(available + 4 + 2 * place));
            self.seen = self.seen.wrapping_add(1);
            let written = self.obey(head);
            let place = u64::from(self.used % self.queue_size);
            let name = if let Fault::OtherName(name) = self.fault { name } else { head.into() };
            store(used + 4 + 8 * place, &name.to_le_bytes());
            store(used + 8 + 8 * place, &written.to_le_bytes());
            self.used = self.used.wrapping_add(1);
        }
        if let Fault::CountsWrong(more) = self.fault {
            self.used = self.used.wrapping_add(more);
        }
        store(used + 2, &self.used.to_le_bytes());
        store(used, &u16::from(self.fault == Fault::WantsNoNotice).to_le_bytes());
    }

    /// Does what a request says; returns how many bytes were written to memory.
    fn obey(&mut self, head: u16) -> u32 {
        let mut parts = Vec::new();
        let mut next = Some(head);
        while let Some(number) = next {
            assert!(number < self.queue_size && parts.len() < 4);
            let descriptor: [u8; 16] = load(self.queue[0] + 16 * u64::from(number));
            let address = u64::from_le_bytes(descriptor[..8].try_into().expect("eight bytes"));
            let bytes = u32::from_le_bytes(descriptor[8..12].try_into().expect("four bytes")) as usize;
            let flags = descriptor[12];
            assert!(bytes > 0 && flags & 0x4 == 0);
            check(address, bytes);
            parts.push((address, bytes, flags & 0x2 != 0));
            next = (flags & 0x1 != 0).then(|| u16::from_le_bytes([descriptor[14], descriptor[15]]));
        }
        let (&(header, 16, false), &(answer, 1, true)) = (&parts[0], &parts[parts.len() - 1]) else {
            panic!("not a request: {parts:?}")
        };
        let data = if parts.len() == 3 { parts[1] } else { (0, 0, false) };
        let header: [u8; 16] = load(header);
        let kind = u32::from_le_bytes(header[..4].try_into().expect("four bytes"));
        let sector = u64::from_le_bytes(header[8..].try_into().expect("eight bytes"));
        let said = match self.fault {
            Fault::Answers(said) => said,
            _ => self.execute(kind, sector, data),
        };
        if said != 0xff {
            store(answer, &[said]);
        }
        1 + if data.2 { data.1 as u32 } else { 0 }
    }

    fn execute(&mut self, kind: u32, sector: u64, (address, bytes, is_written): (u64, usize, bool)) -> u8 {
        if kind != 8 {
            self.requests.push((kind, sector, bytes));
        }
        let sectors = sector..sector + (bytes / SECTOR_BYTES) as u64;
        if matches!((self.fault, kind), (Fault::BadSector(bad), 0 | 1) if sectors.contains(&bad)) {
            return 1;
        }
        let start = sector as usize * SECTOR_BYTES;
        match (kind, is_written) {
            (0, true) => store(address, &self.medium[start..start + bytes]),
            (1, false) => {
                assert!(self.features & 1 << 5 == 0, "the disk is read-only");
                self.medium[start..start + bytes].copy_from_slice(&load_bytes(address, bytes));
            }
            (4, false) if bytes == 0 => {
                assert!(self.accepted & FLUSH != 0, "a flush that was not agreed on");
                return u8::from(self.fault == Fault::BadFlush);
            }
            (8, true) => {
                let Some(serial) = self.serial else { return 2 };
                let mut id = [0; 20];
                id[..serial.len()].copy_from_slice(serial.as_bytes());
                store(address, &id);
            }
            other => panic!("request {other:?}"),
        }
        0
    }

    fn config(&self, at: usize, bytes: usize) -> u32 {
        let mut word = [0; 4];
        word[..bytes].copy_from_slice(&self.config[at..][..bytes]);
        u32::from_le_bytes(word)
    }

    fn set_config(&mut self, at: usize, bytes: usize, value: u32) {
        assert_eq!((at, bytes), (32, 1), "only the cache can be set");
        assert!(self.accepted & 1 << 11 != 0, "setting the cache was not agreed on");
        if !self.keeps_cache {
            self.config[at] = value as u8;
        }
    }

    fn read_common(&mut self, at: usize) -> u32 {
        let half = |features: u64, number: u32| if number == 0 { features as u32 } else { (features >> 32) as u32 };
        match at {
            at if at == common::DEVICE_FEATURES.at => half(self.features, self.select[0]),
            at if at == common::STATUS.at => self.status,
            at if at == common::CONFIG_GENERATION.at => {
                self.generation = self.generation.wrapping_add(self.is_restless.into());
                self.generation.into()
            }
            at if at == common::QUEUE_SIZE.at => self.queue_size.into(),
            at if at == common::QUEUE_ENABLE.at => self.enabled.into(),
            at if at == common::QUEUE_NOTIFY_OFFSET.at => self.notify_offset.into(),
            at => panic!("reads common register {at}"),
        }
    }

    fn write_common(&mut self, at: usize, value: u32) {
        let addresses = [common::QUEUE_DESCRIPTORS, common::QUEUE_DRIVER, common::QUEUE_DEVICE];
        for (number, [low, high]) in addresses.into_iter().enumerate() {
            let queue = &mut self.queue[number];
            if at == low.at {
                *queue = *queue & !0xffff_ffff | u64::from(value);
            } else if at == high.at {
                *queue = *queue & 0xffff_ffff | u64::from(value) << 32;
            }
        }
        match at {
            at if at == common::DEVICE_FEATURES_SELECT.at => self.select[0] = value,
            at if at == common::DRIVER_FEATURES_SELECT.at => self.select[1] = value,
            at if at == common::DRIVER_FEATURES.at => self.accept(u64::from(value) << (32 * self.select[1])),
            at if at == common::STATUS.at => self.set_status(value),
            at if at == common::QUEUE_SELECT.at => assert_eq!(value, 0, "there is one queue"),
            at if at == common::QUEUE_SIZE.at => {
                assert!(value.is_power_of_two() && value <= self.queue_size.into());
                self.queue_size = value as u16;
            }
            at if at == common::QUEUE_ENABLE.at => self.enabled = value == 1,
            32..common::BYTES => {}
            at => panic!("sets common register {at}"),
        }
    }

    fn accept(&mut self, features: u64) {
        assert_eq!(features & !self.features, 0, "accepted without having been offered");
        self.accepted |= features;
    }

    fn read_legacy(&mut self, at: usize) -> u32 {
        match at {
            at if at == legacy::DEVICE_FEATURES.at => self.features as u32,
            at if at == legacy::QUEUE_ADDRESS.at => (self.queue[0] / PAGE_SIZE as u64) as u32,
            at if at == legacy::QUEUE_SIZE.at => self.queue_size.into(),
            at if at == legacy::STATUS.at => self.status,
            at => panic!("reads legacy register {at}"),
        }
    }

    fn write_legacy(&mut self, at: usize, value: u32) {
        match at {
            at if at == legacy::DRIVER_FEATURES.at => self.accept(value.into()),
            at if at == legacy::QUEUE_SELECT.at => assert_eq!(value, 0, "there is one queue"),
            at if at == legacy::QUEUE_ADDRESS.at => {
                // The page of a test's memory has more bits than the register: the rest is taken from what is lent.
                let page = |address: u64| (address / PAGE_SIZE as u64) as u32;
                let known = LENT.with_borrow(|lent| lent.keys().copied().find(|&address| page(address) == value));
                let descriptors = known.expect("the queue is in memory that is lent out");
                let size = u64::from(self.queue_size);
                let available = descriptors + 16 * size;
                let used = (available + 6 + 2 * size).next_multiple_of(PAGE_SIZE as u64);
                (self.queue, self.enabled) = ([descriptors, available, used], true);
            }
            at if at == legacy::QUEUE_NOTIFY.at => {
                assert_eq!(value, 0, "there is one queue");
                self.serve();
            }
            at if at == legacy::STATUS.at => self.set_status(value),
            at => panic!("sets legacy register {at}"),
        }
    }
}

impl Registers for Fake {
    fn bytes(&self, region: Region) -> usize {
        match region {
            Region::Common => common::BYTES,
            Region::Notify => 64,
            Region::Config => CONFIG_BYTES,
            Region::Legacy => legacy::CONFIG_AT + legacy::MSIX_BYTES + CONFIG_BYTES,
        }
    }

    fn read(&self, region: Region, at: usize, bytes: usize) -> u32 {
        let mut machine = self.machine.borrow_mut();
        assert_eq!(self.legacy, region == Region::Legacy);
        if machine.is_gone {
            return u32::MAX >> (32 - 8 * bytes);
        }
        match region {
            Region::Common => machine.read_common(at),
            Region::Config => machine.config(at, bytes),
            Region::Legacy if at >= legacy::CONFIG_AT => machine.config(at - legacy::CONFIG_AT, bytes),
            Region::Legacy => machine.read_legacy(at),
            Region::Notify => panic!("reads where there is nothing to read"),
        }
    }

    fn write(&mut self, region: Region, at: usize, bytes: usize, value: u32) {
        let mut machine = self.machine.borrow_mut();
        assert_eq!(self.legacy, region == Region::Legacy);
        if machine.is_gone {
            return;
        }
        match region {
            Region::Common => machine.write_common(at, value),
            Region::Notify if at >= 64 => {}
            Region::Notify => {
                assert_eq!((at, bytes, value), (usize::from(machine.notify_offset) * 4, 2, 0));
                machine.serve();
            }
            Region::Config => machine.set_config(at, bytes, value),
            Region::Legacy if at >= legacy::CONFIG_AT => machine.set_config(at - legacy::CONFIG_AT, bytes, value),
            Region::Legacy => machine.write_legacy(at, value),
        }
    }

    fn cut_off(&mut self) {
        self.machine.borrow_mut().is_cut_off = true;
    }

    /// Each look at the clock takes a millisecond.
    fn now_ms(&self) -> u64 {
        let mut machine = self.machine.borrow_mut();
        machine.now_ms += 1;
        if machine.told {
            machine.serve();
        }
        machine.now_ms
    }
}
