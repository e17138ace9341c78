# From the loader's 32-bit protected mode to Rust in 64-bit long mode.
#
# In: EAX = Multiboot2 magic, EBX = physical address of the boot information, paging off.
# Out: `kernel_start(boot_information, ticks_at_entry)` on the kernel's own stack, with these mappings, which the
# kernel replaces by finer ones:
#     0                 4 GiB, identity: where this code runs; removed by the kernel
#     PHYSICAL_MAP      4 GiB, the same
#     KERNEL_BASE       1 GiB from physical 0: the kernel image
# Everything here is linked at its physical address.

.section .boot.text, "ax"
.code32
.global _start
_start:
    endbr32                                         # should the loader have left the tracking of branches (CET) on
    cli
    cld
    mov esp, offset boot_stack_top
    mov esi, offset message_no_multiboot2
    cmp eax, 0x36d76289
    jne boot_failed
    mov ebp, ebx                                    # CPUID overwrites EBX

    call check_long_mode
    rdtsc
    push edx                                        # popped as one 64-bit value in long mode
    push eax
    call build_page_tables
    call enable_paging
    lgdt [boot_gdt_pointer]
    # ljmp 8:long_mode; spelled in bytes, since assemblers differ in its syntax.
    .byte 0xea
    .long long_mode
    .short 8

# Returns if the CPU has long mode and no-execute pages; otherwise says so and stops.
check_long_mode:
    mov esi, offset message_no_long_mode
    pushfd                                          # CPUID exists if EFLAGS.ID can be changed
    pop eax
    mov ecx, eax
    xor eax, 1 << 21
    push eax
    popfd
    pushfd
    pop eax
    cmp eax, ecx
    je boot_failed
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb boot_failed
    mov eax, 0x80000001
    cpuid
    bt edx, 29                                      # LM
    jnc boot_failed
    mov esi, offset message_no_execute_disable
    bt edx, 20                                      # NX
    jnc boot_failed
    ret

# Fills the boot tables. Entry flags: 3 = present, writable; 0x83 = the same, 2 MiB page.
build_page_tables:
    mov edi, offset boot_directories                # 4 x 512 entries: 4 GiB of 2 MiB pages
    mov eax, 0x83
    mov ecx, 4 * 512
1:  mov [edi], eax
    mov dword ptr [edi + 4], 0
    add eax, 0x200000
    add edi, 8
    loop 1b

    mov edi, offset boot_low_pointers
    mov eax, offset boot_directories + 3
    mov ecx, 4
2:  mov [edi], eax
    add eax, 0x1000
    add edi, 8
    loop 2b

    mov dword ptr [boot_high_pointers + 8 * {KERNEL_POINTER}], offset boot_directories + 3
    mov dword ptr [boot_top_table], offset boot_low_pointers + 3
    mov dword ptr [boot_top_table + 8 * {PHYSICAL_MAP_SLOT}], offset boot_low_pointers + 3
    mov dword ptr [boot_top_table + 8 * 511], offset boot_high_pointers + 3
    ret

# Turns on paging, long mode, no-execute, write protection in ring 0, and SSE, and nothing else: whatever the firmware had
# set (57-bit addresses, process identifiers, protection keys, shadow stacks, caches off) is not. The kernel completes it.
enable_paging:
    mov eax, offset boot_top_table
    mov cr3, eax
    mov eax, (1 << 5) | (1 << 9) | (1 << 10)        # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov ecx, 0xc0000080                             # EFER
    mov eax, (1 << 8) | (1 << 11)                   # LME, NXE
    xor edx, edx
    wrmsr
    mov eax, (1 << 31) | (1 << 16) | (1 << 5) | (1 << 4) | (1 << 1) | 1     # PG, WP, NE, ET, MP, PE
    mov cr0, eax
    ret

# Prints the line at ESI on the first serial port and on the text screen, then stops. The emulator's exit device gets
# ExitCode::CannotBoot; a real machine halts.
boot_failed:
    call serial_setup
    mov edi, 0xb8000
1:  mov al, [esi]
    test al, al
    jz 2f
    cmp al, 10
    je 3f
    mov ah, 0x4f                                    # white on red
    mov [edi], ax
    add edi, 2
3:  call serial_put
    inc esi
    jmp 1b
2:  mov eax, {EXIT_CANNOT_BOOT}
    mov dx, {EXIT_PORT}
    out dx, eax
4:  hlt
    jmp 4b

# 115200 baud, 8 data bits, no parity, 1 stop bit.
serial_setup:
    mov dx, 0x3fb
    mov al, 0x80                                    # divisor latch
    out dx, al
    mov dx, 0x3f8
    mov al, 1
    out dx, al
    mov dx, 0x3f9
    mov al, 0
    out dx, al
    mov dx, 0x3fb
    mov al, 3
    out dx, al
    ret

# Sends AL; gives up waiting for a port that is not there.
serial_put:
    mov bl, al
    mov ecx, 100000
    mov dx, 0x3fd
1:  in al, dx
    test al, 0x20                                   # transmitter holding register empty
    jnz 2f
    loop 1b
2:  mov dx, 0x3f8
    mov al, bl
    out dx, al
    ret

.code64
long_mode:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    push 2                                          # no flag set
    popfq
    pop rsi                                         # ticks at entry
    mov edi, ebp                                    # boot information
    lea rsp, [{KERNEL_STACK} + {KERNEL_STACK_BYTES}]
    xor ebp, ebp                                    # ends every backtrace
    mov rax, offset {kernel_start}
    call rax
    ud2

.section .boot.rodata, "a"
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000                        # 64-bit code: present, executable, readable, L
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt
message_no_multiboot2:
    .asciz "BareFlow: not started by a Multiboot2 loader: boot its ISO, or use GRUB's multiboot2 command.\n"
message_no_long_mode:
    .asciz "BareFlow: this CPU has no 64-bit mode: use an x86-64 machine (under QEMU: qemu-system-x86_64 -cpu max).\n"
message_no_execute_disable:
    .asciz "BareFlow: this CPU reports no no-execute pages: enable NX (Execute Disable) in the firmware setup.\n"

.section .boot.bss, "aw", @nobits
.balign 4096
boot_top_table:     .skip 4096
boot_low_pointers:  .skip 4096
boot_high_pointers: .skip 4096
boot_directories:   .skip 4 * 4096
boot_stack:         .skip 512
boot_stack_top:
