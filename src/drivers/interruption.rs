//! Ctrl-C, seen as it arrives: whoever computes does not read what is typed.
//!
//! The handlers of keyboard and serial line [`ask`] for an end; the top layer looks whether that was done and ends what runs.

use core::sync::atomic::{AtomicBool, Ordering};

/// What a terminal sends for Ctrl-C.
pub const CONTROL_C: u8 = 0x03;

/// Static because the handlers have no other way to it.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Asks for the end of what runs. Called by interrupt handlers.
pub(super) fn ask() {
    ASKED.store(true, Ordering::Relaxed);
}

pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Forgets what was asked for.
pub fn clear() {
    ASKED.store(false, Ordering::Relaxed);
}
