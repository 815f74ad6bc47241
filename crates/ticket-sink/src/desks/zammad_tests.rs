use super::super::said::{config, draft, hostile, problems, said};
use super::*;

const ZAMMAD: &str = r#"
    name = "zammad"
    kind = "zammad"
    url = "https://zammad.example.org/"
    queue = "NOC"
    requestor = "noc@example.org"
    token = "abc"
"#;

/// Of the form in zammad-documentation: api/ticket/index.rst ("Show", `expand=true`).
const TICKET: &str = r#"{
    "id": 3, "group_id": 2, "priority_id": 3, "state_id": 4, "organization_id": null,
    "number": "22003", "title": "link down", "owner_id": 1, "customer_id": 7, "note": null,
    "first_response_at": null, "close_at": null, "article_count": 2, "alert_key": "kent-abc",
    "created_at": "2024-03-27T15:50:54.184Z", "updated_at": "2024-03-27T15:50:54.238Z",
    "article_ids": [5, 6], "ticket_time_accounting_ids": [],
    "created_by": "noc@example.org", "updated_by": "noc@example.org", "owner": "-",
    "group": "NOC", "state": "open", "priority": "3 high", "customer": "noc@example.org"
}"#;

#[test]
fn a_draft_becomes_the_request_that_zammad_wants() {
    let map = Mapping::new(&config(ZAMMAD));
    let ask = map.create(&draft());
    assert_eq!(
        (ask.method, ask.url.as_str()),
        (Method::POST, "https://zammad.example.org/api/v1/tickets")
    );
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "title": "é 😀 <b>", "group": "NOC", "customer_id": "guess:noc@example.org",
            "priority": "2 normal", "alert_key": "kent-abc",
            "article": {
                "subject": "é 😀 <b>", "body": "isi & <i>\n\n[kent:kent-abc]",
                "content_type": "text/plain", "type": "note", "internal": false,
            },
        })
    );
    assert!(map.find("kent-abc").url.ends_with(
        "/tickets/search?condition%5Bticket.alert_key%5D%5Boperator%5D=is&condition%5Bticket.alert_key%5D%5Bvalue%5D=kent-abc&limit=100&expand=true"
    ));
    let ticket = map.reference("3");
    let ask = map.article(&ticket, &Note { operation: "k7f3-1.2".into(), text: "x".into() });
    assert!(ask.body.unwrap().contains(r#""ticket_id":3"#));
}

#[test]
fn documented_answers_are_understood() {
    let map = Mapping::new(&config(ZAMMAD));
    let Outcome::Done(ticket) = map.created(said(201, TICKET)) else { panic!() };
    assert_eq!(ticket.id, "3");
    assert_eq!(ticket.url.as_deref(), Some("https://zammad.example.org/#ticket/zoom/3"));
    let Outcome::Done(seen) = map.snapshot(said(200, TICKET)) else { panic!() };
    assert_eq!((seen.key.as_deref(), seen.open), (Some("kent-abc"), true));
    assert_eq!(seen.priorities, [Priority::P1]);
    for state in ["closed", "merged", "removed"] {
        let gone = TICKET.replace("\"open\"", &format!("{state:?}"));
        let Outcome::Done(seen) = map.snapshot(said(200, &gone)) else { panic!() };
        assert!(!seen.open, "{state}");
    }
    let Outcome::Done(rows) = map.rows(said(200, &format!("[{TICKET}]"))) else { panic!() };
    assert_eq!((rows.len(), rows[0].key.as_deref()), (1, Some("kent-abc")));
    assert_eq!(map.rows(said(200, "[]")), Outcome::Done(Vec::new()));
    // zammad-documentation: api/ticket/articles.rst ("By Ticket").
    let articles = r#"[{"id":5,"ticket_id":3,"type_id":10,"sender_id":1,"from":"NOC","to":null,
        "subject":"x","content_type":"text/plain","body":"naik\n\n[kent-op:k7f3-1.2]",
        "internal":true,"type":"note","sender":"Agent","attachments":[]},
        {"id":6,"ticket_id":3,"content_type":"text/html","body":"<div>sudah &amp; beres</div>"}]"#;
    assert_eq!(Mapping::operations(said(200, articles)), Outcome::Done(vec!["k7f3-1.2".into()]));
}

#[test]
fn hostile_answers_are_no_success() {
    let map = Mapping::new(&config(ZAMMAD));
    hostile(201, |r| map.created(r));
    hostile(200, |r| map.rows(r));
    hostile(200, |r| map.snapshot(r));
    hostile(200, Mapping::operations);
    hostile(200, Mapping::written);
    // Without `expand` the answer has numbers only (tickets_controller.rb): no list is no answer.
    let bare = map.rows(said(200, r#"{"tickets":[3],"tickets_count":1,"assets":{}}"#));
    assert!(matches!(bare, Outcome::Unknown { .. }));
    let named = TICKET.replace(r#""id": 3,"#, r#""id": "3","#);
    assert!(matches!(map.created(said(201, &named)), Outcome::Done(t) if t.id == "3"));
    // What has no key of ours proves nothing, and is not left out either.
    let keyless = TICKET.replace("\"kent-abc\"", "null");
    let Outcome::Done(rows) = map.rows(said(200, &format!("[{keyless}]"))) else { panic!() };
    assert_eq!(rows[0].key, None);
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        problems("name = \"z\"\nkind = \"zammad\"\nkey_field = \"a b\""),
        ["url", "queue", "requestor", "token", "key_field"]
    );
}
