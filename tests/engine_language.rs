//! The language apart from arithmetic, against wasmi and at every tier: control flow, calls, unreachable code.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use oracle::{agrees_with_wasmi, all};

#[test]
fn blocks_loops_and_conditionals_carry_parameters_and_results() {
    let text = r#"(module
      (type $swap (func (param i32 i64) (result i64 i32)))
      (func (export "swap") (param i32) (result i64 i32) (local i32 i64)
        local.get 0 i64.const -7
        (block (type $swap) (local.set 2) (local.set 1) (local.get 2) (local.get 1)
          (br_if 0 (i32.and (local.get 0) (i32.const 1)))
          (drop) (drop) (i64.const 40) (i32.const 50)))
      (func (export "sum") (param i32) (result i64)
        i64.const 0 local.get 0
        (loop $again (param i64 i32) (result i64)
          local.tee 0 i64.extend_i32_u i64.add
          (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))
          i32.const 0 i32.gt_s
          (if (param i64) (result i64) (then local.get 0 br $again) (else))))
      (func (export "arms") (param i32) (result i32 i64 f64) (local i64 f64)
        local.get 0 i64.const 8
        (i32.lt_s (local.get 0) (i32.const 3))
        (if (param i32 i64) (result i32 i64 f64)
          (then f64.const 1.5)
          (else drop i32.const 1 i32.add i64.const -1 f64.const -2.5)))
      (func (export "no_else") (param i32) (result i32 i32)
        i32.const 10 i32.const 20 local.get 0
        (if (param i32 i32) (result i32 i32) (then i32.add i32.const 1)))
      (func (export "nested") (param i32) (result i32)
        (if (result i32) (i32.and (local.get 0) (i32.const 1))
          (then (if (result i32) (i32.and (local.get 0) (i32.const 2)) (then i32.const 3) (else i32.const 1)))
          (else (block $out (result i32)
            (drop (br_if $out (i32.const 4) (i32.and (local.get 0) (i32.const 4))))
            (br_if 1 (i32.const 100) (i32.and (local.get 0) (i32.const 8)))
            (drop) (i32.const 0)))))
      (func (export "collatz") (param i32) (result i32) (local i32)
        (block $done (loop $next
          (br_if $done (i32.le_u (local.get 0) (i32.const 1)))
          (local.set 1 (i32.add (local.get 1) (i32.const 1)))
          (local.set 0 (if (result i32) (i32.and (local.get 0) (i32.const 1))
            (then (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 1)))
            (else (i32.shr_u (local.get 0) (i32.const 1)))))
          (br $next)))
        (local.get 1)))"#;
    let names = ["swap", "sum", "arms", "no_else", "nested", "collatz"];
    agrees_with_wasmi(text, &all(&names, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 27]));
}

#[test]
fn branch_tables_carry_values_to_every_depth() {
    let text = r#"(module
      (func (export "plain") (param i32) (result i32)
        (block $d (block $c (block $b (block $a
          (br_table $a $b $c $b $d (local.get 0)))
          (return (i32.const 10))) (return (i32.const 20))) (return (i32.const 30)))
        (i32.const 40))
      (func (export "values") (param i32) (result i32)
        (block $b (result i32)
          (i32.add (i32.const 1000) (block $a (result i32)
            (br_table $a $b 2 $a (i32.mul (local.get 0) (i32.const 7)) (local.get 0))))))
      (func (export "two") (param i32) (result i64 i32)
        (block $b (result i64 i32)
          (block $a (result i64 i32)
            (br_table $a $b (i64.const 5) (i32.const 6) (local.get 0)))
          (drop) (drop) (i64.const 50) (i32.const 60)))
      (func (export "loop") (param i32) (result i32) (local i32)
        (block $out (loop $again
          (local.set 1 (i32.add (local.get 1) (i32.const 1)))
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br_table $out $again $again $again $again $out (local.get 0))))
        (local.get 1))
      (func (export "only_default") (param i32) (result i32)
        (block $a (result i32) (br_table $a (i32.const 9) (local.get 0))))
    )"#;
    let names = ["plain", "values", "two", "loop", "only_default"];
    let large = [u64::from(u32::MAX), 1 << 31, 1000];
    agrees_with_wasmi(text, &all(&names, &[&[0, 1, 2, 3, 4, 5, 6], &large[..]].concat()));
}

