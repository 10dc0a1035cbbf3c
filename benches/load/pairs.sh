#!/usr/bin/env bash
# Compares under load what is so close that it takes many short rounds to tell it apart: routes that check a credential with
# routes that don't. Prints medians, and the ratios that Keyward promises. README.md beside this file explains each line.
#
#   benches/load/pairs.sh            32 rounds of 1 s a line: about 5 minutes, after the build
#   benches/load/pairs.sh --quick    does it work at all? 1 round; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names a program that is built already. Needs Linux, wrk, and what `keyward dev` needs.
set -euo pipefail
: "${ROUNDS:=32}" "${SECONDS_EACH:=1}"
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl cargo

# Everything but the number of workers is what ships.
start_all() {
  start keyward env KEYWARD__SERVER__WORKERS=1 KEYWARD__SERVER__TRUSTED_PROXIES=127.0.0.0/8 \
    "$KEYWARD" dev --data-dir "$work/keyward"
  token=$("$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject alice --expires-in 12h)
  key=$(create_key keyward)
  start app env DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket" \
    KEYWARD_PEPPER="$(cat "$work/keyward/secrets/pepper")" "$built/release/protected_app"
}

# Both of a pair send the same header, so that their requests are as long.
ask() { # NAME SECONDS
  case $1 in
    warm) run "$2" warm keyward /api/protected-resource "x-api-key: $key" ;;
    authorize) run "$2" authorize keyward /v1/authorize "x-api-key: $key" ;;
    handler) run "$2" handler keyward /healthz "x-api-key: $key" ;;
    token) run "$2" token keyward /v1/authorize "authorization: Bearer $token" ;;
    longer) run "$2" longer keyward /healthz "authorization: Bearer $token" ;;
    with) run "$2" with app /protected "x-api-key: $key" ;;
    without) run "$2" without app /unprotected "x-api-key: $key" ;;
  esac
}

# Beside each other, and so that each comes before the other as often as after it.
ORDER=(warm handler authorize token longer with without)

measure() {
  local name turn
  for name in "${ORDER[@]}"; do ask "$name" 1; done >/dev/null # warm
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    for ((turn = 0; turn < ${#ORDER[@]}; turn++)); do
      ask "${ORDER[round % 2 ? turn : ${#ORDER[@]} - 1 - turn]}" "$seconds"
    done >>"$results"
  done
}

# Of the medians, not the median of the rounds' ratios: a stall of the machine meets one side of a round.
against() { # COLUMN NAME OTHER
  awk -v one="$(column "$2" "$1" | median)" -v other="$(column "$3" "$1" | median)" 'BEGIN { print one / other }'
}

tell() {
  tell_circumstances
  table_head 'one core each'
  table_row 'Keyward, warm key' warm
  table_row 'Keyward, /v1/authorize with a warm key' authorize
  table_row 'Keyward, its bare handler (/healthz)' handler
  table_row 'Keyward, /v1/authorize with a warm token' token
  table_row 'Keyward, its bare handler with that header' longer
  table_row 'another application with the middleware' with
  table_row 'the same application without it' without

  printf '\n%-58s %9s   %s\n' 'ratios of the medians' measured target
  ratio_row 'warm key: requests/s against the bare handler' "$(against $RATE warm handler)" '>=' 0.95
  ratio_row 'warm key: p99 against the bare handler' "$(against $P99 warm handler)" '<=' 1.1
  ratio_row '/v1/authorize: requests/s against the bare handler' "$(against $RATE authorize handler)" '>=' 0.93
  ratio_row 'the same with a warm token' "$(against $RATE token longer)" '>=' 0.93
  ratio_row 'the middleware elsewhere: requests/s against without' "$(against $RATE with without)" '>=' 0.95
}

build
start_all
measure
tell
