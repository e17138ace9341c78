//! A pair of queues in shared memory, with at most one command in them.
//!
//! Source: NVM Express Base Specification 1.4, section 4.1 and, for the phase bit, 4.6.

use super::command::{ANSWER_BYTES, Answer, COMMAND_BYTES, Command};
use super::registers::{Capabilities, DOORBELLS};
use crate::drivers::bus_master::BusMaster;

/// Entries of each queue, of which one at a time is used; a controller may allow fewer, but never less than two.
const ENTRIES: usize = 16;

/// Commands that are given, and answers to them.
#[derive(Debug)]
pub(super) struct Queue {
    /// 0 is the admin queue.
    pub number: u16,
    /// Where the submissions are in shared memory.
    pub submissions: usize,
    /// Where the completions are in shared memory.
    pub completions: usize,
    entries: usize,
    doorbell_bytes: usize,
    /// Where the next command goes.
    tail: usize,
    /// Where the next answer comes.
    head: usize,
    /// What the phase bit of the next answer will be: it changes with every round.
    phase: bool,
}

impl Queue {
    pub fn new(number: u16, submissions: usize, completions: usize, capabilities: Capabilities) -> Self {
        let (entries, doorbell_bytes) = (capabilities.most_entries().clamp(2, ENTRIES), capabilities.doorbell_bytes());
        Self { number, submissions, completions, entries, doorbell_bytes, tail: 0, head: 0, phase: true }
    }

    /// Begins anew, for a controller that was disabled.
    pub fn clear(&mut self, device: &mut impl BusMaster) {
        device.store(self.completions, &[0; ENTRIES * ANSWER_BYTES]);
        (self.tail, self.head, self.phase) = (0, 0, true);
    }

    /// Entries less one, and the queue's number, as CREATE wants them.
    pub fn size_and_number(&self) -> u32 {
        self.last_entry() << 16 | u32::from(self.number)
    }

    /// Entries less one.
    pub fn last_entry(&self) -> u32 {
        self.entries as u32 - 1
    }

    pub fn submit(&mut self, device: &mut impl BusMaster, command: &Command, id: u16) {
        device.store(self.submissions + self.tail * COMMAND_BYTES, &command.encode(id));
        self.tail = (self.tail + 1) % self.entries;
        device.write(self.doorbell(0), self.tail as u32);
    }

    pub fn has_answer(&self, device: &mut impl BusMaster) -> bool {
        let mut status = [0; 2];
        device.load(self.next_answer() + Answer::STATUS_OFFSET, &mut status);
        (status[0] & 1 != 0) == self.phase
    }

    /// The next answer, if it is there.
    pub fn take_answer(&mut self, device: &mut impl BusMaster) -> Option<Answer> {
        // The rest of an answer is there once its phase bit is, not before.
        if !self.has_answer(device) {
            return None;
        }
        let mut bytes = [0; ANSWER_BYTES];
        device.load(self.next_answer(), &mut bytes);
        self.head = (self.head + 1) % self.entries;
        self.phase ^= self.head == 0;
        device.write(self.doorbell(1), self.head as u32);
        Some(Answer::decode(&bytes))
    }

    fn next_answer(&self) -> usize {
        self.completions + self.head * ANSWER_BYTES
    }

    /// Of submissions (0) or completions (1).
    fn doorbell(&self, which: usize) -> usize {
        DOORBELLS + (2 * usize::from(self.number) + which) * self.doorbell_bytes
    }
}
