//! A controller: brought up, given one command at a time, reset.
//!
//! Source: NVM Express Base Specification 1.4, sections 7.6.1 (initialization), 7.3.2 (reset), 4.3 (pages of data).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::command::{Command, CommandStatus, Subject};
use super::error::NvmeError;
use super::identity::{self, ControllerIdentity, IDENTIFY_BYTES, MOST_NAMESPACES, NamespaceIdentity};
use super::queue::Queue;
use super::registers::{self as register, Capabilities, ENABLE, OPERATION, SHUTDOWN, Status};
use crate::drivers::bus_master::BusMaster;
use crate::drivers::disk::{COMMAND_TIMEOUT_MS, Failure};
use crate::drivers::wait;

/// The most that one command moves.
pub(super) const DATA_BYTES: usize = 128 << 10;
const PAGE_BYTES: usize = 4096;
const PAGES: usize = DATA_BYTES / PAGE_BYTES;

/// Where things are in shared memory, a page each but for the data.
const ADMIN_SUBMISSIONS: usize = 0;
const ADMIN_COMPLETIONS: usize = PAGE_BYTES;
const SUBMISSIONS: usize = 2 * PAGE_BYTES;
const COMPLETIONS: usize = 3 * PAGE_BYTES;
/// The addresses of all pages of data but the first.
const PAGE_LIST: usize = 4 * PAGE_BYTES;
const DATA: usize = 5 * PAGE_BYTES;
pub(super) const SHARED_BYTES: usize = DATA + DATA_BYTES;

/// Doorbells farther apart than a page are not looked for; there are four.
const MOST_DOORBELL_BYTES: usize = PAGE_BYTES;
pub(super) const REGISTER_BYTES: usize = register::DOORBELLS + 4 * MOST_DOORBELL_BYTES;

/// The longest that a controller is waited for, whatever it asks for.
const MOST_READY_MS: u64 = 30_000;
const LEAST_READY_MS: u64 = 500;
/// Most answers come while so many polls look at memory alone. Later ones read the register that tells of the controller's end,
/// too, which is slow.
const QUICK_POLLS: u32 = 1000;

#[derive(Debug)]
pub(super) struct Controller<D> {
    pub device: D,
    capabilities: Capabilities,
    admin: Queue,
    blocks: Queue,
    last_id: u16,
    is_cut_off: bool,
}

impl<D: BusMaster> Controller<D> {
    /// Takes the controller over from the firmware. One that cannot be used may no longer reach memory.
    pub fn start(mut device: D) -> Result<Self, NvmeError> {
        let capabilities = Capabilities::read(&mut device);
        let admin = Queue::new(0, ADMIN_SUBMISSIONS, ADMIN_COMPLETIONS, capabilities);
        let blocks = Queue::new(1, SUBMISSIONS, COMPLETIONS, capabilities);
        let mut controller = Self { device, capabilities, admin, blocks, last_id: 0, is_cut_off: false };
        let started = check(capabilities).and_then(|()| controller.bring_up());
        if started.is_err() {
            controller.cut_off();
        }
        started.map(|()| controller)
    }

    pub fn identify(&mut self) -> Result<ControllerIdentity, NvmeError> {
        self.description(Subject::Controller, 0).map(|bytes| ControllerIdentity::parse(&bytes))
    }

