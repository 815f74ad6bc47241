//! One HTTP exchange with a desk, and what can be said for certain about how it ended.
//!
//! Everything turns on one question: can the desk have seen the request? Only when it certainly has
//! not is it safe to send it again. So nothing is retried here, no redirect is followed (a login
//! page is not an answer), and the answer to "was it sent" is as careful as the client allows.

use crate::config::DeskConfig;
use delivery::Outcome;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most of an answer that is read. A list of a hundred tickets with their fields is a tenth.
const BODY_MAX: usize = 4 << 20;

/// The most of an answer that stands in a reason.
const EXCERPT_MAX_CHARS: usize = 160;

/// How many of the sessions that desks gave us are kept out of reasons: the present one, and those of
/// requests that are still under way.
const LEARNED_MAX: usize = 8;

/// A request, as a mapping makes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Ask {
    /// A GET.
    pub(crate) fn get(url: String) -> Ask {
        Ask { method: Method::GET, url, headers: Vec::new(), body: None }
    }

    /// With a JSON body.
    pub(crate) fn json(method: Method, url: String, body: &serde_json::Value) -> Ask {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Ask { method, url, headers, body: Some(body.to_string()) }
    }
}

/// How the exchange ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// The desk answered.
    Said(Said),
    /// Not a byte of the request left, or the request is none.
    NotSent(String),
    /// It may have arrived; there is no answer.
    Lost(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) html: bool,
    pub(crate) body: String,
    /// Of the body, for a reason: one line without our secrets.
    pub(crate) excerpt: String,
}

impl Said {
    /// The body as JSON; a page for people is none, whatever its status.
    pub(crate) fn json(&self) -> Result<serde_json::Value, String> {
        if self.html {
            return Err("the answer is a web page (a login or maintenance page?)".into());
        }
        serde_json::from_str(&self.body).map_err(|e| format!("the answer is not JSON: {e}"))
    }
}

/// What the desk said about a status that is no success, in a line.
fn excerpt(status: u16, html: bool, body: &str) -> String {
    let text = match serde_json::from_str::<serde_json::Value>(body) {
        _ if html => "a web page".to_owned(),
        Ok(value) => match value.get("message").or_else(|| value.get("error")) {
            Some(serde_json::Value::String(message)) => message.clone(),
            _ => value.to_string(),
        },
        Err(_) => body.to_owned(),
    };
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(EXCERPT_MAX_CHARS) {
        line.truncate(at);
        line.push('…');
    }
    format!("HTTP {status}: {line}")
}

/// Keeps what the desk said when it was a success; everything else becomes an outcome.
pub(crate) fn success<T>(
    reply: Reply,
    is_success: impl Fn(u16) -> bool,
) -> Result<Said, Outcome<T>> {
    let said = match reply {
        Reply::Said(said) => said,
        Reply::NotSent(reason) => return Err(Outcome::Rejected { retry: true, reason }),
        Reply::Lost(reason) => return Err(Outcome::Unknown { reason }),
    };
    let reason = said.excerpt.clone();
    match said.status {
        status if is_success(status) => Ok(said),
        // The desk says itself that it did not take the request.
        429 => Err(Outcome::Rejected { retry: true, reason }),
        // It gave up half-way, or something in between did: anything may have happened.
        408 | 500.. => Err(Outcome::Unknown { reason }),
        400..=499 => Err(Outcome::Rejected { retry: false, reason }),
        // A redirect after a POST may be the desk's way to say "done", or a login page.
        _ => Err(Outcome::Unknown { reason }),
    }
}

/// Who we are at a desk.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// Nobody, or a template says so.
    None,
    /// The whole value of the `Authorization` header.
    Header(SecretString),
    /// The value of a header of the desk's own; its name is in small letters.
    Named(&'static str, SecretString),
    /// A user with a password.
    Basic(String, SecretString),
}

/// The client of one desk.
pub(crate) struct Http {
    client: reqwest::Client,
    login: Login,
    /// What must not stand in a reason.
    secrets: Vec<SecretString>,
    /// Neither may what the desk gave us for a time: the newest sessions.
    learned: Mutex<VecDeque<SecretString>>,
}

