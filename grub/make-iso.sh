#!/usr/bin/env bash
# Makes an ISO that boots the kernel under BIOS and UEFI.
#
#   grub/make-iso.sh OUT.iso KERNEL CMDLINE [--module FILE WORD...]...
#
# CMDLINE is the kernel's command line, words separated by spaces. The first module is the program, and its words are
# its arguments, argv[0] first. Every other module is a file, and its word is the name under which the program sees
# it. A word is not empty and may hold any character except a newline. GRUB hands the words to the kernel joined by
# spaces; it puts those that hold a space in double quotes, and a backslash before every quote and backslash.
set -euo pipefail

# What grub.cfg needs, and the partition maps that grub-mkrescue's own start-up names.
readonly GRUB_MODULES="normal multiboot2 iso9660 search search_fs_file serial terminal echo part_acorn part_amiga
    part_apple part_bsd part_dfly part_dvh part_gpt part_msdos part_plan part_sun part_sunpc"

main() {
    if [ $# -lt 3 ]; then
        echo "usage: grub/make-iso.sh OUT.iso KERNEL CMDLINE [--module FILE WORD...]..." >&2
        exit 2
    fi
    local out=$1 kernel=$2 cmdline=$3
    shift 3
    work=$(mktemp -d) # global: the trap runs after main has returned
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/iso/boot/grub"
    place "$kernel" "$work/iso/boot/kernel"
    # GRUB loads every section. The kernel wants its symbols, not the debugger's tables, which are as large again.
    objcopy --strip-debug "$work/iso/boot/kernel" 2> /dev/null || true
    entry "$work/iso" "$cmdline" "$@" > "$work/entry"
    sed -e "/^@ENTRY@\$/{r $work/entry" -e 'd}' "$(dirname "$0")/grub.cfg" > "$work/iso/boot/grub/grub.cfg"
    rescue "$work" "$out"
}

# Prints the multiboot2 and module2 lines, and puts the module files in place.
entry() {
    local iso=$1 cmdline=$2 number=0 words quoted
    shift 2
    read -ra words <<< "$cmdline"
    quoted=$(quote "${words[@]}")
    printf '    multiboot2 /boot/kernel%s\n' "$quoted"
    while [ $# -gt 0 ]; do
        if [ "$1" != --module ] || [ $# -lt 3 ]; then
            echo "make-iso: expected --module FILE WORD..., found: $*" >&2
            exit 2
        fi
        place "$2" "$iso/boot/module$number"
        shift 2
        words=()
        while [ $# -gt 0 ] && [ "$1" != --module ]; do
            words+=("$1")
            shift
        done
        quoted=$(quote "${words[@]}")
        printf '    module2 /boot/module%d%s\n' "$number" "$quoted"
        number=$((number + 1))
    done
}

# Every word with a space before it, quoted for GRUB's script language, which quotes as shells do.
quote() {
    local word
    for word in "$@"; do
        if [[ -z $word || $word == *$'\n'* ]]; then
            echo "make-iso: GRUB cannot pass on a word that is empty or holds a newline: '$word'" >&2
            exit 2
        fi
        printf " '%s'" "${word//\'/\'\\\'\'}"
    done
}

place() {
    if [ ! -r "$1" ]; then
        echo "make-iso: cannot read $1" >&2
        exit 1
    fi
    cp "$1" "$2"
}

# grub-mkrescue writes pages of progress; they are shown only if it fails.
rescue() {
    local work=$1 out=$2
    mkdir -p "$(dirname "$out")"
    if ! grub-mkrescue --install-modules="$GRUB_MODULES" --fonts= --locales= --themes= \
        --output="$work/out.iso" "$work/iso" > "$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "make-iso: grub-mkrescue failed; it needs grub-pc-bin, grub-efi-amd64-bin, xorriso and mtools" >&2
        exit 1
    fi
    mv "$work/out.iso" "$out"
}

main "$@"
