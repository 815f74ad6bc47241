//! The desks of a configuration: one module a kind, each of the same small shape. It lists the keys
//! of the configuration that it has use for (`KEYS`), says what is wrong with their values
//! (`problems`) and what it can do (`abilities`), and holds a `Mapping` from calls to requests and
//! from responses to outcomes, which asks nobody, beside the desk that asks.

pub(crate) mod builtin;
pub(crate) mod generic;
pub(crate) mod glpi;
pub(crate) mod glpi_v2;
pub(crate) mod itop;
pub(crate) mod jira;
pub(crate) mod osticket;
#[cfg(test)]
mod recorded;
pub(crate) mod redmine;
pub(crate) mod rest;
pub(crate) mod rt;
#[cfg(test)]
mod said;
pub(crate) mod servicenow;
mod session;
pub(crate) mod zammad;
pub(crate) mod znuny;

use crate::config::{DeskConfig, DeskKind, DeskProblem};
use crate::desk::Desk;
use builtin::BuiltinDesk;
use delivery::{Abilities, DeskRules};
use generic::GenericDesk;
use glpi::GlpiDesk;
use glpi_v2::GlpiV2Desk;
use itop::ItopDesk;
use jira::JiraDesk;
use osticket::OsTicketDesk;
use redmine::RedmineDesk;
use rt::RtDesk;
use servicenow::ServiceNowDesk;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zammad::ZammadDesk;
use znuny::ZnunyDesk;

/// The desks of a configuration, ready to be asked.
#[derive(Clone)]
pub struct Desks {
    /// By name.
    pub all: BTreeMap<Arc<str>, Arc<dyn Desk>>,
    /// The built-in ones, for listing their tickets.
    pub builtin: Vec<Arc<BuiltinDesk>>,
}

impl Desks {
    /// Makes them. Secrets have been resolved ([`DeskConfig::resolve_secrets`]); files of built-in
    /// desks are in `data_dir`. Without any desk there is a built-in one.
    pub fn open(configs: &[DeskConfig], data_dir: &Path) -> Result<Desks, Vec<DeskProblem>> {
        let only_builtin = [DeskConfig::builtin()];
        let configs = if configs.is_empty() { &only_builtin } else { configs };
        let mut desks = Desks { all: BTreeMap::new(), builtin: Vec::new() };
        let mut problems: Vec<DeskProblem> =
            configs.iter().flat_map(DeskConfig::problems).collect();
        for config in configs {
            let problem = |key: &str, message: String| DeskProblem {
                desk: config.name.clone(),
                key: key.to_owned(),
                message,
            };
            let name: Arc<str> = config.name.as_str().into();
            if desks.all.contains_key(&name) {
                problems.push(problem("name", "is the name of another desk as well".into()));
                continue;
            }
            match open_one(config, data_dir) {
                Ok((desk, builtin)) => {
                    desks.all.insert(name, desk);
                    desks.builtin.extend(builtin);
                }
                // Said above already, with its key, when the configuration itself is wrong.
                Err(_) if !problems.is_empty() => {}
                Err(message) => problems.push(problem("kind", message)),
            }
        }
        if problems.is_empty() { Ok(desks) } else { Err(problems) }
    }

    /// The rules of all, for [`delivery::Deliveries`].
    pub fn rules(&self) -> Vec<DeskRules> {
        self.all.values().map(|d| d.rules().clone()).collect()
    }
}

type Opened = (Arc<dyn Desk>, Option<Arc<BuiltinDesk>>);

fn open_one(config: &DeskConfig, data_dir: &Path) -> Result<Opened, String> {
    let rules = rules(config);
    Ok(match config.kind {
        DeskKind::Rt => (Arc::new(RtDesk::new(config, rules)?), None),
        DeskKind::Zammad => (Arc::new(ZammadDesk::new(config, rules)?), None),
        DeskKind::Glpi => (Arc::new(GlpiDesk::new(config, rules)?), None),
        DeskKind::ServiceNow => (Arc::new(ServiceNowDesk::new(config, rules)?), None),
        DeskKind::JiraCloud | DeskKind::Jira => (Arc::new(JiraDesk::new(config, rules)?), None),
        DeskKind::Itop => (Arc::new(ItopDesk::new(config, rules)?), None),
        DeskKind::GlpiV2 => (Arc::new(GlpiV2Desk::new(config, rules)?), None),
        DeskKind::OsTicket => (Arc::new(OsTicketDesk::new(config, rules)?), None),
        DeskKind::Redmine => (Arc::new(RedmineDesk::new(config, rules)?), None),
        DeskKind::Znuny => (Arc::new(ZnunyDesk::new(config, rules)?), None),
        DeskKind::Generic => (Arc::new(GenericDesk::new(config, rules)?), None),
        DeskKind::Builtin => {
            let file = builtin::file_name(&config.name);
            let desk = BuiltinDesk::open(&data_dir.join(&file), rules)
                .map_err(|e| format!("{file} cannot be used: {}", chain(&e)))?;
            let desk = Arc::new(desk);
            (desk.clone(), Some(desk))
        }
    })
}

