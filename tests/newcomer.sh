#!/usr/bin/env bash
# Follows the README's first pages word by word, as somebody with Rust and nothing else: in a fresh Debian, as an ordinary
# user with sudo, `cargo run -- dev` finds no Postgres, installs its programs after a yes, and starts; the session is
# typed in and compared; `cargo test` finds what was installed.
#
#   tests/newcomer.sh          with the tests of one area in place of all
#   FULL=1 tests/newcomer.sh   with all tests, as the README says; an hour
#   KEEP=1 tests/newcomer.sh   leaves the system in place afterwards, and says where
#
# What is committed is what is tried. Needs root, debootstrap, a Debian mirror in the apt sources, `script` (util-linux),
# and port 3000. The compiler is this machine's. It is not part of `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "FAILED: $*" >&2; exit 1; }
step() { printf '\n== %s\n' "$*"; }
[[ $(id -u) == 0 ]] || fail "this needs root, for a system of its own"
for program in debootstrap script git rustc; do command -v "$program" >/dev/null || fail "this needs $program"; done
! (exec 3<>/dev/tcp/127.0.0.1/3000) 2>/dev/null || fail "something else has port 3000"

work=$(mktemp -d "${TMPDIR:-/tmp}/keyward-newcomer-XXXXXX")
root=$work/system
dev=
cleanup() {
  local status=$?
  [[ -z $dev ]] || { kill "$dev" 2>/dev/null; wait "$dev" 2>/dev/null; } || true
  if [[ -n ${KEEP:-} ]]; then echo "kept: $work"; else rm -rf "$work"; fi
  exit "$status"
}
trap cleanup EXIT

step "a fresh Debian with Rust, curl and sudo"
sources=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true)
mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) bookworm .*/\2/p; s/^URIs: *\([^ ]*\).*/\1/p' <<<"$sources" | head -n 1)
debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,curl,sudo bookworm "$root" \
  "${mirror:?no Debian mirror in the apt sources}" >"$work/debootstrap.log" || fail "debootstrap: see $work/debootstrap.log"
certificates=/etc/ssl/certs/ca-certificates.crt
cp "$certificates" "$root$certificates" # what this machine trusts
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" # how packages are fetched here
rm -f "$root/usr/sbin/policy-rc.d" # as on a machine of somebody's own, where services do start
sysroot=$(rustc --print sysroot)
mkdir -p "$root/usr/local" && cp -a "$sysroot/bin" "$sysroot/lib" "$root/usr/local/"
chroot "$root" useradd --create-home --shell /bin/bash alice
echo 'alice ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/alice"
mkdir "$root/home/alice/keyward"
git archive HEAD | tar -x -C "$root/home/alice/keyward"
# Crates that this machine has needn't be fetched again.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
mkdir -p "$root/home/alice/.cargo/registry"
[[ ! -d $cargo_home/registry/cache ]] || cp -a "$cargo_home/registry/cache" "$cargo_home/registry/index" "$root/home/alice/.cargo/registry/"
[[ ! -f $cargo_home/config.toml ]] || cp "$cargo_home/config.toml" "$root/home/alice/.cargo/"
chroot "$root" chown -R alice:alice /home/alice

# Runs a shell command as alice in her checkout, with processes of its own that end with it.
as_alice() { # COMMAND
  unshare --mount --pid --fork --kill-child bash -ec '
    mount --bind "$1" "$1"; cd "$1"
    mount -t proc none proc; mount --rbind /dev dev
    for name in http_proxy https_proxy no_proxy CARGO_HTTP_CAINFO SSL_CERT_FILE; do
      [[ -z ${!name:-} ]] || keep+=("$name=${!name}")
    done
    exec chroot . /usr/bin/env -i "${keep[@]}" HOME=/home/alice USER=alice TERM=dumb PATH=/usr/local/bin:/usr/bin:/bin \
      setpriv --reuid=alice --regid=alice --init-groups bash -c "cd ~/keyward && $2"' as_alice "$root" "$1"
}
! as_alice 'command -v psql || ls /usr/lib/postgresql' >/dev/null 2>&1 || fail "there is a Postgres already"

step "cargo run -- dev, and a yes"
grep -qx 'cargo run -- dev .*' README.md || fail "the README does not say cargo run -- dev"
# Somebody at a terminal, who types y and stays.
mkfifo "$work/typed"
(export -f as_alice; export root SHELL=/bin/bash; exec script -qefc "as_alice 'cargo run -- dev'" "$work/dev.log" <"$work/typed" >/dev/null) &
dev=$!
exec 4>"$work/typed"
printed() { # SECONDS TEXT
  local deadline=$((SECONDS + $1))
  until grep -qF "$2" "$work/dev.log" 2>/dev/null; do
    kill -0 "$dev" 2>/dev/null || { tail -30 "$work/dev.log"; fail "it ended without: $2"; }
    ((SECONDS < deadline)) || { tail -30 "$work/dev.log"; fail "not within $1 s: $2"; }
    sleep 1
  done
}
printed 3600 'Run it now? [y/N]'
sed -n '/needs the programs/,$p' "$work/dev.log"
echo y >&4
printed 900 'Ctrl-C stops everything and loses nothing.'
[[ ! -e $root/etc/postgresql/15/main && ! -e $root/etc/postgresql-common/createcluster.d/keyward.conf ]] ||
  fail "the package has made a database of its own, or the setting against that was left"
[[ $(pgrep -c -f "postgres.*-D /home/alice/.local/share/keyward") -ge 1 ]] || fail "no Postgres of keyward's"
! pgrep -f 'postgres.*/postgresql/[0-9]+/main' >/dev/null || fail "the package has started a server"

step "the session"
# What is between two … must be there as it stands.
fits() { # SHOWN PRINTED
  local pattern
  pattern=$(sed -e 's/[][*?\\]/\\&/g' -e 's/…/*/g' <<<"$1")
  # shellcheck disable=SC2053
  [[ $2 == $pattern ]]
}
awk '/^```console$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$work/session"
commands=() outputs=()
while IFS= read -r line; do
  if [[ $line == '$ '* ]]; then commands+=("${line#'$ '}") outputs+=(''); else outputs[-1]+="$line"$'\n'; fi
done <"$work/session"
((${#commands[@]} > 5)) || fail "the session was not found"
script=
for command in "${commands[@]:1}"; do script+="$command"$'\nprintf "\\n--- next ---\\n"\n'; done
printf '%s' "$script" >"$root/home/alice/session.sh"
as_alice 'bash ~/session.sh' >"$work/printed" 2>"$work/errors" || true
mapfile -d '' -t printed < <(awk 'BEGIN { RS = "\n--- next ---\n" } { gsub(/\r/, ""); printf "%s%c", $0, 0 }' "$work/printed")
for number in "${!commands[@]}"; do
  ((number > 0)) || continue # the first one runs all the time
  shown=$(sed -e '/./,$!d' <<<"${outputs[number]}") got=$(sed -e '/./,$!d' <<<"${printed[number - 1]-}")
  fits "$shown" "$got" ||
    fail "$(printf '$ %s\nprints\n%s\nwhere the README has\n%s\n%s' "${commands[number]}" "$got" "$shown" "$(cat "$work/errors")")"
  echo "\$ ${commands[number]}"
done

step "cargo test"
if [[ -n ${FULL:-} ]]; then as_alice 'cargo test'; else as_alice 'cargo test --test api guide'; fi
kill -INT "$dev" 2>/dev/null || true
echo
echo "All of it is as the README says."
