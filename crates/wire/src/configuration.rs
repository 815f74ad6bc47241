//! What a configuration's hash means: the settings and the inventory that the core obeyed, so that
//! a recording can be decided again as it was.
//!
//! One object in one line, of any length, in front of the first event that names the hash. It is
//! no event: it has no number and no verdict. Only what the core is told stands in it, so there is
//! no secret to leave out. What an older version did not write has its default; what a newer one
//! wrote and this one does not know is passed over, because it cannot obey it anyway.

use model::Settings;
use model::inventory::InventorySpec;
use serde::{Deserialize, Serialize};

/// What every such line begins with.
const BEGINS: &str = r#"{"kind":"configuration","#;

/// A configuration as the core obeyed it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Recorded {
    /// What the `config` events call it.
    pub hash: String,
    /// What the core was told.
    pub settings: Settings,
    /// The inventory, as written.
    pub inventory: InventorySpec,
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    hash: &'a str,
    settings: &'a Settings,
    inventory: &'a InventorySpec,
}

/// Whether a line is one of these rather than an event.
pub fn is_configuration(line: &str) -> bool {
    line.starts_with(BEGINS)
}

/// Writes it, without the end of the line.
pub fn write_configuration(hash: &str, settings: &Settings, inventory: &InventorySpec) -> Vec<u8> {
    let line = Line { kind: "configuration", hash, settings, inventory };
    serde_json::to_vec(&line).expect("no key of it is anything but a text")
}

/// Reads it.
///
/// # Errors
/// What is wrong with it, and in which column.
pub fn read_configuration(line: &str) -> Result<Recorded, String> {
    serde_json::from_str(line).map_err(|e| format!("not a configuration: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::inventory::{DeviceSpec, LinkSpec, Needs};
    use model::settings::{Measure, Threshold, default_checks};
    use std::time::Duration;

    fn settings() -> Settings {
        let mut checks = default_checks();
        checks.get_mut("icmp").unwrap().thresholds.push(Threshold {
            value: "rtt_ms".into(),
            raise: 0.1 + 0.2,
            clear: 1.0 / 3.0,
            over: Duration::ZERO,
            measure: Measure::Baseline { raise: 0.1 + 0.7, clear: 2.0 / 3.0 },
        });
        Settings {
            checks,
            hold_max: Duration::from_millis(1500),
            timezone: model::settings::TimeZone::get("Asia/Jakarta").unwrap(),
            ..Settings::default()
        }
    }

    #[test]
    fn it_reads_back_to_the_last_bit() {
        let inventory = InventorySpec {
            devices: vec![DeviceSpec {
                id: "a/sw1".into(),
                needs: Some(Needs::AtLeast { n: 1, of: vec![Needs::Element("a/ups".into())] }),
                ..DeviceSpec::default()
            }],
            links: vec![LinkSpec { between: ["a/sw1".into(), "b".into()], ..LinkSpec::default() }],
            ..InventorySpec::default()
        };
        let line = write_configuration("abc", &settings(), &inventory);
        let line = std::str::from_utf8(&line).unwrap();
        assert!(is_configuration(line) && !line.contains('\n'));
        assert!(crate::read_event(line).is_err(), "it is no event");
        let read = read_configuration(line).unwrap();
        assert_eq!(read, Recorded { hash: "abc".into(), settings: settings(), inventory });
    }

    #[test]
    fn another_version_wrote_it() {
        let line = r#"{"kind":"configuration","hash":"x","settings":{"hold_max":{"secs":7,"nanos":0},"novelty":1},"inventory":{"rings":[]}}"#;
        let read = read_configuration(line).unwrap();
        let expected = Settings { hold_max: Duration::from_secs(7), ..Settings::default() };
        assert_eq!((read.settings, read.inventory), (expected, InventorySpec::default()));
        let why = read_configuration(r#"{"kind":"configuration","hash":"x"}"#).unwrap_err();
        assert!(why.contains("settings"), "{why}");
    }
}
