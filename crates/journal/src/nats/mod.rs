//! The cluster's side: two JetStream streams, and a spool.
//!
//! ```text
//! append_events ─▶ spool (embedded, on this machine) ─▶ forwarder ─▶ KENTONGAN-EVENTS
//! append_records ───────────────────────────────────────────────────▶ KENTONGAN-RECORDS
//! ```
//!
//! An event is answered for as soon as it is durable in the spool, whether the server is there or
//! not; it has its number when the forwarder has brought it into the stream. Records go straight
//! to the stream, for a decision that only this machine knows is none.
//!
//! What configurations' hashes mean is in a third, small stream.
//!
//! Snapshots stay on this machine: a core that takes over elsewhere starts from its own, or from
//! the records.
//!
//! JetStream answers before it syncs unless its configuration says `sync_interval: always`, as the
//! files in `deploy/nats` do.

mod configurations;
mod events;
mod forwarder;
mod messages;
mod records;
mod session;

use crate::embedded::{EmbeddedJournal, EmbeddedOptions, check_records, clock_of_this_machine};
use crate::error::JournalError;
use crate::port::{
    Accepted, Clock, Epoch, EventFrame, Expired, Health, Import, Journal, NewFrame, NewRecord,
    Record, Snapshot,
};
use async_trait::async_trait;
use bytes::Bytes;
use events::Events;
use messages::write_frame;
use model::Timestamp;
use records::Records;
use secrecy::SecretString;
use session::{Connects, Published, Session};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use session::NATS_VERSION_MIN;

/// Where the name of the instance this machine works with stands in the spool.
const NOTE_IDENTITY: &str = "cluster_identity";

/// The size at which the spool begins a new file, so that what was handed on is let go soon.
const SPOOL_SEGMENT_BYTES: u64 = 16 << 20;

/// Most frames of an import in one batch.
const IMPORT_FRAMES: usize = 64;

/// How we are let in.
#[derive(Debug, Clone, Default)]
pub enum NatsLogin {
    /// As anybody.
    #[default]
    None,
    /// By name.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// By a credentials file (JWT and key).
    Credentials(PathBuf),
}

/// How the cluster's journal is reached.
#[derive(Clone)]
pub struct NatsOptions {
    /// `nats://host:4222`, or several with commas; `tls://` for TLS.
    pub url: String,
    /// How we are let in.
    pub login: NatsLogin,
    /// Certificates to trust beside the system's.
    pub root_certificates: Option<PathBuf>,
    /// What subjects begin with; in capitals, what the streams' names do.
    pub prefix: String,
    /// How many servers keep each message.
    pub replicas: usize,
    /// The folder of the spool and the snapshots.
    pub dir: PathBuf,
    /// What the instance's unique name begins with, for whoever makes the streams first.
    pub name: String,
    /// How long events are kept in the stream.
    pub retention: Duration,
    /// How long records are.
    pub record_retention: Duration,
    /// Most bytes of the spool; events are refused above.
    pub spool_bytes_max: u64,
    /// Bytes set aside on this machine's disk, as for the embedded journal.
    pub reserve_bytes: u64,
    /// Events are refused while less than this is free on this machine's disk.
    pub free_bytes_min: u64,
    /// How many bytes of the newest events are kept in memory.
    pub tail_bytes: usize,
    /// How long an answer is waited for before it counts as not given.
    pub answer_within: Duration,
    /// Where the time is read.
    pub clock: Clock,
}

impl NatsOptions {
    /// The defaults, for a server and a folder.
    pub fn new(url: impl Into<String>, dir: impl Into<PathBuf>) -> NatsOptions {
        let embedded = EmbeddedOptions::new("");
        NatsOptions {
            url: url.into(),
            login: NatsLogin::None,
            root_certificates: None,
            prefix: "kentongan".into(),
            replicas: 1,
            dir: dir.into(),
            name: "kentongan".into(),
            retention: embedded.retention,
            record_retention: embedded.record_retention,
            spool_bytes_max: 4 << 30,
            reserve_bytes: embedded.reserve_bytes,
            free_bytes_min: embedded.free_bytes_min,
            tail_bytes: embedded.tail_bytes,
            answer_within: Duration::from_secs(5),
            clock: clock_of_this_machine(),
        }
    }
}