impl Http {
    pub(crate) fn new(
        config: &DeskConfig,
        login: Login,
        timeout: Duration,
    ) -> Result<Http, String> {
        let client = crate::way::set(config, reqwest::Client::builder())?
            .user_agent(concat!("kentongan/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(timeout.min(Duration::from_secs(5)))
            .timeout(timeout)
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(|e| format!("the HTTP client cannot be made: {}", e.without_url()))?;
        let secrets = config.secrets().into_iter().cloned().collect();
        Ok(Http { client, login, secrets, learned: Mutex::default() })
    }

    /// Sends it, once.
    pub(crate) async fn send(&self, ask: Ask) -> Reply {
        self.put(ask, None).await
    }

    /// Sends it, once, with one more header that is a secret.
    pub(crate) async fn send_with(
        &self,
        ask: Ask,
        name: &'static str,
        secret: &SecretString,
    ) -> Reply {
        self.put(ask, Some((name, secret))).await
    }

    async fn put(&self, ask: Ask, more: Option<(&'static str, &SecretString)>) -> Reply {
        let request = match self.request(ask, more) {
            Ok(request) => request,
            Err(reason) => return Reply::NotSent(self.clean(reason)),
        };
        match self.exchange(request).await {
            Ok(said) => Reply::Said(Said { excerpt: self.clean(said.excerpt), ..said }),
            Err(error) if error.is_connect() || error.is_builder() => {
                Reply::NotSent(self.clean(format!("could not connect: {}", chain(error))))
            }
            Err(error) if error.is_timeout() => Reply::Lost("no answer in time".into()),
            Err(error) => {
                Reply::Lost(self.clean(format!("the connection broke: {}", chain(error))))
            }
        }
    }

    fn request(
        &self,
        ask: Ask,
        more: Option<(&'static str, &SecretString)>,
    ) -> Result<reqwest::RequestBuilder, String> {
        let url = Url::parse(&ask.url).map_err(|e| format!("the request has no address: {e}"))?;
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        for (name, value) in &ask.headers {
            let wrong = || {
                format!(
                    "header {name:?} cannot be sent: its name or value has characters that headers cannot have"
                )
            };
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            headers.insert(key, HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
        let mut request = self.client.request(ask.method, url);
        match &self.login {
            Login::None => {}
            Login::Header(value) => {
                headers.insert("authorization", secret_value(value)?);
            }
            Login::Named(name, value) => {
                headers.insert(*name, secret_value(value)?);
            }
            Login::Basic(user, password) => {
                request = request.basic_auth(user, Some(password.expose_secret()));
            }
        }
        if let Some((name, secret)) = more {
            headers.insert(name, secret_value(secret)?);
        }
        request = request.headers(headers);
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        Ok(request)
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Said, reqwest::Error> {
        let mut response = request.send().await?;
        let text = |name: &str| {
            response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
        };
        let location = text("location");
        let page = text("content-type").is_some_and(|t| t.trim_start().starts_with("text/html"));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_MAX {
                // Cut off, it is not JSON any more, and is read as what it is: no usable answer.
                body.truncate(BODY_MAX);
                break;
            }
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        let html = page || body.trim_start().starts_with('<');
        let excerpt = excerpt(status, html, &body);
        Ok(Said { status, location, html, body, excerpt })
    }

    /// Keeps what the desk gave us for a time out of every reason from now on.
    pub(crate) fn learn(&self, secret: &SecretString) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.truncate(LEARNED_MAX - 1);
        learned.push_front(secret.clone());
    }

    /// The same, its reason without our secrets: for what a desk says inside a success.
    pub(crate) fn cleaned<T>(&self, outcome: Outcome<T>) -> Outcome<T> {
        match outcome {
            Outcome::Done(value) => Outcome::Done(value),
            Outcome::Rejected { retry, reason } => {
                Outcome::Rejected { retry, reason: self.clean(reason) }
            }
            Outcome::Unknown { reason } => Outcome::Unknown { reason: self.clean(reason) },
        }
    }

    /// Without our secrets, should the desk have repeated them.
    pub(crate) fn clean(&self, mut text: String) -> String {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in self.secrets.iter().chain(learned.iter()) {
            let secret = secret.expose_secret();
            if secret.len() >= 4 && text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        text
    }
}

fn secret_value(secret: &SecretString) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(secret.expose_secret())
        .map_err(|_| "the token has characters that a header cannot have")?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error with what caused it, without the address (which may carry a secret).
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut out = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        out = format!("{out}: {next}");
        cause = next.source();
    }
    out
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(crate) fn urlencode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
            }
        }
    }
    out
}
