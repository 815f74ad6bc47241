//! One incident on one desk: what is on record about it, and what comes next.
//!
//! The durable part changes in [`Entry::apply`] only, from lines that are on record. So what is
//! rebuilt after a crash is what was there before it, by construction; the rest (`way`, `look`) is
//! what only this process knows, and forgetting it costs a look.

mod answered;
mod next;
mod people;

use crate::answer::Call;
use crate::desired::Desired;
use crate::rules::DeskRules;
use model::{
    DeliveryLine, DeliveryStep, DeskCall, IncidentId, IntentOp, Priority, TicketRef, Timestamp,
};
use people::People;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The id of a ticket that was decided on a dry run and exists nowhere.
pub const DRY_RUN_ID: &str = "dry-run";

/// After this many refusals that no waiting will heal, a note is left out, and so is everything
/// else on the ticket of an incident that is closed.
pub const REFUSALS_MAX: u32 = 3;

/// How long a line may take to become durable before the request it announces is called off.
const RECORD_SLACK: Duration = Duration::from_secs(2);

/// How soon after a lost answer the first look is taken, and how soon the second, with twice the
/// pause each time up to the visibility delay. What they find is believed at once.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// A look that fails is on record the first time and then every so many times: a desk that is away
/// for a day shall not fill the journal.
const FAILED_LOOK_EVERY: u32 = 20;

/// An incident that is over has passed when its ticket could not be opened for this long.
const PASSED_AFTER: Duration = Duration::from_mins(1);

/// One incident on one desk. A hundred thousand of them may wait for a desk that is away, each without
/// a ticket and in no doubt: what such a one does not have is boxed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    // --- what it should be ---
    pub(crate) desired: Desired,
    /// The incident is closed: forget it as soon as the desk shows what it should.
    pub(crate) closing: bool,

    // --- what is on record ---
    pub(crate) key: String,
    pub(crate) generation: u32,
    reserved: bool,
    known: Option<Box<Known>>,
    /// Every note up to this revision was said or left out for good.
    noted: u32,
    /// When the last note was said.
    noted_at: Option<Timestamp>,
    /// The desk shows everything up to this revision.
    settled: u32,
    /// A request that writes and whose end is not on record. There is never a second one.
    doubt: Option<Box<Doubt>>,
    /// The last request about the ticket that was refused: there are desks that say no after they
    /// have done it, so it is read before anything else is sent.
    refused: Option<Box<Doubt>>,
    /// Other open tickets with the key, which are to be told and closed.
    twins: Vec<Twin>,
    /// How often the current thing was tried.
    attempt: u32,
    /// Nothing is done before.
    next_try: Option<Timestamp>,
    /// The desk will not have a ticket, and the incident is over.
    abandoned: bool,
    /// What people did to it, as far as it was heard.
    people: People,
    /// When our last request about what it is like ended well.
    touched: Timestamp,

    // --- what only this process knows ---
    #[serde(skip)]
    pub(crate) way: Way,
    #[serde(skip)]
    look: Look,
    /// A sweep has not come by yet.
    #[serde(skip)]
    pub(crate) to_sweep: bool,
    /// The sweep's search did not show the ticket: it is read next.
    #[serde(skip)]
    missed: bool,
    /// When it is looked at for what people did to it, and what the last look saw.
    #[serde(skip)]
    pub(crate) watch: Watch,
    /// Some request about it has left.
    #[serde(skip)]
    pub(crate) asked: bool,
}

/// The ticket as last known.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    ticket: TicketRef,
    open: bool,
    /// The priority that we gave it; none when we found it with one that is none of ours.
    priority: Option<Priority>,
    /// It was read back after the create.
    checked: bool,
    /// The state that the ticket's text told last.
    said_open: bool,
    /// The priority that it told last.
    said_priority: Option<Priority>,
    /// Something was decided on a dry run, so the ticket may differ from this.
    dry: bool,
}

/// Another open ticket with the same key.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Twin {
    ticket: TicketRef,
    /// It says which ticket counts.
    told: bool,
}

