//! A core, and the configuration that it obeys: the one given, or each one that the recording
//! names, from where it names it.

use super::feed::Said;
use crate::config::Configuration;
use correlator::Correlator;
use model::{Decision, Event, Inventory, Kind, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Recorded;

/// What is said when a recording cannot be obeyed.
const NO_CONFIGURATION: &str = "the recording does not hold the configuration that was in force here: \
     it was exported by an older version, or its journal no longer has it; replay it under a \
     configuration of your own, without --as-recorded";

/// What a configuration tells the core.
type Told = (Arc<Inventory>, Settings);

/// A core in virtual time.
pub struct Obeyed {
    core: Option<Correlator>,
    obey: Obey,
    /// The hash of the configuration in force.
    hash: String,
    /// The event before was a gap (or there was none): a `config` event here is a start.
    starting: bool,
}

enum Obey {
    /// This one throughout. That the recording was made under another has been said.
    Given { said: bool },
    /// Those that the recording names.
    Recorded { known: BTreeMap<String, Told> },
}

impl Obeyed {
    /// Obeys one configuration throughout.
    pub fn given(c: &Configuration) -> Obeyed {
        Obeyed {
            core: Some(Correlator::new(c.inventory.clone(), c.settings.clone())),
            obey: Obey::Given { said: false },
            hash: c.hash.clone(),
            starting: true,
        }
    }

    /// Obeys the configurations that stand in the recording.
    pub fn as_recorded() -> Obeyed {
        let obey = Obey::Recorded { known: BTreeMap::new() };
        Obeyed { core: None, obey, hash: String::new(), starting: true }
    }

    /// Everybody knows that the recording was made under another configuration: it need not be said.
    pub fn is_told_that_it_differs(&mut self) {
        if let Obey::Given { said } = &mut self.obey {
            *said = true;
        }
    }

    /// The recording says what a hash means. The first one is in force from the beginning.
    pub fn learn(&mut self, recorded: &Recorded) -> Said {
        let Obey::Recorded { known } = &mut self.obey else { return Said::Nothing };
        let inventory = match Inventory::build(&recorded.inventory) {
            Ok(inventory) => Arc::new(inventory),
            Err(problems) => {
                let why = problems.first().map_or("", |p| p.message.as_str());
                return Said::Unusable(format!("its inventory cannot be used: {why}"));
            }
        };
        if self.core.is_none() {
            self.core = Some(Correlator::new(inventory.clone(), recorded.settings.clone()));
            self.hash.clone_from(&recorded.hash);
        }
        known.insert(recorded.hash.clone(), (inventory, recorded.settings.clone()));
        Said::Nothing
    }

    /// Takes event `number` and hands every decision to `decided`.
    ///
    /// # Errors
    /// What `decided` says.
    pub fn take<E>(
        &mut self,
        number: u64,
        event: &Event<'_>,
        mut decided: impl FnMut(Decision) -> Result<(), E>,
    ) -> Result<Said, E> {
        let said = self.before(&event.kind);
        let Some(core) = &mut self.core else {
            return Ok(Said::Unusable(NO_CONFIGURATION.to_owned()));
        };
        core.handle_event(number, event);
        while let Some(decision) = core.poll_decision() {
            decided(decision)?;
        }
        while core.poll_ask().is_some() {}
        Ok(said)
    }

    /// Brings the configuration in line with what the event says, as the daemon does.
    fn before(&mut self, kind: &Kind<'_>) -> Said {
        let starting = std::mem::replace(&mut self.starting, matches!(kind, Kind::Gap { .. }));
        let Kind::Config { hash, .. } = kind else { return Said::Nothing };
        match &mut self.obey {
            Obey::Given { said } => {
                if *hash == self.hash || std::mem::replace(said, true) {
                    return Said::Nothing;
                }
                Said::Note(format!(
                    "recorded under another configuration ({}) than the one in use ({}): what follows may \
                     differ from what was decided then; --as-recorded obeys the one of the recording",
                    short(hash),
                    short(&self.hash)
                ))
            }
            // A start under the configuration at hand: the core has it already.
            Obey::Recorded { .. } if *hash == self.hash && starting => Said::Nothing,
            Obey::Recorded { known } => match (known.get(hash), &mut self.core) {
                (Some((inventory, settings)), Some(core)) => {
                    core.reconfigure(inventory.clone(), settings.clone());
                    self.hash.clone_from(hash);
                    Said::Nothing
                }
                _ => Said::Unusable(format!(
                    "configuration {} is not in the recording; the one before it stays in force, and what \
                     follows may differ from what was decided then",
                    short(hash)
                )),
            },
        }
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
