//! Rules that differ for some targets.
//!
//! A radio link fades in the rain, an old office line always loses one packet in thirty, one vital
//! switch is worth a false alarm. What is said for one target comes before what is said for its site,
//! that before its class, and that before a tag or the kind of link that leads there; of two that are
//! as particular, the one written first. Each key is looked for on its own: what the nearest does not
//! say, the next one may.

use crate::inventory::{DeviceIx, Inventory};
use crate::settings::{CheckRule, Flapping, Settings, Threshold};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a check is judged for some targets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exception {
    /// The check, by its name.
    pub check: String,
    /// Of which targets.
    pub of: Match,
    /// What differs.
    pub change: RuleChange,
}

/// Which targets; all that is given must be true.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// This device with its ports, or this port.
    pub target: Option<String>,
    /// At this site.
    pub site: Option<String>,
    /// Of this class.
    pub class: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Reached by links of this kind only; a port: at such a link.
    pub link: Option<String>,
}

/// What differs from the rule of the check; `None`: as there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleChange {
    /// Down when this many …
    pub down_needs: Option<u8>,
    /// … of the last this many samples are bad …
    pub down_of: Option<u8>,
    /// … and it has failed for this long.
    pub down_for: Option<Duration>,
    /// Up after this many good ones in a row.
    pub up_needs: Option<u8>,
    /// Evidence is stale after this many intervals.
    pub stale_after: Option<f64>,
    /// This many confirmed changes make it flapping.
    pub flap_start: Option<u32>,
    /// This many or fewer end it.
    pub flap_end: Option<u32>,
    /// The time in which they are counted.
    pub flap_window: Option<Duration>,
    /// Levels on its values, instead of those of the check.
    pub thresholds: Option<Vec<Threshold>>,
}

/// What is confirmed later unless the configuration says otherwise: what only radio links lead to,
/// and radios themselves. Fading lasts seconds to a minute, and comes back by itself.
pub fn default_exceptions() -> Vec<Exception> {
    let change = RuleChange {
        down_needs: Some(4),
        down_of: Some(6),
        down_for: Some(Duration::from_mins(1)),
        up_needs: Some(3),
        ..RuleChange::default()
    };
    let of = |of: Match| Exception { check: "icmp".into(), of, change: change.clone() };
    vec![
        of(Match { link: Some("radio".into()), ..Match::default() }),
        of(Match { class: Some("radio".into()), ..Match::default() }),
    ]
}

impl Match {
    /// Whether a target is meant. `device` is the one that it is or is a port of.
    pub fn matches(&self, inventory: &Inventory, target: &str, device: DeviceIx) -> bool {
        let d = &inventory[device];
        let is = |wanted: &Option<String>, holds: &dyn Fn(&str) -> bool| {
            wanted.as_deref().is_none_or(holds)
        };
        is(&self.target, &|t| t == target || *t == *d.id)
            && is(&self.site, &|s| d.site.is_some_and(|site| *inventory[site].id == *s))
            && is(&self.class, &|c| *d.class == *c)
            && is(&self.tag, &|t| d.tags.iter().any(|tag| tag == t))
            && is(&self.link, &|kind| {
                let of_kind = |l: u32| *inventory.links[l as usize].kind == *kind;
                if let Some(at) = inventory.link_at(target) {
                    return of_kind(at.0);
                }
                let links = inventory.graph.neighbours(device.0);
                !links.is_empty() && links.iter().all(|(_, l)| of_kind(*l))
            })
    }

    /// How particular it is: the target before the site before the class before all else.
    fn weight(&self) -> u8 {
        let given = |of: &Option<String>, bit: u8| u8::from(of.is_some()) << bit;
        given(&self.target, 4)
            | given(&self.site, 3)
            | given(&self.class, 2)
            | given(&self.tag, 1)
            | given(&self.link, 0)
    }
}

impl Settings {
    /// The exceptions that hold for a check of a target, by their place, the nearest first.
    pub fn exceptions_for(
        &self,
        check: &str,
        inventory: &Inventory,
        target: &str,
        device: Option<DeviceIx>,
    ) -> Vec<u16> {
        let Some(device) = device else { return Vec::new() };
        let mut all: Vec<(std::cmp::Reverse<u8>, u16)> = (0..)
            .zip(&self.exceptions)
            .filter(|(_, e)| e.check == check && e.of.matches(inventory, target, device))
            .map(|(n, e)| (std::cmp::Reverse(e.of.weight()), n))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, n)| n).collect()
    }

    /// The rule of a check with these exceptions, the nearest first.
    pub fn rule_with(&self, check: &str, exceptions: &[u16]) -> CheckRule {
        let mut rule = self.checks.get(check).cloned().unwrap_or_default();
        for e in exceptions.iter().rev().filter_map(|n| self.exceptions.get(usize::from(*n))) {
            e.change.apply(&mut rule, self.flapping);
        }
        rule
    }

    /// The rule by which a check of a device is judged.
    pub fn rule_for(&self, check: &str, inventory: &Inventory, device: DeviceIx) -> CheckRule {
        let id = &inventory[device].id;
        self.rule_with(check, &self.exceptions_for(check, inventory, id, Some(device)))
    }
}