/// A request whose end is not on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Doubt {
    call: DeskCall,
    op: Option<IntentOp>,
    operation: Option<String>,
    revision: u32,
    attempt: u32,
    open: bool,
    priority: Option<Priority>,
    /// Before it is a doubt: until when the request may be under way. After: from when on an empty
    /// look counts.
    deadline: Timestamp,
    /// It is on record as a doubt; before that it is a request under way (or one that was under way
    /// when the process ended).
    noticed: bool,
    /// The ticket that it is about, when that is not the one that counts.
    about: Option<TicketRef>,
}

/// What this process is doing about it.
#[derive(Debug, Clone, Default)]
pub(crate) enum Way {
    /// Nothing.
    #[default]
    Rest,
    /// A line is being made durable; then, where there is one, this request leaves.
    Recording(Option<Box<Call>>),
    /// This request may leave now.
    Outgoing(Box<Call>),
    /// A request of this kind is under way since then.
    Calling(DeskCall, Timestamp),
}

/// How far this process is in watching for what people do.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    /// Not before.
    due: Timestamp,
    /// Something is known to have changed.
    pub(crate) hinted: bool,
    /// What the desk said of when it changed.
    pub(crate) changed: Option<String>,
    /// The last look asked for the notes as well.
    pub(crate) with_notes: bool,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { due: Timestamp::MIN, hinted: false, changed: None, with_notes: false }
    }
}

/// What this process saw while looking.
#[derive(Debug, Clone, Default)]
struct Look {
    /// No ticket has the key; asked just now, nothing was written since.
    absent: bool,
    /// What was refused was not done; asked just now, nothing was written since.
    undone: bool,
    /// The ticket is as we left it; asked then, nothing was written since.
    fresh: Option<Timestamp>,
    /// A look before a write saw that a person was there; the next one sees who and what else.
    thorough: bool,
    /// Looks before a write, in a row.
    peeks: u32,
    /// Empty looks that came too early to count.
    early: u32,
    /// Empty looks that count.
    empty: u32,
    /// Looks that failed, in a row.
    failed: u32,
    /// Refusals that no waiting will heal, in a row.
    refused: u32,
    /// No look before.
    not_before: Option<Timestamp>,
}

/// What comes next for an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// Nothing before then.
    Wait(Timestamp),
    /// Put the key on record.
    Reserve,
    /// Say that a request from before the restart is in doubt.
    Notice,
    /// Look what became of the request in doubt.
    LookUp,
    /// There is no way to look: settle the doubt the careful way.
    Presume,
    /// Ask whether a ticket has the key.
    Find,
    /// Open the ticket.
    Create,
    /// Read the new ticket back.
    Check,
    /// Read it again after a dry run.
    Refresh,
    /// Read whether what was refused was done after all.
    Reread,
    /// Say something.
    Say,
    /// Tell another ticket with the key which one counts.
    TellTwin,
    /// Close another ticket with the key.
    CloseTwin,
    /// Look whether the ticket is there, and whether it is alone.
    Sweep,
    /// Read the ticket that a sweep did not find.
    Verify,
    /// Look whether a person was there before a field is written.
    Peek,
    /// Set the priority.
    SetPriority,
    /// Resolve or open again.
    SetState,
    /// Answer the person who closed it while the failure lasts.
    Object,
    /// From then on: look what people did to it.
    Watch(Timestamp),
    /// Say that the desk shows what it should.
    Settle,
}

/// How a `Next` is carried out.
pub(crate) enum Plan {
    /// Put a line on record.
    Line(DeliveryLine),
    /// Put a line on record, then send.
    Send(DeliveryLine, Call),
    /// Ask; nothing on record is needed for that.
    Ask(Call),
}

/// Who an entry is; entries do not repeat it.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) instance: &'a Arc<str>,
    pub(crate) desk: &'a Arc<str>,
    pub(crate) incident: &'a IncidentId,
}

impl Entry {
    pub(crate) fn new(key: String) -> Entry {
        Entry {
            desired: Desired::default(),
            closing: false,
            key,
            generation: 0,
            reserved: false,
            known: None,
            noted: 0,
            noted_at: None,
            settled: 0,
            doubt: None,
            refused: None,
            twins: Vec::new(),
            attempt: 0,
            next_try: None,
            abandoned: false,
            people: People::default(),
            touched: Timestamp::MIN,
            way: Way::Rest,
            look: Look::default(),
            to_sweep: false,
            missed: false,
            watch: Watch::default(),
            asked: false,
        }
    }

