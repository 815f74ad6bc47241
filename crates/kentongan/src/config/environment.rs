//! Settings from the environment: `KENTONGAN__SECTION__KEY` wins over what the file says.
//!
//! Names are matched in lower case, and anything that is no letter or digit counts as `_`, so
//! `KENTONGAN__CHECK__SNMP_IF_STATUS__INTERVAL` is `[check."snmp:if-status"] interval`. An entry of
//! a list is found by its name or id: `KENTONGAN__SOURCE__ZABBIX__TOKEN`.

use super::origin::{Origins, Place};
use super::report::Finding;
use super::tree::{Entry, Node, Table, Value};

/// What the names of our settings begin with. Two underscores, so that `KENTONGAN_LOG` and the
/// like are none of them.
pub const PREFIX: &str = "KENTONGAN__";

/// Names that appear in keys and cannot be written in the name of a variable.
const DYNAMIC_KEYS: &[&str] = &["icmp", "snmp:if-status", "snmp:uptime"];

/// Puts every setting of the environment into the tree. Those are given in the order of their
/// names, so that the same environment is always the same configuration.
pub(super) fn lay_over(
    root: &mut Node,
    settings: &[(String, String)],
    origins: &mut Origins,
    findings: &mut Vec<Finding>,
) {
    for (name, value) in settings {
        let place = Place::start_of(origins.variable(name.clone()));
        let path: Vec<String> =
            name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        if let Err((message, help)) = set(root, &path, value, place) {
            findings.push(Finding::error(place, message, help));
        }
    }
}

fn set(
    node: &mut Node,
    path: &[String],
    value: &str,
    place: Place,
) -> Result<(), (String, String)> {
    let Some((first, rest)) = path.split_first() else {
        *node = Node { value: Value::Loose(value.to_owned()), place };
        return Ok(());
    };
    if first.is_empty() {
        let help = format!("write {PREFIX}SECTION__KEY");
        return Err(("this name has an empty part".into(), help));
    }
    match &mut node.value {
        Value::Table(table) => {
            let key = key_in(table, first);
            if rest.is_empty() {
                make_way(table, &key);
            }
            let entry =
                table.entry(key).or_insert_with(|| Entry { key: place, node: Node::table(place) });
            set(&mut entry.node, rest, value, place)
        }
        Value::List(list) => {
            let named = list.iter().position(|item| {
                let name = |key| Some(normal(item.as_table()?.get(key)?.node.as_text()?));
                [name("name"), name("id")].iter().flatten().any(|n| n == first)
            });
            let index = named.or_else(|| first.parse().ok().filter(|i| *i < list.len()));
            match index {
                Some(index) => set(&mut list[index], rest, value, place),
                None => Err((
                    format!("nothing in that list has the name or id {first:?}"),
                    "the file must have the entry; the environment can only change it".into(),
                )),
            }
        }
        _ => {
            Err((format!("{first:?} names a key inside of something that has none"), String::new()))
        }
    }
}

/// The key of the table that is meant, or a new one.
fn key_in(table: &Table, wanted: &str) -> String {
    let same = |k: &&str| normal(k) == *wanted;
    table
        .keys()
        .map(String::as_str)
        .find(same)
        .or_else(|| DYNAMIC_KEYS.iter().copied().find(same))
        .unwrap_or(wanted)
        .to_owned()
}

/// A secret from the environment replaces the file that the configuration names, and the reverse.
fn make_way(table: &mut Table, key: &str) {
    match key.strip_suffix("_file") {
        Some(base) => table.remove(base),
        None => table.remove(&format!("{key}_file")),
    };
}

fn normal(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect()
}
