//! Kernels pasted over the calls that stand for them.
//!
//! Cranelift encodes no AVX-512 and has no way to put foreign code between its own. So where such code is wanted,
//! `translate` calls the kernel as many times in a row as the code is long, by a convention that keeps all registers; here
//! the code takes the place of those calls. Code that does not do everything ends in front of one more call, which has the
//! kernel's own convention. What the register allocator puts between the calls (it saves there what the last one changes) goes
//! in front of the code. Faults in that are the caller's, at the place of the call.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use iced_x86::{Decoder, DecoderOptions, FlowControl, IcedError, Instruction};

use super::compile::{MachineCode, Relocation, Symbol};
use crate::engine::layout::NEAR_BYTES;
use crate::engine::specialise::{KernelId, Pasted};

/// How many calls in a row stand for `kernel`, the last of them with its results.
pub fn calls(kernel: KernelId) -> usize {
    // A kernel that cannot be encoded fails again, with a message, when its code is placed.
    kernel.pasted().ok().flatten().map_or(1, |pasted| calls_for(&pasted))
}

fn calls_for(pasted: &Pasted) -> usize {
    match pasted {
        Pasted::Whole(code) => code.len().div_ceil(NEAR_BYTES),
        Pasted::Head(code) => code.len().div_ceil(NEAR_BYTES) + 1,
    }
}

/// Puts the kernels that are to be pasted into `code`, in place of their calls.
pub fn paste(code: &mut MachineCode) -> Result<(), IcedError> {
    let (mut calls, others): (Vec<Relocation>, Vec<Relocation>) = code
        .relocations
        .iter()
        .partition(|relocation| matches!(relocation.target, Symbol::Kernel(_) | Symbol::Room(_)));
    calls.sort_unstable_by_key(|relocation| relocation.offset);
    code.relocations = others;
    let mut known = BTreeMap::new();
    for run in calls.chunk_by(|before, _| matches!(before.target, Symbol::Room(_))) {
        let [.., call] = run else { continue };
        let Symbol::Kernel(kernel) = call.target else { unreachable!("room is made in front of a call") };
        if run.len() > 1 && !known.contains_key(&kernel) {
            known.insert(kernel, kernel.pasted()?);
        }
        let pasted = known.get(&kernel).and_then(Option::as_ref);
        let remaining = paste_over(code, run, pasted);
        code.relocations.extend(remaining);
    }
    Ok(())
}

/// Puts `pasted` over `run`, room and the call that ends it, if it fits. Returns the call if it stays.
fn paste_over(code: &mut MachineCode, run: &[Relocation], pasted: Option<&Pasted>) -> Option<Relocation> {
    let [room @ .., call] = run else { return None };
    let place = first_byte(run[0])..first_byte(*call) + NEAR_BYTES;
    let between = pasted.filter(|pasted| calls_for(pasted) == run.len()).and_then(|_| between(code, run, &place));
    let (Some(pasted), Some(between)) = (pasted, between) else {
        room.chunk_by(|before, next| next.offset - before.offset == NEAR_BYTES as u32).for_each(|room| {
            let first = first_byte(room[0]);
            skip(&mut code.bytes[first..first + room.len() * NEAR_BYTES]);
        });
        return Some(*call);
    };
    let (Pasted::Whole(kernel) | Pasted::Head(kernel)) = pasted;
    let stays = matches!(pasted, Pasted::Head(_)).then_some(*call);
    let end = if stays.is_some() { place.end - NEAR_BYTES } else { place.end };
    let (begin, bytes) = (end - kernel.len(), &mut code.bytes);
    bytes[begin..end].copy_from_slice(kernel);
    bytes[place.start..place.start + between.len()].copy_from_slice(&between);
    fill_with_nops(&mut bytes[place.start + between.len()..begin]);
    stays
}

/// Where the call of `relocation`, which is that of the distance behind the opcode, begins.
fn first_byte(relocation: Relocation) -> usize {
    relocation.offset as usize - 1
}

