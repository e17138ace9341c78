//! `strlen`, `memchr` and `strchr`: the first byte of one kind.
//!
//! The first vector is looked at where the string begins, unless it would cross a page; the rest in aligned vectors,
//! which never do: four one by one, then four at a time. What a vector holds outside the string is only ever ignored.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::lanes::{Lanes, R8, RAX, RCX, RDI, SLOTS};

/// What is looked for, and what is said of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `strlen`(rdi): the distance to the terminator.
    Length,
    /// `memchr`(rdi, esi, rdx): the address of the byte, if it is among the first rdx.
    Byte,
    /// `strchr`(rdi, esi): the address of the byte, if it does not come after the terminator.
    ByteOrEnd,
}

/// Vectors looked at one by one before the loop.
const SINGLES: usize = 4;

/// The vector that holds what is looked for, and the one that holds zeros, which are the same for [`Target::Length`].
const WANTED: usize = 0;
const ZERO: usize = 1;

pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, target: Target) -> Result<(), IcedError> {
    let mut find = Find { lanes: Lanes::new(assembler, vectors), target };
    find.prepare()?;
    let labels = Labels::new(&mut find.lanes);
    find.first(labels)?;
    find.singles(labels)?;
    find.loop_of_four(labels)?;
    find.across_pages(labels)?;
    find.nothing(labels)
}

#[derive(Clone, Copy)]
struct Labels {
    /// The first vector would cross a page.
    crosses: CodeLabel,
    /// Nothing in the vector that begins at rdi, which is not aligned.
    next: CodeLabel,
    /// Nothing in the aligned vector at rdi.
    aligned: CodeLabel,
    /// Found at rdi + rax.
    found: CodeLabel,
    nothing: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self { crosses: label(), next: label(), aligned: label(), found: label(), nothing: label() }
    }
}

/// In use: rdi where to look, rax mask and index, rcx scratch; esi the byte; rdx the size of `memchr` or the start of
/// `strlen`; r8 the end of `memchr`.
struct Find<'a> {
    lanes: Lanes<'a>,
    target: Target,
}

impl Find<'_> {
    fn prepare(&mut self) -> Result<(), IcedError> {
        match self.target {
            Target::Length => self.lanes.clear(WANTED),
            Target::Byte => {
                self.lanes.lea(r8, ptr(rdi + rdx))?;
                self.lanes.spread(WANTED, esi)
            }
            Target::ByteOrEnd => {
                self.lanes.clear(ZERO)?;
                self.lanes.spread(WANTED, esi)
            }
        }
    }

    /// `slot` = what is wanted of the vector at rdi + `offset`.
    fn look(&mut self, slot: usize, offset: i32) -> Result<(), IcedError> {
        match self.target {
            Target::Length | Target::Byte => self.lanes.equal(slot, WANTED, ptr(rdi + offset)),
            Target::ByteOrEnd => self.lanes.equal_or_zero(slot, WANTED, ZERO, ptr(rdi + offset)),
        }
    }

    fn first(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.target == Target::Byte {
            self.lanes.test(edx, edx)?;
            self.lanes.je(labels.nothing)?;
        }
        self.lanes.jump_if_crossing(RDI, RAX, labels.crosses)?;
        self.look(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.first_or(RAX, labels.next)?;
        match self.target {
            Target::Length => self.lanes.leave(),
            _ => self.report(),
        }
    }

    fn singles(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.lanes.place(labels.next)?;
        if self.target == Target::Length {
            self.lanes.mov(rdx, rdi)?;
        }
        self.lanes.and(rdi, -bytes)?;
        self.lanes.place(labels.aligned)?;
        for _ in 0..SINGLES {
            let next = self.lanes.create_label();
            self.lanes.add(rdi, bytes)?;
            self.stop_at_end(labels)?;
            self.look(0, 0)?;
            self.lanes.mask(RAX, 0)?;
            self.lanes.first_or(RAX, next)?;
            self.report()?;
            self.lanes.place(next)?;
        }
        Ok(())
    }

    /// Blocks of four vectors, aligned to their size, so that none crosses a page. The first may begin in what was
    /// seen already.
    fn loop_of_four(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let block = bytes * SLOTS as i32;
        let (again, hit) = (self.lanes.create_label(), self.lanes.create_label());
        self.lanes.add(rdi, bytes)?;
        self.lanes.and(rdi, -block)?;
        self.lanes.sub(rdi, block)?;
        self.lanes.place(again)?;
        self.lanes.add(rdi, block)?;
        self.stop_at_end(labels)?;
        for slot in 0..SLOTS {
            self.look(slot, slot as i32 * bytes)?;
        }
        self.lanes.jump_if_any_slot(hit)?;
        self.lanes.jmp(again)?;
        self.lanes.place(hit)?;
        for slot in 0..SLOTS {
            let next = self.lanes.create_label();
            self.lanes.mask(RAX, slot)?;
            self.lanes.first_or(RAX, next)?;
            self.lanes.jmp(labels.found)?;
            self.lanes.place(next)?;
            self.lanes.add(rdi, bytes)?;
        }
        self.lanes.place(labels.found)?;
        self.report()
    }

    /// The first vector of a string near the end of a page: the aligned one that holds its beginning.
    fn across_pages(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.lanes.place(labels.crosses)?;
        self.lanes.mov(rcx, rdi)?;
        if self.target == Target::Length {
            self.lanes.mov(rdx, rdi)?;
        }
        self.lanes.and(rdi, -bytes)?;
        self.lanes.sub(rcx, rdi)?;
        self.look(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.shift_by_rcx(RAX)?;
        self.lanes.first_or(RAX, labels.aligned)?;
        self.lanes.add(rdi, rcx)?;
        self.lanes.jmp(labels.found)
    }

    fn nothing(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.target == Target::Byte {
            self.lanes.place(labels.nothing)?;
            self.lanes.leave_with_zero()?;
        }
        Ok(())
    }

    fn stop_at_end(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.target == Target::Byte {
            self.lanes.cmp(rdi, R8.whole)?;
            self.lanes.jae(labels.nothing)?;
        }
        Ok(())
    }

    /// Answers with rdi + rax, where something was found.
    fn report(&mut self) -> Result<(), IcedError> {
        self.lanes.add(rax, rdi)?;
        match self.target {
            Target::Length => self.lanes.sub(rax, rdx)?,
            Target::Byte => {
                self.lanes.xor(ecx, ecx)?;
                self.lanes.cmp(rax, r8)?;
                self.lanes.cmovae(rax, RCX.whole)?;
            }
            Target::ByteOrEnd => {
                self.lanes.xor(ecx, ecx)?;
                self.lanes.cmp(byte_ptr(rax), sil)?;
                self.lanes.cmovne(rax, RCX.whole)?;
            }
        }
        self.lanes.leave()
    }
}
