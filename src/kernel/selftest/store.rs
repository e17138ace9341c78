//! Self-test of the store that the machine has: what saving and loading cost.

use alloc::format;
use alloc::vec::Vec;

use super::{Verdict, say};
use crate::arch::ticks;
use crate::kernel::{System, options, program};
use crate::profile::Profile;
use crate::store::{Code, Store};

const BYTES: usize = 8 << 20;

/// Saves 8 MiB in the place of code, with the profile that there is, and loads them again. The profile stays; the next boot
/// finds that this is no code, and makes its own.
pub fn throughput(system: &mut System) -> Result<Verdict, Verdict> {
    let say = |line: &str| say(format_args!("{line}"));
    let wanted = options::store(&system.boot.command_line(), &say);
    let (_, region) = program::choose_store(&mut system.devices.disks, &wanted, &say).ok_or("there is no store")?;
    let mut store = Store::open_in(region).map_err(|error| format!("{error}"))?;
    let profile = store.load_with(u64::MAX, Profile::decode).payload.unwrap_or_default();
    let payload = profile.encode().map_err(|error| format!("{error}"))?;
    let code: Vec<u8> = (0..BYTES as u32 / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();

    let start = ticks::now();
    store.commit(&payload, Code::New(&code)).map_err(|error| format!("{error}"))?;
    let saved = ticks::now();
    let loaded = store.load_code(u64::MAX).map_err(|fault| format!("{fault}"))?;
    let end = ticks::now();
    if loaded != Some(code) {
        return Err("other bytes came back".into());
    }
    let per_byte = |ticks: u64| {
        let hundredths = ticks * 100 / BYTES as u64;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    Ok(format!("ticks per byte: {} saving, {} loading", per_byte(saved - start), per_byte(end - saved)))
}
