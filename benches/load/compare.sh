#!/usr/bin/env bash
# Compares the check of a key under load with no check at all and with the usual ways to check.
# Prints medians, and the ratios that Keyward promises. README.md beside this file explains each line.
#
#   benches/load/compare.sh            5 rounds of 5 s a program: about 5 minutes, after the build
#   benches/load/compare.sh --quick    does it work at all? 1 round of 1 s; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names a program that is built already. Needs Linux, wrk, Node with npm, and what `keyward dev` needs.
set -euo pipefail
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl node npm cargo

# That many different forged keys, so that nothing can remember one.
FORGED_KEYS=1000
# What the program with Argon2id lets in, as id.secret.
ARGON2_KEY=benchmark.Zr0aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z

build_all() {
  build
  mkdir -p "$built/express"
  cp "$here"/express/* "$built/express"
  (cd "$built/express" && npm ci --silent --no-audit --no-fund)
}

start_all() {
  # shellcheck disable=SC2119
  start_keyward
  start bare "$built/release/bare"
  start express env NODE_ENV=production JWT_SECRET="$(cat "$work/keyward/secrets/jwt_secret")" \
    node "$built/express/server.js"
  start argon2 env API_KEY="$ARGON2_KEY" "$built/release/argon2_each_time"
  express_key=$(create_key express)
}

# Measuring ---------------------------------------------------------------------------------------

run_each() { # SECONDS
  run "$1" warm keyward /api/protected-resource "x-api-key: $key"
  run "$1" bare bare /api/protected-resource "x-api-key: $key"
  run "$1" express express /api/protected-resource "x-api-key: $express_key"
  # All connections are hashed for at once, so that the first answer takes a second or two.
  run $(($1 < 5 ? 5 : $1)) argon2 argon2 /api/protected-resource "x-api-key: $ARGON2_KEY"
}

write_flood_keys() {
  echo "$key" >"$work/valid"
  # The tag at the end is what a forger cannot make. All forged keys are of the right form.
  for ((i = 0; i < FORGED_KEYS; i++)); do
    printf '%s%011d\n' "${key%???????????}" "$i"
  done >"$work/forged"
}

flood_of() { flood "$1" "$work/$1" x-api-key /api/protected-resource "x-api-key: $key"; }

measure() {
  run_each 1 >/dev/null # warm: the key, and Node's compiler
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    { run_each "$seconds"; flood_of valid; flood_of forged; } >>"$results"
  done
}

# Telling -----------------------------------------------------------------------------------------

tell() {
  tell_circumstances
  table_head 'one core each'
  table_row 'Keyward, warm key' warm
  table_row 'actix-web, no check, no middleware' bare
  table_row 'Express, key in a Set' express
  table_row 'actix-web, Argon2id on each request' argon2
  table_row 'Keyward, normal traffic beside valid keys' beside_valid
  table_row 'Keyward, normal traffic beside forged keys' beside_forged
  table_row 'Keyward, the flood of valid keys' flood_valid
  table_row 'Keyward, the flood of forged keys' flood_forged

  printf '\n%-58s %9s   %s\n' 'Keyward, warm key' measured target
  ratio_row 'requests/s against actix-web with no check' "$(ratio $RATE warm bare)" '>=' 0.80
  ratio_row 'user CPU a request, us' "$(column warm $USER_TIME | median)" '<=' 2.5
  ratio_row 'requests/s against Express with a Set' "$(ratio $RATE warm express)" '>=' 10
  ratio_row 'requests/s against Argon2id on each request' "$(ratio $RATE warm argon2)" '>=' 2000
  ratio_row 'p99 beside forged keys against beside valid keys' "$(ratio $P99 beside_forged beside_valid)" '<=' 1.2
}

build_all
start_all
write_flood_keys
measure
tell
