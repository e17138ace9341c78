#!/usr/bin/env bash
# Boots a sample program in QEMU, each on a store of its own: programs/run.sh BAREFLOW [NAME] [WORD...]. Words go to the
# kernel's command line; without a name, or if the first word has a `=`, it is `concordance`.
set -euo pipefail

here=$(dirname "$(realpath "$0")")

main() {
    local bareflow=$1 name=concordance store files=() args=()
    shift
    if [ $# -gt 0 ] && [[ $1 != *=* ]]; then
        name=$1
        shift
    fi
    if [[ $name == */* ]] || [ ! -f "$here/$name.c" ]; then
        echo "There is no sample program called \"$name\". Words for the kernel follow a program's name. These there are:" >&2
        programs >&2
        exit 2
    fi
    if [ "$name" = concordance ]; then
        files=(--file target/run/text.txt)
        args=(text.txt)
    fi
    cd "$here/.."
    store=target/run/$name.img
    # It outlives builds: only the first run makes it, or the next after deleting it.
    [ -f "$store" ] || { mkdir -p target/run && "$bareflow" store format "$store"; }
    exec "$bareflow" boot --store "$store" --words "$*" "${files[@]}" "target/programs/$name.wasm" "${args[@]}"
}

# What README.md says of each.
programs() {
    sed -n 's/^| `\([a-z0-9_]*\)[^`]*` | \(.*\) |$/    \1\t\2/p' "$here/README.md" | expand -t 20
}

main "$@"
