#!/usr/bin/env bash
# Installs what only the benchmarks need and the machine lacks: with apt wrk (load),
# PostgreSQL, Node and npm; with npm the packages that test/benchverify/better-auth
# pins, and Lighthouse of tools/lighthouse, into those folders.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/apt.sh

missing=()
have wrk || missing+=(wrk)
have taskset || missing+=(util-linux)
have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
have psql || missing+=(postgresql-client)
have node || missing+=(nodejs)
have npm || missing+=(npm)
((${#missing[@]} == 0)) || apt_install "${missing[@]}"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || say_and_stop "Node 20 or later is needed, this is $(node --version): https://nodejs.org/"

# The packages are installed anew when their list or Node changes.
for folder in test/benchverify/better-auth tools/lighthouse; do
    wanted=$(node --version; sha256sum $folder/package-lock.json)
    if [[ $(cat $folder/node_modules/.installed 2>/dev/null) != "$wanted" ]]; then
        echo "installing the packages of $folder/package-lock.json"
        PUPPETEER_SKIP_DOWNLOAD=1 npm ci --prefix $folder --silent --no-audit --no-fund
        printf '%s\n' "$wanted" >$folder/node_modules/.installed
    fi
done
