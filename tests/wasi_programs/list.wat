;; Writes the names in the directory 3, one a line.
(module
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; 0: a name to write, then a newline; 16: count; 20: newline; 1024: entries.
  (data (i32.const 0) "\00\00\00\00\00\00\00\00" "\14\00\00\00\01\00\00\00")
  (data (i32.const 20) "\0a")
  (func (export "_start")
    (local $entry i32) (local $end i32) (local $errno i32)
    (local.set $errno
      (call $fd_readdir (i32.const 3) (i32.const 1024) (i32.const 4096) (i64.const 0) (i32.const 16)))
    (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
    (local.set $entry (i32.const 1024))
    (local.set $end (i32.add (i32.const 1024) (i32.load (i32.const 16))))
    (loop $next
      (i32.store (i32.const 0) (i32.add (local.get $entry) (i32.const 24)))
      (i32.store (i32.const 4) (i32.load offset=16 (local.get $entry)))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 16)))
      (local.set $entry (i32.add (i32.load (i32.const 0)) (i32.load (i32.const 4))))
      (br_if $next (i32.lt_u (local.get $entry) (local.get $end))))))
