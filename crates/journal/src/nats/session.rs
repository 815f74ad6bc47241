//! The connection: a server that is new enough, the two streams, and the few questions that are
//! asked of them. Everything that decides something asks the stream's leader; only reading in bulk
//! may be answered by any replica.

use super::messages::{Outgoing, event_subjects, record_subject};
use super::{NatsLogin, NatsOptions};
use crate::error::JournalError;
use crate::frame::FRAME_BYTES_MAX;
use crate::port::CONFIGURATIONS_MAX;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, LastRawMessageErrorKind, State, StorageType, Stream,
};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, RequestErrorKind};
use bytes::Bytes;
use futures_util::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::watch;

/// The oldest server that does what we rely on. 2.12.0 has atomic batches and refuses message ids
/// in them; Debian's 2.9 takes all our headers, ignores them, and says it went well.
pub const NATS_VERSION_MIN: (u64, u64, u64) = (2, 12, 1);

/// Most messages in one atomic batch, by the server.
pub const BATCH_MAX: usize = 1000;

/// How many messages are asked for at once when a range is read: first, because a reader may stop
/// soon, and then twice as many each time, up to the most.
const READ_MESSAGES_FIRST: usize = 16;
const READ_MESSAGES_MOST: usize = 512;

/// How many bytes of them.
const READ_BYTES: usize = 8 * 1024 * 1024;

/// How long a dial may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the instance's name stands among the metadata of the stream of events.
const IDENTITY: &str = "kentongan-identity";

/// What became of a conditional publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is stored; this is the sequence of its last message.
    Stored(u64),
    /// The stream's end was not where we thought; nothing was stored.
    Overtaken,
    /// The server has seen one of these message ids; nothing was stored now.
    SeenBefore,
}

/// A connection that has been looked at.
pub struct Session {
    pub client: Client,
    jetstream: jetstream::Context,
    pub events: Stream,
    pub records: Stream,
    /// The instance's unique name.
    pub identity: String,
    timeout: Duration,
}

/// What is told about the connection: it counts up with every (re)connect.
pub type Connects = watch::Sender<u64>;

