//! Telling the face of machine code, and how far compiling is.

use alloc::string::String;

use crate::engine::code::space::Piece;
use crate::engine::decode::program::FuncId;
use crate::engine::seams::Work;
use crate::engine::{Engine, Rest};

impl Engine {
    /// Tells of the code that was placed since the last time, and of all compiling so far.
    pub(in crate::engine) fn tell_of_code(&mut self) {
        let Self { code, program, platform: Rest { progress, .. }, .. } = self;
        let placed = code.placed();
        for placed in &placed[self.told.min(placed.len())..] {
            progress.placed(placed.range.clone(), &|| match placed.piece {
                Piece::Function(id) => program.name(FuncId(id)),
                Piece::Kernel(id) => id.name(),
                Piece::Wrapper(_) => String::from("call by the engine"),
            });
        }
        self.told = placed.len();
        let compiled = self.statistics.functions_compiled;
        progress.advanced(Work::Compiling, compiled, program.functions.len() as u64, self.statistics.ticks_compile);
    }
}
