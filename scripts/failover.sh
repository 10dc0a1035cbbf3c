#!/usr/bin/env bash
# Lets Patroni fail over between three servers, each in a network namespace of its own, while Keyward works with them
# (tests/faults/patroni).
# Installs what that needs: Debian's packages of Patroni, etcd and their tools. Takes five minutes, and root.
#
#   scripts/failover.sh
set -euo pipefail
cd "$(dirname "$0")/.."

[[ $(id --user) == 0 ]] || { echo "failover.sh: network namespaces need root" >&2; exit 1; }
needed=(patroni etcd-server iproute2 iptables postgresql procps util-linux)
if ! dpkg --status "${needed[@]}" >/dev/null 2>&1; then
  # A package starts no service of its own here.
  [[ -e /usr/sbin/policy-rc.d ]] || {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  }
  apt-get update --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${needed[@]}"
fi
# etcd and Postgres write all the time.
export TMPDIR=${TMPDIR:-/dev/shm}
cargo test --locked --test faults -- --ignored --nocapture --test-threads 1 patroni
