#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: tools and Python packages
# into .tools/, at the versions that tools/go.mod and test/python/requirements.txt
# pin; with apt only a C compiler (the race detector needs one), curl and Python's
# venv module.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say_and_stop() {
    echo "$1" >&2
    exit 1
}

apt_install() {
    local root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || say_and_stop "install these as root, then try again: $*"
        root=(sudo)
    fi
    command -v apt-get >/dev/null || say_and_stop "install these with your system's packages, then try again: $*"
    echo "installing with apt: $*"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

command -v go >/dev/null || say_and_stop 'Go is needed: https://go.dev/dl/ (1.21 or later; it fetches the version that go.mod names)'
command -v python3 >/dev/null || say_and_stop 'Python 3.11 or later is needed'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || say_and_stop "Python 3.11 or later is needed, this is $(python3 --version)"

missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v curl >/dev/null || missing+=(curl ca-certificates)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
((${#missing[@]} == 0)) || apt_install "${missing[@]}"

make --silent tools

# The packages are installed anew when their list or the interpreter changes.
venv=.tools/venv
wanted=$(python3 --version; cat test/python/requirements.txt)
if [[ ! -x $venv/bin/python || $(cat "$venv/installed" 2>/dev/null) != "$wanted" ]]; then
    echo "installing test/python/requirements.txt into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement test/python/requirements.txt
    printf '%s\n' "$wanted" >"$venv/installed"
fi