impl Session {
    /// Connects, looks at the server, and makes the streams if they are not there. `known` is the
    /// instance this machine has worked with before: if the streams are gone or somebody else's,
    /// nothing is made, because numbers would begin at 1 again.
    pub async fn open(
        options: &NatsOptions,
        known: Option<&str>,
        connects: &Arc<Connects>,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Session, JournalError> {
        let client = connect(options, connects, telemetry).await?;
        check_server(&client)?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(options.answer_within);
        let upper = options.prefix.to_uppercase();
        let setup = Setup { jetstream: &jetstream, replicas: options.replicas, known };
        let metadata = HashMap::from([(
            IDENTITY.to_owned(),
            crate::embedded::new_identity(&options.name, &client.new_inbox()),
        )]);
        let events = setup
            .stream(&format!("{upper}-EVENTS"), event_subjects(&options.prefix), metadata)
            .await?;
        let identity =
            events.cached_info().config.metadata.get(IDENTITY).cloned().ok_or_else(|| {
                JournalError::Unsuitable {
                    what: format!(
                        "the stream {upper}-EVENTS is there and was not made by kentongan"
                    ),
                }
            })?;
        if let Some(known) = known
            && known != identity
        {
            return Err(JournalError::Unsuitable {
                what: format!(
                    "it is the journal of {identity}, and this machine has worked with the one of \
                     {known}; set it right, or move this machine's spool away"
                ),
            });
        }
        let records = setup
            .stream(
                &format!("{upper}-RECORDS"),
                vec![record_subject(&options.prefix)],
                HashMap::new(),
            )
            .await?;
        Ok(Session { client, jetstream, events, records, identity, timeout: options.answer_within })
    }

    /// Whether the server we are connected to now will still do: it may be another one.
    pub fn check(&self) -> Result<(), JournalError> {
        check_server(&self.client)
    }

    /// Whether the connection is up.
    pub fn connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Publishes all of the messages right behind `expected`, or none.
    pub async fn publish(
        &self,
        stream: &Stream,
        expected: u64,
        messages: Vec<Outgoing>,
    ) -> Result<Published, JournalError> {
        let name = stream.cached_info().config.name.clone();
        let doing = || format!("appending to {name}");
        let total = messages.len();
        debug_assert!((1..=BATCH_MAX).contains(&total), "callers cut to size");
        let batch = self.client.new_inbox().replace('.', "-");
        for (at, Outgoing { subject, mut headers, payload }) in messages.into_iter().enumerate() {
            if at == 0 {
                headers.insert("Nats-Expected-Stream", name.as_str());
                headers.insert("Nats-Expected-Last-Sequence", expected.to_string());
            }
            if total > 1 {
                headers.insert("Nats-Batch-Id", batch.as_str());
                headers.insert("Nats-Batch-Sequence", (at + 1).to_string());
            }
            if at + 1 < total {
                self.client
                    .publish_with_headers(subject, headers, payload)
                    .await
                    .map_err(|e| away(doing(), &e))?;
                continue;
            }
            if total > 1 {
                headers.insert("Nats-Batch-Commit", "1");
            }
            let request = async_nats::Request::new()
                .headers(headers)
                .payload(payload)
                .timeout(Some(self.timeout));
            let answer =
                self.client.send_request(subject, request).await.map_err(|e| match e.kind() {
                    RequestErrorKind::MaxPayloadExceeded | RequestErrorKind::InvalidSubject => {
                        JournalError::Invalid(format!("{}: {e}", doing()))
                    }
                    RequestErrorKind::TimedOut => JournalError::Unavailable {
                        doing: doing(),
                        what: format!("no answer within {:?}", self.timeout),
                    },
                    _ => away(doing(), &e),
                })?;
            return read_answer(&answer.payload, &doing());
        }
        Err(JournalError::Invalid("nothing to publish".into()))
    }

    /// The last message, by the leader; `Err` in the second place with the last sequence when
    /// there is none any more.
    pub async fn last(&self, stream: &Stream) -> Result<Result<StreamMessage, u64>, JournalError> {
        loop {
            match stream.get_last_raw_message_by_subject(">").await {
                Ok(message) => return Ok(Ok(message)),
                Err(e) if nothing_there(&e.kind()) => {
                    let state = self.state(stream).await?;
                    if state.messages == 0 {
                        return Ok(Err(state.last_sequence));
                    }
                    // One came between the two questions.
                }
                Err(e) => return Err(away(format!("looking at the end of {}", name(stream)), &e)),
            }
        }
    }

    /// One message, by the leader.
    pub async fn get(
        &self,
        stream: &Stream,
        sequence: u64,
    ) -> Result<Option<StreamMessage>, JournalError> {
        match stream.get_raw_message(sequence).await {
            Ok(message) => Ok(Some(message)),
            Err(e) if nothing_there(&e.kind()) => Ok(None),
            Err(e) => Err(away(format!("reading {sequence} of {}", name(stream)), &e)),
        }
    }

    /// The stream of what configurations mean, made when it is not there: an older version made none.
    pub async fn configurations(&self, options: &NatsOptions) -> Result<Stream, JournalError> {
        let name = format!("{}-CONFIGURATIONS", options.prefix.to_uppercase());
        let config = Config {
            name: name.clone(),
            subjects: vec![super::configurations::subjects(&options.prefix)],
            storage: StorageType::File,
            num_replicas: options.replicas,
            max_messages_per_subject: 1,
            // The oldest go; whoever misses a part of one says that it was let go.
            max_messages: CONFIGURATIONS_MAX as i64,
            discard: DiscardPolicy::Old,
            allow_direct: true,
            description: Some("configurations of kentongan; write through kentongan only".into()),
            ..Config::default()
        };
        self.jetstream
            .get_or_create_stream(config)
            .await
            .map_err(|e| away(format!("looking for the stream {name}"), &e))
    }

    /// Stores one message, whatever the end of its stream is.
    pub async fn store(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), JournalError> {
        let doing = || format!("storing {subject}");
        let stored = self.jetstream.publish_with_headers(subject.clone(), headers, payload).await;
        stored.map_err(|e| away(doing(), &e))?.await.map_err(|e| away(doing(), &e))?;
        Ok(())
    }

    /// The last message of a subject, by the leader.
    pub async fn last_of(
        &self,
        stream: &Stream,
        subject: &str,
    ) -> Result<Option<StreamMessage>, JournalError> {
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(e) if nothing_there(&e.kind()) => Ok(None),
            Err(e) => Err(away(format!("reading {subject} of {}", name(stream)), &e)),
        }
    }

