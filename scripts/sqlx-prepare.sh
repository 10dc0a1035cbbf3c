#!/usr/bin/env bash
# Writes `.sqlx`, which is what the compiler checks the SQL of `sqlx::query!` against when there is no database.
#
#   scripts/sqlx-prepare.sh            after a change to a query or a migration; commit what it writes
#   scripts/sqlx-prepare.sh --check    changes nothing, and fails if `.sqlx` is not what it would write
#
# Asks a throw-away Postgres with this clone's migrations; nothing to install but Postgres's programs.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  '' | --check) ;;
  --inside) # Called by ourselves, with DATABASE_URL set.
    for migration in migrations/*.sql; do
      psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE_URL" --file="$migration"
    done
    # The queries are looked up while our own crate compiles, so it must compile now, and only it.
    touch src/lib.rs src/main.rs
    KEYWARD_SQLX_DATABASE_URL=$DATABASE_URL SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$2 \
      cargo check --quiet --locked --all-targets
    exit ;;
  *) echo "usage: scripts/sqlx-prepare.sh [--check]" >&2; exit 2 ;;
esac

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
scripts/with-postgres.sh scripts/sqlx-prepare.sh --inside "$fresh"
# An empty result means that the compiler was not asked, or that this script is no longer needed.
[[ -n $(ls -A "$fresh") ]] || { echo "sqlx-prepare: no query was written; is there no sqlx::query! left?" >&2; exit 1; }

if [[ ${1:-} == --check ]]; then
  if ! diff --recursive --unified .sqlx "$fresh"; then
    echo "sqlx-prepare: .sqlx does not match the queries or the migrations. Run scripts/sqlx-prepare.sh and commit .sqlx." >&2
    exit 1
  fi
else
  rm -rf .sqlx
  mkdir .sqlx
  cp "$fresh"/* .sqlx/
  queries=(.sqlx/*)
  echo ".sqlx holds ${#queries[@]} queries"
fi
