//! Atomic operators, on memories that no other thread has: plain loads and stores behind a test of alignment.
//!
//! The threads proposal allows them on any memory. What is waited for there never comes, so waiting traps, and there is
//! nobody to notify. Neighbours: `memory` has addresses, `decode` refuses memories that are shared.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use wasmparser::{MemArg, Operator};

use super::Translator;
use crate::engine::names::trap_code;

/// What is done with the number in memory. Its width is the alignment, which validation holds to be the natural one.
#[derive(Clone, Copy)]
enum Kind {
    /// It becomes a number of this type.
    Load(Type),
    Store,
    Modify(Modification),
    CompareExchange,
    Notify,
    Wait,
}

#[derive(Clone, Copy)]
enum Modification {
    Add,
    Subtract,
    And,
    Or,
    Xor,
    Exchange,
}

/// A number in memory.
#[derive(Clone, Copy)]
struct Place {
    address: Value,
    offset: i32,
    flags: MemFlagsData,
    bytes: u32,
}

impl Translator<'_> {
    /// Handles atomic operators. Returns whether it was one.
    pub fn atomic(&mut self, operator: &Operator<'_>) -> bool {
        if let Operator::AtomicFence { .. } = operator {
            return true;
        }
        let Some((kind, memarg)) = kind(operator) else { return false };
        match kind {
            Kind::Load(ty) => {
                let place = self.aligned_place(memarg);
                let loaded = self.read(place, ty);
                self.stack.push(loaded);
            }
            Kind::Store => {
                let value = self.pop();
                let place = self.aligned_place(memarg);
                self.write(place, value);
            }
            Kind::Modify(modification) => self.modify(modification, memarg),
            Kind::CompareExchange => self.compare_exchange(memarg),
            Kind::Notify => {
                self.pop();
                let place = self.aligned_place(memarg);
                // Only to find out whether it is there.
                self.read(place, types::I32);
                self.push_const(types::I32, 0);
            }
            Kind::Wait => {
                self.pop_two();
                self.aligned_place(memarg);
                self.builder.ins().trap(trap_code::UNSHARED_MEMORY);
                self.reachable = false;
            }
        }
        true
    }

    fn modify(&mut self, modification: Modification, memarg: &MemArg) {
        let operand = self.pop();
        let place = self.aligned_place(memarg);
        let loaded = self.read(place, self.type_of(operand));
        let ins = self.builder.ins();
        let modified = match modification {
            Modification::Add => ins.iadd(loaded, operand),
            Modification::Subtract => ins.isub(loaded, operand),
            Modification::And => ins.band(loaded, operand),
            Modification::Or => ins.bor(loaded, operand),
            Modification::Xor => ins.bxor(loaded, operand),
            Modification::Exchange => operand,
        };
        self.write(place, modified);
        self.stack.push(loaded);
    }

    /// What is expected counts only as far as the number in memory is wide (WebAssembly/threads issue 195).
    fn compare_exchange(&mut self, memarg: &MemArg) {
        let (expected, replacement) = self.pop_two();
        let place = self.aligned_place(memarg);
        let ty = self.type_of(replacement);
        let loaded = self.read(place, ty);
        let expected = match place.bytes == ty.bytes() {
            true => expected,
            false => self.builder.ins().band_imm_u(expected, (1 << (8 * place.bytes)) - 1),
        };
        let is_expected = self.builder.ins().icmp(IntCC::Equal, loaded, expected);
        let stored = self.builder.ins().select(is_expected, replacement, loaded);
        self.write(place, stored);
        self.stack.push(loaded);
    }

    /// Pops the index of a number, and traps where that is no multiple of its width.
    fn aligned_place(&mut self, memarg: &MemArg) -> Place {
        let bytes = 1 << memarg.align;
        if bytes > 1 {
            let low = i64::from(bytes - 1);
            let index = self.top();
            let index = self.builder.ins().iadd_imm_u(index, memarg.offset as i64 & low);
            let beyond = self.builder.ins().band_imm_u(index, low);
            self.builder.ins().trapnz(beyond, trap_code::UNALIGNED_ATOMIC);
        }
        let (address, offset, flags) = self.address(memarg);
        Place { address, offset, flags, bytes }
    }

    /// The number, as one of type `ty` without a sign.
    fn read(&mut self, Place { address, offset, flags, bytes }: Place, ty: Type) -> Value {
        let ins = self.builder.ins();
        match bytes {
            1 => ins.uload8(ty, flags, address, offset),
            2 => ins.uload16(ty, flags, address, offset),
            4 if ty == types::I64 => ins.uload32(flags, address, offset),
            _ => ins.load(ty, flags, address, offset),
        }
    }

    fn write(&mut self, Place { address, offset, flags, bytes }: Place, value: Value) {
        let is_whole = self.type_of(value).bytes() == bytes;
        let ins = self.builder.ins();
        match bytes {
            1 => ins.istore8(flags, value, address, offset),
            2 => ins.istore16(flags, value, address, offset),
            4 if !is_whole => ins.istore32(flags, value, address, offset),
            _ => ins.store(flags, value, address, offset),
        };
    }

    fn type_of(&self, value: Value) -> Type {
        self.builder.func.dfg.value_type(value)
    }
}

