        .include "port.inc"
        .global main
main:   ldi r24, 0x20
1:      eor r25, r24
        out PORTB, r25
        rcall wait
        rjmp 1b
wait:   ldi r26, lo8(1000)
        ldi r27, hi8(1000)
2:      sbiw r26, 1
        brne 2b
        ret
