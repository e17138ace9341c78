#!/usr/bin/env bash
# Makes images of disks that are somebody else's, without root.
#
#   tests/disks/foreign.sh FOLDER
set -euo pipefail

main() {
    cd -- "$1"
    PATH=$PATH:/sbin:/usr/sbin
    mkdir content
    head -c 100000 /dev/urandom > content/file

    blank ext4 16
    mkfs.ext4 -q -F -d content ext4
    blank ntfs 16
    mkntfs --quiet --fast --force ntfs > /dev/null 2>&1
    blank fat32 64
    mkfs.fat -F 32 fat32 > /dev/null
    blank luks 32
    printf secret | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 luks -
    blank lvm 16
    physical_volume lvm
    blank gpt 16
    sfdisk --quiet gpt <<< 'label: gpt'
    blank mbr 16
    printf 'label: dos\n2048,8192,83\n10240,,0c\n' | sfdisk --quiet mbr
    head -c 8M /dev/urandom > random
    rm -r content
}

# An image of $2 MiB.
blank() {
    truncate --size "$2M" "$1"
}

# Writes the label of an LVM physical volume, whose own tools want a block device: sector 1, with the checksum of what
# follows it, a type, an identifier and the size (lib/label/label.h of LVM2).
physical_volume() {
    printf 'LABELONE\1\0\0\0\0\0\0\0\221\007\333\053\40\0\0\0LVM2 001abcdefghijklmnopqrstuvwxyz012345' |
        dd of="$1" bs=512 seek=1 conv=notrunc status=none
    head -c 4096 /dev/urandom | dd of="$1" bs=512 seek=8 conv=notrunc status=none
}

main "$@"
