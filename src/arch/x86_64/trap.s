# Entries of all 256 vectors. Each pushes what a TrapFrame (interrupts.rs) holds, saves the vector state below it, and
# calls `dispatch(frame)`. The CPU has switched to an interrupt stack, so nobody's red zone is below.

.section .text.trap, "ax"
.code64

# 256 entries of 16 bytes. The CPU pushes an error code for vectors 8, 10 to 14, 17, 21, 29 and 30.
.balign 16
.global trap_entries
trap_entries:
.set vector_number, 0
.rept 256
    .balign 16
    .if (vector_number == 8) || (vector_number >= 10 && vector_number <= 14) || (vector_number == 17) || (vector_number == 21) || (vector_number == 29) || (vector_number == 30)
    .else
        push 0
    .endif
    push vector_number
    jmp trap_common
    .set vector_number, vector_number + 1
.endr

.balign 16
trap_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    mov rax, cr2
    push rax
    mov rdi, rsp
    mov rbx, rsp                                    # dispatch preserves RBX, and RBP still links to the interrupted code
    cld
    mov ecx, [rip + {AREA_BYTES}]
    sub rsp, rcx
    and rsp, -64
    cmp ecx, 512
    ja 1f
    fxsave64 [rsp]
    call {dispatch}
    fxrstor64 [rsp]
    jmp 2f

1:  xor eax, eax                                    # XRSTOR wants zeros where XSAVE writes nothing of its header
    .set header, 512
    .rept 8
    mov [rsp + header], rax
    .set header, header + 8
    .endr
    mov eax, -1                                     # every component that XCR0 enables
    mov edx, -1
    xsave64 [rsp]
    call {dispatch}
    mov eax, -1
    mov edx, -1
    xrstor64 [rsp]

2:  mov rsp, rbx
    add rsp, 8                                      # cr2
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16                                     # vector and error code
    iretq
