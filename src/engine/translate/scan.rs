//! The counted blocks and the sites of a body, found before its first translation.

use alloc::vec::Vec;
use core::ops::Range;
use wasmparser::{Operator, OperatorsReader};

use crate::engine::decode::program::{FIRST_MEMORY, FuncId, FunctionKind, LIBC, Linkage, Program};
use crate::engine::room::{self, NoRoom};
use crate::libc::SizeSite;
use crate::profile::SiteKind;

/// What a body has to be counted, in body order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub blocks: usize,
    pub sites: Vec<SiteShape>,
    /// The functions of the libc that it calls, by rising number.
    pub libc_callees: Vec<FuncId>,
}

/// One site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteShape {
    pub kind: SiteKind,
    /// The libc function called, for a size.
    pub callee: Option<FuncId>,
}

/// Scans the body of `id`; it was validated.
pub fn scan(program: &Program, id: FuncId) -> Result<Shape, NoRoom> {
    let mut shape = Shape::default();
    let Some((module, mut reader)) = reader(program, id) else { return Ok(shape) };
    while !reader.eof() {
        let Ok(operator) = reader.read() else { break };
        shape.blocks += counted_blocks(&operator);
        let mut callee = called(program, module, &operator);
        if let Some(site) = site_of(program, module, &operator) {
            callee = site.callee.or(callee);
            room::push(&mut shape.sites, site, "the calls of a function")?;
        }
        if let Some(callee) = callee.filter(|callee| is_of_libc(program, *callee))
            && let Err(place) = shape.libc_callees.binary_search(&callee)
        {
            room::reserve(&mut shape.libc_callees, 1, "the calls of a function")?;
            shape.libc_callees.insert(place, callee);
        }
    }
    Ok(shape)
}

/// A loop that calls the libc and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietLoop {
    /// Its number among the counted blocks.
    pub block: usize,
    /// Its sites.
    pub sites: Range<usize>,
}

/// The outermost quiet loops of `id`, by rising block.
pub fn quiet_loops(program: &Program, id: FuncId) -> Vec<QuietLoop> {
    let mut open: Vec<OpenFrame> = Vec::new();
    let mut found: Vec<QuietLoop> = Vec::new();
    let (mut blocks, mut sites) = (0, 0);
    for (module, operator) in operators(program, id) {
        match operator {
            Operator::Block { .. }
            | Operator::If { .. }
            | Operator::Loop { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. } => {
                let of_loop = matches!(operator, Operator::Loop { .. })
                    .then_some(QuietLoop { block: blocks, sites: sites..sites });
                open.push(OpenFrame { of_loop, found: found.len(), calls_libc: false, calls_others: false });
            }
            Operator::End | Operator::Delegate { .. } => {
                // The last one ends the body.
                let Some(frame) = open.pop() else { break };
                if let Some(mut quiet) = frame.of_loop.filter(|_| frame.calls_libc && !frame.calls_others) {
                    quiet.sites.end = sites;
                    found.truncate(frame.found);
                    found.push(quiet);
                }
                if let Some(outer) = open.last_mut() {
                    outer.calls_libc |= frame.calls_libc;
                    outer.calls_others |= frame.calls_others;
                }
            }
            _ => {
                if let (Some(of_libc), Some(frame)) = (calls_libc(program, module, &operator), open.last_mut()) {
                    frame.calls_libc |= of_libc;
                    frame.calls_others |= !of_libc;
                }
            }
        }
        blocks += counted_blocks(&operator);
        sites += usize::from(site_of(program, module, &operator).is_some());
    }
    found
}

/// A frame that [`quiet_loops`] is in.
struct OpenFrame {
    /// What it is if it is a quiet loop, as far as known.
    of_loop: Option<QuietLoop>,
    /// How many quiet loops were found before it.
    found: usize,
    calls_libc: bool,
    calls_others: bool,
}

