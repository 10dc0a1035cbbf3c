#!/usr/bin/env bash
# What those who are known notice of a restart: a replica that has forgotten every key is asked for many at once, and
# the wait of a known key and of a health check is measured beside them. README.md beside this file tells more.
#
#   benches/load/herd.sh                       a thousand keys, from 32 connections
#   KEYS=10000 CONNECTIONS=100 benches/load/herd.sh
#
# PORT is where it listens. KEYWARD names a program that is built already. Needs what `keyward dev` needs.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
keys=${KEYS:-1000}
connections=${CONNECTIONS:-32}
OWNERS=32
address=127.0.0.1:${PORT:-18105}

target=${CARGO_TARGET_DIR:-$repository/target}
if [[ -z ${KEYWARD:-} ]]; then
  cargo build --release --locked --package keyward --bin keyward --manifest-path "$repository/Cargo.toml" --target-dir "$target"
  KEYWARD=$target/release/keyward
fi
cargo build --release --locked --manifest-path "$here/programs/Cargo.toml" --target-dir "$target/load"
herd=$target/load/release/herd

# Postgres's own user has to get to its data.
work=$(mktemp -d)
chmod 755 "$work"
replica=
stop() {
  [[ -z $replica ]] || kill "$replica" 2>/dev/null || true
  wait
  replica=
}
trap 'stop; rm -rf "$work"' EXIT

start() {
  # Each owner has more of them than an owner may have by default.
  PORT=${address#*:} KEYWARD__KEYS__MAX_PER_OWNER=0 "$KEYWARD" dev --data-dir "$work/keyward" >"$work/log" 2>&1 &
  replica=$!
  local patience=600
  until curl --silent --fail --output /dev/null "http://$address/readyz"; do
    if ((--patience == 0)) || ! kill -0 "$replica" 2>/dev/null; then
      cat "$work/log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

start
for ((owner = 0; owner < OWNERS; owner++)); do
  "$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject "owner-$owner"
done >"$work/tokens"
"$herd" make "$address" "$work/tokens" $((keys + 51)) >"$work/keys" # one that is known, 50 that come one by one
stop
start
echo "$(date +%F), $(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo), $(nproc) cores; $keys keys from $connections connections"
"$herd" come "$address" "$work/keys" "$connections"
