use super::super::recorded::{capture as recorded, json_value};
use super::super::said::{config, draft, hostile, problems, said};
use super::*;
use proptest::prelude::*;

const ZNUNY: &str = r#"
    name = "znuny"
    kind = "znuny"
    url = "https://desk.example.org/znuny/"
    user = "kentongan"
    password = "rahasia"
    queue = "Network"
    requestor = "noc"
"#;

/// The key of the recorded tickets.
const KEY: &str = "zabbix:e2e:32";

fn mapping() -> Mapping {
    Mapping::new(&config(ZNUNY)).unwrap()
}

fn capture(name: &str) -> Option<Reply> {
    recorded("znuny-captures", name)
}

fn body(ask: &Ask) -> Value {
    serde_json::from_str(ask.body.as_deref().unwrap()).unwrap()
}

#[test]
fn a_draft_becomes_the_request_that_znuny_wants() {
    let map = mapping();
    let ask = map.create(&draft());
    let service = "https://desk.example.org/znuny/nph-genericinterface.pl/Webservice/kentongan";
    assert_eq!((&ask.method, ask.url.as_str()), (&Method::POST, &*format!("{service}/Ticket")));
    assert_eq!(
        body(&ask),
        json!({
            "UserLogin": "kentongan", "Password": "rahasia",
            "Ticket": {
                "Title": "é 😀 <b> [kent:kent-abc]", "Queue": "Network", "State": "new",
                "Priority": "4 high", "CustomerUser": "noc",
            },
            "Article": {
                "Subject": "é 😀 <b>", "Body": "isi & <i>\n\n[kent:kent-abc]",
                "ContentType": "text/plain; charset=utf-8", "CommunicationChannel": "Internal",
                "SenderType": "system", "IsVisibleForCustomer": 0,
            },
            "DynamicField": [{ "Name": "AlertKey", "Value": "kent-abc" }],
        })
    );
    let long = Draft { title: "é".repeat(300), group: Some("Pusat Data".into()), ..draft() };
    let cut = body(&map.create(&long));
    let title = cut["Ticket"]["Title"].as_str().unwrap();
    assert!(title.chars().count() == 255 && title.ends_with("… [kent:kent-abc]"));
    assert_eq!(cut["Ticket"]["Queue"], "Pusat Data");

    let ticket = map.reference("4");
    let note = Note { operation: "k7f3-1.2".into(), text: "\nnaik\n\n[kent-op:k7f3-1.2]".into() };
    let ask = map.update(&ticket, json!({ "Article": article(&note) }));
    assert_eq!((&ask.method, ask.url.as_str()), (&Method::PATCH, &*format!("{service}/Ticket/4")));
    assert_eq!(body(&ask)["Article"]["Subject"], "naik");
}

#[test]
fn who_we_are_is_never_in_an_address() {
    let map = mapping();
    for ask in [
        map.create(&draft()),
        map.search(map.by_field("kent-abc")),
        map.search(Mapping::by_title("kent-abc")),
        map.get(&["4".into(), "5".into()], true),
        map.update(&map.reference("4"), json!({})),
    ] {
        assert_ne!(ask.method, Method::GET);
        assert!(!ask.url.contains("rahasia") && !ask.url.contains("UserLogin"), "{}", ask.url);
        assert_eq!(body(&ask)["Password"], "rahasia");
    }
    assert_eq!(body(&map.get(&["4".into(), "5".into()], true))["TicketID"], "4,5");
    let by_title = body(&map.search(Mapping::by_title("kent-abc")));
    assert_eq!(by_title["Title"], "*[kent:kent-abc]*");
    assert_eq!(by_title["SearchInArchive"], "AllTickets");
}

#[test]
fn recorded_answers_are_understood() {
    let map = mapping();
    let Some(created) = capture("03-create.txt") else { return };
    let Outcome::Done(ticket) = map.created(created) else { panic!() };
    assert_eq!(ticket.id, "4");
    assert_eq!(
        ticket.url.as_deref(),
        Some("https://desk.example.org/znuny/index.pl?Action=AgentTicketZoom;TicketID=4")
    );
    let capture = |name| capture(name).unwrap();
    let ids = |all: &[&str]| Outcome::Done(all.iter().map(|id| (*id).to_owned()).collect());
    assert_eq!(Mapping::found(capture("10-search.txt")), ids(&["2", "3", "4", "5"]));
    assert_eq!(Mapping::found(capture("12-search-none.txt")), ids(&[]));
    let Outcome::Done(rows) = map.rows(capture("13-read.txt")) else { panic!() };
    assert_eq!((rows.len(), rows[0].ticket.id.as_str()), (1, "4"), "as the create called it");
    assert_eq!((rows[0].key.as_deref(), rows[0].open), (Some(KEY), true));
    assert_eq!(rows[0].priorities, [Priority::P2]);
    let Outcome::Done(seen) = map.snapshot(capture("13-read.txt")) else { panic!() };
    assert_eq!((seen.key.as_deref(), seen.open, seen.gone), (Some(KEY), true, false));
    assert_eq!(seen.notes, Vec::<String>::new());
    for name in ["14-note+priority.txt", "16-state-open.txt", "18-close.txt", "20-reopen.txt"] {
        assert_eq!(Mapping::written(capture(name)), Outcome::Done(()), "{name}");
    }
    assert_eq!(Mapping::noted(capture("15-note-only.txt")), Outcome::Done(()));
    let unnoted = Mapping::noted(capture("16-state-open.txt"));
    assert!(matches!(unnoted, Outcome::Unknown { .. }), "no article, no note: {unnoted:?}");
}