/// What a configuration means for delivery.
fn rules(config: &DeskConfig) -> DeskRules {
    let builtin = config.kind == DeskKind::Builtin;
    let default = match config.kind {
        DeskKind::Jira | DeskKind::JiraCloud => jira::VISIBILITY_DELAY,
        _ => Duration::from_secs(5),
    };
    DeskRules {
        dry_run: config.dry_run,
        local: builtin,
        timeout: DeskConfig::duration(&config.timeout, Duration::from_secs(10)),
        commit_delay: if builtin {
            Duration::ZERO
        } else {
            DeskConfig::duration(&config.commit_delay, Duration::from_secs(30))
        },
        visibility_delay: if builtin {
            Duration::ZERO
        } else {
            let given = config.visibility_delay.as_deref();
            given.map_or(default, |text| DeskConfig::duration(text, default))
        },
        empty_looks: config.empty_finds.unwrap_or(if builtin { 1 } else { 2 }),
        max_in_flight: config.max_in_flight,
        per_minute: config.per_minute,
        tickets_for_passed: config.tickets_for_passed,
        note_every: DeskConfig::duration(&config.note_every, Duration::from_mins(1)),
        retry_max: DeskConfig::duration(&config.retry_max, Duration::from_secs(30)),
        // Nobody but we writes the built-in one.
        poll: if builtin {
            Duration::ZERO
        } else {
            DeskConfig::duration(&config.poll, Duration::from_secs(30))
        },
        reopen_after: DeskConfig::duration(&config.reopen_after, Duration::from_mins(15)),
        can: match config.kind {
            DeskKind::Rt => rt::abilities(),
            DeskKind::Zammad => zammad::abilities(),
            DeskKind::Glpi => glpi::abilities(),
            DeskKind::ServiceNow => servicenow::abilities(),
            DeskKind::JiraCloud | DeskKind::Jira => jira::abilities(),
            DeskKind::Itop => itop::abilities(),
            DeskKind::GlpiV2 => glpi_v2::abilities(),
            DeskKind::OsTicket => osticket::abilities(),
            DeskKind::Redmine => redmine::abilities(),
            DeskKind::Znuny => znuny::abilities(),
            DeskKind::Generic => generic::abilities(config),
            DeskKind::Builtin => Abilities::ONE_WAY,
        },
        ..DeskRules::new(&config.name)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        out = format!("{out}: {next}");
        cause = next.source();
    }
    out
}

/// Which keys of the configuration, of those that do not belong to every kind, a kind has use for.
pub(crate) const fn keys(kind: DeskKind) -> &'static [&'static str] {
    match kind {
        DeskKind::Rt => rt::KEYS,
        DeskKind::Zammad => zammad::KEYS,
        DeskKind::Glpi => glpi::KEYS,
        DeskKind::ServiceNow => servicenow::KEYS,
        DeskKind::JiraCloud | DeskKind::Jira => jira::KEYS,
        DeskKind::Itop => itop::KEYS,
        DeskKind::GlpiV2 => glpi_v2::KEYS,
        DeskKind::OsTicket => osticket::KEYS,
        DeskKind::Redmine => redmine::KEYS,
        DeskKind::Znuny => znuny::KEYS,
        DeskKind::Generic => generic::KEYS,
        DeskKind::Builtin => &[],
    }
}

/// What is wrong with the values of a kind's own keys: told with the key and what would be right.
pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    match config.kind {
        DeskKind::Rt => rt::problems(config, tell),
        DeskKind::Zammad => zammad::problems(config, tell),
        DeskKind::Glpi => glpi::problems(config, tell),
        DeskKind::ServiceNow => servicenow::problems(config, tell),
        DeskKind::JiraCloud | DeskKind::Jira => jira::problems(config, tell),
        DeskKind::Itop => itop::problems(config, tell),
        DeskKind::GlpiV2 => glpi_v2::problems(config, tell),
        DeskKind::OsTicket => osticket::problems(config, tell),
        DeskKind::Redmine => redmine::problems(config, tell),
        DeskKind::Znuny => znuny::problems(config, tell),
        DeskKind::Generic => generic::problems(config, tell),
        DeskKind::Builtin => {}
    }
}
