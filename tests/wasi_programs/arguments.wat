;; Writes all arguments, then all environment variables, each with the NUL after it.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; 0: address and length to write, the length filled in by the size calls; 8: count; 1024: addresses; 2048: strings.
  (data (i32.const 0) "\00\08\00\00")
  (func $write (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12))))
  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 8) (i32.const 4)))
    (drop (call $args_get (i32.const 1024) (i32.const 2048)))
    ;; The first address must be that of the first string.
    (if (i32.ne (i32.load (i32.const 1024)) (i32.const 2048)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 3)) (then unreachable))
    (call $write)
    (drop (call $environ_sizes_get (i32.const 8) (i32.const 4)))
    (drop (call $environ_get (i32.const 1024) (i32.const 2048)))
    (call $write)))
