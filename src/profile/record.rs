//! The records of a profile.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// xxh3-64 of a module's bytes or of a function's type and body.
pub type Hash = u64;

/// Everything remembered about one program, across boots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Profile {
    /// Hash of the module that ran last.
    pub program: Hash,
    /// Feature bits of the CPU that ran it last (`engine::cpu`); informative, since code is never stored.
    pub cpu: u64,
    /// How many boots the counts below stand for, in thousandths; it ages as they do, so that a count divided by it is
    /// an average per boot.
    pub boots_observed: u64,
    /// One record per function ever seen, sorted by key.
    pub functions: Vec<FunctionRecord>,
    /// One row per boot, oldest first.
    pub boots: Vec<BootRow>,
}

/// One boot in the unit of [`Profile::boots_observed`].
pub const ONE_BOOT: u64 = 1000;

/// Names a function across rebuilds of its program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionKey {
    /// Hash of the function's type and body.
    pub hash: Hash,
    /// Distinguishes functions of one module with equal bodies: 0 for the first.
    pub ordinal: u32,
}

/// What was seen of one function.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FunctionRecord {
    pub key: FunctionKey,
    /// Saturating count of calls.
    pub calls: u64,
    /// Ticks attributed by sampling.
    pub ticks: u64,
    /// Of a libc function: calls of its own body, and ticks attributed to them. The others were specialised away.
    pub generic_calls: u64,
    pub generic_ticks: u64,
    /// Machine code of its newest version; 0 if it was not compiled in the last boot that saw it.
    pub code_bytes: u64,
    /// Executions of each counted basic block (loop headers and arms of conditionals), in body order.
    pub blocks: Vec<u64>,
    /// One record per site, in body order.
    pub sites: Vec<SiteRecord>,
}

/// What kind of value a site remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SiteKind {
    /// Size in bytes of a memory copy, move, fill or comparison.
    Size,
    /// Function index in the program that an indirect call reached.
    Target,
}

/// What was seen at one site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SiteRecord {
    pub kind: SiteKind,
    /// The libc function that takes the size.
    pub callee: Option<FunctionKey>,
    pub values: ValueHistogram,
    /// OR of the addresses passed: its trailing zeros are the alignment common to all calls.
    pub address_bits: u64,
    /// Calls of the newest code that took a specialised path, in the last boot that ran the function.
    pub guards_passed: u64,
    /// Of the same calls, those that its guards sent to the generic path.
    pub guards_failed: u64,
    /// What the newest code is specialised for, in the order of its tests; at most [`ValueHistogram::SLOTS`].
    pub chosen: Vec<u64>,
    /// Of `guards_passed`, those of each of these paths.
    pub passes: Vec<u64>,
    /// What the code was specialised for until too few calls passed, or other values were better, sorted by value.
    pub dropped: Vec<Dropped>,
}

impl SiteRecord {
    /// A site that saw no call.
    pub fn unseen(kind: SiteKind) -> Self {
        Self {
            kind,
            callee: None,
            values: ValueHistogram::default(),
            address_bits: 0,
            guards_passed: 0,
            guards_failed: 0,
            chosen: Vec::new(),
            passes: Vec::new(),
            dropped: Vec::new(),
        }
    }
}

/// A value that has lost its path, whatever the histogram says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dropped {
    pub value: u64,
    /// Its share of all values, in thousandths, when that was found out.
    pub share: u32,
}

/// The most frequent exact values with their counts: [`super::histogram`] says how exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ValueHistogram {
    /// Distinct values, most frequent first: at most [`ValueHistogram::SLOTS`], but all that any of them had in one that was
    /// merged and not narrowed since.
    pub slots: Vec<ValueCount>,
    /// Count of all values recorded, saturating.
    pub total: u64,
    /// How often a value without a slot may have been seen.
    pub floor: u64,
}

/// One value and how often it was seen at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCount {
    pub value: u64,
    pub count: u64,
}

/// One boot: the columns of the report and of `boots.csv`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BootRow {
    /// 1 for the first boot recorded on this store.
    pub boot: u64,
    /// Generation of the store that this boot started from; 0 when it was empty or missing.
    pub generation: u64,
    pub program: String,
    pub exit_code: i32,
    /// Kernel entry to the first program instruction.
    pub ticks_boot: u64,
    /// The program's run, compiling excluded.
    pub ticks_program: u64,
    pub ticks_compile: u64,
    /// Of the program's run, writing to serial line and screen; 0 where the operating system does that.
    pub ticks_console: u64,
    /// Of `ticks_boot`, reading and placing what earlier boots left.
    pub ticks_load: u64,
    /// Compiling for the next boot, after the program's end.
    pub ticks_prepare: u64,
    /// Everything since the kernel or the process was entered: in a report to its end, in a profile to saving it.
    pub ticks_total: u64,
    pub functions_total: u64,
    pub functions_called: u64,
    /// Functions whose newest code is of this tier.
    pub functions_baseline: u64,
    pub functions_optimised: u64,
    pub functions_specialised: u64,
    pub functions_compiled_this_boot: u64,
    /// Functions whose code an earlier boot left: used as it was, and not used since something that it depends on differs.
    pub code_loaded: u64,
    pub code_rejected: u64,
    pub code_bytes: u64,
    /// Encoded size of the profile that this boot started from.
    pub profile_bytes: u64,
    pub guards_passed: u64,
    pub guards_failed: u64,
    /// C functions that the libc offers, and of those the ones that were compiled.
    pub libc_functions_total: u64,
    pub libc_functions_compiled: u64,
    /// Machine code of the libc: compiled functions, those behind the C functions included, and kernels.
    pub libc_code_bytes: u64,
}

impl BootRow {
    /// Ticks of `ticks_total` that went neither into the program nor into the compiler.
    pub fn ticks_beside(&self) -> u64 {
        let Self { ticks_program, ticks_compile, ticks_prepare, ticks_total, .. } = *self;
        [ticks_program, ticks_compile, ticks_prepare].into_iter().fold(ticks_total, u64::saturating_sub)
    }
}
