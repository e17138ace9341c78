//! The contracts of the libc, with the module run as it is by an interpreter.

#[path = "common/libc_suite/mod.rs"]
#[macro_use]
mod libc_suite;

use bareflow::libc::{CHECKED_MODULE, MODULE};
use libc_suite::{INITIAL_PAGES, LibcUnderTest, MAXIMUM_PAGES};
use wasmi::{Engine, Instance, Linker, Memory, MemoryType, Module, Store, Val};

libc_contracts!(Interpreted::new(INITIAL_PAGES, MAXIMUM_PAGES));

mod with_the_heap_that_checks {
    use super::*;
    checked_heap_contracts!(Interpreted::of(CHECKED_MODULE, INITIAL_PAGES, MAXIMUM_PAGES));
}

/// The libc run by wasmi.
struct Interpreted {
    store: Store<()>,
    memory: Memory,
    instance: Instance,
}

impl Interpreted {
    fn new(initial_pages: u32, maximum_pages: u32) -> Self {
        Self::of(MODULE, initial_pages, maximum_pages)
    }

    fn of(module: &[u8], initial_pages: u32, maximum_pages: u32) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, module).expect("the libc is valid");
        let mut store = Store::new(&engine, ());
        let memory = Memory::new(&mut store, MemoryType::new(initial_pages, Some(maximum_pages))).expect("memory fits");
        let mut linker = Linker::new(&engine);
        linker.define("program", "memory", memory).expect("one memory is defined");
        let instance = linker.instantiate_and_start(&mut store, &module).expect("the libc imports memory only");
        Self { store, memory, instance }
    }
}

impl LibcUnderTest for Interpreted {
    fn call(&mut self, name: &str, args: &[i32]) -> i32 {
        let function = self.instance.get_func(&self.store, name).expect("the libc exports its functions");
        let args: Vec<Val> = args.iter().map(|arg| Val::I32(*arg)).collect();
        let mut result = [Val::I32(0)];
        let results = function.ty(&self.store).results().len();
        let outcome = function.call(&mut self.store, &args, &mut result[..results]);
        outcome.unwrap_or_else(|trap| panic!("{name}{args:?}: {trap}"));
        result[0].i32().expect("the libc returns i32")
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn grow(&mut self, pages: u32) {
        self.memory.grow(&mut self.store, pages.into()).expect("below the maximum");
    }
}

#[test]
fn the_heap_may_begin_at_address_zero() {
    let mut libc = Interpreted::new(0, 4);
    let block = libc.call("malloc", &[100]);
    assert!(block > 0 && libc.memory().len() == 65536);
    libc.call("free", &[block]);
    assert_eq!(libc.call("malloc", &[100]), block);
}

#[test]
fn calls_outside_memory_trap() {
    let outside = std::panic::catch_unwind(|| Interpreted::new(1, 1).call("memcpy", &[65000, 0, 1000]));
    assert!(outside.is_err());
}
