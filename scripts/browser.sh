#!/usr/bin/env bash
# Tries the console in a real browser: Debian's Chromium, driven by Playwright, with axe's rules for accessibility.
#
#   scripts/browser.sh               two minutes, after the build
#   scripts/browser.sh --pictures    takes the pictures of docs/console.md anew instead
#
# KEYWARD names a program that is built already; CHROMIUM a browser. Needs Python 3.10 with venv, and what `keyward dev`
# needs.
set -euo pipefail
cd "$(dirname "$0")/.."

browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[[ -n $browser ]] || { echo "browser.sh: no Chromium. Install it (Debian: apt-get install chromium), or name it in CHROMIUM." >&2; exit 1; }
venv=$(scripts/venv.sh browser)
keyward=${KEYWARD:-}
if [[ -z $keyward ]]; then
  cargo build --quiet --locked --bin keyward
  keyward=target/debug/keyward
fi
CHROMIUM=$browser KEYWARD=$keyward PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" tests/browser/console.py "$@"
