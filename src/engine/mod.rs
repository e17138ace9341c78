//! The engine: decodes a program, translates, instruments, tiers, specialises, compiles, links and runs it.
//!
//! Key types: [`Engine`] (one program on one face), [`Platform`] (what the face supplies), [`Options`], [`Ending`].
//! Its rooms stand below in order: each names only those after it. `tests/layers.rs` holds them to that. `run` runs what `link`
//! made of modules, and answers compiled code; `cache` takes over the code of earlier boots; `observe` says what was seen,
//! `decide` what is made of it; `translate`, `code` and `specialise` lead from a body to machine code, `decode` from bytes to
//! bodies. Neighbours: the faces above implement `seams`; `libc` and `profile` below are data.

mod run;

mod link;

mod cache;

mod observe;

pub mod decide;

mod translate;

mod code;

pub mod specialise;

pub mod decode;

pub mod cpu;
mod layout;
mod names;
mod registers;
mod room;
pub mod seams;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem::size_of;
use core::ops::Range;

use crate::libc::{Heap, Interpose, Interposed};
use crate::profile::Profile;
use cache::CacheState;
use code::compile::{CodegenError, Compiler};
use code::space::CodeSpace;
use cpu::CpuFeatures;
use decide::tier::{Promotion, Thresholds, Tier};
use decode::module::ModuleError;
use decode::program::{FuncId, Program};
use layout::StateAllocator;
use link::Linked;
use observe::site::SiteState;
use seams::{CallStack, CodeMemory, Imports, LinearMemory, OutOfMemory, Progress, StateMemory, Ticks};
use translate::TranslateError;

pub use cache::Prepared;
pub use run::Value;
pub use run::backtrace::{Backtrace, TraceFrame};
pub use run::entry::Entry;
pub use run::listing::{Listing, Status};
pub use run::stack::{StackSize, StackSizeError};
use run::throw::Thrown;
use run::trap::Pending;
pub use run::trap::{Activation, Ending, Fault, Trap, TrapKind};

/// What the face supplies.
pub struct Platform {
    pub code: Box<dyn CodeMemory>,
    pub state: Box<dyn StateMemory>,
    /// The program's first memory.
    pub memory: Box<dyn LinearMemory>,
    /// Makes one more memory; its base is never `Zero`.
    pub another_memory: Box<dyn FnMut() -> Result<Box<dyn LinearMemory>, OutOfMemory>>,
    /// Code and state have the addresses that they have at every start.
    pub addresses_are_fixed: bool,
    pub stack: CallStack,
    pub ticks: Rc<dyn Ticks>,
    pub cpu: CpuFeatures,
    /// Bytes of memory that can still be had.
    pub free_memory: fn() -> u64,
    /// Of these, how many the engine leaves to what cannot be refused: with less the program ends.
    pub reserve_bytes: u64,
    /// What the face's fault handler looks at.
    pub activation: &'static Activation,
    /// Tells the fault handler that code of this activation is about to run.
    pub arm: fn(&'static Activation),
    pub progress: Box<dyn Progress>,
}

/// A program's module.
#[derive(Clone, Copy)]
pub struct Source {
    pub bytes: &'static [u8],
    /// BLAKE3 of them, if that is known already.
    pub hash: Option<cache::image::ModuleName>,
}

impl From<&'static [u8]> for Source {
    fn from(bytes: &'static [u8]) -> Self {
        Self { bytes, hash: None }
    }
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub promotion: Promotion,
    /// Calls at which functions are promoted. Without them, in flight those for which it pays are, and between boots those that
    /// [`Thresholds::default`] promotes.
    pub thresholds: Option<Thresholds>,
    /// Compile nothing above this tier.
    pub highest: Tier,
    /// Compile everything in at least this tier, whatever the profile says. For tests and comparisons.
    pub lowest: Tier,
    pub heap: Heap,
    pub interpose: Interpose,
    /// What of the CPU is left unused, as if it did not have it.
    pub without: CpuFeatures,
    pub cache: Cache,
}

/// What becomes of the machine code that the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// It is used and kept.
    On,
    /// Everything is compiled, and nothing kept.
    Off,
    /// It is used, and compared with what the compiler makes now.
    Verify,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            promotion: Promotion::Flight,
            thresholds: None,
            highest: Tier::Specialised,
            lowest: Tier::Baseline,
            heap: Heap::Fast,
            interpose: Interpose::default(),
            without: CpuFeatures::empty(),
            cache: Cache::On,
        }
    }
}

