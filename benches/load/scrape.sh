#!/usr/bin/env bash
# What a scrape of the metrics costs whoever scrapes, while a server is under load: its time, and the size of the answer.
# README.md beside this file tells more.
#
#   benches/load/scrape.sh            60 scrapes, one a second
#   benches/load/scrape.sh --quick    does it work at all? 1 scrape; its numbers mean nothing
#
# ROUNDS (of 12 scrapes), CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say. KEYWARD names a
# program that is built already. Needs Linux, wrk, jq, and what `keyward dev` needs.
set -euo pipefail
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl cargo jq

SCRAPES_A_ROUND=12

# Every route is asked with and without a credential, so that the answer has every series that it usually has.
use_all_routes() {
  local method path
  while read -r method path; do
    for credential in 'x-none: none' "x-api-key: $key" "authorization: Bearer $token"; do
      curl --silent --output /dev/null --request "$method" --header "$credential" "${address[keyward]}$path"
    done
  done < <(curl --silent "${address[keyward]}/openapi.json" |
    jq --raw-output '.paths | to_entries[] | .key as $path | .value | keys[] | "\(ascii_upcase) \($path | gsub("[{}]"; ""))"')
}

measure() {
  local scrapes=$((rounds == 1 ? 1 : rounds * SCRAPES_A_ROUND)) scrape
  load $((scrapes + 2)) --connections "$connections" --timeout 10s --script "$here/report.lua" \
    --header "x-api-key: $key" "${address[keyward]}/api/protected-resource" >"$work/load" &
  local under_load=$!
  for ((scrape = 1; scrape <= scrapes; scrape++)); do
    sleep 1
    curl --silent --fail --output /dev/null --write-out '%{time_total} %{size_download}\n' "${address[keyward]}/metrics" >>"$results"
  done
  wait "$under_load"
}

# Milliseconds and kilobytes, in ascending order.
sorted() { awk -v column="$1" -v factor="$2" '{ print $column * factor }' "$results" | sort --numeric-sort; }
nth() { awk -v part="$1" '{ all[NR] = $1 } END { place = int(NR * part + 0.5); print all[place < 1 ? 1 : place] }'; }

tell() {
  tell_circumstances
  printf '\n%-58s %9s   %s\n' '' measured target
  ratio_row 'time of a scrape under load, median, ms' "$(sorted 1 1000 | nth 0.5)" '<=' 5
  ratio_row 'time of a scrape under load, longest, ms' "$(sorted 1 1000 | nth 1)" '<=' 50
  ratio_row 'size of an answer, largest, kB' "$(sorted 2 0.001 | nth 1)" '<=' 200
}

build_keyward
# shellcheck disable=SC2119
start_keyward
use_all_routes
measure
tell
