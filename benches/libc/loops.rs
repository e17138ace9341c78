//! The loops that call what is measured: once as WebAssembly for BareFlow, once as Rust for native libraries.
//!
//! Both walk the same table of rows in the same linear memory, add up what the calls return, so that results can be
//! compared, and do so `passes` times. A row holds three 32-bit words: arguments, of which those that are addresses
//! count from the start of linear memory, the addresses of numbers, or a step of a heap's trace.

use crate::table::{PAGES, ROW_BYTES};
use bareflow::libc::{Family, LibcFunction};
use std::fmt::Write;
use wasmparser::ValType;

/// A function that is called with the words of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    pub name: &'static str,
    /// Which arguments are addresses; the others are integers.
    pub addresses: &'static [bool],
    pub returns_address: bool,
}

/// Does nothing, so that its calls show what loop and call cost.
pub const EMPTY: Function = function("empty", &[true, true, false], true);
pub const MEMCPY: Function = function("memcpy", &[true, true, false], true);
pub const MEMMOVE: Function = function("memmove", &[true, true, false], true);
pub const MEMSET: Function = function("memset", &[true, false, false], true);
pub const MEMCMP: Function = function("memcmp", &[true, true, false], false);
/// Its byte is never found here, and NULL is no address.
pub const MEMCHR: Function = function("memchr", &[true, false, false], false);
pub const STRLEN: Function = function("strlen", &[true], false);
pub const STRCMP: Function = function("strcmp", &[true, true], false);
pub const STRCHR: Function = function("strchr", &[true, false], true);
pub const STRSTR: Function = function("strstr", &[true, true], true);
const FUNCTIONS: [Function; 9] = [MEMCPY, MEMMOVE, MEMSET, MEMCMP, MEMCHR, STRLEN, STRCMP, STRCHR, STRSTR];

const fn function(name: &'static str, addresses: &'static [bool], returns_address: bool) -> Function {
    Function { name, addresses, returns_address }
}

/// Whose memory the loops use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    Own,
    /// That of the libc, which is a program with a memory of its own.
    OfLibc,
}

/// A module with one export per loop: each function under its name, `pairs` and `trace` for the heap, functions of numbers
/// under two names, as [`of_numbers`] says.
pub fn module(memory: Memory) -> String {
    let functions = FUNCTIONS.into_iter().chain([EMPTY]);
    let loops: String = functions.map(|function| looped(function.name, &call(function))).collect();
    let numbers: String = mathematics().map(of_numbers).collect();
    let memory = match memory {
        Memory::Own => "(memory (export \"memory\") ",
        Memory::OfLibc => "(memory (import \"libc\" \"memory\") ",
    };
    format!(
        "(module {}{memory}{})\n{EMPTY_FUNCTION}{loops}{}{}{numbers})",
        imports(),
        PAGES,
        looped("pairs", PAIR),
        looped("trace", TRACE_STEP),
    )
}

/// What the loops call.
pub fn imports() -> String {
    let mut text = String::from(HEAP_IMPORTS);
    for function in FUNCTIONS {
        let params = " i32".repeat(function.addresses.len());
        let _ = writeln!(text, "(import \"libc\" \"{0}\" (func ${0} (param{params}) (result i32)))", function.name);
    }
    for function in mathematics() {
        let (name, ty) = (function.name, function.results[0]);
        let params = format!(" {ty}").repeat(function.params.len());
        let _ = writeln!(text, "(import \"libc\" \"{name}\" (func ${name} (param{params}) (result {ty})))");
    }
    text
}

/// The functions of numbers.
pub fn mathematics() -> impl Iterator<Item = &'static LibcFunction> {
    bareflow::libc::functions().iter().filter(|function| function.family == Family::Mathematics)
}

/// Under which name the loop over calls of `function` is exported.
pub fn export_of_numbers(function: &LibcFunction, waits: bool) -> String {
    format!("{}{}", function.name, if waits { " waits" } else { "" })
}

