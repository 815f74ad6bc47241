use super::super::said::{config, draft, hostile, problems, said};
use super::*;

const GLPI: &str = r#"
    name = "glpi"
    kind = "glpi"
    url = "https://glpi.example.org/"
    queue = "7"
    organization = "3"
    token = "abc"
    app_token = "f7g3csp8"
"#;

/// Of the form in glpi: apirest.md ("Get an item"), with the fields of a ticket.
const TICKET: &str = r#"{"id":42,"entities_id":0,"name":"link down","date":"2024-03-27 15:50:54",
    "closedate":null,"solvedate":null,"status":2,"users_id_recipient":6,"requesttypes_id":1,
    "content":"&#60;p&#62;isi&#60;/p&#62;","urgency":5,"impact":5,"priority":6,
    "itilcategories_id":0,"type":1,"is_deleted":0,"externalid":"kent-abc"}"#;

#[test]
fn a_draft_becomes_the_request_that_glpi_wants() {
    let map = Mapping::new(&config(GLPI));
    let ask = map.create(&draft());
    assert_eq!(ask.url, "https://glpi.example.org/apirest.php/Ticket");
    assert!(ask.headers.contains(&("app-token".into(), "f7g3csp8".into())));
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({ "input": {
            "name": "é 😀 <b>", "content": "isi &amp; &lt;i&gt;<br><br>[kent:kent-abc]",
            "type": 1, "impact": 4, "urgency": 4, "externalid": "kent-abc",
            "_groups_id_assign": 7, "entities_id": 3,
        } })
    );
    assert!(
        map.find("kent-abc").url.ends_with("Ticket?searchText%5Bexternalid%5D=kent-abc&range=0-99")
    );
}

#[test]
fn documented_answers_are_understood() {
    let map = Mapping::new(&config(GLPI));
    // glpi: apirest.md ("Add item(s)").
    let made = map.created(said(201, r#"{"id": 15, "message": ""}"#));
    assert!(matches!(&made, Outcome::Done(t) if t.id == "15"), "{made:?}");
    let refused = r#"[{"id":false,"message":"You don't have permission to perform this action."}]"#;
    let refused = map.created(said(207, refused));
    assert!(matches!(refused, Outcome::Rejected { retry: false, .. }), "{refused:?}");
    // glpi: apirest.md ("Update item(s)").
    assert_eq!(Mapping::updated(said(200, r#"[{"10":true, "message": ""}]"#)), Outcome::Done(()));
    for status in [200, 207] {
        let no = Mapping::updated(said(status, r#"[{"2":false,"message":"Item not found"}]"#));
        let Outcome::Rejected { retry: false, reason } = no else { panic!() };
        assert!(reason.contains("Item not found"));
    }
    let Outcome::Done(seen) = map.snapshot(said(200, TICKET)) else { panic!() };
    assert_eq!((seen.key.as_deref(), seen.open), (Some("kent-abc"), true));
    assert_eq!(seen.priorities, [Priority::P1]);
    for (from, to) in [
        (r#""status":2"#, r#""status":5"#),
        (r#""status":2"#, r#""status":"6""#),
        (r#""is_deleted":0"#, r#""is_deleted":1"#),
    ] {
        let Outcome::Done(seen) = map.snapshot(said(200, &TICKET.replace(from, to))) else {
            panic!()
        };
        assert!(!seen.open, "{to}");
    }
    let followups = r#"[{"id":1,"itemtype":"Ticket","items_id":42,"is_private":1,
        "content":"&#60;p&#62;naik&#60;br&#62;[kent-op:k7f3-1.2]&#60;/p&#62;"}]"#;
    assert_eq!(Mapping::operations(said(206, followups)), Outcome::Done(vec!["k7f3-1.2".into()]));
}

#[test]
fn a_search_that_finds_too_much_is_compared() {
    let map = Mapping::new(&config(GLPI));
    // `searchText` is a LIKE: the key of another ticket may contain ours.
    let longer = TICKET.replace("kent-abc", "kent-abcd").replace("\"id\":42", "\"id\":\"43\"");
    let Outcome::Done(rows) = map.rows(said(206, &format!("[{longer},{TICKET}]"))) else {
        panic!()
    };
    let seen: Vec<_> = rows.iter().map(|r| (r.ticket.id.as_str(), r.key.as_deref())).collect();
    assert_eq!(seen, [("43", Some("kent-abcd")), ("42", Some("kent-abc"))]);
}

#[test]
fn hostile_answers_are_no_success() {
    let map = Mapping::new(&config(GLPI));
    hostile(201, |r| map.created(r));
    hostile(200, |r| map.rows(r));
    hostile(200, |r| map.snapshot(r));
    hostile(200, Mapping::operations);
    hostile(200, Mapping::updated);
    let ended = r#"["ERROR_SESSION_TOKEN_INVALID","session_token seems invalid"]"#;
    assert!(Mapping::session_ended(&said(401, ended)));
    assert!(!Mapping::session_ended(&said(401, r#"["ERROR_RIGHT_MISSING","no"]"#)));
    assert!(!Mapping::session_ended(&said(200, ended)));
}

#[test]
fn what_is_missing_is_named() {
    let wrong = "name = \"g\"\nkind = \"glpi\"\nurl = \"http://g\"\nqueue = \"NOC\"\npriorities = { P1 = 6 }";
    assert_eq!(problems(wrong), ["token", "queue", "priorities.P1"]);
}
