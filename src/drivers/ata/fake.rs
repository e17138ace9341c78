//! An ATA channel with one disk at the master's place, for tests: it executes commands and can be told to misbehave.

use super::registers::{Drive, Engine, EngineStatus, Register, Registers};
use crate::drivers::disk::SECTOR_BYTES;
use std::vec::Vec;

const BUSY: u8 = 0x80;
const READY: u8 = 0x40;
const DATA_REQUEST: u8 = 0x08;
const ERROR: u8 = 0x01;

const UNCORRECTABLE: u8 = 0x40;
const ABORTED: u8 = 0x04;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// From the next command on, stays busy for ever, through resets too.
    Hangs,
    /// Stays busy for ever at the next command, until a reset.
    HangsUntilReset,
    /// This sector cannot be read or written.
    BadSector(u64),
    /// FLUSH CACHE fails.
    BadFlush,
    /// Ends a transfer before this sector without an error.
    EndsBefore(u64),
    /// DMA never ends, until a reset.
    DmaHangs,
    /// The controller does not reach the memory.
    DmaFails,
    /// The disk moves less than it was asked for.
    DmaShort,
    /// DMA never ends, and does not stop.
    DmaNeverStops,
}

/// What the controller calls the shared memory.
const SHARED_ADDRESS: u32 = 0x0123_f000;
const ENGINE_ACTIVE: u8 = 1;
const ENGINE_ERROR: u8 = 2;
const ENGINE_INTERRUPT: u8 = 4;

#[derive(Debug)]
pub(super) struct FakeChannel {
    pub medium: Vec<u8>,
    pub identify: [u8; SECTOR_BYTES],
    pub fault: Fault,
    pub packet_device: bool,
    /// Aborts commands to the absent slave, instead of leaving its registers empty.
    pub answers_for_slave: bool,
    /// What the registers read as when nothing is attached.
    pub floating: Option<u8>,
    /// (command, first sector, sectors) of every transfer given.
    pub transfers: Vec<(u8, u64, u64)>,
    pub flushes: usize,
    /// Aborts SET MULTIPLE MODE.
    pub refuses_blocks: bool,
    /// The memory shared with the channel's engine; none without one.
    pub shared: Option<Vec<u8>>,
    pub is_cut_off: bool,
    control: u8,
    engine_command: u8,
    engine_status: u8,
    table: u32,
    by_dma: bool,
    now_ms: u64,
    status: u8,
    error: u8,
    device: u8,
    /// Sector count, LBA low, mid, high: the value written last and the one before.
    address: [[u8; 2]; 4],
    next: u64,
    left: u64,
    writing: bool,
    /// The command moves blocks, not single sectors.
    blocks: bool,
    block: u64,
    identifying: bool,
}

impl FakeChannel {
    pub(super) fn new(sectors: u64) -> Self {
        Self {
            medium: std::vec![0; sectors as usize * SECTOR_BYTES],
            identify: identify_words(sectors),
            fault: Fault::None,
            packet_device: false,
            answers_for_slave: false,
            floating: None,
            transfers: Vec::new(),
            flushes: 0,
            refuses_blocks: false,
            shared: None,
            is_cut_off: false,
            control: 0,
            engine_command: 0,
            engine_status: 0,
            table: 0,
            by_dma: false,
            now_ms: 0,
            status: READY,
            error: 0,
            device: 0,
            address: [[0; 2]; 4],
            next: 0,
            left: 0,
            writing: false,
            blocks: false,
            block: 0,
            identifying: false,
        }
    }

    /// Gives the channel an engine, and the disk a mode for it.
    pub(super) fn with_dma(mut self) -> Self {
        self.shared = Some(std::vec![0; super::dma::SHARED_BYTES]);
        self.set_word(49, 1 << 9 | 1 << 8);
        self.set_word(53, 1 << 2);
        self.set_word(88, 1 << 13);
        self
    }

    pub(super) fn set_word(&mut self, word: usize, value: u16) {
        self.identify[2 * word..][..2].copy_from_slice(&value.to_le_bytes());
    }

    fn selected(&self) -> Drive {
        if self.device & 0x10 == 0 { Drive::Master } else { Drive::Slave }
    }

    fn execute(&mut self, command: u8) {
        if self.selected() == Drive::Slave && !self.answers_for_slave {
            return;
        }
        self.status = READY;
        if self.selected() == Drive::Slave {
            return self.fail(ABORTED);
        }
        if matches!(self.fault, Fault::Hangs | Fault::HangsUntilReset) {
            self.status = BUSY;
            return;
        }
        match command {
            0xec if self.packet_device => {
                (self.address[2][0], self.address[3][0]) = (0x14, 0xeb);
                self.fail(ABORTED);
            }
            0xec => {
                self.identifying = true;
                self.status |= DATA_REQUEST;
            }
            0x20 | 0x24 | 0x30 | 0x34 | 0x29 | 0x39 | 0xc4 | 0xc5 | 0x25 | 0x35 | 0xc8 | 0xca => {
                self.start_transfer(command);
            }
            0xc6 if self.refuses_blocks => self.fail(ABORTED),
            0xc6 => self.block = u64::from(self.address[0][0]),
            0xe7 | 0xea if self.fault == Fault::BadFlush => self.fail(ABORTED),
            0xe7 | 0xea => self.flushes += 1,
            _ => self.fail(ABORTED),
        }
    }

