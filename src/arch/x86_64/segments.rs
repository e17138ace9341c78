//! The segments that long mode still wants: one code segment, one data segment and the task state segment, which names
//! the interrupt stacks.

use spin::Once;
use x86_64::PrivilegeLevel;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::stacks::{DOUBLE_FAULT_STACK, EXCEPTION_STACK, INTERRUPT_STACK, NON_MASKABLE_STACK};

/// Selector of the code segment: the first descriptor after the null one.
pub const CODE_SELECTOR: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);

/// Which stack an interrupt gate switches to. The value is the gate's IST field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InterruptStack {
    DoubleFault = 1,
    NonMaskable = 2,
    Exception = 3,
    Interrupt = 4,
}

/// The CPU reads both for as long as it runs.
static TASK_STATE: Once<TaskStateSegment> = Once::new();
static DESCRIPTORS: Once<GlobalDescriptorTable> = Once::new();

/// Loads the kernel's descriptor table, segment registers and task register.
pub fn load() {
    let task_state = TASK_STATE.call_once(task_state);
    let mut task_selector = SegmentSelector::NULL;
    let mut data_selector = SegmentSelector::NULL;
    let descriptors = DESCRIPTORS.call_once(|| {
        let mut table = GlobalDescriptorTable::new();
        table.append(Descriptor::kernel_code_segment());
        data_selector = table.append(Descriptor::kernel_data_segment());
        task_selector = table.append(Descriptor::tss_segment(task_state));
        table
    });
    descriptors.load();
    // SAFETY: the selectors name a ring-0 code segment, a data segment and an unused task state segment of the table
    // that was just loaded; `CODE_SELECTOR` is the one appended first.
    unsafe {
        CS::set_reg(CODE_SELECTOR);
        SS::set_reg(data_selector);
        DS::set_reg(data_selector);
        ES::set_reg(data_selector);
        load_tss(task_selector);
    }
}

fn task_state() -> TaskStateSegment {
    let mut state = TaskStateSegment::new();
    for (stack, top) in [
        (InterruptStack::DoubleFault, DOUBLE_FAULT_STACK.top()),
        (InterruptStack::NonMaskable, NON_MASKABLE_STACK.top()),
        (InterruptStack::Exception, EXCEPTION_STACK.top()),
        (InterruptStack::Interrupt, INTERRUPT_STACK.top()),
    ] {
        state.interrupt_stack_table[stack as usize - 1] = VirtAddr::new(top);
    }
    state
}
