;; The heap: malloc, realloc and free (C11, 7.22.3).
;;
;; Quick lists in front of the chunks of tlsf.wat: a freed chunk of up to 1024 bytes comes to rest in the list of
;; its exact size, and the next request of that size takes it from there. malloc and free are kept so small that a
;; compiler can put them into their callers, where a constant size leaves no more than loads and stores.
;;
;; For tlsf.wat a chunk at rest is in use, so it joins no neighbour, until tlsf.wat asks for all of them ($flush).
;;
;; The second word of the header of a chunk in use is
;;   its size                   live
;;   its size + 4               live, and realloc made it larger, and will be asked to again: see there
;;   the next header's address  at rest: of the next in its list, or 8 at the end
;; Bit 3 of an address is set, of a size it is not. A chunk comes to rest and leaves with one word read and written,
;; so in one cache line, whatever is beside it.
;;
;; Quick lists, in the control block from +3200: the word at +3200 + s is the header address of the first chunk at
;; rest of s bytes, or 8.

;; Requests below this look into the quick lists: 1017 as soon as there are any, before that 0.
(global $quick_limit (mut i32) (i32.const 0))

;; void *malloc(size_t n): NULL if memory cannot grow. malloc(0) is a block like any other.
(func $malloc (export "malloc") (param $n i32) (result i32)
  (local $size i32) (local $list i32) (local $chunk i32)
  (block $slow
    (br_if $slow (i32.ge_u (local.get $n) (global.get $quick_limit)))
    (local.set $size (i32.and (i32.add (local.get $n) (i32.const 23)) (i32.const -16)))
    (local.set $list (i32.add (global.get $control) (local.get $size)))
    (local.set $chunk (i32.load offset=3200 (local.get $list)))
    (br_if $slow (i32.eq (local.get $chunk) (i32.const 8)))
    (i32.store offset=3200 (local.get $list) (i32.load offset=4 (local.get $chunk)))
    (i32.store offset=4 (local.get $chunk) (local.get $size))
    (return (i32.add (local.get $chunk) (i32.const 8))))
  (call $malloc_slow (local.get $n)))

;; void free(void *block). What is plainly no live block (misaligned, or freed already) is ignored.
(func $free (export "free") (param $block i32)
  (local $chunk i32) (local $size i32) (local $list i32)
  (block $slow
    (br_if $slow (i32.eqz (local.get $block)))
    (br_if $slow (i32.and (local.get $block) (i32.const 15)))
    (local.set $chunk (i32.sub (local.get $block) (i32.const 8)))
    (local.set $size (i32.load offset=4 (local.get $chunk)))
    (br_if $slow (i32.and (local.get $size) (i32.const 15)))
    ;; At least 16: where no block is there is often 0.
    (br_if $slow (i32.gt_u (i32.sub (local.get $size) (i32.const 16)) (i32.const 1008)))
    (local.set $list (i32.add (global.get $control) (local.get $size)))
    (i32.store offset=4 (local.get $chunk) (i32.load offset=3200 (local.get $list)))
    (i32.store offset=3200 (local.get $list) (local.get $chunk))
    (return))
  (call $free_slow (local.get $block)))

;; void *aligned_alloc(size_t alignment, size_t n): NULL if memory cannot grow. $alignment is rounded up to a power of two.
(func $aligned_alloc (export "aligned_alloc") (param $alignment i32) (param $n i32) (result i32)
  (local $need i32) (local $chunk i32)
  (if (i32.le_u (local.get $alignment) (i32.const 16)) (then (return (call $malloc (local.get $n)))))
  (if (i32.eqz (call $can_align (local.get $alignment) (local.get $n))) (then (return (i32.const 0))))
  (local.set $alignment (call $next_power (local.get $alignment)))
  (local.set $need (call $chunk_size (local.get $n)))
  (local.set $chunk (call $find (call $chunk_size (i32.add (local.get $need) (local.get $alignment)))))
  (if (i32.eqz (local.get $chunk)) (then (return (i32.const 0))))
  (if (i32.eqz (global.get $quick_limit)) (then (call $make_lists)))
  (local.set $chunk (call $align (local.get $chunk) (i32.const 8) (local.get $alignment)))
  (call $trim (local.get $chunk) (local.get $need))
  (i32.add (local.get $chunk) (i32.const 8)))

