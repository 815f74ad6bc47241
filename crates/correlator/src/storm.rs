//! The storm governor: when more incidents open in a minute than anybody can read, those of P3 are
//! presented together, as one digest with one ticket. P1s and P2s never are.
//!
//! Only the presentation changes. Each of them keeps its identity, its diary and its end; the digest
//! names them as they come and go, and is resolved when the storm is over and the last of them is.
//! One that grows to P2 or P1 leaves the digest and has a ticket of its own at once. Refused: holding
//! P3s back until the storm is over (nobody would hear of them while it matters most), and giving
//! them their tickets afterwards (the storm would only come later).

use crate::Correlator;
use crate::incident::GATHER;
use crate::state::{Cause, Incident, IncidentIx, Timer};
use crate::text::Telling;
use model::time::show_duration;
use model::{Change, Condition, IntentOp, Priority, Work};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What the digest calls its own root.
pub(crate) const ROOT: &str = "storm";
/// While a digest is open, it is looked at this often.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// How many incidents there were lately.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Storm {
    /// When the latest incidents opened that people are told of: one more than make no storm.
    recent: VecDeque<model::Timestamp>,
    /// The digest that takes what comes.
    digest: Option<IncidentIx>,
}

/// An incident's place in a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InDigest {
    /// Which digest.
    pub(crate) of: IncidentIx,
    /// The digest has said that it opened.
    pub(crate) named: bool,
    /// The digest has said that it is over.
    pub(crate) ended: bool,
}

impl Correlator {
    /// An incident opens that people should hear of.
    pub(crate) fn count_opening(&mut self) {
        let most = self.settings.storm.above as usize + 1;
        let recent = &mut self.state.storm.recent;
        recent.push_back(self.state.now);
        while recent.len() > most {
            recent.pop_front();
        }
    }

    /// Whether more incidents opened lately than anybody can read.
    pub(crate) fn storms(&self) -> bool {
        let s = self.settings.storm;
        let recent = &self.state.storm.recent;
        let first = recent.len().checked_sub(s.above as usize + 1).and_then(|n| recent.get(n));
        s.above > 0 && first.is_some_and(|first| self.state.now < *first + s.window)
    }

    /// Presents an incident in the digest rather than with a ticket of its own, when it is one for it.
    pub(crate) fn digested(&mut self, ix: IncidentIx) -> bool {
        let Some(i) = self.state.incidents.get(&ix) else { return false };
        if i.ticketed || i.priority() < Priority::P3 {
            return false;
        }
        let staying = i.digest.map(|d| d.of).filter(|d| self.takes_more(*d));
        if staying.is_none() && !self.storms() {
            return false;
        }
        let of = match staying.or(self.state.storm.digest.filter(|d| self.takes_more(*d))) {
            Some(of) => of,
            None => self.open_digest(),
        };
        if let Some(i) = self.state.incidents.get_mut(&ix)
            && i.digest.is_none_or(|d| d.of != of || d.ended)
        {
            i.digest = Some(InDigest { of, named: false, ended: false });
        }
        if self.state.incidents[&of].ticketed {
            self.digest_soon(of);
        } else {
            self.tell_digest(of);
        }
        true
    }

    /// The digest's name, for whoever reads of an incident that is presented in it.
    pub(crate) fn digest_of(&self, i: &Incident) -> Option<String> {
        let digest = self.state.incidents.get(&i.digest?.of)?;
        if i.priority() < Priority::P3 {
            return None;
        }
        Some(format!("presented in the digest {} of a storm", digest.id))
    }

    fn takes_more(&self, digest: IncidentIx) -> bool {
        self.state.incidents.get(&digest).is_some_and(|d| d.open() && d.work < Work::Resolved)
    }

