//! The device: brought up, given requests one at a time, stopped.
//!
//! Source: VIRTIO 1.2, sections 3.1 (initialisation), 2.1 (status) and 5.2.6 (requests).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::mem;

use virtio_drivers::Hal;
use virtio_drivers::transport::DeviceStatus;

use super::features::{Configuration, Features, tame_cache};
use super::queue::{self, Data, QueueMemory, Request, Ring};
use super::transport::Device;
use crate::drivers::disk::{COMMAND_TIMEOUT_MS, Failure, Geometry};
use crate::drivers::wait;

/// Nothing that takes long has to be asked for these.
const IDENTIFY_TIMEOUT_MS: u64 = 2_000;
const RESET_TIMEOUT_MS: u64 = 2_000;
/// From one look at a device's registers, which is slow, to the next.
const POLLS_PER_STATUS: u32 = 4096;

/// What all registers of a device that is gone read as.
const GONE: DeviceStatus = DeviceStatus::from_bits_retain(0xff);

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub geometry: Geometry,
    pub is_read_only: bool,
    /// What was written is on the medium at the latest after a flush.
    pub is_cache_tame: bool,
    pub has_flush: bool,
    /// Empty if it does not tell.
    pub serial: String,
}

impl Identity {
    /// Whether writing is possible and safe.
    pub(super) fn check_writable(&self) -> Result<(), Failure> {
        if self.is_read_only {
            return Err(Failure::Reported("the disk is read-only".into()));
        }
        if !self.is_cache_tame {
            return Err(Failure::Reported(
                "the disk has a write cache that can neither be flushed nor switched off".into(),
            ));
        }
        Ok(())
    }
}

/// A device, started or stopped.
pub(super) struct Block<H: Hal, D> {
    device: D,
    memory: QueueMemory<H>,
    /// None unless the device is started.
    ring: Option<Box<dyn Ring>>,
    /// It did not stop, so it no longer reaches memory.
    is_cut_off: bool,
}

