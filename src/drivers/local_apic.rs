//! The CPU's local interrupt controller (local APIC), through which the 8259A's interrupts pass where it is on.
//!
//! The kernel takes interrupts from the [`super::pic`] only. [`let_pic_through`] sets the local APIC up as a wire for those,
//! masks its own sources, and holds back all that firmware may have told other controllers and devices to send. Where it
//! is off, the 8259A is wired to the CPU and nothing needs doing. Generic over [`Registers`], for a fake.
//! Source: Intel SDM volume 3, chapter 12 ("virtual wire mode": Intel MultiProcessor Specification 1.4, section 3.6.2.2).

use core::ptr::NonNull;

use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

use super::power::PhysicalMemory;

/// IA32_APIC_BASE: bits and address.
const BASE_MSR: u32 = 0x1b;
const BASE_X2: u64 = 1 << 10;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Bytes of the registers in memory.
const REGISTERS_BYTES: usize = 4096;

// Registers, as numbered in both modes: 16 bytes apart in memory, or one MSR each.
const VERSION: u8 = 0x03;
const TASK_PRIORITY: u8 = 0x08;
const SPURIOUS: u8 = 0x0f;
const LVT_CORRECTED_ERRORS: u8 = 0x2f;
const LVT_TIMER: u8 = 0x32;
const LVT_THERMAL: u8 = 0x33;
const LVT_COUNTERS: u8 = 0x34;
const LVT_LINE_0: u8 = 0x35;
const LVT_LINE_1: u8 = 0x36;
const LVT_ERROR: u8 = 0x37;

const SPURIOUS_VECTOR: u32 = 0xff;
const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
/// Delivery modes: as the 8259A says; as a non-maskable interrupt.
const EXTERNAL: u32 = 0b111 << 8;
const NON_MASKABLE: u32 = 0b100 << 8;
/// Above every vector. Interrupts of the 8259A are not held back by it.
const HIGHEST_PRIORITY: u32 = 0xff;

/// Sets the local APIC up, if it is on.
///
/// # Safety
/// Interrupts are off, nobody else uses the local APIC, and `memory` gives access to where its registers lie.
pub unsafe fn initialize(memory: &impl PhysicalMemory) {
    if !CpuId::new().get_feature_info().is_some_and(|features| features.has_apic() && features.has_msr()) {
        return;
    }
    // SAFETY: CPUs with a local APIC have this register; reading it has no effect.
    let base = unsafe { Msr::new(BASE_MSR).read() };
    if base & BASE_ENABLE == 0 {
        return;
    }
    if base & BASE_X2 != 0 {
        let_pic_through(&mut MsrRegisters);
    } else if let Some(start) = memory.pointer(base & BASE_ADDRESS, REGISTERS_BYTES) {
        let_pic_through(&mut MappedRegisters(start.cast()));
    }
}

trait Registers {
    fn read(&mut self, register: u8) -> u32;
    fn write(&mut self, register: u8, value: u32);
}

fn let_pic_through(registers: &mut impl Registers) {
    registers.write(TASK_PRIORITY, HIGHEST_PRIORITY);
    registers.write(SPURIOUS, SOFTWARE_ENABLE | SPURIOUS_VECTOR);
    let last_entry = registers.read(VERSION) >> 16 & 0xff;
    // The entries that are not in every local APIC, with the number of the last entry of one that has them.
    for (entry, number) in [(LVT_COUNTERS, 4), (LVT_THERMAL, 5), (LVT_CORRECTED_ERRORS, 6)] {
        if last_entry >= number {
            registers.write(entry, MASKED | SPURIOUS_VECTOR);
        }
    }
    registers.write(LVT_TIMER, MASKED | SPURIOUS_VECTOR);
    registers.write(LVT_ERROR, MASKED | SPURIOUS_VECTOR);
    registers.write(LVT_LINE_0, EXTERNAL);
    registers.write(LVT_LINE_1, NON_MASKABLE);
}

/// The registers in memory.
struct MappedRegisters(NonNull<u32>);

impl MappedRegisters {
    fn pointer(&self, register: u8) -> *mut u32 {
        // SAFETY: registers 0 to 255 lie 16 bytes apart in the page that `initialize` got.
        unsafe { self.0.as_ptr().byte_add(usize::from(register) * 16) }
    }
}

impl Registers for MappedRegisters {
    fn read(&mut self, register: u8) -> u32 {
        // SAFETY: see `pointer`; reading the version has no effect.
        unsafe { self.pointer(register).read_volatile() }
    }

    fn write(&mut self, register: u8, value: u32) {
        // SAFETY: see `pointer`; the local APIC is ours, and only decides which interrupts come.
        unsafe { self.pointer(register).write_volatile(value) };
    }
}

/// The registers in x2APIC mode.
struct MsrRegisters;

impl MsrRegisters {
    const FIRST: u32 = 0x800;
}

impl Registers for MsrRegisters {
    fn read(&mut self, register: u8) -> u32 {
        // SAFETY: the register exists in x2APIC mode; reading the version has no effect.
        unsafe { Msr::new(Self::FIRST + u32::from(register)).read() as u32 }
    }

    fn write(&mut self, register: u8, value: u32) {
        // SAFETY: the register exists, as `let_pic_through` has checked; it only decides which interrupts come.
        unsafe { Msr::new(Self::FIRST + u32::from(register)).write(value.into()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    /// One that has as many entries as `version` says, and keeps entries masked while it is not enabled.
    struct Fake {
        version: u32,
        values: BTreeMap<u8, u32>,
    }

    impl Registers for Fake {
        fn read(&mut self, register: u8) -> u32 {
            if register == VERSION { self.version } else { self.values.get(&register).copied().unwrap_or(MASKED) }
        }
        fn write(&mut self, register: u8, value: u32) {
            let enabled = self.read(SPURIOUS) & SOFTWARE_ENABLE != 0;
            self.values
                .insert(register, if register >= LVT_CORRECTED_ERRORS && !enabled { value | MASKED } else { value });
        }
    }

    #[test]
    fn only_the_8259a_and_non_maskable_interrupts_come_through() {
        let firmware = [(LVT_TIMER, 0x2_0040), (LVT_COUNTERS, 0x400), (LVT_ERROR, 0x50), (SPURIOUS, 0x0f)];
        let mut fake = Fake { version: 0x6_0014, values: BTreeMap::from(firmware) };
        let_pic_through(&mut fake);
        let open: Vec<u8> =
            (LVT_CORRECTED_ERRORS..=LVT_ERROR).filter(|&entry| fake.read(entry) & MASKED == 0).collect();
        assert_eq!(open, [LVT_LINE_0, LVT_LINE_1]);
        assert_eq!([LVT_LINE_0, LVT_LINE_1].map(|line| fake.read(line)), [0x700, 0x400]);
        assert_eq!((fake.read(SPURIOUS), fake.read(TASK_PRIORITY)), (0x1ff, 0xff));
    }

    #[test]
    fn entries_that_it_does_not_have_are_left_alone() {
        let mut fake = Fake { version: 0x3_0010, values: BTreeMap::new() };
        let_pic_through(&mut fake);
        for entry in [LVT_COUNTERS, LVT_THERMAL, LVT_CORRECTED_ERRORS] {
            assert!(!fake.values.contains_key(&entry), "{entry:#x}");
        }
    }
}
