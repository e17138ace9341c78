//! Sending what a program has left in a directory over the second serial port, as a tar archive.
//!
//! The port is one's own for it, so that nothing has to be encoded or told apart from what is said, and it is there in every
//! virtual machine; a disk would have to be known not to be somebody's. Key function: [`send`].

use alloc::rc::Rc;
use core::cell::RefCell;

use super::devices::second_serial;
use crate::engine::seams::{HostFunction, Imports, Stop};
use crate::wasi::Wasi;

/// What a program imports, for somebody who looks at it afterwards.
pub struct Shared(pub Rc<RefCell<Wasi<'static>>>);

impl Imports for Shared {
    fn find(&self, module: &str, name: &str) -> Option<HostFunction> {
        self.0.borrow().find(module, name)
    }

    fn call(&mut self, id: u32, args: &[u64], results: &mut [u64], memory: &mut [u8]) -> Result<(), Stop> {
        self.0.borrow_mut().call(id, args, results, memory)
    }
}

/// Sends what is in the directory `path`, and says what became of it.
pub fn send(wasi: &Wasi, path: &str, say: &dyn Fn(core::fmt::Arguments<'_>)) {
    let Some(mut port) = second_serial() else {
        return say(format_args!("out={path}: there is no second serial port to send it to"));
    };
    let Some(exported) = wasi.export(path, &mut |bytes| port.write_bytes(bytes)) else {
        return say(format_args!("out={path}: the program has removed it"));
    };
    if port.dropped() > 0 {
        say(format_args!(
            "out={path}: {} bytes were not taken at the other end of the second serial port",
            port.dropped()
        ));
    }
    if exported.left_out > 0 {
        say(format_args!("out={path}: {} names with paths too long are left out", exported.left_out));
    }
}
