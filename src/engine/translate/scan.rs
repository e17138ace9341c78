//! The counted blocks and the sites of a body, found before its first translation.

use alloc::vec::Vec;
use wasmparser::Operator;

use crate::engine::program::{FIRST_MEMORY, FuncId, FunctionKind, Linkage, Program};
use crate::libc::SizeSite;
use crate::profile::SiteKind;

/// What a body has to be counted, in body order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub blocks: usize,
    pub sites: Vec<SiteShape>,
}

/// One site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteShape {
    pub kind: SiteKind,
    /// The libc function called, for a size.
    pub callee: Option<FuncId>,
}

/// Scans the body of `id`; it was validated.
pub fn scan(program: &Program, id: FuncId) -> Shape {
    let mut shape = Shape::default();
    for (module, operator) in operators(program, id) {
        if counts_block(&operator) {
            shape.blocks += 1;
        }
        shape.sites.extend(site_of(program, module, &operator));
    }
    shape
}

/// The functions that `id` calls directly, as often as it names them.
pub fn callees(program: &Program, id: FuncId) -> Vec<FuncId> {
    let callee = |(module, operator)| match operator {
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            Some(program.resolve(module, function_index))
        }
        _ => None,
    };
    operators(program, id).filter_map(callee).collect()
}

/// The operators of the body of `id`, each with the number of its module.
fn operators(program: &Program, id: FuncId) -> impl Iterator<Item = (usize, Operator<'static>)> {
    let body = match program.info(id).kind {
        FunctionKind::Defined { module, index } => program.modules[module].body(index).map(|body| (module, body)),
        _ => None,
    };
    let reader = body.and_then(|(module, body)| Some((module, body.get_operators_reader().ok()?)));
    reader
        .into_iter()
        .flat_map(|(module, reader)| reader.into_iter().map_while(Result::ok).map(move |operator| (module, operator)))
}

fn counts_block(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Loop { .. } | Operator::If { .. } | Operator::Else)
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
