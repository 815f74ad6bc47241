//! What was written, before anybody asks what it means: tables, lists and values, each with its
//! place. TOML files and environment variables become the same tree.

use super::origin::Place;
use super::report::Finding;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// A TOML date or time, as text.
    Datetime(String),
    /// From the environment: becomes whatever is asked for.
    Loose(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys with their own places. Ordered by key; reports are ordered by place afterwards.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Place,
    pub node: Node,
}

impl Node {
    pub fn table(place: Place) -> Node {
        Node { value: Value::Table(Table::new()), place }
    }

    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(t) => Some(t),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(t) | Value::Loose(t) => Some(t),
            _ => None,
        }
    }

    /// The kind of value, as a person would call it.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) | Value::Loose(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Datetime(_) => "a time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// Whether `place` is this value or within it. A table that a header opens spans only its
    /// header, so its keys have to be asked.
    pub fn covers(&self, place: Place) -> bool {
        let within = self.place.origin == place.origin
            && self.place.start <= place.start
            && place.end <= self.place.end;
        within
            || match &self.value {
                Value::Table(t) => t.values().any(|e| e.key == place || e.node.covers(place)),
                Value::List(l) => l.iter().any(|n| n.covers(place)),
                _ => false,
            }
    }

    /// The keys that lead to the innermost value or key that covers `place`, as text.
    pub fn key_at(&self, place: Place) -> String {
        let mut path = String::new();
        let mut node = self;
        'down: loop {
            match &node.value {
                Value::Table(table) => {
                    for (name, entry) in table {
                        if entry.key == place || entry.node.covers(place) {
                            if !path.is_empty() {
                                path.push('.');
                            }
                            push_key(&mut path, name);
                            // A list of tables has the place of its first one: look further.
                            let list = matches!(entry.node.value, Value::List(_));
                            if (entry.node.place == place && !list) || entry.key == place {
                                return path;
                            }
                            node = &entry.node;
                            continue 'down;
                        }
                    }
                    return path;
                }
                Value::List(list) => {
                    // Items stand one behind the other: it can only be in the last that begins
                    // before it.
                    let after = list.partition_point(|item| item.place <= place);
                    for (i, item) in list.iter().enumerate().take(after).skip(after.max(1) - 1) {
                        if item.covers(place) {
                            let _ = write!(path, "[{i}]");
                            if item.place == place {
                                return path;
                            }
                            node = item;
                            continue 'down;
                        }
                    }
                    return path;
                }
                _ => return path,
            }
        }
    }
}

/// A key as TOML would want it written.
pub(super) fn push_key(out: &mut String, key: &str) {
    let bare = !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare {
        out.push_str(key);
    } else {
        let _ = write!(out, "{key:?}");
    }
}

/// Reads a TOML text; every error of its syntax becomes a finding, and what could be read is given
/// back all the same.
pub(super) fn read_toml(text: &str, origin: u32, findings: &mut Vec<Finding>) -> Node {
    let (table, errors) = DeTable::parse_recoverable(text);
    for e in errors {
        let span = e.span().unwrap_or(0..0);
        let place = Place::new(origin, &span);
        let message = e.message().trim();
        let help = syntax_help(message, text.get(span).unwrap_or(""));
        let message = message.lines().collect::<Vec<_>>().join("; ");
        findings.push(Finding::syntax(place, message, help));
    }
    let mut node = Node::table(Place::start_of(origin));
    node.value = Value::Table(convert_table(table.into_inner(), origin, findings));
    node
}

fn syntax_help(message: &str, at: &str) -> String {
    if message.contains("duplicate key") && at.trim_matches(['[', ']']).trim() == "probe" {
        return "[probe] (settings of this process) and [[probe]] (where probes stand) cannot be in one file: put [[probe]] into an inventory file".into();
    }
    if message.contains("duplicate key") {
        return "a key can be given once; lists of things are written [[like_this]]".into();
    }
    String::new()
}

fn convert_table(table: DeTable<'_>, origin: u32, findings: &mut Vec<Finding>) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let place = Place::new(origin, &key.span());
            (
                key.into_inner().into_owned(),
                Entry { key: place, node: convert(value, origin, findings) },
            )
        })
        .collect()
}

fn convert(value: Spanned<DeValue<'_>>, origin: u32, findings: &mut Vec<Finding>) -> Node {
    let place = Place::new(origin, &value.span());
    let mut wrong = |message: String| findings.push(Finding::syntax(place, message, ""));
    let value = match value.into_inner() {
        DeValue::String(s) => Value::Text(s.into_owned()),
        DeValue::Integer(i) => {
            let number = i64::from_str_radix(i.as_str(), i.radix());
            Value::Integer(number.unwrap_or_else(|_| {
                wrong(format!("{i} is too large a number"));
                0
            }))
        }
        DeValue::Float(f) => Value::Float(f.as_str().parse().unwrap_or_else(|_| {
            wrong(format!("{f} is not a number"));
            0.0
        })),
        DeValue::Boolean(b) => Value::Bool(b),
        DeValue::Datetime(d) => Value::Datetime(d.to_string()),
        DeValue::Array(a) => {
            Value::List(a.into_iter().map(|v| convert(v, origin, findings)).collect())
        }
        DeValue::Table(t) => Value::Table(convert_table(t, origin, findings)),
    };
    Node { value, place }
}
