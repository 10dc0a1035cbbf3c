#!/usr/bin/env bash
# Two versions of Keyward beside each other, in short runs that alternate, because this hour's machine is not the last's:
# a known key at /api/protected-resource and the bare handler, with half a core for the servers.
#
#   benches/load/versions.sh PROGRAM         another version's program; 40 rounds, three minutes after the build
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names this version's program if it is built already. Needs Linux, wrk, and what `keyward dev` needs.
set -euo pipefail
: "${ROUNDS:=40}" "${SECONDS_EACH:=1}"
other=${1:?name the other version\'s program}
shift
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl cargo

declare -A program key_of
build_keyward
program=([before]=$other [now]=$KEYWARD)
for version in before now; do
  KEYWARD=${program[$version]}
  start "$version" env KEYWARD__SERVER__WORKERS=1 "$KEYWARD" dev --data-dir "$work/$version"
  token=$("$KEYWARD" token mint --dev --data-dir "$work/$version" --subject alice --expires-in 12h)
  key_of[$version]=$(create_key "$version")
done

ask() { # SECONDS VERSION-WHAT
  local version=${2%-*} path=/healthz
  [[ $2 == *-handler ]] || path=/api/protected-resource
  run "$1" "$2" "$version" "$path" "x-api-key: ${key_of[$version]}"
}

ORDER=(before-key now-key before-handler now-handler)
for name in "${ORDER[@]}"; do ask 1 "$name"; done >/dev/null # warm
take_half_of_the_core
for ((round = 1; round <= rounds; round++)); do
  for turn in "${!ORDER[@]}"; do
    ask "$seconds" "${ORDER[round % 2 ? turn : ${#ORDER[@]} - 1 - turn]}" >>"$results"
  done
done
give_it_back

tell_circumstances
table_head 'half a core for the server'
table_row 'before: known key' before-key
table_row 'now: known key' now-key
table_row 'before: bare handler' before-handler
table_row 'now: bare handler' now-handler
printf '\n%-58s %9s   %s\n' 'ratios of the medians: requests/s' measured target
ratio_row 'known key: now against before' "$(against $RATE now-key before-key)" '>=' 0.98
ratio_row 'bare handler: now against before' "$(against $RATE now-handler before-handler)" '>=' 0.98
