;; The float functions of the mathematics that are not exact: a double within 2^-31 of the result, rounded. Polynomials that
;; are said to be within an error of something interpolate it at Chebyshev's points.

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

;; float sinf(float x): as sin, without its last parts.
(func $sinf (export "sinf") (param $x f32) (result f32)
  (local $sum f64) (local $entry i32) (local $t f64) (local $square f64) (local $sine f64) (local $cosine f64)
  (if (f32.ge (f32.mul (local.get $x) (local.get $x)) (f32.const 0x1p31))
    (then (return (f32.demote_f64 (call $sin (f64.promote_f32 (local.get $x)))))))
  (local.set $sum (f64.add (f64.mul (f64.promote_f32 (local.get $x)) (f64.const 0x1.45f306dc9c883p+4)) (f64.const 0x1.8p52)))
  (local.set $t (f64.sub
    (f64.sub
      (f64.promote_f32 (local.get $x))
      (f64.mul (f64.sub (local.get $sum) (f64.const 0x1.8p52)) (f64.const 0x1.921fb544p-5)))
    (f64.mul (f64.sub (local.get $sum) (f64.const 0x1.8p52)) (f64.const 0x1.0b4611a626331p-39))))
  (local.set $square (f64.mul (local.get $t) (local.get $t)))
  (local.set $sine (f64.mul
    (f64.add
      (f64.mul
        (f64.add (f64.mul (local.get $square) (f64.const 0x1.1110105846d52p-7)) (f64.const -0x1.5555555506236p-3))
        (local.get $square))
      (f64.const 1))
    (local.get $t)))
  (local.set $cosine (f64.add
    (f64.mul
      (f64.add (f64.mul (local.get $square) (f64.const 0x1.5553941231051p-5)) (f64.const -0x1.fffffffeead14p-2))
      (local.get $square))
    (f64.const 1)))
  (local.set $entry (i32.and
    (i32.shl (i32.wrap_i64 (i64.reinterpret_f64 (local.get $sum))) (i32.const 5))
    (i32.const 0xfe0)))
  (f32.demote_f64 (f64.add
    (f64.mul (local.get $sine) (f64.add
      (f64.load $tables offset=12304 (local.get $entry))
      (f64.load $tables offset=12312 (local.get $entry))))
    (f64.mul (local.get $cosine) (f64.load $tables offset=12288 (local.get $entry))))))

;; float cosf(float x).
(func $cosf (export "cosf") (param $x f32) (result f32)
  (local $sum f64) (local $entry i32) (local $t f64) (local $square f64) (local $sine f64) (local $cosine f64)
  (if (f32.ge (f32.mul (local.get $x) (local.get $x)) (f32.const 0x1p31))
    (then (return (f32.demote_f64 (call $cos (f64.promote_f32 (local.get $x)))))))
  (local.set $sum (f64.add (f64.mul (f64.promote_f32 (local.get $x)) (f64.const 0x1.45f306dc9c883p+4)) (f64.const 0x1.8p52)))
  (local.set $t (f64.sub
    (f64.sub
      (f64.promote_f32 (local.get $x))
      (f64.mul (f64.sub (local.get $sum) (f64.const 0x1.8p52)) (f64.const 0x1.921fb544p-5)))
    (f64.mul (f64.sub (local.get $sum) (f64.const 0x1.8p52)) (f64.const 0x1.0b4611a626331p-39))))
  (local.set $square (f64.mul (local.get $t) (local.get $t)))
  (local.set $sine (f64.mul
    (f64.add
      (f64.mul
        (f64.add (f64.mul (local.get $square) (f64.const 0x1.1110105846d52p-7)) (f64.const -0x1.5555555506236p-3))
        (local.get $square))
      (f64.const 1))
    (local.get $t)))
  (local.set $cosine (f64.add
    (f64.mul
      (f64.add (f64.mul (local.get $square) (f64.const 0x1.5553941231051p-5)) (f64.const -0x1.fffffffeead14p-2))
      (local.get $square))
    (f64.const 1)))
  (local.set $entry (i32.and
    (i32.add
      (i32.shl (i32.wrap_i64 (i64.reinterpret_f64 (local.get $sum))) (i32.const 5))
      (i32.const 0x400))
    (i32.const 0xfe0)))
  (f32.demote_f64 (f64.add
    (f64.mul (local.get $sine) (f64.add
      (f64.load $tables offset=12304 (local.get $entry))
      (f64.load $tables offset=12312 (local.get $entry))))
    (f64.mul (local.get $cosine) (f64.load $tables offset=12288 (local.get $entry))))))

