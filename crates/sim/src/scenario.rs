//! What goes wrong: seven stories, each told anew by every seed.

use crate::dice::Dice;
use crate::world::{Effect, Fault, Surveyor, What, probed};
use model::Inventory;
use model::Timestamp;
use model::inventory::{DeviceIx, Element, LinkIx};
use model::settings::Window;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Nothing goes wrong before this: everything is observed once.
const CALM: Duration = minutes(5);

/// After the last failure the world is watched this long, so that every incident can end.
const TAIL: Duration = minutes(10);

/// The mean over an hour needs this long to forget.
const TAIL_OF_LOSS: Duration = minutes(80);

/// What flapped is believed again after an hour.
const TAIL_OF_FLAPPING: Duration = minutes(105);

/// How often candidates are drawn before a network is found to have none.
const TRIES: usize = 400;

/// A story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// A cable is cut, and somewhere else something small fails in the same minute.
    FibreCut,
    /// Twelve causes within a minute.
    Storm,
    /// A link comes and goes for hours.
    Flap,
    /// Links that lose a part of the packets.
    Loss,
    /// A day with one per cent of packets lost everywhere, outages long and short.
    Night,
    /// Planned work: what it covers, what it does not, what lasts longer than planned.
    Maintenance,
    /// What many hang on fails: power, a duct, a hypervisor.
    Power,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Scenario; 7] = [
        Scenario::FibreCut,
        Scenario::Storm,
        Scenario::Flap,
        Scenario::Loss,
        Scenario::Night,
        Scenario::Maintenance,
        Scenario::Power,
    ];

    /// Its name on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Scenario::FibreCut => "fibre-cut",
            Scenario::Storm => "storm",
            Scenario::Flap => "flap",
            Scenario::Loss => "loss",
            Scenario::Night => "night",
            Scenario::Maintenance => "maintenance",
            Scenario::Power => "power",
        }
    }

    /// The reverse of [`Self::word`].
    pub fn from_word(word: &str) -> Option<Scenario> {
        Scenario::ALL.into_iter().find(|s| s.word() == word)
    }

    /// What happens in it, in a line.
    pub const fn about(self) -> &'static str {
        match self {
            Scenario::FibreCut => {
                "a cable is cut; in the same minute something small fails elsewhere"
            }
            Scenario::Storm => "twelve causes within one minute",
            Scenario::Flap => "a link comes and goes twenty times an hour, then stays as it ended",
            Scenario::Loss => "one link loses 5 % of the packets for hours, another one a third",
            Scenario::Night => {
                "a day with outages long and short, while 1 % of all packets get lost"
            }
            Scenario::Maintenance => {
                "planned work, a failure it does not cover, and work that overruns"
            }
            Scenario::Power => "power, a duct, a hypervisor: what many hang on and nobody probes",
        }
    }

    /// How long it takes when nobody says.
    pub const fn length(self) -> Duration {
        match self {
            Scenario::FibreCut | Scenario::Storm => minutes(120),
            Scenario::Power => minutes(180),
            Scenario::Maintenance => minutes(240),
            Scenario::Flap => minutes(8 * 60),
            Scenario::Loss => minutes(7 * 60),
            Scenario::Night => minutes(24 * 60),
        }
    }

    /// It cannot be told in less.
    pub const fn length_min(self) -> Duration {
        match self {
            Scenario::FibreCut | Scenario::Storm | Scenario::Power => minutes(60),
            Scenario::Maintenance | Scenario::Night | Scenario::Flap => minutes(180),
            Scenario::Loss => minutes(240),
        }
    }
}

/// A story with its names and times.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What somebody announces, and when.
    pub windows: Vec<(Duration, Window)>,
    /// How long it all takes.
    pub length: Duration,
}

/// Tells a story on this network. `at` is where it happens, when somebody says.
///
/// # Errors
/// In a sentence: the network has nothing that this could happen to, or the time is too short.
pub fn script(
    scenario: Scenario,
    inventory: &Arc<Inventory>,
    start: Timestamp,
    length: Duration,
    at: Option<Element>,
    dice: &mut Dice,
) -> Result<Script, String> {
    if length < scenario.length_min() {
        return Err(format!(
            "{} takes at least {}",
            scenario.word(),
            model::time::show_duration(scenario.length_min())
        ));
    }
    let fleet = (0..inventory.devices.len() as u32).filter(|d| probed(inventory, *d)).count();
    let mut teller = Teller {
        survey: Surveyor::new(inventory),
        inventory: inventory.clone(),
        taken: BTreeSet::new(),
        at,
        start,
        fleet,
        dice,
        out: Script { length, ..Script::default() },
    };
    match scenario {
        Scenario::FibreCut => teller.fibre_cut()?,
        Scenario::Storm => teller.storm()?,
        Scenario::Flap => teller.flap()?,
        Scenario::Loss => teller.loss()?,
        Scenario::Night => teller.night()?,
        Scenario::Maintenance => teller.maintenance()?,
        Scenario::Power => teller.power()?,
    }
    Ok(teller.out)
}

