//! Bodies of small libc functions in place of calls.

use alloc::vec::Vec;
use core::mem::swap;
use cranelift_codegen::ir::Value;

use super::control::{Frame, FrameKind};
use super::hold::Holder;
use super::locals::Local;
use super::{Plan, Refusal, Translator, machine_type};
use crate::engine::decode::program::{FuncId, FunctionKind, LIBC, Linkage};

/// Instructions in place of calls from which on a function gets no more: a dozen of `exp`, 10 KiB of code, or of
/// `pow(x, 2.0)`, of which little remains, a few dozen.
const MOST_INSTRUCTIONS_IN_PLACE: usize = 1500;

/// What belongs to one body while it is translated.
struct Scope<'a> {
    linkage: &'a Linkage,
    module: usize,
    id: FuncId,
    plan: &'a Plan,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    locals: Vec<Local>,
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
        let (is_outermost, before) = (self.module != LIBC, self.builder.func.dfg.num_insts());
        self.exchange(&mut scope);
        // What can be an instruction is always in place: its calls say nothing.
        if !program.fused.contains(&callee) {
            self.count(plan.calls);
        }
        self.declare_locals(args, body)?;
        let results = program.function_type(callee).results().iter().map(|ty| machine_type(*ty)).collect();
        self.push_frame(FrameKind::Inlined, Vec::new(), results);
        for operator in body.get_operators_reader()? {
            self.operator(&operator?, 0)?;
        }
        self.exchange(&mut scope);
        if is_outermost {
            self.instructions_in_place += self.builder.func.dfg.num_insts() - before;
        }
        Ok(scope.stack)
    }

    /// Whether a body may stand in place of a call here. In the libc's own functions, and in bodies in place of calls, always:
    /// one call that remains keeps registers from being used around it. In the program's not in an arm that never ran, and
    /// not if others make the function large already.
    pub fn may_inline(&self) -> bool {
        self.module == LIBC
            || (!self.is_in_arm_that_never_ran() && self.instructions_in_place < MOST_INSTRUCTIONS_IN_PLACE)
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
