//! Answers for the tests of mappings, and what no mapping may believe.

use crate::config::DeskConfig;
use crate::http::{Reply, Said};
use delivery::{Draft, Outcome};
use model::Priority;
use std::fmt::Debug;

/// An answer with this status and body.
pub(crate) fn said(status: u16, body: &str) -> Reply {
    Reply::Said(Said {
        status,
        location: None,
        html: body.trim_start().starts_with('<'),
        body: body.to_owned(),
        excerpt: format!("HTTP {status}"),
    })
}

/// A configuration, which has no problems.
pub(crate) fn config(text: &str) -> DeskConfig {
    let config: DeskConfig = toml::from_str(text).expect("it is a desk");
    assert_eq!(config.problems(), []);
    config
}

/// The keys of the problems of a configuration.
pub(crate) fn problems(text: &str) -> Vec<String> {
    let config: DeskConfig = toml::from_str(text).expect("it is a desk");
    config.problems().into_iter().map(|p| p.key).collect()
}

/// A ticket to open.
pub(crate) fn draft() -> Draft {
    Draft {
        key: "kent-abc".into(),
        incident: "k7f3-1".into(),
        title: "é 😀 <b>".into(),
        text: "isi & <i>\n\n[kent:kent-abc]".into(),
        priority: Priority::P2,
        group: None,
        category: None,
    }
}

/// No success with one of these bodies is one.
pub(crate) fn hostile<T: Debug>(status: u16, read: impl Fn(Reply) -> Outcome<T>) {
    for body in [
        "",
        "{",
        "null",
        "true",
        "{}",
        "{\"id\":[]}",
        "{\"id\":\"\"}",
        "<!DOCTYPE html><p>login</p>",
        "\"text\"",
        "{\"id\":",
    ] {
        let outcome = read(said(status, body));
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{body:?}: {outcome:?}");
    }
    for status in [408, 500, 502, 503, 504, 302] {
        let outcome = read(said(status, "{}"));
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{status}: {outcome:?}");
    }
    for (status, again) in [(429, true), (400, false), (401, false), (403, false), (404, false)] {
        let outcome = read(said(status, "{}"));
        assert!(
            matches!(outcome, Outcome::Rejected { retry, .. } if retry == again),
            "{status}: {outcome:?}"
        );
    }
    let outcome = read(Reply::Lost("no answer".into()));
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let outcome = read(Reply::NotSent("no connection".into()));
    assert!(matches!(outcome, Outcome::Rejected { retry: true, .. }), "{outcome:?}");
}
