//! Arguments, clocks, waiting, random bytes, the end.

use super::fakes::FakeClock;
use super::*;

#[test]
fn hands_over_arguments_and_environment() {
    let mut program = program();
    assert_eq!(program.call("args_sizes_get", &[OUT, OUT + 4]), OK);
    assert_eq!((program.u32(OUT), program.u32(OUT + 4)), (2, 7));
    assert_eq!(program.call("args_get", &[OUT, BUFFER]), OK);
    assert_eq!((program.u32(OUT), program.u32(OUT + 4)), (BUFFER, BUFFER + 4));
    assert_eq!(program.bytes(BUFFER, 7), b"fox\0-v\0");
    assert_eq!(program.call("environ_sizes_get", &[OUT, OUT + 4]), OK);
    assert_eq!((program.u32(OUT), program.u32(OUT + 4)), (1, 7));
    assert_eq!(program.call("environ_get", &[OUT, BUFFER]), OK);
    assert_eq!(program.bytes(BUFFER, 7), b"HOME=/\0");
    program.fails("args_get", &[0xfff, BUFFER], Errno::Fault);
    program.fails("args_get", &[OUT, 0xffa], Errno::Fault);
}

#[test]
fn shows_four_clocks() {
    let mut program = program();
    for (id, time_ns) in [(0, 500 + FakeClock::REALTIME_AHEAD_NS), (1, 500), (2, FakeClock::CPU_NS), (3, 77)] {
        assert_eq!(program.call("clock_time_get", &[id, 1, OUT]), OK);
        assert_eq!(program.u64(OUT), time_ns, "clock {id}");
        assert_eq!(program.call("clock_res_get", &[id, OUT]), OK);
        assert_eq!(program.u64(OUT), 10);
    }
    program.fails("clock_time_get", &[4, 1, OUT], Errno::Inval);
    program.fails("clock_res_get", &[u64::MAX, OUT], Errno::Inval);
}

#[test]
fn exit_and_raise_end_the_program() {
    let mut program = program();
    assert_eq!(program.try_call("proc_exit", &[7]), Err(Stop::Exit(7)));
    assert_eq!(program.try_call("proc_exit", &[0xffff_ffff]), Err(Stop::Exit(-1)));
    assert!(matches!(program.try_call("proc_raise", &[6]), Err(Stop::Trap(_))));
    assert!(matches!(program.try_call("proc_raise", &[30]), Err(Stop::Trap(_))));
    for ignored in [0, 16, 17, 22, 27] {
        assert_eq!(program.call("proc_raise", &[ignored]), OK);
    }
    program.fails("proc_raise", &[31], Errno::Inval);
    assert_eq!(program.call("sched_yield", &[]), OK);
}

#[test]
fn fills_exactly_the_buffer_with_random_bytes() {
    let mut program = program();
    assert_eq!(program.call("random_get", &[BUFFER, 3]), OK);
    assert_eq!(program.bytes(BUFFER - 1, 5), [0, 0xe7, 0xe7, 0xe7, 0]);
    program.fails("random_get", &[0xfff, 2], Errno::Fault);
}

/// Writes a clock subscription.
fn subscribe(program: &mut Program, at: u64, userdata: u64, clock: u64, timeout_ns: u64, absolute: u64) {
    program.put(at, &[0; 48]);
    program.put(at, &userdata.to_le_bytes());
    program.put_u32s(at + 16, &[clock]);
    program.put(at + 24, &timeout_ns.to_le_bytes());
    program.put_u32s(at + 40, &[absolute]);
}

#[test]
fn waits_for_the_earliest_clock() {
    let mut program = program();
    subscribe(&mut program, BUFFER, 11, 1, 9000, 0);
    subscribe(&mut program, BUFFER + 48, 22, 0, 500 + FakeClock::REALTIME_AHEAD_NS + 300, 1);
    assert_eq!(program.call("poll_oneoff", &[BUFFER, OUT, 2, IOVEC]), OK);
    assert_eq!((program.u32(IOVEC), program.u64(OUT)), (1, 22));
    assert_eq!(program.call("clock_time_get", &[1, 1, OUT]), OK);
    assert_eq!(program.u64(OUT), 800);
}

#[test]
fn a_ready_descriptor_ends_a_poll_at_once() {
    let mut program = program();
    let fd = program.open("text");
    subscribe(&mut program, BUFFER, 11, 1, 9000, 0);
    program.put(BUFFER + 48, &[0; 48]);
    program.put(BUFFER + 48 + 8, &[1]);
    program.put_u32s(BUFFER + 48 + 16, &[fd]);
    assert_eq!(program.call("poll_oneoff", &[BUFFER, OUT, 2, IOVEC]), OK);
    assert_eq!(program.u32(IOVEC), 1);
    assert_eq!((program.bytes(OUT + 8, 3), program.u64(OUT + 16)), ([0, 0, 1].as_slice(), TEXT.len() as u64));
}

#[test]
fn a_poll_that_cannot_be_served_says_so_in_its_event() {
    let mut program = program();
    subscribe(&mut program, BUFFER, 11, 2, 9000, 0);
    assert_eq!(program.call("poll_oneoff", &[BUFFER, OUT, 1, IOVEC]), OK);
    assert_eq!((program.u32(IOVEC), program.bytes(OUT + 8, 1)[0]), (1, Errno::Notsup as u8));
    program.fails("poll_oneoff", &[BUFFER, OUT, 0, IOVEC], Errno::Inval);
    program.fails("poll_oneoff", &[BUFFER, 0xff0, 1, IOVEC], Errno::Fault);
}
