#!/usr/bin/env bash
# verdaccio 6.2.1 (a registry of Node packages), no uplinks, anonymous publish allowed.
. "$(dirname "$0")/_lib.sh"
NPM_OVERRIDES='{"node-fetch":"2.7.0"}'   # a dependency asks for a dist-tag that mirrors often lack
ensure_npm verdaccio verdaccio@6.2.1
cat >"$RUN/config.yaml" <<YML
storage: $RUN/storage
auth: {htpasswd: {file: $RUN/htpasswd, max_users: 100}}
uplinks: {}
packages:
  '**': {access: \$all, publish: \$all, unpublish: \$all}
log: {type: stdout, format: pretty, level: warn}
web: {enable: false}
YML
start_bg node "$NPMD/node_modules/verdaccio/bin/verdaccio" --config "$RUN/config.yaml" --listen "http://127.0.0.1:$PORT"
wait_http "http://127.0.0.1:$PORT/-/ping" 60
finish
