//! `memcmp`, `strcmp` and `strncmp`: the first place where two blocks differ.
//!
//! A vector of each is compared where they begin, then with the first block aligned. A vector that would cross a page is
//! not loaded, because what lies in the next page matters only if all before it is equal: there, the bytes up to the page's
//! end come first.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::lanes::{Lanes, MASKS, R8, RAX, RCX, RDI, RSI, XMM, YMM, ZMM};

/// Where a comparison ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// After rdx bytes.
    pub bounded: bool,
    /// At a terminator.
    pub terminated: bool,
}

impl Extent {
    pub const MEMCMP: Self = Self { bounded: true, terminated: false };
    pub const STRCMP: Self = Self { bounded: false, terminated: true };
    pub const STRNCMP: Self = Self { bounded: true, terminated: true };
}

const FIRST: usize = 0;
const SECOND: usize = 1;
const ZERO: usize = 2;

pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, extent: Extent) -> Result<(), IcedError> {
    let mut compare = Compare { lanes: Lanes::new(assembler, vectors), extent };
    let labels = Labels::new(&mut compare.lanes);
    compare.prepare(labels)?;
    compare.first(labels)?;
    compare.loop_of_one(labels)?;
    compare.across_pages(labels)?;
    compare.equal(labels)
}

#[derive(Clone, Copy)]
struct Labels {
    /// A vector at rdi and rsi, with rdx bytes to go, at least 1.
    begin: CodeLabel,
    /// One of these vectors would cross a page.
    crosses: CodeLabel,
    /// They stop at rax.
    stop: CodeLabel,
    equal: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self { begin: label(), crosses: label(), stop: label(), equal: label() }
    }
}

/// In use: rdi and rsi where to compare, rdx how many bytes from there, rax mask and index, rcx and r8 scratch.
struct Compare<'a> {
    lanes: Lanes<'a>,
    extent: Extent,
}

