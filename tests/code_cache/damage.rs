//! Images that are not what was made: none is run, and none brings an engine down.

use bareflow::engine::Engine;

use crate::boots::{Left, alone, platform};
use crate::engine::NoImports;
use crate::program::{CALLS, PARTS, between_boots, boot, settled};
use crate::random::Random;

/// Whether an engine that is given `code` with `left` takes anything of it. Nothing of it is run.
fn takes(code: &[u8], left: &Left) -> bool {
    let engine = Engine::with_code(
        PARTS.wasm(),
        platform(),
        Box::new(NoImports),
        between_boots(),
        left.profile.clone(),
        Some(code),
    );
    // What is said to be needed to start may be more than there is.
    engine.is_ok_and(|mut engine| engine.statistics().code_loaded > 0)
}

#[test]
fn no_image_that_is_cut_short_is_used() {
    let _alone = alone();
    let left = settled(PARTS.wasm(), between_boots()).left;
    let code = left.code.clone().expect("code was kept");
    assert!(takes(&code, &left));
    // What may be missing is what fills the last line of code.
    for length in (0..500).chain((500..code.len() - 64).step_by(97)).chain([code.len() - 65]) {
        assert!(!takes(&code[..length], &left), "{length} of {} bytes", code.len());
    }
    let mut cut = left.clone();
    cut.code = Some(code[..code.len() / 2].to_vec());
    let boot = boot(PARTS.wasm(), between_boots(), CALLS, &cut);
    assert!(boot.functions().0 == 0 && boot.functions().1 > 0, "{:?}", boot.functions());
    assert!(["the code is cut short", "what is known of the code contradicts itself"].contains(&&*boot.reason));
}

#[test]
fn absurd_images_bring_no_engine_down() {
    let _alone = alone();
    let left = settled(PARTS.wasm(), between_boots()).left;
    let code = left.code.clone().expect("code was kept");
    // Behind four numbers are key, head and details, whose bytes they say; the rest is code.
    let bytes = |number: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| code[4 * number + byte])) as usize;
    let front = 16 + bytes(1) + bytes(2) + bytes(3);
    let mut random = Random(5);
    let mut taken = 0;
    for _ in 0..3_000 {
        let mut damaged = code.clone();
        for _ in 0..=random.next() % 3 {
            let at = random.next() as usize % front.min(damaged.len());
            match random.next() % 4 {
                0 => damaged[at] ^= 1 << (random.next() % 8),
                1 => damaged[at] = [0, 0x7f, 0x80, 0xff][random.next() as usize % 4],
                2 => damaged.truncate(at.max(1)),
                _ => drop(damaged.splice(at..at, [0xff; 5])),
            }
        }
        taken += u32::from(takes(&damaged, &left));
    }
    assert!(taken > 100, "only {taken} were read to their end");
}
