//! Compiling before the program starts what earlier boots found hot: callees before their callers, so that calls between
//! hot functions go straight to the code and not through an entry.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::replace;

use super::tier;
use crate::engine::decode::program::{FuncId, FunctionKind, LIBC};
use crate::engine::translate::callees;
use crate::engine::{Engine, room};

impl Engine {
    /// Compiles every function that its record calls hot and that has no code yet.
    pub fn warm_up(&mut self) {
        let mut visited = vec![false; self.program.functions.len()];
        // What the libc had hot may have been hot because of functions that now stand in place of their calls.
        let of_libc = |id: &FuncId| matches!(self.program.info(*id).kind, FunctionKind::Defined { module: LIBC, .. });
        let defined = self.program.defined().map(|(id, _)| id);
        let roots: Vec<FuncId> = defined.filter(|id| !of_libc(id) && self.is_worth_it(*id)).collect();
        for root in roots {
            self.warm_up_from(root, &mut visited);
        }
    }

    /// Compiles the hot functions that `root` reaches through hot ones, in post-order.
    fn warm_up_from(&mut self, root: FuncId, visited: &mut [bool]) {
        let mut path: Vec<(FuncId, Vec<FuncId>)> = Vec::new();
        let mut next = Some(root);
        // What there is no memory for now may never be called.
        while self.bytes_to_compile_in() > 0 {
            if let Some(id) = next.take()
                && !replace(&mut visited[id.0 as usize], true)
                && self.is_worth_it(id)
            {
                // Where there is no memory to list them they are compiled when they are called.
                let called = callees(&self.program, id).filter(|callee| !visited[callee.0 as usize]);
                path.push((id, room::collect(called, "the calls of a function").unwrap_or_default()));
            }
            let Some((id, rest)) = path.last_mut() else { return };
            let id = *id;
            next = rest.pop();
            if next.is_none() {
                path.pop();
                let started = self.now();
                if self.compile_for_first_call(id).is_err() {
                    // It may never be called. If it is, it fails again, and then it matters.
                    self.functions[id.0 as usize].observed = None;
                }
                self.statistics.ticks_compile += self.now().saturating_sub(started);
            }
        }
    }

    /// A function that stands in place of its calls may never be called itself.
    fn is_worth_it(&self, id: FuncId) -> bool {
        self.functions[id.0 as usize].tier.is_none() && self.is_hot(id) && !self.is_expanded_where_hot(id)
    }

    pub(in crate::engine) fn is_hot(&self, id: FuncId) -> bool {
        let thresholds = self.options.thresholds.unwrap_or_default();
        self.known(id).is_some_and(|record| tier::is_hot(record, self.earlier.boots_observed, &thresholds))
    }
}
