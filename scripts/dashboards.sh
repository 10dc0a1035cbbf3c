#!/usr/bin/env bash
# Takes the pictures of the dashboards of deploy/grafana anew: docs/pictures/dashboard-*.png.
#
#   scripts/dashboards.sh      a quarter of an hour, and not part of the CI
#
# Three replicas are used, one of them is killed and started again, and an issuer fails for a while. A Prometheus with
# the rules of deploy/prometheus looks on. Grafana's server is in no registry of packages, but its components are in
# npm's: scripts/dashboards/page.jsx asks that Prometheus what a dashboard asks, and draws it with the components of the
# version in docker-compose.yml.
#
# MINUTES is how long the replicas are used, and SCRAPE how often they are scraped, in seconds. FIRST_PORT is the first
# of five ports. KEYWARD names a program that is built already; CHROMIUM a browser. Needs Node, npm, Prometheus, Python
# 3.10 with venv, what `keyward dev` needs, and 700 MB below target.
set -euo pipefail

# shellcheck source=benches/load/replicas.sh
source "$(dirname "$0")/../benches/load/replicas.sh"
cd "$repository"
minutes=${MINUTES:-12} scrape=${SCRAPE:-5} port=${FIRST_PORT:-18400}
issuers=$port replicas=($((port + 1)) $((port + 2)) $((port + 3))) prometheus=$((port + 4))
prepared=$target/dashboards

browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
for program in node npm prometheus "${browser:-chromium}"; do
  command -v "$program" >/dev/null || { echo "dashboards.sh: $program is not installed" >&2; exit 1; }
done

version=$(sed -n 's/.*"@grafana\/ui": "\(.*\)".*/\1/p' scripts/dashboards/package.json)
grep --quiet "grafana/grafana:$version" docker-compose.yml ||
  { echo "dashboards.sh: docker-compose.yml has another Grafana than package.json, $version" >&2; exit 1; }

# The page, and what it needs beside it. The `.ttf` that is left out is an editor's.
prepare() {
  venv=$(scripts/venv.sh browser)
  mkdir -p "$prepared"
  if ! cmp --quiet scripts/dashboards/package-lock.json "$prepared/installed"; then
    cp scripts/dashboards/package.json scripts/dashboards/package-lock.json "$prepared"
    # package.json takes react-data-grid, of tables that no dashboard has, from npm and not from GitHub.
    npm ci --prefix "$prepared" --ignore-scripts --no-audit --no-fund --silent
    cp "$prepared/package-lock.json" "$prepared/installed" # Last, so that an installation that broke off is done anew.
  fi
  local modules=$prepared/node_modules weight
  NODE_PATH=$modules "$modules/.bin/esbuild" scripts/dashboards/page.jsx --bundle --minify --jsx=automatic \
    --define:process.env.NODE_ENV='"production"' --loader:.ttf=empty --outdir="$work/site" --log-level=error
  # Where the components look for icons and for their font.
  mkdir -p "$work/site/build" "$work/site/fonts/inter"
  cp -r "$modules/@grafana/ui/dist/public/img" "$work/site/build"
  for weight in 400-normal:Regular 500-normal:Medium; do
    cp "$modules/@fontsource/inter/files/inter-latin-${weight%:*}.woff2" \
      "$work/site/fonts/inter/Inter-${weight#*:}.woff2"
  done
  cp scripts/dashboards/page.html deploy/grafana/*.json "$work/site"
}

# What Keyward is told: two issuers, and everything that is done now and then more often, for a picture of minutes.
settings=(
  KEYWARD__JWT__KEY_SET_REFRESH=20s KEYWARD__JWT__KEY_SET_COOL_DOWN=5s KEYWARD__JWT__CACHED_TOKENS=1000
  KEYWARD__CHECKS__CACHED_KEYS=1000 KEYWARD__LAST_USED__WRITE_EVERY=5s KEYWARD__METRICS__SAMPLE_EVERY=10s
  KEYWARD_CONFIG="$work/keyward.toml"
)

configure() {
  local name number rules=$repository/deploy/prometheus
  for name in accounts partners; do
    printf '[[jwt.issuers]]\nissuer = "https://%s.example"\naudience = ["orders"]\n' "$name"
    printf 'key_set = "http://127.0.0.1:%s/%s"\n' "$issuers" "$name"
  done >"$work/keyward.toml"
  {
    printf 'global: { scrape_interval: %ss, evaluation_interval: %ss }\n' "$scrape" "$scrape"
    printf 'rule_files: ["%s", "%s"]\n' "$rules/recording.yml" "$rules/alerts.yml"
    printf 'scrape_configs:\n  - job_name: keyward\n    static_configs:\n'
    for number in 1 2 3; do
      printf '      - targets: ["127.0.0.1:%s"]\n' "${replicas[number - 1]}"
      printf '        labels: { instance: "keyward-%s" }\n' "$number"
    done
  } >"$work/prometheus.yml"
}

use() {
  launch people node scripts/dashboards/people.mjs $((minutes * 60)) "$issuers" "${replicas[@]}"
  export "${settings[@]}"
  start_dev 1 "${replicas[0]}"
  start_replica 2 "${replicas[1]}" "${settings[@]}"
  start_replica 3 "${replicas[2]}" "${settings[@]}"
  launch prometheus prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$prometheus" --web.user-assets="$work/site"
  wait_for prometheus "http://127.0.0.1:$prometheus/-/ready" --fail
  from=$(date +%s)
  echo "The replicas are used until $(date --date="$minutes minutes" +%T) …"
  sleep $((minutes * 60 * 7 / 10))
  kill -KILL "${pid[3]}"
  end 3
  sleep 10
  start_replica 3 "${replicas[2]}" "${settings[@]}"
  wait "${pid[people]}"
  unset 'pid[people]'
  to=$(date +%s)
}

build_keyward
prepare
configure
use
CHROMIUM=$browser PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" scripts/dashboards/picture.py \
  "http://127.0.0.1:$prometheus" "$from" "$to" "$scrape"
