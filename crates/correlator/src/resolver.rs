//! Names that do not resolve. That says nothing about a device, and a lot about the service that
//! knows the names: it is evidence there, as if somebody else had told it.
//!
//! That service is the `[[service]]` called `resolver` or `dns`; else the device with the tag
//! `resolver` or `dns`; else the names of this probe, which the inventory need not know.

use crate::Correlator;
use crate::state::{AlarmKey, CheckIx};
use model::{Severity, Timestamp};
use std::sync::Arc;

/// What a probe says when the name of a target does not resolve.
pub(crate) const NO_NAME: &str = "no-name";
/// So many times in a row, for one target, and it is told.
const TIMES: u8 = 3;
/// What the service is called, or the device tagged.
const CALLED: [&str; 2] = ["resolver", "dns"];
/// The key under which a probe tells it.
const KEY: &str = "names";

impl Correlator {
    /// The name of this check's target did not resolve.
    pub(crate) fn has_no_name(&mut self, ix: CheckIx, at: Timestamp) {
        let times = self.state.nameless.entry(ix).or_default();
        *times = times.saturating_add(1);
        if *times < TIMES {
            return;
        }
        let c = &self.state.checks[ix as usize];
        let probe = self.state.probes.name(u32::from(c.probe)).clone();
        let name: (Arc<str>, Arc<str>) = (probe.clone(), KEY.into());
        if self.signal_index.contains_key(&name) {
            return;
        }
        let target = self.state.targets.name(c.target).clone();
        let resolver = self.resolver().unwrap_or_else(|| format!("{probe}:{KEY}").into());
        let resolver = self.intern(&resolver);
        let summary = format!("names do not resolve at {probe}, first that of {target}");
        self.raise_signal(at, name, resolver, Some(Severity::Average), summary);
    }

    /// It could be asked: its name is known again, or never was the matter.
    pub(crate) fn has_a_name(&mut self, ix: CheckIx) {
        if self.state.nameless.is_empty() || self.state.nameless.remove(&ix).is_none() {
            return;
        }
        let probe = self.state.checks[ix as usize].probe;
        let still = |c: &CheckIx| self.state.checks[*c as usize].probe == probe;
        if self.state.nameless.iter().any(|(c, times)| still(c) && *times >= TIMES) {
            return;
        }
        let name = (self.state.probes.name(u32::from(probe)).clone(), KEY.into());
        if let Some(signal) = self.signal_index.remove(&name) {
            self.end_alarm(AlarmKey::Signal(signal), "names resolve again");
            self.forget_signal(signal);
        }
    }

    fn resolver(&self) -> Option<Arc<str>> {
        let service = self.inventory.services.iter().find(|s| CALLED.contains(&&*s.id));
        let device = || {
            let tagged = |t: &String| CALLED.contains(&t.as_str());
            self.inventory.devices.iter().find(|d| d.tags.iter().any(tagged))
        };
        service.map(|s| s.id.clone()).or_else(|| device().map(|d| d.id.clone()))
    }
}
