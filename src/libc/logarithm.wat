;; Logarithms (C11, 7.12.6).
;;
;; x = 2^k z with z from 0.701 to 1.402, and z / c is 1 + r for the number c of a table that z is near to, with |r| below
;; 0.0045: log x = k ln 2 + log c + log(1 + r), the last as a short polynomial (P. T. P. Tang, "Table-driven implementation
;; of the logarithm function in IEEE floating-point arithmetic", 1990). The bits of x less those of 0.701 have k as their
;; exponent field, and then the number of the entry.
;;
;; c has 13 bits, so that z - c is exact. r is taken apart into upper + lower, the first a multiple of 2^-33 with 26 bits, so
;; that upper * c is exact, which gives the lower part what the division by c lost. k ln 2 and log c have their first parts
;; as multiples of 2^-42: with upper, their sum is exact, too. Near 1, c is 1, and the sum is upper.

;; double log(double x).
(func $log (export "log") (param $x f64) (result f64)
  (local $bits i64) (local $more f64) (local $moved i64) (local $entry i32) (local $k f64) (local $z f64)
  (local $distance f64) (local $r f64) (local $square f64) (local $upper f64) (local $lower f64)
  (local.set $bits (i64.reinterpret_f64 (local.get $x)))
  ;; No normal number above 0.
  (if (i32.ge_u
        (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 32))) (i32.const 0x00100000))
        (i32.const 0x7fe00000))
    (then
      (if (call $has_no_logarithm (local.get $x)) (then (return (call $logarithm_of_special (local.get $x)))))
      (local.set $bits (i64.reinterpret_f64 (f64.mul (local.get $x) (f64.const 0x1p54))))
      (local.set $more (f64.const -54))))
  (local.set $moved (i64.sub (local.get $bits) (i64.const 0x3fe6700000000000)))
  (local.set $entry (i32.and
    (i32.wrap_i64 (i64.shr_u (local.get $moved) (i64.const 40)))
    (i32.const 0xfe0)))
  (local.set $z (f64.reinterpret_i64 (i64.sub
    (local.get $bits)
    (i64.and (local.get $moved) (i64.const 0xfff0000000000000)))))
  (local.set $distance (f64.sub (local.get $z) (f64.load $tables offset=4104 (local.get $entry))))
  (local.set $r (f64.mul (local.get $distance) (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $k (f64.add
    (f64.convert_i32_s (i32.wrap_i64 (i64.shr_s (local.get $moved) (i64.const 52))))
    (local.get $more)))
  (local.set $upper (f64.sub (f64.add (local.get $r) (f64.const 0x1.8p19)) (f64.const 0x1.8p19)))
  (local.set $lower
    (f64.mul
      (f64.sub
        (local.get $distance)
        (f64.mul (local.get $upper) (f64.load $tables offset=4104 (local.get $entry))))
      (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  ;; log(1 + r) - r within 2^-61.6 r (an interpolation at Chebyshev's points).
  (f64.add
    (f64.add
      (f64.add
        (f64.add
          (f64.mul (local.get $k) (f64.const 0x1.ef35793c7673p-45))
          (f64.load $tables offset=4120 (local.get $entry)))
        (local.get $lower))
      (f64.mul
        (f64.add
          (f64.add
            (f64.sub (f64.mul (local.get $r) (f64.const 0x1.5555555555555p-2)) (f64.const 0.5))
            (f64.mul
              (f64.add
                (f64.mul (local.get $r) (f64.const 0x1.999999991edc7p-3))
                (f64.const -0x1.ffffffff7319dp-3))
              (local.get $square)))
          (f64.mul
            (f64.add (f64.mul (local.get $r) (f64.const 0x1.2493c12061c15p-3)) (f64.const -0x1.5556fe0374498p-3))
            (f64.mul (local.get $square) (local.get $square))))
        (local.get $square)))
    (f64.add
      (f64.add
        (f64.mul (local.get $k) (f64.const 0x1.62e42fefa38p-1))
        (f64.load $tables offset=4112 (local.get $entry)))
      (local.get $upper))))

(func $has_no_logarithm (param $x f64) (result i32)
  (i32.eqz (i32.and (f64.gt (local.get $x) (f64.const 0)) (f64.lt (local.get $x) (f64.const inf)))))

;; -infinity for zeros, infinity for itself, a NaN for the rest.
(func $logarithm_of_special (param $x f64) (result f64)
  (if (f64.eq (local.get $x) (f64.const 0)) (then (return (f64.const -inf))))
  (if (f64.gt (local.get $x) (f64.const 0)) (then (return (local.get $x))))
  (f64.div (f64.sub (local.get $x) (local.get $x)) (f64.const 0)))

;; double log2(double x): exact for powers of two.
(func $log2 (export "log2") (param $x f64) (result f64)
  (local $bits i64) (local $more f64) (local $moved i64) (local $entry i32) (local $k f64)
  (local.set $bits (i64.reinterpret_f64 (local.get $x)))
  ;; No normal number above 0.
  (if (i32.ge_u
        (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 32))) (i32.const 0x00100000))
        (i32.const 0x7fe00000))
    (then
      (if (call $has_no_logarithm (local.get $x)) (then (return (call $logarithm_of_special (local.get $x)))))
      (local.set $bits (i64.reinterpret_f64 (f64.mul (local.get $x) (f64.const 0x1p54))))
      (local.set $more (f64.const -54))))
  (local.set $moved (i64.sub (local.get $bits) (i64.const 0x3fe6700000000000)))
  (local.set $entry (i32.and
    (i32.wrap_i64 (i64.shr_u (local.get $moved) (i64.const 40)))
    (i32.const 0xfe0)))
  (local.set $k (f64.add
    (f64.convert_i32_s (i32.wrap_i64 (i64.shr_s (local.get $moved) (i64.const 52))))
    (local.get $more)))
  (call $log_in_base
    (local.get $bits)
    (f64.add (local.get $k) (f64.load $tables offset=8192 (local.get $entry)))
    (f64.load $tables offset=8200 (local.get $entry))
    (f64.const 0x1.71547652b82fep+0)
    (f64.const 0x1.715476p+0)
    (f64.const 0x1.4ae0bf85ddf44p-26)))

;; double log10(double x).
(func $log10 (export "log10") (param $x f64) (result f64)
  (local $bits i64) (local $more f64) (local $moved i64) (local $entry i32) (local $k f64)
  (local.set $bits (i64.reinterpret_f64 (local.get $x)))
  ;; No normal number above 0.
  (if (i32.ge_u
        (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 32))) (i32.const 0x00100000))
        (i32.const 0x7fe00000))
    (then
      (if (call $has_no_logarithm (local.get $x)) (then (return (call $logarithm_of_special (local.get $x)))))
      (local.set $bits (i64.reinterpret_f64 (f64.mul (local.get $x) (f64.const 0x1p54))))
      (local.set $more (f64.const -54))))
  (local.set $moved (i64.sub (local.get $bits) (i64.const 0x3fe6700000000000)))
  (local.set $entry (i32.and
    (i32.wrap_i64 (i64.shr_u (local.get $moved) (i64.const 40)))
    (i32.const 0xfe0)))
  (local.set $k (f64.add
    (f64.convert_i32_s (i32.wrap_i64 (i64.shr_s (local.get $moved) (i64.const 52))))
    (local.get $more)))
  (call $log_in_base
    (local.get $bits)
    (f64.add
      (f64.mul (local.get $k) (f64.const 0x1.34413509f7p-2))
      (f64.load $tables offset=8208 (local.get $entry)))
    (f64.add
      (f64.mul (local.get $k) (f64.const 0x1.3fde623e2566bp-43))
      (f64.load $tables offset=8216 (local.get $entry)))
    (f64.const 0x1.bcb7b1526e50ep-2)
    (f64.const 0x1.bcb7b1p-2)
    (f64.const 0x1.49b9438ca9aaep-28)))

