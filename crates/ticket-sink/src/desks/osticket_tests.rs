use super::super::said::{config, draft, problems, said};
use super::*;
use serde_json::Value;

const OSTICKET: &str = r#"
    name = "osticket"
    kind = "osticket"
    url = "https://osticket.example.org/"
    queue = "3"
    requestor = "noc@example.org"
    token = "abc"
"#;

#[test]
fn a_draft_becomes_the_request_that_osticket_wants() {
    let map = Mapping::new(&config(OSTICKET));
    let ask = map.create(&draft());
    assert_eq!(ask.url, "https://osticket.example.org/api/tickets.json");
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    // Of the form in osTicket: setup/doc/api/tickets.md, with the names that
    // include/api.tickets.php knows.
    assert_eq!(
        body,
        json!({
            "name": "kentongan", "email": "noc@example.org", "subject": "é 😀 <b>",
            "message": "data:text/plain;charset=utf-8,isi & <i>\n\n[kent:kent-abc]",
            "priorityId": "3", "alert": true, "autorespond": false, "source": "API", "topicId": "3",
        })
    );
}

#[test]
fn a_note_is_a_mail_that_names_its_ticket() {
    let map = Mapping::new(&config(OSTICKET));
    let ticket = TicketRef { id: "100042".into(), url: None };
    let note = Note {
        operation: "k7f3-1.2\r\nBcc: x@y".into(),
        text: "naik\nlagi\n\n[kent-op:k7f3-1.2]".into(),
    };
    let mail = map.mail(&ticket, &note).body.unwrap();
    let (head, text) = mail.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nSubject: Re: [#100042]\r\n"));
    assert!(
        head.contains("\r\nMessage-ID: <k7f3-1.2Bccxy@kentongan>\r\n"),
        "no header is smuggled in"
    );
    assert_eq!(text, "naik\r\nlagi\r\n\r\n[kent-op:k7f3-1.2]\r\n");
    assert_eq!(Mapping::noted(&ticket, said(201, "100042")), Outcome::Done(()));
    let another = Mapping::noted(&ticket, said(201, "100043"));
    assert!(
        matches!(&another, Outcome::Unknown { reason } if reason.contains("100043")),
        "{another:?}"
    );
}

#[test]
fn only_a_number_is_an_answer() {
    let map = Mapping::new(&config(OSTICKET));
    for good in ["100042", "000042\n", "NOC-2026-17", "\"100042\""] {
        assert!(matches!(map.created(said(201, good)), Outcome::Done(_)), "{good}");
    }
    let long = "1".repeat(30);
    for bad in [
        "",
        "{",
        "{}",
        "<html>login</html>",
        "<br />\n<b>Warning</b>: 1",
        "Unable to create new ticket: unknown error",
        "null",
        &long,
    ] {
        let outcome = map.created(said(201, bad));
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{bad}: {outcome:?}");
    }
    // include/api.tickets.php: "Unable to create new ticket".
    assert!(matches!(map.created(said(500, "unknown error")), Outcome::Unknown { .. }));
    let refused = map.created(said(400, "Unable to create new ticket: validation errors"));
    assert!(matches!(refused, Outcome::Rejected { retry: false, .. }));
}

#[test]
fn what_is_missing_is_named() {
    let wrong = "name = \"o\"\nkind = \"osticket\"\nurl = \"http://o\"\nqueue = \"NOC\"\nrequestor = \"a b@c\"\npriorities = { P1 = \"high\" }";
    assert_eq!(problems(wrong), ["token", "requestor", "queue", "priorities.P1"]);
    let useless = "name = \"o\"\nkind = \"osticket\"\nurl = \"http://o\"\ntoken = \"t\"\nrequestor = \"a@b\"\nresolved_status = \"closed\"";
    assert_eq!(problems(useless), ["resolved_status"]);
}
