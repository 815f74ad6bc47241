//! This process: its name, its web server, its journal, its probe.

use super::super::origin::Place;
use super::super::raw::{self, JournalKind};
use super::super::read::Key;
use super::super::secrets::{Found, secret, too_open};
use super::super::units::{Size, Span};
use super::super::{Asking, Backend, Heartbeat, Http, Journal, Nats, Probe, why};
use super::Reading;
use model::Settings;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Requests may be this large at most, whatever is configured.
const BODY_MAX: u64 = 64 << 20;

impl Reading<'_> {
    pub(super) fn instance(&mut self, root: &raw::Root) -> String {
        let default = Settings::default().instance;
        let Some(instance) = root.instance.get() else { return default };
        if let Key::Set(name, place) = &instance.name {
            self.plain_name(name, *place);
        }
        instance.name.or(default)
    }

    /// Names stand in incident ids, metrics, subjects and file names.
    pub(super) fn plain_name(&mut self, name: &str, place: Place) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let message = format!("{name:?} cannot be a name");
            self.error(place, message, "1 to 64 letters, digits, - _ and . are possible");
        }
    }

    pub(super) fn heartbeat(&mut self, root: &raw::Root) -> Option<Heartbeat> {
        let instance = root.instance.get()?;
        self.not_zero(&instance.heartbeat_every);
        let Key::Set(url, place) = &instance.heartbeat_url else { return None };
        // Empty: switched off, so that the environment can do that too.
        if url.is_empty() {
            return None;
        }
        self.http_url(url, *place);
        let every = instance.heartbeat_every.or(Span(Duration::from_secs(30))).0;
        Some(Heartbeat { url: url.clone(), every })
    }

    pub(super) fn http_url(&mut self, url: &str, place: Place) {
        let (message, help) = match reqwest::Url::parse(url) {
            Ok(u) if !matches!(u.scheme(), "http" | "https") => {
                ("this is no http address".to_owned(), "it begins with http:// or https://")
            }
            Ok(_) => return,
            Err(e) => (format!("this is no address: {e}"), "write it as http://host:port/path"),
        };
        self.error(place, message, help);
    }

    pub(super) fn http(&mut self, root: &raw::Root) -> Http {
        let none = raw::Http::default();
        let http = root.http.get().unwrap_or(&none);
        let mut listen = SocketAddr::from(([127, 0, 0, 1], 8640));
        if let Key::Set(text, place) = &http.listen {
            match text.parse() {
                Ok(address) => listen = address,
                Err(_) => self.error(
                    *place,
                    format!("{text:?} is no address to listen on"),
                    "write an IP address and a port: \"127.0.0.1:8640\", \"0.0.0.0:8640\", \"[::]:8640\"",
                ),
            }
        }
        let token = secret(self.folder, &http.token, &http.token_file, &mut self.written.findings);
        if let (Key::Set(_, place), false, Found::Absent) =
            (&http.listen, listen.ip().is_loopback(), &token)
        {
            self.warning(
                *place,
                "this listens to the whole network, without encryption and without a token",
                "put a proxy with TLS before it, and set token_file so that people elsewhere can acknowledge",
            );
        }
        if let Key::Set(url, place) = &http.public_url {
            self.http_url(url, *place);
        }
        let limit = http.body_limit.or(Size(1 << 20)).0;
        if let Key::Set(_, place) = &http.body_limit
            && !(1024..=BODY_MAX).contains(&limit)
        {
            self.error(*place, "this must be between 1KiB and 64MiB", "");
        }
        let public_url = http.public_url.or(format!("http://{listen}"));
        Http {
            listen,
            public_url: public_url.trim_end_matches('/').to_owned(),
            token: token.ok(),
            body_limit: limit as usize,
        }
    }

    /// What to do, by class. An address that tickets carry is one that people can follow.
    pub(super) fn runbooks(&mut self, root: &raw::Root) -> BTreeMap<String, String> {
        let mut runbooks = BTreeMap::new();
        for (class, url) in root.runbook.get().into_iter().flatten() {
            let Key::Set(url, place) = url else { continue };
            self.http_url(url, *place);
            runbooks.insert(class.clone(), url.clone());
        }
        runbooks
    }

    pub(super) fn journal(&mut self, root: &raw::Root) -> Journal {
        let none = raw::Journal::default();
        let journal = root.journal.get().unwrap_or(&none);
        let retention = journal.retention.or(Span(Duration::from_hours(35 * 24))).0;
        if let Key::Set(_, place) = &journal.retention
            && retention < Duration::from_hours(1)
        {
            self.error(
                *place,
                "events must be kept for an hour at least",
                "the default is \"35d\"",
            );
        }
        let kind = journal.kind.or(JournalKind::Embedded);
        let backend = match (kind, &journal.nats) {
            (JournalKind::Embedded, Key::Set(_, place)) => {
                self.warning(
                    *place,
                    "[journal.nats] is not used: the journal is embedded",
                    "say [journal] kind = \"nats\", or remove it",
                );
                Backend::Embedded
            }
            (JournalKind::Embedded, _) => Backend::Embedded,
            (JournalKind::Nats, nats) => {
                let none = raw::Nats::default();
                Backend::Nats(self.nats(nats.get().unwrap_or(&none)))
            }
        };
        Journal { backend, retention, reserve_mb: journal.reserve_mb.or(64) }
    }

    pub(super) fn nats(&mut self, nats: &raw::Nats) -> Nats {
        let password =
            secret(self.folder, &nats.password, &nats.password_file, &mut self.written.findings);
        if let (Key::Set(_, place), Found::Absent) = (&nats.user, &password) {
            self.error(*place, "a user without a password", "add password_file = \"…\"");
        }
        if let (Key::Absent, Some(place)) =
            (&nats.user, nats.password.place().or(nats.password_file.place()))
        {
            self.error(place, "a password without a user", "add user = \"…\"");
        }
        if let Key::Set(url, place) = &nats.url {
            for server in url.split(',').map(str::trim) {
                let full =
                    if server.contains("://") { server.into() } else { format!("nats://{server}") };
                let scheme = reqwest::Url::parse(&full).map(|u| u.scheme().to_owned());
                if !scheme.is_ok_and(|s| matches!(s.as_str(), "nats" | "tls" | "ws" | "wss")) {
                    self.error(
                        *place,
                        "this is no address of a NATS server",
                        "write it as nats://host:4222",
                    );
                }
            }
        }
        if let Key::Set(replicas, place) = &nats.replicas
            && !matches!(replicas, 1 | 3 | 5)
        {
            self.error(*place, format!("{replicas} replicas cannot be"), "1, 3 or 5");
        }
        if let Key::Set(prefix, place) = &nats.prefix {
            self.plain_name(prefix, *place);
        }
        let credentials_file = nats.credentials_file.get().map(|f| self.folder.join(f));
        if let (Some(path), Some(place)) = (&credentials_file, nats.credentials_file.place()) {
            self.readable(path, place);
        }
        Nats {
            url: nats.url.or("nats://127.0.0.1:4222".into()),
            user: nats.user.get().cloned(),
            password: password.ok(),
            credentials_file,
            prefix: nats.prefix.or("kentongan".into()),
            replicas: nats.replicas.or(1),
        }
    }

    pub(super) fn readable(&mut self, path: &PathBuf, place: Place) {
        if let Err(e) = std::fs::File::open(path) {
            let message = format!("cannot read {}: {}", path.display(), why(&e));
            self.error(place, message, "paths are relative to the folder of the configuration");
        } else if let Some((message, help)) = too_open(path) {
            self.warning(place, message, help);
        }
    }

    pub(super) fn probe(
        &mut self,
        root: &raw::Root,
        id: String,
        asking: BTreeMap<String, Asking>,
    ) -> Probe {
        let none = raw::ProbeSettings::default();
        let probe = root.probe.get().unwrap_or(&none);
        if let Key::Set(0, place) = &probe.pps {
            let help = "to probe nothing, say enabled = false";
            self.error(*place, "no packet could ever be sent", help);
        }
        if let Key::Set(0, place) = &probe.snmp_port {
            self.error(*place, "0 is no port", "SNMP listens on 161");
        }
        let findings = &mut self.written.findings;
        let community = secret(self.folder, &probe.community, &probe.community_file, findings);
        Probe {
            id,
            enabled: probe.enabled.or(true),
            pps: probe.pps.or(2000),
            community: community.ok().unwrap_or_else(|| SecretString::from("public")),
            snmp_port: probe.snmp_port.or(161),
            asking,
        }
    }
}

/// Where people find the incidents, where that is said: an address that only this machine knows is of
/// no use on a ticket.
pub(super) fn public_url(root: &raw::Root) -> Option<String> {
    let url = root.http.get()?.public_url.get()?;
    Some(url.trim_end_matches('/').to_owned())
}
