//! The dialect of ServiceNow's Table API (ServiceNowDocs: c_TableAPI.md): everything in `result`,
//! values are texts, work notes are written in the record and read in a table of their own.

use super::*;

pub const DIALECT: Dialect = Dialect {
    name: "servicenow",
    config: |url| {
        format!(
            r#"
            name = "servicenow"
            kind = "servicenow"
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
    resolved: "6",
    open: "2",
    p1: || json!(["1", "1"]),
    title_max: 160,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    Router::new()
        .route("/api/now/table/incident", get(search).post(create))
        .route("/api/now/table/incident/{id}", get(read).patch(change))
        .route("/api/now/table/sys_journal_field", get(journal))
}

fn id_of(n: usize) -> String {
    format!("c537bae64f411200{:016x}", n + 1)
}

fn index_of(store: &Store, id: &str) -> Option<usize> {
    (0..store.tickets.len()).find(|n| id_of(*n) == id)
}

fn json_of(n: usize, t: &Ticket) -> Value {
    json!({
        "sys_id": id_of(n), "number": format!("INC{:07}", n + 1), "state": t.status,
        "impact": t.priority[0], "urgency": t.priority[1],
        "correlation_id": t.key.as_deref().unwrap_or(""),
    })
}

fn no_record() -> (u16, Value) {
    let error = json!({ "message": "No Record found", "detail": "Record doesn't exist or ACL restricts the record retrieval" });
    (404, json!({ "error": error, "status": "failure" }))
}

async fn search(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let query = query["sysparm_query"].clone();
    let key =
        query.strip_prefix("correlation_id=").and_then(|q| q.split('^').next()).unwrap().to_owned();
    answer(&store, Op::Find, &headers, |store, fault| {
        let found = matching(store, fault, &key);
        let rows: Vec<Value> = found.iter().map(|(n, t)| json_of(*n, t)).collect();
        (200, json!({ "result": rows }))
    })
    .await
}

async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Create, &headers, |store, fault| {
        assert_eq!(body["assignment_group"], "NOC");
        store.tickets.push(Ticket {
            key: body["correlation_id"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| fault != Some(Fault::DropKey)),
            title: body["short_description"].as_str().unwrap().to_owned(),
            text: body["description"].as_str().unwrap().to_owned(),
            priority: json!([body["impact"], body["urgency"]]),
            status: "1".into(),
            ..Ticket::default()
        });
        let n = store.tickets.len() - 1;
        (201, json!({ "result": json_of(n, &store.tickets[n]) }))
    })
    .await
}

async fn read(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    answer(&store, Op::Read, &headers, |store, _| match index_of(store, &id) {
        Some(n) => (200, json!({ "result": json_of(n, &store.tickets[n]) })),
        None => no_record(),
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
    let note = body["work_notes"].as_str().map(str::to_owned);
    let op = if note.is_some() { Op::Note } else { Op::Change };
    answer(&store, op, &headers, |store, fault| {
        let Some(n) = index_of(store, &id) else { return no_record() };
        let t = &mut store.tickets[n];
        t.notes.extend(note);
        if fault != Some(Fault::Ignore) {
            if let Some(state) = body["state"].as_str() {
                let reasons = body["close_code"].is_string() && body["close_notes"].is_string();
                if state == "6" && !reasons {
                    let error = json!({ "message": "Operation Failed", "detail": "Data Policy Exception: close_code" });
                    return (403, json!({ "error": error, "status": "failure" }));
                }
                state.clone_into(&mut t.status);
            }
            if body["impact"].is_string() {
                t.priority = json!([body["impact"], body["urgency"]]);
            }
        }
        (200, json!({ "result": json_of(n, t) }))
    })
    .await
}

async fn journal(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let query = query["sysparm_query"].clone();
    let id =
        query.strip_prefix("element_id=").and_then(|q| q.split('^').next()).unwrap().to_owned();
    answer(&store, Op::Notes, &headers, |store, _| {
        let notes =
            index_of(store, &id).map(|n| store.tickets[n].notes.clone()).unwrap_or_default();
        let rows: Vec<Value> =
            notes.iter().rev().map(|v| json!({ "element_id": id, "value": v })).collect();
        (200, json!({ "result": rows }))
    })
    .await
}