    /// Which sequences the stream has.
    pub async fn state(&self, stream: &Stream) -> Result<State, JournalError> {
        let info = stream
            .get_info()
            .await
            .map_err(|e| away(format!("asking about {}", name(stream)), &e))?;
        Ok(info.state)
    }

    /// Messages in bulk, from any replica; in order, without those that are not there. `more` is
    /// given each one's sequence, headers and payload, and says whether to go on.
    pub async fn range(
        &self,
        stream: &Stream,
        sequences: std::ops::RangeInclusive<u64>,
        mut more: impl FnMut(u64, &HeaderMap, &Bytes) -> bool + Send,
    ) -> Result<(), JournalError> {
        let (mut next, last) = sequences.into_inner();
        let mut batch = READ_MESSAGES_FIRST;
        while next <= last {
            let before = next;
            let mut inbox = self.ask_for_many(stream, next, batch).await?;
            batch = (batch * 2).min(READ_MESSAGES_MOST);
            loop {
                let message = tokio::time::timeout(self.timeout, inbox.next()).await;
                let Ok(Some(message)) = message else {
                    return Err(away(format!("reading {next} of {}", name(stream)), &"no answer"));
                };
                // 204 ends a batch; 404 says that there is nothing from here on.
                match message.status.map(|s| s.as_u16()) {
                    None | Some(200) => {}
                    Some(204 | 404) => break,
                    Some(code) => {
                        let what = message.description.as_deref().unwrap_or("no reason given");
                        let doing = format!("reading {next} of {}", name(stream));
                        return Err(away(doing, &format!("{what} ({code})")));
                    }
                }
                let headers = message.headers.unwrap_or_default();
                let sequence: u64 = headers
                    .get("Nats-Sequence")
                    .and_then(|v| v.as_str().parse().ok())
                    .ok_or_else(|| away(format!("reading {}", name(stream)), &"no sequence"))?;
                if sequence < next {
                    continue;
                }
                if sequence > last || !more(sequence, &headers, &message.payload) {
                    return Ok(());
                }
                next = sequence + 1;
            }
            if next == before {
                // A replica may be behind; the leader knows.
                if let Some(m) = self.get(stream, next).await?
                    && !more(next, &m.headers, &m.payload)
                {
                    return Ok(());
                }
                next += 1;
            }
        }
        Ok(())
    }

    /// Asks for a batch of messages from a sequence on; the answers come in one by one.
    async fn ask_for_many(
        &self,
        stream: &Stream,
        from: u64,
        batch: usize,
    ) -> Result<async_nats::Subscriber, JournalError> {
        let doing = || format!("reading {from} of {}", name(stream));
        let inbox = self.client.new_inbox();
        let answers = self.client.subscribe(inbox.clone()).await.map_err(|e| away(doing(), &e))?;
        let request = serde_json::json!({
            "seq": from, "batch": batch, "max_bytes": READ_BYTES, "next_by_subj": ">",
        });
        let subject = format!("$JS.API.DIRECT.GET.{}", name(stream));
        self.client
            .publish_with_reply(subject, inbox, request.to_string().into())
            .await
            .map_err(|e| away(doing(), &e))?;
        Ok(answers)
    }

    /// Drops everything before `sequence`. On an empty stream: the next message gets it.
    pub async fn purge_before(&self, stream: &Stream, sequence: u64) -> Result<(), JournalError> {
        stream
            .purge()
            .sequence(sequence)
            .await
            .map_err(|e| away(format!("dropping what is old of {}", name(stream)), &e))?;
        Ok(())
    }

    /// Writes the instance's name into the stream of events.
    pub async fn rename(&self, identity: &str) -> Result<(), JournalError> {
        let mut config = self.events.cached_info().config.clone();
        config.metadata.insert(IDENTITY.into(), identity.into());
        self.jetstream
            .update_stream(config)
            .await
            .map_err(|e| away(format!("naming {}", name(&self.events)), &e))?;
        Ok(())
    }
}

fn name(stream: &Stream) -> &str {
    &stream.cached_info().config.name
}

fn away(doing: String, what: &dyn std::fmt::Display) -> JournalError {
    JournalError::Unavailable { doing, what: what.to_string() }
}

