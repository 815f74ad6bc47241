//! What really failed beside what was said: what was missed, invented, doubled, and how long it took
//! from the failure to the ticket.
//!
//! An incident belongs to the cause that its root names best, among those that stood at about its
//! time: the element itself; what it takes with it directly; what cannot be reached because of it.
//! A cause counts from when it could be seen. A host that breaks behind a cut cable is nobody's to
//! find before the cable is mended; a cable of a ring is seen only where somebody reads its ports.

use crate::ledger::{Ledger, Story};
use crate::run::Plan;
use crate::world::{Effect, Fault, Surveyor, What, World};
use model::inventory::{DeviceIx, Element, LinkIx};
use model::settings::Window;
use model::{AlarmState, IncidentId, Inventory, Priority, Timestamp, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// An outage of this length must have its ticket.
pub const OUTAGE: Duration = Duration::from_mins(3);

/// A ticket may come this long after the beginning, and so after the end of what was short.
const LATEST: Duration = Duration::from_secs(150);

/// A loss on the way that is this large (a share, there and back) for [`LOSS_LASTS`] must be told.
const LOSS: f64 = 0.045;
const LOSS_LASTS: Duration = Duration::from_mins(120);
/// As one that is this large for [`GREAT_LOSS_LASTS`].
const GREAT_LOSS: f64 = 0.3;
const GREAT_LOSS_LASTS: Duration = Duration::from_mins(10);

/// An incident may speak of a cause for so long after it is over.
const ECHO: Duration = Duration::from_mins(3);
/// A mean over an hour remembers longer.
const ECHO_OF_LOSS: Duration = Duration::from_mins(75);

/// What a cause does, and when it could be seen.
pub(crate) struct Sight {
    pub(crate) effect: Effect,
    of_loss: bool,
    spans: Vec<(u64, u64)>,
    since: Option<u64>,
}

impl Sight {
    /// One for each cause of the plan.
    pub(crate) fn of(plan: &Plan) -> Vec<Sight> {
        let mut survey = Surveyor::new(&plan.inventory);
        let effects = plan.faults.iter().map(|f| (survey.effect(f), f.what));
        effects
            .map(|(effect, what)| Sight {
                effect,
                of_loss: matches!(what, What::Loss(_)),
                spans: Vec::new(),
                since: None,
            })
            .collect()
    }

    pub(crate) fn visible(&self, world: &World) -> bool {
        if self.of_loss {
            self.effect.lossy.iter().any(|d| world.reached(*d))
        } else {
            world.visible(&self.effect)
        }
    }

    pub(crate) fn seen(&mut self, now: u64, visible: bool) {
        match (self.since, visible) {
            (None, true) => self.since = Some(now),
            (Some(from), false) => {
                self.since = None;
                if now > from {
                    self.spans.push((from, now));
                }
            }
            _ => {}
        }
    }
}

/// What became of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It has its ticket.
    Ticketed,
    /// It should have one, and has none.
    Missed,
    /// A window covered all of it.
    Covered,
    /// It was too short, or lost too little, to need one, and has none.
    Minor,
    /// Nobody could see it.
    Unseen,
}

impl Came {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Came::Ticketed => "ticketed",
            Came::Missed => "missed",
            Came::Covered => "covered",
            Came::Minor => "minor",
            Came::Unseen => "unseen",
        }
    }
}

/// The way from a failure to its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// From the failure to the first packet that found nobody.
    pub detection: Duration,
    /// From there until it was confirmed.
    pub confirmation: Duration,
    /// From there until it was known what explains it.
    pub hold: Duration,
    /// From there to the decision to open a ticket.
    pub decision: Duration,
}

impl Stages {
    /// All of it.
    pub fn whole(&self) -> Duration {
        self.detection + self.confirmation + self.hold + self.decision
    }

