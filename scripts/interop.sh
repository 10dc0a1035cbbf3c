#!/usr/bin/env bash
# Tokens of every algorithm, made by the JWT libraries of two other languages, are accepted by a running Keyward, and
# refused with one bit changed; and an OAuth client of a third library introspects and revokes keys.
#
#   scripts/interop.sh
#
# Needs Node, npm and Python 3. The libraries go into target/interop; everything that is started is ended.
set -euo pipefail
cd "$(dirname "$0")/.."

jose_version=6.2.18 pyjwt_version=2.15.1 authlib_version=1.9.10
[[ ${1:-} == inside ]] || {
  folder=$PWD/target/interop
  mkdir -p "$folder"
  echo "Building Keyward and fetching the libraries …"
  cargo build --quiet --locked
  cp scripts/interop/jose.mjs "$folder"
  timeout 300 npm install --prefix "$folder" --no-save --no-audit --no-fund --silent "jose@$jose_version"
  [[ -x $folder/python/bin/python ]] || python3 -m venv "$folder/python"
  timeout 300 "$folder/python/bin/pip" install --quiet --disable-pip-version-check "PyJWT[crypto]==$pyjwt_version" \
    "Authlib==$authlib_version" requests
  exec timeout 300 scripts/with-postgres.sh scripts/interop.sh inside
}

folder=$PWD/target/interop pids=()
stop() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
}
trap stop EXIT

# The file that this program writes when it is ready; a minute at most.
await() { # PID FILE
  for _ in $(seq 600); do
    [[ ! -s $2 ]] || return 0
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  echo "interop.sh: nothing came in $2" >&2
  return 1
}

# Each makes keys, publishes the public ones on loopback, writes down its tokens, and serves until it is ended.
rm -f "$folder"/*.tokens.json
node "$folder/jose.mjs" "$folder/jose" & pids+=($!)
await $! "$folder/jose.tokens.json"
"$folder/python/bin/python" scripts/interop/pyjwt.py "$folder/pyjwt" & pids+=($!)
await $! "$folder/pyjwt.tokens.json"

: >"$folder/keyward.log" # read below, perhaps before it is written
cat "$folder/jose.toml" "$folder/pyjwt.toml" >"$folder/keyward.toml"
env KEYWARD_CONFIG="$folder/keyward.toml" KEYWARD__KEYS__PEPPERS="$(head -c 48 /dev/urandom | base64)" \
  KEYWARD__SERVER__HOST=127.0.0.1 KEYWARD__SERVER__PORT=0 KEYWARD__SERVER__UNREADY_PERIOD=0s KEYWARD__LOG__FORMAT=json \
  target/debug/keyward serve >"$folder/keyward.log" 2>&1 & pids+=($!)
for _ in $(seq 600); do
  port=$(sed -n 's/.*Server running on port \([0-9]*\).*/\1/p' "$folder/keyward.log")
  [[ -z $port ]] || break
  kill -0 "${pids[2]}" 2>/dev/null || break
  sleep 0.1
done
[[ -n $port ]] || { cat "$folder/keyward.log" >&2; exit 1; }

python3 scripts/interop/check.py "http://127.0.0.1:$port" "$folder"/*.tokens.json
"$folder/python/bin/python" scripts/interop/introspection.py "http://127.0.0.1:$port" "$folder/pyjwt.tokens.json"
