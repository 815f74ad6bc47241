//! An explanation as sentences, in Indonesian or English, on the reader's clock.

use super::{Answer, Became, Explanation, Had, Input, Otherwise, Place, Rule, Step, WhyNot};
use model::{AlarmState, Reader, Timestamp, Verdict};
use serde::Serialize;
use std::sync::Arc;

/// An explanation, a sentence each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Said {
    /// What came of it, and why.
    pub because: Vec<String>,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// What they were applied to.
    pub inputs: Vec<String>,
    /// What led to what.
    pub chain: Vec<String>,
    /// What would have made it otherwise.
    pub otherwise: Vec<String>,
}

impl Explanation {
    /// For somebody who reads it.
    pub fn said(&self, r: &Reader) -> Said {
        Said {
            because: self.because(r),
            rules: self.rules.iter().map(|x| rule(x, r)).collect(),
            inputs: self
                .inputs
                .iter()
                .filter(|x| !matches!(x, Input::Samples { samples, .. } if samples.is_empty()))
                .map(|x| input(x, r))
                .collect(),
            chain: self.chain.iter().map(|x| step(x, r)).collect(),
            otherwise: self.otherwise.iter().map(|x| otherwise(x, r)).collect(),
        }
    }

    fn because(&self, r: &Reader) -> Vec<String> {
        match &self.answer {
            Answer::Event { event, target, verdict, reason, .. } => {
                let about = target.as_deref().map_or(String::new(), |t| format!(" · {t}"));
                let number = r.say("Kejadian", "Event");
                vec![format!("{number} {event}{about}: {verdict}: {}.", r.sentence(reason))]
            }
            Answer::Target { target, why, last_seen } => {
                let mut said = vec![format!("{target}: {}", why_not(why, r))];
                if let Some(at) = last_seen {
                    let heard = r.say("Terakhir menjawab", "It answered last at");
                    said.push(format!("{heard} {}.", r.time(*at)));
                }
                said
            }
        }
    }
}

fn list(ids: &[Arc<str>], r: &Reader) -> String {
    let shown: Vec<&str> = ids.iter().take(super::LISTED).map(|s| &**s).collect();
    match ids.len().saturating_sub(super::LISTED) {
        0 => shown.join(", "),
        more => {
            format!(
                "{}, {} {more} {}",
                shown.join(", "),
                r.say("dan", "and"),
                r.say("lagi", "more")
            )
        }
    }
}

