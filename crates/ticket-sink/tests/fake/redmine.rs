//! The dialect of Redmine, with the habits of a real 5.0: numbers for names, 204 without a body,
//! attributes dropped in silence, strangers answered politely.

use super::*;

pub const DIALECT: Dialect = Dialect {
    name: "redmine",
    config: redmine_config,
    resolved: "Closed",
    open: "In Progress",
    p1: || json!("Urgent"),
    title_max: 255,
    ..RT
};

/// Statuses and priorities by number; those in between are not ours.
const STATUSES: &[(u64, &str)] = &[(1, "New"), (2, "In Progress"), (5, "Closed")];
const PRIORITIES: &[(u64, &str)] = &[(12, "Normal"), (13, "High"), (14, "Urgent")];
const FIELD: u64 = 7;

fn name(all: &[(u64, &str)], id: &Value) -> Option<String> {
    all.iter().find(|(n, _)| Some(*n) == id.as_u64()).map(|(_, name)| (*name).to_owned())
}

/// A stranger's issue may have one that is none of ours.
fn reference(all: &[(u64, &str)], name: &str) -> Value {
    let ours = all.iter().find(|(_, n)| *n == name);
    json!({ "id": ours.map_or(99, |(id, _)| *id), "name": name })
}

fn json_of(n: usize, t: &Ticket, journals: bool) -> Value {
    let mut status = reference(STATUSES, &t.status);
    status["is_closed"] = (t.status == "Closed").into();
    let mut issue = json!({
        "id": n + 1, "subject": t.title, "description": t.text, "status": status,
        "priority": reference(PRIORITIES, t.priority.as_str().unwrap_or("Low")),
        "updated_on": format!("2026-11-24T02:15:{:02}Z", t.notes.len()),
        "custom_fields": [
            { "id": 2, "name": "AlertSource", "value": "" },
            { "id": FIELD, "name": "AlertKey", "value": t.key },
        ],
    });
    if journals {
        let all = t.notes.iter().enumerate();
        let all = all.map(|(n, text)| json!({ "id": n, "notes": text, "details": [] }));
        // A change without a note is a journal too.
        let all = std::iter::once(json!({ "id": 0, "notes": "", "details": [{}] })).chain(all);
        issue["journals"] = all.collect();
    }
    issue
}

pub async fn who(State(store): Shared, headers: HeaderMap) -> Response {
    let me = json!({ "user": { "id": 5, "login": "middleware" } });
    answer(&store, Op::Other, &headers, |_, _| (200, me)).await
}

pub async fn project(State(store): Shared, headers: HeaderMap) -> Response {
    let fields = json!([{ "id": 2, "name": "AlertSource" }, { "id": FIELD, "name": "AlertKey" }]);
    let project = json!({ "project": { "id": 1, "issue_custom_fields": fields } });
    answer(&store, Op::Other, &headers, |_, _| (200, project)).await
}

pub async fn statuses(State(store): Shared, headers: HeaderMap) -> Response {
    let all = STATUSES.iter().map(|(id, name)| json!({ "id": id, "name": name }));
    let all = json!({ "issue_statuses": all.collect::<Vec<_>>() });
    answer(&store, Op::Other, &headers, |_, _| (200, all)).await
}

pub async fn priorities(State(store): Shared, headers: HeaderMap) -> Response {
    let all = PRIORITIES.iter().map(|(id, name)| json!({ "id": id, "name": name }));
    let all = json!({ "issue_priorities": all.collect::<Vec<_>>() });
    answer(&store, Op::Other, &headers, |_, _| (200, all)).await
}

pub async fn search(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    assert_eq!(query["status_id"], "*", "closed issues are looked for as well");
    let key = query["cf_7"].clone();
    if key == "*" {
        assert_eq!(query["sort"], "updated_on:desc");
        return answer(&store, Op::Other, &headers, |store, _| {
            let all = store.tickets.iter().enumerate().filter(|(_, t)| t.key.is_some());
            let issues: Vec<Value> = all.map(|(n, t)| json_of(n, t, false)).collect();
            let many = issues.len();
            (200, json!({ "total_count": many, "offset": 0, "limit": 100, "issues": issues }))
        })
        .await;
    }
    answer(&store, Op::Find, &headers, |store, fault| {
        let issues: Vec<Value> =
            matching(store, fault, &key).iter().map(|(n, t)| json_of(*n, t, false)).collect();
        (200, json!({ "total_count": issues.len(), "offset": 0, "limit": 100, "issues": issues }))
    })
    .await
}

pub async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Create, &headers, |store, fault| {
        let issue = &body["issue"];
        let subject = issue["subject"].as_str().unwrap();
        assert!(subject.chars().count() <= 255);
        let priority = name(PRIORITIES, &issue["priority_id"]).expect("a priority's number");
        assert_eq!(issue["custom_fields"][0]["id"], FIELD);
        store.tickets.push(Ticket {
            key: issue["custom_fields"][0]["value"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| fault != Some(Fault::DropKey)),
            title: subject.to_owned(),
            text: issue["description"].as_str().unwrap().to_owned(),
            queue: issue["project_id"].as_str().unwrap().to_owned(),
            priority: priority.into(),
            status: "New".into(),
            notes: Vec::new(),
        });
        let n = store.tickets.len() - 1;
        (201, json!({ "issue": json_of(n, &store.tickets[n], false) }))
    })
    .await
}

pub async fn read(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let journals = query.get("include").is_some_and(|i| i.contains("journals"));
    let op = if journals { Op::Notes } else { Op::Read };
    answer(&store, op, &headers, |store, _| match index(store, id.trim_end_matches(".json")) {
        Some(n) => (200, json!({ "issue": json_of(n, &store.tickets[n], journals) })),
        None => (404, Value::Null),
    })
    .await
}

pub async fn change(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    let issue = &body["issue"];
    let op = if issue["notes"].is_string() { Op::Note } else { Op::Change };
    answer(&store, op, &headers, |store, fault| {
        let Some(n) = index(store, id.trim_end_matches(".json")) else { return (404, Value::Null) };
        if fault != Some(Fault::Ignore) {
            let t = &mut store.tickets[n];
            t.notes.extend(issue["notes"].as_str().map(str::to_owned));
            if let Some(status) = name(STATUSES, &issue["status_id"]) {
                t.status = status;
            }
            if let Some(priority) = name(PRIORITIES, &issue["priority_id"]) {
                t.priority = priority.into();
            }
        }
        (204, Value::Null)
    })
    .await
}

/// The configuration of it.
pub fn redmine_config(url: &str) -> String {
    format!(
        r#"
        name = "redmine"
        kind = "redmine"
        url = "{url}/"
        queue = "network"
        token = "{TOKEN}"
        timeout = "600ms"
        visibility_delay = "150ms"
        commit_delay = "150ms"
        retry_max = "300ms"
        note_every = "0s"
        "#
    )
}
