//! When a probe asks again: what it thinks of a target, for that purpose only.
//!
//! A bad answer is asked again until it is good, until it was asked often enough, or until the core
//! has confirmed the failure; the first good answer after a failure is asked again until enough of
//! them came in a row. The daemon's probe and the simulated one go by the same rule.

/// What an answer says about its target, as far as asking again goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answered.
    Good,
    /// It is silent.
    Bad,
    /// We could not ask.
    Unsure,
}

/// What is thought of the target of one check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doubt(Mood);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    /// Good, or never heard of.
    #[default]
    Calm,
    /// Bad, and asked again this many times.
    Suspect { asked: u8 },
    /// Bad: confirmed, or asked often enough.
    Bad,
    /// Good again, this many times in a row.
    Hopeful { good: u8 },
}

impl Doubt {
    /// Takes a sign in; whether it should be asked again soon: at most `down_of` times at a failure,
    /// until `up_needs` good answers in a row after it.
    pub fn feel(&mut self, sign: Sign, down_of: u8, up_needs: u8) -> bool {
        let hope = |good: u8| {
            if good < up_needs { (Mood::Hopeful { good }, true) } else { (Mood::Calm, false) }
        };
        let (mood, again) = match (self.0, sign) {
            (Mood::Calm, Sign::Bad) if down_of == 0 => (Mood::Bad, false),
            (Mood::Calm, Sign::Bad) => (Mood::Suspect { asked: 0 }, true),
            (Mood::Suspect { asked }, Sign::Bad | Sign::Unsure) => {
                let asked = asked + 1;
                if asked < down_of { (Mood::Suspect { asked }, true) } else { (Mood::Bad, false) }
            }
            (Mood::Bad, Sign::Good) => hope(1),
            (Mood::Hopeful { good }, Sign::Good) => hope(good + 1),
            (Mood::Hopeful { .. }, Sign::Bad) => (Mood::Bad, false),
            (Mood::Suspect { .. }, Sign::Good) => (Mood::Calm, false),
            (mood, _) => (mood, false),
        };
        self.0 = mood;
        again
    }

    /// The core has confirmed a failure: asking again says nothing new. Whether it was in doubt.
    pub fn confirmed(&mut self) -> bool {
        let suspect = matches!(self.0, Mood::Suspect { .. });
        if suspect {
            self.0 = Mood::Bad;
        }
        suspect
    }
}
