//! The dialect of GLPI's `apirest.php` (glpi: apirest.md): a session for everything, `input` around
//! what is written, an array of flags for an update, errors as arrays of two texts.

use super::*;

pub const DIALECT: Dialect = Dialect {
    name: "glpi",
    config: |url| {
        format!(
            r#"
            name = "glpi"
            kind = "glpi"
            url = "{url}/"
            token = "{TOKEN}"
            app_token = "aplikasi"
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
        .route("/apirest.php/initSession", get(log_in))
        .route("/apirest.php/killSession", get(log_out))
        .route("/apirest.php/Ticket", get(search).post(create))
        .route("/apirest.php/Ticket/{id}", get(read).put(change))
        .route("/apirest.php/Ticket/{id}/ITILFollowup", get(notes))
        .route("/apirest.php/ITILFollowup", post(note))
        .route("/apirest.php/ITILSolution", post(solve))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
}

async fn log_in(State(store): Shared, headers: HeaderMap) -> Response {
    assert_eq!(header(&headers, "app-token"), "aplikasi");
    if header(&headers, "authorization") != format!("user_token {TOKEN}") {
        let error = json!(["ERROR_GLPI_LOGIN_USER_TOKEN", "user_token seems invalid"]);
        return (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
    }
    store.lock().unwrap().log_in(|session| json!({ "session_token": session }))
}

async fn log_out(State(store): Shared, headers: HeaderMap) -> Response {
    let session = header(&headers, "session-token");
    store.lock().unwrap().sessions.retain(|s| s != session);
    "true".into_response()
}

/// As the others answer, once the session is one.
async fn within(
    store: &Arc<Mutex<Store>>,
    op: Op,
    headers: &HeaderMap,
    commit: impl FnOnce(&mut Store, Option<Fault>) -> (u16, Value),
) -> Response {
    assert_eq!(header(headers, "app-token"), "aplikasi");
    assert_eq!(header(headers, "authorization"), "", "the session is enough");
    let session = header(headers, "session-token").to_owned();
    if !store.lock().unwrap().sessions.contains(&session) {
        let error = json!(["ERROR_SESSION_TOKEN_INVALID", "session_token seems invalid"]);
        return (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
    }
    answer(store, op, headers, commit).await
}

fn json_of(n: usize, t: &Ticket) -> Value {
    json!({
        "id": n + 1, "name": t.title, "content": t.text, "status": t.status.parse::<i64>().unwrap_or(1),
        "impact": t.priority[0], "urgency": t.priority[1], "priority": 6, "type": 1,
        "is_deleted": 0, "externalid": t.key,
    })
}

async fn search(
    State(store): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let key = query["searchText[externalid]"].clone();
    within(&store, Op::Find, &headers, |store, fault| {
        let found = matching(store, fault, &key);
        (200, found.iter().map(|(n, t)| json_of(*n, t)).collect())
    })
    .await
}

async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    within(&store, Op::Create, &headers, |store, fault| {
        let input = &body["input"];
        store.tickets.push(Ticket {
            key: input["externalid"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| fault != Some(Fault::DropKey)),
            title: input["name"].as_str().unwrap().to_owned(),
            text: shown(input["content"].as_str().unwrap()),
            priority: json!([input["impact"], input["urgency"]]),
            status: "1".into(),
            ..Ticket::default()
        });
        (201, json!({ "id": store.tickets.len(), "message": "" }))
    })
    .await
}

async fn read(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    within(&store, Op::Read, &headers, |store, _| match index(store, &id) {
        Some(n) => (200, json_of(n, &store.tickets[n])),
        None => (404, json!(["ERROR_ITEM_NOT_FOUND", "Item not found"])),
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
        let Some(n) = index(store, &id) else {
            return (200, json!([{ &id: false, "message": "Item not found" }]));
        };
        let t = &mut store.tickets[n];
        if fault != Some(Fault::Ignore) {
            let input = &body["input"];
            if let Some(status) = input["status"].as_i64() {
                t.status = status.to_string();
            }
            if input["urgency"].is_i64() {
                t.priority = json!([input["impact"], input["urgency"]]);
            }
        }
        (200, json!([{ &id: true, "message": "" }]))
    })
    .await
}

async fn solve(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    within(&store, Op::Change, &headers, |store, fault| {
        let n = index(store, &body["input"]["items_id"].to_string()).expect("there is the ticket");
        if fault != Some(Fault::Ignore) {
            store.tickets[n].status = "5".into();
        }
        (201, json!({ "id": 70, "message": "" }))
    })
    .await
}

async fn note(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    within(&store, Op::Note, &headers, |store, _| {
        let input = &body["input"];
        assert_eq!((&input["itemtype"], &input["is_private"]), (&json!("Ticket"), &json!(1)));
        let n = index(store, &input["items_id"].to_string()).expect("there is the ticket");
        store.tickets[n].notes.push(shown(input["content"].as_str().unwrap()));
        (201, json!({ "id": 80, "message": "" }))
    })
    .await
}

async fn notes(State(store): Shared, headers: HeaderMap, Path(id): Path<String>) -> Response {
    within(&store, Op::Notes, &headers, |store, _| {
        let Some(n) = index(store, &id) else { return (404, json!(["ERROR_ITEM_NOT_FOUND", ""])) };
        let encode =
            |c: &String| c.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;");
        let all = store.tickets[n].notes.iter().map(encode);
        (206, all.map(|c| json!({ "id": 80, "content": c, "is_private": 1 })).collect())
    })
    .await
}
