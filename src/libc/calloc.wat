;; calloc (C11, 7.22.3.2), on the malloc of either heap.

;; void *calloc(size_t count, size_t size): zeroed; NULL if count * size overflows.
(func $calloc (export "calloc") (param $count i32) (param $size i32) (result i32)
  (local $bytes i64) (local $block i32)
  (local.set $bytes (i64.mul (i64.extend_i32_u (local.get $count)) (i64.extend_i32_u (local.get $size))))
  (if (i64.gt_u (local.get $bytes) (i64.const 0xffffffff)) (then (return (i32.const 0))))
  (local.set $block (call $malloc (i32.wrap_i64 (local.get $bytes))))
  (if (i32.eqz (local.get $block)) (then (return (i32.const 0))))
  (call $memset (local.get $block) (i32.const 0) (i32.wrap_i64 (local.get $bytes))))