;; high + low + log(1 + r) times $factor, which is there in two parts, too. Its first part has 26 bits, and so has that of r
;; here: their product is exact.
(func $log_in_base
  (param $bits i64) (param $high f64) (param $low f64)
  (param $factor f64) (param $factor_high f64) (param $factor_low f64)
  (result f64)
  (local $moved i64) (local $entry i32) (local $z f64) (local $distance f64) (local $r f64) (local $square f64)
  (local $upper f64) (local $product f64) (local $sum f64) (local $lower f64)
  (local.set $moved (i64.sub (local.get $bits) (i64.const 0x3fe6700000000000)))
  (local.set $entry (i32.and
    (i32.wrap_i64 (i64.shr_u (local.get $moved) (i64.const 40)))
    (i32.const 0xfe0)))
  (local.set $z (f64.reinterpret_i64 (i64.sub
    (local.get $bits)
    (i64.and (local.get $moved) (i64.const 0xfff0000000000000)))))
  (local.set $distance (f64.sub (local.get $z) (f64.load $tables offset=4104 (local.get $entry))))
  (local.set $r (f64.mul (local.get $distance) (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $upper (f64.reinterpret_i64 (i64.and
    (i64.reinterpret_f64 (local.get $r))
    (i64.const 0xfffffffff8000000))))
  (local.set $lower
    (f64.mul
      (f64.sub
        (local.get $distance)
        (f64.mul (local.get $upper) (f64.load $tables offset=4104 (local.get $entry))))
      (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $product (f64.mul (local.get $upper) (local.get $factor_high)))
  (local.set $sum (f64.add (local.get $high) (local.get $product)))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (f64.add
    (f64.add
      (f64.add
        (f64.add
          (f64.add (f64.sub (local.get $high) (local.get $sum)) (local.get $product))
          (f64.add (f64.mul (local.get $upper) (local.get $factor_low)) (local.get $low)))
        (f64.mul (local.get $lower) (local.get $factor)))
      (f64.mul
        (f64.mul
          (f64.add
            (f64.add
              (f64.sub (f64.mul (local.get $r) (f64.const 0x1.5555555555555p-2)) (f64.const 0.5))
              (f64.mul
                (f64.add
                  (f64.mul (local.get $r) (f64.const 0x1.999999991edc7p-3))
                  (f64.const -0x1.ffffffff7319dp-3))
                (local.get $square)))
            (f64.mul
              (f64.add (f64.mul (local.get $r) (f64.const 0x1.2493c12061c15p-3)) (f64.const -0x1.5556fe0374498p-3))
              (f64.mul (local.get $square) (local.get $square))))
          (local.get $square))
        (local.get $factor)))
    (local.get $sum)))
