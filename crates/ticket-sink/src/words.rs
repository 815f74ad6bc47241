//! The words of a ticket by a person's templates, one folder a desk: read and tried at the start, so
//! that a mistake is told with its file and line before something happens, and not at night.
//!
//! Whatever a template does later, a ticket is never lost for it: what cannot be rendered is said in
//! the built-in words.

use delivery::Wording;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use model::facts::{Facts, Named, Neighbour, Place, Similar};
use model::{Intent, IntentOp};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The files of a folder, each with what it makes.
const FILES: &[(&str, &str)] = &[
    ("title.txt", "the title of a ticket"),
    ("body.txt", "the text of a new ticket"),
    ("note.txt", "a note about a change"),
    ("resolved.txt", "the note when it is over"),
];
/// The steps one rendering may take; a body with all lists in loops takes some thousands.
const FUEL: u64 = 200_000;
/// The largest template, in bytes.
const FILE_MAX: u64 = 64 << 10;
/// The longest text that a template may make, in characters; the rest is cut off.
const TEXT_MAX_CHARS: usize = 20_000;

/// The templates of one desk.
pub struct Words {
    folder: PathBuf,
    environment: Environment<'static>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Words").field(&self.folder).finish()
    }
}

impl Words {
    /// Reads the templates of a folder and renders each of them for made-up incidents: one that has
    /// everything to tell, and one that has hardly anything.
    ///
    /// # Errors
    /// Everything that is wrong, each with file, line and what to do.
    pub fn load(folder: &Path) -> Result<Words, Vec<String>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        // A line with nothing but a tag leaves no empty line behind.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        let mut words = Words { folder: folder.to_owned(), environment };
        let mut problems = words.read();
        if problems.is_empty() {
            problems = words.tried();
        }
        if problems.is_empty() { Ok(words) } else { Err(problems) }
    }

    fn read(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        let shown = self.folder.display().to_string();
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                return vec![format!(
                    "cannot read the folder {shown}: {error}; make it, with {}",
                    known()
                )];
            }
        };
        let mut names: Vec<String> = entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter(|n| !n.starts_with('.') && !n.ends_with('~'))
            .collect();
        names.sort();
        if !names.iter().any(|n| FILES.iter().any(|(f, _)| f == n)) {
            problems.push(format!("{shown} has no template; it may have {}", known()));
        }
        for name in names {
            let path = self.folder.join(&name);
            if !FILES.iter().any(|(f, _)| *f == name) {
                problems.push(format!(
                    "{}: nothing uses a file of this name; there may be {}",
                    path.display(),
                    known()
                ));
                continue;
            }
            let text = match std::fs::metadata(&path) {
                Ok(m) if m.len() > FILE_MAX => {
                    problems.push(format!("{}: is larger than 64 KiB", path.display()));
                    continue;
                }
                _ => std::fs::read_to_string(&path),
            };
            match text {
                Ok(text) => {
                    if let Err(error) = self.environment.add_template_owned(name, text) {
                        problems.push(self.problem(&error));
                    }
                }
                Err(error) => problems.push(format!("{}: cannot be read: {error}", path.display())),
            }
        }
        problems
    }

    /// Renders everything for made-up incidents.
    fn tried(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (facts, what) in [(sample(), ""), (bare(), " for an incident that has little to tell")]
        {
            for op in [IntentOp::Create, IntentOp::Note, IntentOp::Resolve] {
                let intent = sample_intent(op, &facts);
                for (name, _) in FILES {
                    if let Some(rendered) = self.render_one(name, &context(&intent, &facts)) {
                        match rendered {
                            Err(error) => problems.push(format!("{}{what}", self.problem(&error))),
                            Ok(text) if text.trim().is_empty() => problems.push(format!(
                                "{}: makes an empty text{what}; write at least {{{{ {} }}}}",
                                self.folder.join(name).display(),
                                if *name == "title.txt" { "title" } else { "text" }
                            )),
                            Ok(_) => {}
                        }
                    }
                }
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        problems.retain(|p| seen.insert(p.clone()));
        problems
    }

    /// The words of an intent for this desk. What has no template is said as it is built in.
    ///
    /// # Errors
    /// What a template could not do for this incident; the words are the built-in ones then.
    pub fn of(&self, intent: &Intent, facts: &Facts) -> (Wording, Option<String>) {
        let context = context(intent, facts);
        let mut wrong = None;
        let mut render = |names: &[&str], built_in: &str| {
            let rendered = names.iter().find_map(|name| self.render_one(name, &context));
            match rendered {
                Some(Ok(text)) if !text.trim().is_empty() => {
                    text.trim_end().chars().take(TEXT_MAX_CHARS).collect()
                }
                Some(Err(error)) => {
                    wrong = Some(self.problem(&error));
                    built_in.to_owned()
                }
                Some(Ok(_)) | None => built_in.to_owned(),
            }
        };
        let title = render(&["title.txt"], &intent.title);
        let text = match intent.op {
            IntentOp::Create => render(&["body.txt"], &intent.text),
            IntentOp::Resolve => render(&["resolved.txt", "note.txt"], &intent.text),
            _ => render(&["note.txt"], &intent.text),
        };
        (Wording { title, text }, wrong)
    }

    fn render_one(
        &self,
        name: &str,
        context: &BTreeMap<String, Value>,
    ) -> Option<Result<String, minijinja::Error>> {
        let template = self.environment.get_template(name).ok()?;
        Some(template.render(Value::from(context.clone())))
    }

    /// File, line, what is wrong, and what to do.
    fn problem(&self, error: &minijinja::Error) -> String {
        let file = self.folder.join(error.name().unwrap_or("?"));
        let line = error.line().map_or_else(String::new, |l| format!(":{l}"));
        let detail = error.detail().map_or_else(String::new, |d| format!(": {d}"));
        let help = match error.kind() {
            minijinja::ErrorKind::UndefinedError => format!(
                "; there are title, text, op, {}; ask for what a list may not have with {{% if %}} or {{% for %}}",
                names_of(&sample()).join(", ")
            ),
            minijinja::ErrorKind::OutOfFuel => "; it loops for too long".to_owned(),
            _ => "; correct the line, or remove the file to have the built-in words".to_owned(),
        };
        format!("{}{line}: {}{detail}{help}", file.display(), error.kind())
    }
}

/// What the templates may ask for.
fn context(intent: &Intent, facts: &Facts) -> BTreeMap<String, Value> {
    let mut context = BTreeMap::new();
    // A struct of plain values is a map of them.
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(facts) {
        context.extend(fields.into_iter().map(|(k, v)| (k, Value::from(Serde(v)))));
    }
    let mut add = |key: &str, value: &str| context.insert(key.to_owned(), Value::from(value));
    add("title", &intent.title);
    add("text", &intent.text);
    add("op", intent.op.word());
    add("priority", intent.priority.word());
    context
}

fn known() -> String {
    FILES.iter().map(|(f, what)| format!("{f} ({what})")).collect::<Vec<_>>().join(", ")
}

fn names_of(facts: &Facts) -> Vec<String> {
    match serde_json::to_value(facts) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(k, _)| k).collect(),
        _ => Vec::new(),
    }
}

