#!/usr/bin/env bash
# Compares under load what is so close that it takes many short rounds to tell it apart: routes that check a credential with
# routes that don't. Prints medians, and the ratios that Keyward promises. README.md beside this file explains each line.
#
#   benches/load/pairs.sh            16 rounds of 1 s a line, twice: about 5 minutes, after the build
#   benches/load/pairs.sh --quick    does it work at all? 1 round; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names a program that is built already. Needs Linux, wrk, and what `keyward dev` needs.
set -euo pipefail
: "${ROUNDS:=16}" "${SECONDS_EACH:=1}"
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl cargo

start_all() {
  start_keyward KEYWARD__SERVER__TRUSTED_PROXIES=127.0.0.0/8
  start app env DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket" \
    KEYWARD_PEPPER="$(cat "$work/keyward/secrets/pepper")" "$built/release/protected_app"
}

# Both of a pair send the same header, so that their requests are as long.
ask() { # SECONDS PREFIX NAME
  case $3 in
    warm) run "$1" "$2$3" keyward /api/protected-resource "x-api-key: $key" ;;
    authorize) run "$1" "$2$3" keyward /v1/authorize "x-api-key: $key" ;;
    handler) run "$1" "$2$3" keyward /healthz "x-api-key: $key" ;;
    token) run "$1" "$2$3" keyward /v1/authorize "authorization: Bearer $token" ;;
    longer) run "$1" "$2$3" keyward /healthz "authorization: Bearer $token" ;;
    with) run "$1" "$2$3" app /protected "x-api-key: $key" ;;
    without) run "$1" "$2$3" app /unprotected "x-api-key: $key" ;;
  esac
}

# Beside each other, and so that each comes before the other as often as after it.
ORDER=(warm handler authorize token longer with without)

ask_all() { # PREFIX
  local turn
  for ((turn = 0; turn < ${#ORDER[@]}; turn++)); do
    ask "$seconds" "$1" "${ORDER[round % 2 ? turn : ${#ORDER[@]} - 1 - turn]}"
  done
}

measure() {
  local name
  for name in "${ORDER[@]}"; do ask 1 '' "$name"; done >/dev/null # warm
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    ask_all '' >>"$results"
    take_half_of_the_core
    ask_all half- >>"$results"
    give_it_back
  done
}

tell_all() { # PREFIX
  table_row 'Keyward, warm key' "$1warm"
  table_row 'Keyward, /v1/authorize with a warm key' "$1authorize"
  table_row 'Keyward, its bare handler (/healthz)' "$1handler"
  table_row 'Keyward, /v1/authorize with a warm token' "$1token"
  table_row 'Keyward, its bare handler with that header' "$1longer"
  table_row 'another application with the middleware' "$1with"
  table_row 'the same application without it' "$1without"
}

tell() {
  tell_circumstances
  table_head 'one core each'
  tell_all ''
  echo
  table_head 'half a core for the server'
  tell_all half-

  printf '\n%-58s %9s   %s\n' 'ratios of the medians: requests/s with half a core' measured target
  ratio_row 'warm key against the bare handler' "$(against $RATE half-warm half-handler)" '>=' 0.95
  ratio_row 'warm key: p99 with a whole core' "$(against $P99 warm handler)" '<=' 1.1
  ratio_row '/v1/authorize with a warm key against the bare handler' "$(against $RATE half-authorize half-handler)" '>=' 0.93
  ratio_row 'the same with a warm token' "$(against $RATE half-token half-longer)" '>=' 0.93
  ratio_row 'the middleware elsewhere against without' "$(against $RATE half-with half-without)" '>=' 0.95
}

build
start_all
measure
tell