    /// Each stage with its name.
    pub fn parts(&self) -> [(&'static str, Duration); 4] {
        [
            ("detection", self.detection),
            ("confirmation", self.confirmation),
            ("hold", self.hold),
            ("decision", self.decision),
        ]
    }
}

/// A cause, and what came of it.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The element that failed.
    pub element: Arc<str>,
    /// What was wrong with it.
    pub what: What,
    /// When it began and ended, counted from the beginning.
    pub from: Duration,
    /// When it ended for good, counted in the same way.
    pub until: Duration,
    /// How often it came.
    pub times: usize,
    /// Devices that could not be reached because of it (or whose packets it lost).
    pub devices: usize,
    /// It takes others with it that hang on it by their needs, not by a link.
    pub shared: bool,
    /// What became of it.
    pub came: Came,
    /// The incidents that are about it, and their tickets.
    pub incidents: Vec<IncidentId>,
    /// Tickets opened for it.
    pub tickets: u32,
    /// Tickets that it may have: more than one only when it came again later than the reopen window.
    pub tickets_allowed: u32,
    /// Whether the incident names the element itself.
    pub named: bool,
    /// From when it could be seen to its ticket.
    pub stages: Option<Stages>,
}

impl Cause {
    /// From its beginning to its end.
    pub fn lasted(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }

    /// Tickets too many.
    pub fn doubled(&self) -> u32 {
        self.tickets.saturating_sub(self.tickets_allowed)
    }
}

/// An incident, and what it was about.
#[derive(Debug, Clone)]
pub struct IncidentSeen {
    /// Its id.
    pub id: IncidentId,
    /// What it was thought to be in the end.
    pub root: Vec<Arc<str>>,
    /// The highest priority it had.
    pub priority: Priority,
    /// When it was opened, counted from the beginning.
    pub opened: Duration,
    /// When its ticket was decided.
    pub ticket: Option<Duration>,
    /// It is about loss, and nothing was said to be down.
    pub of_loss: bool,
    /// The cause it belongs to, by its place; none: nothing of the kind happened.
    pub cause: Option<usize>,
    /// It was merged into another.
    pub merged: bool,
    /// It was still open at the end, though what it is about was over.
    pub left_open: bool,
    /// Messages to people.
    pub messages: usize,
    /// The most of them within one hour.
    pub messages_in_an_hour: usize,
}

/// The measure of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Samples on the probe's grid.
    pub samples: u64,
    /// Samples beside it: asked again, asked for.
    pub samples_extra: u64,
    /// Verdicts by name.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Verdicts of events that changed nothing.
    pub routine: u64,
    /// How often an alarm went into each state.
    pub alarms: BTreeMap<AlarmState, u64>,
    /// What really happened.
    pub causes: Vec<Cause>,
    /// What was said.
    pub incidents: Vec<IncidentSeen>,
}

impl Report {
    /// Causes without the ticket they should have.
    pub fn missed(&self) -> usize {
        self.causes.iter().filter(|c| c.came == Came::Missed).count()
    }

    /// Incidents without a cause.
    pub fn invented(&self) -> usize {
        self.incidents.iter().filter(|i| i.cause.is_none() && !i.merged).count()
    }

    /// Tickets too many.
    pub fn doubled(&self) -> u32 {
        self.causes.iter().map(Cause::doubled).sum()
    }

    /// Incidents that ended in another.
    pub fn merged(&self) -> usize {
        self.incidents.iter().filter(|i| i.merged).count()
    }

    /// Incidents that stayed open for nothing.
    pub fn left_open(&self) -> usize {
        self.incidents.iter().filter(|i| i.left_open).count()
    }

    /// All is as it should be.
    pub fn good(&self) -> bool {
        self.missed() == 0 && self.doubled() == 0 && self.invented() == 0 && self.left_open() == 0
    }

    /// Events in all.
    pub fn events_in_all(&self) -> u64 {
        self.events.values().sum()
    }

    /// Tickets by priority.
    pub fn tickets(&self) -> BTreeMap<Priority, usize> {
        let mut tickets = BTreeMap::new();
        for i in self.incidents.iter().filter(|i| i.ticket.is_some()) {
            *tickets.entry(i.priority).or_default() += 1;
        }
        tickets
    }

