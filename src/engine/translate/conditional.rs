//! Conditionals: two arms, or one where the condition is a constant, and which of them never ran.

use cranelift_codegen::ir::{Block, InstBuilder, Value};
use wasmparser::BlockType;

use super::Translator;
use super::control::FrameKind;

/// The arm of a conditional that runs where the condition does not hold.
#[derive(Clone, Copy)]
pub enum Otherwise {
    /// Is to begin with this block.
    At(Block),
    /// Goes on where the condition was: it is 0.
    Here,
    /// Cannot be reached: the condition is another constant.
    Never,
    /// Has begun.
    Begun,
}

impl Translator<'_> {
    pub fn open_if(&mut self, ty: BlockType) {
        let counter = self.take_block();
        if !self.reachable {
            return self.push_dead();
        }
        let condition = self.pop();
        let (params, results) = self.block_types(ty);
        let saved = self.stack[self.stack.len() - params.len()..].to_vec();
        let (then, otherwise) = self.open_arms(condition);
        self.push_frame(FrameKind::If { otherwise, params: saved }, params, results);
        match (then, otherwise) {
            (Some(then), _) => self.begin_arm(counter, then),
            (None, Otherwise::Here) => self.reachable = false,
            _ => self.count_arm(counter),
        }
    }

    /// Branches to the two arms of a conditional. The first has no block if it goes on here or never runs.
    fn open_arms(&mut self, condition: Value) -> (Option<Block>, Otherwise) {
        if let Some(holds) = self.known_condition(condition) {
            return (None, if holds { Otherwise::Never } else { Otherwise::Here });
        }
        let (then, otherwise) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(condition, then, &[], otherwise, &[]);
        self.builder.seal_block(then);
        self.builder.seal_block(otherwise);
        (Some(then), Otherwise::At(otherwise))
    }

    /// Goes on in an arm of the current frame.
    pub fn begin_arm(&mut self, counter: usize, block: Block) {
        self.builder.switch_to_block(block);
        let never_ran = self.never_ran(counter);
        if never_ran {
            self.builder.set_cold_block(block);
        }
        let outside = self.frames.len().checked_sub(2).is_some_and(|index| self.frames[index].never_ran);
        self.frame().never_ran = outside || never_ran;
        self.count_arm(counter);
    }

    pub fn begin_else(&mut self) {
        let counter = self.take_block();
        if matches!(self.frame().kind, FrameKind::Dead) {
            return;
        }
        self.leave_to_exit();
        let frame = self.frame();
        let FrameKind::If { otherwise, params } = &mut frame.kind else {
            unreachable!("validated: else closes the first arm of an if")
        };
        let otherwise = core::mem::replace(otherwise, Otherwise::Begun);
        let (params, height) = (core::mem::take(params), frame.height);
        self.stack.truncate(height);
        self.stack.extend(params);
        match otherwise {
            Otherwise::At(block) => {
                self.reachable = true;
                self.begin_arm(counter, block);
            }
            Otherwise::Here => {
                self.reachable = true;
                self.count_arm(counter);
            }
            Otherwise::Never => self.reachable = false,
            Otherwise::Begun => unreachable!("validated: an if has one else"),
        }
    }

    /// An `if` without `else`: the missing arm hands the parameters on.
    pub fn close_missing_else(&mut self) {
        let frame = self.frame();
        let exit = frame.exit;
        let FrameKind::If { otherwise: Otherwise::At(otherwise), params } = &mut frame.kind else { return };
        let (otherwise, params) = (*otherwise, core::mem::take(params));
        frame.exit_reached = true;
        self.builder.switch_to_block(otherwise);
        self.jump(exit, &params);
    }

    /// Whether the current position is in an arm that never ran.
    pub fn is_in_arm_that_never_ran(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.never_ran)
    }
}
