#!/usr/bin/env bash
# What it takes Postgres to write down the uses of many keys, as a replica does: batches of a thousand, by `write_usage`, one after
# the other as fast as they are answered. A replica itself takes minutes over them, so that few rows are written in a second.
#
#   scripts/with-postgres.sh benches/usage/flush.sh            [KEYS=100000 ROUNDS=5]
#
# In the first round of an hour, each key gets its rows; in later ones of that hour, they are updated. Keys are in no order of their
# ids, as they are when they are used, but in the same one in each round. Prints for each round, in seconds: the round trips; the
# time of the server's process; and what that would be if each batch took as long as one of ten takes at most, which other programs
# disturb less. WITHOUT=0034 leaves a migration out, to compare with.
set -euo pipefail
cd "$(dirname "$0")"
keys=${KEYS:-100000} rounds=${ROUNDS:-5}
sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" "$@"; }
log=${DATABASE_URL#*host=}/log # of scripts/with-postgres.sh

# That server is a throw-away one, which doesn't flush.
sql --command 'ALTER SYSTEM SET fsync = on' --command 'SELECT pg_reload_conf()' >/dev/null
for migration in ../../migrations/*.sql; do
  [[ -n ${WITHOUT:-} && $migration == *"/$WITHOUT"* ]] || sql --file="$migration" >/dev/null
done
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

# The times of the batches in a log, as log_statement_stats tells them: what one of ten takes at most, times how many there are.
quiet() {
  awk '/ s user, .* s system, .* s elapsed/ { took = $2 + $5 } /STATEMENT:.*write_usage/ { print took }' | sort -n |
    awk '{ at[NR] = $1 } END { print at[int((NR + 9) / 10)] * NR }'
}

printf '%s keys\n%6s %10s %12s %10s  %s\n' "$keys" round seconds 'server s' 'quiet s' 'rows are'
for ((round = 1; round <= rounds; round++)); do
  logged=$(wc -l <"$log")
  times=$({
    echo "CREATE TEMPORARY TABLE numbered AS SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS number FROM api_keys;"
    echo "CREATE INDEX ON numbered (number); ANALYZE numbered; SELECT pg_backend_pid() AS server \\gset"
    echo "\\setenv SERVER :server"
    echo "\\! cut -d' ' -f14,15 /proc/\$SERVER/stat"
    echo "SELECT clock_timestamp() AS began \\gset"
    echo "SET log_statement_stats = on;"
    echo "\\o /dev/null"
    for ((first = 1; first <= keys; first += 1000)); do batch "$round" "$first" "$((first + 999))"; done
    echo "\\o"
    echo "SET log_statement_stats = off;"
    echo "SELECT extract(epoch FROM clock_timestamp() - :'began'::timestamptz);"
    echo "\\! cut -d' ' -f14,15 /proc/\$SERVER/stat"
  } | sql | tr '\n' ' ')
  echo "$times $(tail -n "+$((logged + 1))" "$log" | quiet)" |
    awk -v round="$round" -v tick="$(getconf CLK_TCK)" '{ printf "%6d %10.2f %12.2f %10.2f  %s\n", round, $3, ($4 + $5 - $1 - $2) / tick, $6,
      round == 1 || round % 2 == 0 ? "inserted" : "updated" }'
done
