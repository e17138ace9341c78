;; Writes the names of the directories that are open from the start, one a line.
(module
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $fd_prestat_dir_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; 0: a name to write, then a newline; 16: count; 20: newline; 24: status; 64: name.
  (data (i32.const 0) "\40\00\00\00\00\00\00\00" "\14\00\00\00\01\00\00\00")
  (data (i32.const 20) "\0a")
  (func (export "_start")
    (local $fd i32)
    (local.set $fd (i32.const 3))
    (block $end
      (loop $next
        (br_if $end (call $fd_prestat_get (local.get $fd) (i32.const 24)))
        (i32.store (i32.const 4) (i32.load (i32.const 28)))
        (br_if $end (call $fd_prestat_dir_name (local.get $fd) (i32.const 64) (i32.load (i32.const 4))))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 16)))
        (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
        (br $next)))))
