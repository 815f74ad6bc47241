use super::*;
use crate::desks::recorded::{json_value, said};
use proptest::prelude::*;

const CONFIG: &str = r#"
    name = "redmine"
    kind = "redmine"
    url = "http://127.0.0.1:8085/"
    queue = "network"
    tracker = "incident"
    token = "bbbbbbbb"
"#;

fn mapping_of(more: &str) -> Mapping {
    let config: DeskConfig = toml::from_str(&format!("{CONFIG}{more}")).unwrap();
    assert_eq!(config.problems(), []);
    Mapping::new(&config)
}

fn mapping() -> Mapping {
    mapping_of("")
}

/// Those of the recorded installation.
fn names() -> Names {
    Names {
        key_field: 1,
        tracker: Some(4),
        resolved: 5,
        open: 2,
        closed: vec![5, 6],
        priorities: [4, 3, 2],
    }
}

fn capture(name: &str) -> Option<Reply> {
    crate::desks::recorded::capture("redmine-captures", name)
}

const KEY: &str = "zabbix:e2e:32";

#[test]
fn names_become_the_numbers_of_the_recorded_installation() {
    let Some(statuses) = capture("07-statuses.txt") else { return };
    let statuses = Mapping::list("issue_statuses", statuses).unwrap();
    let priorities = capture("08-priorities.txt").unwrap();
    let priorities = Mapping::list("issue_priorities", priorities).unwrap();
    let trackers = Mapping::list("trackers", capture("09-trackers.txt").unwrap()).unwrap();
    let fields = capture("05-custom-fields-admin.txt").unwrap();
    let fields = Mapping::list("custom_fields", fields).unwrap();
    let resolved = mapping().resolve(&statuses, &priorities, Some(&trackers), &fields);
    assert_eq!(resolved, Ok(names()));

    let other = mapping_of(
        "resolved_status = \"Resolved\"\npriorities = { P1 = \"Immediate\", P3 = 1 }\nkey_field = \"7\"",
    );
    let other = other.resolve(&statuses, &priorities, Some(&trackers), &Names::the_field(7));
    let want = Names { key_field: 7, resolved: 3, priorities: [5, 3, 1], ..names() };
    assert_eq!(other, Ok(want));

    let wrong = mapping_of("resolved_status = \"Selesai\"\npriorities = { P2 = \"Tinggi\" }");
    let why = wrong.resolve(&statuses, &priorities, Some(&trackers[..1]), &[]).unwrap_err();
    for part in
        ["status \"Selesai\"", "Closed, Rejected", "priority \"Tinggi\"", "field", "tracker"]
    {
        assert!(why.contains(part), "{part} is not in: {why}");
    }
    let issues = Mapping::fields_of_issues(capture("15-search-cf-open.txt").unwrap()).unwrap();
    let issues = mapping().resolve(&statuses, &priorities, Some(&trackers), &issues);
    assert_eq!(issues, Ok(names()), "an issue tells of its fields as well");
    let refused = Mapping::list("custom_fields", capture("06-custom-fields-as-user.txt").unwrap());
    assert!(refused.unwrap_err().contains("custom_fields"));
}

#[test]
fn a_draft_becomes_the_request_that_redmine_wants() {
    let map = mapping();
    let draft = Draft {
        key: "kent-abc".into(),
        incident: "k7f3-1".into(),
        title: "semarang \"é\" 😀".into(),
        text: "baris satu\nbaris dua\n[kent:kent-abc]".into(),
        priority: Priority::P1,
        group: None,
        category: None,
    };
    let ask = map.create(&draft, &names());
    assert_eq!((ask.method, ask.url.as_str()), (Method::POST, "http://127.0.0.1:8085/issues.json"));
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    let want = json!({ "issue": {
        "project_id": "network", "tracker_id": 4, "priority_id": 4, "subject": draft.title,
        "description": draft.text, "custom_fields": [{ "id": 1, "value": "kent-abc" }],
    }});
    assert_eq!(body, want);
    let routed = Draft { group: Some("server".into()), ..draft };
    let body = map.create(&routed, &Names { tracker: None, ..names() }).body.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["issue"]["project_id"], &body["issue"]["tracker_id"]),
        (&json!("server"), &Value::Null)
    );

    let ask = map.find("k&=#é", &names());
    let want = "issues.json?status_id=*&cf_1=k%26%3D%23%C3%A9&limit=100&sort=id";
    assert_eq!(ask.url, format!("http://127.0.0.1:8085/{want}"));
    let note = Note { operation: "o".into(), text: "x".into() };
    assert_eq!(map.said(&note), json!({ "notes": "x" }));
    let private = mapping_of("private_notes = true");
    assert_eq!(private.said(&note), json!({ "notes": "x", "private_notes": true }));
}

