;; Makes `tmp/a`, writes to it, renames it to `tmp/b`, copies that to standard output, removes it, and exits with the
;; errno of opening it once more.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename"
    (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; 0: what to write; 8: where to read; 16: what to print, its count set by the read; 24: count; 28: descriptor.
  (data (i32.const 0) "\60\00\00\00\14\00\00\00" "\00\02\00\00\40\00\00\00" "\00\02\00\00")
  (data (i32.const 64) "tmp/a" "tmp/b")
  (data (i32.const 96) "made by the program\n")
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))
  ;; Opens the path at $path, 5 bytes, to read or (with $create) to write.
  (func $open (param $path i32) (param $create i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (i32.const 0) (local.get $path) (i32.const 5) (local.get $create)
      (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 28)))
  (func (export "_start")
    (call $check (call $open (i32.const 64) (i32.const 5) (i64.const 64)))
    (call $check (call $fd_write (i32.load (i32.const 28)) (i32.const 0) (i32.const 1) (i32.const 24)))
    (call $check (call $fd_close (i32.load (i32.const 28))))
    (call $check
      (call $path_rename (i32.const 3) (i32.const 64) (i32.const 5) (i32.const 3) (i32.const 69) (i32.const 5)))
    (call $check (call $open (i32.const 69) (i32.const 0) (i64.const 2)))
    (call $check (call $fd_read (i32.load (i32.const 28)) (i32.const 8) (i32.const 1) (i32.const 20)))
    (call $check (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (call $check (call $fd_close (i32.load (i32.const 28))))
    (call $check (call $path_unlink_file (i32.const 3) (i32.const 69) (i32.const 5)))
    (call $proc_exit (call $open (i32.const 69) (i32.const 0) (i64.const 2)))))
