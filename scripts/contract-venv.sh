#!/usr/bin/env bash
# Makes the Python environment of scripts/schemathesis.sh and scripts/generated-client.sh, once, and prints where it is.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/contract/requirements.txt
venv=target/contract-venv
if ! cmp --quiet "$wanted" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  cp "$wanted" "$venv/requirements.txt" # Last, so that an installation that broke off is done anew.
fi
printf '%s\n' "$PWD/$venv"
