//! The program itself: arguments, environment, its end, random bytes.

use super::abi::{Errno, SIGNAL_MAX, SIGNALS_WITHOUT_EFFECT};
use super::memory::{GuestMemory, Span};
use super::{Failure, Outcome, Wasi};
use crate::engine::seams::Stop;
use alloc::format;
use alloc::vec::Vec;

impl Wasi<'_> {
    pub(super) fn args_sizes_get(&mut self, memory: &mut GuestMemory<'_>, count: u32, bytes: u32) -> Outcome {
        Ok(write_sizes(&self.args, memory, count, bytes)?)
    }

    pub(super) fn args_get(&mut self, memory: &mut GuestMemory<'_>, pointers: u32, bytes: u32) -> Outcome {
        Ok(write_strings(&self.args, memory, pointers, bytes)?)
    }

    pub(super) fn environ_sizes_get(&mut self, memory: &mut GuestMemory<'_>, count: u32, bytes: u32) -> Outcome {
        Ok(write_sizes(&self.environ, memory, count, bytes)?)
    }

    pub(super) fn environ_get(&mut self, memory: &mut GuestMemory<'_>, pointers: u32, bytes: u32) -> Outcome {
        Ok(write_strings(&self.environ, memory, pointers, bytes)?)
    }

    pub(super) fn proc_exit(&mut self, _memory: &mut GuestMemory<'_>, code: u32) -> Outcome {
        Err(Failure::Stop(Stop::Exit(code.cast_signed())))
    }

    /// No signal has a handler, so each does what it does by default. One that stops the program ends it: nothing
    /// could continue it.
    pub(super) fn proc_raise(&mut self, _memory: &mut GuestMemory<'_>, signal: u32) -> Outcome {
        if signal > SIGNAL_MAX {
            return Err(Errno::Inval.into());
        }
        if SIGNALS_WITHOUT_EFFECT.contains(&signal) {
            return Ok(());
        }
        Err(Failure::Stop(Stop::Trap(format!("the program raised signal {signal}"))))
    }

    /// There is nobody to yield to.
    pub(super) fn sched_yield(&mut self, _memory: &mut GuestMemory<'_>) -> Outcome {
        Ok(())
    }

    pub(super) fn random_get(&mut self, memory: &mut GuestMemory<'_>, buffer: Span) -> Outcome {
        self.entropy.fill(memory.slice_mut(buffer)?);
        Ok(())
    }
}

/// Writes the number of strings and the bytes they take.
fn write_sizes(strings: &[Vec<u8>], memory: &mut GuestMemory<'_>, count: u32, bytes: u32) -> Result<(), Errno> {
    let (strings_len, bytes_len) = sizes(strings)?;
    memory.write_u32(count, strings_len)?;
    memory.write_u32(bytes, bytes_len)
}

/// Writes the strings to `bytes`, a NUL after each, and their addresses to the array `pointers`.
fn write_strings(
    strings: &[Vec<u8>],
    memory: &mut GuestMemory<'_>,
    mut pointers: u32,
    mut bytes: u32,
) -> Result<(), Errno> {
    let (strings_len, bytes_len) = sizes(strings)?;
    memory.check(pointers, strings_len.checked_mul(4).ok_or(Errno::Overflow)?)?;
    memory.check(bytes, bytes_len)?;
    for string in strings {
        memory.write_u32(pointers, bytes)?;
        // Wraps at most after the last string: both areas lie inside the memory.
        pointers = pointers.wrapping_add(4);
        for part in [string.as_slice(), &[0]] {
            memory.write(bytes, part)?;
            bytes = bytes.wrapping_add(part.len() as u32);
        }
    }
    Ok(())
}

/// The number of strings, and the bytes they take with a NUL after each.
fn sizes(strings: &[Vec<u8>]) -> Result<(u32, u32), Errno> {
    let total: usize = strings.iter().map(|string| string.len() + 1).sum();
    let fits = |size| u32::try_from(size).map_err(|_| Errno::Overflow);
    Ok((fits(strings.len())?, fits(total)?))
}
