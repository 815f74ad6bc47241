//! The configuration: read in two steps, what was written and then what it means.
//!
//! [`load`] reads `kentongan.toml`, the inventory files that it names and the environment, and
//! gives either a [`Configuration`] in which everything is decided, or a [`Report`] with every
//! problem at once, each with file, line, column and key. It never stops at the first problem, and
//! it never repeats a secret.

mod environment;
mod glob;
mod inventory;
mod meaning;
mod origin;
pub mod raw;
pub mod read;
mod report;
pub mod schema;
mod secrets;
mod tree;
pub mod units;

pub use environment::PREFIX;
pub use raw::{JournalKind, SourceKind};
pub use report::{Level, PROBLEMS_TOLD_MAX, Problem, Report};

pub(crate) use meaning::{instant, past_instant};

use model::inventory::InventorySpec;
use model::{Inventory, Settings};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// No file of a configuration is larger than this (a million devices in one file are); whatever
/// is, was named by mistake.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// Everything that was configured, decided and checked.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The unique name of this installation.
    pub instance: String,
    /// Where the journal and everything else is kept.
    pub data_dir: PathBuf,
    /// The web server.
    pub http: Http,
    /// The journal.
    pub journal: Journal,
    /// The probe in this process.
    pub probe: Probe,
    /// What the core is told.
    pub settings: Settings,
    /// The inventory.
    pub inventory: Arc<Inventory>,
    /// The same, as written: what the journal keeps of it.
    pub written: Arc<InventorySpec>,
    /// Other monitors that send us their alarms.
    pub sources: Vec<Source>,
    /// The ticket systems, their secrets read; never empty.
    pub desks: Vec<ticket_sink::DeskConfig>,
    /// Who is told that we live.
    pub heartbeat: Option<Heartbeat>,
    /// Language and time zone.
    pub locale: Locale,
    /// SHA-256 of the text of every file and of the settings in the environment, hex.
    pub hash: String,
    /// Every file that was read, the main one first.
    pub files: Vec<PathBuf>,
    /// What is not wrong enough to refuse it.
    pub warnings: Report,
}

impl Configuration {
    /// What the journal of `identity` keeps of it under its hash: what the core obeys, and nothing
    /// else; no secret is among it. Ids are made of the name that the journal has, so that one is in it.
    pub fn recorded(&self, identity: &str) -> Vec<u8> {
        let settings = Settings { instance: identity.to_owned(), ..self.settings.clone() };
        wire::write_configuration(&self.hash, &settings, &self.written)
    }
}

/// The web server.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How people reach it, without a slash at the end.
    pub public_url: String,
    /// The token for what changes something; `None`: only from this machine.
    pub token: Option<SecretString>,
    /// The largest request, in bytes.
    pub body_limit: usize,
}

/// The journal.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Where it is.
    pub backend: Backend,
    /// How long events are kept.
    pub retention: Duration,
    /// What is kept free for decisions when the disk is full.
    pub reserve_mb: u32,
}

/// Where the journal is.
#[derive(Debug, Clone)]
pub enum Backend {
    /// In files in the data directory.
    Embedded,
    /// In a NATS JetStream cluster.
    Nats(Nats),
}

/// A NATS JetStream cluster.
#[derive(Debug, Clone)]
pub struct Nats {
    /// Servers, separated by commas.
    pub url: String,
    /// The user, with a password.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
    /// A credentials file.
    pub credentials_file: Option<PathBuf>,
    /// What the names of streams and subjects begin with.
    pub prefix: String,
    /// On how many servers each message is kept.
    pub replicas: u8,
}

/// The probe in this process.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Which of the inventory's probes it is.
    pub id: String,
    /// Whether it probes at all.
    pub enabled: bool,
    /// At most this many packets a second.
    pub pps: u32,
    /// The SNMP v2c community.
    pub community: SecretString,
    /// The SNMP port.
    pub snmp_port: u16,
    /// How each check is asked, by its name; holds every check that a device names.
    pub asking: BTreeMap<String, Asking>,
}

