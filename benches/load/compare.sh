#!/usr/bin/env bash
# Compares the check of a key under load with no check at all and with the usual ways to check.
# Prints medians, and the ratios that Keyward promises. README.md beside this file explains each line.
#
#   benches/load/compare.sh            5 rounds of 5 s a program: about 5 minutes, after the build
#   benches/load/compare.sh --quick    does it work at all? 1 round of 1 s; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names a program that is built already. Needs Linux, wrk, Node with npm, and what `keyward dev` needs.
set -euo pipefail
export LC_ALL=C # wherever we are, numbers have a point

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)

case ${1:-} in
  '') ;;
  --quick) ROUNDS=1 SECONDS_EACH=1 ;;
  *) echo "usage: benches/load/compare.sh [--quick]" >&2; exit 2 ;;
esac
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-5}
connections=${CONNECTIONS:-32}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
next_port=${FIRST_PORT:-18101}

# Of the traffic beside a flood.
NORMAL_CONNECTIONS=4
# That many different forged keys, so that nothing can remember one.
FORGED_KEYS=1000
# What the program with Argon2id lets in, as id.secret.
ARGON2_KEY=benchmark.Zr0aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z

for program in wrk taskset curl node npm cargo; do
  command -v "$program" >/dev/null || { echo "compare.sh: $program is not installed" >&2; exit 1; }
done

# Programs ----------------------------------------------------------------------------------------

target=${CARGO_TARGET_DIR:-$repository/target}
built=$target/load # for what isn't Keyward

build() {
  if [[ -z ${KEYWARD:-} ]]; then
    cargo build --release --locked --bin keyward --manifest-path "$repository/Cargo.toml" --target-dir "$target"
    KEYWARD=$target/release/keyward
  fi
  cargo build --release --locked --manifest-path "$here/programs/Cargo.toml" --target-dir "$built"
  mkdir -p "$built/express"
  cp "$here"/express/* "$built/express"
  (cd "$built/express" && npm ci --silent --no-audit --no-fund)
}

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

# start NAME COMMAND…: on the server's core, with PORT set; returns when it listens.
start() {
  local name=$1 port=$((next_port++))
  shift
  PORT=$port taskset --cpu-list "$server_core" "$@" >"$work/$name.log" 2>&1 &
  pid[$name]=$!
  address[$name]=http://127.0.0.1:$port
  local patience=600
  until curl --silent --output /dev/null "${address[$name]}/"; do
    if ((--patience == 0)) || ! kill -0 "${pid[$name]}" 2>/dev/null; then
      echo "compare.sh: $name did not start:" >&2
      cat "$work/$name.log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# create_key NAME: asks that server for a key.
create_key() {
  curl --silent --fail --request POST "${address[$1]}/api/create-api-key" --header "Authorization: Bearer $token" |
    sed 's/.*"apiKey":"\([^"]*\)".*/\1/'
}

# Everything but the number of workers is what ships.
start_all() {
  start keyward env KEYWARD__SERVER__WORKERS=1 "$KEYWARD" dev --data-dir "$work/keyward"
  token=$("$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject alice --expires-in 12h)
  start bare "$built/release/bare"
  start express env NODE_ENV=production JWT_SECRET="$(cat "$work/keyward/secrets/jwt_secret")" \
    node "$built/express/server.js"
  start argon2 env API_KEY="$ARGON2_KEY" "$built/release/argon2_each_time"
  start app env DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket" \
    KEYWARD_PEPPER="$(cat "$work/keyward/secrets/pepper")" "$built/release/protected_app"
  keyward_key=$(create_key keyward)
  express_key=$(create_key express)
}

# Measuring ---------------------------------------------------------------------------------------

# One line a run: NAME REQUESTS_PER_SECOND P50 P99 USER SYSTEM, times in microseconds.
results=$work/results

# User and system time of a process so far, in ticks. Its name, in parentheses, may hold spaces.
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | cut --delimiter=' ' --fields=12,13; }

# load SECONDS ARGUMENT…: wrk's arguments; prints what report.lua prints.
load() {
  local duration=$1
  shift
  taskset --cpu-list "$client_core" wrk --threads 1 --duration "${duration}s" "$@" | sed -n 's/^result //p'
}

# run SECONDS NAME SERVER PATH KEY: one run, and its line.
run() {
  local duration=$1 name=$2 server=$3 path=$4 key=$5
  local summary user_before system_before user system requests microseconds p50 p99 refused broken
  read -r user_before system_before < <(cpu_ticks "${pid[$server]}")
  summary=$(load "$duration" --connections "$connections" --timeout 10s --script "$here/report.lua" \
    --header "x-api-key: $key" "${address[$server]}$path")
  read -r user system < <(cpu_ticks "${pid[$server]}")
  read -r requests microseconds p50 p99 refused broken <<<"$summary"
  if ((requests == 0 || refused > 0 || broken > 0)); then
    echo "compare.sh: $name: of $requests requests, $refused were refused and $broken broke" >&2
    exit 1
  fi
  awk -v name="$name" -v requests="$requests" -v microseconds="$microseconds" -v p50="$p50" -v p99="$p99" \
    -v user_ticks=$((user - user_before)) -v system_ticks=$((system - system_before)) -v second="$(getconf CLK_TCK)" 'BEGIN {
      tick = 1e6 / second
      print name, requests * 1e6 / microseconds, p50, p99, user_ticks * tick / requests, system_ticks * tick / requests
    }'
}

