//! How interrupt entries save the vector registers: XSAVE with everything that XCR0 enables, or FXSAVE.

use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes of an FXSAVE area (Intel SDM volume 1, section 10.5.1).
const FXSAVE_BYTES: u32 = 512;

/// Bytes that `trap.s` reserves for the vector state, and, if above 512, the sign that it is to use XSAVE.
pub(super) static AREA_BYTES: AtomicU32 = AtomicU32::new(FXSAVE_BYTES);

/// The area of an XSAVE is at least that of FXSAVE and a header. AVX-512 takes 2,696 bytes; far more would not fit the
/// interrupt stacks.
const XSAVE_BYTES: core::ops::RangeInclusive<u32> = FXSAVE_BYTES + 64..=16 << 10;

/// From now on, saves the `bytes` that CPUID leaf 0xD reports for the state components enabled in XCR0; false if it
/// cannot.
pub(super) fn use_xsave(bytes: u32) -> bool {
    let fits = XSAVE_BYTES.contains(&bytes);
    if fits {
        AREA_BYTES.store(bytes, Ordering::Release);
    }
    fits
}

/// From now on, saves x87 and SSE registers only.
pub(super) fn use_fxsave() {
    AREA_BYTES.store(FXSAVE_BYTES, Ordering::Release);
}

/// Bytes that an interrupt saves now.
pub(super) fn area_bytes() -> u32 {
    AREA_BYTES.load(Ordering::Acquire)
}
