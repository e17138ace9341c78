;; Exponentials (C11, 7.12.6).
;;
;; x = n ln 2 / 256 + r with |r| at most ln 2 / 512, and e^x = 2^(n/256) e^r, of which a table has the first factor and a
;; short polynomial gives the second (P. T. P. Tang, "Table-driven implementation of the exponential function in IEEE
;; floating-point arithmetic", 1989). n is in the low bits of a sum with 1.5 2^52, which the addition rounded. ln 2 / 256 is
;; in two parts, the first so short that its product with n is exact. The table has 2^(n/256) rounded but for what n adds to
;; its exponent, and before it what rounding took, relative to it.
;;
;; The functions that are called often call no others: each call is counted.

;; double exp(double x).
(func $exp (export "exp") (param $x f64) (result f64)
  (local $sum f64) (local $n i64) (local $entry i32) (local $r f64) (local $square f64) (local $power f64)
  (if (f64.ge (f64.mul (local.get $x) (local.get $x)) (f64.const 476100)) ;; 690^2; a NaN goes on, and stays one.
    (then (return (call $exp_far (local.get $x) (f64.const 0)))))
  (local.set $sum (f64.add (f64.mul (local.get $x) (f64.const 0x1.71547652b82fep+8)) (f64.const 0x1.8p52)))
  (local.set $n (i64.reinterpret_f64 (local.get $sum)))
  (local.set $entry (i32.and (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 4)) (i32.const 0xff0)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.shl (local.get $n) (i64.const 44))
    (i64.load $tables offset=8 (local.get $entry)))))
  (local.set $sum (f64.sub (local.get $sum) (f64.const 0x1.8p52)))
  (local.set $r (f64.sub
    (f64.sub (local.get $x) (f64.mul (local.get $sum) (f64.const 0x1.62e42feep-9)))
    (f64.mul (local.get $sum) (f64.const 0x1.a39ef35793c76p-41))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  ;; e^r - 1 within 2^-57.5 (Remez's algorithm).
  (f64.add
    (f64.mul
      (f64.add
        (f64.mul
          (f64.add
            (f64.add (f64.mul (local.get $r) (f64.const 0x1.5555571f19325p-3)) (f64.const 0x1.000000000037p-1))
            (f64.mul (local.get $square) (f64.const 0x1.55551f61980d6p-5)))
          (local.get $square))
        (f64.add (local.get $r) (f64.load $tables (local.get $entry))))
      (local.get $power))
    (local.get $power)))

;; e^(x + low) where that may be no normal number, or x no number. The power is taken without its exponent.
(func $exp_far (param $x f64) (param $low f64) (result f64)
  (local $sum f64) (local $n i32) (local $r f64) (local $square f64) (local $power f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.gt (local.get $x) (f64.const 710)) (then (return (f64.const inf))))
  (if (f64.lt (local.get $x) (f64.const -746)) (then (return (f64.const 0))))
  (local.set $sum (f64.nearest
    (f64.mul (f64.add (local.get $x) (local.get $low)) (f64.const 0x1.71547652b82fep+8))))
  (local.set $n (i32.trunc_f64_s (local.get $sum)))
  (local.set $r (f64.add
    (f64.sub
      (f64.sub (local.get $x) (f64.mul (local.get $sum) (f64.const 0x1.62e42feep-9)))
      (f64.mul (local.get $sum) (f64.const 0x1.a39ef35793c76p-41)))
    (local.get $low)))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (call $scale_power
    (local.get $n)
    (f64.add
      (f64.mul
        (f64.add
          (f64.add (f64.mul (local.get $r) (f64.const 0x1.5555571f19325p-3)) (f64.const 0x1.000000000037p-1))
          (f64.mul (local.get $square) (f64.const 0x1.55551f61980d6p-5)))
        (local.get $square))
      (local.get $r))))

;; 2^(n/256) (1 + fraction).
(func $scale_power (param $n i32) (param $fraction f64) (result f64)
  (local $entry i32) (local $power f64)
  (local.set $entry (i32.and (i32.shl (local.get $n) (i32.const 4)) (i32.const 0xff0)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.load $tables offset=8 (local.get $entry))
    (i64.shl (i64.extend_i32_u (i32.and (local.get $n) (i32.const 255))) (i64.const 44)))))
  (call $scale_sum
    (local.get $power)
    (f64.mul (f64.add (local.get $fraction) (f64.load $tables (local.get $entry))) (local.get $power))
    (i32.shr_s (local.get $n) (i32.const 8))))

;; double exp2(double x): exact for integers. As exp; n and r come without rounding.
(func $exp2 (export "exp2") (param $x f64) (result f64)
  (local $sum f64) (local $n i64) (local $entry i32) (local $r f64) (local $square f64) (local $power f64)
  (if (f64.ge (f64.mul (local.get $x) (local.get $x)) (f64.const 1000000))
    (then (return (call $exp2_far (local.get $x)))))
  (local.set $sum (f64.add (local.get $x) (f64.const 0x1.8p44)))
  (local.set $n (i64.reinterpret_f64 (local.get $sum)))
  (local.set $entry (i32.and (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 4)) (i32.const 0xff0)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.shl (local.get $n) (i64.const 44))
    (i64.load $tables offset=8 (local.get $entry)))))
  (local.set $r (f64.sub (local.get $x) (f64.sub (local.get $sum) (f64.const 0x1.8p44))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  ;; 2^r - 1 within 2^-58.5 (Remez's algorithm).
  (f64.add
    (f64.mul
      (f64.add
        (f64.mul
          (f64.add
            (f64.add (f64.mul (local.get $r) (f64.const 0x1.c6b090defe9d9p-5)) (f64.const 0x1.ebfbdff82c574p-3))
            (f64.mul (local.get $square) (f64.const 0x1.3b2ab36f26074p-7)))
          (local.get $square))
        (f64.add (f64.mul (local.get $r) (f64.const 0x1.62e42fefa39b8p-1)) (f64.load $tables (local.get $entry))))
      (local.get $power))
    (local.get $power)))

;; 2^x where that may be no normal number, or x no number.
(func $exp2_far (param $x f64) (result f64)
  (local $sum f64) (local $r f64) (local $square f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.ge (local.get $x) (f64.const 1024)) (then (return (f64.const inf))))
  (if (f64.le (local.get $x) (f64.const -1075)) (then (return (f64.const 0))))
  (local.set $sum (f64.nearest (f64.mul (local.get $x) (f64.const 256))))
  (local.set $r (f64.sub (local.get $x) (f64.mul (local.get $sum) (f64.const 0x1p-8))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (call $scale_power
    (i32.trunc_f64_s (local.get $sum))
    (f64.add
      (f64.mul
        (f64.add
          (f64.add (f64.mul (local.get $r) (f64.const 0x1.c6b090defe9d9p-5)) (f64.const 0x1.ebfbdff82c574p-3))
          (f64.mul (local.get $square) (f64.const 0x1.3b2ab36f26074p-7)))
        (local.get $square))
      (f64.mul (local.get $r) (f64.const 0x1.62e42fefa39b8p-1)))))