fn number(v: f64) -> String {
    let text = format!("{v:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn why_not(why: &WhyNot, r: &Reader) -> String {
    let id = r.language == model::settings::Language::Id;
    match why {
        WhyNot::Was { incident, root } => {
            let root = r.either(root);
            if id {
                format!("ada insiden, yaitu {incident} ({root}).")
            } else {
                format!("there was an incident: {incident} ({root}).")
            }
        }
        WhyNot::NotInInventory { closest } => {
            let mut s = r
                .say(
                    "tidak ada di inventaris, jadi tidak ada yang menanyainya.",
                    "it is not in the inventory, so nobody asks it.",
                )
                .to_owned();
            if let Some(c) = closest {
                s.extend([" ", r.say("Maksudnya", "Did you mean"), " ", c, "?"]);
            }
            s
        }
        WhyNot::Passive => r
            .say(
                "perangkat pasif: tidak ada yang bisa ditanyakan kepadanya.",
                "it is passive: there is nothing to ask it.",
            )
            .to_owned(),
        WhyNot::Whole { kind, failing, of } => {
            let what = match *kind {
                "site" => r.say("sebuah situs", "a site"),
                "link" => r.say("sebuah jalur", "a link"),
                _ => r.say("sebuah layanan", "a service"),
            };
            match (failing.is_empty(), id) {
                (true, true) => format!("{what}; tidak ada dari {of} bagiannya yang gagal."),
                (true, false) => format!("{what}; none of its {of} parts fails."),
                (false, true) => format!("{what}; gagal: {} (dari {of}).", list(failing, r)),
                (false, false) => format!("{what}; failing: {} (of {of}).", list(failing, r)),
            }
        }
        WhyNot::NeverAsked => r
            .say(
                "belum pernah ditanya; tidak diketahui hidup atau mati.",
                "it was never asked, so it is neither up nor down.",
            )
            .to_owned(),
        WhyNot::Healthy => r.say("sehat: ia menjawab.", "healthy: it answers.").to_owned(),
        WhyNot::NotConfirmed { check, since } => {
            let since = r.time(*since);
            if id {
                format!("belum dipastikan: {check} mulai gagal {since}.")
            } else {
                format!("never confirmed: {check} began to fail at {since}.")
            }
        }
        WhyNot::Held { since, waiting_for, until } => {
            let (since, until) = (r.time(*since), r.time(*until));
            let who = if waiting_for.is_empty() {
                r.say("perangkat di depannya", "what stands before it").to_owned()
            } else {
                list(waiting_for, r)
            };
            if id {
                format!(
                    "gagal dan dipastikan {since}, tetapi ditahan: menunggu {who}, paling lama sampai {until}."
                )
            } else {
                format!(
                    "confirmed at {since} and held: waiting for {who}, until {until} at the latest."
                )
            }
        }
        WhyNot::Covered { window, silence, until } => {
            let word = match (silence, id) {
                (true, true) => "senyap",
                (true, false) => "silence",
                (false, true) => "pemeliharaan",
                (false, false) => "maintenance",
            };
            let until = r.time(*until);
            if id {
                format!("gagal, tetapi tercakup {word} {window} sampai {until}.")
            } else {
                format!("it failed, and {word} {window} covered it until {until}.")
            }
        }
        WhyNot::Suppressed { incident, root } => {
            let root = r.either(root);
            if id {
                format!("gagal, tetapi dijelaskan oleh {root} (insiden {incident}).")
            } else {
                format!("it failed, and {root} explains it (incident {incident}).")
            }
        }
        WhyNot::BelowLevel => r
            .say(
                "nilainya lebih buruk daripada baik, tetapi di bawah ambang.",
                "a value was worse than good, but below its level.",
            )
            .to_owned(),
        WhyNot::CannotAsk => r
            .say(
                "tidak dapat ditanya atau jawabannya tidak terbaca; itu bukan bukti mati.",
                "it could not be asked, or its answer not be read; that is no evidence of failure.",
            )
            .to_owned(),
        WhyNot::AdminDown => r
            .say("port dimatikan dengan sengaja.", "the port is switched off on purpose.")
            .to_owned(),
        WhyNot::Unlinked => r
            .say(
                "port tanpa jalur di inventaris: hanya dicatat.",
                "a port where no link of the inventory ends: only noted.",
            )
            .to_owned(),
    }
}

fn rule(rule: &Rule, r: &Reader) -> String {
    let id = r.language == model::settings::Language::Id;
    match rule {
        Rule::Samples { check, needs, of, up } if id => format!(
            "{check}: gagal bila {needs} dari {of} sampel terakhir buruk; pulih sesudah {up} jawaban baik berturut-turut."
        ),
        Rule::Samples { check, needs, of, up } => format!(
            "{check}: failed when {needs} of the last {of} samples are bad; over after {up} good in a row."
        ),
        Rule::Level { name, raise, clear, over } => {
            let over = match (over.is_zero(), id) {
                (true, _) => String::new(),
                (false, true) => format!(" rata-rata {}", r.duration(*over)),
                (false, false) => format!(" on the mean of {}", r.duration(*over)),
            };
            let (raise, clear) = (number(*raise), number(*clear));
            if id {
                format!("{name}: alarm pada {raise}{over}, pulih pada {clear}.")
            } else {
                format!("{name}: raised at {raise}{over}, cleared at {clear}.")
            }
        }
        Rule::Hold { at_most } => {
            let d = r.duration(*at_most);
            if id {
                format!("Alarm pasti ditahan sampai semua yang mungkin menjelaskannya terdengar, paling lama {d}.")
            } else {
                format!("A confirmed alarm is held until whatever may explain it has been heard, at most {d}.")
            }
        }
        Rule::Frontier => r
            .say(
                "Satu insiden untuk tiap perangkat mati yang punya tetangga yang menjawab; semua di belakangnya dijelaskan olehnya.",
                "One incident for each unreachable device beside one that answers; everything behind it is explained by it.",
            )
            .to_owned(),
        Rule::Window => r
            .say(
                "Yang tercakup jendela ditahan sampai jendela berakhir, lalu diperiksa lagi.",
                "What a window covers is held until the window ends, and looked at again then.",
            )
            .to_owned(),
        Rule::Flapping { start, end, window } => {
            let d = r.duration(*window);
            if id {
                format!("{start} perubahan pasti dalam {d} adalah flapping; {end} atau kurang mengakhirinya.")
            } else {
                format!("{start} confirmed changes within {d} are flapping; {end} or fewer end it.")
            }
        }
        Rule::Signal => r
            .say(
                "Sinyal berlaku sampai sumbernya mengatakan selesai.",
                "A signal stands until its source says that it is over.",
            )
            .to_owned(),
        Rule::Order => r
            .say(
                "Yang lebih tua daripada yang diketahui, atau sudah diketahui, tidak mengubah apa-apa.",
                "What is older than what is known, or known already, changes nothing.",
            )
            .to_owned(),
        Rule::Inventory => r
            .say("Hanya isi inventaris yang dipantau.", "Only what the inventory has is watched.")
            .to_owned(),
        Rule::AdminDown => r
            .say(
                "Port yang dimatikan dengan sengaja bukan gangguan.",
                "A port switched off on purpose is no failure.",
            )
            .to_owned(),
        Rule::CannotAsk => r
            .say(
                "Diam dan tidak-dapat-ditanya tidak pernah disamakan.",
                "Silent and could-not-ask are never confused.",
            )
            .to_owned(),
        Rule::Unlinked => r
            .say(
                "Port tanpa jalur di inventaris hanya dicatat.",
                "A port where no link of the inventory ends is only noted.",
            )
            .to_owned(),
        Rule::People => r
            .say(
                "Tindakan orang dan sistem tiket mengubah pengerjaan, bukan keadaannya.",
                "What people and desks do changes the work, never the condition.",
            )
            .to_owned(),
        Rule::Clock => r
            .say(
                "Pengatur waktu yang jatuh tempo berjalan sebelum kejadiannya.",
                "Timers that are due fire before the event.",
            )
            .to_owned(),
    }
}

fn state(state: AlarmState, r: &Reader) -> &'static str {
    let (id, en) = match state {
        AlarmState::Ok => ("menjawab", "answers"),
        AlarmState::Suspect => ("dicurigai", "suspect"),
        AlarmState::Held => ("gagal, ditahan", "failed, held"),
        AlarmState::Raised => ("gagal", "failed"),
        AlarmState::Clearing => ("mulai pulih", "clearing"),
        AlarmState::Flapping => ("naik-turun", "flapping"),
        AlarmState::Unknown => ("belum diketahui", "not known"),
    };
    r.say(id, en)
}

