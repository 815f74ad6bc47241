//! What an explanation is made of.

use super::trial::Place;
use model::{AlarmState, IncidentId, Timestamp, Verdict};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Why something ended as it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub answer: Answer,
    /// The rules that decided.
    pub rules: Vec<Rule>,
    /// What they were applied to.
    pub inputs: Vec<Input>,
    /// What led to what, in order.
    pub chain: Vec<Step>,
    /// The smallest changes found that would have made it otherwise. Each was tried.
    pub otherwise: Vec<Otherwise>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Answer {
    /// An event came to this.
    Event {
        /// Its number.
        event: u64,
        /// What it was about.
        target: Option<Arc<str>>,
        /// Its verdict.
        verdict: Verdict,
        /// The reason on record.
        reason: String,
        /// The incident it has to do with.
        incident: Option<IncidentId>,
    },
    /// A target stood like this.
    Target {
        /// Its id, as asked for.
        target: String,
        /// How it stood.
        why: WhyNot,
        /// When it answered last.
        last_seen: Option<Timestamp>,
    },
}

/// Why there is no incident for a target; or that there is one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum WhyNot {
    /// There is one.
    Was {
        /// It.
        incident: IncidentId,
        /// What it is about.
        root: Vec<Arc<str>>,
    },
    /// Nothing in the inventory is called that.
    NotInInventory {
        /// What is called nearly that.
        closest: Option<Arc<str>>,
    },
    /// A device that has nothing to ask.
    Passive,
    /// A site, a service or a link: it is as what belongs to it is.
    Whole {
        /// `site`, `service` or `link`.
        kind: &'static str,
        /// What belongs to it and cannot be reached, or is broken.
        failing: Vec<Arc<str>>,
        /// How many devices or elements belong to it.
        of: usize,
    },
    /// It was never asked.
    NeverAsked,
    /// It answered.
    Healthy,
    /// Bad samples, but not enough of them.
    NotConfirmed {
        /// The check.
        check: Arc<str>,
        /// Since when.
        since: Timestamp,
    },
    /// Confirmed, and held until these have been heard.
    Held {
        /// Since when.
        since: Timestamp,
        /// Who was waited for.
        waiting_for: Vec<Arc<str>>,
        /// Until when at the latest.
        until: Timestamp,
    },
    /// A window covered it.
    Covered {
        /// Its id.
        window: String,
        /// A silence rather than maintenance.
        silence: bool,
        /// Its end.
        until: Timestamp,
    },
    /// Something nearer explains it.
    Suppressed {
        /// The incident.
        incident: IncidentId,
        /// What it is about.
        root: Vec<Arc<str>>,
    },
    /// A value was worse than good, but not beyond its level.
    BelowLevel,
    /// It could not be asked, or its answers could not be read.
    CannotAsk,
    /// The port is switched off on purpose.
    AdminDown,
    /// It is a port where no link of the inventory ends.
    Unlinked,
}

/// A rule, with the numbers that are in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum Rule {
    /// n of m samples confirm a failure, a few good ones in a row end it.
    Samples {
        /// The check.
        check: Arc<str>,
        /// This many bad …
        needs: u8,
        /// … of this many.
        of: u8,
        /// Good ones in a row that end it.
        up: u8,
    },
    /// A level on a value.
    Level {
        /// `icmp:loss_pct/5m`.
        name: String,
        /// Raised here …
        raise: f64,
        /// … cleared here.
        clear: f64,
        /// The mean over this time; zero: the last value.
        over: Duration,
    },
    /// A confirmed alarm waits for whoever may explain it.
    Hold {
        /// At most this long.
        at_most: Duration,
    },
    /// One incident for each unreachable device beside the reachable side.
    Frontier,
    /// A window holds back what it covers.
    Window,
    /// Many changes within a time mean nothing.
    Flapping {
        /// This many start it …
        start: u32,
        /// … this few end it …
        end: u32,
        /// … within this time.
        window: Duration,
    },
    /// A signal stands until its source says that it is over.
    Signal,
    /// What is older than what is known, or known already, changes nothing.
    Order,
    /// Only what the inventory has is watched.
    Inventory,
    /// A port switched off on purpose is no failure.
    AdminDown,
    /// Silent and could-not-ask are never confused.
    CannotAsk,
    /// A port without a link of the inventory is only noted.
    Unlinked,
    /// What people and desks do changes the work, never the condition.
    People,
    /// Timers that are due fire before the event.
    Clock,
}

