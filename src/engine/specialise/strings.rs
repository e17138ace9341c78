//! Searches and comparisons of any length in vectors.
//!
//! Key types: [`StringFunction`] (which), [`string_kernel`] (its machine code). A kernel is a leaf function in the C
//! convention: machine addresses, sizes zero-extended, the result in rax. It answers and faults as the bodies of
//! `crate::libc` do on all inputs: it reads no page that they would not read, and no byte that matters after one that
//! already decides. Neighbours: `lanes` encodes for each level of vectors; `find`, `compare` and the others are the algorithms.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;

use super::find::Target;
use super::{Vectors, compare, compare_blocks, find, last, string_copy, substring};
use crate::profile::ValueHistogram;

/// A function of the libc that has a kernel for all lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StringFunction {
    Memcmp,
    Memchr,
    Strlen,
    Strcmp,
    Strncmp,
    Strchr,
    Strrchr,
    Strcpy,
    Strncpy,
    Strcat,
    Strstr,
}

impl StringFunction {
    pub const ALL: [Self; 11] = [
        Self::Memcmp,
        Self::Memchr,
        Self::Strlen,
        Self::Strcmp,
        Self::Strncmp,
        Self::Strchr,
        Self::Strrchr,
        Self::Strcpy,
        Self::Strncpy,
        Self::Strcat,
        Self::Strstr,
    ];

    /// Its C name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memcmp => "memcmp",
            Self::Memchr => "memchr",
            Self::Strlen => "strlen",
            Self::Strcmp => "strcmp",
            Self::Strncmp => "strncmp",
            Self::Strchr => "strchr",
            Self::Strrchr => "strrchr",
            Self::Strcpy => "strcpy",
            Self::Strncpy => "strncpy",
            Self::Strcat => "strcat",
            Self::Strstr => "strstr",
        }
    }

    /// The function of this C name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }
}

/// What the kernel of `function`, or what is pasted in front of its calls, depends on beside the vectors, for calls that pass
/// `sizes`.
pub fn detail(function: StringFunction, vectors: Vectors, sizes: &ValueHistogram) -> u32 {
    u32::from(match (function, vectors) {
        (StringFunction::Memcmp, Vectors::Avx2) => compare_blocks::are_mixed(vectors, sizes),
        (StringFunction::Memchr, Vectors::Avx2) => find::are_short(vectors, sizes),
        _ => false,
    })
}

/// Emits `function`, every end with its own `ret`.
pub fn emit(
    assembler: &mut CodeAssembler,
    vectors: Vectors,
    function: StringFunction,
    detail: u32,
) -> Result<(), IcedError> {
    match function {
        StringFunction::Memcmp => compare_blocks::emit(assembler, vectors, detail != 0),
        StringFunction::Strcmp => compare::emit(assembler, vectors, false),
        StringFunction::Strncmp => compare::emit(assembler, vectors, true),
        StringFunction::Memchr => find::emit(assembler, vectors, Target::Byte),
        StringFunction::Strlen => find::emit(assembler, vectors, Target::Length),
        StringFunction::Strchr => find::emit(assembler, vectors, Target::ByteOrEnd),
        StringFunction::Strrchr => last::emit(assembler, vectors),
        StringFunction::Strcpy => string_copy::emit(assembler, vectors),
        StringFunction::Strncpy => string_copy::emit_bounded(assembler, vectors),
        StringFunction::Strcat => string_copy::emit_append(assembler, vectors),
        StringFunction::Strstr => substring::emit(assembler, vectors),
    }
}

/// The machine code of `function`, with any [`detail`].
pub fn string_kernel(function: StringFunction, vectors: Vectors, detail: u32) -> Result<Vec<u8>, IcedError> {
    let mut assembler = CodeAssembler::new(64)?;
    emit(&mut assembler, vectors, function, detail)?;
    assembler.assemble(0)
}
