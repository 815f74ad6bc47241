//! The desks of a configuration: one module a kind, each of the same small shape. It lists the keys
//! of the configuration that it has use for (`KEYS`), says what is wrong with their values
//! (`problems`) and what it can do (`abilities`), and holds a `Mapping` from calls to requests and
//! from responses to outcomes, which asks nobody, beside the desk that asks.

pub(crate) mod builtin;
pub(crate) mod generic;
pub(crate) mod rt;

use crate::config::{DeskConfig, DeskKind, DeskProblem};
use crate::desk::Desk;
use builtin::BuiltinDesk;
use delivery::{Abilities, DeskRules};
use generic::GenericDesk;
use rt::RtDesk;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
            DeskConfig::duration(&config.visibility_delay, Duration::from_secs(5))
        },
        empty_looks: config.empty_finds.unwrap_or(if builtin { 1 } else { 2 }),
        max_in_flight: config.max_in_flight,
        per_minute: config.per_minute,
        retry_max: DeskConfig::duration(&config.retry_max, Duration::from_secs(30)),
        can: match config.kind {
            DeskKind::Rt => rt::abilities(),
            DeskKind::Generic => generic::abilities(config),
            DeskKind::Builtin => Abilities::ALL,
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
        DeskKind::Generic => generic::KEYS,
        DeskKind::Builtin => &[],
    }
}

/// What is wrong with the values of a kind's own keys: told with the key and what would be right.
pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    match config.kind {
        DeskKind::Rt => rt::problems(config, tell),
        DeskKind::Generic => generic::problems(config, tell),
        DeskKind::Builtin => {}
    }
}
