use super::fake::{FakeController, FakeNamespace, Fault, Shared};
use super::*;
use crate::drivers::disk::testing::pattern;
use crate::drivers::disk::{DiskError, Operation, Reason};
use proptest::prelude::*;
use std::string::ToString;

fn fake(blocks: usize, shift: u8) -> FakeController {
    FakeController::new(vec![Some(FakeNamespace::new(blocks, shift))])
}

/// The disks of a controller that takes commands, and the controller.
fn start(fake: FakeController) -> (Vec<Result<Disk, String>>, Shared) {
    let shared = fake.share();
    (disks("NVMe 0", shared.clone()).expect("the fake is sound"), shared)
}

/// A disk of one namespace, and its controller.
fn disk(blocks: usize, shift: u8) -> (Disk, Shared) {
    let (mut disks, fake) = start(fake(blocks, shift));
    assert_eq!(disks.len(), 1);
    fake.0.borrow_mut().commands.clear();
    (disks.remove(0).expect("the namespace is sound"), fake)
}

fn refusal(fake: FakeController) -> (String, Shared) {
    let shared = fake.share();
    match disks("NVMe 0", shared.clone()) {
        Err(error) => (error.to_string(), shared),
        Ok(disks) => panic!("driven: {disks:?}"),
    }
}

/// Opcode, first block and number of blocks of the commands for blocks.
fn transfers(fake: &Shared) -> Vec<(u8, u64, u64)> {
    let fake = fake.0.borrow();
    let commands = fake.commands.iter().filter(|(queue, ..)| *queue == 1);
    commands.map(|&(_, opcode, _, first, blocks)| (opcode, first, blocks)).collect()
}

#[test]
fn namespaces_are_named_after_controller_and_number() {
    let namespace = || Some(FakeNamespace::new(1000, 9));
    let (disks, fake) = start(FakeController::new(vec![namespace(), None, namespace()]));
    let names: Vec<&str> = disks.iter().map(|disk| disk.as_ref().expect("sound").name()).collect();
    let expected = ["NVMe 0 namespace 1 (FAKE NVME, serial S1)", "NVMe 0 namespace 3 (FAKE NVME, serial S1)"];
    assert_eq!(names, expected);
    let geometry = Geometry { sectors: 1000, block_sectors: 1, most_sectors: 256 };
    assert!(disks.iter().all(|disk| disk.as_ref().expect("sound").geometry() == geometry));
    assert!(!fake.0.borrow().is_cut_off);
}

#[test]
fn controllers_without_a_list_of_namespaces_are_asked_for_each() {
    let mut old = FakeController::new(vec![None, Some(FakeNamespace::new(8, 9))]);
    old.version = 0x0001_0000;
    old.identify[516..520].copy_from_slice(&u32::MAX.to_le_bytes());
    let (disks, fake) = start(old);
    assert_eq!(disks.len(), 1);
    let asked = fake
        .0
        .borrow()
        .commands
        .iter()
        .filter(|(_, opcode, namespace, ..)| (*opcode, *namespace > 0) == (6, true))
        .count();
    assert_eq!(asked, identity::MOST_NAMESPACES);
}

#[test]
fn written_sectors_read_back_through_one_page_two_and_many() {
    for shift in [9, 12] {
        let (mut disk, fake) = disk((2000 * SECTOR_BYTES) >> shift, shift);
        for (first, sectors) in [(8, 8), (16, 16), (40, 24), (64, 600)] {
            let data = pattern(sectors);
            disk.write(first, &data).expect("the fake is sound");
            let mut back = vec![0; data.len()];
            disk.read(first, &mut back).expect("the fake is sound");
            assert!(back == data, "{sectors} sectors at {first}");
            let start = first as usize * SECTOR_BYTES;
            let fake = fake.0.borrow();
            let namespace = fake.namespaces[0].as_ref().expect("it is there");
            assert!(namespace.medium[start..start + data.len()] == data);
        }
    }
}

#[test]
fn transfers_are_cut_to_what_one_command_moves() {
    let (mut disk, fake) = disk(2000, 9);
    disk.write(1234, &pattern(600)).expect("the fake is sound");
    assert_eq!(transfers(&fake), [(1, 1234, 256), (1, 1490, 256), (1, 1746, 88)]);

    let mut small = self::fake(2000, 9);
    small.identify[77] = 1; // Two pages.
    let (mut disks, fake) = start(small);
    let mut disk = disks.remove(0).expect("sound");
    disk.read(0, &mut pattern(40)).expect("the fake is sound");
    assert_eq!(transfers(&fake), [(2, 0, 16), (2, 16, 16), (2, 32, 8)]);
}

