//! What the CPU is and which of its features are switched on.
//!
//! Key type: [`Features`]. Firmware and loaders leave modes of their own behind, so registers are set as a whole, never
//! added to: by `boot/entry.s` what long mode and SSE need, here the rest. AVX and AVX-512 state is enabled as far as
//! CPUID offers it and the CPU then says so.

use core::fmt;

use raw_cpuid::{CpuId, CpuIdReaderNative};
use x86_64::instructions::segmentation::{CS, Segment};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::debug::Dr7;
use x86_64::registers::model_specific::Msr;
use x86_64::registers::mxcsr::{self, MxCsr};
use x86_64::registers::rflags::{self, RFlags};
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

/// Sets the CPU's modes, enables the vector registers that CPUID offers, and tells what there is.
pub fn enable_features() -> Features {
    let cpuid = CpuId::new();
    set_modes(&cpuid);
    enable_write_combining(&cpuid);
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

/// Sets what firmware may have changed and compiled code relies on: control registers, flags, how floating-point numbers
/// are rounded and which of their exceptions interrupt, and that no breakpoint is set.
fn set_modes(cpuid: &CpuId<CpuIdReaderNative>) {
    let cr0 = Cr0Flags::PAGING
        | Cr0Flags::WRITE_PROTECT
        | Cr0Flags::NUMERIC_ERROR
        | Cr0Flags::EXTENSION_TYPE
        | Cr0Flags::MONITOR_COPROCESSOR
        | Cr0Flags::PROTECTED_MODE_ENABLE;
    // SAFETY: paging and protection stay as they are; caches are on, and the registers of x87 and SSE can be used.
    unsafe { Cr0::write_raw(cr0.bits()) };
    let mut cr4 = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE;
    if cpuid.get_feature_info().is_some_and(|features| features.has_mce()) {
        cr4 |= Cr4Flags::MACHINE_CHECK_EXCEPTION;
    }
    // SAFETY: `boot/entry.s` has left out 57-bit addresses, which could not be changed now; the tables in use have neither
    // global pages, process identifiers nor protection keys, which may so be turned off.
    unsafe { Cr4::write_raw(cr4.bits()) };
    let efer = EferFlags::LONG_MODE_ENABLE | EferFlags::LONG_MODE_ACTIVE | EferFlags::NO_EXECUTE_ENABLE;
    // SAFETY: long mode and no-execute pages stay as they are. Without fast FXSAVE, interrupts save all registers.
    unsafe { Efer::write_raw(efer.bits()) };
    // SAFETY: the interrupt flag stays; string instructions go up, as Rust expects, and alignment is not checked.
    unsafe { rflags::write_raw((rflags::read() & RFlags::INTERRUPT_FLAG).bits()) };
    // SAFETY: nothing is kept in x87 registers. All exceptions are masked after it, and results have full precision.
    unsafe { core::arch::asm!("fninit", options(nomem, nostack)) };
    mxcsr::write(MxCsr::default());
    /// No breakpoint; the bit that is always set.
    const NO_BREAKPOINTS: u64 = 1 << 10;
    Dr7::write_raw(NO_BREAKPOINTS);
}

/// Makes pages that are written through caches write-combining ones (Intel SDM volume 3, section 12.12). Nothing is mapped so
/// yet.
fn enable_write_combining(cpuid: &CpuId<CpuIdReaderNative>) {
    const PAGE_ATTRIBUTES: u32 = 0x277;
    /// As after a reset, but for the second of the eight types: write-back, write-combining, uncached unless a range says
    /// otherwise, uncached; the same again with write-through in the second place.
    const TYPES: u64 = 0x0007_0406_0007_0106;
    if cpuid.get_feature_info().is_some_and(|features| features.has_pat()) {
        // SAFETY: the CPU has the register, and of the types that pages in use have, none changes.
        unsafe { Msr::new(PAGE_ATTRIBUTES).write(TYPES) };
    }
}

/// The state components of AVX-512, which are enabled together (Intel SDM volume 1, section 13.3).
const AVX512_STATE: XCr0Flags = XCr0Flags::OPMASK.union(XCr0Flags::ZMM_HI256).union(XCr0Flags::HI16_ZMM);

/// Sets XCR0 to the vector components that this CPU has. Without XSAVE, or where that cannot be set or takes more than
/// interrupts can save, x87 and SSE are all there is.
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
    let area_bytes = core::arch::x86_64::__cpuid_count(0xd, 0).ebx;
    if XCr0::read() == wanted && vector_state::use_xsave(area_bytes) {
        return wanted;
    }
    vector_state::use_fxsave();
    // SAFETY: nothing uses XSAVE from here on; without this bit, CPUID tells everybody that there is no AVX.
    unsafe { Cr4::update(|flags| flags.remove(Cr4Flags::OSXSAVE)) };
    legacy
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
