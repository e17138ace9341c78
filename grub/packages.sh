#!/usr/bin/env bash
# Installs those of the given Debian packages that are missing; does nothing, fast, when there are none.
# With --update, only fetches the lists of packages.
set -euo pipefail

main() {
    local missing=() package
    if ! command -v dpkg-query > /dev/null; then
        echo "This is not a Debian or Ubuntu machine. If a command is missing below, install what corresponds to: $*" >&2
        return
    fi
    if [ "$1" = --update ]; then
        become_root "apt-get update"
        run apt-get update -qq >&2
        return
    fi
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Installing ${missing[*]}" >&2
    become_root "apt-get update && apt-get install ${missing[*]}"
    # Package lists may be absent or out of date: fetch them only if it does not go without.
    install "${missing[@]}" > /dev/null 2>&1 || { run apt-get update -qq && install "${missing[@]}"; } >&2
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# Sets `as_root` to what goes before a command to run it as root; asks the user to run `$1` if there is no way.
become_root() {
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2> /dev/null; then
            echo "That takes root, and sudo would ask for a password. Please run as root: $1" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
}

install() {
    run apt-get install -qq --yes --no-install-recommends "$@"
}

run() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@"
}

main "$@"
