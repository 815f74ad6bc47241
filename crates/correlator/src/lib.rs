//! Decides which observations and signals form one incident, and what a desk should hear about it.
//!
//! Opens no socket, reads no clock, spawns nothing, draws no lots: events and time are arguments,
//! and the same events give the same decisions, byte for byte, today, in a replay, on another
//! machine. **The correlator knows no vendor by name.**
//!
//! Start at [`Correlator`].

mod affected;
mod blame;
mod blind;
mod bounds;
mod came_back;
mod check;
mod command;
mod doubt;
mod evaluate;
mod evidence;
pub mod explain;
mod facts;
mod falls;
mod few;
mod flapping;
mod greedy;
mod identity;
mod incident;
mod level;
mod look;
mod lossy;
mod notice;
mod path;
mod priority;
mod probes;
mod reach;
mod rebuild;
mod reload;
mod resolver;
mod route;
mod rules;
mod season;
mod shared_risk;
mod signal;
mod state;
mod storm;
mod text;
mod through;
mod way;
mod window;

pub use bounds::Met;
pub use look::{DeviceLook, ProbeLook, Sight};
pub use rebuild::Past;
pub use state::State;
pub use window::WindowLook;

use evaluate::Dirty;
use model::settings::CheckRule;
use model::{
    AlarmLine, AlarmState, Condition, Decision, Event, IncidentId, Inventory, Kind, Priority,
    Settings, Timestamp, Verdict, VerdictLine, id,
};
use reach::Reach;
use rules::Special;
use rustc_hash::FxHashMap;
use season::InSeason;
use shared_risk::Risks;
use state::{AlarmKey, Cause, IncidentIx, Timer};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// An `at` this far ahead of `received` is not believed.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(5);

/// The state machine between what happened and what people should hear.
///
/// Four families of methods: getters; `handle_*` for what happened; what an operator asks comes as
/// a `command` event; `poll_*` for what should happen next. After each [`Self::handle_event`],
/// drain [`Self::poll_decision`] until it is empty, then [`Self::poll_ask`]; then come back at
/// [`Self::poll_timeout`], or with the next event. Decisions must be durable before anyone hears
/// of them; asks are hints and may be lost.
pub struct Correlator {
    inventory: Arc<Inventory>,
    settings: Settings,
    state: State,
    reach: Reach,
    /// What needs what, the other way round.
    risks: Risks,
    /// The rule of each check name, by its number.
    rules: Vec<CheckRule>,
    /// The rules that differ for some targets, and which checks they are for.
    special: Special,
    /// Who is behind whom, as far as somebody wanted to know.
    behind: way::Behind,
    /// Decisions not drained yet.
    out: VecDeque<Decision>,
    asks: BTreeSet<(u32, &'static str)>,
    /// What the event at hand has to do with.
    event: Current,
    /// What must be looked at again before the event is done.
    dirty: Dirty,
    /// The person whose command or ticket news is at hand.
    acting: Option<String>,
    /// Incidents to look at before the event is done.
    touched: BTreeSet<IncidentIx>,
    /// The open incidents by what caused them.
    open: BTreeMap<Cause, IncidentIx>,
    /// The open ones for which something is blamed that several symptoms share.
    sharing: BTreeSet<IncidentIx>,
    /// The open ones that are masked by another.
    masked: BTreeSet<IncidentIx>,
    /// Those that are over and not forgotten, by what caused them.
    over: BTreeMap<Cause, BTreeSet<IncidentIx>>,
    /// The same, by when it was over.
    over_since: BTreeSet<(Timestamp, IncidentIx)>,
    /// All of them, by what people call them.
    by_id: BTreeMap<IncidentId, IncidentIx>,
    /// The signals that stand, by source and key.
    signal_index: BTreeMap<(Arc<str>, Arc<str>), u32>,
    /// Those that were overruled were let go of already, to make room.
    none_overruled: bool,
    /// When each device was asked for the last two times, so that nobody is asked all the time.
    asked: FxHashMap<u32, [Timestamp; 2]>,
    /// Where each probe stands, and by what it is known to see.
    posts: Vec<probes::Post>,
    /// What matters more than usual now.
    in_season: InSeason,
    /// When each window lasts: now, or the next time.
    spans: BTreeMap<String, (Timestamp, Timestamp)>,
}

/// The event at hand.
#[derive(Debug, Clone, Default)]
struct Current {
    number: u64,
    received: Timestamp,
    /// Incidents it opened so far.
    opened: u32,
}

/// A check that should be asked now, for somebody waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The device.
    pub target: Arc<str>,
    /// The check.
    pub check: &'static str,
}

