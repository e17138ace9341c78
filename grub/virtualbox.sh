#!/usr/bin/env bash
# Makes a VirtualBox machine for an image of `bareflow image`, or of `./just image` or `./just iso`.
#
#   grub/virtualbox.sh [--dry-run] [--name NAME] [--ich9] [--efi] IMAGE
#
# IMAGE is a disk (.vdi or .vmdk, which the machine then uses as it is, and remembers in) or an .iso. The machine has the PIIX3
# chipset with an IDE controller, or with --ich9 an AHCI controller; a BIOS, or with --efi UEFI. What the kernel and the program
# write to the serial port is in a file beside IMAGE. --dry-run prints the commands and runs none.
set -euo pipefail

chipset=piix3
firmware=bios
storage=(--add ide --controller PIIX4)
name=
dry_run=
image=

main() {
    read_options "$@"
    [ -f "$image" ] || fail "there is no $image"
    local medium serial base
    medium=$(realpath -- "$image")
    base=$(basename -- "${image%.*}")
    : "${name:=$base}"
    serial=${medium%.*}.serial.txt
    local kind
    case $image in
        *.vdi | *.vmdk) kind=hdd ;;
        *.iso) kind=dvddrive ;;
        *) fail "VirtualBox does not write to $image: make a disk that it knows, with \`bareflow image $base.vdi ...\`" ;;
    esac
    [ -n "$dry_run" ] || command -v VBoxManage > /dev/null || fail "there is no VBoxManage: install VirtualBox, or see --dry-run"

    run VBoxManage createvm --name "$name" --ostype Other_64 --register
    run VBoxManage modifyvm "$name" --memory 256 --vram 16 --cpus 1 --ioapic on --rtcuseutc on \
        --chipset "$chipset" --firmware "$firmware" --graphicscontroller vmsvga --nic1 none \
        --uart1 0x3F8 4 --uartmode1 file "$serial"
    run VBoxManage storagectl "$name" --name disk "${storage[@]}" --bootable on
    run VBoxManage storageattach "$name" --storagectl disk --port 0 --device 0 --type "$kind" --medium "$medium"
    printf 'Start it with: VBoxManage startvm %q\nIts serial port: %s\n' "$name" "$serial"
}

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run) dry_run=1 ;;
            --name)
                [ $# -gt 1 ] || usage
                name=$2
                shift
                ;;
            --ich9)
                chipset=ich9
                storage=(--add sata --controller IntelAhci --portcount 1)
                ;;
            --efi) firmware=efi64 ;;
            -*) usage ;;
            *)
                [ -z "$image" ] || usage
                image=$1
                ;;
        esac
        shift
    done
    [ -n "$image" ] || usage
}

run() {
    if [ -n "$dry_run" ]; then
        printf '%q ' "$@" | sed 's/ $//'
        echo
    else
        "$@"
    fi
}

usage() {
    echo "usage: grub/virtualbox.sh [--dry-run] [--name NAME] [--ich9] [--efi] IMAGE" >&2
    exit 2
}

fail() {
    echo "virtualbox: $1" >&2
    exit 1
}

main "$@"
