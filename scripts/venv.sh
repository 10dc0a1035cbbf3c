#!/usr/bin/env bash
# Makes a Python environment with what a folder of tests needs, once, and prints where it is.
#
#   scripts/venv.sh contract    for scripts/schemathesis.sh and scripts/generated-client.sh
#   scripts/venv.sh browser     for scripts/browser.sh
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/$1/requirements.txt
venv=target/$1-venv
if ! cmp --quiet "$wanted" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  cp "$wanted" "$venv/requirements.txt" # Last, so that an installation that broke off is done anew.
fi
printf '%s\n' "$PWD/$venv"
