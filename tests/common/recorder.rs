//! Code memory that keeps what is written to it.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use bareflow::engine::Platform;
use bareflow::engine::seams::{CodeMemory, OutOfMemory};

/// Each piece of code written, in order.
pub type Written = Rc<RefCell<Vec<Vec<u8>>>>;

struct Recorder {
    memory: Box<dyn CodeMemory>,
    written: Written,
}

impl CodeMemory for Recorder {
    fn base(&self) -> u64 {
        self.memory.base()
    }

    fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.written.borrow_mut().push(bytes.to_vec());
        self.memory.write(offset, bytes)
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.memory.bytes(range)
    }
}

/// Has `written` keep what is written to the code memory of `platform`.
pub fn record(mut platform: Platform, written: &Written) -> Platform {
    platform.code = Box::new(Recorder { memory: platform.code, written: Rc::clone(written) });
    platform
}
