#!/usr/bin/env bash
# Builds a program that needs exceptions, from the sources that crates carry, with the compiler and the C++ library of
# PyPI's ziglang: build.sh FOLDER PROGRAM FORM makes FOLDER/PROGRAM-FORM.wasm. FORM is the instructions for exceptions:
# standard (try_table, throw_ref) or legacy (try, catch). What was downloaded and built before is used again.
# Ends with 75 where the packages cannot be had, and with 1 where they do not build.
set -euo pipefail

readonly ZIG=ziglang==0.17.1
readonly CRATES='lua-src = "=551.1.0"
libpng-sys = "=1.1.11"
libz-sys = "=1.1.29"
mozjpeg-sys = "=2.2.4-beta.1"'

main() {
    here=$(dirname "$(realpath "$0")")
    mkdir -p "$1"
    folder=$(realpath "$1")
    local program=$2 form=$3 out=$1/$2-$3.wasm
    exec 9> "$folder/lock"
    flock 9
    download
    export ZIG_GLOBAL_CACHE_DIR=$folder/zig-cache ZIG_LOCAL_CACHE_DIR=$folder/zig-cache
    lib=$folder/zig/ziglang/lib
    flags=(--target=wasm32-wasi -mcpu=lime1+exception_handling+reference_types -O2 -g0 -w
        -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -mllvm "-wasm-use-legacy-eh=$(is_legacy "$form")")
    objects=()
    compile "$form" tags "$here/tags.S"
    "build_$program" "$form"
    zig cc "${flags[@]}" "${objects[@]}" -Wl,--strip-all -Wl,-z,stack-size=1048576 -Wl,--max-memory=104857600 \
        -lwasi-emulated-signal -lwasi-emulated-process-clocks -o "$out.new"
    mv "$out.new" "$out"
}

is_legacy() {
    case $1 in
    legacy) echo true ;;
    standard) echo false ;;
    *) echo "The form is legacy or standard, not $1" >&2 && exit 1 ;;
    esac
}

# --- packages ---

download() {
    if [ ! -d "$folder/zig" ]; then
        rm -rf "$folder/zig.new"
        python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --retries=1 \
            --target "$folder/zig.new" "$ZIG" || not_to_be_had "$ZIG"
        mv "$folder/zig.new" "$folder/zig"
    fi
    if [ ! -d "$folder/crates" ]; then
        rm -rf "$folder/crates.new" "$folder/manifest"
        mkdir -p "$folder/manifest/src"
        touch "$folder/manifest/src/lib.rs"
        printf '[package]\nname = "sources"\nedition = "2021"\n[workspace]\n[dependencies]\n%s\n' "$CRATES" \
            > "$folder/manifest/Cargo.toml"
        CARGO_NET_OFFLINE=false cargo vendor --quiet --manifest-path "$folder/manifest/Cargo.toml" "$folder/crates.new" \
            > /dev/null || not_to_be_had "crates lua-src, libpng-sys, libz-sys and mozjpeg-sys"
        mv "$folder/crates.new" "$folder/crates"
    fi
}

not_to_be_had() {
    echo "$1 cannot be downloaded" >&2
    exit 75
}

# --- programs ---

build_lua() {
    lua "$1"
    compile "$1" lua-main "$here/lua.c" -I"$(lua_folder)"
}

