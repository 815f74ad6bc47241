//! What `explain` says of a story, in both languages, and the proof that it is true.
//!
//! A file of `tests/explain/` is a story with questions in it: `explain event` (the last one of the
//! story so far), `explain event N`, `why-not TARGET`. The answers stand below the line;
//! `KENTONGAN_BLESS=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "a story that cannot be read is a broken test")]

mod manual;
mod story;

use correlator::Correlator;
use correlator::explain::{Answer, Became, Explanation, Had, Otherwise, explain};
use model::settings::Language;
use model::{Event, Kind, Outcome, Reader, Verdict};
use std::fmt::Write as _;
use std::path::Path;
use story::Story;

#[test]
fn every_explanation_reads_as_it_is_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "at least eight situations are explained");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, answer) = text.split_once("\n----\n").unwrap_or((text.trim_end(), ""));
        let said = told(script);
        if said != answer {
            if std::env::var_os("KENTONGAN_BLESS").is_some() {
                std::fs::write(&file, format!("{script}\n----\n{said}")).unwrap();
            } else {
                let same = answer.lines().zip(said.lines()).take_while(|(a, b)| a == b).count();
                wrong.push(format!(
                    "{}: line {}\n  expected: {:?}\n  got:      {:?}",
                    file.display(),
                    same + 1,
                    answer.lines().nth(same),
                    said.lines().nth(same)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n(KENTONGAN_BLESS=1 writes the answers anew)", wrong.join("\n"));
}

fn told(script: &str) -> String {
    let mut story = Story::default();
    let mut out = String::new();
    for line in script.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let e = match words[..] {
            ["explain", "event"] => of_event(&story, story.events.len() as u64),
            ["explain", "event", n] => of_event(&story, n.parse().unwrap()),
            ["why-not", target] => story.core().why_not(target),
            _ => {
                story.line(line);
                continue;
            }
        };
        let _ = writeln!(out, "=== {line}");
        for language in [Language::En, Language::Id] {
            show(&mut out, &e, &Reader::from(language));
        }
    }
    out
}

fn show(out: &mut String, e: &Explanation, reader: &Reader) {
    let said = e.said(reader);
    let parts = [
        ("", &said.because),
        ("rule: ", &said.rules),
        ("input: ", &said.inputs),
        ("then: ", &said.chain),
        ("otherwise: ", &said.otherwise),
    ];
    for (mark, lines) in parts {
        for line in lines {
            let _ = writeln!(out, "{mark}{line}");
        }
    }
    out.push('\n');
}

/// The core as it was before event `n` of the story.
fn before(story: &Story, n: u64) -> Correlator {
    let mut core = story.untouched();
    for (number, event) in (1..n).zip(&story.events) {
        core.handle_event(number, event);
        while core.poll_decision().is_some() {}
        while core.poll_ask().is_some() {}
    }
    core
}

fn of_event(story: &Story, n: u64) -> Explanation {
    explain(&before(story, n), n, &story.events[n as usize - 1])
}

/// What events come to, one after the other, from before event `n` on.
fn verdicts(story: &Story, n: u64, events: &[Event<'static>]) -> Vec<Verdict> {
    let mut core = before(story, n);
    let mut given = Vec::new();
    for (number, event) in (n..).zip(events) {
        core.handle_event(number, event);
        while let Some(d) = core.poll_decision() {
            if let model::Decision::Verdict(v) = d
                && v.event == number
            {
                given.push(v.verdict);
            }
        }
        while core.poll_ask().is_some() {}
    }
    given
}

/// The same event, with another value in it.
fn with_value(event: &Event<'static>, name: &str, value: f64) -> Event<'static> {
    let mut event = event.clone();
    if let Kind::Observation(o) = &mut event.kind
        && let Outcome::Reply(values) = &mut o.outcome
    {
        values.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value);
    }
    event
}

/// What is said of a value and of the samples that were missing is done here once more by hand, with
/// nothing but events: at the bound it is otherwise, and a step before the bound it is not.
fn prove(e: &Explanation, n: u64, event: &Event<'static>, story: &Story) -> usize {
    let Answer::Event { verdict, .. } = &e.answer else { return 0 };
    let mut proved = 0;
    for Otherwise { had, became } in &e.otherwise {
        let Became::Verdict { verdict: other } = became else { continue };
        match had {
            Had::Value { name, bound, was, .. } => {
                let at = with_value(event, name, *bound);
                assert_eq!(verdicts(story, n, &[at]), [*other], "{had:?}");
                let step = 0.05 * (was - bound);
                let short = with_value(event, name, bound + step);
                assert_eq!(verdicts(story, n, &[short]), [*verdict], "a step before {had:?}");
            }
            Had::More { samples, .. } => {
                let Kind::Observation(o) = &event.kind else { continue };
                let interval = story.interval(&o.check);
                let events: Vec<Event<'static>> = (0..=*samples as u32)
                    .map(|i| (i, event.at + interval * i))
                    .map(|(i, at)| match i {
                        0 => event.clone(),
                        _ => Event { at, received: event.received.map(|_| at), ..event.clone() },
                    })
                    .collect();
                let given = verdicts(story, n, &events);
                assert_eq!(given.last(), Some(other), "{had:?}");
                assert!(
                    given[..*samples].iter().all(|v| v != other),
                    "fewer do: {had:?} {given:?}"
                );
            }
            _ => continue,
        }
        proved += 1;
    }
    proved
}

/// Every event of every script of the correlator is explained: the verdict is the one that was
/// given, the explaining leaves no trace, and every `otherwise` is something else than what was.
#[test]
fn every_event_of_every_story_is_explained_without_a_trace() {
    let (mut events, mut changes, mut proved) = (0, 0, 0);
    for script in manual::scripts() {
        // What changes the inventory on the way cannot be run again without it.
        if script.lines().any(|l| l.starts_with("remove") || l.starts_with("restart")) {
            continue;
        }
        let mut story = Story::default();
        for line in script.lines() {
            let line = line.split('#').next().filter(|_| !line.contains(" #")).unwrap_or(line);
            if !line.trim().is_empty() && !line.starts_with('#') {
                story.line(line);
            }
        }
        let mut core = story.untouched();
        let loud = loud_events(&story);
        for (number, event) in (1..).zip(&story.events) {
            if loud.contains(&number) {
                let before = format!("{:?}", core.state());
                let e = explain(&core, number, event);
                assert_eq!(before, format!("{:?}", core.state()), "explaining left a trace");
                events += 1;
                changes += e.otherwise.len();
                check(&e, number, event, &story);
                proved += prove(&e, number, event, &story);
            }
            core.handle_event(number, event);
            while core.poll_decision().is_some() {}
            while core.poll_ask().is_some() {}
        }
    }
    assert!(proved > 50, "{proved} were proved");
    assert!(events > 150 && changes > events, "{changes} changes for {events} events");
}

fn loud_events(story: &Story) -> Vec<u64> {
    let loud = story.decisions.iter().filter_map(|d| match d {
        model::Decision::Verdict(v) if !v.routine => Some(v.event),
        _ => None,
    });
    // A long story repeats itself.
    loud.take(60).collect()
}

fn check(e: &Explanation, number: u64, event: &Event<'static>, story: &Story) {
    let Answer::Event { verdict, .. } = &e.answer else { panic!("{e:?}") };
    let given = story.decisions.iter().find_map(|d| match d {
        model::Decision::Verdict(v) if v.event == number => Some(v.verdict),
        _ => None,
    });
    assert_eq!(given, Some(*verdict), "{event:?}");
    for Otherwise { had, became } in &e.otherwise {
        if let Became::Verdict { verdict: other } = became {
            assert_ne!(other, verdict, "{had:?}");
        }
    }
    for language in [Language::Id, Language::En] {
        let said = e.said(&Reader::from(language));
        assert!(
            !said.because.is_empty() && !said.chain.is_empty() && !said.rules.is_empty(),
            "{e:?}"
        );
    }
}
