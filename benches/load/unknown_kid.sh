#!/usr/bin/env bash
# What good tokens notice of a flood of tokens whose `kid` their issuer has never published: their wait beside that flood, and
# beside a flood of a good token, and how often the issuer was asked for its keys. README.md beside this file tells more.
#
#   benches/load/unknown_kid.sh            5 rounds of 5 s
#   benches/load/unknown_kid.sh --quick    does it work at all? 1 round of 1 s; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names a program that is built already. Needs Linux, wrk, Node, and what `keyward dev` needs.
set -euo pipefail
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl node cargo

# Tokens with a `kid` of their own each.
TOKENS=10000
COOL_DOWN=10 # seconds

start_all() {
  node "$here/issuer.mjs" "$work" "$TOKENS" &
  pid[issuer]=$!
  local patience=600
  until [[ -s $work/issuer.toml ]]; do
    if ((--patience == 0)) || ! kill -0 "${pid[issuer]}"; then exit 1; fi
    sleep 0.1
  done
  start keyward env KEYWARD__SERVER__WORKERS=1 KEYWARD__JWT__KEY_SET_COOL_DOWN=${COOL_DOWN}s \
    "$KEYWARD" dev --data-dir "$work/keyward" --config "$work/issuer.toml"
  good="authorization: Bearer $(<"$work/known")"
}

flood_of() { flood "$1" "$work/$1" 'authorization: Bearer ' /v1/authorize "$good"; }

fetches() { curl --silent --fail "$(<"$work/fetches_at")"; }

measure() {
  run 1 warm keyward /v1/authorize "$good" >/dev/null
  before=$(fetches) began=$SECONDS
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    { flood_of known; flood_of unknown; } >>"$results"
  done
  fetched=$(($(fetches) - before)) may_fetch=$(((SECONDS - began) / COOL_DOWN + 1))
}

tell() {
  tell_circumstances
  table_head 'one core each'
  table_row 'good tokens beside good tokens' beside_known
  table_row 'good tokens beside unknown kids' beside_unknown
  table_row 'the flood of one good token' flood_known
  table_row 'the flood of unknown kids' flood_unknown

  printf '\n%-58s %9s   %s\n' '' measured target
  ratio_row 'p99 beside unknown kids against beside good tokens' "$(ratio $P99 beside_unknown beside_known)" '<=' 1.2
  ratio_row "fetches of the issuer's keys, cool-downs of $COOL_DOWN s" "$fetched" '<=' "$may_fetch"
}

build
start_all
measure
tell
