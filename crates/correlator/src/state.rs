//! The core's plain state: all that has to survive a restart, and nothing that can be derived.
//!
//! Names are interned once, in tables that outlive a change of the inventory, so that a snapshot
//! means the same under the next configuration. What follows from state *and* inventory together
//! (who is down, who waits for whom) is in `reach` and is built again.

use crate::bounds::Met;
use crate::storm::{InDigest, Storm};
use hashbrown::HashTable;
use model::{
    Affected, AlarmState, Condition, IncidentId, Priority, Scope, Severity, Timestamp, Work,
    settings::Window,
};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

/// A name's place in [`State::targets`].
pub(crate) type TargetIx = u32;
/// A check's place in [`State::checks`].
pub(crate) type CheckIx = u32;
/// An incident's running number.
pub(crate) type IncidentIx = u32;

/// All that has to survive a restart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    // ---- where we are ----
    /// The core's clock: the latest `received` it has seen.
    pub(crate) now: Timestamp,
    /// The number of the last event taken.
    pub(crate) last_event: u64,
    /// When the last event was received.
    pub(crate) last_received: Timestamp,
    /// When the watch began, or began again after a gap or with another configuration.
    pub(crate) watching_since: Timestamp,
    /// The unique name of this installation, once a `config` event has told it.
    pub(crate) instance: String,
    /// How many times an `at` was ahead of `received` and was not believed.
    pub(crate) clocks_ahead: u64,

    // ---- names ----
    pub(crate) targets: Names,
    pub(crate) check_names: Names,
    pub(crate) probes: Names,

    // ---- checks and alarms ----
    /// Every check that was ever observed.
    pub(crate) checks: Vec<Check>,
    /// Everything confirmed: held, raised, clearing, flapping.
    pub(crate) alarms: BTreeMap<AlarmKey, Box<Alarm>>,
    /// Problems told by others, by source and key, in the order of their numbers.
    pub(crate) signals: BTreeMap<u32, SignalState>,
    pub(crate) next_signal: u32,
    /// When problems of others ended, so that news that comes late does not open them again.
    pub(crate) ended_signals: BTreeMap<(Arc<str>, Arc<str>), Stood>,
    /// Running means of the levels that are not quiet.
    pub(crate) means: BTreeMap<(CheckIx, u8), Mean>,
    /// What is usual for the value of each check that has a level relative to that, by check.
    pub(crate) usual: Vec<f32>,
    /// The latest confirmed changes of the checks that had any lately.
    pub(crate) changes: BTreeMap<CheckIx, VecDeque<Timestamp>>,
    /// The last uptime told, in seconds.
    pub(crate) uptimes: BTreeMap<CheckIx, f64>,
    /// Checks of targets whose name does not resolve, and how many times in a row.
    pub(crate) nameless: BTreeMap<CheckIx, u8>,
    /// Ports that are switched off on purpose.
    pub(crate) admin_down: BTreeSet<TargetIx>,

    /// Answers of devices by checks that are not silent, since another one is.
    pub(crate) elsewhere: BTreeMap<TargetIx, u8>,
    /// Whose evidence is waited for, and by whom.
    pub(crate) waiting: BTreeSet<(TargetIx, Waiter)>,

    // ---- probes ----
    /// What is known of each probe, by its number.
    pub(crate) watchers: Vec<Watcher>,
    /// Checks that tell of the isolation of their own probe, and nothing of their device.
    pub(crate) aside: BTreeSet<CheckIx>,
    /// Failing checks not observed since their probe was silent or isolated.
    pub(crate) unseen: BTreeSet<CheckIx>,

    // ---- incidents ----
    /// Open ones, and resolved ones until they are closed.
    pub(crate) incidents: BTreeMap<IncidentIx, Incident>,
    pub(crate) next_incident: IncidentIx,
    /// Whether there are more of them than anybody can read.
    pub(crate) storm: Storm,

    // ---- time ----
    pub(crate) timers: BTreeSet<(Timestamp, Timer)>,
    /// Maintenance windows and silences that people asked for.
    pub(crate) windows: BTreeMap<String, Window>,
    /// What each window that lasts has held back.
    pub(crate) hidden: BTreeMap<String, Hidden>,
    /// Windows that ended lately.
    pub(crate) ended_windows: BTreeMap<String, Ended>,
    /// How often bounds were met.
    pub(crate) met: Met,
    /// How often people said "wrong team", by the name of the rule that sent the ticket.
    pub(crate) misroutes: BTreeMap<String, u64>,
}

/// Names with numbers. The number of a name does not change while something stands for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    list: Vec<Arc<str>>,
    /// Places in the list, found by the name that stands there: a million names are not kept twice.
    #[serde(skip)]
    index: HashTable<u32>,
    /// Places that nothing stands at any more, given to the next that come.
    free: Vec<u32>,
    /// How many names of the inventory and of checks there were when it was last looked.
    pub(crate) steady: usize,
}