    fn open_digest(&mut self) -> IncidentIx {
        let now = self.state.now;
        let cause = Cause::Storm(self.state.next_incident);
        let ix = self.new_incident(cause, &[ROOT.into()], now, None);
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            (i.computed, i.shown, i.fresh) = (Priority::P3, Priority::P3, false);
        }
        self.state.storm.digest = Some(ix);
        self.set_timer(now + LOOK_EVERY, Timer::Digest(ix));
        ix
    }

    /// The digest has its first incident: it opens.
    fn tell_digest(&mut self, ix: IncidentIx) {
        let s = self.settings.storm;
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.ticketed = true;
        i.last_note = now;
        let within = show_duration(s.window);
        i.why =
            format!("more than {} new incidents in {within}: P3s are presented together", s.above);
        self.take_stock(ix);
        self.incident_line(ix, Change::Opened, self.reason(ix));
        let (new, over) = self.news_of(ix);
        self.intent(ix, IntentOp::Create, Telling::Storm { new: new.clone(), over });
        self.intent(ix, IntentOp::Notify, Telling::Storm { new, over: Vec::new() });
    }

    /// Sees to it that what came and went is said before long.
    pub(crate) fn digest_soon(&mut self, ix: IncidentIx) {
        let at = self.state.now + GATHER;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if i.open() && !i.note_due {
            i.note_due = true;
            let at = at.max(i.last_note + self.settings.note_every);
            self.set_timer(at, Timer::Digest(ix));
        }
    }

    /// One of a digest's incidents is over, or has a ticket of its own now.
    pub(crate) fn leaves_digest(&mut self, ix: IncidentIx) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        let Some(d) = i.digest else { return };
        if i.ticketed {
            i.digest = None;
        }
        self.digest_soon(d.of);
    }

    /// A digest says what came and went; when all of it is over, it is over.
    pub(crate) fn look_at_digest(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        if !self.state.incidents.get(&ix).is_some_and(Incident::open) {
            return;
        }
        let open = self.take_stock(ix);
        let (new, over) = self.news_of(ix);
        if !new.is_empty() || !over.is_empty() {
            self.incident_line(ix, Change::Updated, self.reason(ix));
            self.intent(ix, IntentOp::Note, Telling::Storm { new, over });
        }
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.last_note = now;
            i.note_due = false;
        }
        if open == 0 && !self.storms() {
            self.recover(ix);
        } else {
            self.set_timer(now + LOOK_EVERY, Timer::Digest(ix));
        }
    }

    /// Going on without a snapshot: what is open and has no ticket is what the open digest presents.
    pub(crate) fn take_up_the_storm(&mut self) {
        let open = |i: &Incident| i.open() && matches!(i.cause, Cause::Storm(_));
        let Some((&of, _)) = self.state.incidents.iter().rev().find(|(_, i)| open(i)) else {
            return;
        };
        for i in self.state.incidents.values_mut() {
            if i.open() && !i.ticketed && i.priority() == Priority::P3 {
                i.digest = Some(InDigest { of, named: true, ended: false });
            }
        }
        self.state.storm.digest = Some(of);
        self.set_timer(self.state.now + LOOK_EVERY, Timer::Digest(of));
    }

    /// Counts what is in a digest. How many of them are open.
    fn take_stock(&mut self, ix: IncidentIx) -> usize {
        let all = self.state.incidents.values().filter(|i| i.digest.is_some_and(|d| d.of == ix));
        let (mut count, mut open) = (0, 0);
        for i in all {
            count += 1;
            open += usize::from(i.open());
        }
        if let Some(d) = self.state.incidents.get_mut(&ix) {
            d.condition = Condition::Failing;
            d.what = format!("a storm: {count} incident(s) of P3, {open} of them open");
        }
        open
    }

    /// What came and went since the digest spoke last, and that it is said now.
    fn news_of(&mut self, ix: IncidentIx) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let (mut new, mut over) = (Vec::new(), Vec::new());
        for i in self.state.incidents.values_mut() {
            let ended = !i.open();
            let name = || -> Arc<str> { format!("{} ({})", i.root.join(" or "), i.id).into() };
            match i.digest {
                Some(d) if d.of == ix && !d.named => new.push(name()),
                Some(d) if d.of == ix && ended && !d.ended => over.push(name()),
                _ => continue,
            }
            if let Some(d) = &mut i.digest {
                // What came and went at once is named once.
                (d.named, d.ended) = (true, ended);
            }
        }
        (new, over)
    }
}
