;; x - n pi/2 for the nearest integer n, for sine, cosine and tangent.

;; The newest remainder, in two parts of which the second is at most half a unit of the first.
(global $remainder_high (mut f64) (f64.const 0))
(global $remainder_low (mut f64) (f64.const 0))

;; n modulo 4 (in its lowest two bits), and the remainder in the two globals. If x is not finite, that is a NaN.
;;
;; Below 2^20 pi/2 as FreeBSD's e_rem_pio2.c does it, above in payne_hanek.wat.
(func $remainder (param $x f64) (result i32)
  (local $n f64)
  (if (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const inf)))
    (then
      (global.set $remainder_high (f64.sub (local.get $x) (local.get $x)))
      (global.set $remainder_low (f64.const 0))
      (return (i32.const 0))))
  (if (f64.ge (f64.abs (local.get $x)) (f64.const 0x1.921fbp20))
    (then (return (call $remainder_of_large (local.get $x)))))
  (local.set $n (call $small_quotient (f64.abs (local.get $x))))
  (if (f64.ne (local.get $n) (f64.const 0))
    (then
      (local.set $n (f64.copysign (local.get $n) (local.get $x)))
      (drop (call $subtract
        (f64.sub (local.get $x) (f64.mul (local.get $n) (f64.const 0x1.921fb544p+0)))
        (f64.mul (local.get $n) (f64.const 0x1.0b4611a626331p-34)))))
    (else
      ;; Adding and taking off 1.5 * 2^52 rounds to the nearest integer.
      (local.set $n (f64.sub
        (f64.add (f64.mul (local.get $x) (f64.const 0x1.45f306dc9c883p-1)) (f64.const 0x1.8p52))
        (f64.const 0x1.8p52)))
      (call $subtract_multiple (local.get $x) (local.get $n))))
  (i32.trunc_f64_s (local.get $n)))

;; The quotient for x from pi/4 to 9/4 pi, by comparisons; 0 for more, and within 2^-20 of a multiple, where so much
;; cancels that one subtraction is not enough.
(func $small_quotient (param $x f64) (result f64)
  (local $upper i32)
  (local.set $upper (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 32))))
  (if (i32.gt_u (local.get $upper) (i32.const 0x401c463b)) (then (return (f64.const 0))))
  (if (i32.gt_u (local.get $upper) (i32.const 0x4015fdbc))
    (then (return (select (f64.const 0) (f64.const 4) (i32.eq (local.get $upper) (i32.const 0x401921fb))))))
  (if (i32.gt_u (local.get $upper) (i32.const 0x400f6a7a))
    (then (return (select (f64.const 0) (f64.const 3) (i32.eq (local.get $upper) (i32.const 0x4012d97c))))))
  (if (i32.gt_u (local.get $upper) (i32.const 0x4002d97c))
    (then (return (select (f64.const 0) (f64.const 2) (i32.eq (local.get $upper) (i32.const 0x400921fb))))))
  (select (f64.const 0) (f64.const 1) (i32.eq (local.get $upper) (i32.const 0x3ff921fb))))

;; Makes $r - $low the remainder, and returns the exponent field of its first part.
(func $subtract (param $r f64) (param $low f64) (result i32)
  (global.set $remainder_high (f64.sub (local.get $r) (local.get $low)))
  (global.set $remainder_low
    (f64.sub (f64.sub (local.get $r) (global.get $remainder_high)) (local.get $low)))
  (call $biased_exponent (global.get $remainder_high)))

;; x - n pi/2 with pi/2 in as many parts of 33 bits as cancellation asks for: 85, 118 or 151 bits.
(func $subtract_multiple (param $x f64) (param $n f64)
  (local $exponent i32) (local $r f64) (local $next f64)
  (local.set $exponent (call $biased_exponent (local.get $x)))
  (local.set $r (f64.sub (local.get $x) (f64.mul (local.get $n) (f64.const 0x1.921fb544p+0))))
  (if (i32.le_s
        (i32.sub
          (local.get $exponent)
          (call $subtract (local.get $r) (f64.mul (local.get $n) (f64.const 0x1.0b4611a626331p-34))))
        (i32.const 16))
    (then (return)))
  (local.set $next (f64.mul (local.get $n) (f64.const 0x1.0b4611a6p-34)))
  (if (i32.le_s
        (i32.sub
          (local.get $exponent)
          (call $subtract
            (f64.sub (local.get $r) (local.get $next))
            (f64.sub
              (f64.mul (local.get $n) (f64.const 0x1.3198a2e037073p-69))
              (call $lost (local.get $r) (local.get $next)))))
        (i32.const 49))
    (then (return)))
  (local.set $r (f64.sub (local.get $r) (local.get $next)))
  (local.set $next (f64.mul (local.get $n) (f64.const 0x1.3198a2ep-69)))
  (drop (call $subtract
    (f64.sub (local.get $r) (local.get $next))
    (f64.sub
      (f64.mul (local.get $n) (f64.const 0x1.b839a252049c1p-104))
      (call $lost (local.get $r) (local.get $next))))))

;; What rounding takes from a - b.
(func $lost (param $a f64) (param $b f64) (result f64)
  (f64.sub (f64.sub (local.get $a) (f64.sub (local.get $a) (local.get $b))) (local.get $b)))
