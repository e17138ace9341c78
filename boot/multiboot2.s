# The header by which GRUB recognises the kernel (Multiboot2 specification 2.0, section 3.1), and a PVH note, so that
# `qemu -kernel` reaches the entry as well and is told there what to do instead.

.section .multiboot2, "a"
.balign 8
multiboot2_header:
    .long 0xe85250d6                                # magic
    .long 0                                         # architecture: 32-bit protected mode of i386
    .long multiboot2_header_end - multiboot2_header
    .long 0x100000000 - (0xe85250d6 + 0 + (multiboot2_header_end - multiboot2_header))

    # Information request: the kernel cannot do without a memory map.
    .balign 8
    .short 1, 0
    .long 12
    .long 6

    # Console flags: text mode, if the machine has one.
    .balign 8
    .short 4, 1
    .long 12
    .long 2

    # Framebuffer, if the machine has no text mode: of any size.
    .balign 8
    .short 5, 1
    .long 20
    .long 0, 0, 32

    # Module alignment: modules start at page boundaries.
    .balign 8
    .short 6, 0
    .long 8

    # End.
    .balign 8
    .short 0, 0
    .long 8
multiboot2_header_end:

.section .note.pvh, "a", @note
.balign 4
    .long 4, 4, 18                                  # name size, value size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long _start
