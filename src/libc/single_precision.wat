;; The float functions of the mathematics that are not exact: the double function, rounded. That is off by half a unit
;; of a float and the little that the double function is off, 2^-29 of such units.

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

(func $expf (export "expf") (param $x f32) (result f32)
  (f32.demote_f64 (call $exp (f64.promote_f32 (local.get $x)))))

(func $exp2f (export "exp2f") (param $x f32) (result f32)
  (f32.demote_f64 (call $exp2 (f64.promote_f32 (local.get $x)))))

(func $logf (export "logf") (param $x f32) (result f32)
  (f32.demote_f64 (call $log (f64.promote_f32 (local.get $x)))))

(func $log2f (export "log2f") (param $x f32) (result f32)
  (f32.demote_f64 (call $log2 (f64.promote_f32 (local.get $x)))))

(func $log10f (export "log10f") (param $x f32) (result f32)
  (f32.demote_f64 (call $log10 (f64.promote_f32 (local.get $x)))))

(func $cbrtf (export "cbrtf") (param $x f32) (result f32)
  (f32.demote_f64 (call $cbrt (f64.promote_f32 (local.get $x)))))

(func $atan2f (export "atan2f") (param $y f32) (param $x f32) (result f32)
  (f32.demote_f64 (call $atan2 (f64.promote_f32 (local.get $y)) (f64.promote_f32 (local.get $x)))))

(func $powf (export "powf") (param $x f32) (param $y f32) (result f32)
  (f32.demote_f64 (call $pow (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))

(func $hypotf (export "hypotf") (param $x f32) (param $y f32) (result f32)
  (f32.demote_f64 (call $hypot (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))
