//! Saying how far long work is, on serial line and screen.

use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;
use core::ops::Range;

use super::terminal::Terminal;
use crate::drivers::clock::Clock;
use crate::engine::seams::{Progress, Work};
use crate::session::pace::{Pace, words};

pub struct Lines {
    terminal: Rc<RefCell<Terminal>>,
    clock: Rc<Clock>,
    pace: Pace,
}

impl Lines {
    pub fn new(terminal: Rc<RefCell<Terminal>>, clock: Rc<Clock>) -> Self {
        Self { terminal, clock, pace: Pace::LOG }
    }
}

impl Progress for Lines {
    fn advanced(&mut self, work: Work, done: u64, all: u64, ticks: u64) {
        let writes = self.terminal.borrow().writes();
        if self.pace.is_due(work, ticks, writes, || self.clock.hz() / 2) {
            self.terminal.borrow_mut().say(format_args!("{}", words(work, done, all)));
            self.pace.said(self.terminal.borrow().writes());
        }
    }

    fn placed(&mut self, _: Range<u64>, _: &dyn Fn() -> String) {}
}
