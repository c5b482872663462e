#!/usr/bin/env bash
# Not a server: runs the litmus 0.13 WebDAV suite against a URL, prints its output, exits with its status.
#   scripts/peers/litmus.sh http://127.0.0.1:PORT/dav/      TESTS="basic locks" for some of it
set -euo pipefail
URL=${1:-}; NAME=litmus
[ -n "$URL" ] || [ -n "${PEERS_INSTALL_ONLY:-}" ] || { echo "usage: $0 URL" >&2; exit 2; }
set -- "run$$"
. "$(dirname "$0")/_lib.sh"
ensure_debs litmus litmus
cd "$RUN"
suite=$(dirname "$(find "$DEBD/usr/lib" "$DEBD/usr/libexec" -name basic -type f 2>/dev/null | head -1)")
export LD_LIBRARY_PATH=$DEBLIBS
rc=0
for t in ${TESTS:-basic copymove props locks http}; do
  echo "-> running \`$t':"
  TESTROOT=$RUN "$suite/$t" --htdocs "$DEBD/usr/share/litmus/htdocs" "$URL" || rc=1
done
rm -rf "$RUN" "$LOG"
exit $rc