run_each() { # SECONDS
  run "$1" warm keyward /api/protected-resource "$keyward_key"
  run "$1" handler keyward /healthz "$keyward_key" # with the header, so that the requests are as long
  run "$1" bare bare /api/protected-resource "$keyward_key"
  run "$1" app_with app /protected "$keyward_key"
  run "$1" app_without app /unprotected "$keyward_key"
  run "$1" express express /api/protected-resource "$express_key"
  # All connections are hashed for at once, so that the first answer takes a second or two.
  run $(($1 < 5 ? 5 : $1)) argon2 argon2 /api/protected-resource "$ARGON2_KEY"
}

write_flood_keys() {
  echo "$keyward_key" >"$work/valid"
  # The tag at the end is what a forger cannot make. All forged keys are of the right form.
  for ((i = 0; i < FORGED_KEYS; i++)); do
    printf '%s%011d\n' "${keyward_key%???????????}" "$i"
  done >"$work/forged"
}

# flood KIND: normal traffic of one good key beside a flood of keys of that kind; two lines.
flood() {
  local kind=$1 beside
  LOAD_DIRECTORY=$here FLOOD_KEYS=$work/$kind load $((seconds + 1)) --connections "$connections" \
    --script "$here/flood.lua" "${address[keyward]}" >"$work/flood" &
  local flooding=$!
  sleep 0.5 # the flood has begun, and ends after the normal traffic
  beside=$(load "$seconds" --connections "$NORMAL_CONNECTIONS" --script "$here/report.lua" \
    --header "x-api-key: $keyward_key" "${address[keyward]}/api/protected-resource")
  wait "$flooding"
  latency_line "beside_$kind" "$beside"
  latency_line "flood_$kind" "$(<"$work/flood")"
}

latency_line() { # NAME SUMMARY
  local requests microseconds p50 p99
  read -r requests microseconds p50 p99 _ <<<"$2"
  echo "$1 $((requests * 1000000 / microseconds)) $p50 $p99"
}

measure() {
  run_each 1 >/dev/null # warm: the key, and Node's compiler
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    { run_each "$seconds"; flood valid; flood forged; } >>"$results"
  done
}

# Telling -----------------------------------------------------------------------------------------

RATE=2 P50=3 P99=4 USER_TIME=5 SYSTEM_TIME=6

column() { awk -v name="$1" -v number="$2" '$1 == name { print $number }' "$results"; }

median() { sort --general-numeric-sort | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

table_row() { # TITLE NAME
  local values=() number
  for number in $RATE $P50 $P99 $USER_TIME $SYSTEM_TIME; do
    values+=("$(column "$2" "$number" | median)")
  done
  if [[ $2 == beside_* || $2 == flood_* ]]; then # two clients share the process: its time can't be told apart
    printf '%-46s %10.0f %8.0f %8.0f %8s %8s\n' "$1" "${values[@]:0:3}" - -
  else
    printf '%-46s %10.0f %8.0f %8.0f %8.2f %8.2f\n' "$1" "${values[@]}"
  fi
}

# The median of the rounds' ratios: what disturbs a round disturbs both sides of it.
ratio() { # COLUMN NAME OTHER
  paste <(column "$2" "$1") <(column "$3" "$1") | awk '{ print $1 / $2 }' | median
}

ratio_row() { # TITLE VALUE COMPARISON TARGET
  awk -v title="$1" -v value="$2" -v comparison="$3" -v target="$4" 'BEGIN {
    reached = comparison == ">=" ? value >= target : value <= target
    printf "%-58s %9.2f   %s %-6s %s\n", title, value, comparison, target, reached ? "reached" : "MISSED"
  }'
}

tell() {
  printf '\n%s, %s, %s cores, %s rounds of %s s, %s connections; medians\n\n' "$(date +%F)" \
    "$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)" "$(nproc)" "$rounds" "$seconds" "$connections"
  printf '%-46s %10s %8s %8s %8s %8s\n' 'one core each' requests/s 'p50 us' 'p99 us' 'user us' 'sys us'
  table_row 'Keyward, warm key' warm
  table_row 'Keyward, its bare handler (/healthz)' handler
  table_row 'actix-web, no check, no middleware' bare
  table_row 'another application with the middleware' app_with
  table_row 'the same application without it' app_without
  table_row 'Express, key in a Set' express
  table_row 'actix-web, Argon2id on each request' argon2
  table_row 'Keyward, normal traffic beside valid keys' beside_valid
  table_row 'Keyward, normal traffic beside forged keys' beside_forged
  table_row 'Keyward, the flood of valid keys' flood_valid
  table_row 'Keyward, the flood of forged keys' flood_forged

  printf '\n%-58s %9s   %s\n' 'Keyward, warm key' measured target
  ratio_row 'requests/s against its bare handler' "$(ratio $RATE warm handler)" '>=' 0.95
  ratio_row 'p99 against its bare handler' "$(ratio $P99 warm handler)" '<=' 1.1
  ratio_row 'requests/s against actix-web with no check' "$(ratio $RATE warm bare)" '>=' 0.80
  ratio_row 'user CPU a request, us' "$(column warm $USER_TIME | median)" '<=' 2.5
  ratio_row 'the middleware elsewhere: requests/s against without' "$(ratio $RATE app_with app_without)" '>=' 0.95
  ratio_row 'requests/s against Express with a Set' "$(ratio $RATE warm express)" '>=' 10
  ratio_row 'requests/s against Argon2id on each request' "$(ratio $RATE warm argon2)" '>=' 2000
  ratio_row 'p99 beside forged keys against beside valid keys' "$(ratio $P99 beside_forged beside_valid)" '<=' 1.2
}

build
start_all
write_flood_keys
measure
tell
