//! Waiting: `poll_oneoff`.
//!
//! Files and outputs are always ready, since no read or write there waits: a poll that names one ends at once. Standard
//! input is ready when there is some, or its end. Otherwise the earliest clock ends the poll.

use super::abi::{
    ClockId, EVENT_BYTES, EVENT_FD_READWRITE_HANGUP, Errno, Record, Rights, SUBSCRIPTION_BYTES,
    SUBSCRIPTION_CLOCK_ABSTIME,
};
use super::clock::now_ns;
use super::fds::Target;
use super::memory::{GuestMemory, Span, u32_at, u64_at};
use super::seams::{Clock, Input};
use super::{Outcome, Wasi};
use alloc::vec::Vec;

// Kinds of subscriptions and events.
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// Most subscriptions in one call.
const SUBSCRIPTIONS_MAX: u32 = 4096;

/// Stands for a moment that no clock tells: when there is input.
const WITH_INPUT: u64 = u64::MAX;

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
    /// By the monotonic clock; 0 for at once, [`WITH_INPUT`] for when there is input.
    due_ns: u64,
    /// Bytes that can be read or written, or why the subscription cannot be served.
    outcome: Result<u64, Errno>,
    /// There is nothing left to read.
    hung_up: bool,
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
        let mut expected: Vec<Event> = subscriptions.iter().map(|subscription| self.expect(subscription)).collect();
        let now_ns = self.wait(&mut expected);
        let mut written = 0;
        for event in expected.iter().filter(|event| event.due_ns <= now_ns && event.due_ns != WITH_INPUT) {
            memory.write(events + written * EVENT_BYTES as u32, event.record().bytes())?;
            written += 1;
        }
        Ok(memory.write_u32(event_count, written)?)
    }

    /// Waits until an event is due; returns when that is.
    fn wait(&mut self, expected: &mut [Event]) -> u64 {
        self.console.flush();
        let earliest_ns = expected.iter().map(|event| event.due_ns).min().unwrap_or(0);
        if expected.iter().all(|event| event.due_ns != WITH_INPUT) {
            self.clock.wait_until(earliest_ns);
            return self.clock.monotonic_ns();
        }
        loop {
            let now_ns = self.clock.monotonic_ns();
            match self.lookahead.peek(self.console.as_mut()) {
                Input::NotYet if now_ns < earliest_ns => {
                    let has_deadline = earliest_ns != WITH_INPUT;
                    self.console.wait_for_input(if has_deadline { earliest_ns - now_ns } else { u64::MAX });
                }
                Input::NotYet => return now_ns,
                input => {
                    arrived(expected, input);
                    return now_ns;
                }
            }
        }
    }

    fn expect(&mut self, subscription: &Subscription) -> Event {
        let (kind, due) = match subscription.subject {
            Subject::Clock { id, timeout_ns, absolute } => {
                (CLOCK, due_ns(self.clock.as_mut(), id, timeout_ns, absolute).map(|due_ns| (due_ns, 0)))
            }
            Subject::Readable { fd } => (FD_READ, self.readable(fd)),
            Subject::Writable { fd } => (FD_WRITE, self.writable_bytes(fd).map(|bytes| (0, bytes))),
        };
        let userdata = subscription.userdata;
        match due {
            Ok((due_ns, bytes)) => Event { userdata, kind, due_ns, outcome: Ok(bytes), hung_up: false },
            Err(errno) => Event { userdata, kind, due_ns: 0, outcome: Err(errno), hung_up: false },
        }
    }

    /// When there is something to read, and how many bytes. Nothing to read is the end, which is ready too.
    fn readable(&mut self, fd: u32) -> Result<(u64, u64), Errno> {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::POLL_FD_READWRITE | Rights::FD_READ)?;
        match descriptor.target {
            Target::File { handle, offset } => {
                let bytes = self.files(handle.volume)?.stat(handle.node)?.bytes;
                Ok((0, bytes.saturating_sub(offset)))
            }
            Target::Input => Ok((WITH_INPUT, 0)),
            Target::Output(_) | Target::Directory { .. } => Err(Errno::Badf),
        }
    }

    /// 1: how much could be written is not known.
    fn writable_bytes(&self, fd: u32) -> Result<u64, Errno> {
        self.descriptors.get(fd)?.require(Rights::POLL_FD_READWRITE | Rights::FD_WRITE)?;
        Ok(1)
    }
}

/// Makes the events due that waited for `input`.
fn arrived(expected: &mut [Event], input: Input) {
    for event in expected.iter_mut().filter(|event| event.due_ns == WITH_INPUT) {
        event.due_ns = 0;
        match input {
            Input::Bytes(count) => event.outcome = Ok(count as u64),
            Input::NotYet | Input::End => event.hung_up = true,
        }
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
    Ok(clock.monotonic_ns().saturating_add(wait_ns).min(WITH_INPUT - 1))
}

fn read_subscriptions(memory: &GuestMemory<'_>, address: u32, count: u32) -> Result<Vec<Subscription>, Errno> {
    let bytes = memory.slice(Span { address, len: count * SUBSCRIPTION_BYTES as u32 })?;
    bytes.chunks_exact(SUBSCRIPTION_BYTES).map(read_subscription).collect()
}

fn read_subscription(record: &[u8]) -> Result<Subscription, Errno> {
    let subject = match record[8] {
        CLOCK => Subject::Clock {
            id: u32_at(record, 16),
            timeout_ns: u64_at(record, 24),
            absolute: u32_at(record, 40) as u16 & SUBSCRIPTION_CLOCK_ABSTIME != 0,
        },
        FD_READ => Subject::Readable { fd: u32_at(record, 16) },
        FD_WRITE => Subject::Writable { fd: u32_at(record, 16) },
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription { userdata: u64_at(record, 0), subject })
}

impl Event {
    fn record(&self) -> Record<EVENT_BYTES> {
        let errno = self.outcome.err().map_or(0, |errno| errno as u16);
        Record::new()
            .u64(0, self.userdata)
            .u16(8, errno)
            .u8(10, self.kind)
            .u64(16, self.outcome.unwrap_or(0))
            .u16(24, if self.hung_up { EVENT_FD_READWRITE_HANGUP } else { 0 })
    }
}
