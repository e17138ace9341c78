;; The remainder of a large x (M. H. Payne and R. N. Hanek, "Radian reduction for trigonometric functions", 1983), in
;; integers: libraries that have memory do it with tables and arrays of doubles.
;;
;; x = m 2^e with an integer m, and x 2/pi is wanted modulo 4, so the bits of 2/pi that make multiples of 4 are left
;; out: of m times the next 192 bits modulo 2^192, the top two bits are n, and the rest is the fraction. It has 126
;; bits here; no double comes so close to a multiple of pi/2 that more than 62 of them cancel.
(func $remainder_of_large (param $x f64) (result i32 f64 f64)
  (local $m i64) (local $at i32) (local $top i64) (local $next i64) (local $last i64) (local $negative i64)
  (local $high f64) (local $low f64)
  (local.set $m (call $significand (local.get $x)))
  ;; Bit 0 is the 64th before the point, so that no index is negative.
  (local.set $at (i32.sub (call $biased_exponent (local.get $x)) (i32.const 1013)))
  (local.set $top (call $two_over_pi_bits (local.get $at)))
  (local.set $next (call $two_over_pi_bits (i32.add (local.get $at) (i32.const 64))))
  (local.set $last (call $two_over_pi_bits (i32.add (local.get $at) (i32.const 128))))
  ;; The product, of which the lowest 64 bits are not needed.
  (local.set $top (i64.add
    (i64.mul (local.get $m) (local.get $top))
    (call $upper_product (local.get $m) (local.get $next))))
  (local.set $last (call $upper_product (local.get $m) (local.get $last)))
  (local.set $next (i64.add (i64.mul (local.get $m) (local.get $next)) (local.get $last)))
  (local.set $top (i64.add
    (local.get $top)
    (i64.extend_i32_u (i64.lt_u (local.get $next) (local.get $last)))))
  (local.set $at (i32.wrap_i64 (i64.shr_u (local.get $top) (i64.const 62))))
  ;; The fraction, from -1/2 to 1/2 in units of 2^-128: its sign, and its magnitude but for one unit.
  (local.set $top (i64.or
    (i64.shl (local.get $top) (i64.const 2))
    (i64.shr_u (local.get $next) (i64.const 62))))
  (local.set $next (i64.shl (local.get $next) (i64.const 2)))
  (local.set $negative (i64.shr_s (local.get $top) (i64.const 63)))
  (local.set $at (i32.sub (local.get $at) (i32.wrap_i64 (local.get $negative))))
  (call $multiply_by_half_pi
    (i64.xor (local.get $top) (local.get $negative))
    (i64.xor (local.get $next) (local.get $negative)))
  (local.set $low)
  (local.set $high)
  (if (i32.xor
        (i32.wrap_i64 (i64.and (local.get $negative) (i64.const 1)))
        (f64.lt (local.get $x) (f64.const 0)))
    (then
      (local.set $high (f64.neg (local.get $high)))
      (local.set $low (f64.neg (local.get $low)))))
  (select
    (i32.sub (i32.const 0) (local.get $at))
    (local.get $at)
    (f64.lt (local.get $x) (f64.const 0)))
  (local.get $high)
  (local.get $low))

;; pi/2 times the fraction (top 2^64 + next) 2^-128, which is not 0, in two parts.
(func $multiply_by_half_pi (param $top i64) (param $next i64) (result f64 f64)
  (local $shift i64) (local $cross i64) (local $low i64) (local $first f64) (local $second f64) (local $high f64)
  ;; Shifted up until bit 127 is set. (WebAssembly shifts by a count modulo 64.)
  (if (i64.eqz (local.get $top))
    (then
      (local.set $top (local.get $next))
      (local.set $next (i64.const 0))
      (local.set $shift (i64.const 64))))
  (local.set $shift (i64.add (local.get $shift) (i64.clz (local.get $top))))
  (if (i64.ne (i64.and (local.get $shift) (i64.const 63)) (i64.const 0))
    (then
      (local.set $top (i64.or
        (i64.shl (local.get $top) (local.get $shift))
        (i64.shr_u (local.get $next) (i64.sub (i64.const 0) (local.get $shift)))))
      (local.set $next (i64.shl (local.get $next) (local.get $shift)))))
  ;; Times pi/2 in units of 2^-127: the upper 128 bits, again as $top and $next.
  (local.set $cross (i64.add
    (i64.shr_u (call $upper_product (local.get $next) (i64.const 0xc90fdaa22168c234)) (i64.const 1))
    (i64.shr_u (call $upper_product (local.get $top) (i64.const 0xc4c6628b80dc1cd1)) (i64.const 1))))
  (local.set $low (i64.mul (local.get $top) (i64.const 0xc90fdaa22168c234)))
  (local.set $next (i64.add (local.get $low) (i64.shl (local.get $cross) (i64.const 1))))
  (local.set $top (i64.add
    (i64.add
      (call $upper_product (local.get $top) (i64.const 0xc90fdaa22168c234))
      (i64.shr_u (local.get $cross) (i64.const 63)))
    (i64.extend_i32_u (i64.lt_u (local.get $next) (local.get $low)))))
  ;; As two doubles: the first 53 bits, and the 64 that follow.
  (local.set $first (f64.mul
    (f64.convert_i64_u (i64.and (local.get $top) (i64.const -2048)))
    (call $power_of_two (i32.sub (i32.const -63) (i32.wrap_i64 (local.get $shift))))))
  (local.set $second (f64.mul
    (f64.convert_i64_u (i64.or
      (i64.shl (local.get $top) (i64.const 53))
      (i64.shr_u (local.get $next) (i64.const 11))))
    (call $power_of_two (i32.sub (i32.const -116) (i32.wrap_i64 (local.get $shift))))))
  (local.set $high (f64.add (local.get $first) (local.get $second)))
  (local.get $high)
  (f64.add (f64.sub (local.get $first) (local.get $high)) (local.get $second)))

