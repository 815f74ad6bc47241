use super::*;
use proptest::prelude::*;
use serde_json::json;

const GOOD: &str = r#"
    name = "odd"
    kind = "generic"
    url = "https://desk.example.org/"
    token = "rahasia-1-2-3"
    resolved_status = "done"
    headers = { X-Auth = "key {{ token }}" }

    [find]
    url = "{{ base }}/api?k={{ key | urlencode }}"
    items = "data"
    id = "id"
    key = "key"
    status = "state"
    absent = [404]

    [create]
    url = "{{ base }}/api"
    body = { t = "{{ title }}", p = "{{ priority }}", b = "{{ text }}", k = "{{ key }}" }
    id = "result.0.id"
    ticket_url = "{{ base }}/t/{{ id }}"

    [read]
    url = "{{ base }}/api/{{ ticket }}"
    key = "key"
    status = "state"
"#;

fn config(text: &str) -> DeskConfig {
    toml::from_str(text).unwrap()
}

fn said(status: u16, body: &str) -> Reply {
    let html = body.trim_start().starts_with('<');
    let excerpt = format!("HTTP {status}");
    Reply::Said(Said { status, location: None, html, body: body.to_owned(), excerpt })
}

fn mapping() -> Mapping {
    let (map, problems) = Mapping::new(&config(GOOD));
    assert_eq!(problems, []);
    map
}

#[test]
fn a_good_configuration_has_no_problems_and_says_what_it_cannot() {
    let config = config(GOOD);
    assert_eq!(config.problems(), []);
    let can = abilities(&config);
    assert!(can.find && can.read && !can.read_notes && !can.note && !can.priority && !can.resolve);
}

#[test]
fn what_is_wrong_is_found_at_the_start_with_its_key() {
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            "{{ base }}/api?k={{ key | urlencode }}",
            "{{ base }}/api?k={{ kee }}",
            "find.url",
            "undefined value",
        ),
        ("{{ base }}/api?k={{ key | urlencode }}", "{{ base }/api", "find.url", "syntax error"),
        ("{{ base }}/api?k={{ key | urlencode }}", "/api?k={{ key }}", "find.url", "no address"),
        ("\"{{ title }}\"", "\"{{ title\"", "create.body.t", "syntax error"),
        ("\"{{ title }}\"", "\"{{ ticket }}\"", "create.body.t", "there is no ticket"),
        ("key {{ token }}", "key {{ password }}", "headers.X-Auth", "undefined value"),
        ("key {{ token }}", "key {{ key }}", "headers.X-Auth", "undefined value"),
        ("    absent = [404]", "    method = \"FETCH\"", "find.method", "must be GET"),
        ("    id = \"id\"\n", "", "find.id", "is missing"),
        ("resolved_status = \"done\"", "", "resolved_status", "is missing"),
        ("id = \"result.0.id\"", "", "create.id", "is missing"),
        ("https://desk.example.org/", "https://u:p@desk.example.org/", "url", "must not carry"),
        (
            "url = \"https://desk",
            "timeout = \"10\"\n    url = \"https://desk",
            "timeout",
            "not a duration",
        ),
        ("resolved_status", "key_field = \"x\"\n    resolved_status", "key_field", "has no use"),
        (
            "{ t = \"{{ title }}\", p = \"{{ priority }}\", b = \"{{ text }}\", k = \"{{ key }}\" }",
            "'{\"t\": \"{{ title }}\"}'",
            "create.body",
            "makes no JSON",
        ),
    ];
    for (from, to, key, what) in cases {
        assert!(GOOD.contains(from), "{from}");
        let problems = config(&GOOD.replace(from, to)).problems();
        assert!(
            problems.iter().any(|p| p.key == *key && p.message.contains(what)),
            "{to}: {key}: {what}: {problems:?}"
        );
        assert!(problems.iter().all(|p| !p.to_string().contains("rahasia")));
    }
}

#[test]
fn answers_are_read_by_their_paths() {
    let map = mapping();
    let found = map.rows(said(
        200,
        r#"{"data":[{"id":7,"key":"kent-a","state":"new"},{"id":"8","key":"x","state":"done"}]}"#,
    ));
    let Outcome::Done(rows) = found else { panic!("{found:?}") };
    assert_eq!(
        rows.iter().map(|r| (&*r.ticket.id, r.open)).collect::<Vec<_>>(),
        [("7", true), ("8", false)]
    );
    assert_eq!(map.rows(said(404, "")), Outcome::Done(Vec::new()));
    let created = map.created(said(200, r#"{"result":[{"id":12}]}"#));
    let Outcome::Done(ticket) = created else { panic!("{created:?}") };
    assert_eq!(ticket.url.as_deref(), Some("https://desk.example.org/t/12"));
    for body in ["", "{}", "<html>", "{\"data\":7}", "{\"data\":[{}]}", "{\"data\":[{\"id\":1}]}"] {
        assert!(matches!(map.rows(said(200, body)), Outcome::Unknown { .. }), "{body}");
        assert!(matches!(map.created(said(201, body)), Outcome::Unknown { .. }), "{body}");
        assert!(matches!(map.snapshot(said(200, body), false), Outcome::Unknown { .. }), "{body}");
    }
}

#[test]
fn paths_are_pointers_or_dotted() {
    let value = json!({ "a": { "b.c": [10, { "d": true }] }, "x": [["y"]] });
    assert_eq!(at(&value, "/a/b.c/1/d"), Some(&json!(true)));
    assert_eq!(at(&value, "x.0.0"), Some(&json!("y")));
    assert_eq!(at(&value, ""), Some(&value));
    assert_eq!(at(&value, "x.9.0"), None);
    assert_eq!(at(&value, "x.y"), None);
}

proptest! {
    #[test]
    fn no_answer_and_no_path_make_us_stumble(status in 100u16..600, body in ".{0,120}", path in "[/.a-d0-9~]{0,12}") {
        let map = mapping();
        let reply = || said(status, &body);
        let _ = (map.rows(reply()), map.created(reply()), map.snapshot(reply(), true));
        let value = json!({ "a": [{ "b": 1 }, [2, 3]], "c": { "d": "x" } });
        let _ = at(&value, &path);
    }

    #[test]
    fn whatever_stands_in_a_ticket_the_request_is_json(title in ".{0,60}", text in "(?s).{0,200}", key in "[a-z0-9-]{1,32}") {
        let map = mapping();
        let draft = Draft { key, incident: "k7f3-1".into(), title, text, priority: Priority::P1, group: None, category: Some("7".into()) };
        let ask = map.request(map.create.as_ref().unwrap(), map.draft_context(&draft)).unwrap();
        let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
        prop_assert_eq!(&body["t"], &json!(draft.title));
        prop_assert_eq!(&body["b"], &json!(draft.text));
    }

    #[test]
    fn an_address_carries_any_key(key in ".{0,40}") {
        let map = mapping();
        let ask = map.request(map.find.as_ref().unwrap(), Context::from([("key", key.as_str().into())])).unwrap();
        let url = reqwest::Url::parse(&ask.url).unwrap();
        let (_, read) = url.query_pairs().next().unwrap();
        prop_assert_eq!(read.into_owned(), key);
    }
}