/// Something a rule was applied to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "input")]
pub enum Input {
    /// The last samples of a check, the newest last: `.` good, `x` bad.
    Samples {
        /// Its target.
        target: Arc<str>,
        /// The check.
        check: Arc<str>,
        /// The samples.
        samples: String,
    },
    /// A value against its level.
    Value {
        /// `icmp:loss_pct/5m`.
        name: String,
        /// Of the event at hand.
        value: f64,
        /// Over the rule's time.
        mean: f64,
    },
    /// How somebody stood who may explain it.
    Beside {
        /// Who.
        target: Arc<str>,
        /// How: `ok`, `suspect`, `raised`, …; `unknown` when never observed.
        state: AlarmState,
        /// When it answered last.
        last_seen: Option<Timestamp>,
    },
    /// Whose evidence was waited for.
    Waiting {
        /// Who.
        targets: Vec<Arc<str>>,
    },
    /// A window that was open.
    Window {
        /// Its id.
        id: String,
        /// Whose.
        owner: String,
        /// Why.
        reason: String,
        /// Until when.
        end: Timestamp,
    },
    /// Confirmed changes within the time that counts.
    Changes {
        /// How many.
        n: usize,
    },
}

/// A step on the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// What happened.
    Happened {
        /// `reply`, `no-reply`, `failed`, `problem`, `ok`, `command`, `desk`, `config`, `gap`, `tick`.
        what: &'static str,
        /// By whom.
        by: String,
        /// Of what.
        target: String,
        /// The check, or the signal's key.
        check: String,
        /// More of it: values, a summary.
        more: String,
    },
    /// An alarm changed.
    Alarm {
        /// Its target.
        target: Arc<str>,
        /// Its check.
        check: Arc<str>,
        /// What it became …
        state: AlarmState,
        /// … from what.
        was: AlarmState,
        /// Why.
        reason: String,
    },
    /// An incident changed.
    Incident {
        /// Which.
        id: IncidentId,
        /// How.
        change: model::Change,
        /// Its priority then.
        priority: model::Priority,
        /// Its root then.
        root: Vec<Arc<str>>,
        /// Why.
        reason: String,
    },
    /// A desk should be told.
    Told {
        /// What to do there.
        op: model::IntentOp,
        /// With this title.
        title: String,
    },
    /// From the target to what explains it, by the links of the inventory.
    Path {
        /// The devices on the way.
        devices: Vec<Arc<str>>,
    },
}

/// A change that was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Otherwise {
    /// The change.
    pub had: Had,
    /// What it would have come to.
    pub became: Became,
}

/// A change to what happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "had")]
pub enum Had {
    /// The target had answered as it should.
    Answered {
        /// The target.
        target: String,
    },
    /// The target had been silent (a port: down).
    Silent {
        /// The target.
        target: String,
    },
    /// It had gone on like this for so many more samples.
    More {
        /// How many.
        samples: usize,
        /// Good ones.
        good: bool,
    },
    /// Something else had answered before.
    OtherAnswered {
        /// What.
        target: Arc<str>,
    },
    /// Something else had been silent as well.
    OtherSilent {
        /// What.
        target: Arc<str>,
    },
    /// These had been heard, answering, after this instant.
    Heard {
        /// Who.
        targets: Vec<Arc<str>>,
        /// When.
        after: Timestamp,
    },
    /// The value of this sample had been at or above (below) this.
    Value {
        /// The value's name.
        name: String,
        /// This much.
        bound: f64,
        /// Rather than this.
        was: f64,
        /// On the bad side of it, rather than on the good one.
        worse: bool,
    },
    /// The mean had been at or above (below) this.
    Mean {
        /// The level's name.
        name: String,
        /// This much.
        bound: f64,
        /// Rather than this.
        was: f64,
        /// On the bad side of it, rather than on the good one.
        worse: bool,
    },
    /// The window had not covered it.
    NotCovered {
        /// The window.
        window: String,
    },
    /// A maintenance window had covered the root.
    Covered {
        /// The root.
        root: Vec<Arc<str>>,
    },
    /// It had been about this instead.
    Called {
        /// Something the inventory has.
        target: Arc<str>,
    },
    /// The port's admin status had been up.
    AdminUp,
    /// It had changed less often.
    FewerChanges {
        /// At most this often.
        at_most: usize,
        /// Rather than this.
        were: usize,
    },
    /// It had come in time.
    InTime,
    /// It had said something new.
    New,
}

/// What it would have come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "became")]
pub enum Became {
    /// Another verdict.
    Verdict {
        /// It.
        verdict: Verdict,
    },
    /// The alarm would stand elsewhere.
    Placed {
        /// Where.
        place: Place,
    },
}
