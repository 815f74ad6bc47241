//! The intake as a sender sees it: every status, and that 2xx means durable.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use intake::{EventSink, Intake, SinkError, Source, SourceKind, Sources};
use model::Timestamp;
use model::event::{Event, Kind, Severity, Signal, SignalState};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::Telemetry;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_millis(1_795_491_420_000);
const ZABBIX: &str = "zabbix-secret-4711";
const EVENTS: &str = "events-secret-0815";

/// What a sink does with events.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Takes,
    Full,
    Away,
    Panics,
}

struct Fake {
    mood: Mood,
    taken: Mutex<Vec<(String, Vec<Event<'static>>)>>,
}

#[async_trait]
impl EventSink for Fake {
    async fn accept(
        &self,
        source: &str,
        events: Vec<Event<'static>>,
    ) -> Result<Range<u64>, SinkError> {
        match self.mood {
            Mood::Full => return Err(SinkError::Full),
            Mood::Away => {
                return Err(SinkError::Unavailable("no space left at /secret/place".into()));
            }
            Mood::Panics => panic!("the sink breaks"),
            Mood::Takes => {}
        }
        let mut taken = self.taken.lock().unwrap();
        let first = 1 + taken.iter().map(|(_, e)| e.len() as u64).sum::<u64>();
        let n = events.len() as u64;
        taken.push((source.to_owned(), events));
        Ok(first..first + n)
    }

    fn resolve(&self, name: &str) -> Option<String> {
        (name == "sw-core-1").then(|| "semarang/core-sw1".to_owned())
    }
}

struct House {
    router: axum::Router,
    sink: Arc<Fake>,
    telemetry: Arc<Telemetry>,
    sources: Arc<Sources>,
}

fn source(name: &str, kind: SourceKind, token: &str) -> Source {
    Source { name: name.into(), kind, token: token.into() }
}

fn both() -> Vec<Source> {
    vec![
        source("zabbix", SourceKind::Zabbix, ZABBIX),
        source("scripts", SourceKind::Events, EVENTS),
    ]
}

fn house(sources: Vec<Source>, mood: Mood) -> House {
    let sink = Arc::new(Fake { mood, taken: Mutex::default() });
    let (telemetry, sources) = (Telemetry::new(), Sources::new(sources));
    let clock = Arc::new(|| NOW);
    let mut intake =
        Intake::new(Arc::clone(&sources), Arc::clone(&sink) as _, Arc::clone(&telemetry), clock);
    intake.body_limit = 64 * 1024;
    intake.body_patience = Duration::from_millis(300);
    House { router: intake::router(intake), sink, telemetry, sources }
}

impl House {
    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn post(&self, route: &str, token: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post(format!("/api/v1/intake/{route}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        read(self.ask(request).await).await
    }

    fn taken(&self) -> Vec<Event<'static>> {
        self.sink.taken.lock().unwrap().iter().flat_map(|(_, e)| e.clone()).collect()
    }
}

/// Status and body; a refusal has to be a problem document with everything in it.
async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    if status.is_success() {
        assert_eq!(kind, "application/json");
    } else {
        assert_eq!(kind, "application/problem+json");
        assert_eq!(json["status"], status.as_u16());
        for key in ["type", "title", "detail"] {
            assert!(json[key].as_str().is_some_and(|t| !t.is_empty()), "{key} in {json}");
        }
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(!text.contains("secret"), "says a secret: {text}");
    }
    (status, json)
}

fn event(key: &str) -> String {
    json!({"kind": "signal", "at": "2026-11-24T02:15:00Z", "source": "x", "key": key, "state": "ok"})
        .to_string()
}

#[tokio::test]
async fn one_event_is_answered_when_it_is_durable() {
    let h = house(both(), Mood::Takes);
    let (status, answer) = h.post("events", EVENTS, event("1")).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({"accepted": 1, "first": 1, "last": 1, "rejected": [], "rejected_count": 0})
    );
    assert_eq!(h.sink.taken.lock().unwrap()[0].0, "scripts");
}