/// Why a program does not start, or cannot go on for reasons that are not its own.
#[derive(Debug)]
pub enum EngineError {
    Module(ModuleError),
    /// What the program imports and nobody offers, as `module.name`.
    UnknownImports(Vec<String>),
    /// Offered under that name, but of another type.
    ImportType {
        name: String,
        wanted: String,
        offered: String,
    },
    /// No function of this name and kind is exported, but these that could be meant.
    NoEntry {
        name: String,
        others: Vec<&'static str>,
    },
    /// An exported function cannot be called with these arguments.
    Arguments {
        function: String,
        problem: String,
    },
    /// A data or element segment lies outside its memory or table.
    SegmentOutOfBounds {
        what: &'static str,
        index: usize,
    },
    /// A constant expression that is not supported.
    ConstantExpression {
        message: String,
    },
    /// Memory for `what` cannot be had.
    OutOfMemory {
        what: &'static str,
        bytes: u64,
    },
    /// Only a part of the reserve is left after this was done.
    ReserveOpened {
        by: String,
        free_bytes: u64,
        reserve_bytes: u64,
    },
    /// More linear memories than there is address space for, beside so many.
    TooManyMemories {
        most: usize,
    },
    Translate(TranslateError),
    Codegen(String),
}

/// Names that a message has of many.
const NAMES_SHOWN: usize = 3;

/// The first of `names`, and how many more there are.
pub fn first_of<S: AsRef<str>>(names: &[S]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMES_SHOWN));
    let shown: Vec<&str> = shown.iter().map(AsRef::as_ref).collect();
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    shown.join(", ") + &more
}

/// In the alternate form all names, however many they are.
impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(error) => write!(f, "{error}"),
            Self::UnknownImports(names) => {
                let names = if f.alternate() { names.join(", ") } else { first_of(names) };
                write!(
                    f,
                    "the program imports what is not offered: {names}; link it against wasi_snapshot_preview1 or libc only"
                )
            }
            Self::ImportType { name, wanted, offered } => {
                write!(f, "the program imports {name} as {wanted}, but it is {offered}; check its declaration")
            }
            Self::NoEntry { name, others } if others.is_empty() => {
                write!(f, "the program exports no function {name}; link it as a WASI command")
            }
            Self::NoEntry { name, others } => write!(
                f,
                "the program exports no function {name}; `bareflow run --invoke NAME` calls one that it does: {}",
                first_of(others)
            ),
            Self::Arguments { function, problem } => write!(f, "the function {function} {problem}"),
            Self::SegmentOutOfBounds { what, index } => {
                write!(f, "{what} segment {index} of the program does not fit; rebuild the program")
            }
            Self::ConstantExpression { message } => write!(f, "an initial value of the program is bad: {message}"),
            Self::OutOfMemory { what, bytes } => {
                write!(f, "not enough memory for {what}: {bytes} bytes wanted; give the machine more RAM")
            }
            Self::ReserveOpened { by, free_bytes, reserve_bytes } => write!(
                f,
                "not enough memory: {by} left {free_bytes} bytes, {reserve_bytes} are kept in reserve; give the machine \
                 more RAM"
            ),
            Self::TooManyMemories { most } => {
                write!(
                    f,
                    "the program has more than {most} linear memories, for which there is no address space; use fewer"
                )
            }
            Self::Translate(error) => write!(f, "{error}"),
            Self::Codegen(message) => write!(f, "the code generator failed: {message}"),
        }
    }
}

impl core::error::Error for EngineError {}

impl From<ModuleError> for EngineError {
    fn from(error: ModuleError) -> Self {
        Self::Module(error)
    }
}

impl From<TranslateError> for EngineError {
    fn from(error: TranslateError) -> Self {
        Self::Translate(error)
    }
}

impl From<CodegenError> for EngineError {
    fn from(error: CodegenError) -> Self {
        Self::Codegen(error.0)
    }
}

/// One program, compiled as it runs.
pub struct Engine {
    platform: Rest,
    imports: Box<dyn Imports>,
    options: Options,
    program: Program,
    compiler: Compiler,
    code: CodeSpace,
    allocator: StateAllocator,
    functions: Vec<FunctionState>,
    /// All code of functions that this boot has, oldest first, by where it is.
    tiers: Vec<(FuncId, Tier, u64)>,
    sites: Vec<SiteState>,
    linked: Linked,
    thrown: Thrown,
    /// Of how many pieces of machine code the face was told.
    told: usize,
    /// Why the program is to be abandoned.
    stop: Option<Pending>,
    /// What earlier boots learned.
    earlier: Profile,
    /// The mathematics and the functions behind them, once that was asked.
    behind_mathematics: Option<BTreeSet<FuncId>>,
    program_bytes: &'static [u8],
    cache: CacheState,
    statistics: Statistics,
}

