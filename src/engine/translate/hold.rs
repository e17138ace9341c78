//! Counters that stay in registers while a loop runs.
//!
//! A counter in memory takes a load, an addition and a store, and the next round waits for the store. In a *quiet* loop,
//! which calls the libc and nothing else, nobody reads counters, so what there is to count is added up in registers and
//! moved to memory on every way out. A trap loses it. Neighbours: `probe` says what is counted, `scan` finds the loops,
//! `control` makes the ways out.

use alloc::vec::Vec;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use cranelift_frontend::Variable;

use super::scan::{QuietLoop, quiet_loops};
use super::{Probe, SitePlan, Specialisation, Tier, Translator};
use crate::engine::layout::edition;

/// Counters held at a time: few enough that the loop's own values keep most of the 13 registers.
const MOST_HELD: usize = 4;

/// What is held.
#[derive(Default)]
pub struct Held {
    pub by: Holder,
    holding: bool,
    /// One for each of `cells`.
    variables: Vec<Variable>,
    cells: Vec<Cell>,
    ways_out: Vec<WayOut>,
}

/// Which loops of a body hold. A body that stands in place of a call has none of its own.
#[derive(Default)]
pub struct Holder {
    loops: Vec<QuietLoop>,
    /// Index of the frame of the one that does now.
    frame: Option<usize>,
}

/// A state cell that is held, by its offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// The variable is what was counted since the loop began.
    Counter(usize),
    /// The variable is what the cell would be.
    Countdown(usize),
}

/// An edge out of the loop: a block that has yet to be filled, and where it leads.
struct WayOut {
    block: Block,
    target: Block,
    args: Vec<Value>,
}

