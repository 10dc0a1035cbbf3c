#!/usr/bin/env bash
# What a revoke costs with more and more replicas, and what a fleet costs that does nothing. README.md beside this file tells
# more.
#
#   benches/load/fleet.sh             1, 4, 16 and 40 replicas, about two minutes
#   benches/load/fleet.sh 1 8         other numbers of replicas
#
# REVOKES is how many keys are revoked, one after the other, by one client that keeps its connection; processor time comes in
# hundredths of a second for each process, so a few would measure nothing. FIRST_PORT is where the first listens. KEYWARD names a
# program that is built already. Needs what `keyward dev` needs.
set -euo pipefail

# shellcheck source=benches/load/replicas.sh
source "$(dirname "$0")/replicas.sh"
revokes=${REVOKES:-400}
first_port=${FIRST_PORT:-18200}
IDLE_SECONDS=10
fleets=("$@")
((${#fleets[@]})) || fleets=(1 4 16 40)
build_keyward

start_until() { # COUNT
  local number
  for ((number = ${#pid[@]}; number < $1; number++)); do
    if ((number == 0)); then
      start_dev 0 "$first_port"
    else
      start_replica "$number" $((first_port + number)) KEYWARD__SERVER__WORKERS=1 KEYWARD__DATABASE__POOL_SIZE=2
    fi
  done
}

# Milliseconds of processor time so far: of Postgres, and of all.
used() {
  local postmaster
  postmaster=$(head -1 "$work"/keyward/postgres/postmaster.pid)
  awk -v postmaster="$postmaster" -v replicas=" ${pid[*]} " -v tick="$(getconf CLK_TCK)" '
    { pid = $1; sub(/.*\) /, ""); time = ($12 + $13) * 1000 / tick
      if ($2 == postmaster || pid == postmaster) { postgres += time; all += time }
      else if (index(replicas, " " pid " ")) all += time }
    END { print postgres, all }' /proc/[0-9]*/stat 2>/dev/null || true
}

# A hundred replicas have more connections than `keyward dev` provides for.
start_until 1
end
echo "max_connections = 1000" >>"$work/keyward/postgres/postgresql.conf"

printf '%s; %s revokes\n\n' "$(circumstances)" "$revokes"
printf '%8s %12s %12s %16s %16s %20s\n' replicas 'median ms' 'most ms' 'Postgres ms' 'all ms' 'idle Postgres %'
for count in "${fleets[@]}"; do
  start_until "$count"
  token=$(mint_token alice)
  sleep 6 # the replicas that began to listen last know all others
  keys=()
  for ((key = 0; key < revokes; key++)); do
    keys+=("$(curl --silent --fail --request POST "http://127.0.0.1:$first_port/v1/keys" --header "Authorization: Bearer $token" |
      sed 's/.*"apiKey":"[a-z]*_[a-z]*_\(.\{22\}\).*/\1/')")
  done
  read -r postgres_before all_before < <(used)
  curl --silent --fail --fail-early --write-out "\n" --request DELETE --header "Authorization: Bearer $token" \
    --config <(printf "url = http://127.0.0.1:$first_port/v1/keys/%s\n" "${keys[@]}") |
    sed 's/.*"tookMs":\([0-9.]*\).*/\1/' | sort --general-numeric-sort >"$work/took"
  read -r postgres all < <(used)
  read -r idle_before _ < <(used)
  sleep "$IDLE_SECONDS"
  read -r idle _ < <(used)
  awk -v count="$count" -v n="$revokes" -v postgres="$postgres" -v pb="$postgres_before" -v all="$all" -v ab="$all_before" \
    -v idle="$idle" -v ib="$idle_before" -v seconds="$IDLE_SECONDS" '
    { took[NR] = $1 }
    END { printf "%8d %12.1f %12.1f %16.2f %16.2f %20.1f\n", count, took[int((NR + 1) / 2)], took[NR], (postgres - pb) / n,
          (all - ab) / n, (idle - ib) / seconds / 10 }' "$work/took"
done
