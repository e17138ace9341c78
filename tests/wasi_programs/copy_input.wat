;; Copies standard input to standard output.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; 0: what to read; 8: what to write; 16: count; 64: buffer.
  (data (i32.const 0) "\40\00\00\00\05\00\00\00" "\40\00\00\00")
  (func (export "_start")
    (block $end
      (loop $more
        (br_if $end (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 12)))
        (br_if $end (i32.eqz (i32.load (i32.const 12))))
        (br_if $end (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
        (br $more)))))
