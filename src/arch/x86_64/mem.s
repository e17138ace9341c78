# The memory functions that compiled Rust calls (System V calling convention). 16-byte moves and no loop per byte.
# Written in assembly, since a compiler would turn a loop that copies into a call of the very function.

.section .text.mem, "ax"
.code64

.macro function name
    .balign 16
    .global \name
    .type \name, @function
    \name:
.endm
.macro end_function name
    .size \name, . - \name
.endm

# void *memmove(void *to, const void *from, size_t bytes)
function memmove
    mov rax, rdi
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx                                    # unsigned: below only if `to` lies inside the source
    jae memcpy_body
    cmp rdx, 16
    jb copy_short
    # Backwards, 16 bytes at a time; the first 16 are loaded before anything is stored.
    movups xmm0, [rsi]
1:  cmp rdx, 16
    jbe 2f
    movups xmm1, [rsi + rdx - 16]
    movups [rdi + rdx - 16], xmm1
    sub rdx, 16
    jmp 1b
2:  movups [rdi], xmm0
    ret
end_function memmove

# void *memcpy(void *to, const void *from, size_t bytes)
function memcpy
    mov rax, rdi
memcpy_body:
    cmp rdx, 16
    jb copy_short
    # Forwards; the last 16 bytes are loaded before anything is stored, so that this serves memmove as well.
    movups xmm0, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 16]
    sub rdx, 64
    jb 2f
1:  movups xmm1, [rsi]
    movups xmm2, [rsi + 16]
    movups xmm3, [rsi + 32]
    movups xmm4, [rsi + 48]
    movups [rdi], xmm1
    movups [rdi + 16], xmm2
    movups [rdi + 32], xmm3
    movups [rdi + 48], xmm4
    add rsi, 64
    add rdi, 64
    sub rdx, 64
    jae 1b
2:  cmp rdi, r8
    jae 3f
    movups xmm1, [rsi]
    movups [rdi], xmm1
    add rsi, 16
    add rdi, 16
    jmp 2b
3:  movups [r8], xmm0
    ret

# Fewer than 16 bytes, overlapping or not: everything is loaded before anything is stored.
copy_short:
    cmp edx, 8
    jae 4f
    cmp edx, 4
    jae 3f
    cmp edx, 2
    jae 2f
    test edx, edx
    jz 1f
    mov cl, [rsi]
    mov [rdi], cl
1:  ret
2:  movzx ecx, word ptr [rsi]
    movzx r8d, word ptr [rsi + rdx - 2]
    mov [rdi], cx
    mov [rdi + rdx - 2], r8w
    ret
3:  mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
4:  mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
end_function memcpy

# void *memset(void *to, int byte, size_t bytes)
function memset
    mov rax, rdi
    movzx ecx, sil
    mov r8, 0x0101010101010101
    imul rcx, r8
    cmp rdx, 16
    jb 4f
    movq xmm0, rcx
    punpcklqdq xmm0, xmm0
    lea r8, [rdi + rdx - 16]
    sub rdx, 256
    jb 9f
    # Whole pages are cleared here: few instructions but the stores.
8:  .irp place, 0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240
    movups [rdi + \place], xmm0
    .endr
    add rdi, 256
    sub rdx, 256
    jae 8b
9:  add rdx, 256 - 64                               # no carry: fewer than 64 are left
    jnc 2f
1:  movups [rdi], xmm0
    movups [rdi + 16], xmm0
    movups [rdi + 32], xmm0
    movups [rdi + 48], xmm0
    add rdi, 64
    sub rdx, 64
    jae 1b
2:  cmp rdi, r8
    jae 3f
    movups [rdi], xmm0
    add rdi, 16
    jmp 2b
3:  movups [r8], xmm0
    ret
4:  cmp edx, 8
    jae 7f
    cmp edx, 4
    jae 6f
    test edx, edx
    jz 5f
    mov [rdi], cl
    mov [rdi + rdx - 1], cl
    cmp edx, 3
    jb 5f
    mov [rdi + 1], cl
5:  ret
6:  mov [rdi], ecx
    mov [rdi + rdx - 4], ecx
    ret
7:  mov [rdi], rcx
    mov [rdi + rdx - 8], rcx
    ret
end_function memset

# int memcmp(const void *left, const void *right, size_t bytes), and bcmp, of which only zero or not matters.
.global bcmp
.set bcmp, memcmp
function memcmp
    sub rdx, 8
    jb 2f
1:  mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 4f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    jae 1b
2:  add rdx, 8
    jz 5f
3:  movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    sub eax, ecx
    jnz 6f
    inc rdi
    inc rsi
    dec rdx
    jnz 3b
    ret
4:  bswap rax                                       # the first byte decides, so it must weigh most
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
    ret
5:  xor eax, eax
6:  ret
end_function memcmp

# size_t strlen(const char *string)
function strlen
    xor eax, eax
1:  cmp byte ptr [rdi + rax], 0
    je 2f
    inc rax
    jmp 1b
2:  ret
end_function strlen
