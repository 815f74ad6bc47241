//! What people read on a ticket and in a message: in Indonesian or English and on their clock,
//! short lines first, lists last. The record of decisions is always English; this is not the record.

use crate::Correlator;
use crate::state::{Cause, Incident, Override};
use model::{IncidentId, Priority, Reader};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Lists on a ticket end after this many entries, with how many more there are.
const LISTED: usize = 50;

/// What there is to tell of an incident.
#[derive(Debug, Clone)]
pub(crate) enum Telling {
    Opened,
    Reopened,
    Recovered,
    Flapping,
    Steady,
    Reprioritised { was: Priority },
    OverrideOver { over: Override },
    Grown { more: Vec<Arc<str>> },
    Storm { new: Vec<Arc<str>>, over: Vec<Arc<str>> },
    Rerooted { before: Vec<Arc<str>> },
    Merged { into: IncidentId },
    Masked { by: Vec<Arc<str>> },
    SeenAgain,
    Acknowledged { by: String },
    Noted { by: String, text: String },
    ResolvedBy { by: String, reason: String },
    Misrouted { by: String, team: Option<String>, reason: String },
}

impl Correlator {
    /// Title and text.
    pub(crate) fn tell(&self, i: &Incident, telling: &Telling) -> (String, String) {
        let reader = &self.settings.reader();
        let say = |indonesian: &'static str, english: &'static str| reader.say(indonesian, english);
        let title = self.title(i, reader);
        let text = match telling {
            Telling::Opened => self.body(i, reader),
            Telling::Reopened => format!(
                "{}\n\n{}",
                say("Gangguan yang sama muncul lagi.", "The same failure is back."),
                self.body(i, reader)
            ),
            Telling::Recovered if i.removed => say(
                "Dihapus dari inventaris; tidak diawasi lagi.",
                "It was removed from the inventory, and is watched no more.",
            )
            .to_owned(),
            Telling::Recovered => self.all_clear(i, reader),
            Telling::Flapping => format!(
                "{} {}. {}",
                say(
                    "Naik-turun (flapping): berubah terlalu sering untuk dikabarkan setiap kali, sejak",
                    "It keeps going down and coming back, too often to be told each time, since"
                ),
                reader.time(i.since),
                say("Keadaan akhirnya tetap dikabarkan.", "You will be told how it ends."),
            ),
            Telling::Steady => format!(
                "{}\n\n{}",
                say(
                    "Tidak naik-turun lagi, dan tetap gagal.",
                    "It does not come back any more, and fails.",
                ),
                self.body(i, reader)
            ),
            Telling::Reprioritised { was } => format!(
                "{} {was} → {}. {}",
                say("Prioritas berubah:", "Priority changed:"),
                i.priority(),
                match &i.wanted {
                    Some(o) => crate::command::with_reason(o.by.clone(), &o.reason),
                    None => reader.sentence(&i.why),
                }
            ),
            Telling::OverrideOver { over } => format!(
                "{} {} ({}) {}. {}",
                say("Prioritas", "The priority"),
                over.priority,
                over.by,
                say("tidak berlaku lagi", "set by hand is over"),
                reader.sentence(&i.why)
            ),
            Telling::Storm { new, over } => {
                let mut text =
                    format!("{}. {}.", reader.sentence(&i.what), reader.sentence(&i.why));
                for (of, name) in [(new, say("Baru", "New")), (over, say("Pulih", "Over"))] {
                    if !of.is_empty() {
                        let _ = write!(text, "\n{name} ({}): {}", of.len(), list(of, reader));
                    }
                }
                text
            }
            Telling::Grown { more } => format!(
                "{} {}",
                say("Kini juga terdampak:", "Now affected as well:"),
                list(more, reader)
            ),
            Telling::Rerooted { before } => format!(
                "{} {} ({} {}).\n\n{}",
                say("Akar masalah kini:", "Root cause now:"),
                reader.either(&i.root),
                say("sebelumnya", "before"),
                reader.either(before),
                self.body(i, reader)
            ),
            Telling::Merged { into } => format!(
                "{} {into}.",
                say(
                    "Ternyata satu penyebab dengan insiden",
                    "It turned out to have one cause with incident"
                )
            ),
            Telling::Masked { by } => format!(
                "{} {}. {}",
                say("Tertutup oleh gangguan yang lebih dekat:", "Hidden by a nearer failure:"),
                reader.either(by),
                say(
                    "Tiket ini tetap terbuka dan diperiksa lagi setelah gangguan itu pulih.",
                    "This ticket stays open and is looked at again when that is over."
                )
            ),
            Telling::SeenAgain => format!(
                "{}\n\n{}",
                say(
                    "Yang menutupinya sudah pulih; gangguan ini sendiri masih ada.",
                    "What hid it is over; this failure itself is still there."
                ),
                self.body(i, reader)
            ),
            Telling::Acknowledged { by } => {
                format!("{} {by}.", say("Diakui oleh", "Acknowledged by"))
            }
            Telling::Noted { by, text } => format!("{by}: {text}"),
            Telling::Misrouted { by, team, reason } => {
                let said = match team {
                    Some(team) => {
                        format!("{} {by}: {team}", say("Salah tim, menurut", "Wrong team, says"))
                    }
                    None => format!("{} {by}", say("Salah tim, menurut", "Wrong team, says")),
                };
                crate::command::with_reason(said, reason)
            }
            Telling::ResolvedBy { by, reason } => format!(
                "{} {by}: {reason}\n{}: {}",
                say("Diselesaikan oleh", "Resolved by"),
                say("Lama sejak tanda pertama", "Since the first sign"),
                reader.duration(Duration::from_secs(self.state.now.since(i.since).as_secs()))
            ),
        };
        (title, text)
    }

