#!/usr/bin/env bash
# What those who are known notice of a restart: a replica that has forgotten every key is asked for many at once, and
# the wait of a known key and of a health check is measured beside them. README.md beside this file tells more.
#
#   benches/load/herd.sh                       a thousand keys, from 32 connections
#   KEYS=10000 CONNECTIONS=100 benches/load/herd.sh
#
# PORT is where it listens. KEYWARD names a program that is built already. Needs what `keyward dev` needs.
set -euo pipefail

# shellcheck source=benches/load/replicas.sh
source "$(dirname "$0")/replicas.sh"
keys=${KEYS:-1000}
connections=${CONNECTIONS:-32}
port=${PORT:-18105}
build

start_dev replica "$port"
make_keys "127.0.0.1:$port" $((keys + 51)) # one that is known, 50 that come one by one
end replica
start_dev replica "$port"
echo "$(circumstances); $keys keys from $connections connections"
"$built/release/herd" come "127.0.0.1:$port" "$work/keys" "$connections"
