//! Straight-line code for the sizes a program really uses, encoded with iced-x86 because Cranelift has no 256-bit
//! vectors.
//!
//! Key types: [`KernelId`] (which code), [`kernel`] (its bytes). A kernel stands behind the guard that `translate`
//! puts in front of it: exactly this size, and a destination that does not begin inside the source. Neighbours: `tier`
//! chooses sizes, the engine links kernels once and shares them between sites.

mod compare;
mod copy;
mod fill;
mod find;
mod lanes;
mod last;
mod string_copy;
pub mod strings;
mod substring;

use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;

use super::cpu::CpuFeatures;

/// What a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// (destination, source): copies [`KernelId::detail`] bytes as `memmove` does, within the guard's conditions.
    CopyExactly,
    /// (destination, byte): fills [`KernelId::detail`] bytes, as `memset`.
    FillExactly,
}

/// What an argument of a kernel is, in terms of the libc function's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A machine address, for an address in linear memory.
    Address,
    /// 32 bits, zero-extended.
    Word,
}

/// What a kernel leaves in rax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the libc function returns its first argument.
    FirstArgument,
    /// The 32 bits that the libc function returns.
    Word,
    /// A machine address in linear memory, or 0 for NULL.
    Address,
}

impl Operation {
    /// What it takes and leaves.
    pub const fn interface(self) -> (&'static [Argument], Outcome) {
        use Argument::{Address, Word};
        match self {
            Self::CopyExactly => (&[Address, Address], Outcome::FirstArgument),
            Self::FillExactly => (&[Address, Word], Outcome::FirstArgument),
        }
    }
}

/// The widest vectors that a kernel uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vectors {
    Sse2,
    Avx2,
    /// With the foundation, byte-and-word and vector-length extensions of AVX-512, and BMI1, BMI2 and LZCNT.
    Avx512,
}

impl Vectors {
    /// The widest that this CPU has.
    pub fn of(cpu: CpuFeatures) -> Self {
        if cpu.contains(CpuFeatures::AVX2) { Self::Avx2 } else { Self::Sse2 }
    }

    const fn bytes(self) -> u32 {
        match self {
            Self::Sse2 => 16,
            Self::Avx2 | Self::Avx512 => 32,
        }
    }
}

/// Names one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelId {
    pub operation: Operation,
    pub vectors: Vectors,
    /// What else the operation depends on, 24 bits.
    pub detail: u32,
}

/// Longer copies of one size take the general path: straight-line code of more than 256 vector moves evicts more of the
/// instruction cache than the loop costs.
pub const MAX_BYTES: u32 = 4096;

/// Blocks of one size up to this are copied, filled and compared in place; larger ones by a kernel that all sites share.
/// Eight loads and eight stores of 16 bytes take as many instructions as the call and the wider kernel.
pub const MAX_BYTES_IN_PLACE: u32 = 128;

/// Comparisons in place stop here: each further word is one more branch.
const MAX_BYTES_COMPARED: u32 = 32;

/// How calls of one size are made faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactPath {
    Copy,
    Fill,
    Compare,
    /// The function's body in place, with the size as a constant.
    Body,
}

impl ExactPath {
    /// The path of libc function `name` at size `size`, if there is one.
    pub fn of(name: &str, size: u64) -> Option<Self> {
        let (path, sizes) = match name {
            "memcpy" | "memmove" => (Self::Copy, 0..=MAX_BYTES),
            "memset" => (Self::Fill, 0..=MAX_BYTES),
            "memcmp" => (Self::Compare, 0..=MAX_BYTES_COMPARED),
            "malloc" => (Self::Body, 0..=MAX_BYTES),
            _ => return None,
        };
        u32::try_from(size).is_ok_and(|size| sizes.contains(&size)).then_some(path)
    }
}

impl KernelId {
    /// The kernel that does all that libc function `name` does, for any arguments.
    pub fn for_function(_name: &str, _cpu: CpuFeatures) -> Option<Self> {
        None
    }