#[test]
fn part_of_a_long_block_leaves_the_rest_as_it_was() {
    let (mut disk, fake) = disk(4, 12);
    disk.write(0, &vec![0xaa; 32 * SECTOR_BYTES]).expect("the fake is sound");
    disk.write(9, &[0x55; SECTOR_BYTES]).expect("the fake is sound");
    let fake = fake.0.borrow();
    let medium = &fake.namespaces[0].as_ref().expect("it is there").medium;
    let written = 9 * SECTOR_BYTES..10 * SECTOR_BYTES;
    assert!(medium.iter().enumerate().all(|(at, &byte)| byte == if written.contains(&at) { 0x55 } else { 0xaa }));
}

#[test]
fn only_a_volatile_cache_is_flushed() {
    let (mut disk, cached) = disk(8, 9);
    disk.flush().expect("the fake is sound");
    assert_eq!(cached.0.borrow().commands, [(1, 0, 1, 0, 1)]);
    let mut plain = fake(8, 9);
    plain.identify[525] = 0;
    let (mut disks, plain) = start(plain);
    disks.remove(0).expect("sound").flush().expect("there is nothing to do");
    assert_eq!(transfers(&plain), []);
}

#[test]
fn queues_go_round_many_times_in_any_size_and_with_any_doorbells() {
    for (entries, stride) in [(1, 0), (2, 0), (16, 4), (64, 0), (65536, 10)] {
        let mut fake = fake(64, 9);
        fake.capabilities = (entries - 1) | 4 << 24 | stride << 32 | 1 << 37;
        let (mut disks, _) = start(fake);
        let disk = disks[0].as_mut().expect("sound");
        for round in 0..100 {
            disk.write(round % 64, &[round as u8; SECTOR_BYTES]).expect("the fake is sound");
        }
    }
}

#[test]
fn controllers_that_cannot_be_driven_are_refused_with_words_and_cut_off() {
    let with = |change: &dyn Fn(&mut FakeController)| {
        let mut fake = fake(8, 9);
        change(&mut fake);
        let (text, fake) = refusal(fake);
        assert!(fake.0.borrow().is_cut_off, "{text}");
        text
    };
    assert!(with(&|fake| fake.capabilities |= 1 << 48).contains("pages of at least 8192 bytes"));
    assert!(with(&|fake| fake.capabilities &= !(1 << 37)).contains("commands for blocks"));
    assert!(with(&|fake| fake.capabilities |= 11 << 32).contains("8192 bytes apart"));
    assert!(with(&|fake| fake.capabilities = u64::MAX).contains("gone"));
    let stuck = with(&|fake| fake.fault = Fault::StaysAsItIs);
    assert_eq!(stuck, "it did not stop within 2000 ms: controller status 0x1, ready");
    let fatal = with(&|fake| fake.fault = Fault::FatalWhenEnabled);
    assert_eq!(fatal, "it did not become ready within 0 ms: controller status 0x2, it failed for good");
    let silent = with(&|fake| fake.fault = Fault::Hangs);
    assert!(silent.starts_with("set number of queues failed: no answer within 15000 ms"), "{silent}");
    let refused = with(&|fake| fake.fault = Fault::Status(0, 0x106));
    assert_eq!(refused, "set number of queues failed: status 1/0x06, an error without a name here");
}

#[test]
fn a_namespace_that_cannot_be_used_is_named_beside_those_that_can() {
    let (disks, _) = start(FakeController::new(vec![Some(FakeNamespace::new(8, 14)), Some(FakeNamespace::new(8, 9))]));
    let line = disks[0].as_ref().expect_err("its blocks are too long");
    assert_eq!(line, "NVMe 0 namespace 1: it has blocks of 16384 bytes; format it with 512 or 4096");
    assert!(disks[1].is_ok());
}

