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