build_images() {
    zlib "$1"
    local png=$folder/crates/libpng-sys/vendor jpeg=$folder/crates/mozjpeg-sys/vendor config=$folder/config source
    mkdir -p "$config"
    cp "$png/scripts/pnglibconf.h.prebuilt" "$config/pnglibconf.h"
    # What libjpeg's own build finds out about a machine.
    cat > "$config/jconfig.h" << 'END'
#define JPEG_LIB_VERSION 62
#define LIBJPEG_TURBO_VERSION_NUMBER 0
#define BITS_IN_JSAMPLE 8
#define MEM_SRCDST_SUPPORTED
END
    cat > "$config/jconfigint.h" << 'END'
#define INLINE inline
#define THREAD_LOCAL
#define FALLTHROUGH
#define PACKAGE_NAME ""
#define VERSION ""
#define BUILD ""
#define SIZEOF_SIZE_T 4
END
    cat > "$config/jversion.h" << 'END'
#define JVERSION ""
#define JCOPYRIGHT ""
#define JCOPYRIGHT_SHORT ""
END
    local include=(-I"$config" -I"$png" -I"$jpeg" -I"$(zlib_folder)")
    for source in "$png"/png*.c; do
        case $source in */pngtest.c) ;; *) compile "$1" "$(basename "$source" .c)" "$source" "${include[@]}" ;; esac
    done
    for source in "$jpeg"/{jc,jd,jerror,jf,jidct,jmem,jquant,jsimd_none,jutils}*.c; do
        case $source in
        # Included by others, of programs, or of a coding that nobody uses.
        *ext.c | *col565.c | *mrg565.c | *-tj.c | *arith.c | */jcstest.c) ;;
        *) compile "$1" "jpeg-$(basename "$source" .c)" "$source" "${include[@]}" ;;
        esac
    done
    compile "$1" images "$here/images.c" "${include[@]}"
}

build_frames() {
    cpp_library "$1"
    zlib "$1"
    lua "$1"
    compile "$1" frames "$here/frames.cpp" -std=c++20 -I"$(zlib_folder)" -I"$(lua_folder)"
}

# --- libraries ---

lua_folder() {
    echo "$folder/crates/lua-src/lua-5.5.1"
}

lua() {
    local source
    for source in "$(lua_folder)"/*.c; do compile "$1" "lua-$(basename "$source" .c)" "$source"; done
    compile "$1" wasi "$here/wasi.c"
}

zlib_folder() {
    echo "$folder/crates/libz-sys/src/zlib"
}

zlib() {
    local name
    for name in adler32 crc32 deflate infback inffast inflate inftrees trees zutil; do
        compile "$1" "zlib-$name" "$(zlib_folder)/$name.c"
    done
}

# libc++, libc++abi and libunwind with exceptions; zig's own build of them has none.
cpp_library() {
    local name include=(-I"$lib/libcxx/src" -I"$lib/libcxx/src/include" -I"$lib/libcxx/libc" -I"$lib/libcxxabi/include"
        -I"$lib/libunwind/include")
    local defines=(-D_LIBCPP_BUILDING_LIBRARY -DLIBCXX_BUILDING_LIBCXXABI -D_LIBCXXABI_BUILDING_LIBRARY
        -D_LIBCXXABI_HAS_NO_THREADS -D_LIBUNWIND_HAS_NO_THREADS -D_LIBUNWIND_HIDE_SYMBOLS)
    for name in algorithm any call_once charconv error_category exception functional hash ios ios.instantiations iostream locale \
        memory new new_handler new_helpers optional ostream regex stdexcept string system_error typeinfo variant vector \
        verbose_abort; do
        compile "$1" "libcxx-$name" "$lib/libcxx/src/$name.cpp" -std=c++23 "${include[@]}" "${defines[@]}"
    done
    for name in abort_message cxa_aux_runtime cxa_default_handlers cxa_demangle cxa_exception cxa_exception_storage cxa_guard \
        cxa_handlers cxa_personality cxa_vector cxa_virtual fallback_malloc private_typeinfo stdlib_exception stdlib_new_delete \
        stdlib_stdexcept stdlib_typeinfo; do
        compile "$1" "libcxxabi-$name" "$lib/libcxxabi/src/$name.cpp" -std=c++23 "${include[@]}" "${defines[@]}"
    done
    compile "$1" libunwind "$lib/libunwind/src/Unwind-wasm.c" "${include[@]}" "${defines[@]}"
}

# Compiles a file to an object that is linked; in C, setjmp and longjmp become exceptions.
compile() {
    local form=$1 object=$folder/objects-$1/$2.o source=$3 language=(c++ -fwasm-exceptions)
    shift 3
    mkdir -p "$folder/objects-$form"
    case $source in *.c | *.S) language=(cc -mexception-handling -mllvm -wasm-enable-sjlj) ;; esac
    if [ "$source" -nt "$object" ] || [ "$here/build.sh" -nt "$object" ]; then
        zig "${language[@]}" "${flags[@]}" "$@" -c "$source" -o "$object"
    fi
    objects+=("$object")
}

zig() {
    "$folder/zig/ziglang/zig" "$@"
}

main "$@"