impl Compare<'_> {
    fn prepare(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.extent.terminated && self.lanes.vectors != Vectors::Avx512 {
            self.lanes.clear(ZERO)?;
        }
        if self.extent.bounded {
            self.lanes.test(edx, edx)?;
            self.lanes.je(labels.equal)?;
        }
        Ok(())
    }

    fn first(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let next = self.lanes.create_label();
        self.lanes.place(labels.begin)?;
        self.lanes.jump_if_either_crosses(bytes, labels.crosses)?;
        self.look()?;
        self.lanes.first_or(RAX, next)?;
        self.lanes.place(labels.stop)?;
        if self.extent.bounded {
            self.lanes.cmp(rax, rdx)?;
            self.lanes.jae(labels.equal)?;
        }
        self.difference()?;
        self.lanes.place(next)?;
        if self.extent.bounded {
            self.lanes.cmp(rdx, bytes)?;
            self.lanes.jbe(labels.equal)?;
        }
        Ok(())
    }

    /// The rest of long blocks. The first is aligned, so that only the second can cross a page.
    fn loop_of_one(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let again = self.lanes.create_label();
        self.lanes.mov(rcx, rdi)?;
        self.lanes.and(rdi, -bytes)?;
        self.lanes.sub(rcx, rdi)?;
        self.lanes.sub(rsi, rcx)?;
        if self.extent.bounded {
            self.lanes.add(rdx, rcx)?;
        }
        self.lanes.place(again)?;
        self.lanes.add(rdi, bytes)?;
        self.lanes.add(rsi, bytes)?;
        if self.extent.bounded {
            self.lanes.sub(rdx, bytes)?;
            self.lanes.jbe(labels.equal)?;
        }
        self.lanes.jump_if_source_crosses(labels.crosses)?;
        self.look()?;
        self.lanes.first_or(RAX, again)?;
        self.lanes.jmp(labels.stop)
    }

    /// The bytes before the nearest end of a page, then from the beginning.
    fn across_pages(&mut self, labels: Labels) -> Result<(), IcedError> {
        self.lanes.place(labels.crosses)?;
        self.lanes.bytes_left_in_page(R8, RDI)?;
        self.lanes.bytes_left_in_page(RAX, RSI)?;
        self.lanes.cmp(r8d, eax)?;
        self.lanes.cmova(r8d, eax)?;
        match self.lanes.vectors {
            Vectors::Avx512 => self.masked(labels),
            _ => self.bytewise(labels),
        }
    }

    /// The next r8 bytes at once.
    fn masked(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (nearer, outcome) = (MASKS[1], MASKS[0]);
        self.lanes.mov(rax, -1i64)?;
        self.lanes.bzhi(rcx, rax, r8)?;
        self.lanes.kmovq(nearer, rcx)?;
        self.lanes.vmovdqu8(ZMM[FIRST].k2().z(), ptr(rdi))?;
        if self.extent.terminated {
            self.lanes.vptestmb(outcome.k2(), ZMM[FIRST], ZMM[FIRST])?;
            self.lanes.vpcmpeqb(outcome.k1(), ZMM[FIRST], ptr(rsi))?;
        } else {
            self.lanes.vpcmpeqb(outcome.k2(), ZMM[FIRST], ptr(rsi))?;
        }
        self.lanes.kmovq(rax, outcome)?;
        self.lanes.xor(rax, rcx)?;
        let next = self.lanes.create_label();
        self.lanes.first_or(RAX, next)?;
        self.lanes.jmp(labels.stop)?;
        self.lanes.place(next)?;
        self.lanes.add(rdi, r8)?;
        self.lanes.add(rsi, r8)?;
        if self.extent.bounded {
            self.lanes.sub(rdx, r8)?;
            self.lanes.jbe(labels.equal)?;
        }
        self.lanes.jmp(labels.begin)
    }

    /// The next r8 bytes one by one.
    fn bytewise(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (again, differ) = (self.lanes.create_label(), self.lanes.create_label());
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rdi))?;
        self.lanes.movzx(ecx, byte_ptr(rsi))?;
        self.lanes.sub(eax, ecx)?;
        self.lanes.jne(differ)?;
        if self.extent.terminated {
            self.lanes.test(ecx, ecx)?;
            self.lanes.je(differ)?;
        }
        if self.extent.bounded {
            self.lanes.dec(rdx)?;
            self.lanes.je(differ)?;
        }
        self.lanes.inc(rdi)?;
        self.lanes.inc(rsi)?;
        self.lanes.dec(r8d)?;
        self.lanes.jne(again)?;
        self.lanes.jmp(labels.begin)?;
        self.lanes.place(differ)?;
        self.lanes.leave()
    }

    fn equal(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.extent.bounded {
            self.lanes.place(labels.equal)?;
            self.lanes.leave_with_zero()?;
        }
        Ok(())
    }

    /// rax = the mask of where a comparison of the vectors at rdi and rsi stops.
    fn look(&mut self) -> Result<(), IcedError> {
        match self.lanes.vectors {
            Vectors::Sse2 => self.look_sse2(),
            Vectors::Avx2 => self.look_avx2(),
            Vectors::Avx512 => self.look_avx512(),
        }
    }

    /// A string stops where min(equal, byte) is 0, for `equal` is 255 or 0.
    fn look_sse2(&mut self) -> Result<(), IcedError> {
        let (first, second) = (XMM[FIRST], XMM[SECOND]);
        self.lanes.movdqu(first, ptr(rdi))?;
        self.lanes.movdqu(second, ptr(rsi))?;
        self.lanes.pcmpeqb(second, first)?;
        if self.extent.terminated {
            self.lanes.pminub(second, first)?;
            self.lanes.pcmpeqb(second, XMM[ZERO])?;
            return self.lanes.pmovmskb(eax, second);
        }
        self.lanes.pmovmskb(eax, second)?;
        self.lanes.xor(eax, 0xffff)
    }

    fn look_avx2(&mut self) -> Result<(), IcedError> {
        let (first, second) = (YMM[FIRST], YMM[SECOND]);
        self.lanes.vmovdqu(first, ptr(rdi))?;
        self.lanes.vpcmpeqb(second, first, ptr(rsi))?;
        if self.extent.terminated {
            self.lanes.vpminub(second, second, first)?;
            self.lanes.vpcmpeqb(second, second, YMM[ZERO])?;
            return self.lanes.vpmovmskb(eax, second);
        }
        self.lanes.vpmovmskb(eax, second)?;
        self.lanes.xor(eax, -1)
    }

    fn look_avx512(&mut self) -> Result<(), IcedError> {
        let outcome = MASKS[0];
        self.lanes.vmovdqu64(ZMM[FIRST], ptr(rdi))?;
        if self.extent.terminated {
            self.lanes.vptestmb(outcome, ZMM[FIRST], ZMM[FIRST])?;
            self.lanes.vpcmpeqb(outcome.k1(), ZMM[FIRST], ptr(rsi))?;
            self.lanes.kmovq(rax, outcome)?;
            return self.lanes.not(rax);
        }
        self.lanes.vpcmpneqb(outcome, ZMM[FIRST], ptr(rsi))?;
        self.lanes.kmovq(rax, outcome)
    }

    /// Answers with the difference of the bytes at rax.
    fn difference(&mut self) -> Result<(), IcedError> {
        self.lanes.movzx(ecx, byte_ptr(rsi + rax))?;
        self.lanes.movzx(eax, byte_ptr(rdi + rax))?;
        self.lanes.sub(eax, RCX.low)?;
        self.lanes.leave()
    }
}
