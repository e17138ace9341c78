//! Counters and value probes: what compiled code writes down about itself.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};

use super::{Probe, SitePlan, Tier, Translator};
use crate::engine::layout::{EDITION_SHIFT, RuntimeOp, edition, site};

impl Translator<'_> {
    /// Counts a call of this function and asks for promotion at the plan's threshold.
    pub fn count_call(&mut self) {
        let count = self.increment(self.plan.calls);
        if let Some(offset) = self.plan.threshold {
            let threshold = self.load_state(types::I64, offset as i32);
            self.promote_when(count, threshold, RuntimeOp::Promote);
        }
    }

    /// The number of the next counted block. Numbered in body order, reachable or not, as `scan` does.
    pub fn take_block(&mut self) -> usize {
        self.take_blocks(1)
    }

    /// The number of the first of the next `count` counted blocks.
    pub fn take_blocks(&mut self, count: usize) -> usize {
        self.next_block += count;
        self.next_block - count
    }

    /// Counts a round of a loop, in the baseline.
    pub fn count_loop(&mut self, block: usize) {
        if self.plan.tier != Tier::Baseline {
            return;
        }
        let count = self.increment(self.plan.blocks + 8 * block);
        if let Some(offset) = self.plan.promote_at_rounds {
            let threshold = self.load_state(types::I64, offset as i32);
            self.promote_when(count, threshold, RuntimeOp::PromoteThroughLoop);
        }
    }

    /// Counts an arm of a conditional, in the baseline; above it one that is out of the way, where counting costs nothing
    /// unless that is wrong, and then the next boot must know.
    pub fn count_arm(&mut self, number: usize) {
        if self.plan.tier == Tier::Baseline || self.never_ran(number) {
            self.increment(self.plan.blocks + 8 * number);
        }
    }

    /// Whether an arm ran in no boot, as far as code above the baseline knows; it is moved out of the way.
    pub fn never_ran(&self, number: usize) -> bool {
        self.plan.never_ran.get(number) == Some(&true)
    }

    pub fn increment(&mut self, offset: usize) -> Value {
        let offset = offset as i32;
        let count = self.load_state(types::I64, offset);
        let one = self.builder.ins().iconst(types::I64, 1);
        let count = self.builder.ins().iadd(count, one);
        self.store_state(count, offset);
        count
    }

    fn promote_when(&mut self, count: Value, threshold: Value, op: RuntimeOp) {
        let reached = self.builder.ins().icmp(IntCC::Equal, count, threshold);
        let id = i64::from(self.id.0);
        self.rarely(reached, |it| {
            let id = it.builder.ins().iconst(types::I64, id);
            it.note(op, &[id]);
        });
    }

    /// Runs `then` out of line when `condition` holds.
    pub fn rarely(&mut self, condition: Value, then: impl FnOnce(&mut Self)) {
        let (cold, next) = (self.builder.create_block(), self.following_block());
        self.builder.set_cold_block(cold);
        self.builder.ins().brif(condition, cold, &[], next, &[]);
        self.builder.seal_block(cold);
        self.builder.switch_to_block(cold);
        then(self);
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// A new block that is as cold as this one.
    pub fn following_block(&mut self) -> Block {
        let next = self.builder.create_block();
        if self.is_cold() {
            self.builder.set_cold_block(next);
        }
        next
    }

    /// Whether this block is expected to run rarely.
    pub fn is_cold(&self) -> bool {
        self.builder.current_block().is_some_and(|block| self.builder.func.layout.is_cold(block))
    }

    /// The plan of the next site. Numbered in body order, as `scan` does.
    pub fn take_site(&mut self) -> SitePlan {
        self.next_site += 1;
        self.plan.sites[self.next_site - 1].clone()
    }

    /// Counts the call, and records `value` (a word) and the OR of `addresses` (32 bits each) as the site's probe says.
    pub fn record(&mut self, plan: &SitePlan, value: Value, addresses: &[Value]) {
        match plan.probe {
            Probe::Full => self.record_every(plan, value, addresses),
            Probe::Sampled => self.record_sample(plan, value, addresses),
        }
    }

    /// Counts runs of equal values inline; the engine takes over when the value changes.
    fn record_every(&mut self, plan: &SitePlan, value: Value, addresses: &[Value]) {
        let state = plan.state as i32;
        if let Some(bits) = self.union(addresses) {
            let old = self.load_state(types::I64, state + site::ADDRESS_BITS);
            let bits = self.builder.ins().bor(old, bits);
            self.store_state(bits, state + site::ADDRESS_BITS);
        }
        let last = self.load_state(types::I64, state + site::VALUE);
        let changed = self.builder.ins().icmp(IntCC::NotEqual, last, value);
        let number = i64::from(plan.number);
        self.rarely(changed, |it| {
            let number = it.builder.ins().iconst(types::I64, number);
            it.note(RuntimeOp::Record, &[number, value]);
        });
        self.increment(plan.state + site::RUN as usize);
    }

    fn record_sample(&mut self, plan: &SitePlan, value: Value, addresses: &[Value]) {
        let due = self.count_down(plan);
        let number = i64::from(plan.number) | (plan.edition_number as i64) << EDITION_SHIFT;
        let addresses = addresses.to_vec();
        self.rarely(due, |it| {
            let bits = it.union(&addresses).unwrap_or_else(|| it.builder.ins().iconst(types::I64, 0));
            let number = it.builder.ins().iconst(types::I64, number);
            it.with_countdown_in_memory(plan, |it| it.note(RuntimeOp::Sample, &[number, value, bits]));
        });
    }

    /// Counts a call that took specialised path number `path`.
    pub fn count_pass(&mut self, plan: &SitePlan, path: usize) {
        self.count(plan.edition + edition::PASSED + 8 * path);
    }

    fn union(&mut self, addresses: &[Value]) -> Option<Value> {
        let mut union = None;
        for address in addresses {
            let word = self.builder.ins().uextend(types::I64, *address);
            union = Some(match union {
                None => word,
                Some(bits) => self.builder.ins().bor(bits, word),
            });
        }
        union
    }
}
