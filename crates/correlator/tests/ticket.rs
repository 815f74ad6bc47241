//! What stands on a ticket: everything that whoever is on duty would look for first, once, and how
//! it ended.

mod story;

use model::{Decision, Intent, IntentOp};
use story::Story;

/// An office whose switch fails twice: the first time somebody writes what helped.
fn twice(more: &[&str]) -> Story {
    let mut story = Story::default();
    for line in [
        "site semarang users=1200",
        "site noc",
        "device noc/rtr1 class=router",
        "device semarang/sw1 vital class=switch",
        "device semarang/h1",
        "link noc/rtr1 semarang/sw1",
        "link semarang/sw1 semarang/h1",
        "service samsat vital semarang/h1",
        "probe noc-1 noc/rtr1",
        "set public_url=https://noc.example.org",
        "set runbook=switch,https://wiki.example.org/switch",
    ]
    .iter()
    .chain(more)
    .chain(&["run 1m", "break semarang/sw1", "run 5m"])
    {
        story.line(line);
    }
    let first = incident(&story).to_owned();
    for line in [
        format!("note {first} sari listrik padam"),
        format!("resolve {first} budi ganti SFP di port 24"),
        // What is written of it afterwards says less than why it was resolved.
        format!("note {first} sari terima kasih"),
        "mend semarang/sw1".into(),
        "run 20m".into(),
        "maintenance chg-9 semarang/h1 1h in=3h".into(),
        "maintenance far noc 1h in=90h".into(),
        "break semarang/sw1".into(),
        "run 5m".into(),
        "mend semarang/sw1".into(),
        "run 5m".into(),
    ] {
        story.line(&line);
    }
    story
}

fn intents(story: &Story) -> impl DoubleEndedIterator<Item = &Intent> {
    story.decisions.iter().filter_map(|d| match d {
        Decision::Intent(i) if i.op != IntentOp::Notify => Some(&**i),
        _ => None,
    })
}

fn incident(story: &Story) -> &str {
    intents(story).next().expect("there is one").incident.as_str()
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let of = |l: &&str| l.split_once(": ").is_some_and(|(n, _)| n == name);
    text.lines().find(of).unwrap_or_else(|| panic!("no line {name} in:\n{text}"))
}

#[test]
fn a_ticket_says_what_whoever_is_on_duty_would_look_for() {
    let story = twice(&[]);
    let creates: Vec<&Intent> = intents(&story).filter(|i| i.op == IntentOp::Create).collect();
    assert_eq!(creates.len(), 2, "{}", story.out);
    let (first, second) = (creates[0], creates[1]);
    assert!(!first.text.contains("Pernah terjadi"), "{}", first.text);
    let t = second.text.as_str();
    assert!(second.title.starts_with("[P1] "), "{}", second.title);
    let where_ = line(t, "Di mana");
    assert!(where_.contains("semarang/sw1 (switch, 192.0.2.1), semarang"), "{where_}");
    assert!(line(t, "Sejak").contains("WIB"), "{t}");
    assert!(line(t, "Terlihat").contains("icmp"), "{t}");
    assert!(line(t, "Layanan terdampak").ends_with(": 1 — samsat"), "{t}");
    assert!(line(t, "Perangkat terdampak").ends_with(": 2 — semarang/h1, semarang/sw1"), "{t}");
    let near = line(t, "Tetangga");
    assert!(near.contains("noc/rtr1 menjawab") || near.contains("semarang/h1 tidak menjawab"));
    let window = line(t, "Pemeliharaan di sekitar");
    assert!(window.contains("planned (sari)") && !window.contains("far"), "{window}");
    let past = line(t, "Pernah terjadi");
    assert!(past.contains(first.incident.as_str()), "{past}");
    assert!(past.ends_with("— budi: ganti SFP di port 24"), "{past}");
    assert_eq!(line(t, "Panduan"), "Panduan: https://wiki.example.org/switch");
    let link = format!("Tautan: https://noc.example.org/incident/{}", second.incident);
    assert_eq!(line(t, "Tautan"), link);
    assert_eq!(t.matches("Pernah terjadi").count(), 1);
}

#[test]
fn how_it_ended_is_said_with_how_long_it_was_and_what_shows_it() {
    let story = twice(&["set english=1"]);
    let last = intents(&story).rfind(|i| i.op == IntentOp::Resolve).expect("resolved");
    let t = last.text.as_str();
    assert!(t.starts_with("Restored. Nothing of it fails any more. It lasted 5m"), "{t}");
    assert!(line(t, "Since").contains(" – "), "{t}");
    let evidence = line(t, "Evidence");
    assert!(evidence.contains("semarang/sw1 icmp: good, 2026-11-24"), "{evidence}");
    // The change, not the whole again.
    assert!(!t.contains("Runbook") && !t.contains("Neighbours"), "{t}");
    let by_hand = intents(&story).find(|i| i.op == IntentOp::Resolve).expect("resolved");
    assert!(by_hand.text.starts_with("Resolved by budi: ganti SFP di port 24\n"));
    assert!(line(&by_hand.text, "Since the first sign").contains('m'), "{}", by_hand.text);
}

#[test]
fn a_rule_names_the_team_and_is_counted_when_it_is_the_wrong_one() {
    let mut story = twice(&[
        "route first site=elsewhere team=Helpdesk",
        "route switches class=switch team=Jaringan",
        "route late class=switch team=Nobody",
    ]);
    let creates: Vec<&Intent> = intents(&story).filter(|i| i.op == IntentOp::Create).collect();
    assert_eq!(line(&creates[0].text, "Tim"), "Tim: Jaringan");
    let (first, second) = (creates[0].incident.clone(), creates[1].incident.clone());
    story.line(&format!("misroute {first} sari team=Pusat-Data server"));
    story.line(&format!("misroute {first} budi"));
    story.line(&format!("misroute {second} budi"));
    let core = story.core();
    assert_eq!(core.routed(&second), Some("switches"));
    let counted: Vec<_> = core.misroutes().iter().collect();
    assert_eq!(counted, [(&"switches".to_owned(), &2)]);
    let note = intents(&story).find(|i| i.text.contains("Salah tim")).expect("a note");
    assert_eq!(note.text, "Salah tim, menurut sari: Pusat-Data: server");
}

#[test]
fn what_no_rule_takes_goes_where_everything_does() {
    let mut story = twice(&["route nobody site=elsewhere"]);
    let id = intents(&story).next().expect("there is one").incident.clone();
    let core = story.core();
    assert_eq!(core.routed(&id), Some(model::route::DEFAULT_ROUTE));
    assert!(core.route_of(&id).is_none());
}