    /// The numbers of all namespaces, or of more than there are: those that a controller does not list are to be tried.
    pub fn namespaces(&mut self, identity: &ControllerIdentity) -> Result<Vec<u32>, NvmeError> {
        if self.device.read(register::VERSION) >= register::VERSION_1_1 {
            match self.description(Subject::ActiveNamespaces, 0) {
                Ok(bytes) => return Ok(identity::namespaces(&bytes)),
                Err(NvmeError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((1..=identity.namespaces.min(MOST_NAMESPACES as u32)).collect())
    }

    pub fn namespace(&mut self, namespace: u32) -> Result<Option<NamespaceIdentity>, NvmeError> {
        match self.description(Subject::Namespace, namespace) {
            Ok(bytes) => NamespaceIdentity::parse(&bytes),
            Err(NvmeError::Refused { status, .. }) if status.is_no_such_namespace() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fills `buffer`, at most [`DATA_BYTES`], from `blocks` blocks.
    pub fn read(&mut self, namespace: u32, first: u64, blocks: u16, buffer: &mut [u8]) -> Result<(), Failure> {
        let pages = self.pages(buffer.len());
        self.give_block_command(&Command::read(namespace, first, blocks, pages))?;
        self.device.load(DATA, buffer);
        Ok(())
    }

    /// Writes `bytes`, at most [`DATA_BYTES`], to `blocks` blocks.
    pub fn write(&mut self, namespace: u32, first: u64, blocks: u16, bytes: &[u8]) -> Result<(), Failure> {
        let pages = self.pages(bytes.len());
        self.device.store(DATA, bytes);
        self.give_block_command(&Command::write(namespace, first, blocks, pages))
    }

    pub fn flush(&mut self, namespace: u32) -> Result<(), Failure> {
        self.give_block_command(&Command::flush(namespace))
    }

    /// Brings the controller back to where commands can start. Once it did not come back it is not asked again.
    pub fn reset(&mut self) -> bool {
        if !self.is_cut_off && self.bring_up().is_err() {
            self.cut_off();
        }
        !self.is_cut_off
    }

    /// Keeps the controller from reaching memory; no command is given any more.
    pub fn cut_off(&mut self) {
        self.device.cut_off();
        self.is_cut_off = true;
    }

    fn bring_up(&mut self) -> Result<(), NvmeError> {
        self.enable(false)?;
        self.admin.clear(&mut self.device);
        self.blocks.clear(&mut self.device);
        let list: Vec<u8> = (1..PAGES).flat_map(|page| self.address(DATA + page * PAGE_BYTES).to_le_bytes()).collect();
        self.device.store(PAGE_LIST, &list);
        let last_entry = self.admin.last_entry();
        self.device.write(register::INTERRUPT_MASK_SET, u32::MAX);
        self.device.write(register::ADMIN_QUEUE_SIZES, last_entry << 16 | last_entry);
        self.write_address(register::ADMIN_SUBMISSIONS, ADMIN_SUBMISSIONS);
        self.write_address(register::ADMIN_COMPLETIONS, ADMIN_COMPLETIONS);
        self.enable(true)?;
        let (submissions, completions) = (self.address(SUBMISSIONS), self.address(COMPLETIONS));
        self.give_admin_command(&Command::request_queues())?;
        self.give_admin_command(&Command::create_completions(&self.blocks, completions))?;
        self.give_admin_command(&Command::create_submissions(&self.blocks, submissions))
    }

    /// Lets the controller take commands, or has it drop all that it has. Then it leaves memory alone.
    fn enable(&mut self, enabling: bool) -> Result<(), NvmeError> {
        let stopped = self.device.read(register::CONFIGURATION) & !(ENABLE | SHUTDOWN);
        self.device.write(register::CONFIGURATION, if enabling { OPERATION | ENABLE } else { stopped });
        let timeout_ms = self.capabilities.ready_ms().clamp(LEAST_READY_MS, MOST_READY_MS);
        let mut status = Status(0);
        let waited = wait(&mut self.device, timeout_ms, D::now_ms, |device| {
            status = Status::read(device);
            status.is_gone() || status.is_ready() == enabling || enabling && status.is_fatal()
        });
        let waited_ms = waited.err().unwrap_or(0);
        if status.is_gone() {
            return Err(NvmeError::Gone);
        }
        if status.is_ready() != enabling || enabling && status.is_fatal() {
            return Err(NvmeError::Stuck { enabling, waited_ms, status });
        }
        Ok(())
    }

    fn description(&mut self, subject: Subject, namespace: u32) -> Result<Box<[u8; IDENTIFY_BYTES]>, NvmeError> {
        let mut bytes = Box::new([0; IDENTIFY_BYTES]);
        self.device.store(DATA, &*bytes);
        let page = self.address(DATA);
        self.give_admin_command(&Command::identify(subject, namespace, page))?;
        self.device.load(DATA, &mut *bytes);
        Ok(bytes)
    }

    fn give_admin_command(&mut self, command: &Command) -> Result<(), NvmeError> {
        self.last_id = next_id(self.last_id);
        give(&mut self.device, &mut self.admin, command, self.last_id).map_err(|failed| match failed {
            Failed::Status(status) => NvmeError::Refused { command: command.name, status },
            Failed::Unanswered(failure) => NvmeError::Unanswered { command: command.name, failure },
        })
    }

    fn give_block_command(&mut self, command: &Command) -> Result<(), Failure> {
        if self.is_cut_off {
            return Err(Failure::Reported("the controller did not come back after an earlier error".into()));
        }
        self.last_id = next_id(self.last_id);
        give(&mut self.device, &mut self.blocks, command, self.last_id).map_err(|failed| match failed {
            Failed::Status(status) => Failure::Reported(status.to_string()),
            Failed::Unanswered(failure) => failure,
        })
    }

    /// How a command is told where `len_bytes` bytes of data are: by the first page, and the second or a list of the others.
    fn pages(&self, len_bytes: usize) -> [u64; 2] {
        let rest = match len_bytes.div_ceil(PAGE_BYTES) {
            0 | 1 => 0,
            2 => self.address(DATA + PAGE_BYTES),
            _ => self.address(PAGE_LIST),
        };
        [self.address(DATA), rest]
    }

    /// What the device calls a place in the shared memory.
    fn address(&self, at: usize) -> u64 {
        self.device.shared_address() + at as u64
    }

    fn write_address(&mut self, register: usize, at: usize) {
        let address = self.address(at);
        self.device.write(register, address as u32);
        self.device.write(register + 4, (address >> 32) as u32);
    }
}

/// Whether the driver can use a controller that can do this.
fn check(capabilities: Capabilities) -> Result<(), NvmeError> {
    let Capabilities(all) = capabilities;
    if all == u64::MAX {
        return Err(NvmeError::Gone);
    }
    if !capabilities.has_nvm_commands() {
        return Err(NvmeError::NoBlocks);
    }
    if capabilities.page_bytes() > PAGE_BYTES as u64 {
        return Err(NvmeError::LargePages { len_bytes: capabilities.page_bytes() });
    }
    if capabilities.doorbell_bytes() > MOST_DOORBELL_BYTES {
        return Err(NvmeError::Doorbells { len_bytes: capabilities.doorbell_bytes() });
    }
    Ok(())
}

/// All ones stand for no command.
fn next_id(id: u16) -> u16 {
    (id + 1) % u16::MAX
}

/// Why a command was not done.
enum Failed {
    Status(CommandStatus),
    /// The controller is in no known state: it may answer yet.
    Unanswered(Failure),
}

/// Gives a command and waits for its answer.
fn give<D: BusMaster>(device: &mut D, queue: &mut Queue, command: &Command, id: u16) -> Result<(), Failed> {
    queue.submit(device, command, id);
    let mut polls = 0u32;
    let waited = wait(device, COMMAND_TIMEOUT_MS, D::now_ms, |device| {
        polls = polls.saturating_add(1);
        queue.has_answer(device) || polls > QUICK_POLLS && Status::read(device).is_hopeless()
    });
    let Some(answer) = queue.take_answer(device) else {
        let state = Status::read(device).to_string();
        return Err(Failed::Unanswered(match waited {
            Ok(()) => Failure::Reported(state),
            Err(waited_ms) => Failure::Timeout { waited_ms, state },
        }));
    };
    if (answer.queue, answer.id) != (queue.number, id) {
        let report = format!("it answers command {} of queue {}, which was not given", answer.id, answer.queue);
        return Err(Failed::Unanswered(Failure::Reported(report)));
    }
    if answer.status.is_success() { Ok(()) } else { Err(Failed::Status(answer.status)) }
}
