#!/usr/bin/env bash
# Makes in FOLDER what `cargo bench --bench libc` compares with and replays: benches/libc/prepare.sh FOLDER COMMAND.
#
#   llvm-libc.so, musl.so   the functions compared, out of the static libraries of Debian's packages
#   concordance.trace       what the sample program asks of the heap, recorded by running it with COMMAND
#
# What cannot be made here is left out, and said; the benchmark runs with the rest.
set -uo pipefail

readonly FUNCTIONS="memcpy memmove memset memcmp memchr strlen strcmp strchr strstr"
here=$(dirname "$(realpath "$0")")
root=$here/../..

main() {
    local folder=$1 command=$2
    mkdir -p "$folder"
    package llvm-libc "$folder/llvm-libc.so" libllvmlibc-19-dev /usr/lib/llvm-19/lib/libllvmlibc.a
    package musl "$folder/musl.so" musl-dev "/usr/lib/$(uname -m)-linux-musl/libc.a"
    trace "$folder" "$command" || left_out "the heap's trace of the sample program"
}

# Makes the shared library `$2` from the static library `$4` of Debian's package `$3`, unless it is there.
package() {
    local name=$1 out=$2 package=$3 archive=$4
    [ ! -e "$out" ] || return 0
    [ -r "$archive" ] || "$root/grub/packages.sh" "$package" || true
    [ -r "$archive" ] && link "$archive" "$out" || left_out "$name"
}

# Only what the functions need comes along. Each is exported as a pointer named bench_NAME, since llvm-libc hides the
# functions themselves, and so that no name is that of the process's own libc.
link() {
    local archive=$1 out=$2 function pointers=$2.c
    for function in $FUNCTIONS; do
        echo "extern char $function[]; void *const bench_$function = $function;"
    done > "$pointers"
    cc -fPIC -fno-builtin -shared -nostdlib -Wl,-Bsymbolic -Wl,-z,defs -o "$out.new" "$pointers" "$archive" &&
        mv "$out.new" "$out"
}

# Compiles the sample program with the heap's functions wrapped, and runs it on the text that `./just run` gives it.
trace() {
    local folder=$1 command=$2 clang
    [ "$root/programs/concordance.c" -nt "$folder/concordance.trace" ] || return 0
    clang=$(compgen -c clang- | grep -xE 'clang-[0-9]+' | sort -t- -k2 -rn | while read -r clang; do
        if "$clang" --target=wasm32-wasi -O2 "$root/programs/concordance.c" "$here/record_heap.c" \
            -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free -o "$folder/recorder.wasm" 2> /dev/null; then
            echo "$clang"
            break
        fi
    done)
    [ -n "$clang" ] || return 1
    "$root/programs/text.sh" "$folder/text.txt" > /dev/null
    "$command" run --file "$folder/text.txt" "$folder/recorder.wasm" text.txt 2> "$folder/concordance.trace.new" \
        > /dev/null && mv "$folder/concordance.trace.new" "$folder/concordance.trace"
}

left_out() {
    echo "The benchmark goes without $1, which could not be made here" >&2
}

main "$@"
