//! Boots the kernel in QEMU for a test: describe a [`Guest`], run it, look at the [`Outcome`].
//!
//! The kernel and the sample programs have to be built already: `./just test` does that first.

#![allow(dead_code)] // Each file of tests uses its own part.

use bareflow::host::image::{self, Contents, Format, Module};
use bareflow::host::qemu::disk::{Chipset, Controller, Disk};
use bareflow::host::qemu::{Ending, Machine, Outcome, Running};
use bareflow::profile::BootRow;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than any boot here takes, even on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(180);

/// What the kernel says to the exit device, as `arch::ExitCode` has it.
pub mod code {
    pub const SUCCESS: u8 = 0x10;
    pub const PROGRAM_FAILED: u8 = 0x11;
    pub const PROGRAM_TRAPPED: u8 = 0x12;
    pub const NO_PROGRAM: u8 = 0x13;
    pub const PANIC: u8 = 0x20;
    pub const EXCEPTION: u8 = 0x21;
    pub const DOUBLE_FAULT: u8 = 0x22;
    pub const CANNOT_BOOT: u8 = 0x23;
    pub const SELF_TEST_PASSED: u8 = 0x30;
    pub const SELF_TEST_FAILED: u8 = 0x31;
}

/// A machine with what it boots. By default 256 MiB, `-cpu max`, no disk, and ticks that follow real time.
pub struct Guest {
    folder: TempDir,
    kernel: PathBuf,
    words: String,
    modules: Vec<Module>,
    machine: Machine,
    /// The ISO is what the other fields say.
    iso_is_made: Cell<bool>,
}