impl<H: Hal + 'static, D: Device> Block<H, D> {
    /// A device that still has to be started.
    pub(super) fn new(device: D, memory: QueueMemory<H>) -> Self {
        Self { device, memory, ring: None, is_cut_off: false }
    }

    /// Resets the device and brings it to where it takes requests.
    pub(super) fn start(&mut self) -> Result<Identity, Failure> {
        self.reset()?;
        let mut status = DeviceStatus::ACKNOWLEDGE;
        self.device.set_status(status);
        status |= DeviceStatus::DRIVER;
        self.device.set_status(status);
        let features = Features::choose(self.device.read_device_features());
        self.device.write_driver_features(features.bits());
        if !self.device.requires_legacy_layout() {
            if !features.contains(Features::VERSION_1) {
                return Err(Failure::Reported("it says that it is legacy, but has not what makes it that".into()));
            }
            status |= DeviceStatus::FEATURES_OK;
            self.device.set_status(status);
            if self.device.get_status() != status {
                return Err(self.reported("it wants features that are not known here"));
            }
        }
        let geometry = Configuration::read(&self.device, features)?.geometry()?;
        let is_cache_tame = tame_cache(&mut self.device, features);
        self.ring = Some(queue::open::<H>(&mut self.device)?);
        status |= DeviceStatus::DRIVER_OK;
        self.device.set_status(status);
        if self.device.get_status() != status {
            return Err(self.reported("it does not start"));
        }
        let is_read_only = features.contains(Features::READ_ONLY);
        let has_flush = features.contains(Features::FLUSH);
        let serial = self.serial()?;
        Ok(Identity { geometry, is_read_only, is_cache_tame, has_flush, serial })
    }

    /// Stops the device; one that does not stop is kept from reaching memory.
    pub(super) fn stop(&mut self) {
        // It is stopped or cut off, whatever is said.
        let _ = self.reset();
    }

    fn reset(&mut self) -> Result<(), Failure> {
        if self.is_cut_off {
            return Err(Failure::Reported("it was cut off after an earlier error".into()));
        }
        self.device.set_status(DeviceStatus::empty());
        let has_ended = |block: &mut Self| matches!(block.device.get_status(), GONE) || block.is_reset();
        let ended = wait(self, RESET_TIMEOUT_MS, Self::now_ms, has_ended);
        if self.is_reset() {
            self.ring = None;
            return Ok(());
        }
        let failure = match ended {
            Ok(()) => self.reported("it does not end its reset"),
            Err(waited_ms) => Failure::Timeout { waited_ms, state: "it does not end its reset".into() },
        };
        self.device.cut_off();
        self.is_cut_off = true;
        // It may still have a request in mind.
        mem::forget(self.ring.take());
        Err(failure)
    }

    /// Fills `buffer` from sector `first` on.
    pub(super) fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        self.execute(Request::read(first), Data::FromDevice(buffer.len()), COMMAND_TIMEOUT_MS)?;
        self.memory.load_data(buffer);
        Ok(())
    }

    /// Writes `bytes` from sector `first` on.
    pub(super) fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.memory.store_data(bytes);
        self.execute(Request::write(first), Data::ToDevice(bytes.len()), COMMAND_TIMEOUT_MS)
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.execute(Request::FLUSH, Data::None, COMMAND_TIMEOUT_MS)
    }

    /// What tells the disk from others; empty if the device does not know this request.
    fn serial(&mut self) -> Result<String, Failure> {
        const SERIAL_BYTES: usize = 20;
        let mut serial = [0; SERIAL_BYTES];
        match self.ask(Request::SERIAL, Data::FromDevice(SERIAL_BYTES), IDENTIFY_TIMEOUT_MS)? {
            queue::OK => self.memory.load_data(&mut serial),
            queue::UNSUPPORTED | queue::IO_ERROR => {}
            odd => return Err(failed(odd)),
        }
        let text = serial.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Has a request done.
    fn execute(&mut self, request: Request, data: Data, timeout_ms: u64) -> Result<(), Failure> {
        match self.ask(request, data, timeout_ms)? {
            queue::OK => Ok(()),
            other => Err(failed(other)),
        }
    }

    /// Gives a request and waits until the device has said what became of it.
    fn ask(&mut self, request: Request, data: Data, timeout_ms: u64) -> Result<u8, Failure> {
        let stopped = || Failure::Reported("it was stopped after an earlier error".into());
        let ring = self.ring.as_mut().ok_or_else(stopped)?;
        let token = self.memory.give(&mut **ring, request, data)?;
        if ring.wants_notice() {
            self.device.notify(queue::QUEUE);
        }
        let mut polls: u32 = 0;
        let done = wait(self, timeout_ms, Self::now_ms, |block| {
            polls = polls.wrapping_add(1);
            block.has_answer() || polls.is_multiple_of(POLLS_PER_STATUS) && block.has_failed()
        });
        if let Err(waited_ms) = done {
            return Err(Failure::Timeout { waited_ms, state: describe(self.device.get_status()) });
        }
        match &mut self.ring {
            Some(ring) if ring.has_answer() => self.memory.take_back(&mut **ring, token, data),
            _ => Err(self.reported("it has failed")),
        }
    }

    fn has_answer(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.has_answer())
    }

    fn has_failed(&self) -> bool {
        self.device.get_status().intersects(DeviceStatus::FAILED | DeviceStatus::DEVICE_NEEDS_RESET)
    }

    fn is_reset(&self) -> bool {
        self.device.get_status().is_empty()
    }

    fn now_ms(&mut self) -> u64 {
        self.device.now_ms()
    }

    fn reported(&self, what: &str) -> Failure {
        Failure::Reported(format!("{what}: {}", describe(self.device.get_status())))
    }
}

fn describe(status: DeviceStatus) -> String {
    let meaning = match status {
        GONE => " (gone)",
        _ if status.contains(DeviceStatus::DEVICE_NEEDS_RESET) => " (it needs a reset)",
        _ if status.contains(DeviceStatus::FAILED) => " (failed)",
        _ => "",
    };
    format!("device status {:#04x}{meaning}", status.bits())
}

fn failed(answer: u8) -> Failure {
    Failure::Reported(match answer {
        queue::IO_ERROR => "the device reports an I/O error".into(),
        queue::UNSUPPORTED => "the device does not know the request".into(),
        queue::NO_ANSWER => "the device returned the request without an answer".into(),
        odd => format!("the device answered {odd}, which means nothing"),
    })
}
