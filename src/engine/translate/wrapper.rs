//! Code around functions: into compiled code with arguments in memory, and out to host functions.

use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use wasmparser::FuncType;

use super::symbols::{call_runtime, import_function, runtime_signature};
use super::{Environment, function_name, signature};
use crate::engine::decode::program::FuncId;
use crate::engine::layout::RuntimeOp;
use crate::engine::names::{TRAMPOLINE_RUNTIME, namespace};

/// Bytes per argument or result in memory.
const SLOT_BYTES: i32 = 16;

/// `extern "C" fn(code, values)`: calls `code`, of type `ty`, with arguments from `values` (16 bytes each) and leaves
/// the results there.
pub fn entry_wrapper(
    environment: Environment<'_>,
    ty: &FuncType,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
) {
    function.signature = Signature::new(CallConv::SystemV);
    function.signature.params = alloc::vec![AbiParam::new(types::I64); 2];
    let mut builder = FunctionBuilder::new(function, context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let [code, values] = *builder.block_params(block) else { unreachable!("two parameters were declared") };
    let callee = signature(ty);
    let flags = MemFlagsData::trusted();
    let mut args = alloc::vec::Vec::new();
    for (index, param) in callee.params.iter().enumerate() {
        args.push(builder.ins().load(param.value_type, flags, values, index as i32 * SLOT_BYTES));
    }
    let callee = builder.import_signature(callee);
    let call = builder.ins().call_indirect(callee, code, &args);
    for (index, result) in builder.inst_results(call).to_vec().into_iter().enumerate() {
        builder.ins().store(flags, result, values, index as i32 * SLOT_BYTES);
    }
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(environment.config);
}

/// A function of the program that hands its arguments, one word each, to the engine as host function `id`.
pub fn host_wrapper(
    environment: Environment<'_>,
    id: FuncId,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
) {
    let ty = environment.program.function_type(id);
    function.name = function_name(id);
    function.signature = signature(ty);
    let mut builder = FunctionBuilder::new(function, context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let words = |count: usize| StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * count.max(1) as u32, 3);
    let args = builder.create_sized_stack_slot(words(ty.params().len()));
    let results = builder.create_sized_stack_slot(words(ty.results().len()));
    let args = builder.ins().stack_addr(types::I64, args, 0);
    let results = builder.ins().stack_addr(types::I64, results, 0);
    let flags = MemFlagsData::trusted();
    for (index, value) in builder.block_params(block).to_vec().into_iter().enumerate() {
        builder.ins().store(flags, value, args, index as i32 * 8);
    }
    let trampoline = import_function(&mut builder, namespace::TRAMPOLINE, TRAMPOLINE_RUNTIME, runtime_signature(3));
    let number = builder.ins().iconst(types::I64, i64::from(id.0));
    call_runtime(&mut builder, trampoline, RuntimeOp::Host, &[number, args, results]);
    let mut values = alloc::vec::Vec::new();
    for (index, result) in signature(ty).returns.iter().enumerate() {
        values.push(builder.ins().load(result.value_type, flags, results, index as i32 * 8));
    }
    builder.ins().return_(&values);
    builder.seal_all_blocks();
    builder.finalize(environment.config);
}