impl Translator<'_> {
    /// Whether this is in a loop that holds counters, or on a way out of one.
    pub const fn is_holding(&self) -> bool {
        self.held.holding
    }

    /// Finds the loops of this body that hold counters.
    pub fn find_quiet_loops(&mut self) {
        if self.plan.tier != Tier::Baseline && !(self.plan.sites.is_empty() && self.plan.callees.is_empty()) {
            self.held.by.loops = quiet_loops(self.program, self.id);
        }
    }

    /// Begins to hold, if loop number `block`, whose frame comes next, does that.
    pub fn hold_in_loop(&mut self, block: usize) {
        if self.held.holding {
            return;
        }
        let Ok(index) = self.held.by.loops.binary_search_by_key(&block, |found| found.block) else { return };
        let found = &self.held.by.loops[index];
        let sampled = self.plan.sites[found.sites.clone()].iter().filter(|site| site.is_sampled_often());
        self.held.cells = sampled.map(SitePlan::countdown).map(Cell::Countdown).take(MOST_HELD).collect();
        self.held.holding = true;
        self.held.by.frame = Some(self.frames.len());
        while self.held.variables.len() < MOST_HELD {
            let variable = self.builder.declare_var(types::I64);
            self.held.variables.push(variable);
        }
        for held in 0..MOST_HELD {
            let value = match self.held.cells.get(held) {
                Some(Cell::Countdown(offset)) => self.load_state(types::I64, *offset as i32),
                _ => self.builder.ins().iconst(types::I64, 0),
            };
            self.builder.def_var(self.held.variables[held], value);
        }
    }

    /// Puts what is held into memory on all ways out, if the frame at `index`, which ends here, is the loop's.
    pub fn release_at_end(&mut self, index: usize) {
        if self.held.by.frame != Some(index) {
            return;
        }
        for WayOut { block, target, args } in core::mem::take(&mut self.held.ways_out) {
            self.builder.switch_to_block(block);
            self.builder.seal_block(block);
            for held in 0..self.held.cells.len() {
                self.release(held);
            }
            self.jump(target, &args);
        }
        self.held.cells.clear();
        self.held.by.frame = None;
        self.held.holding = false;
    }

    /// Whether some branches from here may leave the loop that holds.
    pub const fn is_in_holding_loop(&self) -> bool {
        self.held.by.frame.is_some()
    }

    /// Where to jump, with which arguments, to get with `args` to `target`, which belongs to the frame at `index`.
    pub fn way_to(&mut self, index: usize, target: Block, args: &[Value]) -> (Block, Vec<Value>) {
        match self.held.by.frame {
            Some(frame) if index < frame => (self.way_out(target, args), Vec::new()),
            _ => (target, args.to_vec()),
        }
    }

    /// The same to what follows the frame at `index`.
    pub fn way_behind(&mut self, index: usize, exit: Block, args: &[Value]) -> (Block, Vec<Value>) {
        if self.held.by.frame == Some(index) { (self.way_out(exit, args), Vec::new()) } else { (exit, args.to_vec()) }
    }

    fn way_out(&mut self, target: Block, args: &[Value]) -> Block {
        let block = self.builder.create_block();
        self.held.ways_out.push(WayOut { block, target, args: args.to_vec() });
        block
    }

    /// Adds one to the counter in the state cell at `offset`.
    pub fn count(&mut self, offset: usize) {
        match self.hold(Cell::Counter(offset)) {
            Some(held) => {
                self.add_held(held, 1);
            }
            None => {
                self.increment(offset);
            }
        }
    }

    /// Counts down to the next sample of `plan`'s site; whether it is due.
    pub fn count_down(&mut self, plan: &SitePlan) -> Value {
        let offset = plan.countdown();
        let left = match self.held_number(Cell::Countdown(offset)) {
            Some(held) => self.add_held(held, -1),
            None => {
                let left = self.load_state(types::I64, offset as i32);
                let left = self.builder.ins().iadd_imm_s(left, -1);
                self.store_state(left, offset as i32);
                left
            }
        };
        self.builder.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, left, 0)
    }

    /// Does what changes the countdown of `plan`'s site in memory.
    pub fn with_countdown_in_memory(&mut self, plan: &SitePlan, then: impl FnOnce(&mut Self)) {
        let offset = plan.countdown();
        let held = self.held_number(Cell::Countdown(offset));
        if let Some(held) = held {
            self.release(held);
        }
        then(self);
        if let Some(held) = held {
            let left = self.load_state(types::I64, offset as i32);
            self.builder.def_var(self.held.variables[held], left);
        }
    }

    fn held_number(&self, cell: Cell) -> Option<usize> {
        self.held.cells.iter().position(|held| *held == cell)
    }

    /// The number among held cells of this one, which becomes one of them if there is room.
    fn hold(&mut self, cell: Cell) -> Option<usize> {
        let known = self.held_number(cell);
        if known.is_none() && self.held.holding && self.held.cells.len() < MOST_HELD {
            self.held.cells.push(cell);
            return Some(self.held.cells.len() - 1);
        }
        known
    }

    fn add_held(&mut self, held: usize, change: i64) -> Value {
        let value = self.builder.use_var(self.held.variables[held]);
        let value = self.builder.ins().iadd_imm_s(value, change);
        self.builder.def_var(self.held.variables[held], value);
        value
    }

    fn release(&mut self, held: usize) {
        let value = self.builder.use_var(self.held.variables[held]);
        match self.held.cells[held] {
            Cell::Countdown(offset) => self.store_state(value, offset as i32),
            Cell::Counter(offset) => {
                let before = self.load_state(types::I64, offset as i32);
                let after = self.builder.ins().iadd(before, value);
                self.store_state(after, offset as i32);
            }
        }
    }
}

impl SitePlan {
    /// State offset of the calls until the next sample.
    const fn countdown(&self) -> usize {
        self.edition + edition::UNTIL_SAMPLE
    }

    /// Whether many calls are expected to count down.
    fn is_sampled_often(&self) -> bool {
        let rarely = |specialisation: &Specialisation| match specialisation {
            Specialisation::Sizes { exact, general } => !exact.is_empty() && general.is_none_or(|kernel| kernel.rare),
            Specialisation::Target(_) => true,
        };
        self.probe == Probe::Sampled && !self.specialisation.as_ref().is_some_and(rarely)
    }
}
