//! What can be written: the structs that mirror the files, key for key. Nothing is decided here.
//! The sentence beside each field is its help text in editors (`schemas/config.schema.json`).

use super::read::Key;
use super::units::{Needs, OneOrMany, Secret, Size, Span, When};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use ticket_sink::DeskConfig;

/// A list whose items can be wrong one by one.
pub type List<T> = Key<Vec<Key<T>>>;

/// The configuration of kentongan.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Root {
    /// Further files with the inventory ([[site]], [[device]], [[link]], [[service]], [[probe]]), relative to this one. `*` and `?` stand for any characters within one part of a path.
    pub inventory: List<String>,
    /// This installation.
    pub instance: Key<Instance>,
    /// The web server: API, board, metrics, intake.
    pub http: Key<Http>,
    /// Where everything that happens is written down.
    pub journal: Key<Journal>,
    /// Settings of the probe in this process (one table), or, as [[probe]], where probes stand.
    #[schemars(with = "ProbeSettingsOrList")]
    pub probe: Key<ProbeSettings>,
    /// How each check is asked and judged, by its name: `[check.icmp]`, `[check."snmp:if-status"]`.
    pub check: Key<BTreeMap<String, Key<Check>>>,
    /// How events become incidents.
    pub correlator: Key<Correlator>,
    /// Which priority an incident gets.
    pub priority: Key<Priorities>,
    /// Language and time zone of what people read.
    pub locale: Key<Locale>,
    /// Other monitors that send us their alarms.
    pub source: List<Source>,
    /// Ticket systems. Without any, tickets are kept by kentongan itself.
    pub desk: List<DeskConfig>,
    /// Which tickets go to which desk: the first that matches. Without any, every desk gets every ticket.
    pub route: List<Route>,
    /// What to do about a device, by its class: an address that its tickets carry.
    pub runbook: Key<BTreeMap<String, Key<String>>>,
    /// Windows in which alarms are expected.
    pub maintenance: List<Maintenance>,
    /// Seasons in which some services matter more.
    pub season: List<Season>,
    /// Sites.
    pub site: List<Site>,
    /// Devices.
    pub device: List<Device>,
    /// Links between devices.
    pub link: List<Link>,
    /// Services and what they need.
    pub service: List<Service>,
}

/// A file of the inventory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InventoryFile {
    /// Sites.
    pub site: List<Site>,
    /// Devices.
    pub device: List<Device>,
    /// Links between devices.
    pub link: List<Link>,
    /// Services and what they need.
    pub service: List<Service>,
    /// Where probes stand.
    pub probe: List<Probe>,
}

/// For the schema only: `[probe]` and `[[probe]]` share their name.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum ProbeSettingsOrList {
    Settings(ProbeSettings),
    Probes(Vec<Probe>),
}

/// This installation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Instance {
    /// Its name, unique among your installations. Default: "kentongan".
    pub name: Key<String>,
    /// Where the journal and everything else is kept, relative to this file. Default: "data".
    pub data_dir: Key<String>,
    /// A URL that is called while the whole way works, so that somebody else notices when it does not. Default: none.
    pub heartbeat_url: Key<String>,
    /// How often the heartbeat URL is called. Default: "30s".
    pub heartbeat_every: Key<Span>,
}

/// The web server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port. Default: "127.0.0.1:8640".
    pub listen: Key<String>,
    /// How people reach it; stands in tickets. Default: "http://" and the address listened on.
    pub public_url: Key<String>,
    /// The token for acknowledging, noting and the like. Without one these calls are possible from this machine only.
    pub token: Key<Secret>,
    /// A file that holds the token.
    pub token_file: Key<String>,
    /// The largest request taken. Default: "1MiB".
    pub body_limit: Key<Size>,
}

/// The journal.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// "embedded" (files in the data directory) or "nats" (a JetStream cluster). Default: "embedded".
    pub kind: Key<JournalKind>,
    /// How long events are kept. Decisions are kept for at least 13 months. Default: "35d".
    pub retention: Key<Span>,
    /// Megabytes kept free for decisions when the disk is full. Default: 64.
    pub reserve_mb: Key<u32>,
    /// How the cluster is reached.
    pub nats: Key<Nats>,
}

/// Which journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JournalKind {
    /// Files in the data directory.
    Embedded,
    /// A NATS JetStream cluster.
    Nats,
}

/// A NATS JetStream cluster.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// One server, or several separated by commas. Default: "nats://127.0.0.1:4222".
    pub url: Key<String>,
    /// The user.
    pub user: Key<String>,
    /// The password.
    pub password: Key<Secret>,
    /// A file that holds the password.
    pub password_file: Key<String>,
    /// A credentials file as `nsc` makes it, relative to this file.
    pub credentials_file: Key<String>,
    /// What the names of our streams and subjects begin with. Default: "kentongan".
    pub prefix: Key<String>,
    /// On how many servers each message is kept. Default: 1.
    pub replicas: Key<u8>,
}

