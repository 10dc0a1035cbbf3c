#!/usr/bin/env bash
# What clients notice of restarts: 2,000 requests a second by 10,000 keys, at a pace that no answer changes, through the
# load balancer of docker-compose.yml, while replicas are restarted or killed. README.md beside this file tells more.
#
#   benches/load/rolling.sh                about three minutes, after the build
#
# KEYS, RATE and SECONDS_EACH are what they say. FIRST_PORT is where the load balancer listens; the others follow. KEYWARD
# names a program that is built already. Needs haproxy, and what `keyward dev` needs.
set -euo pipefail

export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
keys=${KEYS:-10000} rate=${RATE:-2000} seconds=${SECONDS_EACH:-30}
first_port=${FIRST_PORT:-18300}
front=127.0.0.1:$first_port dev_port=$((first_port + 9))
OWNERS=32

target=${CARGO_TARGET_DIR:-$repository/target}
if [[ -z ${KEYWARD:-} ]]; then
  cargo build --release --locked --package keyward --bin keyward --manifest-path "$repository/Cargo.toml" --target-dir "$target"
  KEYWARD=$target/release/keyward
fi
cargo build --release --locked --manifest-path "$here/programs/Cargo.toml" --target-dir "$target/load"
programs=$target/load/release

# Postgres's own user has to get to its data.
work=$(mktemp -d)
chmod 755 "$work"
declare -A running
stop() {
  kill "${running[@]}" 2>/dev/null || true
  wait
}
trap 'stop; rm -rf "$work"' EXIT

wait_for() { # PORT
  local patience=600
  until curl --silent --fail --output /dev/null "http://127.0.0.1:$1/readyz"; do
    ((patience-- > 0)) || { cat "$work"/*.log >&2; exit 1; }
    sleep 0.1
  done
}

# The database, the secrets, and who makes the keys: not behind the load balancer.
PORT=$dev_port KEYWARD__KEYS__MAX_PER_OWNER=0 "$KEYWARD" dev --data-dir "$work/keyward" >"$work/dev.log" 2>&1 &
running[dev]=$!
wait_for "$dev_port"

start() { # REPLICA
  local port=$((first_port + $1))
  env -i PATH="$PATH" PORT="$port" KEYWARD__SERVER__HOST=127.0.0.1 KEYWARD__DATABASE__MIGRATE_ON_START=false \
    DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket" \
    KEYWARD__JWT__SECRET_FILE="$work/keyward/secrets/jwt_secret" \
    KEYWARD__KEYS__PEPPERS_FILE="$work/keyward/secrets/pepper" \
    "$KEYWARD" serve >>"$work/$port.log" 2>&1 &
  running[$1]=$!
  wait_for "$port"
}
restart() { # REPLICA
  kill "${running[$1]}"
  wait "${running[$1]}" || true
  start "$1"
}

balance() { # REPLICAS
  local replica
  {
    sed -e '/^resolvers/,/^$/d' -e '/server-template/d' -e 's/ resolvers container init-addr none//' \
      -e "s/bind :8080/bind $front/" "$repository/deploy/compose/haproxy.cfg"
    for ((replica = 1; replica <= $1; replica++)); do
      echo "    server replica$replica 127.0.0.1:$((first_port + replica))"
    done
  } >"$work/haproxy.cfg"
  haproxy -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
  running[haproxy]=$!
  wait_for "$first_port"
}

# TITLE, REPLICAS, and what is done meanwhile.
measure() {
  local title=$1 count=$2 replica
  shift 2
  for ((replica = 1; replica <= count; replica++)); do start "$replica"; done
  balance "$count"
  "$programs/steady" "$front" "$work/keys" "$rate" 10 >/dev/null # every replica knows what is used often
  "$programs/steady" "$front" "$work/keys" "$rate" "$seconds" >"$work/result" &
  local clients=$!
  sleep 3
  "$@"
  wait "$clients"
  printf '%s: %s\n' "$title" "$(cat "$work/result")"
  for replica in haproxy $(seq "$count"); do
    kill "${running[$replica]}" 2>/dev/null || true
    wait "${running[$replica]}" 2>/dev/null || true
    unset "running[$replica]"
  done
}
restart_all() { for replica in 1 2 3; do restart "$replica"; done; }
kill_one() {
  kill -KILL "${running[1]}"
  wait "${running[1]}" 2>/dev/null || true
  sleep 5
  start 1
}

for ((owner = 0; owner < OWNERS; owner++)); do
  "$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject "owner-$owner"
done >"$work/tokens"
"$programs/herd" make "127.0.0.1:$dev_port" "$work/tokens" "$keys" >"$work/keys"

printf '%s, %s, %s cores; %s keys, %s requests a second for %s s\n' "$(date +%F)" \
  "$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)" "$(nproc)" "$keys" "$rate" "$seconds"
measure 'two replicas, nothing happens' 2 true
measure 'two replicas, one is restarted' 2 restart 1
measure 'three replicas, restarted one after the other' 3 restart_all
measure 'three replicas, kill -9 of one' 3 kill_one
