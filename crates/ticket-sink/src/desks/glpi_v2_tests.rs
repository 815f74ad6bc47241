use super::super::said::{config, draft, hostile, problems, said};
use super::*;

const GLPI: &str = r#"
    name = "glpi"
    kind = "glpi-v2"
    url = "https://glpi.example.org"
    user = "noc"
    password = "rahasia"
    client_id = "9c4f"
    client_secret = "a1b2c3"
"#;

/// Of the form in glpi: src/Glpi/Api/HL/Controller/ITILController.php (the schema of a ticket).
const TICKET: &str = r#"{"id":42,"name":"link down","content":"<p>isi</p>","is_deleted":false,
    "urgency":5,"impact":5,"priority":6,"external_id":"kent-abc","type":1,
    "status":{"id":2,"name":"Processing (assigned)"},"entity":{"id":0,"name":"Root entity"},
    "date_creation":"2025-10-21T11:59:43+02:00","date_mod":"2025-10-21T11:59:43+02:00","team":[]}"#;

#[test]
fn a_draft_becomes_the_request_that_glpi_wants() {
    let map = Mapping::new(&config(GLPI)).unwrap();
    let ask = map.create(&draft());
    assert_eq!(ask.url, "https://glpi.example.org/api.php/v2/Assistance/Ticket");
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({
            "name": "é 😀 <b>", "content": "isi &amp; &lt;i&gt;<br><br>[kent:kent-abc]", "type": 1,
            "impact": 4, "urgency": 4, "external_id": "kent-abc",
        })
    );
    assert!(
        map.find("kent-abc").url.ends_with("Ticket?filter=external_id%3D%3Dkent-abc&limit=100")
    );
    let token: Value = serde_json::from_str(&map.token().body.unwrap()).unwrap();
    assert_eq!((&token["grant_type"], &token["scope"]), (&json!("password"), &json!("api")));
    assert!(!format!("{map:?}").contains("rahasia"));
}

#[test]
fn documented_answers_are_understood() {
    let map = Mapping::new(&config(GLPI)).unwrap();
    let made = r#"{"id":42,"href":"/Assistance/Ticket/42"}"#;
    assert!(matches!(map.created(said(201, made)), Outcome::Done(t) if t.id == "42"));
    let Outcome::Done(seen) = map.snapshot(said(200, TICKET)) else { panic!() };
    assert_eq!((seen.key.as_deref(), seen.open), (Some("kent-abc"), true));
    assert_eq!(seen.priorities, [Priority::P1]);
    let solved = TICKET.replace(r#""id":2,"#, r#""id":5,"#);
    assert!(matches!(map.snapshot(said(200, &solved)), Outcome::Done(s) if !s.open));
    let binned = TICKET.replace(r#""is_deleted":false"#, r#""is_deleted":true"#);
    assert!(matches!(map.snapshot(said(200, &binned)), Outcome::Done(s) if !s.open));
    let two = r#"[{"type":"Followup","item":{"id":1,"content":"<p>[kent-op:k7f3-1.2]</p>"}},
        {"id":2,"content":"[kent-op:k7f3-1.3]"}]"#;
    let read = Mapping::operations(said(200, two));
    assert_eq!(read, Outcome::Done(vec!["k7f3-1.2".into(), "k7f3-1.3".into()]));
}

#[test]
fn hostile_answers_are_no_success() {
    let map = Mapping::new(&config(GLPI)).unwrap();
    hostile(201, |r| map.created(r));
    hostile(200, |r| map.rows(r));
    hostile(200, |r| map.snapshot(r));
    hostile(200, Mapping::operations);
    for body in ["", "{", "<html>"] {
        assert!(matches!(Mapping::patched(said(200, body)), Outcome::Unknown { .. }), "{body}");
    }
    // glpi#21582: the answer without a token that is (still) one.
    let ended = r#"{"title":"You are not authenticated","detail":"The Authorization header is missing or invalid","status":"ERROR_UNAUTHENTICATED"}"#;
    assert!(Mapping::token_ended(&said(401, ended)));
    assert!(!Mapping::token_ended(&said(403, ended)));
}

#[test]
fn what_is_missing_is_named() {
    let wrong = "name = \"g\"\nkind = \"glpi-v2\"\nurl = \"http://g\"\nqueue = \"7\"";
    assert_eq!(problems(wrong), ["user", "client_id", "client_secret", "queue"]);
}
