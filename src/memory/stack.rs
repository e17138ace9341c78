//! The stack that compiled code runs on. It can be large, since memory is put behind a page of it only when that is touched.
//!
//! Key types: [`CallStack`], [`StackPages`]. Neighbours: `kernel::faults` calls [`back_call_stack`] for page faults.

use core::ops::Range;

use super::layout::{CALL_STACK_END, CALL_STACK_GUARD_BYTES, CALL_STACK_MOST_BYTES, PAGE_BYTES};
use super::reserve::ENGINE_LEAVES;
use super::space::{Access, free_mapped};
use super::{Lease, MEMORY, Memory, MemoryError, with_memory};

/// A call stack. Gives back its memory when it is dropped.
#[derive(Debug)]
pub struct CallStack {
    usable: Range<u64>,
    _lease: Lease,
}

/// Which pages the handler may put memory behind, and the lowest with memory: none before there is a [`CallStack`].
#[derive(Default)]
pub(super) struct StackPages {
    usable: Range<u64>,
    lowest: u64,
}

impl CallStack {
    /// A stack of `bytes`, at most [`CALL_STACK_MOST_BYTES`].
    pub(super) fn new(bytes: u64, lease: Lease) -> Result<Self, MemoryError> {
        let bytes = bytes.next_multiple_of(PAGE_BYTES).min(CALL_STACK_MOST_BYTES);
        let usable = CALL_STACK_END - bytes..CALL_STACK_END;
        with_memory(|memory| {
            memory.stack = StackPages { usable: usable.clone(), lowest: usable.end };
            Ok(())
        })?;
        Ok(Self { usable, _lease: lease })
    }

    /// Addresses that get memory when they are touched; the stack grows down from the end.
    pub fn usable(&self) -> Range<u64> {
        self.usable.clone()
    }

    /// Addresses just below that are never mapped.
    pub fn guard(&self) -> Range<u64> {
        self.usable.start - CALL_STACK_GUARD_BYTES..self.usable.start
    }
}

impl Drop for CallStack {
    fn drop(&mut self) {
        // Without memory there is nothing mapped.
        let _ = with_memory(|memory| {
            let Memory { frames, space, stack, .. } = memory;
            for page in (stack.lowest..stack.usable.end).step_by(PAGE_BYTES as usize) {
                if let Some(mapped) = space.unmap(frames, page) {
                    free_mapped(frames, mapped);
                }
            }
            *stack = StackPages::default();
            Ok(())
        });
    }
}

/// Puts zeroed memory behind the page of the call stack that holds `address`. False if that is no such page, has memory
/// already, or if there is only as much left as the compiler needs: a stack can become deep at any place, where nothing
/// can be asked first, so it may have some of what the program's other requests leave.
///
/// For the page-fault handler. Only compiled code, and the engine on its behalf, touch the stack, and they do not hold the
/// lock then; if it is held all the same, the fault is another.
pub fn back_call_stack(address: u64) -> bool {
    let Some(mut memory) = MEMORY.try_lock() else { return false };
    memory.as_mut().is_some_and(|memory| back(memory, address / PAGE_BYTES * PAGE_BYTES).is_ok())
}

fn back(memory: &mut Memory, page: u64) -> Result<(), MemoryError> {
    let Memory { frames, space, stack, .. } = memory;
    if !stack.usable.contains(&page) || space.mapped_at(frames, page).is_some() {
        return Err(MemoryError::AlreadyMapped { page });
    }
    if frames.statistics().free <= ENGINE_LEAVES {
        return Err(MemoryError::OutOfFrames);
    }
    let frame = frames.allocate_zeroed()?;
    if let Err(error) = space.map(frames, page, frame.address(), Access::ReadWrite) {
        frames.free(frame);
        return Err(error);
    }
    stack.lowest = stack.lowest.min(page);
    Ok(())
}
