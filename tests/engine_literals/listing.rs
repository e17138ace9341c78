//! The machine code that the engine makes of one function, as it is written to code memory.

use super::engine::{self, NoImports};
use super::recorder::{Written, record};
use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::Promotion;
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;
use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use std::fmt;

/// Bytes of a jump with a 32-bit distance.
const JUMP_BYTES: usize = 5;

/// The instructions of a function.
pub struct Listing(Vec<Mnemonic>);

impl Listing {
    /// Of the export `name`, specialised after calls with these arguments.
    pub fn of(cpu: CpuFeatures, wat: &str, name: &str, args: &[u64]) -> Self {
        let options = Options { promotion: Promotion::Boots, ..Options::default() };
        let mut first = engine::engine_on(cpu, wat, options, Profile::default());
        // It may trap.
        (0..200).for_each(|_| drop(engine::invoke(&mut first, name, args)));

        let written = Written::default();
        let platform = record(host::platform(cpu).expect("address space can be reserved"), &written);
        let bytes = wat::parse_str(wat).expect("it is well-formed").leak();
        let mut second = Engine::new(bytes, platform, Box::new(NoImports), options, first.learned()).expect("it runs");
        second.warm_up();
        assert_eq!(second.statistics().functions_specialised, 1);
        // A function comes behind the kernels that it calls, and then jumps to it.
        let written = written.borrow();
        let code = written.iter().rfind(|bytes| bytes.len() > JUMP_BYTES).expect("a function was written");
        Self(
            Decoder::new(64, code, DecoderOptions::NONE)
                .into_iter()
                .map(|instruction| instruction.mnemonic())
                .collect(),
        )
    }

    /// Whether it compares vectors on the straight way to its end, without a call.
    pub fn compares_before_it_calls(&self) -> bool {
        let end = self.0.iter().position(|mnemonic| *mnemonic == Mnemonic::Ret).expect("a function returns");
        let has = |wanted| self.0[..end].contains(&wanted);
        (has(Mnemonic::Pmovmskb) || has(Mnemonic::Vpmovmskb)) && !has(Mnemonic::Call)
    }

    pub fn calls(&self) -> usize {
        self.count(&[Mnemonic::Call])
    }

    /// How many branches compare unsigned numbers: tests of bounds do.
    pub fn unsigned_branches(&self) -> usize {
        self.count(&[Mnemonic::Ja, Mnemonic::Jae, Mnemonic::Jb, Mnemonic::Jbe])
    }

    fn count(&self, which: &[Mnemonic]) -> usize {
        self.0.iter().filter(|mnemonic| which.contains(mnemonic)).count()
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|mnemonic| write!(f, "{mnemonic:?} "))
    }
}
