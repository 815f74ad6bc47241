//! What the probe of this process is to ask, from configuration and inventory.

use crate::config::Configuration;
use model::inventory::DeviceIx;
use probe::{Check, CheckPlan, Plan, SnmpAccess, Target};
use std::sync::Arc;

/// The plan of this configuration; empty when the probe is switched off.
pub fn of(c: &Configuration) -> Arc<Plan> {
    let mut targets = Vec::new();
    if c.probe.enabled {
        for (ix, device) in (0..).map(DeviceIx).zip(&c.inventory.devices) {
            let Some(address) = device.addresses.first().filter(|_| !device.passive) else {
                continue;
            };
            let checks: Vec<CheckPlan> =
                device.checks.iter().filter_map(|name| check(c, name, ix)).collect();
            if checks.is_empty() {
                continue;
            }
            let prefix = format!("{}/", device.id);
            let ports = c.inventory.links.iter().flat_map(|l| l.ports.iter().flatten());
            let ports = ports.filter_map(|p| p.strip_prefix(&prefix)).map(str::to_owned).collect();
            targets.push(Arc::new(Target {
                id: device.id.clone(),
                address: address.clone(),
                checks,
                snmp: Some(SnmpAccess {
                    community: c.probe.community.clone(),
                    port: c.probe.snmp_port,
                }),
                ports,
            }));
        }
    }
    Arc::new(Plan { probe: c.probe.id.as_str().into(), pps: c.probe.pps, targets })
}

fn check(c: &Configuration, name: &str, device: DeviceIx) -> Option<CheckPlan> {
    // Checks of other producers are judged by name, and not asked here.
    let check = Check::from_word(name)?;
    let mut plan = CheckPlan::of(check);
    if let Some(asking) = c.probe.asking.get(name) {
        plan.interval = asking.interval;
        plan.timeout = asking.timeout;
        plan.packets = u16::from(asking.packets);
        plan.ask_again = asking.ask_again;
    }
    if c.settings.checks.contains_key(name) {
        let rule = c.settings.rule_for(name, &c.inventory, device);
        plan.down_of = rule.down_of;
        plan.up_needs = rule.up_needs;
    }
    Some(plan)
}