/// What an atomic access to memory does, and where.
fn kind<'a>(operator: &'a Operator<'_>) -> Option<(Kind, &'a MemArg)> {
    use Modification::{Add, And, Exchange, Or, Subtract, Xor};
    macro_rules! kinds {
        ($($kind:expr => $($name:ident)+,)+) => {
            match operator {
                $($(Operator::$name { memarg })|+ => Some(($kind, memarg)),)+
                _ => None,
            }
        };
    }
    kinds! {
        Kind::Load(types::I32) => I32AtomicLoad I32AtomicLoad8U I32AtomicLoad16U,
        Kind::Load(types::I64) => I64AtomicLoad I64AtomicLoad8U I64AtomicLoad16U I64AtomicLoad32U,
        Kind::Store => I32AtomicStore I32AtomicStore8 I32AtomicStore16 I64AtomicStore I64AtomicStore8 I64AtomicStore16
            I64AtomicStore32,
        Kind::Modify(Add) => I32AtomicRmwAdd I32AtomicRmw8AddU I32AtomicRmw16AddU I64AtomicRmwAdd I64AtomicRmw8AddU
            I64AtomicRmw16AddU I64AtomicRmw32AddU,
        Kind::Modify(Subtract) => I32AtomicRmwSub I32AtomicRmw8SubU I32AtomicRmw16SubU I64AtomicRmwSub
            I64AtomicRmw8SubU I64AtomicRmw16SubU I64AtomicRmw32SubU,
        Kind::Modify(And) => I32AtomicRmwAnd I32AtomicRmw8AndU I32AtomicRmw16AndU I64AtomicRmwAnd I64AtomicRmw8AndU
            I64AtomicRmw16AndU I64AtomicRmw32AndU,
        Kind::Modify(Or) => I32AtomicRmwOr I32AtomicRmw8OrU I32AtomicRmw16OrU I64AtomicRmwOr I64AtomicRmw8OrU
            I64AtomicRmw16OrU I64AtomicRmw32OrU,
        Kind::Modify(Xor) => I32AtomicRmwXor I32AtomicRmw8XorU I32AtomicRmw16XorU I64AtomicRmwXor I64AtomicRmw8XorU
            I64AtomicRmw16XorU I64AtomicRmw32XorU,
        Kind::Modify(Exchange) => I32AtomicRmwXchg I32AtomicRmw8XchgU I32AtomicRmw16XchgU I64AtomicRmwXchg
            I64AtomicRmw8XchgU I64AtomicRmw16XchgU I64AtomicRmw32XchgU,
        Kind::CompareExchange => I32AtomicRmwCmpxchg I32AtomicRmw8CmpxchgU I32AtomicRmw16CmpxchgU I64AtomicRmwCmpxchg
            I64AtomicRmw8CmpxchgU I64AtomicRmw16CmpxchgU I64AtomicRmw32CmpxchgU,
        Kind::Notify => MemoryAtomicNotify,
        Kind::Wait => MemoryAtomicWait32 MemoryAtomicWait64,
    }
}
