//! Boots the kernel in QEMU: what `bareflow boot`, `bareflow bench-boots` and the tests share.
//!
//! [`Machine`] describes a machine, [`Running`] is one that was started, [`Outcome`] says how it ended and what it wrote
//! to its serial port. [`disk`] attaches its disks, [`serial`] reads what it says, [`qmp`] presses its keys. Neighbour: `image`
//! makes what it boots.

pub mod disk;
pub mod qmp;
pub mod serial;

use self::disk::{Chipset, Disk};
use self::qmp::Qmp;
use self::serial::Serial;
use super::folder::PrivateFolder;
use std::cell::Cell;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::string::String;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{env, format};

const QEMU: &str = "qemu-system-x86_64";
/// The control socket in its folder.
const SOCKET: &str = "qmp";
/// How long a killed QEMU may take to close its pipes.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// How QEMU executes guest instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's own translator: works everywhere.
    Tcg,
    /// The host CPU, through `/dev/kvm`.
    Kvm,
}

/// A PC to boot: VGA, PS/2 keyboard, one serial port, an ISO in a CD drive or a disk to boot from, and perhaps more disks.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What is in the CD drive; without it, the first disk is booted.
    pub iso: Option<PathBuf>,
    pub chipset: Chipset,
    /// Boots by UEFI firmware instead of a BIOS.
    pub uefi: bool,
    /// QEMU's name for the graphics card, as `-vga` or `-device` takes it; `none` is none.
    pub screen: String,
    /// The machine has a serial port, which is all that is ever heard of it.
    pub serial: bool,
    /// Where the kernel looks for its store.
    pub disks: Vec<Disk>,
    pub memory_mib: u32,
    /// QEMU's name for the CPU model.
    pub cpu: String,
    /// Makes one tick of the time-stamp counter one retired instruction, the same in every run.
    pub icount: bool,
    pub accelerator: Accelerator,
    /// The machine has the device through which the kernel ends QEMU with a code. Without it, it powers off.
    pub exit_device: bool,
    /// Further arguments for QEMU, as they are.
    pub extra: Vec<String>,
}

/// Why a machine could not be run.
#[derive(Debug)]
pub enum QemuError {
    /// No package has brought firmware for UEFI.
    NoFirmware,
    /// There is no place for the control socket.
    Folder(io::Error),
    /// QEMU could not be started at all.
    Start(io::Error),
    /// The machine ended without having said what was waited for.
    Unsaid { text: String, ending: Ending, log: String },
    /// The serial line cannot be written to.
    Serial(io::Error),
    /// QEMU's control socket failed, or QEMU refused a command.
    Control { command: String, reason: String },
}

/// How a machine came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The guest powered the machine off.
    PoweredOff,
    /// The guest wrote this value to the `isa-debug-exit` port.
    DebugExit(u8),
    /// It ran for longer than it was allowed to, and was killed.
    TimedOut,
    /// It was killed on purpose.
    Killed,
    /// QEMU itself failed, with this code if it had any.
    Failed(Option<i32>),
}

/// What a machine did.
#[derive(Debug)]
pub struct Outcome {
    pub ending: Ending,
    pub serial: Serial,
    /// QEMU's own messages.
    pub messages: String,
    pub elapsed: Duration,
}

impl Machine {
    /// A `pc` of 256 MiB with a BIOS, every CPU feature that the translator has, and no disk.
    pub fn new(iso: impl Into<PathBuf>) -> Self {
        Machine {
            iso: Some(iso.into()),
            chipset: Chipset::Pc,
            uefi: false,
            screen: "std".into(),
            serial: true,
            disks: Vec::new(),
            memory_mib: 256,
            cpu: "max".into(),
            icount: false,
            accelerator: Accelerator::Tcg,
            exit_device: true,
            extra: Vec::new(),
        }
    }

    /// The same without a CD drive; it boots from its first disk.
    pub fn without_iso() -> Self {
        Machine { iso: None, ..Self::new("") }
    }

    /// Boots and waits for the end, at most `timeout`.
    pub fn run(&self, timeout: Duration) -> Result<Outcome, QemuError> {
        Ok(self.start()?.finish(timeout, &mut |_| ()))
    }

