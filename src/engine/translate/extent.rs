//! How large a body is: whether the code generator can do its best with it, and whether it can compile it at all.
//!
//! Real programs are far below these limits (the largest function of CPython 3.12 has 106 kB): they bound the time and
//! memory that a hostile or generated body can cost. Neighbours: `Translator` measures, `compile` goes by the [`Effort`].

use alloc::format;
use alloc::string::String;
use cranelift_codegen::ir::Function;
use wasmparser::Operator;

use super::{Plan, Tier};
use crate::engine::code::compile::Effort;

/// Instructions and values that a body may become.
const MOST_INSTRUCTIONS: usize = 1 << 20;
/// Operands of branches and calls together.
const MOST_OPERANDS: usize = 1 << 23;

/// What each of these takes where they are many.
const OPERAND_BYTES: u64 = 16;

/// Blocks in each other: each is kept in lists while what it holds is translated.
const DEEPEST_NESTING: usize = 1 << 17;

/// Where the backtracking register allocator, whose time grows with the square of these, would take seconds.
const MOST_INSTRUCTIONS_TO_OPTIMISE: usize = 1 << 18;
const DEEPEST_NESTING_TO_OPTIMISE: usize = 3_000;
const HIGHEST_STACK_TO_OPTIMISE: usize = 2_000;
const MOST_LOCALS_TO_OPTIMISE: usize = 3_000;

/// What is measured while a body is translated.
#[derive(Default)]
pub struct Extent {
    nesting: usize,
    stack: usize,
    /// Calls and targets of jump tables: each costs far more than another instruction.
    costly: usize,
    locals: usize,
}

impl Extent {
    /// The extent of a body with so many locals, parameters included.
    pub fn of_body(locals: usize) -> Self {
        Self { locals, ..Self::default() }
    }

    /// Notes an operator, and how many frames are open and how many values are on the stack after it.
    pub fn note(&mut self, operator: &Operator<'_>, frames: usize, stack: usize) {
        self.nesting = self.nesting.max(frames);
        self.stack = self.stack.max(stack);
        self.costly += match operator {
            Operator::BrTable { targets } => targets.len() as usize,
            Operator::Call { .. } | Operator::CallIndirect { .. } => 1,
            Operator::TryTable { try_table } => try_table.catches.len(),
            _ => 0,
        };
    }

    /// How hard to try with the body that became `function`, if there is enough memory to try at all.
    pub fn effort(&self, function: &Function, plan: &Plan, memory_bytes: u64) -> Result<Effort, String> {
        let wanted = match plan.tier {
            Tier::Baseline if plan.small_frame => Effort::Careful,
            Tier::Baseline => Effort::Quick,
            Tier::Optimised | Tier::Specialised => Effort::Full,
        };
        let is_enormous = !(self.nesting <= DEEPEST_NESTING_TO_OPTIMISE
            && self.stack <= HIGHEST_STACK_TO_OPTIMISE
            && self.locals <= MOST_LOCALS_TO_OPTIMISE
            && function.dfg.num_insts() <= MOST_INSTRUCTIONS_TO_OPTIMISE
            && self.bytes_needed(function, if wanted == Effort::Careful { wanted } else { Effort::Full })
                <= memory_bytes);
        if !is_enormous && wanted != Effort::Quick {
            return Ok(wanted);
        }
        let effort = if is_enormous { Effort::Least } else { wanted };
        self.lack(function, memory_bytes).map_or(Ok(effort), Err)
    }

    /// What compiling `function` takes at most, as measured on bodies that consist of little else than one of the terms
    /// (`tests/compile_memory.rs`).
    fn bytes_needed(&self, function: &Function, effort: Effort) -> u64 {
        let (instruction, block, costly, level, local, nesting) = match effort {
            Effort::Least | Effort::Quick => (270, 1_700, 1_200, 200, 800, 0),
            Effort::Full => (620, 2_600, 2_000, 1_300, 1_600, 11),
            Effort::Careful => (900, 3_500, 2_800, 1_800, 2_200, 11),
        };
        let terms = [
            (function.dfg.num_insts(), instruction),
            (function.dfg.num_blocks(), block),
            (self.costly, costly),
            (self.nesting + self.stack, level),
            (self.locals, local),
            (function.dfg.value_lists.capacity(), OPERAND_BYTES),
            (self.nesting * self.nesting, nesting),
        ];
        terms.iter().map(|(count, bytes)| *count as u64 * bytes).sum()
    }

    /// Why `function`, which is being made, is too large already; none while it is not.
    pub fn excess(&self, function: &Function, memory_bytes: u64) -> Option<String> {
        let dfg = &function.dfg;
        let (what, most) = if dfg.num_insts().max(dfg.num_values()) > MOST_INSTRUCTIONS {
            ("instructions and values", MOST_INSTRUCTIONS)
        } else if dfg.value_lists.capacity() > MOST_OPERANDS || self.costly > MOST_OPERANDS {
            ("operands of branches and calls", MOST_OPERANDS)
        } else if self.nesting > DEEPEST_NESTING {
            ("blocks in each other", DEEPEST_NESTING)
        } else {
            return self.lack(function, memory_bytes);
        };
        Some(format!("the function is too large, it becomes more than {most} {what}; split it"))
    }

    /// What there is to say if even the least effort takes more than `memory_bytes`.
    fn lack(&self, function: &Function, memory_bytes: u64) -> Option<String> {
        let needed = self.bytes_needed(function, Effort::Least);
        if needed <= memory_bytes {
            return None;
        }
        let (needed, free) = (needed.div_ceil(1024), memory_bytes / 1024);
        Some(format!(
            "that may take {needed} KiB and {free} are free; give the machine more RAM, or split the function"
        ))
    }
}
