//! The face's progress, for all who tell of theirs: the engine, and the store before and after it.
//!
//! Key type: [`Shared`].

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;
use core::ops::Range;

use crate::engine::seams::{Progress, Ticks, Work};
use crate::store::Transfer;

pub struct Shared {
    progress: Rc<RefCell<Box<dyn Progress>>>,
    ticks: Rc<dyn Ticks>,
}

impl Shared {
    pub fn new(progress: Box<dyn Progress>, ticks: &Rc<dyn Ticks>) -> Self {
        Self { progress: Rc::new(RefCell::new(progress)), ticks: Rc::clone(ticks) }
    }

    /// For the engine.
    pub fn for_engine(&self) -> Box<dyn Progress> {
        Box::new(OfEngine(Rc::clone(&self.progress)))
    }

    /// For the store.
    pub fn of_transfers(&self) -> impl FnMut(Transfer, u64, u64) + use<> {
        let (progress, ticks) = (Rc::clone(&self.progress), Rc::clone(&self.ticks));
        let mut started = 0;
        move |transfer, done, all| {
            let now = ticks.now();
            if done == 0 {
                started = now;
            }
            let work = match transfer {
                Transfer::Reading => Work::Loading,
                Transfer::Writing => Work::Saving,
            };
            progress.borrow_mut().advanced(work, done, all, now.saturating_sub(started));
        }
    }
}

struct OfEngine(Rc<RefCell<Box<dyn Progress>>>);

impl Progress for OfEngine {
    fn advanced(&mut self, work: Work, done: u64, all: u64, ticks: u64) {
        self.0.borrow_mut().advanced(work, done, all, ticks);
    }

    fn placed(&mut self, range: Range<u64>, name: &dyn Fn() -> String) {
        self.0.borrow_mut().placed(range, name);
    }
}
