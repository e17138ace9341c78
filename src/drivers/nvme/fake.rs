//! A controller with namespaces, for tests: it takes commands from shared memory and can be told to misbehave.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use super::controller::SHARED_BYTES;
use crate::drivers::bus_master::BusMaster;

const SHARED_ADDRESS: u64 = 0x1234_5000;
const PAGE: u64 = 4096;

pub(super) const INTERNAL_ERROR: u16 = 0x006;
pub(super) const INVALID_FIELD: u16 = 0x002;
pub(super) const NO_SUCH_NAMESPACE: u16 = 0x00b;
pub(super) const BEYOND_THE_END: u16 = 0x080;
pub(super) const WRITE_FAULT: u16 = 0x280;
pub(super) const READ_ERROR: u16 = 0x281;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Does not become ready, or does not stop, when it is told to.
    StaysAsItIs,
    /// Fails for good instead of becoming ready.
    FatalWhenEnabled,
    /// Answers no command.
    Hangs,
    /// Answers no command until it is disabled.
    HangsUntilReset,
    /// Answers when the clock shows this.
    AnswersAt(u64),
    /// Fails for good at the next command.
    Fatal,
    /// Disappears at the next command.
    Gone,
    /// Answers the command after the one given.
    WrongId,
    /// Says that another queue's command is answered.
    WrongQueue,
    /// Every command of this queue ends so.
    Status(u16, u16),
    /// This block cannot be read or written.
    BadBlock(u64),
    /// FLUSH fails.
    BadFlush,
}

/// A namespace of whole blocks.
#[derive(Clone)]
pub(super) struct FakeNamespace {
    pub identify: Vec<u8>,
    pub medium: Vec<u8>,
    block_bytes: usize,
}

impl FakeNamespace {
    pub(super) fn new(blocks: usize, shift: u8) -> Self {
        let mut identify = vec![0; PAGE as usize];
        identify[..8].copy_from_slice(&(blocks as u64).to_le_bytes());
        identify[130] = shift;
        Self { identify, medium: vec![0; blocks << shift], block_bytes: 1 << shift }
    }
}

#[derive(Clone, Copy, Default)]
struct FakeQueue {
    submissions: u64,
    completions: u64,
    entries: u64,
    head: u64,
    completion_tail: u64,
    completion_head: u64,
    phase: bool,
}

pub(super) struct FakeController {
    pub capabilities: u64,
    pub version: u32,
    pub identify: Vec<u8>,
    /// By number, from 1 on; an absent one has no capacity.
    pub namespaces: Vec<Option<FakeNamespace>>,
    pub fault: Fault,
    /// (queue, opcode, namespace, first block, blocks) of every command taken.
    pub commands: Vec<(u16, u8, u32, u64, u64)>,
    pub resets: usize,
    pub is_cut_off: bool,
    pub now_ms: u64,
    /// Interrupts are masked.
    pub is_silent: bool,
    configuration: u32,
    status: u32,
    admin: [u32; 5],
    queues: [FakeQueue; 2],
    shared: Vec<u8>,
    pending: Option<(usize, [u8; 16])>,
}

/// The controller as its driver and a test hold it.
#[derive(Clone)]
pub(super) struct Shared(pub Rc<RefCell<FakeController>>);

impl FakeController {
    /// A controller that the firmware has left running.
    pub(super) fn new(namespaces: Vec<Option<FakeNamespace>>) -> Self {
        let mut identify = vec![0; PAGE as usize];
        identify[4..24].copy_from_slice(b"S1                  ");
        identify[24..64].copy_from_slice(b"FAKE NVME                               ");
        identify[516..520].copy_from_slice(&(namespaces.len() as u32).to_le_bytes());
        identify[525] = 1;
        Self {
            // Queues of 64 entries, two seconds, the NVM command set.
            capabilities: 63 | 4 << 24 | 1 << 37,
            version: 0x0001_0400,
            identify,
            namespaces,
            fault: Fault::None,
            commands: Vec::new(),
            resets: 0,
            is_cut_off: false,
            now_ms: 0,
            is_silent: false,
            configuration: 1,
            status: 1,
            admin: [0; 5],
            queues: [FakeQueue::default(); 2],
            shared: vec![0; SHARED_BYTES],
            pending: None,
        }
    }

    pub(super) fn share(self) -> Shared {
        Shared(Rc::new(RefCell::new(self)))
    }

