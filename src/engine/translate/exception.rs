//! Exceptions, in the standard form (`try_table`) and in the legacy one (`try`).
//!
//! What is thrown is put into state memory: its tag into a cell, its values where the tag has them. Then control goes to the
//! *dispatch* of the innermost region around, a block that compares tags and goes to the clause that takes it, or to the
//! dispatch of the region around that, or else out of the function, which is the engine's work (`run/throw.rs`). Calls in a
//! region have the dispatch as a second way to return, which costs nothing while it is not taken. Neighbours: `control` has
//! the frames, `call` the calls.

use alloc::boxed::Box;
use alloc::vec::Vec;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, ExceptionTable, ExceptionTableData, ExceptionTableItem, FuncRef, InstBuilder, SigRef, Value, types,
};
use wasmparser::{BlockType, Catch, Operator, TryTable};

use super::control::FrameKind;
use super::{Tier, Translator, machine_type, scan};
use crate::engine::decode::program::{FuncId, FunctionKind, LIBC, TagId};
use crate::engine::layout::{RuntimeOp, cell};
use crate::engine::names::trap_code;

/// A part of a body in which what is thrown may be caught.
#[derive(Default)]
pub struct Region {
    /// Where what is thrown in it goes; made when there is something that may throw.
    dispatch: Option<Block>,
    clauses: Vec<Clause>,
    /// Clauses have begun, which are outside of it.
    is_over: bool,
    /// What the clause that has begun caught, if the body has a `rethrow`.
    caught: Option<Caught>,
}

/// What takes exceptions of a tag, or all.
struct Clause {
    tag: Option<TagId>,
    block: Block,
    /// The frames around the region that it leads to, and whether it hands on a reference; none in the legacy form, in which
    /// it is a part of the body.
    leads_to: Option<(u32, bool)>,
    /// Its number among the counted blocks.
    counter: usize,
}

/// What `rethrow` throws again.
#[derive(Clone)]
enum Caught {
    Values(TagId, Vec<Value>),
    Reference(Value),
}

