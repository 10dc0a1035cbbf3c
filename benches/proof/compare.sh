#!/usr/bin/env bash
# What a proof of a read costs, and a heartbeat: the statements that `src/store` sends, by pgbench on one connection, with and
# without what makes them durable.
#
#   scripts/with-postgres.sh benches/proof/compare.sh            [SECONDS_EACH=3 ROUNDS=5]
#
# Each round runs all of them in turn; medians of the rounds, in microseconds. The server flushes its log to the disk, as it
# does in production. With a synchronous standby, each durable commit takes a round trip to it besides.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap '[[ $? == 0 ]] || cat "$folder/errors" >&2; rm -rf "$folder"' EXIT

# That server is a throw-away one, which doesn't flush.
psql --no-psqlrc --quiet --dbname="$DATABASE_URL" --command 'ALTER SYSTEM SET fsync = on' --command 'SELECT pg_reload_conf()' >/dev/null
for migration in ../../migrations/*.sql; do
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" --file="$migration"
done
psql --no-psqlrc --quiet --dbname="$DATABASE_URL" --command "
  SET session_replication_role = replica;
  INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
  SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, '', 'alice', 'live', now(), now(),
         '\$argon2id\$v=19\$m=19456,t=2,p=1\$AAAAAAAAAAAAAAAAAAAAAA\$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  FROM generate_series(1, 10000) AS number; ANALYZE api_keys"

read_one="SELECT * FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject)
          WHERE id = ANY(ARRAY['00000000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0')]::uuid[]);"
read_batch="SELECT * FROM api_keys LEFT JOIN disabled_owners USING (issuer, subject) WHERE id = ANY(ARRAY(
          SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid FROM generate_series(:number::int, :number::int + 255) AS number));"
proof="SELECT pg_logical_emit_message(true, 'keyward', '');"
choose='\set number random(1, 9000)'
beat="heartbeat 01234567-89ab-cdef-0123-456789abcdef 7 5000"
printf '%s\n' "$choose" "$read_one" >"$folder/read"
printf '%s\n' "$choose" "$read_one" "$proof" >"$folder/read_proven"
printf '%s\n' "$choose" "$read_batch" >"$folder/batch"
printf '%s\n' "$choose" "$read_batch" "$proof" >"$folder/batch_proven"
printf '%s\n' "SELECT pg_notify('keyward', '$beat');" >"$folder/heartbeat_before"
printf '%s\n' "SELECT pg_notify('keyward_replicas', '0123456789abcdef0123456789abcdef $beat'), pg_notify('keyward', '$beat'),
  pg_logical_emit_message(true, 'keyward', '');" | tr '\n' ' ' >"$folder/heartbeat"

names=(read read_proven batch batch_proven heartbeat_before heartbeat)
for ((round = 0; round < ${ROUNDS:-5}; round++)); do
  for name in "${names[@]}"; do
    options=
    [[ $name == heartbeat_before ]] && options='-c synchronous_commit=off'
    PGOPTIONS=$options pgbench --no-vacuum --protocol=prepared --client=1 --time="${SECONDS_EACH:-3}" \
      --file="$folder/$name" "$DATABASE_URL" 2>"$folder/errors" |
      sed -n 's/^latency average = \([0-9.]*\) ms$/\1/p' >>"$folder/$name.times"
  done
done

median() { sort -g "$folder/$1.times" | awk '{ all[NR] = $1 } END { printf "%.0f", 1000 * all[int((NR + 1) / 2)] }'; }
printf '%-44s %12s %12s\n' 'microseconds' 'without' 'durable'
printf '%-44s %12s %12s\n' 'a read of one key, and its proof' "$(median read)" "$(median read_proven)"
printf '%-44s %12s %12s\n' 'a read of 256 keys, and its proof' "$(median batch)" "$(median batch_proven)"
printf '%-44s %12s %12s\n' 'a heartbeat' "$(median heartbeat_before)" "$(median heartbeat)"
