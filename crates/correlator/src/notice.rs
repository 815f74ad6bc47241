//! How often people hear of one incident.
//!
//! A ticket follows what is true at once: it is resolved and opened again as often as that happens.
//! A message wakes somebody, and the tenth in an hour about one link wakes nobody any more. So of one
//! incident at most two an hour are sent; a third waits until the hour allows it, or until what it
//! has to say has been true for as long as an incident may be over before it counts as a new one.
//! While it waits the news may take itself back (down, up and down again: people know already that
//! it is down). What people hear last is always how it stands.
//!
//! Refused: to say nothing of a recovery until it is certain. Nobody would learn for minutes that
//! a town is back, and it is the first message of the two that most incidents ever need.

use crate::Correlator;
use crate::state::{Incident, IncidentIx, Standing, Timer};
use crate::text::Telling;
use model::{AlarmState, Change, IntentOp};
use std::time::Duration;

/// The time in which messages are counted.
const HOUR: Duration = Duration::from_hours(1);

impl Correlator {
    /// Tells people how an incident stands now; later, when they heard enough of it lately.
    pub(crate) fn notify(&mut self, ix: IncidentIx, telling: Telling) {
        self.forget_notice(ix);
        let (now, most) = (self.state.now, self.settings.notify_per_hour.max(1) as usize);
        let Some(i) = self.state.incidents.get(&ix) else { return };
        let stands = self.standing(i);
        if i.heard.as_what == Some(stands) {
            // They were told so, and what came between they were not.
            return;
        }
        let lately = i.heard.lately.iter().filter(|t| **t + HOUR > now).count();
        if lately < most {
            self.tell_people(ix, stands, telling);
            return;
        }
        let allowed = i.heard.lately[i.heard.lately.len() - most] + HOUR;
        let due = match stands {
            // That it keeps changing is no state that could become steady.
            Standing::Flapping => allowed,
            Standing::Failing | Standing::Over => allowed.min(now + self.settings.reopen_within),
        };
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.heard.due = Some(due);
        }
        self.set_timer(due, Timer::Notice(ix));
    }

    /// What waited to be told is due.
    pub(crate) fn notice_is_due(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if i.heard.due.is_none_or(|due| due > now) {
            return;
        }
        i.heard.due = None;
        let i = &self.state.incidents[&ix];
        let stands = self.standing(i);
        if i.heard.as_what == Some(stands) {
            return;
        }
        let telling = match stands {
            Standing::Over => Telling::Recovered,
            Standing::Flapping => Telling::Flapping,
            Standing::Failing if i.heard.as_what == Some(Standing::Flapping) => Telling::Steady,
            Standing::Failing => Telling::Reopened,
        };
        self.tell_people(ix, stands, telling);
    }

    /// What an incident has still to say is said before it is forgotten.
    pub(crate) fn last_notice(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if i.heard.due.is_some() {
            self.forget_notice(ix);
            if let Some(i) = self.state.incidents.get_mut(&ix) {
                i.heard.due = Some(now);
            }
            self.notice_is_due(ix);
        }
    }

    /// Nothing is left to tell people.
    pub(crate) fn forget_notice(&mut self, ix: IncidentIx) {
        if let Some(i) = self.state.incidents.get_mut(&ix)
            && let Some(due) = i.heard.due.take()
        {
            self.state.timers.remove(&(due, Timer::Notice(ix)));
        }
    }

    fn tell_people(&mut self, ix: IncidentIx, stands: Standing, telling: Telling) {
        let (now, most) = (self.state.now, self.settings.notify_per_hour.max(1) as usize);
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.heard.as_what = Some(stands);
            i.heard.lately.push_back(now);
            while i.heard.lately.len() > most {
                i.heard.lately.pop_front();
            }
        }
        self.intent(ix, IntentOp::Notify, telling);
    }

    /// How an incident stands, in one word for people.
    pub(crate) fn standing(&self, i: &Incident) -> Standing {
        if !i.open() {
            return Standing::Over;
        }
        let mut steady = false;
        for key in &i.members {
            match self.state.alarms.get(key).map(|a| a.state) {
                Some(AlarmState::Flapping) if self.stands_for(*key, i) => {
                    return Standing::Flapping;
                }
                Some(AlarmState::Flapping) | None => {}
                Some(_) => steady = true,
            }
        }
        if steady || i.members.is_empty() { Standing::Failing } else { Standing::Flapping }
    }

    /// Says that an incident began to flap, or that it fails for good after it did.
    pub(crate) fn flaps_or_not(&mut self, ix: IncidentIx) {
        let i = &self.state.incidents[&ix];
        let (was, stands) = (i.heard.on_desk, self.standing(i));
        if was == Some(stands) {
            return;
        }
        let ticketed = i.ticketed;
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.heard.on_desk = Some(stands);
        }
        let (telling, reason) = match (was, stands) {
            (Some(Standing::Failing), Standing::Flapping) => {
                (Telling::Flapping, "it changes too often to be told each time")
            }
            (Some(Standing::Flapping), Standing::Failing) => {
                (Telling::Steady, "it does not change any more, and fails")
            }
            _ => return,
        };
        let reason = format!("{reason}; {}", self.state.incidents[&ix].what);
        self.incident_line(ix, Change::Updated, reason);
        if ticketed {
            self.intent(ix, IntentOp::Note, telling.clone());
            self.notify(ix, telling);
        }
    }
}
