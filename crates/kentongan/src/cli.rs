//! The command line: what can be asked, and how. Every command's help ends with an example.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// One cause = one incident = one ticket = one message.
#[derive(Debug, Parser)]
#[command(name = "kentongan", version, about, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Begin with:\n  kentongan init\n  kentongan run\n\n\
    Exit status: 0 good, 1 it failed, 2 the configuration or the call is wrong and nothing was done.")]
pub struct Cli {
    /// The configuration [default: ./kentongan.toml, else /etc/kentongan/kentongan.toml]
    #[arg(long, short, global = true, env = "KENTONGAN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// No colours, also on a terminal
    #[arg(long, global = true)]
    pub no_color: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented starter configuration that watches this machine
    #[command(
        after_help = "Examples:\n  kentongan init\n  kentongan init --gateway /etc/kentongan"
    )]
    Init(InitArgs),
    /// Name every problem of the configuration and the inventory at once
    #[command(
        after_help = "Examples:\n  kentongan check\n  kentongan check --json | jq -r '.[].message'\n  kentongan check --schema > config.schema.json"
    )]
    Check(CheckArgs),
    /// Run the daemon
    #[command(after_help = "Example:\n  kentongan --config /etc/kentongan/kentongan.toml run")]
    Run(RunArgs),
    /// Put recorded events through the real core, without network or clock
    #[command(
        after_help = "Examples:\n  kentongan journal export - | kentongan replay -\n  kentongan replay --summary monday.ndjson tuesday.ndjson\n  kentongan replay --as-recorded monday.ndjson\n  kentongan replay --config kentongan.toml --against stricter.toml monday.ndjson"
    )]
    Replay(ReplayArgs),
    /// Try it on a world that is made up from a seed: faults in, tickets out, and what was missed
    #[command(
        after_help = "Examples:\n  kentongan simulate fibre-cut\n  kentongan simulate night --seed 7 --devices 1000\n  kentongan --config kentongan.toml simulate fibre-cut --at semarang/core-sw1   (on your own network)\n  kentongan simulate storm --write /tmp/storm    (network, events and a configuration to replay them)\n\n\
        The same seed gives the same world, the same events and the same tickets. Exit status 1 when a\n\
        failure was missed, invented or doubled."
    )]
    Simulate(SimulateArgs),
    /// Say why an event, an incident or an alarm ended as it did
    #[command(
        after_help = "Examples:\n  kentongan explain 4711\n  kentongan explain k7f3-17\n  kentongan explain semarang/core-sw1 icmp\n  kentongan explain last\n  kentongan explain --why-not semarang/core-sw1@2026-11-24T02:15"
    )]
    Explain(ExplainArgs),
    /// See incidents and work on them
    #[command(
        after_help = "Examples:\n  kentongan incident list\n  kentongan incident ack k7f3-17 --note \"on my way\""
    )]
    Incident(IncidentArgs),
    /// See, add and end windows in which alarms are expected
    #[command(
        after_help = "Example:\n  kentongan maintenance add semarang --for 2h --reason \"new UPS\""
    )]
    Maintenance(MaintenanceArgs),
    /// Ask devices now, as the daemon would
    #[command(after_help = "Example:\n  kentongan probe icmp 10.20.0.1 semarang/core-sw1")]
    Probe(ProbeArgs),
    /// Say what runs
    #[command(after_help = "Example:\n  kentongan status")]
    Status(JsonArgs),
    /// Say what is wrong with the installation, and what to do about it
    #[command(after_help = "Examples:\n  kentongan doctor\n  kentongan doctor --test-ticket rt")]
    Doctor(DoctorArgs),
    /// Look after the journal: verify, export, copy, backup, restore
    #[command(after_help = "Example:\n  kentongan journal verify")]
    Journal(JournalArgs),
}

/// `--json`.
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write it
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// Ask nothing (nothing is asked anyway when there is no terminal)
    #[arg(long, short)]
    pub yes: bool,
    /// Overwrite what is there
    #[arg(long)]
    pub force: bool,
    /// Watch this machine's default gateway as well, if it answers a ping now
    #[arg(long)]
    pub gateway: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print a list of { file, line, column, key, message, help, level }
    #[arg(long)]
    pub json: bool,
    /// Print the JSON Schema of the configuration, for editors
    #[arg(long, conflicts_with = "json")]
    pub schema: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What this process does
    #[arg(long, value_enum, default_value_t = Role::Both)]
    pub role: Role,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Probes and intake
    Edge,
    /// Correlation, delivery, views, console
    Core,
    /// Everything
    Both,
}