    fn title(&self, i: &Incident, reader: &Reader) -> String {
        let say = |indonesian: &'static str, english: &'static str| reader.say(indonesian, english);
        let root = reader.either(&i.root);
        let what = match i.cause {
            // What is seen to be silent itself needs no other proof.
            _ if i.shared.is_some() && self.seen_itself(i) => {
                format!("{root} {}", say("tidak terjangkau", "does not answer"))
            }
            _ if i.shared.is_some() => format!(
                "{root}: {}",
                say("semua yang membutuhkannya gagal", "all that needs it fails")
            ),
            Cause::Other(_) => reader.sentence(&i.what),
            Cause::Storm(_) => say(
                "Badai alarm: insiden P3 disajikan bersama",
                "Storm of alarms: P3 incidents are presented together",
            )
            .to_owned(),
            Cause::Blind(p) => {
                let probe = self.state.probes.name(p);
                let behind: Vec<&str> =
                    i.root.iter().map(|r| &**r).filter(|r| *r != &**probe).collect();
                format!(
                    "{probe} {} {}",
                    say("buta di belakang", "is blind behind"),
                    behind.join(", ")
                )
            }
            Cause::Link(_) => {
                format!("{} {root} {}", say("Jalur", "Link"), say("putus", "is down"))
            }
            Cause::Device(_) if i.outage => {
                format!("{root} {}", say("tidak terjangkau", "does not answer"))
            }
            Cause::Device(_) => format!("{root}: {}", reader.sentence(&i.what)),
        };
        // What has a ticket is P3 there at least.
        let shown = if i.ticketed { i.priority().min(Priority::P3) } else { i.priority() };
        let mut title = format!("[{shown}] {what}");
        if i.affected.devices.len() > 1 {
            let _ = write!(
                title,
                " ({}, {} {}",
                i.scope,
                i.affected.devices.len(),
                say("perangkat", "devices")
            );
            if !i.affected.sites.is_empty() {
                let _ = write!(title, ", {} {}", i.affected.sites.len(), say("situs", "sites"));
            }
            title.push(')');
        }
        title.chars().take(200).collect()
    }

    /// How it ended, how long it lasted, and what shows it.
    fn all_clear(&self, i: &Incident, reader: &Reader) -> String {
        let say = |indonesian: &'static str, english: &'static str| reader.say(indonesian, english);
        let f = self.facts_of(i, reader);
        let mut out = format!(
            "{} {} {}\n{}: {}",
            say(
                "Pulih. Tidak ada lagi yang gagal. Lama gangguan:",
                "Restored. Nothing of it fails any more. It lasted"
            ),
            f.lasted,
            say("(sejak tanda pertama).", "(since the first sign)."),
            say("Akar masalah", "Root cause"),
            reader.either(&i.root),
        );
        let _ = write!(out, "\n{}: {}", say("Sejak", "Since"), f.since);
        if let Some(end) = i.recovered_at {
            let _ = write!(out, " – {}", reader.time(end));
        }
        if !f.evidence.is_empty() {
            let _ = write!(out, "\n{}: {}", say("Bukti", "Evidence"), f.evidence.join("; "));
        }
        out
    }

