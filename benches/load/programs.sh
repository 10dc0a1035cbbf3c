# shellcheck shell=bash disable=SC2034
# What all measurements share: building, starting and ending programs, and telling where it was measured. Sourced by common.sh
# and replicas.sh.

export LC_ALL=C # wherever we are, numbers have a point

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
script=${0##*/}

target=${CARGO_TARGET_DIR:-$repository/target}
built=$target/load # for what isn't Keyward

build_keyward() {
  if [[ -z ${KEYWARD:-} ]]; then
    cargo build --release --locked --package keyward --bin keyward --manifest-path "$repository/Cargo.toml" --target-dir "$target"
    KEYWARD=$target/release/keyward
  fi
}

build() {
  build_keyward
  cargo build --release --locked --manifest-path "$here/programs/Cargo.toml" --target-dir "$built"
}

# The processes by the names of the programs.
declare -A pid=()

# Not below mktemp's folder of mode 700 as it is: Postgres's own user has to get to its data.
work=$(mktemp -d)
chmod 755 "$work"
trap 'end; rm -rf "$work"' EXIT

# end [NAME…]: ends these programs, or all, and returns when they are gone. Keyward stops its Postgres, which must be gone
# before its data is.
end() {
  local name
  (($#)) || set -- "${!pid[@]}"
  for name in "$@"; do kill "${pid[$name]}" 2>/dev/null || true; done
  for name in "$@"; do
    wait "${pid[$name]}" 2>/dev/null || true
    unset "pid[$name]"
  done
}

# launch NAME COMMAND…: starts a program, and returns at once.
launch() {
  local name=$1
  shift
  "$@" >>"$work/$name.log" 2>&1 &
  pid[$name]=$!
}

# wait_for NAME URL [OPTION…]: until that program answers there. The options are curl's.
wait_for() {
  local name=$1 url=$2 patience=600
  shift 2
  until curl --silent --output /dev/null "$@" "$url"; do
    if ((--patience == 0)) || ! kill -0 "${pid[$name]}" 2>/dev/null; then
      echo "$script: $name did not start:" >&2
      cat "$work/$name.log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# The day and the machine.
circumstances() {
  printf '%s, %s, %s cores' "$(date +%F)" "$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)" "$(nproc)"
}
