//! Calls: direct, indirect, and those whose targets are recorded and specialised.

use alloc::vec::Vec;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, SigRef, TrapCode, Value, ValueDef, types};
use wasmparser::Operator;

use super::{Refusal, SitePlan, Specialisation, Translator, scan, signature};
use crate::engine::cpu::CpuFeatures;
use crate::engine::decode::program::{FIRST_MEMORY, FuncId, SignatureId};
use crate::engine::layout::table_entry;
use crate::engine::names::trap_code;

impl Translator<'_> {
    /// Handles direct and indirect calls. Returns whether it was one.
    pub fn call(&mut self, operator: &Operator<'_>) -> Result<bool, Refusal> {
        match operator {
            Operator::Call { function_index } => {
                let callee = self.program.resolve(self.module, *function_index);
                let args = self.pop_many(self.program.function_type(callee).params().len());
                let results = match scan::sized(self.program, callee) {
                    _ if self.is_one_instruction(callee) => alloc::vec![self.fused_difference(&args)],
                    Some(site) => self.sized_call(callee, site, &args)?,
                    None => self.libc_call(callee, &args)?,
                };
                self.stack.extend(results);
            }
            Operator::CallIndirect { type_index, table_index } => {
                let signature = self.linkage.signatures[*type_index as usize];
                self.indirect_call(signature, *table_index);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a fused multiply-add does what `callee` does.
    fn is_one_instruction(&self, callee: FuncId) -> bool {
        self.cpu.contains(CpuFeatures::FMA) && self.program.fused.contains(&callee)
    }

    /// The product of the first two, less the third, rounded once.
    fn fused_difference(&mut self, args: &[Value]) -> Value {
        let less = self.builder.ins().fneg(args[2]);
        self.builder.ins().fma(args[0], args[1], less)
    }

    pub fn plain_call(&mut self, callee: FuncId, args: &[Value]) -> Vec<Value> {
        let function = self.function_ref(callee);
        let results = self.call_function(callee, function, args);
        self.forget_registers();
        results
    }

    pub fn guard(&mut self, condition: Value, generic: Block) {
        let next = self.following_block();
        self.builder.ins().brif(condition, next, &[], generic, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    pub fn constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(dfg.resolve_aliases(value)) else { return None };
        match dfg.insts[inst] {
            cranelift_codegen::ir::InstructionData::UnaryImm { imm, .. } => Some(imm.bits()),
            _ => None,
        }
    }

    fn indirect_call(&mut self, expected: SignatureId, table: u32) {
        let plan = self.take_site();
        let index = self.pop();
        let ty = self.program.signatures.get(expected);
        let args = self.pop_many(ty.params().len());
        let entry = self.checked_entry(table, index, trap_code::UNDEFINED_ELEMENT);
        let flags = self.state_flags();
        if let Some(Specialisation::Target(target)) = plan.specialisation
            && self.program.info(target).signature == expected
        {
            return self.devirtualised_call(&plan, expected, target, entry, &args);
        }
        let reference = self.builder.ins().load(types::I32, flags, entry, table_entry::REFERENCE);
        let reference = self.builder.ins().uextend(types::I64, reference);
        self.record(&plan, reference, &[]);
        let results = self.call_entry(expected, entry, &args);
        self.stack.extend(results);
    }

    /// The expected target directly; any other as before. The target's signature was checked when the plan was made,
    /// and an entry that refers to it has its signature.
    fn devirtualised_call(
        &mut self,
        plan: &SitePlan,
        expected: SignatureId,
        target: FuncId,
        entry: Value,
        args: &[Value],
    ) {
        let join = self.builder.create_block();
        for result in &signature(self.program.signatures.get(expected)).returns {
            self.builder.append_block_param(join, result.value_type);
        }
        let generic = self.builder.create_block();
        self.builder.set_cold_block(generic);
        let flags = self.state_flags();
        let reference = self.builder.ins().load(types::I32, flags, entry, table_entry::REFERENCE);
        let likely = self.builder.ins().iconst(types::I32, i64::from(target.0) + 1);
        let same = self.builder.ins().icmp(IntCC::Equal, reference, likely);
        self.guard(same, generic);
        self.count_pass(plan, 0);
        let results = self.plain_call(target, args);
        self.jump(join, &results);

        self.builder.seal_block(generic);
        self.builder.switch_to_block(generic);
        let reference = self.builder.ins().uextend(types::I64, reference);
        self.record(plan, reference, &[]);
        let results = self.call_entry(expected, entry, args);
        self.jump(join, &results);

        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        self.stack.extend_from_slice(self.builder.block_params(join));
    }

    /// Checks the signature of a table entry, then calls it.
    fn call_entry(&mut self, expected: SignatureId, entry: Value, args: &[Value]) -> Vec<Value> {
        let (signature, code) = self.checked_code(expected, entry);
        let results = self.call_address(signature, code, args);
        self.forget_registers();
        results
    }

    /// The signature and the code address of a table entry, traps where it has another signature.
    pub fn checked_code(&mut self, expected: SignatureId, entry: Value) -> (SigRef, Value) {
        let flags = self.state_flags();
        let found = self.builder.ins().load(types::I32, flags, entry, table_entry::SIGNATURE);
        let wanted = self.builder.ins().iconst(types::I32, i64::from(expected.0));
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found, wanted);
        self.rarely(differs, |it| {
            let null = it.builder.ins().iconst(types::I32, i64::from(table_entry::NULL_SIGNATURE as i32));
            let is_null = it.builder.ins().icmp(IntCC::Equal, found, null);
            it.builder.ins().trapnz(is_null, trap_code::NULL_FUNCTION);
            it.builder.ins().trapz(is_null, trap_code::SIGNATURE_MISMATCH);
        });
        let code = self.builder.ins().load(types::I64, flags, entry, table_entry::CODE);
        let signature = signature(self.program.signatures.get(expected));
        (self.builder.import_signature(signature), code)
    }

    /// The address of the table entry at `index`; traps with `code` where there is none.
    pub fn checked_entry(&mut self, table: u32, index: Value, code: TrapCode) -> Value {
        let slot = self.linkage.tables[table as usize];
        let length = match slot.fixed_length {
            Some(length) => self.builder.ins().iconst(types::I32, i64::from(length as i32)),
            None => self.load_state(types::I32, slot.length_cell as i32),
        };
        let inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, index, length);
        self.builder.ins().trapz(inside, code);
        let index = self.builder.ins().uextend(types::I64, index);
        let shift = self.builder.ins().iconst(types::I32, i64::from(table_entry::BYTES.ilog2()));
        let distance = self.builder.ins().ishl(index, shift);
        let base = self.state_address();
        let entries = self.builder.ins().iconst(types::I64, slot.entries as i64);
        let first = self.builder.ins().iadd(base, entries);
        self.builder.ins().iadd(first, distance)
    }

    /// Traps unless bytes `start .. start + length` (32 bits each) are in the first memory.
    pub fn check_range(&mut self, start: Value, length: Value) {
        let start = self.builder.ins().uextend(types::I64, start);
        let length = self.builder.ins().uextend(types::I64, length);
        let end = self.builder.ins().iadd(start, length);
        let bytes = self.memory_bytes(FIRST_MEMORY);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, bytes);
        self.builder.ins().trapnz(outside, TrapCode::HEAP_OUT_OF_BOUNDS);
    }
}
