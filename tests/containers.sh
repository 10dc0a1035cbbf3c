#!/usr/bin/env bash
# Brings docker-compose.yml up for real, with three replicas, and checks what it promises: the session of the README
# through the load balancer, what the database holds, and that replicas may die, stop and start under load.
#
#   tests/containers.sh            builds the image, takes a few minutes the first time
#   KEEP=1 tests/containers.sh     leaves everything up afterwards, to look at
#
# Needs Docker with `docker compose` or docker-compose 1.29, curl, and (to kill a replica as a crash would) root on the
# machine where the containers run. It uses a project, a port and a network of its own, and removes all at the end. It is
# not part of `cargo test`, which needs no containers.
set -euo pipefail
cd "$(dirname "$0")/.."

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-keyward-check} PORT=${PORT:-3999} KEYWARD_FRONT=${KEYWARD_FRONT:-10.213.72}
# docker-compose 1.29 builds with the old builder unless it is told to use the client's.
export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
url=http://127.0.0.1:$PORT
work=$(mktemp -d)

if docker compose version >/dev/null 2>&1; then compose() { docker compose "$@"; }; else compose() { docker-compose "$@"; }; fi

cleanup() {
  local status=$?
  touch "$work/stop" && wait   # the load, if it still runs
  if ((status != 0)); then
    echo "--- it failed; the last lines of the logs:"
    compose ps || true
    compose logs --no-color --tail=30 || true
  fi
  if [[ -z ${KEEP:-} ]]; then
    compose down -v --remove-orphans >"$work/down" 2>&1 || { cat "$work/down"; status=1; }
  fi
  rm -rf "$work"
  exit "$status"
}
trap cleanup EXIT

