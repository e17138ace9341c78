//! Machine code for what a program really does on this CPU, encoded with iced-x86 because Cranelift has no vectors wider
//! than 128 bits.
//!
//! Key types: [`KernelId`] (which code), [`kernel`] (its bytes). There are two sorts. Kernels of one size are straight-line
//! code behind the guard that `translate` puts in front of them: exactly this size, and a destination that does not begin
//! inside the source. Kernels of a whole function of the libc take any arguments and need no guard: they answer as its body
//! does. Neighbours: `choices` picks them, the engine links each once and shares it between sites.

pub mod any_copy;
pub mod any_fill;
pub mod any_size;
mod compare;
mod compare_blocks;
mod copy;
mod fill;
mod find;
mod heads;
mod lanes;
mod last;
#[cfg(test)]
mod levels;
pub mod shape;
mod string_copy;
pub mod strings;
mod substring;
mod vectors;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;
use serde::{Deserialize, Serialize};

use crate::engine::cpu::CpuFeatures;
use crate::engine::registers;
use crate::profile::ValueHistogram;
use any_size::{LAST_LEVEL_CACHE_BYTES, Limits};
pub use copy::loads_first;
use shape::Shape;
use strings::StringFunction;

/// What a kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// (destination, source): copies [`KernelId::detail`] bytes as `memmove` does, within the guard's conditions.
    CopyExactly,
    /// (destination, byte): fills [`KernelId::detail`] bytes, as `memset`.
    FillExactly,
    /// (destination, source, bytes): `memmove`; `detail` is the number of its [`Shape`].
    Copy,
    /// (destination, byte, bytes): `memset`; `detail` is the number of its [`Shape`].
    Fill,
    /// As the function of the libc does.
    String(StringFunction),
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
            Self::Copy => (&[Address, Address, Word], Outcome::FirstArgument),
            Self::Fill => (&[Address, Word, Word], Outcome::FirstArgument),
            Self::String(function) => match function {
                StringFunction::Strlen => (&[Address], Outcome::Word),
                StringFunction::Strcmp => (&[Address, Address], Outcome::Word),
                StringFunction::Memcmp | StringFunction::Strncmp => (&[Address, Address, Word], Outcome::Word),
                StringFunction::Memchr => (&[Address, Word, Word], Outcome::Address),
                StringFunction::Strchr | StringFunction::Strrchr => (&[Address, Word], Outcome::Address),
                StringFunction::Strstr => (&[Address, Address], Outcome::Address),
                StringFunction::Strcpy | StringFunction::Strcat => (&[Address, Address], Outcome::FirstArgument),
                StringFunction::Strncpy => (&[Address, Address, Word], Outcome::FirstArgument),
            },
        }
    }
}

/// The instructions that a kernel may use: the widest vectors, and what every CPU that has them has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Vectors {
    Sse2,
    /// With BMI1, BMI2 and LZCNT.
    Avx2,
    /// The foundation, byte-and-word and vector-length extensions of AVX-512, with the above.
    Avx512,
}

impl Vectors {
    /// The widest that this CPU has.
    pub fn of(cpu: CpuFeatures) -> Self {
        let bits = CpuFeatures::BMI1 | CpuFeatures::BMI2 | CpuFeatures::LZCNT;
        match cpu {
            _ if cpu.contains(bits | CpuFeatures::AVX512) => Self::Avx512,
            _ if cpu.contains(bits | CpuFeatures::AVX2) => Self::Avx2,
            _ => Self::Sse2,
        }
    }

    /// The largest block that one masked move covers, whatever its size; 0 without masks.
    pub const fn masked_bytes(self) -> u32 {
        match self {
            Self::Sse2 | Self::Avx2 => 0,
            Self::Avx512 => 64,
        }
    }

    const fn bytes(self) -> u32 {
        match self {
            Self::Sse2 => 16,
            Self::Avx2 => 32,
            Self::Avx512 => 64,
        }
    }
}

/// Names one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KernelId {
    pub operation: Operation,
    pub vectors: Vectors,
    /// What else the operation, or what is pasted in front of its calls, depends on, 24 bits.
    pub detail: u32,
    /// It is called where little is expected of it, and keeps all registers for the sake of the code around.
    pub rare: bool,
}

/// Code that stands in place of calls of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pasted {
    /// All of it, without the return.
    Whole(Vec<u8>),
    /// What comes before a call and often jumps over it.
    Head(Vec<u8>),
}

/// Longer copies of one size take the general path: straight-line code of more than 256 vector moves evicts more of the
/// instruction cache than the loop costs.
pub const MAX_BYTES: u32 = 4096;

/// Blocks of one size up to this are copied and filled in place by Cranelift's own moves of 16 bytes; larger ones by a
/// kernel. Eight loads and eight stores take as many instructions as the call and the wider kernel.
const MAX_BYTES_OF_MOVES: u32 = 128;