/// What is at `place` beside the calls of `run`, if it does the same in front of them: no branch, no fault, and nothing that
/// depends on where it is.
fn between(code: &MachineCode, run: &[Relocation], place: &Range<usize>) -> Option<Vec<u8>> {
    let mut between = Vec::new();
    for pair in run.windows(2) {
        between.extend_from_slice(&code.bytes[first_byte(pair[0]) + NEAR_BYTES..first_byte(pair[1])]);
    }
    if between.is_empty() {
        return Some(between);
    }
    let is_inside = |offset: u32| place.contains(&(offset as usize));
    if code.relocations.iter().any(|relocation| is_inside(relocation.offset))
        || code.traps.iter().any(|(offset, _)| is_inside(*offset))
    {
        return None;
    }
    let may_move = |instruction: Instruction| {
        !instruction.is_invalid()
            && instruction.flow_control() == FlowControl::Next
            && !instruction.is_ip_rel_memory_operand()
    };
    Decoder::new(64, &between, DecoderOptions::NONE).into_iter().all(may_move).then_some(between)
}

/// Leaves the calls in `room` out.
fn skip(room: &mut [u8]) {
    if room.len() > NEAR_BYTES {
        // JMP rel32 (Intel SDM volume 2).
        room[0] = 0xe9;
        let distance = (room.len() - NEAR_BYTES) as u32;
        room[1..NEAR_BYTES].copy_from_slice(&distance.to_le_bytes());
    } else {
        fill_with_nops(room);
    }
}

