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
export LC_ALL=C # wherever we are, numbers have a point

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)

plans=
case ${1:-} in
  '') ;;
  --plans) plans=yes ;;
  --quick) ROUNDS=1 SECONDS_EACH=1 ;;
  *) echo "usage: benches/list/compare.sh [--plans | --quick]" >&2; exit 2 ;;
esac
rounds=${ROUNDS:-9}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-4}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
next_port=${FIRST_PORT:-18201}
few=1000
many=${MANY:-1000000}
KEYS_EACH=100 # of an owner

for program in wrk taskset curl psql cargo; do
  command -v "$program" >/dev/null || { echo "compare.sh: $program is not installed" >&2; exit 1; }
done

if [[ -z ${KEYWARD:-} ]]; then
  cargo build --release --locked --bin keyward --manifest-path "$repository/Cargo.toml"
  KEYWARD=${CARGO_TARGET_DIR:-$repository/target}/release/keyward
fi

declare -A pid address

# Not below mktemp's folder of mode 700 as it is: Postgres's own user has to get to its data.
work=$(mktemp -d)
chmod 755 "$work"
stop() {
  for name in "${!pid[@]}"; do kill "${pid[$name]}" 2>/dev/null || true; done
  wait # Keyward stops its Postgres, which must be gone before its data is
  rm -rf "$work"
}
trap stop EXIT

database() { # TABLE ARGUMENT…: psql on its database
  local table=$1
  shift
  psql --no-psqlrc --quiet --host "$work/$table/socket" --username postgres "$@"
}

# start TABLE KEYS: a Keyward with that many keys; returns when it answers.
start() {
  local table=$1 keys=$2 port=$((next_port++))
  PORT=$port KEYWARD__SERVER__WORKERS=1 taskset --cpu-list "$server_core" \
    "$KEYWARD" dev --data-dir "$work/$table" >"$work/$table.log" 2>&1 &
  pid[$table]=$!
  address[$table]=http://127.0.0.1:$port
  local patience=600
  until curl --silent --output /dev/null "${address[$table]}/"; do
    if ((--patience == 0)) || ! kill -0 "${pid[$table]}" 2>/dev/null; then
      echo "compare.sh: keyward did not start:" >&2
      cat "$work/$table.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "making $keys keys" >&2
  database "$table" --set keys="$keys" --set owners=$((keys / KEYS_EACH)) --file "$here/keys.sql"
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
  echo "admin_page admin /v1/admin/keys"
  echo "admin_owner admin /v1/admin/keys?owner=$OWNER_ID&state=active"
}
OWNER_ID=$(printf '\0owner-1' | base64 | tr -d '=')

# run TABLE NAME WHO PATH: one line TABLE.NAME REQUESTS_PER_SECOND P50 P99, times in microseconds.
run() {
  local table=$1 name=$2 who=$3 path=$4 requests microseconds p50 p99 failed
  local token_of=${who}_$table
  read -r requests microseconds p50 p99 failed < <(
    taskset --cpu-list "$client_core" wrk --threads 1 --duration "${seconds}s" --connections "$connections" \
      --script "$here/report.lua" --header "Authorization: Bearer ${!token_of}" "${address[$table]}$path" |
      sed -n 's/^result //p')
  if ((requests == 0 || failed > 0)); then
    echo "compare.sh: $name of $table: of $requests requests, $failed failed:" >&2
    curl --silent --header "Authorization: Bearer ${!token_of}" "${address[$table]}$path" >&2
    exit 1
  fi
  echo "$table.$name $((requests * 1000000 / microseconds)) $p50 $p99"
}

measure() {
  for ((round = 0; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    while read -r name who path; do
      # In turn the one and the other first.
      local order=(thousand million)
      ((round % 2)) && order=(million thousand)
      for table in "${order[@]}"; do run "$table" "$name" "$who" "$path"; done
    done < <(lists) >>"$work/round$round"
  done
  rm "$work/round0" # to warm up
  cat "$work"/round* >"$work/results"
}

# Telling ------------------------------------------------------------------------------------------

P50=3 P99=4
column() { awk -v name="$1" -v number="$2" '$1 == name { print $number }' "$work/results"; }
median() { sort --general-numeric-sort | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

# The median of the rounds' ratios: what disturbs a round disturbs both sides of it.
ratio() { # NAME COLUMN
  paste <(column "million.$1" "$2") <(column "thousand.$1" "$2") | awk '{ print $1 / $2 }' | median
}

tell() {
  printf '\n%s, %s, %s cores, %s rounds of %s s, %s connections; medians, in microseconds\n\n' "$(date +%F)" \
    "$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)" "$(nproc)" "$rounds" "$seconds" "$connections"
  printf '%-14s %14s %14s %8s %14s %14s %8s\n' list 'p50, 1000' "p50, $many" ratio 'p99, 1000' "p99, $many" ratio
  while read -r name _; do
    local worst verdict=reached
    worst=$(ratio "$name" $P99)
    awk -v ratio="$worst" 'BEGIN { exit ratio > 1.5 }' || verdict=MISSED
    printf '%-14s %14.0f %14.0f %8.2f %14.0f %14.0f %8.2f  <= 1.5 %s\n' "$name" \
      "$(column "thousand.$name" $P50 | median)" "$(column "million.$name" $P50 | median)" "$(ratio "$name" $P50)" \
      "$(column "thousand.$name" $P99 | median)" "$(column "million.$name" $P99 | median)" "$worst" "$verdict"
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
    restart "$table"
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

restart() { # TABLE
  local port=${address[$1]##*:}
  PORT=$port KEYWARD__SERVER__WORKERS=1 KEYWARD__DATABASE__POOL_SIZE=1 "$KEYWARD" dev --data-dir "$work/$1" \
    >"$work/$1.log" 2>&1 &
  pid[$1]=$!
  until curl --silent --output /dev/null "${address[$1]}/"; do sleep 0.1; done
}

start thousand "$few"
start million "$many"
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
