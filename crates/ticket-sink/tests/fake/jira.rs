//! The dialect of Jira (the Jira REST API v2 documentation; the search of v3 for the Cloud): fields in
//! `fields`, transitions of the present status, changes answered 204.

use super::*;

const NOFORMAT: &str = "{noformat}\n";

pub const DIALECT: Dialect = Dialect {
    name: "jira",
    config: |url| {
        format!(
            r#"
            name = "jira"
            kind = "jira"
            url = "{url}/"
            queue = "NOC"
            token = "{TOKEN}"
            timeout = "600ms"
            commit_delay = "150ms"
            visibility_delay = "150ms"
            retry_max = "300ms"
            note_every = "0s"
            "#
        )
    },
    resolved: "Done",
    open: "In Progress",
    p1: || json!("Highest"),
    title_max: 255,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    Router::new()
        .route("/rest/api/2/search", post(search))
        .route("/rest/api/2/issue", post(create))
        .route("/rest/api/2/issue/{id}", get(read).put(change))
        .route("/rest/api/2/issue/{id}/transitions", get(transitions).post(transit))
        .route("/rest/api/2/issue/{id}/comment", get(comments).post(comment))
}

/// Issues have numbers of their own.
fn at(store: &Store, id: &str) -> Option<usize> {
    index(store, &id.parse::<usize>().ok()?.checked_sub(10_000)?.to_string())
}

fn category(status: &str) -> &'static str {
    match status {
        "To Do" => "new",
        "Done" => "done",
        _ => "indeterminate",
    }
}

fn json_of(n: usize, t: &Ticket) -> Value {
    json!({
        "id": (10_001 + n).to_string(), "key": format!("NOC-{}", n + 1),
        "fields": {
            "labels": t.key.iter().map(String::as_str).chain(["jaringan"]).collect::<Vec<_>>(),
            "priority": { "name": t.priority, "id": "1" },
            "status": { "name": t.status, "statusCategory": { "key": category(&t.status) } },
        },
    })
}

fn shown(wiki: &str) -> String {
    let text = wiki.strip_prefix(NOFORMAT).and_then(|t| t.strip_suffix("\n{noformat}"));
    let text = text.expect("it stands in a block");
    assert!(!text.contains("{noformat}"), "the block ends early: {text}");
    text.replace("{ noformat}", "{noformat}")
}

fn missing() -> (u16, Value) {
    (404, json!({ "errorMessages": ["Issue Does Not Exist"], "errors": {} }))
}

async fn search(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    let jql = body["jql"].as_str().unwrap();
    let key = jql.strip_prefix("labels = \"").and_then(|q| q.split('"').next()).unwrap().to_owned();
    answer(&store, Op::Find, &headers, |store, fault| {
        let found = matching(store, fault, &key);
        let issues: Vec<Value> = found.iter().map(|(n, t)| json_of(*n, t)).collect();
        (200, json!({ "startAt": 0, "maxResults": 100, "total": issues.len(), "issues": issues }))
    })
    .await
}

async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Create, &headers, |store, fault| {
        let fields = &body["fields"];
        assert_eq!(
            (&fields["issuetype"]["name"], &fields["project"]["key"]),
            (&json!("Task"), &json!("NOC"))
        );
        store.tickets.push(Ticket {
            key: fields["labels"][0]
                .as_str()
                .map(str::to_owned)
                .filter(|_| fault != Some(Fault::DropKey)),
            title: fields["summary"].as_str().unwrap().to_owned(),
            text: shown(fields["description"].as_str().unwrap()),
            priority: fields["priority"]["name"].clone(),
            status: "To Do".into(),
            ..Ticket::default()
        });
        let n = store.tickets.len();
        (201, json!({ "id": (10_000 + n).to_string(), "key": format!("NOC-{n}"), "self": "x" }))
    })
    .await
}

async fn read(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    answer(&store, Op::Read, &headers, |store, _| match at(store, &id) {
        Some(n) => (200, json_of(n, &store.tickets[n])),
        None => missing(),
    })
    .await
}

async fn change(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Change, &headers, |store, fault| {
        let Some(n) = at(store, &id) else { return missing() };
        if fault != Some(Fault::Ignore) {
            store.tickets[n].priority = body["fields"]["priority"]["name"].clone();
        }
        (204, Value::Null)
    })
    .await
}

/// The workflow: from anywhere to anywhere else, with a resolution to be done.
fn ways(t: &Ticket) -> Vec<Value> {
    let all = [("11", "To Do"), ("21", "In Progress"), ("31", "Done")];
    let others = all.iter().filter(|(_, name)| *name != t.status);
    others
        .map(|(id, name)| {
            let fields = if *name == "Done" {
                json!({ "resolution": { "required": true } })
            } else {
                json!({})
            };
            json!({
                "id": id, "name": format!("ke {name}"), "fields": fields,
                "to": { "name": name, "statusCategory": { "key": category(name) } },
            })
        })
        .collect()
}

async fn transitions(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    answer(&store, Op::Read, &headers, |store, _| match at(store, &id) {
        Some(n) => (200, json!({ "transitions": ways(&store.tickets[n]) })),
        None => missing(),
    })
    .await
}

async fn transit(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Change, &headers, |store, fault| {
        let Some(n) = at(store, &id) else { return missing() };
        let t = &mut store.tickets[n];
        let ways = ways(t);
        let Some(way) = ways.iter().find(|w| w["id"] == body["transition"]["id"]) else {
            return (400, json!({ "errorMessages": ["It seems that you have tried to perform a workflow operation that is not valid"] }));
        };
        if way["to"]["name"] == "Done" && body["fields"]["resolution"]["name"] != "Done" {
            return (400, json!({ "errors": { "resolution": "Resolution is required." } }));
        }
        if fault != Some(Fault::Ignore) {
            way["to"]["name"].as_str().unwrap().clone_into(&mut t.status);
        }
        (204, Value::Null)
    })
    .await
}

async fn comment(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Note, &headers, |store, _| {
        let Some(n) = at(store, &id) else { return missing() };
        store.tickets[n].notes.push(shown(body["body"].as_str().unwrap()));
        (201, json!({ "id": "90", "body": body["body"] }))
    })
    .await
}

async fn comments(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    answer(&store, Op::Notes, &headers, |store, _| {
        let Some(n) = at(store, &id) else { return missing() };
        let start: usize = query["startAt"].parse().unwrap();
        let notes = &store.tickets[n].notes;
        let page: Vec<Value> =
            notes.iter().skip(start).map(|b| json!({ "id": "90", "body": b })).collect();
        (
            200,
            json!({ "startAt": start, "maxResults": 100, "total": notes.len(), "comments": page }),
        )
    })
    .await
}
