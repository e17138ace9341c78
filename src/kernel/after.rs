//! What becomes of the machine at its end: it is switched off, starts again or stays. Where there is a screen, a person may be
//! reading it, and is asked.
//!
//! Key functions: [`arm`] for the case that the kernel fails, [`end`] for all others.

use core::cell::RefCell;

use super::devices::find_reset;
use super::options::{self, After};
use super::terminal::Terminal;
use super::{BootInformation, screen};
use crate::arch::{self, AfterFailure, ExitCode, interrupts};
use crate::drivers::clock::Clock;
use crate::drivers::power::{self, RootTable, SoftOff};

/// How long a person may take to press a key.
const COUNTDOWN_SECONDS: u64 = 10;

/// From now on a failure ends as the command line says; by default the machine stays on if it has a screen.
pub fn arm(boot: &BootInformation, has_screen: bool) {
    arch::set_after_failure(match options::after(&boot.command_line(), &|_| ()) {
        After::Reboot => AfterFailure::Restart,
        After::Wait | After::Halt => AfterFailure::Stay,
        After::Ask if has_screen => AfterFailure::Stay,
        After::Ask | After::Off => AfterFailure::PowerOff,
    });
}

/// Ends the machine's work as the command line says. Everything has been saved and said.
pub fn end(
    boot: &BootInformation,
    terminal: &RefCell<Terminal>,
    clock: &Clock,
    (soft_off, root): (Option<SoftOff>, Option<RootTable>),
    code: ExitCode,
) -> ! {
    let after = options::after(&boot.command_line(), &|problem| terminal.borrow_mut().say(format_args!("{problem}")));
    let mut terminal = terminal.borrow_mut();
    match after {
        After::Off => {}
        After::Reboot => power::restart(root.and_then(find_reset).as_ref(), code),
        After::Halt => {
            terminal.say(format_args!("halted; the machine can be switched off"));
            arch::halt()
        }
        After::Wait => wait_for_key(&mut terminal),
        After::Ask if screen::is_there() && !is_powered_off_unread(&mut terminal, clock) => wait_for_key(&mut terminal),
        After::Ask => {}
    }
    power::off(soft_off.as_ref(), code)
}

fn wait_for_key(terminal: &mut Terminal) {
    terminal.say(format_args!("press a key to power off"));
    while terminal.read_byte().is_none() {
        interrupts::wait_for_interrupt();
    }
}

/// Counts down on the screen; whether nobody has pressed a key.
fn is_powered_off_unread(terminal: &mut Terminal, clock: &Clock) -> bool {
    terminal.say(format_args!("powering off in {COUNTDOWN_SECONDS} s, press a key to stay"));
    let started = clock.monotonic_ms();
    let mut said = COUNTDOWN_SECONDS;
    loop {
        if terminal.read_byte().is_some() {
            return false;
        }
        let left = COUNTDOWN_SECONDS.saturating_sub(clock.monotonic_ms().saturating_sub(started) / 1000);
        if left != said {
            said = left;
            screen::count(left);
        }
        if left == 0 {
            return true;
        }
        core::hint::spin_loop();
    }
}
