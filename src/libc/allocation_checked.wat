;; The heap that checks: malloc, realloc and free in place of allocation.wat, for programs that misuse the heap.
;;
;; Each block lies between two red zones of known bytes, and what is freed is filled with bytes of another value and
;; kept in quarantine for a while. What damages them, or is no live block at a call, ends the program in a function
;; that is named for the finding, so that the backtrace says it, above the call and the program's function:
;;   heap_overflow        a red zone was written to: found when the block is freed or resized
;;   heap_use_after_free  a freed block was written to: found when it leaves quarantine; or is to be resized
;;   heap_double_free     a freed block is freed
;;   heap_invalid_free    what malloc never returned is freed or resized
;; Besides, every call looks at one live block and at the start of one freed block, in turn. What is damaged after
;; the last call is not found; what reads from a freed block finds 0xdd in it.
;;
;; Every block moves when it is resized. The heap itself is the one of tlsf.wat.
;;
;; Node, at the start of each chunk's payload; the block begins 32 bytes above it:
;;    +0  the next node of its list; the list itself after the last
;;    +4  the one before
;;    +8  size of the block
;;   +12  0x11fe0000 for a live block, 0xdead0000 for one that was freed; both exclusive or the node's address
;;   +16  red zone of 16 bytes 0xfb; another one follows the block, of at least 16 and at most 64 bytes
;; Lists, nodes without blocks in the control block: at +3200 what lives, at +3216 what is in quarantine, oldest first.

(global $live_list (mut i32) (i32.const 0))    ;; 0 before the first block
(global $freed_list (mut i32) (i32.const 0))
(global $live_seen (mut i32) (i32.const 0))    ;; the node that was looked at last
(global $freed_seen (mut i32) (i32.const 0))
(global $quarantined (mut i32) (i32.const 0))  ;; bytes of chunks in quarantine

;; void *malloc(size_t n): NULL if memory cannot grow. malloc(0) is a block like any other.
(func $malloc (export "malloc") (param $n i32) (result i32)
  (local $need i32) (local $chunk i32)
  (call $look)
  (if (i32.gt_u (local.get $n) (i32.const 0x7f000000)) (then (return (i32.const 0))))
  (local.set $need (call $chunk_size (i32.add (local.get $n) (i32.const 48))))
  (local.set $chunk (call $find_or_evict (local.get $need)))
  (if (i32.eqz (local.get $chunk)) (then (return (i32.const 0))))
  (call $trim (local.get $chunk) (local.get $need))
  (call $enter (i32.add (local.get $chunk) (i32.const 8)) (local.get $n)))

;; void *aligned_alloc(size_t alignment, size_t n): NULL if memory cannot grow. $alignment is rounded up to a power of two.
(func $aligned_alloc (export "aligned_alloc") (param $alignment i32) (param $n i32) (result i32)
  (local $need i32) (local $chunk i32)
  (if (i32.le_u (local.get $alignment) (i32.const 16)) (then (return (call $malloc (local.get $n)))))
  (call $look)
  (if (i32.eqz (call $can_align (local.get $alignment) (local.get $n))) (then (return (i32.const 0))))
  (local.set $alignment (call $next_power (local.get $alignment)))
  (local.set $need (call $chunk_size (i32.add (local.get $n) (i32.const 48))))
  (local.set $chunk (call $find_or_evict (call $chunk_size (i32.add (local.get $need) (local.get $alignment)))))
  (if (i32.eqz (local.get $chunk)) (then (return (i32.const 0))))
  (local.set $chunk (call $align (local.get $chunk) (i32.const 40) (local.get $alignment)))
  (call $trim (local.get $chunk) (local.get $need))
  (call $enter (i32.add (local.get $chunk) (i32.const 8)) (local.get $n)))

;; A chunk of at least $need bytes; 0 if there is none even without quarantine.
(func $find_or_evict (param $need i32) (result i32)
  (local $chunk i32)
  (local.set $chunk (call $find (local.get $need)))
  (if (local.get $chunk) (then (return (local.get $chunk))))
  (call $evict_down_to (i32.const 0))
  (call $find (local.get $need)))

