//! The bare words of a message that the model does not spell itself, and what to say when a word
//! is not one of them.

use model::{DeskChange, Severity, SignalState};

pub(crate) const KINDS: &[&str] =
    &["observation", "signal", "command", "desk", "config", "gap", "tick"];
pub(crate) const OUTCOMES: &[&str] = &["reply", "no-reply", "failed"];
pub(crate) const STATES: &[&str] = &["problem", "ok"];
pub(crate) const SEVERITIES: &[&str] = &["info", "warning", "average", "high", "disaster"];
pub(crate) const OPERATIONS: &[&str] = &[
    "acknowledge",
    "note",
    "resolve",
    "reprioritise",
    "misroute",
    "maintenance",
    "silence",
    "end-window",
];
pub(crate) const DESK_CHANGES: &[&str] =
    &["taken", "noted", "closed", "reopened", "reprioritised", "merged", "deleted"];
pub(crate) const PRIORITIES: &[&str] = &["P1", "P2", "P3", "P4"];

/// A severity as messages, metrics and people spell it.
pub const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Average => "average",
        Severity::High => "high",
        Severity::Disaster => "disaster",
    }
}

pub(crate) fn severity(word: &str) -> Option<Severity> {
    Some(match word {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        "average" => Severity::Average,
        "high" => Severity::High,
        "disaster" => Severity::Disaster,
        _ => return None,
    })
}

pub(crate) const fn state_word(state: SignalState) -> &'static str {
    match state {
        SignalState::Problem => "problem",
        SignalState::Ok => "ok",
    }
}

pub(crate) fn state(word: &str) -> Option<SignalState> {
    Some(match word {
        "problem" => SignalState::Problem,
        "ok" => SignalState::Ok,
        _ => return None,
    })
}

/// What a person did to a ticket, as messages spell it.
pub const fn desk_change_word(change: DeskChange) -> &'static str {
    match change {
        DeskChange::Taken => "taken",
        DeskChange::Noted => "noted",
        DeskChange::Closed => "closed",
        DeskChange::Reopened => "reopened",
        DeskChange::Reprioritised => "reprioritised",
        DeskChange::Merged => "merged",
        DeskChange::Deleted => "deleted",
    }
}

pub(crate) fn desk_change(word: &str) -> Option<DeskChange> {
    Some(match word {
        "taken" => DeskChange::Taken,
        "noted" => DeskChange::Noted,
        "closed" => DeskChange::Closed,
        "reopened" => DeskChange::Reopened,
        "reprioritised" => DeskChange::Reprioritised,
        "merged" => DeskChange::Merged,
        "deleted" => DeskChange::Deleted,
        _ => return None,
    })
}

/// The allowed word that was probably meant, if one is close enough to be worth saying.
pub fn did_you_mean<'w>(wrong: &str, allowed: &[&'w str]) -> Option<&'w str> {
    if wrong.len() > 64 {
        return None;
    }
    let wrong = wrong.to_lowercase().replace(['_', ' '], "-");
    let near = |w: &str| {
        // `rtt_ms`-like keys and `no-reply`-like words are compared without regard to the dash.
        strsim::damerau_levenshtein(&wrong, &w.to_lowercase().replace('_', "-"))
    };
    let (distance, word) = allowed.iter().map(|w| (near(w), *w)).min_by_key(|(d, _)| *d)?;
    // A third of the word may be wrong, two letters at most.
    (distance <= 2 && distance * 3 <= word.len().max(3)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for w in SEVERITIES {
            assert_eq!(severity(w).map(severity_word), Some(*w));
        }
        for w in STATES {
            assert_eq!(state(w).map(state_word), Some(*w));
        }
        for w in DESK_CHANGES {
            assert_eq!(desk_change(w).map(desk_change_word), Some(*w));
        }
        for w in PRIORITIES {
            assert_eq!(model::Priority::from_word(w).map(model::Priority::word), Some(*w));
        }
    }

    #[test]
    fn near_misses_are_recognised_and_strangers_are_not() {
        assert_eq!(did_you_mean("observaton", KINDS), Some("observation"));
        assert_eq!(did_you_mean("noreply", OUTCOMES), Some("no-reply"));
        assert_eq!(did_you_mean("No_Reply", OUTCOMES), Some("no-reply"));
        assert_eq!(did_you_mean("HIGH", SEVERITIES), Some("high"));
        assert_eq!(did_you_mean("trap", KINDS), None);
        assert_eq!(did_you_mean("", KINDS), None);
    }
}
