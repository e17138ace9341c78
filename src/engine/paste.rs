//! Kernels pasted over the calls that stand for them.
//!
//! Cranelift encodes no AVX-512 and has no way to put foreign code between its own. So where such code is wanted,
//! `translate` calls the kernel as many times in a row as its code is long, by a convention that keeps all registers; here
//! the code takes the place of those calls. Faults in it are the caller's, at the place of the call.

use alloc::vec::Vec;

use iced_x86::IcedError;

use super::code::NEAR_BYTES;
use super::compile::{MachineCode, Relocation, Symbol};
use super::specialise::KernelId;

/// How many calls in a row stand for `kernel`.
pub fn calls(kernel: KernelId) -> usize {
    // A kernel that cannot be encoded fails again, with a message, when its code is placed.
    kernel.pasted().ok().flatten().map_or(1, |code| code.len().div_ceil(NEAR_BYTES))
}

/// Puts the kernels that are to be pasted into `code`, in place of their calls.
pub fn paste(code: &mut MachineCode) -> Result<(), IcedError> {
    let mut kernels: Vec<KernelId> =
        code.relocations.iter().filter_map(|relocation| relocation.target.kernel()).collect();
    kernels.sort_unstable();
    kernels.dedup();
    for kernel in kernels {
        if let Some(body) = kernel.pasted()? {
            paste_kernel(code, kernel, &body);
        }
    }
    Ok(())
}

fn paste_kernel(code: &mut MachineCode, kernel: KernelId, body: &[u8]) {
    let calls = body.len().div_ceil(NEAR_BYTES);
    let (mut places, others): (Vec<Relocation>, Vec<Relocation>) =
        code.relocations.iter().partition(|relocation| relocation.target == Symbol::Kernel(kernel));
    places.sort_unstable_by_key(|relocation| relocation.offset);
    code.relocations = others;
    for run in places.chunks(calls) {
        // A relocation is that of the distance, behind the opcode.
        let first = run[0].offset as usize - 1;
        let adjoin = run.iter().enumerate().all(|(index, call)| call.offset as usize == first + 1 + index * NEAR_BYTES);
        if adjoin {
            code.bytes[first..first + body.len()].copy_from_slice(body);
            fill_with_nops(&mut code.bytes[first + body.len()..first + run.len() * NEAR_BYTES]);
        } else {
            // The register allocator put something between the calls: one of them suffices.
            code.relocations.push(run[0]);
            for call in &run[1..] {
                fill_with_nops(&mut code.bytes[call.offset as usize - 1..][..NEAR_BYTES]);
            }
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
    use super::super::compile::RelocationKind;
    use super::super::specialise::{Operation, Vectors};
    use super::*;

    const KERNEL: KernelId =
        KernelId { operation: Operation::CopyExactly, vectors: Vectors::Avx512, detail: 64, rare: false };

    /// Calls at these offsets in code of `bytes` bytes.
    fn code(bytes: usize, calls: &[usize]) -> MachineCode {
        let mut code = MachineCode {
            bytes: alloc::vec![0xcc; bytes],
            relocations: Vec::new(),
            traps: Vec::new(),
            locations: Vec::new(),
        };
        for at in calls {
            code.bytes[*at] = 0xe8;
            let (offset, kind, target) = (*at as u32 + 1, RelocationKind::Near, Symbol::Kernel(KERNEL));
            code.relocations.push(Relocation { offset, kind, target, addend: -4 });
        }
        code
    }

    #[test]
    fn calls_in_a_row_become_the_kernel() {
        let body = KERNEL.pasted().unwrap().unwrap();
        let places: Vec<usize> =
            (0..2 * calls(KERNEL)).map(|call| 3 + NEAR_BYTES * call + call / calls(KERNEL)).collect();
        let end = places[places.len() - 1] + NEAR_BYTES;
        let mut code = code(end + 2, &places);
        paste(&mut code).unwrap();
        assert!(code.relocations.is_empty());
        for first in [places[0], places[calls(KERNEL)]] {
            assert_eq!(code.bytes[first..first + body.len()], body);
        }
        assert_eq!(code.bytes[..3], [0xcc; 3]);
        assert_eq!(code.bytes[end..], [0xcc; 2]);
        let gap = places[calls(KERNEL)] - 1;
        assert_eq!(code.bytes[gap], 0xcc);
    }

    #[test]
    fn of_calls_that_are_apart_one_stays() {
        let places: Vec<usize> = (0..calls(KERNEL)).map(|call| 6 * call).collect();
        let mut code = code(6 * places.len(), &places);
        paste(&mut code).unwrap();
        assert_eq!(code.relocations.len(), 1);
        assert_eq!(code.bytes[0], 0xe8);
        assert!(places[1..].iter().all(|at| code.bytes[*at..*at + 5] == [0x0f, 0x1f, 0x44, 0x00, 0x00]));
    }
}
