//! Tail calls: the caller's frame is gone before the callee runs, so a chain of them needs no stack.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

use super::{SitePlan, Specialisation, Translator};
use crate::engine::decode::program::{FuncId, SignatureId};
use crate::engine::layout::table_entry;
use crate::engine::names::trap_code;

impl Translator<'_> {
    /// Handles tail calls. Returns whether it was one. Only indirect ones are sites: a size that is handed on is
    /// recorded by nobody.
    pub fn tail_call(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::ReturnCall { function_index } => {
                let callee = self.program.resolve(self.module, *function_index);
                let args = self.pop_many(self.program.function_type(callee).params().len());
                self.direct_tail_call(callee, &args);
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                let signature = self.linkage.signatures[*type_index as usize];
                self.indirect_tail_call(signature, *table_index);
            }
            _ => return false,
        }
        self.reachable = false;
        true
    }

    fn direct_tail_call(&mut self, callee: FuncId, args: &[Value]) {
        let function = self.function_ref(callee);
        self.builder.ins().return_call(function, args);
    }

    /// As `call_indirect`: recorded, and the expected target called directly where the plan names one.
    fn indirect_tail_call(&mut self, expected: SignatureId, table: u32) {
        let plan = self.take_site();
        let index = self.pop();
        let args = self.pop_many(self.program.signatures.get(expected).params().len());
        let entry = self.checked_entry(table, index, trap_code::UNDEFINED_ELEMENT);
        let flags = self.state_flags();
        let reference = self.builder.ins().load(types::I32, flags, entry, table_entry::REFERENCE);
        if let Some(Specialisation::Target(target)) = plan.specialisation
            && self.program.info(target).signature == expected
        {
            self.tail_call_target(&plan, target, reference, &args);
        }
        let reference = self.builder.ins().uextend(types::I64, reference);
        self.record(&plan, reference, &[]);
        let (signature, code) = self.checked_code(expected, entry);
        self.builder.ins().return_call_indirect(signature, code, &args);
    }

    /// Ends in `target` if `reference` is it; the generic path goes on from here.
    fn tail_call_target(&mut self, plan: &SitePlan, target: FuncId, reference: Value, args: &[Value]) {
        let generic = self.builder.create_block();
        self.builder.set_cold_block(generic);
        let likely = self.builder.ins().iconst(types::I32, i64::from(target.0) + 1);
        let same = self.builder.ins().icmp(IntCC::Equal, reference, likely);
        self.guard(same, generic);
        self.count_pass(plan, 0);
        self.direct_tail_call(target, args);
        self.builder.seal_block(generic);
        self.builder.switch_to_block(generic);
    }
}
