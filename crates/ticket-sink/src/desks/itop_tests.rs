use super::super::said::{config, draft, hostile, problems, said};
use super::*;

const ITOP: &str = r#"
    name = "itop"
    kind = "itop"
    url = "https://itop.example.org/"
    queue = "NOC"
    organization = "Diskominfo"
    requestor = "noc@example.org"
    token = "abc"
"#;

/// Of the form in iTop's documentation (REST/JSON services, `core/get`) and in
/// core/restservices.class.inc.php: ids come as text or as number.
const GOT: &str = r#"{"objects":{"Incident::42":{"code":0,"message":"","class":"Incident","key":"42",
    "fields":{"id":"42","status":"assigned","impact":"1","urgency":"1","alert_key":"kent-abc",
    "private_log":{"entries":[{"date":"2024-03-27 15:50:54","user_login":"noc","user_id":"3",
    "message":"naik\n[kent-op:k7f3-1.2]","message_html":"<p>naik<br>[kent-op:k7f3-1.2]</p>"}]}}}},
    "code":0,"message":"Found: 1"}"#;

fn body_of(ask: &Ask) -> Value {
    let form = ask.body.as_ref().unwrap().strip_prefix("json_data=").unwrap();
    let url = reqwest::Url::parse(&format!("http://x/?j={form}")).unwrap();
    serde_json::from_str(&url.query_pairs().next().unwrap().1).unwrap()
}

#[test]
fn a_draft_becomes_the_request_that_itop_wants() {
    let map = Mapping::new(&config(ITOP));
    let ask = map.create(&draft());
    assert_eq!(ask.url, "https://itop.example.org/webservices/rest.php?version=1.3");
    assert_eq!(
        body_of(&ask),
        json!({
            "operation": "core/create", "class": "Incident", "comment": "kentongan",
            "output_fields": "id",
            "fields": {
                "org_id": { "name": "Diskominfo" }, "caller_id": { "email": "noc@example.org" },
                "title": "é 😀 <b>", "description": "isi &amp; &lt;i&gt;<br><br>[kent:kent-abc]",
                "origin": "monitoring", "impact": "2", "urgency": "2", "alert_key": "kent-abc",
                "team_id": { "name": "NOC" },
            },
        })
    );
    let find = body_of(&map.find("kent-abc"));
    assert_eq!(find["key"], "SELECT Incident WHERE alert_key = 'kent-abc'");
    let ticket = map.reference("42");
    for (status, stimulus) in [
        ("new", "ev_autoresolve"),
        ("pending", "ev_autoresolve"),
        ("assigned", "ev_resolve"),
        ("escalated_ttr", "ev_resolve"),
    ] {
        assert_eq!(body_of(&map.resolve(&ticket, status))["stimulus"], stimulus, "{status}");
    }
}

#[test]
fn without_a_field_the_key_stands_behind_the_title() {
    let map = Mapping::new(&config(&format!("{ITOP}key_field = \"title\"")));
    let long = Draft { title: "é".repeat(400), ..draft() };
    let title = body_of(&map.create(&long))["fields"]["title"].as_str().unwrap().to_owned();
    assert_eq!(title.chars().count(), TITLE_MAX);
    assert!(title.ends_with("é… [kent:kent-abc]"), "{title}");
    let got = GOT.replace(r#""alert_key":"kent-abc""#, r#""title":"putus [kent:kent-abc]""#);
    let Outcome::Done(rows) = map.rows(said(200, &got)) else { panic!() };
    assert_eq!(rows[0].key.as_deref(), Some("kent-abc"));
    let find = body_of(&map.find("kent-abc"));
    assert_eq!(find["key"], "SELECT Incident WHERE title LIKE '%[kent:kent-abc]%'");
}

#[test]
fn documented_answers_are_understood() {
    let map = Mapping::new(&config(ITOP));
    let created = r#"{"objects":{"Incident::42":{"code":0,"message":"created","class":"Incident","key":42,"fields":{"id":42}}},"code":0,"message":null}"#;
    assert!(matches!(map.created(said(200, created)), Outcome::Done(t) if t.id == "42"));
    let Outcome::Done((seen, status, notes)) = map.snapshot(said(200, GOT)) else { panic!() };
    assert_eq!(
        (seen.key.as_deref(), seen.open, status.as_str()),
        (Some("kent-abc"), true, "assigned")
    );
    assert_eq!((seen.priorities, notes), (vec![Priority::P1], vec!["k7f3-1.2".to_owned()]));
    let none = r#"{"objects":null,"code":0,"message":"Found: 0"}"#;
    assert_eq!(map.rows(said(200, none)), Outcome::Done(Vec::new()));
    let gone = map.snapshot(said(200, none));
    assert!(matches!(gone, Outcome::Rejected { retry: false, .. }), "{gone:?}");
}

#[test]
fn an_error_in_a_success_is_none() {
    let map = Mapping::new(&config(ITOP));
    for code in [1, 2, 6, 10, 11, 13] {
        let body = format!(r#"{{"code":{code},"message":"Error: no"}}"#);
        let refused = map.created(said(200, &body));
        assert!(matches!(refused, Outcome::Rejected { retry: false, .. }), "{code}: {refused:?}");
    }
    // core/restservices.class.inc.php: INTERNAL_ERROR; it may have come after the insert.
    let body = r#"{"code":100,"message":"Error: Issues encountered while setting the object"}"#;
    assert!(matches!(map.created(said(200, body)), Outcome::Unknown { .. }));
    assert!(matches!(map.rows(said(200, body)), Outcome::Unknown { .. }));
    hostile(200, |r| map.created(r));
    hostile(200, |r| map.rows(r));
    hostile(200, |r| map.snapshot(r));
    let bare = map.rows(said(200, r#"{"objects":{"Incident::42":{"code":0}},"code":0}"#));
    assert!(matches!(bare, Outcome::Unknown { .. }));
}

#[test]
fn what_is_missing_is_named() {
    let wrong = "name = \"i\"\nkind = \"itop\"\nurl = \"http://i\"\nkey_field = \"a'b\"";
    assert_eq!(problems(wrong), ["organization", "requestor", "token", "key_field"]);
}