/// The probe in this process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeSettings {
    /// Which of the [[probe]]s this is. Default: the only one, else "noc-1".
    pub id: Key<String>,
    /// Whether this process probes at all. Default: true.
    pub enabled: Key<bool>,
    /// At most this many packets a second. Default: 2000.
    pub pps: Key<u32>,
    /// The SNMP v2c community. Default: "public".
    pub community: Key<Secret>,
    /// A file that holds the community.
    pub community_file: Key<String>,
    /// The SNMP port. Default: 161.
    pub snmp_port: Key<u16>,
}

/// How one check is asked and judged.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Check {
    /// How often it is asked. Default: "20s" for icmp, "60s" for the others.
    pub interval: Key<Span>,
    /// How long an answer is waited for. Default: "2s".
    pub timeout: Key<Span>,
    /// How many packets one sample sends (icmp only). Default: 3.
    pub packets: Key<u8>,
    /// How soon it is asked again at the first sign of failure; "0s" turns that off. Default: "2s".
    pub ask_again: Key<Span>,
    /// Down when this many … Default: 3 (snmp:if-status: 2).
    pub down_needs: Key<u8>,
    /// … of the last this many samples are bad … Default: 5 (snmp:if-status: 2).
    pub down_of: Key<u8>,
    /// … and it has failed for this long. Default: "0s".
    pub down_for: Key<Span>,
    /// Up after this many good ones in a row. Default: 2.
    pub up_needs: Key<u8>,
    /// Evidence is stale after this many intervals. Default: 2.5.
    pub stale_after: Key<f64>,
    /// icmp only: loss is raised at this percentage over 5 minutes. Default: 20.
    pub loss_raise_pct: Key<f64>,
    /// icmp only: loss is raised at this percentage over 60 minutes. Default: 4.
    pub loss_raise_slow_pct: Key<f64>,
    /// icmp only: loss is cleared below this percentage. Default: 2.
    pub loss_clear_pct: Key<f64>,
    /// Levels on its values; replaces the default ones.
    pub thresholds: List<Threshold>,
    /// Where it is judged otherwise. What is said for a target comes before what is said for its site, that before its class, that before a tag or a kind of link; then the one written first.
    pub r#for: List<CheckFor>,
}

/// How a check is judged for some targets. What is not said here is as it is for the others.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["match"]))]
pub struct CheckFor {
    /// Which targets; all keys given must be true.
    pub r#match: Key<CheckMatch>,
    /// Down when this many …
    pub down_needs: Key<u8>,
    /// … of the last this many samples are bad …
    pub down_of: Key<u8>,
    /// … and it has failed for this long.
    pub down_for: Key<Span>,
    /// Up after this many good ones in a row.
    pub up_needs: Key<u8>,
    /// Evidence is stale after this many intervals.
    pub stale_after: Key<f64>,
    /// This many confirmed changes within `flap_window` make it flapping; 0 turns it off.
    pub flap_start: Key<u32>,
    /// This many or fewer within `flap_window` end it.
    pub flap_end: Key<u32>,
    /// The window in which changes are counted.
    pub flap_window: Key<Span>,
    /// Levels on its values, instead of those of the check.
    pub thresholds: List<Threshold>,
}

/// Which targets are judged otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckMatch {
    /// This device with its ports, or this port.
    pub target: Key<String>,
    /// Everything at this site.
    pub site: Key<String>,
    /// Every device of this class.
    pub class: Key<String>,
    /// Every device with this tag.
    pub tag: Key<String>,
    /// What only links of this kind lead to; ports of such links.
    pub link: Key<String>,
}

/// How far above what is usual for the target a value must be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["raise", "clear"]))]
pub struct Baseline {
    /// Raised at this many times the usual or more.
    pub raise: Key<f64>,
    /// Cleared below this many times the usual.
    pub clear: Key<f64>,
}

/// How fast a value may rise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["by", "within"]))]
pub struct Rise {
    /// Raised when it rose by this much or more …
    pub by: Key<f64>,
    /// … within this time; cleared when it rose by less than half of that.
    pub within: Key<Span>,
}