impl Names {
    pub(crate) fn get(&self, name: &str) -> Option<u32> {
        self.index.find(hash(name), |ix| *self.list[*ix as usize] == *name).copied()
    }

    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        self.get(name).unwrap_or_else(|| self.add(name.into()))
    }

    /// The same, for a name that is kept elsewhere already.
    pub(crate) fn intern_shared(&mut self, name: &Arc<str>) -> u32 {
        self.get(name).unwrap_or_else(|| self.add(name.clone()))
    }

    fn add(&mut self, name: Arc<str>) -> u32 {
        let ix = self.free.pop().unwrap_or(self.list.len() as u32);
        if ix as usize == self.list.len() {
            self.list.push(name);
        } else {
            self.list[ix as usize] = name;
        }
        self.index_one(ix);
        ix
    }

    /// How many stand for something, as far as is known.
    pub(crate) fn used(&self) -> usize {
        self.list.len() - self.free.len()
    }

    /// Lets go of the others.
    pub(crate) fn keep(&mut self, stands: &[bool]) {
        let last = stands.iter().rposition(|s| *s).map_or(0, |ix| ix + 1);
        self.list.truncate(last);
        let nothing: Arc<str> = "".into();
        self.free = (0..last as u32).rev().filter(|ix| !stands[*ix as usize]).collect();
        for ix in &self.free {
            self.list[*ix as usize] = nothing.clone();
        }
        self.list.shrink_to(last + last / 8);
        self.reindex();
    }

    fn index_one(&mut self, ix: u32) {
        let list = &self.list;
        let of = |ix: &u32| hash(&list[*ix as usize]);
        self.index.insert_unique(of(&ix), ix, of);
    }

    pub(crate) fn name(&self, ix: u32) -> &Arc<str> {
        &self.list[ix as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// After a snapshot was read: the index is not part of it.
    pub(crate) fn reindex(&mut self) {
        self.index = HashTable::with_capacity(self.list.len());
        let free: BTreeSet<u32> = self.free.iter().copied().collect();
        for ix in (0..self.list.len() as u32).filter(|ix| !free.contains(ix)) {
            self.index_one(ix);
        }
    }
}

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

/// One check of one target by one probe. Kept small: there may be a million.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) target: TargetIx,
    pub(crate) name: u16,
    pub(crate) probe: u16,
    pub(crate) phase: Phase,
    /// The last samples, the newest in the lowest bit; 1 is bad.
    pub(crate) history: u32,
    /// How many bits of it are samples.
    pub(crate) seen: u8,
    /// Good samples in a row.
    pub(crate) good_run: u8,
    /// How many samples what is usual for it was learned from, up to a byte full.
    pub(crate) learned: u8,
    /// When the newest sample was taken.
    pub(crate) last_at: Timestamp,
    /// When it last answered.
    pub(crate) last_reply: Timestamp,
    /// The first bad sample of the failure at hand.
    pub(crate) onset: Timestamp,
}

/// One who observes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Watcher {
    /// When its last observation was received.
    pub(crate) heard: Timestamp,
    /// The longest pause between two of them since its time-out was last looked at.
    pub(crate) pause: Duration,
    /// The newest answer it had from a device other than the one it stands at.
    pub(crate) answered: Timestamp,
    /// The newest silence of a device other than that, which answered before.
    pub(crate) missed: Timestamp,
    /// It may be isolated; what it observes next will tell.
    pub(crate) in_doubt: bool,
    /// Since when it sees nothing at all.
    pub(crate) isolated: Option<Timestamp>,
    /// Answers of others while it is isolated.
    pub(crate) answers: u8,
    /// Since when nothing was heard of it.
    pub(crate) silent: Option<Timestamp>,
    /// Its evidence does not count, for it is isolated, or silent while another one watches.
    pub(crate) out: bool,
}

/// Where a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// The last sample was good.
    Ok,
    /// Bad samples, not enough to confirm.
    Suspect,
    /// Confirmed bad: there is an [`AlarmKey::Silent`] for it.
    Bad,
    /// Confirmed bad, with a first good sign.
    Clearing,
    /// Nothing that could be read.
    Unknown,
}

/// What can be failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum AlarmKey {
    /// A check that is silent, or a port that says it is down.
    Silent(CheckIx),
    /// A value beyond the level of this number in the check's rule.
    Level(CheckIx, u8),
    /// A signal.
    Signal(u32),
}

impl AlarmKey {
    /// Its place in the order: silences, then levels, then signals. One number, for in a great outage
    /// there are many to look through.
    fn rank(self) -> u64 {
        match self {
            AlarmKey::Silent(ix) => u64::from(ix) << 8,
            AlarmKey::Level(ix, n) => 1 << 40 | u64::from(ix) << 8 | u64::from(n),
            AlarmKey::Signal(ix) => 2 << 40 | u64::from(ix) << 8,
        }
    }
}