step() { printf '\n== %s\n' "$*"; }
ok() { echo "ok: $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# until_true SECONDS WHAT COMMAND…: waits for a condition, and fails with its name when it doesn't come.
until_true() {
  local seconds=$1 what=$2 deadline=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "waited $seconds s in vain for: $what"
    sleep 0.2
  done
}

# ask STATUS WHAT CURL-ARGUMENT…: one request through the load balancer; its body is left in $body.
body=
ask() {
  local want=$1 what=$2 got
  shift 2
  got=$(curl -sS --max-time 10 -o "$work/body" -w '%{http_code}' "$@") || fail "$what: no answer"
  body=$(cat "$work/body")
  [[ $got == "$want" ]] || fail "$what: wanted $want, got $got: $body"
}

psql() { compose exec -T postgres psql -U postgres -d keyward "$@"; }
# psql_as ROLE PASSWORD-FILE PSQL-ARGUMENT…: over the network, as the service would.
psql_as() {
  local role=$1 file=$2
  shift 2
  # shellcheck disable=SC2016 # expanded in the container
  compose exec -T postgres bash -c 'PGPASSWORD=$(cat "$1") exec psql -h postgres -U "$2" -d keyward -v ON_ERROR_STOP=1 "${@:3}"' \
    psql "$file" "$role" "$@"
}
replicas() { compose ps -q keyward; }
state() { docker inspect -f "$2" "$1"; }
is_healthy() { [[ $(state "$1" '{{.State.Health.Status}}') == healthy ]]; }
use_key() { ask 200 "the key opens the resource" -H "x-api-key: $key" "$url/api/protected-resource"; }

# Where no registry can be reached, an image of the same line that is here already will do: haproxy:3 for haproxy:3.2.25.
has_image() { docker image inspect "$1" >/dev/null 2>&1; }
find_image() { # IMAGE
  local tag=${1##*:} line
  has_image "$1" || docker pull -q "$1" >/dev/null 2>&1 && return
  line=${tag%%-*}
  line=${1%:*}:${line%%.*}${tag#"$line"}
  has_image "$line" || fail "no image $1, nor $line in its place"
  docker tag "$line" "$1"
  echo "($line in the place of $1)"
}
for image in $(sed -n 's/^FROM \([^ $]*\).*/\1/p; s/^ARG RUNTIME=//p' Dockerfile) $(compose config | sed -n 's/^ *image: //p' | sort -u); do
  [[ $image == keyward:local ]] || find_image "$image"
done

step "up, from nothing, with three replicas"
compose down -v --remove-orphans >/dev/null 2>&1 || true
# Only `secrets` builds; compose then starts the others from the image that it made.
compose build >"$work/build" 2>&1 || { tail -50 "$work/build"; fail "the image does not build"; }
ok "image of $(($(state keyward:local '{{.Size}}') / 1048576)) MiB, the base included"
compose up -d --scale keyward=3
until_true 60 "an answer through the load balancer" curl -fsS "$url/readyz"
[[ $(replicas | wc -l) == 3 ]] || fail "not three replicas"
for replica in $(replicas); do until_true 30 "replica $replica healthy" is_healthy "$replica"; done
ok "three healthy replicas, and the load balancer answers"

step "the session"
token=$(compose exec -T keyward keyward token mint --subject alice | tr -d '\r\n')
ask 403 "no token" -X POST "$url/api/create-api-key"
[[ $body == '{"message":"No token provided"}' ]] || fail "no token: $body"
ask 401 "a bad token" -X POST "$url/api/create-api-key" -H "Authorization: Bearer bad"
ask 201 "a token makes a key" -X POST "$url/api/create-api-key" -H "Authorization: Bearer $token"
key=$(sed -n 's/.*"apiKey" *: *"\([^"]*\)".*/\1/p' <<<"$body")
[[ $key == keyward_live_* ]] || fail "no key in the answer"
ask 403 "no key" "$url/api/protected-resource"
ask 401 "a key with its last character changed" "$url/api/protected-resource" \
  -H "x-api-key: ${key%?}$([[ $key == *0 ]] && echo 1 || echo 0)"
# More often than there are replicas, so that each is asked: they share the secrets and the database.
for _ in $(seq 9); do use_key; done
[[ $body == '{"message":"Access granted to protected resource"}' ]] || fail "the resource: $body"
ok "403, 401, 201; and 9 requests with the key, 200 each"

step "what the database holds"
psql -x -c "TABLE api_keys"
compose exec -T postgres pg_dump -U postgres -d keyward >"$work/dump"
# shellcheck disable=SC2016 # a literal
grep -qF '$argon2id$v=19$' "$work/dump" || fail "no Argon2id hash in the dump"
# The secret is what follows the prefix, the environment and the 22 characters of the identifier.
secret=${key#keyward_live_}
secret=${secret:22}
[[ ${#secret} -ge 40 ]] || fail "the key is shorter than its format"
! grep -qF "${secret:0:20}" "$work/dump" || fail "the key's secret is in the database"
ok "an Argon2id hash and nothing else of the secret"

step "where a client is"
# The client is on this machine, so the load balancer sees the engine's own address in its network.
lb=$(compose ps -q lb)
here=$(state "$lb" '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}')
# bound_to ADDRESS: makes a key that is good from there alone.
bound_to() {
  ask 201 "a key for $1" -X POST "$url/v1/keys" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -d "{\"allowedIps\":[\"$1\"]}"
  bound=$(sed -n 's/.*"apiKey" *: *"\([^"]*\)".*/\1/p' <<<"$body")
}
bound_to "$here"
for _ in $(seq 6); do ask 200 "a key for $here, used from there" "$url/api/protected-resource" -H "x-api-key: $bound"; done
ask 200 "the same, whatever the client says" "$url/api/protected-resource" -H "x-api-key: $bound" \
  -H 'X-Forwarded-For: 192.0.2.1' -H 'Forwarded: for=192.0.2.1'
for elsewhere in 192.0.2.1 "$KEYWARD_FRONT.2"; do
  bound_to "$elsewhere"
  for claim in 'X-Nothing: x' "X-Forwarded-For: $elsewhere" "Forwarded: for=$elsewhere" "X-Real-IP: $elsewhere"; do
    ask 401 "a key for $elsewhere, used from $here ($claim)" "$url/api/protected-resource" -H "x-api-key: $bound" -H "$claim"
  done
done
ok "a key with allowedIps works from where its client is ($here), and from nowhere else"

step "what the service may do in the database"
superusers=$(psql -Atc "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin")
[[ $superusers == postgres ]] || fail "superusers: $superusers"
[[ $(psql_as keyward_service /run/keyward/database_password -Atc 'SELECT count(*) > 0 FROM audit_events' | tr -d '\r') == t ]] ||
  fail "the service can't read the audit"
for statement in "UPDATE audit_events SET action = 'x'" "DELETE FROM audit_events" "TRUNCATE audit_events" \
  "ALTER TABLE audit_events DISABLE TRIGGER ALL" "SET ROLE keyward_owner" "SET ROLE postgres" "CREATE ROLE another"; do
  if psql_as keyward_service /run/keyward/database_password -c "$statement" >"$work/refused" 2>&1; then
    fail "the service may: $statement"
  fi
  grep -q 'permission denied\|must be owner' "$work/refused" || fail "$statement: $(cat "$work/refused")"
done
! psql_as postgres /run/keyward/database_password -c 'SELECT 1' >/dev/null 2>&1 || fail "the superuser has a password"
! psql_as keyward_owner /run/keyward/database_password -c 'SELECT 1' >/dev/null 2>&1 || fail "one password opens both roles"
psql_as keyward_owner /run/keyward-owner/database_owner_password -c 'SELECT 1' >/dev/null || fail "the owner's password"
for replica in $(replicas); do
  [[ $(state "$replica" '{{range .Mounts}}{{.Destination}} {{end}}') != *owner* ]] || fail "$replica knows the owner's password"
done
ok "it reads and adds to the audit, and can't change it; one superuser, without a password"

step "how the replicas are confined"
for replica in $(replicas); do
  [[ $(state "$replica" '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.Config.User}}') == "true [ALL] 65532:65532" ]] ||
    fail "replica $replica is not read-only, without capabilities and without root"
  [[ -z $(docker port "$replica") ]] || fail "replica $replica publishes a port"
done
for container in $(compose ps -q); do
  # Also where the machine forbids them anyway: 0 is what the file says.
  [[ $(state "$container" '{{range .HostConfig.Ulimits}}{{.Name}}={{.Hard}} {{end}}') == *core=0* ]] ||
    fail "$container may leave a core dump"
done
# The secrets are in files; what `docker inspect` shows to anyone who may ask the engine is their path.
# shellcheck disable=SC2016 # expanded in the container
for name in keyward/jwt_secret keyward/pepper keyward/database_password keyward-owner/database_owner_password; do
  value=$(compose exec -T postgres cat "/run/$name" | tr -d '\r\n')
  [[ ${#value} -ge 32 ]] || fail "$name has under 32 characters"
  mode=$(compose exec -T postgres stat -c '%a %u' "/run/$name" | tr -d '\r\n')
  [[ $mode =~ ^6[04]0\ 65532$ ]] || fail "$name has mode and owner $mode"
  for container in $(compose ps -q); do
    ! docker inspect "$container" | grep -qF "$value" || fail "$name is visible in docker inspect"
  done
  ! compose logs --no-color 2>&1 | grep -qF "$value" || fail "$name is in a log"
done
ok "read-only, no capabilities, uid 65532, no port; secrets only in files of mode 0600 or 0640"

step "the pepper, out of the volume and into another one, as docs/pepper.md says"
eval "$(grep -m 1 'cat /run/keyward/pepper' docs/pepper.md | sed -e 's/^docker compose/compose/' -e "s#> pepper#> $work/pepper#")"
# The command that the page runs in a container for each secret.
put=$(sed -n "s/^ *'\(umask .*\)' bash .*/\1/p" docs/pepper.md)
[[ -n $put && -s $work/pepper ]] || fail "no pepper came out, or the page has changed"
copy=$(docker volume create)
docker run --rm -i -v "$copy:/run/keyward" --entrypoint bash postgres:17 -euc "$put" bash /run/keyward/pepper <"$work/pepper"
taken=$(docker run --rm -v "$copy:/run/keyward" keyward:local secrets init --dir /run/keyward)
docker run --rm -v "$copy:/run/keyward" --entrypoint cat postgres:17 /run/keyward/pepper | cmp - "$work/pepper" ||
  fail "it is not the same pepper"
docker volume rm "$copy" >/dev/null
grep -qx 'kept /run/keyward/pepper' <<<"$taken" || fail "Keyward's user does not find the pepper: $taken"
ok "the same pepper, which Keyward's user finds and keeps"

# Asks without a pause until told to stop, and notes every answer that isn't 200.
load() {
  while [[ ! -e $work/stop ]]; do
    curl -sS --max-time 10 -o /dev/null -w '%{http_code}\n' -H "x-api-key: $key" "$url/api/protected-resource" || echo error
  done >"$work/answers" 2>&1
}
# under_load WHAT COMMAND…: no request may fail from before the command until after it.
under_load() {
  local what=$1 failed
  shift
  rm -f "$work/stop"
  load &
  "$@"
  touch "$work/stop"
  wait $!
  failed=$(grep -cvx 200 "$work/answers" || true)
  [[ $failed == 0 ]] || { sort "$work/answers" | uniq -c; fail "$what: $failed requests failed"; }
  ok "$what: $(wc -l <"$work/answers") requests, none failed"
}

crash() {
  local victim before pid
  victim=$(replicas | head -n 1)
  before=$(state "$victim" '{{.RestartCount}}')
  pid=$(state "$victim" '{{.State.Pid}}')
  # From outside, as the kernel's out-of-memory killer would: Docker takes its own `docker kill` for an order, and
  # doesn't restart what was ordered to end.
  if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == keyward ]] && kill -9 "$pid"; then
    has_restarted() { (($(state "$victim" '{{.RestartCount}}') > before)) && is_healthy "$victim"; }
    until_true 60 "the killed replica restarted" has_restarted
  else
    echo "(the containers run elsewhere: killed through Docker, started again by hand)"
    docker kill "$victim" >/dev/null
    docker start "$victim" >/dev/null
    until_true 60 "the killed replica is healthy again" is_healthy "$victim"
  fi
}
step "kill -9 of one replica under load"
under_load "a replica killed and restarted" crash

stop_one() {
  local victim
  victim=$(replicas | tail -n 1)
  docker stop "$victim" >/dev/null
  [[ $(state "$victim" '{{.State.ExitCode}} {{.State.OOMKilled}}') == "0 false" ]] ||
    fail "SIGTERM ended with exit code $(state "$victim" '{{.State.ExitCode}}'), not 0"
  docker start "$victim" >/dev/null
  until_true 60 "the stopped replica is healthy again" is_healthy "$victim"
}
step "SIGTERM of one replica under load"
under_load "a replica drained, exited with 0 and came back" stop_one

step "fewer and more replicas under load"
scale() { compose up -d --no-recreate --scale keyward="$1" >"$work/scale" 2>&1 || { cat "$work/scale"; fail "scaling to $1"; }; }
rescale() { scale 1; scale 3; }
under_load "three replicas to one and back" rescale

step "down and up again: the volumes hold"
compose down >"$work/down" 2>&1
compose up -d --scale keyward=2 >"$work/up" 2>&1 || { cat "$work/up"; fail "the second start"; }
until_true 60 "an answer through the load balancer" curl -fsS "$url/readyz"
use_key
ask 201 "a token minted before the restart" -X POST "$url/api/create-api-key" -H "Authorization: Bearer $token"
ok "the key and the token made before still work"

printf '\nAll of it holds.\n'
