;; Writes one line to each output stream and exits with code 3.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\03\00\00\00" "\23\00\00\00\03\00\00\00" "\26\00\00\00\08\00\00\00")
  (data (i32.const 0x20) "hello\0awarning\0a")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 64)))
    (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 64)))
    (call $proc_exit (i32.const 3))
    unreachable))
