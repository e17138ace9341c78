//! `bareflow boot`: boots a program in QEMU and shows what it says.

use crate::pc::{PcArgs, checkout};
use anyhow::{Result, bail};
use bareflow::host::qemu::{Accelerator, Ending, Machine, Outcome};
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// The program
    program: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub fn run(args: Args) -> Result<ExitCode> {
    let iso = checkout().join("target/run/bareflow.iso");
    let mut machine = args.pc.machine(&iso, &args.words, &args.program, &args.args)?;
    machine.store = args.store;
    let (accelerator, complaint) = machine.requested_accelerator();
    if let Some(complaint) = complaint {
        eprintln!("{complaint}");
    }
    machine.accelerator = accelerator;
    machine.icount = !args.real_time && accelerator == Accelerator::Tcg;
    announce(&machine);
    conclude(&machine.start()?.finish(args.pc.timeout(), &mut |line| println!("{line}")))?;
    Ok(ExitCode::SUCCESS)
}

fn announce(machine: &Machine) {
    let clock = if machine.icount { "a tick is an instruction" } else { "ticks follow real time" };
    let store = machine.store.as_ref().map_or("no store".to_owned(), |path| format!("store {}", path.display()));
    println!("booting {}: {} MiB, CPU {}, {store}, {clock}", machine.iso.display(), machine.memory_mib, machine.cpu);
}

/// One line about the boot; an error unless the program ended well.
fn conclude(outcome: &Outcome) -> Result<()> {
    let row = match outcome.serial.boot_row() {
        Ok(row) => row,
        Err(error) if outcome.serial.kernel_text().is_empty() => {
            bail!("{}: the kernel never spoke ({error})\n{}{}", outcome.ending, outcome.serial.text(), outcome.messages)
        }
        Err(error) => bail!("{}: {error}\n{}", outcome.ending, outcome.messages),
    };
    println!(
        "boot {}: {} ticks in the program, {} compiling; {} of {} functions called; {:.1} s in QEMU",
        row.boot,
        grouped(row.ticks_program),
        grouped(row.ticks_compile),
        row.functions_called,
        row.functions_total,
        outcome.elapsed.as_secs_f64(),
    );
    if !matches!(outcome.ending, Ending::PoweredOff | Ending::DebugExit(_)) {
        bail!("{} after its report\n{}", outcome.ending, outcome.messages);
    }
    if row.exit_code != 0 {
        bail!("the program ended with exit code {}", row.exit_code);
    }
    Ok(())
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