fn nothing_there(kind: &LastRawMessageErrorKind) -> bool {
    match kind {
        LastRawMessageErrorKind::NoMessageFound => true,
        LastRawMessageErrorKind::JetStream(e) => e.error_code() == ErrorCode::NO_MESSAGE_FOUND,
        _ => false,
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// What the server said to a publish.
fn read_answer(payload: &[u8], doing: &str) -> Result<Published, JournalError> {
    let answer: Answer = serde_json::from_slice(payload)
        .map_err(|e| away(doing.to_owned(), &format!("an answer that cannot be read ({e})")))?;
    match answer.error {
        // "wrong last sequence", with and without the one it is.
        Some(AnswerError { err_code: 10071 | 10164, .. }) => Ok(Published::Overtaken),
        Some(AnswerError { description, .. }) if description.contains("duplicate message id") => {
            Ok(Published::SeenBefore)
        }
        Some(AnswerError { err_code, description }) => {
            Err(away(doing.to_owned(), &format!("{description} ({err_code})")))
        }
        None if answer.duplicate => Ok(Published::SeenBefore),
        None if answer.seq > 0 => Ok(Published::Stored(answer.seq)),
        None => Err(away(doing.to_owned(), &"an answer that says nothing")),
    }
}

async fn connect(
    options: &NatsOptions,
    connects: &Arc<Connects>,
    telemetry: &Arc<Telemetry>,
) -> Result<Client, JournalError> {
    let unsuitable = |what: String| JournalError::Unsuitable { what };
    let (count, telemetry) = (connects.clone(), telemetry.clone());
    let mut dial = ConnectOptions::new()
        .name("kentongan")
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(options.answer_within))
        .ping_interval(Duration::from_secs(10))
        .event_callback(move |event| {
            match event {
                Event::Connected => {
                    telemetry.journal.cluster_connected(true);
                    count.send_modify(|n| *n += 1);
                }
                Event::Disconnected | Event::Closed => telemetry.journal.cluster_connected(false),
                other => tracing::debug!(event = %other, "nats"),
            }
            std::future::ready(())
        });
    dial = match &options.login {
        NatsLogin::None => dial,
        NatsLogin::Password { user, password } => {
            dial.user_and_password(user.clone(), password.expose_secret().to_owned())
        }
        NatsLogin::Credentials(file) => dial
            .credentials_file(file)
            .await
            .map_err(|e| unsuitable(format!("the credentials in {}: {e}", file.display())))?,
    };
    if let Some(file) = &options.root_certificates {
        dial = dial.add_root_certificates(file.clone());
    }
    let servers: Vec<async_nats::ServerAddr> = options
        .url
        .split(',')
        .map(|url| url.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|e| unsuitable(format!("the address {:?}: {e}", options.url)))?;
    dial.connect(servers).await.map_err(|e| match e.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            unsuitable(format!("{} does not let us in: {e}", options.url))
        }
        ConnectErrorKind::Tls | ConnectErrorKind::ServerParse => {
            unsuitable(format!("{}: {e}", options.url))
        }
        _ => away(format!("connecting to {}", options.url), &e),
    })
}

fn check_server(client: &Client) -> Result<(), JournalError> {
    let info = client.server_info();
    let (major, minor, patch) = NATS_VERSION_MIN;
    if version_of(&info.version).is_none_or(|v| v < NATS_VERSION_MIN) {
        return Err(JournalError::Unsuitable {
            what: format!(
                "nats-server {:?} is too old, {major}.{minor}.{patch} or newer is needed (an older \
                 one says a write went well and ignores its conditions)",
                info.version
            ),
        });
    }
    if !info.jetstream {
        return Err(JournalError::Unsuitable {
            what: format!("JetStream is not enabled on {}", info.server_name),
        });
    }
    if info.max_payload < 2 * FRAME_BYTES_MAX {
        return Err(JournalError::Unsuitable {
            what: format!(
                "the server takes messages of {} bytes, {} are needed: raise its max_payload",
                info.max_payload,
                2 * FRAME_BYTES_MAX
            ),
        });
    }
    Ok(())
}

/// The three numbers of `2.15.1`, `v2.12.0-RC.3`, …; a pre-release counts as its release.
fn version_of(text: &str) -> Option<(u64, u64, u64)> {
    let release = text.trim_start_matches('v').split(['-', '+']).next()?;
    let mut numbers = release.split('.').map(str::parse);
    let version =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next().unwrap_or(Ok(0)).ok()?);
    Some(version)
}

