//! Modules with enormous functions, written byte by byte: text of this size would take longer to parse than to compile.
#![allow(dead_code)] // Each file of tests uses its own part.

/// Opcodes of the specification, by the names of its text format.
pub mod op {
    pub const UNREACHABLE: u8 = 0x00;
    pub const NOP: u8 = 0x01;
    pub const BLOCK: u8 = 0x02;
    pub const LOOP: u8 = 0x03;
    pub const IF: u8 = 0x04;
    pub const END: u8 = 0x0b;
    pub const BR_IF: u8 = 0x0d;
    pub const BR_TABLE: u8 = 0x0e;
    pub const CALL: u8 = 0x10;
    pub const DROP: u8 = 0x1a;
    pub const LOCAL_GET: u8 = 0x20;
    pub const LOCAL_SET: u8 = 0x21;
    pub const LOCAL_TEE: u8 = 0x22;
    pub const I32_CONST: u8 = 0x41;
    pub const I32_NE: u8 = 0x47;
    pub const I32_ADD: u8 = 0x6a;
    pub const I32_SUB: u8 = 0x6b;
    pub const I32_MUL: u8 = 0x6c;
    pub const I32_XOR: u8 = 0x73;
    /// A block type without parameters and results.
    pub const EMPTY: u8 = 0x40;
    pub const I32: u8 = 0x7f;
}

/// An unsigned number in LEB128.
pub fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A signed number in LEB128.
pub fn signed(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !(-0x40..0x40).contains(&value) {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8 & 0x7f);
    bytes
}

/// Bytes behind their length.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    [number(bytes.len() as u64), bytes.to_vec()].concat()
}

/// Items behind their count.
pub fn counted(items: &[Vec<u8>]) -> Vec<u8> {
    [number(items.len() as u64), items.concat()].concat()
}

/// A section of a module.
pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], sized(content)].concat()
}

/// A function of one i32 that returns one.
#[derive(Clone)]
pub struct Function {
    /// More locals, each an i32.
    pub locals: u32,
    pub body: Vec<u8>,
    /// What comes of 3.
    pub expected: u32,
}

impl Function {
    pub fn new(body: Vec<u8>, expected: u32) -> Self {
        Self { locals: 0, body, expected }
    }

    fn code(&self) -> Vec<u8> {
        sized(&[&[1], &*number(self.locals.into()), &[op::I32], &*self.body, &[op::END]].concat())
    }
}

/// A command that calls functions and traps if one does not return what it should.
#[derive(Default)]
pub struct Huge {
    /// Function 0 adds 1; these follow it. The last is exported as `f`.
    pub called: Vec<Function>,
    /// Copies of function 0 that nobody calls, each of this many bytes.
    pub uncalled: usize,
    pub uncalled_bytes: usize,
    /// Contents of the memory.
    pub data: Vec<u8>,
    /// A section that says nothing.
    pub custom: Vec<u8>,
}

impl Huge {
    pub fn wasm(&self) -> Vec<u8> {
        let called = self.called.len() as u64;
        let functions = 1 + called + self.uncalled as u64;
        let start = self.start();
        let export = |name: &str, kind: u8, index: u64| [sized(name.as_bytes()), vec![kind], number(index)].concat();
        let exports = [export("f", 0, called), export("_start", 0, functions), export("memory", 2, 0)];
        let pages = number(self.data.len().div_ceil(65536).max(1) as u64);
        let increment = [vec![0, op::LOCAL_GET, 0], [op::I32_CONST, 1, op::I32_ADD].to_vec()].concat();
        let adding = sized(&[increment.clone(), vec![op::END]].concat());
        let nops = vec![op::NOP; self.uncalled_bytes.saturating_sub(increment.len() + 1)];
        let uncalled = sized(&[increment, nops, vec![op::END]].concat());
        let mut code = vec![adding];
        code.extend(self.called.iter().map(Function::code));
        code.extend(vec![uncalled; self.uncalled]);
        code.push(sized(&start));
        let types = [number(functions + 1), vec![0; functions as usize], vec![1]].concat();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[2, 0x60, 1, op::I32, 1, op::I32, 0x60, 0, 0]),
            section(3, &types),
            section(5, &[&[1, 0], &*pages].concat()),
            section(7, &counted(&exports)),
            section(10, &counted(&code)),
            section(11, &[&[1, 0, op::I32_CONST, 0, op::END], &*sized(&self.data)].concat()),
            section(0, &[sized(b"nothing"), self.custom.clone()].concat()),
        ]
        .concat()
    }

    /// The body of `_start`, which checks every function.
    fn start(&self) -> Vec<u8> {
        let mut body = vec![0];
        for (index, function) in (1..).zip(&self.called) {
            body.extend([&[op::I32_CONST, 3, op::CALL], &*number(index), &[op::I32_CONST]].concat());
            body.extend(signed((function.expected as i32).into()));
            body.extend([op::I32_NE, op::IF, op::EMPTY, op::UNREACHABLE, op::END]);
        }
        body.push(op::END);
        body
    }
}