;; void *realloc(void *block, size_t n): keeps the contents up to the smaller size. NULL if memory cannot grow, and
;; the block stays as it was. realloc(block, 0) shrinks it to the smallest block and does not free it.
;;
;; A block that grows for the second time gets half as much again as it needs, and keeps that until it needs less
;; than half: so a block that grows in small steps is copied O(log n) times.
(func $realloc (export "realloc") (param $block i32) (param $n i32) (result i32)
  (local $need i32) (local $size i32) (local $chunk i32) (local $grown i32)
  (if (i32.eqz (local.get $block)) (then (return (call $malloc (local.get $n)))))
  (if (i32.gt_u (local.get $n) (i32.const 0x7f000000)) (then (return (i32.const 0))))
  (local.set $chunk (i32.sub (local.get $block) (i32.const 8)))
  (local.set $need (call $chunk_size (local.get $n)))
  (local.set $size (i32.load offset=4 (local.get $chunk)))
  (local.set $grown (i32.and (local.get $size) (i32.const 4)))
  (local.set $size (i32.and (local.get $size) (i32.const -16)))
  (if (i32.lt_u (local.get $size) (local.get $need))
    (then (return (call $enlarge (local.get $chunk) (local.get $size) (local.get $need) (local.get $grown)))))
  (if (i32.or (i32.eqz (local.get $grown)) (i32.lt_u (local.get $need) (i32.shr_u (local.get $size) (i32.const 1))))
    (then (call $trim (local.get $chunk) (local.get $need))))
  (local.get $block))

;; The block in $chunk, of $size bytes, made at least $need bytes large where it is or elsewhere; 0 if memory cannot grow.
(func $enlarge (param $chunk i32) (param $size i32) (param $need i32) (param $grown i32) (result i32)
  (local $goal i32) (local $new i32)
  (local.set $goal (local.get $need))
  (if (local.get $grown) (then (local.set $goal (call $with_reserve (local.get $need)))))
  (local.set $size (call $widen (local.get $chunk) (local.get $size) (local.get $need)))
  (local.set $new (local.get $chunk))
  (if (i32.lt_u (local.get $size) (local.get $need))
    (then
      (local.set $new (call $find (local.get $goal)))
      (if (i32.eqz (local.get $new)) (then (local.set $new (call $find (local.get $need)))))
      (if (i32.eqz (local.get $new)) (then (return (i32.const 0))))
      (call $move (local.get $new) (local.get $chunk) (local.get $size))
      (call $free (i32.add (local.get $chunk) (i32.const 8)))))
  (call $trim (local.get $new) (local.get $goal))
  (i32.store offset=4 (local.get $new) (i32.or (i32.load offset=4 (local.get $new)) (i32.const 4)))
  (i32.add (local.get $new) (i32.const 8)))

;; Copies the payload of $chunk, of $size bytes, to a larger chunk $new. Not by $memcpy, which is a loop over bytes until
;; many calls have it specialised: few calls copy much here. What the last round copies too much is the header above
;; $chunk, which every chunk has, and lands inside $new.
(func $move (param $new i32) (param $chunk i32) (param $size i32)
  (loop $next
    (i64.store offset=8 (local.get $new) (i64.load offset=8 (local.get $chunk)))
    (i64.store offset=16 (local.get $new) (i64.load offset=16 (local.get $chunk)))
    (local.set $new (i32.add (local.get $new) (i32.const 16)))
    (local.set $chunk (i32.add (local.get $chunk) (i32.const 16)))
    (br_if $next (local.tee $size (i32.sub (local.get $size) (i32.const 16))))))

;; $need and half as much again, or 16 MiB if that is less.
(func $with_reserve (param $need i32) (result i32)
  (local $half i32)
  (local.set $half (i32.shr_u (local.get $need) (i32.const 1)))
  (call $chunk_size (i32.add
    (local.get $need)
    (select (local.get $half) (i32.const 0x1000000) (i32.lt_u (local.get $half) (i32.const 0x1000000))))))

