;; Blocks of bytes (C11, 7.24.2 to 7.24.6), one byte at a time.

;; void *memcpy(void *dst, const void *src, size_t n): overlap is allowed, as in memmove, so that every
;; specialisation has this one behaviour to agree with.
(func $memcpy (export "memcpy") (param $dst i32) (param $src i32) (param $n i32) (result i32)
  (local $at i32) (local $end i32)
  (if (i32.eqz (local.get $n)) (then (return (local.get $dst))))
  (local.set $at (local.get $dst))
  (local.set $end (i32.add (local.get $src) (local.get $n)))
  ;; Forward unless dst lies inside src's bytes: 0 < dst - src < n.
  (if (i32.ge_u (i32.sub (local.get $dst) (local.get $src)) (local.get $n))
    (then
      (loop $next
        (i32.store8 (local.get $at) (i32.load8_u (local.get $src)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.ne (local.tee $src (i32.add (local.get $src) (i32.const 1))) (local.get $end)))))
    (else
      (local.set $at (i32.add (local.get $dst) (local.get $n)))
      (loop $next
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (local.set $end (i32.sub (local.get $end) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.load8_u (local.get $end)))
        (br_if $next (i32.ne (local.get $end) (local.get $src))))))
  (local.get $dst))

;; void *memmove(void *dst, const void *src, size_t n)
(func $memmove (export "memmove") (param $dst i32) (param $src i32) (param $n i32) (result i32)
  (call $memcpy (local.get $dst) (local.get $src) (local.get $n)))

;; void *memset(void *dst, int byte, size_t n)
(func $memset (export "memset") (param $dst i32) (param $byte i32) (param $n i32) (result i32)
  (local $at i32) (local $end i32)
  (if (i32.eqz (local.get $n)) (then (return (local.get $dst))))
  (local.set $end (i32.add (local.tee $at (local.get $dst)) (local.get $n)))
  (loop $next
    (i32.store8 (local.get $at) (local.get $byte))
    (br_if $next (i32.ne (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $end))))
  (local.get $dst))

;; int memcmp(const void *a, const void *b, size_t n): the difference of the first bytes that differ. All of both blocks must
;; be in memory, wherever they differ: compilers, too, turn short ones into loads of all bytes.
(func $memcmp (export "memcmp") (param $a i32) (param $b i32) (param $n i32) (result i32)
  (local $difference i32)
  (call $reach (local.get $a) (local.get $n))
  (call $reach (local.get $b) (local.get $n))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $n)))
      (local.set $difference (i32.sub (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))))
      (br_if $done (local.get $difference))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $next)))
  (local.get $difference))

;; Reads the last of the n bytes at block, if n is not 0.
(func $reach (param $block i32) (param $n i32)
  (local $last i32)
  (if (i32.eqz (local.get $n)) (then (return)))
  (local.set $last (i32.add (local.get $block) (i32.sub (local.get $n) (i32.const 1))))
  ;; Past 4 GiB, which i32.add does not show.
  (if (i32.lt_u (local.get $last) (local.get $block))
    (then (drop (i32.load8_u offset=0xffffffff (local.get $block)))))
  (drop (i32.load8_u (local.get $last))))

;; void *memchr(const void *block, int byte, size_t n): the first such byte, or NULL. Reads nothing behind it.
(func $memchr (export "memchr") (param $at i32) (param $byte i32) (param $n i32) (result i32)
  (local.set $byte (i32.and (local.get $byte) (i32.const 255)))
  (loop $next
    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
    (if (i32.eq (i32.load8_u (local.get $at)) (local.get $byte)) (then (return (local.get $at))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (br $next))
  unreachable)
