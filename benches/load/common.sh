# shellcheck shell=bash disable=SC2034
# What the comparisons under load share: programs that listen, runs of wrk, and how they are told. Sourced by most beside
# this file and by benches/list/compare.sh. Their options are `--quick` and the variables below.

# shellcheck source=benches/load/programs.sh
source "$(dirname "${BASH_SOURCE[0]}")/programs.sh"

case ${1:-} in
  '') ;;
  --quick) ROUNDS=1 SECONDS_EACH=1 ;;
  *) echo "usage: $0 ${usage:-[--quick]}" >&2; exit 2 ;;
esac
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-5}
connections=${CONNECTIONS:-32}
server_core=${SERVER_CORE:-0}
client_core=${CLIENT_CORE:-1}
next_port=${FIRST_PORT:-18101}

need() { # PROGRAM…
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || { echo "$script: $program is not installed" >&2; exit 1; }
  done
}

# Programs ----------------------------------------------------------------------------------------

declare -A address=()

# start NAME COMMAND…: on the server's core, with PORT set; returns when it listens.
start() {
  local name=$1 port=$((next_port++))
  shift
  address[$name]=http://127.0.0.1:$port
  launch "$name" env PORT="$port" taskset --cpu-list "$server_core" "$@"
  wait_for "$name" "${address[$name]}/"
}

# Whose keys are made, by whoever starts Keyward.
token=

# create_key NAME: asks that server for a key. It may listen and not be ready yet.
create_key() {
  curl --silent --fail --retry 20 --retry-delay 1 --request POST "${address[$1]}/api/create-api-key" --header "Authorization: Bearer $token" |
    sed 's/.*"apiKey":"\([^"]*\)".*/\1/'
}

# start_keyward [SETTING…]: everything but the number of workers is what ships. Sets the token, and the key of its bearer.
start_keyward() {
  start keyward env KEYWARD__SERVER__WORKERS=1 "$@" "$KEYWARD" dev --data-dir "$work/keyward"
  token=$("$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject alice --expires-in 12h)
  key=$(create_key keyward)
}

# Of the traffic beside a flood.
NORMAL_CONNECTIONS=4

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

# run SECONDS NAME SERVER PATH HEADER: one run, and its line.
run() {
  local duration=$1 name=$2 server=$3 path=$4 header=$5
  local summary user_before system_before user system requests microseconds p50 p99 refused broken
  read -r user_before system_before < <(cpu_ticks "${pid[$server]}")
  summary=$(load "$duration" --connections "$connections" --timeout 10s --script "$here/report.lua" \
    --header "$header" "${address[$server]}$path")
  read -r user system < <(cpu_ticks "${pid[$server]}")
  read -r requests microseconds p50 p99 refused broken <<<"$summary"
  if ((requests == 0 || refused > 0 || broken > 0)); then
    echo "$script: $name: of $requests requests, $refused were refused and $broken broke" >&2
    exit 1
  fi
  awk -v name="$name" -v requests="$requests" -v microseconds="$microseconds" -v p50="$p50" -v p99="$p99" \
    -v user_ticks=$((user - user_before)) -v system_ticks=$((system - system_before)) -v second="$(getconf CLK_TCK)" 'BEGIN {
      tick = 1e6 / second
      print name, requests * 1e6 / microseconds, p50, p99, user_ticks * tick / requests, system_ticks * tick / requests
    }'
}

# wrk has as much to do as a server. With half of its core, the server is what limits the requests/s.
take_half_of_the_core() {
  taskset --cpu-list "$server_core" sh -c 'while :; do :; done' &
  pid[busy]=$!
}

give_it_back() {
  kill "${pid[busy]}"
  wait "${pid[busy]}" 2>/dev/null || true
  unset 'pid[busy]'
}

# flood KIND FILE HEADER PATH GOOD: normal traffic with the header GOOD beside a flood with the lines of FILE in turn behind HEADER;
# two lines.
flood() {
  local kind=$1 file=$2 header=$3 path=$4 good=$5 beside
  FLOOD_LINES=$file FLOOD_HEADER=$header FLOOD_PATH=$path LOAD_DIRECTORY=$here load $((seconds + 1)) \
    --connections "$connections" --script "$here/flood.lua" "${address[keyward]}" >"$work/flood" &
  local flooding=$!
  sleep 0.5 # the flood has begun, and ends after the normal traffic
  beside=$(load "$seconds" --connections "$NORMAL_CONNECTIONS" --script "$here/report.lua" \
    --header "$good" "${address[keyward]}$path")
  wait "$flooding"
  latency_line "beside_$kind" "$beside"
  latency_line "flood_$kind" "$(<"$work/flood")"
}

latency_line() { # NAME SUMMARY
  local requests microseconds p50 p99
  read -r requests microseconds p50 p99 _ <<<"$2"
  echo "$1 $((requests * 1000000 / microseconds)) $p50 $p99"
}

# Telling -----------------------------------------------------------------------------------------

RATE=2 P50=3 P99=4 USER_TIME=5 SYSTEM_TIME=6

column() { awk -v name="$1" -v number="$2" '$1 == name { print $number }' "$results"; }

median() { sort --general-numeric-sort | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

table_head() { # TITLE
  printf '%-46s %10s %8s %8s %8s %8s\n' "$1" requests/s 'p50 us' 'p99 us' 'user us' 'sys us'
}

table_row() { # TITLE NAME; a name with a _ is that of one client of two
  local values=() number
  for number in $RATE $P50 $P99 $USER_TIME $SYSTEM_TIME; do
    values+=("$(column "$2" "$number" | median)")
  done
  if [[ $2 == *_* ]]; then # two clients share the process: its time can't be told apart
    printf '%-46s %10.0f %8.0f %8.0f %8s %8s\n' "$1" "${values[@]:0:3}" - -
  else
    printf '%-46s %10.0f %8.0f %8.0f %8.2f %8.2f\n' "$1" "${values[@]}"
  fi
}

# The median of the rounds' ratios: what disturbs a round disturbs both sides of it.
ratio() { # COLUMN NAME OTHER
  paste <(column "$2" "$1") <(column "$3" "$1") | awk '{ print $1 / $2 }' | median
}

# Of the medians, not the median of the rounds' ratios: a stall of the machine meets one side of a round.
against() { # COLUMN NAME OTHER
  awk -v one="$(column "$2" "$1" | median)" -v other="$(column "$3" "$1" | median)" 'BEGIN { print one / other }'
}

ratio_row() { # TITLE VALUE COMPARISON TARGET
  awk -v title="$1" -v value="$2" -v comparison="$3" -v target="$4" 'BEGIN {
    reached = comparison == ">=" ? value >= target : value <= target
    printf "%-58s %9.2f   %s %-6s %s\n", title, value, comparison, target, reached ? "reached" : "MISSED"
  }'
}

# tell_circumstances: where and how it was measured, above the tables.
tell_circumstances() {
  printf '\n%s, %s rounds of %s s, %s connections; medians\n\n' "$(circumstances)" "$rounds" "$seconds" "$connections"
}
