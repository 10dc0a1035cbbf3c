#!/usr/bin/env bash
# Runs a command with DATABASE_URL set to an empty database of a Postgres of its own, and removes both afterwards.
#
#   scripts/with-postgres.sh bash -c 'psql "$DATABASE_URL"'
#
# The server listens on a socket in a temporary folder only. Works as root (the server then runs as user `postgres`
# or `nobody`, since Postgres refuses to be root) and as anybody else.
set -euo pipefail

find_programs() {
  local bin
  for bin in "${PG_BIN_DIR:-}" "$(pg_config --bindir 2>/dev/null || true)" \
    "$(dirname "$(command -v initdb || echo /none/x)")" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr); do
    if [[ -n $bin && -x $bin/initdb && -x $bin/pg_ctl && -x $bin/psql ]]; then
      echo "$bin"
      return
    fi
  done
  echo "No Postgres programs found. Install them (Debian: apt-get install postgresql; macOS: brew install postgresql)," \
    "or name their folder in PG_BIN_DIR." >&2
  return 1
}
programs=$(find_programs)

folder=$(mktemp -d "${TMPDIR:-/tmp}/keyward-pg.XXXXXX")
as_server=()
if [[ $(id -u) == 0 ]]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$folder"
  as_server=(runuser -u "$user" --)
fi
server() { # PROGRAM ARGUMENT…
  local program=$programs/$1
  shift
  # The long form, because the bash of macOS takes an empty array for an unset one.
  (cd "$folder" && ${as_server[@]+"${as_server[@]}"} "$program" "$@")
}

stop() {
  server pg_ctl stop --silent --mode=immediate --pgdata="$folder/data" >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

server initdb --username=postgres --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C --no-sync \
  --pgdata="$folder/data" >/dev/null
# With a log of its own: were it our output, whoever reads that through a pipe would wait for the server to end.
server pg_ctl start --silent --wait --pgdata="$folder/data" --log="$folder/log" \
  --options="-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" ||
  { cat "$folder/log" >&2; exit 1; }
"$programs/psql" --quiet --host="$folder" --username=postgres --command="CREATE DATABASE keyward"

export PATH=$PATH:$programs DATABASE_URL="postgres://postgres@localhost/keyward?host=$folder"
"$@"