impl Translator<'_> {
    /// Handles the operators that throw and catch, also where they are unreachable. Returns whether it was one.
    pub fn exception(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::TryTable { try_table } => self.open_try_table(try_table),
            Operator::Try { blockty } => self.open_try(*blockty),
            Operator::Catch { tag_index } => self.begin_clause(Some(self.linkage.tags[*tag_index as usize])),
            Operator::CatchAll => self.begin_clause(None),
            Operator::Delegate { relative_depth } => self.delegate(*relative_depth),
            Operator::Throw { tag_index } => self.if_reachable(|it| {
                let tag = it.linkage.tags[*tag_index as usize];
                let values = it.pop_many(it.program.tag_values(tag).len());
                it.throw(tag, &values);
            }),
            Operator::ThrowRef => self.if_reachable(|it| {
                let reference = it.pop();
                it.throw_reference(reference);
            }),
            Operator::Rethrow { relative_depth } => self.if_reachable(|it| it.rethrow(*relative_depth)),
            _ => return false,
        }
        true
    }

    fn open_try_table(&mut self, table: &TryTable) {
        let first = self.take_blocks(table.catches.len());
        if !self.reachable {
            return self.push_dead();
        }
        let (params, results) = self.block_types(table.ty);
        let mut region = Region::default();
        for (catch, counter) in table.catches.iter().zip(first..) {
            let tag = |tag: u32| Some(self.linkage.tags[tag as usize]);
            let (tag, label, with_reference) = match *catch {
                Catch::One { tag: index, label } => (tag(index), label, false),
                Catch::OneRef { tag: index, label } => (tag(index), label, true),
                Catch::All { label } => (None, label, false),
                Catch::AllRef { label } => (None, label, true),
            };
            // Those behind one for all tags take nothing.
            if region.clauses.last().is_none_or(|before| before.tag.is_some()) {
                let block = self.builder.create_block();
                region.clauses.push(Clause { tag, block, leads_to: Some((label, with_reference)), counter });
            }
        }
        self.push_frame(FrameKind::Try(Box::new(region)), params, results);
    }

    fn open_try(&mut self, ty: BlockType) {
        if !self.reachable {
            return self.push_dead();
        }
        let (params, results) = self.block_types(ty);
        self.push_frame(FrameKind::Try(Box::default()), params, results);
    }

    /// Begins a clause of the legacy form; of all tags if there is none.
    fn begin_clause(&mut self, tag: Option<TagId>) {
        let counter = self.take_block();
        if matches!(self.frame().kind, FrameKind::Dead) {
            return;
        }
        self.leave_to_exit();
        let height = self.frame().height;
        self.stack.truncate(height);
        let region = self.region();
        region.is_over = true;
        if region.dispatch.is_none() {
            return;
        }
        let block = self.builder.create_block();
        self.region().clauses.push(Clause { tag, block, leads_to: None, counter });
        self.reachable = true;
        self.begin_arm(counter, block);
        let values = self.caught_values(tag);
        self.stack.extend_from_slice(&values);
        if self.has_rethrow() {
            let caught = match tag {
                Some(tag) => Caught::Values(tag, values),
                None => Caught::Reference(self.runtime(RuntimeOp::KeepException, &[])),
            };
            self.region().caught = Some(caught);
        }
    }

    /// Ends a region without clauses, whose exceptions are those of the frame at `depth` around it.
    fn delegate(&mut self, depth: u32) {
        if matches!(self.frame().kind, FrameKind::Dead) {
            self.frames.pop();
            return;
        }
        self.leave_to_exit();
        let around = self.frames.len() - 1 - depth as usize;
        self.close(around);
    }

    /// Ends a region. What is thrown in it and taken by no clause goes on in the regions of the frames around it.
    pub fn end_try(&mut self) {
        self.leave_to_exit();
        let around = self.frames.len() - 1;
        self.close(around);
    }

    /// Closes the innermost frame, a region; the first `around` frames are those to look at for another one.
    fn close(&mut self, around: usize) {
        let Some(frame) = self.frames.pop() else { unreachable!("validated: end closes a frame") };
        let FrameKind::Try(region) = &frame.kind else { unreachable!("it is a region") };
        if let Some(dispatch) = region.dispatch {
            self.dispatch(dispatch, &region.clauses, around);
            for clause in &region.clauses {
                match clause.leads_to {
                    Some((depth, with_reference)) => self.lead_out(clause, depth, with_reference, frame.height),
                    None => self.builder.seal_block(clause.block),
                }
            }
        }
        self.go_on_behind(&frame);
    }

    /// Finds the clause for what was thrown.
    fn dispatch(&mut self, dispatch: Block, clauses: &[Clause], around: usize) {
        self.builder.switch_to_block(dispatch);
        self.builder.seal_block(dispatch);
        if clauses.iter().all(|clause| self.never_ran(clause.counter)) || self.plan.tier == Tier::Baseline {
            self.builder.set_cold_block(dispatch);
        }
        let thrown = self.load_state(types::I32, cell::EXCEPTION as i32);
        for clause in clauses {
            let Some(TagId(tag)) = clause.tag else {
                self.jump(clause.block, &[]);
                return;
            };
            let is_it = self.builder.ins().icmp_imm_s(IntCC::Equal, thrown, i64::from(tag as i32));
            let next = self.following_block();
            self.builder.ins().brif(is_it, clause.block, &[], next, &[]);
            self.builder.seal_block(next);
            self.builder.switch_to_block(next);
        }
        self.go_to_handler(around);
    }

    /// The clause hands what was caught to the frame at `depth`.
    fn lead_out(&mut self, clause: &Clause, depth: u32, with_reference: bool, height: usize) {
        self.builder.switch_to_block(clause.block);
        self.builder.seal_block(clause.block);
        if self.never_ran(clause.counter) {
            self.builder.set_cold_block(clause.block);
        }
        self.count_arm(clause.counter);
        self.stack.truncate(height);
        let values = self.caught_values(clause.tag);
        self.stack.extend(values);
        if with_reference {
            let reference = self.runtime(RuntimeOp::KeepException, &[]);
            self.stack.push(reference);
        }
        self.branch(depth);
    }

    fn caught_values(&mut self, tag: Option<TagId>) -> Vec<Value> {
        let Some(tag) = tag else { return Vec::new() };
        let program = self.program;
        let values = program.tag_values(tag).iter().zip(program.tag_places(tag));
        values.map(|(ty, place)| self.load_state(machine_type(*ty), place as i32)).collect()
    }

    fn throw(&mut self, tag: TagId, values: &[Value]) {
        for (value, place) in values.iter().zip(self.program.tag_places(tag)) {
            self.store_state(*value, place as i32);
        }
        let thrown = self.builder.ins().iconst(types::I64, (u64::from(tag.0) | cell::NEWLY_THROWN) as i64);
        self.store_state(thrown, cell::EXCEPTION as i32);
        self.go_to_handler(self.frames.len());
    }

    fn throw_reference(&mut self, reference: Value) {
        self.builder.ins().trapz(reference, trap_code::NULL_EXCEPTION);
        self.runtime(RuntimeOp::TakeException, &[reference]);
        self.go_to_handler(self.frames.len());
    }

    fn rethrow(&mut self, depth: u32) {
        let index = self.frame_index(depth);
        let FrameKind::Try(region) = &self.frames[index].kind else { unreachable!("validated: it is in a clause") };
        match region.caught.clone() {
            Some(Caught::Values(tag, values)) => self.throw(tag, &values),
            Some(Caught::Reference(reference)) => self.throw_reference(reference),
            None => unreachable!("the clause has begun, and this is a rethrow"),
        }
    }

    /// Whether the body has a `rethrow`. Looked for where one may be.
    fn has_rethrow(&mut self) -> bool {
        let (program, id) = (self.program, self.id);
        *self.rethrows.get_or_insert_with(|| scan::rethrows(program, id))
    }

    /// Ends the block: what was thrown goes to the innermost region of the first `around` frames, or leaves the function.
    fn go_to_handler(&mut self, around: usize) {
        match self.handler(around) {
            Some(dispatch) => self.jump(dispatch, &[]),
            None => {
                self.runtime(RuntimeOp::Throw, &[]);
                self.builder.ins().trap(trap_code::UNREACHABLE);
            }
        }
        self.reachable = false;
    }

    /// The dispatch of the innermost region of the first `around` frames.
    fn handler(&mut self, around: usize) -> Option<Block> {
        let builder = &mut self.builder;
        let mut regions = self.frames[..around].iter_mut().rev().filter_map(|frame| match &mut frame.kind {
            FrameKind::Try(region) if !region.is_over => Some(region),
            _ => None,
        });
        let region = regions.next()?;
        Some(*region.dispatch.get_or_insert_with(|| builder.create_block()))
    }

    fn region(&mut self) -> &mut Region {
        match &mut self.frame().kind {
            FrameKind::Try(region) => region,
            _ => unreachable!("validated: a clause is in a region"),
        }
    }

    /// Where calls of `callee`, or of a function that is not known, go if it throws; none where it cannot or nothing catches.
    fn handler_of_call(&mut self, callee: Option<FuncId>) -> Option<Block> {
        let may_throw = |id| match self.program.info(id).kind {
            FunctionKind::Defined { module, .. } => module != LIBC,
            FunctionKind::Host { .. } => false,
        };
        if callee.is_none_or(may_throw) { self.handler(self.frames.len()) } else { None }
    }

    pub fn call_function(&mut self, callee: FuncId, function: FuncRef, args: &[Value]) -> Vec<Value> {
        let Some(dispatch) = self.handler_of_call(Some(callee)) else {
            let call = self.builder.ins().call(function, args);
            return self.builder.inst_results(call).to_vec();
        };
        let signature = self.builder.func.dfg.ext_funcs[function].signature;
        let (table, next) = self.ways_to_return(signature, dispatch);
        self.builder.ins().try_call(function, args, table);
        self.go_on_in(next)
    }

    pub fn call_address(&mut self, signature: SigRef, code: Value, args: &[Value]) -> Vec<Value> {
        let Some(dispatch) = self.handler_of_call(None) else {
            let call = self.builder.ins().call_indirect(signature, code, args);
            return self.builder.inst_results(call).to_vec();
        };
        let (table, next) = self.ways_to_return(signature, dispatch);
        self.builder.ins().try_call_indirect(code, args, table);
        self.go_on_in(next)
    }

    /// With results to the block returned, without to `dispatch`.
    fn ways_to_return(&mut self, signature: SigRef, dispatch: Block) -> (ExceptionTable, Block) {
        let next = self.following_block();
        let dfg = &mut self.builder.func.dfg;
        let results: Vec<_> = dfg.signatures[signature].returns.iter().map(|result| result.value_type).collect();
        let returned: Vec<_> = (0..results.len() as u32).map(BlockArg::TryCallRet).collect();
        let (normal, thrown) = (dfg.block_call(next, &returned), dfg.block_call(dispatch, &[]));
        let table = ExceptionTableData::new(signature, normal, [ExceptionTableItem::Default(thrown)]);
        let table = dfg.exception_tables.push(table);
        for ty in results {
            self.builder.append_block_param(next, ty);
        }
        (table, next)
    }

    fn go_on_in(&mut self, next: Block) -> Vec<Value> {
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.builder.block_params(next).to_vec()
    }
}
