;; Appends a line to the file `made` in the directory 3; exits with the errno of what fails.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; 0: what to write; 16: count; 20: descriptor; 32: path; 64: line.
  (data (i32.const 0) "\40\00\00\00\08\00\00\00")
  (data (i32.const 32) "made")
  (data (i32.const 64) "written\0a")
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))
  (func (export "_start")
    ;; To be made if it is not there, with the right to write, for appending.
    (call $check
      (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 1)
        (i64.const 64) (i64.const 0) (i32.const 1) (i32.const 20)))
    (call $check (call $fd_write (i32.load (i32.const 20)) (i32.const 0) (i32.const 1) (i32.const 16)))))