fn reported(error: &DiskError) -> &str {
    match &error.reason {
        Reason::Failed(Failure::Reported(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_are_told_in_words_and_the_controller_is_asked_once_more() {
    let (mut disk, fake) = disk(100, 9);
    fake.0.borrow_mut().fault = Fault::BadBlock(42);
    let error = disk.read(40, &mut pattern(10)).expect_err("the block is bad");
    assert_eq!((error.sector, reported(&error)), (40, "status 2/0x81, unrecovered read error"));
    assert_eq!(transfers(&fake), [(2, 40, 10), (2, 40, 10)]);
    disk.read(50, &mut pattern(10)).expect("these are good");
    let error = disk.write(42, &pattern(1)).expect_err("the block is bad");
    assert_eq!(reported(&error), "status 2/0x80, write fault");
    assert_eq!(disk.write(1, &pattern(1)).expect_err("never again").reason, Reason::WritesStopped);
}

#[test]
fn flush_that_failed_is_not_asked_again() {
    let (mut disk, fake) = disk(100, 9);
    fake.0.borrow_mut().fault = Fault::BadFlush;
    let error = disk.flush().expect_err("it fails");
    assert_eq!((error.operation, reported(&error)), (Operation::Flush, "status 0/0x06, internal error"));
    assert_eq!(transfers(&fake), [(0, 0, 1)]);
    assert_eq!(disk.flush().expect_err("never again").reason, Reason::WritesStopped);
}

#[test]
fn slow_answer_is_waited_for() {
    let (mut disk, fake) = disk(100, 9);
    let answers_at = fake.0.borrow().now_ms + 10_000;
    fake.0.borrow_mut().fault = Fault::AnswersAt(answers_at);
    disk.write(7, &pattern(3)).expect("ten seconds are not too long");
    assert_eq!(transfers(&fake).len(), 1);
}

#[test]
fn controller_that_hangs_is_reset_and_works_again() {
    let (mut disk, fake) = disk(100, 9);
    fake.0.borrow_mut().fault = Fault::HangsUntilReset;
    let data = pattern(3);
    disk.write(7, &data).expect("the reset helps");
    assert_eq!(fake.0.borrow().resets, 2, "at the start, and after the failure");
    let mut back = vec![0; data.len()];
    disk.read(7, &mut back).expect("the fake is sound");
    assert!(back == data);
}

#[test]
fn controller_that_does_not_come_back_is_cut_off_for_all_its_namespaces() {
    for fault in [Fault::Hangs, Fault::Fatal, Fault::Gone, Fault::WrongId, Fault::WrongQueue] {
        let namespace = || Some(FakeNamespace::new(8, 9));
        let (mut disks, fake) = start(FakeController::new(vec![namespace(), namespace()]));
        fake.0.borrow_mut().fault = fault;
        let mut read = |number: usize| {
            let disk = disks[number].as_mut().expect("sound");
            disk.read(0, &mut [0; SECTOR_BYTES]).expect_err("the controller is broken").to_string()
        };
        let text = read(0);
        let expected = match fault {
            Fault::Hangs => "no answer within 15000 ms: controller status 0x1, ready",
            Fault::Fatal => "controller status 0x3, it failed for good",
            Fault::Gone => "controller status 0xffffffff, it is gone",
            _ => "which was not given",
        };
        assert!(text.contains(expected), "{text}");
        assert!(fake.0.borrow().is_cut_off);
        let commands = fake.0.borrow().commands.len();
        assert!(read(0).contains("did not come back"));
        assert!(read(1).contains("did not come back"), "the other namespace, which nobody asked yet");
        assert_eq!(fake.0.borrow().commands.len(), commands, "{fault:?}");
    }
}

#[test]
fn controller_that_answers_too_late_is_reset_and_asked_again() {
    let (mut disk, fake) = disk(100, 9);
    let answers_at = fake.0.borrow().now_ms + 16_000;
    fake.0.borrow_mut().fault = Fault::AnswersAt(answers_at);
    disk.read(7, &mut pattern(2)).expect("the second time it is fast enough");
    assert_eq!((transfers(&fake), fake.0.borrow().resets), (vec![(2, 7, 2); 2], 2));
}

/// A device that says anything at all.
struct Absurd {
    registers: Vec<u32>,
    memory: Vec<u8>,
    now_ms: u64,
    turn: usize,
}

impl BusMaster for Absurd {
    fn read(&mut self, offset: usize) -> u32 {
        self.turn += 1;
        // The capabilities are what they are, so that the driver gets farther.
        let index = if offset < 0x0c { offset / 4 } else { self.turn };
        self.registers[index % self.registers.len()]
    }

    fn write(&mut self, _: usize, _: u32) {}

    fn shared_address(&self) -> u64 {
        0x10_0000
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        assert!(at + bytes.len() <= SHARED_BYTES);
        self.turn += 1;
        bytes
            .iter_mut()
            .enumerate()
            .for_each(|(index, byte)| *byte = self.memory[(index + self.turn) % self.memory.len()]);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= SHARED_BYTES);
    }

    fn cut_off(&mut self) {}

    fn now_ms(&mut self) -> u64 {
        self.now_ms += 5_000;
        self.now_ms
    }
}

proptest! {
    #[test]
    fn absurd_controllers_are_refused_or_give_disks(
        mut registers in proptest::collection::vec(any::<u32>(), 3..40),
        memory in proptest::collection::vec(any::<u8>(), 1..200),
        plausible in any::<bool>(),
    ) {
        if plausible {
            (registers[0], registers[1]) = (0x0400_003f, 1 << 5);
        }
        match disks("NVMe 0", Absurd { registers, memory, now_ms: 0, turn: 0 }) {
            Ok(disks) => prop_assert!(disks.len() <= identity::MOST_NAMESPACES),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
