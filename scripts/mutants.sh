#!/usr/bin/env bash
# Changes the code in small ways, one at a time ("mutants"), and shows which changes no test notices. All of them take
# more than a day, so it is told where, how many and for how long; not part of the CI.
#
#   scripts/mutants.sh src/protect src/domain             these folders or files
#   scripts/mutants.sh --minutes 30 --timeout 120 src/auth  at most half an hour, and two minutes for the tests of a mutant
#   scripts/mutants.sh --sample 3/40                       every 40th mutant, beginning with the 3rd
#
# The tests that are quick and near come first; what survives those is tried again with the slow ones. The checkout isn't
# touched: the mutants live in a copy. What was found is in target/mutants.out; a mutant that was caught once isn't
# tried again by the next run, unless you remove that folder.
set -euo pipefail
cd "$(dirname "$0")/.."

version=27.1.0
minutes=60 timeout=300 sample=0/1
places=()
while (($#)); do
  case $1 in
    --minutes) minutes=$2 && shift 2 ;;
    --timeout) timeout=$2 && shift 2 ;;
    --sample) sample=$2 && shift 2 ;;
    -*) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) places+=("${1%/}") && shift ;;
  esac
done
((${#places[@]})) || places=(src/protect src/domain src/auth)

# The tests of a place that are quick, then the slow ones. The clients in other languages and the gateways have nothing
# to say of these folders that the others don't, and what runs cargo or a shell is slow.
quick_tests() {
  case $1 in
    src/protect*) echo --lib --test=library ;;
    src/auth*) echo --lib --test=checks --test=no_allocation --test=jws --test=coherence_model ;;
    *) echo --lib --test=checks --test=coherence_model ;;
  esac
}
slow_tests() {
  case $1 in
    src/protect*) echo --test=api ;;
    src/auth*) echo --test=api --test=faults ;;
    *) echo --test=api --test=library ;;
  esac
}
# A test of an example isn't built with `--test`; the vectors that it reads are in the tests of the library too.
left_out='not test(/the_client_in|^(long|readme|dev|installing|documented|manifest|command_line)::|every_vector_is_judged/)'

tool=target/tools
if [[ "$("$tool/bin/cargo-mutants" --version 2>/dev/null)" != "cargo-mutants $version" ]]; then
  cargo install --quiet --locked --root "$tool" --version "$version" cargo-mutants
fi
command -v cargo-nextest >/dev/null || { echo "mutants.sh: needs cargo-nextest (https://nexte.st)" >&2; exit 1; }

# One target folder for all mutants and runs, so that dependencies are built once.
export CARGO_TARGET_DIR="$PWD/target/mutants" CARGO_INCREMENTAL=1
ends=$((SECONDS + minutes * 60))
run() { # PLACE TEST-ARGUMENT…
  local place=$1 left=$((ends - SECONDS))
  shift
  ((left > 0)) || return 0
  # A survivor is a finding and not a failure of this script: 2 is "missed", 3 "timed out", 124 our own time limit.
  local code=0
  # By --cargo-arg, and not after --, so that only these test binaries are built as well.
  timeout --signal=INT "$left" nice -n 19 "$tool/bin/cargo-mutants" mutants --no-shuffle --jobs 1 --output target \
    --iterate --timeout "$timeout" --build-timeout 900 --colors never --test-tool nextest --file "$place" \
    --test-package keyward --test-package models \
    "${chosen[@]}" "${@/#/--cargo-arg=}" -- -E "$left_out" || code=$?
  case $code in 0 | 2 | 3) ;; 124 | 130) echo "mutants.sh: the $minutes minutes are over" ;; *) exit "$code" ;; esac
}
# The names of the mutants of a sample, as arguments; both runs of a place must try the same ones, which --shard doesn't
# do together with --iterate.
choose() { # PLACE
  chosen=()
  local name
  while IFS= read -r name; do
    chosen+=("--re=^$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$name")\$")
  done < <("$tool/bin/cargo-mutants" mutants --list --colors never --file "$1" |
    awk -v first="${sample%/*}" -v step="${sample#*/}" 'step > 1 && NR % step == first % step')
}
for place in "${places[@]}"; do
  [[ -d $place ]] && place="$place/**"
  choose "$place"
  [[ ${sample#*/} == 1 ]] || ((${#chosen[@]})) || continue
  read -ra tests <<<"$(quick_tests "$place")"
  run "$place" "${tests[@]}"
  read -ra tests <<<"$(slow_tests "$place")"
  run "$place" "${tests[@]}"
done
echo
echo "survivors of the last run (target/mutants.out):"
cat target/mutants.out/missed.txt target/mutants.out/timeout.txt