;; void free(void *block)
(func $free (export "free") (param $block i32)
  (local $node i32)
  (if (i32.eqz (local.get $block)) (then (return)))
  (call $look)
  (if (i32.eqz (call $is_live (local.get $block))) (then (call $heap_double_free)))
  (local.set $node (i32.sub (local.get $block) (i32.const 32)))
  (call $leave_list (local.get $node))
  (i32.store offset=12 (local.get $node) (i32.xor (local.get $node) (i32.const 0xdead0000)))
  (drop (call $memset (local.get $block) (i32.const 0xdd) (i32.load offset=8 (local.get $node))))
  (call $enter_list (local.get $node) (global.get $freed_list))
  (global.set $quarantined (i32.add (global.get $quarantined) (call $chunk_bytes (local.get $node))))
  (call $evict_down_to (i32.const 0x40000)))

;; void *realloc(void *block, size_t n): keeps the contents up to the smaller size. NULL if memory cannot grow, and
;; the block stays as it was.
(func $realloc (export "realloc") (param $block i32) (param $n i32) (result i32)
  (local $new i32) (local $size i32)
  (if (i32.eqz (local.get $block)) (then (return (call $malloc (local.get $n)))))
  (if (i32.eqz (call $is_live (local.get $block))) (then (call $heap_use_after_free)))
  (local.set $new (call $malloc (local.get $n)))
  (if (i32.eqz (local.get $new)) (then (return (i32.const 0))))
  (local.set $size (i32.load (i32.sub (local.get $block) (i32.const 24))))
  (drop (call $memcpy (local.get $new) (local.get $block)
    (select (local.get $size) (local.get $n) (i32.lt_u (local.get $size) (local.get $n)))))
  (call $free (local.get $block))
  (local.get $new))

(func $heap_overflow unreachable)
(func $heap_use_after_free unreachable)
(func $heap_double_free unreachable)
(func $heap_invalid_free unreachable)

;; What tlsf.wat asks for when memory is short: the quarantine is not there for speed, and stays.
(func $flush)

;; Makes the chunk of $node a live block of $n bytes. Its address.
(func $enter (param $node i32) (param $n i32) (result i32)
  (local $block i32)
  (if (i32.eqz (global.get $live_list)) (then (call $make_lists)))
  (local.set $block (i32.add (local.get $node) (i32.const 32)))
  (i32.store offset=8 (local.get $node) (local.get $n))
  (i32.store offset=12 (local.get $node) (i32.xor (local.get $node) (i32.const 0x11fe0000)))
  (drop (call $memset (i32.add (local.get $node) (i32.const 16)) (i32.const 0xfb) (i32.const 16)))
  (drop (call $memset
    (i32.add (local.get $block) (local.get $n))
    (i32.const 0xfb)
    (call $zone_bytes (local.get $node))))
  (call $enter_list (local.get $node) (global.get $live_list))
  (local.get $block))

(func $make_lists
  (global.set $live_list (i32.add (global.get $control) (i32.const 3200)))
  (global.set $freed_list (i32.add (global.get $control) (i32.const 3216)))
  (i32.store (global.get $live_list) (global.get $live_list))
  (i32.store offset=4 (global.get $live_list) (global.get $live_list))
  (i32.store (global.get $freed_list) (global.get $freed_list))
  (i32.store offset=4 (global.get $freed_list) (global.get $freed_list))
  (global.set $live_seen (global.get $live_list))
  (global.set $freed_seen (global.get $freed_list)))

;; Whether $block is live. If not it was freed: anything else does not return.
(func $is_live (param $block i32) (result i32)
  (local $node i32) (local $state i32)
  (local.set $node (i32.sub (local.get $block) (i32.const 32)))
  (if (i32.or
        (i32.and (local.get $block) (i32.const 15))
        (i32.or
          (i32.lt_u (local.get $node) (i32.add (global.get $control) (i32.const 4240)))
          (i32.ge_u (local.get $node) (global.get $top))))
    (then (call $heap_invalid_free)))
  (local.set $state (i32.xor (i32.load offset=12 (local.get $node)) (local.get $node)))
  (if (i32.eq (local.get $state) (i32.const 0xdead0000)) (then (return (i32.const 0))))
  (if (i32.ne (local.get $state) (i32.const 0x11fe0000)) (then (call $heap_invalid_free)))
  (call $check_zones (local.get $node))
  (i32.const 1))