    /// Boots.
    pub fn start(&self) -> Result<Running, QemuError> {
        let control = PrivateFolder::new().map_err(QemuError::Folder)?;
        let mut child = Command::new(QEMU)
            .args(self.arguments(&control.path().join(SOCKET))?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(QemuError::Start)?;
        let (sender, events) = channel();
        forward(child.stdout.take(), sender.clone(), Event::Serial);
        forward(child.stderr.take(), sender, Event::Message);
        Ok(Running {
            child,
            control,
            qmp: None,
            events,
            serial: Serial::default(),
            messages: String::new(),
            started: Instant::now(),
            cut_short: None,
        })
    }

    /// `Kvm` if the environment says `ACCEL=kvm` and a trial boot of this machine, without its disks, reaches a report.
    ///
    /// There are hosts whose `/dev/kvm` opens and then fails at the guest's first vector instruction, so that nothing
    /// short of a boot tells. The text says why KVM is not used although it was asked for.
    pub fn requested_accelerator(&self) -> (Accelerator, Option<String>) {
        if env::var_os("ACCEL").is_none_or(|name| name != "kvm") {
            return (Accelerator::Tcg, None);
        }
        let trial = Machine { disks: Vec::new(), icount: false, accelerator: Accelerator::Kvm, ..self.clone() };
        let said = trial.start().and_then(|mut running| running.wait_for(serial::REPORT, Duration::from_secs(30)));
        match said {
            Ok(()) => (Accelerator::Kvm, None),
            Err(error) => (Accelerator::Tcg, Some(format!("ACCEL=kvm: a trial boot failed, using TCG. {error}"))),
        }
    }

    fn arguments(&self, control: &Path) -> Result<Vec<OsString>, QemuError> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&[
            "-machine",
            self.chipset.name(),
            "-nodefaults",
            "-no-reboot",
            "-display",
            "none",
            "-serial",
            if self.serial { "stdio" } else { "none" },
        ]);
        match self.screen.as_str() {
            device @ ("ramfb" | "bochs-display") => add(&["-vga", "none", "-device", device]),
            card => add(&["-vga", card]),
        }
        if self.exit_device {
            add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        }
        add(&[
            "-boot",
            if self.iso.is_some() { "d" } else { "c" },
            "-cpu",
            &self.cpu,
            "-m",
            &format!("{}M", self.memory_mib),
        ]);
        add(&["-accel", if self.accelerator == Accelerator::Kvm { "kvm" } else { "tcg" }]);
        if self.icount {
            add(&["-icount", "shift=0,sleep=off"]);
        }
        if self.uefi {
            add(&["-bios", firmware().ok_or(QemuError::NoFirmware)?]);
        }
        if let Some(iso) = &self.iso {
            let iso = escape_commas(iso);
            add(&["-drive", &format!("file={iso},format=raw,if=ide,media=cdrom,readonly=on,index=2")]);
        }
        disk::arguments(self.chipset, &self.disks).iter().for_each(|argument| add(&[argument]));
        add(&["-qmp", &format!("unix:{},server=on,wait=off", escape_commas(control))]);
        arguments.extend(self.extra.iter().map(OsString::from));
        Ok(arguments)
    }
}

/// UEFI firmware where Debian's and Ubuntu's package `ovmf` has it, and Arch's `edk2-ovmf`.
fn firmware() -> Option<&'static str> {
    let places = ["/usr/share/ovmf/OVMF.fd", "/usr/share/edk2/x64/OVMF.4m.fd"];
    places.into_iter().find(|path| Path::new(path).is_file())
}

