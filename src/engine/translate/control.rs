//! Structured control flow: frames, branches, and what is skipped because it cannot be reached.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, JumpTableData, Type, Value, types};
use wasmparser::{BlockType, BrTable, Operator};

use super::conditional::Otherwise;
use super::exception::Region;
use super::{Refusal, Translator, machine_type};
use crate::engine::names::trap_code;

/// Targets and arguments from which on a jump table goes through blocks of its own, one for each frame that it leads to.
/// To add an argument to a branch costs a look at all of its targets, and frames can have many arguments.
const LARGE_TABLE: usize = 256;

/// An open block, loop, conditional or the body itself.
pub struct Frame {
    pub(super) kind: FrameKind,
    /// Where branches to this frame go: the header of a loop, else the exit.
    pub(super) target: Block,
    /// Where control continues after `end`.
    pub(super) exit: Block,
    /// Values that a branch carries.
    pub(super) branch_arity: usize,
    /// Height of the value stack below the frame's parameters.
    pub(super) height: usize,
    /// Whether `exit` has a predecessor.
    pub(super) exit_reached: bool,
    /// It is in an arm that never ran.
    pub(super) never_ran: bool,
}

pub enum FrameKind {
    Function,
    /// The body of a function that stands in place of a call.
    Inlined,
    Block,
    Loop,
    /// The other arm, and the parameters it starts with.
    If {
        otherwise: Otherwise,
        params: Vec<Value>,
    },
    /// What may catch exceptions.
    Try(Box<Region>),
    /// Opened where nothing is reachable: only counted.
    Dead,
}

