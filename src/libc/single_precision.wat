;; The float functions of the mathematics that are not exact: a double within 2^-31 of the result, rounded. Where nothing
;; shorter is known that is the double function's.

(func $sinf (export "sinf") (param $x f32) (result f32)
  (f32.demote_f64 (call $sin (f64.promote_f32 (local.get $x)))))

(func $cosf (export "cosf") (param $x f32) (result f32)
  (f32.demote_f64 (call $cos (f64.promote_f32 (local.get $x)))))

(func $tanf (export "tanf") (param $x f32) (result f32)
  (f32.demote_f64 (call $tan (f64.promote_f32 (local.get $x)))))

(func $asinf (export "asinf") (param $x f32) (result f32)
  (f32.demote_f64 (call $asin (f64.promote_f32 (local.get $x)))))

(func $acosf (export "acosf") (param $x f32) (result f32)
  (f32.demote_f64 (call $acos (f64.promote_f32 (local.get $x)))))

(func $atanf (export "atanf") (param $x f32) (result f32)
  (f32.demote_f64 (call $atan (f64.promote_f32 (local.get $x)))))

(func $cbrtf (export "cbrtf") (param $x f32) (result f32)
  (f32.demote_f64 (call $cbrt (f64.promote_f32 (local.get $x)))))

(func $atan2f (export "atan2f") (param $y f32) (param $x f32) (result f32)
  (f32.demote_f64 (call $atan2 (f64.promote_f32 (local.get $y)) (f64.promote_f32 (local.get $x)))))

(func $hypotf (export "hypotf") (param $x f32) (param $y f32) (result f32)
  (f32.demote_f64 (call $hypot (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))

;; float expf(float x): exp without its last parts.
(func $expf (export "expf") (param $x f32) (result f32)
  (local $quotient f64) (local $sum f64) (local $n i64) (local $r f64) (local $power f64)
  (if (f32.ge (f32.mul (local.get $x) (local.get $x)) (f32.const 65536))
    (then (return (f32.demote_f64 (call $exp_far (f64.promote_f32 (local.get $x)) (f64.const 0))))))
  (local.set $quotient (f64.mul (f64.promote_f32 (local.get $x)) (f64.const 0x1.71547652b82fep+8)))
  (local.set $sum (f64.add (local.get $quotient) (f64.const 0x1.8p52)))
  (local.set $n (i64.reinterpret_f64 (local.get $sum)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.shl (local.get $n) (i64.const 44))
    (i64.load $tables offset=8
      (i32.and (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 4)) (i32.const 0xff0))))))
  (local.set $r (f64.sub (local.get $quotient) (f64.sub (local.get $sum) (f64.const 0x1.8p52))))
  ;; 2^(r/256) - 1 within 2^-33.2 (Remez's algorithm).
  (f32.demote_f64 (f64.mul
    (f64.add
      (f64.add (f64.mul (local.get $r) (f64.const 0x1.62e4354d75702p-9)) (f64.const 1))
      (f64.mul (f64.mul (local.get $r) (local.get $r)) (f64.const 0x1.ebfbdff58441p-19)))
    (local.get $power))))

;; float exp2f(float x).
(func $exp2f (export "exp2f") (param $x f32) (result f32)
  (local $sum f64) (local $n i64) (local $r f64) (local $power f64)
  (if (f32.ge (f32.mul (local.get $x) (local.get $x)) (f32.const 1000000))
    (then (return (f32.demote_f64 (call $exp2_far (f64.promote_f32 (local.get $x)))))))
  (local.set $sum (f64.add (f64.promote_f32 (local.get $x)) (f64.const 0x1.8p44)))
  (local.set $n (i64.reinterpret_f64 (local.get $sum)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.shl (local.get $n) (i64.const 44))
    (i64.load $tables offset=8
      (i32.and (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 4)) (i32.const 0xff0))))))
  (local.set $r (f64.sub (f64.promote_f32 (local.get $x)) (f64.sub (local.get $sum) (f64.const 0x1.8p44))))
  ;; 2^r - 1 within 2^-33.2 (Remez's algorithm).
  (f32.demote_f64 (f64.mul
    (f64.add
      (f64.add (f64.mul (local.get $r) (f64.const 0x1.62e4354d74c47p-1)) (f64.const 1))
      (f64.mul (f64.mul (local.get $r) (local.get $r)) (f64.const 0x1.ebfbdff5842d2p-3)))
    (local.get $power))))