;; float tanf(float x): the sine over the cosine, both from one entry.
(func $tanf (export "tanf") (param $x f32) (result f32)
  (local $sum f64) (local $entry i32) (local $t f64) (local $square f64) (local $sine f64) (local $cosine f64)
  (local $cosine_of_entry f64)
  (if (f32.ge (f32.mul (local.get $x) (local.get $x)) (f32.const 0x1p31))
    (then (return (f32.demote_f64 (call $tan (f64.promote_f32 (local.get $x)))))))
  (local.set $sum (f64.add (f64.mul (f64.promote_f32 (local.get $x)) (f64.const 0x1.45f306dc9c883p+4)) (f64.const 0x1.8p52)))
  (local.set $t (f64.sub
    (f64.sub
      (f64.promote_f32 (local.get $x))
      (f64.mul (f64.sub (local.get $sum) (f64.const 0x1.8p52)) (f64.const 0x1.921fb544p-5)))
    (f64.mul (f64.sub (local.get $sum) (f64.const 0x1.8p52)) (f64.const 0x1.0b4611a626331p-39))))
  (local.set $square (f64.mul (local.get $t) (local.get $t)))
  (local.set $sine (f64.mul
    (f64.add
      (f64.mul
        (f64.add (f64.mul (local.get $square) (f64.const 0x1.1110105846d52p-7)) (f64.const -0x1.5555555506236p-3))
        (local.get $square))
      (f64.const 1))
    (local.get $t)))
  (local.set $cosine (f64.add
    (f64.mul
      (f64.add (f64.mul (local.get $square) (f64.const 0x1.5553941231051p-5)) (f64.const -0x1.fffffffeead14p-2))
      (local.get $square))
    (f64.const 1)))
  (local.set $entry (i32.and
    (i32.shl (i32.wrap_i64 (i64.reinterpret_f64 (local.get $sum))) (i32.const 5))
    (i32.const 0xfe0)))
  (local.set $cosine_of_entry
    (f64.add
      (f64.load $tables offset=12304 (local.get $entry))
      (f64.load $tables offset=12312 (local.get $entry))))
  (f32.demote_f64 (f64.div
    (f64.add
      (f64.mul (local.get $sine) (local.get $cosine_of_entry))
      (f64.mul (local.get $cosine) (f64.load $tables offset=12288 (local.get $entry))))
    (f64.sub
      (f64.mul (local.get $cosine) (local.get $cosine_of_entry))
      (f64.mul (local.get $sine) (f64.load $tables offset=12288 (local.get $entry)))))))

;; float asinf(float x). Above 1/2, pi/2 - 2 asin(s) for s = sqrt((1 - x) / 2).
(func $asinf (export "asinf") (param $x f32) (result f32)
  (local $a f64) (local $z f64)
  (local.set $a (f64.abs (f64.promote_f32 (local.get $x))))
  (if (f64.le (local.get $a) (f64.const 0.5))
    (then (return (f32.demote_f64 (call $short_arc
      (f64.promote_f32 (local.get $x))
      (f64.mul (local.get $a) (local.get $a)))))))
  (local.set $z (f64.sub (f64.const 0.5) (f64.mul (local.get $a) (f64.const 0.5))))
  (f32.copysign
    (f32.demote_f64 (f64.sub
      (f64.const 0x1.921fb54442d18p+0)
      (call $short_arc (f64.mul (f64.sqrt (local.get $z)) (f64.const 2)) (local.get $z))))
    (local.get $x)))

;; float acosf(float x): pi/2 - asin(x).
(func $acosf (export "acosf") (param $x f32) (result f32)
  (local $a f64) (local $z f64)
  (local.set $a (f64.promote_f32 (local.get $x)))
  (if (f64.le (f64.mul (local.get $a) (local.get $a)) (f64.const 0.25))
    (then (return (f32.demote_f64 (f64.sub
      (f64.const 0x1.921fb54442d18p+0)
      (call $short_arc (local.get $a) (f64.mul (local.get $a) (local.get $a))))))))
  (local.set $z (f64.sub (f64.const 0.5) (f64.mul (f64.abs (local.get $a)) (f64.const 0.5))))
  (f32.demote_f64 (f64.sub
    (f64.const 0x1.921fb54442d18p+0)
    (f64.copysign
      (f64.sub
        (f64.const 0x1.921fb54442d18p+0)
        (call $short_arc (f64.mul (f64.sqrt (local.get $z)) (f64.const 2)) (local.get $z)))
      (local.get $a)))))

