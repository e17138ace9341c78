//! Standard input that is not there yet, and polls that wait for it.

use super::*;

const WAIT_NS: u64 = 300;

/// Writes a subscription to be told when `fd` can be read.
fn subscribe_read(program: &mut Program, at: u64, userdata: u64, fd: u64) {
    program.put(at, &[0; 48]);
    program.put(at, &userdata.to_le_bytes());
    program.put(at + 8, &[1]);
    program.put_u32s(at + 16, &[fd]);
}

/// Writes a subscription of a time by the monotonic clock.
fn subscribe_timeout(program: &mut Program, at: u64, userdata: u64, timeout_ns: u64) {
    program.put(at, &[0; 48]);
    program.put(at, &userdata.to_le_bytes());
    program.put_u32s(at + 16, &[1]);
    program.put(at + 24, &timeout_ns.to_le_bytes());
}

/// Polls `count` subscriptions at `BUFFER`; returns user data, errno, bytes and flags of each event.
fn poll(program: &mut Program, count: u64) -> Vec<(u64, u64, u64, u64)> {
    assert_eq!(program.call("poll_oneoff", &[BUFFER, OUT, count, IOVEC]), OK);
    let event = |at: u64| {
        let errno = program.u32(at + 8) & 0xffff;
        (program.u64(at), errno, program.u64(at + 16), program.u32(at + 24) & 0xffff)
    };
    (0..program.u32(IOVEC)).map(|i| event(OUT + 32 * i)).collect()
}

#[test]
fn a_read_waits_until_something_is_typed() {
    let mut program = program_with(FakeConsole::types_after(WAIT_NS, b"typed\n"));
    assert_eq!(program.read(0, 3), b"typ");
    assert_eq!(program.read(0, 9), b"ed\n");
    assert_eq!(program.read(0, 9), b"");
    assert_eq!(program.call("clock_time_get", &[1, 1, OUT]), OK);
    assert_eq!(program.u64(OUT), 500 + WAIT_NS);
}

#[test]
fn a_read_of_no_bytes_does_not_wait() {
    let mut program = program_with(FakeConsole::silent());
    assert_eq!(program.read(0, 0), b"");
}

#[test]
fn a_nonblocking_read_says_try_again() {
    let mut program = program_with(FakeConsole::types_after(WAIT_NS, b"x"));
    assert_eq!(program.call("fd_fdstat_set_flags", &[0, 4]), OK);
    program.put_u32s(IOVEC, &[BUFFER, 4]);
    program.fails("fd_read", &[0, IOVEC, 1, OUT], Errno::Again);
    assert_eq!(program.call("fd_fdstat_set_flags", &[0, 0]), OK);
    assert_eq!(program.read(0, 4), b"x");
}

#[test]
fn a_poll_waits_for_input_and_leaves_it_to_be_read() {
    let mut program = program_with(FakeConsole::types_after(WAIT_NS, b"typed"));
    subscribe_read(&mut program, BUFFER, 7, 0);
    subscribe_timeout(&mut program, BUFFER + 48, 8, WAIT_NS + 1);
    assert_eq!(poll(&mut program, 2), [(7, 0, 5, 0)]);
    assert_eq!(poll(&mut program, 1), [(7, 0, 5, 0)]);
    assert_eq!(program.read(0, 2), b"ty");
    assert_eq!(program.read(0, 9), b"ped");
}

#[test]
fn a_poll_ends_when_its_time_is_up_before_the_input() {
    let mut program = program_with(FakeConsole::types_after(WAIT_NS, b"typed"));
    subscribe_read(&mut program, BUFFER, 7, 0);
    subscribe_timeout(&mut program, BUFFER + 48, 8, WAIT_NS - 1);
    assert_eq!(poll(&mut program, 2), [(8, 0, 0, 0)]);
    let mut silent = program_with(FakeConsole::silent());
    subscribe_read(&mut silent, BUFFER, 7, 0);
    subscribe_timeout(&mut silent, BUFFER + 48, 8, 5);
    assert_eq!(poll(&mut silent, 2), [(8, 0, 0, 0)]);
    subscribe_read(&mut silent, BUFFER + 48, 9, 99);
    assert_eq!(poll(&mut silent, 2), [(9, Errno::Badf as u64, 0, 0)]);
}

#[test]
fn the_end_of_input_is_ready_and_said_once_more_by_the_read() {
    let mut program = program();
    subscribe_read(&mut program, BUFFER, 7, 0);
    subscribe_timeout(&mut program, BUFFER + 48, 8, u64::MAX);
    assert_eq!(poll(&mut program, 2), [(7, 0, 0, 1)]);
    assert_eq!(program.read(0, 4), b"");
}

#[test]
fn outputs_cannot_be_read_and_directories_not_polled() {
    let mut program = program();
    for (fd, errno) in [(1, Errno::Notcapable), (ROOT, Errno::Notcapable)] {
        subscribe_read(&mut program, BUFFER, 7, fd);
        assert_eq!(poll(&mut program, 1), [(7, errno as u64, 0, 0)]);
    }
}
