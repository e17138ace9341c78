//! A controller and its ports: brought up, given commands one at a time, reset.
//!
//! Source: Serial ATA AHCI 1.3.1, sections 6.2 (errors) and 10.1 to 10.6 (initialisation, commands, resets, hand-off).

use alloc::format;
use alloc::string::ToString;

use super::command::{HEADER_BYTES, MOVED_AT, REGIONS_AT, Request};
use super::registers::{
    CAPABILITIES, CAPABILITIES_2, CONTROL, DISK_SIGNATURE, GONE, HAND_OFF, INTERRUPTS, LINK_AWAKE, LINK_RESET, Link,
    PORTS, PORTS_IMPLEMENTED, PortRegister, PortState, capabilities, capabilities_2, command, control, hand_off,
    interrupts,
};
use crate::drivers::ata::Identity;
use crate::drivers::bus_master::BusMaster;
use crate::drivers::disk::{COMMAND_TIMEOUT_MS, Failure, SECTOR_BYTES};
use crate::drivers::{pause, wait, wait_by_clock};

/// An idle disk answers IDENTIFY within milliseconds.
const IDENTIFY_TIMEOUT_MS: u64 = 2_000;
/// A disk that was just given power spins up first.
const READY_TIMEOUT_MS: u64 = 10_000;
/// A disk answers within 10 ms of getting power.
const PRESENCE_TIMEOUT_MS: u64 = 20;
const LINK_TIMEOUT_MS: u64 = 1_000;
/// The standard's limits for the engines of a port, for a reset of the controller, and for firmware that is busy.
const STOP_TIMEOUT_MS: u64 = 500;
const RESET_TIMEOUT_MS: u64 = 1_000;
const ENABLE_TIMEOUT_MS: u64 = 50;
const HAND_OFF_TIMEOUT_MS: u64 = 25;
const HAND_OFF_BUSY_TIMEOUT_MS: u64 = 2_000;
/// At least 1 ms.
const LINK_RESET_MS: u64 = 2;

/// What a port has of the shared memory: a list of commands, of which the first is used, frames received, and a command table.
const LIST_AT: usize = 0;
const RECEIVED_AT: usize = 1024;
const TABLE_AT: usize = 1280;
const PORT_SHARED_BYTES: usize = 2048;
/// Data, of one command at a time.
const DATA_AT: usize = PORTS * PORT_SHARED_BYTES;
pub(super) const MAX_DATA_BYTES: usize = 128 << 10;
pub(super) const SHARED_BYTES: usize = DATA_AT + MAX_DATA_BYTES;

/// A controller whose ports are idle.
pub(super) struct Controller<B> {
    device: B,
    /// What is known of each port from before the reset.
    attached: [Attached; PORTS],
    /// A port did not stop, so the controller no longer reaches memory.
    is_cut_off: bool,
}

/// Whether something is attached to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attached {
    No,
    /// The port has no power yet.
    Unknown,
    Yes,
}

impl<B: BusMaster> Controller<B> {
    /// Takes the controller over from the firmware and resets it.
    pub(super) fn start(mut device: B) -> Result<Self, Failure> {
        enable(&mut device)?;
        take_over(&mut device);
        let implemented = device.read(PORTS_IMPLEMENTED);
        let is_staggered = device.read(CAPABILITIES) & capabilities::STAGGERED_SPIN_UP != 0;
        let attached = core::array::from_fn(|port| match implemented >> port & 1 {
            0 => Attached::No,
            _ => attached(&mut device, port, is_staggered),
        });
        device.write(CONTROL, control::AHCI | control::RESET);
        let reset = wait(&mut device, RESET_TIMEOUT_MS, B::now_ms, |device| device.read(CONTROL) & control::RESET == 0);
        if let Err(waited_ms) = reset {
            device.cut_off();
            return Err(Failure::Timeout { waited_ms, state: "it does not end its reset".into() });
        }
        enable(&mut device)?;
        device.write(INTERRUPTS, u32::MAX);
        Ok(Self { device, attached, is_cut_off: false })
    }

