//! Speaks with the running daemon, and knows when there is none.

use super::{Call, FAILED, WRONG};
use crate::config::{self, Contact};
use anyhow::{Context as _, Result, bail};
use journal::Journal;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use views::{Language, Reader, Views};

/// How long the daemon may take to answer. It answers from memory; whoever waits is a person.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A daemon, as its configuration says it can be reached.
pub struct Client {
    /// What the configuration says.
    pub contact: Contact,
    http: reqwest::Client,
    base: reqwest::Url,
}

/// A language as the API calls it.
pub fn word(language: Language) -> String {
    match language {
        Language::Id => "id",
        Language::En => "en",
    }
    .to_owned()
}

/// What was asked for, and who answered.
pub enum Answer {
    /// The running daemon.
    Live(Value),
    /// The data directory: nothing listens.
    Kept(Value),
}

impl Answer {
    pub fn value(&self) -> &Value {
        let (Answer::Live(value) | Answer::Kept(value)) = self;
        value
    }
}

impl Client {
    /// From the configuration. One that has problems elsewhere is good enough for this.
    ///
    /// # Errors
    /// The exit status, after what is wrong has been said.
    pub fn new(call: &Call) -> Result<Client, ExitCode> {
        let contact = config::contact(&call.config).map_err(|report| {
            eprint!("{}", report.render(call.color_err));
            ExitCode::from(WRONG)
        })?;
        if contact.report.has_errors() {
            eprintln!("note: {} has problems; see `kentongan check`", call.config.display());
        }
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        let base = reqwest::Url::parse(&format!("http://{}", reachable(contact.http.listen)));
        match (http, base) {
            (Ok(http), Ok(base)) => Ok(Client { contact, http, base }),
            (Err(e), _) => {
                eprintln!("kentongan: cannot make an HTTP client: {e}");
                Err(ExitCode::from(FAILED))
            }
            (_, Err(e)) => {
                eprintln!("kentongan: the address in [http] listen is no address: {e}");
                Err(ExitCode::from(WRONG))
            }
        }
    }

    /// Where the daemon should be.
    pub fn address(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks the daemon; `None` when nothing listens there.
    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Option<Value>> {
        let request = self.http.get(self.url(path)?).query(query);
        let Some(response) = self.send(request).await? else { return Ok(None) };
        self.read(response).await.map(Some)
    }

    /// Asks the daemon, or the data directory when there is no daemon.
    pub async fn ask(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        kept: impl FnOnce(&Views) -> Result<Option<Value>>,
    ) -> Result<Answer> {
        if let Some(value) = self.get(path, query).await? {
            return Ok(Answer::Live(value));
        }
        let views = self.views().await?;
        let value = kept(&views)?.context("there is nothing of that name")?;
        eprintln!("note: the daemon does not run; this is what it wrote last");
        Ok(Answer::Kept(value))
    }

    /// The views of the data directory. After a restore, or when they are of another version, they
    /// are built from the journal first: the daemon would do the same at its start.
    pub async fn views(&self) -> Result<Views> {
        let dir = &self.contact.data_dir;
        let nothing = || {
            format!(
                "the daemon does not run (nothing listens at {}), and {} holds nothing to read; start it with `kentongan run`",
                self.address(),
                dir.display()
            )
        };
        let opened = Views::open_read_only(dir);
        if let Ok(views) = opened {
            return Ok(views);
        }
        let journal = crate::daemon::storage::journal_dir(dir);
        if !journal.is_dir() {
            opened.with_context(nothing)?;
        }
        let journal = journal::EmbeddedJournal::open_read_only(&journal).with_context(nothing)?;
        let journal: Arc<dyn Journal> = Arc::new(journal);
        let identity = journal.identity().await.with_context(nothing)?;
        eprintln!("note: building what can be read from the journal; this is done once");
        let views = Views::open(dir, &identity).with_context(nothing)?;
        let views = Arc::new(views);
        crate::daemon::storage::catch_up(&journal, &views).await.with_context(nothing)?;
        drop(views);
        Views::open_read_only(dir).with_context(nothing)
    }

    /// Asks the daemon to do something.
    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Value> {
        let mut request = self.http.post(self.url(path)?).json(body);
        if let Some(token) = &self.contact.http.token {
            request = request.bearer_auth(token.expose_secret());
        }
        match self.send(request).await? {
            Some(response) => self.read(response).await,
            None => bail!(
                "the daemon does not run (nothing listens at {}); nothing was done",
                self.address()
            ),
        }
    }

    /// Who reads: in this language, else that of the configuration, and on its clock.
    pub fn reader(&self, lang: Option<crate::cli::Lang>) -> Reader {
        let locale = &self.contact.locale;
        let language = lang.map_or(locale.language, Language::from);
        Reader { language, timezone: locale.timezone.clone() }
    }

    fn url(&self, path: &[&str]) -> Result<reqwest::Url> {
        let mut url = self.base.clone();
        let mut segments = url
            .path_segments_mut()
            .map_err(|()| anyhow::anyhow!("the daemon's address has no path"))?;
        // Ids have slashes in them, and the API takes them as they are.
        segments.extend(path.iter().flat_map(|part| part.split('/')));
        drop(segments);
        Ok(url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Option<reqwest::Response>> {
        match request.send().await {
            Ok(response) => Ok(Some(response)),
            Err(e) if e.is_connect() => Ok(None),
            Err(e) if e.is_timeout() => bail!(
                "the daemon at {} did not answer within {} s; see `kentongan doctor`",
                self.address(),
                ANSWER_WITHIN.as_secs()
            ),
            Err(e) => Err(e).with_context(|| format!("asking the daemon at {}", self.address())),
        }
    }

    async fn read(&self, response: reqwest::Response) -> Result<Value> {
        let status = response.status();
        let text = response.text().await.context("reading the daemon's answer")?;
        let value: Result<Value, _> = serde_json::from_str(&text);
        if status.is_success() {
            return value.with_context(|| {
                format!(
                    "what answers at {} is not kentongan: its answer is no JSON",
                    self.address()
                )
            });
        }
        let detail = value.ok().and_then(|v| Some(v.get("detail")?.as_str()?.to_owned()));
        match (status.as_u16(), detail) {
            (401 | 403, Some(detail)) => {
                bail!("{detail} (the token comes from [http] token or token_file)")
            }
            (_, Some(detail)) => bail!("{detail}"),
            (code, None) => bail!("what answers at {} says {code}", self.address()),
        }
    }
}

/// The address to call for one that is listened on: "everywhere" is no destination.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
