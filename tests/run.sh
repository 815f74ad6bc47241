#!/bin/bash
# Runs the tests: all | soak | bench. One build for everything; the journeys run as root where that can be had, the
# rest as whoever asks. Uses cargo-nextest where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}; case $target in /*) ;; *) target=$PWD/$target ;; esac
nextest=; $cargo nextest --version >/dev/null 2>&1 && nextest=yes

# What cargo puts in front of a test binary. The journeys need root; sudo without a question gives it.
as_root=()
# A permission of sudo lasts a quarter of an hour, a build may last longer: keep it fresh while this script lives.
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  while kill -0 $$ 2>/dev/null && sudo -n true 2>/dev/null; do sleep 60; done &
fi
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n env "PATH=$PATH" "KENTONGAN_BIN=$target/debug/kentongan")
  for name in KENTONGAN_NO_SKIP KENTONGAN_SOAK KENTONGAN_SEED KENTONGAN_CYCLES KENTONGAN_KEEP KENTONGAN_PEERS; do
    [ -z "${!name:-}" ] || as_root+=("$name=${!name}")
  done
fi

# Selecting the same packages in every step keeps cargo from building anything twice with other features.
build() { $cargo build --locked --workspace --bins --tests; }
ours() { # everything but the journeys
  if [ -n "$nextest" ]; then $cargo nextest run --locked --workspace -E 'not (package(journeys) and not binary(habits))'
  else $cargo test --locked --no-fail-fast --workspace --lib --bins --tests --exclude journeys && $cargo test --locked --workspace --test habits; fi
}
# Every scenario of the core, a day of a thousand targets, a hundred thousand histories of delivery.
core_soak() {
  KENTONGAN_SOAK=1 $cargo test --locked --release --no-fail-fast -p correlator -p sim --test topologies --test sequences \
    --test worlds --test judge --test night --test flap --test loss --test courier -- --nocapture
}
stop_peers() {
  local peer
  for peer in rt redmine znuny; do
    local stop=(tests/peers/$peer.sh stop)
    [ ! -s .peers/$peer/web.pid ] || { [ "$(id -u)" = 0 ] && "${stop[@]}"; } || { [ ${#as_root[@]} != 0 ] && sudo -n "${stop[@]}"; } || true
  done
}
journeys() {
  trap stop_peers EXIT
  local host; host=$($cargo -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
  [ ${#as_root[@]} = 0 ] || export "CARGO_TARGET_${host}_RUNNER=${as_root[*]}"
  export KENTONGAN_BIN=$target/debug/kentongan
  if [ -n "$nextest" ]; then $cargo nextest run --locked --workspace --no-capture -E "package(journeys) and not binary(habits) and test(${1:-/./})"
  else $cargo test --locked --workspace --test harness --test journeys -- --test-threads=1 --nocapture "${1:-}"; fi
}

case ${1:-all} in
all)
  build
  failed=
  ours || failed=1
  journeys || failed=1
  [ -z "$failed" ] ;;
soak)
  build
  failed=
  core_soak || failed=1
  KENTONGAN_SOAK=1 journeys c_killed_at_random_moments || failed=1
  KENTONGAN_SOAK=1 journeys bad_weather || failed=1
  [ -z "$failed" ] ;;
bench)
  $cargo build --locked --release -p kentongan
  $cargo bench --locked --workspace --bench '*' ;;
*) echo "usage: $0 all|soak|bench" >&2; exit 2 ;;
esac
