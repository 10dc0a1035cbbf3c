#!/usr/bin/env bash
# How long the pages of the console take with a million keys: each is asked for again and again, one at a time, by an
# administrator who is signed in. Prints medians, p95 (every page may take 50 ms) and bytes.
#
#   benches/list/console.sh            50 of each page: about a minute, after the build and some minutes of filling
#   benches/list/console.sh --plans    also how Postgres reads for the overview, as auto_explain tells
#   KEYWARD=target/debug/keyward benches/list/console.sh     a program that is built already
#
# TIMES, MANY and FIRST_PORT change what their names say. Needs Linux, psql, curl, and what `keyward dev` needs.
set -euo pipefail
# shellcheck source=benches/load/programs.sh
source "$(dirname "$0")/../load/programs.sh"

MOST=50 # milliseconds
TIMES=${TIMES:-50} MANY=${MANY:-1000000} FIRST_PORT=${FIRST_PORT:-18301}
case ${1:-} in
  '') plans= ;;
  --plans) plans=yes ;;
  *) echo "usage: $0 [--plans]" >&2; exit 2 ;;
esac
folder=$(dirname "$0")
address=http://127.0.0.1:$FIRST_PORT
jar=$work/cookies

database() { psql --no-psqlrc --quiet --host "$work/data/socket" --username postgres "$@"; }

# page PATH: seconds and bytes. A page that did not come ends everything.
page() {
  curl --silent --output /dev/null --cookie "$jar" --write-out '%{http_code} %{time_total} %{size_download}\n' "$address$1" |
    awk -v page="$1" '$1 != 200 { print page " was answered " $1 > "/dev/stderr"; exit 1 } { print $2, $3 }'
}

pages() {
  echo "overview /console/overview"
  echo "all_keys /console/all/keys"
  echo "leaked /console/all/keys?leaked=yes"
  echo "expiring /console/all/keys?state=active&expiring_days=7&used_days=7"
  echo "never_expire /console/all/keys?state=active&expires=never"
  echo "unused /console/all/keys?state=active&unused_days=90&sort=createdAt"
  echo "unlimited /console/all/keys?state=active&limited=no"
  echo "search /console/all/keys?search=nothing-has-this"
  echo "disabled /console/all/keys?state=disabled"
  echo "revoked /console/all/keys?state=revoked"
  echo "no_scope /console/all/keys?scope=nothing-has-this"
  echo "no_tag /console/all/keys?tag=nothing-has-this"
  echo "test /console/all/keys?environment=test&limited=no"
  echo "created /console/all/keys?created_days=1"
  for sort in createdAt lastUsedAt expiresAt name; do
    echo "by_$sort /console/all/keys?sort=$sort&state=active"
  done
  echo "owner /console/all/keys?owner=$owner&state=active"
  echo "owner_by_name /console/all/keys?owner=$owner&sort=name"
  echo "one_key /console/all/keys/$key"
  echo "one_owner /console/owners/one?id=$owner"
  echo "found_owners /console/owners?search=owner-99"
  echo "no_owners /console/owners?search=nobody-is-called-this"
  echo "disabled_owners /console/owners?disabled=yes"
  echo "owner_usage /console/usage?all=1&owner=$owner"
  echo "owner_audit /console/audit?all=1&owner=$owner"
  echo "key_audit /console/audit?all=1&key=$key"
  echo "owners /console/owners"
  echo "sessions /console/all/sessions"
  echo "audit /console/audit?all=1"
  echo "replicas /console/replicas"
  echo "usage /console/usage?all=1"
}
owner=$(printf '\0owner-1' | base64 | tr -d '=')

build_keyward
launch keyward env PORT="$FIRST_PORT" "$KEYWARD" dev --data-dir "$work/data"
wait_for keyward "$address/"
echo "making $MANY keys" >&2
database --set keys="$MANY" --set owners=$((MANY / 100)) --file "$folder/keys.sql"
database --file "$folder/console.sql"
curl --silent --fail --output /dev/null --cookie-jar "$jar" --header "Origin: $address" --data 'person=admin' "$address/console/sign-in"

key=$(curl --silent --cookie "$jar" "$address/console/all/keys?owner=$owner" | sed -n 's,.*href="/console/all/keys/\([0-9A-Za-z]\{22\}\)".*,\1,p' | head -n 1)

# Until the keys are surveyed, which may have been done when there were none.
patience=300
until [[ $(curl --silent --cookie "$jar" "$address/console/overview") == *'<bdi>owner-'* ]]; do
  ((--patience)) || { echo "$0: the busiest keys are not found" >&2; exit 1; }
  sleep 1
done

if [[ $plans ]]; then
  database --command "LOAD 'auto_explain'" --command "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'" \
    --command "ALTER SYSTEM SET auto_explain.log_min_duration = 5" \
    --command "ALTER SYSTEM SET auto_explain.log_analyze = on" \
    --command "ALTER SYSTEM SET auto_explain.log_buffers = on" --command "SELECT pg_reload_conf()" >/dev/null
  end keyward
  launch keyward env PORT="$FIRST_PORT" KEYWARD__DATABASE__POOL_SIZE=1 "$KEYWARD" dev --data-dir "$work/data"
  wait_for keyward "$address/"
  for ((i = 0; i < 10; i++)); do page /console/overview >/dev/null; done
  sed -n '/duration: .* plan:/,$p' "$work/data/postgres.log" | tail -n 400
fi

printf '%s\n%-14s %10s %10s %10s %10s\n' "$(circumstances)" page 'p50 ms' 'p95 ms' 'at most' bytes
while read -r name path; do
  for ((i = 0; i < 5; i++)); do page "$path" >/dev/null; done # warm
  for ((i = 0; i < TIMES; i++)); do page "$path"; done | sort --general-numeric-sort |
    awk -v name="$name" -v most="$MOST" '{ seconds[NR] = $1; bytes = $2 } END {
      printf "%-14s %10.1f %10.1f %10d %10d%s\n", name, seconds[int((NR + 1) / 2)] * 1000,
        seconds[int(NR * 0.95 + 0.999)] * 1000, most, bytes, (seconds[int(NR * 0.95 + 0.999)] * 1000 > most ? "  missed" : "")
    }'
done < <(pages)
