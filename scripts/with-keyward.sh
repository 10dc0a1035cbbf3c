#!/usr/bin/env bash
# Runs a command against a Keyward of its own, on a database of its own, and removes both afterwards.
#
#   scripts/with-keyward.sh bash -c 'curl -s "$KEYWARD_URL/readyz"'
#
# The command finds KEYWARD_URL (on loopback, a free port), KEYWARD_TOKEN (a JWT with keyward:admin and keyward:verify)
# and KEYWARD_KEY (an API key with keyward:verify).
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} != --inside ]]; then
  cargo build --quiet --locked
  exec scripts/with-postgres.sh scripts/with-keyward.sh --inside "$@"
fi
shift

keyward=${CARGO_TARGET_DIR:-target}/debug/keyward
folder=$(mktemp -d "${TMPDIR:-/tmp}/keyward-server.XXXXXX")
random() { head -c 48 /dev/urandom | base64 -w 0; }
JWT_SECRET=$(random) KEYWARD__KEYS__PEPPERS=$(random)
export JWT_SECRET KEYWARD__KEYS__PEPPERS KEYWARD__SERVER__HOST=127.0.0.1 KEYWARD__SERVER__PORT=0
# Cheap hashes, the waiting time of a busy machine, room for as many keys as a long run makes, and every grace period that
# the document allows.
export KEYWARD__HASHING__MEMORY_KIB=7168 KEYWARD__HASHING__ITERATIONS=5 KEYWARD__HASHING__MAX_WAIT=20s
export KEYWARD__DATABASE__STATEMENT_TIMEOUT=10s KEYWARD__KEYS__MAX_PER_OWNER=0 KEYWARD__SERVER__UNREADY_PERIOD=0s
export KEYWARD__KEYS__MAX_NEW_PER_DAY=0 KEYWARD__KEYS__MAX_CHANGES_PER_DAY=0 KEYWARD__KEYS__MAX_ROTATION_GRACE=365d

: >"$folder/log" # Before somebody looks into it.
"$keyward" serve >>"$folder/log" 2>&1 &
server=$!
stop() {
  kill -TERM "$server" 2>/dev/null && wait "$server" || true
  rm -rf "$folder"
}
trap stop EXIT
until port=$(grep -om1 'Server running on port [0-9]*' "$folder/log" | grep -o '[0-9]*$'); do
  # Half a minute is more than any start takes.
  { kill -0 "$server" 2>/dev/null && ((SECONDS < 30)); } || { cat "$folder/log" >&2; exit 1; }
  sleep 0.1
done

KEYWARD_URL=http://127.0.0.1:$port
KEYWARD_TOKEN=$("$keyward" token mint --subject contract --scope keyward:admin --scope keyward:verify)
KEYWARD_KEY=$("$keyward" keys create --subject contract --name "$(basename "$0")" --scope keyward:verify --json |
  grep -o '"apiKey": *"[^"]*"' | cut -d'"' -f4)
export KEYWARD_URL KEYWARD_TOKEN KEYWARD_KEY KEYWARD_LOG=$folder/log
"$@"
