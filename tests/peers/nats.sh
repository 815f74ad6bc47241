#!/bin/bash
# nats-server 2.15.1 in a virtual environment of the project: .peers/nats/bin/nats-server. Needs no root.
# install | binary
. "$(dirname "$0")/lib.sh"
case ${1:-} in
install)
  [ -x "$ST/bin/nats-server" ] && "$ST/bin/nats-server" --version | grep -q 2.15.1 && exit 0
  # Debian's own python: one installed elsewhere may lack venv.
  /usr/bin/python3 -m venv "$ST"
  "$ST/bin/pip" install -q --disable-pip-version-check --require-hashes --only-binary :all: -r "$HERE/nats-requirements.txt"
  "$ST/bin/nats-server" --version ;;
binary) echo "$ST/bin/nats-server" ;;
*) echo "usage: $0 install|binary" >&2; exit 2 ;;
esac
