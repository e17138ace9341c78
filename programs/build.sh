#!/usr/bin/env bash
# Compiles every C program of this folder to WebAssembly: programs/build.sh FOLDER makes FOLDER/NAME.wasm.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
flags=(--target=wasm32-wasi -O3 -mno-bulk-memory -Wall -Wextra "-Wl,--strip-debug")
# Any of these will do; the first is the one that the figures in the documentation come from.
versions="19 20 21 18 17 16 15 14"

main() {
    local folder=$1 clang source wasm
    mkdir -p "$folder"
    clang=$(find_clang) || {
        install_clang
        clang=$(find_clang) || {
            echo "No clang here compiles for WebAssembly: it takes clang, lld, wasi-libc and compiler-rt for wasm32" >&2
            exit 1
        }
    }
    for source in "$here"/*.c; do
        wasm=$folder/$(basename "$source" .c).wasm
        if [ "$source" -nt "$wasm" ] || [ "$here/build.sh" -nt "$wasm" ]; then
            echo "$(basename "$clang"): $(basename "$source") -> $wasm"
            "$clang" "${flags[@]}" "$source" -o "$wasm.new"
            mv "$wasm.new" "$wasm"
        fi
    done
}

# A clang that compiles and links for WASI.
find_clang() {
    local version
    for version in $versions; do
        if echo 'int main(void) { return 0; }' | "clang-$version" "${flags[@]}" -x c - -o /dev/null 2> /dev/null; then
            command -v "clang-$version"
            return
        fi
    done
    return 1
}

install_clang() {
    local version
    if command -v apt-cache > /dev/null && ! version=$(offered_version); then
        "$here/../grub/packages.sh" --update
        version=$(offered_version) || true
    fi
    version=${version:-19}
    "$here/../grub/packages.sh" "clang-$version" "lld-$version" wasi-libc "libclang-rt-$version-dev-wasm32"
}

# The first version that apt knows, with its runtime for WebAssembly.
offered_version() {
    local version
    for version in $versions; do
        if apt-cache show "clang-$version" > /dev/null 2>&1 &&
            apt-cache show "libclang-rt-$version-dev-wasm32" > /dev/null 2>&1; then
            echo "$version"
            return
        fi
    done
    return 1
}

main "$@"
