#!/usr/bin/env bash
# What `./just iso` and `./just image` do: reads their settings and runs `bareflow image` with them.
#
#   grub/image.sh COMMAND OUT [SETTING=VALUE]...
#
# PROGRAM=x.wasm, or else the sample program with its text and its profile; FILES='a b' for /a and /b; ARGS='x "y z"', quoted as in a
# shell; DIRS='data::/data "my files"' and ENV='A=1 B', as `--dir` and `--env` have them; PROFILE=x.bfprof; WORDS='verbose' for the
# kernel's command line; OUT=x.vdi (or qcow2, vmdk, img, iso). The sample text has to be in target/run.
set -euo pipefail

readonly SAMPLE=target/programs/concordance.wasm
readonly TEXT=target/run/text.txt
readonly SAMPLE_PROFILE=profiles/concordance.bfprof

main() {
    local command=$1 out=$2 setting program='' files=() args=() words='' dirs=() variables=() options=() profile='' word
    shift 2
    for setting in "$@"; do
        case $setting in
            PROGRAM=*) program=${setting#*=} ;;
            FILES=*) split files "${setting#*=}" ;;
            ARGS=*) split args "${setting#*=}" ;;
            PROFILE=*) profile=${setting#*=} ;;
            WORDS=*) words=${setting#*=} ;;
            DIRS=*) split dirs "${setting#*=}" ;;
            ENV=*) split variables "${setting#*=}" ;;
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
    for word in "${files[@]}"; do
        options+=(--file "$word")
    done
    for word in "${dirs[@]}"; do
        options+=(--dir "$word")
    done
    for word in "${variables[@]}"; do
        options+=(--env "$word")
    done
    [ -z "$profile" ] || options+=(--profile "$profile")
    # An ISO has learned nothing that could be lost.
    [[ $out != *.iso ]] || options+=(--force)
    exec "$command" image "${options[@]}" --words "$words" "$out" "$program" "${args[@]}"
}

# Puts the words of $2, which may be quoted, into the array $1.
split() {
    local -n into=$1
    local lines
    # The last line keeps empty words before it.
    lines=$(xargs --no-run-if-empty printf '%s\n' <<< "$2" && echo end)
    # shellcheck disable=SC2034 # The caller reads it by its own name.
    mapfile -t into <<< "$lines"
    unset 'into[-1]'
}

main "$@"
