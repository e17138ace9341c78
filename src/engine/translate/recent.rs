//! Values that are used again while a register holds them, the address of state memory first of all.

use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Type, Value, types};

use super::Translator;

/// A value that is used again as long as a register is likely to hold it: in its block, up to the next call.
#[derive(Clone, Copy)]
pub struct Recent {
    pub value: Value,
    block: Block,
    calls_made: u32,
}

impl Translator<'_> {
    pub fn recent(&self, value: Value) -> Option<Recent> {
        let block = self.builder.current_block()?;
        Some(Recent { value, block, calls_made: self.calls_made })
    }

    pub fn is_current(&self, recent: Recent) -> bool {
        self.builder.current_block() == Some(recent.block) && self.calls_made == recent.calls_made
    }

    /// Has what is in registers computed again from here on: after a call, it would take registers that calls keep, or slots.
    pub fn forget_registers(&mut self) {
        self.calls_made += 1;
    }

    pub fn state_flags(&self) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.state_region))
    }

    /// The address of state memory: a symbol, which Cranelift makes once for all the code below, or where it would take a
    /// register away from a loop that seldom needs it, a constant, which it makes again in each block.
    pub fn state_address(&mut self) -> Value {
        if self.is_holding() || self.is_cold() {
            return self.builder.ins().iconst(types::I64, self.state_base as i64);
        }
        match self.state_recent {
            Some(recent) if self.is_current(recent) => recent.value,
            _ => {
                let address = self.builder.ins().symbol_value(types::I64, self.state);
                self.state_recent = self.recent(address);
                address
            }
        }
    }

    pub fn load_state(&mut self, ty: Type, offset: i32) -> Value {
        let (base, flags) = (self.state_address(), self.state_flags());
        self.builder.ins().load(ty, flags, base, offset)
    }

    pub fn store_state(&mut self, value: Value, offset: i32) {
        let (base, flags) = (self.state_address(), self.state_flags());
        self.builder.ins().store(flags, value, base, offset);
    }
}
