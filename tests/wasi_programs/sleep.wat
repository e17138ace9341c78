;; Sleeps for 50 microseconds; exits with 1 if the monotonic clock then shows less.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; 0: subscription to clock 1; 64: event; 128: number of events; 136: time.
  (func $now (result i64)
    (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 136)))
    (i64.load (i32.const 136)))
  (func (export "_start")
    (local $before i64)
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 50000))
    (local.set $before (call $now))
    (if (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 128)) (i32.const 1)) (then unreachable))
    (if (i64.lt_u (i64.sub (call $now) (local.get $before)) (i64.const 50000))
      (then (call $proc_exit (i32.const 1))))))
