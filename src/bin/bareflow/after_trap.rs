//! What there is for somebody whose program ended by a trap: lines of its source, and a core dump.

use anyhow::{Context, Result};
use bareflow::engine::{Engine, Trap};
use bareflow::host::memory;
use bareflow::host::output::Output;
use bareflow::session::core_dump;
use bareflow::session::source_lines::{Means, described_code, tell};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::status::complain;

pub struct AfterTrap {
    pub program: PathBuf,
    /// The module as it was run, which is without what only debuggers want.
    pub module: &'static [u8],
    pub core_dump: Option<PathBuf>,
    /// What the program wrote, which comes before complaints.
    pub output: Output,
}

impl AfterTrap {
    pub fn trapped(&self, engine: &mut Engine, trap: &mut Trap) {
        self.find_lines(engine, trap);
        if let Some(path) = &self.core_dump
            && let Err(error) = self.dump(path, engine, trap)
        {
            self.output.flush();
            complain(format_args!("{error:#}"));
        }
    }

    /// Has the trap say where in the source it was. The module is read once more, if it is still the same.
    fn find_lines(&self, engine: &Engine, trap: &mut Trap) {
        let module = fs::read(&self.program).map_or(Cow::Borrowed(self.module), Cow::Owned);
        let Some(code) = described_code(&module) else { return };
        if module.get(..code.end) == self.module.get(..code.end) {
            let means = Means { free_bytes: memory::free(), now: &|| engine.now() };
            tell(&module, &mut trap.backtrace, &means);
        }
    }

    fn dump(&self, path: &Path, engine: &mut Engine, trap: &Trap) -> Result<()> {
        let failed = || format!("cannot write the core dump {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(failed)?);
        let (name, mut written) = (self.program.to_string_lossy(), Ok(()));
        let dumped = core_dump::write(engine, trap, &name, &mut |bytes| {
            if written.is_ok() {
                written = file.write_all(bytes);
            }
        });
        written.and_then(|()| file.flush()).with_context(failed)?;
        dumped.with_context(failed)
    }
}