/// The platform less what has its own owner here.
struct Rest {
    state: Box<dyn StateMemory>,
    /// By `MemoryId`.
    memories: Vec<Memory>,
    another_memory: Box<dyn FnMut() -> Result<Box<dyn LinearMemory>, OutOfMemory>>,
    stack: CallStack,
    ticks: Rc<dyn Ticks>,
    cpu: CpuFeatures,
    free_memory: fn() -> u64,
    reserve_bytes: u64,
    activation: &'static Activation,
    arm: fn(&'static Activation),
    progress: Box<dyn Progress>,
}

/// One linear memory.
struct Memory {
    memory: Box<dyn LinearMemory>,
    /// Most pages that it may have.
    most_pages: u64,
}

/// What the engine keeps about one function.
#[derive(Default)]
struct FunctionState {
    /// State offset of its counters, as `layout::function` says.
    counters: usize,
    /// The tier of its newest code; none before its first call.
    tier: Option<Tier>,
    /// Whether it had code of the baseline in this boot, which counts blocks.
    was_in_baseline: bool,
    /// Whether its newest code took the place of other code.
    was_promoted: bool,
    /// What is counted in it; none before its first call.
    observed: Option<Observed>,
    /// The libc's functions that it calls, by rising number, once that was looked for.
    libc_callees: Option<Vec<FuncId>>,
    /// Where among their records is what earlier boots saw of it.
    earlier: Option<usize>,
    /// Hashes of what its newest code is specialised for, and of the plan that it embodies.
    choices: u64,
    plan: u64,
    /// Functions whose calls its newest code does without.
    without: Vec<FuncId>,
    /// What a call takes of the stack, if that is much and code above the baseline takes less.
    large_frame_bytes: Option<u32>,
    /// Where its newest code is, and its size.
    address: u64,
    code_bytes: u64,
    /// Loops that became hot in this boot, and how many of them had when it was promoted last.
    hot_loops: u32,
    hot_loops_known: u32,
    /// Calls of a libc function that its callers' sites counted, since they did without it.
    calls_elsewhere: u64,
    /// Calls of its body before something else took its place in some callers, if it did.
    generic_calls: Option<u64>,
    /// Ticks attributed to it by sampling.
    ticks: u64,
}

/// Where the counters of a function are.
#[derive(Clone, Copy, Debug)]
struct Observed {
    /// State offset of the first block counter.
    blocks: usize,
    block_count: usize,
    first_site: usize,
    site_count: usize,
}

impl Observed {
    /// Words of state memory for so many blocks: their counters, and the number of rounds at which a loop asks for promotion.
    const fn words(blocks: usize) -> usize {
        if blocks == 0 { 0 } else { blocks + 1 }
    }

    /// Its sites, among all.
    const fn sites(&self) -> Range<usize> {
        self.first_site..self.first_site + self.site_count
    }

    /// State offset of that number.
    const fn rounds_threshold(&self) -> usize {
        self.blocks + self.block_count * size_of::<u64>()
    }
}

/// Sums over one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Ticks spent in the compiler.
    pub ticks_compile: u64,
    /// Ticks spent in the program, compiling excluded.
    pub ticks_program: u64,
    pub functions_total: u64,
    pub functions_called: u64,
    pub functions_baseline: u64,
    pub functions_optimised: u64,
    pub functions_specialised: u64,
    pub functions_compiled: u64,
    /// Bytes of WebAssembly in the bodies compiled, each time one was compiled, and of the machine code made of them.
    pub translated_bytes: u64,
    pub translated_code_bytes: u64,
    /// Tick at which the program was about to run its first instruction.
    pub first_instruction: Option<u64>,
    pub code_bytes: u64,
    pub guards_passed: u64,
    pub guards_failed: u64,
    /// C functions that the libc offers, and those of them that were compiled.
    pub libc_functions_total: u64,
    pub libc_functions_compiled: u64,
    /// Machine code of the libc: newest versions of its functions, those behind the C functions included, and kernels.
    pub libc_code_bytes: u64,
    pub interposed: Interposed,
    /// Functions whose code an earlier boot made, and those whose could not be used.
    pub code_loaded: u64,
    pub code_rejected: u64,
    /// Pieces of code that were made again and found to be the same.
    pub code_verified: u64,
    /// Ticks spent on taking it over.
    pub ticks_load: u64,
}
