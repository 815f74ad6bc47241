use super::*;
use crate::desks::recorded::{json_value, said};
use proptest::prelude::*;

fn mapping() -> Mapping {
    let config: DeskConfig = toml::from_str(
        r#"
        name = "rt"
        kind = "rt"
        url = "http://127.0.0.1:8084/"
        queue = "Network"
        requestor = "noc@example.org"
        token = "1-2-abc"
        "#,
    )
    .unwrap();
    assert_eq!(config.problems(), []);
    Mapping::new(&config)
}

fn capture(name: &str) -> Option<Reply> {
    crate::desks::recorded::capture("rt-captures", name)
}

#[test]
fn a_draft_becomes_the_request_that_rt_wants() {
    let map = mapping();
    let draft = Draft {
        key: "kent-abc".into(),
        incident: "k7f3-1".into(),
        title: "é 😀".into(),
        text: "isi\n\n[kent:kent-abc]".into(),
        priority: Priority::P2,
        group: None,
        category: None,
    };
    let ask = map.create(&draft);
    assert_eq!(
        (ask.method, ask.url.as_str()),
        (Method::POST, "http://127.0.0.1:8084/REST/2.0/ticket")
    );
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "Queue": "Network", "Subject": "é 😀", "Content": "isi\n\n[kent:kent-abc]",
            "ContentType": "text/plain", "Priority": 50, "Requestor": "noc@example.org",
            "CustomFields": { "AlertKey": "kent-abc" },
        })
    );
    let routed = map.create(&Draft { group: Some("Server".into()), ..draft });
    assert!(routed.body.unwrap().contains("\"Queue\":\"Server\""));
    assert!(map.find("kent-abc").url.ends_with(
        "/tickets?query=CF.%7BAlertKey%7D%20%3D%20%27kent-abc%27&fields=Status,Priority,CustomFields&per_page=100"
    ));
}

#[test]
fn a_real_rt_is_understood() {
    let map = mapping();
    let key = "zabbix:e2e:32";
    let Some(created) = capture("05-create.txt") else { return };
    let Outcome::Done(ticket) = map.created(created) else { panic!() };
    assert_eq!(ticket.id, "4");
    assert_eq!(ticket.url.as_deref(), Some("http://127.0.0.1:8084/Ticket/Display.html?id=4"));

    let refused = map.created(capture("06-create-bad-queue.txt").unwrap());
    assert!(matches!(refused, Outcome::Rejected { retry: false, .. }));
    for name in ["07-create-bad-json.txt", "08-create-wrong-type.txt", "03-bad-auth.txt"] {
        let refused = map.created(capture(name).unwrap());
        assert!(matches!(refused, Outcome::Rejected { retry: false, .. }), "{name}");
    }

    let Outcome::Done(rows) = map.rows(key, capture("09-search-cf.txt").unwrap()) else { panic!() };
    let seen: Vec<_> = rows.iter().map(|r| (r.ticket.id.as_str(), r.open)).collect();
    assert_eq!(seen, [("1", true), ("4", true)]);
    assert!(rows.iter().all(|r| r.key.as_deref() == Some(key)));
    let none = map.rows(key, capture("10-search-cf-post.txt").unwrap());
    assert_eq!(none, Outcome::Done(Vec::new()));
    let wrong = map.rows(key, capture("11-search-syntax-error.txt").unwrap());
    assert!(matches!(wrong, Outcome::Rejected { .. }), "a failed search is not an empty one");
    // Without the fields that were asked for, a row has no key and proves nothing.
    let Outcome::Done(rows) = map.rows(key, capture("21-search-after.txt").unwrap()) else {
        panic!()
    };
    assert_eq!(rows[0].key, None);

    let Outcome::Done(read) = map.snapshot(capture("12-read.txt").unwrap()) else { panic!() };
    assert_eq!((read.key.as_deref(), read.open), (Some(key), true));
    assert_eq!(read.priorities, [], "80 is none of ours");
    let gone = map.snapshot(capture("28-not-found.txt").unwrap());
    assert!(matches!(gone, Outcome::Done(seen) if seen.gone));

    assert_eq!(Mapping::noted(capture("13-comment.txt").unwrap()), Outcome::Done(()));
    let sentence = Mapping::sentences(capture("18-bad-status.txt").unwrap()).unwrap();
    assert!(sentence.contains("isn't a valid status"), "{sentence}");
    let nothing = Mapping::sentences(capture("20-resolve-again.txt").unwrap()).unwrap();
    assert!(nothing.starts_with("nothing changed"));
    let Outcome::Done((written, _)) = Mapping::written(capture("22-history.txt").unwrap()) else {
        panic!()
    };
    assert!(written.is_empty(), "a history is no list of attachments");
}

