#!/bin/bash
# Zabbix 6.0 server, frontend (API) and sender from Debian, with a PostgreSQL cluster of its own.
# install | start | stop | reset
# API http://127.0.0.1:18081/api_jsonrpc.php (Admin / zabbix), trapper 127.0.0.1:20051, PostgreSQL 127.0.0.1:55442
. "$(dirname "$0")/lib.sh"
PG=${ZABBIX_PG_PORT:-55442} WEB=${ZABBIX_WEB_PORT:-18081} TRAPPER=${ZABBIX_TRAPPER_PORT:-20051}
PACKAGES="zabbix-server-pgsql zabbix-frontend-php zabbix-agent postgresql php8.2-fpm php8.2-cli php-pgsql"
# setpriv, not runuser: runuser kills its child two seconds after TERM and leaves processes behind.
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
configure() {
  mkdir -p /run/zabbix "$ST/run"; chown zabbix: /run/zabbix "$ST/run"
  cat >"$ST/server.conf" <<C
LogFile=$ST/run/server.log
PidFile=$ST/run/server.pid
SocketDir=$ST/run
DBHost=127.0.0.1
DBPort=$PG
DBName=zabbix
DBUser=zabbix
DBPassword=zabbix
ListenIP=127.0.0.1
ListenPort=$TRAPPER
SourceIP=127.0.0.1
StatsAllowedIP=127.0.0.1
Timeout=10
CacheUpdateFrequency=1
StartPollers=1
StartPollersUnreachable=1
StartTrappers=2
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
StartODBCPollers=0
StartHistoryPollers=1
StartPreprocessors=1
StartLLDProcessors=1
StartAlerters=2
StartDBSyncers=2
StartTimers=1
StartEscalators=1
CacheSize=32M
AllowUnsupportedDBVersions=1
C
  cat >/etc/zabbix/zabbix.conf.php <<C
<?php
\$DB['TYPE']='POSTGRESQL'; \$DB['SERVER']='127.0.0.1'; \$DB['PORT']='$PG'; \$DB['DATABASE']='zabbix'; \$DB['USER']='zabbix'; \$DB['PASSWORD']='zabbix';
\$DB['SCHEMA']=''; \$DB['ENCRYPTION']=false; \$DB['KEY_FILE']=''; \$DB['CERT_FILE']=''; \$DB['CA_FILE']=''; \$DB['VERIFY_HOST']=false; \$DB['CIPHER_LIST']='';
\$DB['VAULT_URL']=''; \$DB['VAULT_DB_PATH']=''; \$DB['VAULT_TOKEN']=''; \$DB['DOUBLE_IEEE754']=true;
\$ZBX_SERVER='127.0.0.1'; \$ZBX_SERVER_PORT='$TRAPPER'; \$ZBX_SERVER_NAME='journeys'; \$IMAGE_FORMAT_DEFAULT=IMAGE_FORMAT_PNG;
C
}
case ${1:-} in
install)
  need_root
  # php8.2-fpm is named so that "php" is satisfied without pulling in a whole web server.
  apt_in $PACKAGES ;;
start)
  need_root
  alive server || port_must_be_free "$TRAPPER"
  alive web || port_must_be_free "$WEB"
  configure; pg_up
  psql() { command psql -q -h 127.0.0.1 -p "$PG" -v ON_ERROR_STOP=1 "$@"; }
  if ! psql -U postgres -Atc "select 1 from pg_database where datname='zabbix'" | grep -q 1; then
    psql -U postgres -c "create role zabbix login password 'zabbix'" -c "create database zabbix owner zabbix"
    for part in schema images data; do zcat /usr/share/zabbix-server-pgsql/$part.sql.gz; done | psql -1 -U zabbix zabbix >"$ST/schema.log" 2>&1
  fi
  cd /
  bg server setpriv --reuid zabbix --regid "$(id -gn zabbix)" --init-groups /usr/sbin/zabbix_server -f -c "$ST/server.conf"
  PHP_CLI_SERVER_WORKERS=4 bg web php -d memory_limit=256M -d post_max_size=16M -d max_execution_time=300 -d date.timezone=UTC -S "127.0.0.1:$WEB" -t /usr/share/zabbix
  wait_tcp "$TRAPPER"; wait_tcp "$WEB" ;;
stop) need_root; kill_group web; kill_group server; pg_down ;;
reset) "$0" stop; rm -rf "$ST/pg" "$ST/run" ;;
*) echo "usage: $0 install|start|stop|reset" >&2; exit 2 ;;
esac
