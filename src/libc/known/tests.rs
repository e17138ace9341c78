use super::*;
use std::format;
use std::string::String;
use std::vec;
use wasmparser::{Parser, Payload, ValType};

/// A program with functions of its own, an import as function 0, and its first 16 bytes of memory.
struct Program {
    types: Vec<FuncType>,
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'static>>,
    imports: Vec<(&'static str, &'static str)>,
    mutable_globals: Vec<bool>,
    memory: Vec<u8>,
}

impl Program {
    fn new(wat: &str, memory: &[u8]) -> Self {
        let bytes: &'static [u8] = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}")).leak();
        let mut program = Self {
            types: Vec::new(),
            functions: Vec::new(),
            bodies: Vec::new(),
            imports: Vec::new(),
            mutable_globals: Vec::new(),
            memory: memory.to_vec(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.unwrap() {
                Payload::TypeSection(types) => {
                    program.types = types.into_iter_err_on_gc_types().map(Result::unwrap).collect();
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports().map(Result::unwrap) {
                        program.imports.push((import.module, import.name));
                    }
                }
                Payload::FunctionSection(types) => program.functions = types.into_iter().map(Result::unwrap).collect(),
                Payload::GlobalSection(globals) => {
                    program.mutable_globals = globals.into_iter().map(|global| global.unwrap().ty.mutable).collect();
                }
                Payload::CodeSectionEntry(body) => program.bodies.push(body),
                _ => {}
            }
        }
        program
    }

    /// What the table would say of the function at `index`; its symbols are those of its slots, in order, where given.
    fn known(&self, index: usize, name: &'static str, symbols: &[Option<Symbol>]) -> Known {
        let (_, ty, body) = self.defined().nth(index).unwrap();
        let masked = Masked::of(body, |index| self.ty(index)).unwrap();
        assert_eq!(masked.slots.len(), symbols.len());
        let mut relocations = Vec::new();
        let mut distinct: Vec<Symbol> = Vec::new();
        let mut before = 0;
        for (slot, symbol) in symbols.iter().enumerate() {
            let Some(symbol) = symbol else { continue };
            let place = distinct.iter().position(|other| other == symbol).unwrap_or(distinct.len());
            if place == distinct.len() {
                distinct.push(*symbol);
            }
            relocations.extend([(slot - before) as u8, place as u8]);
            before = slot;
        }
        let mut known = Known {
            name,
            origins: 1,
            shape: shape(ty, body).unwrap(),
            body_bytes: body.as_bytes().len() as u32,
            operators: masked.hash,
            operands: 0,
            relocations: relocations.leak(),
            symbols: distinct.leak(),
            is_heap: false,
        };
        known.operands = exact_operands(&masked, &known.linked(&masked));
        known
    }

    /// Names that the table gives to functions, by index.
    fn proved(&self, table: &[Known]) -> Vec<(u32, &'static str)> {
        let proved = prove_among(table.to_vec().leak(), self);
        proved.iter().map(|proved| (proved.index, proved.known.name)).collect()
    }
}

impl Bodies for Program {
    fn defined(&self) -> impl Iterator<Item = (u32, &FuncType, &FunctionBody<'static>)> {
        let indices = self.imports.len() as u32..;
        let types = self.functions.iter().map(|ty| &self.types[*ty as usize]);
        indices.zip(types).zip(&self.bodies).map(|((index, ty), body)| (index, ty, body))
    }
    fn ty(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)
    }
    fn import(&self, index: u32) -> Option<(&'static str, &'static str)> {
        self.imports.get(index as usize).copied()
    }
    fn is_stack_pointer(&self, index: u32) -> bool {
        self.mutable_globals[index as usize]
    }
    fn bytes_at(&self, address: u32, bytes: u32) -> Option<Vec<u8>> {
        Some(self.memory.get(address as usize..(address + bytes) as usize)?.to_vec())
    }
    fn references(&self) -> impl Iterator<Item = Reference> {
        core::iter::empty()
    }
    fn growing(&self) -> impl Iterator<Item = u32> {
        core::iter::empty()
    }
}

/// A function of one parameter with this body.
fn function(body: &str) -> Program {
    Program::new(&format!("(module (memory 1) (func (param i32) (result i32) {body}))"), &[])
}

#[test]
fn a_leaf_is_known_by_its_type_its_locals_its_operators_and_its_operands() {
    let known = function("(i32.add (local.get 0) (i32.const 2000))").known(0, "add", &[None]);
    let is_known = |program: Program| !program.proved(&[known]).is_empty();
    assert!(is_known(function("(i32.add (local.get 0) (i32.const 2000))")));
    assert!(!is_known(function("(i32.sub (local.get 0) (i32.const 2000))")));
    assert!(!is_known(function("(i32.add (local.get 0) (i32.const 2001))")));
    assert!(!is_known(function("(local i32) (i32.add (local.get 0) (i32.const 2000))")));
    let wider = "(module (func (param i64) (result i32) (i32.add (i32.wrap_i64 (local.get 0)) (i32.const 2000))))";
    assert!(!is_known(Program::new(wider, &[])));
}

const LOADS: &str = "(i32.add (i32.load8_u (i32.const ADDRESS)) (i32.load8_u offset=NEXT (local.get 0)))";

fn loads(address: u32, next: u32, memory: &[u8]) -> Program {
    let body = LOADS.replace("ADDRESS", &format!("{address}")).replace("NEXT", &format!("{next}"));
    Program { memory: memory.to_vec(), ..function(&body) }
}

