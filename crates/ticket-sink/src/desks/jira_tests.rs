use super::super::said::{config, draft, hostile, problems, said};
use super::*;

const DC: &str = r#"
    name = "jira"
    kind = "jira"
    url = "https://jira.example.org/"
    queue = "NOC"
    token = "abc"
"#;

const CLOUD: &str = r#"
    name = "jira"
    kind = "jira-cloud"
    url = "https://noc.atlassian.net"
    queue = "NOC"
    user = "noc@example.org"
    password = "abc"
    key_field = "customfield_10040"
"#;

/// Of the form in the Jira REST API v2 documentation ("Get issue"), with the fields asked for.
const ISSUE: &str = r#"{"expand":"renderedFields","id":"10002","self":"https://jira.example.org/rest/api/2/issue/10002",
    "key":"NOC-24","fields":{"labels":["kent-other","jaringan","kent-abc"],
    "priority":{"self":"x","name":"Highest","id":"1"},
    "status":{"name":"In Progress","id":"3","statusCategory":{"id":4,"key":"indeterminate","name":"In Progress"}}}}"#;

/// Of the form in the same documentation ("Get transitions", `expand=transitions.fields`).
const TRANSITIONS: &str = r#"{"expand":"transitions","transitions":[
    {"id":"11","name":"Stop","to":{"name":"To Do","id":"1","statusCategory":{"key":"new"}}},
    {"id":"21","name":"Start","to":{"name":"In Progress","id":"3","statusCategory":{"key":"indeterminate"}}},
    {"id":"31","name":"Not done","to":{"name":"Done","id":"5","statusCategory":{"key":"done"}},
     "fields":{"resolution":{"required":true,"name":"Resolution"}}},
    {"id":"41","name":"x","to":{"name":"Cancelled","id":"6","statusCategory":{"key":"done"}}}]}"#;

