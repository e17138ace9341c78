//! What compiled code names: functions, state memory, kernels, and the trampoline to the engine.

use alloc::vec;
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, FuncRef, GlobalValue, GlobalValueData, Inst, InstBuilder, Signature,
    UserExternalName, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;

use crate::engine::layout::RuntimeOp;
use crate::engine::names::namespace;

/// State memory as a symbol that code addresses relative to the instruction pointer.
pub fn import_state(builder: &mut FunctionBuilder<'_>) -> GlobalValue {
    let name = builder.func.declare_imported_user_function(UserExternalName::new(namespace::STATE, 0));
    builder.create_global_value(GlobalValueData::Symbol {
        name: ExternalName::User(name),
        offset: 0.into(),
        colocated: true,
        tls: false,
    })
}

pub fn import_function(builder: &mut FunctionBuilder<'_>, space: u32, index: u32, signature: Signature) -> FuncRef {
    let name = builder.func.declare_imported_user_function(UserExternalName::new(space, index));
    let signature = builder.import_signature(signature);
    builder.import_function(ExtFuncData {
        name: ExternalName::User(name),
        signature,
        colocated: true,
        patchable: false,
    })
}

/// (operation, `words` words) -> word, in the C convention.
pub fn runtime_signature(words: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = vec![AbiParam::new(types::I64); 1 + words];
    signature.returns = vec![AbiParam::new(types::I64)];
    signature
}

/// (operation, `words` words), keeping all registers.
pub fn note_signature(words: usize) -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params = vec![AbiParam::new(types::I64); 1 + words];
    signature
}

/// Calls the engine through `function`; 32-bit arguments are zero-extended. The engine gets four words, and those that are
/// not among `args` are any: no operation looks at them.
pub fn call_runtime(builder: &mut FunctionBuilder<'_>, function: FuncRef, op: RuntimeOp, args: &[Value]) -> Inst {
    let mut words = vec![builder.ins().iconst(types::I64, op as i64)];
    for arg in args {
        let wide = builder.func.dfg.value_type(*arg) == types::I64;
        words.push(if wide { *arg } else { builder.ins().uextend(types::I64, *arg) });
    }
    builder.ins().call(function, &words)
}
