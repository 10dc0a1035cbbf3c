#!/usr/bin/env bash
# Compares nginx that asks Keyward about each request, by TCP and by a Unix socket, with the same nginx that asks itself. Prints
# medians, and the ratios that Keyward promises. README.md beside this file explains each line.
#
#   benches/load/gateway.sh            5 rounds of 5 s a line: about 3 minutes, after the build
#   benches/load/gateway.sh --quick    does it work at all? 1 round of 1 s; its numbers mean nothing
#
# ROUNDS, SECONDS_EACH, CONNECTIONS, SERVER_CORE, CLIENT_CORE and FIRST_PORT change what their names say.
# KEYWARD names a program that is built already. Needs Linux, wrk, nginx, and what `keyward dev` needs.
set -euo pipefail
PATH=$PATH:/usr/sbin # where Debian has nginx
# shellcheck source=benches/load/common.sh
source "$(dirname "$0")/common.sh"

need wrk taskset curl nginx cargo

# start_nginx NAME ANSWERER [SUBSTITUTION…]: nginx as deploy/nginx has it, in front of the API, with sed's substitutions in its
# question, which goes to ANSWERER. One process, so that its time can be told.
start_nginx() {
  local name=$1 answerer=$2 folder=$work/$1
  shift 2
  mkdir -p "$folder/conf.d"
  cp -r "$repository/deploy/nginx/snippets" "$folder"
  sed -e "s|server 127.0.0.1:3000;|server ${answerer#http://};|" \
    -e "s|server 127.0.0.1:9000;|server ${address[bare]#http://};|" \
    -e "s|listen 8080;|listen 127.0.0.1:$next_port;|" \
    "$repository/deploy/nginx/keyward.conf" >"$folder/conf.d/keyward.conf"
  (($# == 0)) || sed -i "$@" "$folder/snippets/keyward.conf"
  run_nginx "$name"
}

# start_answerer NAME SOCKET: nginx that says yes to everything, asked by others.
start_answerer() {
  mkdir -p "$work/$1/conf.d"
  echo "server { listen 127.0.0.1:$next_port; listen unix:$2; keepalive_requests 1000000000; location / { return 200; } }" >"$work/$1/conf.d/yes.conf"
  run_nginx "$1"
}

run_nginx() { # NAME, whose folder has a conf.d
  local folder=$work/$1
  cat >"$folder/nginx.conf" <<END
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include conf.d/*.conf;
}
END
  start "$1" nginx -p "$folder" -c "$folder/nginx.conf" -e stderr
}

# All of it is on one core.
start_all() {
  local path=$work/keyward.sock
  start_keyward KEYWARD__SERVER__TRUSTED_PROXIES=127.0.0.0/8 KEYWARD__SERVER__SOCKET="$path" KEYWARD__SERVER__SOCKET_MODE=0666
  start bare "$built/release/bare"
  start_answerer answerer "$work/answerer.sock"
  start_nginx asking "${address[keyward]}"
  start_nginx socket "unix:$path"
  start_nginx own "${address[keyward]}" -e 's|^    proxy_pass http://keyward/.*|    return 200;|'
  # The least that it can cost to ask somebody else.
  start_nginx unchecked "unix:$path" -e 's|^    proxy_pass http://keyward/.*|    proxy_pass http://keyward/healthz;|'
  start_nginx other "${address[answerer]}"
  start_nginx least "unix:$work/answerer.sock"
}

# The same question must have been asked, or the comparison is none.
check() {
  local name status
  for name in asking socket; do
    status=$(curl --silent --output /dev/null --write-out '%{http_code}' "${address[$name]}/api/protected-resource")
    [[ $status == 401 ]] || { echo "$script: nginx lets in who has no key ($status)" >&2; exit 1; }
  done
}

run_each() { # SECONDS
  local name
  for name in asking socket own unchecked other least; do
    run "$1" "$name" "$name" /api/protected-resource "x-api-key: $key"
  done
}

measure() {
  run_each 1 >/dev/null # warm
  for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    run_each "$seconds" >>"$results"
  done
}

tell() {
  tell_circumstances
  table_head 'one core for all servers of a line'
  table_row 'nginx, which asks Keyward by TCP' asking
  table_row 'nginx, which asks Keyward by the socket' socket
  table_row 'nginx, which asks itself' own
  table_row 'nginx, which asks /healthz by the socket' unchecked
  table_row 'nginx, which asks another nginx by TCP' other
  table_row 'nginx, which asks another nginx by a socket' least

  printf '\n%-58s %9s   %s\n' '' measured target
  ratio_row 'nginx: requests/s asking Keyward by TCP against itself' "$(ratio $RATE asking own)" '>=' 0.6
  ratio_row 'the same by the socket' "$(ratio $RATE socket own)" '>=' 0.6
  ratio_row 'nobody checks: /healthz by the socket' "$(ratio $RATE unchecked own)" '>=' 0.6
  ratio_row 'nobody checks: another nginx by TCP' "$(ratio $RATE other own)" '>=' 0.6
  ratio_row 'nobody checks: another nginx by a socket' "$(ratio $RATE least own)" '>=' 0.6
}

build
start_all
check
measure
tell