    /// From outage to ticket, the shortest first. Loss is not among them: its means take their time.
    pub fn latencies(&self) -> Vec<Stages> {
        let outages = self.causes.iter().filter(|c| !matches!(c.what, What::Loss(_)));
        let mut all: Vec<Stages> = outages.filter_map(|c| c.stages).collect();
        all.sort_by_key(Stages::whole);
        all
    }
}

/// The one of these, in ascending order, that the share `q` of them does not exceed.
pub fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let n = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(n.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

pub(crate) fn measure(
    plan: &Plan,
    sights: &[Sight],
    ledger: &Ledger,
    (samples, samples_extra): (u64, u64),
) -> Report {
    let m = Measure {
        plan,
        sights,
        ids: sights
            .iter()
            .zip(&plan.faults)
            .map(|(s, f)| Ids::of(&plan.inventory, s, f.element))
            .collect(),
        end: plan.start + plan.length,
        taken: taken_along(&plan.inventory, ledger),
    };
    let stories: Vec<&Story> = ledger.stories.iter().filter(|s| s.opened.is_some()).collect();
    let belongs: Vec<Option<usize>> = stories.iter().map(|s| m.cause_of(s)).collect();
    let causes = (0..sights.len()).map(|c| m.cause(c, &stories, &belongs)).collect();
    let incidents = stories.iter().zip(&belongs).map(|(s, c)| m.incident(s, *c)).collect();
    Report {
        events: ledger.events.clone(),
        samples,
        samples_extra,
        verdicts: ledger.verdicts.clone(),
        routine: ledger.routine,
        alarms: ledger.alarms.clone(),
        causes,
        incidents,
    }
}

struct Measure<'a> {
    plan: &'a Plan,
    sights: &'a [Sight],
    ids: Vec<Ids>,
    end: Timestamp,
    /// Of each element that was ever blamed: what does not work when it fails.
    taken: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

/// What each element that was blamed would take with it.
fn taken_along(
    inventory: &Arc<Inventory>,
    ledger: &Ledger,
) -> BTreeMap<Arc<str>, BTreeSet<Arc<str>>> {
    let mut survey = Surveyor::new(inventory);
    let roots: BTreeSet<&Arc<str>> = ledger.stories.iter().flat_map(|s| &s.roots).collect();
    let effects = roots.into_iter().filter_map(|root| {
        let device = inventory.device(root).map(Element::Device);
        let element = device.or_else(|| inventory.link(root).map(Element::Link))?;
        let fault = Fault { element, what: What::Down, spans: Vec::new() };
        let effect = survey.effect(&fault);
        let dead = effect.dead.iter().map(|d| Element::Device(DeviceIx(*d)));
        let cut = effect.cut.iter().map(|l| Element::Link(LinkIx(*l)));
        let own = |e: &Element| *e != element;
        let along = dead.chain(cut).filter(own).map(|e| inventory.id_of(e).clone());
        Some((root.clone(), along.collect()))
    });
    effects.collect()
}

/// The names under which a cause may be spoken of.
struct Ids {
    own: Arc<str>,
    /// What it takes with it, and where a cut link leads.
    direct: BTreeSet<Arc<str>>,
    /// What suffers.
    behind: BTreeSet<Arc<str>>,
}

impl Ids {
    fn of(inventory: &Inventory, sight: &Sight, element: Element) -> Ids {
        let device = |d: u32| inventory.id_of(Element::Device(DeviceIx(d))).clone();
        let link = |l: u32| inventory.id_of(Element::Link(LinkIx(l))).clone();
        let e = &sight.effect;
        let behind = if sight.of_loss { &e.lossy } else { &e.unreachable };
        let mut direct: BTreeSet<Arc<str>> =
            e.dead.iter().map(|d| device(*d)).chain(e.cut.iter().map(|l| link(*l))).collect();
        for l in e.cut.iter().copied().chain(link_of(element).filter(|_| sight.of_loss)) {
            let ends = inventory.links[l as usize].ends.map(|d| d.0);
            direct.extend(ends.into_iter().filter(|d| behind.contains(d)).map(device));
        }
        // The links at what died are dark as well.
        for d in &e.dead {
            direct.extend(inventory.graph.neighbours(*d).iter().map(|(_, l)| link(*l)));
        }
        let own = inventory.id_of(element).clone();
        Ids { own, direct, behind: behind.iter().map(|d| device(*d)).collect() }
    }
}

fn link_of(element: Element) -> Option<u32> {
    match element {
        Element::Link(l) => Some(l.0),
        Element::Device(_) => None,
    }
}

impl Measure<'_> {
    fn time(&self, ms: u64) -> Timestamp {
        self.plan.start + Duration::from_millis(ms)
    }

    /// How well an incident speaks of a cause; 0: not at all.
    fn speaks_of(&self, story: &Story, c: usize) -> u8 {
        let (sight, fault, ids) = (&self.sights[c], &self.plan.faults[c], &self.ids[c]);
        if !self.stood_with(story, c) {
            return 0;
        }
        let names = |of: &BTreeSet<Arc<str>>| story.roots.iter().any(|r| of.contains(r));
        let how = if story.roots.contains(&ids.own) {
            4
        } else if names(&ids.direct) {
            3
        } else if names(&ids.behind) || self.cannot_be_told_apart(story, c) {
            2
        } else {
            u8::from(story.affected.iter().any(|d| ids.behind.contains(d)))
        };
        match (sight.of_loss, story.of_loss()) {
            (true, true) | (false, false) => how,
            // Many short interruptions are loss, too.
            (false, true) => how.min(1),
            // A link that loses a part of the packets is not down.
            (true, false) => match fault.what {
                // One request and its repetition, twice: an agent may well miss these.
                What::Loss(share) if share > 0.2 && story.of_agents() => how,
                // With a third of all packets lost, whole samples are lost by chance: what says that
                // somebody is down is about this, and told beside it.
                What::Loss(share) if share > GREAT_LOSS => how,
                _ => 0,
            },
        }
    }

    /// Whether an incident blamed something that takes this cause's element with it, while all that
    /// would go with that did fail: two cables of one duct that are cut within a minute look like the
    /// duct, to the best of eyes.
    fn cannot_be_told_apart(&self, story: &Story, c: usize) -> bool {
        let standing: Vec<&Ids> = (0..self.sights.len())
            .filter(|c| self.stood_with(story, *c) && !self.sights[*c].of_loss)
            .map(|c| &self.ids[c])
            .collect();
        let failed = |id: &Arc<str>| {
            standing.iter().any(|i| i.own == *id || i.direct.contains(id) || i.behind.contains(id))
        };
        // A device and the link that alone leads to it look alike as well.
        let ids = &self.ids[c];
        let own: BTreeSet<&Arc<str>> = ids.direct.iter().chain([&ids.own]).collect();
        let mut blamed = story.roots.iter().filter_map(|r| self.taken.get(r));
        !self.sights[c].of_loss
            && blamed
                .any(|along| along.iter().any(|id| own.contains(id)) && along.iter().all(failed))
    }

    /// Whether a cause stood at about the time of an incident.
    fn stood_with(&self, story: &Story, c: usize) -> bool {
        let echo = if self.sights[c].of_loss || story.of_loss() { ECHO_OF_LOSS } else { ECHO };
        self.plan.faults[c].spans.iter().any(|(from, until)| {
            let (from, until) = (self.plan.start + *from, self.plan.start + *until + echo);
            story.since <= until && story.open_between(from, Timestamp::MAX)
        })
    }

    /// The cause that an incident is about.
    fn cause_of(&self, story: &Story) -> Option<usize> {
        let near = |c: usize| {
            let begins = self.plan.faults[c].spans.iter().map(|(from, _)| self.plan.start + *from);
            begins.map(|b| b.since(story.since) + story.since.since(b)).min().unwrap_or_default()
        };
        (0..self.sights.len())
            .map(|c| (self.speaks_of(story, c), c))
            .filter(|(how, _)| *how > 0)
            .max_by_key(|(how, c)| {
                let in_the_end = story.root.contains(&self.ids[*c].own);
                (*how, in_the_end, std::cmp::Reverse(near(*c)))
            })
            .map(|(_, c)| c)
    }

    /// When a cause could be seen and no window asked not to be told of it.
    fn in_the_open(&self, c: usize) -> Vec<(Timestamp, Timestamp)> {
        let element = self.plan.faults[c].element;
        let windows = self.plan.windows.iter().map(|(_, w)| w).chain(&self.plan.settings.windows);
        let windows: Vec<&Window> =
            windows.filter(|w| covers(&self.plan.inventory, w, element)).collect();
        let mut spans: Vec<(Timestamp, Timestamp)> =
            self.sights[c].spans.iter().map(|(a, b)| (self.time(*a), self.time(*b))).collect();
        for w in windows {
            spans = spans
                .into_iter()
                .flat_map(|(a, b)| [(a, b.min(w.start)), (a.max(w.end), b)])
                .filter(|(a, b)| a < b)
                .collect();
        }
        spans
    }

    /// The spans that must have a ticket.
    fn must_be_told(
        &self,
        c: usize,
        open: &[(Timestamp, Timestamp)],
    ) -> Vec<(Timestamp, Timestamp)> {
        let least = match self.plan.faults[c].what {
            What::Down => OUTAGE,
            What::Loss(share) if share >= GREAT_LOSS => GREAT_LOSS_LASTS,
            What::Loss(share) if share >= LOSS => LOSS_LASTS,
            What::Loss(_) => Duration::MAX,
        };
        open.iter().copied().filter(|(a, b)| b.since(*a) >= least).collect()
    }

    fn cause(&self, c: usize, stories: &[&Story], belongs: &[Option<usize>]) -> Cause {
        let (sight, fault) = (&self.sights[c], &self.plan.faults[c]);
        let open = self.in_the_open(c);
        let must = self.must_be_told(c, &open);
        let speaking: Vec<&&Story> = stories.iter().filter(|s| self.speaks_of(s, c) >= 2).collect();
        // Something that speaks of it, is ticketed, and was open while it could be seen.
        let told = |(from, until): &(Timestamp, Timestamp)| {
            let late = *until + LATEST;
            speaking
                .iter()
                .any(|s| s.ticket.is_some_and(|t| t <= late) && s.open_between(*from, late))
        };
        let own: Vec<&&Story> =
            stories.iter().zip(belongs).filter(|(_, b)| **b == Some(c)).map(|(s, _)| s).collect();
        let tickets = own.iter().filter(|s| s.into.is_none()).map(|s| s.creates).sum();
        let came = if sight.spans.is_empty() {
            Came::Unseen
        } else if !must.iter().all(told) {
            Came::Missed
        } else if !must.is_empty() || tickets > 0 {
            Came::Ticketed
        } else if open.is_empty() {
            Came::Covered
        } else {
            Came::Minor
        };
        // From when the ticketed span could be seen: of those that must be told the first; of a cause
        // that comes and goes, the one in which the ticket was opened.
        let in_span = |(from, until): &(Timestamp, Timestamp)| {
            let late = *until + LATEST;
            let told =
                speaking.iter().filter(|s| s.ticket.is_some_and(|t| t >= *from && t <= late));
            told.min_by_key(|s| s.ticket).and_then(|s| stages(*from, s))
        };
        let stages = must.first().and_then(in_span).or_else(|| open.iter().find_map(in_span));
        Cause {
            element: self.ids[c].own.clone(),
            what: fault.what,
            from: fault.spans.first().map(|s| s.0).unwrap_or_default(),
            until: fault.spans.last().map(|s| s.1).unwrap_or_default(),
            times: fault.spans.len(),
            devices: self.ids[c].behind.len(),
            shared: self.shared(c),
            came,
            incidents: own.iter().map(|s| s.id.clone()).collect(),
            tickets,
            tickets_allowed: self.episodes(c),
            named: own.iter().any(|s| s.roots.contains(&self.ids[c].own)),
            stages,
        }
    }

    fn shared(&self, c: usize) -> bool {
        let effect = &self.sights[c].effect;
        let own = usize::from(matches!(self.plan.faults[c].what, What::Down));
        effect.dead.len() + effect.cut.len() > own
    }

    /// How often a cause came anew: later than within the reopen window.
    fn episodes(&self, c: usize) -> u32 {
        let (mut n, mut last) = (0, None::<u64>);
        // What clears later than it ended has its window later.
        let apart = self.plan.settings.reopen_within.as_millis() as u64;
        for (from, until) in &self.sights[c].spans {
            if last.is_none_or(|last| from.saturating_sub(last) > apart) {
                n += 1;
            }
            last = Some(*until);
        }
        n.max(1)
    }

    fn incident(&self, story: &Story, cause: Option<usize>) -> IncidentSeen {
        let after = |at: Timestamp| at.since(self.plan.start);
        let still = cause.is_some_and(|c| {
            let fault = &self.plan.faults[c];
            let echo = if self.sights[c].of_loss { ECHO_OF_LOSS } else { ECHO };
            fault.spans.iter().any(|(_, until)| self.plan.start + *until + echo >= self.end)
        });
        let hour = Duration::from_hours(1);
        let within =
            |n: usize| story.told[n..].iter().take_while(move |t| t.since(story.told[n]) < hour);
        IncidentSeen {
            id: story.id.clone(),
            root: story.root.clone(),
            priority: story.priority,
            opened: after(story.opened.unwrap_or(story.since)),
            ticket: story.ticket.map(after),
            of_loss: story.of_loss(),
            cause,
            merged: story.into.is_some(),
            left_open: story.open_now() && !still,
            messages: story.told.len(),
            messages_in_an_hour: (0..story.told.len())
                .map(|n| within(n).count())
                .max()
                .unwrap_or(0),
        }
    }
}