/// A level on a value, with a separate level to clear it; or how fast it may rise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["value"]))]
pub struct Threshold {
    /// The value's name: `loss_pct`, `rtt_ms`.
    pub value: Key<String>,
    /// Instead of levels: how fast it may rise, as in `rise = { by = 5.0, within = "10m" }`.
    pub rise: Key<Rise>,
    /// Besides its levels: how far above what is usual for the target it must be, as in `baseline = { raise = 3.0, clear = 2.0 }`.
    pub baseline: Key<Baseline>,
    /// Raised when the mean is at or above this (at or below, when `raise` is less than `clear`).
    pub raise: Key<f64>,
    /// Cleared when it is below this (above, when `raise` is less than `clear`).
    pub clear: Key<f64>,
    /// The mean is taken over this time. Default: "0s", the last value alone.
    pub over: Key<Span>,
}

/// How events become incidents.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Correlator {
    /// The longest a confirmed alarm waits for the evidence of what may be behind it. Default: "90s".
    pub hold_max: Key<Span>,
    /// The same root within this time of its recovery reopens the same incident and ticket. Default: "5m".
    pub reopen_within: Key<Span>,
    /// A resolved incident is closed after this time. Default: "3d".
    pub close_after: Key<Span>,
    /// At most one note about a growing or shrinking incident in this time. Default: "60s".
    pub note_every: Key<Span>,
    /// This many confirmed changes within `flap_window` make an alarm flapping; 0 turns it off. Default: 5.
    pub flap_start: Key<u32>,
    /// This many or fewer within `flap_window` end it. Default: 2.
    pub flap_end: Key<u32>,
    /// The window in which changes are counted. Default: "1h".
    pub flap_window: Key<Span>,
    /// More new incidents than this in a minute are a storm: its P3s are presented as one digest, P1s
    /// and P2s never. 0 turns it off. Default: 30.
    pub storm_above: Key<u32>,
    /// At most this many messages to people about one incident in an hour; its ticket follows what is true at once, and what it ends in is always told. Default: 2.
    pub notify_per_hour: Key<u32>,
}

/// Which priority an incident gets: by how far it reaches, and by the most critical thing in it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Priorities {
    /// Three sites wholly unreachable, or all of a site with two devices or more: for vital, important, normal. Default: `["P1", "P1", "P2"]`.
    pub masif: Key<[PriorityWord; 3]>,
    /// Two devices or more: for vital, important, normal. Default: `["P1", "P2", "P3"]`.
    pub situs: Key<[PriorityWord; 3]>,
    /// One device: for vital, important, normal. Default: `["P2", "P3", "P3"]`.
    pub lokal: Key<[PriorityWord; 3]>,
    /// For signals about something the inventory does not know.
    pub by_severity: Key<BySeverity>,
}

/// P1 (drop everything) to P4 (recorded and shown, never ticketed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum PriorityWord {
    P1,
    P2,
    P3,
    P4,
}

/// Priority by the source's own severity.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BySeverity {
    /// Default: "P1".
    pub disaster: Key<PriorityWord>,
    /// Default: "P2".
    pub high: Key<PriorityWord>,
    /// Default: "P3".
    pub average: Key<PriorityWord>,
    /// Default: "P3".
    pub warning: Key<PriorityWord>,
    /// Default: "P4".
    pub info: Key<PriorityWord>,
}

/// Language and time zone of what people read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Locale {
    /// "id" or "en". Default: "id".
    pub language: Key<LanguageWord>,
    /// An IANA time zone. Default: "Asia/Jakarta".
    pub timezone: Key<String>,
    /// When a shift begins, in that zone, the earliest first. Default: 07:00, 15:00 and 23:00.
    pub shifts: Key<OneOrMany>,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LanguageWord {
    /// Indonesian.
    Id,
    /// English.
    En,
}

/// Another monitor that sends us its alarms.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "kind"]))]
pub struct Source {
    /// Its name: stands in events, metrics and tickets.
    pub name: Key<String>,
    /// What it speaks: "zabbix" or "events" (our own event schema).
    pub kind: Key<SourceKind>,
    /// The bearer token it sends.
    pub token: Key<Secret>,
    /// A file that holds the token.
    pub token_file: Key<String>,
}

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Zabbix webhooks.
    Zabbix,
    /// Events as in `schemas/event.schema.json`.
    Events,
}

/// Which tickets go to which desk.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["desk"]))]
pub struct Route {
    /// What an incident must be about; all keys given must match. Without any, everything does.
    pub r#match: Key<RouteMatch>,
    /// What to call this rule where somebody says "wrong team". Default: `route-1` for the first one, …
    pub name: Key<String>,
    /// The desk's name.
    pub desk: Key<String>,
    /// The desk's queue (group, project), where it has queues.
    pub queue: Key<String>,
    /// The category that the ticket gets. GLPI: the number of an ITIL category. ServiceNow, generic: its
    /// name.
    pub category: Key<String>,
    /// The team whose ticket it is: "Jaringan", "Pusat Data", "CSIRT", "Helpdesk". It stands on the
    /// ticket.
    pub team: Key<String>,
}