/// How a check is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// How often.
    pub interval: Duration,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How many packets one sample sends (icmp only).
    pub packets: u8,
    /// How soon again at the first sign of failure; zero: not at all.
    pub ask_again: Duration,
}

/// Another monitor that sends us its alarms.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: SourceKind,
    /// What it must send.
    pub token: SecretString,
}

/// Who is told that we live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is called.
    pub url: String,
    /// How often.
    pub every: Duration,
}

/// Language and time zone of what people read.
#[derive(Debug, Clone)]
pub struct Locale {
    /// The language.
    pub language: model::settings::Language,
    /// The time zone.
    pub timezone: jiff::tz::TimeZone,
    /// When a shift begins, ascending; the last one goes on until the first one of the next day.
    /// Never empty.
    pub shifts: Vec<jiff::civil::Time>,
}

/// Reads the configuration at `path`, with the settings of this process' environment.
///
/// # Errors
/// Everything that is wrong, at once. Warnings alone are no error: they are in
/// [`Configuration::warnings`].
pub fn load(path: &Path) -> Result<Configuration, Report> {
    load_with(path, environment_of_process())
}

/// What a client of a running daemon needs of its configuration.
#[derive(Debug, Clone)]
pub struct Contact {
    /// The web server of the daemon.
    pub http: Http,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// Language and time zone.
    pub locale: Locale,
    /// What is wrong with the rest.
    pub report: Report,
}

/// Reads no more than what it takes to speak with the daemon, so that a mistake in the inventory
/// does not lock an operator out of the incidents.
///
/// # Errors
/// When there is no configuration that can be read at all.
pub fn contact(path: &Path) -> Result<Contact, Report> {
    let mut written = Written::default();
    written.read_all(path, &settings_of(environment_of_process()));
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let (http, data_dir, locale) =
        meaning::Reading { folder: &folder, written: &mut written }.contact();
    let Written { findings, origins, trees, files, .. } = written;
    let report = Report::new(findings, origins, &trees);
    if files.is_empty() { Err(report) } else { Ok(Contact { http, data_dir, locale, report }) }
}

fn environment_of_process() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.to_string_lossy().into_owned())))
        .collect()
}

/// The variables that are settings, in the order of their names.
fn settings_of(variables: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut settings: Vec<_> =
        variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    settings.sort();
    settings
}

/// The same, with these variables for an environment.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, variables: Vec<(String, String)>) -> Result<Configuration, Report> {
    let settings = settings_of(variables);
    let mut written = Written::default();
    written.read_all(path, &settings);
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let meaning = meaning::Reading { folder: &folder, written: &mut written };
    let configuration = meaning.all();
    let hash = written.hash(&settings);
    let Written { findings, origins, trees, files, .. } = written;
    let report = Report::new(findings, origins, &trees);
    match configuration {
        Some(c) if !report.has_errors() => Ok(Configuration { hash, files, warnings: report, ..c }),
        _ => Err(report),
    }
}

/// Everything that was written, as it was read.
#[derive(Default)]
struct Written {
    findings: Vec<report::Finding>,
    origins: origin::Origins,
    /// One tree for each file, the main one first.
    trees: Vec<tree::Node>,
    files: Vec<PathBuf>,
    texts: Vec<String>,
    root: raw::Root,
    /// The inventory of each file, taken out of `root` for the main one.
    inventory: Vec<raw::InventoryFile>,
    /// A file with inventory could not be parsed, so what seems to be missing may stand in it.
    unreadable: bool,
    /// The header of a table could not be read, so nobody knows what stands below it.
    broken_header: bool,
}

impl Written {
    fn read_all(&mut self, path: &Path, settings: &[(String, String)]) {
        let Some(mut main) = self.read_file(path, None) else { return };
        let probes = take_probes(&mut main);
        environment::lay_over(&mut main, settings, &mut self.origins, &mut self.findings);
        self.root = read::read(&main, &mut self.findings);
        let mut here = match &probes {
            Some(probes) => read::read(probes, &mut self.findings),
            None => raw::InventoryFile::default(),
        };
        here.site = std::mem::take(&mut self.root.site);
        here.device = std::mem::take(&mut self.root.device);
        here.link = std::mem::take(&mut self.root.link);
        here.service = std::mem::take(&mut self.root.service);
        self.inventory.push(here);
        self.trees.push(main);
        self.trees.extend(probes);
        self.read_inventory(path);
    }

