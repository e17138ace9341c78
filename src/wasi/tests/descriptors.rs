//! Reading, writing, seeking, and what descriptors say of themselves.

use super::*;

#[test]
fn gathers_buffers_to_the_stream_that_was_written() {
    let mut program = program();
    program.put(BUFFER, b"hello, world");
    program.put_u32s(IOVEC, &[BUFFER, 7, 0, 0, BUFFER + 7, 5]);
    assert_eq!(program.call("fd_write", &[1, IOVEC, 3, OUT]), OK);
    assert_eq!(program.u32(OUT), 12);
    assert_eq!(program.call("fd_write", &[2, IOVEC, 1, OUT]), OK);
    assert_eq!(program.console.writes(), [12, 7], "one write for each call");
    assert_eq!((program.console.stdout(), program.console.stderr()), (b"hello, world".into(), b"hello, ".into()));
}

#[test]
fn what_is_gathered_is_bounded_and_stays_in_order() {
    let mut program = program();
    program.memory.resize(1 << 20, b'-');
    let (half, large) = (40 << 10, 200 << 10);
    program.put_u32s(IOVEC, &[0x1000, half, 0x1000, half, 0x1000, large, 0x1000, 1, 0x1000, 2, 0x1000, 0]);
    assert_eq!(program.call("fd_write", &[1, IOVEC, 6, OUT]), OK);
    assert_eq!(program.u32(OUT), 2 * half + large + 3);
    assert_eq!(program.console.writes(), [half, half, large, 3].map(|bytes| bytes as usize));
}

#[test]
fn output_arrives_before_the_program_waits() {
    let mut program = program();
    program.put_u32s(IOVEC, &[BUFFER, 4]);
    assert_eq!(program.call("fd_write", &[1, IOVEC, 1, OUT]), OK);
    assert_eq!(program.console.flushes(), 0);
    program.read(0, 4);
    assert_eq!(program.console.flushes(), 1);
    program.put(BUFFER, &[0; 48]);
    assert_eq!(program.call("poll_oneoff", &[BUFFER, OUT, 1, IOVEC]), OK);
    assert_eq!(program.console.flushes(), 2);
}

#[test]
fn a_bad_address_writes_nothing_at_all() {
    let mut program = program();
    program.put_u32s(IOVEC, &[BUFFER, 4, 0xfff, 2]);
    program.fails("fd_write", &[1, IOVEC, 2, OUT], Errno::Fault);
    program.fails("fd_write", &[1, IOVEC, 1, 0xffe], Errno::Fault);
    program.fails("fd_write", &[1, 0xffc, 1, OUT], Errno::Fault);
    program.fails("fd_write", &[1, IOVEC, 1 << 29, OUT], Errno::Inval);
    assert_eq!(program.console.stdout(), b"");
}

#[test]
fn a_console_whose_reader_is_gone_is_a_broken_pipe() {
    let mut program = program();
    program.console.breaks();
    program.put_u32s(IOVEC, &[BUFFER, 4]);
    program.fails("fd_write", &[1, IOVEC, 1, OUT], Errno::Pipe);
}

#[test]
fn reads_input_to_its_end() {
    let mut program = program_with(FakeConsole::with_input(b"abcdef"));
    program.put_u32s(IOVEC, &[BUFFER, 4, BUFFER + 4, 8]);
    assert_eq!(program.call("fd_read", &[0, IOVEC, 2, OUT]), OK);
    assert_eq!(program.u32(OUT), 6);
    assert_eq!(program.bytes(BUFFER, 6), b"abcdef");
    assert_eq!(program.read(0, 4), b"");
}

#[test]
fn streams_cannot_be_used_the_wrong_way_round_or_moved_in() {
    let mut program = program();
    program.fails("fd_write", &[0, IOVEC, 0, OUT], Errno::Notcapable);
    program.fails("fd_read", &[1, IOVEC, 0, OUT], Errno::Notcapable);
    program.fails("fd_pread", &[0, IOVEC, 0, 0, OUT], Errno::Spipe);
    program.fails("fd_pwrite", &[1, IOVEC, 0, 0, OUT], Errno::Spipe);
    program.fails("fd_tell", &[1, OUT], Errno::Spipe);
    program.fails("fd_sync", &[1], Errno::Inval);
    assert_eq!(program.seek(1, 0, 1), Err(Errno::Spipe as u64));
}

#[test]
fn streams_look_like_a_terminal() {
    let mut program = program();
    assert_eq!(program.call("fd_fdstat_get", &[1, OUT]), OK);
    assert_eq!(program.bytes(OUT, 1), [2]);
    assert_eq!(program.u64(OUT + 8) & (Rights::FD_SEEK | Rights::FD_TELL).bits(), 0);
    assert_eq!(program.call("fd_filestat_get", &[0, OUT]), OK);
    assert_eq!(program.bytes(OUT + 16, 1), [2]);
}