    // --- getters ---

    /// The ticket, once it is known.
    pub(crate) fn ticket(&self) -> Option<&TicketRef> {
        self.known.as_ref().map(|k| &k.ticket)
    }

    /// The desk does not show yet what it should.
    pub(crate) fn unsettled(&self) -> bool {
        self.doubt.is_some()
            || !self.twins.is_empty()
            || (self.desired.wanted && !self.abandoned && self.settled < self.desired.revision)
    }

    /// It was over before a ticket could be opened, and gets none.
    pub(crate) fn passed(&self) -> bool {
        self.known.is_none()
            && self.doubt.is_none()
            && !self.desired.open
            && self.desired.wanted
            && self.settled >= self.desired.revision
    }

    /// Nobody knows what became of a request.
    pub(crate) fn doubtful(&self) -> bool {
        self.doubt.as_ref().is_some_and(|d| d.noticed)
    }

    /// A request of it is under way or about to be.
    pub(crate) fn in_flight(&self) -> bool {
        matches!(self.way, Way::Recording(Some(_)) | Way::Outgoing(_) | Way::Calling(..))
    }

    /// Until when the request that is about to leave may be under way.
    pub(crate) fn sending_deadline(&self) -> Option<Timestamp> {
        self.doubt.as_ref().filter(|d| !d.noticed).map(|d| d.deadline)
    }

    /// What stands for a `Next` that it does not make a request.
    pub(crate) fn needs_request(next: Next, rules: &DeskRules) -> bool {
        match next {
            Next::LookUp
            | Next::Find
            | Next::Check
            | Next::Refresh
            | Next::Reread
            | Next::Sweep
            | Next::Verify
            | Next::Peek
            | Next::Watch(_) => true,
            // Whether the desk can is seen when it is planned; that costs nobody anything but a
            // turn.
            Next::Create | Next::SetState | Next::CloseTwin => !rules.dry_run,
            Next::Say | Next::Object | Next::TellTwin => !rules.dry_run && rules.can.note,
            Next::SetPriority => !rules.dry_run && rules.can.priority,
            Next::Nothing
            | Next::Wait(_)
            | Next::Reserve
            | Next::Notice
            | Next::Presume
            | Next::Settle => false,
        }
    }

    /// The ticket that counts: one from a dry run does not, once the desk is on no dry run.
    fn standing(&self, rules: &DeskRules) -> Option<&Known> {
        self.known.as_deref().filter(|k| rules.dry_run || k.ticket.id != DRY_RUN_ID)
    }

    // --- what is on record ---

    /// Makes a line that is on record part of what is known.
    pub(crate) fn apply(&mut self, line: &DeliveryLine) {
        self.key.clone_from(&line.key);
        self.generation = line.generation;
        self.reserved = true;
        match line.step {
            DeliveryStep::Reserved => {}
            DeliveryStep::Sending => {
                self.refused = None;
                self.attempt = line.attempt;
                self.next_try = None;
                self.doubt = Doubt::of(line, false);
            }
            DeliveryStep::Doubtful => {
                self.attempt = line.attempt;
                self.next_try = line.next_try;
                self.doubt = Doubt::of(line, true);
            }
            DeliveryStep::Confirmed
            | DeliveryStep::Found
            | DeliveryStep::DryRun
            | DeliveryStep::Unable
            | DeliveryStep::GivenUp => {
                self.doubt = None;
                self.refused = None;
                self.attempt = 0;
                self.next_try = None;
                self.apply_done(line);
            }
            DeliveryStep::Refused => {
                self.doubt = None;
                self.refused = Doubt::of(line, true).filter(|d| d.call != DeskCall::Create);
                self.attempt = line.attempt;
                self.next_try = line.next_try;
            }
            DeliveryStep::NotFound => {
                self.attempt = line.attempt;
                self.next_try = line.next_try;
                if line.next_try.is_none() {
                    self.doubt = None;
                }
            }
            DeliveryStep::Unanswered => self.next_try = line.next_try,
            DeliveryStep::Checked | DeliveryStep::Unkeyed => {
                self.next_try = None;
                if let Some(known) = &mut self.known {
                    known.checked = true;
                }
                if let Some(heard) = &line.heard {
                    self.people.owner.clone_from(&heard.owner);
                }
            }
            DeliveryStep::Heard => self.apply_heard(line),
            DeliveryStep::Twin => {
                let new = line.about.iter().filter(|t| self.twins.iter().all(|w| w.ticket != **t));
                let new = new.map(|t| Twin { ticket: t.clone(), told: false });
                self.twins.extend(new.collect::<Vec<_>>());
            }
            DeliveryStep::Gone => {
                self.known = None;
                self.noted_at = None;
                self.people = People::default();
                self.twins.clear();
                self.doubt = None;
                self.refused = None;
                self.settled = 0;
                self.abandoned = !self.desired.open;
                self.attempt = 0;
                self.next_try = None;
            }
            DeliveryStep::Settled => {
                self.attempt = 0;
                self.next_try = None;
                self.settled = self.settled.max(line.revision);
                self.noted(line.revision);
                if self.settled >= self.desired.revision {
                    self.desired.waiting_since = None;
                }
            }
        }
    }