/// One instruction that does nothing and takes up to five bytes (Intel SDM volume 2, NOP).
fn fill_with_nops(bytes: &mut [u8]) {
    bytes.copy_from_slice(match bytes.len() {
        0 => &[],
        1 => &[0x90],
        2 => &[0x66, 0x90],
        3 => &[0x0f, 0x1f, 0x00],
        4 => &[0x0f, 0x1f, 0x40, 0x00],
        _ => &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::code::compile::Effort;
    use crate::engine::specialise::strings::StringFunction;
    use crate::engine::specialise::{Operation, Vectors};

    const WHOLE: KernelId =
        KernelId { operation: Operation::CopyExactly, vectors: Vectors::Avx512, detail: 64, rare: false };
    const HEAD: KernelId = KernelId { operation: Operation::String(StringFunction::Memcmp), detail: 0, ..WHOLE };

    /// Calls of `kernel` at these offsets in code of `bytes` bytes, with room in front of each.
    fn code(kernel: KernelId, bytes: usize, places: &[usize]) -> MachineCode {
        let mut code = MachineCode {
            bytes: alloc::vec![0xcc; bytes],
            relocations: Vec::new(),
            traps: Vec::new(),
            locations: Vec::new(),
            handlers: Vec::new(),
            frame_bytes: 0,
            effort: Effort::Full,
        };
        for (index, at) in places.iter().enumerate() {
            code.bytes[*at] = 0xe8;
            let is_room = (index + 1) % calls(kernel) != 0;
            let target = if is_room { Symbol::Room(kernel) } else { Symbol::Kernel(kernel) };
            code.relocations.push(Relocation { offset: *at as u32 + 1, target, addend: -4 });
        }
        code
    }

    /// Two places with room for `kernel`, a byte between them, and what is in them after pasting.
    fn pasted_twice(kernel: KernelId) -> (MachineCode, [usize; 2], usize) {
        let room = calls(kernel) * NEAR_BYTES;
        let starts = [3, 3 + room + 1];
        let places: Vec<usize> =
            starts.iter().flat_map(|start| (0..calls(kernel)).map(move |call| start + NEAR_BYTES * call)).collect();
        let mut code = code(kernel, starts[1] + room + 2, &places);
        paste(&mut code).unwrap();
        for outside in [0..3, starts[1] - 1..starts[1], starts[1] + room..code.bytes.len()] {
            assert!(code.bytes[outside].iter().all(|byte| *byte == 0xcc));
        }
        (code, starts, room)
    }

    #[test]
    fn calls_in_a_row_become_the_kernel() {
        let Some(Pasted::Whole(body)) = WHOLE.pasted().unwrap() else { panic!("all of it is pasted") };
        let (code, starts, room) = pasted_twice(WHOLE);
        assert!(code.relocations.is_empty());
        starts.iter().for_each(|start| assert_eq!(code.bytes[start + room - body.len()..start + room], body));
    }

    #[test]
    fn a_head_ends_at_a_call_that_stays() {
        let Some(Pasted::Head(head)) = HEAD.pasted().unwrap() else { panic!("its head is pasted") };
        let (code, starts, room) = pasted_twice(HEAD);
        assert_eq!(code.relocations.len(), 2);
        for (start, call) in starts.iter().zip(&code.relocations) {
            let end = start + room - NEAR_BYTES;
            assert_eq!((code.bytes[end], call.offset as usize), (0xe8, end + 1));
            assert_eq!(code.bytes[end - head.len()..end], head);
        }
    }

    /// Calls of `kernel` with `between` in front of the last, pasted, and where the last was.
    fn pasted_around(kernel: KernelId, between: &[u8]) -> (MachineCode, usize) {
        let room = calls(kernel) - 1;
        let mut places: Vec<usize> = (0..room).map(|call| NEAR_BYTES * call).collect();
        let last = NEAR_BYTES * room + between.len();
        places.push(last);
        let mut code = code(kernel, last + NEAR_BYTES, &places);
        code.bytes[NEAR_BYTES * room..last].copy_from_slice(between);
        paste(&mut code).unwrap();
        (code, last)
    }

    #[test]
    fn what_saves_registers_between_calls_goes_in_front() {
        // mov [rsp+0x28], rdi; mov r12, rsi
        let between = [0x48, 0x89, 0x7c, 0x24, 0x28, 0x49, 0x89, 0xf4];
        let (code, last) = pasted_around(HEAD, &between);
        let Some(Pasted::Head(head)) = HEAD.pasted().unwrap() else { panic!("its head is pasted") };
        assert_eq!(code.bytes[..between.len()], between);
        assert_eq!(code.bytes[last - head.len()..last], head);
        assert_eq!((code.bytes[last], code.relocations[0].offset as usize), (0xe8, last + 1));

        let (code, last) = pasted_around(WHOLE, &between);
        let Some(Pasted::Whole(body)) = WHOLE.pasted().unwrap() else { panic!("all of it is pasted") };
        assert_eq!(code.bytes[..between.len()], between);
        assert_eq!(code.bytes[last + NEAR_BYTES - body.len()..], body);
        assert!(code.relocations.is_empty());
    }

    #[test]
    fn around_what_depends_on_its_place_the_last_call_stays() {
        // mov rax, [rip+8]; jne +2; what is no instruction
        let others: [&[u8]; 3] = [&[0x48, 0x8b, 0x05, 8, 0, 0, 0], &[0x75, 2], &[0x06]];
        for (kernel, between) in [WHOLE, HEAD].into_iter().flat_map(|kernel| others.map(|between| (kernel, between))) {
            let (code, last) = pasted_around(kernel, between);
            assert_eq!((code.bytes[last], code.relocations.len()), (0xe8, 1));
            assert_eq!(code.relocations[0].offset as usize, last + 1);
            let room = last - between.len();
            assert_eq!(code.bytes[room..last], *between);
            assert_eq!(code.bytes[..NEAR_BYTES], [0xe9, (room - NEAR_BYTES) as u8, 0, 0, 0]);
        }
    }

    #[test]
    fn a_call_without_room_stays() {
        for kernel in [WHOLE, HEAD] {
            let mut code = code(kernel, NEAR_BYTES, &[0]);
            code.relocations[0].target = Symbol::Kernel(kernel);
            let before = code.bytes.clone();
            paste(&mut code).unwrap();
            assert_eq!((code.bytes, code.relocations.len()), (before, 1));
        }
    }
}
