#!/usr/bin/env bash
# What it takes Postgres to write down the uses of many keys, as a replica does: batches of a thousand, by `write_usage`, one after
# the other as fast as they are answered. A replica itself takes minutes over them, so that few rows are written in a second.
#
#   scripts/with-postgres.sh benches/usage/flush.sh            [KEYS=100000 ROUNDS=5]
#
# In the first round of an hour, each key gets its rows; in later ones of that hour, they are updated. Prints the time of each
# round in seconds: the round trips, and the time of the server's process.
set -euo pipefail
cd "$(dirname "$0")"
keys=${KEYS:-100000} rounds=${ROUNDS:-5}
sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" "$@"; }

# That server is a throw-away one, which doesn't flush.
sql --command 'ALTER SYSTEM SET fsync = on' --command 'SELECT pg_reload_conf()' >/dev/null
for migration in ../../migrations/*.sql; do sql --file="$migration" >/dev/null; done
sql --set=keys="$keys" --set=owners=1000 --file=../list/keys.sql >/dev/null

batch() { # ROUND FIRST LAST
  local hour="date_trunc('hour', now())"
  [[ $1 == 1 ]] || hour="$hour + interval '1 hour' * ($1 / 2)"
  echo "SELECT write_usage('00000000-0000-4000-8000-000000000001', $1 * 1000000 + $2, ids, array_fill(now() + interval '1 s' * $1, dimensions),
          array_fill('192.0.2.7'::inet, dimensions), ids, array_fill($hour, dimensions), array_fill(0::smallint, dimensions),
          array_fill(''::text, dimensions), array_fill(7::bigint, dimensions))
        FROM (SELECT array_agg(id ORDER BY id) AS ids, ARRAY[count(*)::integer] AS dimensions FROM numbered
              WHERE number BETWEEN $2 AND $3) AS those;"
}

printf '%s keys\n%6s %10s %12s  %s\n' "$keys" round seconds 'server s' 'rows are'
for ((round = 1; round <= rounds; round++)); do
  {
    echo "CREATE TEMPORARY TABLE numbered AS SELECT id, row_number() OVER (ORDER BY id) AS number FROM api_keys;"
    echo "CREATE INDEX ON numbered (number); ANALYZE numbered; SELECT pg_backend_pid() AS server \\gset"
    echo "\\setenv SERVER :server"
    echo "\\! cut -d' ' -f14,15 /proc/\$SERVER/stat"
    echo "SELECT clock_timestamp() AS began \\gset"
    echo "\\o /dev/null"
    for ((first = 1; first <= keys; first += 1000)); do batch "$round" "$first" "$((first + 999))"; done
    echo "\\o"
    echo "SELECT extract(epoch FROM clock_timestamp() - :'began'::timestamptz);"
    echo "\\! cut -d' ' -f14,15 /proc/\$SERVER/stat"
  } | sql | tr '\n' ' ' | awk -v round="$round" -v tick="$(getconf CLK_TCK)" '
    { printf "%6d %10.2f %12.2f  %s\n", round, $3, ($4 + $5 - $1 - $2) / tick, round == 1 || round % 2 == 0 ? "inserted" : "updated" }'
done