;; Looks at the next live block and at the next freed one.
(func $look
  (if (i32.eqz (global.get $live_list)) (then (return)))
  (global.set $live_seen (i32.load (global.get $live_seen)))
  (if (i32.ne (global.get $live_seen) (global.get $live_list)) (then (call $check_zones (global.get $live_seen))))
  (global.set $freed_seen (i32.load (global.get $freed_seen)))
  (if (i32.ne (global.get $freed_seen) (global.get $freed_list))
    (then (call $check_freed (global.get $freed_seen) (i32.const 256)))))

;; Ends the program if a red zone of $node is damaged.
(func $check_zones (param $node i32)
  (local $end i32)
  (local.set $end (i32.add (i32.add (local.get $node) (i32.const 32)) (i32.load offset=8 (local.get $node))))
  (if (i32.eqz (i32.and
        (call $holds (i32.add (local.get $node) (i32.const 16)) (i32.const 16) (i32.const 0xfb))
        (call $holds (local.get $end) (call $zone_bytes (local.get $node)) (i32.const 0xfb))))
    (then (call $heap_overflow))))

;; Ends the program if one of the first $most bytes of a freed block, or one beside it, is not as free left it.
(func $check_freed (param $node i32) (param $most i32)
  (local $size i32)
  (local.set $size (i32.load offset=8 (local.get $node)))
  (if (i32.eqz (call $holds
        (i32.add (local.get $node) (i32.const 32))
        (select (local.get $size) (local.get $most) (i32.lt_u (local.get $size) (local.get $most)))
        (i32.const 0xdd)))
    (then (call $heap_use_after_free)))
  (call $check_zones (local.get $node)))

;; Whether each of the $n bytes from $at is $byte.
(func $holds (param $at i32) (param $n i32) (param $byte i32) (result i32)
  (local $end i32)
  (local.set $end (i32.add (local.get $at) (local.get $n)))
  (block $done
    (loop $next
      (br_if $done (i32.eq (local.get $at) (local.get $end)))
      (if (i32.ne (i32.load8_u (local.get $at)) (local.get $byte)) (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
  (i32.const 1))

;; Bytes of the red zone behind the block of $node: to the end of the chunk, but at most 64.
(func $zone_bytes (param $node i32) (result i32)
  (local $bytes i32)
  (local.set $bytes (i32.sub
    (i32.sub (call $chunk_bytes (local.get $node)) (i32.const 40))
    (i32.load offset=8 (local.get $node))))
  (select (local.get $bytes) (i32.const 64) (i32.lt_u (local.get $bytes) (i32.const 64))))

(func $chunk_bytes (param $node i32) (result i32)
  (i32.and (i32.load (i32.sub (local.get $node) (i32.const 4))) (i32.const -16)))

;; Releases the oldest blocks in quarantine until at most $bytes are left there.
(func $evict_down_to (param $bytes i32)
  (local $node i32)
  (block $done
    (loop $next
      (br_if $done (i32.le_u (global.get $quarantined) (local.get $bytes)))
      (local.set $node (i32.load (global.get $freed_list)))
      (call $check_freed (local.get $node) (i32.const -1))
      (call $leave_list (local.get $node))
      (global.set $quarantined (i32.sub (global.get $quarantined) (call $chunk_bytes (local.get $node))))
      (call $release (i32.sub (local.get $node) (i32.const 8)))
      (br $next))))

;; Enters $node at the end of $list.
(func $enter_list (param $node i32) (param $list i32)
  (local $last i32)
  (local.set $last (i32.load offset=4 (local.get $list)))
  (i32.store (local.get $node) (local.get $list))
  (i32.store offset=4 (local.get $node) (local.get $last))
  (i32.store (local.get $last) (local.get $node))
  (i32.store offset=4 (local.get $list) (local.get $node)))

(func $leave_list (param $node i32)
  (local $next i32) (local $before i32)
  (local.set $next (i32.load (local.get $node)))
  (local.set $before (i32.load offset=4 (local.get $node)))
  (i32.store (local.get $before) (local.get $next))
  (i32.store offset=4 (local.get $next) (local.get $before))
  (if (i32.eq (global.get $live_seen) (local.get $node)) (then (global.set $live_seen (local.get $before))))
  (if (i32.eq (global.get $freed_seen) (local.get $node)) (then (global.set $freed_seen (local.get $before)))))