/// Whether `operator` calls the libc; none if it calls nothing. To throw is to call something else.
fn calls_libc(program: &Program, module: usize, operator: &Operator<'_>) -> Option<bool> {
    match operator {
        Operator::Call { function_index } => {
            let kind = &program.info(program.resolve(module, *function_index)).kind;
            Some(matches!(kind, FunctionKind::Defined { module: LIBC, .. }))
        }
        Operator::CallIndirect { .. }
        | Operator::ReturnCall { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::Throw { .. }
        | Operator::ThrowRef
        | Operator::Rethrow { .. } => Some(false),
        _ => site_of(program, module, operator).map(|_| true),
    }
}

/// The functions that `id` calls directly, as often as it names them.
pub fn callees(program: &Program, id: FuncId) -> impl Iterator<Item = FuncId> + '_ {
    operators(program, id).filter_map(|(module, operator)| called(program, module, &operator))
}

/// The function that `operator`, in a body of `module`, calls directly.
fn called(program: &Program, module: usize, operator: &Operator<'_>) -> Option<FuncId> {
    match operator {
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            Some(program.resolve(module, *function_index))
        }
        _ => None,
    }
}

fn is_of_libc(program: &Program, id: FuncId) -> bool {
    matches!(program.info(id).kind, FunctionKind::Defined { module: LIBC, .. })
}

/// The operators of the body of `id`, each with the number of its module.
fn operators(program: &Program, id: FuncId) -> impl Iterator<Item = (usize, Operator<'static>)> {
    reader(program, id)
        .into_iter()
        .flat_map(|(module, reader)| reader.into_iter().map_while(Result::ok).map(move |operator| (module, operator)))
}

/// What reads the body of `id`, and the number of its module.
fn reader(program: &Program, id: FuncId) -> Option<(usize, OperatorsReader<'static>)> {
    let FunctionKind::Defined { module, index } = program.info(id).kind else { return None };
    Some((module, program.modules[module].body(index)?.get_operators_reader().ok()?))
}

/// How many counted blocks `operator` begins: rounds of a loop, arms of a conditional, clauses for exceptions.
fn counted_blocks(operator: &Operator<'_>) -> usize {
    match operator {
        Operator::Loop { .. } | Operator::If { .. } | Operator::Else | Operator::Catch { .. } | Operator::CatchAll => 1,
        Operator::TryTable { try_table } => try_table.catches.len(),
        _ => 0,
    }
}

/// Whether the body of `id` throws again what a clause of the legacy form caught.
pub fn rethrows(program: &Program, id: FuncId) -> bool {
    operators(program, id).any(|(_, operator)| matches!(operator, Operator::Rethrow { .. }))
}

/// The site that `operator`, in a body of `module`, is.
pub fn site_of(program: &Program, module: usize, operator: &Operator<'_>) -> Option<SiteShape> {
    let linkage = &program.linkages[module];
    let callee = match operator {
        Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => {
            return Some(SiteShape { kind: SiteKind::Target, callee: None });
        }
        Operator::MemoryCopy { dst_mem, src_mem } if works_on_first_memory(linkage, &[*dst_mem, *src_mem]) => {
            program.libc_function("memmove")?
        }
        Operator::MemoryFill { mem } if works_on_first_memory(linkage, &[*mem]) => program.libc_function("memset")?,
        Operator::Call { function_index } => program.resolve(module, *function_index),
        _ => return None,
    };
    sized(program, callee).map(|_| SiteShape { kind: SiteKind::Size, callee: Some(callee) })
}

/// Whether all these memories of a module are the one that the libc works on.
pub fn works_on_first_memory(linkage: &Linkage, memories: &[u32]) -> bool {
    memories.iter().all(|index| linkage.memories[*index as usize] == FIRST_MEMORY)
}

/// Which arguments a call of `callee` records, if it records any.
pub fn sized(program: &Program, callee: FuncId) -> Option<SizeSite> {
    program.info(callee).libc.and_then(|function| function.site)
}
