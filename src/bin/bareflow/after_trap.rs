//! What there is for somebody whose program ended by a trap: lines of its source, and a core dump.

use anyhow::{Context, Result};
use bareflow::engine::{Engine, Trap};
use bareflow::host::core_dump;
use bareflow::host::output::Output;
use bareflow::host::source_lines::SourceLines;
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
        self.find_lines(trap);
        if let Some(path) = &self.core_dump
            && let Err(error) = self.dump(path, engine, trap)
        {
            self.output.flush();
            complain(format_args!("{error:#}"));
        }
    }

    /// Has the trap say where in the source it was. The module is read once more, if it is still the same.
    fn find_lines(&self, trap: &mut Trap) {
        let module = fs::read(&self.program).map_or(Cow::Borrowed(self.module), Cow::Owned);
        let Some(lines) = SourceLines::of(&module) else { return };
        if module.get(..lines.code().end) != self.module.get(..lines.code().end) {
            return;
        }
        for frame in trap.backtrace.iter_mut().filter(|frame| frame.body_start.is_some()) {
            frame.source = frame.offset.map(|offset| lines.at(offset)).unwrap_or_default();
        }
    }

    fn dump(&self, path: &Path, engine: &mut Engine, trap: &Trap) -> Result<()> {
        let failed = || format!("cannot write the core dump {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(failed)?);
        let name = self.program.to_string_lossy();
        core_dump::write(&mut file, engine, trap, &name).and_then(|()| file.flush()).with_context(failed)
    }
}
