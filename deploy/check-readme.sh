#!/usr/bin/env bash
# Runs the commands of README.md that a newcomer is told to type, so that they
# stay true: every sh block that follows a line "<!-- run -->", one after the
# other, against a `paybuf dev` of its own on a fresh directory.
#
#   deploy/check-readme.sh PAYBUF [README]
#
# The commands name 127.0.0.1:8080 and 8081, so both must be free.
# Exit codes: 0 all of them worked, 1 one did not, or dev did not start.
set -euo pipefail

paybuf=$(realpath "$1")
readme=$(realpath "${2:-README.md}")
blocks_min=1
dir=$(mktemp -d "${TMPDIR:-/tmp}/paybuf-readme-XXXXXX")
chmod 755 "$dir" # Postgres' own user must get in
dev=

stop() {
	code=$?
	if [ -n "$dev" ] && kill "$dev" 2>/dev/null; then
		wait "$dev" 2>/dev/null || true
	fi
	if [ "$code" -ne 0 ] && [ -s "$dir/dev.log" ]; then
		echo "what dev said:" >&2
		cat "$dir/dev.log" >&2
	fi
	rm -rf "$dir"
	exit "$code"
}
trap stop EXIT
trap 'exit 130' INT TERM

command -v curl >/dev/null || { echo "curl is missing; the README uses it" >&2; exit 1; }

# The commands are run where bin/paybuf is, as in a checkout, but write elsewhere.
mkdir -p "$dir/blocks" "$dir/tree/bin"
ln -s "$paybuf" "$dir/tree/bin/paybuf"
awk -v into="$dir/blocks" '
	/^<!-- run -->$/            { marked = 1; next }
	marked && /^```sh$/         { marked = 0; inside = 1; file = sprintf("%s/%03d.sh", into, ++count); next }
	marked                      { print "line " NR ": no sh block follows <!-- run -->" > "/dev/stderr"; bad = 1; exit 1 }
	inside && /^```$/           { inside = 0; close(file); next }
	inside                      { print > file }
	END                         { if (!bad && (marked || inside)) { print "a block does not end" > "/dev/stderr"; exit 1 } }
' "$readme"
count=$(find "$dir/blocks" -name '*.sh' | wc -l)
[ "$count" -ge "$blocks_min" ] || { echo "$readme has no block to run" >&2; exit 1; }

env -u PAYBUF_LISTEN -u PAYBUF_OPERATOR_LISTEN \
	"$paybuf" dev --data "$dir/data" --listen 127.0.0.1:8080 --operator-listen 127.0.0.1:8081 2>"$dir/dev.log" &
dev=$!
for _ in $(seq 600); do
	[ -e "$dir/data/dev.json" ] && break
	kill -0 "$dev" 2>/dev/null || { dev=; exit 1; }
	sleep 0.1
done
[ -e "$dir/data/dev.json" ] || { echo "dev is not ready after a minute" >&2; exit 1; }

for block in "$dir"/blocks/*.sh; do
	if ! (cd "$dir/tree" && bash -euo pipefail "$block") >"$dir/output" 2>&1; then
		{
			echo "this block of $(basename "$readme") failed:"
			echo
			cat "$block"
			echo
			echo "it said:"
			echo
			cat "$dir/output"
			echo
		} >&2
		exit 1
	fi
done
echo "$count blocks of $(basename "$readme") work"
