#!/usr/bin/env bash
# Runs all checks of schemathesis (https://schemathesis.readthedocs.io) against a Keyward that it starts itself, and
# validates the OpenAPI document.
#
#   scripts/schemathesis.sh                  about five minutes; `--seed N` repeats a run, and any option of `st run` works
#   scripts/schemathesis.sh --short          about a minute, for CI
#
# Needs Python 3.10 or newer with venv; installs what it uses below target/. tests/contract/schemathesis.toml says what
# Keyward is about beyond its document.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} == --inside ]]; then # Called by ourselves, with KEYWARD_URL set.
  venv=$2
  shift 2
  curl --silent --fail --output target/openapi.json "$KEYWARD_URL/openapi.json"
  "$venv/bin/openapi-spec-validator" target/openapi.json
  "$venv/bin/schemathesis" --config-file tests/contract/schemathesis.toml run "$KEYWARD_URL/openapi.json" "$@" ||
    { echo "schemathesis.sh: what the server warned of:" >&2; grep -E '"(WARN|ERROR)"' "$KEYWARD_LOG" >&2; exit 1; }
  exit
fi

options=(--max-examples 100)
if [[ ${1:-} == --short ]]; then
  shift
  # Always the same cases, so that a change fails for what it changes; few, so that it takes a minute.
  options=(--max-examples 15 --seed 4 --no-shrink)
fi
venv=$(scripts/venv.sh contract)
exec scripts/with-keyward.sh scripts/schemathesis.sh --inside "$venv" "${options[@]}" "$@"