impl RuleChange {
    fn apply(&self, rule: &mut CheckRule, flapping: Flapping) {
        rule.down_needs = self.down_needs.unwrap_or(rule.down_needs);
        // Of the two alone, the other follows.
        rule.down_of = self.down_of.unwrap_or(rule.down_of.max(rule.down_needs));
        rule.down_needs = rule.down_needs.min(rule.down_of);
        rule.down_for = self.down_for.unwrap_or(rule.down_for);
        rule.up_needs = self.up_needs.unwrap_or(rule.up_needs);
        rule.stale_after = self.stale_after.unwrap_or(rule.stale_after);
        if self.flap_start.is_some() || self.flap_end.is_some() || self.flap_window.is_some() {
            let f = rule.flapping.unwrap_or(flapping);
            rule.flapping = Some(Flapping {
                start: self.flap_start.unwrap_or(f.start),
                end: self.flap_end.unwrap_or(f.end),
                window: self.flap_window.unwrap_or(f.window),
            });
        }
        if let Some(t) = &self.thresholds {
            rule.thresholds.clone_from(t);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec, SiteSpec};

    fn device(id: &str, class: &str) -> DeviceSpec {
        DeviceSpec { id: id.into(), class: Some(class.into()), ..DeviceSpec::default() }
    }

    fn link(a: &str, b: &str, kind: &str) -> LinkSpec {
        let between = [a.to_owned(), b.to_owned()];
        LinkSpec { between, kind: Some(kind.into()), ..LinkSpec::default() }
    }

    #[test]
    fn the_nearest_that_says_something_is_obeyed() {
        let spec = InventorySpec {
            sites: vec![SiteSpec { id: "a".into(), ..SiteSpec::default() }],
            devices: vec![
                device("a/rtr", "router"),
                device("a/sw", "switch"),
                device("a/mast", "radio"),
                device("far", "switch"),
                device("near", "switch"),
            ],
            links: vec![
                link("a/rtr", "a/sw", "fibre"),
                link("a/rtr", "far", "radio"),
                link("near", "a/rtr", "fibre"),
                link("near", "a/sw", "radio"),
            ],
            probes: vec![ProbeSpec {
                id: "p".into(),
                at: Some("near".into()),
                ..ProbeSpec::default()
            }],
            ..InventorySpec::default()
        };
        let spec = InventorySpec {
            devices: spec
                .devices
                .into_iter()
                .map(|d| DeviceSpec { address: Some("192.0.2.1".into()), ..d })
                .collect(),
            ..spec
        };
        let inventory = Inventory::build(&spec).unwrap();
        let mut settings = Settings::default();
        let of = |of: Match, down_needs, up_needs| Exception {
            check: "icmp".into(),
            of,
            change: RuleChange { down_needs, up_needs, ..RuleChange::default() },
        };
        let class = Match { class: Some("switch".into()), ..Match::default() };
        let site = Match { site: Some("a".into()), ..Match::default() };
        let target = Match { target: Some("a/sw".into()), ..Match::default() };
        settings.exceptions.splice(
            0..0,
            [
                of(class.clone(), Some(2), Some(5)),
                of(class, Some(1), Some(6)),
                of(site, Some(7), None),
                of(target, None, Some(1)),
            ],
        );
        let rule = |id: &str| settings.rule_for("icmp", &inventory, inventory.device(id).unwrap());
        let says = |id: &str| (rule(id).down_needs, rule(id).down_of, rule(id).up_needs);
        assert_eq!(says("a/sw"), (7, 7, 1), "its own, then its site's");
        assert_eq!(says("a/rtr"), (7, 7, 2), "its site's, then the check's");
        assert_eq!(says("a/mast"), (7, 7, 3), "its site's, then that of radios");
        assert_eq!(
            says("far"),
            (2, 6, 5),
            "its class, the first written, then that of radio links"
        );
        assert_eq!(rule("far").down_for, Duration::from_mins(1));
        assert_eq!(rule("near").down_for, Duration::ZERO, "a fibre leads there as well");
        let other = settings.rule_for("snmp:uptime", &inventory, inventory.device("a/sw").unwrap());
        assert_eq!(other, settings.checks["snmp:uptime"], "of the one check only");
    }
}
