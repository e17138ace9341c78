//! Locals: values where code is to be good, memory of the frame where it is to be made quickly.
//!
//! To find out which value a local has in which block, and to hand it from block to block, is most of what a body with many
//! blocks costs to compile, and quick code keeps these values in slots of the frame anyway. So in the baseline a local that
//! is assigned has one place there. What was put there or read last is used again up to the end of the block or the next
//! call, across which no register keeps it.
//!
//! Key type: [`Local`]. Neighbours: `variable` has the operators.

use alloc::vec;
use alloc::vec::Vec;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Type, Value, types};
use cranelift_frontend::Variable;
use wasmparser::{FunctionBody, Operator};

use super::{Recent, Refusal, Tier, Translator, machine_type};

/// Where the value of a local is.
pub enum Local {
    /// Nothing assigns it.
    Fixed(Value),
    Variable(Variable),
    /// In the frame, so far into the slot of locals.
    Slot {
        ty: Type,
        offset: i32,
        recent: Option<Recent>,
    },
}

/// What a body does with a local.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Reads it, if anything.
    Read,
    /// Assigns it before anything reads it.
    AssignedFirst,
    Assigned,
}

impl Translator<'_> {
    /// Makes locals of the parameters and of what `body` declares.
    pub fn declare_locals(&mut self, params: &[Value], body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let mut values = params.to_vec();
        for local in body.get_locals_reader()? {
            let (count, ty) = local?;
            let zero = self.zero(machine_type(ty));
            values.resize(values.len() + count as usize, zero);
        }
        if self.plan.tier == Tier::Baseline && !self.plan.small_frame {
            return self.declare_in_frame(&values, body);
        }
        for value in values {
            let variable = self.builder.declare_var(self.builder.func.dfg.value_type(value));
            self.builder.def_var(variable, value);
            self.locals.push(Local::Variable(variable));
        }
        Ok(())
    }

    /// Makes locals with these values, a place in the frame for each that `body` assigns.
    fn declare_in_frame(&mut self, values: &[Value], body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let uses = uses(body, values.len())?;
        let mut bytes = 0_u32;
        for (value, found) in values.iter().zip(&uses) {
            if *found == Use::Read {
                self.locals.push(Local::Fixed(*value));
                continue;
            }
            let ty = self.builder.func.dfg.value_type(*value);
            let offset = bytes.next_multiple_of(ty.bytes());
            bytes = offset + ty.bytes();
            self.locals.push(Local::Slot { ty, offset: offset as i32, recent: None });
        }
        if bytes == 0 {
            return Ok(());
        }
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, types::I8X16.bytes().ilog2() as u8);
        let slot = self.builder.create_sized_stack_slot(slot);
        self.frame_locals = Some(self.builder.ins().stack_addr(types::I64, slot, 0));
        for (index, value) in values.iter().enumerate() {
            if uses[index] == Use::Assigned {
                self.set_local(index, *value);
            }
        }
        Ok(())
    }

    pub fn get_local(&mut self, index: usize) -> Value {
        match self.locals[index] {
            Local::Fixed(value) => value,
            Local::Variable(variable) => self.builder.use_var(variable),
            Local::Slot { recent: Some(recent), .. } if self.is_current(recent) => recent.value,
            Local::Slot { ty, offset, .. } => {
                let base = self.frame_of_locals();
                let value = self.builder.ins().load(ty, FLAGS, base, offset);
                self.remember(index, value);
                value
            }
        }
    }

    pub fn set_local(&mut self, index: usize, value: Value) {
        match self.locals[index] {
            Local::Fixed(_) => unreachable!("it is assigned"),
            Local::Variable(variable) => self.builder.def_var(variable, value),
            Local::Slot { offset, .. } => {
                let base = self.frame_of_locals();
                self.builder.ins().store(FLAGS, value, base, offset);
                self.remember(index, value);
            }
        }
    }

    fn remember(&mut self, index: usize, value: Value) {
        let now = self.recent(value);
        if let Local::Slot { recent, .. } = &mut self.locals[index] {
            *recent = now;
        }
    }

    fn frame_of_locals(&self) -> Value {
        let Some(base) = self.frame_locals else { unreachable!("some local is in the frame") };
        base
    }
}

/// Of an access to the frame. Vectors in it are as aligned as the stack is.
const FLAGS: MemFlagsData = MemFlagsData::new().with_notrap();

/// What `body` does with each of its `count` locals.
fn uses(body: &FunctionBody<'_>, count: usize) -> Result<Vec<Use>, Refusal> {
    let mut uses = vec![Use::Read; count];
    let mut read = vec![false; count];
    // Until then operators run in the order in which they stand.
    let mut in_order = true;
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::LocalGet { local_index } => read[local_index as usize] = true,
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                let (found, read) = (&mut uses[local_index as usize], read[local_index as usize]);
                *found = match found {
                    Use::Read if in_order && !read => Use::AssignedFirst,
                    Use::AssignedFirst => Use::AssignedFirst,
                    _ => Use::Assigned,
                };
            }
            Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. } => in_order = false,
            _ => {}
        }
    }
    Ok(uses)
}