#[tokio::test]
async fn a_wrong_event_in_a_batch_is_named_and_the_others_count() {
    let h = house(both(), Mood::Takes);
    h.post("events", EVENTS, event("0")).await;
    let tick = r#"{"kind":"tick","at":"2026-11-24T02:15:00Z"}"#;
    let body = format!("{}\n\n{{\"kind\":\"trap\"}}\n{}\n{tick}\n", event("1"), event("2"));
    let (status, answer) = h.post("events", EVENTS, body).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&answer["accepted"], &answer["first"], &answer["last"]),
        (&json!(2), &json!(2), &json!(3))
    );
    assert_eq!(answer["rejected"][0]["line"], 3);
    assert!(
        answer["rejected"][0]["problem"].as_str().unwrap().contains("kind \"trap\" is unknown")
    );
    assert_eq!(answer["rejected"][1]["line"], 5);
    assert!(answer["rejected"][1]["problem"].as_str().unwrap().contains("not taken from outside"));
    // One request is one frame.
    assert_eq!(
        h.sink.taken.lock().unwrap().iter().map(|(_, e)| e.len()).collect::<Vec<_>>(),
        [1, 2]
    );
    let metrics = h.telemetry.openmetrics();
    for line in [
        "kentongan_intake_events_accepted_total{kind=\"events\"} 3",
        "kentongan_intake_events_refused_total{kind=\"events\"} 2",
        "kentongan_intake_requests_total{kind=\"events\",class=\"2xx\"} 2",
        "kentongan_intake_answer_seconds_count{kind=\"events\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn nothing_usable_is_a_422_that_names_every_line() {
    let h = house(both(), Mood::Takes);
    let (status, problem) = h.post("events", EVENTS, "{}\n{\"kind\":\"tik\"}").await;
    assert_eq!(
        (status, problem["type"].as_str().unwrap()),
        (StatusCode::UNPROCESSABLE_ENTITY, "urn:kentongan:problem:events")
    );
    assert_eq!(problem["rejected"].as_array().unwrap().len(), 2);
    let (status, problem) = h.post("events", EVENTS, "{\"kind\":\"tick\",").await;
    assert_eq!(status, 422);
    assert!(problem["detail"].as_str().unwrap().contains("not a JSON object (column"), "{problem}");
    let (status, problem) = h.post("events", EVENTS, format!("[{}]", event("1"))).await;
    assert_eq!(status, 422);
    assert!(problem["detail"].as_str().unwrap().contains("NDJSON"), "{problem}");
    assert!(h.taken().is_empty());
}

#[tokio::test]
async fn tokens_open_their_own_route_only() {
    let h = house(both(), Mood::Takes);
    let body = || Body::from(event("1"));
    for (token, status, challenge) in [
        (None, 401, Some("Bearer realm=\"kentongan\"")),
        (Some("Bearer "), 401, Some("Bearer realm=\"kentongan\"")),
        (Some("Basic dXNlcjpwYXNz"), 401, Some("Bearer realm=\"kentongan\"")),
        (Some("Bearer wrong"), 401, Some("Bearer realm=\"kentongan\", error=\"invalid_token\"")),
        (
            Some("Bearer events-secret-081"),
            401,
            Some("Bearer realm=\"kentongan\", error=\"invalid_token\""),
        ),
        (
            Some("Bearer events-secret-08155"),
            401,
            Some("Bearer realm=\"kentongan\", error=\"invalid_token\""),
        ),
        (Some("Bearer zabbix-secret-4711"), 403, None),
        (Some("bEARER  events-secret-0815 "), 200, None),
    ] {
        let mut request = Request::post("/api/v1/intake/events");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let response = h.ask(request.body(body()).unwrap()).await;
        let said = response
            .headers()
            .get(header::WWW_AUTHENTICATE)
            .map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(said.as_deref(), challenge, "{token:?}");
        let (got, _) = read(response).await;
        assert_eq!(got, status, "{token:?}");
    }
    let (_, problem) = h.post("zabbix", "wrong", "{}").await;
    assert!(problem["detail"].as_str().unwrap().contains("Media types"), "{problem}");
    let (_, problem) = h.post("zabbix", EVENTS, "{}").await;
    assert!(problem["detail"].as_str().unwrap().contains("/api/v1/intake/events"), "{problem}");
}

