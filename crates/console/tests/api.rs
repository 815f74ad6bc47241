//! Every endpoint over a made-up province.

// A failed unwrap is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "../examples/board/world.rs"]
mod world;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use console::BackendError;
use model::{Kind, Operation, Priority};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry::Telemetry;
use tower::ServiceExt as _;
use world::{OUTAGE, Phase, World};

/// The world, its router, and a place for its views.
struct Stage {
    world: Arc<World>,
    router: Router,
    _dir: tempfile::TempDir,
}

fn stage_with(change: impl FnOnce(&mut console::ConsoleState)) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path(), Phase::During);
    let mut state = world.console(Telemetry::new());
    change(&mut state);
    Stage { router: console::router(state), world, _dir: dir }
}

fn stage() -> Stage {
    stage_with(|_| {})
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The name of the problem, having seen that it is a whole problem document.
    fn problem(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{}",
            self.text()
        );
        let doc = self.json();
        assert_eq!(doc["status"], self.status.as_u16());
        assert!(!doc["title"].as_str().unwrap().is_empty());
        assert!(!doc["detail"].as_str().unwrap().is_empty());
        doc["type"].as_str().unwrap().strip_prefix("urn:kentongan:problem:").unwrap().to_owned()
    }
}

impl Stage {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// From this machine, as a script does it.
    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(post(path, &body.to_string(), &[])).await
    }

    fn last_command(&self) -> (String, Operation) {
        let submitted = self.world.submitted.lock().unwrap();
        match &submitted.last().unwrap().kind {
            Kind::Command(c) => (c.by.clone(), c.operation.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn commands(&self) -> usize {
        self.world.submitted.lock().unwrap().len()
    }
}

fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post(path)
        .header("host", "127.0.0.1:8640")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    for (name, value) in headers {
        let name: axum::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

fn path_of(op: &str) -> String {
    format!("/api/v1/incidents/{OUTAGE}/{op}")
}

#[tokio::test]
async fn incidents_are_listed_by_state_and_paged() {
    let s = stage();
    let open = s.get("/api/v1/incidents").await;
    assert_eq!(open.status, StatusCode::OK);
    let ids: Vec<String> = open.json()["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["k7f3-18500", OUTAGE]);
    let outage = &open.json()["incidents"][1];
    assert_eq!(outage["priority"], "P1");
    assert_eq!(outage["counts"], json!({"devices": 20, "sites": 5, "services": 1, "users": 8400}));
    let told: Vec<&Value> =
        outage["tickets"].as_array().unwrap().iter().map(|t| &t["told"]).collect();
    assert_eq!(told, ["pending", "told", "doubtful"]);

    let gone = s.get("/api/v1/incidents?state=resolved").await.json();
    assert_eq!(gone["incidents"][0]["id"], "k7f3-9120");
    let first = s.get("/api/v1/incidents?state=all&limit=2").await.json();
    let next = first["next"].as_str().unwrap();
    let second = s.get(&format!("/api/v1/incidents?state=all&limit=2&cursor={next}")).await.json();
    assert_eq!(second["incidents"].as_array().unwrap().len(), 1);
    assert_eq!(second["next"], Value::Null);

    for bad in ["state=gone", "limit=0", "limit=501", "limit=many", "cursor=x", "colour=red"] {
        let answer = s.get(&format!("/api/v1/incidents?{bad}")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "bad-request"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn one_incident_with_its_diary_and_its_explanation_in_both_languages() {
    let s = stage();
    let doc = s.get(&format!("/api/v1/incidents/{OUTAGE}")).await.json();
    let diary = doc["diary"].to_string();
    assert!(
        diary.contains("Diakui oleh sari") && diary.contains("rt: membuat tiket #4821"),
        "{diary}"
    );
    assert_eq!(doc["verdicts"]["suppressed-by-root"], 19);
    let english = s.get(&format!("/api/v1/incidents/{OUTAGE}?lang=en")).await.json();
    assert!(english["diary"].to_string().contains("Acknowledged by sari"));
    assert_eq!(
        s.get(&format!("/api/v1/incidents/{OUTAGE}?lang=fr")).await.problem(),
        "bad-request"
    );

    for path in [
        format!("/api/v1/incidents/{OUTAGE}/explain"),
        format!("/api/v1/explain/{OUTAGE}"),
        "/api/v1/explain/18452".to_owned(),
        "/api/v1/explain/demak/rtr1".to_owned(),
        "/api/v1/explain/demak%2Frtr1%20icmp".to_owned(),
    ] {
        let answer = s.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let doc = answer.json();
        assert_eq!(doc["incident"]["incident"]["id"], OUTAGE, "{path}");
        assert!(!doc["because"].as_array().unwrap().is_empty(), "{path}");
        assert!(!doc["otherwise"].as_array().unwrap().is_empty(), "{path}");
    }
    assert_eq!(s.get("/api/v1/incidents/k7f3-1").await.problem(), "unknown-incident");
    // An event's number is no incident's id.
    assert_eq!(s.get("/api/v1/incidents/18452/explain").await.problem(), "unknown-incident");
    assert_eq!(s.get("/api/v1/explain/999999").await.problem(), "not-found");
}

#[tokio::test]
async fn states_are_listed() {
    let s = stage();
    let alarms = s.get("/api/v1/alarms").await.json();
    assert_eq!(alarms["alarms"][0]["target"], "demak/rtr1");
    assert_eq!(s.get("/api/v1/alarms?target=nobody").await.json()["alarms"], json!([]));
    assert_eq!(s.get("/api/v1/tickets").await.json()["tickets"].as_array().unwrap().len(), 4);
    assert_eq!(s.get("/api/v1/targets").await.json()["targets"].as_array().unwrap().len(), 72);
    assert_eq!(s.get("/api/v1/maintenance").await.json()["windows"][0]["id"], "w-ups");
    assert_eq!(s.get("/api/v1/status").await.json()["core"]["last_event"], 18_733);
    assert_eq!(s.get("/api/v1/desk/tickets/kent-2gxq").await.json()["id"], "7");
    assert_eq!(s.get("/api/v1/desk/tickets/8").await.problem(), "not-found");
}

#[tokio::test]
async fn the_board_has_everything_and_the_worst_first() {
    let s = stage();
    let doc = s.get("/api/v1/board").await.json();
    assert_eq!((&doc["open"][0]["id"], &doc["open_total"]), (&json!(OUTAGE), &json!(2)));
    assert_eq!(doc["open"][0]["affected"]["devices"].as_array().unwrap().len(), 12);
    assert_eq!(doc["open"][0]["counts"]["devices"], 20);
    assert_eq!((&doc["targets"][0]["state"], &doc["targets_total"]), (&json!("down"), &json!(72)));
    assert_eq!(doc["targets_by_state"]["down"], 21);
    let site = |id: &str| {
        let sites = doc["sites"].as_array().unwrap();
        sites.iter().find(|x| x["id"] == id).unwrap().clone()
    };
    assert_eq!(
        (&site("demak")["state"], &site("demak")["priority"]),
        (&json!("down"), &json!("P1"))
    );
    assert_eq!(
        (&site("magelang")["state"], &site("magelang")["up"]),
        (&json!("partly"), &json!(3))
    );
    assert_eq!(site("klaten")["state"], "flapping");
    assert_eq!(site("tegal")["state"], "unknown");
    assert_eq!(
        (&site("blora")["state"], &site("blora")["priority"]),
        (&json!("good"), &Value::Null)
    );
}

#[tokio::test]
async fn pages_forbid_what_is_not_theirs() {
    let s = stage();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/incident/k7f3-1", "text/html; charset=utf-8"),
        ("/ticket/7", "text/html; charset=utf-8"),
        ("/board.css", "text/css; charset=utf-8"),
        ("/board.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = s.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], kind, "{path}");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
    }
    let page = s.get("/").await;
    let page = page.text();
    assert!(!page.contains("<style") && !page.contains("onclick") && !page.contains(" style="));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
    let script = s.get("/board.js").await;
    for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.text().contains(sink), "{sink}");
    }
}

#[tokio::test]
async fn commands_become_events() {
    let s = stage();
    let answer = s.post(&path_of("acknowledge"), json!({"by": " sari "})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json(), json!({"event": 20_001, "id": OUTAGE}));
    let (by, operation) = s.last_command();
    assert_eq!(by, "sari");
    assert!(
        matches!(&operation, Operation::Acknowledge { incident } if incident.as_str() == OUTAGE)
    );

    s.post(&path_of("acknowledge"), json!({"by": "sari", "text": "saya tangani"})).await;
    assert!(matches!(s.last_command().1, Operation::Note { text, .. } if text == "saya tangani"));
    assert_eq!(s.commands(), 3);

    s.post(&path_of("note"), json!({"by": "budi", "text": "baris 1\nbaris 2"})).await;
    assert!(matches!(s.last_command().1, Operation::Note { text, .. } if text.contains('\n')));
    s.post(&path_of("resolve"), json!({"by": "budi", "reason": "salah alarm"})).await;
    assert!(
        matches!(s.last_command().1, Operation::Resolve { reason, .. } if reason == "salah alarm")
    );
    s.post(&path_of("reprioritise"), json!({"by": "budi", "reason": "ujian", "priority": "P2"}))
        .await;
    assert!(matches!(s.last_command().1, Operation::Reprioritise { priority: Priority::P2, .. }));
    assert_eq!(s.commands(), 6);
    // Nobody has to say why.
    s.post(&path_of("reprioritise"), json!({"by": "budi", "priority": "P1"})).await;
    assert!(
        matches!(s.last_command().1, Operation::Reprioritise { reason, .. } if reason == "no reason given")
    );
    assert_eq!(s.commands(), 7);
    let body = json!({"by": "budi", "team": "Pusat Data", "reason": "server"});
    s.post(&path_of("misroute"), body).await;
    assert!(
        matches!(s.last_command().1, Operation::Misroute { team: Some(t), reason, .. } if t == "Pusat Data" && reason == "server")
    );
    s.post(&path_of("misroute"), json!({"by": "budi"})).await;
    assert!(matches!(s.last_command().1, Operation::Misroute { team: None, .. }));
    assert_eq!(s.commands(), 9);
}

#[tokio::test]
async fn commands_that_make_no_sense_say_why_and_do_nothing() {
    let s = stage();
    let long = "x".repeat(3900);
    for (op, body) in [
        ("acknowledge", json!({})),
        ("acknowledge", json!({"by": ""})),
        ("acknowledge", json!({"by": "a\u{7}b"})),
        ("acknowledge", json!({"by": "x".repeat(65)})),
        ("acknowledge", json!({"by": 7})),
        ("acknowledge", json!({"by": "sari", "priority": "P1"})),
        ("acknowledge", json!({"by": "sari", "colour": "red"})),
        ("note", json!({"by": "sari"})),
        ("note", json!({"by": "sari", "text": "  "})),
        ("note", json!({"by": "sari", "text": "a\u{0}b"})),
        ("note", json!({"by": "sari", "text": "x", "reason": "y"})),
        ("resolve", json!({"by": "sari"})),
        ("misroute", json!({"by": "sari", "team": " "})),
        ("misroute", json!({"by": "sari", "text": "x"})),
        ("reprioritise", json!({"by": "sari", "reason": "x"})),
        ("reprioritise", json!({"by": "sari", "reason": "x", "priority": "P9"})),
    ] {
        let answer = s.post(&path_of(op), body.clone()).await;
        let got = (answer.status, answer.problem());
        assert_eq!(
            got,
            (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable".to_owned()),
            "{op} {body}"
        );
    }
    // What is wrong with the priority is said first, and a reason that is given has to be one.
    let answer = s.post(&path_of("reprioritise"), json!({"by": "sari", "priority": "P9"})).await;
    assert!(answer.text().contains("it may be P1 to P4"), "{}", answer.text());
    let empty = json!({"by": "sari", "priority": "P1", "reason": " "});
    let answer = s.post(&path_of("reprioritise"), empty).await;
    assert!(answer.text().contains("reason has to be there"), "{}", answer.text());

    let unknown = s.post("/api/v1/incidents/k7f3-1/note", json!({"by": "sari", "text": "x"})).await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (StatusCode::NOT_FOUND, "unknown-incident")
    );

    let broken = s.send(post(&path_of("note"), "{\"by\":", &[])).await;
    assert_eq!(broken.problem(), "bad-request");
    let form = s.send(post(&path_of("note"), "by=sari", &[("content-type", "text/plain")])).await;
    assert_eq!(
        (form.status, form.problem().as_str()),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json")
    );
    let large = json!({"by": "sari", "text": long, "reason": "y".repeat(400)}).to_string();
    let large = s.send(post(&path_of("note"), &large, &[])).await;
    assert_eq!(
        (large.status, large.problem().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too-large")
    );
    let announced = post(&path_of("note"), "{}", &[("content-length", "999999999999")]);
    assert_eq!(s.send(announced).await.problem(), "too-large");
    assert_eq!(s.commands(), 0);
}

#[tokio::test]
async fn a_journal_that_takes_nothing_is_said_with_a_time() {
    let s = stage();
    for error in [BackendError::Full, BackendError::Unavailable("disk full".into())] {
        *s.world.refuse.lock().unwrap() = Some(error);
        let answer = s.post(&path_of("acknowledge"), json!({"by": "sari"})).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        );
        assert_eq!(answer.headers[header::RETRY_AFTER], "5");
    }
}

#[tokio::test]
async fn windows_begin_and_end() {
    let s = stage();
    let body = json!({"by": "budi", "reason": "ganti UPS", "scope": ["demak", "class:ap", "demak"], "duration": "2h"});
    let answer = s.post("/api/v1/maintenance", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let (_, Operation::Maintenance(window)) = s.last_command() else { panic!("no maintenance") };
    assert_eq!(answer.json()["id"], window.id.as_str());
    assert_eq!(window.scope, ["class:ap", "demak"]);
    assert_eq!(window.end.since(window.start).as_secs(), 7200);
    assert!(!window.silence);

    let body = json!({"by": "budi", "reason": "berisik", "scope": ["demak"], "id": "tenang-1", "silence": true,
        "start": "2099-01-01T00:00:00Z", "end": "2099-01-02T00:00:00+07:00"});
    assert_eq!(s.post("/api/v1/maintenance", body).await.status, StatusCode::ACCEPTED);
    assert!(matches!(s.last_command().1, Operation::Silence(w) if w.id == "tenang-1"));

    let before = s.commands();
    let base = json!({"by": "budi", "reason": "x", "scope": ["demak"], "duration": "1h"});
    for (key, value) in [
        ("scope", json!([])),
        ("scope", json!(["tidak-ada"])),
        ("duration", json!("forever")),
        ("duration", json!("32d")),
        ("duration", json!("0s")),
        ("duration", Value::Null),
        ("end", json!("2099-01-01T00:00:00Z")),
        ("start", json!("yesterday")),
        ("reason", json!("")),
        ("id", json!("a b")),
    ] {
        let mut body = base.clone();
        body[key] = value.clone();
        let answer = s.post("/api/v1/maintenance", body).await;
        assert_eq!(answer.problem(), "unprocessable", "{key} = {value}");
    }
    let mut taken = base.clone();
    taken["id"] = json!("w-ups");
    let answer = s.post("/api/v1/maintenance", taken).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "window-exists"));
    assert_eq!(s.commands(), before);

    assert_eq!(
        s.post("/api/v1/maintenance/w-ups/end", json!({"by": "budi"})).await.status,
        StatusCode::ACCEPTED
    );
    assert!(matches!(s.last_command().1, Operation::EndWindow { id } if id == "w-ups"));
    assert_eq!(
        s.post("/api/v1/maintenance/none/end", json!({"by": "budi"})).await.problem(),
        "unknown-window"
    );
}

const ACK: &str = r#"{"by":"sari"}"#;

#[tokio::test]
async fn a_configured_token_is_needed() {
    let s = stage_with(|state| state.token = Some("rahasia-besar".into()));
    for (authorization, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("Bearer salah"), StatusCode::UNAUTHORIZED),
        (Some("Bearer rahasia-besa"), StatusCode::UNAUTHORIZED),
        (Some("Bearer rahasia-besarr"), StatusCode::UNAUTHORIZED),
        (Some("Basic rahasia-besar"), StatusCode::UNAUTHORIZED),
        (Some("rahasia-besar"), StatusCode::UNAUTHORIZED),
        (Some("Bearer rahasia-besar"), StatusCode::ACCEPTED),
        (Some("bearer  rahasia-besar"), StatusCode::ACCEPTED),
    ] {
        let mut request = post(&path_of("acknowledge"), ACK, &[]);
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        // From anywhere.
        let far: SocketAddr = "192.0.2.9:1".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(far));
        let answer = s.send(request).await;
        assert_eq!(answer.status, status, "{authorization:?}");
        assert!(!answer.text().contains("rahasia"), "the token stands in no answer");
        if status == StatusCode::UNAUTHORIZED {
            assert_eq!(answer.problem(), "unauthorized");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert_eq!(s.get("/api/v1/incidents").await.status, StatusCode::OK, "reading needs none");
    let metrics = s.get("/metrics").await;
    assert!(metrics.text().contains("kentongan_http_refused_total{why=\"token\"} 6\n"));
    assert!(!metrics.text().contains("rahasia"));
}

#[tokio::test]
async fn without_a_token_only_this_machine_and_no_foreign_page() {
    let s = stage();
    for (headers, peer, expected) in [
        (vec![], Some("127.0.0.1:1"), None),
        (vec![], Some("[::1]:1"), None),
        (
            vec![("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8640")],
            Some("127.0.0.1:1"),
            None,
        ),
        (vec![("host", "noc.example:8640")], Some("127.0.0.1:1"), None),
        (vec![], Some("192.0.2.9:1"), Some("not-loopback")),
        (vec![], None, Some("not-loopback")),
        (vec![("x-forwarded-for", "192.0.2.9")], Some("127.0.0.1:1"), Some("not-loopback")),
        (vec![("sec-fetch-site", "cross-site")], Some("127.0.0.1:1"), Some("cross-site")),
        (vec![("sec-fetch-site", "same-site")], Some("127.0.0.1:1"), Some("cross-site")),
        (vec![("origin", "https://evil.example")], Some("127.0.0.1:1"), Some("cross-site")),
        (vec![("host", "evil.example:8640")], Some("127.0.0.1:1"), Some("host")),
        // Rebinding: the foreign name resolves to us, so the browser takes the page for our own.
        (
            vec![("host", "evil.example:8640"), ("sec-fetch-site", "same-origin")],
            Some("127.0.0.1:1"),
            Some("host"),
        ),
    ] {
        for path in [path_of("acknowledge"), "/api/v1/maintenance/w-ups/end".to_owned()] {
            let mut request = post(&path, ACK, &headers);
            request.extensions_mut().remove::<ConnectInfo<SocketAddr>>();
            if let Some(peer) = peer {
                let peer: SocketAddr = peer.parse().unwrap();
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            let before = s.commands();
            let answer = s.send(request).await;
            match expected {
                None => assert_eq!(answer.status, StatusCode::ACCEPTED, "{headers:?} {peer:?}"),
                Some(name) => {
                    assert_eq!(answer.problem(), name, "{headers:?} {peer:?}");
                    assert_eq!(s.commands(), before);
                }
            }
        }
    }
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let s = stage();
    let nothing = s.get("/api/v1/nothing").await;
    assert_eq!((nothing.status, nothing.problem().as_str()), (StatusCode::NOT_FOUND, "not-found"));
    for (method, path) in [
        (Method::DELETE, "/api/v1/incidents"),
        (Method::GET, "/api/v1/incidents/k7f3-1/acknowledge"),
        (Method::PUT, "/api/v1/maintenance"),
        (Method::POST, "/metrics"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = s.send(request).await;
        let got = (answer.status, answer.problem());
        assert_eq!(
            got,
            (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed".to_owned()),
            "{path}"
        );
        assert!(answer.headers.contains_key("allow"), "{path}");
    }
    assert_eq!(s.get("/api/v1/incidents/%ff").await.problem(), "bad-request");
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_and_the_next_request_is_answered() {
    let broken = Router::new().route(
        "/api/v1/intake/broken",
        axum::routing::get(|| async {
            assert!(std::env::args().count() == 0, "secret of the source");
        }),
    );
    let s = stage_with(|state| state.also = Some((broken, utoipa::openapi::OpenApi::default())));
    let answer = s.get("/api/v1/intake/broken").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "internal")
    );
    assert!(!answer.text().contains("secret"));
    assert_eq!(s.get("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn health_says_what_is_wrong() {
    let s = stage();
    assert_eq!(s.get("/livez").await.status, StatusCode::OK);
    assert_eq!(s.get("/readyz").await.json()["ok"], true);
    type Spoil = fn(&mut console::StatusDoc);
    let spoilt: [(&str, Spoil, bool); 4] = [
        ("core", |d| d.core.beat_age_ms = 16_000, false),
        ("journal", |d| d.journal.writable = false, true),
        ("caught-up", |d| d.core.behind = 10_001, true),
        ("desks", |d| d.desks.clear(), true),
    ];
    for (name, spoil, live) in spoilt {
        *s.world.spoil.lock().unwrap() = Some(spoil);
        let ready = s.get("/readyz").await;
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        let checks = ready.json()["checks"].as_array().unwrap().clone();
        let bad: Vec<&Value> =
            checks.iter().filter(|c| c["ok"] == false).map(|c| &c["name"]).collect();
        assert_eq!(bad, [name]);
        assert_eq!(s.get("/livez").await.status.is_success(), live, "{name}");
    }
    // A desk that is away, or was never asked, is no reason to stop taking events.
    *s.world.spoil.lock().unwrap() = Some(|d| d.desks.iter_mut().for_each(|x| x.reachable = None));
    assert_eq!(s.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_come_in_the_form_that_is_asked_for() {
    let s = stage();
    s.get(&format!("/api/v1/incidents/{OUTAGE}")).await;
    s.get("/wp-login.php").await;
    let old = s.get("/metrics").await;
    assert_eq!(old.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert!(!old.text().contains("# EOF"));
    let sample = "kentongan_http_requests_total{route=\"/api/v1/incidents/{id}\",method=\"GET\",status=\"200\"} 1";
    assert!(old.text().contains(sample), "{}", old.text());
    assert!(old.text().contains("route=\"unmatched\"") && !old.text().contains("wp-login"));

    let request =
        Request::get("/metrics").header("accept", "application/openmetrics-text; version=1.0.0");
    let open = s.send(request.body(Body::empty()).unwrap()).await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.headers[header::CONTENT_TYPE], kind);
    assert!(open.text().ends_with("# EOF\n") && open.text().contains(sample));
}

#[tokio::test]
async fn what_is_described_is_what_is_served() {
    let mut also = utoipa::openapi::OpenApi::default();
    also.paths.paths.insert("/api/v1/intake/events".into(), utoipa::openapi::PathItem::default());
    let s = stage_with(|state| state.also = Some((Router::new(), also)));
    let served = s.get("/api/openapi.json").await;
    assert_eq!(served.headers[header::CONTENT_TYPE], "application/json");
    let doc = served.json();
    assert!(doc["paths"].get("/api/v1/intake/events").is_some(), "the intake's paths are merged");
    for (path, item) in doc["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let uri = path.replace("{id}", OUTAGE).replace("{what}", OUTAGE);
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = Request::builder().method(method.clone()).uri(&uri).body(Body::empty());
            let answer = s.send(request.unwrap()).await;
            assert!(
                !matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED)
                    && (answer.status != StatusCode::NOT_FOUND || path.contains("/desk/")),
                "{method} {path} is described and answers {}",
                answer.status
            );
        }
    }
}