    /// The disk at a port, which is then ready for commands; none if something else is there, or nothing.
    pub(super) fn find_disk(&mut self, port: usize) -> Result<Option<Identity>, Failure> {
        if self.attached[port] == Attached::No {
            return Ok(None);
        }
        let found = self.bring_up(port).and_then(|is_disk| match is_disk {
            true => self.identify(port).map(Some),
            false => Ok(None),
        });
        if !matches!(found, Ok(Some(_))) {
            self.abandon(port);
        }
        found
    }

    /// Gives a command and waits until it is done.
    fn execute(&mut self, port: usize, request: &Request, timeout_ms: u64) -> Result<(), Failure> {
        if self.is_cut_off {
            return Err(Failure::Reported("the controller was cut off after an earlier error".into()));
        }
        let before = self.state(port);
        if before.interrupts & interrupts::LINK != 0 || before.status().is_busy() || before.status().wants_data() {
            return Err(Failure::Reported(before.to_string()));
        }
        let shared = port * PORT_SHARED_BYTES;
        self.device.store(shared + TABLE_AT, &request.frame());
        self.device.store(shared + TABLE_AT + REGIONS_AT, &request.region(self.address(DATA_AT)));
        let header = request.header(self.address(shared + TABLE_AT));
        self.device.store(shared + LIST_AT, &header);
        self.write(port, PortRegister::Interrupts, u32::MAX);
        self.write(port, PortRegister::Issued, 1);
        let done = wait(self, timeout_ms, Self::now_ms, |controller| {
            let failed = controller.read(port, PortRegister::Interrupts) & interrupts::FAILURES != 0;
            failed || controller.read(port, PortRegister::Issued) & 1 == 0
        });
        let state = self.state(port);
        if let Err(waited_ms) = done {
            return Err(Failure::Timeout { waited_ms, state: state.to_string() });
        }
        if !state.is_success() {
            return Err(Failure::Reported(state.to_string()));
        }
        let mut header = [0; HEADER_BYTES];
        self.device.load(shared + LIST_AT, &mut header);
        let moved = u32::from_le_bytes(header[MOVED_AT..][..4].try_into().unwrap_or_default()) as usize;
        if moved != request.bytes {
            return Err(Failure::Reported(format!("{moved} of {} bytes were moved: {state}", request.bytes)));
        }
        Ok(())
    }

    /// Gives a command that fills `buffer`.
    pub(super) fn read_data(&mut self, port: usize, request: &Request, buffer: &mut [u8]) -> Result<(), Failure> {
        self.execute(port, request, COMMAND_TIMEOUT_MS)?;
        self.device.load(DATA_AT, buffer);
        Ok(())
    }

    /// Gives a command that takes `bytes`.
    pub(super) fn write_data(&mut self, port: usize, request: &Request, bytes: &[u8]) -> Result<(), Failure> {
        self.device.store(DATA_AT, bytes);
        self.execute(port, request, COMMAND_TIMEOUT_MS)
    }

    /// Asks the disk at a port what it is.
    fn identify(&mut self, port: usize) -> Result<Identity, Failure> {
        self.execute(port, &Request::IDENTIFY, IDENTIFY_TIMEOUT_MS)?;
        let mut words = [0; SECTOR_BYTES];
        self.device.load(DATA_AT, &mut words);
        Identity::parse(&words).map_err(|error| Failure::Reported(error.to_string()))
    }

    /// Brings a port back to where commands can start; false if it does not come back with `disk`: somebody may have put
    /// another one in its place.
    pub(super) fn reset(&mut self, port: usize, disk: &Identity) -> bool {
        let is_back = !self.is_cut_off
            && self.restart(port).unwrap_or(false)
            && self.identify(port).is_ok_and(|found| found.is_same_disk(disk));
        if !is_back {
            self.abandon(port);
        }
        is_back
    }

