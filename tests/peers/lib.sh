# Read by every script here. All that the peers keep lies under .peers/ in the workspace (git-ignored;
# KENTONGAN_PEERS moves it), every server listens on loopback, and `stop` ends only what `start` began.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)

# The daemons run as users of their own, who must be able to walk down to their files. Where the workspace lies in
# somebody's closed home, the state lies in /var/tmp instead, and .peers is a link to it.
open_to_all() { local d=$1; while [ "$d" != / ]; do case $(stat -c %A "$d") in *[xt]) d=$(dirname "$d") ;; *) return 1 ;; esac; done; }
[ ! -L "$ROOT/.peers" ] || [ -e "$ROOT/.peers" ] || rm "$ROOT/.peers"
if [ -n "${KENTONGAN_PEERS:-}" ]; then
  PEERS=$KENTONGAN_PEERS
elif [ -e "$ROOT/.peers" ] || open_to_all "$ROOT"; then
  PEERS=$ROOT/.peers
else
  PEERS=$(mktemp -d /var/tmp/kentongan-peers.XXXXXX)
  ln -s "$PEERS" "$ROOT/.peers"
fi
mkdir -p "$PEERS"
PEERS=$(cd "$PEERS" && pwd -P)
ME=$(basename "$0" .sh)
ST=$PEERS/$ME
mkdir -p "$ST"
chmod 755 "$PEERS" "$ST" 2>/dev/null || true

need_root() { [ "$(id -u)" = 0 ] || { echo "$ME: this needs root" >&2; exit 1; }; }

have() { local p; for p in "$@"; do [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || return 1; done; }

# An archive folder of our own: on machines made from images, a hook empties the shared one after every apt run.
apt_in() {
  local try archives=$PEERS/apt-archives
  have "$@" && return 0
  mkdir -p "$archives/partial"
  for try in 1 2 3; do
    if apt-get -o DPkg::Lock::Timeout=900 -o Dir::Cache::archives="$archives" -y -q --no-install-recommends \
         -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$@" >"$ST/apt.log" 2>&1; then
      rm -f "$archives"/*.deb
      return 0
    fi
    sleep 5
    apt-get -o DPkg::Lock::Timeout=900 -q update >>"$ST/apt.log" 2>&1 || true
  done
  tail -20 "$ST/apt.log" >&2
  return 1
}

alive() { [ -s "$ST/$1.pid" ] && kill -0 "$(cat "$ST/$1.pid")" 2>/dev/null; }

# bg NAME COMMAND…: start it detached, in a process group of its own; pid in NAME.pid, output in NAME.log.
# The inherited lock descriptors of a test run are closed, or a server would hold a test's lock for ever.
bg() {
  local name=$1 fd; shift
  alive "$name" && return 0
  ( for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -gt 2 ] && eval "exec $fd>&-" 2>/dev/null; done
    exec setsid "$@" ) >>"$ST/$name.log" 2>&1 </dev/null &
  echo $! >"$ST/$name.pid"
}

# kill_group NAME: TERM to the leader, then to the group, KILL to what is left after ten seconds.
kill_group() {
  local name=$1 p i
  [ -s "$ST/$name.pid" ] || return 0
  p=$(head -1 "$ST/$name.pid")
  kill -TERM "$p" 2>/dev/null || true
  for i in $(seq 100); do
    pgrep -g "$p" >/dev/null || break
    if [ "$i" = 20 ]; then kill -TERM -- "-$p" 2>/dev/null || true; fi
    sleep 0.1
  done
  if pgrep -g "$p" >/dev/null; then kill -KILL -- "-$p" 2>/dev/null || true; fi
  rm -f "$ST/$name.pid"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A server of another clone on our port would be mistaken for ours.
port_must_be_free() { ! listens "$1" || { echo "$ME: something else listens on port $1 already" >&2; exit 1; }; }

wait_tcp() {
  local i
  for i in $(seq "${2:-300}"); do listens "$1" && return 0; sleep 0.1; done
  echo "$ME: nothing listens on port $1" >&2
  tail -5 "$ST"/*.log >&2 || true
  return 1
}