#[tokio::test]
async fn an_empty_token_opens_nothing_and_the_right_kind_wins_where_two_share_one() {
    let h = house(vec![source("x", SourceKind::Events, "")], Mood::Takes);
    assert_eq!(h.post("events", "", event("1")).await.0, 401);
    let h = house(
        vec![
            source("z", SourceKind::Zabbix, "same"),
            source("e", SourceKind::Events, "same"),
            source("z2", SourceKind::Zabbix, "same"),
        ],
        Mood::Takes,
    );
    assert_eq!(h.post("events", "same", event("1")).await.0, 200);
    assert_eq!(h.sink.taken.lock().unwrap()[0].0, "e");
}

#[tokio::test]
async fn without_a_source_the_answer_says_what_to_configure() {
    let h = house(vec![], Mood::Takes);
    for route in ["events", "zabbix"] {
        let (status, problem) = h.post(route, "any", event("1")).await;
        assert_eq!(status, 404);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("[[source]]") && detail.contains(&format!("kind = \"{route}\"")),
            "{detail}"
        );
    }
    h.sources.replace(both());
    assert_eq!(h.post("events", EVENTS, event("1")).await.0, 200);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_reason() {
    let h = house(both(), Mood::Takes);
    let send = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let mut request = Request::post("/api/v1/intake/events")
            .header("authorization", format!("Bearer {EVENTS}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(h.ask(request.body(Body::from(body)).unwrap()).await).await
    };
    let json = ("content-type", "application/json");
    let good = || event("1").into_bytes();
    let mut latin = event("1\ncaf").into_bytes();
    latin.push(0xe9);
    for (headers, body, status, word) in [
        (vec![], good(), 200, ""),
        (vec![("content-type", "Application/JSON; charset=UTF-8")], good(), 200, ""),
        (vec![("content-type", "application/x-ndjson")], good(), 200, ""),
        (
            vec![("content-type", "application/x-www-form-urlencoded")],
            good(),
            415,
            "application/json",
        ),
        (vec![("content-type", "application/json; charset=iso-8859-1")], good(), 415, "UTF-8"),
        (vec![json, ("content-encoding", "gzip")], good(), 415, "Content-Encoding"),
        (vec![json, ("content-encoding", "identity")], good(), 200, ""),
        (vec![json], vec![], 400, "Send one event"),
        (vec![json], b"  \n ".to_vec(), 400, "Send one event"),
        (vec![json], latin, 400, "is not UTF-8"),
        (vec![json], vec![0x1f, 0x8b, 8, 0], 400, "gzip"),
        (vec![json], [b"\xef\xbb\xbf".as_slice(), &good()].concat(), 200, ""),
        (vec![json], vec![b'['; 60_000], 422, "list of events"),
        (vec![json], [b"{\"x\":".to_vec(), vec![b'['; 60_000]].concat(), 422, "not a JSON object"),
        (vec![json], vec![b' '; 64 * 1024 + 1], 413, "65536 bytes"),
        (vec![json, ("content-length", "99999999")], good(), 413, "65536 bytes"),
    ] {
        let (got, answer) = send(&headers, body.clone()).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(got, status, "{headers:?} {shown} {answer}");
        if status != 200 {
            assert!(answer["detail"].as_str().unwrap().contains(word), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_journal_that_cannot_take_it_is_a_503_with_a_time() {
    for (mood, seconds) in [(Mood::Full, "30"), (Mood::Away, "5"), (Mood::Panics, "5")] {
        let h = house(both(), mood);
        let request = Request::post("/api/v1/intake/events")
            .header("authorization", format!("Bearer {EVENTS}"))
            .body(Body::from(event("1")))
            .unwrap();
        let response = h.ask(request).await;
        assert_eq!(response.headers()[header::RETRY_AFTER], seconds);
        assert_eq!(read(response).await.0, 503);
        let metrics = h.telemetry.openmetrics();
        assert!(
            metrics.contains("kentongan_intake_requests_total{kind=\"events\",class=\"5xx\"} 1")
        );
        assert!(!metrics.contains("kentongan_intake_events_accepted_total{kind"), "{metrics}");
    }
}

#[tokio::test]
async fn strangers_get_problem_documents_too() {
    let h = house(both(), Mood::Takes);
    for (method, path, status) in [
        ("GET", "/api/v1/intake/events", 405),
        ("DELETE", "/api/v1/intake/zabbix", 405),
        ("POST", "/api/v1/intake/nagios", 404),
        ("GET", "/api/v1/intake/", 404),
        ("POST", "/api/v1/intake", 404),
        ("POST", "/api/v1/intake/events/x", 404),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = h.ask(request).await;
        assert_eq!(response.headers().contains_key(header::ALLOW), status == 405);
        assert_eq!(read(response).await.0, status, "{method} {path}");
    }
}

fn signal(event: &Event<'static>) -> Signal<'static> {
    match &event.kind {
        Kind::Signal(s) => s.clone(),
        other => panic!("{other:?} is no signal"),
    }
}

#[tokio::test]
async fn zabbix_gets_the_little_it_asks_for() {
    let h = house(both(), Mood::Takes);
    let problem = json!({
        "event_id": "5", "event_value": "1", "event_update_status": "0", "event_nseverity": "4",
        "event_name": "Link down", "host_host": "sw-core-1", "event_timestamp": "{EVENT.TIMESTAMP}",
    });
    assert_eq!(
        h.post("zabbix", ZABBIX, problem.to_string()).await,
        (StatusCode::OK, json!({"ok": true, "event": 1}))
    );
    let recovery = json!({"event_id": "5", "event_value": "0", "event_update_status": "0"});
    assert_eq!(
        h.post("zabbix", ZABBIX, recovery.to_string()).await,
        (StatusCode::OK, json!({"ok": true, "event": 2}))
    );
    let taken = h.taken();
    assert_eq!(taken[0].at, NOW);
    let first = signal(&taken[0]);
    assert_eq!((first.source.as_ref(), first.key.as_ref()), ("zabbix", "5"));
    assert_eq!(first.target.as_deref(), Some("semarang/core-sw1"));
    assert_eq!((first.state, first.severity), (SignalState::Problem, Some(Severity::High)));
    assert_eq!(signal(&taken[1]).state, SignalState::Ok);

    let (status, answer) = h.post("zabbix", ZABBIX, "{\"event_value\":\"1\"}").await;
    assert_eq!(status, 422);
    assert!(answer["detail"].as_str().unwrap().contains("event_id = {EVENT.ID}"), "{answer}");
    assert_eq!(h.post("zabbix", ZABBIX, "hello").await.0, 400);
    assert_eq!(h.taken().len(), 2);
}

/// What a real Zabbix 6.0 sent over the life of two problems.
#[tokio::test]
async fn the_captures_of_a_real_zabbix() {
    let Some(folder) = shared("peers/zabbix-captures") else { return };
    let h = house(both(), Mood::Takes);
    let mut said = Vec::new();
    for name in [
        "001-problem",
        "002-update-ack-message",
        "003-update-severity",
        "004-update-unack",
        "005-recovery",
        "006-problem-2nd-host",
        "007-manual-close-update",
        "008-manual-close-recovery",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let capture: Value = serde_json::from_str(&text).unwrap();
        let (status, answer) = h.post("zabbix", ZABBIX, capture["body"].to_string()).await;
        assert_eq!(status, 200, "{name}: {answer}");
        let s = signal(h.taken().last().unwrap());
        let severity = s.severity.map_or("-", wire::severity_word);
        said.push(format!("{} {:?} {severity} {}", s.key, s.state, s.target.unwrap()));
        assert!(s.summary.unwrap().starts_with("Link down on Switch "));
    }
    assert_eq!(
        said,
        [
            "5 Problem high semarang/core-sw1",
            "5 Problem high semarang/core-sw1",
            "5 Problem disaster semarang/core-sw1",
            "5 Problem disaster semarang/core-sw1",
            "5 Ok - semarang/core-sw1",
            "18 Problem high sw-edge-1",
            "18 Ok - sw-edge-1",
            "18 Ok - sw-edge-1",
        ]
    );
}

/// A folder of captures beside the project, if it is there.
fn shared(path: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("KENTONGAN_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        Into::into,
    );
    let folder = root.join(path);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var("KENTONGAN_NO_SKIP").as_deref() != Ok("1"),
        "{} is not there and nothing may be skipped",
        folder.display()
    );
    eprintln!("SKIPPED: {} is not there (KENTONGAN_SHARED says where else)", folder.display());
    None
}

/// A sender that announces a body and does not send it, or hangs up in the middle of it.
#[tokio::test]
async fn a_slow_or_broken_body_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let h = house(both(), Mood::Takes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, h.router.clone()).into_future());
    let head = |rest: &str| {
        format!(
            "POST /api/v1/intake/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {EVENTS}\r\n{rest}\r\n\r\n"
        )
    };
    let slow = head("Content-Length: 50") + "{\"kind\"";
    let broken = head("Transfer-Encoding: chunked") + "zz\r\nnonsense\r\n";
    for (sent, status) in [(slow, "408"), (broken, "400")] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let n = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let answer = String::from_utf8_lossy(&answer[..n]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    // A stranger gets his answer without having sent a body at all.
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let stranger =
        "POST /api/v1/intake/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
    stream.write_all(stranger.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let n = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 401 "));
    assert!(h.taken().is_empty());
    server.abort();
}

/// The answer waits for the sink, and what was begun goes on when the sender hangs up.
#[tokio::test]
async fn hanging_up_does_not_undo_what_was_begun() {
    struct Slow(tokio::sync::Notify, Mutex<usize>);
    #[async_trait]
    impl EventSink for Slow {
        async fn accept(
            &self,
            _: &str,
            events: Vec<Event<'static>>,
        ) -> Result<Range<u64>, SinkError> {
            self.0.notified().await;
            *self.1.lock().unwrap() += events.len();
            Ok(1..2)
        }
        fn resolve(&self, _: &str) -> Option<String> {
            None
        }
    }
    let sink = Arc::new(Slow(tokio::sync::Notify::new(), Mutex::new(0)));
    let intake = Intake::new(
        Sources::new(both()),
        Arc::clone(&sink) as _,
        Telemetry::new(),
        Arc::new(|| NOW),
    );
    let router = intake::router(intake);
    let request = Request::post("/api/v1/intake/events")
        .header("authorization", format!("Bearer {EVENTS}"))
        .body(Body::from(event("1")))
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(100), router.oneshot(request)).await;
    assert!(answer.is_err(), "answered before it was durable");
    sink.0.notify_one();
    for _ in 0..200 {
        if *sink.1.lock().unwrap() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what was begun was dropped");
}

#[test]
fn the_description_names_both_routes_and_the_token() {
    let api = serde_json::to_value(intake::openapi()).unwrap();
    for route in ["/api/v1/intake/events", "/api/v1/intake/zabbix"] {
        let post = &api["paths"][route]["post"];
        assert!(
            post["responses"]["200"].is_object() && post["responses"]["503"].is_object(),
            "{route}"
        );
        assert_eq!(post["security"][0], json!({"source_token": []}));
    }
    assert_eq!(api["components"]["securitySchemes"]["source_token"]["scheme"], "bearer");
}