/// The same where kernels can be pasted in place of their calls: up to two moves of 16 bytes.
const MAX_BYTES_OF_MOVES_BESIDE_PASTING: u32 = 32;

/// Kernels of one size up to this are pasted, if they keep registers: about 230 bytes of code. All sites share larger ones.
const MAX_BYTES_PASTED: u32 = 512;

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

/// The largest block of one size that Cranelift's own moves copy and fill.
pub fn max_bytes_of_moves(vectors: Vectors) -> u32 {
    if vectors == Vectors::Avx512 { MAX_BYTES_OF_MOVES_BESIDE_PASTING } else { MAX_BYTES_OF_MOVES }
}

/// What is this many times as fast as what there is takes its place.
const ENOUGH_BETTER: (u64, u64) = (4, 5);

impl KernelId {
    /// What people know it by.
    pub fn name(&self) -> String {
        match self.operation {
            Operation::CopyExactly => format!("kernel that copies {} bytes", self.detail),
            Operation::FillExactly => format!("kernel that fills {} bytes", self.detail),
            Operation::Copy => "kernel that copies".into(),
            Operation::Fill => "kernel that fills".into(),
            Operation::String(function) => format!("kernel {}", format!("{function:?}").to_lowercase()),
        }
    }

    /// The kernel that does all that libc function `name` does; `sizes` is what its calls pass.
    pub fn for_function(name: &str, sizes: &ValueHistogram, cpu: CpuFeatures) -> Option<Self> {
        let vectors = Vectors::of(cpu);
        let shape = || Shape::of(vectors, &sizes.slots, sizes.total).number();
        let (operation, detail) = match name {
            "memcpy" | "memmove" => (Operation::Copy, shape()),
            "memset" => (Operation::Fill, shape()),
            _ => {
                let function = StringFunction::find(name)?;
                (Operation::String(function), strings::detail(function, vectors, sizes))
            }
        };
        Some(Self { operation, vectors, detail, rare: false })
    }

    /// Whether it, which is what there is, does calls of these `sizes` about as fast as `best`: what is known of sizes varies a
    /// little from boot to boot, and code is not made anew for that.
    pub fn is_as_good_as(self, best: Self, sizes: &ValueHistogram) -> bool {
        let cost = |id: Self| Shape::from_number(id.detail).cost(id.vectors, &sizes.slots, sizes.total);
        let shaped = matches!(self.operation, Operation::Copy | Operation::Fill);
        shaped
            && (self.operation, self.vectors) == (best.operation, best.vectors)
            && cost(self).saturating_mul(ENOUGH_BETTER.0) <= cost(best).saturating_mul(ENOUGH_BETTER.1)
    }

    /// The largest block that it does without a branch, whatever the size; 0 if it has one for all.
    pub const fn one_path_bytes(self) -> u32 {
        match (self.operation, self.vectors) {
            (Operation::String(StringFunction::Memcmp), Vectors::Avx2) => self.vectors.bytes() << self.detail,
            _ => self.vectors.masked_bytes(),
        }
    }

    /// The same for where it is called rarely, if it returns nothing: there is no convention that keeps all registers and
    /// has results.
    pub fn where_rare(self) -> Self {
        let rare = self.operation.interface().1 == Outcome::FirstArgument;
        Self { rare, ..self }
    }

    /// Whether it changes no register that Cranelift knows of. Registers 16 to 31 are none of those.
    pub fn keeps_registers(self) -> bool {
        let exact = matches!(self.operation, Operation::CopyExactly | Operation::FillExactly);
        self.rare || (exact && self.vectors == Vectors::Avx512 && self.detail <= MAX_BYTES_PASTED)
    }

    /// What is to stand in place of its calls, if anything.
    pub fn pasted(self) -> Result<Option<Pasted>, IcedError> {
        if self.rare {
            return Ok(None);
        }
        if !self.keeps_registers() {
            return Ok(heads::head(self)?.map(Pasted::Head));
        }
        let mut code = kernel(self, CpuFeatures::empty())?;
        code.pop();
        Ok(Some(Pasted::Whole(code)))
    }

    /// As the index of a relocation name: rarity, operation, vectors, detail from the highest bit on.
    pub fn number(self) -> u32 {
        let operation = match self.operation {
            Operation::CopyExactly => 0,
            Operation::FillExactly => 1,
            Operation::Copy => 2,
            Operation::Fill => 3,
            Operation::String(function) => 4 + function as u32,
        };
        (self.rare as u32) << 31 | operation << 26 | (self.vectors as u32) << 24 | self.detail
    }

    /// The inverse of [`Self::number`].
    pub fn from_number(number: u32) -> Self {
        let operation = match number >> 26 & 31 {
            0 => Operation::CopyExactly,
            1 => Operation::FillExactly,
            2 => Operation::Copy,
            3 => Operation::Fill,
            string => Operation::String(StringFunction::ALL[string as usize - 4]),
        };
        let vectors = match number >> 24 & 3 {
            0 => Vectors::Sse2,
            1 => Vectors::Avx2,
            _ => Vectors::Avx512,
        };
        Self { operation, vectors, detail: number & 0x00ff_ffff, rare: number >> 31 != 0 }
    }
}

