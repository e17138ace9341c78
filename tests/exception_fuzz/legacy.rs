//! Random programs with exceptions in the legacy form. They end: each call takes of a fuel that all share.

use super::random::Random;

const FUNCTIONS: u64 = 5;
const TAGS: u64 = 3;
const LOCALS: u64 = 4;
const DEEPEST: usize = 6;

/// What is open around a place, innermost last.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// Branches of no values may leave it.
    Block,
    /// One that ends with a value, or a loop.
    Other,
    /// What a `rethrow` may name.
    Clause,
}

struct Generator<'a> {
    random: &'a mut Random,
    text: String,
    open: Vec<Open>,
    /// Statements still to be made.
    left: u32,
}

/// A module; each exported function takes a number and gives one.
pub fn program(random: &mut Random) -> Vec<u8> {
    let mut text = String::from(
        "(module (memory 1) (type $f (func (param i32) (result i32)))
         (tag $t0) (tag $t1 (param i32)) (tag $t2 (param i64 i32))
         (global $fuel (mut i32) (i32.const 0)) (global $depth (mut i32) (i32.const 0))
         (global $trail (mut i32) (i32.const 0))
         (table funcref (elem $f0 $f1 $f2 $f3 $f4))\n",
    );
    for number in 0..FUNCTIONS {
        let body = Generator { random: &mut *random, text: String::new(), open: Vec::new(), left: 30 }.body();
        text += &format!(
            "(func $f{number} (type $f) (local i32 i32 i32)
             (if (i32.or (i32.eqz (global.get $fuel)) (i32.gt_u (global.get $depth) (i32.const 100)))
               (then (return (i32.const 77))))
             (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
             (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
             {body}
             (global.set $depth (i32.sub (global.get $depth) (i32.const 1))))
             (func (export \"f{number}\") (type $f)
             (global.set $fuel (i32.const 300)) (global.set $depth (i32.const 0)) (call $f{number} (local.get 0)))\n"
        );
    }
    text += "(func (export \"trail\") (type $f) (global.get $trail)))";
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

impl Generator<'_> {
    fn body(mut self) -> String {
        self.statements();
        self.expression(0);
        self.text
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next() % bound
    }

    fn say(&mut self, text: impl AsRef<str>) {
        self.text += text.as_ref();
        self.text.push('\n');
    }

    fn statements(&mut self) {
        for _ in 0..1 + self.below(4) {
            self.statement();
        }
    }

    fn statement(&mut self) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let is_deep = self.open.len() >= DEEPEST;
        match self.below(if is_deep { 9 } else { 16 }) {
            0 | 1 => {
                self.expression(0);
                let local = self.below(LOCALS);
                self.say(format!("local.set {local}"));
            }
            2 | 3 => {
                self.expression(0);
                self.say("global.get $trail i32.const 31 i32.mul i32.add global.set $trail");
            }
            4 => {
                self.expression(0);
                self.say("i32.const 255 i32.and");
                self.expression(0);
                self.say("i32.store");
            }
            5 => self.sometimes(Self::throw),
            6 => self.sometimes(Self::rethrow),
            7 => {
                let targets = self.places(|open| open == Open::Block);
                if let Some(depth) = self.one_of(&targets) {
                    self.expression(0);
                    self.say(format!("br_if {depth}"));
                }
            }
            8 => self.sometimes(|it| {
                it.expression(0);
                it.say("return");
            }),
            9 => self.within("block", Open::Block, Self::statements),
            10 => {
                self.expression(0);
                self.within("if", Open::Block, |it| {
                    it.statements();
                    it.say("else");
                    it.statements();
                });
            }
            11 => self.within("loop", Open::Other, |it| {
                it.statements();
                it.say(
                    "global.get $fuel if global.get $fuel i32.const 1 i32.sub global.set $fuel
                     global.get $fuel i32.const 3 i32.and br_if 1 end",
                );
            }),
            _ => self.try_statement(),
        }
    }

    /// Under a condition, so that what follows can be reached.
    fn sometimes(&mut self, then: impl FnOnce(&mut Self)) {
        self.expression(0);
        self.say("i32.const 3 i32.and i32.eqz");
        self.within("if", Open::Other, then);
    }

    fn within(&mut self, operator: &str, open: Open, then: impl FnOnce(&mut Self)) {
        self.say(operator);
        self.open.push(open);
        then(self);
        self.open.pop();
        self.say("end");
    }

    fn try_statement(&mut self) {
        self.say("try");
        self.open.push(Open::Other);
        self.statements();
        self.open.pop();
        if self.below(5) == 0 {
            return self.delegate();
        }
        for _ in 0..self.below(3) {
            let tag = self.below(TAGS);
            self.say(format!("catch $t{tag}"));
            for value in 0..tag {
                if value == 1 {
                    self.say("i32.wrap_i64");
                }
                let local = self.below(LOCALS);
                self.say(format!("local.set {local}"));
            }
            self.clause();
        }
        if self.below(2) == 0 {
            self.say("catch_all");
            self.clause();
        }
        self.say("end");
    }

    fn clause(&mut self) {
        self.open.push(Open::Clause);
        self.statements();
        if self.below(3) == 0 {
            self.say("rethrow 0");
        }
        self.open.pop();
    }

    fn delegate(&mut self) {
        let depth = self.below(self.open.len() as u64 + 1);
        self.say(format!("delegate {depth}"));
    }

    fn throw(&mut self) {
        let tag = self.below(TAGS);
        if tag == 2 {
            self.expression(0);
            self.say("i64.extend_i32_s");
        }
        if tag > 0 {
            self.expression(0);
        }
        self.say(format!("throw $t{tag}"));
    }

    fn rethrow(&mut self) {
        let clauses = self.places(|open| open == Open::Clause);
        match self.one_of(&clauses) {
            Some(depth) => self.say(format!("rethrow {depth}")),
            None => self.say("throw $t0"),
        }
    }

    /// Depths of what is open and `fits`.
    fn places(&self, fits: impl Fn(Open) -> bool) -> Vec<usize> {
        let places = self.open.iter().rev().enumerate();
        places.filter(|(_, open)| fits(**open)).map(|(depth, _)| depth).collect()
    }

    fn one_of(&mut self, depths: &[usize]) -> Option<usize> {
        let place = self.below(depths.len().max(1) as u64) as usize;
        depths.get(place).copied()
    }

    /// Leaves a number on the stack.
    fn expression(&mut self, depth: u32) {
        match self.below(if depth > 2 { 3 } else { 9 }) {
            0 => {
                let number = self.below(7) as i64 - 2;
                self.say(format!("i32.const {number}"));
            }
            1 | 2 => {
                let local = self.below(LOCALS);
                self.say(format!("local.get {local}"));
            }
            3 | 4 => {
                self.expression(depth + 1);
                self.expression(depth + 1);
                let operator = ["add", "sub", "xor", "mul", "lt_s", "div_s"][self.below(6) as usize];
                self.say(format!("i32.{operator}"));
            }
            5 => {
                self.expression(depth + 1);
                self.say("i32.const 255 i32.and i32.load");
            }
            6 => {
                self.expression(depth + 1);
                let function = self.below(FUNCTIONS);
                self.say(format!("call $f{function}"));
            }
            7 => {
                self.expression(depth + 1);
                self.expression(depth + 1);
                self.say("i32.const 7 i32.and call_indirect (type $f)");
            }
            _ => {
                self.say("try (result i32)");
                self.open.push(Open::Other);
                self.expression(depth + 1);
                self.open.pop();
                if self.below(4) == 0 {
                    return self.delegate();
                }
                self.say("catch $t1");
                if self.below(2) == 0 {
                    self.say("catch_all");
                    self.open.push(Open::Clause);
                    self.expression(depth + 1);
                    self.open.pop();
                }
                self.say("end");
            }
        }
    }
}
