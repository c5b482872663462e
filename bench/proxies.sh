#!/usr/bin/env bash
# Unpacks nginx and HAProxy from Debian into target/bench/deb/proxies (nothing is installed, no service starts).
set -euo pipefail
export PEERS_DIR=${BENCH_DIR:-$(cd "$(dirname "$0")/.." && pwd)/target/bench} PEERS_INSTALL_ONLY=1 NAME=proxies
. "$(dirname "$0")/../scripts/peers/_lib.sh"
ensure_debs proxies nginx haproxy