    fn read(&self, offset: usize) -> u32 {
        match offset {
            0x00 => self.capabilities as u32,
            0x04 => (self.capabilities >> 32) as u32,
            0x08 => self.version,
            0x14 => self.configuration,
            0x1c => self.status,
            _ => 0,
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        match offset {
            0x0c => self.is_silent = value == u32::MAX,
            0x14 => self.configure(value),
            0x24 | 0x28 | 0x2c | 0x30 | 0x34 => {
                assert!(self.status & 1 == 0, "the admin queue is moved while it is used");
                self.admin[(offset - 0x24) / 4] = value;
            }
            0x1000.. => self.ring(offset - 0x1000, u64::from(value)),
            _ => panic!("nobody writes register {offset:#x}"),
        }
    }

    fn configure(&mut self, value: u32) {
        self.configuration = value;
        if self.fault == Fault::StaysAsItIs || self.status == u32::MAX {
            return;
        }
        if value & 1 == 0 {
            self.resets += 1;
            (self.status, self.pending) = (0, None);
            self.queues = [FakeQueue::default(); 2];
            if self.fault == Fault::HangsUntilReset {
                self.fault = Fault::None;
            }
            return;
        }
        assert_eq!(value >> 16, 0x46, "entries have 64 and 16 bytes");
        let [sizes, low, high, completions_low, completions_high] = self.admin.map(u64::from);
        assert_eq!(sizes & 0xfff, sizes >> 16);
        self.queues[0] = FakeQueue {
            submissions: high << 32 | low,
            completions: completions_high << 32 | completions_low,
            entries: (sizes & 0xfff) + 1,
            phase: true,
            ..FakeQueue::default()
        };
        self.status = if self.fault == Fault::FatalWhenEnabled { 2 } else { 1 };
    }

    fn ring(&mut self, offset: usize, value: u64) {
        let doorbell = offset / (4 << (self.capabilities >> 32 & 0xf));
        let number = doorbell / 2;
        assert!(value < self.queues[number].entries, "{value} is no entry of queue {number}");
        if doorbell % 2 == 1 {
            self.queues[number].completion_head = value;
            return;
        }
        while self.status == 1 && self.queues[number].head != value {
            let queue = &mut self.queues[number];
            let at = queue.submissions + queue.head * 64;
            queue.head = (queue.head + 1) % queue.entries;
            let entry = self.memory(at, 64).to_vec();
            self.take(number, &entry);
        }
    }

    fn take(&mut self, number: usize, entry: &[u8]) {
        let dword = |index: usize| u32::from_le_bytes(entry[4 * index..][..4].try_into().expect("four bytes"));
        let first = u64::from(dword(11)) << 32 | u64::from(dword(10));
        let blocks = u64::from(dword(12)) + 1;
        self.commands.push((number as u16, entry[0], dword(1), first, blocks));
        let mut status = match number {
            0 => self.administrate(entry[0], dword(1), [dword(10), dword(11)], entry),
            _ => self.transfer(entry[0], dword(1), first, blocks, entry),
        };
        let id = u16::from_le_bytes([entry[2], entry[3]]);
        let (mut answered, mut queue) = (id, number as u16);
        match self.fault {
            Fault::Hangs | Fault::HangsUntilReset => return,
            Fault::Fatal => self.status |= 2,
            Fault::Gone => (self.status, self.capabilities) = (u32::MAX, u64::MAX),
            Fault::WrongId => answered += 1,
            Fault::WrongQueue => queue += 1,
            Fault::Status(of, value) if of == number as u16 => status = value,
            _ => {}
        }
        if self.status != 1 {
            return;
        }
        let mut answer = [0; 16];
        answer[10..12].copy_from_slice(&queue.to_le_bytes());
        answer[12..14].copy_from_slice(&answered.to_le_bytes());
        answer[14..16].copy_from_slice(&(status << 1).to_le_bytes());
        self.pending = Some((number, answer));
        if !matches!(self.fault, Fault::AnswersAt(_)) {
            self.answer();
        }
    }

    fn answer(&mut self) {
        let Some((number, mut answer)) = self.pending.take() else { return };
        let queue = &mut self.queues[number];
        answer[14] |= u8::from(queue.phase);
        let at = queue.completions + queue.completion_tail * 16;
        queue.completion_tail = (queue.completion_tail + 1) % queue.entries;
        queue.phase ^= queue.completion_tail == 0;
        assert_ne!(queue.completion_tail, queue.completion_head, "answers were not taken");
        self.memory(at, 16).copy_from_slice(&answer);
    }

    fn administrate(&mut self, opcode: u8, namespace: u32, arguments: [u32; 2], entry: &[u8]) -> u16 {
        let page = u64::from_le_bytes(entry[24..32].try_into().expect("eight bytes"));
        match (opcode, arguments) {
            (0x06, [0, _]) => match self.namespaces.get(namespace as usize - 1) {
                Some(found) => {
                    let identify = found.as_ref().map_or(vec![0; PAGE as usize], |found| found.identify.clone());
                    self.memory(page, PAGE).copy_from_slice(&identify);
                    0
                }
                None => NO_SUCH_NAMESPACE,
            },
            (0x06, [1, _]) => {
                let identify = self.identify.clone();
                self.memory(page, PAGE).copy_from_slice(&identify);
                0
            }
            (0x06, [2, _]) if self.version >= 0x0001_0100 => {
                let numbers = (1u32..).zip(&self.namespaces).filter(|(_, namespace)| namespace.is_some());
                let list: Vec<u8> = numbers.flat_map(|(number, _)| number.to_le_bytes()).collect();
                self.memory(page, list.len() as u64).copy_from_slice(&list);
                0
            }
            (0x09, [0x07, 0]) => 0,
            (0x05, [size, 1]) if size & 0xffff == 1 => {
                (self.queues[1].completions, self.queues[1].phase) = (page, true);
                0
            }
            (0x01, [size, 0x0001_0001]) if size & 0xffff == 1 && self.queues[1].completions != 0 => {
                (self.queues[1].submissions, self.queues[1].entries) = (page, u64::from(size >> 16) + 1);
                0
            }
            _ => INVALID_FIELD,
        }
    }

    fn transfer(&mut self, opcode: u8, namespace: u32, first: u64, blocks: u64, entry: &[u8]) -> u16 {
        let Some(Some(found)) = self.namespaces.get(namespace as usize - 1) else { return NO_SUCH_NAMESPACE };
        if opcode == 0 {
            return if self.fault == Fault::BadFlush { INTERNAL_ERROR } else { 0 };
        }
        let block_bytes = found.block_bytes as u64;
        if (first + blocks) * block_bytes > found.medium.len() as u64 {
            return BEYOND_THE_END;
        }
        if matches!(self.fault, Fault::BadBlock(bad) if (first..first + blocks).contains(&bad)) {
            return if opcode == 1 { WRITE_FAULT } else { READ_ERROR };
        }
        let len = blocks * block_bytes;
        let mut at = (first * block_bytes) as usize;
        let mut found = self.namespaces[namespace as usize - 1].take().expect("looked up above");
        for (page, bytes) in self.pages(entry, len) {
            let medium = &mut found.medium[at..at + bytes as usize];
            match opcode {
                1 => medium.copy_from_slice(self.memory(page, bytes)),
                _ => self.memory(page, bytes).copy_from_slice(medium),
            }
            at += bytes as usize;
        }
        self.namespaces[namespace as usize - 1] = Some(found);
        0
    }

    /// Where `len` bytes of data are: address and length of each part.
    fn pages(&mut self, entry: &[u8], len: u64) -> Vec<(u64, u64)> {
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let (first, second) = (number(&entry[24..32]), number(&entry[32..40]));
        let mut pages = vec![first];
        match len.div_ceil(PAGE) {
            1 => assert_eq!(second, 0),
            2 => pages.push(second),
            count => pages.extend(self.memory(second, (count - 1) * 8).chunks(8).map(number)),
        }
        assert!(pages.iter().all(|page| page.is_multiple_of(PAGE)));
        pages.into_iter().enumerate().map(|(index, page)| (page, PAGE.min(len - index as u64 * PAGE))).collect()
    }

    /// What a device reaches: nothing but the shared memory, and that only as long as it may.
    fn memory(&mut self, address: u64, len: u64) -> &mut [u8] {
        assert!(!self.is_cut_off && self.is_silent);
        let start = address.checked_sub(SHARED_ADDRESS).expect("an address in shared memory") as usize;
        let range: Range<usize> = start..start + len as usize;
        &mut self.shared[range]
    }
}

impl BusMaster for Shared {
    fn read(&mut self, offset: usize) -> u32 {
        self.0.borrow().read(offset)
    }

    fn write(&mut self, offset: usize, value: u32) {
        self.0.borrow_mut().write(offset, value);
    }

    fn shared_address(&self) -> u64 {
        SHARED_ADDRESS
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.borrow().shared[at..at + bytes.len()]);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        self.0.borrow_mut().shared[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn cut_off(&mut self) {
        self.0.borrow_mut().is_cut_off = true;
    }

    /// Each look at the clock takes a millisecond.
    fn now_ms(&mut self) -> u64 {
        let mut fake = self.0.borrow_mut();
        fake.now_ms += 1;
        if matches!(fake.fault, Fault::AnswersAt(at) if fake.now_ms >= at) {
            fake.answer();
        }
        fake.now_ms
    }
}
