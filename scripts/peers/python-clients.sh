#!/usr/bin/env bash
# Not a server: runs a Python script with other people's client libraries (Azure Blob, boto3, kinto-http), each at a
# pinned version.
#   scripts/peers/python-clients.sh SCRIPT ARGUMENT...
set -euo pipefail
NAME=python-clients
[ $# -gt 0 ] || [ -n "${PEERS_INSTALL_ONLY:-}" ] || { echo "usage: $0 SCRIPT ARGUMENT..." >&2; exit 2; }
arguments=("$@")
set -- "run$$"
. "$(dirname "$0")/_lib.sh"
ensure_venv python-clients azure-storage-blob==12.31.1 boto3==1.44.5 kinto-http==11.11.0
rm -rf "$RUN" "$LOG"
exec "$VENV/bin/python" -B "${arguments[@]}"
