#!/usr/bin/env bash
# Generates a Python client from the OpenAPI document, and makes, verifies and revokes a key with it, against a Keyward
# that this script starts. A warning of the generator is a failure: then some clients could not use all of the API.
#
#   scripts/generated-client.sh
#
# The client is left in target/generated-client. Needs Python 3.10 or newer with venv; installs below target/.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} != --inside ]]; then
  venv=$(scripts/venv.sh contract)
  exec scripts/with-keyward.sh scripts/generated-client.sh --inside "$venv"
fi
venv=$2
client=target/generated-client
rm -rf "$client"
mkdir -p "$client"
curl --silent --fail --output "$client/openapi.json" "$KEYWARD_URL/openapi.json"
PATH=$venv/bin:$PATH openapi-python-client generate --fail-on-warning --meta none \
  --path "$client/openapi.json" --output-path "$client/keyward_client"
PYTHONPATH=$client "$venv/bin/python" tests/contract/make_verify_revoke.py
