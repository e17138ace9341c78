//! Straight-line code for the sizes a program really uses, encoded with iced-x86 because Cranelift has no 256-bit
//! vectors.
//!
//! Key types: [`KernelId`] (which code), [`kernel`] (its bytes). A kernel stands behind the guard that `translate`
//! puts in front of it: exactly this size, and a destination that does not begin inside the source. Neighbours: `tier`
//! chooses sizes, the engine links kernels once and shares them between sites.

mod copy;
mod fill;

use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;

use super::cpu::CpuFeatures;

/// What a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// (destination, source): copies as `memmove` does, within the guard's conditions.
    Copy,
    /// (destination, byte): as `memset`.
    Fill,
}

/// The widest vectors that a kernel uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vectors {
    Sse2,
    Avx2,
}

impl Vectors {
    /// The widest that this CPU has.
    pub fn of(cpu: CpuFeatures) -> Self {
        if cpu.contains(CpuFeatures::AVX2) { Self::Avx2 } else { Self::Sse2 }
    }

    const fn bytes(self) -> u32 {
        match self {
            Self::Sse2 => 16,
            Self::Avx2 => 32,
        }
    }
}

/// Names one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelId {
    pub operation: Operation,
    pub vectors: Vectors,
    /// At most [`MAX_BYTES`].
    pub bytes: u32,
}

/// Longer copies stay generic: straight-line code of more than 256 vector moves evicts more of the instruction cache
/// than the loop costs.
pub const MAX_BYTES: u32 = 4096;

impl KernelId {
    /// The kernel for libc function `name` at size `bytes`, if there is one.
    pub fn for_call(name: &str, bytes: u64, cpu: CpuFeatures) -> Option<Self> {
        let operation = match name {
            "memcpy" | "memmove" => Operation::Copy,
            "memset" => Operation::Fill,
            _ => return None,
        };
        let bytes = u32::try_from(bytes).ok().filter(|bytes| (1..=MAX_BYTES).contains(bytes))?;
        Some(Self { operation, vectors: Vectors::of(cpu), bytes })
    }

    /// As the index of a relocation name.
    pub const fn number(self) -> u32 {
        let operation = matches!(self.operation, Operation::Fill) as u32;
        let vectors = matches!(self.vectors, Vectors::Avx2) as u32;
        operation << 31 | vectors << 30 | self.bytes
    }

    /// The inverse of [`Self::number`].
    pub const fn from_number(number: u32) -> Self {
        let operation = if number >> 31 != 0 { Operation::Fill } else { Operation::Copy };
        let vectors = if number >> 30 & 1 != 0 { Vectors::Avx2 } else { Vectors::Sse2 };
        Self { operation, vectors, bytes: number & (u32::MAX >> 2) }
    }
}

/// The machine code of `id`: a leaf function in the C convention that uses caller-saved registers only.
pub fn kernel(id: KernelId) -> Result<Vec<u8>, IcedError> {
    let mut assembler = CodeAssembler::new(64)?;
    match id.operation {
        Operation::Copy => copy::emit(&mut assembler, id)?,
        Operation::Fill => fill::emit(&mut assembler, id)?,
    }
    assembler.ret()?;
    assembler.assemble(0)
}

/// A move of 1 to 8 bytes through a general register: (offset, bytes).
type Piece = (u32, u32);

/// Covers `bytes` (1 to 15) with at most two moves of 8, 4, 2 or 1 bytes, overlapping where that saves one.
fn small_pieces(bytes: u32) -> Vec<Piece> {
    let width = [8, 4, 2, 1].into_iter().find(|width| *width <= bytes).unwrap_or(1);
    match bytes - width {
        0 => alloc::vec![(0, width)],
        1 if width == 2 => alloc::vec![(0, 2), (2, 1)],
        _ => alloc::vec![(0, width), (bytes - width, width)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Operation, Vectors); 4] = [
        (Operation::Copy, Vectors::Sse2),
        (Operation::Copy, Vectors::Avx2),
        (Operation::Fill, Vectors::Sse2),
        (Operation::Fill, Vectors::Avx2),
    ];

    #[test]
    fn numbers_name_kernels() {
        for (operation, vectors) in ALL {
            for bytes in [1, 512, MAX_BYTES] {
                let id = KernelId { operation, vectors, bytes };
                assert_eq!(KernelId::from_number(id.number()), id);
            }
        }
    }

    #[test]
    fn small_pieces_cover_every_byte_inside_the_block() {
        for bytes in 1..16 {
            let mut covered = [false; 16];
            for (offset, width) in small_pieces(bytes) {
                assert!(offset + width <= bytes);
                (offset..offset + width).for_each(|byte| covered[byte as usize] = true);
            }
            assert!(covered[..bytes as usize].iter().all(|byte| *byte), "{bytes}");
        }
    }

    #[test]
    fn every_size_assembles_and_vectors_differ() {
        for (operation, vectors) in ALL {
            for bytes in 1..=MAX_BYTES {
                kernel(KernelId { operation, vectors, bytes }).unwrap();
            }
        }
        let of = |vectors| kernel(KernelId { operation: Operation::Copy, vectors, bytes: 512 }).unwrap();
        assert_ne!(of(Vectors::Sse2), of(Vectors::Avx2));
    }

    #[test]
    fn sizes_without_a_kernel_stay_generic() {
        let cpu = CpuFeatures::empty();
        assert_eq!(KernelId::for_call("memcpy", 0, cpu), None);
        assert_eq!(KernelId::for_call("memcpy", u64::from(MAX_BYTES) + 1, cpu), None);
        assert_eq!(KernelId::for_call("memcpy", u64::MAX, cpu), None);
        assert_eq!(KernelId::for_call("strlen", 8, cpu), None);
        assert_eq!(KernelId::for_call("memset", 8, cpu).map(|id| id.vectors), Some(Vectors::Sse2));
    }
}
