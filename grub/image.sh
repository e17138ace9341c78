#!/usr/bin/env bash
# What `./just iso` and `./just image` do: reads their settings and runs `bareflow image` with them.
#
#   grub/image.sh COMMAND OUT [SETTING=VALUE]...
#
# PROGRAM=x.wasm, or else the sample program with its text and its profile; FILES='a b' for /a and /b; ARGS='x "y z"', quoted as in a
# shell; PROFILE=x.bfprof; WORDS='verbose' for the kernel's command line; DIRS='data::/data' and ENV='A=1 B', as `--dir` and `--env` have them; OUT=x.vdi (or qcow2, vmdk, img, iso). The sample text has to
# be in target/run.
set -euo pipefail

readonly SAMPLE=target/programs/concordance.wasm
readonly TEXT=target/run/text.txt
readonly SAMPLE_PROFILE=profiles/concordance.bfprof

main() {
    local command=$1 out=$2 setting program='' files=() args=() words='' dirs=() variables=() options=() profile='' file
    shift 2
    for setting in "$@"; do
        case $setting in
            PROGRAM=*) program=${setting#*=} ;;
            FILES=*) mapfile -t files < <(split "${setting#*=}") ;;
            ARGS=*) mapfile -t args < <(split "${setting#*=}") ;;
            PROFILE=*) profile=${setting#*=} ;;
            WORDS=*) words=${setting#*=} ;;
            DIRS=*) mapfile -t dirs < <(split "${setting#*=}") ;;
            ENV=*) mapfile -t variables < <(split "${setting#*=}") ;;
            OUT=*) out=${setting#*=} ;;
            *)
                echo "$setting is none of PROGRAM=, FILES=, ARGS=, PROFILE=, WORDS=, DIRS=, ENV= and OUT=" >&2
                exit 2
                ;;
        esac
    done
    if [ -z "$program" ]; then
        program=$SAMPLE
        files+=("$TEXT")
        [ ${#args[@]} -gt 0 ] || args=("$(basename "$TEXT")")
        : "${profile:=$SAMPLE_PROFILE}"
    fi
    for file in "${files[@]}"; do
        options+=(--file "$file")
    done
    for file in "${dirs[@]}"; do
        options+=(--dir "$file")
    done
    for file in "${variables[@]}"; do
        options+=(--env "$file")
    done
    [ -z "$profile" ] || options+=(--profile "$profile")
    # An ISO has learned nothing that could be lost.
    [[ $out != *.iso ]] || options+=(--force)
    exec "$command" image "${options[@]}" --words "$words" "$out" "$program" "${args[@]}"
}

# A line for each word of $1, which may be quoted.
split() {
    xargs --no-run-if-empty printf '%s\n' <<< "$1"
}

main "$@"
