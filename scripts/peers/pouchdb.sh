#!/usr/bin/env bash
# Not a server: runs a Node script with PouchDB 9.0.0: a client of the CouchDB API, and a store in memory.
#   scripts/peers/pouchdb.sh SCRIPT ARGUMENT...
set -euo pipefail
NAME=pouchdb
[ $# -gt 0 ] || [ -n "${PEERS_INSTALL_ONLY:-}" ] || { echo "usage: $0 SCRIPT ARGUMENT..." >&2; exit 2; }
arguments=("$@")
set -- "run$$"
. "$(dirname "$0")/_lib.sh"
ensure_npm pouchdb pouchdb-core@9.0.0 pouchdb-adapter-http@9.0.0 pouchdb-adapter-memory@9.0.0 pouchdb-replication@9.0.0
rm -rf "$RUN" "$LOG"
NODE_PATH=$NPMD/node_modules exec node "${arguments[@]}"