fn last_seen(at: Option<Timestamp>, r: &Reader) -> String {
    match at {
        Some(at) => format!(" ({} {})", r.say("terakhir menjawab", "last answered"), r.clock(at)),
        None => String::new(),
    }
}

fn input(input: &Input, r: &Reader) -> String {
    match input {
        Input::Samples { target, check, samples } => {
            let marks: String = samples.chars().map(|c| if c == 'x' { '✕' } else { '·' }).collect();
            let newest = r.say("terbaru di kanan", "the newest on the right");
            format!("{target} · {check}: {marks} ({newest})")
        }
        Input::Value { name, value, mean } if (value - mean).abs() < 1e-9 => {
            format!("{name}: {}", number(*value))
        }
        Input::Value { name, value, mean } => format!(
            "{name}: {} {}, {} {}",
            r.say("sampel", "sample"),
            number(*value),
            r.say("rata-rata", "mean"),
            number(*mean)
        ),
        Input::Beside { target, state: s, last_seen: at } => {
            let beside = r.say("di sebelahnya", "beside it");
            format!("{beside}: {target} {}{}", state(*s, r), last_seen(*at, r))
        }
        Input::Waiting { targets } => {
            format!("{} {}", r.say("menunggu", "waiting for"), list(targets, r))
        }
        Input::Window { id, owner, reason, end } => format!(
            "{} {id} ({owner}: {reason}) {} {}",
            r.say("jendela", "window"),
            r.say("sampai", "until"),
            r.time(*end)
        ),
        Input::Changes { n } => {
            format!("{n} {}", r.say("perubahan pasti belakangan ini", "confirmed changes lately"))
        }
    }
}