impl From<Role> for crate::daemon::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Edge => Self::Edge,
            Role::Core => Self::Core,
            Role::Both => Self::Both,
        }
    }
}

/// `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Files of recorded events, one JSON object a line, in this order; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print the verdicts of events that changed nothing as well
    #[arg(long, conflicts_with = "summary")]
    pub all: bool,
    /// Print counts only, as one JSON object
    #[arg(long)]
    pub summary: bool,
    /// Obey the configurations that stand in the recording, each from where it took effect; no
    /// configuration of your own is read, unless to compare against
    #[arg(long)]
    pub as_recorded: bool,
    /// Run the same events under this configuration as well, and print what would have been
    /// different: incidents, tickets, messages per shift, what was suppressed and what was missed
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["all", "summary"])]
    pub against: Option<PathBuf>,
    /// What counts as an outage when two are compared. Default: the time that the quicker of the two
    /// needs to confirm one
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "against")]
    pub outage: Option<std::time::Duration>,
    /// Print the comparison as one JSON object
    #[arg(long, requires = "against")]
    pub json: bool,
}

/// `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// What happens
    #[arg(value_enum, value_name = "SCENARIO")]
    pub scenario: ScenarioArg,
    /// Another seed is another world
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Devices of a made-up province [default: 500, or the network of --config where it has one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(sim::DEVICES_MIN as i64..=sim::DEVICES_MAX as i64))]
    pub devices: Option<u32>,
    /// How many hours pass in it [default: what the scenario takes]
    #[arg(long, value_name = "H", value_parser = hours, allow_hyphen_values = true)]
    pub hours: Option<std::time::Duration>,
    /// The device or link that it happens to (fibre-cut, flap, loss, power) [default: by the seed]
    #[arg(long, value_name = "ELEMENT")]
    pub at: Option<String>,
    /// Percent of all packets that get lost anyhow
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    pub loss: f64,
    /// Write the events to this file, as `kentongan replay` reads them
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write network, events and a configuration into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "events")]
    pub write: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What happens in a simulated world.
#[derive(Debug, Clone, Copy)]
pub struct ScenarioArg(pub sim::Scenario);

impl ValueEnum for ScenarioArg {
    fn value_variants<'a>() -> &'a [Self] {
        use sim::Scenario::{FibreCut, Flap, Loss, Maintenance, Night, Power, Storm};
        &[
            ScenarioArg(FibreCut),
            ScenarioArg(Storm),
            ScenarioArg(Flap),
            ScenarioArg(Loss),
            ScenarioArg(Night),
            ScenarioArg(Maintenance),
            ScenarioArg(Power),
        ]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.word()).help(self.0.about()))
    }
}

fn hours(text: &str) -> Result<std::time::Duration, String> {
    match text.parse::<f64>() {
        Ok(h) if h > 0.0 && h <= 24.0 * 31.0 => Ok(std::time::Duration::from_secs_f64(h * 3600.0)),
        _ => Err("it must be a number of hours between 0 and 744".into()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..50.0).contains(&p) => Ok(p),
        _ => Err("it must be a number from 0 to below 50".into()),
    }
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The number of an event, the id of an incident, a target, or "last"
    #[arg(value_name = "ID", required_unless_present = "why_not")]
    pub id: Option<String>,
    /// The check, when ID is a target
    pub check: Option<String>,
    /// Why was there no incident for this target at that time (local time unless it has an offset;
    /// 03:10 is the last one; now when there is no @TIME)
    #[arg(long, value_name = "TARGET@TIME", conflicts_with = "id")]
    pub why_not: Option<String>,
    /// In this language [default: that of the configuration]
    #[arg(long, value_enum)]
    pub lang: Option<Lang>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// Indonesian
    Id,
    /// English
    En,
}

impl From<Lang> for views::Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Id => Self::Id,
            Lang::En => Self::En,
        }
    }
}

/// `incident`.
#[derive(Debug, Args)]
pub struct IncidentArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: IncidentCommand,
}

