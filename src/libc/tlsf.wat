;; The chunks of the heap, in use or free: what malloc and free (allocation.wat) stand on.
;;
;; A two-level segregated-fit allocator (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory allocator for
;; real-time systems", 2004): every operation is O(1), and no chunk has a free neighbour.
;;
;; Chunk: an 8-byte header, then the payload. Headers lie at 8 modulo 16, so payloads are 16-byte aligned; sizes
;; count header and payload, and are multiples of 16.
;;    +0  size of the chunk just below in memory, 0 if this is the first of its segment
;;    +4  size of this chunk; bit 0 is set while it is free. While it is in use, bits 1 to 3 are the user's, and so is
;;        the size, if it is back when the chunk is passed to a function of this file
;;    +8  (free chunks) header address of the next free chunk of its class, 0 at the end
;;   +12  (free chunks) header address of the previous one, 0 at the start
;;
;; Segment: the chunks from one unbroken run of memory.grow, closed by a header of size 0, in use. Pages that existed
;; before the first call, or that others added since, are never touched.
;;
;; Class: free chunks of similar size. Below 512 bytes every size has its own; above, each power of two is cut in 32.
;; A request is rounded up to the least size of a class (by at most 1/32), so that any chunk of that class serves it.
;;
;; Control block, at the start of the first segment, 4240 bytes:
;;     +0  32 words: word p is the bitmap of the classes 32 p .. 32 p + 31 that are not empty
;;   +128  768 words: header address of the first free chunk of each class
;;  +3200  1040 bytes for the user, zero at first
;;
;; The user offers $flush, which releases chunks that are in use for no other reason than to be at hand. It is called
;; before memory grows by an eighth or more for one request, before the heap becomes larger by half and 256 KiB than
;; it was when last that did not help, and when memory cannot grow. Calling it whenever memory would grow would cost
;; more time than it saves memory: a heap just large enough would be flushed again and again. So the heap also becomes
;; larger by an eighth where one call follows another after fewer requests than 64 for each of its pages.

(global $control (mut i32) (i32.const 0))      ;; address of the control block
(global $populated (mut i32) (i32.const 0))    ;; bit p is set if word p of the bitmaps is not 0
(global $top (mut i32) (i32.const 0))          ;; header that closes the newest segment, 0 before the first
(global $heap_pages (mut i32) (i32.const 0))   ;; pages in all segments
(global $flush_pages (mut i32) (i32.const 0))  ;; with as many, $flush is called before growing
(global $requests (mut i32) (i32.const 0))     ;; calls of $find since one called $flush

;; A chunk of at least $need bytes, in use, to be trimmed; 0 if memory cannot grow. $need comes from $chunk_size.
(func $find (param $need i32) (result i32)
  (local $chunk i32) (local $spare i32)
  (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
  (local.set $chunk (call $take (local.get $need)))
  (if (local.get $chunk) (then (return (local.get $chunk))))
  (if (i32.or
        (i32.ge_u (global.get $heap_pages) (global.get $flush_pages))
        (i32.ge_u (local.get $need) (i32.shl (global.get $heap_pages) (i32.const 13))))
    (then
      (call $flush)
      (local.set $chunk (call $take (local.get $need)))
      (if (i32.eqz (local.get $chunk))
        (then (local.set $spare (i32.add (i32.shr_u (global.get $heap_pages) (i32.const 1)) (i32.const 4))))
        (else (if (i32.lt_u (global.get $requests) (i32.shl (global.get $heap_pages) (i32.const 6)))
          (then (local.set $spare (i32.add (i32.shr_u (global.get $heap_pages) (i32.const 3)) (i32.const 1)))))))
      (global.set $flush_pages (call $larger
        (global.get $flush_pages)
        (i32.add (global.get $heap_pages) (local.get $spare))))
      (global.set $requests (i32.const 0))
      (if (local.get $chunk) (then (return (local.get $chunk))))))
  (if (i32.eqz (call $grow (local.get $need))) (then (call $flush)))
  (call $take (local.get $need)))

;; The size of the chunk that serves a request of $n bytes: the least size of a class.
(func $chunk_size (param $n i32) (result i32)
  (local $size i32) (local $step i32)
  (local.set $size (i32.and (i32.add (local.get $n) (i32.const 23)) (i32.const -16)))
  (if (i32.lt_u (local.get $size) (i32.const 512)) (then (return (local.get $size))))
  (local.set $step (i32.shl (i32.const 1) (i32.sub (i32.const 26) (i32.clz (local.get $size)))))
  (i32.and
    (i32.add (local.get $size) (i32.sub (local.get $step) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get $step))))

;; The class that a free chunk of $size bytes belongs to, 0 to 767.
(func $class (param $size i32) (result i32)
  (local $power i32)
  (if (i32.lt_u (local.get $size) (i32.const 512))
    (then (return (i32.shr_u (local.get $size) (i32.const 4)))))
  (local.set $power (i32.sub (i32.const 31) (i32.clz (local.get $size))))
  (i32.add
    (i32.shl (i32.sub (local.get $power) (i32.const 9)) (i32.const 5))
    (i32.shr_u (local.get $size) (i32.sub (local.get $power) (i32.const 5)))))

;; Makes $chunk, with the neighbour above it, $size bytes long and in use.
(func $mark_used (param $chunk i32) (param $size i32)
  (i32.store offset=4 (local.get $chunk) (local.get $size))
  (i32.store (i32.add (local.get $chunk) (local.get $size)) (local.get $size)))

;; Takes a free chunk of at least $need bytes, $need being the least size of its class, and marks it used.
;; 0 if there is none.
(func $take (param $need i32) (result i32)
  (local $class i32) (local $word i32) (local $bits i32) (local $chunk i32) (local $next i32)
  (local.set $class (call $class (local.get $need)))
  (local.set $word (i32.shr_u (local.get $class) (i32.const 5)))
  (if (i32.and (global.get $populated) (i32.shl (i32.const 1) (local.get $word)))
    (then
      (local.set $bits (i32.and
        (i32.load (i32.add (global.get $control) (i32.shl (local.get $word) (i32.const 2))))
        (i32.shl (i32.const -1) (local.get $class))))))
  (if (i32.eqz (local.get $bits))
    (then
      (local.set $bits (i32.and (global.get $populated) (i32.shl (i32.const -2) (local.get $word))))
      (if (i32.eqz (local.get $bits)) (then (return (i32.const 0))))
      (local.set $word (i32.ctz (local.get $bits)))
      (local.set $bits
        (i32.load (i32.add (global.get $control) (i32.shl (local.get $word) (i32.const 2)))))))
  (local.set $class (i32.add (i32.shl (local.get $word) (i32.const 5)) (i32.ctz (local.get $bits))))
  (local.set $chunk
    (i32.load offset=128 (i32.add (global.get $control) (i32.shl (local.get $class) (i32.const 2)))))
  (local.set $next (i32.load offset=8 (local.get $chunk)))
  (if (local.get $next) (then (i32.store offset=12 (local.get $next) (i32.const 0))))
  (call $set_first (local.get $class) (local.get $next))
  (i32.store offset=4 (local.get $chunk)
    (i32.sub (i32.load offset=4 (local.get $chunk)) (i32.const 1)))
  (local.get $chunk))

;; Cuts $chunk, in use, down to $need bytes, if it has more, and frees the rest. It comes from $take, so the chunk
;; above it is in use.
(func $split (param $chunk i32) (param $need i32)
  (local $rest i32)
  (local.set $rest (i32.sub (i32.load offset=4 (local.get $chunk)) (local.get $need)))
  (if (i32.eqz (local.get $rest)) (then (return)))
  (call $mark_used (local.get $chunk) (local.get $need))
  (local.set $chunk (i32.add (local.get $chunk) (local.get $need)))
  (i32.store offset=4 (local.get $chunk) (i32.add (local.get $rest) (i32.const 1)))
  (i32.store (i32.add (local.get $chunk) (local.get $rest)) (local.get $rest))
  (call $link (local.get $chunk) (local.get $rest)))

;; Cuts $chunk, in use, down to $need bytes, if it has more, and frees the rest.
(func $trim (param $chunk i32) (param $need i32)
  (local $size i32) (local $rest i32)
  (local.set $size (i32.and (i32.load offset=4 (local.get $chunk)) (i32.const -16)))
  (if (i32.le_u (local.get $size) (local.get $need)) (then (return)))
  (local.set $rest (i32.sub (local.get $size) (local.get $need)))
  (call $mark_used (local.get $chunk) (local.get $need))
  (local.set $chunk (i32.add (local.get $chunk) (local.get $need)))
  (i32.store offset=4 (local.get $chunk) (local.get $rest))
  (call $release (local.get $chunk)))

;; Cuts $chunk, in use, off from below so that $chunk + $offset, a multiple of 16, becomes one of $alignment, a power of
;; two, and frees what was below. The chunk then.
(func $align (param $chunk i32) (param $offset i32) (param $alignment i32) (result i32)
  (local $gap i32) (local $size i32)
  (local.set $gap (i32.and
    (i32.sub (i32.const 0) (i32.add (local.get $chunk) (local.get $offset)))
    (i32.sub (local.get $alignment) (i32.const 1))))
  (if (i32.eqz (local.get $gap)) (then (return (local.get $chunk))))
  (local.set $size (i32.sub (i32.and (i32.load offset=4 (local.get $chunk)) (i32.const -16)) (local.get $gap)))
  (call $mark_used (local.get $chunk) (local.get $gap))
  (call $mark_used (i32.add (local.get $chunk) (local.get $gap)) (local.get $size))
  (call $release (local.get $chunk))
  (i32.add (local.get $chunk) (local.get $gap)))

;; Extends $chunk, in use and $size bytes long, over its free upper neighbour if that makes it at least $need bytes
;; long; at the top of the heap the neighbour is enlarged first. Returns its size then.
(func $widen (param $chunk i32) (param $size i32) (param $need i32) (result i32)
  (local $above i32) (local $wide i32)
  (local.set $above (i32.add (local.get $chunk) (local.get $size)))
  (local.set $wide (i32.add (local.get $size) (call $free_bytes (local.get $above))))
  (if (i32.and
        (i32.and (call $new_pages_join) (i32.lt_u (local.get $wide) (local.get $need)))
        (i32.eq (i32.add (local.get $chunk) (local.get $wide)) (global.get $top)))
    (then
      (drop (call $grow (i32.sub (local.get $need) (local.get $size))))
      (local.set $wide (i32.add (local.get $size) (call $free_bytes (local.get $above))))))
  (if (i32.lt_u (local.get $wide) (local.get $need)) (then (return (local.get $size))))
  (call $unlink (local.get $above))
  (call $mark_used (local.get $chunk) (local.get $wide))
  (local.get $wide))

;; The size of $chunk if it is free, else 0.
(func $free_bytes (param $chunk i32) (result i32)
  (local $size i32)
  (local.set $size (i32.load offset=4 (local.get $chunk)))
  (select (i32.sub (local.get $size) (i32.const 1)) (i32.const 0) (i32.and (local.get $size) (i32.const 1))))

;; Frees $chunk, which is in use: joins it with its free neighbours and enters the result in its class.
(func $release (param $chunk i32)
  (local $size i32) (local $near i32) (local $near_size i32)
  (local.set $size (i32.and (i32.load offset=4 (local.get $chunk)) (i32.const -16)))
  (local.set $near (i32.add (local.get $chunk) (local.get $size)))
  (local.set $near_size (i32.load offset=4 (local.get $near)))
  (if (i32.and (local.get $near_size) (i32.const 1))
    (then
      (call $unlink (local.get $near))
      (local.set $size (i32.add (local.get $size) (i32.and (local.get $near_size) (i32.const -16))))))
  (if (i32.load (local.get $chunk))
    (then
      (local.set $near (i32.sub (local.get $chunk) (i32.load (local.get $chunk))))
      (local.set $near_size (i32.load offset=4 (local.get $near)))
      (if (i32.and (local.get $near_size) (i32.const 1))
        (then
          (call $unlink (local.get $near))
          (local.set $size (i32.add (local.get $size) (i32.and (local.get $near_size) (i32.const -16))))
          (local.set $chunk (local.get $near))))))
  (i32.store offset=4 (local.get $chunk) (i32.add (local.get $size) (i32.const 1)))
  (i32.store (i32.add (local.get $chunk) (local.get $size)) (local.get $size))
  (call $link (local.get $chunk) (local.get $size)))

;; Enters a free chunk of $size bytes first in the list of its class.
(func $link (param $chunk i32) (param $size i32)
  (local $class i32) (local $list i32) (local $first i32) (local $word i32) (local $bitmap i32)
  (local.set $class (call $class (local.get $size)))
  (local.set $list (i32.add (global.get $control) (i32.shl (local.get $class) (i32.const 2))))
  (local.set $first (i32.load offset=128 (local.get $list)))
  (i32.store offset=8 (local.get $chunk) (local.get $first))
  (i32.store offset=12 (local.get $chunk) (i32.const 0))
  (i32.store offset=128 (local.get $list) (local.get $chunk))
  (if (local.get $first)
    (then (i32.store offset=12 (local.get $first) (local.get $chunk)) (return)))
  (local.set $word (i32.shr_u (local.get $class) (i32.const 5)))
  (local.set $bitmap (i32.add (global.get $control) (i32.shl (local.get $word) (i32.const 2))))
  (i32.store (local.get $bitmap)
    (i32.or (i32.load (local.get $bitmap)) (i32.shl (i32.const 1) (local.get $class))))
  (global.set $populated (i32.or (global.get $populated) (i32.shl (i32.const 1) (local.get $word)))))

;; Takes a free chunk out of the list of its class.
(func $unlink (param $chunk i32)
  (local $next i32) (local $previous i32)
  (local.set $next (i32.load offset=8 (local.get $chunk)))
  (local.set $previous (i32.load offset=12 (local.get $chunk)))
  (if (local.get $next) (then (i32.store offset=12 (local.get $next) (local.get $previous))))
  (if (local.get $previous)
    (then (i32.store offset=8 (local.get $previous) (local.get $next)))
    (else
      (call $set_first
        (call $class (i32.and (i32.load offset=4 (local.get $chunk)) (i32.const -16)))
        (local.get $next)))))

;; Makes $chunk the first of $class; 0 empties the class.
(func $set_first (param $class i32) (param $chunk i32)
  (local $word i32) (local $bitmap i32) (local $bits i32)
  (i32.store offset=128
    (i32.add (global.get $control) (i32.shl (local.get $class) (i32.const 2)))
    (local.get $chunk))
  (if (local.get $chunk) (then (return)))
  (local.set $word (i32.shr_u (local.get $class) (i32.const 5)))
  (local.set $bitmap (i32.add (global.get $control) (i32.shl (local.get $word) (i32.const 2))))
  (local.set $bits (i32.and
    (i32.load (local.get $bitmap))
    (i32.rotl (i32.const -2) (local.get $class))))
  (i32.store (local.get $bitmap) (local.get $bits))
  (if (i32.eqz (local.get $bits))
    (then (global.set $populated
      (i32.and (global.get $populated) (i32.rotl (i32.const -2) (local.get $word)))))))

;; Adds memory so that a free chunk of $need bytes exists; by an eighth of the heap if there is so much. 1 if it could.
(func $grow (param $need i32) (result i32)
  (local $joins i32) (local $last i32) (local $pages i32) (local $granted i32) (local $before i32)
  (local.set $joins (call $new_pages_join))
  (if (local.get $joins)
    (then
      (local.set $last (i32.sub (global.get $top) (i32.load (global.get $top))))
      (local.set $need (i32.sub (local.get $need) (call $free_bytes (local.get $last)))))
    ;; Room for the control block and for both ends of the segment.
    (else (local.set $need (i32.add (local.get $need) (i32.const 4256)))))
  (local.set $pages (i32.shr_u (i32.add (local.get $need) (i32.const 65535)) (i32.const 16)))
  (local.set $granted (call $larger (local.get $pages) (i32.shr_u (global.get $heap_pages) (i32.const 3))))
  (local.set $before (memory.grow (local.get $granted)))
  (if (i32.eq (local.get $before) (i32.const -1))
    (then
      (local.set $granted (local.get $pages))
      (local.set $before (memory.grow (local.get $granted)))
      (if (i32.eq (local.get $before) (i32.const -1)) (then (return (i32.const 0))))))
  (global.set $heap_pages (i32.add (global.get $heap_pages) (local.get $granted)))
  (call $adopt (local.get $joins) (local.get $before) (local.get $granted))
  (i32.const 1))

;; Whether the newest segment ends where memory ends: not before the first, nor after others added pages.
(func $new_pages_join (result i32)
  (i32.eq (i32.shl (memory.size) (i32.const 16)) (i32.add (global.get $top) (i32.const 8))))

;; Makes $pages new pages a free chunk: at the end of the newest segment if they join it, else in a segment of
;; their own. The first segment begins with the control block, which is zero because new pages are.
(func $adopt (param $joins i32) (param $before i32) (param $pages i32)
  (local $start i32) (local $chunk i32)
  (local.set $start (i32.shl (local.get $before) (i32.const 16)))
  (local.set $chunk (global.get $top))
  (if (i32.eqz (local.get $joins))
    (then
      (local.set $chunk (i32.add (local.get $start) (i32.const 8)))
      (if (i32.eqz (global.get $top))
        (then
          (global.set $control (local.get $start))
          (local.set $chunk (i32.add (local.get $chunk) (i32.const 4240)))))))
  (global.set $top (i32.sub
    (i32.add (local.get $start) (i32.shl (local.get $pages) (i32.const 16)))
    (i32.const 8)))
  (call $mark_used (local.get $chunk) (i32.sub (global.get $top) (local.get $chunk)))
  (i32.store offset=4 (global.get $top) (i32.const 0))
  (call $release (local.get $chunk)))

(func $larger (param $a i32) (param $b i32) (result i32)
  (select (local.get $a) (local.get $b) (i32.gt_u (local.get $a) (local.get $b))))