#[test]
fn finds_the_root_directory_and_no_other() {
    let mut program = program();
    assert_eq!(program.call("fd_prestat_get", &[ROOT, OUT]), OK);
    assert_eq!(program.bytes(OUT, 8), [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(program.call("fd_prestat_dir_name", &[ROOT, BUFFER, 1]), OK);
    assert_eq!(program.bytes(BUFFER, 2), b"/\0");
    program.fails("fd_prestat_dir_name", &[ROOT, BUFFER, 0], Errno::Nametoolong);
    program.fails("fd_prestat_get", &[4, OUT], Errno::Badf);
    let dir = program.open("dir");
    program.fails("fd_prestat_get", &[dir, OUT], Errno::Badf);
}

#[test]
fn reads_a_file_in_parts() {
    let mut program = program();
    let fd = program.open("text");
    assert_eq!(program.read(fd, 4), b"The ");
    assert_eq!(program.read(fd, 100), &TEXT[4..]);
    assert_eq!(program.read(fd, 100), b"");
    program.put_u32s(IOVEC, &[BUFFER, 3, BUFFER + 8, 100]);
    assert_eq!(program.call("fd_pread", &[fd, IOVEC, 2, 4, OUT]), OK);
    assert_eq!(program.u32(OUT), 15);
    assert_eq!((program.bytes(BUFFER, 3), program.bytes(BUFFER + 8, 3)), (b"qui".as_slice(), b"ck ".as_slice()));
    assert_eq!(program.call("fd_pread", &[fd, IOVEC, 2, i64::MAX as u64, OUT]), OK);
    assert_eq!(program.u32(OUT), 0);
}

#[test]
fn a_failed_read_does_not_move_the_offset() {
    let mut program = program();
    let fd = program.open("text");
    program.put_u32s(IOVEC, &[BUFFER, 4, 0xffe, 4]);
    program.fails("fd_read", &[fd, IOVEC, 2, OUT], Errno::Fault);
    program.fails("fd_read", &[fd, IOVEC, 1, 0xffd], Errno::Fault);
    assert_eq!(program.read(fd, 3), b"The");
}

#[test]
fn seeks_from_start_current_and_end() {
    let mut program = program();
    let fd = program.open("text");
    assert_eq!(program.seek(fd, 4, 0), Ok(4));
    assert_eq!(program.seek(fd, -1, 1), Ok(3));
    assert_eq!(program.seek(fd, -3, 2), Ok(16));
    assert_eq!(program.read(fd, 9), b"fox");
    assert_eq!(program.seek(fd, 10, 2), Ok(29));
    assert_eq!(program.read(fd, 9), b"");
    assert_eq!(program.call("fd_tell", &[fd, OUT]), OK);
    assert_eq!(program.u64(OUT), 29);
}

#[test]
fn refuses_seeks_that_leave_the_range_of_offsets() {
    let mut program = program();
    let fd = program.open("text");
    for (distance, whence) in [(-1, 0), (-1, 1), (i64::MIN, 2), (i64::MAX, 2), (0, 3), (0, u64::MAX)] {
        assert_eq!(program.seek(fd, distance, whence), Err(Errno::Inval as u64), "{distance} from {whence}");
    }
    assert_eq!(program.seek(fd, i64::MAX, 0), Ok(i64::MAX as u64));
    assert_eq!(program.seek(fd, 1, 1), Err(Errno::Inval as u64));
    assert_eq!(program.read(fd, 9), b"");
}

#[test]
fn keeps_the_flags_of_a_descriptor() {
    let mut program = program();
    assert_eq!(program.call("fd_fdstat_set_flags", &[0, 4]), OK);
    assert_eq!(program.call("fd_fdstat_get", &[0, OUT]), OK);
    assert_eq!(program.bytes(OUT + 2, 2), [4, 0]);
    program.fails("fd_fdstat_set_flags", &[0, 32], Errno::Inval);
}

#[test]
fn a_directory_has_no_bytes() {
    let mut program = program();
    program.fails("fd_read", &[ROOT, IOVEC, 0, OUT], Errno::Isdir);
    program.fails("fd_pread", &[ROOT, IOVEC, 0, 0, OUT], Errno::Isdir);
    assert_eq!(program.seek(ROOT, 0, 0), Err(Errno::Badf as u64));
}

#[test]
fn closes_and_renumbers_any_descriptor() {
    let mut program = program();
    assert_eq!(program.call("fd_close", &[0]), OK);
    program.fails("fd_read", &[0, IOVEC, 0, OUT], Errno::Badf);
    assert_eq!(program.open("text"), 0);
    assert_eq!(program.call("fd_renumber", &[0, 1]), OK);
    assert_eq!(program.read(1, 3), b"The");
    program.fails("fd_renumber", &[9, 1], Errno::Badf);
    program.fails("fd_close", &[9], Errno::Badf);
    program.fails("sock_shutdown", &[1, 3], Errno::Notsock);
    program.fails("sock_recv", &[9, 0, 0, 0, 0, 0], Errno::Badf);
}
