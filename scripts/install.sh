#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: tools and Python packages
# into .tools/, at the versions that tools/go.mod and test/python/requirements.txt
# pin; with apt only a C compiler (the race detector needs one), curl, Python's venv
# module, and the proxies nginx and Caddy, which the documentation's examples are for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/apt.sh

have go || say_and_stop 'Go is needed: https://go.dev/dl/ (1.21 or later; it fetches the version that go.mod names)'
have python3 || say_and_stop 'Python 3.11 or later is needed'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || say_and_stop "Python 3.11 or later is needed, this is $(python3 --version)"

missing=()
have gcc || missing+=(gcc libc6-dev)
have curl || missing+=(curl ca-certificates)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
have nginx || missing+=(nginx)
have caddy || missing+=(caddy)
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