/// 3,000 targets, most of them shared.
#[test]
fn a_branch_table_may_be_long() {
    let targets: String = (0..3000).map(|index| format!("{} ", index * 7 % 5)).collect();
    let text = format!(
        "(module (func (export \"f\") (param i32) (result i32)
          (block (block (block (block (block (br_table {targets} 3 (local.get 0)))
          (return (i32.const 1))) (return (i32.const 2))) (return (i32.const 3))) (return (i32.const 4))) (i32.const 5)))"
    );
    agrees_with_wasmi(&text, &all(&["f"], &[0, 1, 2, 3, 4, 5, 2998, 2999, 3000, 3001, u64::from(u32::MAX)]));
}

/// Code after a branch, return, trap or endless loop, of every kind that is counted or recorded; what stands behind it
/// and can be reached must keep its counters and sites.
#[test]
fn unreachable_code_is_skipped_and_still_numbered() {
    let dead = r#"
        (loop (br_if 0 (i32.const 0)) (if (i32.const 1) (then (nop)) (else (loop (br 0)))))
        (if (result i32) (i32.const 1) (then (i32.const 2)) (else (i32.const 3))) (drop)
        (memory.copy (i32.const 0) (i32.const 8) (i32.const 70000))
        (memory.fill (i32.const 0) (i32.const 8) (i32.const 70000))
        (call_indirect (type $unary) (i32.const 0) (i32.const 0)) (drop)
        (block (br_table 0 0 0 (i32.const 1)))
        (i32.add) (i64.extend_i32_u) (select (i64.const 1) (i32.const 4)) (local.set 1) (i32.store8) (global.set 0) (memory.grow) (drop)"#;
    let live = r#"
        (memory.fill (i32.const 16) (local.get 0) (i32.const 8))
        (loop $l (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (if (i32.gt_s (local.get 0) (i32.const 0)) (then (br $l))))
        (memory.copy (i32.const 24) (i32.const 16) (i32.const 8))
        (local.set 1 (i64.add (local.get 1) (i64.load (i32.const 24))))
        (local.set 1 (i64.add (local.get 1)
          (i64.extend_i32_u (call_indirect (type $unary) (i32.const 5) (i32.and (local.get 0) (i32.const 1))))))"#;
    let ways = [
        ("br", format!("(block (br 0) {dead}) {live}")),
        ("return", format!("{live} (return (local.get 1)) {dead}")),
        ("unreachable", format!("(if (i32.gt_u (local.get 0) (i32.const 100)) (then unreachable {dead})) {live}")),
        ("arms", format!("(if (local.get 0) (then {live} (br 0) {dead}) (else (return (i64.const 3)) {dead})) {live}")),
        ("loop", format!("(block $b (loop {live} (br $b) {dead})) {live}")),
        ("table", format!("(block (br_table 0 0 (local.get 0)) {dead}) {live}")),
        (
            "both",
            format!(
                "(if (local.get 0) (then {live} (return (local.get 1))) (else {live} (return (i64.const 1)))) (nop) unreachable {dead}"
            ),
        ),
        ("if", format!("(block (br 0) (if (then (br 0) {dead}) (else unreachable {dead} {live})) {live}) {live}")),
    ];
    let functions: String = ways
        .iter()
        .map(|(name, body)| {
            format!("(func (export \"{name}\") (param i32) (result i64) (local i64) {body} (local.get 1))\n")
        })
        .collect();
    let text = format!(
        "(module (type $unary (func (param i32) (result i32))) (memory 1) (global (mut i32) (i32.const 0))
         (table funcref (elem $one $two))
         (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
         (func $two (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))) {functions})"
    );
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
    agrees_with_wasmi(&text, &all(&names, &[0, 1, 2, 3, 50, 101, 2000]));
}

