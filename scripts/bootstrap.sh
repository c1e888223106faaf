#!/bin/sh
# Makes .venv and installs burnish with everything its demo and tests need.
# Works on a bare Debian or Ubuntu with Python 3.11+: if the venv module is missing and we are root
# (or sudo works without a password), it is installed; otherwise the one command to run is printed.
set -eu
cd "$(dirname "$0")/.."

die() { printf 'bootstrap: %s\n' "$1" >&2; exit 1; }

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    return 1
}

install_packages() {
    if [ "$(id -u)" -eq 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo"; else return 1; fi
    command -v apt-get >/dev/null 2>&1 || return 1
    $run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq "$@"
}

python=$(find_python) || {
    install_packages python3 python3-venv && python=$(find_python) ||
        die "Python 3.11 or newer was not found. Install it (Debian, Ubuntu: apt-get install python3 python3-venv) or set PYTHON."
}
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    install_packages python3-venv ||
        die "the venv module is missing. Run: sudo apt-get install python3-venv"
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
printf 'bootstrap: installing into .venv (the first time takes a few minutes)\n'
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
touch .venv/.installed
