//! What a recording says of who was unreachable and for how long, by the raw samples alone: the
//! measure that a correlator is held against, so it must not ask the correlator.
//!
//! An outage of a device begins with the first silent ping after an answer and ends with the first
//! answer of whatever kind (a port that was read is an answer of its device). What nobody watched
//! is neither up nor down: a gap ends an outage where it was last seen, and so does the end of the
//! recording.

use model::{Event, Inventory, Kind, Outcome, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A device that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Which.
    pub device: Arc<str>,
    /// The first silent sample.
    pub from: Timestamp,
    /// The first answer; where it was never seen to end, the last silent sample.
    pub to: Timestamp,
}

impl Outage {
    /// How long.
    pub fn lasted(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// Follows the samples of a recording.
pub struct Outages {
    inventory: Arc<Inventory>,
    /// Only these are kept: at least so long.
    at_least: Duration,
    /// Who is silent, since when and until when.
    silent: BTreeMap<u32, (Timestamp, Timestamp)>,
    found: Vec<Outage>,
}

impl Outages {
    /// Of the devices of this inventory, and from this length on.
    pub fn new(inventory: Arc<Inventory>, at_least: Duration) -> Outages {
        Outages { inventory, at_least, silent: BTreeMap::new(), found: Vec::new() }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: &Event<'_>) {
        match &event.kind {
            Kind::Observation(o) => match o.outcome {
                Outcome::NoReply if o.check == "icmp" => {
                    if let Some(d) = self.inventory.device(&o.target) {
                        self.silent.entry(d.0).or_insert((event.at, event.at)).1 = event.at;
                    }
                }
                Outcome::Reply(_) if !self.silent.is_empty() => {
                    if let Some(d) = self.inventory.device_of(&o.target)
                        && let Some((from, _)) = self.silent.remove(&d.0)
                    {
                        self.ended(d.0, from, event.at);
                    }
                }
                _ => {}
            },
            Kind::Gap { .. } => self.all_ended(),
            _ => {}
        }
    }

    /// All of them, by device and time.
    pub fn finish(mut self) -> Vec<Outage> {
        self.all_ended();
        self.found.sort_by(|a, b| (&a.device, a.from).cmp(&(&b.device, b.from)));
        self.found
    }

    fn all_ended(&mut self) {
        for (device, (from, to)) in std::mem::take(&mut self.silent) {
            self.ended(device, from, to);
        }
    }

    fn ended(&mut self, device: u32, from: Timestamp, to: Timestamp) {
        if to.since(from) >= self.at_least {
            let device = self.inventory.devices[device as usize].id.clone();
            self.found.push(Outage { device, from, to });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::event::Observation;
    use model::inventory::{DeviceSpec, InventorySpec};

    const MINUTE: Duration = Duration::from_mins(1);

    fn outages() -> Outages {
        let device = |id: &str| DeviceSpec {
            id: id.into(),
            address: Some(format!("{id}.example")),
            ..DeviceSpec::default()
        };
        let spec = InventorySpec {
            devices: vec![device("a/sw1"), device("b")],
            ..InventorySpec::default()
        };
        Outages::new(Arc::new(Inventory::build(&spec).unwrap()), MINUTE)
    }

    fn sample(s: i64, target: &str, check: &str, outcome: Outcome<'static>) -> Event<'static> {
        let observation = Observation {
            probe: "p".into(),
            target: target.to_owned().into(),
            check: check.to_owned().into(),
            outcome,
        };
        let at = Timestamp::from_millis(s * 1000);
        Event { at, received: None, kind: Kind::Observation(observation) }
    }

    fn reply() -> Outcome<'static> {
        Outcome::Reply(model::event::Values::new())
    }

    fn found(events: &[Event<'static>]) -> Vec<(String, i64, i64)> {
        let mut outages = outages();
        for event in events {
            outages.take(event);
        }
        let seconds = |t: Timestamp| t.as_millis() / 1000;
        let found = outages.finish();
        found.iter().map(|o| (o.device.to_string(), seconds(o.from), seconds(o.to))).collect()
    }

    #[test]
    fn any_answer_ends_it_and_a_short_one_is_none() {
        let silent = |s| sample(s, "a/sw1", "icmp", Outcome::NoReply);
        let events = [
            silent(0),
            silent(20),
            sample(40, "a/sw1", "icmp", reply()),
            silent(100),
            sample(110, "a/sw1/Gi0/1", "snmp:if-status", Outcome::NoReply),
            sample(120, "b", "icmp", reply()),
            silent(140),
            sample(170, "a/sw1/Gi0/1", "snmp:if-status", reply()),
        ];
        assert_eq!(found(&events), [("a/sw1".to_owned(), 100, 170)]);
    }

    #[test]
    fn what_nobody_watched_is_no_outage() {
        let silent = |s| sample(s, "b", "icmp", Outcome::NoReply);
        let since = Timestamp::from_millis(30_000);
        let gap = Event {
            at: Timestamp::from_millis(900_000),
            received: None,
            kind: Kind::Gap { since },
        };
        assert_eq!(found(&[silent(0), silent(20), gap.clone(), silent(910)]), []);
        // Silent for a minute before the gap, and never heard of again: that much is known.
        let events = [silent(0), silent(60), gap, silent(910), silent(1000)];
        assert_eq!(found(&events), [("b".to_owned(), 0, 60), ("b".to_owned(), 910, 1000)]);
    }

    #[test]
    fn not_being_able_to_ask_says_nothing() {
        let failed = Outcome::Failed { reason: "no-buffer".into() };
        let events = [sample(0, "b", "icmp", failed.clone()), sample(600, "b", "icmp", failed)];
        assert_eq!(found(&events), []);
    }
}
