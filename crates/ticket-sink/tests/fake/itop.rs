//! The dialect of iTop (core/restservices.class.inc.php): one address, one form field, HTTP 200 for
//! everything, and the life of an incident as in the ITIL data model.

use super::*;
use axum::extract::Form;

pub const DIALECT: Dialect = Dialect {
    name: "itop",
    config: |url| {
        format!(
            r#"
            name = "itop"
            kind = "itop"
            url = "{url}/"
            organization = "Diskominfo"
            requestor = "noc@example.org"
            token = "{TOKEN}"
            timeout = "600ms"
            commit_delay = "150ms"
            visibility_delay = "150ms"
            retry_max = "300ms"
            note_every = "0s"
            "#
        )
    },
    resolved: "resolved",
    open: "assigned",
    p1: || json!(["1", "1"]),
    title_max: 255,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    Router::new().route("/webservices/rest.php", post(call))
}

fn object(n: usize, t: &Ticket) -> (String, Value) {
    let entries: Vec<Value> = t.notes.iter().map(|m| json!({ "message": m })).collect();
    let fields = json!({
        "id": (n + 1).to_string(), "status": t.status, "impact": t.priority[0],
        "urgency": t.priority[1], "alert_key": t.key.as_deref().unwrap_or(""),
        "private_log": { "entries": entries },
    });
    let id = (n + 1).to_string();
    (
        format!("Incident::{id}"),
        json!({ "code": 0, "class": "Incident", "key": id, "fields": fields }),
    )
}

fn good(objects: impl Iterator<Item = (String, Value)>) -> (u16, Value) {
    let objects: serde_json::Map<String, Value> = objects.collect();
    let objects = if objects.is_empty() { Value::Null } else { objects.into() };
    (200, json!({ "objects": objects, "code": 0, "message": "" }))
}

fn failed(message: &str) -> (u16, Value) {
    (200, json!({ "code": 100, "message": format!("Error: {message}") }))
}

/// Where a stimulus leads, from the ITIL data model of incidents.
fn leads(status: &str, stimulus: &str) -> Option<&'static str> {
    match (status, stimulus) {
        ("new" | "escalated_tto" | "assigned" | "pending" | "escalated_ttr", "ev_autoresolve")
        | ("assigned" | "escalated_ttr", "ev_resolve") => Some("resolved"),
        ("resolved", "ev_reopen") => Some("assigned"),
        _ => None,
    }
}

async fn call(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    assert_eq!(query["version"], "1.3");
    assert_eq!(query.len(), 1, "no secret stands in the address");
    let call: Value = serde_json::from_str(&form["json_data"]).expect("it is JSON");
    let key = call["key"].as_str().unwrap_or("").to_owned();
    match call["operation"].as_str().unwrap() {
        "core/get" if key.starts_with("SELECT ") => {
            let key = key.strip_prefix("SELECT Incident WHERE alert_key = '").unwrap();
            let key = key.strip_suffix('\'').unwrap().to_owned();
            answer(&store, Op::Find, &headers, |store, fault| {
                good(matching(store, fault, &key).iter().map(|(n, t)| object(*n, t)))
            })
            .await
        }
        "core/get" => {
            let notes = call["output_fields"].as_str().unwrap().contains("private_log");
            let op = if notes { Op::Notes } else { Op::Read };
            answer(&store, op, &headers, |store, _| {
                good(index(store, &key).map(|n| object(n, &store.tickets[n])).into_iter())
            })
            .await
        }
        "core/create" => {
            answer(&store, Op::Create, &headers, |store, fault| {
                let fields = &call["fields"];
                assert_eq!(fields["org_id"]["name"], "Diskominfo");
                store.tickets.push(Ticket {
                    key: fields["alert_key"]
                        .as_str()
                        .map(str::to_owned)
                        .filter(|_| fault != Some(Fault::DropKey)),
                    title: fields["title"].as_str().unwrap().to_owned(),
                    text: shown(fields["description"].as_str().unwrap()),
                    priority: json!([fields["impact"], fields["urgency"]]),
                    status: "new".into(),
                    ..Ticket::default()
                });
                let n = store.tickets.len() - 1;
                good(std::iter::once(object(n, &store.tickets[n])))
            })
            .await
        }
        "core/update" => {
            let entry = call["fields"]["private_log"]["add_item"]["message"].as_str().map(shown);
            let op = if entry.is_some() { Op::Note } else { Op::Change };
            answer(&store, op, &headers, |store, fault| {
                let Some(n) = index(store, &key) else { return failed("Invalid object Incident") };
                let t = &mut store.tickets[n];
                t.notes.extend(entry);
                if fault != Some(Fault::Ignore) && call["fields"]["impact"].is_string() {
                    t.priority = json!([call["fields"]["impact"], call["fields"]["urgency"]]);
                }
                good(std::iter::once(object(n, t)))
            })
            .await
        }
        "core/apply_stimulus" => {
            answer(&store, Op::Change, &headers, |store, fault| {
                let Some(n) = index(store, &key) else { return failed("Invalid object Incident") };
                let t = &mut store.tickets[n];
                let stimulus = call["stimulus"].as_str().unwrap();
                let Some(to) = leads(&t.status, stimulus) else {
                    return failed(&format!(
                        "Invalid stimulus: '{stimulus}' in state '{}'",
                        t.status
                    ));
                };
                if fault != Some(Fault::Ignore) {
                    to.clone_into(&mut t.status);
                }
                good(std::iter::once(object(n, t)))
            })
            .await
        }
        other => panic!("{other}"),
    }
}
