(set-logic QF_BV)
(declare-fun x () (_ BitVec 16))
; The square of an odd number is 1 modulo 8, never 3.
(assert (= ((_ extract 0 0) x) #b1))
(assert (= ((_ extract 2 0) (bvmul x x)) #b011))
(check-sat)
(exit)
