//! Kernels pasted over the calls that stand for them.
//!
//! Cranelift encodes no AVX-512 and has no way to put foreign code between its own. So where such code is wanted,
//! `translate` calls the kernel as many times in a row as the code is long, by a convention that keeps all registers; here
//! the code takes the place of those calls. Code that does not do everything ends in front of one more call, which has the
//! kernel's own convention. Faults in it are the caller's, at the place of the call.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use iced_x86::IcedError;

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
        code.relocations.extend(paste_over(&mut code.bytes, run, pasted));
    }
    Ok(())
}

/// Puts `pasted` over `run`, room and the call that ends it, if it fits. Returns the call if it stays.
fn paste_over(bytes: &mut [u8], run: &[Relocation], pasted: Option<&Pasted>) -> Option<Relocation> {
    let [room @ .., call] = run else { return None };
    // A relocation is that of the distance, behind the opcode.
    let (first, end) = (run[0].offset as usize - 1, call.offset as usize - 1 + NEAR_BYTES);
    let fits = |pasted: &&Pasted| calls_for(pasted) == run.len() && end - first == run.len() * NEAR_BYTES;
    match pasted.filter(fits) {
        None => {
            // There is no room, or the register allocator put something between the calls.
            room.iter().for_each(|place| fill_with_nops(&mut bytes[place.offset as usize - 1..][..NEAR_BYTES]));
            Some(*call)
        }
        Some(Pasted::Whole(body)) => {
            bytes[first..first + body.len()].copy_from_slice(body);
            fill_with_nops(&mut bytes[first + body.len()..end]);
            None
        }
        Some(Pasted::Head(head)) => {
            let begin = end - NEAR_BYTES - head.len();
            fill_with_nops(&mut bytes[first..begin]);
            bytes[begin..begin + head.len()].copy_from_slice(head);
            Some(*call)
        }
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
        let (code, starts, _) = pasted_twice(WHOLE);
        assert!(code.relocations.is_empty());
        starts.iter().for_each(|start| assert_eq!(code.bytes[*start..][..body.len()], body));
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

    #[test]
    fn of_calls_that_are_apart_the_last_stays() {
        for kernel in [WHOLE, HEAD] {
            let places: Vec<usize> = (0..calls(kernel)).map(|call| 6 * call).collect();
            let last = places[places.len() - 1];
            let mut code = code(kernel, last + NEAR_BYTES, &places);
            paste(&mut code).unwrap();
            assert_eq!(code.relocations.len(), 1);
            assert_eq!((code.bytes[last], code.relocations[0].offset as usize), (0xe8, last + 1));
            let nop = [0x0f, 0x1f, 0x44, 0x00, 0x00];
            assert!(places[..places.len() - 1].iter().all(|at| code.bytes[*at..*at + 5] == nop));
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
