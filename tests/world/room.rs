//! What a journey needs, and the one room in which the journeys take turns.
//!
//! Journeys share the servers with their ports, the addresses of the network and the processors, and
//! they measure seconds; so on a machine they go one at a time, whichever process or clone they belong
//! to. A lock on a file that every machine has does that under every test runner. What a machine lacks skips a journey loudly; under `KENTONGAN_NO_SKIP=1` it fails it.

use crate::shell;
use std::fs::File;

/// The file whose lock is the key of the room; it is only locked, never written.
const ROOM: &str = "/etc/hosts";

/// Something that a fresh machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Root, for network namespaces and for servers that run as users of their own.
    Root,
    /// Network namespaces and `ip`.
    Namespaces,
    /// net-snmp's agent.
    Snmpd,
    /// Request Tracker 5.
    Rt,
    /// Redmine 5.
    Redmine,
    /// Znuny 6.
    Znuny,
    /// Zabbix 6.
    Zabbix,
    /// nats-server.
    Nats,
    /// Prometheus and promtool.
    Prometheus,
}

impl Need {
    fn missing(self) -> Option<&'static str> {
        let (there, otherwise) = match self {
            Need::Root => (is_root(), "it needs root"),
            Need::Namespaces => (shell::installed("ip"), "iproute2 is not installed"),
            Need::Snmpd => (
                shell::installed("snmpd") && shell::installed("snmpset"),
                "snmpd and snmp are not installed",
            ),
            Need::Rt => (
                shell::installed("plackup")
                    && std::path::Path::new("/usr/share/request-tracker5/libexec/rt-server")
                        .exists(),
                "request-tracker5 is not installed",
            ),
            Need::Redmine => (
                shell::installed("puma")
                    && std::path::Path::new("/usr/share/redmine/config.ru").exists(),
                "redmine is not installed",
            ),
            Need::Znuny => (
                shell::installed("plackup")
                    && std::path::Path::new("/usr/share/otrs/bin/cgi-bin/app.psgi").exists(),
                "otrs2 is not installed",
            ),
            Need::Zabbix => (
                shell::installed("zabbix_server")
                    && shell::installed("zabbix_sender")
                    && shell::installed("php"),
                "Zabbix is not installed",
            ),
            Need::Nats => (
                shell::peers().join("nats/bin/nats-server").exists(),
                "nats-server is not installed",
            ),
            Need::Prometheus => (
                shell::installed("prometheus") && shell::installed("promtool"),
                "prometheus is not installed",
            ),
        };
        (!there).then_some(otherwise)
    }
}

fn is_root() -> bool {
    shell::run("id", &["-u"]).is_ok_and(|id| id.trim() == "0")
}

/// The turn of one journey; ends when dropped.
#[derive(Debug)]
pub struct Room {
    _turn: File,
}

impl Room {
    /// Waits for a turn, or says what is missing and gives none.
    pub fn enter(journey: &str, needs: &[Need]) -> Option<Room> {
        let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
        if !missing.is_empty() {
            let why = missing.join(", ");
            assert!(
                std::env::var_os("KENTONGAN_NO_SKIP").is_none_or(|v| v.is_empty() || v == "0"),
                "{journey} cannot run here: {why}; tests/peers/install.sh installs what is missing"
            );
            eprintln!("\n*** SKIPPED: {journey}: {why}; `make test` as root runs it ***\n");
            return None;
        }
        std::fs::create_dir_all(shell::peers()).expect("the folder of the peers can be made");
        let turn = File::open(ROOM).expect("every machine has this file");
        turn.lock().expect("the room can be locked");
        Some(Room { _turn: turn })
    }
}
