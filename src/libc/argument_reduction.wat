;; x - n pi/2 for the nearest integer n, for sine, cosine and tangent.

;; n modulo 4 (in its lowest two bits), and the remainder in two parts, of which the second is at most half a unit of the
;; first. If x is not finite, it is a NaN.
;;
;; Below 2^20 pi/2 as FreeBSD's e_rem_pio2.c does it, above in payne_hanek.wat.
(func $remainder (param $x f64) (result i32 f64 f64)
  (local $n f64)
  (if (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const inf)))
    (then (return (i32.const 0) (f64.sub (local.get $x) (local.get $x)) (f64.const 0))))
  (if (f64.ge (f64.abs (local.get $x)) (f64.const 0x1.921fbp20))
    (then (return (call $remainder_of_large (local.get $x)))))
  (local.set $n (call $small_quotient (f64.abs (local.get $x))))
  (if (f64.ne (local.get $n) (f64.const 0))
    (then
      (local.set $n (f64.copysign (local.get $n) (local.get $x)))
      (return
        (i32.trunc_f64_s (local.get $n))
        (call $subtract
          (f64.sub (local.get $x) (f64.mul (local.get $n) (f64.const 0x1.921fb544p+0)))
          (f64.mul (local.get $n) (f64.const 0x1.0b4611a626331p-34))))))
  ;; Adding and taking off 1.5 * 2^52 rounds to the nearest integer.
  (local.set $n (f64.sub
    (f64.add (f64.mul (local.get $x) (f64.const 0x1.45f306dc9c883p-1)) (f64.const 0x1.8p52))
    (f64.const 0x1.8p52)))
  (i32.trunc_f64_s (local.get $n))
  (call $subtract_multiple (local.get $x) (local.get $n)))

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

;; r - low in two parts.
(func $subtract (param $r f64) (param $low f64) (result f64 f64)
  (local $high f64)
  (local.set $high (f64.sub (local.get $r) (local.get $low)))
  (local.get $high)
  (f64.sub (f64.sub (local.get $r) (local.get $high)) (local.get $low)))

;; x - n pi/2 in two parts, with pi/2 in as many parts of 33 bits as cancellation asks for: 85, 118 or 151 bits.
(func $subtract_multiple (param $x f64) (param $n f64) (result f64 f64)
  (local $exponent i32) (local $r f64) (local $next f64) (local $high f64) (local $low f64)
  (local.set $exponent (call $biased_exponent (local.get $x)))
  (local.set $r (f64.sub (local.get $x) (f64.mul (local.get $n) (f64.const 0x1.921fb544p+0))))
  (call $subtract (local.get $r) (f64.mul (local.get $n) (f64.const 0x1.0b4611a626331p-34)))
  (local.set $low)
  (local.set $high)
  (if (i32.le_s (i32.sub (local.get $exponent) (call $biased_exponent (local.get $high))) (i32.const 16))
    (then (return (local.get $high) (local.get $low))))
  (local.set $next (f64.mul (local.get $n) (f64.const 0x1.0b4611a6p-34)))
  (call $subtract
    (f64.sub (local.get $r) (local.get $next))
    (f64.sub
      (f64.mul (local.get $n) (f64.const 0x1.3198a2e037073p-69))
      (call $lost (local.get $r) (local.get $next))))
  (local.set $low)
  (local.set $high)
  (if (i32.le_s (i32.sub (local.get $exponent) (call $biased_exponent (local.get $high))) (i32.const 49))
    (then (return (local.get $high) (local.get $low))))
  (local.set $r (f64.sub (local.get $r) (local.get $next)))
  (local.set $next (f64.mul (local.get $n) (f64.const 0x1.3198a2ep-69)))
  (call $subtract
    (f64.sub (local.get $r) (local.get $next))
    (f64.sub
      (f64.mul (local.get $n) (f64.const 0x1.b839a252049c1p-104))
      (call $lost (local.get $r) (local.get $next)))))

;; What rounding takes from a - b.
(func $lost (param $a f64) (param $b f64) (result f64)
  (f64.sub (f64.sub (local.get $a) (f64.sub (local.get $a) (local.get $b))) (local.get $b)))