impl Ord for AlarmKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for AlarmKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Who waits for the evidence of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Waiter {
    /// The unreachable devices around this one.
    Around(TargetIx),
    /// An alarm about one device, port or link alone.
    Alarm(AlarmKey),
}

/// Something confirmed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) state: AlarmState,
    /// The first sign of it.
    pub(crate) onset: Timestamp,
    /// When it was confirmed.
    pub(crate) confirmed: Timestamp,
    /// Until when it may be held for want of evidence.
    pub(crate) hold_until: Timestamp,
    /// The incident it belongs to.
    pub(crate) incident: Option<IncidentIx>,
    /// What was seen, in a few words.
    pub(crate) said: String,
    /// The window that covers it.
    pub(crate) covered_by: Option<String>,
    /// The window at whose end it still stood.
    pub(crate) outlasted: Option<String>,
}

/// What a window has held back since it began.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Hidden {
    /// Alarms.
    pub(crate) count: u64,
    /// What they were about, the first of them.
    pub(crate) targets: BTreeSet<Arc<str>>,
    /// When it held back another one last.
    pub(crate) last: Timestamp,
}

/// A window that has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) window: Window,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) hidden: Hidden,
    /// What still failed then.
    pub(crate) overran: Vec<Arc<str>>,
    /// Who ended it, when a person did.
    pub(crate) by: Option<String>,
}

/// How long a problem of others stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stood {
    /// When it began; `None` where only its end was heard of.
    pub(crate) began: Option<Timestamp>,
    /// When it ended.
    pub(crate) at: Timestamp,
}

impl Stood {
    /// Whether a problem that began at `at` is over with it. One that begins in the very instant in
    /// which the last one ended is another one, for clocks of others often know seconds only; told
    /// again, the one that ended has the instant in which it began.
    pub(crate) fn covers(self, at: Timestamp) -> bool {
        at < self.at || (at == self.at && self.began.is_none_or(|began| began == at))
    }
}

/// A problem told by somebody else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignalState {
    pub(crate) source: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) severity: Option<Severity>,
    pub(crate) target: TargetIx,
    pub(crate) summary: String,
    /// When our own evidence overruled it.
    pub(crate) overruled: Option<Timestamp>,
}

/// A running mean over a sliding time, in twelve slots.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Mean {
    /// (slot number, sum, count), oldest first.
    pub(crate) slots: VecDeque<(i64, f64, u32)>,
}

/// The one thing that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// A device (or what cannot be told apart from it).
    Device(TargetIx),
    /// A link between two devices that answer.
    Link(TargetIx),
    /// Something the inventory does not know, or a port without a link.
    Other(TargetIx),
    /// A probe that is isolated, by its number: what is behind it cannot be told.
    Blind(u32),
    /// Many incidents at once, presented together: the digest of this number.
    Storm(IncidentIx),
}

/// One cause with all the alarms it explains.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Incident {
    pub(crate) id: IncidentId,
    pub(crate) cause: Cause,
    pub(crate) root: Vec<Arc<str>>,
    pub(crate) members: BTreeSet<AlarmKey>,
    pub(crate) condition: Condition,
    pub(crate) work: Work,
    /// As computed.
    pub(crate) computed: Priority,
    /// As computed, and shown: it follows at a pace that people can bear.
    pub(crate) shown: Priority,
    /// When what is shown changed lately.
    pub(crate) moves: Vec<Timestamp>,
    /// As a person wants it.
    pub(crate) wanted: Option<Override>,
    pub(crate) scope: Scope,
    pub(crate) affected: Affected,
    pub(crate) since: Timestamp,
    pub(crate) opened_at: Timestamp,
    /// The number of the event that opened it, or opened it again.
    pub(crate) opened_by: u64,
    /// Nobody has heard of it yet: it was opened by the event at hand.
    pub(crate) fresh: bool,
    /// It was opened again by the event at hand.
    pub(crate) reopening: bool,
    /// It was opened again at least once.
    pub(crate) reopened: bool,
    /// What it was about is no longer in the inventory.
    pub(crate) removed: bool,
    /// What others still say of it was overruled.
    pub(crate) overruled: bool,
    pub(crate) recovered_at: Option<Timestamp>,
    /// When its cause last showed a sign of failing again after that, confirmed or not.
    pub(crate) last_sign: Timestamp,
    /// Why it has this priority, in one sentence.
    pub(crate) why: String,
    /// What fails, in one sentence.
    pub(crate) what: String,
    /// The digest that presents it.
    pub(crate) digest: Option<InDigest>,
    /// The window at whose end it still stood, in words.
    pub(crate) outlasted: Option<String>,
    /// The change that may have done it: its id, and the words for it.
    pub(crate) suspected_change: Option<(String, String)>,
    /// Intents given so far.
    pub(crate) revision: u32,
    /// A `create` was among them.
    pub(crate) ticketed: bool,
    pub(crate) last_note: Timestamp,
    /// Something changed since, and no note has said so.
    pub(crate) note_due: bool,
    /// What people heard of it.
    pub(crate) heard: Heard,
    /// The devices and services that the ticket names already.
    pub(crate) told: BTreeSet<Arc<str>>,
    /// What was affected when its last line was written.
    pub(crate) said: Affected,
    /// Something was unreachable when it was last weighed.
    pub(crate) outage: bool,
    /// The root it had, when the event at hand found a better one.
    pub(crate) rerooted_from: Option<Vec<Arc<str>>>,
    /// It is about something that several need: when the first and the last of them began to fail.
    pub(crate) shared: Option<(Timestamp, Timestamp)>,
    /// What it is about cannot be seen now, because of that one.
    pub(crate) masked_by: Option<IncidentIx>,
    /// Its alarms were thought to be part of that one before.
    pub(crate) split_from: Option<IncidentId>,
    pub(crate) recurrence_of: Option<IncidentId>,
    pub(crate) by: Option<String>,
    /// What a person wrote of it last; the reason of resolving it goes before a note.
    pub(crate) fix: Option<Fix>,
    /// The rule that sent its ticket.
    pub(crate) routed: Option<String>,
    /// A person said that the wrong team has it.
    pub(crate) misrouted: bool,
}

