//! Whatever the correlator gives as a reason can be read in Indonesian.

mod manual;
mod story;

use model::Decision;
use std::collections::BTreeSet;
use story::Story;

/// The record is English; people read it through `model::sentence`. A clause of ours that the table
/// does not have would stand in English on an Indonesian ticket.
#[test]
fn every_reason_of_every_story_has_an_indonesian_sentence() {
    let mut missing = BTreeSet::new();
    let mut read = 0;
    for script in manual::scripts() {
        let mut story = Story::default();
        for line in script.lines() {
            let line = line.split('#').next().filter(|_| !line.contains(" #")).unwrap_or(line);
            if !line.trim().is_empty() && !line.starts_with('#') {
                story.line(line);
            }
        }
        let others = words_of_others(&script);
        for d in &story.decisions {
            let reason = match d {
                Decision::Verdict(v) => &*v.reason,
                Decision::Alarm(a) => &a.reason,
                Decision::Incident(i) => &i.reason,
                Decision::Intent(_) => continue,
            };
            read += 1;
            for clause in model::sentence::unknown_clauses(reason) {
                if !others.iter().any(|o| o == clause) {
                    missing.insert(clause.to_owned());
                }
            }
        }
    }
    assert!(read > 500, "only {read} reasons were read");
    let missing: Vec<String> = missing.into_iter().collect();
    assert!(
        missing.is_empty(),
        "failed: these clauses have no line in SENTENCES of crates/model/src/sentence.rs, add them: {missing:#?}"
    );
}

/// The summaries of other monitors, which nobody translates.
fn words_of_others(script: &str) -> Vec<String> {
    let problem = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.first() == Some(&"problem")).then(|| words[5..].join(" "))
    };
    script.lines().filter_map(problem).collect()
}
