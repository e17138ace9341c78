//! `strstr`: where one string first begins in another.
//!
//! Places where the first two bytes occur are found in aligned vectors, which cross no page; the rest is compared there
//! byte by byte or, with AVX2 and AVX-512, up to a vector at once. A first byte that ends a vector is carried into the next.
//! With AVX2 the first vector is not an aligned one, unless it is near the end of a page: most strings end in it.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::find::{self, Target};
use super::lanes::{Lanes, MASKS, R9, R10, R11, RAX, RCX, RDI, RDX, RSI, YMM, ZMM};

const FIRST: usize = 0;
const SECOND: usize = 1;
const ZERO: usize = 2;
/// With AVX2 and AVX-512, the beginning of the part and, as a slot with AVX-512, which bytes of it count.
const PART: usize = 3;

/// Bytes in a vector of AVX-512.
const VECTOR: i32 = 64;

/// `strstr`(rdi, rsi).
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut one_byte = assembler.create_label();
    let mut search = Search { lanes: Lanes::new(assembler, vectors) };
    let labels = Labels::new(&mut search.lanes);
    let page_end = search.lanes.create_label();
    if vectors == Vectors::Avx2 {
        search.begin_at_once(one_byte, labels)?;
    }
    search.prepare(one_byte, page_end)?;
    search.first_vector(labels)?;
    search.judge(labels)?;
    search.rest_of_part(labels)?;
    search.bytewise(page_end)?;
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
    /// The lowest of them was not right.
    differs: CodeLabel,
    /// None of the places of this vector was right.
    next: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self { looked: label(), places: label(), differs: label(), next: label() }
    }
}

/// In use: rdi the vector in the string, rsi the part; rax, rcx, rdx the masks of the first byte, the second and zeros;
/// r8 1 if the vector before ends with the first byte; r9 the places of second bytes to try, r10 the address of one;
/// r11, except with SSE2, how many bytes of the part its vector holds; with AVX2, 0 if there is no such vector.
struct Search<'a> {
    lanes: Lanes<'a>,
}

