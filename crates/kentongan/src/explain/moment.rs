//! Back to a moment of the past: the core as it was, by running the events again up to there.

use crate::config::Configuration;
use crate::daemon::resume;
use anyhow::{Result, bail};
use correlator::Correlator;
use journal::Journal;
use model::{Event, Kind, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events read at once.
const EVENTS_AT_ONCE: usize = 8192;

/// Up to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Just before this event.
    Event(u64),
    /// The last event received by then.
    Time(Timestamp),
}

/// How far it is.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    of: AtomicU64,
}

impl Progress {
    /// In percent; `None` before it is known how much there is to do.
    pub fn percent(&self) -> Option<u8> {
        let (done, of) = (self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        (of > 0).then(|| (done.min(of) * 100 / of) as u8)
    }
}

/// The core as it was.
pub struct Moment {
    /// It.
    pub core: Correlator,
    /// The event that comes next, when one was asked for.
    pub event: Option<Event<'static>>,
    /// The first event that was run again.
    pub from: u64,
    /// Something happened under a configuration that nobody knows any more; the one at hand was taken.
    pub another_configuration: bool,
}

/// Runs the events again: from the newest snapshot before it, else from the first event kept.
///
/// # Errors
/// The events are not kept any more, were never there, or cannot be read.
pub async fn moment(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    until: Until,
    progress: &Progress,
) -> Result<Moment> {
    let (first, last) = (journal.first_event().await?, journal.last_event().await?);
    if last == 0 {
        bail!("there are no events yet");
    }
    if let Until::Event(n) = until {
        if n > last {
            bail!("there is no event {n}; the last one is {last}");
        }
        if n < first {
            bail!(
                "event {n} is not kept any more: events are dropped with their day after [journal] retention, and the first one left is {first}"
            );
        }
    }
    if let Until::Time(at) = until {
        let oldest = journal.read_events(first, 1).await?.first().map(|f| f.received);
        if oldest.is_none_or(|o| at < o) {
            bail!(
                "nothing is kept from then: the first event left is {first}, received {}",
                oldest.map_or("never".into(), |o| o.to_string())
            );
        }
    }
    let (mut core, mut hash) = start(journal, c, until, first).await?;
    // A `config` event behind a `gap` is a start: under the same configuration nothing changes then.
    let mut starting = core.last_event() == 0;
    let from = core.last_event() + 1;
    let end = match until {
        Until::Event(n) => n,
        Until::Time(_) => last + 1,
    };
    progress.of.store((end - from).max(1), Ordering::Relaxed);
    let mut another_configuration = false;
    let mut next = from;
    loop {
        let frames = journal.read_events(next, EVENTS_AT_ONCE).await?;
        let Some(newest) = frames.last().map(journal::EventFrame::last) else { break };
        for frame in &frames {
            if matches!(until, Until::Time(at) if frame.received > at) {
                return Ok(Moment { core, event: None, from, another_configuration });
            }
            // Not across the waits below: what reads the lines is not `Send`.
            let lines: Vec<(u64, &str)> = frame.lines()?.collect();
            for (number, line) in lines {
                if number < next {
                    continue;
                }
                let read = wire::read_event(line);
                let event = read.as_ref().ok().map(|read| {
                    let mut event = read.event.clone();
                    event.received = Some(frame.received);
                    event
                });
                if let Some(Event { kind: Kind::Config { hash: new, .. }, .. }) = &event
                    && (*new != hash || !starting)
                {
                    match resume::told_by(journal, c, new).await? {
                        Some((inventory, settings)) => core.reconfigure(inventory, settings),
                        None => another_configuration = true,
                    }
                    hash.clone_from(new);
                    // What the change itself decides belongs to its event, and is not asked for.
                    while core.poll_decision().is_some() {}
                }
                starting = matches!(&event, Some(Event { kind: Kind::Gap { .. }, .. }));
                if until == Until::Event(number) {
                    let Some(event) = event else {
                        bail!("this version cannot read event {number}");
                    };
                    let event = Some(event.into_owned());
                    return Ok(Moment { core, event, from, another_configuration });
                }
                match (event, read) {
                    (Some(event), _) => core.handle_event(number, &event),
                    (None, Err(error)) => {
                        core.handle_unreadable(number, frame.received, &error.to_string());
                    }
                    (None, Ok(_)) => {}
                }
                while core.poll_decision().is_some() {}
                while core.poll_ask().is_some() {}
            }
        }
        next = newest + 1;
        progress.done.store(next - from, Ordering::Relaxed);
        // The daemon has other things to do as well.
        tokio::task::yield_now().await;
    }
    Ok(Moment { core, event: None, from, another_configuration })
}

/// Where to begin, and the hash of the configuration in force there.
async fn start(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    until: Until,
    first: u64,
) -> Result<(Correlator, String)> {
    if let Ok(Some(snapshot)) = journal.latest_snapshot().await
        && let Some((core, hash)) = resume::core_of(journal, &snapshot, c).await?
    {
        let before = match until {
            Until::Event(n) => core.last_event() < n,
            Until::Time(at) => core.now() <= at,
        };
        if before && core.last_event() + 1 >= first {
            return Ok((core, hash));
        }
    }
    let (inventory, settings) = (c.inventory.clone(), c.settings.clone());
    if first <= 1 {
        return Ok((Correlator::new(inventory, settings), c.hash.clone()));
    }
    // What was decided before the first event that is kept.
    let identity = journal.identity().await?;
    let past = resume::past_through(journal, first - 1, &identity).await?;
    Ok((Correlator::rebuild(inventory, settings, &past), c.hash.clone()))
}