;; float logf(float x): the first terms of log.
(func $logf (export "logf") (param $x f32) (result f32)
  (local $bits i32) (local $more i32) (local $moved i32) (local $entry i32) (local $k f64) (local $r f64)
  (local $square f64)
  (local.set $bits (i32.reinterpret_f32 (local.get $x)))
  ;; No normal number above 0.
  (if (i32.ge_u (i32.sub (local.get $bits) (i32.const 0x00800000)) (i32.const 0x7f000000))
    (then
      (if (call $has_no_logarithm (f64.promote_f32 (local.get $x)))
        (then (return (f32.demote_f64 (call $logarithm_of_special (f64.promote_f32 (local.get $x)))))))
      (local.set $bits (i32.reinterpret_f32 (f32.mul (local.get $x) (f32.const 0x1p24))))
      (local.set $more (i32.const -24))))
  (local.set $moved (i32.sub (local.get $bits) (i32.const 0x3f338000)))
  (local.set $entry (i32.and (i32.shr_u (local.get $moved) (i32.const 11)) (i32.const 0xfe0)))
  (local.set $r (f64.mul
    (f64.sub
      (f64.promote_f32 (f32.reinterpret_i32 (i32.sub
        (local.get $bits)
        (i32.and (local.get $moved) (i32.const 0xff800000)))))
      (f64.load $tables offset=4104 (local.get $entry)))
    (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (local.set $k (f64.convert_i32_s (i32.add (i32.shr_s (local.get $moved) (i32.const 23)) (local.get $more))))
  ;; log(1 + r) - r within 2^-35.5 r (an interpolation at Chebyshev's points).
  (f32.demote_f64 (f64.add
    (f64.add
      (f64.add
        (f64.mul (local.get $k) (f64.const 0x1.62e42fefa39efp-1))
        (f64.load $tables offset=4112 (local.get $entry)))
      (local.get $r))
    (f64.mul
      (f64.add
        (f64.sub (f64.mul (local.get $r) (f64.const 0x1.5556212dc088dp-2)) (f64.const 0x1.000000000099ep-1))
        (f64.mul (local.get $square) (f64.const -0x1.0000a8a9cc597p-2)))
      (local.get $square)))))

;; float log10f(float x): that times log10 e.
(func $log10f (export "log10f") (param $x f32) (result f32)
  (local $bits i32) (local $more i32) (local $moved i32) (local $entry i32) (local $k f64) (local $r f64)
  (local $square f64)
  (local.set $bits (i32.reinterpret_f32 (local.get $x)))
  ;; No normal number above 0.
  (if (i32.ge_u (i32.sub (local.get $bits) (i32.const 0x00800000)) (i32.const 0x7f000000))
    (then
      (if (call $has_no_logarithm (f64.promote_f32 (local.get $x)))
        (then (return (f32.demote_f64 (call $logarithm_of_special (f64.promote_f32 (local.get $x)))))))
      (local.set $bits (i32.reinterpret_f32 (f32.mul (local.get $x) (f32.const 0x1p24))))
      (local.set $more (i32.const -24))))
  (local.set $moved (i32.sub (local.get $bits) (i32.const 0x3f338000)))
  (local.set $entry (i32.and (i32.shr_u (local.get $moved) (i32.const 11)) (i32.const 0xfe0)))
  (local.set $r (f64.mul
    (f64.sub
      (f64.promote_f32 (f32.reinterpret_i32 (i32.sub
        (local.get $bits)
        (i32.and (local.get $moved) (i32.const 0xff800000)))))
      (f64.load $tables offset=4104 (local.get $entry)))
    (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (local.set $k (f64.convert_i32_s (i32.add (i32.shr_s (local.get $moved) (i32.const 23)) (local.get $more))))
  (f32.demote_f64 (f64.mul
    (f64.add
      (f64.add
        (f64.add
          (f64.mul (local.get $k) (f64.const 0x1.62e42fefa39efp-1))
          (f64.load $tables offset=4112 (local.get $entry)))
        (local.get $r))
      (f64.mul
        (f64.add
          (f64.sub (f64.mul (local.get $r) (f64.const 0x1.5556212dc088dp-2)) (f64.const 0x1.000000000099ep-1))
          (f64.mul (local.get $square) (f64.const -0x1.0000a8a9cc597p-2)))
        (local.get $square)))
    (f64.const 0x1.bcb7b1526e50ep-2))))

;; float log2f(float x).
(func $log2f (export "log2f") (param $x f32) (result f32)
  (local $bits i32) (local $more i32) (local $moved i32) (local $entry i32) (local $k f64) (local $r f64)
  (local $square f64)
  (local.set $bits (i32.reinterpret_f32 (local.get $x)))
  ;; No normal number above 0.
  (if (i32.ge_u (i32.sub (local.get $bits) (i32.const 0x00800000)) (i32.const 0x7f000000))
    (then
      (if (call $has_no_logarithm (f64.promote_f32 (local.get $x)))
        (then (return (f32.demote_f64 (call $logarithm_of_special (f64.promote_f32 (local.get $x)))))))
      (local.set $bits (i32.reinterpret_f32 (f32.mul (local.get $x) (f32.const 0x1p24))))
      (local.set $more (i32.const -24))))
  (local.set $moved (i32.sub (local.get $bits) (i32.const 0x3f338000)))
  (local.set $entry (i32.and (i32.shr_u (local.get $moved) (i32.const 11)) (i32.const 0xfe0)))
  (local.set $r (f64.mul
    (f64.sub
      (f64.promote_f32 (f32.reinterpret_i32 (i32.sub
        (local.get $bits)
        (i32.and (local.get $moved) (i32.const 0xff800000)))))
      (f64.load $tables offset=4104 (local.get $entry)))
    (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (local.set $k (f64.convert_i32_s (i32.add (i32.shr_s (local.get $moved) (i32.const 23)) (local.get $more))))
  ;; log2(1 + r) within 2^-36 r (an interpolation at Chebyshev's points).
  (f32.demote_f64 (f64.add
    (f64.add
      (f64.add (local.get $k) (f64.load $tables offset=8192 (local.get $entry)))
      (f64.mul (local.get $r) (f64.const 0x1.71547652a7ecdp+0)))
    (f64.mul
      (f64.add
        (f64.add (f64.mul (local.get $r) (f64.const 0x1.ec7225e1690bcp-2)) (f64.const -0x1.715476529d158p-1))
        (f64.mul (local.get $square) (f64.const -0x1.7155bd164267p-2)))
      (local.get $square)))))

;; float powf(float x, float y): 2^(y log2 x), the logarithm within 2^-45.
(func $powf (export "powf") (param $x f32) (param $y f32) (result f32)
  (local $bits i32) (local $more i32) (local $moved i32) (local $entry i32) (local $k f64) (local $r f64)
  (local $square f64)
  (local $product f64) (local $sum f64) (local $n i64) (local $power f64)
  (if (f32.eq (local.get $y) (f32.const 2)) (then (return (f32.mul (local.get $x) (local.get $x)))))
  (local.set $bits (i32.reinterpret_f32 (local.get $x)))
  ;; No normal number above 0, or y no number.
  (if (i32.or
        (i32.ge_u (i32.sub (local.get $bits) (i32.const 0x00800000)) (i32.const 0x7f000000))
        (i32.eqz (f32.lt (f32.abs (local.get $y)) (f32.const inf))))
    (then (return (f32.demote_f64 (call $pow (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))))
  (local.set $moved (i32.sub (local.get $bits) (i32.const 0x3f338000)))
  (local.set $entry (i32.and (i32.shr_u (local.get $moved) (i32.const 11)) (i32.const 0xfe0)))
  (local.set $r (f64.mul
    (f64.sub
      (f64.promote_f32 (f32.reinterpret_i32 (i32.sub
        (local.get $bits)
        (i32.and (local.get $moved) (i32.const 0xff800000)))))
      (f64.load $tables offset=4104 (local.get $entry)))
    (f64.load $tables offset=4096 (local.get $entry))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (local.set $k (f64.convert_i32_s (i32.shr_s (local.get $moved) (i32.const 23))))
  (local.set $product (f64.mul
    (f64.add
      (f64.add
        (f64.add
          (f64.add (local.get $k) (f64.load $tables offset=8192 (local.get $entry)))
          (f64.load $tables offset=8200 (local.get $entry)))
        (f64.mul (local.get $r) (f64.const 0x1.71547652b82fep+0)))
      (f64.add
        (f64.mul
          (f64.add (f64.mul (local.get $r) (f64.const 0x1.ec709dc32e807p-2)) (f64.const -0x1.71547652746ddp-1))
          (local.get $square))
        (f64.mul
          (f64.add (f64.mul (local.get $r) (f64.const 0x1.277821b60f30dp-2)) (f64.const -0x1.71560ec757c67p-2))
          (f64.mul (local.get $square) (local.get $square)))))
    (f64.promote_f32 (local.get $y))))
  (if (f64.ge (f64.mul (local.get $product) (local.get $product)) (f64.const 1000000))
    (then (return (f32.demote_f64 (call $exp2_far (local.get $product))))))
  (local.set $sum (f64.add (local.get $product) (f64.const 0x1.8p44)))
  (local.set $n (i64.reinterpret_f64 (local.get $sum)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.shl (local.get $n) (i64.const 44))
    (i64.load $tables offset=8
      (i32.and (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 4)) (i32.const 0xff0))))))
  (local.set $r (f64.sub (local.get $product) (f64.sub (local.get $sum) (f64.const 0x1.8p44))))
  (f32.demote_f64 (f64.mul
    (f64.add
      (f64.add (f64.mul (local.get $r) (f64.const 0x1.62e4354d74c47p-1)) (f64.const 1))
      (f64.mul (f64.mul (local.get $r) (local.get $r)) (f64.const 0x1.ebfbdff5842d2p-3)))
    (local.get $power))))