fn step(step: &Step, r: &Reader) -> String {
    match step {
        Step::Happened { what, by, target, check, more } => {
            happened(what, by, target, check, more, r)
        }
        Step::Alarm { target, check, state: s, was, reason } => {
            format!(
                "{target} · {check}: {} → {}; {}",
                state(*was, r),
                state(*s, r),
                r.sentence(reason)
            )
        }
        Step::Incident { id, change, priority, root, reason } => {
            let word = match change {
                model::Change::Opened => r.say("dibuka", "opened"),
                model::Change::Updated => r.say("berubah", "changed"),
                model::Change::Rerooted => r.say("berganti akar", "has another root"),
                model::Change::Merged => r.say("digabung", "merged"),
                model::Change::Split => r.say("dipisah", "split off"),
                model::Change::Acknowledged => r.say("diakui", "acknowledged"),
                model::Change::Assigned => r.say("ditugaskan", "assigned"),
                model::Change::OnHold => r.say("menunggu", "on hold"),
                model::Change::Recovered => r.say("pulih", "recovered"),
                model::Change::Reopened => r.say("dibuka lagi", "reopened"),
                model::Change::Resolved => r.say("selesai", "resolved"),
                model::Change::Closed => r.say("ditutup", "closed"),
            };
            format!(
                "{} {id} {word}: {priority} {}; {}",
                r.say("insiden", "incident"),
                r.either(root),
                r.sentence(reason)
            )
        }
        Step::Told { op, title } => {
            let word = match op {
                model::IntentOp::Create => r.say("tiket diminta", "a ticket is asked for"),
                model::IntentOp::Note => r.say("catatan untuk tiket", "a note for the ticket"),
                model::IntentOp::Reprioritise => r.say("prioritas tiket", "the ticket's priority"),
                model::IntentOp::Resolve => r.say("tiket diselesaikan", "the ticket is resolved"),
                model::IntentOp::Reopen => r.say("tiket dibuka lagi", "the ticket is reopened"),
                model::IntentOp::Merge => r.say("tiket digabung", "the ticket is merged"),
                model::IntentOp::Notify => r.say("orang diberi tahu", "people are told"),
            };
            format!("{word}: {title}")
        }
        Step::Path { devices } => {
            let devices: Vec<&str> = devices.iter().map(|d| &**d).collect();
            format!("{}: {}", r.say("jalannya", "the way there"), devices.join(" → "))
        }
    }
}

fn happened(what: &str, by: &str, target: &str, check: &str, more: &str, r: &Reader) -> String {
    let more = if more.is_empty() { String::new() } else { format!(" ({more})") };
    match what {
        "reply" => format!("{by}: {target} {} {check}{more}", r.say("menjawab", "answered")),
        "no-reply" => {
            format!("{by}: {target} {} {check}", r.say("tidak menjawab", "did not answer"))
        }
        "failed" => format!(
            "{by}: {target} {} {check}{more}",
            r.say("tidak dapat ditanya", "could not be asked")
        ),
        "problem" => format!("{by}: {} {check} {target}{more}", r.say("masalah", "problem")),
        "ok" => format!("{by}: {} {check}", r.say("selesai", "over")),
        "command" => format!("{by} {}", r.say("meminta sesuatu", "asked for something")),
        "desk" => format!("{} {by}: {target}", r.say("kabar dari", "news from")),
        "config" => {
            format!("{}{more}", r.say("konfigurasi berlaku", "a configuration took effect"))
        }
        "gap" => r.say("jeda: tidak ada yang dipantau", "a gap: nothing was watched").to_owned(),
        _ => r.say("waktu berlalu", "time passed").to_owned(),
    }
}

fn otherwise(o: &Otherwise, r: &Reader) -> String {
    format!("{}: {}.", had(&o.had, r), became(&o.became, r))
}

fn had(had: &Had, r: &Reader) -> String {
    let id = r.language == model::settings::Language::Id;
    match had {
        Had::Answered { target } if id => format!("Jika {target} menjawab"),
        Had::Answered { target } => format!("Had {target} answered"),
        Had::Silent { target } if id => format!("Jika {target} tidak menjawab"),
        Had::Silent { target } => format!("Had {target} not answered"),
        Had::More { samples, good } => match (id, good) {
            (true, true) => format!("Sesudah {samples} jawaban baik lagi"),
            (true, false) => format!("Sesudah {samples} sampel buruk lagi"),
            (false, true) => format!("After {samples} more good {}", plural("answer", *samples)),
            (false, false) => format!("After {samples} more bad {}", plural("sample", *samples)),
        },
        Had::OtherAnswered { target } if id => format!("Jika {target} menjawab"),
        Had::OtherAnswered { target } => format!("Had {target} answered"),
        Had::OtherSilent { target } if id => format!("Jika {target} juga tidak menjawab"),
        Had::OtherSilent { target } => format!("Had {target} been silent as well"),
        Had::Heard { targets, after } => {
            let after = r.clock(*after);
            let who = if targets.is_empty() {
                r.say("semua di sekitarnya", "everybody around it").to_owned()
            } else {
                list(targets, r)
            };
            if id {
                format!("Begitu {who} terdengar menjawab sesudah {after}")
            } else {
                format!("Once {who} had been heard to answer after {after}")
            }
        }
        Had::Value { name, bound, was, .. } => {
            let sign = if bound >= was { "≥" } else { "≤" };
            bound_of(name, sign, *bound, *was, r)
        }
        Had::Mean { name, bound, was, .. } => {
            // A mean at the level itself counts as on its upper side.
            let sign = if bound >= was { "≥" } else { "<" };
            let mean = if id { format!("rata-rata {name}") } else { format!("the mean of {name}") };
            bound_of(&mean, sign, *bound, *was, r)
        }
        Had::NotCovered { window } if id => format!("Tanpa jendela {window}"),
        Had::NotCovered { window } => format!("Without window {window}"),
        Had::Covered { root } => {
            let root = r.either(root);
            if id {
                format!("Jika pemeliharaan mencakup {root}")
            } else {
                format!("Had maintenance covered {root}")
            }
        }
        Had::Called { target } if id => format!("Jika yang dimaksud {target}"),
        Had::Called { target } => format!("Had it been about {target}"),
        Had::AdminUp => {
            r.say("Jika port itu tidak dimatikan", "Had the port not been switched off").to_owned()
        }
        Had::FewerChanges { at_most, were } if id => {
            format!("Jika hanya {at_most} perubahan (nyatanya {were})")
        }
        Had::FewerChanges { at_most, were } => {
            format!("Had it changed at most {at_most} times (it did {were} times)")
        }
        Had::InTime => r.say("Jika datang tepat waktu", "Had it come in time").to_owned(),
        Had::New => r.say("Jika itu hal baru", "Had it been something new").to_owned(),
    }
}

