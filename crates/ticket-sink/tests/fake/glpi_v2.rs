//! The dialect of GLPI 11's high-level API (glpi: src/Glpi/Api/HL/Controller/ITILController.php): an
//! access token for everything, `external_id`, a status that is an object.

use super::*;

pub const DIALECT: Dialect = Dialect {
    name: "glpi-v2",
    config: |url| {
        format!(
            r#"
            name = "glpi-v2"
            kind = "glpi-v2"
            url = "{url}/"
            user = "noc"
            password = "{TOKEN}"
            client_id = "9c4f"
            client_secret = "kunci-{TOKEN}"
            timeout = "600ms"
            commit_delay = "150ms"
            visibility_delay = "150ms"
            retry_max = "300ms"
            note_every = "0s"
            "#
        )
    },
    resolved: "5",
    open: "2",
    p1: || json!([5, 5]),
    title_max: 255,
    sessions: true,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    Router::new()
        .route("/api.php/token", post(token))
        .route("/api.php/v2/Assistance/Ticket", get(search).post(create))
        .route("/api.php/v2/Assistance/Ticket/{id}", get(read).patch(change))
        .route("/api.php/v2/Assistance/Ticket/{id}/Timeline/Followup", get(notes).post(note))
        .route("/api.php/v2/Assistance/Ticket/{id}/Timeline/Solution", post(solve))
}

async fn token(State(store): Shared, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    assert_eq!((&body["password"], &body["client_id"]), (&json!(TOKEN), &json!("9c4f")));
    let access =
        |name: &str| json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": name });
    store.lock().unwrap().log_in(access)
}

async fn within(
    store: &Arc<Mutex<Store>>,
    op: Op,
    headers: &HeaderMap,
    commit: impl FnOnce(&mut Store, Option<Fault>) -> (u16, Value),
) -> Response {
    let given = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("");
    let token = given.strip_prefix("Bearer ").unwrap_or("").to_owned();
    if !store.lock().unwrap().sessions.contains(&token) {
        let error =
            json!({ "title": "You are not authenticated", "status": "ERROR_UNAUTHENTICATED" });
        return (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
    }
    answer(store, op, headers, commit).await
}

fn json_of(n: usize, t: &Ticket) -> Value {
    json!({
        "id": n + 1, "name": t.title, "content": t.text, "type": 1, "is_deleted": false,
        "status": { "id": t.status.parse::<i64>().unwrap_or(1), "name": "x" },
        "impact": t.priority[0], "urgency": t.priority[1], "priority": 6, "external_id": t.key,
    })
}

fn missing() -> (u16, Value) {
    (404, json!({ "status": "ERROR_ITEM_NOT_FOUND", "title": "Item not found" }))
}

async fn search(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let key = query["filter"].strip_prefix("external_id==").unwrap().to_owned();
    within(&store, Op::Find, &headers, |store, fault| {
        let found = matching(store, fault, &key);
        (200, found.iter().map(|(n, t)| json_of(*n, t)).collect())
    })
    .await
}

async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    within(&store, Op::Create, &headers, |store, fault| {
        store.tickets.push(Ticket {
            key: body["external_id"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| fault != Some(Fault::DropKey)),
            title: body["name"].as_str().unwrap().to_owned(),
            text: shown(body["content"].as_str().unwrap()),
            priority: json!([body["impact"], body["urgency"]]),
            status: "1".into(),
            ..Ticket::default()
        });
        let id = store.tickets.len();
        (201, json!({ "id": id, "href": format!("/Assistance/Ticket/{id}") }))
    })
    .await
}

async fn read(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    within(&store, Op::Read, &headers, |store, _| match index(store, &id) {
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
    within(&store, Op::Change, &headers, |store, fault| {
        let Some(n) = index(store, &id) else { return missing() };
        let t = &mut store.tickets[n];
        if fault != Some(Fault::Ignore) {
            if let Some(status) = body["status"]["id"].as_i64() {
                t.status = status.to_string();
            }
            if body["urgency"].is_i64() {
                t.priority = json!([body["impact"], body["urgency"]]);
            }
        }
        (200, json_of(n, t))
    })
    .await
}

async fn solve(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    within(&store, Op::Change, &headers, |store, fault| {
        let Some(n) = index(store, &id) else { return missing() };
        if fault != Some(Fault::Ignore) {
            store.tickets[n].status = "5".into();
        }
        (201, json!({ "id": 70, "href": "x" }))
    })
    .await
}

async fn note(
    State(store): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    within(&store, Op::Note, &headers, |store, _| {
        let Some(n) = index(store, &id) else { return missing() };
        assert_eq!(body["is_private"], true);
        store.tickets[n].notes.push(shown(body["content"].as_str().unwrap()));
        (201, json!({ "id": 80, "href": "x" }))
    })
    .await
}

async fn notes(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    within(&store, Op::Notes, &headers, |store, _| {
        let Some(n) = index(store, &id) else { return missing() };
        let item = |c: &String| json!({ "type": "Followup", "item": { "id": 80, "content": c } });
        (200, store.tickets[n].notes.iter().map(item).collect())
    })
    .await
}