impl Search<'_> {
    /// Looks for the part in the vector where the string begins, and goes to `next` if it is not there. Leaves a part of one
    /// byte, in eax, to `one_byte`, and what may cross a page to the code behind this.
    fn begin_at_once(&mut self, one_byte: CodeLabel, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let mut label = || self.lanes.create_label();
        let (crosses, short, none, differs, rest) = (label(), label(), label(), label(), label());
        self.lanes.jump_if_crossing(RDI, 2 * bytes, crosses)?;
        self.lanes.jump_if_crossing(RSI, bytes, crosses)?;
        self.lanes.clear(ZERO)?;
        self.lanes.load(PART, ptr(rsi))?;
        self.lanes.vpcmpeqb(YMM[FIRST], YMM[PART], YMM[ZERO])?;
        self.lanes.vpmovmskb(r11d, YMM[FIRST])?;
        self.lanes.vpbroadcastb(YMM[FIRST], byte_ptr(rsi))?;
        self.lanes.vpbroadcastb(YMM[SECOND], byte_ptr(rsi + 1))?;
        self.lanes.tzcnt(r11d, r11d)?;
        self.lanes.cmp(r11d, 1)?;
        self.lanes.jbe(short)?;
        self.lanes.equal(0, FIRST, ptr(rdi))?;
        self.lanes.equal(1, SECOND, ptr(rdi + 1))?;
        self.lanes.equal(2, ZERO, ptr(rdi))?;
        self.lanes.meet(0, 1)?;
        self.lanes.mask(R9, 0)?;
        self.lanes.mask(RDX, 2)?;
        // What follows the terminator does not count.
        self.lanes.blsmsk(eax, edx)?;
        self.lanes.and(r9d, eax)?;
        self.lanes.je(none)?;
        self.lanes.first_of(R10, R9)?;
        self.lanes.equal(0, PART, ptr(rdi + r10))?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.invert(RAX)?;
        self.lanes.bzhi(eax, eax, r11d)?;
        self.lanes.jne(differs)?;
        self.lanes.cmp(r11d, bytes)?;
        self.lanes.jae(rest)?;
        self.lanes.lea(rax, ptr(rdi + r10))?;
        self.lanes.leave()?;
        // From places of first bytes to places of second ones.
        self.lanes.place(differs)?;
        self.lanes.xor(r8d, r8d)?;
        self.lanes.add(r9, r9)?;
        self.lanes.jmp(labels.differs)?;
        self.lanes.place(rest)?;
        self.lanes.xor(r8d, r8d)?;
        self.lanes.add(r9, r9)?;
        self.lanes.jmp(labels.places)?;
        self.lanes.place(none)?;
        self.lanes.xor(r8d, r8d)?;
        self.lanes.jmp(labels.next)?;
        self.lanes.place(short)?;
        self.lanes.movzx(eax, byte_ptr(rsi))?;
        self.lanes.test(eax, eax)?;
        self.lanes.jne(one_byte)?;
        self.lanes.mov(rax, rdi)?;
        self.lanes.leave()?;
        self.lanes.place(crosses)?;
        self.lanes.xor(r11d, r11d)
    }

    /// Deals with an empty part and leaves one of one byte, in eax, to `one_byte`, and one whose second byte lies in the
    /// next page, and may never matter, to `page_end`.
    fn prepare(&mut self, one_byte: CodeLabel, page_end: CodeLabel) -> Result<(), IcedError> {
        let more = self.lanes.create_label();
        self.lanes.movzx(eax, byte_ptr(rsi))?;
        self.lanes.test(eax, eax)?;
        self.lanes.jne(more)?;
        self.lanes.mov(rax, rdi)?;
        self.lanes.leave()?;
        self.lanes.place(more)?;
        self.lanes.mov(ecx, esi)?;
        self.lanes.and(ecx, 4095)?;
        self.lanes.cmp(ecx, 4095)?;
        self.lanes.je(page_end)?;
        self.lanes.movzx(ecx, byte_ptr(rsi + 1))?;
        self.lanes.test(ecx, ecx)?;
        self.lanes.je(one_byte)?;
        self.lanes.clear(ZERO)?;
        self.lanes.spread(FIRST, eax)?;
        self.lanes.spread(SECOND, ecx)?;
        if self.lanes.vectors == Vectors::Avx512 { self.load_part() } else { Ok(()) }
    }

    /// The part's vector, its mask and r11 = as many of its bytes as there are in it and on its page.
    fn load_part(&mut self) -> Result<(), IcedError> {
        let (part, terminator) = (MASKS[PART], MASKS[0]);
        self.lanes.bytes_left_in_page(R11, RSI)?;
        self.lanes.mov(eax, VECTOR)?;
        self.lanes.cmp(r11d, eax)?;
        self.lanes.cmova(r11d, eax)?;
        self.lanes.mov(rcx, -1i64)?;
        self.lanes.bzhi(rax, rcx, r11)?;
        self.lanes.kmovq(part, rax)?;
        self.lanes.vmovdqu8(ZMM[PART].k4().z(), ptr(rsi))?;
        self.lanes.vptestnmb(terminator.k4(), ZMM[PART], ZMM[PART])?;
        self.lanes.kmovq(rax, terminator)?;
        self.lanes.tzcnt(rax, rax)?;
        self.lanes.cmovae(r11, rax)?;
        self.lanes.bzhi(rcx, rcx, r11)?;
        self.lanes.kmovq(part, rcx)
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
        if self.lanes.vectors == Vectors::Avx2 {
            // The first vector may not have been aligned.
            self.lanes.and(rdi, -bytes)?;
        }
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
        let (again, found) = (self.lanes.create_label(), self.lanes.create_label());
        self.lanes.place(labels.places)?;
        self.lanes.first_of(R10, R9)?;
        self.lanes.add(r10, rdi)?;
        match self.lanes.vectors {
            Vectors::Avx512 => self.compare_part_under_mask(again, labels.differs)?,
            Vectors::Avx2 => self.compare_part(again, found, labels.differs)?,
            Vectors::Sse2 => {}
        }
        self.lanes.mov(ecx, 2)?;
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rsi + rcx))?;
        self.lanes.test(eax, eax)?;
        self.lanes.je(found)?;
        self.lanes.cmp(byte_ptr(r10 + rcx - 1), al)?;
        self.lanes.jne(labels.differs)?;
        self.lanes.inc(rcx)?;
        self.lanes.jmp(again)?;
        self.lanes.place(labels.differs)?;
        self.lanes.lea(rcx, ptr(r9 - 1))?;
        self.lanes.and(r9, rcx)?;
        self.lanes.jne(labels.places)?;
        self.lanes.jmp(labels.next)?;
        self.lanes.place(found)?;
        self.lanes.lea(rax, ptr(r10 - 1))?;
        self.lanes.leave()
    }

    /// The bytes of the part's vector at once, if there is one and it does not cross a page here.
    fn compare_part(&mut self, rest: CodeLabel, found: CodeLabel, differs: CodeLabel) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let bytewise = self.lanes.create_label();
        self.lanes.test(r11d, r11d)?;
        self.lanes.je(bytewise)?;
        self.lanes.lea(ecx, ptr(r10 - 1))?;
        self.lanes.and(ecx, 4095)?;
        self.lanes.cmp(ecx, 4096 - bytes)?;
        self.lanes.ja(bytewise)?;
        self.lanes.equal(0, PART, ptr(r10 - 1))?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.invert(RAX)?;
        self.lanes.bzhi(eax, eax, r11d)?;
        self.lanes.jne(differs)?;
        self.lanes.cmp(r11d, bytes)?;
        self.lanes.jb(found)?;
        self.lanes.mov(ecx, bytes)?;
        self.lanes.jmp(rest)?;
        self.lanes.place(bytewise)
    }

    /// The same with AVX-512.
    fn compare_part_under_mask(&mut self, rest: CodeLabel, differs: CodeLabel) -> Result<(), IcedError> {
        let (outcome, bytewise) = (MASKS[0], self.lanes.create_label());
        self.lanes.lea(ecx, ptr(r10 - 1))?;
        self.lanes.and(ecx, 4095)?;
        self.lanes.cmp(ecx, 4096 - VECTOR)?;
        self.lanes.ja(bytewise)?;
        self.lanes.vpcmpneqb(outcome.k4(), ZMM[PART], ptr(r10 - 1))?;
        self.lanes.kortestq(outcome, outcome)?;
        self.lanes.jne(differs)?;
        self.lanes.mov(rcx, r11)?;
        self.lanes.jmp(rest)?;
        self.lanes.place(bytewise)
    }

    /// The whole search, one byte at a time, which begins at `start`.
    fn bytewise(&mut self, start: CodeLabel) -> Result<(), IcedError> {
        let mut label = || self.lanes.create_label();
        let (again, differs, found, none) = (label(), label(), label(), label());
        self.lanes.place(start)?;
        self.lanes.xor(ecx, ecx)?;
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rsi + rcx))?;
        self.lanes.test(eax, eax)?;
        self.lanes.je(found)?;
        self.lanes.cmp(byte_ptr(rdi + rcx), al)?;
        self.lanes.jne(differs)?;
        self.lanes.inc(rcx)?;
        self.lanes.jmp(again)?;
        self.lanes.place(differs)?;
        self.lanes.cmp(byte_ptr(rdi), 0)?;
        self.lanes.je(none)?;
        self.lanes.inc(rdi)?;
        self.lanes.jmp(start)?;
        self.lanes.place(found)?;
        self.lanes.mov(rax, rdi)?;
        self.lanes.leave()?;
        self.lanes.place(none)?;
        self.lanes.leave_with_zero()
    }
}