    fn read_inventory(&mut self, main: &Path) {
        let folder = main.parent().unwrap_or(Path::new(""));
        let patterns = std::mem::take(&mut self.root.inventory);
        for pattern in patterns.get().into_iter().flatten() {
            let read::Key::Set(pattern, place) = pattern else { continue };
            let place = *place;
            match glob::files(folder, pattern) {
                Ok(files) => {
                    for file in files {
                        if file == main || self.files.contains(&file) {
                            continue;
                        }
                        if let Some(tree) = self.read_file(&file, Some(place)) {
                            self.inventory.push(read::read(&tree, &mut self.findings));
                            self.trees.push(tree);
                        }
                    }
                }
                Err((message, help)) => {
                    self.findings.push(report::Finding::error(place, message, help));
                }
            }
        }
        self.root.inventory = patterns;
    }

    /// Reads one file; `named` is where its name stands.
    fn read_file(&mut self, path: &Path, named: Option<origin::Place>) -> Option<tree::Node> {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path)
            .and_then(|f| f.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| ()));
        let name = path.display().to_string();
        let (message, help) = match (read, String::from_utf8(bytes)) {
            (Err(e), _) => {
                let help = match named {
                    None => "write one with `kentongan init`, or name another with --config",
                    Some(_) => "make it readable for the user that kentongan runs as",
                };
                (format!("cannot read {name}: {}", why(&e)), help)
            }
            (Ok(()), Ok(text)) if text.len() as u64 > FILE_BYTES_MAX => {
                (format!("{name} is larger than {FILE_BYTES_MAX} bytes"), "name another file")
            }
            (Ok(()), Err(_)) => (format!("{name} is not UTF-8"), "save it as UTF-8"),
            (Ok(()), Ok(text)) => {
                let origin = self.origins.file(name, &text);
                let before = self.findings.len();
                let tree = tree::read_toml(&text, origin, &mut self.findings);
                let broken = &self.findings[before..];
                // A table whose header is broken may be any.
                let header = broken.iter().any(|f| self.origins.is_header(f.place));
                self.broken_header |= header;
                self.unreadable |=
                    header || !broken.is_empty() && (named.is_some() || has_inventory(&tree));
                self.files.push(path.to_path_buf());
                self.texts.push(text);
                return Some(tree);
            }
        };
        self.unreadable = true;
        let place = named.unwrap_or_else(|| origin::Place::start_of(self.origins.file(name, "")));
        self.findings.push(report::Finding::error(place, message, help));
        None
    }

    fn hash(&self, settings: &[(String, String)]) -> String {
        let mut hash = Sha256::new();
        let variables = settings.iter().flat_map(|(name, value)| [name, value]);
        for text in self.texts.iter().chain(variables) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hex(&hash.finalize())
    }
}

/// Whether a part of the inventory stands in this file.
fn has_inventory(tree: &tree::Node) -> bool {
    let keys = ["site", "device", "link", "service"];
    tree.as_table().is_some_and(|t| keys.iter().any(|k| t.contains_key(*k)))
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// What the operating system says, without its number.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

/// `[[probe]]` says where probes stand, `[probe]` what ours does: takes the former out.
fn take_probes(main: &mut tree::Node) -> Option<tree::Node> {
    let tree::Value::Table(table) = &mut main.value else { return None };
    if !matches!(table.get("probe")?.node.value, tree::Value::List(_)) {
        return None;
    }
    let probe = table.remove("probe")?;
    let mut alone = tree::Node::table(main.place);
    alone.value = tree::Value::Table([("probe".to_owned(), probe)].into());
    Some(alone)
}

#[cfg(test)]
mod tests;
