;; Blocks with an alignment of their own, on the aligned_alloc of either heap.

;; int posix_memalign(void **place, size_t alignment, size_t n) (POSIX.1-2017): 0, or 28 (EINVAL) where the alignment is no
;; power of two from 4 on, or 48 (ENOMEM); the numbers are WASI's.
(func $posix_memalign (export "posix_memalign") (param $place i32) (param $alignment i32) (param $n i32) (result i32)
  (local $block i32)
  (if (i32.or
        (i32.lt_u (local.get $alignment) (i32.const 4))
        (i32.ne (i32.popcnt (local.get $alignment)) (i32.const 1)))
    (then (return (i32.const 28))))
  (local.set $block (call $aligned_alloc (local.get $alignment) (local.get $n)))
  (if (i32.eqz (local.get $block)) (then (return (i32.const 48))))
  (i32.store (local.get $place) (local.get $block))
  (i32.const 0))

;; Whether the sums of sizes that aligned_alloc makes do not wrap.
(func $can_align (param $alignment i32) (param $n i32) (result i32)
  (i32.and
    (i32.le_u (local.get $alignment) (i32.const 0x20000000))
    (i32.le_u (local.get $n) (i32.const 0x50000000))))

;; $n, above 1, rounded up to a power of two.
(func $next_power (param $n i32) (result i32)
  (i32.shl (i32.const 1) (i32.sub (i32.const 32) (i32.clz (i32.sub (local.get $n) (i32.const 1))))))