#[test]
fn hostile_answers_are_no_success() {
    let map = mapping();
    for body in ["", "{", "[]", "{}", "null", "<html>login</html>", "{\"id\":[]}", "{\"id\":\"\"}"]
    {
        let created = map.created(said(201, body));
        assert!(matches!(created, Outcome::Unknown { .. }), "{body}: {created:?}");
        let rows = map.rows("k", said(200, body));
        assert!(matches!(rows, Outcome::Unknown { .. }), "{body}: {rows:?}");
        let read = map.snapshot(said(200, body));
        assert!(matches!(read, Outcome::Unknown { .. }), "{body}: {read:?}");
    }
    let moved = Said {
        location: Some("/REST/2.0/ticket/12".into()),
        ..match said(201, "{}") {
            Reply::Said(said) => said,
            _ => unreachable!(),
        }
    };
    let Outcome::Done(ticket) = map.created(Reply::Said(moved)) else { panic!() };
    assert_eq!(ticket.id, "12");
    let no_id = map.rows("k", said(200, r#"{"items":[{"Status":"open"}]}"#));
    assert!(matches!(no_id, Outcome::Unknown { .. }));
}

#[test]
fn statuses_and_priorities_are_read_as_configured() {
    let mut map = mapping();
    let read = |map: &Mapping, status: &str, priority: Value| {
        let body = json!({ "id": 1, "Status": status, "Priority": priority }).to_string();
        let Outcome::Done(s) = map.snapshot(said(200, &body)) else { panic!() };
        (s.open, s.priorities)
    };
    assert_eq!(read(&map, "new", json!("100")), (true, vec![Priority::P1]));
    assert_eq!(read(&map, "stalled", json!(50)), (true, vec![Priority::P2]));
    for closed in ["resolved", "rejected", "deleted"] {
        assert!(!read(&map, closed, json!("0")).0);
    }
    map.numbers = [100, 50, 50];
    assert_eq!(read(&map, "open", json!("50")).1, [Priority::P2, Priority::P3]);
}

const NAMES: &[&str] = &["id", "Status", "items", "CustomFields", "name", "values", "Content"];

proptest! {
    #[test]
    fn no_answer_makes_us_stumble(status in 100u16..600, body in ".{0,200}") {
        let map = mapping();
        let reply = || said(status, &body);
        if !matches!(map.created(reply()), Outcome::Done(_)) {
            prop_assert!(status != 201 || serde_json::from_str::<Value>(&body).map_or(true, |v| v.get("id").is_none()));
        }
        let _ = (map.rows("k", reply()), map.snapshot(reply()), Mapping::written(reply()));
        let _ = (Mapping::noted(reply()), Mapping::sentences(reply()));
    }

    #[test]
    fn no_json_makes_us_stumble(value in json_value(NAMES)) {
        let map = mapping();
        let body = value.to_string();
        for wrapped in [body.clone(), format!("{{\"items\":[{body}]}}"), format!("{{\"CustomFields\":{body},\"Status\":\"x\",\"id\":1}}")] {
            let reply = || said(200, &wrapped);
            let _ = (map.rows("k", reply()), map.snapshot(reply()), Mapping::written(reply()));
            let _ = (Mapping::sentences(reply()), Mapping::notes_in_history(reply()));
            let _ = Mapping::changes(reply());
        }
    }
}

/// As a real 5.0.3 says it.
#[test]
fn what_people_did_is_read_as_it_is() {
    let map = mapping();
    let ticket = r#"{"id":7,"EffectiveId":{"id":"7"},"Status":"open","Priority":"30",
        "Owner":{"type":"user","id":"OWNER"},"Creator":{"id":"middleware"},"LastUpdatedBy":{"id":"LAST"},
        "LastUpdated":"2026-11-24T22:12:46Z","CustomFields":[{"name":"AlertKey","values":["kx-1"]}]}"#;
    let seen = |owner: &str, last: &str| {
        let body = ticket.replace("OWNER", owner).replace("LAST", last);
        let Outcome::Done(seen) = map.seen(said(200, &body)) else { panic!("{body}") };
        seen
    };
    let (nobody, ours) = seen("Nobody", "middleware");
    assert_eq!((nobody.owner, nobody.last), (None, None));
    assert_eq!(ours.as_deref(), Some("middleware"));
    assert_eq!(nobody.priorities, [], "30 is none of ours");
    assert_eq!(nobody.changed.as_deref(), Some("2026-11-24T22:12:46Z"));
    assert_eq!(nobody.merged_into.map(|t| t.id).as_deref(), Some("7"), "the one that answers");
    let (taken, _) = seen("sari", "sari");
    assert_eq!((taken.owner.as_deref(), taken.last.as_deref()), (Some("sari"), Some("sari")));
    assert_eq!(seen("middleware", "x").0.owner, None, "what is ours nobody took");

    let page = r#"{"items":[
        {"id":"2","TransactionId":"40","Content":"ours [kent-op:a.1]","ContentType":"text/plain","Creator":{"id":"middleware"}},
        {"id":"3","TransactionId":"44","Content":"teknisi berangkat","ContentType":"text/plain","Creator":{"id":"sari"}},
        {"id":"4","TransactionId":"45","Content":"<p>teknisi</p>","ContentType":"text/html","Creator":{"id":"sari"}},
        {"id":"5","TransactionId":"46","Content":"[kent-op:a.1] quoted","ContentType":"text/plain","Creator":{"id":"sari"}},
        {"id":"6","TransactionId":"47","Content":"copy of a mail","ContentType":"text/plain","Creator":{"id":"RT_System"}}],
        "per_page":100}"#;
    let Outcome::Done((written, more)) = Mapping::written(said(200, page)) else { panic!() };
    assert!(!more);
    let theirs = written.iter().filter(|w| Mapping::is_of_a_person(w, Some("middleware")));
    assert_eq!(theirs.map(|w| w.id.as_str()).collect::<Vec<_>>(), ["3"]);
    let history = r#"{"items":[{"id":"44","Type":"Comment"},{"id":"45","Type":"EmailRecord"}],"per_page":100}"#;
    let notes = Mapping::notes_in_history(said(200, history));
    assert_eq!(notes, Outcome::Done((vec!["44".to_owned()], false)));

    let list =
        r#"{"items":[{"id":"9","LastUpdated":"2026-11-24T22:12:46Z"},{"id":"7"}],"per_page":2}"#;
    let Outcome::Done(changes) = Mapping::changes(said(200, list)) else { panic!() };
    assert!(!changes.complete, "there may be more");
    assert_eq!(changes.rows.len(), 1, "a row that does not say when says nothing");
    assert!(matches!(Mapping::changes(said(200, "<html>")), Outcome::Unknown { .. }));
}
