//! Waiting: `poll_oneoff`.
//!
//! Descriptors are always ready, since no read or write here waits. So a poll that names a descriptor ends at once;
//! one that names clocks alone waits for the earliest of them.

use super::abi::{ClockId, EVENT_BYTES, Errno, Record, Rights, SUBSCRIPTION_BYTES, SUBSCRIPTION_CLOCK_ABSTIME};
use super::clock::now_ns;
use super::fds::Target;
use super::memory::{GuestMemory, Span, u32_at, u64_at};
use super::seams::Clock;
use super::{Outcome, Wasi};
use alloc::vec::Vec;

/// Most subscriptions in one call.
const SUBSCRIPTIONS_MAX: u32 = 4096;

/// What one subscription waits for.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Clock { id: u32, timeout_ns: u64, absolute: bool },
    Readable { fd: u32 },
    Writable { fd: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Subscription {
    /// Handed back with the event.
    userdata: u64,
    subject: Subject,
}

/// When an event happens, and what it says.
struct Event {
    userdata: u64,
    kind: u8,
    /// By the monotonic clock; 0 for at once.
    due_ns: u64,
    /// Bytes that can be read or written, or why the subscription cannot be served.
    outcome: Result<u64, Errno>,
}

impl Wasi<'_> {
    pub(super) fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: u32,
        events: u32,
        count: u32,
        event_count: u32,
    ) -> Outcome {
        if count == 0 || count > SUBSCRIPTIONS_MAX {
            return Err(Errno::Inval.into());
        }
        memory.check(events, count * EVENT_BYTES as u32)?;
        memory.check(event_count, 4)?;
        let subscriptions = read_subscriptions(memory, subscriptions, count)?;
        let expected: Vec<Event> = subscriptions.iter().map(|subscription| self.expect(subscription)).collect();
        let earliest_ns = expected.iter().map(|event| event.due_ns).min().unwrap_or(0);
        self.clock.wait_until(earliest_ns);
        let now_ns = self.clock.monotonic_ns();
        let mut written = 0;
        for event in expected.iter().filter(|event| event.due_ns <= now_ns) {
            memory.write(events + written * EVENT_BYTES as u32, event.record().bytes())?;
            written += 1;
        }
        Ok(memory.write_u32(event_count, written)?)
    }

    fn expect(&mut self, subscription: &Subscription) -> Event {
        let (kind, due) = match subscription.subject {
            Subject::Clock { id, timeout_ns, absolute } => {
                (0, due_ns(self.clock.as_mut(), id, timeout_ns, absolute).map(|due_ns| (due_ns, 0)))
            }
            Subject::Readable { fd } => (1, self.readable_bytes(fd).map(|bytes| (0, bytes))),
            Subject::Writable { fd } => (2, self.writable_bytes(fd).map(|bytes| (0, bytes))),
        };
        let userdata = subscription.userdata;
        match due {
            Ok((due_ns, bytes)) => Event { userdata, kind, due_ns, outcome: Ok(bytes) },
            Err(errno) => Event { userdata, kind, due_ns: 0, outcome: Err(errno) },
        }
    }

    /// Bytes that can be read from a file; 1 where that is not known. Nothing to read is the end of the input, which
    /// is ready too.
    fn readable_bytes(&self, fd: u32) -> Result<u64, Errno> {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::POLL_FD_READWRITE | Rights::FD_READ)?;
        match descriptor.target {
            Target::File { node, offset } => Ok((self.tree.content(node).len() as u64).saturating_sub(offset)),
            _ => Ok(1),
        }
    }

    /// 1: how much could be written is not known.
    fn writable_bytes(&self, fd: u32) -> Result<u64, Errno> {
        self.descriptors.get(fd)?.require(Rights::POLL_FD_READWRITE | Rights::FD_WRITE)?;
        Ok(1)
    }
}

/// When a clock subscription is due, by the monotonic clock.
fn due_ns(clock: &mut dyn Clock, id: u32, timeout_ns: u64, absolute: bool) -> Result<u64, Errno> {
    let id = ClockId::from_number(id)?;
    if matches!(id, ClockId::ProcessCpuTime | ClockId::ThreadCpuTime) {
        // A program that waits does not use its CPU time up.
        return Err(Errno::Notsup);
    }
    let wait_ns = if absolute { timeout_ns.saturating_sub(now_ns(clock, id)) } else { timeout_ns };
    Ok(clock.monotonic_ns().saturating_add(wait_ns))
}

fn read_subscriptions(memory: &GuestMemory<'_>, address: u32, count: u32) -> Result<Vec<Subscription>, Errno> {
    let bytes = memory.slice(Span { address, len: count * SUBSCRIPTION_BYTES as u32 })?;
    bytes.chunks_exact(SUBSCRIPTION_BYTES).map(read_subscription).collect()
}

fn read_subscription(record: &[u8]) -> Result<Subscription, Errno> {
    let subject = match record[8] {
        0 => Subject::Clock {
            id: u32_at(record, 16),
            timeout_ns: u64_at(record, 24),
            absolute: u32_at(record, 40) as u16 & SUBSCRIPTION_CLOCK_ABSTIME != 0,
        },
        1 => Subject::Readable { fd: u32_at(record, 16) },
        2 => Subject::Writable { fd: u32_at(record, 16) },
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription { userdata: u64_at(record, 0), subject })
}

impl Event {
    fn record(&self) -> Record<EVENT_BYTES> {
        let errno = self.outcome.err().map_or(0, |errno| errno as u16);
        Record::new().u64(0, self.userdata).u16(8, errno).u8(10, self.kind).u64(16, self.outcome.unwrap_or(0))
    }
}