#[test]
fn a_draft_becomes_the_request_that_jira_wants() {
    let map = Mapping::new(&config(DC));
    let ask = map.create(&draft());
    assert_eq!(ask.url, "https://jira.example.org/rest/api/2/issue");
    let body: Value = serde_json::from_str(&ask.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({ "fields": {
            "project": { "key": "NOC" }, "issuetype": { "name": "Task" }, "summary": "é 😀 <b>",
            "description": "{noformat}\nisi & <i>\n\n[kent:kent-abc]\n{noformat}",
            "priority": { "name": "High" }, "labels": ["kent-abc"],
        } })
    );
    let ask = map.find("kent-abc");
    assert_eq!(ask.url, "https://jira.example.org/rest/api/2/search");
    assert!(ask.body.unwrap().contains(r#"labels = \"kent-abc\" ORDER BY created ASC"#));
    let map = Mapping::new(&config(CLOUD));
    let ask = map.find("kent-abc");
    assert_eq!(ask.url, "https://noc.atlassian.net/rest/api/3/search/jql");
    assert!(ask.body.unwrap().contains(r#"cf[10040] ~ \"\\\"kent-abc\\\"\""#));
    assert!(map.create(&draft()).body.unwrap().contains(r#""customfield_10040":"kent-abc""#));
    let tricky = plain("a {noformat} b\n[kent-op:x]");
    assert_eq!(tricky.matches(NOFORMAT).count(), 2, "{tricky}");
}

#[test]
fn an_empty_search_is_believed_late() {
    for text in [DC, CLOUD] {
        let rules = crate::desks::rules(&config(text));
        assert_eq!((rules.visibility_delay, rules.empty_looks), (Duration::from_secs(60), 2));
        let rules = crate::desks::rules(&config(&format!("visibility_delay = \"90s\"\n{text}")));
        assert_eq!(rules.visibility_delay, Duration::from_secs(90));
    }
}

#[test]
fn documented_answers_are_understood() {
    let map = Mapping::new(&config(DC));
    let created =
        r#"{"id":"10002","key":"NOC-24","self":"https://jira.example.org/rest/api/2/issue/10002"}"#;
    let Outcome::Done(ticket) = map.created(said(201, created)) else { panic!() };
    assert_eq!(ticket.id, "10002");
    assert_eq!(ticket.url.as_deref(), Some("https://jira.example.org/browse/NOC-24"));
    let Outcome::Done(seen) = map.snapshot(said(200, ISSUE)) else { panic!() };
    assert!(seen.open && seen.priorities == [Priority::P1], "{seen:?}");
    let list = format!(r#"{{"startAt":0,"maxResults":100,"total":1,"issues":[{ISSUE}]}}"#);
    let Outcome::Done(rows) = map.rows("kent-abc", said(200, &list)) else { panic!() };
    assert_eq!(rows[0].key.as_deref(), Some("kent-abc"), "of several labels the one looked for");
    let none = map.rows("kent-abc", said(200, r#"{"issues":[],"isLast":true}"#));
    assert_eq!(none, Outcome::Done(Vec::new()));
    let gone = map.rows(
        "kent-abc",
        said(410, r#"{"errorMessages":["The requested API has been removed."]}"#),
    );
    assert!(matches!(gone, Outcome::Rejected { .. }), "a search that is gone is no empty one");
    let closed = ISSUE.replace("indeterminate", "done");
    assert!(matches!(map.snapshot(said(200, &closed)), Outcome::Done(s) if !s.open));
    let page = r#"{"startAt":0,"maxResults":1,"total":2,"comments":[{"id":"1","body":"\\[kent-op:k7f3-1.2\\]"}]}"#;
    assert_eq!(
        Mapping::operations(said(200, page)),
        Outcome::Done((vec!["k7f3-1.2".into()], true))
    );
}

#[test]
fn a_transition_is_chosen_by_what_it_leads_to() {
    let mut map = Mapping::new(&config(DC));
    let Outcome::Done(ways) = Mapping::ways(said(200, TRANSITIONS)) else { panic!() };
    let done = map.to_resolved(&ways).unwrap();
    assert_eq!(
        done,
        json!({ "transition": { "id": "31" }, "fields": { "resolution": { "name": "Done" } } })
    );
    assert_eq!(map.to_open(&ways).unwrap(), json!({ "transition": { "id": "21" } }));
    map.resolved = Some("Cancelled".into());
    map.open = Some("To Do".into());
    assert_eq!(map.to_resolved(&ways).unwrap(), json!({ "transition": { "id": "41" } }));
    assert_eq!(map.to_open(&ways).unwrap(), json!({ "transition": { "id": "11" } }));
    let reason = map.to_resolved(&ways[..2]).unwrap_err();
    assert!(reason.contains("To Do, In Progress"), "{reason}");
    assert!(map.to_open(&[]).unwrap_err().contains("nowhere"));
}

#[test]
fn hostile_answers_are_no_success() {
    let map = Mapping::new(&config(DC));
    hostile(201, |r| map.created(r));
    hostile(200, |r| map.rows("kent-abc", r));
    hostile(200, |r| map.snapshot(r));
    hostile(200, Mapping::ways);
    hostile(200, Mapping::operations);
    hostile(201, Mapping::noted);
    for status in [200, 302, 500] {
        assert!(matches!(Mapping::accepted(said(status, "<html>")), Outcome::Unknown { .. }));
    }
    let bare = map.rows("kent-abc", said(200, r#"{"issues":[{"id":"10002"}]}"#));
    assert!(matches!(bare, Outcome::Unknown { .. }), "without its fields a row proves nothing");
}

#[test]
fn what_is_missing_is_named() {
    let wrong = "name = \"j\"\nkind = \"jira\"\nurl = \"http://j\"\nkey_field = \"Alert Key\"";
    assert_eq!(problems(wrong), ["queue", "token", "key_field"]);
    let wrong =
        "name = \"j\"\nkind = \"jira-cloud\"\nurl = \"http://j\"\nqueue = \"N\"\ntoken = \"t\"";
    assert_eq!(problems(wrong), ["user", "token"]);
}