/// What can be done with incidents.
#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    /// List them, the newest first
    #[command(after_help = "Example:\n  kentongan incident list --state all --json")]
    List {
        /// Which
        #[arg(long, value_enum, default_value_t = WhichIncidents::Open)]
        state: WhichIncidents,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
        limit: u16,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, with its diary
    #[command(after_help = "Example:\n  kentongan incident show k7f3-17")]
    Show {
        /// Its id
        id: String,
        /// In this language [default: that of the configuration]
        #[arg(long, value_enum)]
        lang: Option<Lang>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that you have seen it and are on it
    #[command(
        visible_alias = "acknowledge",
        after_help = "Example:\n  kentongan incident ack k7f3-17 --note \"calling the carrier\""
    )]
    Ack {
        /// Its id
        id: String,
        /// Something to add for the diary and the ticket
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        /// Who.
        by: By,
    },
    /// Add a note to its diary and its ticket
    #[command(after_help = "Example:\n  kentongan incident note k7f3-17 \"splicing since 03:10\"")]
    Note {
        /// Its id
        id: String,
        /// The note
        text: String,
        #[command(flatten)]
        /// Who.
        by: By,
    },
    /// Say that the work is done, whatever the checks say
    #[command(
        after_help = "Example:\n  kentongan incident resolve k7f3-17 --reason \"site was closed\""
    )]
    Resolve {
        /// Its id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        /// Who.
        by: By,
    },
    /// Say that the wrong team has its ticket; the rule that sent it is counted
    #[command(
        after_help = "Example:\n  kentongan incident misroute k7f3-17 --team \"Pusat Data\" --reason \"the server died\""
    )]
    Misroute {
        /// Its id
        id: String,
        /// Whose it is
        #[arg(long)]
        team: Option<String>,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        /// Who.
        by: By,
    },
    /// Set its priority until it ends
    #[command(
        after_help = "Example:\n  kentongan incident reprioritise k7f3-17 P1 --reason \"election night\""
    )]
    Reprioritise {
        /// Its id
        id: String,
        /// P1 to P4
        priority: PriorityArg,
        /// Why
        #[arg(long)]
        reason: String,
        /// For how long; until it ends unless told
        #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
        duration: Option<String>,
        /// Until when; local time unless it has an offset
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        #[command(flatten)]
        /// Who.
        by: By,
    },
}

/// Which incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhichIncidents {
    /// Those that still want somebody
    Open,
    /// Those that do not
    Resolved,
    /// All of them
    All,
}

/// A priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
#[allow(missing_docs)]
pub enum PriorityArg {
    #[value(alias = "p1")]
    P1,
    #[value(alias = "p2")]
    P2,
    #[value(alias = "p3")]
    P3,
    #[value(alias = "p4")]
    P4,
}

/// Who asks.
#[derive(Debug, Args)]
pub struct By {
    /// Your name [default: the user you are logged in as]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `maintenance`.
#[derive(Debug, Args)]
pub struct MaintenanceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MaintenanceCommand,
}

/// What can be done with windows.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// List windows that have not ended, and those that ended lately
    #[command(after_help = "Example:\n  kentongan maintenance list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add one; it begins now unless told otherwise, and always has an end
    #[command(
        after_help = "Examples:\n  kentongan maintenance add semarang --for 2h --reason \"new UPS\"\n  kentongan maintenance add class:switch --from 2026-11-24T22:00 --to 2026-11-25T02:00 --reason firmware --change CHG-41\n  kentongan maintenance add tag:backup --from 2026-11-24T22:00 --for 2h --rrule 'FREQ=WEEKLY;BYDAY=TU;COUNT=8' --reason \"backups\""
    )]
    Add {
        /// Ids of devices, links, services and sites; or class:x, tag:x
        #[arg(required = true)]
        scope: Vec<String>,
        /// For how long
        #[arg(
            long = "for",
            value_name = "DURATION",
            required_unless_present = "to",
            conflicts_with = "to"
        )]
        duration: Option<String>,
        /// From when; local time unless it has an offset
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Until when
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
        /// The change that it is for: what fails within two hours of its end is suspected to be its doing
        #[arg(long, value_name = "ID")]
        change: Option<String>,
        /// It comes again by this rule of RFC 5545, with COUNT or UNTIL
        #[arg(long, value_name = "RULE")]
        rrule: Option<String>,
        /// An id of your own for it
        #[arg(long)]
        id: Option<String>,
        /// A silence: nobody wants to hear of it (it counts against the SLA)
        #[arg(long)]
        silence: bool,
        #[command(flatten)]
        /// Who.
        by: By,
    },
    /// End one now
    #[command(after_help = "Example:\n  kentongan maintenance end w-7k2p9x")]
    End {
        /// Its id
        id: String,
        #[command(flatten)]
        /// Who.
        by: By,
    },
}

