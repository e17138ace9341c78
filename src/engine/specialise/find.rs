//! `strlen`, `memchr` and `strchr`: the first byte of one kind.
//!
//! The first vector and the next four, with AVX-512 at once, else in pairs, are looked at where they are, unless they would
//! cross a page; the rest in aligned vectors, which never do, four at a time. What a vector holds outside the string is only
//! ever ignored.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::lanes::{Lanes, RAX, RDI, SLOTS};
use crate::profile::ValueHistogram;

/// Whether most of the blocks that calls with `sizes` search are of one vector or less.
pub fn are_short(vectors: Vectors, sizes: &ValueHistogram) -> bool {
    2 * sizes.least_count_in(0..=u64::from(vectors.bytes())) > sizes.least_count_in(0..=u64::MAX)
}

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

/// The vector that holds what is looked for, and the one that holds zeros, which are the same for [`Target::Length`].
const WANTED: usize = 0;
const ZERO: usize = 1;

pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, target: Target) -> Result<(), IcedError> {
    Find { lanes: Lanes::new(assembler, vectors), target, then: None }.emit()
}

/// Goes to `then` with the address of the terminator of the string at rdi there. Keeps rsi.
pub fn emit_end(assembler: &mut CodeAssembler, vectors: Vectors, then: CodeLabel) -> Result<(), IcedError> {
    Find { lanes: Lanes::new(assembler, vectors), target: Target::Length, then: Some(then) }.emit()
}

/// The way of [`short_block`] in front of a call of the kernel.
pub fn head_of_byte(lanes: &mut Lanes, call: CodeLabel, done: CodeLabel) -> Result<(), IcedError> {
    lanes.spread(WANTED, esi)?;
    short_block(lanes, call, done)
}

/// `strlen`(rdi) with AVX2 of less than a vector, as far as that crosses no page, in front of a call of the kernel.
pub fn head_of_length(lanes: &mut Lanes, call: CodeLabel, _done: CodeLabel) -> Result<(), IcedError> {
    lanes.jump_if_crossing(RDI, lanes.bytes(), call)?;
    lanes.clear(WANTED)?;
    lanes.equal(0, WANTED, ptr(rdi))?;
    lanes.mask(RAX, 0)?;
    lanes.vzeroupper()?;
    lanes.first_or(RAX, call)
}

/// `memchr`(rdi, esi, rdx) with AVX2 for 1 byte to one vector, as far as that crosses no page: goes on behind it or to `done`
/// with rax, and to `other` for what else there is.
fn short_block(lanes: &mut Lanes, other: CodeLabel, done: CodeLabel) -> Result<(), IcedError> {
    let bytes = lanes.bytes();
    lanes.lea(ecx, ptr(rdx - 1))?;
    lanes.cmp(ecx, bytes - 1)?;
    lanes.ja(other)?;
    lanes.jump_if_crossing(RDI, bytes, other)?;
    lanes.equal(0, WANTED, ptr(rdi))?;
    lanes.mask(RAX, 0)?;
    lanes.vzeroupper()?;
    lanes.bzhi(eax, eax, edx)?;
    lanes.je(done)?;
    lanes.tzcnt(eax, eax)?;
    lanes.add(rax, rdi)
}

#[derive(Clone, Copy)]
struct Labels {
    /// The first vector would cross a page.
    crosses: CodeLabel,
    /// Nothing in the vector that begins at rdi, which is not aligned.
    next: CodeLabel,
    /// Nothing in the aligned vector at rdi.
    aligned: CodeLabel,
    /// Nothing before rdi; four vectors from there would cross a page.
    realign: CodeLabel,
    /// Nothing before rdi, where an aligned block of four begins.
    four: CodeLabel,
    /// Found in the slots, which begin at rdi; without AVX-512 they have to be filled again.
    hit: CodeLabel,
    /// Found in the pair at rdi, whose mask is rax.
    pair: CodeLabel,
    /// Found at rdi + rax.
    found: CodeLabel,
    nothing: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self {
            crosses: label(),
            next: label(),
            aligned: label(),
            realign: label(),
            four: label(),
            hit: label(),
            pair: label(),
            found: label(),
            nothing: label(),
        }
    }
}

/// In use: rdi where to look, rax mask and index, rcx scratch; esi the byte; rdx the size of `memchr` or the start of
/// `strlen`; r8 the end of `memchr`.
struct Find<'a> {
    lanes: Lanes<'a>,
    target: Target,
    /// Where to go on with the address found in rdi instead of answering.
    then: Option<CodeLabel>,
}