fn stages(from: Timestamp, story: &Story) -> Option<Stages> {
    let (opened, ticket) = (story.opened?, story.ticket?);
    // What was heard before (a packet lost by chance) is no sign of this.
    let sign = story.since.max(from);
    let confirmed = story.confirmed.unwrap_or(opened).max(sign);
    let opened = opened.max(confirmed);
    Some(Stages {
        detection: sign.since(from),
        confirmation: confirmed.since(sign),
        hold: opened.since(confirmed),
        decision: ticket.since(opened),
    })
}

/// Whether a window covers a failure of this element.
fn covers(inventory: &Inventory, w: &Window, element: Element) -> bool {
    let device = |d: DeviceIx, scope: &str| {
        let x = &inventory[d];
        &*x.id == scope
            || x.site.is_some_and(|s| &*inventory[s].id == scope)
            || scope.strip_prefix("class:").is_some_and(|c| &*x.class == c)
            || scope.strip_prefix("tag:").is_some_and(|t| x.tags.iter().any(|x| x == t))
    };
    w.scope.iter().any(|scope| match element {
        Element::Device(d) => device(d, scope),
        Element::Link(l) => {
            *inventory[l].id == **scope || inventory[l].ends.iter().all(|d| device(*d, scope))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_those_seen() {
        let s = |n: &[u64]| n.iter().map(|n| Duration::from_secs(*n)).collect::<Vec<_>>();
        let all = s(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(quantile(&all, 0.5), Duration::from_secs(5));
        assert_eq!(quantile(&all, 0.95), Duration::from_secs(10));
        assert_eq!(quantile(&all, 0.0), Duration::from_secs(1));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