struct Setup<'a> {
    jetstream: &'a jetstream::Context,
    replicas: usize,
    known: Option<&'a str>,
}

impl Setup<'_> {
    /// A stream, made when it is not there.
    async fn stream(
        &self,
        name: &str,
        subjects: Vec<String>,
        metadata: HashMap<String, String>,
    ) -> Result<Stream, JournalError> {
        let doing = || format!("looking for the stream {name}");
        match self.jetstream.get_stream(name).await {
            Ok(stream) => return usable(stream, &subjects),
            Err(e) => match e.kind() {
                GetStreamErrorKind::JetStream(e)
                    if e.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    if let Some(known) = self.known {
                        return Err(JournalError::Unsuitable {
                            what: format!(
                                "the stream {name} is gone, and this machine has worked with the \
                                 journal of {known}; restore it, or move this machine's spool away"
                            ),
                        });
                    }
                }
                _ => return Err(away(doing(), &e)),
            },
        }
        let config = Config {
            name: name.to_owned(),
            subjects: subjects.clone(),
            storage: StorageType::File,
            num_replicas: self.replicas,
            compression: Some(Compression::S2),
            // Full means refused; nothing that is durable goes to make room. What is old is
            // dropped by `expire`, whole days at a time.
            discard: DiscardPolicy::New,
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            deny_delete: true,
            allow_direct: true,
            allow_atomic_publish: true,
            duplicate_window: Duration::from_mins(2),
            description: Some("journal of kentongan; write through kentongan only".into()),
            metadata,
            ..Config::default()
        };
        match self.jetstream.create_stream(config).await {
            Ok(_) => {}
            Err(e) => match e.kind() {
                // Another machine was quicker.
                CreateStreamErrorKind::JetStream(e)
                    if e.error_code() == ErrorCode::STREAM_NAME_EXIST => {}
                CreateStreamErrorKind::JetStream(e) => {
                    return Err(JournalError::Unsuitable {
                        what: format!("the stream {name} cannot be made: {e}"),
                    });
                }
                _ => return Err(away(format!("making the stream {name}"), &e)),
            },
        }
        let stream = self.jetstream.get_stream(name).await.map_err(|e| away(doing(), &e))?;
        usable(stream, &subjects)
    }
}

/// Whether a stream does what we rely on. Somebody may have made or changed it by hand.
fn usable(stream: Stream, subjects: &[String]) -> Result<Stream, JournalError> {
    let config = &stream.cached_info().config;
    let lacking = [
        (config.subjects != subjects, "its subjects are not ours"),
        (!config.allow_direct, "allow_direct is off"),
        (!config.allow_atomic_publish, "allow_atomic is off"),
        (config.discard != DiscardPolicy::New, "it discards old messages when it is full"),
        (config.storage != StorageType::File, "it is kept in memory"),
        (!config.max_age.is_zero(), "it has a max_age, which would drop what is not decided yet"),
        (config.max_messages_per_subject > 0, "it has max_msgs_per_subject"),
    ];
    match lacking.iter().find(|(lacks, _)| *lacks) {
        None => Ok(stream),
        Some((_, what)) => Err(JournalError::Unsuitable {
            what: format!("the stream {} will not do: {what}", config.name),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, good) in [
            ("2.15.1", true),
            ("2.12.1", true),
            ("v2.100.0", true),
            ("3.0.0-RC.1", true),
            ("2.12.0", false),
            ("2.9.10", false),
            ("", false),
            ("new", false),
        ] {
            let enough = version_of(text).is_some_and(|v| v >= NATS_VERSION_MIN);
            assert_eq!(enough, good, "{text}");
        }
    }

    #[test]
    fn every_answer_is_one_of_three_or_doubt() {
        let read = |text: &str| read_answer(text.as_bytes(), "appending").ok();
        assert_eq!(read(r#"{"stream":"S","seq":7}"#), Some(Published::Stored(7)));
        assert_eq!(read(r#"{"stream":"S","seq":7,"duplicate":true}"#), Some(Published::SeenBefore));
        for code in [10071, 10164] {
            let text = format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"x"}}}}"#);
            assert_eq!(read(&text), Some(Published::Overtaken));
        }
        for text in ["", "{}", r#"{"error":{"code":503}}"#, r#"{"stream":"S"}"#, "[1]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