struct Teller<'a> {
    survey: Surveyor,
    inventory: Arc<Inventory>,
    /// Devices that have their part in the story already.
    taken: BTreeSet<u32>,
    at: Option<Element>,
    start: Timestamp,
    /// Devices that are asked anything.
    fleet: usize,
    dice: &'a mut Dice,
    out: Script,
}

impl Teller<'_> {
    fn fibre_cut(&mut self) -> Result<(), String> {
        // Of many, the one that cuts off the most.
        let mut cables = Vec::new();
        for _ in 0..if self.at.is_none() { 24 } else { 0 } {
            if let Some(e) = self.find(&|_, e, x| is_link(e) && x.unreachable.len() > 1) {
                cables.push((self.survey.effect(&down(e, Vec::new())).unreachable.len(), e));
            }
        }
        let largest = cables.into_iter().max_by_key(|(n, _)| *n).map(|(_, e)| e);
        let cable = self.at.or(largest).ok_or("no link of this network cuts anything off")?;
        let from = self.dice.between(CALM, self.out.length / 4);
        let until = from + self.dice.between(minutes(20), self.room(from));
        self.fail(cable, vec![(from, until)]);
        // The unrelated one.
        if let Some(small) = self.find(&|t, e, x| t.is_device(e) && x.unreachable.len() == 1) {
            let at = from + self.dice.between(Duration::ZERO, seconds(60));
            let until = at + self.dice.between(minutes(4), minutes(15));
            self.fail(small, vec![(at, until)]);
        }
        Ok(())
    }

    fn storm(&mut self) -> Result<(), String> {
        let from = self.dice.between(CALM, minutes(15));
        for n in 0..12 {
            // The first ones are large.
            let least = if n < 4 { 8 } else { 1 };
            let e = self
                .find(&|_, _, x| x.unreachable.len() >= least)
                .or_else(|| self.find(&|_, _, x| !x.unreachable.is_empty()));
            let Some(e) = e else { break };
            let at = from + self.dice.between(Duration::ZERO, seconds(60));
            let until = at + self.dice.between(minutes(10), minutes(25));
            self.fail(e, vec![(at, until)]);
        }
        self.something_failed()
    }

    fn something_failed(&self) -> Result<(), String> {
        if self.out.faults.is_empty() {
            return Err("nothing of this network can fail alone".into());
        }
        Ok(())
    }

    fn flap(&mut self) -> Result<(), String> {
        let e = self.here_or(&|_, e, x| is_link(e) && !x.unreachable.is_empty())?;
        let mut at = self.dice.between(CALM, minutes(10));
        let stop = self.before_end(TAIL_OF_FLAPPING).max(at + minutes(30));
        let mut spans = Vec::new();
        while at < stop {
            let until = at + self.dice.between(seconds(60), seconds(240));
            spans.push((at, until));
            at = until + self.dice.between(seconds(60), seconds(240));
        }
        // How it ends is told, whichever it is.
        if self.dice.chance(0.5)
            && let Some((_, until)) = spans.last_mut()
        {
            *until += minutes(20);
        }
        self.fail(e, spans);
        Ok(())
    }

    fn loss(&mut self) -> Result<(), String> {
        let e = self.here_or(&|_, e, x| is_link(e) && x.unreachable.len() > 2)?;
        let last = self.before_end(TAIL_OF_LOSS);
        let from = self.dice.between(CALM, minutes(20));
        let room = last.saturating_sub(from);
        self.lose(e, 0.05, (from, from + minutes(125).max(room.mul_f64(0.9)).min(room)));
        if let Some(e) = self.find(&|_, e, x| is_link(e) && !x.unreachable.is_empty()) {
            let from = self.dice.between(CALM, last.saturating_sub(minutes(40)));
            self.lose(e, 0.35, (from, from + minutes(30)));
        }
        Ok(())
    }

    fn night(&mut self) -> Result<(), String> {
        let outages = (self.fleet / 100).max(6);
        let last = self.before_end(TAIL_OF_LOSS);
        if self.out.length >= minutes(6 * 60)
            && let Some(e) = self.find(&|_, e, x| is_link(e) && x.unreachable.len() > 2)
        {
            let from = self.dice.between(CALM, last.saturating_sub(minutes(150)));
            self.lose(e, 0.05, (from, from + minutes(130)));
        }
        for n in 0..outages + outages / 3 {
            let short = n >= outages;
            let e = match self.dice.below(10) {
                0..4 => self.find(&|t, e, x| t.is_device(e) && x.unreachable.len() == 1),
                4..6 => self.find(&|t, e, x| t.is_device(e) && x.unreachable.len() > 1),
                6..9 => self.find(&|_, e, x| is_link(e) && !x.unreachable.is_empty()),
                // One of two ways is gone: nobody is cut off, and it must be known nevertheless.
                _ => self.find(&|t, e, x| is_link(e) && x.unreachable.is_empty() && t.is_read(e)),
            };
            let Some(e) = e else { continue };
            let lasts = if short {
                self.dice.between(seconds(3), seconds(50))
            } else {
                // Short ones are more frequent than long ones.
                let share = self.dice.unit();
                minutes(4).mul_f64((60.0f64 / 4.0).powf(share))
            };
            let from = self.dice.between(CALM, last.saturating_sub(lasts));
            self.fail(e, vec![(from, from + lasts)]);
        }
        self.something_failed()
    }

    fn maintenance(&mut self) -> Result<(), String> {
        let from = self.dice.between(minutes(20), minutes(40));
        let until = from + minutes(60);
        let sites: Vec<u32> = (0..self.inventory.sites.len() as u32)
            .filter(|s| {
                let site = &self.inventory.sites[*s as usize];
                site.devices.len() >= 3 && site.devices.iter().all(|d| !self.survey.stands_at(d.0))
            })
            .collect();
        let site = *self.dice.pick(&sites).ok_or("no site of this network has three devices")?;
        let of_site = move |t: &Self, e: Element| match e {
            Element::Device(d) => t.inventory[d].site.is_some_and(|s| s.0 == site),
            Element::Link(_) => false,
        };
        let id = self.inventory.sites[site as usize].id.to_string();
        self.out.windows.push((
            from.saturating_sub(minutes(10)),
            Window {
                id: "w-planned".into(),
                owner: "sari".into(),
                reason: "new switches".into(),
                scope: vec![id],
                start: self.start + from,
                end: self.start + until,
                change: None,
                rrule: None,
                silence: false,
            },
        ));
        let inside = |t: &mut Self, least: usize| {
            t.find(&|t, e, x| of_site(t, e) && t.is_device(e) && x.unreachable.len() >= least)
        };
        if let Some(planned) = inside(self, 1) {
            let at = from + self.dice.between(minutes(2), minutes(20));
            let done = at + self.dice.between(minutes(4), minutes(30));
            self.fail(planned, vec![(at, done)]);
        }
        if let Some(overruns) = inside(self, 1) {
            let at = until.saturating_sub(self.dice.between(minutes(5), minutes(25)));
            let done = until + self.dice.between(minutes(10), minutes(40));
            self.fail(overruns, vec![(at, done)]);
        }
        let elsewhere =
            self.find(&|t, e, x| !of_site(t, e) && t.is_device(e) && !x.unreachable.is_empty());
        if let Some(e) = elsewhere {
            let at = from + self.dice.between(minutes(2), minutes(40));
            let done = at + self.dice.between(minutes(5), minutes(30));
            self.fail(e, vec![(at, done)]);
        }
        Ok(())
    }

    fn power(&mut self) -> Result<(), String> {
        let mut at = self.dice.between(CALM, minutes(15));
        let shared = |e: Element, x: &Effect| !is_link(e) && x.dead.len() + x.cut.len() > 2;
        if let Some(e) = self.at {
            let until = at + self.dice.between(minutes(10), minutes(30));
            self.fail(e, vec![(at, until)]);
            return Ok(());
        }
        while at + minutes(40) + TAIL < self.out.length {
            let Some(e) = self.find(&|t, e, x| shared(e, x) && t.is_needed(e)) else { break };
            let until = at + self.dice.between(minutes(6), minutes(30));
            self.fail(e, vec![(at, until)]);
            at = if self.dice.chance(0.5) { until } else { at }
                + self.dice.between(minutes(2), minutes(12));
        }
        if self.out.faults.is_empty() {
            return Err("nothing in this inventory needs anything that two others need: say with `needs` what hangs on which power or duct".into());
        }
        Ok(())
    }

    // ---- what there is to choose from ----

    /// So long before the end.
    fn before_end(&self, tail: Duration) -> Duration {
        self.out.length.saturating_sub(tail)
    }

    /// The time left for a failure that begins then.
    fn room(&self, from: Duration) -> Duration {
        self.before_end(TAIL).saturating_sub(from).max(minutes(21))
    }

    fn here_or(
        &mut self,
        good: &dyn Fn(&Self, Element, &Effect) -> bool,
    ) -> Result<Element, String> {
        match self.at {
            Some(e) => Ok(e),
            None => self.find(good).ok_or_else(|| {
                "this network has no link with anything behind it that could be cut off".into()
            }),
        }
    }

    /// An element that nobody in the story has to do with yet, and that does not take more than
    /// half of the network with it.
    fn find(&mut self, good: &dyn Fn(&Self, Element, &Effect) -> bool) -> Option<Element> {
        let (devices, links) = (self.inventory.devices.len(), self.inventory.links.len());
        for _ in 0..TRIES {
            let n = self.dice.below(devices + links);
            let e = if n < devices {
                Element::Device(DeviceIx(n as u32))
            } else {
                Element::Link(LinkIx((n - devices) as u32))
            };
            if let Element::Device(d) = e
                && (self.survey.stands_at(d.0) || self.taken.contains(&d.0))
            {
                continue;
            }
            let effect = self.survey.effect(&down(e, Vec::new()));
            if effect.unreachable.len() * 2 > self.fleet
                || self.touches(e, &effect).any(|d| self.taken.contains(&d))
            {
                continue;
            }
            if good(self, e, &effect) {
                return Some(e);
            }
        }
        None
    }

    /// The devices that an element's failure is about.
    fn touches<'x>(&'x self, e: Element, effect: &'x Effect) -> impl Iterator<Item = u32> + 'x {
        let links = effect.cut.iter().copied().chain(match e {
            Element::Link(l) => Some(l.0),
            Element::Device(_) => None,
        });
        let ends = links.flat_map(|l| self.inventory.links[l as usize].ends.map(|d| d.0));
        effect.unreachable.iter().chain(&effect.dead).copied().chain(ends)
    }

    /// A device that is asked anything.
    fn is_device(&self, e: Element) -> bool {
        matches!(e, Element::Device(d) if probed(&self.inventory, d.0))
    }

    /// Somebody reads a port of this link.
    fn is_read(&self, e: Element) -> bool {
        matches!(e, Element::Link(l) if self.survey.port_is_read(l.0))
    }

    /// Something names it among its needs.
    fn is_needed(&self, e: Element) -> bool {
        let mut found = false;
        let mut look = |x: &Element| found |= *x == e;
        for d in &self.inventory.devices {
            d.needs.iter().for_each(|n| n.for_each(&mut look));
        }
        for l in &self.inventory.links {
            l.needs.iter().for_each(|n| n.for_each(&mut look));
        }
        found
    }

    fn fail(&mut self, e: Element, spans: Vec<(Duration, Duration)>) {
        self.happen(down(e, spans));
    }

    fn lose(&mut self, e: Element, share: f64, span: (Duration, Duration)) {
        self.happen(Fault { element: e, what: What::Loss(share), spans: vec![span] });
    }

    fn happen(&mut self, fault: Fault) {
        let effect = self.survey.effect(&down(fault.element, Vec::new()));
        let touched: Vec<u32> = self.touches(fault.element, &effect).collect();
        // The near end of a cable goes on with its own life, unless it is a leaf.
        let near = |d: &u32| self.inventory.graph.neighbours(*d).len() > 4;
        self.taken
            .extend(touched.into_iter().filter(|d| !near(d) || effect.unreachable.contains(d)));
        self.out.faults.push(fault);
    }
}

fn is_link(e: Element) -> bool {
    matches!(e, Element::Link(_))
}

fn down(element: Element, spans: Vec<(Duration, Duration)>) -> Fault {
    Fault { element, what: What::Down, spans }
}
