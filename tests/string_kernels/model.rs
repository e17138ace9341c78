//! What the functions do, byte by byte, as the bodies of the libc do it.

use bareflow::engine::specialise::strings::StringFunction;

/// Memory from offset 0 to its end, behind which nothing may be touched.
pub struct Model<'a>(pub &'a mut [u8]);

/// The answer of a call that stays inside memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A difference of bytes.
    Difference(i32),
    Length(u64),
    /// The offset of what was found, or NULL.
    Found(Option<usize>),
    /// Only memory changes.
    Nothing,
}

impl Model<'_> {
    /// The answer, or none if the function leaves memory.
    pub fn call(&mut self, function: StringFunction, first: usize, second: usize, third: usize) -> Option<Answer> {
        match function {
            StringFunction::Memcmp => {
                self.reach(first, third)?;
                self.reach(second, third)?;
                self.compare(first, second, third, false)
            }
            StringFunction::Strcmp => self.compare(first, second, usize::MAX, true),
            StringFunction::Strncmp => self.compare(first, second, third, true),
            StringFunction::Memchr => self.memchr(first, second as u8, third),
            StringFunction::Strlen => Some(Answer::Length((self.end_of(first)? - first) as u64)),
            StringFunction::Strchr => self.strchr(first, second as u8),
            StringFunction::Strrchr => self.strrchr(first, second as u8),
            StringFunction::Strcpy => self.copy(first, second, usize::MAX),
            StringFunction::Strncpy => self.copy(first, second, third),
            StringFunction::Strcat => self.copy(self.end_of(first)?, second, usize::MAX),
            StringFunction::Strstr => self.strstr(first, second),
        }
    }

    /// Up to the terminator or the bound; then, with a bound, zeros.
    fn copy(&mut self, dst: usize, src: usize, bound: usize) -> Option<Answer> {
        let mut ended = false;
        for at in 0..bound {
            let byte = if ended { 0 } else { self.byte(src + at)? };
            *self.0.get_mut(dst + at)? = byte;
            ended |= byte == 0;
            if ended && bound == usize::MAX {
                break;
            }
        }
        Some(Answer::Nothing)
    }

    fn strrchr(&self, at: usize, byte: u8) -> Option<Answer> {
        let end = self.end_of(at)?;
        Some(Answer::Found((at..=end).rev().find(|at| self.0[*at] == byte)))
    }

    fn strstr(&self, at: usize, part: usize) -> Option<Answer> {
        for start in at.. {
            let mut matched = 0;
            loop {
                let wanted = self.byte(part + matched)?;
                if wanted == 0 {
                    return Some(Answer::Found(Some(start)));
                }
                if self.byte(start + matched)? != wanted {
                    break;
                }
                matched += 1;
            }
            if self.byte(start)? == 0 {
                break;
            }
        }
        Some(Answer::Found(None))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    /// Whether all bytes of a block are there.
    fn reach(&self, at: usize, bytes: usize) -> Option<()> {
        (bytes == 0 || at.checked_add(bytes)? <= self.0.len()).then_some(())
    }

    fn end_of(&self, at: usize) -> Option<usize> {
        Some(at + self.0.get(at..)?.iter().position(|byte| *byte == 0)?)
    }

    fn compare(&self, a: usize, b: usize, bound: usize, terminated: bool) -> Option<Answer> {
        for at in 0..bound {
            let (first, second) = (self.byte(a + at)?, self.byte(b + at)?);
            if first != second {
                return Some(Answer::Difference(i32::from(first) - i32::from(second)));
            }
            if terminated && first == 0 {
                break;
            }
        }
        Some(Answer::Difference(0))
    }

    fn memchr(&self, at: usize, byte: u8, bound: usize) -> Option<Answer> {
        for at in at..at + bound {
            if self.byte(at)? == byte {
                return Some(Answer::Found(Some(at)));
            }
        }
        Some(Answer::Found(None))
    }

    fn strchr(&self, at: usize, byte: u8) -> Option<Answer> {
        for at in at.. {
            let seen = self.byte(at)?;
            if seen == byte {
                return Some(Answer::Found(Some(at)));
            }
            if seen == 0 {
                break;
            }
        }
        Some(Answer::Found(None))
    }
}
