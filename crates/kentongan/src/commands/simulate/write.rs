//! The made-up network as files that the daemon, `check` and `replay` read.

use super::Call;
use anyhow::Context as _;
use model::Criticality;
use model::inventory::{InventorySpec, Needs};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

const CONFIGURATION: &str = "# A made-up network, written by `kentongan simulate`.\n\
    inventory = [\"inventory.toml\"]\n\n\
    # It has no real addresses: nothing is asked of it.\n\
    [probe]\nenabled = false\n";

/// Writes it into `dir`, with a configuration beside it where there is none of the user's own.
pub fn network(dir: &Path, made: Option<&InventorySpec>, configured: bool) -> anyhow::Result<()> {
    let put = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
    if let Some(spec) = made {
        put("inventory.toml", &inventory(spec))?;
        if !configured {
            put("kentongan.toml", CONFIGURATION)?;
        }
    }
    Ok(())
}

/// The command that shows the decisions again.
pub fn how_to_replay(dir: &Path, call: &Call, configured: bool) -> String {
    let own = dir.join("kentongan.toml");
    let config = if configured { call.config.as_path() } else { own.as_path() };
    format!(
        "written to {}; the same decisions again:\n  kentongan --config {} replay {}",
        dir.display(),
        config.display(),
        dir.join("events.ndjson").display()
    )
}

fn inventory(spec: &InventorySpec) -> String {
    let mut all = Table::new();
    let mut put = |name: &str, list: Vec<Table>| {
        all.insert(name.into(), Value::Array(list.into_iter().map(Value::Table).collect()));
    };
    let sites = spec.sites.iter().map(|s| {
        let mut t = Row::new(&s.id);
        t.text("name", s.name.as_deref());
        t.0.insert("users".into(), Value::Integer(i64::try_from(s.users).unwrap_or(i64::MAX)));
        t.list("contacts", &s.contacts);
        t.0
    });
    put("site", sites.collect());
    let devices = spec.devices.iter().map(|d| {
        let mut t = Row::new(&d.id);
        t.text("address", d.address.as_deref());
        t.text("class", d.class.as_deref());
        t.critical(d.criticality);
        if d.passive {
            t.0.insert("passive".into(), Value::Boolean(true));
        }
        t.needs(d.needs.as_ref());
        t.list("checks", d.checks.as_deref().unwrap_or_default());
        t.0
    });
    put("device", devices.collect());
    let links = spec.links.iter().map(|l| {
        let mut t = Row(Table::new());
        t.text("id", l.id.as_deref());
        t.list("between", &l.between);
        t.text("kind", l.kind.as_deref());
        t.needs(l.needs.as_ref());
        t.0
    });
    put("link", links.collect());
    let services = spec.services.iter().map(|s| {
        let mut t = Row::new(&s.id);
        t.text("name", s.name.as_deref());
        t.critical(s.criticality);
        t.needs(s.needs.as_ref());
        t.0
    });
    put("service", services.collect());
    let probes = spec.probes.iter().map(|p| {
        let mut t = Row::new(&p.id);
        t.text("at", p.at.as_deref());
        t.list("witnesses", &p.witnesses);
        t.0
    });
    put("probe", probes.collect());
    all.to_string()
}

struct Row(Table);

impl Row {
    fn new(id: &str) -> Row {
        let mut t = Row(Table::new());
        t.text("id", Some(id));
        t
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.insert(key.into(), Value::String(value.into()));
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            let values = values.iter().cloned().map(Value::String).collect();
            self.0.insert(key.into(), Value::Array(values));
        }
    }

    fn critical(&mut self, c: Criticality) {
        match c {
            Criticality::Vital => self.text("criticality", Some("vital")),
            Criticality::Important => self.text("criticality", Some("important")),
            Criticality::Normal => {}
        }
    }

    fn needs(&mut self, needs: Option<&Needs<String>>) {
        if let Some(needs) = needs {
            self.0.insert("needs".into(), needed(needs));
        }
    }
}

fn needed(needs: &Needs<String>) -> Value {
    let list = |of: &[Needs<String>]| Value::Array(of.iter().map(needed).collect());
    match needs {
        Needs::Element(id) => Value::String(id.clone()),
        Needs::All(of) => Value::Table(Table::from_iter([("all".to_owned(), list(of))])),
        Needs::Any(of) => Value::Table(Table::from_iter([("any".to_owned(), list(of))])),
        Needs::AtLeast { n, of } => Value::Table(Table::from_iter([
            ("at_least".to_owned(), Value::Integer(i64::from(*n))),
            ("of".to_owned(), list(of)),
        ])),
    }
}
