//! Functions that have nothing to do with files.

use super::*;
use Errno::{Badf, Fault, Inval, Notsock};

/// Puts a subscription of a clock at `BUFFER`.
fn clock(p: &mut Program, id: u64, timeout_ns: u64) {
    p.put_u32s(BUFFER, &[7, 0, 0, 0, id, 0, timeout_ns, 0, 0, 0, 0, 0]);
}

pub const CASES: &[Case] = &[
    ("args_get", |p| p.call("args_get", &[OUT, BUFFER]), OK),
    ("args_get to nowhere", |p| p.call("args_get", &[NOWHERE, BUFFER]), no(Fault)),
    ("args_sizes_get", |p| p.call("args_sizes_get", &[OUT, OUT + 4]), OK),
    ("args_sizes_get to nowhere", |p| p.call("args_sizes_get", &[OUT, NOWHERE]), no(Fault)),
    ("environ_get", |p| p.call("environ_get", &[OUT, BUFFER]), OK),
    ("environ_get to nowhere", |p| p.call("environ_get", &[OUT, NOWHERE]), no(Fault)),
    ("environ_sizes_get", |p| p.call("environ_sizes_get", &[OUT, OUT + 4]), OK),
    ("environ_sizes_get to nowhere", |p| p.call("environ_sizes_get", &[NOWHERE, OUT]), no(Fault)),
    ("clock_res_get", |p| p.call("clock_res_get", &[1, OUT]), OK),
    ("clock_res_get of no clock", |p| p.call("clock_res_get", &[4, OUT]), no(Inval)),
    ("clock_res_get to nowhere", |p| p.call("clock_res_get", &[1, NOWHERE]), no(Fault)),
    ("clock_time_get", |p| p.call("clock_time_get", &[0, 1, OUT]), OK),
    ("clock_time_get of no clock", |p| p.call("clock_time_get", &[4, 1, OUT]), no(Inval)),
    ("clock_time_get to nowhere", |p| p.call("clock_time_get", &[0, 1, NOWHERE]), no(Fault)),
    (
        "poll_oneoff",
        |p| {
            clock(p, 1, 5);
            p.call("poll_oneoff", &[BUFFER, OUT, 1, IOVEC])
        },
        OK,
    ),
    (
        "poll_oneoff of no clock",
        |p| {
            clock(p, 9, 5);
            p.call("poll_oneoff", &[BUFFER, OUT, 1, IOVEC])
        },
        OK,
    ),
    ("poll_oneoff of nothing", |p| p.call("poll_oneoff", &[BUFFER, OUT, 0, IOVEC]), no(Inval)),
    (
        "poll_oneoff of no such kind",
        |p| {
            p.put(BUFFER + 8, &[3]);
            p.call("poll_oneoff", &[BUFFER, OUT, 1, IOVEC])
        },
        no(Inval),
    ),
    ("poll_oneoff from nowhere", |p| p.call("poll_oneoff", &[NOWHERE, OUT, 1, IOVEC]), no(Fault)),
    ("poll_oneoff to nowhere", |p| p.call("poll_oneoff", &[BUFFER, NOWHERE, 1, IOVEC]), no(Fault)),
    ("proc_raise of what is ignored", |p| p.call("proc_raise", &[17]), OK),
    ("proc_raise of no signal", |p| p.call("proc_raise", &[31]), no(Inval)),
    ("sched_yield", |p| p.call("sched_yield", &[]), OK),
    ("random_get", |p| p.call("random_get", &[BUFFER, 9]), OK),
    ("random_get to nowhere", |p| p.call("random_get", &[NOWHERE, 9]), no(Fault)),
    ("sock_accept of a file", |p| p.on_file("sock_accept", &[0, OUT]), no(Notsock)),
    ("sock_recv of a file", |p| p.on_file("sock_recv", &[IOVEC, 0, 0, OUT, OUT]), no(Notsock)),
    ("sock_send of a stream", |p| p.call("sock_send", &[1, IOVEC, 0, 0, OUT]), no(Notsock)),
    ("sock_shutdown of a directory", |p| p.call("sock_shutdown", &[DIR, 1]), no(Notsock)),
    ("sock_shutdown of nothing", |p| p.call("sock_shutdown", &[999, 1]), no(Badf)),
];
