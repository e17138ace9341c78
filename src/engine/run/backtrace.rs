//! The calls that were active when the program ended, in WebAssembly terms.
//!
//! A stack can hold millions of calls: equal ones in a row are one frame that says how many they are, and of the frames
//! the innermost and the outermost are kept. Key types: [`Backtrace`], and [`Trace`], which makes one while the stack is
//! walked. Neighbours: `run` walks, `trap` shows.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// Most frames kept of the innermost calls, and of the outermost.
const INNERMOST: usize = 24;
const OUTERMOST: usize = 8;

/// Frames, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backtrace {
    frames: Vec<TraceFrame>,
    /// Calls left out behind the first [`INNERMOST`] frames.
    left_out: u64,
}

/// One call that was active, or several in a row from the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFrame {
    pub function: String,
    /// Its number in the program's module; none for what the program knows nothing of.
    pub index: Option<u32>,
    /// Offset in the module, as `wasm-objdump -d` shows it.
    pub offset: Option<u32>,
    /// Where its body begins in the program's module, if that is where it is from.
    pub body_start: Option<u32>,
    pub times: u64,
    /// Where this is in the program's source, in lines for people, if somebody knows.
    pub source: Vec<String>,
}

impl Deref for Backtrace {
    type Target = [TraceFrame];

    fn deref(&self) -> &[TraceFrame] {
        &self.frames
    }
}

impl DerefMut for Backtrace {
    fn deref_mut(&mut self) -> &mut [TraceFrame] {
        &mut self.frames
    }
}

/// One line per frame, each below the last, and those about its source below it.
impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut depth = 0;
        for (index, frame) in self.frames.iter().enumerate() {
            if index == INNERMOST && self.left_out > 0 {
                write!(f, "\n  ... {} more calls", self.left_out)?;
                depth += self.left_out;
            }
            write!(f, "\n  {depth}: {}", frame.function)?;
            if let Some(offset) = frame.offset {
                write!(f, " @ {offset:#x}")?;
            }
            if frame.times > 1 {
                write!(f, ", {} times", frame.times)?;
            }
            for line in &frame.source {
                write!(f, "\n       {line}")?;
            }
            depth += frame.times;
        }
        Ok(())
    }
}

/// A backtrace in the making.
#[derive(Default)]
pub(in crate::engine) struct Trace {
    innermost: Vec<Run>,
    outermost: VecDeque<Run>,
    left_out: u64,
}

/// Calls in a row from the same instruction.
struct Run {
    pc: u64,
    times: u64,
}

impl Trace {
    /// Adds the call outside of those so far.
    pub fn push(&mut self, pc: u64) {
        if let Some(last) = self.outermost.back_mut().or(self.innermost.last_mut())
            && last.pc == pc
        {
            last.times += 1;
            return;
        }
        let run = Run { pc, times: 1 };
        if self.innermost.len() < INNERMOST {
            self.innermost.push(run);
            return;
        }
        self.outermost.push_back(run);
        if self.outermost.len() > OUTERMOST
            && let Some(run) = self.outermost.pop_front()
        {
            self.left_out += run.times;
        }
    }

    /// The backtrace, for which `frame` tells what is known of an instruction.
    pub fn finish(self, frame: impl Fn(u64) -> Option<TraceFrame>) -> Backtrace {
        let runs = self.innermost.into_iter().chain(self.outermost);
        let frames = runs.filter_map(|Run { pc, times }| Some(TraceFrame { times, ..frame(pc)? }));
        Backtrace { frames: frames.collect(), left_out: self.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    /// The backtrace of calls at these places.
    fn trace(places: impl IntoIterator<Item = u64>) -> Backtrace {
        let mut trace = Trace::default();
        places.into_iter().for_each(|place| trace.push(place));
        trace.finish(|place| {
            Some(TraceFrame { function: format!("f{place}"), offset: Some(place as u32), ..TraceFrame::default() })
        })
    }

    #[test]
    fn lines_of_the_source_stand_below_their_frame() {
        let mut trace = trace([1, 1, 2]);
        trace[0].source = vec!["one".into(), "two".into()];
        let expected = "\n  0: f1 @ 0x1, 2 times\n       one\n       two\n  2: f2 @ 0x2";
        assert_eq!(trace.to_string(), expected);
    }

    #[test]
    fn calls_in_a_row_are_one_frame_and_all_counted() {
        let calls = [1, 2].into_iter().chain(core::iter::repeat_n(3, 1_000_000)).chain([4]);
        let expected = "\n  0: f1 @ 0x1\n  1: f2 @ 0x2\n  2: f3 @ 0x3, 1000000 times\n  1000002: f4 @ 0x4";
        assert_eq!(trace(calls).to_string(), expected);
    }

    #[test]
    fn of_many_the_innermost_and_the_outermost_are_kept() {
        let alternating = (0..999).map(|call| call % 2).chain([7, 8, 9]);
        let trace = trace(alternating);
        assert_eq!((trace.len(), trace.left_out), (INNERMOST + OUTERMOST, 1002 - 32));
        assert_eq!(trace.last().map(|frame| &*frame.function), Some("f9"));
        let shown = trace.to_string();
        assert!(shown.contains("\n  23: f1 @ 0x1\n  ... 970 more calls\n  994: f0"), "{shown}");
        assert!(shown.ends_with("\n  999: f7 @ 0x7\n  1000: f8 @ 0x8\n  1001: f9 @ 0x9"), "{shown}");
    }

    #[test]
    fn nothing_is_left_out_of_few() {
        let trace = trace(0..32);
        assert_eq!((trace.len(), trace.left_out), (32, 0));
    }
}