impl Guest {
    /// A kernel without a program.
    pub fn bare() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let machine = Machine::new(folder.path().join("guest.iso"));
        Guest {
            folder,
            kernel: built("kernel"),
            words: String::new(),
            modules: Vec::new(),
            machine,
            iso_is_made: Cell::new(false),
        }
    }

    /// The sample program `name` with arguments.
    pub fn program(name: &str, args: &[&str]) -> Self {
        Guest::bare().module(program(name), &[&[format!("{name}.wasm").as_str()], args].concat())
    }

    /// `bytes` as a program named `name`, whatever they are.
    pub fn program_bytes(name: &str, bytes: &[u8]) -> Self {
        Guest::bare().file(name, bytes)
    }

    /// A program that says `counting`, and then counts for ever in one loop without calls.
    pub fn endless() -> Self {
        let text = r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\08\00\00\00\09\00\00\00counting\0a")
            (func (export "_start") (local i64)
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
                (loop (local.set 0 (i64.add (local.get 0) (i64.const 1))) (br 0))))"#;
        Self::program_bytes("endless.wasm", &wat::parse_str(text).expect("the text is a module"))
    }

    /// The sample program that counts words, with a real text of at least 100 kB.
    pub fn concordance() -> Self {
        Guest::program("concordance", &["text.txt"]).file("text.txt", &text())
    }

    /// One more module. The first is the program, each other one a file.
    pub fn module(mut self, path: impl Into<PathBuf>, words: &[&str]) -> Self {
        self.iso_is_made.set(false);
        self.modules.push(Module { path: path.into(), words: words.iter().map(|&word| word.into()).collect() });
        self
    }

    /// One more module, of these bytes.
    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.folder.path().join(format!("module{}", self.modules.len()));
        fs::write(&path, bytes).expect("the temporary folder can be written");
        self.module(path, &[name])
    }

    /// More words for the kernel's command line.
    pub fn words(mut self, words: &str) -> Self {
        self.iso_is_made.set(false);
        self.words += &format!(" {words}");
        self
    }

    /// The store in `image`, on an IDE disk.
    pub fn store(self, image: &Path) -> Self {
        self.disk(Disk::new(Controller::Ide, image))
    }

    /// One more disk.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.machine.disks.push(disk);
        self
    }

    pub fn chipset(mut self, chipset: Chipset) -> Self {
        self.machine.chipset = chipset;
        self
    }

    /// Boots by UEFI firmware if `uefi`, else by a BIOS, which is much faster.
    pub fn uefi(mut self, uefi: bool) -> Self {
        self.machine.uefi = uefi;
        self
    }

    pub fn cpu(mut self, model: &str) -> Self {
        self.machine.cpu = model.into();
        self
    }

    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.machine.memory_mib = memory_mib;
        self
    }

    /// Makes a tick one retired instruction, the same in every run. Costs each boot two seconds: GRUB waits for a timer.
    pub fn counting_instructions(mut self) -> Self {
        self.machine.icount = true;
        self
    }

    /// Leaves out the device through which the kernel ends QEMU with a code.
    pub fn without_exit_device(mut self) -> Self {
        self.machine.exit_device = false;
        self
    }

    /// A graphics card, by QEMU's name, and whether there is a serial port.
    pub fn screen(mut self, card: &str, serial: bool) -> Self {
        self.machine.screen = card.into();
        self.machine.serial = serial;
        self
    }

    /// More arguments for QEMU.
    pub fn qemu(mut self, arguments: &[&str]) -> Self {
        self.machine.extra.extend(arguments.iter().map(|&argument| argument.into()));
        self
    }

    /// Boots and waits for the machine to end by itself; fails the test if it does not.
    pub fn run(&self) -> Boot {
        let boot = self.try_run();
        let ended = matches!(boot.outcome.ending, Ending::PoweredOff | Ending::DebugExit(_));
        assert!(ended, "{}", boot.log());
        boot
    }

    /// Boots and waits for the machine to end in any way.
    pub fn try_run(&self) -> Boot {
        self.make_iso();
        Boot { outcome: self.machine.run(TIMEOUT).unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Boots; the test goes on beside the machine, and keeps the guest, whose files the machine uses.
    pub fn start(self) -> (Guest, Running) {
        self.make_iso();
        let running = self.machine.start().unwrap_or_else(|error| panic!("{error}"));
        (self, running)
    }

    fn make_iso(&self) {
        if self.iso_is_made.replace(true) {
            return;
        }
        let Some(iso) = &self.machine.iso else { return };
        let words = image::unattended(&self.words);
        let contents = Contents { kernel: &self.kernel, words: &words, settings: &[], modules: &self.modules };
        image::make(iso, Format::Iso, &contents).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A boot that ended by itself.
pub struct Boot {
    pub outcome: Outcome,
}

impl Boot {
    /// The boot's row; fails the test if there is none.
    pub fn row(&self) -> BootRow {
        self.outcome.serial.boot_row().unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// What the program printed.
    pub fn output(&self) -> String {
        self.outcome.serial.program_output()
    }

    /// What the kernel and the program said.
    pub fn text(&self) -> String {
        self.outcome.serial.kernel_text()
    }

    /// Fails the test if the machine did not say `text`.
    pub fn expect(&self, text: &str) -> &Self {
        assert!(self.text().contains(text), "expected {text:?}\n{}", self.log());
        self
    }

    /// Fails the test if the kernel did not end the machine with one of the codes in [`code`].
    pub fn expect_code(&self, code: u8) -> &Self {
        assert_eq!(self.outcome.ending, Ending::DebugExit(code), "{}", self.log());
        self
    }

    /// The lines in which the kernel spoke for itself, after that with its version.
    pub fn kernel_lines(&self) -> Vec<String> {
        let text = self.text();
        assert!(text.starts_with("bareflow: BareFlow "), "{}", self.log());
        text.lines().skip(1).filter_map(|line| line.strip_prefix("bareflow: ").map(str::to_owned)).collect()
    }

    /// How it ended and all that was said, for the message of a failing test.
    pub fn log(&self) -> String {
        let Outcome { ending, serial, messages, elapsed } = &self.outcome;
        format!("{ending} after {:.1} s; it said:\n{}\n{messages}", elapsed.as_secs_f64(), serial.text())
    }
}

/// A formatted store in `folder`.
pub fn fresh_store(folder: &TempDir) -> PathBuf {
    format_store(folder, &[])
}

/// A store that is made with these options.
pub fn format_store(folder: &TempDir, options: &[&str]) -> PathBuf {
    let path = folder.path().join("store.img");
    let output = Command::new(built("bareflow")).args(["store", "format"]).args(options).arg(&path).output();
    let output = output.expect("the bareflow command can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

/// A real English text of at least 100 kB.
pub fn text() -> Vec<u8> {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("text.txt");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/text.sh");
    let output = Command::new(script).arg(&path).output().expect("programs/text.sh can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(path).expect("programs/text.sh writes the file")
}

/// The file of the sample program `name`.
pub fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/programs/{name}.wasm"));
    assert!(path.is_file(), "{} is missing: run these tests with ./just test", path.display());
    path
}

/// The kernel's file.
pub fn kernel() -> PathBuf {
    built("kernel")
}

/// A binary of this package: all lie in the folder of the command that cargo built for these tests.
fn built(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_bareflow")).with_file_name(name);
    assert!(path.is_file(), "{} is missing: run these tests with ./just test", path.display());
    path
}
