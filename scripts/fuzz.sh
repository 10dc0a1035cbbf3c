#!/usr/bin/env bash
# Fuzzes what reads strangers' text: a minute for each target, or as many seconds as you say.
#
#   scripts/fuzz.sh                    every target
#   scripts/fuzz.sh 600 token          this one, for ten minutes
#
# Needs a C++ compiler and no nightly: these are the flags that `cargo fuzz build -s none` sets. It begins with
# fuzz/seeds and keeps what it finds in target/fuzz; what breaks a target is kept in target/fuzz/broken.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
targets=("${@:2}")
if ((!${#targets[@]})); then
  targets=(fuzz/fuzz_targets/*.rs)
  targets=("${targets[@]##*/}")
  targets=("${targets[@]%.rs}")
fi
host=$(rustc -vV | sed -n 's/^host: //p')
folder=$PWD/target/fuzz

# For the target's own code only: with --target, build scripts go without.
RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
  cargo build --manifest-path fuzz/Cargo.toml --target-dir "$folder/build" --target "$host" --release

mkdir -p "$folder/broken"
for target in "${targets[@]}"; do
  mkdir -p "$folder/corpus/$target"
  echo "== $target: $seconds s"
  "$folder/build/$host/release/$target" "$folder/corpus/$target" "fuzz/seeds/$target" -max_total_time="$seconds" \
    -max_len=8192 -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$folder/broken/$target-" -print_final_stats=1 2>&1 |
    grep -E '^==|^Done|^stat|ERROR|panicked|assertion'
done
