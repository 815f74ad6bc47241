//! What a ticket can say of an incident, as plain words: for the text that is built in, and for
//! templates that a person writes.

use serde::{Deserialize, Serialize};

/// An incident for a reader: every text is in the reader's language and on the reader's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its id.
    pub incident: String,
    /// `P1` … `P4`.
    pub priority: String,
    /// Why it has this priority.
    pub why: String,
    /// `lokal`, `situs` or `masif`.
    pub scope: String,
    /// The ids that cannot be told apart.
    pub root: Vec<String>,
    /// The devices among them, or at their ends, with where they stand.
    pub places: Vec<Place>,
    /// What fails.
    pub what: String,
    /// When the first sign of it was seen.
    pub since: String,
    /// How long it has lasted since then; until it was over, where it is over.
    pub lasted: String,
    /// By which checks and sources it was seen.
    pub seen: String,
    /// Whether it is over.
    pub over: bool,
    /// What shows that it is over; empty before, and where nothing shows it but silence.
    pub evidence: Vec<String>,
    /// Services whose needs are false.
    pub services: Vec<Named>,
    /// Sites with a device that fails.
    pub sites: Vec<Named>,
    /// Devices unreachable or broken, the root's included.
    pub devices: Vec<String>,
    /// People at sites with no device reachable.
    pub users: u64,
    /// What is joined to the root, and how that stands.
    pub neighbours: Vec<Neighbour>,
    /// The last incidents of the same root, the newest first.
    pub similar: Vec<Similar>,
    /// Windows near in time and place, each in one sentence.
    pub maintenance: Vec<String>,
    /// The window at whose end it still stood; empty without.
    pub outlasted: String,
    /// The change that may have done it; empty without.
    pub change: String,
    /// The earlier incident of the same root that is over; empty without.
    pub recurrence_of: String,
    /// Where the incident can be seen; empty where no address is configured.
    pub link: String,
    /// The team whose it is, by the rule that sends its ticket; empty where the rule names none.
    pub team: String,
    /// What to do, by the class of the root; empty where the class has none.
    pub runbook: String,
}

/// An id and what people call it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The id.
    pub id: String,
    /// The name; the id where there is none.
    pub name: String,
}

impl Named {
    /// `Samsat Online (samsat)`, or the id alone where it has no other name.
    pub fn both(&self) -> String {
        if self.name == self.id { self.id.clone() } else { format!("{} ({})", self.name, self.id) }
    }
}

/// Where a device stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The device's id.
    pub device: String,
    /// `switch`, `router`, …; empty where none is given.
    pub class: String,
    /// Its main address; empty where it has none.
    pub address: String,
    /// Its site; both texts are empty where it has none.
    pub site: Named,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A device that is joined to the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its id.
    pub id: String,
    /// How it stands: `answers`, `down`, `passive` or `unobserved`.
    pub state: String,
    /// The same for the reader.
    pub said: String,
}

/// An earlier incident.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Similar {
    /// Its id.
    pub id: String,
    /// When it began.
    pub since: String,
    /// How long it lasted.
    pub lasted: String,
    /// What failed then.
    pub what: String,
    /// What a person wrote of it last; empty where nobody did.
    pub fix: String,
}
