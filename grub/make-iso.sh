#!/usr/bin/env bash
# Makes an ISO that boots the kernel under BIOS and UEFI.
#
#   grub/make-iso.sh OUT.iso KERNEL [FILE]... < LINES
#
# The first FILE is the program, every other one a file for it. The first line of LINES is the kernel's command line; then
# there is one for each FILE: the program's arguments, argv[0] first, or the name under which the program sees the file.
# Words stand between spaces, and every byte that is not one of the characters below is written as % and two hexadecimal
# digits, so that GRUB finds nothing in a line that means something to it; %00 is an empty word.
set -euo pipefail
export LC_ALL=C # A range of characters is one of bytes.

readonly PLAIN='-A-Za-z0-9+,./:=@_~%'

# What grub.cfg needs, and the partition maps that grub-mkrescue's own start-up names.
readonly GRUB_MODULES="normal test all_video multiboot2 iso9660 search search_fs_file serial terminal echo part_acorn part_amiga
    part_apple part_bsd part_dfly part_dvh part_gpt part_msdos part_plan part_sun part_sunpc"

main() {
    if [ $# -lt 2 ]; then
        echo "usage: grub/make-iso.sh OUT.iso KERNEL [FILE]... < LINES" >&2
        exit 2
    fi
    local out=$1 kernel=$2
    shift 2
    work=$(mktemp -d) # global: the trap runs after main has returned
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/iso/boot/grub"
    place "$kernel" "$work/iso/boot/kernel"
    # GRUB loads every section. The kernel wants its symbols, not the debugger's tables, which are as large again.
    objcopy --strip-debug "$work/iso/boot/kernel" 2> /dev/null || true
    entry "$work/iso" "$@" > "$work/entry"
    sed -e "/^@ENTRY@\$/{r $work/entry" -e 'd}' -e "s/@SCREEN@/$(screen < "$work/entry")/" \
        "$(dirname -- "$0")/grub.cfg" > "$work/iso/boot/grub/grub.cfg"
    rescue "$work" "$out"
}

# Prints what gfxpayload becomes: by the word screen=WIDTHxHEIGHT of the kernel's line, the last one, or text.
screen() {
    local words word screen=text
    read -ra words
    for word in "${words[@]}"; do
        if [[ $word =~ ^screen=([0-9]+x[0-9]+)$ ]]; then
            screen=${BASH_REMATCH[1]}x32,${BASH_REMATCH[1]},auto
        elif [[ $word == screen=* && $word != screen=text ]]; then
            echo "make-iso: $word is neither screen=text nor, for example, screen=1024x768" >&2
            exit 2
        fi
    done
    echo "$screen"
}

# Prints the multiboot2 and module2 lines, and puts the module files in place.
entry() {
    local iso=$1 number=0 file line
    shift
    line=$(read_line "the kernel")
    echo "    multiboot2 /boot/kernel $line"
    for file in "$@"; do
        place "$file" "$iso/boot/module$number"
        line=$(read_line "$file")
        echo "    module2 /boot/module$number $line"
        number=$((number + 1))
    done
}

# The next line of the input, which is for $1.
read_line() {
    local line
    if ! IFS= read -r line; then
        echo "make-iso: there is no line for $1" >&2
        exit 2
    fi
    if [[ $line == *[!$PLAIN\ ]* ]]; then
        echo "make-iso: in the line for $1, write % and two hexadecimal digits for all but spaces and $PLAIN: ${line:0:200}" >&2
        exit 2
    fi
    printf '%s\n' "$line"
}

place() {
    if [ ! -r "$1" ]; then
        echo "make-iso: cannot read $1" >&2
        exit 1
    fi
    cp -- "$1" "$2"
}

# grub-mkrescue writes pages of progress; they are shown only if it fails.
rescue() {
    local work=$1 out=$2
    mkdir -p -- "$(dirname -- "$out")"
    if ! grub-mkrescue --install-modules="$GRUB_MODULES" --fonts= --locales= --themes= \
        --output="$work/out.iso" "$work/iso" > "$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "make-iso: grub-mkrescue failed; it needs grub-pc-bin, grub-efi-amd64-bin, xorriso and mtools" >&2
        exit 1
    fi
    mv -- "$work/out.iso" "$out"
}

main "$@"