    /// Stops what a port is doing and starts it again, with a reset of its link where that is needed.
    fn restart(&mut self, port: usize) -> Result<bool, Failure> {
        let has_stopped = self.stop_commands(port);
        let state = self.state(port);
        let is_idle = !state.status().is_busy() && !state.status().wants_data();
        let is_linked = state.interrupts & interrupts::LINK == 0 && Link::of(state.link_status) == Link::Up;
        if has_stopped && is_idle && is_linked {
            self.clear(port);
            return Ok(self.start_commands(port));
        }
        self.write(port, PortRegister::LinkControl, LINK_RESET);
        pause(self, LINK_RESET_MS, Self::now_ms);
        self.write(port, PortRegister::LinkControl, LINK_AWAKE);
        Ok(self.wait_for_disk(port, LINK_TIMEOUT_MS)? && self.start_commands(port))
    }

    /// Gives a port its memory, its power and its link; true if a disk answers.
    fn bring_up(&mut self, port: usize) -> Result<bool, Failure> {
        if !self.stop(port) {
            return Err(Failure::Reported(format!("the port does not stop: {}", self.state(port))));
        }
        let shared = port * PORT_SHARED_BYTES;
        let (list, received) = (self.address(shared + LIST_AT), self.address(shared + RECEIVED_AT));
        self.write(port, PortRegister::CommandList, list);
        self.write(port, PortRegister::CommandListHigh, 0);
        self.write(port, PortRegister::Received, received);
        self.write(port, PortRegister::ReceivedHigh, 0);
        self.write(port, PortRegister::InterruptsEnabled, 0);
        self.write(port, PortRegister::LinkControl, LINK_AWAKE);
        self.write(port, PortRegister::LinkErrors, u32::MAX);
        let on = command::POWER_ON | command::SPIN_UP | command::ACTIVE;
        self.update_command(port, |value| value | command::RECEIVE);
        self.update_command(port, |value| value | command::RECEIVE | on);
        let patience_ms = if self.attached[port] == Attached::Yes { LINK_TIMEOUT_MS } else { PRESENCE_TIMEOUT_MS };
        Ok(self.wait_for_disk(port, patience_ms)? && self.start_commands(port))
    }

    /// Waits until what is attached has said what it is; true if that is a disk.
    fn wait_for_disk(&mut self, port: usize, patience_ms: u64) -> Result<bool, Failure> {
        let is_present = |controller: &mut Self| matches!(controller.link(port), Link::Present | Link::Up);
        // By the clock alone: most ports are empty.
        if wait_by_clock(self, patience_ms, Self::now_ms, is_present).is_err() {
            return Ok(false);
        }
        let failed = |controller: &mut Self, waited_ms| {
            let state = controller.state(port).to_string();
            Failure::Timeout { waited_ms, state }
        };
        wait(self, LINK_TIMEOUT_MS, Self::now_ms, |controller| controller.link(port) == Link::Up)
            .map_err(|waited_ms| failed(self, waited_ms))?;
        self.write(port, PortRegister::LinkErrors, u32::MAX);
        wait(self, READY_TIMEOUT_MS, Self::now_ms, |controller| {
            let status = controller.state(port).status();
            !status.is_busy() && !status.wants_data()
        })
        .map_err(|waited_ms| failed(self, waited_ms))?;
        self.clear(port);
        Ok(self.read(port, PortRegister::Signature) == DISK_SIGNATURE)
    }

    fn start_commands(&mut self, port: usize) -> bool {
        self.update_command(port, |value| value | command::RECEIVE | command::START);
        self.wait_for(port, command::RUNNING, command::RUNNING)
    }

    fn stop_commands(&mut self, port: usize) -> bool {
        self.update_command(port, |value| value & !command::START);
        self.wait_for(port, command::RUNNING, 0)
    }

    /// Stops commands, then the receiving of frames; false if one of the two goes on.
    fn stop(&mut self, port: usize) -> bool {
        self.stop_commands(port) && {
            self.update_command(port, |value| value & !command::RECEIVE);
            self.wait_for(port, command::RECEIVING, 0)
        }
    }