;; x asin(s) / s for z = s^2 up to 1/4, asin(s) / s - 1 within 2^-33.
(func $short_arc (param $x f64) (param $z f64) (result f64)
  (local $z2 f64) (local $z4 f64)
  (local.set $z2 (f64.mul (local.get $z) (local.get $z)))
  (local.set $z4 (f64.mul (local.get $z2) (local.get $z2)))
  (f64.add
    (f64.mul
      (f64.mul (local.get $x) (local.get $z))
      (f64.add
        (f64.add
          (f64.add (f64.mul (local.get $z) (f64.const 0x1.33331ecf8b70bp-4)) (f64.const 0x1.5555555c0171dp-3))
          (f64.mul
            (f64.add (f64.mul (local.get $z) (f64.const 0x1.efedf83ab6506p-6)) (f64.const 0x1.6dc0f007c13e8p-5))
            (local.get $z2)))
        (f64.mul
          (f64.add
            (f64.add (f64.mul (local.get $z) (f64.const 0x1.5a80a068e3ee2p-7)) (f64.const 0x1.82db23768c84fp-6))
            (f64.mul
              (f64.const 0x1.fb7ca379d49c6p-6)
              (local.get $z2)))
          (local.get $z4))))
    (local.get $x)))

;; float atanf(float x). Above 1, pi/2 - atan(1 / x).
(func $atanf (export "atanf") (param $x f32) (result f32)
  (if (f32.gt (f32.abs (local.get $x)) (f32.const 1))
    (then
      (return (f32.copysign
        (f32.demote_f64 (f64.sub
          (f64.const 0x1.921fb54442d18p+0)
          (call $short_arc_tangent (f64.div (f64.const 1) (f64.abs (f64.promote_f32 (local.get $x)))))))
        (local.get $x)))))
  (f32.demote_f64 (call $short_arc_tangent (f64.promote_f32 (local.get $x)))))

;; float atan2f(float y, float x): the angle of (x, y), from the quotient that is not above 1.
(func $atan2f (export "atan2f") (param $y f32) (param $x f32) (result f32)
  (local $a f64) (local $b f64) (local $angle f64)
  (local.set $a (f64.abs (f64.promote_f32 (local.get $y))))
  (local.set $b (f64.abs (f64.promote_f32 (local.get $x))))
  ;; Zeros, infinities and NaNs.
  (if (i32.eqz (i32.and
        (f64.gt (f64.mul (local.get $a) (local.get $b)) (f64.const 0))
        (f64.lt (f64.mul (local.get $a) (local.get $b)) (f64.const inf))))
    (then (return (f32.demote_f64 (call $atan2 (f64.promote_f32 (local.get $y)) (f64.promote_f32 (local.get $x)))))))
  (if (f64.gt (local.get $a) (local.get $b))
    (then
      (local.set $angle (f64.sub
        (f64.const 0x1.921fb54442d18p+0)
        (call $short_arc_tangent (f64.div (local.get $b) (local.get $a))))))
    (else (local.set $angle (call $short_arc_tangent (f64.div (local.get $a) (local.get $b))))))
  (if (f32.lt (local.get $x) (f32.const 0))
    (then (local.set $angle (f64.sub (f64.const 0x1.921fb54442d18p+1) (local.get $angle)))))
  (f32.copysign (f32.demote_f64 (local.get $angle)) (local.get $y)))