fn plural(word: &str, n: usize) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

fn bound_of(name: &str, sign: &str, bound: f64, was: f64, r: &Reader) -> String {
    let unit = if name.contains("_pct") { " %" } else { "" };
    let (bound, was) = (number(bound), number(was));
    if r.language == model::settings::Language::Id {
        format!("Jika {name} {sign} {bound}{unit} (nyatanya {was}{unit})")
    } else {
        format!("Had {name} been {sign} {bound}{unit} (it was {was}{unit})")
    }
}

fn became(became: &Became, r: &Reader) -> String {
    let id = r.language == model::settings::Language::Id;
    match became {
        Became::Verdict { verdict } => {
            let (indonesian, english) = verdict_then(*verdict);
            format!("{} ({verdict})", r.say(indonesian, english))
        }
        Became::Placed { place } => match place {
            Place::Nowhere => {
                r.say("tidak ada insiden karenanya", "there would be no incident for it").to_owned()
            }
            Place::Held => r.say("akan ditahan", "it would be held").to_owned(),
            Place::Covered { window } if id => format!("akan tercakup jendela {window}"),
            Place::Covered { window } => format!("window {window} would cover it"),
            Place::Own { root } if id => format!("akan ada insiden {}", r.either(root)),
            Place::Own { root } => {
                format!("there would be an incident about {}", r.either(root))
            }
            Place::Under { root } if id => format!("akan dijelaskan oleh {}", r.either(root)),
            Place::Under { root } => format!("{} would explain it", r.either(root)),
        },
    }
}

fn verdict_then(v: Verdict) -> (&'static str, &'static str) {
    match v {
        Verdict::Normal => ("tidak ada yang gagal", "nothing would fail"),
        Verdict::Suspect => ("baru dicurigai", "it would only be suspect"),
        Verdict::Held => {
            ("sudah dipastikan, lalu ditahan", "it would be confirmed, and held for evidence")
        }
        Verdict::Opened => ("akan membuka insiden", "it would have opened an incident"),
        Verdict::Joined => ("akan menjadi bukti insiden", "it would be evidence of an incident"),
        Verdict::SuppressedByRoot => {
            ("akan dijelaskan oleh yang lebih dekat", "something nearer would explain it")
        }
        Verdict::Updated => ("akan mengubah keterangannya", "it would have changed something"),
        Verdict::Clearing => ("akan mulai pulih", "it would begin to clear"),
        Verdict::Recovered => ("akan pulih", "it would be over"),
        Verdict::Flapping => ("akan dianggap naik-turun", "it would count as flapping"),
        Verdict::BelowThreshold => ("masih di bawah ambang", "it would be below the level"),
        Verdict::InMaintenance => ("akan tercakup pemeliharaan", "maintenance would cover it"),
        Verdict::Silenced => ("akan disenyapkan", "it would be silenced"),
        Verdict::Unknown => ("tidak akan diketahui", "it would be unknown"),
        Verdict::Duplicate => ("akan menjadi pengulangan", "it would be a repetition"),
        Verdict::Late => ("akan terlambat", "it would be late"),
        Verdict::UnmatchedTarget => ("tidak dikenal inventaris", "nothing would be called that"),
        Verdict::AdminDown => ("dimatikan dengan sengaja", "it would be switched off on purpose"),
        Verdict::Command | Verdict::Desk | Verdict::Config | Verdict::Gap | Verdict::Time => {
            ("tidak berpengaruh", "it would make no difference")
        }
    }
}
