//! Calls of the libc: recorded, guarded for the sizes seen, and what the callee does expanded in place.

use alloc::vec::Vec;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AbiParam, Block, InstBuilder, Signature, Value, types};
use cranelift_codegen::isa::CallConv;

use super::{Expansion, Refusal, SitePlan, Specialisation, Translator, machine_type};
use crate::engine::code::paste;
use crate::engine::decode::program::{FIRST_MEMORY, FuncId};
use crate::engine::names::namespace;
use crate::engine::specialise::{
    Argument, ExactPath, KernelId, Operation, Outcome, Vectors, loads_first, max_bytes_of_moves,
};
use crate::libc::SizeSite;

impl Translator<'_> {
    /// Calls a libc function that takes a size: recorded, and guarded where the plan names sizes.
    pub fn sized_call(&mut self, callee: FuncId, site: SizeSite, args: &[Value]) -> Result<Vec<Value>, Refusal> {
        let plan = self.take_site();
        let Some(Specialisation::Sizes { exact, general: kernel }) = &plan.specialisation else {
            self.record_size(&plan, site, args);
            return self.libc_call(callee, args);
        };
        if exact.is_empty() {
            return self.general_call(&plan, *kernel, callee, site, args);
        }
        let join = self.result_block(callee);
        let general = self.builder.create_block();
        if kernel.is_none_or(|kernel| kernel.rare) {
            self.builder.set_cold_block(general);
        }
        let name = self.program.info(callee).libc.map_or("", |function| function.name);
        for (path, bytes) in exact.iter().enumerate() {
            let Some(way) = ExactPath::of(name, u64::from(*bytes)) else { continue };
            let miss = self.builder.create_block();
            if self.guard_size(args[site.size], *bytes, miss) {
                let results = self.exact_path(way, callee, site, args, *bytes, general)?;
                self.count_pass(&plan, path);
                self.jump(join, &results);
            }
            self.builder.seal_block(miss);
            self.builder.switch_to_block(miss);
        }
        self.jump(general, &[]);

        self.builder.seal_block(general);
        self.builder.switch_to_block(general);
        let results = self.general_call(&plan, *kernel, callee, site, args)?;
        self.jump(join, &results);

        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        Ok(self.builder.block_params(join).to_vec())
    }

    /// Calls a libc function as the plan has it expanded.
    pub fn libc_call(&mut self, callee: FuncId, args: &[Value]) -> Result<Vec<Value>, Refusal> {
        let plan = self.plan;
        let Some(expanded) = plan.callees.get(&callee) else { return Ok(self.plain_call(callee, args)) };
        match &expanded.how {
            Expansion::Kernel(kernel) => {
                self.count(expanded.calls);
                Ok(self.whole_call(*kernel, args))
            }
            Expansion::Body(body) if self.may_inline() => self.inline(callee, body, args),
            Expansion::BodyForConstants(body)
                if self.may_inline() && args.iter().any(|argument| self.is_constant(*argument)) =>
            {
                self.inline(callee, body, args)
            }
            _ => Ok(self.plain_call(callee, args)),
        }
    }

    /// Does what a libc function does at any size: in place where it can be, else by its kernel.
    fn whole_call(&mut self, kernel: KernelId, args: &[Value]) -> Vec<Value> {
        match self.compare_with_literal(kernel, args) {
            Some(difference) => alloc::vec![difference],
            None => self.kernel_call(kernel, args),
        }
    }

    /// Calls a kernel with the arguments of its libc function; the results are that function's.
    pub fn kernel_call(&mut self, kernel: KernelId, args: &[Value]) -> Vec<Value> {
        let (arguments, outcome) = kernel.operation.interface();
        let mut words = Vec::with_capacity(arguments.len());
        for (argument, value) in arguments.iter().zip(args) {
            words.push(match argument {
                Argument::Address => self.machine_address(FIRST_MEMORY, *value),
                Argument::Word => self.word_of(*value),
            });
        }
        let convention = if kernel.keeps_registers() { CallConv::PreserveAll } else { CallConv::SystemV };
        let mut signature = Signature::new(convention);
        signature.params = alloc::vec![AbiParam::new(types::I64); words.len()];
        if outcome != Outcome::FirstArgument {
            signature.returns.push(AbiParam::new(types::I64));
        }
        self.make_room(kernel, &words);
        let function = self.import(namespace::KERNEL, kernel.number(), || signature);
        let call = self.builder.ins().call(function, &words);
        self.forget_registers();
        let result = match outcome {
            Outcome::FirstArgument => args[0],
            Outcome::Word => {
                let word = self.builder.inst_results(call)[0];
                self.builder.ins().ireduce(types::I32, word)
            }
            Outcome::Address => {
                let address = self.builder.inst_results(call)[0];
                self.index_of(address)
            }
        };
        alloc::vec![result]
    }

    /// Makes the calls in front of that of `kernel` over which code is pasted.
    fn make_room(&mut self, kernel: KernelId, words: &[Value]) {
        let mut signature = Signature::new(CallConv::PreserveAll);
        signature.params = alloc::vec![AbiParam::new(types::I64); words.len()];
        for _ in 1..paste::calls(kernel) {
            let function = self.import(namespace::ROOM, kernel.number(), || signature.clone());
            self.builder.ins().call(function, words);
        }
    }

    /// The call of no particular size: recorded, and `kernel`'s where there is one.
    fn general_call(
        &mut self,
        plan: &SitePlan,
        kernel: Option<KernelId>,
        callee: FuncId,
        site: SizeSite,
        args: &[Value],
    ) -> Result<Vec<Value>, Refusal> {
        self.record_size(plan, site, args);
        match (kernel, self.plan.callees.get(&callee)) {
            // The probe counted the call.
            (Some(kernel), Some(_)) => Ok(self.whole_call(kernel, args)),
            _ => self.libc_call(callee, args),
        }
    }

    fn record_size(&mut self, plan: &SitePlan, site: SizeSite, args: &[Value]) {
        let size = self.builder.ins().uextend(types::I64, args[site.size]);
        let addresses: Vec<Value> = site.addresses.iter().map(|index| args[*index]).collect();
        self.record(plan, size, &addresses);
    }

    /// Goes on with `size == bytes`, to `miss` otherwise. A constant size needs no test; whether it is this one is returned.
    fn guard_size(&mut self, size: Value, bytes: u32, miss: Block) -> bool {
        match self.constant(size) {
            Some(constant) if constant as u32 == bytes => true,
            Some(_) => {
                self.jump(miss, &[]);
                false
            }
            None => {
                let expected = self.builder.ins().iconst(types::I32, i64::from(bytes));
                let same = self.builder.ins().icmp(IntCC::Equal, size, expected);
                self.guard(same, miss);
                true
            }
        }
    }

    /// Does what `callee` does at this size; goes to `general` where that takes more.
    fn exact_path(
        &mut self,
        path: ExactPath,
        callee: FuncId,
        site: SizeSite,
        args: &[Value],
        bytes: u32,
        general: Block,
    ) -> Result<Vec<Value>, Refusal> {
        let vectors = Vectors::of(self.cpu);
        let in_place = bytes <= max_bytes_of_moves(vectors);
        match path {
            ExactPath::Copy if in_place => self.copy_in_place(args[0], args[1], bytes),
            ExactPath::Fill if in_place => self.fill_in_place(args[0], args[1], bytes),
            ExactPath::Compare => return Ok(alloc::vec![self.compare_in_place(args[0], args[1], bytes)]),
            ExactPath::Copy => {
                if !loads_first(vectors, bytes) {
                    self.guard_apart(args[0], args[1], bytes, general);
                }
                let kernel = KernelId { operation: Operation::CopyExactly, vectors, detail: bytes, rare: false };
                return Ok(self.kernel_call(kernel, &args[..2]));
            }
            ExactPath::Fill => {
                let kernel = KernelId { operation: Operation::FillExactly, vectors, detail: bytes, rare: false };
                return Ok(self.kernel_call(kernel, &args[..2]));
            }
            ExactPath::Body => {
                let mut args = args.to_vec();
                args[site.size] = self.builder.ins().iconst(types::I32, i64::from(bytes));
                return self.libc_call(callee, &args);
            }
        }
        Ok(alloc::vec![args[0]])
    }

    /// Goes on only where copying upwards in pieces is right: the destination does not begin inside the source.
    fn guard_apart(&mut self, destination: Value, source: Value, bytes: u32, general: Block) {
        let distance = self.builder.ins().isub(destination, source);
        let bytes = self.builder.ins().iconst(types::I32, i64::from(bytes));
        let apart = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, distance, bytes);
        self.guard(apart, general);
    }

    /// A block that takes the results of `callee`.
    fn result_block(&mut self, callee: FuncId) -> Block {
        let block = self.builder.create_block();
        for ty in self.program.function_type(callee).results() {
            self.builder.append_block_param(block, machine_type(*ty));
        }
        block
    }
}
