//! Self-tests of the kernel in place, chosen by `selftest=NAME` on its command line.
//!
//! Some provoke an exception, which the test outside expects to see printed; the others print a verdict and end with
//! [`ExitCode::SelfTestPassed`] or [`ExitCode::SelfTestFailed`]. `selftest=list` prints all names.

mod checks;
mod devices;
mod memory;
mod script;
mod store;

use super::{System, say};
use crate::arch::{ExitCode, end_after_failure, probe};

/// How a test goes.
enum Test {
    /// Never returns: the exception or panic is the result.
    Fatal(fn(&mut System)),
    /// Returns what it found, good or bad.
    Verdict(fn(&mut System) -> Result<Verdict, Verdict>),
}

/// A line for people.
type Verdict = alloc::string::String;

const TESTS: [(&str, Test); 30] = [
    ("divide", Test::Fatal(|_| probe::divide_by_zero())),
    ("undefined", Test::Fatal(|_| probe::undefined_instruction())),
    ("page-fault", Test::Fatal(|_| _ = probe::read(0x10))),
    ("double-fault", Test::Fatal(|_| probe::double_fault())),
    ("stack-overflow", Test::Fatal(|_| _ = probe::overflow_stack(0))),
    ("panic", Test::Fatal(|_| panic!("asked for by selftest=panic"))),
    ("write-text", Test::Fatal(|_| probe::write(run as *const () as u64))),
    ("write-rodata", Test::Fatal(|_| probe::write(checks::READ_ONLY.as_ptr() as u64))),
    ("execute-data", Test::Fatal(|_| checks::execute_data())),
    ("execute-heap", Test::Fatal(|_| checks::execute_heap())),
    ("out-of-memory", Test::Fatal(|_| memory::exhaust_heap())),
    ("permissions", Test::Verdict(checks::permissions)),
    ("interrupts", Test::Verdict(checks::interrupts)),
    ("unexpected", Test::Verdict(devices::unexpected_interrupts)),
    ("modes", Test::Verdict(checks::modes)),
    ("heap", Test::Verdict(memory::heap)),
    ("frames", Test::Verdict(memory::frames)),
    ("linear", Test::Verdict(memory::linear)),
    ("linear-small", Test::Verdict(memory::linear_without_large_frames)),
    ("code", Test::Verdict(memory::code)),
    ("state", Test::Verdict(memory::state)),
    ("regions", Test::Verdict(memory::regions)),
    ("script", Test::Verdict(script::script)),
    ("keyboard", Test::Verdict(devices::keyboard)),
    ("serial", Test::Verdict(devices::serial)),
    ("timer", Test::Verdict(devices::timer)),
    ("disk", Test::Verdict(devices::disk)),
    ("store", Test::Verdict(store::throughput)),
    ("high-screen", Test::Verdict(devices::high_screen)),
    ("power-off", Test::Fatal(devices::power_off)),
];

/// Runs the test `name` and stops the machine.
pub fn run(name: &str, system: &mut System) -> ! {
    let Some((_, test)) = TESTS.iter().find(|(known, _)| *known == name) else {
        TESTS.iter().for_each(|(name, _)| say(format_args!("{name}")));
        let known = name == "list";
        end_after_failure(if known { ExitCode::SelfTestPassed } else { ExitCode::SelfTestFailed })
    };
    let (verdict, code, line): (_, _, Verdict) = match test {
        Test::Fatal(provoke) => {
            provoke(system);
            ("FAILED", ExitCode::SelfTestFailed, "nothing happened".into())
        }
        Test::Verdict(check) => match check(system) {
            Ok(line) => ("passed", ExitCode::SelfTestPassed, line),
            Err(line) => ("FAILED", ExitCode::SelfTestFailed, line),
        },
    };
    say(format_args!("selftest {name}: {verdict}: {line}"));
    end_after_failure(code)
}