fn sample_intent(op: IntentOp, facts: &Facts) -> Intent {
    let at = model::Timestamp::from_millis(1_795_478_400_000);
    Intent {
        at,
        id: format!("{}.1", facts.incident),
        incident: model::IncidentId::from_text(&facts.incident),
        op,
        revision: 1,
        priority: model::Priority::P1,
        title: "[P1] semarang/core-sw1 tidak terjangkau (masif, 3 perangkat, 1 situs)".into(),
        text: "Insiden: k7f3-17".into(),
        into: None,
        event: 1,
        received: at,
    }
}

/// A made-up incident with hardly anything to tell.
fn bare() -> Facts {
    Facts {
        incident: "k7f3-18".into(),
        priority: "P3".into(),
        why: "average = P3".into(),
        scope: "lokal".into(),
        root: vec!["zabbix:41232".into()],
        what: "Link down".into(),
        since: "2026-11-24 09:15:00 WIB".into(),
        lasted: "2 mnt".into(),
        seen: "dilihat oleh zabbix".into(),
        ..Facts::default()
    }
}

/// A made-up incident with everything to tell.
fn sample() -> Facts {
    let named = |id: &str, name: &str| Named { id: id.into(), name: name.into() };
    Facts {
        places: vec![Place {
            device: "semarang/core-sw1".into(),
            class: "switch".into(),
            address: "10.20.0.1".into(),
            site: named("semarang", "Kota Semarang"),
            tags: vec!["tulang-punggung".into()],
        }],
        scope: "masif".into(),
        over: true,
        evidence: vec!["semarang/core-sw1 icmp: baik, 2026-11-24 09:20:00 WIB".into()],
        services: vec![named("samsat", "Samsat Online")],
        sites: vec![named("semarang", "Kota Semarang")],
        devices: vec!["semarang/core-sw1".into(), "semarang/ap1".into()],
        users: 1200,
        neighbours: vec![Neighbour {
            id: "noc/rtr1".into(),
            state: "answers".into(),
            said: "menjawab".into(),
        }],
        similar: vec![Similar {
            id: "k7f3-9".into(),
            since: "2026-11-20 01:00:00 WIB".into(),
            lasted: "1 jam".into(),
            what: "tidak terjangkau".into(),
            fix: "budi: ganti SFP".into(),
        }],
        maintenance: vec!["ganti UPS (pusat data): 2026-11-24 20:00:00 WIB – 21:00:00 WIB".into()],
        outlasted: "chg-7".into(),
        change: "chg-7".into(),
        recurrence_of: "k7f3-9".into(),
        link: "https://noc.example.org/incident/k7f3-17".into(),
        runbook: "https://wiki.example.org/switch".into(),
        ..bare()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn wrong(files: &[(&str, &str)]) -> String {
        Words::load(folder(files).path()).unwrap_err().join("\n")
    }

    #[test]
    fn a_template_has_the_facts_and_the_built_in_words() {
        let body =
            "{{ text }}\n{% for s in services %}\n* {{ s.name }}\n{% endfor %}\nHubungi 1500-xxx";
        let dir = folder(&[("body.txt", body), ("resolved.txt", "Selesai setelah {{ lasted }}.")]);
        let words = Words::load(dir.path()).unwrap();
        let say = |op| words.of(&sample_intent(op, &sample()), &sample());
        let (create, none) = say(IntentOp::Create);
        assert_eq!(none, None);
        assert_eq!(create.text, "Insiden: k7f3-17\n* Samsat Online\nHubungi 1500-xxx");
        assert!(create.title.starts_with("[P1] semarang/core-sw1"));
        assert_eq!(say(IntentOp::Resolve).0.text, "Selesai setelah 2 mnt.");
        // What has no template is said as it is built in.
        assert_eq!(say(IntentOp::Note).0.text, "Insiden: k7f3-17");
    }

    #[test]
    fn what_is_wrong_is_told_at_the_start_with_file_line_and_what_to_do() {
        let said = wrong(&[("body.txt", "a\nb\n{{ titel }}\n")]);
        assert!(said.contains("body.txt:3: undefined value"), "{said}");
        assert!(said.contains("there are title, text, op, "), "{said}");
        let said = wrong(&[("note.txt", "a\n{% if %}\n")]);
        assert!(said.contains("note.txt:2: syntax error"), "{said}");
        // What only some incidents have.
        let said = wrong(&[("body.txt", "{{ services[0].name }}")]);
        assert!(said.contains("for an incident that has little to tell"), "{said}");
        let said = wrong(&[("bodi.txt", "x")]);
        assert!(said.contains("nothing uses a file of this name") && said.contains("body.txt"));
        let said = wrong(&[("title.txt", "{% if services %}x{% endif %}")]);
        assert!(said.contains("title.txt: makes an empty text"), "{said}");
        let loops = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(wrong(&[("note.txt", loops)]).contains("it loops for too long"));
        let nowhere = Words::load(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(nowhere[0].contains("cannot read the folder"), "{nowhere:?}");
    }

    #[test]
    fn what_cannot_be_rendered_later_is_said_in_the_built_in_words() {
        let dir = folder(&[("body.txt", "{{ services[users].name if users == 7 else text }}")]);
        let words = Words::load(dir.path()).unwrap();
        let facts = Facts { users: 7, ..sample() };
        let (said, why) = words.of(&sample_intent(IntentOp::Create, &facts), &facts);
        assert_eq!(said.text, "Insiden: k7f3-17");
        assert!(why.unwrap().contains("body.txt:1"));
    }
}