#[test]
fn addresses_may_differ_where_what_is_there_does_not() {
    let object = Symbol::Object { first: 1, bytes: 4, hash: xxh3_64(b"abcd") };
    // The constant is one behind the object's start, the offset of the second load two.
    let known = loads(1, 2, b"abcd").known(0, "table", &[Some(object), None, Some(object)]);
    let is_known = |program: Program| !program.proved(&[known]).is_empty();
    assert!(is_known(loads(1, 2, b"abcd")));
    assert!(is_known(loads(6, 7, b".....abcd")));
    assert!(!is_known(loads(6, 8, b".....abcd")), "distances within an object are its own");
    assert!(!is_known(loads(6, 7, b".....abcx")), "its content is");
    assert!(!is_known(loads(6, 7, b".....abc")), "where nothing is known nothing is proved");
}

#[test]
fn variables_are_reported_with_their_addresses() {
    let variable = Symbol::Variable { name: "state", first: 0, bytes: 2, hash: xxh3_64(&[0, 0]) };
    let known = loads(0, 1, &[0; 4]).known(0, "reader", &[Some(variable), None, Some(variable)]);
    let table: &'static [Known] = vec![known].leak();
    let proved = prove_among(table, &loads(2, 3, &[0; 4]));
    assert_eq!(proved[0].variables, [("state", 2)]);
}

const CALLS: &str = r#"(module (import "wasi" "exit" (func (param i32))) (global (mut i32) (i32.const 0)) (global i32 (i32.const 0))
    (func $even (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 1)))) (call $odd (i32.sub (local.get 0) (i32.const 1))))
    (func $odd (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 0)))) (call $even (i32.sub (local.get 0) (i32.const 1))))
    (func $leave (param i32) (call 0 (i32.add (local.get 0) (global.get 0)))))"#;

/// The table of the functions of [`CALLS`], in the order that tables have.
fn table() -> Vec<Known> {
    let program = Program::new(CALLS, &[]);
    // Both have one shape, so that they stay in this order, before or behind the other.
    let first = program.known(0, "even", &[None, None, None]).shape < program.known(2, "leave", &[None, None]).shape;
    let at = if first { 0 } else { 1 };
    let calls = |entry| [None, None, Some(Symbol::Function(entry))];
    let mut table = vec![program.known(0, "even", &calls(at + 1)), program.known(1, "odd", &calls(at))];
    let leave = program.known(2, "leave", &[Some(Symbol::Global), Some(Symbol::Import("wasi", "exit"))]);
    table.insert(if first { 2 } else { 0 }, leave);
    table
}

fn proved_in(changed: impl Fn(&str) -> String) -> Vec<(u32, &'static str)> {
    Program::new(&changed(CALLS), &[]).proved(&table())
}

#[test]
fn functions_that_call_each_other_prove_each_other() {
    assert_eq!(proved_in(|wat| wat.into()), [(1, "even"), (2, "odd"), (3, "leave")]);
}

#[test]
fn a_function_that_calls_something_else_is_not_known() {
    // Its own operators are the same; one that it reaches is another.
    assert_eq!(proved_in(|wat| wat.replace("(return (i32.const 0))", "(return (i32.const 7))")), [(3, "leave")]);
    assert_eq!(proved_in(|wat| wat.replace("call $odd", "call $even")), [(3, "leave")]);
    assert_eq!(proved_in(|wat| wat.replace("\"exit\"", "\"abort\"")), [(1, "even"), (2, "odd")]);
}

#[test]
fn a_global_stands_for_the_stack_pointer_only_if_it_can_be_that() {
    assert_eq!(proved_in(|wat| wat.replace("global.get 0", "global.get 1")), [(1, "even"), (2, "odd")]);
}

#[test]
fn types_are_compared_by_structure() {
    let indirect = |types: &str, index: u32| {
        let wat = format!(
            "(module (table 1 funcref) {types} (func (param i32) (result i32) \
             (call_indirect (type {index}) (local.get 0) (local.get 0))))"
        );
        Program::new(&wat, &[])
    };
    let known = indirect("(type (func (param i32) (result i32)))", 0).known(0, "apply", &[]);
    let more = "(type (func)) (type (func (param i32) (result i32)))";
    assert_eq!(indirect(more, 1).proved(&[known]), [(0, "apply")]);
    assert_eq!(signature_of(&indirect(more, 1)), (vec![ValType::I32], vec![ValType::I32]));
    let other = "(type (func (param i32) (result f32))) (type (func (param i32) (result i32)))";
    let wat = "(drop (call_indirect (type 0) (local.get 0) (local.get 0))) (i32.const 0)";
    let other = Program::new(&format!("(module (table 1 funcref) {other} (func (type 1) {wat}))"), &[]);
    assert!(other.proved(&[known]).is_empty());
}

fn signature_of(program: &Program) -> (Vec<ValType>, Vec<ValType>) {
    let (_, ty, _) = program.defined().next().unwrap();
    (ty.params().to_vec(), ty.results().to_vec())
}

#[test]
fn the_table_is_in_order_and_refers_to_itself() {
    assert!(KNOWN.is_sorted_by_key(|known| known.shape));
    assert!(ORIGINS.len() <= 64);
    for known in KNOWN {
        assert!(
            known.origins != 0 && known.origins.checked_shr(ORIGINS.len() as u32).unwrap_or(0) == 0,
            "{}",
            known.name
        );
        for symbol in known.symbols {
            let Symbol::Function(entry) = symbol else { continue };
            assert!(usize::from(*entry) < KNOWN.len(), "{}", known.name);
        }
        let distinct = known.relocations.chunks_exact(2).filter(|pair| pair[1] != NO_SYMBOL);
        assert_eq!(
            distinct.map(|pair| usize::from(pair[1]) + 1).max().unwrap_or(0),
            known.symbols.len(),
            "{}",
            known.name
        );
    }
}
