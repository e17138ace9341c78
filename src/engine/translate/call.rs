//! Calls: direct, indirect, and those whose sizes or targets are recorded and specialised.

use alloc::vec::Vec;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, InstBuilder, SigRef, Signature, TrapCode, Value, ValueDef, types,
};
use cranelift_codegen::isa::CallConv;
use wasmparser::Operator;

use super::{SitePlan, Specialisation, Translator, namespace, scan, signature, trap_code};
use crate::engine::layout::table_entry;
use crate::engine::program::{FIRST_MEMORY, FuncId, SignatureId};
use crate::engine::specialise::{KernelId, Operation};
use crate::libc::SizeSite;

impl Translator<'_> {
    /// Handles direct and indirect calls. Returns whether it was one.
    pub fn call(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Call { function_index } => {
                let callee = self.program.resolve(self.module, *function_index);
                let args = self.pop_many(self.program.function_type(callee).params().len());
                let results = match scan::sized(self.program, callee) {
                    Some(site) => self.sized_call(callee, site, &args),
                    None => self.plain_call(callee, &args),
                };
                self.stack.extend(results);
            }
            Operator::CallIndirect { type_index, table_index } => {
                let signature = self.linkage.signatures[*type_index as usize];
                self.indirect_call(signature, *table_index);
            }
            _ => return false,
        }
        true
    }

    pub fn plain_call(&mut self, callee: FuncId, args: &[Value]) -> Vec<Value> {
        let function = self.function_ref(callee);
        let call = self.builder.ins().call(function, args);
        self.builder.inst_results(call).to_vec()
    }

    /// Calls a libc function that takes a size: recorded, and guarded where the plan names a size.
    pub fn sized_call(&mut self, callee: FuncId, site: SizeSite, args: &[Value]) -> Vec<Value> {
        let plan = self.take_site();
        let Some(Specialisation::Size { bytes, kernel }) = plan.specialisation else {
            return self.recorded_call(&plan, callee, site, args);
        };
        let join = self.builder.create_block();
        let result = self.builder.append_block_param(join, types::I32);
        let generic = self.builder.create_block();
        self.builder.set_cold_block(generic);

        self.guard_size(args[site.size], bytes, generic);
        let destination = self.machine_address(FIRST_MEMORY, args[0]);
        let operand = match kernel.operation {
            Operation::Copy => {
                let source = self.machine_address(FIRST_MEMORY, args[1]);
                self.guard_apart(destination, source, bytes, generic);
                source
            }
            Operation::Fill => args[1],
        };
        self.count_guard(&plan, true);
        self.call_kernel(kernel, destination, operand);
        self.builder.ins().jump(join, &[BlockArg::Value(args[0])]);

        self.builder.seal_block(generic);
        self.builder.switch_to_block(generic);
        self.count_guard(&plan, false);
        let generic_results = self.recorded_call(&plan, callee, site, args);
        self.builder.ins().jump(join, &[BlockArg::Value(generic_results[0])]);

        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        alloc::vec![result]
    }

    fn recorded_call(&mut self, plan: &SitePlan, callee: FuncId, site: SizeSite, args: &[Value]) -> Vec<Value> {
        let size = self.builder.ins().uextend(types::I64, args[site.size]);
        let addresses: Vec<Value> = site.addresses.iter().map(|index| args[*index]).collect();
        self.record(plan, size, &addresses);
        self.plain_call(callee, args)
    }

    /// Goes on only with `size == bytes`. A size that is this constant needs no test.
    fn guard_size(&mut self, size: Value, bytes: u32, generic: Block) {
        if self.constant(size) == Some(i64::from(bytes)) {
            return;
        }
        let expected = self.builder.ins().iconst(types::I32, i64::from(bytes));
        let same = self.builder.ins().icmp(IntCC::Equal, size, expected);
        self.guard(same, generic);
    }

    /// Goes on only where copying upwards in pieces is right: the destination does not begin inside the source.
    fn guard_apart(&mut self, destination: Value, source: Value, bytes: u32, generic: Block) {
        let distance = self.builder.ins().isub(destination, source);
        let bytes = self.builder.ins().iconst(types::I64, i64::from(bytes));
        let apart = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, distance, bytes);
        self.guard(apart, generic);
    }

    pub fn guard(&mut self, condition: Value, generic: Block) {
        let next = self.builder.create_block();
        self.builder.ins().brif(condition, next, &[], generic, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    fn constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(dfg.resolve_aliases(value)) else { return None };
        match dfg.insts[inst] {
            cranelift_codegen::ir::InstructionData::UnaryImm { imm, .. } => Some(imm.bits()),
            _ => None,
        }
    }

    /// Calls straight-line code with (destination address, source address or fill byte).
    fn call_kernel(&mut self, kernel: KernelId, destination: Value, operand: Value) {
        let mut signature = Signature::new(CallConv::SystemV);
        let operand_type = self.builder.func.dfg.value_type(operand);
        signature.params = alloc::vec![AbiParam::new(types::I64), AbiParam::new(operand_type)];
        let function = self.import(namespace::KERNEL, kernel.number(), signature);
        self.builder.ins().call(function, &[destination, operand]);
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
        self.count_guard(plan, true);
        let results = self.plain_call(target, args);
        self.join(join, &results);

        self.builder.seal_block(generic);
        self.builder.switch_to_block(generic);
        self.count_guard(plan, false);
        let reference = self.builder.ins().uextend(types::I64, reference);
        self.record(plan, reference, &[]);
        let results = self.call_entry(expected, entry, args);
        self.join(join, &results);

        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        self.stack.extend_from_slice(self.builder.block_params(join));
    }

    fn join(&mut self, join: Block, results: &[Value]) {
        let args: Vec<BlockArg> = results.iter().copied().map(BlockArg::Value).collect();
        self.builder.ins().jump(join, &args);
    }

    /// Checks the signature of a table entry, then calls it.
    fn call_entry(&mut self, expected: SignatureId, entry: Value, args: &[Value]) -> Vec<Value> {
        let (signature, code) = self.checked_code(expected, entry);
        let call = self.builder.ins().call_indirect(signature, code, args);
        self.builder.inst_results(call).to_vec()
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