/// The machine code of `id` for this CPU: a leaf function in the C convention that uses caller-saved registers only.
pub fn kernel(id: KernelId, cpu: CpuFeatures) -> Result<Vec<u8>, IcedError> {
    let KernelId { operation, vectors, detail, rare: _ } = id;
    let mut assembler = CodeAssembler::new(64)?;
    let limits = Limits::of(operation, vectors, cpu.contains(CpuFeatures::ERMS), LAST_LEVEL_CACHE_BYTES);
    match operation {
        Operation::CopyExactly => copy::emit(&mut assembler, vectors, detail)?,
        Operation::FillExactly => fill::emit(&mut assembler, vectors, detail)?,
        Operation::Copy => any_copy::emit(&mut assembler, vectors, Shape::from_number(detail), limits)?,
        Operation::Fill => any_fill::emit(&mut assembler, vectors, Shape::from_number(detail), limits)?,
        Operation::String(function) => return strings::string_kernel(function, vectors, detail),
    }
    assembler.ret()?;
    assembler.assemble(0)
}

/// What keeps all registers around a call of a kernel with these vectors: the code before and after the call.
pub fn keeping_registers(vectors: Vectors) -> Result<[Vec<u8>; 2], IcedError> {
    // AVX-512 kernels use none of those that Cranelift knows of.
    let vectors = if vectors == Vectors::Avx512 { &[][..] } else { &registers::VECTORS };
    let mut before = CodeAssembler::new(64)?;
    registers::save(&mut before, vectors)?;
    let mut after = CodeAssembler::new(64)?;
    registers::restore(&mut after, vectors)?;
    Ok([before.assemble(0)?, after.assemble(0)?])
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
    use crate::libc::{self, LibcFunction};

    const VECTORS: [Vectors; 3] = [Vectors::Sse2, Vectors::Avx2, Vectors::Avx512];
    const OF_ONE_SIZE: [Operation; 2] = [Operation::CopyExactly, Operation::FillExactly];

    #[test]
    fn numbers_name_kernels() {
        let strings = StringFunction::ALL.into_iter().map(Operation::String);
        for operation in OF_ONE_SIZE.into_iter().chain([Operation::Copy, Operation::Fill]).chain(strings) {
            for (vectors, detail) in VECTORS.into_iter().flat_map(|vectors| [(vectors, 0), (vectors, MAX_BYTES)]) {
                for rare in [false, true] {
                    let id = KernelId { operation, vectors, detail, rare };
                    assert_eq!(KernelId::from_number(id.number()), id);
                }
            }
        }
    }

    #[test]
    fn pieces_cover_every_byte_inside_the_block() {
        for (bytes, widest) in (0..=MAX_BYTES_OF_MOVES).flat_map(|bytes| [(bytes, 8), (bytes, 16)]) {
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
        let code = |operation, vectors, detail| {
            kernel(KernelId { operation, vectors, detail, rare: false }, CpuFeatures::empty()).unwrap()
        };
        for operation in OF_ONE_SIZE {
            for bytes in MAX_BYTES_OF_MOVES + 1..=MAX_BYTES {
                let [sse2, avx2, avx512] = VECTORS.map(|vectors| code(operation, vectors, bytes));
                assert!(sse2 != avx2 && avx2 != avx512, "{operation:?} {bytes}");
            }
        }
    }

    #[test]
    fn every_function_with_a_body_in_vectors_assembles() {
        let whole = |function: &LibcFunction| {
            let sizes = ValueHistogram::default();
            let id = KernelId::for_function(function.name, &sizes, CpuFeatures::empty())?;
            kernel(id, CpuFeatures::empty()).unwrap();
            Some(function.name)
        };
        let names: Vec<_> = libc::functions().iter().filter_map(whole).collect();
        assert_eq!(names.len(), 14, "{names:?}");
    }

    #[test]
    fn blocks_are_compared_by_two_vectors_unless_one_kind_is_all_but_alone() {
        let detail = |counts: &[(u64, u64)]| {
            let mut sizes = ValueHistogram::default();
            counts.iter().for_each(|(size, count)| sizes.record(*size, *count));
            strings::detail(StringFunction::Memcmp, Vectors::Avx2, &sizes)
        };
        assert_eq!([&[(64, 100)][..], &[(8, 90), (24, 10)], &[(40, 99), (8, 1)]].map(detail), [0; 3]);
        let various: Vec<(u64, u64)> = (1..40).map(|size| (size, 10)).collect();
        assert_eq!([&[][..], &[(8, 50), (40, 50)], &[(100, 50)], &various].map(detail), [1; 4]);
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