    const OPERATIONS: [Operation; 2] = [Operation::CopyExactly, Operation::FillExactly];
    const VECTORS: [Vectors; 2] = [Vectors::Sse2, Vectors::Avx2];

    /// As the index of a relocation name.
    pub const fn number(self) -> u32 {
        (self.operation as u32) << 26 | (self.vectors as u32) << 24 | self.detail
    }

    /// The inverse of [`Self::number`].
    pub const fn from_number(number: u32) -> Self {
        let operation = Self::OPERATIONS[(number >> 26) as usize];
        let vectors = Self::VECTORS[(number >> 24 & 3) as usize];
        Self { operation, vectors, detail: number & 0x00ff_ffff }
    }
}

/// The machine code of `id`: a leaf function in the C convention that uses caller-saved registers only.
pub fn kernel(id: KernelId) -> Result<Vec<u8>, IcedError> {
    let mut assembler = CodeAssembler::new(64)?;
    match id.operation {
        Operation::CopyExactly => copy::emit(&mut assembler, id)?,
        Operation::FillExactly => fill::emit(&mut assembler, id)?,
    }
    assembler.ret()?;
    assembler.assemble(0)
}

/// A move: (offset, bytes).
pub type Piece = (u32, u32);

/// Covers `bytes` with moves of at most `widest` bytes, a power of two; the last may overlap the one before it.
pub fn pieces(bytes: u32, widest: u32) -> Vec<Piece> {
    let Some(width) = [16, 8, 4, 2, 1].into_iter().find(|width| *width <= bytes.min(widest)) else { return Vec::new() };
    let mut pieces: Vec<Piece> = (0..bytes / width).map(|index| (index * width, width)).collect();
    let rest = bytes % width;
    if rest != 0 {
        let width = rest.next_power_of_two();
        pieces.push((bytes - width, width));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = (Operation, Vectors)> {
        KernelId::OPERATIONS.into_iter().flat_map(|operation| KernelId::VECTORS.map(|vectors| (operation, vectors)))
    }

    #[test]
    fn numbers_name_kernels() {
        for (operation, vectors) in all() {
            for detail in [1, 512, MAX_BYTES] {
                let id = KernelId { operation, vectors, detail };
                assert_eq!(KernelId::from_number(id.number()), id);
            }
        }
    }

    #[test]
    fn pieces_cover_every_byte_inside_the_block() {
        for (bytes, widest) in (0..=MAX_BYTES_IN_PLACE).flat_map(|bytes| [(bytes, 8), (bytes, 16)]) {
            let mut covered = alloc::vec![false; bytes as usize];
            for (offset, width) in pieces(bytes, widest) {
                assert!(offset + width <= bytes && width <= widest);
                (offset..offset + width).for_each(|byte| covered[byte as usize] = true);
            }
            assert!(covered.iter().all(|byte| *byte), "{bytes}");
        }
    }

    #[test]
    fn every_size_assembles_and_vectors_differ() {
        for (operation, vectors) in all() {
            for bytes in 1..=MAX_BYTES {
                kernel(KernelId { operation, vectors, detail: bytes }).unwrap();
            }
        }
        let of = |vectors| kernel(KernelId { operation: Operation::CopyExactly, vectors, detail: 512 }).unwrap();
        assert_ne!(of(Vectors::Sse2), of(Vectors::Avx2));
    }

    #[test]
    fn sizes_without_a_path_stay_generic() {
        assert_eq!(ExactPath::of("memcpy", u64::from(MAX_BYTES)), Some(ExactPath::Copy));
        assert_eq!(ExactPath::of("memcpy", u64::from(MAX_BYTES) + 1), None);
        assert_eq!(ExactPath::of("memcpy", u64::MAX), None);
        assert_eq!(ExactPath::of("memcmp", 33), None);
        assert_eq!(ExactPath::of("strlen", 8), None);
        assert_eq!(ExactPath::of("memset", 0), Some(ExactPath::Fill));
    }
}