;; 64 bits of 2/pi from bit $at on, bit 64 being the first after the point.
(func $two_over_pi_bits (param $at i32) (result i64)
  (local $word i32) (local $shift i64) (local $bits i64)
  (local.set $word (i32.shr_u (local.get $at) (i32.const 6)))
  (local.set $shift (i64.extend_i32_u (i32.and (local.get $at) (i32.const 63))))
  (local.set $bits (call $two_over_pi_word (local.get $word)))
  (if (i64.eqz (local.get $shift)) (then (return (local.get $bits))))
  (i64.or
    (i64.shl (local.get $bits) (local.get $shift))
    (i64.shr_u
      (call $two_over_pi_word (i32.add (local.get $word) (i32.const 1)))
      (i64.sub (i64.const 0) (local.get $shift)))))

;; The word of 2/pi that contains bit 64 $word: as many as the largest exponent asks for.
(func $two_over_pi_word (param $word i32) (result i64)
  (if (i32.eq (local.get $word) (i32.const 1)) (then (return (i64.const 0xa2f9836e4e441529))))
  (if (i32.eq (local.get $word) (i32.const 2)) (then (return (i64.const 0xfc2757d1f534ddc0))))
  (if (i32.eq (local.get $word) (i32.const 3)) (then (return (i64.const 0xdb6295993c439041))))
  (if (i32.eq (local.get $word) (i32.const 4)) (then (return (i64.const 0xfe5163abdebbc561))))
  (if (i32.eq (local.get $word) (i32.const 5)) (then (return (i64.const 0xb7246e3a424dd2e0))))
  (if (i32.eq (local.get $word) (i32.const 6)) (then (return (i64.const 0x06492eea09d1921c))))
  (if (i32.eq (local.get $word) (i32.const 7)) (then (return (i64.const 0xfe1deb1cb129a73e))))
  (if (i32.eq (local.get $word) (i32.const 8)) (then (return (i64.const 0xe88235f52ebb4484))))
  (if (i32.eq (local.get $word) (i32.const 9)) (then (return (i64.const 0xe99c7026b45f7e41))))
  (if (i32.eq (local.get $word) (i32.const 10)) (then (return (i64.const 0x3991d639835339f4))))
  (if (i32.eq (local.get $word) (i32.const 11)) (then (return (i64.const 0x9c845f8bbdf9283b))))
  (if (i32.eq (local.get $word) (i32.const 12)) (then (return (i64.const 0x1ff897ffde05980f))))
  (if (i32.eq (local.get $word) (i32.const 13)) (then (return (i64.const 0xef2f118b5a0a6d1f))))
  (if (i32.eq (local.get $word) (i32.const 14)) (then (return (i64.const 0x6d367ecf27cb09b7))))
  (if (i32.eq (local.get $word) (i32.const 15)) (then (return (i64.const 0x4f463f669e5fea2d))))
  (if (i32.eq (local.get $word) (i32.const 16)) (then (return (i64.const 0x7527bac7ebe5f17b))))
  (if (i32.eq (local.get $word) (i32.const 17)) (then (return (i64.const 0x3d0739f78a5292ea))))
  (if (i32.eq (local.get $word) (i32.const 18)) (then (return (i64.const 0x6bfb5fb11f8d5d08))))
  (if (i32.eq (local.get $word) (i32.const 19)) (then (return (i64.const 0x56033046fc7b6bab))))
  (i64.const 0))
