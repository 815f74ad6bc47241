//! A ticket system that misbehaves on demand, in several dialects over one store: those of the desks
//! that are known by name, and a small JSON API that nobody has heard of.

#![allow(dead_code, reason = "each test file uses its part")]

mod dialects;
mod glpi;
mod glpi_v2;
mod itop;
mod jira;
mod osticket;
pub mod redmine;
mod servicenow;
mod zammad;
mod znuny;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use delivery::Draft;
use model::Priority;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use dialects::{DIALECTS, Dialect, RT};

/// What is asked, in every dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Find,
    Create,
    Note,
    Change,
    Read,
    Notes,
    /// What a dialect asks besides.
    Other,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Done, and the connection breaks before a byte of the answer.
    CommitThenDrop,
    /// The connection breaks and nothing was done.
    DropBeforeCommit,
    /// Done, and the answer is this.
    CommitThen(u16),
    /// Not done, and the answer is this.
    Refuse(u16),
    /// Done, and the answer is a web page with 200.
    CommitThenHtml,
    /// Not done, and the answer is a login page with 200.
    Html,
    /// Done, and the answer is half of its JSON.
    Truncated,
    /// Done, and the body of the answer breaks off in the middle of the transfer.
    CutBody,
    /// The answer comes after the client has given up; done at that time.
    Slow(Duration),
    /// The filter of the search is ignored: everything but what was searched for.
    Everything,
    /// A list without anything in it, as a stranger is shown.
    Nothing,
    /// The key is dropped in silence.
    DropKey,
    /// 2xx, and nothing is changed.
    Ignore,
    /// Success with a body that has nothing of what is needed.
    Empty,
    /// Not done, and the answer is a success with this body.
    Body(&'static str),
}

#[derive(Debug, Clone, Default)]
pub struct Ticket {
    pub key: Option<String>,
    pub title: String,
    pub text: String,
    pub queue: String,
    pub priority: Value,
    pub status: String,
    pub notes: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Store {
    pub tickets: Vec<Ticket>,
    pub faults: Vec<(Op, Fault)>,
    pub seen: Vec<(Instant, Op)>,
    pub token: String,
    /// Sessions opened and not ended, …
    pub sessions: Vec<String>,
    /// … and how many were opened in all.
    pub logins: usize,
    /// What it takes for every request.
    pub latency: Duration,
    /// What a login is answered with when it shall not work.
    pub login_answers: u16,
}

impl Store {
    /// Opens a session; its name has the token in it, so that a leak is seen.
    pub fn log_in(&mut self, answer: impl Fn(&str) -> Value) -> Response {
        if let 400.. = self.login_answers {
            let status = StatusCode::from_u16(self.login_answers).unwrap();
            return (status, json!({ "error": "no" }).to_string()).into_response();
        }
        self.logins += 1;
        let name = format!("{}-sesi-{}", self.token, self.logins);
        self.sessions.push(name.clone());
        answer(&name).to_string().into_response()
    }
}

impl Store {
    pub fn count(&self, op: Op) -> usize {
        self.seen.iter().filter(|(_, o)| *o == op).count()
    }
}

#[derive(Clone)]
pub struct Fake {
    pub store: Arc<Mutex<Store>>,
    pub url: String,
}

pub const TOKEN: &str = "rahasia-1-2-3";

impl Fake {
    /// Listens on a free port of loopback.
    pub async fn start() -> Fake {
        let store = Arc::new(Mutex::new(Store { token: TOKEN.into(), ..Store::default() }));
        let app = Router::new()
            .route("/REST/2.0/tickets", get(rt::search))
            .route("/REST/2.0/ticket", post(rt::create))
            .route("/REST/2.0/ticket/{id}", get(rt::read).put(rt::change))
            .route("/REST/2.0/ticket/{id}/comment", post(rt::comment))
            .route("/REST/2.0/ticket/{id}/attachments", get(rt::attachments))
            .route("/api/issues", get(odd::search).post(odd::create))
            .route("/api/issues/{id}", get(odd::read).patch(odd::change))
            .route("/api/issues/{id}/comments", post(odd::comment))
            .merge(zammad::routes())
            .merge(glpi::routes())
            .merge(glpi_v2::routes())
            .merge(osticket::routes())
            .merge(itop::routes())
            .merge(jira::routes())
            .merge(servicenow::routes())
            .merge(znuny::routes())
            .route("/users/current.json", get(redmine::who))
            .route("/projects/network.json", get(redmine::project))
            .route("/issue_statuses.json", get(redmine::statuses))
            .route("/enumerations/issue_priorities.json", get(redmine::priorities))
            .route("/issues.json", get(redmine::search).post(redmine::create))
            .route("/issues/{id}", get(redmine::read).put(redmine::change))
            .with_state(store.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Fake { store, url }
    }

    pub fn fail(&self, op: Op, fault: Fault) -> &Fake {
        self.store.lock().unwrap().faults.push((op, fault));
        self
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut Store) -> T) -> T {
        f(&mut self.store.lock().unwrap())
    }
}

type Shared = State<Arc<Mutex<Store>>>;

/// What a person reads where the desk keeps this HTML.
pub fn shown(html: &str) -> String {
    let mut text = html.replace("<br>", "\n");
    for (name, c) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        assert!(name != "&lt;" || !text.contains('<'), "a text became a tag: {html}");
        text = text.replace(name, c);
    }
    text
}