    fn start_transfer(&mut self, command: u8) {
        let [count, low, mid, high] = self.address.map(|[now, _]| u64::from(now));
        let [count_before, top, top_mid, top_high] = self.address.map(|[_, before]| u64::from(before));
        let extended = matches!(command, 0x24 | 0x34 | 0x29 | 0x39 | 0x25 | 0x35);
        let (lba, count, limit) = if extended {
            let lba = low | mid << 8 | high << 16 | top << 24 | top_mid << 32 | top_high << 40;
            (lba, count | count_before << 8, 65536)
        } else {
            (low | mid << 8 | high << 16 | u64::from(self.device & 0xf) << 24, count, 256)
        };
        assert!(self.device & 0x40 != 0, "not in LBA mode");
        (self.next, self.left) = (lba, if count == 0 { limit } else { count });
        self.transfers.push((command, lba, self.left));
        self.writing = matches!(command, 0x30 | 0x34 | 0x39 | 0xc5 | 0x35 | 0xca);
        self.blocks = matches!(command, 0x29 | 0x39 | 0xc4 | 0xc5);
        self.by_dma = matches!(command, 0x25 | 0x35 | 0xc8 | 0xca);
        if self.by_dma {
            self.status = READY | DATA_REQUEST;
            return;
        }
        if self.blocks && self.block == 0 {
            return self.fail(ABORTED);
        }
        self.offer_block();
    }

    fn block(&self) -> std::ops::Range<u64> {
        self.next..self.next + if self.blocks { self.block.min(self.left) } else { 1 }
    }

    fn is_bad(&self) -> bool {
        self.block().any(|sector| self.fault == Fault::BadSector(sector))
    }

    fn offer_block(&mut self) {
        self.status = READY;
        if self.left == 0 || self.fault == Fault::EndsBefore(self.next) {
            return;
        }
        if self.is_bad() && !self.writing {
            return self.fail(UNCORRECTABLE);
        }
        self.status |= DATA_REQUEST;
    }

    fn finish_block(&mut self) {
        let bad = self.is_bad() && self.writing;
        let block = self.block();
        self.left -= block.end - block.start;
        self.next = block.end;
        self.offer_block();
        if bad {
            self.fail(UNCORRECTABLE);
        }
    }

    fn fail(&mut self, error: u8) {
        self.status = READY | ERROR;
        self.error = error;
        self.left = 0;
    }

    fn control(&mut self, value: u8) {
        self.control = value;
        if value & 0x04 == 0 {
            return;
        }
        if self.fault == Fault::DmaHangs {
            self.left = 0;
        }
        self.block = 0;
        if self.fault == Fault::HangsUntilReset {
            self.fault = Fault::None;
        }
        if self.fault != Fault::Hangs {
            self.status = READY;
        }
    }

    /// Where the block lies on the medium; checks that the host moves all of it.
    fn bytes(&self, len_bytes: usize) -> std::ops::Range<usize> {
        assert!(self.status & DATA_REQUEST != 0, "no data wanted");
        let block = self.block();
        let range = block.start as usize * SECTOR_BYTES..block.end as usize * SECTOR_BYTES;
        assert_eq!(range.len(), len_bytes);
        range
    }
}

impl Registers for FakeChannel {
    fn read(&mut self, register: Register) -> u8 {
        if let Some(value) = self.floating {
            return value;
        }
        if self.selected() == Drive::Slave && !self.answers_for_slave {
            return 0;
        }
        match register {
            Register::Status | Register::Control => self.status,
            Register::Error => self.error,
            Register::SectorCount => self.address[0][0],
            Register::LbaLow => self.address[1][0],
            Register::LbaMid => self.address[2][0],
            Register::LbaHigh => self.address[3][0],
            Register::Device => self.device,
        }
    }

    fn write(&mut self, register: Register, value: u8) {
        let position = match register {
            Register::Status => return self.execute(value),
            Register::Control => return self.control(value),
            Register::Device => {
                self.device = value;
                return;
            }
            Register::Error => return,
            Register::SectorCount => 0,
            Register::LbaLow => 1,
            Register::LbaMid => 2,
            Register::LbaHigh => 3,
        };
        self.address[position] = [value, self.address[position][0]];
    }