/// What the tasks of one journal share.
pub(crate) struct Link {
    options: NatsOptions,
    telemetry: Arc<Telemetry>,
    spool: EmbeddedJournal,
    /// The spool's own unique name, by which its frames are known in the stream.
    spool_name: String,
    session: OnceCell<Arc<Session>>,
    /// Counts up with every connect.
    connects: Arc<Connects>,
    cancel: CancellationToken,
    identity: Mutex<Option<String>>,
    last_error: Mutex<Option<String>>,
    /// The spool's number of the last event known to be in the stream.
    forwarded_through: AtomicU64,
}

impl Link {
    /// The connection; made at the first call that finds the server. Says at once when it is
    /// down, rather than let every question wait for an answer that cannot come.
    async fn session(&self) -> Result<Arc<Session>, JournalError> {
        let session = self
            .session
            .get_or_try_init(|| async {
                let known = lock(&self.identity).clone();
                let session =
                    Session::open(&self.options, known.as_deref(), &self.connects, &self.telemetry)
                        .await?;
                if known.is_none() {
                    self.spool.note(NOTE_IDENTITY, session.identity.clone()).await?;
                    *lock(&self.identity) = Some(session.identity.clone());
                }
                Ok::<_, JournalError>(Arc::new(session))
            })
            .await?;
        if !session.connected() {
            return Err(JournalError::Unavailable {
                doing: "asking it".into(),
                what: format!("not connected to {}", self.options.url),
            });
        }
        Ok(session.clone())
    }

    /// The instance's name, once the server was seen.
    fn identity(&self) -> String {
        lock(&self.identity).clone().unwrap_or_default()
    }

    fn set_error(&self, error: Option<String>) {
        *lock(&self.last_error) = error;
    }

    /// The forwarder has brought everything through this event of the spool into the stream.
    fn set_forwarded(&self, through: u64) {
        self.forwarded_through.store(through, Ordering::Release);
        self.tell_waiting();
    }

    /// Events that are durable here and not known to be in the stream.
    fn waiting(&self) -> u64 {
        self.spool.last_now().saturating_sub(self.forwarded_through.load(Ordering::Acquire))
    }

    fn tell_waiting(&self) {
        self.telemetry.journal.spool_measured(self.waiting());
    }
}

/// The journal of a cluster.
pub struct NatsJournal {
    link: Arc<Link>,
    events: Arc<Events>,
    records: Arc<Records>,
    forwarder: Mutex<Option<JoinHandle<()>>>,
}

impl NatsJournal {
    /// Opens the spool and connects. A server that is away is not an error: events are taken and
    /// wait in the spool, and it is tried again for as long as it takes. One that is there and
    /// will not do (too old, no JetStream, another instance's streams, a wrong password) is.
    pub async fn open(
        options: NatsOptions,
        telemetry: Arc<Telemetry>,
    ) -> Result<NatsJournal, JournalError> {
        let spool = EmbeddedJournal::open(
            EmbeddedOptions {
                name: options.name.clone(),
                reserve_bytes: options.reserve_bytes,
                free_bytes_min: options.free_bytes_min,
                max_bytes: Some(options.spool_bytes_max),
                segment_bytes: SPOOL_SEGMENT_BYTES.min(options.spool_bytes_max / 8),
                tail_bytes: options.tail_bytes,
                clock: options.clock.clone(),
                ..EmbeddedOptions::new(options.dir.join("spool"))
            },
            telemetry.clone(),
        )?;
        let link = Arc::new(Link {
            spool_name: spool.identity().await?,
            identity: Mutex::new(spool.noted(NOTE_IDENTITY).await?),
            session: OnceCell::new(),
            connects: Arc::new(watch::Sender::new(0)),
            cancel: CancellationToken::new(),
            last_error: Mutex::new(None),
            forwarded_through: AtomicU64::new(forwarder::handed_on(&spool).await?),
            options,
            telemetry,
            spool,
        });
        match link.session().await {
            Err(why) if why.worth_retrying() => {
                tracing::warn!(%why, "starting without the cluster's journal; events wait here");
                link.set_error(Some(why.to_string()));
            }
            Err(why) => return Err(why),
            Ok(_) => {}
        }
        let forwarder = tokio::spawn(forwarder::run(link.clone()));
        Ok(NatsJournal {
            events: Arc::new(Events::new(link.options.tail_bytes)),
            link,
            records: Arc::new(Records::default()),
            forwarder: Mutex::new(Some(forwarder)),
        })
    }
}