#[test]
fn a_subject_is_cut_between_characters() {
    let at_most = "é😀".repeat(127) + "é";
    assert_eq!(subject(&at_most), at_most);
    let cut = subject(&"😀".repeat(10_000));
    assert_eq!(cut.chars().count(), SUBJECT_MAX_CHARS);
    assert!(cut.ends_with("😀…"));
}

#[test]
fn recorded_answers_are_read_as_what_they_are() {
    let map = mapping();
    let Some(created) = capture("10-create.txt") else { return };
    let Outcome::Done(ticket) = map.created(created) else { panic!("a 201 is a success") };
    let url = Some("http://127.0.0.1:8085/issues/3".to_owned());
    assert_eq!(ticket, TicketRef { id: "3".into(), url });

    for (file, reason) in [
        ("04-bad-key-post.txt", "401"),
        ("11-create-bad-project.txt", "422"),
        ("13-create-bad-json.txt", "400"),
        ("14-create-subject-too-long.txt", "422"),
    ] {
        let outcome = map.created(capture(file).unwrap());
        let Outcome::Rejected { retry: false, reason: why } = outcome else { panic!("{file}") };
        assert!(why.contains(reason), "{file}: {why}");
    }

    let Outcome::Done(rows) = map.rows(capture("16-search-cf-any-status.txt").unwrap(), &names())
    else {
        panic!()
    };
    let seen: Vec<_> =
        rows.iter().map(|r| (r.ticket.id.as_str(), r.key.as_deref(), r.open)).collect();
    assert_eq!(seen, [("3", Some(KEY), true), ("1", Some(KEY), false)]);
    assert_eq!(rows[0].priorities, [Priority::P1]);
    assert_eq!(rows[1].priorities, [], "Immediate is none of ours");
    // A search by another field finds an issue whose key is another: it says so.
    let Outcome::Done(rows) = map
        .rows(capture("17-search-cf-substring.txt").unwrap(), &Names { key_field: 2, ..names() })
    else {
        panic!()
    };
    assert_eq!(rows[0].key.as_deref(), Some("zabbix"));
    let Outcome::Done(rows) =
        map.rows(capture("26-search-cf-open-after-close.txt").unwrap(), &names())
    else {
        panic!()
    };
    assert_eq!(rows, [], "without status_id=* a closed issue is not there");
    // What a stranger may see has no key of ours on it.
    let Outcome::Done(rows) = map.rows(capture("03-bad-key.txt").unwrap(), &names()) else {
        panic!()
    };
    assert_eq!(rows[0].key, None);
    assert_eq!(Mapping::is_somebody(capture("01-me.txt").unwrap()), Ok(()));

    let Ok(issue) = Mapping::one::<()>(capture("28-read-journals.txt").unwrap()) else { panic!() };
    let read = map.snapshot(&issue, &names());
    assert_eq!((read.key.as_deref(), read.open, read.notes), (Some(KEY), true, vec![]));
    let Ok(issue) = Mapping::one::<()>(capture("18-read.txt").unwrap()) else { panic!() };
    assert_eq!(Mapping::allowed(&issue)[4], "Closed");
    let gone = Mapping::one::<()>(capture("29-not-found.txt").unwrap());
    assert!(matches!(gone, Err(Outcome::Rejected { retry: false, .. })));
    assert!(Mapping::is_absent(&capture("29-not-found.txt").unwrap()));
    assert!(!Mapping::is_absent(&said(404, "<html>no such page</html>")));

    for file in ["19-note.txt", "20-private-note.txt", "23-bad-status-ignored.txt", "25-close.txt"]
    {
        assert_eq!(Mapping::changed(capture(file).unwrap()), Outcome::Done(()), "{file}");
    }
    let stale = Mapping::changed(capture("22-stale-lock-version.txt").unwrap());
    let Outcome::Rejected { retry: true, reason } = stale else { panic!("{stale:?}") };
    assert!(reason.contains("at the same moment"), "{reason}");
}

