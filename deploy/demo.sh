#!/usr/bin/env bash
# Shows what Paybuf is for: orders are sent with many duplicates, each is charged
# once, and the payer's own ledger is the judge.
#
#   deploy/demo.sh PAYBUF [ORDERS]
#
# Exit codes: 0 every order charged exactly once, 1 not so, or it failed.
set -euo pipefail

paybuf=$1
orders=${2:-2000}
dir=$(mktemp -d "${TMPDIR:-/tmp}/paybuf-demo-XXXXXX")
chmod 755 "$dir" # Postgres' own user must get in
dev=

stop() {
	code=$?
	if [ -n "$dev" ] && kill "$dev" 2>/dev/null; then
		wait "$dev" 2>/dev/null || true
	fi
	if [ "$code" -eq 0 ]; then
		rm -rf "$dir"
	else
		echo "kept for a look: $dir" >&2
	fi
	exit "$code"
}
trap stop EXIT
trap 'exit 130' INT TERM

# number FILE MEMBER prints an integer member of a JSON object.
number() {
	sed -n "s/.*\"$2\": *\([0-9][0-9]*\).*/\1/p" "$1" | head -n 1
}

step() {
	echo
	echo "== $*"
}

step "Start Paybuf: JetStream, Postgres, a simulated payer and the API in one command"
"$paybuf" dev --data "$dir/data" --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0 2>"$dir/dev.log" &
dev=$!
for _ in $(seq 600); do
	[ -e "$dir/data/dev.json" ] && break
	kill -0 "$dev" 2>/dev/null || { cat "$dir/dev.log" >&2; dev=; exit 1; }
	sleep 0.1
done
[ -e "$dir/data/dev.json" ] || { echo "dev is not ready after a minute" >&2; exit 1; }
sed -n 's/^ready/ready/p; s/^  clients/  clients/p; s/^  payer/  payer/p' "$dir/dev.log"
url=$(sed -n 's/.*"url": "\([^"]*\)".*/\1/p' "$dir/data/dev.json" | head -n 1)

step "Make $orders orders; send every fifth twice, and every fiftieth once more with another amount"
awk -v orders="$orders" 'BEGIN {
	print "order_number,amount,currency,payment_method,customer"
	for (i = 1; i <= orders; i++) print row(i, 100 + i)
	for (i = 5; i <= orders; i += 5) print row(i, 100 + i)
	for (i = 50; i <= orders; i += 50) print row(i, 1)
}
function row(i, amount) { return "DEMO-" i "," amount ",EUR,tok_visa,c_" i % 97 }' >"$dir/orders.csv"
same=$((orders / 5))
other=$((orders / 50))
sum=$((orders * 100 + orders * (orders + 1) / 2))

step "Send them over 16 connections and wait for the outcomes"
"$paybuf" submit "$dir/orders.csv" --url "$url" --wait --json >"$dir/submit.json"
"$paybuf" simulate-payer report "$dir/data/payer-ledger.ndjson" --json >"$dir/ledger.json" || true
"$paybuf" totals --data "$dir/data" --json >"$dir/totals.json"

step "Verdict"
wrong=0
line() { # WHAT COUNT EXPECTED
	mark=ok
	if [ "$2" != "$3" ]; then
		mark="WRONG, expected $3"
		wrong=1
	fi
	printf '  %-44s %8s  %s\n' "$1" "$2" "$mark"
}
line "requests sent" "$(number "$dir/submit.json" requests)" $((orders + same + other))
line "lost" "$(number "$dir/submit.json" lost)" 0
line "orders accepted" "$(number "$dir/submit.json" accepted)" "$orders"
line "duplicates stopped: same again" "$(number "$dir/submit.json" duplicates)" "$same"
line "duplicates stopped: another amount, 409" "$(number "$dir/submit.json" conflicts)" "$other"
line "orders succeeded" "$(number "$dir/totals.json" succeeded)" "$orders"
line "charges in the payer's own ledger" "$(number "$dir/ledger.json" charges)" "$orders"
line "orders charged twice" "$(number "$dir/ledger.json" doubled)" 0
line "cents charged" "$(number "$dir/ledger.json" EUR)" "$sum"
echo
if [ "$wrong" -ne 0 ]; then
	echo "Not every order was charged exactly once."
	exit 1
fi
echo "Every order was charged exactly once. Next: make dev"
