use super::super::said::{config, draft, hostile, problems, said};
use super::*;

const SERVICENOW: &str = r#"
    name = "snow"
    kind = "servicenow"
    url = "https://instance.example.org"
    queue = "NOC"
    requestor = "noc.bot"
    token = "now_abc"
"#;

/// Of the form in ServiceNowDocs: c_TableAPI.md (a record with `sysparm_exclude_reference_link`).
const RECORD: &str = r#"{"sys_id":"c537bae64f411200adf9f8e18110c76e","number":"INC0010002",
    "state":"2","impact":"1","urgency":"1","correlation_id":"kent-abc"}"#;

fn result(inner: &str) -> String {
    format!("{{\"result\":{inner}}}")
}

#[test]
fn a_draft_becomes_the_request_that_servicenow_wants() {
    let map = Mapping::new(&config(SERVICENOW));
    let ask = map.create(&draft());
    assert!(ask.url.starts_with(
        "https://instance.example.org/api/now/table/incident?sysparm_input_display_value=true&sysparm_fields=sys_id,"
    ));
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "short_description": "é 😀 <b>", "description": "isi & <i>\n\n[kent:kent-abc]",
            "impact": "1", "urgency": "2", "correlation_id": "kent-abc",
            "correlation_display": "kentongan", "assignment_group": "NOC", "caller_id": "noc.bot",
        })
    );
    let find = map.find("kent-abc").url;
    assert!(
        find.contains("sysparm_query=correlation_id%3Dkent-abc%5EORDERBYsys_created_on&"),
        "{find}"
    );
    assert!(!map.find("a^ORb=c").url.contains("a%5EOR"), "nothing but the key is asked for");
}

#[test]
fn documented_answers_are_understood() {
    let map = Mapping::new(&config(SERVICENOW));
    let Outcome::Done(ticket) = map.created(said(201, &result(RECORD))) else { panic!() };
    assert_eq!(ticket.id, "c537bae64f411200adf9f8e18110c76e");
    let Outcome::Done(seen) = map.snapshot(said(200, &result(RECORD))) else { panic!() };
    assert_eq!((seen.key.as_deref(), seen.open), (Some("kent-abc"), true));
    assert_eq!(seen.priorities, [Priority::P1]);
    for closed in ["6", "7", "8"] {
        let record = RECORD.replace(r#""state":"2""#, &format!("\"state\":{closed:?}"));
        let Outcome::Done(seen) = map.snapshot(said(200, &result(&record))) else { panic!() };
        assert!(!seen.open);
    }
    assert_eq!(map.rows(said(200, &result("[]"))), Outcome::Done(Vec::new()));
    let journal = r#"[{"element_id":"c537bae64f411200adf9f8e18110c76e","value":"naik [kent-op:k7f3-1.2]"},
        {"element_id":"another","value":"[kent-op:k7f3-9.9]"}]"#;
    let read = Mapping::operations(&ticket, said(200, &result(journal)));
    assert_eq!(read, Outcome::Done(vec!["k7f3-1.2".into()]), "only of this ticket");
}

#[test]
fn a_query_that_is_dropped_is_seen() {
    let map = Mapping::new(&config(SERVICENOW));
    let strange = RECORD.replace("kent-abc", "INC-7").replace("c537", "d648");
    let bare = RECORD.replace("\"kent-abc\"", "\"\"");
    let all = result(&format!("[{strange},{bare}]"));
    let Outcome::Done(rows) = map.rows(said(200, &all)) else { panic!() };
    let keys: Vec<_> = rows.iter().map(|r| r.key.as_deref()).collect();
    assert_eq!(keys, [Some("INC-7"), None]);
}

#[test]
fn hostile_answers_are_no_success() {
    let map = Mapping::new(&config(SERVICENOW));
    hostile(201, |r| map.created(r));
    hostile(200, |r| map.rows(r));
    hostile(200, |r| map.snapshot(r));
    hostile(200, Mapping::written);
    hostile(200, |r| Mapping::operations(&TicketRef { id: "a".into(), url: None }, r));
    // An error in a success.
    let error = r#"{"error":{"message":"Transaction cancelled: maximum execution time exceeded"},"status":"failure"}"#;
    assert!(matches!(map.created(said(201, error)), Outcome::Unknown { .. }));
    assert!(matches!(map.rows(said(200, error)), Outcome::Unknown { .. }));
}

#[test]
fn what_is_missing_is_named() {
    let wrong = "name = \"s\"\nkind = \"servicenow\"\nurl = \"http://s\"\nkey_field = \"a^b\"\npriorities = { P1 = \"high\" }";
    assert_eq!(problems(wrong), ["token", "priorities.P1", "key_field"]);
}
