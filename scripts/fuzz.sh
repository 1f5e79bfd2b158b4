#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (default 10s) each. A failing
# input is written to the package's testdata/fuzz, where it stays as a test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

found=0
for package in $(go list ./...); do
    listed=$(go test -list '^Fuzz' "$package") # its last line is the package's result
    for target in $(sed -n 's/^\(Fuzz[A-Za-z0-9_]*\)$/\1/p' <<<"$listed"); do
        found=$((found + 1))
        echo "== $package $target"
        go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" "$package"
    done
done
((found > 0)) || {
    echo 'no fuzz target was found' >&2
    exit 1
}
echo "$found fuzz targets passed"
