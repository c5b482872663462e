#!/usr/bin/env bash
# Not a server: installs axe-core 4.14.1 (accessibility checks for web pages) and prints where its script is.
set -euo pipefail
NAME=axe-core
set -- "run$$"
. "$(dirname "$0")/_lib.sh"
ensure_npm axe-core axe-core@4.14.1
rm -rf "$RUN" "$LOG"
echo "$NPMD/node_modules/axe-core/axe.min.js"