    fn read_data(&mut self, bytes: &mut [u8]) {
        if std::mem::take(&mut self.identifying) {
            bytes.copy_from_slice(&self.identify);
            self.status = READY;
            return;
        }
        bytes.copy_from_slice(&self.medium[self.bytes(bytes.len())]);
        self.finish_block();
    }

    fn write_data(&mut self, bytes: &[u8]) {
        let range = self.bytes(bytes.len());
        self.medium[range].copy_from_slice(bytes);
        self.finish_block();
    }

    /// Each look at the clock takes a millisecond.
    fn now_ms(&mut self) -> u64 {
        self.now_ms += 1;
        self.now_ms
    }

    fn engine(&mut self) -> Option<&mut dyn Engine> {
        self.shared.is_some().then_some(self as &mut dyn Engine)
    }
}

impl FakeChannel {
    /// Moves what the command is about between the medium and the memory that the table names.
    fn move_data(&mut self) {
        assert!(std::mem::take(&mut self.by_dma), "no command that wants it");
        assert_eq!(self.engine_command & 0x08 == 0, self.writing, "the wrong way");
        self.engine_status |= ENGINE_ACTIVE;
        match self.fault {
            Fault::DmaHangs | Fault::DmaNeverStops => return,
            Fault::DmaFails => {
                self.engine_status |= ENGINE_ERROR;
                return;
            }
            _ => {}
        }
        let (first, sectors) = (self.next, self.left);
        if (first..first + sectors).any(|sector| self.fault == Fault::BadSector(sector)) {
            self.fail(UNCORRECTABLE);
            return self.interrupt();
        }
        let shared = self.shared.as_mut().expect("an engine has memory");
        let mut medium = &mut self.medium[first as usize * SECTOR_BYTES..][..sectors as usize * SECTOR_BYTES];
        let mut entry = (self.table - SHARED_ADDRESS) as usize;
        loop {
            let number = |at: usize| u32::from_le_bytes(shared[at..][..4].try_into().expect("four bytes"));
            let (address, flags) = (number(entry) - SHARED_ADDRESS, number(entry + 4));
            let bytes = if flags & 0xffff == 0 { 0x1_0000 } else { flags as usize & 0xffff };
            let (now, later) = medium.split_at_mut(bytes);
            let memory = &mut shared[address as usize..][..bytes];
            if self.writing {
                now.copy_from_slice(memory)
            } else {
                memory.copy_from_slice(now)
            }
            (medium, entry) = (later, entry + 8);
            if flags >> 31 == 1 {
                break;
            }
        }
        assert!(medium.is_empty(), "the table is too short");
        self.status = READY;
        if self.fault != Fault::DmaShort {
            self.engine_status &= !ENGINE_ACTIVE;
        }
        self.interrupt();
    }

    fn interrupt(&mut self) {
        if self.control & 0x02 == 0 {
            self.engine_status |= ENGINE_INTERRUPT;
        }
    }
}

impl Engine for FakeChannel {
    fn set_command(&mut self, value: u8) {
        let starts = value & !self.engine_command & 1 != 0;
        self.engine_command = value;
        if starts {
            self.move_data();
        } else if value & 1 == 0 && self.fault != Fault::DmaNeverStops {
            self.engine_status &= !ENGINE_ACTIVE;
        }
    }

    fn status(&mut self) -> EngineStatus {
        EngineStatus(self.engine_status)
    }

    fn clear_status(&mut self) {
        self.engine_status &= ENGINE_ACTIVE;
    }

    fn set_table(&mut self, address: u32) {
        self.table = address;
    }

    fn shared_address(&self) -> u32 {
        SHARED_ADDRESS
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.shared.as_ref().expect("an engine has memory")[at..][..bytes.len()]);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        self.shared.as_mut().expect("an engine has memory")[at..][..bytes.len()].copy_from_slice(bytes);
    }

    fn cut_off(&mut self) {
        self.is_cut_off = true;
    }
}

/// The description of a disk with 48-bit addresses.
pub(in crate::drivers) fn identify_words(sectors: u64) -> [u8; SECTOR_BYTES] {
    let mut words = [0u16; 256];
    for (word, pair) in words[27..47].iter_mut().zip(b"FAKE DISK                               ".chunks(2)) {
        *word = u16::from_be_bytes([pair[0], pair[1]]);
    }
    words[10] = u16::from_be_bytes(*b"S1");
    words[49] = 1 << 9;
    words[60] = sectors as u16;
    words[61] = (sectors >> 16) as u16;
    words[83] = 1 << 14 | 1 << 13 | 1 << 10;
    words[100] = sectors as u16;
    words[101] = (sectors >> 16) as u16;
    let mut bytes = [0; SECTOR_BYTES];
    for (pair, word) in bytes.chunks_mut(2).zip(words) {
        pair.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