#[test]
fn hostile_answers_are_no_success() {
    let map = mapping();
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "<html>login</html>",
        "{\"issue\":[]}",
        "{\"issue\":{\"id\":\"x\"}}",
    ] {
        let created = map.created(said(201, body));
        assert!(matches!(created, Outcome::Unknown { .. }), "{body}: {created:?}");
        let rows = map.rows(said(200, body), &names());
        assert!(matches!(rows, Outcome::Unknown { .. }), "{body}: {rows:?}");
        let read = Mapping::one::<()>(said(200, body));
        assert!(matches!(read, Err(Outcome::Unknown { .. })), "{body}: {read:?}");
        assert!(Mapping::is_somebody(said(200, body)).is_err(), "{body}");
        assert!(Mapping::fields(said(200, body)).is_err(), "{body}");
        assert!(Mapping::list("trackers", said(200, body)).is_err(), "{body}");
    }
    assert!(matches!(Mapping::changed(said(200, "<html>login</html>")), Outcome::Unknown { .. }));
    assert!(matches!(Mapping::changed(said(302, "")), Outcome::Unknown { .. }));
    let Reply::Said(moved) = said(201, "{}") else { unreachable!() };
    let moved = Said { location: Some("http://rm/issues/12".into()), ..moved };
    let Outcome::Done(ticket) = map.created(Reply::Said(moved)) else { panic!() };
    assert_eq!(ticket.id, "12");
    let no_id = map.rows(said(200, r#"{"issues":[{"status":{"name":"New"}}]}"#), &names());
    assert!(matches!(no_id, Outcome::Unknown { .. }));
}

#[test]
fn statuses_are_read_as_configured_and_as_redmine_says() {
    let open =
        |map: &Mapping, status: Value| map.snapshot(&json!({ "status": status }), &names()).open;
    let map = mapping();
    assert!(open(&map, json!({ "id": 3, "name": "Resolved", "is_closed": false })));
    assert!(!open(&map, json!({ "id": 6, "name": "Rejected", "is_closed": true })));
    assert!(!open(&map, json!({ "id": 6, "name": "Rejected" })), "before 5.0 the list says it");
    let map = mapping_of("resolved_status = \"Resolved\"\nclosed_statuses = [\"Feedback\"]");
    assert!(!open(&map, json!({ "id": 3, "name": "Resolved", "is_closed": false })));
    assert!(!open(&map, json!({ "id": 4, "name": "Feedback", "is_closed": false })));
    assert!(open(&map, json!({ "id": 2, "name": "In Progress", "is_closed": false })));
    let same = Names { priorities: [4, 3, 3], ..names() };
    assert_eq!(same.priorities_called(Some(3)), [Priority::P2, Priority::P3]);
}

#[test]
fn every_problem_is_named_at_once() {
    let keys = |text: &str| -> Vec<String> {
        let config: DeskConfig = toml::from_str(text).unwrap();
        config.problems().into_iter().map(|p| p.key).collect()
    };
    let bare = "name = \"r\"\nkind = \"redmine\"\nurl = \"https://r.example\"\n";
    assert_eq!(keys(bare), ["queue", "token"]);
    assert_eq!(
        keys(&format!("{CONFIG}requestor = \"x\"\n[find]\nurl = \"x\"")),
        ["requestor", "find"]
    );
    let rt = CONFIG.replace("kind = \"redmine\"", "kind = \"rt\"");
    assert_eq!(keys(&format!("{rt}private_notes = true")), ["tracker", "private_notes"]);
}

const NAMES: &[&str] = &[
    "id",
    "issue",
    "issues",
    "status",
    "priority",
    "custom_fields",
    "value",
    "name",
    "journals",
    "notes",
    "errors",
    "project",
    "user",
];

proptest! {
    #[test]
    fn no_answer_makes_us_stumble(status in 100u16..600, body in ".{0,200}") {
        let map = mapping();
        let reply = || said(status, &body);
        if matches!(map.created(reply()), Outcome::Done(_)) {
            prop_assert_eq!(status, 201);
        }
        if matches!(Mapping::changed(reply()), Outcome::Done(())) {
            prop_assert!(matches!(status, 200 | 204));
        }
        let _ = (map.rows(reply(), &names()), Mapping::one::<()>(reply()), Mapping::is_somebody(reply()));
        let _ = (Mapping::fields(reply()), Mapping::list("trackers", reply()));
    }

    #[test]
    fn no_json_makes_us_stumble(value in json_value(NAMES)) {
        let map = mapping();
        let body = value.to_string();
        for wrapped in [body.clone(), format!("{{\"issues\":[{body}]}}"), format!("{{\"issue\":{body}}}"), format!("{{\"errors\":{body}}}"), format!("{{\"issue\":{{\"id\":1,\"status\":{{\"name\":\"New\"}},\"journals\":{body},\"custom_fields\":{body}}}}}")] {
            for status in [200, 201, 422] {
                let reply = || said(status, &wrapped);
                let _ = (map.rows(reply(), &names()), map.created(reply()), Mapping::changed(reply()));
                if let Ok(issue) = Mapping::one::<()>(reply()) {
                    let _ = (map.snapshot(&issue, &names()), Mapping::allowed(&issue));
                }
            }
        }
    }
}

/// As a real 5.0 says it.
#[test]
fn what_people_did_is_read_as_it_is() {
    let issue: Value = serde_json::from_str(
        r#"{"id":9,"status":{"id":5,"name":"Closed","is_closed":true},"priority":{"id":5,"name":"Immediate"},
        "author":{"id":5,"name":"Alert Middleware"},"assigned_to":{"id":8,"name":"Sari Dewi"},
        "updated_on":"2026-11-24T22:46:52Z","custom_fields":[{"id":1,"name":"AlertKey","value":"k"}],"journals":[
        {"id":1,"user":{"id":5,"name":"Alert Middleware"},"notes":"ours [kent-op:a.1]","details":[]},
        {"id":2,"user":{"id":8,"name":"Sari Dewi"},"notes":"","details":[{"name":"priority_id"}]},
        {"id":3,"user":{"id":8,"name":"Sari Dewi"},"notes":"teknisi berangkat","details":[]}]}"#,
    )
    .unwrap();
    let seen = mapping().snapshot(&issue, &names());
    assert!(!seen.open);
    assert_eq!(seen.priorities, [], "Immediate is none of ours");
    assert_eq!(
        (seen.owner.as_deref(), seen.last.as_deref()),
        (Some("Sari Dewi"), Some("Sari Dewi"))
    );
    assert_eq!(
        (seen.changed.as_deref(), &*seen.notes),
        (Some("2026-11-24T22:46:52Z"), &["a.1".to_owned()][..])
    );
    let remark =
        Remark { id: "3".into(), by: Some("Sari Dewi".into()), text: "teknisi berangkat".into() };
    assert_eq!(seen.remarks, [remark]);

    let list = |body: &str| Mapping::changes(said(200, body));
    let one = r#"{"issues":[{"id":9,"updated_on":"2026-11-24T22:46:52Z"}],"total_count":TOTAL}"#;
    let Outcome::Done(all) = list(&one.replace("TOTAL", "1")) else { panic!() };
    assert!(all.complete && all.rows[0].id == "9");
    let Outcome::Done(some) = list(&one.replace("TOTAL", "2")) else { panic!() };
    assert!(!some.complete);
    assert!(matches!(list("{}"), Outcome::Unknown { .. }));
    let url = mapping().changed_last(&names()).url;
    assert!(url.contains("status_id=*&cf_1=*&sort=updated_on:desc"), "{url}");
}
