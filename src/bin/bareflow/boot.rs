//! `bareflow boot`: boots a program in QEMU and shows what it says.

use crate::pc::{PcArgs, program};
use crate::sent::Sent;
use crate::status::{Status, complain, of_program};
use anyhow::{Context, Result, bail};
use bareflow::host::disk;
use bareflow::host::folder::PrivateFolder;
use bareflow::host::qemu::{Accelerator, Ending, Machine, Outcome, Running};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Boots a WebAssembly program in QEMU and shows its output
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pc: PcArgs,
    /// Disk image with a store, made by `bareflow store format`; without one the program runs unprofiled
    #[arg(long)]
    store: Option<PathBuf>,
    /// Words for the kernel's command line
    #[arg(long, default_value = "", value_name = "TEXT")]
    words: String,
    /// Lets ticks follow real time instead of counting instructions
    #[arg(long)]
    real_time: bool,
    /// Gives the program the directory /out, and puts what it leaves there into DIR, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where a core dump goes if the program traps, in the form that WebAssembly's tools read
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,
    /// The program, and its arguments: whatever follows its name is the program's
    #[arg(trailing_var_arg = true, required = true, value_names = ["PROGRAM", "ARGS"])]
    command: Vec<OsString>,
}

pub fn run(args: Args) -> Result<Status> {
    let (program, program_args) = program(&args.command)?;
    // Held to the end: QEMU's own lock keeps only other machines away.
    let _lock = args.store.as_deref().map(lock_store).transpose()?;
    let folder = PrivateFolder::new().context("cannot make a temporary folder")?;
    let mut words = args.words.clone();
    words += if args.out.is_some() { " out=/out" } else { "" };
    words += if args.coredump.is_some() { " coredump" } else { "" };
    let mut machine = args.pc.machine(&folder.path().join("bareflow.iso"), &words, program, program_args)?;
    let sent = Sent::new(args.out.as_deref(), args.coredump.as_deref(), &mut machine)?;
    machine.disks = args.store.iter().map(|image| args.pc.disk(image)).collect();
    let (accelerator, complaint) = machine.requested_accelerator();
    if let Some(complaint) = complaint {
        complain(format_args!("{complaint}"));
    }
    machine.accelerator = accelerator;
    machine.icount = !args.real_time && accelerator == Accelerator::Tcg;
    announce(program, &machine)?;
    let outcome = show(machine.start()?, args.pc.timeout(), folder)?;
    let concluded = conclude(&machine, &outcome);
    sent.keep()?;
    concluded
}

/// Keeps others from the store at `path` for as long as the file is open.
pub fn lock_store(path: &Path) -> Result<File> {
    disk::lock(path).with_context(|| format!("cannot open {}", path.display()))
}

fn announce(program: &Path, machine: &Machine) -> io::Result<()> {
    let clock = if machine.icount { "a tick is an instruction" } else { "ticks follow real time" };
    let store = machine
        .disks
        .first()
        .map_or("no store".to_owned(), |disk| format!("store {} on {}", disk.image.display(), disk.controller.name()));
    let (program, chipset, memory, cpu) = (program.display(), machine.chipset.name(), machine.memory_mib, &machine.cpu);
    let firmware = if machine.uefi { "UEFI" } else { "BIOS" };
    writeln!(io::stdout(), "booting {program}: {chipset}, {firmware}, {memory} MiB, CPU {cpu}, {store}, {clock}")
}

/// Shows what the machine says until it ends, or until nobody reads it: then the machine is switched off.
fn show(running: Running, timeout: Duration, folder: PrivateFolder) -> io::Result<Outcome> {
    let mut folder = Some(folder);
    let mut shown = Ok(());
    let outcome = running.finish_while(timeout, &mut |line| {
        // Once the kernel speaks, nothing more is read from the ISO, and nobody has to clear it away who is interrupted.
        folder.take();
        shown = writeln!(io::stdout(), "{line}");
        shown.is_ok()
    });
    shown.map(|()| outcome)
}

/// One line about the boot; the program's own status, or an error if the machine did not end well.
fn conclude(machine: &Machine, outcome: &Outcome) -> Result<Status> {
    let row = match outcome.serial.boot_row() {
        Ok(row) => row,
        Err(_) if outcome.messages.contains("Failed to get \"write\" lock") => {
            let store = machine.disks.first().map_or(Path::new("a disk"), |disk| &disk.image).display();
            bail!("another machine is using {store}: wait until it has ended, or use a store of its own for each")
        }
        Err(error) if outcome.serial.kernel_text().is_empty() => {
            bail!("{}: the kernel never spoke ({error})\n{}{}", outcome.ending, outcome.serial.text(), outcome.messages)
        }
        Err(error) => bail!("{}: {error}\n{}", outcome.ending, outcome.messages),
    };
    writeln!(
        io::stdout(),
        "boot {}: {} ticks, {} in the program, {} compiling; {} of {} functions called; {:.1} s in QEMU",
        row.boot,
        grouped(row.ticks_total),
        grouped(row.ticks_program),
        grouped(row.ticks_compile),
        row.functions_called,
        row.functions_total,
        outcome.elapsed.as_secs_f64(),
    )?;
    if !matches!(outcome.ending, Ending::PoweredOff | Ending::DebugExit(_)) {
        bail!("{} after its report\n{}", outcome.ending, outcome.messages);
    }
    Ok(of_program(row.exit_code))
}

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1000, 1234567, 100200].map(grouped), ["0", "999", "1,000", "1,234,567", "100,200"]);
    }
}
