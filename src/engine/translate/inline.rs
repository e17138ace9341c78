//! Bodies of small libc functions in place of calls.

use alloc::vec::Vec;
use core::mem::swap;
use cranelift_codegen::ir::Value;
use cranelift_frontend::Variable;

use super::control::{Frame, FrameKind};
use super::hold::Holder;
use super::{Plan, Refusal, Translator, machine_type};
use crate::engine::program::{FuncId, FunctionKind, Linkage};

/// What belongs to one body while it is translated.
struct Scope<'a> {
    linkage: &'a Linkage,
    module: usize,
    id: FuncId,
    plan: &'a Plan,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    locals: Vec<Variable>,
    next_block: usize,
    next_site: usize,
    holder: Holder,
}

impl<'a> Translator<'a> {
    /// Translates the body of `callee` here and returns its results. What it counts is the callee's. In backtraces it is
    /// part of the caller, at the place of the call.
    pub fn inline(&mut self, callee: FuncId, plan: &'a Plan, args: &[Value]) -> Result<Vec<Value>, Refusal> {
        let program = self.program;
        let FunctionKind::Defined { module, index } = program.info(callee).kind else {
            unreachable!("only functions of the libc are expanded")
        };
        let Some(body) = program.modules[module].body(index) else { unreachable!("a defined function has a body") };
        let mut scope = Scope {
            linkage: &program.linkages[module],
            module,
            id: callee,
            plan,
            stack: Vec::new(),
            frames: Vec::new(),
            locals: Vec::new(),
            next_block: 0,
            next_site: 0,
            holder: Holder::default(),
        };
        self.exchange(&mut scope);
        self.count(plan.calls);
        self.declare_locals(args, body)?;
        let results = program.function_type(callee).results().iter().map(|ty| machine_type(*ty)).collect();
        self.push_frame(FrameKind::Inlined, Vec::new(), results);
        for operator in body.get_operators_reader()? {
            self.operator(&operator?, 0)?;
        }
        self.exchange(&mut scope);
        Ok(scope.stack)
    }

    fn exchange(&mut self, scope: &mut Scope<'a>) {
        swap(&mut self.linkage, &mut scope.linkage);
        swap(&mut self.module, &mut scope.module);
        swap(&mut self.id, &mut scope.id);
        swap(&mut self.plan, &mut scope.plan);
        swap(&mut self.stack, &mut scope.stack);
        swap(&mut self.frames, &mut scope.frames);
        swap(&mut self.locals, &mut scope.locals);
        swap(&mut self.next_block, &mut scope.next_block);
        swap(&mut self.next_site, &mut scope.next_site);
        swap(&mut self.held.by, &mut scope.holder);
    }
}