/// Answers as the script says. `commit` does it and makes the true answer.
async fn answer(
    store: &Arc<Mutex<Store>>,
    op: Op,
    headers: &HeaderMap,
    commit: impl FnOnce(&mut Store, Option<Fault>) -> (u16, Value),
) -> Response {
    let (fault, latency) = {
        let mut store = store.lock().unwrap();
        let given = headers.iter().any(|(_, v)| v.to_str().unwrap_or("").contains(&store.token));
        if !given {
            return (StatusCode::UNAUTHORIZED, "{\"message\":\"Unauthorized\"}").into_response();
        }
        store.seen.push((Instant::now(), op));
        let at = store.faults.iter().position(|(o, _)| *o == op);
        (at.map(|at| store.faults.remove(at).1), store.latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let refuse = |status: u16| {
        let body = json!({ "message": format!("no: {TOKEN}") }).to_string();
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    };
    let page = "<!DOCTYPE html><html><title>Login</title></html>";
    let html = || ([("content-type", "text/html; charset=utf-8")], page).into_response();
    match fault {
        // A handler that unwinds takes its connection with it, without an answer.
        Some(Fault::DropBeforeCommit) => std::panic::resume_unwind(Box::new("dropped")),
        Some(Fault::Refuse(status)) => return refuse(status),
        Some(Fault::Html) => return html(),
        Some(Fault::Body(body)) => return body.into_response(),
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let (status, body) = commit(&mut store.lock().unwrap(), fault);
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let status_code = StatusCode::from_u16(status).unwrap();
    let json = [("content-type", "application/json; charset=utf-8")];
    match fault {
        Some(Fault::CommitThenDrop) => std::panic::resume_unwind(Box::new("dropped")),
        Some(Fault::CommitThen(status)) => refuse(status),
        Some(Fault::CommitThenHtml) => html(),
        Some(Fault::Truncated) => {
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            (status_code, json, half).into_response()
        }
        Some(Fault::CutBody) => {
            let length = (text.len() + 100).to_string();
            let headers = [("content-type", "application/json"), ("content-length", &length)];
            (status_code, headers, Body::from(text)).into_response()
        }
        Some(Fault::Empty) => (status_code, json, "{}").into_response(),
        _ => (status_code, json, text).into_response(),
    }
}

fn matching(store: &Store, fault: Option<Fault>, key: &str) -> Vec<(usize, Ticket)> {
    let all = store.tickets.iter().cloned().enumerate();
    if fault == Some(Fault::Everything) {
        return all.filter(|(_, t)| t.key.as_deref() != Some(key)).collect();
    }
    if fault == Some(Fault::Nothing) {
        return Vec::new();
    }
    all.filter(|(_, t)| t.key.as_deref() == Some(key)).collect()
}

fn index(store: &Store, id: &str) -> Option<usize> {
    let n: usize = id.parse().ok()?;
    (n >= 1 && n <= store.tickets.len()).then(|| n - 1)
}

mod rt {
    use super::*;

    fn json_of(n: usize, t: &Ticket) -> Value {
        json!({
            "id": n + 1, "type": "ticket", "Status": t.status, "Subject": t.title,
            "Priority": t.priority.to_string(),
            "LastUpdated": format!("2026-11-24T02:15:{:02}Z", t.notes.len()),
            "CustomFields": [
                { "name": "AlertSource", "values": [] },
                { "name": "AlertKey", "values": t.key.iter().collect::<Vec<_>>() },
            ],
        })
    }

    pub async fn search(
        State(store): Shared,
        headers: HeaderMap,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let sql = query["query"].clone();
        if sql == "CF.{AlertKey} IS NOT NULL" {
            assert_eq!((&*query["orderby"], &*query["order"]), ("LastUpdated", "DESC"));
            return answer(&store, Op::Other, &headers, |store, _| {
                let all = store.tickets.iter().enumerate().filter(|(_, t)| t.key.is_some());
                let items: Vec<Value> = all.map(|(n, t)| json_of(n, t)).collect();
                (200, json!({ "count": items.len(), "page": 1, "per_page": 100, "items": items }))
            })
            .await;
        }
        let key = sql.strip_prefix("CF.{AlertKey} = '").and_then(|r| r.strip_suffix('\''));
        let key = key.expect("the query is what it should be").to_owned();
        answer(&store, Op::Find, &headers, |store, fault| {
            let items: Vec<Value> =
                matching(store, fault, &key).iter().map(|(n, t)| json_of(*n, t)).collect();
            (200, json!({ "count": items.len(), "page": 1, "per_page": 100, "items": items }))
        })
        .await
    }

    pub async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
        let body: Value = serde_json::from_str(&body).expect("it is JSON");
        answer(&store, Op::Create, &headers, |store, fault| {
            if body["Queue"] == "Nope" {
                return (403, json!({ "message": "No permission to create tickets in the queue 'Nope'" }));
            }
            let key = body["CustomFields"]["AlertKey"].as_str().map(str::to_owned);
            store.tickets.push(Ticket {
                key: key.filter(|_| fault != Some(Fault::DropKey)),
                title: body["Subject"].as_str().unwrap().to_owned(),
                text: body["Content"].as_str().unwrap().to_owned(),
                queue: body["Queue"].as_str().unwrap().to_owned(),
                priority: body["Priority"].clone(),
                status: "new".into(),
                notes: Vec::new(),
            });
            let id = store.tickets.len().to_string();
            (201, json!({ "id": id, "type": "ticket", "_url": format!("http://rt/REST/2.0/ticket/{id}") }))
        })
        .await
    }

    pub async fn read(
        State(store): Shared,
        headers: HeaderMap,
        Path(id): Path<String>,
    ) -> Response {
        answer(&store, Op::Read, &headers, |store, _| match index(store, &id) {
            Some(n) => (200, json_of(n, &store.tickets[n])),
            None => (404, json!({ "message": "Not Found" })),
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
        answer(&store, Op::Change, &headers, |store, fault| {
            let Some(n) = index(store, &id) else {
                return (404, json!({ "message": "Not Found" }));
            };
            if fault == Some(Fault::Ignore) {
                return (
                    200,
                    json!(["Ticket 1: Status 'x' isn't a valid status for this ticket."]),
                );
            }
            let t = &mut store.tickets[n];
            if let Some(status) = body["Status"].as_str() {
                status.clone_into(&mut t.status);
            }
            if !body["Priority"].is_null() {
                t.priority = body["Priority"].clone();
            }
            (200, json!(["Ticket 1: changed"]))
        })
        .await
    }

    pub async fn comment(
        State(store): Shared,
        headers: HeaderMap,
        Path(id): Path<String>,
        body: String,
    ) -> Response {
        let body: Value = serde_json::from_str(&body).expect("it is JSON");
        answer(&store, Op::Note, &headers, |store, _| {
            let Some(n) = index(store, &id) else {
                return (404, json!({ "message": "Not Found" }));
            };
            store.tickets[n].notes.push(body["Content"].as_str().unwrap().to_owned());
            (201, json!(["Comments added"]))
        })
        .await
    }

    pub async fn attachments(
        State(store): Shared,
        headers: HeaderMap,
        Path(id): Path<String>,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        answer(&store, Op::Notes, &headers, |store, _| {
            let Some(n) = index(store, &id) else { return (200, json!({ "items": [], "per_page": 2 })) };
            let t = &store.tickets[n];
            let page: usize = query["page"].parse().unwrap();
            let all = std::iter::once(&t.text).chain(&t.notes);
            let items: Vec<Value> = all
                .skip((page - 1) * 2)
                .take(2)
                .map(|c| json!({ "Content": c, "ContentType": "text/plain", "type": "attachment" }))
                .collect();
            (200, json!({ "count": items.len(), "total": null, "pages": null, "per_page": 2, "items": items }))
        })
        .await
    }
}

mod odd {
    use super::*;

    fn json_of(n: usize, t: &Ticket) -> Value {
        json!({
            "issue": { "nr": n + 1, "state": t.status, "urgency": t.priority },
            "labels": { "external": t.key },
            "links": { "html": format!("https://odd.invalid/i/{}", n + 1) },
            "comments": t.notes.iter().map(|c| json!({ "body": { "plain": c } })).collect::<Vec<_>>(),
        })
    }

    pub async fn search(
        State(store): Shared,
        headers: HeaderMap,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let key = query["external"].clone();
        answer(&store, Op::Find, &headers, |store, fault| {
            let items: Vec<Value> =
                matching(store, fault, &key).iter().map(|(n, t)| json_of(*n, t)).collect();
            (200, json!({ "data": { "issues": items } }))
        })
        .await
    }

    pub async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
        let body: Value = serde_json::from_str(&body).expect("it is JSON");
        answer(&store, Op::Create, &headers, |store, fault| {
            assert!(body["urgency"].is_i64(), "a lone expression keeps its type: {body}");
            store.tickets.push(Ticket {
                key: body["labels"]["external"]
                    .as_str()
                    .map(str::to_owned)
                    .filter(|_| fault != Some(Fault::DropKey)),
                title: body["name"].as_str().unwrap().to_owned(),
                text: body["description"].as_str().unwrap().to_owned(),
                queue: body["board"].as_str().unwrap_or("").to_owned(),
                priority: body["urgency"].clone(),
                status: "todo".into(),
                notes: Vec::new(),
            });
            (200, json!({ "result": { "issue": { "nr": store.tickets.len() } } }))
        })
        .await
    }

    pub async fn read(
        State(store): Shared,
        headers: HeaderMap,
        Path(id): Path<String>,
    ) -> Response {
        answer(&store, Op::Read, &headers, |store, _| match index(store, &id) {
            Some(n) => (200, json_of(n, &store.tickets[n])),
            None => (404, json!({ "error": "gone" })),
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
        answer(&store, Op::Change, &headers, |store, fault| {
            let Some(n) = index(store, &id) else { return (404, json!({ "error": "gone" })) };
            if fault != Some(Fault::Ignore) {
                let t = &mut store.tickets[n];
                if let Some(status) = body["state"].as_str() {
                    status.clone_into(&mut t.status);
                }
                if !body["urgency"].is_null() {
                    t.priority = body["urgency"].clone();
                }
            }
            (204, Value::Null)
        })
        .await
    }

    pub async fn comment(
        State(store): Shared,
        headers: HeaderMap,
        Path(id): Path<String>,
        body: String,
    ) -> Response {
        let body: Value = serde_json::from_str(&body).expect("it is JSON");
        answer(&store, Op::Note, &headers, |store, _| {
            let Some(n) = index(store, &id) else { return (404, json!({ "error": "gone" })) };
            store.tickets[n].notes.push(body["body"]["plain"].as_str().unwrap().to_owned());
            (201, json!({ "ok": true }))
        })
        .await
    }
}

/// The configuration of the RT dialect.
pub fn rt_config(url: &str) -> String {
    format!(
        r#"
        name = "rt"
        kind = "rt"
        url = "{url}/"
        queue = "Network"
        token = "{TOKEN}"
        timeout = "600ms"
        commit_delay = "150ms"
        visibility_delay = "150ms"
        retry_max = "300ms"
        note_every = "0s"
        "#
    )
}

/// The configuration of the other: the whole of what a user writes for an API that no code knows.
pub fn odd_config(url: &str) -> String {
    format!(
        r#"
        name = "odd"
        kind = "generic"
        url = "{url}"
        token = "{TOKEN}"
        queue = "jaringan"
        timeout = "600ms"
        commit_delay = "150ms"
        visibility_delay = "150ms"
        retry_max = "300ms"
        note_every = "0s"
        priorities = {{ P1 = 9, P2 = 5, P3 = 1 }}
        resolved_status = "done"
        open_status = "todo"
        headers = {{ X-Auth = "key {{{{ token }}}}" }}

        [find]
        url = "{{{{ base }}}}/api/issues?external={{{{ key | urlencode }}}}"
        items = "data.issues"
        id = "/issue/nr"
        key = "/labels/external"
        status = "issue.state"
        priority = "issue.urgency"
        ticket_url = "links.html"

        [create]
        url = "{{{{ base }}}}/api/issues"
        body = {{ name = "[{{{{ incident }}}}] {{{{ title }}}}", description = "{{{{ text }}}}", urgency = "{{{{ priority }}}}", board = "{{{{ queue }}}}", labels = {{ external = "{{{{ key }}}}" }} }}
        id = "result.issue.nr"
        ticket_url = "https://odd.invalid/i/{{{{ id }}}}"

        [note]
        url = "{{{{ base }}}}/api/issues/{{{{ ticket }}}}/comments"
        body = {{ body = {{ plain = "{{{{ text }}}}" }} }}

        [priority]
        method = "PATCH"
        url = "{{{{ base }}}}/api/issues/{{{{ ticket }}}}"
        body = {{ urgency = "{{{{ priority }}}}" }}

        [resolve]
        method = "PATCH"
        url = "{{{{ base }}}}/api/issues/{{{{ ticket }}}}"
        body = '{{"state": {{{{ resolved_status | tojson }}}}}}'

        [reopen]
        method = "PATCH"
        url = "{{{{ base }}}}/api/issues/{{{{ ticket }}}}"
        body = {{ state = "{{{{ open_status }}}}" }}

        [read]
        url = "{{{{ base }}}}/api/issues/{{{{ ticket }}}}"
        key = "labels.external"
        status = "issue.state"
        priority = "issue.urgency"
        notes = "comments"
        note_text = "body.plain"
        "#
    )
}

/// A ticket to create.
pub fn draft() -> Draft {
    Draft {
        key: "kent-abc".into(),
        incident: "k7f3-1".into(),
        title: "judul".into(),
        text: "isi\n\n[kent:kent-abc]".into(),
        priority: Priority::P1,
        group: None,
        category: None,
    }
}
