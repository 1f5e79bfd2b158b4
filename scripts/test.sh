#!/usr/bin/env bash
# Runs every check and test, each step with its seconds, and stops at the first
# that fails. All that the steps write or start lies under one temporary folder
# and in one process group, and both are gone when this script ends, however it
# ends.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.tools/bin:$PATH"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/keypin-test.XXXXXX")
export TMPDIR=$scratch
running=

clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n $running ]]; then
        kill -TERM -- "-$running" 2>/dev/null || true # the step may have ended by itself
        for _ in {1..100}; do
            kill -0 -- "-$running" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$running" 2>/dev/null || true # as above
    fi
    chmod -R u+w "$scratch"
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# A step runs as a job of its own, which gives it a process group to end.
set -m
summary=()
step() {
    local name=$1 began=$SECONDS status=0
    shift
    printf '== %s\n' "$name"
    "$@" </dev/null &
    running=$!
    wait "$running" || status=$?
    kill -KILL -- "-$running" 2>/dev/null || true # as a rule nothing is left to kill
    running=
    summary+=("$(printf '%-4s %4d s  %s' "$( ((status)) && echo FAIL || echo ok)" $((SECONDS - began)) "$name")")
    if ((status)); then
        finish
        exit "$status"
    fi
}

finish() {
    printf '\n'
    printf '%s\n' "${summary[@]}" "$(printf 'all  %4d s' "$SECONDS")"
}

formatting() {
    local unformatted
    unformatted=$(git ls-files --cached --others --exclude-standard -z '*.go' | xargs -0 gofmt -l)
    if [[ -n $unformatted ]]; then
        printf 'not formatted (gofmt -w):\n%s\n' "$unformatted" >&2
        return 1
    fi
}

step 'what is missing is installed' ./scripts/install.sh
step 'gofmt' formatting
step 'go vet' go vet ./...
step 'golangci-lint' golangci-lint run ./...
step 'generated SQL code is current (sqlc diff)' sqlc diff
# By itself: what it judges are seconds.
packages=$(go list ./... | grep -v '/test/chaos$')
# shellcheck disable=SC2086 # a list of words
step 'go test -race' go test -race -shuffle=on -timeout=15m $packages
step 'build' make build
step 'three nodes while things break' go test -count=1 ./test/chaos
step 'deployment files' .tools/venv/bin/python -m pytest test/deploy
step 'Python tests against bin/keypin' .tools/venv/bin/python -m pytest test/python
step 'Python SDK' .tools/sdk/bin/python -m pytest sdk/python
finish