;; atan(t) for |t| up to 1, within 2^-34.8 of t.
(func $short_arc_tangent (param $t f64) (result f64)
  (local $z f64) (local $z2 f64) (local $z4 f64) (local $z8 f64)
  (local.set $z (f64.mul (local.get $t) (local.get $t)))
  (local.set $z2 (f64.mul (local.get $z) (local.get $z)))
  (local.set $z4 (f64.mul (local.get $z2) (local.get $z2)))
  (local.set $z8 (f64.mul (local.get $z4) (local.get $z4)))
  (f64.mul
    (f64.add
      (f64.mul
        (f64.add
          (f64.add
            (f64.add
              (f64.add (f64.mul (local.get $z) (f64.const 0x1.9999971f594e7p-3)) (f64.const -0x1.555555543c557p-2))
              (f64.mul
                (f64.add (f64.mul (local.get $z) (f64.const 0x1.c70a6be6d4163p-4)) (f64.const -0x1.2491d128f2977p-3))
                (local.get $z2)))
            (f64.mul
              (f64.add
                (f64.add (f64.mul (local.get $z) (f64.const 0x1.36bfd2210f14ap-4)) (f64.const -0x1.73a719b0b93d9p-4))
                (f64.mul
                  (f64.add (f64.mul (local.get $z) (f64.const 0x1.837061ab40426p-5)) (f64.const -0x1.ffb2b9595f5b2p-5))
                  (local.get $z2)))
              (local.get $z4)))
          (f64.mul
            (f64.add
              (f64.add (f64.mul (local.get $z) (f64.const 0x1.cd243cc325c05p-7)) (f64.const -0x1.ea18af61c3e87p-6))
              (f64.mul
                (f64.add (f64.mul (local.get $z) (f64.const 0x1.36ecfc48d188bp-11)) (f64.const -0x1.14abab018547p-8))
                (local.get $z2)))
            (local.get $z8)))
        (local.get $z))
      (f64.const 1))
    (local.get $t)))

;; float cbrtf(float x): a third of the exponent and significand as they are gives 4 bits, and with the error r of its cube,
;; relative to x, (1 + r)^(-1/3) the rest, within 2^-33.
(func $cbrtf (export "cbrtf") (param $x f32) (result f32)
  (local $double f64) (local $upper i32) (local $magnitude i32) (local $root f64) (local $r f64) (local $r2 f64) (local $r4 f64)
  (local.set $double (f64.promote_f32 (local.get $x)))
  (local.set $upper (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $double)) (i64.const 32))))
  (local.set $magnitude (i32.and (local.get $upper) (i32.const 0x7fffffff)))
  ;; Zeros, infinities and NaNs: all others are from 2^-149 to 2^128.
  (if (i32.ge_u (i32.sub (local.get $magnitude) (i32.const 0x36a00000)) (i32.const 0x11500000))
    (then (return (f32.add (local.get $x) (local.get $x)))))
  (local.set $root (f64.reinterpret_i64 (i64.shl
    (i64.extend_i32_u (i32.or
      (i32.add
        (i32.wrap_i64 (i64.shr_u
          (i64.mul (i64.extend_i32_u (local.get $magnitude)) (i64.const 0x55555556))
          (i64.const 32)))
        (i32.const 715094163))
      (i32.and (local.get $upper) (i32.const 0x80000000))))
    (i64.const 32))))
  (local.set $r (f64.sub
    (f64.mul
      (f64.mul (f64.mul (local.get $root) (local.get $root)) (local.get $root))
      (f64.div (f64.const 1) (local.get $double)))
    (f64.const 1)))
  (local.set $r2 (f64.mul (local.get $r) (local.get $r)))
  (local.set $r4 (f64.mul (local.get $r2) (local.get $r2)))
  (f32.demote_f64 (f64.mul
    (f64.add
      (f64.add
        (f64.add (f64.mul (local.get $r) (f64.const -0x1.555555d4cef3ep-2)) (f64.const 0x1.0000000025b69p+0))
        (f64.mul
          (f64.add (f64.mul (local.get $r) (f64.const -0x1.61f626bf22b42p-3)) (f64.const 0x1.c71c6656196fdp-3))
          (local.get $r2)))
      (f64.mul
        (f64.add
          (f64.add (f64.mul (local.get $r) (f64.const -0x1.02cb6f873e43p-3)) (f64.const 0x1.27098a3850dd8p-3))
          (f64.mul
            (f64.const 0x1.bf921fbef92fep-4)
            (local.get $r2)))
        (local.get $r4)))
    (local.get $root))))

;; float hypotf(float x, float y): squares of floats are exact in doubles.
(func $hypotf (export "hypotf") (param $x f32) (param $y f32) (result f32)
  (local $sum f64)
  (local.set $sum (f64.add
    (f64.mul (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $x)))
    (f64.mul (f64.promote_f32 (local.get $y)) (f64.promote_f32 (local.get $y)))))
  ;; Infinities and NaNs.
  (if (i32.eqz (f64.lt (local.get $sum) (f64.const inf)))
    (then (return (f32.demote_f64 (call $hypot (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))))
  (f32.demote_f64 (f64.sqrt (local.get $sum))))
