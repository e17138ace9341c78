//! The time-stamp counter (Intel SDM volume 3, section 19.17).

/// Ticks now. Not ordered against the instructions around it: differences of less than about 100 ticks mean nothing.
#[inline]
pub fn now() -> u64 {
    // SAFETY: every CPU with long mode has RDTSC, and CR4.TSD, which could forbid it, does not apply to ring 0.
    unsafe { core::arch::x86_64::_rdtsc() }
}