/// Functions of `count` parameters that return them in reverse order.
fn reversing(count: usize) -> String {
    let types: Vec<&str> = ["i32", "i64", "f64", "f32"].into_iter().cycle().take(count).collect();
    let reversed: Vec<&str> = types.iter().rev().copied().collect();
    let gets: String = (0..count).rev().map(|index| format!("local.get {index} ")).collect();
    let straight: String = (0..count).map(|index| format!("local.get {index} ")).collect();
    let (types, reversed) = (types.join(" "), reversed.join(" "));
    format!(
        "(type $r{count} (func (param {types}) (result {reversed})))
         (func $reverse{count} (type $r{count}) {gets})
         (func (export \"direct{count}\") (type $r{count}) {straight} call $reverse{count})
         (func (export \"indirect{count}\") (type $r{count}) {straight} i32.const 0 (call_indirect (type $r{count})))
         (table funcref (elem $reverse{count}))"
    )
}

#[test]
fn many_parameters_and_results_arrive_in_order() {
    for count in [0, 1, 2, 7, 8, 9, 10, 17, 40, 100, 300] {
        let text = format!("(module {})", reversing(count));
        let args: Vec<u64> = (0..count as u64).map(|index| (index + 1) * 0x0000_0101).collect();
        let names = [format!("direct{count}"), format!("indirect{count}")];
        let calls: Vec<(&str, Vec<u64>)> = (0..16).map(|round| (names[round % 2].as_str(), args.clone())).collect();
        agrees_with_wasmi(&text, &calls);
    }
}

#[test]
fn hundreds_of_locals_stay_live_over_calls() {
    let count = 400;
    let sets: String =
        (0..count).map(|i| format!("(local.set {} (i64.mul (local.get 0) (i64.const {i})))", i + 1)).collect();
    let gets: String =
        (0..count).map(|i| format!("(i64.xor (i64.rotl (i64.const 5)) (local.get {}))", i + 1)).collect();
    let text = format!(
        "(module (func $f (export \"f\") (param i64) (result i64) (local {})
          (if (i64.eqz (local.get 0)) (then (return (i64.const 1))))
          {sets} (call $f (i64.sub (local.get 0) (i64.const 1))) {gets}))",
        "i64 ".repeat(count)
    );
    agrees_with_wasmi(&text, &all(&["f"], &[0, 1, 2, 9, 20]));
}

#[test]
fn nesting_may_be_deep_and_functions_large() {
    let depth = 1500;
    let nested = format!(
        "{} (local.set 0 (i32.add (local.get 0) (i32.const 1))) {}",
        "(block (br_if 0 (i32.lt_s (local.get 0) (i32.const 0))) (if (i32.const 1) (then ".repeat(depth),
        "(local.set 0 (i32.add (local.get 0) (i32.const 1))))))".repeat(depth)
    );
    let long: String = (0..8000)
        .map(|i| format!("(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const {})) (i32.const {i})))\n", 2 * i + 3))
        .collect();
    let text = format!(
        "(module (func (export \"deep\") (param i32) (result i32) {nested} (local.get 0))
                 (func (export \"long\") (param i32) (result i32) {long} (local.get 0)))"
    );
    agrees_with_wasmi(&text, &all(&["deep", "long"], &[0, 5, u64::from(u32::MAX)]));
}

#[test]
fn calls_recurse_directly_mutually_and_through_tables() {
    let text = r#"(module
      (type $f (func (param i32) (result i64)))
      (table funcref (elem $fib $even $odd))
      (func $fib (export "fib") (param i32) (result i64)
        (if (result i64) (i32.lt_u (local.get 0) (i32.const 2)) (then (i64.extend_i32_u (local.get 0)))
          (else (i64.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                         (call_indirect (type $f) (i32.sub (local.get 0) (i32.const 2)) (i32.const 0))))))
      (func $even (export "even") (param i32) (result i64)
        (if (result i64) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i64.const 1))))
      (func $odd (param i32) (result i64)
        (if (result i64) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i64.const 0))))
      (func (export "pick") (param i32) (result i64)
        (call_indirect (type $f) (i32.const 9) (i32.rem_u (local.get 0) (i32.const 4)))))"#;
    agrees_with_wasmi(text, &all(&["fib", "even", "pick"], &[0, 1, 2, 3, 5, 12, 15]));
}

#[test]
fn select_and_locals_of_every_type() {
    let text = r#"(module
      (func (export "f") (param i32) (result i32 i64 f32 f64) (local i64 f32 f64)
        (local.set 1 (i64.const 0x123456789abcdef0)) (local.set 2 (f32.const -nan:0x200001)) (local.set 3 (f64.const nan:0x4000000000001))
        (select (i32.const 1) (i32.const 2) (local.get 0))
        (select (result i64) (local.get 1) (i64.const 2) (local.get 0))
        (select (local.get 2) (f32.const inf) (local.get 0))
        (select (result f64) (f64.const -0) (local.get 3) (local.get 0)))
      (func (export "zero") (param i32) (result i32 i64 f32 f64) (local i32 i64 f32 f64)
        (local.get 1) (local.tee 2 (local.get 2)) (local.get 3) (local.get 4)))"#;
    agrees_with_wasmi(text, &all(&["f", "zero"], &[0, 1, 2, u64::from(u32::MAX)]));
}
