//! Sending what a program leaves: what is in a directory over the second serial port, as a tar archive, and a core dump over the
//! third.
//!
//! Each port is one's own for it, so that nothing has to be encoded or told apart from what is said, and it is there in every
//! virtual machine; a disk would have to be known not to be somebody's. Key functions: [`send`], [`send_core_dump`].

use alloc::rc::Rc;
use core::cell::RefCell;

use super::devices::serial_to_send;
use crate::drivers::serial::SendOnly;
use crate::engine::seams::{HostFunction, Imports, Stop};
use crate::engine::{Engine, Trap};
use crate::session::core_dump;
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
    let Some(mut port) = serial_to_send(SendOnly::Second) else {
        return say(format_args!("out={path}: there is no second serial port to send it to"));
    };
    let Some(exported) = wasi.export(path, &mut |bytes| port.write_bytes(bytes)) else {
        return say(format_args!("out={path}: the program has removed it"));
    };
    say_dropped(port.dropped(), format_args!("out={path}"), "second", say);
    if exported.left_out > 0 {
        say(format_args!("out={path}: {} names with paths too long are left out", exported.left_out));
    }
}

/// Sends what the program `name` was when it ended by `trap`, and says what became of it.
pub fn send_core_dump(engine: &mut Engine, trap: &Trap, name: &str, say: &dyn Fn(core::fmt::Arguments<'_>)) {
    let Some(mut port) = serial_to_send(SendOnly::Third) else {
        return say(format_args!("coredump: there is no third serial port to send it to"));
    };
    if let Err(error) = core_dump::write(engine, trap, name, &mut |bytes| port.write_bytes(bytes)) {
        say(format_args!("coredump: {error}"));
    }
    say_dropped(port.dropped(), format_args!("coredump"), "third", say);
}

/// Says that so many `bytes` of `what` were lost over the `ordinal` serial port, if any were.
fn say_dropped(bytes: u64, what: core::fmt::Arguments<'_>, ordinal: &str, say: &dyn Fn(core::fmt::Arguments<'_>)) {
    if bytes > 0 {
        say(format_args!("{what}: {bytes} bytes were not taken at the other end of the {ordinal} serial port"));
    }
}
