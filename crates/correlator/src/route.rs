//! Which rule sends an incident's ticket where, and which rules send it to the wrong team.
//!
//! A rule is chosen when the ticket is asked for and kept with the incident: what a person says of it
//! later is said of the rule that did it, whatever the root is by then.

use crate::Correlator;
use crate::bounds::MISROUTED_MAX;
use crate::command::with_reason;
use crate::state::IncidentIx;
use crate::text::Telling;
use model::route::{DEFAULT_ROUTE, Route};
use model::{Change, IncidentId, IntentOp};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Correlator {
    /// The rule that an incident matches now, the first of them; `None`: no rule takes it, and it goes
    /// where everything does that no rule takes.
    pub fn route_of(&self, id: &IncidentId) -> Option<&Route> {
        let root = self.root_of(id).unwrap_or_default();
        let sources = self.sources_of(id);
        self.settings.routes.iter().find(|r| self.matches(r, root, &sources))
    }

    /// The name of the rule that sent an incident's ticket; `None` before there is one.
    pub fn routed(&self, id: &IncidentId) -> Option<&str> {
        self.state.incidents.get(self.by_id.get(id)?)?.routed.as_deref()
    }

    /// How often people said "wrong team", by the name of the rule.
    pub fn misroutes(&self) -> &BTreeMap<String, u64> {
        &self.state.misroutes
    }

    fn matches(&self, r: &Route, root: &[Arc<str>], sources: &[Arc<str>]) -> bool {
        let inventory = &self.inventory;
        let of_device = |d: &model::inventory::Device| {
            let site = d.site.map(|s| &*inventory[s].id);
            (r.classes.is_empty() || r.classes.iter().any(|c| **c == *d.class))
                && (r.sites.is_empty() || r.sites.iter().any(|s| Some(s.as_str()) == site))
                && (r.tags.is_empty() || r.tags.iter().any(|t| d.tags.contains(t)))
        };
        let mut devices = root.iter().filter_map(|id| inventory.device(id)).map(|d| &inventory[d]);
        let about_devices = r.classes.is_empty() && r.sites.is_empty() && r.tags.is_empty();
        (about_devices || devices.any(of_device))
            && (r.sources.is_empty()
                || r.sources.iter().any(|s| sources.iter().any(|x| **x == **s)))
    }

    /// The ticket is asked for: by this rule.
    pub(crate) fn learn_route(&mut self, ix: IncidentIx) {
        let Some(id) = self.state.incidents.get(&ix).map(|i| i.id.clone()) else { return };
        let name = self.route_of(&id).map_or(DEFAULT_ROUTE, |r| r.name.as_str()).to_owned();
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.routed = Some(name);
        }
    }

    /// A person says that the wrong team has the ticket. Counted once an incident.
    pub(crate) fn misroute(
        &mut self,
        ix: IncidentIx,
        by: &str,
        team: Option<&str>,
        reason: &str,
    ) -> String {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return String::new() };
        let Some(rule) = i.routed.clone() else {
            return format!("{by} says wrong team of what has no ticket");
        };
        let first = !std::mem::replace(&mut i.misrouted, true);
        if first {
            let known = self.state.misroutes.contains_key(&rule);
            if known || self.state.misroutes.len() < MISROUTED_MAX {
                *self.state.misroutes.entry(rule.clone()).or_default() += 1;
            } else {
                self.state.met.misroutes += 1;
            }
        }
        let said = match team {
            Some(team) => {
                format!("{by} says that it belongs to {team}; sent by the rule {rule}")
            }
            None => format!("{by} says that the wrong team has it; sent by the rule {rule}"),
        };
        let said = with_reason(said, reason);
        self.incident_line(ix, Change::Updated, said.clone());
        if self.state.incidents[&ix].ticketed {
            let telling = Telling::Misrouted {
                by: by.to_owned(),
                team: team.map(str::to_owned),
                reason: reason.to_owned(),
            };
            self.intent(ix, IntentOp::Note, telling);
        }
        said
    }
}
