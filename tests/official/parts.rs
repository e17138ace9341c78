//! Cuts a script into parts with an engine each: wherever nothing later refers to an earlier module.
//!
//! The first memory of an engine is the fast one, and the kernel has one engine at a time.

use std::collections::HashMap;
use std::sync::LazyLock;

use bareflow::engine::decode::module::Module;
use bareflow::script::{Action, Directive, Line, Part};

/// The module `spectest` that scripts may import from (core specification, interpreter/host/spectest.ml).
const SPECTEST: &str = r#"(module
    (global (export "global_i32") i32 (i32.const 666))
    (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6))
    (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref)
    (memory (export "memory") 1 2)
    (func (export "print"))
    (func (export "print_i32") (param i32))
    (func (export "print_i64") (param i64))
    (func (export "print_f32") (param f32))
    (func (export "print_f64") (param f64))
    (func (export "print_i32_f32") (param i32 f32))
    (func (export "print_f64_f64") (param f64 f64)))"#;

static SPECTEST_BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| wat::parse_str(SPECTEST).expect("spectest is well-formed"));

/// `lines` in parts.
pub fn split(lines: Vec<Line<'static>>) -> Vec<Part<'static>> {
    let registers = lines.iter().any(|line| matches!(line.directive, Directive::Register { .. }));
    let needed = needed_from(&lines);
    let mut parts = vec![Part::default()];
    for (index, line) in lines.into_iter().enumerate() {
        let can_start = !registers && needed[index] >= index && module(&line.directive).is_some();
        if can_start {
            parts.push(Part::default());
        }
        parts.last_mut().expect("there is one").lines.push(line);
    }
    parts.retain(|part| !part.lines.is_empty());
    for part in &mut parts {
        if registers || part.lines.iter().any(imports_spectest) {
            part.offered = Some(("spectest", &SPECTEST_BYTES));
        }
    }
    parts
}

/// For each line, the first that it or any after it refers to.
fn needed_from(lines: &[Line<'static>]) -> Vec<usize> {
    let (mut named, mut current) = (HashMap::new(), 0);
    let mut needed: Vec<usize> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        needed.push(match &line.directive {
            Directive::Instantiate { name, .. } => {
                named.extend(name.map(|name| (name, index)));
                current = index;
                index
            }
            other => instance(other).map_or(index, |name| name.map_or(current, |name| named[name])),
        });
    }
    for index in (1..needed.len()).rev() {
        needed[index - 1] = needed[index - 1].min(needed[index]);
    }
    needed
}

/// The instance that a directive refers to: a named one or the current one.
fn instance(directive: &Directive<'static>) -> Option<Option<&'static str>> {
    match directive {
        Directive::Register { instance, .. } => Some(*instance),
        Directive::Succeeds(action)
        | Directive::Throws(action)
        | Directive::Returns { action, .. }
        | Directive::Traps { action, .. } => match action {
            Action::Invoke { instance, .. } | Action::Get { instance, .. } => Some(*instance),
            Action::Instantiate { .. } => None,
        },
        _ => None,
    }
}

/// The module that a directive links.
fn module(directive: &Directive<'static>) -> Option<&'static [u8]> {
    match directive {
        Directive::Instantiate { module, .. } | Directive::Unlinkable { module, .. } => Some(module),
        Directive::Succeeds(action)
        | Directive::Throws(action)
        | Directive::Returns { action, .. }
        | Directive::Traps { action, .. } => match action {
            Action::Instantiate { module } => Some(module),
            _ => None,
        },
        _ => None,
    }
}

fn imports_spectest(line: &Line<'static>) -> bool {
    let decoded = module(&line.directive).map(Module::decode);
    decoded.is_some_and(|module| module.is_ok_and(|module| module.imports.iter().any(|one| one.module == "spectest")))
}
