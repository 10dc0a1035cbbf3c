#!/usr/bin/env bash
# What clients notice of restarts: 2,000 requests a second by 10,000 keys, at a pace that no answer changes, through the
# load balancer of docker-compose.yml, while replicas are restarted or killed. README.md beside this file tells more.
#
#   benches/load/rolling.sh                about four minutes, after the build
#   PREVIOUS=PROGRAM benches/load/rolling.sh    an upgrade from the version whose program that is, and the way back
#
# KEYS, RATE and SECONDS_EACH are what they say. FIRST_PORT is where the load balancer listens; the others follow. KEYWARD
# names a program that is built already. Needs haproxy, and what `keyward dev` needs.
set -euo pipefail

# shellcheck source=benches/load/replicas.sh
source "$(dirname "$0")/replicas.sh"
keys=${KEYS:-10000} rate=${RATE:-2000} seconds=${SECONDS_EACH:-30}
first_port=${FIRST_PORT:-18300}
front=127.0.0.1:$first_port dev_port=$((first_port + 9))
build
steady=$built/release/steady

start() { # REPLICA
  start_replica "$1" "$((first_port + $1))"
}
restart() { # REPLICA
  end "$1"
  start "$1"
}

balance() { # REPLICAS
  local replica servers=
  for ((replica = 1; replica <= $1; replica++)); do
    servers+="    server replica$replica 127.0.0.1:$((first_port + replica))\\n"
  done
  sed -e '/^resolvers/,/^$/d' -e "s/^ *server-template.*/$servers/" -e 's/ resolvers container init-addr none//' \
    -e "s/bind :8080/bind $front/" "$repository/deploy/compose/haproxy.cfg" >"$work/haproxy.cfg"
  launch haproxy haproxy -f "$work/haproxy.cfg"
  wait_until_ready haproxy "$first_port"
}

# TITLE, REPLICAS, and what is done meanwhile.
measure() {
  local title=$1 count=$2 replica
  shift 2
  for ((replica = 1; replica <= count; replica++)); do start "$replica"; done
  balance "$count"
  "$steady" "$front" "$work/keys" "$rate" 10 >/dev/null # every replica knows what is used often
  "$steady" "$front" "$work/keys" "$rate" "$seconds" >"$work/result" &
  local clients=$!
  sleep 3
  "$@"
  wait "$clients"
  printf '%s: %s\n' "$title" "$(cat "$work/result")"
  # shellcheck disable=SC2046
  end haproxy $(seq "$count")
}
restart_all() { for replica in 1 2 3; do restart "$replica"; done; }
kill_one() {
  kill -KILL "${pid[1]}"
  end 1
  sleep 5
  start 1
}

# Fails what comes while none of them is there: how long that was is told, too.
restart_all_at_once() {
  local begun=${EPOCHREALTIME/./}
  end 1 2 3
  local gone=${EPOCHREALTIME/./}
  for replica in 1 2 3; do
    launch_replica "$replica" "$((first_port + replica))"
  done
  wait_until_ready 1 "$((first_port + 1))"
  local ready=${EPOCHREALTIME/./}
  printf 'it took %d ms to stop all, and %d ms until one was ready again\n' $(((gone - begun) / 1000)) $(((ready - gone) / 1000))
}
# As docs/operations.md tells.
upgrade() {
  KEYWARD=$present
  "${on_the_database[@]}" "$KEYWARD" migrate >"$work/migrate.log"
  restart_all
}
go_back() {
  KEYWARD=$PREVIOUS
  restart_all
}

present=$KEYWARD
KEYWARD=${PREVIOUS:-$KEYWARD}
# The database, the secrets, and who makes the keys: not behind the load balancer.
start_dev dev "$dev_port"
make_keys "127.0.0.1:$dev_port" "$keys"

printf '%s; %s keys, %s requests a second for %s s\n' "$(circumstances)" "$keys" "$rate" "$seconds"
if [[ -n ${PREVIOUS:-} ]]; then
  measure 'three replicas of the other version, the schema is migrated, and they are replaced one after the other' 3 upgrade
  KEYWARD=$present
  measure 'three replicas of this version, replaced by the other one' 3 go_back
  exit
fi
measure 'two replicas, nothing happens' 2 true
measure 'two replicas, one is restarted' 2 restart 1
measure 'three replicas, restarted one after the other' 3 restart_all
measure 'three replicas, kill -9 of one' 3 kill_one
measure 'three replicas, restarted all at once' 3 restart_all_at_once
