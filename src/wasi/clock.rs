//! Reading clocks.

use super::abi::ClockId;
use super::memory::GuestMemory;
use super::seams::Clock;
use super::{Outcome, Wasi};

impl Wasi<'_> {
    pub(super) fn clock_res_get(&mut self, memory: &mut GuestMemory<'_>, id: u32, resolution: u32) -> Outcome {
        ClockId::from_number(id)?;
        Ok(memory.write_u64(resolution, self.clock.resolution_ns())?)
    }

    /// The precision asked for does not matter: a clock is always read as well as it can be.
    pub(super) fn clock_time_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        id: u32,
        _precision: u64,
        time: u32,
    ) -> Outcome {
        let now = now_ns(self.clock.as_mut(), ClockId::from_number(id)?);
        Ok(memory.write_u64(time, now)?)
    }
}

/// What the clock `id` shows.
pub fn now_ns(clock: &mut dyn Clock, id: ClockId) -> u64 {
    match id {
        ClockId::Realtime => clock.realtime_ns(),
        ClockId::Monotonic => clock.monotonic_ns(),
        // There is one thread.
        ClockId::ProcessCpuTime | ClockId::ThreadCpuTime => clock.cpu_ns(),
    }
}
