//! `strstr`: where one string first begins in another.
//!
//! Places where the first two bytes occur are found in aligned vectors, which cross no page; the rest is compared there
//! byte by byte. A first byte that ends a vector is carried into the next.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::find::{self, Target};
use super::lanes::{Lanes, R9, R10, RAX, RCX, RDX};

const FIRST: usize = 0;
const SECOND: usize = 1;
const ZERO: usize = 2;

/// `strstr`(rdi, rsi).
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut one_byte = assembler.create_label();
    let mut search = Search { lanes: Lanes::new(assembler, vectors) };
    let labels = Labels::new(&mut search.lanes);
    search.prepare(one_byte)?;
    search.first_vector(labels)?;
    search.judge(labels)?;
    search.rest_of_part(labels)?;
    assembler.set_label(&mut one_byte)?;
    assembler.mov(esi, eax)?;
    find::emit(assembler, vectors, Target::ByteOrEnd)
}

#[derive(Clone, Copy)]
struct Labels {
    /// The masks of the vector at rdi are there.
    looked: CodeLabel,
    /// r9 holds at least one place.
    places: CodeLabel,
    /// None of the places of this vector was right.
    next: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self { looked: label(), places: label(), next: label() }
    }
}

/// In use: rdi the vector in the string, rsi the part; rax, rcx, rdx the masks of the first byte, the second and zeros;
/// r8 1 if the vector before ends with the first byte; r9 the places of second bytes to try, r10 the address of one.
struct Search<'a> {
    lanes: Lanes<'a>,
}

impl Search<'_> {
    /// Deals with an empty part and leaves one of one byte, in eax, to `one_byte`.
    fn prepare(&mut self, one_byte: CodeLabel) -> Result<(), IcedError> {
        let more = self.lanes.create_label();
        self.lanes.movzx(eax, byte_ptr(rsi))?;
        self.lanes.test(eax, eax)?;
        self.lanes.jne(more)?;
        self.lanes.mov(rax, rdi)?;
        self.lanes.ret()?;
        self.lanes.place(more)?;
        self.lanes.movzx(ecx, byte_ptr(rsi + 1))?;
        self.lanes.test(ecx, ecx)?;
        self.lanes.je(one_byte)?;
        self.lanes.clear(ZERO)?;
        self.lanes.spread(FIRST, eax)?;
        self.lanes.spread(SECOND, ecx)
    }

    fn look(&mut self) -> Result<(), IcedError> {
        for (slot, (vector, mask)) in [(FIRST, RAX), (SECOND, RCX), (ZERO, RDX)].into_iter().enumerate() {
            self.lanes.equal(slot, vector, ptr(rdi))?;
            self.lanes.mask(mask, slot)?;
        }
        Ok(())
    }

    /// The masks of the aligned vector that holds the beginning, without what lies before that.
    fn first_vector(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.lanes.mov(r10, rdi)?;
        self.lanes.and(rdi, -bytes)?;
        self.look()?;
        self.lanes.mov(r9, rcx)?;
        self.lanes.mov(rcx, r10)?;
        self.lanes.sub(rcx, rdi)?;
        self.lanes.mov(r10, -1i64)?;
        self.lanes.shl(r10, cl)?;
        self.lanes.mov(rcx, r9)?;
        self.lanes.and(rax, r10)?;
        self.lanes.and(rdx, r10)?;
        self.lanes.xor(r8d, r8d)?;
        self.lanes.jmp(labels.looked)
    }

    /// r9 = the places of second bytes before the terminator that follow a first byte.
    fn judge(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let again = self.lanes.create_label();
        self.lanes.place(labels.next)?;
        self.lanes.test(rdx, rdx)?;
        self.lanes.je(again)?;
        self.lanes.leave_with_zero()?;
        self.lanes.place(again)?;
        self.lanes.add(rdi, bytes)?;
        self.look()?;
        self.lanes.place(labels.looked)?;
        self.lanes.lea(r9, ptr(r8 + rax * 2))?;
        self.lanes.mov(r8, rax)?;
        self.lanes.shr(r8, bytes - 1)?;
        self.lanes.lea(r10, ptr(rdx - 1))?;
        self.lanes.xor(r10, rdx)?;
        self.lanes.and(r9, rcx)?;
        self.lanes.and(r9, r10)?;
        self.lanes.je(labels.next)
    }

    /// Compares what follows the second byte, place by place.
    fn rest_of_part(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (again, found, differs) = (self.lanes.create_label(), self.lanes.create_label(), self.lanes.create_label());
        self.lanes.place(labels.places)?;
        self.lanes.first_of(R10, R9)?;
        self.lanes.add(r10, rdi)?;
        self.lanes.mov(ecx, 2)?;
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rsi + rcx))?;
        self.lanes.test(eax, eax)?;
        self.lanes.je(found)?;
        self.lanes.cmp(byte_ptr(r10 + rcx - 1), al)?;
        self.lanes.jne(differs)?;
        self.lanes.inc(rcx)?;
        self.lanes.jmp(again)?;
        self.lanes.place(differs)?;
        self.lanes.lea(rcx, ptr(r9 - 1))?;
        self.lanes.and(r9, rcx)?;
        self.lanes.jne(labels.places)?;
        self.lanes.jmp(labels.next)?;
        self.lanes.place(found)?;
        self.lanes.lea(rax, ptr(r10 - 1))?;
        self.lanes.leave()
    }
}