/// What an incident must be about.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteMatch {
    /// The class of a root device.
    pub class: Key<OneOrMany>,
    /// The site of a root device.
    pub site: Key<OneOrMany>,
    /// A tag of a root device.
    pub tag: Key<OneOrMany>,
    /// The source of the signal that opened it.
    pub source: Key<OneOrMany>,
}

/// A window in which alarms are expected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["scope", "reason", "start"]))]
pub struct Maintenance {
    /// Its id. Default: made from what it covers.
    pub id: Key<String>,
    /// Whose it is.
    pub owner: Key<String>,
    /// Why.
    pub reason: Key<String>,
    /// The change that it is for. What fails on its scope within two hours of its end is suspected to
    /// be its doing.
    pub change: Key<String>,
    /// Ids of devices, links, services and sites; or `class:switch`, `tag:core`. A site covers its
    /// devices.
    pub scope: Key<OneOrMany>,
    /// From here …
    pub start: Key<When>,
    /// … to here. Either this or `duration`.
    pub end: Key<When>,
    /// How long it lasts.
    pub duration: Key<Span>,
    /// It comes again by this rule of RFC 5545, in the time zone of `[locale]`: "FREQ=WEEKLY;BYDAY=TU".
    /// `start` is its first time then.
    pub rrule: Key<String>,
    /// A silence: nobody wants to hear of it, and it counts against the SLA. Default: false.
    pub silence: Key<bool>,
}

/// A season in which some services matter more.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "from", "to"]))]
pub struct Season {
    /// Its name.
    pub name: Key<String>,
    /// From here …
    pub from: Key<When>,
    /// … to here.
    pub to: Key<When>,
    /// It comes again by this rule of RFC 5545: "FREQ=YEARLY".
    pub rrule: Key<String>,
    /// Which services.
    pub services: Key<OneOrMany>,
    /// How much they matter then. Default: "vital".
    pub criticality: Key<CriticalityWord>,
}

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CriticalityWord {
    /// A public service stands still.
    Vital,
    /// Many are hindered.
    Important,
    /// An office can wait.
    Normal,
}

/// A site.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["id"]))]
pub struct Site {
    /// Its id; no spaces, quotes and none of `| * >`.
    pub id: Key<String>,
    /// What people call it. Default: its id.
    pub name: Key<String>,
    /// How many people work there.
    pub users: Key<u64>,
    /// Whom to tell.
    pub contacts: Key<OneOrMany>,
}

/// A device.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["id"]))]
pub struct Device {
    /// Its id, usually `site/name`.
    pub id: Key<String>,
    /// What people call it. Default: its id.
    pub name: Key<String>,
    /// Its main address.
    pub address: Key<String>,
    /// Further addresses.
    pub addresses: Key<OneOrMany>,
    /// What it is: `switch`, `router`, `server`, …
    pub class: Key<String>,
    /// How much it matters: "vital", "important" or "normal" (the default).
    pub criticality: Key<CriticalityWord>,
    /// Its site, when its id does not begin with it.
    pub site: Key<String>,
    /// The address space, where addresses overlap.
    pub realm: Key<String>,
    /// Nothing to probe: a room, a PDU, a duct. Default: false.
    pub passive: Key<bool>,
    /// What it needs besides its links.
    pub needs: Key<Needs>,
    /// Free words, for routes and windows.
    pub tags: Key<OneOrMany>,
    /// What other monitors call it.
    pub aliases: Key<OneOrMany>,
    /// The checks asked of it. Default: `["icmp"]`.
    pub checks: Key<OneOrMany>,
}

/// A link.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["between"]))]
pub struct Link {
    /// Its id. Default: both ends with a | between them.
    pub id: Key<String>,
    /// Both ends: devices, or ports as `device/port`.
    pub between: Key<[String; 2]>,
    /// `fibre`, `radio`, `circuit`, …
    pub kind: Key<String>,
    /// What it needs.
    pub needs: Key<Needs>,
}

/// A service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["id", "needs"]))]
pub struct Service {
    /// Its id.
    pub id: Key<String>,
    /// What people call it. Default: its id.
    pub name: Key<String>,
    /// How much it matters: "vital", "important" or "normal" (the default).
    pub criticality: Key<CriticalityWord>,
    /// What it needs.
    pub needs: Key<Needs>,
}

/// Where a probe stands.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["id"]))]
pub struct Probe {
    /// Its id.
    pub id: Key<String>,
    /// The device it stands at.
    pub at: Key<String>,
    /// Devices that tell whether it can see anything at all.
    pub witnesses: Key<OneOrMany>,
}
