//! The engine's seams on Linux. Compiled code reaches linear memory through the pinned register.

use alloc::boxed::Box;
use core::ops::Range;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use super::mapping::{Access, Mapping};
use super::{memory, signals};
use crate::engine::cpu::CpuFeatures;
use crate::engine::seams::{
    CallStack, CodeMemory, LinearMemory, MEMORY_ALIGNMENT, MEMORY_RESERVATION_BYTES, MemoryBase, OutOfMemory,
    StateMemory, Ticks, WASM_PAGE_BYTES,
};
use crate::engine::{Activation, Platform, StackSize};

/// Where code, state and memories lie, in every process alike, so that saved code can be used again as it is: from 512 GiB
/// on. Linux puts programs, libraries, heaps and stacks above 0x2aaa_aaaa_a000, and programs that cannot be moved, with
/// their heaps, just above 4 MiB. Valgrind, MemorySanitizer and ThreadSanitizer leave the range to the program;
/// AddressSanitizer does not.
const PLACE: usize = 512 << 30;

/// From one linear memory to the next, and from code and state to the first.
const MEMORY_STRIDE: usize = 12 << 30;

/// Code and state lie in one reservation, so that they are near each other.
const CODE_BYTES: usize = 256 << 20;
const STATE_BYTES: usize = 1 << 30;

/// Memory that a growing program leaves to the compiler.
const LEFT_BYTES: usize = 8 << 20;

const STACK_GUARD_BYTES: usize = 1 << 20;
const PAGE_BYTES: u64 = 4096;

/// Everything that an engine needs from Linux. `cpu` limits the instructions used; it must be a subset of what this CPU
/// has. Where the addresses that code and state have in every process are taken, by another engine of this one for example,
/// the system chooses.
pub fn platform(cpu: CpuFeatures) -> io::Result<Platform> {
    platform_with_stack(cpu, StackSize::default())
}

/// The same with a call stack of this size.
pub fn platform_with_stack(cpu: CpuFeatures, stack: StackSize) -> io::Result<Platform> {
    platform_on(cpu, stack, HostCode::new)
}

/// The same with code where `perf` looks for it: it asks for names only of what is in no file.
pub fn platform_for_perf(cpu: CpuFeatures, stack: StackSize) -> io::Result<Platform> {
    platform_on(cpu, stack, HostCode::in_no_file)
}

fn platform_on(
    cpu: CpuFeatures,
    stack: StackSize,
    code: impl FnOnce(Rc<Mapping>) -> io::Result<HostCode>,
) -> io::Result<Platform> {
    signals::install();
    let (near, addresses_are_fixed) = match Mapping::reserve_at(PLACE, CODE_BYTES + STATE_BYTES) {
        Ok(near) => (near, true),
        Err(_) => (Mapping::reserve(CODE_BYTES + STATE_BYTES)?, false),
    };
    let near = Rc::new(near);
    // Elsewhere, the places of the memories are another engine's, too.
    let mut places = (1..).map(move |number| addresses_are_fixed.then_some(PLACE + number * MEMORY_STRIDE));
    let mut another_memory = move || HostMemory::new(places.next().flatten());
    Ok(Platform {
        code: Box::new(code(Rc::clone(&near))?),
        state: Box::new(HostState { near, ensured: 0 }),
        memory: Box::new(another_memory()?),
        another_memory: Box::new(move || Ok(Box::new(another_memory().map_err(|_| OutOfMemory)?))),
        addresses_are_fixed,
        stack: call_stack(stack)?,
        ticks: Rc::new(TimeStampCounter),
        cpu,
        free_memory: memory::free,
        reserve_bytes: memory::RESERVE_BYTES as u64,
        activation: Box::leak(Box::new(Activation::new())),
        arm: signals::arm,
        progress: Box::new(()),
    })
}

/// Code is written through the file behind its mapping: no address of it can be written to.
struct HostCode {
    near: Rc<Mapping>,
    file: File,
    /// Where code begins in the file.
    start: u64,
}

impl HostCode {
    fn new(near: Rc<Mapping>) -> io::Result<Self> {
        let name: &CStr = c"bareflow-code";
        // SAFETY: the name is a C string; the call makes a new descriptor.
        let file = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is open and nobody else's.
        let file = unsafe { File::from_raw_fd(file) };
        file.set_len(CODE_BYTES as u64)?;
        near.place_file(file.as_raw_fd(), CODE_BYTES, Access::ReadExecute)?;
        Ok(Self { near, file, start: 0 })
    }

    /// Through the memory of this process as a file: what is written there has copies of pages made (proc(5)).
    fn in_no_file(near: Rc<Mapping>) -> io::Result<Self> {
        near.protect(0, CODE_BYTES, Access::ReadExecute)?;
        let file = File::options().write(true).open("/proc/self/mem")?;
        let start = near.address() as u64;
        Ok(Self { near, file, start })
    }
}

impl CodeMemory for HostCode {
    fn base(&self) -> u64 {
        self.near.address() as u64
    }

