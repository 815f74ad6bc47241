//! Answers for the tests of the mappings: made up, or recorded from a real ticket system.

use crate::http::{Reply, Said};
use proptest::prelude::*;
use serde_json::Value;
use std::path::PathBuf;

/// An answer with this status and body.
pub(crate) fn said(status: u16, body: &str) -> Reply {
    let html = body.trim_start().starts_with('<');
    Reply::Said(Said {
        status,
        location: None,
        html,
        body: body.to_owned(),
        excerpt: format!("HTTP {status}"),
    })
}

/// A recorded answer of a real one, or `None` (and says so) where the recordings are not there.
pub(crate) fn capture(folder: &str, name: &str) -> Option<Reply> {
    let shared = std::env::var_os("KENTONGAN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = shared.join("peers").join(folder).join(name);
    let Ok(text) = std::fs::read_to_string(&file) else {
        let must = std::env::var("KENTONGAN_NO_SKIP").is_ok_and(|v| v == "1");
        assert!(!must, "{} is missing", file.display());
        eprintln!("SKIPPED: {} is missing (KENTONGAN_SHARED names its folder)", file.display());
        return None;
    };
    let (_, answer) = text.split_once("\nHTTP ").expect("a capture has an answer");
    let (head, body) = answer.split_once("\n\n").expect("and its body");
    let status = head[..3].parse().expect("and a status");
    let location = head.lines().find_map(|l| l.strip_prefix("Location: ")).map(str::to_owned);
    match said(status, body.trim()) {
        Reply::Said(said) => Some(Reply::Said(Said { location, ..said })),
        other => Some(other),
    }
}

/// Any JSON, with these names in it more often than others.
pub(crate) fn json_value(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        8 => prop::sample::select(names).prop_map(str::to_owned),
        1 => ".{0,6}",
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