    fn body(&self, i: &Incident, reader: &Reader) -> String {
        let say = |indonesian: &'static str, english: &'static str| reader.say(indonesian, english);
        let f = self.facts_of(i, reader);
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(out, "{name}: {value}");
            }
        };
        line(say("Insiden", "Incident"), &f.incident);
        line(say("Akar masalah", "Root cause"), &reader.either(&i.root));
        line(say("Apa", "What"), &f.what);
        line(say("Di mana", "Where"), &joined(f.places.iter().map(place)));
        line(say("Sejak", "Since"), &f.since);
        line(say("Terlihat", "How it was seen"), &f.seen);
        line(say("Prioritas", "Priority"), &f.why);
        let services: Vec<Arc<str>> = f.services.iter().map(|s| s.both().into()).collect();
        line(say("Layanan terdampak", "Services affected"), &counted(&services, reader));
        if f.users > 0 {
            let name = say("Pengguna di situs yang terputus", "Users at sites cut off");
            line(name, &f.users.to_string());
        }
        let sites: Vec<Arc<str>> = f.sites.iter().map(|s| s.both().into()).collect();
        line(say("Situs terdampak", "Sites affected"), &counted(&sites, reader));
        let devices = &i.affected.devices;
        line(say("Perangkat terdampak", "Devices affected"), &counted(devices, reader));
        let near = f.neighbours.iter().map(|n| format!("{} {}", n.id, n.said));
        line(say("Tetangga", "Neighbours"), &joined(near));
        line(say("Jendela pemeliharaan", "Maintenance window"), &f.outlasted);
        line(say("Perubahan", "Change"), &f.change);
        line(
            say("Pemeliharaan di sekitar", "Maintenance nearby"),
            &joined(f.maintenance.iter().cloned()),
        );
        line(
            say("Insiden sebelumnya dengan akar yang sama", "Earlier incident of the same root"),
            &f.recurrence_of,
        );
        for s in &f.similar {
            let fix = match s.fix.as_str() {
                "" => say("tanpa catatan perbaikan", "no word on the fix"),
                fix => fix,
            };
            let past = format!("{} ({}, {}) — {fix}", s.id, s.since, s.lasted);
            line(say("Pernah terjadi", "Happened before"), &past);
        }
        line(say("Tim", "Team"), &f.team);
        line(say("Panduan", "Runbook"), &f.runbook);
        line(say("Tautan", "Link"), &f.link);
        out.trim_end().to_owned()
    }
}

/// Where a device stands: `semarang/core-sw1 (switch, 10.20.0.1), Kota Semarang (semarang)`.
fn place(p: &model::facts::Place) -> String {
    let about: Vec<&str> =
        [p.class.as_str(), p.address.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
    let mut out = p.device.clone();
    if !about.is_empty() {
        let _ = write!(out, " ({})", about.join(", "));
    }
    if !p.site.id.is_empty() {
        let _ = write!(out, ", {}", p.site.both());
    }
    out
}

fn joined(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join("; ")
}

/// How many, then which.
fn counted(ids: &[Arc<str>], reader: &Reader) -> String {
    if ids.is_empty() { String::new() } else { format!("{} — {}", ids.len(), list(ids, reader)) }
}

/// How urgent it is, and why; said once where both are one sentence.
pub(crate) fn priority(i: &Incident, reader: &Reader) -> String {
    let (shown, why) = (i.priority(), reader.sentence(&i.why_this_priority()));
    match &i.wanted {
        None if why.contains(&format!("= {shown}")) || why.starts_with(shown.word()) => why,
        _ => format!("{shown} — {why}"),
    }
}

fn list(ids: &[Arc<str>], reader: &Reader) -> String {
    let shown: Vec<&str> = ids.iter().take(LISTED).map(|s| &**s).collect();
    match ids.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!(
            "{}, {} {more} {}",
            shown.join(", "),
            reader.say("dan", "and"),
            reader.say("lagi", "more")
        ),
    }
}