;; malloc of what no quick list has. Of a small size it makes eight at a time where there is room.
(func $malloc_slow (param $n i32) (result i32)
  (local $need i32) (local $chunk i32) (local $run i32)
  ;; Nothing larger than PTRDIFF_MAX is an object; the margin keeps the sums of sizes from wrapping.
  (if (i32.gt_u (local.get $n) (i32.const 0x7f000000)) (then (return (i32.const 0))))
  (local.set $need (call $chunk_size (local.get $n)))
  (local.set $chunk (call $find (local.get $need)))
  (if (i32.eqz (local.get $chunk)) (then (return (i32.const 0))))
  (if (i32.eqz (global.get $quick_limit)) (then (call $make_lists)))
  (local.set $run (i32.shl (local.get $need) (i32.const 3)))
  (if (i32.and
        (i32.le_u (local.get $need) (i32.const 256))
        (i32.ge_u (i32.load offset=4 (local.get $chunk)) (local.get $run)))
    (then
      (call $split (local.get $chunk) (local.get $run))
      (call $cut (local.get $chunk) (i32.add (local.get $chunk) (local.get $run)) (local.get $need)))
    (else (call $split (local.get $chunk) (local.get $need))))
  (i32.add (local.get $chunk) (i32.const 8)))

;; Makes the quick lists, all empty.
(func $make_lists
  (local $size i32)
  (local.set $size (i32.const 1024))
  (loop $next
    (i32.store offset=3200 (i32.add (global.get $control) (local.get $size)) (i32.const 8))
    (br_if $next (local.tee $size (i32.sub (local.get $size) (i32.const 16)))))
  (global.set $quick_limit (i32.const 1017)))

;; Cuts $chunk, in use, which ends at $end, into chunks of $need bytes. All but the first come to rest in their list,
;; which is empty, in such an order that they leave it from the lowest up.
(func $cut (param $chunk i32) (param $end i32) (param $need i32)
  (local $list i32)
  (local.set $list (i32.add (global.get $control) (local.get $need)))
  (i32.store (local.get $end) (local.get $need))
  (loop $next
    (local.set $end (i32.sub (local.get $end) (local.get $need)))
    (i32.store (local.get $end) (local.get $need))
    (i32.store offset=4 (local.get $end) (i32.load offset=3200 (local.get $list)))
    (i32.store offset=3200 (local.get $list) (local.get $end))
    (br_if $next (i32.gt_u (i32.sub (local.get $end) (local.get $need)) (local.get $chunk))))
  (i32.store offset=4 (local.get $chunk) (local.get $need)))

;; free of what does not come to rest as it is.
(func $free_slow (param $block i32)
  (local $chunk i32) (local $size i32)
  (if (i32.eqz (local.get $block)) (then (return)))
  (if (i32.and (local.get $block) (i32.const 15)) (then (return)))
  (local.set $chunk (i32.sub (local.get $block) (i32.const 8)))
  (local.set $size (i32.load offset=4 (local.get $chunk)))
  ;; Free, or at rest, or among zeros.
  (if (i32.or (i32.and (local.get $size) (i32.const 9)) (i32.eqz (local.get $size))) (then (return)))
  (if (i32.and (local.get $size) (i32.const 4))
    (then
      (i32.store offset=4 (local.get $chunk) (i32.sub (local.get $size) (i32.const 4)))
      (return (call $free (local.get $block)))))
  (call $release (local.get $chunk)))

;; Releases all chunks at rest.
(func $flush
  (local $size i32) (local $list i32) (local $chunk i32)
  (if (i32.eqz (global.get $quick_limit)) (then (return)))
  (local.set $size (i32.const 1024))
  (loop $next
    (local.set $list (i32.add (global.get $control) (local.get $size)))
    (if (i32.eq (local.tee $chunk (i32.load offset=3200 (local.get $list))) (i32.const 8))
      (then (local.set $size (i32.sub (local.get $size) (i32.const 16))))
      (else
        (i32.store offset=3200 (local.get $list) (i32.load offset=4 (local.get $chunk)))
        (i32.store offset=4 (local.get $chunk) (local.get $size))
        (call $release (local.get $chunk))))
    (br_if $next (local.get $size))))
