#!/bin/bash
# Redmine 5 from Debian, on SQLite, under puma: http://127.0.0.1:18085
# install | start | stop | restart | reset | database | token
#   start     seeds the project "network", the tracker Incident, the issue field AlertKey and the user "middleware" once; its API key lies in .peers/redmine/token
#   database  prints the path of the SQLite file, from which the journeys count issues
. "$(dirname "$0")/lib.sh"
PORT=${REDMINE_PORT:-18085}
# Debian's security update of Ruby brings a bundler that does not know Debian's gem folders, and the package's own
# set-up then fails ("Could not find … for installation"). The bundler that Debian packages is this one.
export BUNDLER_VERSION=${BUNDLER_VERSION:-2.3.15}
export RAILS_ENV=production REDMINE_INSTANCE=default SCHEMA=/dev/null
export DATABASE_URL="sqlite3:$ST/data/redmine?timeout=10000"
as_www() { (cd /usr/share/redmine && HOME="$ST/home" TMPDIR="$ST/data" setpriv --reuid www-data --regid www-data --init-groups "$@"); }
case ${1:-} in
install)
  need_root
  if ! have redmine redmine-sqlite puma; then
    debconf-set-selections <<D
redmine redmine/instances/default/dbconfig-install boolean true
redmine redmine/instances/default/database-type select sqlite3
redmine redmine/default-language select en
redmine redmine/instances/default/default-language select en
D
    unset DATABASE_URL RAILS_ENV REDMINE_INSTANCE SCHEMA
    apt_in redmine redmine-sqlite puma
  fi ;;
start)
  need_root
  alive web && exit 0
  port_must_be_free "$PORT"
  mkdir -p "$ST/data" "$ST/home" /var/cache/redmine/default/tmp
  # A copy of the pristine database that the package made, with write-ahead logging, so that the journeys can read while Redmine writes.
  if [ ! -s "$ST/data/redmine" ]; then
    cp /var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default "$ST/data/redmine.new"
    mv "$ST/data/redmine.new" "$ST/data/redmine"
  fi
  chown -R www-data: "$ST/data" "$ST/home" /var/cache/redmine/default
  if [ ! -s "$ST/token" ]; then
    as_www bundle exec rails runner "$HERE/redmine_seed.rb" >"$ST/seed.log" 2>&1 || { tail -20 "$ST/seed.log" >&2; exit 1; }
    sed -n 's/^token=//p' "$ST/seed.log" >"$ST/token.new"; [ -s "$ST/token.new" ]; mv "$ST/token.new" "$ST/token"
  fi
  cd /usr/share/redmine
  HOME=$ST/home TMPDIR=$ST/data bg web setpriv --reuid www-data --regid www-data --init-groups \
    puma -e production -t 1:5 -b "tcp://127.0.0.1:$PORT" config.ru
  wait_tcp "$PORT" 600
  # The first request compiles what all the others use.
  curl -s -o /dev/null --max-time 60 -H "X-Redmine-API-Key: $(cat "$ST/token")" "http://127.0.0.1:$PORT/issues.json" || true ;;
stop) need_root; kill_group web ;;
restart) "$0" stop; exec "$0" start ;;
reset) need_root; kill_group web; rm -rf "$ST/data" "$ST/token" ;;
database) echo "$ST/data/redmine" ;;
token) cat "$ST/token" ;;
*) echo "usage: $0 install|start|stop|restart|reset|database|token" >&2; exit 2 ;;
esac
