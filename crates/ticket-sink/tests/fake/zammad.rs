//! The dialect of Zammad (zammad-documentation: api/ticket/index.rst, api/ticket/articles.rst;
//! zammad: app/controllers/tickets_controller.rb): `expand=true` everywhere, 201 for what is new, 422
//! with a sentence for names that do not exist.

use super::*;

const PRIORITIES: [&str; 3] = ["1 low", "2 normal", "3 high"];
const STATES: [&str; 6] = ["new", "open", "pending reminder", "closed", "merged", "removed"];

pub const DIALECT: Dialect = Dialect {
    name: "zammad",
    config: |url| {
        format!(
            r#"
            name = "zammad"
            kind = "zammad"
            url = "{url}/"
            queue = "NOC"
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
    resolved: "closed",
    p1: || json!("3 high"),
    title_max: 250,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    Router::new()
        .route("/api/v1/tickets", post(create))
        .route("/api/v1/tickets/search", get(search))
        .route("/api/v1/tickets/{id}", get(read).put(change))
        .route("/api/v1/ticket_articles", post(note))
        .route("/api/v1/ticket_articles/by_ticket/{id}", get(notes))
}

fn json_of(n: usize, t: &Ticket) -> Value {
    json!({
        "id": n + 1, "number": format!("220{:02}", n + 1), "title": t.title, "group": t.queue,
        "state": t.status, "priority": t.priority, "alert_key": t.key, "owner": "-",
        "customer": "noc@example.org", "article_ids": [1],
    })
}

fn wrong_name(field: &str, name: &Value) -> (u16, Value) {
    (422, json!({ "error": format!("No lookup value found for '{field}': {name}") }))
}

async fn search(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    assert_eq!(query["condition[ticket.alert_key][operator]"], "is");
    assert_eq!(query["expand"], "true");
    assert!(!query.contains_key("query"), "a query asks the index, which lags behind");
    let key = query["condition[ticket.alert_key][value]"].clone();
    answer(&store, Op::Find, &headers, |store, fault| {
        let found = matching(store, fault, &key);
        (200, found.iter().map(|(n, t)| json_of(*n, t)).collect())
    })
    .await
}

async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Create, &headers, |store, fault| {
        assert_eq!(body["customer_id"], "guess:noc@example.org");
        if body["group"] == "Nope" {
            return wrong_name("group", &body["group"]);
        }
        store.tickets.push(Ticket {
            key: body["alert_key"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| fault != Some(Fault::DropKey)),
            title: body["title"].as_str().unwrap().to_owned(),
            text: body["article"]["body"].as_str().unwrap().to_owned(),
            queue: body["group"].as_str().unwrap().to_owned(),
            priority: body["priority"].clone(),
            status: "new".into(),
            notes: Vec::new(),
        });
        let n = store.tickets.len() - 1;
        (201, json_of(n, &store.tickets[n]))
    })
    .await
}

async fn read(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    answer(&store, Op::Read, &headers, |store, _| match index(store, &id) {
        Some(n) => (200, json_of(n, &store.tickets[n])),
        None => (404, json!({ "error": format!("Couldn't find Ticket with 'id'={id}") })),
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
        let Some(n) = index(store, &id) else { return (404, json!({ "error": "Couldn't find" })) };
        let t = &mut store.tickets[n];
        if let Some(state) = body["state"].as_str() {
            if !STATES.contains(&state) {
                return wrong_name("state", &body["state"]);
            }
            if fault != Some(Fault::Ignore) {
                state.clone_into(&mut t.status);
            }
        }
        if let Some(priority) = body["priority"].as_str() {
            if !PRIORITIES.contains(&priority) {
                return wrong_name("priority", &body["priority"]);
            }
            if fault != Some(Fault::Ignore) {
                t.priority = priority.into();
            }
        }
        (200, json_of(n, t))
    })
    .await
}

async fn note(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Note, &headers, |store, _| {
        assert_eq!(body["content_type"], "text/plain");
        let Some(n) = index(store, &body["ticket_id"].to_string()) else {
            return (422, json!({ "error": "Need at least ticket_id or ticket" }));
        };
        store.tickets[n].notes.push(body["body"].as_str().unwrap().to_owned());
        (201, json!({ "id": 90, "ticket_id": n + 1, "type": "note", "internal": true }))
    })
    .await
}

async fn notes(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    answer(&store, Op::Notes, &headers, |store, _| {
        let Some(n) = index(store, &id) else { return (404, json!({ "error": "Couldn't find" })) };
        let t = &store.tickets[n];
        let all = std::iter::once(&t.text).chain(&t.notes);
        (200, all.map(|b| json!({ "id": 1, "content_type": "text/plain", "body": b })).collect())
    })
    .await
}