    /// Leaves a port alone from now on. If it does not stop, the whole controller must no longer reach memory.
    fn abandon(&mut self, port: usize) {
        if !self.is_cut_off && !self.stop(port) {
            self.device.cut_off();
            self.is_cut_off = true;
        }
    }

    /// Forgets earlier events.
    fn clear(&mut self, port: usize) {
        self.write(port, PortRegister::LinkErrors, u32::MAX);
        self.write(port, PortRegister::Interrupts, u32::MAX);
        self.device.write(INTERRUPTS, u32::MAX);
    }

    fn update_command(&mut self, port: usize, update: impl Fn(u32) -> u32) {
        let value = self.read(port, PortRegister::Command);
        self.write(port, PortRegister::Command, update(value));
    }

    fn wait_for(&mut self, port: usize, bits: u32, expected: u32) -> bool {
        let mut last = 0;
        let done = wait(self, STOP_TIMEOUT_MS, Self::now_ms, |controller| {
            last = controller.read(port, PortRegister::Command);
            last == GONE || last & bits == expected
        });
        done.is_ok() && last != GONE
    }

    fn link(&mut self, port: usize) -> Link {
        Link::of(self.read(port, PortRegister::LinkStatus))
    }

    fn state(&mut self, port: usize) -> PortState {
        PortState {
            interrupts: self.read(port, PortRegister::Interrupts),
            task_file: self.read(port, PortRegister::TaskFile),
            link_status: self.read(port, PortRegister::LinkStatus),
            link_errors: self.read(port, PortRegister::LinkErrors),
        }
    }

    /// What the controller calls a place in the shared memory.
    fn address(&self, at: usize) -> u32 {
        (self.device.shared_address() + at as u64) as u32
    }

    fn read(&mut self, port: usize, register: PortRegister) -> u32 {
        self.device.read(register.offset(port))
    }

    fn write(&mut self, port: usize, register: PortRegister, value: u32) {
        self.device.write(register.offset(port), value);
    }

    fn now_ms(&mut self) -> u64 {
        self.device.now_ms()
    }
}

/// Has the controller be what it is here taken for; it may be able to be an IDE controller, too.
fn enable<B: BusMaster>(device: &mut B) -> Result<(), Failure> {
    if device.read(CAPABILITIES) == GONE {
        return Err(Failure::Reported("all of its registers read as ones".into()));
    }
    // Some want to be told more than once.
    wait(device, ENABLE_TIMEOUT_MS, B::now_ms, |device| {
        device.write(CONTROL, control::AHCI);
        device.read(CONTROL) & (control::AHCI | control::INTERRUPTS) == control::AHCI
    })
    .map_err(|waited_ms| Failure::Timeout { waited_ms, state: "it stays in another mode".into() })
}

/// Asks the firmware for the controller. Some never answers, so what it says in the end does not matter.
fn take_over<B: BusMaster>(device: &mut B) {
    if device.read(CAPABILITIES_2) & capabilities_2::HAND_OFF == 0 {
        return;
    }
    let value = device.read(HAND_OFF);
    device.write(HAND_OFF, value | hand_off::SYSTEM_OWNS);
    let is_free = |device: &mut B| device.read(HAND_OFF) & hand_off::FIRMWARE_OWNS == 0;
    if wait(device, HAND_OFF_TIMEOUT_MS, B::now_ms, is_free).is_err()
        && device.read(HAND_OFF) & hand_off::FIRMWARE_BUSY != 0
    {
        let _ = wait(device, HAND_OFF_BUSY_TIMEOUT_MS, B::now_ms, is_free);
    }
}

/// What the firmware found at a port: all that have power have had it for long.
fn attached(device: &mut impl BusMaster, port: usize, is_staggered: bool) -> Attached {
    let has_power = !is_staggered || device.read(PortRegister::Command.offset(port)) & command::SPIN_UP != 0;
    match Link::of(device.read(PortRegister::LinkStatus.offset(port))) {
        Link::Present | Link::Up => Attached::Yes,
        Link::Off => Attached::No,
        Link::Nothing if has_power => Attached::No,
        Link::Nothing => Attached::Unknown,
    }
}