/// (first row, behind the last row, passes) -> the bits of a float: two loops over calls with the numbers at the addresses
/// in a row. One adds up the results. In the other each call waits for the result before it, which is multiplied by 0 and
/// added to the first number.
fn of_numbers(function: &'static LibcFunction) -> String {
    let (name, ty) = (function.name, function.results[0]);
    let is_double = ty == ValType::F64;
    let numbers =
        (0..function.params.len()).map(|word| format!("({ty}.load (i32.load offset={} (local.get $at)))", 4 * word));
    let numbers: Vec<String> = numbers.collect();
    let sum = if is_double { "(f32.demote_f64 (local.get $sum))" } else { "(local.get $sum)" };
    let looped = |waits: bool, body: String| {
        let export = export_of_numbers(function, waits);
        format!(
            "(func (export \"{export}\") (param $first i32) (param $end i32) (param $passes i32) (result i32)
               (local $at i32) (local $sum {ty})
               {}
               (i32.reinterpret_f32 {sum}))\n",
            passes(&body)
        )
    };
    let adds = format!("(local.set $sum ({ty}.add (local.get $sum) (call ${name} {})))", numbers.concat());
    let first = format!("({ty}.add {} ({ty}.mul (local.get $sum) ({ty}.const 0)))", numbers[0]);
    let waits = format!("(local.set $sum (call ${name} {first} {}))", numbers[1..].concat());
    looped(false, adds) + &looped(true, waits)
}

/// The body of a loop that calls `function` with the words of a row.
pub fn call(function: Function) -> String {
    let words = (0..function.addresses.len()).map(|word| format!("(i32.load offset={} (local.get $at))", 4 * word));
    let call = format!("(call ${} {})", function.name, words.collect::<String>());
    format!("(local.set $sum (i32.add (local.get $sum) {call}))")
}

/// The body of a loop that allocates and frees as many bytes as a row's first word says.
pub const PAIR: &str = "(call $free (call $malloc (i32.load (local.get $at))))";

/// What does nothing.
pub const EMPTY_FUNCTION: &str = "(func $empty (param i32 i32 i32) (result i32) local.get 0)\n";

const HEAP_IMPORTS: &str = r#"
    (import "libc" "malloc" (func $malloc (param i32) (result i32)))
    (import "libc" "calloc" (func $calloc (param i32 i32) (result i32)))
    (import "libc" "realloc" (func $realloc (param i32 i32) (result i32)))
    (import "libc" "free" (func $free (param i32)))
"#;

const TRACE_STEP: &str = "
    (local.set $slot (i32.load offset=4 (local.get $at)))
    (local.set $size (i32.load offset=8 (local.get $at)))
    (block $done (block $realloc (block $calloc (block $malloc (block $free
      (br_table $free $malloc $calloc $realloc (i32.load (local.get $at))))
      (call $free (i32.load (local.get $slot))) (br $done))
      (i32.store (local.get $slot) (call $malloc (local.get $size))) (br $done))
      (i32.store (local.get $slot) (call $calloc (i32.const 1) (local.get $size))) (br $done))
      (i32.store (local.get $slot) (call $realloc (i32.load (local.get $slot)) (local.get $size))))";

/// (first row, behind the last row, passes) -> sum of results.
pub fn looped(name: &str, body: &str) -> String {
    format!(
        "(func ${name}_loop (export \"{name}\") (param $first i32) (param $end i32) (param $passes i32) (result i32)
           (local $at i32) (local $sum i32) (local $slot i32) (local $size i32)
           {}
           (local.get $sum))\n",
        passes(body)
    )
}

fn passes(body: &str) -> String {
    format!(
        "(loop $pass
           (local.set $at (local.get $first))
           (loop $row
             {body}
             (br_if $row (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const {ROW_BYTES}))) (local.get $end))))
           (br_if $pass (local.tee $passes (i32.sub (local.get $passes) (i32.const 1)))))"
    )
}
