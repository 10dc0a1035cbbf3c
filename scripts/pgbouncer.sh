#!/usr/bin/env bash
# Builds PgBouncer below target, once, where tests/api finds it: Debian trixie's, because that of bookworm (1.18) does
# not keep prepared statements, and Keyward refuses it. Needs apt-get, dpkg-dev, a C compiler, pkg-config and
# libevent-dev. Where a later one than 1.21 is installed, tests use that, and this does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/${CARGO_TARGET_DIR:-target}/pgbouncer
[[ ${CARGO_TARGET_DIR:-} != /* ]] || folder=$CARGO_TARGET_DIR/pgbouncer
keeps_statements() { # PROGRAM
  local version
  version=$("$1" --version 2>/dev/null | awk 'NR == 1 { print $2 }') || return 1
  [[ -n $version ]] && printf '1.21\n%s\n' "$version" | sort --version-sort --check=quiet
}
for program in "$folder/pgbouncer" /usr/sbin/pgbouncer /usr/bin/pgbouncer /opt/homebrew/bin/pgbouncer; do
  if keeps_statements "$program"; then
    echo "$("$program" --version | head -n 1) is $program."
    exit
  fi
done

echo "Building PgBouncer …"
rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/source"
# Lists of its own, so that the machine's packages stay those of its release, and nobody need be root.
echo 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' \
  >"$folder/apt/sources.list"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=-
  -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User=)
"${apt[@]}" update
(cd "$folder/source" && "${apt[@]}" source pgbouncer >/dev/null)
(
  cd "$folder"/source/pgbouncer-*/
  ./configure --without-cares --without-openssl --disable-debug >/dev/null
  make -j"$(nproc)" pgbouncer >/dev/null
)
mv "$folder"/source/pgbouncer-*/pgbouncer "$folder/pgbouncer" # Last, so that a build that broke off is done anew.
rm -rf "$folder/apt" "$folder/source"
echo "$("$folder/pgbouncer" --version | head -n 1) is $folder/pgbouncer."