#[test]
fn recorded_refusals_are_refusals_and_the_rest_is_doubt() {
    let map = mapping();
    for (name, why) in [
        ("02-bad-login.txt", "SessionCreate.AuthFail"),
        ("05-create-bad-queue.txt", "Queue parameter is invalid"),
        ("06-create-bad-dynfield.txt", "DynamicField->Name parameter is invalid"),
        ("07-create-no-auth.txt", "MissingParameter"),
        ("08-create-bad-session.txt", "could not be authenticated"),
        ("17-bad-state.txt", "State parameter is invalid"),
        ("21-not-found.txt", "AccessDenied"),
    ] {
        let Some(reply) = capture(name) else { return };
        match map.created(reply.clone()) {
            Outcome::Rejected { retry: false, reason } => assert!(reason.contains(why), "{reason}"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(!matches!(Mapping::found(reply.clone()), Outcome::Done(_)), "{name}");
        // Whether it is gone or hidden from us it does not say, so it is not gone.
        assert!(!matches!(map.snapshot(reply), Outcome::Done(_)), "{name}");
    }
    for name in ["09-create-bad-json.txt", "22-no-route.txt"] {
        let outcome = map.created(capture(name).unwrap());
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{name}: {outcome:?}");
    }
    let new = r#"{"Error":{"ErrorCode":"TicketCreate.Meteor","ErrorMessage":"?"}}"#;
    assert!(
        matches!(map.created(said(200, new)), Outcome::Unknown { .. }),
        "a word we do not know"
    );
}

#[test]
fn hostile_answers_are_no_success() {
    let map = mapping();
    hostile(200, |r| map.created(r));
    hostile(200, |r| map.rows(r));
    hostile(200, |r| map.snapshot(r));
    hostile(200, Mapping::written);
    hostile(200, Mapping::noted);
    for body in ["", "{", "null", "[]", r#"{"TicketID":"4"}"#, r#"{"TicketID":[{}]}"#, r#"{"x":1}"#]
    {
        let outcome = Mapping::found(said(200, body));
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{body}: {outcome:?}");
    }
    let bare = r#"{"Ticket":[{"TicketID":4,"State":"new","StateType":"new","DynamicField":[]}]}"#;
    let Outcome::Done(seen) = map.snapshot(said(200, bare)) else { panic!() };
    assert_eq!((seen.key, seen.notes), (None, Vec::new()), "a create that broke off");
    let faulty =
        r#"{"faultcode":"Server","faultstring":"Dynamic Field AlertKey could not be set"}"#;
    let outcome = map.created(said(500, faulty));
    assert!(matches!(outcome, Outcome::Unknown { .. }), "the ticket is there: {outcome:?}");
}

#[test]
fn a_ticket_whose_create_broke_off_is_known_by_its_title() {
    let map = mapping();
    let ticket = |title: &str, key: &str| {
        let text = format!(
            r#"{{"Ticket":[{{"TicketID":4,"State":"new","StateType":"new","Title":"{title}",
               "DynamicField":[{{"Name":"AlertKey","Value":{key}}}]}}]}}"#
        );
        match (map.rows(said(200, &text)), map.snapshot(said(200, &text))) {
            (Outcome::Done(rows), Outcome::Done(seen)) => (rows[0].key.clone(), seen.key),
            other => panic!("{other:?}"),
        }
    };
    let ours = Some("kent-abc".to_owned());
    assert_eq!(ticket("mati [kent:kent-abc]", "null"), (ours.clone(), None));
    assert_eq!(ticket("mati [kent:kent-lain]", "\"kent-abc\""), (ours.clone(), ours));
    assert_eq!(ticket("mati [kent:kent-abc] lagi", "null"), (None, None));
    assert_eq!(ticket("mati [kent:]", "\"\""), (None, None));
}

#[test]
fn what_is_closed_is_known_by_the_type_of_its_state() {
    let mut map = mapping();
    map.closed = vec!["menunggu vendor".into()];
    for (state, kind, open) in [
        ("new", "new", true),
        ("pending reminder", "pending reminder", true),
        ("pending auto close+", "pending auto", true),
        ("closed unsuccessful", "closed", false),
        ("selesai", "closed", false),
        ("merged", "merged", false),
        ("removed", "removed", false),
        ("menunggu vendor", "open", false),
    ] {
        let ticket = json!({ "State": state, "StateType": kind });
        assert_eq!(map.is_open(&ticket), Some(open), "{state}");
    }
    assert_eq!(map.is_open(&json!({ "State": "new" })), None);
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        problems("name = \"z\"\nkind = \"znuny\"\nkey_field = \"a_b\"\ntoken = \"x\""),
        ["token", "url", "queue", "requestor", "user", "key_field"]
    );
}

proptest! {
    #[test]
    fn any_answer_is_read_without_a_panic(
        value in json_value(&["TicketID", "Ticket", "Error", "ErrorCode", "StateType", "State",
            "Article", "Body", "DynamicField", "Name", "Value", "Title"]),
    ) {
        let map = mapping();
        let reply = said(200, &value.to_string());
        let _ = (map.rows(reply.clone()), map.created(reply.clone()), map.snapshot(reply.clone()));
        let _ = (Mapping::found(reply.clone()), Mapping::written(reply.clone()), Mapping::noted(reply));
    }
}
