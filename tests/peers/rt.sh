#!/bin/bash
# Request Tracker 5 from Debian, on SQLite, under plackup with Starlet: http://127.0.0.1:18084
# install | start | stop | restart | reset | database | token
#   start     seeds the queue Network, the ticket field AlertKey and the user "middleware" once, and leaves a REST2 token in .peers/rt/token
#   database  prints the path of the SQLite file, from which the journeys count tickets
. "$(dirname "$0")/lib.sh"
PORT=${RT_PORT:-18084}
CONF=/etc/request-tracker5/RT_SiteConfig.d/90-kentongan-journeys.pm
case ${1:-} in
install)
  need_root
  if ! have request-tracker5 rt5-db-sqlite rt5-standalone; then
    debconf-set-selections <<D
request-tracker5 request-tracker5/install-cronjobs boolean false
request-tracker5 request-tracker5/organization string journeys.invalid
request-tracker5 request-tracker5/rtname string journeys.invalid
request-tracker5 request-tracker5/correspondaddress string rt@journeys.invalid
request-tracker5 request-tracker5/commentaddress string rt-comment@journeys.invalid
request-tracker5 request-tracker5/webbaseurl string http://127.0.0.1:$PORT
request-tracker5 request-tracker5/webpath string
request-tracker5 request-tracker5/handle-siteconfig-permissions boolean true
request-tracker5 request-tracker5/initial-root-password password Rt-journeys-pass
request-tracker5 request-tracker5/initial-root-password-again password Rt-journeys-pass
request-tracker5 request-tracker5/dbconfig-install boolean true
D
    # msmtp-mta is the smallest package that satisfies RT's need of a mail transport; nothing is ever sent.
    apt_in request-tracker5 rt5-db-sqlite rt5-standalone msmtp-mta
  fi ;;
start)
  need_root; alive web && exit 0
  port_must_be_free "$PORT"
  mkdir -p "$ST/data" "$ST/mason" "$ST/session" "$ST/home" /var/cache/request-tracker5 /var/log/request-tracker5
  # A copy of the pristine database that the package made. Mails of scrips go to files.
  # BcryptCost is the price of every single authenticated request; at the default each costs 450 ms of processor.
  [ -s "$ST/data/rtdb" ] || cp /var/lib/dbconfig-common/sqlite3/request-tracker5/rtdb "$ST/data/rtdb"
  cat >"$CONF" <<C
Set(\$WebDomain, '127.0.0.1'); Set(\$WebPort, $PORT); Set(\$WebBaseURL, 'http://127.0.0.1:$PORT'); Set(\$WebPath, '');
Set(\$DatabaseType, 'SQLite'); Set(\$DatabaseName, '$ST/data/rtdb');
Set(\$MailCommand, 'testfile'); Set(\$LogToSyslog, undef); Set(\$LogToSTDERR, 'warning');
Set(\$WebSessionClass, 'Apache::Session::File'); Set(\$MasonDataDir, '$ST/mason'); Set(\$MasonSessionDir, '$ST/session');
Set(\$BcryptCost, 4);
1;
C
  chgrp www-data /etc/request-tracker5/RT_SiteConfig.pm "$CONF"; chmod 640 /etc/request-tracker5/RT_SiteConfig.pm "$CONF"
  chown -R www-data: "$ST"; chown www-data: /var/cache/request-tracker5 /var/log/request-tracker5
  as_www() { (cd / && HOME="$ST/home" TMPDIR="$ST/data" setpriv --reuid www-data --regid www-data --init-groups "$@"); }
  # Write-ahead logging, so that the journeys can read while RT writes.
  as_www perl -MDBI -e 'DBI->connect("dbi:SQLite:dbname=$ARGV[0]","","",{RaiseError=>1})->do("PRAGMA journal_mode=WAL")' "$ST/data/rtdb"
  if [ ! -s "$ST/token" ]; then as_www perl "$HERE/rt_seed.pl" >"$ST/token.new"; mv "$ST/token.new" "$ST/token"; fi
  cd /; HOME=$ST/home TMPDIR=$ST/data bg web setpriv --reuid www-data --regid www-data --init-groups plackup -E deployment -s Starlet \
    --host 127.0.0.1 --port "$PORT" --max-workers "${RT_WORKERS:-3}" /usr/share/request-tracker5/libexec/rt-server
  wait_tcp "$PORT"
  # Each of the workers compiles RT's pages at the first request; the first of them pays for all that is shared.
  curl -s -o /dev/null --max-time 60 -H "Authorization: token $(cat "$ST/token")" "http://127.0.0.1:$PORT/REST/2.0/rt" || true ;;
stop) need_root; kill_group web ;;
restart) "$0" stop; exec "$0" start ;;
reset) need_root; kill_group web; rm -rf "$ST/data" "$ST/mason" "$ST/session" "$ST/token" ;;
database) echo "$ST/data/rtdb" ;;
token) cat "$ST/token" ;;
*) echo "usage: $0 install|start|stop|restart|reset|database|token" >&2; exit 2 ;;
esac
