#!/usr/bin/env bash
# Makes in FOLDER what `cargo bench --bench libc` compares with and replays: benches/libc/prepare.sh FOLDER COMMAND.
#
#   llvm-libc.so, musl.so   the functions compared, out of the static libraries of Debian's packages
#   wasi-libc.wasm          the same of the libc that programs bring, as a module with a memory of its own
#   concordance.trace       what the sample program asks of the heap, recorded by running it with COMMAND
#
# What cannot be made here is left out, and said; the benchmark runs with the rest.
set -uo pipefail

readonly FUNCTIONS="memcpy memmove memset memcmp memchr strlen strcmp strchr strstr"
readonly HEAP="malloc calloc realloc free"
readonly NUMBERS="sin cos tan asin acos atan exp exp2 log log2 log10 sqrt cbrt floor ceil round atan2 pow fmod hypot
    sinf cosf tanf asinf acosf atanf expf exp2f logf log2f log10f sqrtf cbrtf floorf ceilf roundf atan2f powf fmodf hypotf"
here=$(dirname "$(realpath "$0")")
root=$here/../..

main() {
    local folder=$1 command=$2
    mkdir -p "$folder"
    package "$FUNCTIONS" llvm-libc "$folder/llvm-libc.so" libllvmlibc-19-dev /usr/lib/llvm-19/lib/libllvmlibc.a
    package "$FUNCTIONS $NUMBERS" musl "$folder/musl.so" musl-dev "/usr/lib/$(uname -m)-linux-musl/libc.a"
    wasi_libc "$folder/wasi-libc.wasm" || left_out wasi-libc
    trace "$folder" "$command" || left_out "the heap's trace of the sample program"
}

# Makes the shared library `$3` of functions `$1` from the static library `$5` of Debian's package `$4`, unless there is one
# that this script made.
package() {
    local functions=$1 name=$2 out=$3 package=$4 archive=$5
    [ ! "$out" -nt "$0" ] || return 0
    [ -r "$archive" ] || "$root/grub/packages.sh" "$package" || true
    [ -r "$archive" ] && link "$functions" "$archive" "$out" || left_out "$name"
}

# Only what the functions need comes along. Each is exported as a pointer named bench_NAME, since llvm-libc hides the
# functions themselves, and so that no name is that of the process's own libc.
link() {
    local functions=$1 archive=$2 out=$3 function pointers=$3.c
    for function in $functions; do
        echo "extern char $function[]; void *const bench_$function = $function;"
    done > "$pointers"
    cc -fPIC -fno-builtin -shared -nostdlib -Wl,-Bsymbolic -Wl,-z,defs -o "$out.new" "$pointers" "$archive" &&
        mv "$out.new" "$out"
}

# Data and stack lie behind the 4 MiB that the benchmark uses. Without a name section no function is known by name.
wasi_libc() {
    local out=$1 archive=/usr/lib/wasm32-wasi/libc.a linker function exports=()
    [ ! "$out" -nt "$0" ] || return 0
    linker=$(compgen -c wasm-ld- | sort -V | tail -1)
    for function in $FUNCTIONS $HEAP $NUMBERS; do
        exports+=("--export=$function")
    done
    "$linker" --no-entry --strip-all --global-base=4194304 "${exports[@]}" "$archive" -o "$out.new" && mv "$out.new" "$out"
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