/// What a person wrote of an incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fix {
    /// Who.
    pub(crate) by: String,
    /// What, on one line and cut where it is long.
    pub(crate) text: String,
    /// It is the reason of resolving it.
    pub(crate) resolved: bool,
}

impl Incident {
    /// As people should see it.
    pub(crate) fn priority(&self) -> Priority {
        self.wanted.as_ref().map_or(self.shown, |w| w.priority)
    }

    /// Not recovered, and not merged into another.
    pub(crate) fn open(&self) -> bool {
        self.recovered_at.is_none()
    }
}

/// A priority that a person set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Override {
    pub(crate) priority: Priority,
    /// Who.
    pub(crate) by: String,
    /// Why, in the person's words.
    pub(crate) reason: String,
    /// When the computed one is effective again; `None`: not before the incident ends.
    pub(crate) until: Option<Timestamp>,
}

/// What people heard of an incident.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// How it stood when they heard of it last.
    pub(crate) as_what: Option<Standing>,
    /// How it stands on its ticket.
    pub(crate) on_desk: Option<Standing>,
    /// When they heard of it, the latest few.
    pub(crate) lately: VecDeque<Timestamp>,
    /// When they hear of it next, if it has not changed back by then.
    pub(crate) due: Option<Timestamp>,
}

/// How an incident stands, as people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// It fails.
    Failing,
    /// It keeps failing and coming back.
    Flapping,
    /// Nothing of it fails any more.
    Over,
}

/// When to come back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// When to stop waiting for the evidence of possible ancestors.
    Hold(AlarmKey),
    /// When to say what changed about an incident.
    Note(IncidentIx),
    /// When to tell people how an incident stands.
    Notice(IncidentIx),
    /// When our own evidence may overrule a signal.
    Overrule(u32),
    /// When to see whether a check still flaps.
    Flap(CheckIx),
    /// When a window begins or ends.
    Window(String),
    /// When to close a resolved incident.
    Close(IncidentIx),
    /// When to see whether a probe is still heard.
    Watch(u32),
    /// When a digest says what came and went.
    Digest(IncidentIx),
    /// When the priority of an incident may change again.
    Weigh(IncidentIx),
    /// When a person's priority is over.
    Override(IncidentIx),
    /// When a season begins or ends.
    Season(u32),
    /// When a failure that has to last has lasted long enough to be confirmed by one more sample.
    Lasts(CheckIx),
}

impl Timer {
    /// Why we come back, for the log.
    pub(crate) fn why(&self) -> &'static str {
        match self {
            Timer::Hold(_) => "a hold ends",
            Timer::Note(_) => "a note is due",
            Timer::Notice(_) => "people are to be told how an incident stands",
            Timer::Overrule(_) => "our own evidence may overrule a signal",
            Timer::Flap(_) => "an alarm may have stopped flapping",
            Timer::Window(_) => "a window begins or ends",
            Timer::Close(_) => "a resolved incident is closed",
            Timer::Watch(_) => "a probe may have fallen silent",
            Timer::Digest(_) => "a digest may have news",
            Timer::Weigh(_) => "a priority may change again",
            Timer::Override(_) => "a person's priority is over",
            Timer::Season(_) => "a season begins or ends",
            Timer::Lasts(_) => "a failure may have lasted long enough",
        }
    }
}
