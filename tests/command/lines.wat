;; Writes 10,000 lines, each as two buffers of one call, and then reads from its input until that ends. Exits with 1 if a
;; line cannot be written.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\06\00\00\00\26\00\00\00\01\00\00\00")
  (data (i32.const 32) "a line\n")
  (func (export "_start") (local $count i32)
    (loop $next
      (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 64)) (then (call $proc_exit (i32.const 1))))
      (br_if $next (i32.lt_u (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 10000))))
    (loop $again
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))
      (br_if $again (i32.load (i32.const 64))))))
