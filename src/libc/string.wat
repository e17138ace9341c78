;; Strings that end at their first zero byte (C11, 7.24.2 to 7.24.6), one byte at a time. No function reads behind
;; the terminator, so a string may end where memory ends.

;; size_t strlen(const char *s)
(func $strlen (export "strlen") (param $s i32) (result i32)
  (i32.sub (call $end_of (local.get $s)) (local.get $s)))

;; The address of the terminator.
(func $end_of (param $s i32) (result i32)
  (block $found
    (loop $next
      (br_if $found (i32.eqz (i32.load8_u (local.get $s))))
      (local.set $s (i32.add (local.get $s) (i32.const 1)))
      (br $next)))
  (local.get $s))

;; int strcmp(const char *a, const char *b): the difference of the first bytes that differ.
(func $strcmp (export "strcmp") (param $a i32) (param $b i32) (result i32)
  (local $byte i32) (local $difference i32)
  (loop $next
    (local.set $byte (i32.load8_u (local.get $a)))
    (local.set $difference (i32.sub (local.get $byte) (i32.load8_u (local.get $b))))
    (if (local.get $difference) (then (return (local.get $difference))))
    (local.set $a (i32.add (local.get $a) (i32.const 1)))
    (local.set $b (i32.add (local.get $b) (i32.const 1)))
    (br_if $next (local.get $byte)))
  (i32.const 0))

;; int strncmp(const char *a, const char *b, size_t n): strcmp of at most n bytes.
(func $strncmp (export "strncmp") (param $a i32) (param $b i32) (param $n i32) (result i32)
  (local $byte i32) (local $difference i32)
  (block $equal
    (loop $next
      (br_if $equal (i32.eqz (local.get $n)))
      (local.set $byte (i32.load8_u (local.get $a)))
      (local.set $difference (i32.sub (local.get $byte) (i32.load8_u (local.get $b))))
      (if (local.get $difference) (then (return (local.get $difference))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $byte))))
  (i32.const 0))

;; char *strcpy(char *dst, const char *src)
(func $strcpy (export "strcpy") (param $dst i32) (param $src i32) (result i32)
  (local $at i32) (local $byte i32)
  (local.set $at (local.get $dst))
  (loop $next
    (i32.store8 (local.get $at) (local.tee $byte (i32.load8_u (local.get $src))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (local.set $src (i32.add (local.get $src) (i32.const 1)))
    (br_if $next (local.get $byte)))
  (local.get $dst))

;; char *strncpy(char *dst, const char *src, size_t n): writes n bytes, zeros behind the string's end.
(func $strncpy (export "strncpy") (param $dst i32) (param $src i32) (param $n i32) (result i32)
  (local $at i32) (local $byte i32)
  (local.set $at (local.get $dst))
  (block $full
    (loop $next
      (br_if $full (i32.eqz (local.get $n)))
      (i32.store8 (local.get $at) (local.tee $byte (i32.load8_u (local.get $src))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $src (i32.add (local.get $src) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $byte)))
    (drop (call $memset (local.get $at) (i32.const 0) (local.get $n))))
  (local.get $dst))

;; char *strcat(char *dst, const char *src)
(func $strcat (export "strcat") (param $dst i32) (param $src i32) (result i32)
  (drop (call $strcpy (call $end_of (local.get $dst)) (local.get $src)))
  (local.get $dst))

;; char *strchr(const char *s, int byte): the first such byte, the terminator included, or NULL.
(func $strchr (export "strchr") (param $s i32) (param $byte i32) (result i32)
  (local $seen i32)
  (local.set $byte (i32.and (local.get $byte) (i32.const 255)))
  (loop $next
    (local.set $seen (i32.load8_u (local.get $s)))
    (if (i32.eq (local.get $seen) (local.get $byte)) (then (return (local.get $s))))
    (local.set $s (i32.add (local.get $s) (i32.const 1)))
    (br_if $next (local.get $seen)))
  (i32.const 0))

;; char *strrchr(const char *s, int byte): the last such byte, the terminator included, or NULL.
(func $strrchr (export "strrchr") (param $s i32) (param $byte i32) (result i32)
  (local $seen i32) (local $last i32)
  (local.set $byte (i32.and (local.get $byte) (i32.const 255)))
  (loop $next
    (local.set $seen (i32.load8_u (local.get $s)))
    (if (i32.eq (local.get $seen) (local.get $byte)) (then (local.set $last (local.get $s))))
    (local.set $s (i32.add (local.get $s) (i32.const 1)))
    (br_if $next (local.get $seen)))
  (local.get $last))

;; char *strstr(const char *s, const char *part): where part first begins in s, or NULL. Tries every place in turn.
(func $strstr (export "strstr") (param $s i32) (param $part i32) (result i32)
  (loop $next
    (if (call $starts_with (local.get $s) (local.get $part)) (then (return (local.get $s))))
    (if (i32.eqz (i32.load8_u (local.get $s))) (then (return (i32.const 0))))
    (local.set $s (i32.add (local.get $s) (i32.const 1)))
    (br $next))
  unreachable)

(func $starts_with (param $s i32) (param $prefix i32) (result i32)
  (local $byte i32)
  (loop $next
    (local.set $byte (i32.load8_u (local.get $prefix)))
    (if (i32.eqz (local.get $byte)) (then (return (i32.const 1))))
    (if (i32.ne (local.get $byte) (i32.load8_u (local.get $s))) (then (return (i32.const 0))))
    (local.set $s (i32.add (local.get $s) (i32.const 1)))
    (local.set $prefix (i32.add (local.get $prefix) (i32.const 1)))
    (br $next))
  unreachable)