/// Numbers for the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open incidents by priority and condition.
    pub incidents: BTreeMap<(Priority, Condition), usize>,
    /// Alarms by state.
    pub alarms: BTreeMap<AlarmState, usize>,
    /// Checks known.
    pub checks: usize,
    /// Timers set.
    pub timers: usize,
    /// Times of producers that were ahead of ours and not believed.
    pub clocks_ahead: u64,
    /// How often bounds were met.
    pub met: Met,
}

impl Correlator {
    /// Knows nothing yet.
    pub fn new(inventory: Arc<Inventory>, settings: Settings) -> Self {
        Self::restore(inventory, settings, State::default())
    }

    /// Goes on from a snapshot, under this inventory and these settings.
    pub fn restore(inventory: Arc<Inventory>, settings: Settings, mut state: State) -> Self {
        state.targets.reindex();
        state.check_names.reindex();
        state.probes.reindex();
        let reach = Reach::build(&inventory, &mut state);
        let mut this = Correlator {
            risks: Risks::build(&inventory),
            inventory,
            settings,
            state,
            reach,
            rules: Vec::new(),
            special: Special::default(),
            behind: way::Behind::default(),
            out: VecDeque::new(),
            asks: BTreeSet::new(),
            event: Current::default(),
            dirty: Dirty::default(),
            acting: None,
            touched: BTreeSet::new(),
            open: BTreeMap::new(),
            sharing: BTreeSet::new(),
            masked: BTreeSet::new(),
            over: BTreeMap::new(),
            over_since: BTreeSet::new(),
            by_id: BTreeMap::new(),
            signal_index: BTreeMap::new(),
            none_overruled: false,
            asked: FxHashMap::default(),
            posts: Vec::new(),
            in_season: InSeason::default(),
            spans: BTreeMap::new(),
        };
        this.learn_rules();
        this.man_posts();
        this.index_again();
        this.watch_windows();
        this.look_at_the_calendar();
        this
    }

    // ---- getters ----

    /// All that has to survive a restart.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The number of the last event taken.
    pub fn last_event(&self) -> u64 {
        self.state.last_event
    }

    /// The core's clock.
    pub fn now(&self) -> Timestamp {
        self.state.now
    }

    /// The inventory in force.
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The unique name of this installation.
    pub fn instance(&self) -> &str {
        if self.state.instance.is_empty() { &self.settings.instance } else { &self.state.instance }
    }

