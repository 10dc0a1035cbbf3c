#!/usr/bin/env bash
# Compares a key with three limits with one that has none, and with the usual ways to keep a limit: a number in Redis, or a row in
# Postgres, for each request. Then a flood over its limit. Prints medians, and the ratios that Keyward promises. README.md beside
# this file explains each line.
#
#   benches/load/limits.sh            5 rounds of 5 s a line: about 4 minutes, after the build
#   benches/load/limits.sh --quick    does it work at all? 1 round of 1 s; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say. KEYWARD names a
# program that is built already. Needs Linux, wrk, redis-server, and what `keyward dev` needs.
set -euo pipefail
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl cargo redis-server

COUNTED_KEY=counted

# make_key LIMITS: a key of the same owner with these limits.
make_key() {
  curl --silent --fail --request POST "${address[keyward]}/v1/keys" --header "Authorization: Bearer $token" \
    --header 'Content-Type: application/json' --data "{\"limits\":$1}" | sed 's/.*"apiKey":"\([^"]*\)".*/\1/'
}

start_all() {
  start_keyward
  limited=$(make_key '[{"name":"a","limit":100000000000,"window":"1h"},{"name":"b","limit":900000000000,"window":"day"},
    {"name":"c","limit":900000000000,"window":"month"}]')
  make_key '[{"name":"few","limit":1,"window":"month"}]' >"$work/exhausted"
  echo "$key" >"$work/valid"
  launch redis taskset --cpu-list "$server_core" redis-server --port 0 --unixsocket "$work/redis.sock" --save '' --appendonly no
  until [[ -S $work/redis.sock ]]; do sleep 0.1; done
  local counting=$built/release/count_each_time
  start redis_counts env API_KEY="$COUNTED_KEY" REDIS_URL="redis+unix://$work/redis.sock" "$counting"
  start postgres_counts env API_KEY="$COUNTED_KEY" \
    DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket" "$counting"
}

# Measuring ---------------------------------------------------------------------------------------

run_each() { # SECONDS
  run "$1" free keyward /api/protected-resource "x-api-key: $key"
  run "$1" limited keyward /api/protected-resource "x-api-key: $limited"
  run "$1" redis redis_counts /api/protected-resource "x-api-key: $COUNTED_KEY"
  run "$1" postgres postgres_counts /api/protected-resource "x-api-key: $COUNTED_KEY"
}

# How many statements about limits Keyward has sent.
statements() {
  curl --silent --fail "${address[keyward]}/metrics" |
    awk '/^keyward_limit_slices_total/ { sum += $NF } END { print sum + 0 }'
}

flood_of() { flood "$1" "$work/$1" x-api-key /api/protected-resource "x-api-key: $key"; }

measure() {
  local before
  run_each 1 >/dev/null # warm
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    { run_each "$seconds"; flood_of valid; } >>"$results"
    before=$(statements)
    flood_of exhausted >>"$results"
    echo "asked $(($(statements) - before))" >>"$results"
  done
}

tell() {
  tell_circumstances
  table_head 'one core each, with what each of them asks'
  table_row 'Keyward, a key without limits' free
  table_row 'Keyward, a key with three limits' limited
  table_row 'actix-web, a number in Redis for each request' redis
  table_row 'actix-web, a row in Postgres for each request' postgres
  table_row 'Keyward, normal traffic beside valid keys' beside_valid
  table_row 'Keyward, normal traffic beside an exhausted key' beside_exhausted
  table_row 'Keyward, the flood of valid keys' flood_valid
  table_row 'Keyward, the flood of an exhausted key' flood_exhausted

  printf '\n%-58s %9s   %s\n' 'Keyward' measured target
  ratio_row 'requests/s with three limits against without' "$(against $RATE limited free)" '>=' 0.97
  ratio_row 'requests/s against a number in Redis' "$(against $RATE limited redis)" '>=' 10
  ratio_row 'requests/s against a row in Postgres' "$(against $RATE limited postgres)" '>=' 10
  ratio_row 'p99 beside an exhausted key against beside valid keys' "$(ratio $P99 beside_exhausted beside_valid)" '<=' 1.2
  ratio_row 'statements in a second of the flood' "$(column asked 2 | median | awk -v s="$seconds" '{ print $1 / (s + 1) }')" '<=' 1
}

build
start_all
measure
tell
