//! What becomes of the machine at its end: it is switched off, starts again or stays. Where there is a screen, a person may be
//! reading it, and is asked.
//!
//! Key functions: [`arm`] for the case that the kernel fails, [`end`] for all others.

use alloc::rc::Rc;
use core::cell::RefCell;

use super::options::{self, After};
use super::program::{Runner, STAYS_ON};
use super::terminal::Terminal;
use super::{BootInformation, screen, shell};
use crate::arch::{self, AfterFailure};
use crate::drivers::clock::Clock;

/// How long a person may take to press a key.
const COUNTDOWN_SECONDS: u64 = 10;

/// From now on a failure ends as the command line says; by default the machine stays on if it has a screen.
pub fn arm(boot: &BootInformation, has_screen: bool) {
    arch::set_after_failure(match wanted(boot) {
        After::Reboot => AfterFailure::Restart,
        After::Wait | After::Halt => AfterFailure::Stay,
        After::Ask if has_screen => AfterFailure::Stay,
        After::Ask | After::Off => AfterFailure::PowerOff,
    });
}

/// Whether the machine is one that somebody may be watching.
pub fn asks(boot: &BootInformation) -> bool {
    wanted(boot) == After::Ask
}

/// Whether what is on the screen stays there after the program's end, for a while at least.
pub fn stays(boot: &BootInformation) -> bool {
    matches!(wanted(boot), After::Ask | After::Wait | After::Halt)
}

/// What the command line says; [`end`] says what of that makes no sense.
fn wanted(boot: &BootInformation) -> After {
    options::after(&boot.command_line(), &|_| ())
}

/// Ends the machine's work as the command line says. Everything has been saved and said.
pub fn end(runner: Runner) -> ! {
    let terminal = Rc::clone(&runner.terminal);
    let after =
        options::after(&runner.boot.command_line(), &|problem| terminal.borrow_mut().say(format_args!("{problem}")));
    match after {
        After::Off => {}
        After::Reboot => runner.reboot(),
        After::Halt => stay(&terminal),
        After::Wait if !terminal.borrow().has_input() => stay(&terminal),
        After::Wait => {
            terminal.borrow_mut().say(format_args!("press a key to power off"));
            terminal.borrow_mut().wait_for_byte();
        }
        After::Ask => {
            if screen::is_there() && is_kept_on(&mut terminal.borrow_mut(), &runner.clock) {
                shell::open(runner)
            }
        }
    }
    runner.power_off()
}

fn stay(terminal: &RefCell<Terminal>) -> ! {
    terminal.borrow_mut().say(format_args!("{STAYS_ON}"));
    arch::halt()
}

/// Counts down on the screen; whether somebody has pressed a key.
fn is_kept_on(terminal: &mut Terminal, clock: &Clock) -> bool {
    terminal.say(format_args!("powering off in {COUNTDOWN_SECONDS} s, press a key to stay"));
    let started = clock.monotonic_ms();
    let mut said = COUNTDOWN_SECONDS;
    loop {
        if terminal.read_byte().is_some() {
            screen::end_count();
            return true;
        }
        let left = COUNTDOWN_SECONDS.saturating_sub(clock.monotonic_ms().saturating_sub(started) / 1000);
        if left != said {
            said = left;
            screen::count(left);
        }
        if left == 0 {
            return false;
        }
        core::hint::spin_loop();
    }
}