    /// Something was done, or shall count as done.
    fn apply_done(&mut self, line: &DeliveryLine) {
        let dry = line.step == DeliveryStep::DryRun;
        if let Some(about) = &line.about {
            if line.call == Some(DeskCall::Resolve) {
                self.twins.retain(|t| t.ticket != *about);
            } else if let Some(twin) = self.twins.iter_mut().find(|t| t.ticket == *about) {
                twin.told = true;
            }
            return;
        }
        if line.call != Some(DeskCall::Note) {
            self.touched = line.at;
        } else if self.is_objection(line) {
            self.people.answered();
            return;
        }
        match line.call {
            Some(DeskCall::Create | DeskCall::Find) => match &line.ticket {
                Some(ticket) if line.step != DeliveryStep::GivenUp => {
                    self.known = Some(Box::new(Known {
                        ticket: ticket.clone(),
                        open: line.open,
                        priority: line.priority,
                        checked: line.step != DeliveryStep::Confirmed,
                        said_open: line.open,
                        said_priority: line.priority,
                        dry,
                    }));
                }
                _ => self.abandoned = true,
            },
            Some(DeskCall::Note) => {
                self.noted(line.revision);
                if matches!(line.step, DeliveryStep::Confirmed | DeliveryStep::Found) {
                    self.noted_at = Some(line.at);
                }
            }
            _ => {}
        }
        let Some(known) = &mut self.known else { return };
        match line.call {
            Some(DeskCall::Note) => match line.op {
                // A note that speaks of the state may say more; the priority it knew is then told too.
                Some(op @ (IntentOp::Resolve | IntentOp::Merge | IntentOp::Reopen)) => {
                    known.said_open = op == IntentOp::Reopen;
                    known.said_priority = line.priority;
                }
                Some(IntentOp::Reprioritise) => known.said_priority = line.priority,
                _ => {}
            },
            Some(DeskCall::Priority) => known.priority = line.priority,
            Some(DeskCall::Resolve | DeskCall::Reopen) => known.open = line.open,
            Some(DeskCall::Read) if line.step == DeliveryStep::Unable => known.checked = true,
            Some(DeskCall::Read) => {
                known.open = line.open;
                known.priority = line.priority;
                known.dry = false;
            }
            Some(DeskCall::Create | DeskCall::Find) | None => {}
        }
        known.dry |= dry;
    }

    fn noted(&mut self, revision: u32) {
        self.noted = self.noted.max(revision);
        self.desired.said_through(self.noted);
    }

    /// Takes one more intent in.
    pub(crate) fn fold(&mut self, intent: &model::Intent) {
        if intent.op == IntentOp::Reopen {
            self.abandoned = false;
        }
        self.desired.fold(intent, self.noted);
        if self.settled >= self.desired.revision {
            self.desired.waiting_since = None;
        }
    }
}

impl Doubt {
    /// What a `sending` or `doubtful` line leaves open.
    fn of(line: &DeliveryLine, noticed: bool) -> Option<Box<Doubt>> {
        Some(Box::new(Doubt {
            call: line.call?,
            op: line.op,
            operation: line.operation.clone(),
            revision: line.revision,
            attempt: line.attempt,
            open: line.open,
            priority: line.priority,
            deadline: line.deadline.unwrap_or(line.at),
            noticed,
            about: line.about.clone(),
        }))
    }
}
