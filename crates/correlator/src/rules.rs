//! By which rule a check is judged. Found once, when the check is first seen, and again when the
//! configuration changes; what is kept for each check is a number.

use crate::Correlator;
use crate::state::{AlarmKey, CheckIx};
use model::settings::{CheckRule, Flapping};
use model::{Inventory, Settings};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// The rules that differ for some targets. There are as many as there are sets of exceptions that
/// hold together somewhere, however many checks they are for.
#[derive(Debug, Default)]
pub(crate) struct Special {
    rules: Vec<CheckRule>,
    /// By check name and exceptions.
    known: BTreeMap<(u16, Vec<u16>), u32>,
    /// Their places in `rules`, for the checks that have one of them.
    of: FxHashMap<CheckIx, u32>,
    /// So many checks were looked at.
    seen: usize,
}

impl Correlator {
    /// The rule by which a check is judged.
    pub(crate) fn rule(&self, ix: CheckIx) -> &CheckRule {
        if !self.special.of.is_empty()
            && let Some(n) = self.special.of.get(&ix)
        {
            return &self.special.rules[*n as usize];
        }
        &self.rules[usize::from(self.state.checks[ix as usize].name)]
    }

    /// When a check counts as flapping.
    pub(crate) fn flapping_of(&self, ix: CheckIx) -> Flapping {
        self.rule(ix).flapping.unwrap_or(self.settings.flapping)
    }

    /// Finds the rules of the checks seen since.
    pub(crate) fn learn_rules(&mut self) {
        for ix in self.rules.len()..self.state.check_names.len() {
            let name = self.state.check_names.name(ix as u32);
            self.rules.push(self.settings.checks.get(&**name).cloned().unwrap_or_default());
        }
        for ix in self.special.seen..self.state.checks.len() {
            let c = &self.state.checks[ix];
            let name = self.state.check_names.name(u32::from(c.name));
            let target = self.state.targets.name(c.target);
            let device = self.reach.device_of(c.target);
            let hold = self.settings.exceptions_for(name, &self.inventory, target, device);
            if hold.is_empty() {
                continue;
            }
            let special = &mut self.special;
            let next = special.rules.len() as u32;
            let n = *special.known.entry((c.name, hold)).or_insert_with_key(|(_, hold)| {
                special.rules.push(self.settings.rule_with(name, hold));
                next
            });
            special.of.insert(ix as CheckIx, n);
        }
        self.special.seen = self.state.checks.len();
    }

    /// The rules are about to change: levels that will be called otherwise are no longer what they
    /// were, and begin anew.
    pub(crate) fn let_go_of_levels(&mut self, inventory: &Inventory, settings: &Settings) {
        let raised = self.state.alarms.keys().filter_map(|k| match k {
            AlarmKey::Level(ix, n) => Some((*ix, *n)),
            _ => None,
        });
        let all: BTreeSet<(CheckIx, u8)> = raised.chain(self.state.means.keys().copied()).collect();
        for (ix, n) in all {
            let c = &self.state.checks[ix as usize];
            let name = self.state.check_names.name(u32::from(c.name));
            let target = self.state.targets.name(c.target);
            let device = inventory.device_of(target);
            let hold = settings.exceptions_for(name, inventory, target, device);
            let next = settings.rule_with(name, &hold);
            let same = next.thresholds.get(usize::from(n)).map(|t| t.name(""));
            if same != self.rule(ix).thresholds.get(usize::from(n)).map(|t| t.name("")) {
                self.state.means.remove(&(ix, n));
                self.end_alarm(AlarmKey::Level(ix, n), "its level is no longer configured");
            }
        }
    }

    /// Forgets the rules; the next [`Self::learn_rules`] finds them again.
    pub(crate) fn forget_rules(&mut self) {
        self.rules.clear();
        self.special = Special::default();
    }
}