    /// Whether an incident of this id is known (open, or not yet closed).
    pub fn knows(&self, id: &IncidentId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Numbers for the metrics.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            checks: self.state.checks.len(),
            timers: self.state.timers.len(),
            clocks_ahead: self.state.clocks_ahead,
            met: self.state.met,
            ..Counts::default()
        };
        for i in self.open.values().filter_map(|ix| self.state.incidents.get(ix)) {
            *counts.incidents.entry((i.priority(), i.condition)).or_default() += 1;
        }
        for a in self.state.alarms.values() {
            *counts.alarms.entry(a.state).or_default() += 1;
        }
        counts
    }

    /// The maintenance windows and silences that people asked for and that have not ended.
    pub fn windows(&self) -> impl Iterator<Item = &model::settings::Window> {
        self.settings.windows.iter().chain(self.state.windows.values())
    }

    // ---- what happened ----

    /// Takes event `number`. Timers due by its time fire first.
    pub fn handle_event(&mut self, number: u64, event: &Event<'_>) {
        self.let_go_of_names();
        let (now, at) = self.clock(event);
        self.begin(number, event.received.unwrap_or(event.at));
        self.state.last_received = self.event.received;
        match &event.kind {
            // What was due before the stop is due; what would have come due while nobody watched
            // must first be looked at again.
            Kind::Gap { since } => self.fire_timers((*since).min(now)),
            _ => self.fire_timers(now),
        }
        self.state.now = now;
        self.state.last_event = number;
        if self.state.watching_since == Timestamp::default() {
            self.state.watching_since = now;
        }
        self.acting = None;
        match &event.kind {
            Kind::Observation(o) => self.handle_observation(at, o),
            Kind::Signal(s) => self.handle_signal(at, s),
            Kind::Command(c) => self.handle_command(at, c),
            Kind::Desk(d) => self.handle_desk(at, d),
            Kind::Config { hash, instance } => {
                if let Some(instance) = instance {
                    self.state.instance.clone_from(instance);
                }
                self.state.watching_since = now;
                let reason = format!("configuration {} takes effect", &hash[..hash.len().min(12)]);
                self.verdict(at, None, Verdict::Config, None, reason, false);
            }
            Kind::Gap { since } => {
                self.handle_gap(*since);
                self.fire_timers(now);
                let reason = format!(
                    "nothing was watched since {since}; nothing changes before it has been observed again"
                );
                self.verdict(at, None, Verdict::Gap, None, reason, false);
            }
            Kind::Tick => self.verdict(at, None, Verdict::Time, None, "time passed", true),
        }
        if self.unsettled() {
            self.evaluate();
        }
        self.close_early();
    }

    /// Event `number` is written in a way that this version does not understand. It is kept for the
    /// next one; here it counts, and changes nothing.
    pub fn handle_unreadable(&mut self, number: u64, received: Timestamp, why: &str) {
        self.begin(number, received);
        self.fire_timers(self.state.now.max(received));
        self.state.now = self.state.now.max(received);
        self.state.last_event = number;
        self.state.last_received = received;
        let reason = format!("this version cannot read it: {why}");
        self.verdict(received, None, Verdict::Unknown, None, reason, false);
    }

    /// Another inventory or other settings take effect, just before the `config` event that says so.
    /// What is no longer in the inventory is let go, and its incidents end with that reason.
    pub fn reconfigure(&mut self, inventory: Arc<Inventory>, settings: Settings) {
        // What is decided here is decided with the `config` event that comes next.
        self.begin(self.state.last_event + 1, self.state.last_received);
        self.let_go_of_levels(&inventory, &settings);
        self.let_go_of_probes(&inventory);
        let called = self.called();
        self.inventory = inventory;
        self.settings = settings;
        self.reach = Reach::build(&self.inventory, &mut self.state);
        self.risks = Risks::build(&self.inventory);
        self.forget_rules();
        self.behind = way::Behind::default();
        self.learn_rules();
        for (ix, s) in self.state.signals.iter().filter(|(_, s)| s.overruled.is_none()) {
            self.reach.signal_stands(s.target, *ix);
        }
        self.man_posts();
        self.dirty.probes.extend(0..self.state.probes.len() as u32);
        self.state.watching_since = self.state.now;
        self.say_new_names(called);
        self.let_go_of_the_removed();
        self.recognise_strangers();
        self.look_at_the_calendar();
        self.dirty.all = true;
        self.evaluate();
    }

    // ---- what should happen next ----

    /// The next decision. All of them must be durable before anyone hears of one.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        self.out.pop_front()
    }

    /// The next check that should be asked now.
    pub fn poll_ask(&mut self) -> Option<Ask> {
        let (device, check) = self.asks.pop_first()?;
        Some(Ask { target: self.inventory.devices[device as usize].id.clone(), check })
    }

    /// When to come back with a `tick`, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        self.state.timers.first().map(|(at, timer)| (*at, timer.why()))
    }

    // ---- inside ----

    /// Event `number` is at hand. What a reload opened just before it counts with it, so that no two
    /// incidents have one id.
    fn begin(&mut self, number: u64, received: Timestamp) {
        let opened = if self.event.number == number { self.event.opened } else { 0 };
        self.event = Current { number, received, opened };
    }

    /// The core's clock after this event, and the event's own time as far as it is believed.
    fn clock(&mut self, event: &Event<'_>) -> (Timestamp, Timestamp) {
        let told = event.received.unwrap_or(event.at);
        let mut at = event.at;
        if at > told + CLOCK_AHEAD_MAX {
            self.state.clocks_ahead += 1;
            at = told;
        }
        (self.state.now.max(told), at)
    }

    /// Fires every timer due by `now`, ordered by (deadline, id), with the clock at its deadline.
    fn fire_timers(&mut self, now: Timestamp) {
        while let Some((due, _)) = self.state.timers.first()
            && *due <= now
        {
            let Some((due, timer)) = self.state.timers.pop_first() else { break };
            self.state.now = self.state.now.max(due);
            match timer {
                Timer::Hold(key) => self.hold_ends(key),
                Timer::Note(ix) => self.note_is_due(ix),
                Timer::Notice(ix) => self.notice_is_due(ix),
                Timer::Overrule(ix) => self.overrule(ix),
                Timer::Flap(ix) => self.look_at_flapping(ix),
                Timer::Window(id) => self.window_turns(&id),
                Timer::Close(ix) => self.close(ix),
                Timer::Watch(probe) => self.look_for(probe),
                Timer::Digest(ix) => self.look_at_digest(ix),
                Timer::Weigh(ix) => self.weigh_again(ix),
                Timer::Override(ix) => self.override_ends(ix),
                Timer::Season(_) => self.season_turns(),
                Timer::Lasts(ix) => self.has_it_lasted(ix),
            }
        }
    }

    /// Nothing was watched for a while: what is not confirmed must be seen again from the start,
    /// what is confirmed stands until it is seen otherwise.
    fn handle_gap(&mut self, _since: Timestamp) {
        let now = self.state.now;
        self.state.watching_since = now;
        self.everybody_has_time();
        for ix in 0..self.state.checks.len() as u32 {
            self.forget_samples(ix, "nothing was watched for a while");
        }
        self.state.means.clear();
        let held: Vec<AlarmKey> = self
            .state
            .alarms
            .iter()
            .filter(|(k, a)| reach::held(a.state) && matches!(k, AlarmKey::Silent(_)))
            .map(|(k, _)| *k)
            .collect();
        for key in held {
            self.confirm_afresh(key, "nothing was watched for a while; it is asked again");
        }
        self.hold_longer();
    }

    /// What others told before the gap, and what waits for our own evidence of it, waits for evidence
    /// from after it.
    fn hold_longer(&mut self) {
        let until = self.state.now + self.settings.hold_max;
        let waits = |a: &state::Alarm| reach::held(a.state) && a.hold_until < until;
        let others: Vec<AlarmKey> = self
            .state
            .alarms
            .iter()
            .filter(|(k, a)| !matches!(k, AlarmKey::Silent(_)) && waits(a))
            .map(|(k, _)| *k)
            .collect();
        for key in others {
            self.clear_hold(key);
            if let Some(alarm) = self.state.alarms.get_mut(&key) {
                alarm.hold_until = until;
            }
            self.set_timer(until, Timer::Hold(key));
        }
    }

    fn verdict(
        &mut self,
        at: Timestamp,
        target: Option<u32>,
        verdict: Verdict,
        incident: Option<IncidentIx>,
        reason: impl Into<Cow<'static, str>>,
        routine: bool,
    ) {
        let line = VerdictLine {
            at,
            event: self.event.number,
            target: target.map(|t| self.state.targets.name(t).clone()),
            verdict,
            incident: incident.and_then(|i| Some(self.state.incidents.get(&i)?.id.clone())),
            reason: reason.into(),
            routine,
        };
        self.out.push_back(Decision::Verdict(line));
    }

    /// Says that an alarm changed its state.
    fn alarm_line(
        &mut self,
        key: AlarmKey,
        state: AlarmState,
        was: AlarmState,
        incident: Option<IncidentIx>,
        reason: String,
    ) {
        let (target, check) = self.name_of(key);
        let incident = incident.and_then(|i| Some(self.state.incidents.get(&i)?.id.clone()));
        let at = self.state.now;
        self.out.push_back(Decision::Alarm(AlarmLine {
            at,
            target,
            check,
            state,
            was,
            incident,
            reason,
        }));
    }

    /// What an alarm is called: its target and its check.
    fn name_of(&self, key: AlarmKey) -> (Arc<str>, Arc<str>) {
        match key {
            AlarmKey::Silent(ix) => {
                let c = &self.state.checks[ix as usize];
                let name = self.state.check_names.name(u32::from(c.name));
                let check = self.seen_from(c.probe, name);
                (self.state.targets.name(c.target).clone(), check)
            }
            AlarmKey::Level(ix, n) => {
                let c = &self.state.checks[ix as usize];
                let name = self.state.check_names.name(u32::from(c.name));
                let check = match self.rule(ix).thresholds.get(usize::from(n)) {
                    Some(t) => t.name(name),
                    None => format!("{name}:level-{n}"),
                };
                (self.state.targets.name(c.target).clone(), self.seen_from(c.probe, &check.into()))
            }
            AlarmKey::Signal(ix) => match self.state.signals.get(&ix) {
                Some(s) => (
                    self.state.targets.name(s.target).clone(),
                    format!("signal:{}:{}", s.source, s.key).into(),
                ),
                None => ("".into(), "signal".into()),
            },
        }
    }

    fn tag(&self) -> String {
        id::instance_tag(self.instance())
    }

    fn set_timer(&mut self, at: Timestamp, timer: Timer) {
        self.state.timers.insert((at, timer));
    }
}