impl Translator<'_> {
    /// Handles the operators that structure code, also where it is unreachable. Returns whether it was one.
    pub fn control(&mut self, operator: &Operator<'_>) -> Result<bool, Refusal> {
        match operator {
            Operator::Block { blockty } => self.open_block(*blockty),
            Operator::Loop { blockty } => self.open_loop(*blockty),
            Operator::If { blockty } => self.open_if(*blockty),
            Operator::Else => self.begin_else(),
            Operator::End => self.end(),
            Operator::Nop => {}
            Operator::Unreachable => self.if_reachable(|it| {
                it.builder.ins().trap(trap_code::UNREACHABLE);
                it.reachable = false;
            }),
            Operator::Br { relative_depth } => self.if_reachable(|it| {
                it.branch(*relative_depth);
                it.reachable = false;
            }),
            Operator::BrIf { relative_depth } => self.if_reachable(|it| it.branch_if(*relative_depth)),
            Operator::BrTable { targets } => self.branch_table(targets)?,
            Operator::Return => self.if_reachable(|it| {
                it.branch(it.frames.len() as u32 - 1);
                it.reachable = false;
            }),
            _ => return Ok(self.exception(operator)),
        }
        Ok(true)
    }

    pub fn if_reachable(&mut self, then: impl FnOnce(&mut Self)) {
        if self.reachable {
            then(self);
        }
    }

    /// Opens a frame whose parameters, of types `params`, are on the stack.
    pub fn push_frame(&mut self, kind: FrameKind, params: Vec<Type>, results: Vec<Type>) {
        let exit = self.builder.create_block();
        for ty in &results {
            self.builder.append_block_param(exit, *ty);
        }
        let height = self.stack.len() - params.len();
        let never_ran = self.is_in_arm_that_never_ran();
        let branch_arity = results.len();
        self.frames.push(Frame { kind, target: exit, exit, branch_arity, height, exit_reached: false, never_ran });
    }

    pub fn push_dead(&mut self) {
        let exit = Block::from_u32(u32::MAX - 1);
        let frame = Frame {
            kind: FrameKind::Dead,
            target: exit,
            exit,
            branch_arity: 0,
            height: self.stack.len(),
            exit_reached: false,
            never_ran: true,
        };
        self.frames.push(frame);
    }

    pub fn block_types(&self, ty: BlockType) -> (Vec<Type>, Vec<Type>) {
        match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), alloc::vec![machine_type(ty)]),
            BlockType::FuncType(index) => {
                let ty = &self.program.modules[self.module].types[index as usize];
                let convert = |types: &[wasmparser::ValType]| types.iter().map(|ty| machine_type(*ty)).collect();
                (convert(ty.params()), convert(ty.results()))
            }
        }
    }

    fn open_block(&mut self, ty: BlockType) {
        if !self.reachable {
            return self.push_dead();
        }
        let (params, results) = self.block_types(ty);
        self.push_frame(FrameKind::Block, params, results);
    }

    fn open_loop(&mut self, ty: BlockType) {
        let counter = self.take_block();
        if !self.reachable {
            return self.push_dead();
        }
        let (params, results) = self.block_types(ty);
        let header = self.builder.create_block();
        for ty in &params {
            self.builder.append_block_param(header, *ty);
        }
        let arity = params.len();
        let args = self.pop_many(arity);
        self.hold_in_loop(counter);
        self.jump(header, &args);
        self.builder.switch_to_block(header);
        self.stack.extend_from_slice(self.builder.block_params(header));
        self.push_frame(FrameKind::Loop, params, results);
        let frame = self.frame();
        frame.target = header;
        frame.branch_arity = arity;
        self.count_loop(counter);
    }

    fn end(&mut self) {
        if matches!(self.frame().kind, FrameKind::Dead) {
            self.frames.pop();
            return;
        }
        if self.returns_here() {
            return;
        }
        if matches!(self.frame().kind, FrameKind::Try(_)) {
            return self.end_try();
        }
        let alone = self.ends_in_one_place();
        if !alone {
            self.leave_to_exit();
            self.close_missing_else();
        }
        let Some(frame) = self.frames.pop() else { unreachable!("validated: end closes a frame") };
        if alone {
            return;
        }
        if matches!(frame.kind, FrameKind::Loop) {
            self.builder.seal_block(frame.target);
            self.release_at_end(self.frames.len());
        }
        self.go_on_behind(&frame);
        if self.reachable && matches!(frame.kind, FrameKind::Function) {
            let results = core::mem::take(&mut self.stack);
            self.builder.ins().return_(&results);
            self.reachable = false;
        }
    }

    /// Goes on at the exit of `frame`, which was closed, if anything leads there.
    pub fn go_on_behind(&mut self, frame: &Frame) {
        self.stack.truncate(frame.height);
        self.reachable = frame.exit_reached;
        if !self.reachable {
            return;
        }
        self.builder.switch_to_block(frame.exit);
        self.builder.seal_block(frame.exit);
        self.stack.extend_from_slice(self.builder.block_params(frame.exit));
    }

    /// Ends the body where nothing else leaves it. Returns whether that is here.
    fn returns_here(&mut self) -> bool {
        let frame = self.frame();
        if !matches!(frame.kind, FrameKind::Function) || frame.exit_reached || !self.reachable {
            return false;
        }
        self.frames.pop();
        let results = core::mem::take(&mut self.stack);
        self.builder.ins().return_(&results);
        self.reachable = false;
        true
    }

    /// Whether the exit of the current frame has no other way to it than from here, so that it needs no block: what is known
    /// to be constant stays known.
    fn ends_in_one_place(&mut self) -> bool {
        let frame = self.frame();
        let (height, exit_reached) = (frame.height, frame.exit_reached);
        match &mut frame.kind {
            FrameKind::Function | FrameKind::Loop | FrameKind::If { otherwise: Otherwise::At(_), .. } => return false,
            FrameKind::If { otherwise: Otherwise::Here, params } => {
                // The only arm cannot be reached, and the missing one hands the parameters on.
                let params = core::mem::take(params);
                self.stack.truncate(height);
                self.stack.extend(params);
                self.reachable = true;
            }
            _ => {}
        }
        self.reachable && !exit_reached
    }

    /// Falls through to the exit of the current frame, if the position is reachable.
    pub fn leave_to_exit(&mut self) {
        if !self.reachable {
            return;
        }
        let frame = self.frame();
        frame.exit_reached = true;
        let exit = frame.exit;
        let arity = self.builder.block_params(exit).len();
        let args = self.pop_many(arity);
        let (next, args) = self.way_behind(self.frames.len() - 1, exit, &args);
        self.jump(next, &args);
        self.reachable = false;
    }

    pub fn frame_index(&self, depth: u32) -> usize {
        self.frames.len() - 1 - depth as usize
    }

    /// The frame that a branch of this depth goes to, marked as reached.
    fn branch_target(&mut self, depth: u32) -> (Block, usize) {
        let index = self.frame_index(depth);
        let frame = &mut self.frames[index];
        if !matches!(frame.kind, FrameKind::Loop) {
            frame.exit_reached = true;
        }
        (frame.target, frame.branch_arity)
    }

    pub fn branch(&mut self, depth: u32) {
        let (target, arity) = self.branch_target(depth);
        let args = self.pop_many(arity);
        let (next, args) = self.way_to(self.frame_index(depth), target, &args);
        self.jump(next, &args);
    }

    fn branch_if(&mut self, depth: u32) {
        let condition = self.pop();
        match self.known_condition(condition) {
            Some(true) => {
                self.branch(depth);
                self.reachable = false;
                return;
            }
            Some(false) => return,
            None => {}
        }
        let (target, arity) = self.branch_target(depth);
        let args = self.stack[self.stack.len() - arity..].to_vec();
        let (target, args) = self.way_to(self.frame_index(depth), target, &args);
        let next = self.builder.create_block();
        self.builder.ins().brif(condition, target, &block_args(&args), next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    fn branch_table(&mut self, table: &BrTable<'_>) -> Result<(), Refusal> {
        if !self.reachable {
            return Ok(());
        }
        let index = self.pop();
        let (_, arity) = self.branch_target(table.default());
        let args = self.stack[self.stack.len() - arity..].to_vec();
        let table_args = block_args(&args);
        let mut calls = Vec::with_capacity(table.len() as usize);
        // In a loop that holds counters, ways out are blocks anyway.
        let through_blocks = self.is_in_holding_loop() || table.len() as usize * (1 + arity) > LARGE_TABLE;
        let mut jumps = BTreeMap::new();
        for depth in table.targets().chain([Ok(table.default())]) {
            let depth = depth?;
            let (target, _) = self.branch_target(depth);
            calls.push(if through_blocks {
                let (block, _) = *jumps.entry(target).or_insert_with(|| (self.builder.create_block(), depth));
                self.builder.func.dfg.block_call(block, &[])
            } else {
                self.builder.func.dfg.block_call(target, &table_args)
            });
        }
        let Some(default) = calls.pop() else { unreachable!("the default is among them") };
        let table = self.builder.create_jump_table(JumpTableData::new(default, &calls));
        debug_assert_eq!(self.builder.func.dfg.value_type(index), types::I32);
        self.builder.ins().br_table(index, table);
        for (target, (block, depth)) in jumps {
            self.builder.switch_to_block(block);
            self.builder.seal_block(block);
            let (next, args) = self.way_to(self.frame_index(depth), target, &args);
            self.jump(next, &args);
        }
        self.reachable = false;
        Ok(())
    }

    pub fn jump(&mut self, target: Block, args: &[Value]) {
        self.builder.ins().jump(target, &block_args(args));
    }

    pub fn frame(&mut self) -> &mut Frame {
        let Some(frame) = self.frames.last_mut() else { unreachable!("validated: a frame is open") };
        frame
    }
}

fn block_args(values: &[Value]) -> Vec<BlockArg> {
    values.iter().copied().map(BlockArg::Value).collect()
}
