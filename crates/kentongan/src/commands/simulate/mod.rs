//! `kentongan simulate`: a world from a seed, the real core in it, and what came of it beside what
//! really happened.

mod shown;
mod write;

use super::page::Page;
use super::{Call, FAILED, WRONG, print, print_json};
use crate::cli::SimulateArgs;
use crate::config::Configuration;
use anyhow::Context as _;
use model::inventory::{Element, InventorySpec};
use model::{Event, Inventory, Settings, Timestamp};
use sim::{Asking, Dice, Plan, Scenario, Watcher, province, script};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When every simulated world begins: 23:00 WIB, when the night shift takes over.
const BEGINNING: Timestamp = Timestamp::from_millis(1_795_536_000_000);

/// Devices of a province when nobody says.
const DEVICES: usize = 500;

/// Seeds are used for several things, each with dice of its own.
const FOR_THE_NETWORK: u64 = 10;
const FOR_THE_STORY: u64 = 11;

pub fn run(args: &SimulateArgs, call: &Call, configured: bool) -> anyhow::Result<ExitCode> {
    let configuration = match configured.then(|| call.load()).transpose() {
        Ok(configuration) => configuration,
        Err(code) => return Ok(code),
    };
    let world = match World::of(args, configuration.as_ref()) {
        Ok(world) => world,
        Err(why) => {
            eprintln!("kentongan: {why}");
            return Ok(ExitCode::from(WRONG));
        }
    };
    let events = match (&args.write, &args.events) {
        (Some(dir), _) => {
            write::network(dir, world.made.as_ref(), configured)?;
            Some(dir.join("events.ndjson"))
        }
        (None, events) => events.clone(),
    };
    let mut watch = Watch::new(&world.plan, args, events.as_deref())?;
    let report = sim::run(&world.plan, &mut watch);
    watch.done()?;
    if args.json {
        print_json(&shown::json(&world.plan, args, &report))?;
    } else {
        let timezone = match &configuration {
            Some(c) => c.locale.timezone.clone(),
            None => jiff::tz::TimeZone::get("Asia/Jakarta").unwrap_or(jiff::tz::TimeZone::UTC),
        };
        let page = Page::new(call.color, &timezone);
        print(&shown::page(&world.plan, args, &report, &page, &timezone))?;
        if let Some(dir) = &args.write {
            print(&format!("\n{}\n", write::how_to_replay(dir, call, configured)))?;
        }
    }
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// The plan, and the network where it was made up.
struct World {
    plan: Plan,
    made: Option<InventorySpec>,
}

impl World {
    fn of(args: &SimulateArgs, configuration: Option<&Configuration>) -> Result<World, String> {
        let dice = Dice::new(args.seed);
        let own = configuration
            .filter(|c| args.devices.is_none() && c.inventory.devices.iter().any(|d| !d.passive));
        let (inventory, made) = if let Some(c) = own {
            (c.inventory.clone(), None)
        } else {
            let devices = args.devices.map_or(DEVICES, |n| n as usize);
            let spec = province(devices, &mut dice.apart(FOR_THE_NETWORK));
            let inventory = Inventory::build(&spec).map_err(|problems| {
                let first = problems.first().map_or("", |p| &p.message);
                format!("the made-up network is wrong: {first}")
            })?;
            (Arc::new(inventory), Some(spec))
        };
        let at =
            args.at.as_deref().map(|id| element(&inventory, args.scenario.0, id)).transpose()?;
        let length = args.hours.unwrap_or_else(|| args.scenario.0.length());
        let mut story = dice.apart(FOR_THE_STORY);
        let told = script(args.scenario.0, &inventory, BEGINNING, length, at, &mut story)?;
        let plan = Plan {
            settings: configuration.map_or_else(Settings::default, |c| c.settings.clone()),
            asking: configuration.map(asking).unwrap_or_default(),
            faults: told.faults,
            windows: told.windows,
            background_loss: args.loss / 100.0,
            start: BEGINNING,
            length: told.length,
            seed: args.seed,
            inventory,
        };
        Ok(World { plan, made })
    }
}

/// What `--at` names.
fn element(inventory: &Inventory, scenario: Scenario, id: &str) -> Result<Element, String> {
    if matches!(scenario, Scenario::Storm | Scenario::Night | Scenario::Maintenance) {
        return Err(format!("{} happens in many places: --at says nothing there", scenario.word()));
    }
    let device = inventory.device(id).map(Element::Device);
    device.or_else(|| inventory.link(id).map(Element::Link)).ok_or_else(|| {
        let devices = inventory.devices.iter().map(|d| &*d.id);
        let known: Vec<&str> = devices.chain(inventory.links.iter().map(|l| &*l.id)).collect();
        match wire::did_you_mean(id, &known) {
            Some(near) => format!("nothing is called {id:?}; did you mean {near:?}?"),
            None => format!("no device and no link of this network is called {id:?}"),
        }
    })
}

/// How the daemon with this configuration would ask.
fn asking(c: &Configuration) -> BTreeMap<String, Asking> {
    let of = |name: &String| {
        let mut asking = Asking::of(name);
        if let Some(a) = c.probe.asking.get(name) {
            asking.interval = a.interval;
            asking.timeout = a.timeout;
            asking.packets = a.packets;
            asking.ask_again = a.ask_again;
        }
        if let Some(rule) = c.settings.checks.get(name) {
            asking.down_of = rule.down_of;
            asking.up_needs = rule.up_needs;
        }
        (name.clone(), asking)
    };
    c.probe.asking.keys().chain(c.settings.checks.keys()).map(of).collect()
}

/// Writes the events down, and says on a terminal how far it is.
struct Watch {
    out: Option<BufWriter<File>>,
    line: Vec<u8>,
    failed: Option<std::io::Error>,
    length: Duration,
    began: Instant,
    told: Option<Instant>,
    talks: bool,
}

impl Watch {
    fn new(plan: &Plan, args: &SimulateArgs, events: Option<&Path>) -> anyhow::Result<Watch> {
        let open = |path: &Path| {
            File::create(path).with_context(|| format!("writing the events to {}", path.display()))
        };
        Ok(Watch {
            out: events.map(open).transpose()?.map(|f| BufWriter::with_capacity(1 << 18, f)),
            line: Vec::with_capacity(512),
            failed: None,
            length: plan.length,
            began: Instant::now(),
            told: None,
            talks: std::io::stderr().is_terminal() && !args.json,
        })
    }

    fn done(mut self) -> anyhow::Result<()> {
        if self.told.is_some() {
            eprint!("\r\x1b[K");
        }
        if let Some(why) = self.failed {
            return Err(why).context("writing the events");
        }
        if let Some(out) = &mut self.out {
            out.flush().context("writing the events")?;
        }
        Ok(())
    }
}

impl Watcher for Watch {
    fn event(&mut self, number: u64, event: &Event<'_>) {
        let Some(out) = self.out.as_mut().filter(|_| self.failed.is_none()) else { return };
        self.line.clear();
        wire::write_event(&mut self.line, Some(number), event);
        self.line.push(b'\n');
        self.failed = out.write_all(&self.line).err();
    }

    fn progress(&mut self, done: Duration) {
        // Whoever waits longer than a moment wants to know for what.
        let due = self.told.map_or(Duration::from_secs(1), |_| Duration::from_millis(200));
        if self.talks && self.told.unwrap_or(self.began).elapsed() >= due {
            self.told = Some(Instant::now());
            let hours = |d: Duration| d.as_secs_f64() / 3600.0;
            eprint!("\r\x1b[Ksimulated {:.1} of {:.0} hours", hours(done), hours(self.length));
        }
    }
}
