#!/usr/bin/env bash
# Gets the C libraries that packages carry, into FOLDER, and prints a line ORIGIN=ARCHIVE[,ARCHIVE]... for each:
# src/libc/known/generate/libraries.sh FOLDER.
#
# Debian's are there as packages, Rust's are in its components for the target, Zig compiles its own for a program of each
# optimisation level, and one of the npm packages that bring a clang to the browser has a sysroot.
set -euo pipefail

readonly DEBIAN=/usr/lib/wasm32-wasi
readonly RUST="1.83.0 1.85.0 1.88.0 1.91.0 1.95.0"
readonly ZIG="0.13.0 0.14.1 0.15.2 0.16.0 0.17.1"
readonly LEVELS="0 2 s"
readonly CLANG="21.1.4-3 22.0.0-git20542-10"

main() {
    folder=$1
    mkdir -p "$folder"
    echo "Debian 12, wasi-libc 0.0~git20220510=$DEBIAN/libc.a,$DEBIAN/libm.a"
    local version level
    for version in $RUST; do rust "$version" || left_out "Rust $version"; done
    for version in $CLANG; do clang "$version" || left_out "npm @yowasp/clang $version"; done
    for version in $ZIG; do
        for level in $LEVELS; do zig "$version" "$level" || left_out "Zig $version -O$level"; done
    done
}

# The standard library's component, which has wasi-libc inside, and compiler-builtins, which has some of its functions.
rust() {
    local name=rust-std-$1-wasm32-wasip1 lib
    if [ ! -d "$folder/$name" ]; then
        curl --fail --silent --location "https://static.rust-lang.org/dist/$name.tar.xz" -o "$folder/$name.tar.xz"
        tar --extract --file "$folder/$name.tar.xz" --directory "$folder"
    fi
    lib=$folder/$name/rust-std-wasm32-wasip1/lib/rustlib/wasm32-wasip1/lib
    echo "Rust $1, wasm32-wasip1=$lib/self-contained/libc.a,$(echo "$lib"/libcompiler_builtins-*.rlib)"
}

clang() {
    local at=$folder/clang-$1 archive
    if [ ! -d "$at" ]; then
        mkdir "$at.new"
        (cd "$at.new" && npm pack --silent "@yowasp/clang@$1" > /dev/null && tar --extract --file ./*.tgz && unpack)
        mv "$at.new" "$at"
    fi
    archive=$(find "$at" -path '*wasm32-wasi*' -name libc.a | grep -v threads | head -n 1)
    [ -n "$archive" ] && echo "npm @yowasp/clang $1=$archive"
}

# The sysroot is an archive in the package.
unpack() {
    local tar
    find . -name '*.tar' | while read -r tar; do tar --extract --file "$tar"; done
}

# A program that needs all of a library has it compiled into a cache.
zig() {
    local tools=$folder/zig-$1 cache=$folder/zig-$1-O$2 archives
    [ -d "$tools" ] || python3 -m pip install --quiet --disable-pip-version-check --target "$tools" "ziglang==$1"
    if [ ! -e "$cache/done" ]; then
        echo '#include <math.h>
            int main(int argc, char **argv) { return (int)pow(argc, 1.5); }' > "$folder/program.c"
        ZIG_GLOBAL_CACHE_DIR=$cache ZIG_LOCAL_CACHE_DIR=$cache "$tools/ziglang/zig" cc --target=wasm32-wasi "-O$2" \
            "$folder/program.c" -o "$folder/program.wasm" -lm > "$cache.log" 2>&1
        touch "$cache/done"
    fi
    archives=$(find "$cache" -name 'lib*.a' | sort -r | paste --serial --delimiters=,)
    echo "PyPI ziglang $1, -O$2=$archives"
}

left_out() {
    echo "went without $1, which could not be made here" >&2
}

main "$@"
