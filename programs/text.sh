#!/usr/bin/env bash
# Writes a real English text of at least 100 kB for the sample program: programs/text.sh FILE. It is made of the licences
# that every Debian and Ubuntu machine carries, or else of this project's own texts, over and over.
set -euo pipefail

readonly MIN_BYTES=100000
readonly LICENCES="GPL-3 GPL-2 LGPL-2.1 GFDL-1.3 Apache-2.0"

main() {
    local out=$1 sources=() name
    [ ! -s "$out" ] || return 0
    for name in $LICENCES; do
        [ ! -r "/usr/share/common-licenses/$name" ] || sources+=("/usr/share/common-licenses/$name")
    done
    if [ ${#sources[@]} -eq 0 ]; then
        local root
        root=$(dirname "$(realpath "$0")")/..
        sources=("$root/LICENSE" "$root"/programs/*)
    fi
    mkdir -p "$(dirname "$out")"
    : > "$out.new"
    while [ "$(wc -c < "$out.new")" -lt $MIN_BYTES ]; do
        cat "${sources[@]}" >> "$out.new"
    done
    mv "$out.new" "$out"
    echo "$out: $(wc -c < "$out") bytes of text"
}

main "$@"
