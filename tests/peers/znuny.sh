#!/bin/bash
# Znuny 6.5 (Debian's non-free package otrs2) on a PostgreSQL cluster of its own, under plackup: http://127.0.0.1:18086
# install | start | stop | reset
#   start     seeds the queue "Network", the field AlertKey, the customer "noc", the user "middleware" and the web service
#             of deploy/znuny once
# PostgreSQL 127.0.0.1:55446, database otrs2 (user postgres), from which the journeys count tickets
. "$(dirname "$0")/lib.sh"
PG=${ZNUNY_PG_PORT:-55446} WEB=${ZNUNY_PORT:-18086}
HOME_OF=/usr/share/otrs
as() { local user=$1; shift; (cd / && setpriv --reuid "$user" --regid "$(id -gn "$user")" --init-groups "$@"); }
pg_bin() { ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1; }
pg_up() {
  local bin; bin=$(pg_bin)
  if [ ! -s "$ST/pg/PG_VERSION" ]; then
    mkdir -p "$ST/pg"; chown postgres: "$ST/pg"
    as postgres "$bin/initdb" -D "$ST/pg" -A trust -E UTF8 --locale=C.UTF-8 >"$ST/initdb.log"
    printf "listen_addresses='127.0.0.1'\nport=%s\nunix_socket_directories=''\nfsync=off\nsynchronous_commit=off\nfull_page_writes=off\nshared_buffers=128MB\n" "$PG" >>"$ST/pg/postgresql.conf"
  fi
  as postgres "$bin/pg_ctl" -D "$ST/pg" status >/dev/null 2>&1 || as postgres "$bin/pg_ctl" -D "$ST/pg" -w -l "$ST/pg/server.log" start >/dev/null
}
pg_down() { [ -s "$ST/pg/postmaster.pid" ] && as postgres "$(pg_bin)/pg_ctl" -D "$ST/pg" -m fast -w stop >/dev/null 2>&1 || true; }
psql() { command psql -q -h 127.0.0.1 -p "$PG" -v ON_ERROR_STOP=1 "$@"; }
# The machine's own sources of Debian, with the component that has the package; apt itself is left as it is.
sources() {
  local file parts=$ST/apt/parts codename
  mkdir -p "$parts" "$ST/apt/lists/partial" "$ST/apt/archives/partial"
  for file in /etc/apt/sources.list.d/*.sources; do
    if grep -qs '^URIs:.*debian' "$file" && grep -q '^Components:.*\bmain\b' "$file"; then sed 's/^Components:.*/Components: main contrib non-free/' "$file" >"$parts/$(basename "$file")"; fi
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    if grep -qs '^deb .*debian.*\bmain\b' "$file"; then
      grep '^deb .*debian.*\bmain\b' "$file" | sed 's/\bmain\b.*/main contrib non-free/' >"$parts/$(basename "$file" .list).list"
    fi
  done
  if [ -z "$(ls "$parts")" ]; then
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    echo "deb http://deb.debian.org/debian $codename main contrib non-free" >"$parts/debian.list"
  fi
}
install() {
  have otrs2 librest-client-perl starlet && return 0
  apt_in postgresql dbconfig-pgsql
  sources
  # The package fills a database while it is installed, and needs it at once.
  port_must_be_free "$PG"; pg_up; trap pg_down EXIT
  debconf-set-selections <<D
otrs2 otrs2/dbconfig-install boolean true
otrs2 otrs2/database-type select pgsql
otrs2 otrs2/pgsql/method select TCP/IP
otrs2 otrs2/remote/host select 127.0.0.1
otrs2 otrs2/remote/newhost string 127.0.0.1
otrs2 otrs2/remote/port string $PG
otrs2 otrs2/db/dbname string otrs2
otrs2 otrs2/db/app-user string otrs
otrs2 otrs2/pgsql/app-pass password otrs
otrs2 otrs2/app-password-confirm password otrs
otrs2 otrs2/pgsql/admin-user string postgres
otrs2 otrs2/pgsql/admin-pass password postgres
otrs2 otrs2/pgsql/authmethod-admin select password
otrs2 otrs2/pgsql/authmethod-user select password
otrs2 otrs2/pgsql/no-empty-passwords note
otrs2 otrs2/internal/skip-preseed boolean false
otrs2 otrs2/internal/reconfiguring boolean false
D
  local options=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$ST/apt/parts" -o "Dir::State::lists=$ST/apt/lists"
    -o "Dir::Cache::archives=$ST/apt/archives" -o DPkg::Lock::Timeout=900 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -q -y)
  local try
  for try in 1 2 3; do
    # librest-client-perl is a need that the package does not name.
    if apt-get "${options[@]}" update >"$ST/update.log" 2>&1 &&
      apt-get "${options[@]}" --no-install-recommends install otrs2 librest-client-perl starlet libdbd-pg-perl >"$ST/apt.log" 2>&1; then
      rm -rf "$ST/apt"; return 0
    fi
    sleep 5
  done
  tail -20 "$ST/update.log" "$ST/apt.log" >&2
  return 1
}
con() { (cd "$HOME_OF" && setpriv --reuid otrs --regid "$(id -gn otrs)" --init-groups perl bin/otrs.Console.pl "$@" --no-ansi); }
case ${1:-} in
install) need_root; install ;;
start)
  need_root
  alive web && exit 0
  port_must_be_free "$WEB"; pg_up
  command install -d -o otrs -g www-data -m 2775 /run/otrs
  # What it remembers may be of a database that is gone, or of another clone's.
  rm -rf "$HOME_OF/var/tmp/CacheFileStorable"
  # The package filled the database of the clone that installed it; this one may be empty.
  if ! psql -U postgres -Atc "select 1 from pg_database where datname='otrs2'" | grep -q 1; then
    psql -U postgres -Atc "select 1 from pg_roles where rolname='otrs'" | grep -q 1 || psql -U postgres -c "create role otrs login password 'otrs'"
    psql -U postgres -c "create database otrs2 owner otrs"
    for part in schema initial_insert schema-post; do cat "$HOME_OF/scripts/database/$part.postgresql.sql"; done |
      psql -1 -U otrs otrs2 >"$ST/schema.log" 2>&1
    con Maint::Config::Rebuild >"$ST/seed.log" 2>&1
  fi
  if [ ! -e "$ST/pg/seeded" ]; then
    as otrs perl "$HERE/znuny_seed.pl" "$ROOT/deploy/znuny" >>"$ST/seed.log" 2>&1 || { tail -20 "$ST/seed.log" >&2; exit 1; }
    as postgres touch "$ST/pg/seeded"
  fi
  bg web setpriv --reuid otrs --regid "$(id -gn otrs)" --init-groups plackup -E deployment -s Starlet --max-workers 3 --host 127.0.0.1 --port "$WEB" "$HOME_OF/bin/cgi-bin/app.psgi"
  wait_tcp "$WEB" ;;
stop) need_root; kill_group web; pg_down ;;
reset) "$0" stop; rm -rf "$ST/pg" ;;
*) echo "usage: $0 install|start|stop|reset" >&2; exit 2 ;;
esac
