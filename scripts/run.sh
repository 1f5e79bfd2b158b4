#!/bin/sh
# Serves with bin/keypin and, once it is ready, prints what to do next. Settings
# come from the environment (KEYPIN_LISTEN, KEYPIN_DATA_DIR, KEYPIN_CONFIG, …); the
# defaults are 127.0.0.1:8080 and ./data. Ctrl-C stops the server gracefully.
set -eu
cd "$(dirname "$0")/.."
keypin=bin/keypin

settings=$($keypin config print)
listen=$(printf '%s\n' "$settings" | sed -n 's/^listen = \(.*\)  (source: .*/\1/p')
# The first scope there is, so that the example works with any registry.
scope=$(printf '%s\n' "$settings" | sed -n 's/^scopes = \[{"name":"\([^"]*\)".*/"\1"/p')

port=${listen##*:}
host=${listen%:*}
case $host in
'' | 0.0.0.0 | '[::]') host=127.0.0.1 ;;
esac
base=http://$host:$port

# extract is the sed script that prints the string under the name $1 in compact JSON.
extract() { printf 's/.*"%s": *"\\([^"]*\\)".*/\\1/p' "$1"; }

# next_steps waits for the server, whose process is $1, and says what to do.
next_steps() {
	tries=300 # of 0.1 s
	until curl -fsS -o /dev/null --max-time 2 "$base/ready" 2>/dev/null; do
		tries=$((tries - 1))
		kill -0 "$1" 2>/dev/null || return 0 # it has said why
		if [ "$tries" -le 0 ]; then
			echo "run.sh: $base/ready does not answer; see the log above" >&2
			return 0
		fi
		sleep 0.1
	done
	if ! token=$($keypin token --user you@example.com --ttl 12h); then
		echo "Keypin serves on $base." # token has said why there is none
		return 0
	fi
	id=$(extract id)
	plaintext=$(extract api_key)
	cat <<STEPS

Keypin serves on $base, its documentation at $base/docs.
Paste these into another shell, one after the other:
a session token (12 hours), create a key, verify it, rotate it.

export KEYPIN_TOKEN=$token

curl -fsS -X POST $base/api/v1/api-keys -H "Authorization: Bearer \$KEYPIN_TOKEN" -H 'Content-Type: application/json' -d '{"name":"My first key","scopes":[$scope]}' | tee keypin-first-key.json

curl -fsS -X POST $base/api/v1/api-keys/verify -H "Authorization: Bearer \$KEYPIN_TOKEN" -H 'Content-Type: application/json' -d "{\"key\":\"\$(sed -n '$plaintext' keypin-first-key.json)\"}"

curl -fsS -X PATCH $base/api/v1/api-keys/\$(sed -n '$id' keypin-first-key.json)/rotate -H "Authorization: Bearer \$KEYPIN_TOKEN"

keypin-first-key.json holds the key itself: delete it when you are done. Ctrl-C stops the server.

STEPS
}

# Another server on this address would answer in place of ours, which then says that
# the address is taken. Port 0 is known to the server alone: its log names it.
if [ "$port" != 0 ] && ! curl -fsS -o /dev/null --max-time 2 "$base/health" 2>/dev/null; then
	next_steps $$ &
fi
# The server takes this shell's place, so that Ctrl-C and the exit code are its own.
exec $keypin serve
