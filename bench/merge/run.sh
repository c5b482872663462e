#!/bin/sh
# Compares Tiebreak's merge with trimerge (npm) on generated documents. Needs cargo, node and npm.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm install --no-audit --no-fund --silent
cargo build -q -p tiebreak-core --example merge_lines --manifest-path ../../Cargo.toml
node compare.mjs "${1:-20000}"
