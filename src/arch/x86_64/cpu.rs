//! What the CPU is and which of its features are switched on.
//!
//! Key type: [`Features`]. SSE and long mode come from `boot/entry.s`; AVX and AVX-512 state is enabled here, as far
//! as CPUID offers it.

use core::fmt;

use raw_cpuid::{CpuId, CpuIdReaderNative};
use x86_64::instructions::segmentation::{CS, Segment};
use x86_64::registers::control::{Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use super::vector_state;

/// Features that the kernel and its compiler may use now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// The CPU's own name, or its vendor's.
    pub name: [u8; 48],
    /// 256-bit registers are enabled.
    pub avx: bool,
    /// 512-bit and mask registers are enabled.
    pub avx512: bool,
    /// Pages of 1 GiB.
    pub gigabyte_pages: bool,
    /// Bytes of vector state that an interrupt saves.
    pub vector_state_bytes: u32,
}

/// Enables the vector registers that CPUID offers and tells what there is.
pub fn enable_features() -> Features {
    let cpuid = CpuId::new();
    let vectors = enable_vector_state(&cpuid);
    let extended = cpuid.get_extended_processor_and_feature_identifiers();
    Features {
        name: name(&cpuid),
        avx: vectors.contains(XCr0Flags::AVX),
        avx512: vectors.contains(AVX512_STATE),
        gigabyte_pages: extended.is_some_and(|features| features.has_1gib_pages()),
        vector_state_bytes: vector_state::area_bytes(),
    }
}

/// The state components of AVX-512, which are enabled together (Intel SDM volume 1, section 13.3).
const AVX512_STATE: XCr0Flags = XCr0Flags::OPMASK.union(XCr0Flags::ZMM_HI256).union(XCr0Flags::HI16_ZMM);

/// Sets XCR0 to the vector components that this CPU has. Without XSAVE, x87 and SSE are all there is.
fn enable_vector_state(cpuid: &CpuId<CpuIdReaderNative>) -> XCr0Flags {
    let legacy = XCr0Flags::X87 | XCr0Flags::SSE;
    if !cpuid.get_feature_info().is_some_and(|features| features.has_xsave()) {
        return legacy;
    }
    // SAFETY: CPUID reports XSAVE.
    unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::OSXSAVE)) };
    // XCR0's possible bits: leaf 0xD, sub-leaf 0, EAX (Intel SDM volume 2, CPUID).
    let leaf = core::arch::x86_64::__cpuid_count(0xd, 0);
    let offered = XCr0Flags::from_bits_truncate(u64::from(leaf.eax));
    let mut wanted = legacy;
    if offered.contains(XCr0Flags::AVX) {
        wanted |= XCr0Flags::AVX;
        if offered.contains(AVX512_STATE) {
            wanted |= AVX512_STATE;
        }
    }
    // SAFETY: the CPU offers every component in `wanted`, and they depend on nothing that is left out.
    unsafe { XCr0::write(wanted) };
    // EBX is the size for what XCR0 enables at this moment, hence the second look.
    vector_state::use_xsave(core::arch::x86_64::__cpuid_count(0xd, 0).ebx);
    wanted
}

fn name(cpuid: &CpuId<CpuIdReaderNative>) -> [u8; 48] {
    let mut name = [b' '; 48];
    if let Some(brand) = cpuid.get_processor_brand_string() {
        copy(&mut name, brand.as_str());
    } else if let Some(vendor) = cpuid.get_vendor_info() {
        copy(&mut name, vendor.as_str());
    }
    name
}

fn copy(name: &mut [u8; 48], text: &str) {
    for (to, from) in name.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = core::str::from_utf8(&self.name).unwrap_or("unnamed").trim();
        let vectors = match (self.avx512, self.avx) {
            (true, _) => "AVX-512",
            (false, true) => "AVX",
            (false, false) => "SSE",
        };
        write!(f, "{name}, vectors {vectors}, {} bytes of vector state", self.vector_state_bytes)
    }
}

/// Evidence that the CPU runs 64-bit code in long mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongMode {
    /// EFER.LMA: long mode is active.
    pub active: bool,
    /// The L bit of the descriptor that CS was loaded from: 64-bit code.
    pub code_is_64_bit: bool,
}

/// Asks the CPU whether it is in long mode: the active bit, and what it loaded into CS.
pub fn long_mode() -> LongMode {
    let access_rights: u32;
    // SAFETY: LAR reads the descriptor that CS names, which exists, and writes one register.
    unsafe {
        core::arch::asm!(
            "lar {rights:e}, {selector:e}",
            rights = out(reg) access_rights,
            selector = in(reg) u32::from(CS::get_reg().0),
            options(nostack),
        );
    }
    const L: u32 = 1 << 21;
    LongMode { active: Efer::read().contains(EferFlags::LONG_MODE_ACTIVE), code_is_64_bit: access_rights & L != 0 }
}

/// Makes everything that was written before visible to instruction fetch after (Intel SDM volume 3, section 9.3).
pub fn serialise() {
    // CPUID serialises; what it reports is of no interest.
    let _ = core::hint::black_box(core::arch::x86_64::__cpuid(0));
}
