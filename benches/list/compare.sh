#!/usr/bin/env bash
# Compares lists of keys with a million keys in the table and with a thousand, over HTTP, side by side.
# Prints medians, the ratios of p99 (Keyward promises 1.5 at the most), and with --plans how Postgres reads.
#
#   benches/list/compare.sh            9 rounds of 3 s a list and table: about 5 minutes, after the build
#   benches/list/compare.sh --plans    the plans alone, as prepared statements have them after many runs
#   benches/list/compare.sh --quick    does it work at all? 1 round of 1 s; its numbers mean nothing
#
# Two `keyward dev` with a database each (keys.sql fills them) are there all the time; a round measures each list on
# one and then on the other, so that a slow minute of the machine meets both. An owner has a hundred keys in both. Server
# and Postgres are on one core, wrk on the other.
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, MANY, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say. KEYWARD
# names a program that is built already. Needs Linux, wrk, psql, curl, and what `keyward dev` needs.
set -euo pipefail

plans=
usage='[--plans | --quick]'
if [[ ${1:-} == --plans ]]; then
  plans=yes
  shift
fi
ROUNDS=${ROUNDS:-9} SECONDS_EACH=${SECONDS_EACH:-3} CONNECTIONS=${CONNECTIONS:-4} FIRST_PORT=${FIRST_PORT:-18201}
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/../load/common.sh"

few=1000
many=${MANY:-1000000}
KEYS_EACH=100 # of an owner

need wrk taskset curl psql cargo

database() { # TABLE ARGUMENT…: psql on its database
  local table=$1
  shift
  psql --no-psqlrc --quiet --host "$work/$table/socket" --username postgres "$@"
}

# start_keyward TABLE [SETTING…]: one worker, on the table's own data.
start_keyward() {
  local table=$1
  shift
  start "$table" env KEYWARD__SERVER__WORKERS=1 "$@" "$KEYWARD" dev --data-dir "$work/$table"
}

fill() { # TABLE KEYS
  echo "making $2 keys" >&2
  database "$1" --set keys="$2" --set owners=$(($2 / KEYS_EACH)) --file "$(dirname "$0")/keys.sql"
}

token() { # TABLE ARGUMENT…
  local table=$1
  shift
  "$KEYWARD" token mint --dev --data-dir "$work/$table" --expires-in 12h "$@"
}

# Lists --------------------------------------------------------------------------------------------

# Each: name, who asks, path. `page` is what an owner sees first, `further` goes on in the middle.
lists() {
  echo "page owner /v1/keys"
  echo "filtered owner /v1/keys?state=active&environment=live&tag=team:payments&expiringBefore=2100-01-01T00:00:00Z"
  echo "searched owner /v1/keys?search=key&scope=orders:read&unusedSince=2100-01-01T00:00:00Z"
  echo "sorted owner /v1/keys?sort=-lastUsedAt"
  echo "admin_page admin /v1/admin/keys"
  echo "admin_owners admin /v1/admin/owners"
  echo "admin_owner admin /v1/admin/keys?owner=$OWNER_ID&state=active"
}
OWNER_ID=$(printf '\0owner-1' | base64 | tr -d '=')

# run_list SECONDS TABLE NAME WHO PATH: one line TABLE.NAME REQUESTS_PER_SECOND P50 P99, times in microseconds.
run_list() {
  local duration=$1 table=$2 name=$3 who=$4 path=$5 summary requests refused broken
  local token_of=${who}_$table
  summary=$(load "$duration" --connections "$connections" --script "$here/report.lua" \
    --header "Authorization: Bearer ${!token_of}" "${address[$table]}$path")
  read -r requests _ _ _ refused broken <<<"$summary"
  if ((requests == 0 || refused > 0 || broken > 0)); then
    echo "$script: $name of $table: of $requests requests, $refused were refused and $broken broke:" >&2
    curl --silent --header "Authorization: Bearer ${!token_of}" "${address[$table]}$path" >&2
    exit 1
  fi
  latency_line "$table.$name" "$summary"
}

run_lists() { # SECONDS TABLE OTHER
  while read -r name who path; do
    for table in "$2" "$3"; do run_list "$1" "$table" "$name" "$who" "$path"; done
  done < <(lists)
}

measure() {
  run_lists "$seconds" thousand million >/dev/null # warm
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    # In turn the one and the other first.
    if ((round % 2)); then run_lists "$seconds" million thousand; else run_lists "$seconds" thousand million; fi >>"$results"
  done
}

# Telling ------------------------------------------------------------------------------------------

tell() {
  tell_circumstances
  printf '%-14s %14s %14s %8s %14s %14s\n' 'list; in us' 'p50, 1000' "p50, $many" ratio 'p99, 1000' "p99, $many"
  while read -r name _; do
    printf '%-14s %14.0f %14.0f %8.2f %14.0f %14.0f\n' "$name" \
      "$(column "thousand.$name" $P50 | median)" "$(column "million.$name" $P50 | median)" \
      "$(ratio $P50 "million.$name" "thousand.$name")" \
      "$(column "thousand.$name" $P99 | median)" "$(column "million.$name" $P99 | median)"
  done < <(lists)
  printf '\n%-58s %9s   %s\n' "p99 with $many keys against $few" measured target
  while read -r name _; do
    ratio_row "$name" "$(ratio $P99 "million.$name" "thousand.$name")" '<=' 1.5
  done < <(lists)
}

# The statements as Keyward prepares them, and how Postgres plans them: each list is asked for ten times on one
# connection (after five, a plan for any parameters is weighed against one for these), and auto_explain tells.
explain() {
  for table in thousand million; do
    database "$table" --command "LOAD 'auto_explain'" \
      --command "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'" \
      --command "ALTER SYSTEM SET auto_explain.log_min_duration = 0" \
      --command "ALTER SYSTEM SET auto_explain.log_analyze = on" --command "SELECT pg_reload_conf()" >/dev/null
    kill "${pid[$table]}" && wait "${pid[$table]}" || true
  done
  for table in thousand million; do
    start_keyward "$table" KEYWARD__DATABASE__POOL_SIZE=1
    while read -r name who path; do
      local token_of=${who}_$table
      for ((i = 0; i < 10; i++)); do
        curl --silent --fail --output /dev/null --header "Authorization: Bearer ${!token_of}" "${address[$table]}$path"
      done
      printf '\n== %s, %s\n' "$name" "$table"
      tac "$work/$table/postgres.log" | sed -n '1,/Query Text/p' | tac | sed -n '/^\t*Limit/,$p'
    done < <(lists)
  done
}

build_keyward
for table in thousand million; do start_keyward "$table"; done
fill thousand "$few"
fill million "$many"
for table in thousand million; do
  declare "owner_$table=$(token "$table" --subject owner-1)"
  declare "admin_$table=$(token "$table" --subject root --scope keyward:admin)"
done
if [[ $plans ]]; then
  explain
else
  measure
  tell
fi