    fn capacity(&self) -> usize {
        CODE_BYTES
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), OutOfMemory> {
        if offset.checked_add(bytes.len()).is_none_or(|end| end > CODE_BYTES) {
            return Err(OutOfMemory);
        }
        self.file.write_all_at(bytes, self.start + offset as u64).map_err(|_| OutOfMemory)?;
        // What was not written through this address is seen after a serialising instruction (Intel SDM volume 3, 10.1.3).
        raw_cpuid::cpuid!(0);
        Ok(())
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= CODE_BYTES, "no code at {range:#x?}");
        // SAFETY: the range lies in the mapping of code, behind which is the file as long as it is there; that is written only
        // through `&mut self`.
        unsafe { core::slice::from_raw_parts(self.near.address().add(range.start), range.len()) }
    }
}

struct HostState {
    near: Rc<Mapping>,
    ensured: usize,
}

impl HostState {
    fn word(&self, offset: usize) -> *mut u64 {
        assert!(offset.is_multiple_of(8) && offset < self.ensured, "state offset {offset:#x} of {:#x}", self.ensured);
        self.near.address().wrapping_add(CODE_BYTES + offset).cast()
    }
}

impl StateMemory for HostState {
    fn base(&self) -> u64 {
        self.near.address() as u64 + CODE_BYTES as u64
    }

    fn ensure(&mut self, len: usize) -> Result<(), OutOfMemory> {
        let wanted = len.next_multiple_of(4096);
        if wanted <= self.ensured {
            return Ok(());
        }
        if wanted > STATE_BYTES {
            return Err(OutOfMemory);
        }
        let added = wanted - self.ensured;
        self.near.protect(CODE_BYTES + self.ensured, added, Access::ReadWrite).map_err(|_| OutOfMemory)?;
        self.ensured = wanted;
        Ok(())
    }

    fn read(&self, offset: usize) -> u64 {
        // SAFETY: `word` checks that the aligned word is in the accessible part of the state mapping.
        unsafe { self.word(offset).read_volatile() }
    }

    fn write(&mut self, offset: usize, value: u64) {
        // SAFETY: as in `read`; no Rust reference points into the state mapping.
        unsafe { self.word(offset).write_volatile(value) }
    }
}

struct HostMemory {
    mapping: Mapping,
    pages: u64,
}

impl HostMemory {
    /// At `place`, or where the system wants it if that is taken.
    fn new(place: Option<usize>) -> io::Result<Self> {
        const BYTES: usize = MEMORY_RESERVATION_BYTES as usize;
        let mapping = match place.map(|place| Mapping::reserve_at(place, BYTES)) {
            Some(Ok(mapping)) => mapping,
            _ => Mapping::reserve_aligned(BYTES, MEMORY_ALIGNMENT as usize)?,
        };
        Ok(Self { mapping, pages: 0 })
    }
}

impl LinearMemory for HostMemory {
    fn base(&self) -> MemoryBase {
        MemoryBase::At(self.mapping.address() as u64)
    }

    fn pages(&self) -> u64 {
        self.pages
    }

    fn grow(&mut self, delta: u64) -> Result<u64, OutOfMemory> {
        let before = self.pages;
        let after = before.checked_add(delta).filter(|pages| *pages <= 1 << 16).ok_or(OutOfMemory)?;
        let (start, added) = ((before * WASM_PAGE_BYTES) as usize, (delta * WASM_PAGE_BYTES) as usize);
        self.mapping.protect(start, added, Access::ReadWrite).map_err(|_| OutOfMemory)?;
        if !is_free(LEFT_BYTES) {
            // Where Linux cannot take it back, it stays out of the program's sight.
            let _ = self.mapping.protect(start, added, Access::None);
            return Err(OutOfMemory);
        }
        self.pages = after;
        Ok(before)
    }

    fn bytes(&mut self) -> &mut [u8] {
        let len = (self.pages * WASM_PAGE_BYTES) as usize;
        // SAFETY: the first `len` bytes of the mapping are accessible, and compiled code does not run while the engine,
        // which owns `self`, does.
        unsafe { core::slice::from_raw_parts_mut(self.mapping.address(), len) }
    }
}

/// Whether so much memory can be had now, under a limit of the process for example.
fn is_free(bytes: usize) -> bool {
    Mapping::reserve(bytes).is_ok_and(|mapping| mapping.protect(0, bytes, Access::ReadWrite).is_ok())
}

/// A stack behind which Linux puts memory as it is used.
fn call_stack(size: StackSize) -> io::Result<CallStack> {
    let bytes = size.bytes().next_multiple_of(PAGE_BYTES) as usize;
    let mapping = Mapping::reserve(STACK_GUARD_BYTES + bytes)?;
    mapping.protect(STACK_GUARD_BYTES, bytes, Access::ReadWrite)?;
    let guard = mapping.address() as u64;
    let usable = guard + STACK_GUARD_BYTES as u64;
    Ok(CallStack { usable: usable..usable + bytes as u64, guard: guard..usable, owner: Box::new(mapping) })
}

struct TimeStampCounter;

impl Ticks for TimeStampCounter {
    fn now(&self) -> u64 {
        // SAFETY: every x86-64 CPU has RDTSC, and Linux leaves it enabled for processes.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}