/// A long calculation with the parameter, of about `bytes` bytes, and what comes of 3.
pub fn straight_line(bytes: usize) -> (Vec<u8>, u32) {
    let mut body = vec![op::LOCAL_GET, 0];
    let mut value = 3_u32;
    for step in (1_u32..).step_by(2) {
        if body.len() >= bytes {
            break;
        }
        let (operator, next) = match step % 3 {
            0 => (op::I32_ADD, value.wrapping_add(step)),
            1 => (op::I32_XOR, value ^ step),
            _ => (op::I32_MUL, value.wrapping_mul(step)),
        };
        value = next;
        body.extend([&[op::I32_CONST], &*signed(step.into()), &[operator]].concat());
    }
    (body, value)
}

/// `depth` blocks, loops or ifs in each other; in the innermost the parameter is doubled, and all are left.
pub fn nested(opcode: u8, depth: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..depth {
        if opcode == op::IF {
            body.extend([op::LOCAL_GET, 0]);
        }
        body.extend([opcode, op::EMPTY]);
    }
    body.extend([op::LOCAL_GET, 0, op::LOCAL_GET, 0, op::I32_ADD, op::LOCAL_SET, 0]);
    for level in 0..depth {
        // Leaves by every level in turn, if the parameter is 0.
        if level % 16 == 1 && opcode != op::LOOP {
            body.extend([op::LOCAL_GET, 0, op::I32_CONST, 0, op::I32_MUL, op::BR_IF, 1]);
        }
        body.push(op::END);
    }
    body.extend([op::LOCAL_GET, 0]);
    body
}

/// One expression: `depth` constants on the value stack before the first is used.
pub fn deep_expression(depth: u32) -> Vec<u8> {
    let mut body = vec![op::LOCAL_GET, 0];
    (1..depth).for_each(|level| {
        body.extend([vec![op::LOCAL_GET, 0, op::I32_CONST], signed(level.into()), vec![op::I32_XOR]].concat())
    });
    body.extend(vec![op::I32_SUB; depth as usize - 1]);
    body
}

/// Sets and sums `locals` locals, all of which live across a loop.
pub fn many_locals(locals: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for local in 1..=locals {
        body.extend(
            [
                &[op::LOCAL_GET, 0, op::I32_CONST],
                &*signed(local.into()),
                &[op::I32_XOR, op::LOCAL_SET],
                &number(local.into()),
            ]
            .concat(),
        );
    }
    body.extend([op::LOOP, op::EMPTY]);
    for local in 1..=locals {
        let local = number(local.into());
        body.extend(
            [&[op::LOCAL_GET, 0, op::LOCAL_GET], &*local, &[op::I32_ADD, op::LOCAL_TEE, 0, op::LOCAL_SET], &*local]
                .concat(),
        );
    }
    body.extend([op::LOCAL_GET, 0, op::I32_CONST, 0, op::I32_MUL, op::BR_IF, 0, op::END, op::LOCAL_GET, 0]);
    body
}

/// A jump table of `targets` targets that go round `blocks` blocks; returns the parameter plus the number of blocks left.
pub fn jump_table(blocks: u32, targets: u32) -> Vec<u8> {
    let mut body = [op::BLOCK, op::EMPTY].repeat(blocks as usize);
    body.extend([&[op::LOCAL_GET, 0, op::BR_TABLE], &*number(targets.into())].concat());
    (0..targets).for_each(|target| body.extend(number(u64::from(target % blocks))));
    body.extend(number(u64::from(blocks - 1)));
    for _ in 0..blocks {
        body.extend([op::END, op::LOCAL_GET, 0, op::I32_CONST, 1, op::I32_ADD, op::LOCAL_SET, 0]);
    }
    body.extend([op::LOCAL_GET, 0]);
    body
}

/// `count` ifs one after another, each of which changes the parameter.
pub fn chain(count: u32) -> Vec<u8> {
    let one = [
        op::LOCAL_GET,
        0,
        op::IF,
        op::EMPTY,
        op::LOCAL_GET,
        0,
        op::I32_CONST,
        1,
        op::I32_ADD,
        op::LOCAL_SET,
        0,
        op::END,
    ];
    [one.repeat(count as usize), vec![op::LOCAL_GET, 0]].concat()
}

/// `count` calls of function 0, each with what the one before returned.
pub fn calls(count: u32) -> Vec<u8> {
    [vec![op::LOCAL_GET, 0], [op::CALL, 0].repeat(count as usize)].concat()
}
