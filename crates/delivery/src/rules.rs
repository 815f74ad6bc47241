//! What one desk can do and how hard it may be asked.

use std::sync::Arc;
use std::time::Duration;

/// One desk, as far as deciding needs to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeskRules {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Decide everything, send nothing.
    pub dry_run: bool,
    /// The desk lives in our own process: its requests end when we do.
    pub local: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// After we stopped waiting for an answer: how long the desk may still work on the request
    /// before it is done or dropped. A desk that takes longer may open a second ticket, which is
    /// found, linked and closed later.
    pub commit_delay: Duration,
    /// After a request was done: how long until a look can see it.
    pub visibility_delay: Duration,
    /// How long another process that has announced a request may have stood still before it sent
    /// it. Zero where a process that takes over knows that the one before it is gone.
    pub pause_max: Duration,
    /// How many empty looks, each `visibility_delay` after the one before, it takes to believe that
    /// a lost request did nothing.
    pub empty_looks: u32,
    /// How many requests may be under way at once.
    pub max_in_flight: u32,
    /// How many requests may leave in a minute.
    pub per_minute: u32,
    /// At most one note on a ticket in this time; what comes within it waits, and is said in one. Zero:
    /// each note by itself, at once.
    pub note_every: Duration,
    /// An incident that is over before its ticket could be opened, for as long as a minute, gets one all
    /// the same, opened and resolved at once.
    pub tickets_for_passed: bool,
    /// The pause after the first failure; it doubles with each further one.
    pub retry_first: Duration,
    /// The longest pause after a request that failed for the moment.
    pub retry_max: Duration,
    /// The longest pause after a refusal that will stand until somebody changes something.
    pub refused_max: Duration,
    /// How often it is asked what people did to our tickets; zero: never.
    pub poll: Duration,
    /// A person closed the ticket of a failure that lasts: after so long it is opened again, after
    /// twice as long the next time. Zero: never.
    pub reopen_after: Duration,
    /// What it can do.
    pub can: Abilities,
}

/// Which operations a desk has. What is missing is left out and said so in an `unable` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Look a ticket up by its key. Without it a lost create stays a doubt for a person.
    pub find: bool,
    /// Read a ticket back. Without it a lost change of state is made again, which is harmless.
    pub read: bool,
    /// Read which notes a ticket has. Without it a lost note is left out rather than doubled.
    pub read_notes: bool,
    /// Add notes.
    pub note: bool,
    /// Change the priority.
    pub priority: bool,
    /// Resolve.
    pub resolve: bool,
    /// Open again.
    pub reopen: bool,
    /// Tell who owns a ticket. Without it nobody is heard to take one.
    pub owner: bool,
    /// Tell what people wrote. Without it their notes stay at the desk.
    pub remarks: bool,
    /// Tell the priority as people see it: one that corresponds to none of ours was chosen by a
    /// person. Elsewhere it may only be that we are not shown it.
    pub priority_told: bool,
    /// Tell in one request which tickets changed last. Without it each open ticket is read.
    pub changes: bool,
}

impl Abilities {
    /// Everything.
    pub const ALL: Abilities = Abilities {
        find: true,
        read: true,
        read_notes: true,
        note: true,
        priority: true,
        resolve: true,
        reopen: true,
        owner: true,
        remarks: true,
        priority_told: true,
        changes: true,
    };

    /// Everything but what tells of people: their state and priority are heard all the same.
    pub const ONE_WAY: Abilities = Abilities {
        owner: false,
        remarks: false,
        priority_told: false,
        changes: false,
        ..Abilities::ALL
    };
}

impl DeskRules {
    /// A desk that can do everything, with the default limits.
    pub fn new(name: &str) -> DeskRules {
        DeskRules {
            name: name.into(),
            dry_run: false,
            local: false,
            timeout: Duration::from_secs(10),
            commit_delay: Duration::from_secs(30),
            visibility_delay: Duration::from_secs(5),
            pause_max: Duration::ZERO,
            empty_looks: 2,
            max_in_flight: 4,
            per_minute: 2_400,
            note_every: Duration::ZERO,
            tickets_for_passed: true,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(30),
            refused_max: Duration::from_mins(5),
            poll: Duration::ZERO,
            reopen_after: Duration::from_mins(15),
            can: Abilities::ALL,
        }
    }

    /// Whether people are heard there at all.
    pub(crate) fn hears(&self) -> bool {
        !self.poll.is_zero() && !self.dry_run && self.can.read
    }

    /// After a request may last have left: how long until a look that shows nothing means that
    /// nothing was done.
    pub(crate) fn settling(&self) -> Duration {
        self.commit_delay + self.visibility_delay
    }
}