/// QEMU separates options with commas; a doubled one stands for itself.
pub fn escape_commas(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

enum Event {
    Serial(Vec<u8>),
    Message(Vec<u8>),
}

/// Sends what `source` yields as events, from a thread that ends with it.
fn forward(source: Option<impl Read + Send + 'static>, events: Sender<Event>, event: fn(Vec<u8>) -> Event) {
    let Some(mut source) = source else { return };
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = source.read(&mut chunk) {
            if events.send(event(chunk[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// A machine that was started. It is killed when this is dropped.
pub struct Running {
    child: Child,
    /// Where the control socket is.
    control: PrivateFolder,
    qmp: Option<Qmp>,
    events: Receiver<Event>,
    serial: Serial,
    messages: String,
    started: Instant,
    /// Set once it was killed from here, and why.
    cut_short: Option<Ending>,
}

impl Running {
    /// Waits until the serial port has said `text`; kills the machine if that takes longer than `timeout`.
    pub fn wait_for(&mut self, text: &str, timeout: Duration) -> Result<(), QemuError> {
        let deadline = Instant::now() + timeout;
        while !self.serial.text().contains(text) {
            if let Some(ending) = self.receive(deadline, &mut |_| ()) {
                if self.serial.text().contains(text) {
                    break;
                }
                let log = format!("{}{}", self.serial.text(), self.messages);
                return Err(QemuError::Unsaid { text: text.into(), ending, log });
            }
        }
        Ok(())
    }

    /// Waits until the serial port says anything more; kills the machine if that takes longer than `timeout`.
    pub fn wait_for_more(&mut self, timeout: Duration) -> Result<(), QemuError> {
        match self.receive(Instant::now() + timeout, &mut |_| ()) {
            None => Ok(()),
            Some(ending) => {
                let log = format!("{}{}", self.serial.text(), self.messages);
                Err(QemuError::Unsaid { text: "anything more".into(), ending, log })
            }
        }
    }

    /// Everything that the serial port has said so far.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Types `text` on the serial line.
    pub fn send_serial(&mut self, text: &str) -> Result<(), QemuError> {
        let Some(line) = &mut self.child.stdin else { unreachable!("QEMU was started with a pipe") };
        line.write_all(text.as_bytes()).and_then(|()| line.flush()).map_err(QemuError::Serial)
    }

    /// Presses and releases keys, by QEMU's names joined with `-`: `a`, `ret`, `shift-a`.
    pub fn send_key(&mut self, keys: &str) -> Result<(), QemuError> {
        self.qmp()?.send_key(keys)
    }

    /// Writes what the screen shows to `path`, as a portable pixmap.
    pub fn screendump(&mut self, path: &Path) -> Result<(), QemuError> {
        self.qmp()?.screendump(path)
    }

    /// Runs any QMP command; returns what it returned.
    pub fn control(&mut self, command: serde_json::Value) -> Result<serde_json::Value, QemuError> {
        self.qmp()?.execute(command)
    }

    /// Ends QEMU at once, as a power failure would end a machine.
    pub fn kill(mut self) -> Outcome {
        self.cut_short(Ending::Killed);
        self.finish(KILL_PATIENCE, &mut |_| ())
    }

    /// Waits for the end, at most `timeout` from now; gives `on_line` each complete line that the serial port says.
    pub fn finish(self, timeout: Duration, on_line: &mut dyn FnMut(&str)) -> Outcome {
        self.finish_while(timeout, &mut |line| {
            on_line(line);
            true
        })
    }

    /// As [`finish`](Self::finish), but kills the machine once `on_line` says false, and gives it no more lines.
    pub fn finish_while(mut self, timeout: Duration, on_line: &mut dyn FnMut(&str) -> bool) -> Outcome {
        let deadline = Instant::now() + timeout;
        let listens = Cell::new(true);
        let mut on_line = |line: &str| listens.set(listens.get() && on_line(line));
        let ending = loop {
            if let Some(ending) = self.receive(deadline, &mut on_line) {
                break ending;
            }
            if !listens.get() && self.cut_short.is_none() {
                self.cut_short(Ending::Killed);
            }
        };
        self.serial.finish(&mut on_line);
        Outcome {
            ending,
            serial: std::mem::take(&mut self.serial),
            messages: std::mem::take(&mut self.messages),
            elapsed: self.started.elapsed(),
        }
    }

    fn qmp(&mut self) -> Result<&mut Qmp, QemuError> {
        match self.qmp {
            Some(ref mut qmp) => Ok(qmp),
            None => Ok(self.qmp.insert(Qmp::connect(&self.control.path().join(SOCKET))?)),
        }
    }

    /// Takes in one event, and kills the machine once `deadline` is over. Says how the machine ended, once it has and
    /// everything it said is taken in.
    fn receive(&mut self, deadline: Instant, on_line: &mut dyn FnMut(&str)) -> Option<Ending> {
        let patience = match self.cut_short {
            Some(_) => KILL_PATIENCE,
            None => deadline.saturating_duration_since(Instant::now()),
        };
        match self.events.recv_timeout(patience) {
            Ok(Event::Serial(bytes)) => self.serial.push(&bytes, on_line),
            Ok(Event::Message(bytes)) => self.messages.push_str(&String::from_utf8_lossy(&bytes)),
            Err(RecvTimeoutError::Timeout) if self.cut_short.is_none() => self.cut_short(Ending::TimedOut),
            Err(_) => return Some(self.cut_short.unwrap_or_else(|| Ending::of(self.child.wait().ok()))),
        }
        None
    }

    fn cut_short(&mut self, ending: Ending) {
        self.cut_short = Some(ending);
        let _ = self.child.kill(); // Fails only if it has ended by itself just now.
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ending {
    fn of(status: Option<ExitStatus>) -> Self {
        match status.and_then(|status| status.code()) {
            Some(0) => Ending::PoweredOff,
            // The device ends QEMU with (value << 1) | 1; the kernel never writes 0, since 1 is QEMU's own failure.
            Some(code @ 3..=255) if code & 1 == 1 => Ending::DebugExit((code >> 1) as u8),
            code => Ending::Failed(code),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::PoweredOff => write!(f, "the machine powered itself off"),
            Ending::DebugExit(value) => write!(f, "the kernel ended the machine with code {value}"),
            Ending::TimedOut => write!(f, "the machine ran out of time and was killed"),
            Ending::Killed => write!(f, "the machine was killed"),
            Ending::Failed(Some(code)) => write!(f, "QEMU failed with code {code}"),
            Ending::Failed(None) => write!(f, "QEMU was ended by a signal"),
        }
    }
}

impl fmt::Display for QemuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QemuError::NoFirmware => write!(f, "there is no firmware for UEFI: install ovmf"),
            QemuError::Folder(error) => write!(f, "cannot make a temporary folder: {error}"),
            QemuError::Start(error) => write!(f, "cannot start {QEMU} ({error}): install qemu-system-x86"),
            QemuError::Unsaid { text, ending, log } => {
                write!(f, "{ending} without having said {text:?}; it said:\n{log}")
            }
            QemuError::Serial(error) => write!(f, "cannot type on the serial line: {error}"),
            QemuError::Control { command, reason } => write!(f, "QEMU's control socket, {command}: {reason}"),
        }
    }
}

impl std::error::Error for QemuError {}
