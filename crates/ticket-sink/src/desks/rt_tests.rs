use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

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

fn said(status: u16, body: &str) -> Reply {
    let html = body.trim_start().starts_with('<');
    Reply::Said(Said {
        status,
        location: None,
        html,
        body: body.to_owned(),
        excerpt: format!("HTTP {status}"),
    })
}

/// A recorded answer of a real RT 5, or `None` (and says so) where the recordings are not there.
fn capture(name: &str) -> Option<Reply> {
    let shared = std::env::var_os("KENTONGAN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = shared.join("peers/rt-captures").join(name);
    let Ok(text) = std::fs::read_to_string(&file) else {
        let must = std::env::var("KENTONGAN_NO_SKIP").is_ok_and(|v| v == "1");
        assert!(!must, "{} is missing", file.display());
        eprintln!("SKIPPED: {} is missing (KENTONGAN_SHARED names its folder)", file.display());
        return None;
    };
    let (_, answer) = text.split_once("\nHTTP ").expect("a capture has an answer");
    let (head, body) = answer.split_once("\n\n").expect("and its body");
    let status = head[..3].parse().unwrap();
    let location = head.lines().find_map(|l| l.strip_prefix("Location: ")).map(str::to_owned);
    match said(status, body) {
        Reply::Said(said) => Some(Reply::Said(Said { location, ..said })),
        other => Some(other),
    }
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
    let Outcome::Done((operations, _)) = Mapping::operations(capture("22-history.txt").unwrap())
    else {
        panic!()
    };
    assert_eq!(operations, Vec::<String>::new());
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

proptest! {
    #[test]
    fn no_answer_makes_us_stumble(status in 100u16..600, body in ".{0,200}") {
        let map = mapping();
        let reply = || said(status, &body);
        if !matches!(map.created(reply()), Outcome::Done(_)) {
            prop_assert!(status != 201 || serde_json::from_str::<Value>(&body).map_or(true, |v| v.get("id").is_none()));
        }
        let _ = (map.rows("k", reply()), map.snapshot(reply()), Mapping::operations(reply()));
        let _ = (Mapping::noted(reply()), Mapping::sentences(reply()));
    }

    #[test]
    fn no_json_makes_us_stumble(value in json_value()) {
        let map = mapping();
        let body = value.to_string();
        for wrapped in [body.clone(), format!("{{\"items\":[{body}]}}"), format!("{{\"CustomFields\":{body},\"Status\":\"x\",\"id\":1}}")] {
            let reply = || said(200, &wrapped);
            let _ = (map.rows("k", reply()), map.snapshot(reply()), Mapping::operations(reply()));
            let _ = Mapping::sentences(reply());
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("id".to_owned()),
        Just("Status".to_owned()),
        Just("items".to_owned()),
        Just("CustomFields".to_owned()),
        Just("name".to_owned()),
        Just("values".to_owned()),
        Just("Content".to_owned()),
        ".{0,6}",
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
