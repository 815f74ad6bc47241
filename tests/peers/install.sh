#!/bin/bash
# Installs the real servers that the journeys talk to. Says first what and how much; does nothing that is done already.
. "$(dirname "$0")/lib.sh"
RT="request-tracker5 rt5-db-sqlite rt5-standalone msmtp-mta"
REDMINE="redmine redmine-sqlite puma"
ZNUNY="otrs2 librest-client-perl starlet"
ZABBIX="zabbix-server-pgsql zabbix-frontend-php zabbix-agent postgresql php8.2-fpm php8.2-cli php-pgsql"
SMALL="iputils-ping snmpd snmp libsnmp-base prometheus iproute2 curl procps python3-venv util-linux"

no_root() {
  cat >&2 <<TEXT

  *****************************************************************************************
  *  NOT ROOT, and sudo gives none: $1
  *  SKIPPED: the journeys on a real network (A, C, D, E), with the ticket systems and
  *  with Zabbix (B). Each of them says so again when it is skipped.
  *  To run them: make test as root, or as somebody whom sudo lets.
  *****************************************************************************************

TEXT
}
may_sudo() { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; }

if have $RT $REDMINE $ZNUNY $ZABBIX $SMALL && [ -x "$PEERS/nats/bin/nats-server" ]; then
  echo "The real servers for the journeys are installed (Request Tracker, Redmine, Znuny, Zabbix, NATS, Prometheus, net-snmp)."
  [ "$(id -u)" = 0 ] || may_sudo || no_root "the servers cannot be started."
  exit 0
fi
cat <<TEXT
The journeys run against real servers. What is missing of these is installed now:
  Request Tracker 5 on SQLite       Debian: $RT   (about 210 MB)
  Redmine 5 on SQLite               Debian: $REDMINE   (about 95 MB)
  Znuny 6.5 on PostgreSQL           Debian, non-free: $ZNUNY   (about 280 MB; apt's own lists stay as they are)
  Zabbix 6 on PostgreSQL            Debian: $ZABBIX   (about 190 MB)
  net-snmp, Prometheus, iproute2    Debian: $SMALL   (about 190 MB)
  nats-server 2.15.1                PyPI, pinned by hash, into .peers/ (44 MB)
Their state lies in .peers/; apart from the packages, these are written:
  /etc/request-tracker5/RT_SiteConfig.d/90-kentongan-journeys.pm, /etc/zabbix/zabbix.conf.php and, while it runs, /usr/sbin/policy-rc.d
TEXT
if [ "$(id -u)" != 0 ]; then
  if may_sudo; then exec sudo -n KENTONGAN_PEERS="$PEERS" "$0"; fi
  [ -x "$PEERS/nats/bin/nats-server" ] || "$HERE/nats.sh" install || true
  no_root "nothing was installed from Debian."
  exit 0
fi

started=$SECONDS
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mmin -1440 -print -quit 2>/dev/null)" ] || apt-get -q update >"$ST/update.log" 2>&1 || true
# No package may start a daemon of its own accord: the journeys start their own, on their own ports.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
step() { echo "  … $1"; shift; "$@" || { echo "install.sh: $* failed" >&2; exit 1; }; }
step "net-snmp, Prometheus, iproute2" apt_in $SMALL
step "Request Tracker 5" "$HERE/rt.sh" install
step "Redmine 5" "$HERE/redmine.sh" install
step "Zabbix 6" "$HERE/zabbix.sh" install
step "Znuny 6.5" "$HERE/znuny.sh" install
step "nats-server" "$HERE/nats.sh" install
[ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID" "$PEERS"
echo "installed in $((SECONDS - started)) s"