/// `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// How to ask.
    #[command(subcommand)]
    pub command: ProbeCommand,
}

/// How to ask.
#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// By echo requests
    #[command(
        after_help = "Examples:\n  kentongan probe icmp 10.20.0.1 semarang/core-sw1\n  kentongan probe icmp -f addresses.txt --json"
    )]
    Icmp {
        #[command(flatten)]
        /// Whom.
        targets: Targets,
        /// Echo requests to each
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
        packets: u16,
    },
    /// By SNMP v2c: uptime and port states
    #[command(
        after_help = "Example:\n  kentongan probe snmp semarang/core-sw1 --community-file secrets/community"
    )]
    Snmp {
        #[command(flatten)]
        /// Whom.
        targets: Targets,
        /// What to ask [default: both]
        #[arg(long, value_enum)]
        check: Vec<SnmpCheck>,
        /// A file that holds the community [default: that of the configuration, else "public"]
        #[arg(long, value_name = "FILE")]
        community_file: Option<PathBuf>,
        /// The UDP port [default: that of the configuration, else 161]
        #[arg(long)]
        port: Option<u16>,
        /// Only these ports of a device, such as Gi0/1
        #[arg(long = "interface", value_name = "NAME")]
        interfaces: Vec<String>,
    },
}

/// What to ask by SNMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SnmpCheck {
    /// snmp:uptime
    Uptime,
    /// snmp:if-status
    IfStatus,
}

/// Whom to ask.
#[derive(Debug, Args)]
pub struct Targets {
    /// Addresses, names, or ids of the inventory
    #[arg(required_unless_present = "file", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// A file with one target a line (- is standard input; # begins a comment)
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How long an answer may take
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub timeout: std::time::Duration,
    /// At most this many packets a second
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub pps: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    match model::time::parse_duration(text)? {
        d if d.is_zero() => Err("it must be longer than zero".into()),
        d => Ok(d),
    }
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Open and close a test ticket on this desk
    #[arg(long, value_name = "DESK")]
    pub test_ticket: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `journal`.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: JournalCommand,
}

/// What can be done with the journal.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Walk the hash chain and name the first record that was touched
    #[command(
        after_help = "Examples:\n  kentongan journal verify\n  kentongan journal verify --dir /backup/journal"
    )]
    Verify {
        /// The folder of a journal [default: that of the configuration]
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write events as lines that `kentongan replay` reads
    #[command(
        after_help = "Examples:\n  kentongan journal export monday.ndjson\n  kentongan journal export - --decisions"
    )]
    Export {
        /// Where to (- is standard output)
        file: PathBuf,
        /// The first event number [default: the oldest kept]
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// The last event number [default: the newest]
        #[arg(long)]
        to: Option<u64>,
        /// What was decided instead of what happened: the lines that a replay prints
        #[arg(long)]
        decisions: bool,
        /// The folder of a journal [default: that of the configuration]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Carry everything over into another journal: to NATS, from NATS, or into another folder
    #[command(
        after_help = "Examples:\n  kentongan journal copy --to nats.toml     (the journal that another configuration names)\n  kentongan journal copy --to /srv/journal  (a folder)"
    )]
    Copy {
        /// A folder, or another configuration whose journal is meant
        #[arg(long, value_name = "DIR|CONFIG")]
        to: PathBuf,
    },
    /// Copy the journal and the built-in desk into an empty folder, also while the daemon runs
    #[command(after_help = "Example:\n  kentongan journal backup /backup/2026-11-24")]
    Backup {
        /// The folder, made when it is not there
        dir: PathBuf,
    },
    /// Put a backup in the place of a journal that is not there any more
    #[command(after_help = "Example:\n  kentongan journal restore /backup/2026-11-24")]
    Restore {
        /// The folder that `backup` wrote
        dir: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("kentongan "), "{path} has no example");
            for sub in command.get_subcommands() {
                visit(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        visit(&Cli::command(), "kentongan");
    }
}
