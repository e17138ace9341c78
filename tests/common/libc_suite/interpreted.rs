//! The libc's module as it is, run by wasmi.

use super::LibcUnderTest;
use wasmi::{Config, Engine, F32, F64, Instance, Linker, Memory, MemoryType, Module, Store, Val, ValType};

pub struct Interpreted {
    store: Store<()>,
    memory: Memory,
    instance: Instance,
}

impl Interpreted {
    pub fn new(initial_pages: u32, maximum_pages: u32) -> Self {
        Self::of(bareflow::libc::MODULE, initial_pages, maximum_pages)
    }

    /// Another module with the same exports.
    pub fn of(module: &[u8], initial_pages: u32, maximum_pages: u32) -> Self {
        let engine = Engine::new(Config::default().consume_fuel(true));
        let module = Module::new(&engine, module).expect("the libc is valid");
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX).expect("the engine counts fuel");
        let memory = Memory::new(&mut store, MemoryType::new(initial_pages, Some(maximum_pages))).expect("memory fits");
        let mut linker = Linker::new(&engine);
        linker.define("program", "memory", memory).expect("one memory is defined");
        let instance = linker.instantiate_and_start(&mut store, &module).expect("the libc imports memory only");
        Self { store, memory, instance }
    }

    /// [`call`](LibcUnderTest::call), and how many instructions it took, as wasmi counts them.
    pub fn call_counted(&mut self, name: &str, args: &[i32]) -> (i32, u64) {
        let before = self.fuel();
        let result = self.call(name, args);
        (result, before - self.fuel())
    }

    fn fuel(&self) -> u64 {
        self.store.get_fuel().expect("the engine counts fuel")
    }
}

impl LibcUnderTest for Interpreted {
    fn call_words(&mut self, name: &str, args: &[u64]) -> u64 {
        let function = self.instance.get_func(&self.store, name).expect("the libc exports its functions");
        let ty = function.ty(&self.store);
        let args: Vec<Val> = ty.params().iter().zip(args).map(|(ty, word)| value(*ty, *word)).collect();
        let mut result = [Val::I32(0)];
        let outcome = function.call(&mut self.store, &args, &mut result[..ty.results().len()]);
        outcome.unwrap_or_else(|trap| panic!("{name}{args:?}: {trap}"));
        word(&result[0])
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn grow(&mut self, pages: u32) {
        self.memory.grow(&mut self.store, pages.into()).expect("below the maximum");
    }
}

fn value(ty: ValType, word: u64) -> Val {
    match ty {
        ValType::I32 => Val::I32(word as u32 as i32),
        ValType::F32 => Val::F32(F32::from_bits(word as u32)),
        ValType::F64 => Val::F64(F64::from_bits(word)),
        _ => panic!("the libc takes no {ty:?}"),
    }
}

fn word(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::F32(value) => u64::from(value.to_bits()),
        Val::F64(value) => value.to_bits(),
        _ => panic!("the libc returns no {value:?}"),
    }
}
