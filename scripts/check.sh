#!/usr/bin/env bash
# What a change must pass, the cheapest first. `.ci/run` and the justfile run this and nothing else.
#
#   scripts/check.sh              every step
#   scripts/check.sh fmt lint     only these: fmt, spelling, lint, docs, dependencies, package, fuzz, sqlx, test,
#                                 browser, contract
#   scripts/check.sh upgrade      from an earlier version and back, which is built for that; not among all steps yet
#   scripts/check.sh advisories   whether a dependency has an advisory; not among all steps, because it asks GitHub
set -euo pipefail
cd "$(dirname "$0")/.."

step_fmt() { cargo fmt --all --check; }
step_spelling() { codespell; }
step_lint() {
  cargo clippy --all-targets --locked -- -D warnings
  # As an application has it that uses the library.
  cargo clippy --package keyward --lib --no-default-features --locked -- -D warnings
}
# What deny.toml says of them, but for advisories, which need a network.
step_dependencies() { cargo deny check bans licenses sources; }
step_advisories() {
  command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
  cargo deny check advisories
  cargo deny --manifest-path fuzz/Cargo.toml check advisories
}
step_docs() { RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked; }
# That what `include` in the manifests packs can be built, as the program and as the library, without the rest. The crates
# are packed together: alone, `keyward` would need the other one in a registry.
step_package() {
  cargo package --locked --allow-dirty --package keyward-local-postgres --package keyward
  local version
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
  local patch="patch.crates-io.keyward-local-postgres.path = 'target/package/keyward-local-postgres-$version'"
  cargo check --offline --config "$patch" --manifest-path "target/package/keyward-$version/Cargo.toml" --target-dir target \
    --lib --no-default-features
}
# That what is fuzzed still compiles; `scripts/fuzz.sh` runs it.
step_fuzz() { cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz/check; }
step_sqlx() { scripts/sqlx-prepare.sh --check; }
step_test() { cargo test --locked; }
# From the version that `tests/earlier-version` names, whose program is built for this. A clone without history has not got it.
step_upgrade() {
  local earlier source=target/earlier/source
  earlier=$(cat tests/earlier-version)
  if ! git cat-file -e "$earlier^{commit}" 2>/dev/null; then
    echo "This clone has no commit $earlier: run git fetch --unshallow to test an upgrade." >&2
    [[ $(git rev-parse --is-shallow-repository) == true ]]
    return
  fi
  [[ -d $source ]] || git clone --quiet --shared --no-checkout . "$source"
  git -C "$source" checkout --quiet --detach "$earlier"
  # Not by `--manifest-path`: the settings in .cargo are those of the folder in which cargo is called.
  (cd "$source" && cargo build --quiet --locked --target-dir .. --bin keyward)
  KEYWARD_EARLIER="$PWD/target/earlier/debug/keyward" cargo test --locked --test api earlier_version
}
# Needs Chromium, as `.ci/run` installs it.
step_browser() { scripts/browser.sh; }
step_contract() { scripts/schemathesis.sh --short && scripts/generated-client.sh; }

steps=("$@")
((${#steps[@]})) || steps=(fmt spelling lint docs dependencies package fuzz sqlx test browser contract)
for step in "${steps[@]}"; do
  case $step in
    fmt | spelling | lint | docs | dependencies | advisories | package | fuzz | sqlx | test | upgrade | browser | contract) ;;
    *) echo "check.sh: no step '$step'; there are fmt, spelling, lint, docs, dependencies, advisories, package, fuzz, sqlx, test, upgrade, browser and contract" >&2; exit 2 ;;
  esac
done

number=0
for step in "${steps[@]}"; do
  number=$((number + 1)) began=$SECONDS
  printf '\n== %s/%s %s: %s\n' "$number" "${#steps[@]}" "$step" "$(declare -f "step_$step" | sed -n '3s/^ *//p')"
  # Not `|| fail`: inside such a list, bash ignores `set -e`.
  "step_$step"
  echo "== $step passed in $((SECONDS - began)) s"
done
printf '\nAll %s steps passed in %s s.\n' "${#steps[@]}" "$SECONDS"
