# shellcheck shell=bash disable=SC2034
# What the measurements of replicas share: replicas on one throw-away database, and who makes keys. Sourced by fleet.sh, herd.sh
# and rolling.sh.

# shellcheck source=benches/load/programs.sh
source "$(dirname "${BASH_SOURCE[0]}")/programs.sh"

# How many people make the keys.
OWNERS=32

wait_until_ready() { # NAME PORT
  wait_for "$1" "http://127.0.0.1:$2/readyz" --fail
}

# start_dev NAME PORT: the replica that brings the database and the secrets. An owner may have any number of keys.
start_dev() {
  launch "$1" env PORT="$2" KEYWARD__KEYS__MAX_PER_OWNER=0 "$KEYWARD" dev --data-dir "$work/keyward"
  wait_until_ready "$1" "$2"
}

# What begins a command of Keyward on the same database; [SETTING…] COMMAND… follow.
on_the_database=(
  env -i PATH="$PATH" DATABASE_URL="postgres://postgres@localhost/postgres?host=$work/keyward/socket"
  KEYWARD__JWT__SECRET_FILE="$work/keyward/secrets/jwt_secret" KEYWARD__KEYS__PEPPERS_FILE="$work/keyward/secrets/pepper"
)

# launch_replica NAME PORT [SETTING…]: another replica on the same database, which may not be ready yet.
launch_replica() {
  local name=$1 port=$2
  shift 2
  launch "$name" "${on_the_database[@]}" PORT="$port" KEYWARD__SERVER__HOST=127.0.0.1 KEYWARD__DATABASE__MIGRATE_ON_START=false \
    "$@" "$KEYWARD" serve
}

# start_replica NAME PORT [SETTING…]: the same, and waits until it is ready.
start_replica() {
  launch_replica "$@"
  wait_until_ready "$1" "$2"
}

mint_token() { # SUBJECT
  "$KEYWARD" token mint --dev --data-dir "$work/keyward" --subject "$1"
}

# make_keys ADDRESS COUNT: into $work/keys, of many owners.
make_keys() {
  local owner
  for ((owner = 0; owner < OWNERS; owner++)); do mint_token "owner-$owner"; done >"$work/tokens"
  "$built/release/herd" make "$1" "$work/tokens" "$2" >"$work/keys"
}
