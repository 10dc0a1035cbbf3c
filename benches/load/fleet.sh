#!/usr/bin/env bash
# What a revoke costs with more and more replicas, and what a fleet costs that does nothing. README.md beside this file tells
# more.
#
#   benches/load/fleet.sh             1, 4, 16 and 40 replicas, about two minutes
#   benches/load/fleet.sh 1 8         other numbers of replicas
#
# REVOKES is how many keys are revoked, one after the other. FIRST_PORT is where the first listens. KEYWARD names a program that
# is built already. Needs what `keyward dev` needs.
set -euo pipefail

export LC_ALL=C
repository=$(cd "$(dirname "$0")/../.." && pwd)
revokes=${REVOKES:-50}
first_port=${FIRST_PORT:-18200}
IDLE_SECONDS=10
fleets=("$@")
((${#fleets[@]})) || fleets=(1 4 16 40)

if [[ -z ${KEYWARD:-} ]]; then
  target=${CARGO_TARGET_DIR:-$repository/target}
  cargo build --release --locked --package keyward --bin keyward --manifest-path "$repository/Cargo.toml" --target-dir "$target"
  KEYWARD=$target/release/keyward
fi

# Postgres's own user has to get to its data.
work=$(mktemp -d)
chmod 755 "$work"
replicas=()
stop() {
  kill "${replicas[@]}" 2>/dev/null || true
  wait
}
trap 'stop; rm -rf "$work"' EXIT

wait_for() { # PORT
  local patience=600
  until curl --silent --fail --output /dev/null "http://127.0.0.1:$1/readyz"; do
    ((patience-- > 0)) || { cat "$work"/*.log >&2; exit 1; }
    sleep 0.1
  done
}

start_until() { # COUNT
  local port number
  for ((number = ${#replicas[@]}; number < $1; number++)); do
    port=$((first_port + number))
    if ((number == 0)); then
      PORT=$port KEYWARD__KEYS__MAX_PER_OWNER=0 "$KEYWARD" dev --data-dir "$work/keyward" >"$work/$port.log" 2>&1 &
    else
      env -i PATH="$PATH" PORT="$port" KEYWARD__SERVER__HOST=127.0.0.1 KEYWARD__SERVER__WORKERS=1 \
        KEYWARD__DATABASE__POOL_SIZE=2 KEYWARD__DATABASE__MIGRATE_ON_START=false \
        DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket" \
        KEYWARD__JWT__SECRET_FILE="$work/keyward/secrets/jwt_secret" \
        KEYWARD__KEYS__PEPPERS_FILE="$work/keyward/secrets/pepper" \
        "$KEYWARD" serve >"$work/$port.log" 2>&1 &
    fi
    replicas+=($!)
    wait_for "$port"
  done
}

# Milliseconds of processor time so far: of Postgres, and of all.
used() {
  local postmaster
  postmaster=$(head -1 "$work"/keyward/postgres/postmaster.pid)
  awk -v postmaster="$postmaster" -v replicas=" ${replicas[*]} " -v tick="$(getconf CLK_TCK)" '
    { pid = $1; sub(/.*\) /, ""); time = ($12 + $13) * 1000 / tick
      if ($2 == postmaster || pid == postmaster) { postgres += time; all += time }
      else if (index(replicas, " " pid " ")) all += time }
    END { print postgres, all }' /proc/[0-9]*/stat 2>/dev/null || true
}

# A hundred replicas have more connections than `keyward dev` provides for.
start_until 1
stop
replicas=()
echo "max_connections = 1000" >>"$work/keyward/postgres/postgresql.conf"

printf '%s, %s, %s cores; %s revokes\n\n' "$(date +%F)" "$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)" "$(nproc)" "$revokes"
printf '%8s %12s %12s %16s %16s %20s\n' replicas 'median ms' 'most ms' 'Postgres ms' 'all ms' 'idle Postgres %'
for count in "${fleets[@]}"; do
  start_until "$count"
  token=$("$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject alice)
  sleep 6 # the replicas that began to listen last know all others
  keys=()
  for ((key = 0; key < revokes; key++)); do
    keys+=("$(curl --silent --fail --request POST "http://127.0.0.1:$first_port/v1/keys" --header "Authorization: Bearer $token" |
      sed 's/.*"apiKey":"[a-z]*_[a-z]*_\(.\{22\}\).*/\1/')")
  done
  read -r postgres_before all_before < <(used)
  for key in "${keys[@]}"; do
    curl --silent --fail --write-out "\n" --request DELETE "http://127.0.0.1:$first_port/v1/keys/$key" --header "Authorization: Bearer $token" |
      sed 's/.*"tookMs":\([0-9.]*\).*/\1/'
  done | sort --general-numeric-sort >"$work/took"
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