impl NatsJournal {
    /// Stops forwarding and gives the spool free. What is not handed on stays in it.
    pub async fn close(&self) {
        self.link.cancel.cancel();
        let forwarder = lock(&self.forwarder).take();
        if let Some(forwarder) = forwarder {
            // One that panicked has nothing more to finish.
            let _ = forwarder.await;
        }
        self.link.spool.close();
    }

    /// Waits until everything that was appended here has its number in the cluster's journal.
    pub async fn forwarded(&self) -> Result<(), JournalError> {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let last = self.link.spool.last_event().await?;
        while self.link.forwarded_through.load(Ordering::Acquire) < last {
            tokio::select! {
                () = self.link.cancel.cancelled() => return Err(JournalError::Closed),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    }
}

impl Drop for NatsJournal {
    fn drop(&mut self) {
        self.link.cancel.cancel();
        // The last task that holds the link closes the spool.
    }
}

#[async_trait]
impl Journal for NatsJournal {
    /// Durable in this machine's spool. [`Accepted::first`] is `None`: the numbers come later.
    async fn append_events(&self, frame: NewFrame) -> Result<Accepted, JournalError> {
        let accepted = self.link.spool.append_events(frame).await?;
        Ok(Accepted { first: None, ..accepted })
    }

    async fn read_events(
        &self,
        from: u64,
        max_events: usize,
    ) -> Result<Vec<EventFrame>, JournalError> {
        self.events.read(&*self.link.session().await?, from, max_events).await
    }

    async fn wait_events(&self, number: u64) -> Result<(), JournalError> {
        self.events.wait(&self.link, number).await
    }

    async fn last_event(&self) -> Result<u64, JournalError> {
        Ok(events::end_of(&*self.link.session().await?).await?.next - 1)
    }

    async fn first_event(&self) -> Result<u64, JournalError> {
        let session = self.link.session().await?;
        events::first_event(&session).await
    }

    /// Appends an epoch record. [`JournalError::Unavailable`] leaves open whether it was stored;
    /// owning again is right either way.
    async fn own(&self, owner: &str) -> Result<Epoch, JournalError> {
        self.records.own(&self.link, owner).await
    }

    /// Comes back when the records are stored, or somebody else owns; while the server is away it
    /// tries on. A caller that drops the call does not know whether they will be stored.
    async fn append_records(
        &self,
        epoch: &Epoch,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Record>, JournalError> {
        check_records(&records)?;
        records::append_detached(self.link.clone(), self.records.clone(), epoch.number, records)
            .await
    }

    async fn read_records(&self, from: u64, max: usize) -> Result<Vec<Record>, JournalError> {
        records::read(&*self.link.session().await?, from, max).await
    }

    async fn last_record(&self) -> Result<u64, JournalError> {
        Ok(records::end_of(&*self.link.session().await?).await?.number)
    }

    async fn chain_start(&self) -> Result<(u64, [u8; 32]), JournalError> {
        records::chain_start(&*self.link.session().await?).await
    }

    /// Kept on this machine.
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), JournalError> {
        self.link.spool.put_snapshot(snapshot).await
    }

    /// This machine's newest.
    async fn latest_snapshot(&self) -> Result<Option<Snapshot>, JournalError> {
        self.link.spool.latest_snapshot().await
    }

    async fn put_configuration(&self, hash: &str, body: Bytes) -> Result<(), JournalError> {
        configurations::put(&self.link, &*self.link.session().await?, hash, &body).await
    }

    async fn configuration(&self, hash: &str) -> Result<Option<Bytes>, JournalError> {
        configurations::get(&self.link, &*self.link.session().await?, hash).await
    }

    async fn configurations(&self) -> Result<Vec<String>, JournalError> {
        configurations::hashes(&self.link, &*self.link.session().await?).await
    }

    async fn expire(&self, now: Timestamp) -> Result<Expired, JournalError> {
        let session = self.link.session().await?;
        let options = &self.link.options;
        let mut expired =
            events::expire(&self.events, &session, now - options.retention, &self.link.telemetry)
                .await?;
        expired.records = records::expire(&session, now - options.record_retention).await?;
        Ok(expired)
    }

    async fn identity(&self) -> Result<String, JournalError> {
        let known = lock(&self.link.identity).clone();
        if let Some(identity) = known {
            return Ok(identity);
        }
        self.link.session().await?;
        Ok(self.link.identity())
    }

    async fn health(&self) -> Health {
        let spool = self.link.spool.health().await;
        let connected = self.link.session.get().is_some_and(|s| s.connected());
        let oldest = match (connected, self.link.session.get()) {
            (true, Some(session)) => events::oldest(session).await.ok().flatten(),
            _ => None,
        };
        Health {
            connected: Some(connected),
            spool_events: self.link.waiting(),
            oldest,
            last_error: spool
                .last_error
                .clone()
                .or_else(|| lock(&self.link.last_error).clone())
                .or_else(|| (!connected).then(|| "the cluster's journal is away".into())),
            ..spool
        }
    }

    async fn import(&self, what: Import) -> Result<(), JournalError> {
        let session = self.link.session().await?;
        match what {
            Import::Identity(identity) => {
                if self.last_event().await? > 0 || self.last_record().await? > 0 {
                    return Err(JournalError::Invalid(
                        "the name of a journal that has been written cannot change".into(),
                    ));
                }
                session.rename(&identity).await?;
                self.link.spool.note(NOTE_IDENTITY, identity.clone()).await?;
                *lock(&self.link.identity) = Some(identity);
                Ok(())
            }
            Import::Frames(frames) => self.import_frames(&session, &frames).await,
            Import::Records(records) => self.records.import(&self.link, &records).await,
        }
    }
}

impl NatsJournal {
    async fn import_frames(
        &self,
        session: &Session,
        frames: &[EventFrame],
    ) -> Result<(), JournalError> {
        let mut end = events::end_of(session).await?;
        for frames in frames.chunks(IMPORT_FRAMES) {
            let sequence = end.sequence;
            let mut messages = Vec::with_capacity(frames.len());
            for frame in frames {
                let fresh = end.next == 1 && end.received == Timestamp::MIN;
                if !(frame.follows(end.next) || fresh) || frame.received < end.received {
                    return Err(JournalError::Invalid(format!(
                        "event {} of {} cannot follow event {}",
                        frame.first,
                        frame.received,
                        end.next - 1
                    )));
                }
                end.next = frame.last() + 1;
                end.received = frame.received;
                end.sequence += 1;
                let identity = self.link.identity();
                messages.push(write_frame(&self.link.options.prefix, &identity, frame, None));
            }
            match session.publish(&session.events, sequence, messages).await? {
                Published::Stored(last) if last == end.sequence => {}
                _ => return Err(JournalError::Invalid("somebody else writes there".into())),
            }
        }
        Ok(())
    }
}

/// No lock of ours is held across anything that may panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