impl Find<'_> {
    fn emit(&mut self) -> Result<(), IcedError> {
        self.prepare()?;
        let labels = Labels::new(&mut self.lanes);
        self.first(labels)?;
        self.second(labels)?;
        self.loop_of_four(labels)?;
        self.across_pages(labels)?;
        self.singles(labels)
    }

    fn prepare(&mut self) -> Result<(), IcedError> {
        match self.target {
            Target::Length => self.lanes.clear(WANTED),
            Target::Byte => self.lanes.spread(WANTED, esi),
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
        let bytes = self.lanes.bytes();
        let is_short_apart = self.target == Target::Byte && self.lanes.vectors == Vectors::Avx2;
        if is_short_apart {
            self.short_block(labels)?;
        }
        if self.target == Target::Byte {
            self.lanes.test(edx, edx)?;
            self.lanes.je(labels.nothing)?;
        }
        self.lanes.jump_if_crossing(RDI, bytes, labels.crosses)?;
        self.look(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        if self.target == Target::Byte && !is_short_apart {
            return self.first_of_block(labels);
        }
        self.lanes.first_or(RAX, labels.next)?;
        match self.then {
            None if self.target == Target::Length => self.lanes.leave(),
            None if self.target == Target::Byte => {
                self.lanes.add(rax, rdi)?;
                self.lanes.leave()
            }
            _ => self.report(labels),
        }?;
        if self.target == Target::ByteOrEnd {
            self.lanes.place(labels.nothing)?;
            self.lanes.leave_with_zero()?;
        }
        Ok(())
    }

    /// All of `memchr` for one vector or less, with one branch for its size; goes on behind it for others, for 0, too.
    fn short_block(&mut self, labels: Labels) -> Result<(), IcedError> {
        let mut label = || self.lanes.create_label();
        let (other, done) = (label(), label());
        short_block(&mut self.lanes, other, done)?;
        self.lanes.place(done)?;
        self.lanes.leave()?;
        self.lanes.place(labels.nothing)?;
        self.lanes.leave_with_zero()?;
        self.lanes.place(other)
    }

    /// What `memchr` says of the first vector, with the mask rax.
    fn first_of_block(&mut self, labels: Labels) -> Result<(), IcedError> {
        let seen = self.lanes.create_label();
        self.lanes.test(rax, rax)?;
        self.lanes.jne(seen)?;
        let bytes = self.lanes.bytes();
        self.lanes.cmp(rdx, bytes)?;
        self.lanes.ja(labels.next)?;
        self.lanes.place(labels.nothing)?;
        self.lanes.leave_with_zero()?;
        self.lanes.place(seen)?;
        self.lanes.first_of(RAX, RAX)?;
        self.lanes.cmp(rax, rdx)?;
        self.lanes.jae(labels.nothing)?;
        self.lanes.add(rax, rdi)?;
        self.lanes.leave()
    }

    /// The next four vectors, aligned or not.
    fn second(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let block = bytes * SLOTS as i32;
        self.lanes.place(labels.next)?;
        self.remember()?;
        self.lanes.add(rdi, bytes)?;
        self.lanes.jump_if_crossing(RDI, block, labels.realign)?;
        if self.lanes.vectors == Vectors::Avx512 {
            self.look_at_four()?;
            self.lanes.jump_if_any_slot(labels.hit)?;
            self.lanes.add(rdi, block)?;
        } else {
            self.look_at_pair(labels)?;
            self.lanes.add(rdi, block / 2)?;
            self.stop_at_end(labels)?;
            self.look_at_pair(labels)?;
            self.lanes.add(rdi, block / 2)?;
        }
        self.lanes.and(rdi, -block)
    }

    fn look_at_pair(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.look(0, 0)?;
        self.look(1, bytes)?;
        self.lanes.pair_of_masks(RAX, 0, bytes as u32)?;
        self.lanes.jne(labels.pair)
    }

    /// Blocks of four vectors, aligned to their size, so that none crosses a page.
    fn loop_of_four(&mut self, labels: Labels) -> Result<(), IcedError> {
        let block = self.lanes.bytes() * SLOTS as i32;
        self.lanes.place(labels.four)?;
        if self.target == Target::Byte {
            let again = self.lanes.create_label();
            self.stop_at_end(labels)?;
            self.lanes.place(again)?;
            self.jump_if_in_four(labels.hit)?;
            self.lanes.add(rdi, block)?;
            self.lanes.cmp(rdi, r8)?;
            self.lanes.jb(again)?;
            self.lanes.jmp(labels.nothing)?;
        } else {
            self.jump_if_in_four(labels.hit)?;
            self.lanes.add(rdi, block)?;
            self.lanes.jmp(labels.four)?;
        }
        self.lanes.place(labels.hit)?;
        if self.lanes.vectors == Vectors::Avx512 {
            self.lanes.first_of_slots()?;
        } else {
            self.look_at_four()?;
            self.lanes.first_of_slots()?;
            self.lanes.jmp(labels.found)?;
            self.lanes.place(labels.pair)?;
            self.lanes.first_of(RAX, RAX)?;
        }
        self.lanes.place(labels.found)?;
        self.report(labels)
    }

    fn look_at_four(&mut self) -> Result<(), IcedError> {
        (0..SLOTS).try_for_each(|slot| self.look(slot, slot as i32 * self.lanes.bytes()))
    }

    /// Goes to `hit` if something is wanted of the four aligned vectors at rdi: of all at once, without saying where.
    fn jump_if_in_four(&mut self, hit: CodeLabel) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        if self.lanes.vectors == Vectors::Avx512 {
            self.look_at_four()?;
            return self.lanes.jump_if_any_slot(hit);
        }
        match self.target {
            Target::Byte => {
                self.look_at_four()?;
                self.lanes.join(0, 1)?;
                self.lanes.join(2, 3)?;
                self.lanes.join(0, 2)?;
            }
            Target::Length => {
                self.lanes.zeros_of_two(0, ptr(rdi), ptr(rdi + bytes))?;
                self.lanes.zeros_of_two(1, ptr(rdi + 2 * bytes), ptr(rdi + 3 * bytes))?;
                self.lanes.zeros_of_both(0, 1)?;
                self.lanes.zeros(0, WANTED)?;
            }
            Target::ByteOrEnd => {
                for slot in 0..SLOTS {
                    self.lanes.zero_where_equal_or_zero(slot, WANTED, ptr(rdi + slot as i32 * bytes))?;
                }
                self.lanes.zeros_of_both(0, 1)?;
                self.lanes.zeros_of_both(2, 3)?;
                self.lanes.zeros_of_both(0, 2)?;
                self.lanes.zeros(0, ZERO)?;
            }
        }
        self.lanes.mask(RAX, 0)?;
        self.lanes.test(eax, eax)?;
        self.lanes.jne(hit)
    }

    /// Aligned vectors one by one, up to where a block of four begins.
    fn singles(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let again = self.lanes.create_label();
        self.lanes.place(labels.realign)?;
        self.lanes.and(rdi, -bytes)?;
        self.lanes.jmp(again)?;
        self.lanes.place(labels.aligned)?;
        self.lanes.add(rdi, bytes)?;
        self.stop_at_end(labels)?;
        self.lanes.test(edi, bytes * SLOTS as i32 - 1)?;
        self.lanes.je(labels.four)?;
        self.lanes.place(again)?;
        self.look(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.first_or(RAX, labels.aligned)?;
        self.lanes.jmp(labels.found)
    }

    /// The first vector of a string near the end of a page: the aligned one that holds its beginning.
    fn across_pages(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.lanes.place(labels.crosses)?;
        self.remember()?;
        self.lanes.mov(rcx, rdi)?;
        self.lanes.and(rdi, -bytes)?;
        self.lanes.sub(rcx, rdi)?;
        self.look(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.shift_by_rcx(RAX)?;
        self.lanes.first_or(RAX, labels.aligned)?;
        self.lanes.add(rdi, rcx)?;
        self.lanes.jmp(labels.found)
    }

    /// Where a string begins, or where a block ends.
    fn remember(&mut self) -> Result<(), IcedError> {
        match self.target {
            Target::Length => self.lanes.mov(rdx, rdi),
            Target::Byte => self.lanes.lea(r8, ptr(rdi + rdx)),
            Target::ByteOrEnd => Ok(()),
        }
    }

    fn stop_at_end(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.target == Target::Byte {
            self.lanes.cmp(rdi, r8)?;
            self.lanes.jae(labels.nothing)?;
        }
        Ok(())
    }

    /// Answers with rdi + rax, where something was found.
    fn report(&mut self, labels: Labels) -> Result<(), IcedError> {
        if let Some(then) = self.then {
            self.lanes.add(rdi, rax)?;
            return self.lanes.jmp(then);
        }
        self.lanes.add(rax, rdi)?;
        match self.target {
            Target::Length => self.lanes.sub(rax, rdx)?,
            Target::Byte => {
                self.lanes.xor(ecx, ecx)?;
                self.lanes.cmp(rax, r8)?;
                self.lanes.cmovae(rax, rcx)?;
            }
            // What a program searches for is mostly there, or mostly not.
            Target::ByteOrEnd => {
                self.lanes.cmp(byte_ptr(rax), sil)?;
                self.lanes.jne(labels.nothing)?;
            }
        }
        self.lanes.leave()
    }
}
