//! Everything that is wrong with a configuration, at once: for people as a compiler would say it,
//! for programs as a list.

use super::origin::{Origins, Place};
use super::tree::{self, Node};
use annotate_snippets::{AnnotationKind, Group, Level as Mark, Origin, Renderer, Snippet};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;

/// Problems beyond this many are counted, not told: nobody reads more, and a wrong file (a core
/// dump, say) has millions of them.
pub const PROBLEMS_TOLD_MAX: usize = 500;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The daemon will not start with it.
    Error,
    /// It works, but perhaps not as intended.
    Warning,
}

/// One thing that is wrong, as programs read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, or the environment variable as `env:NAME`.
    pub file: String,
    /// The line, from 1; 0 for an environment variable.
    pub line: usize,
    /// The column in characters, from 1; 0 for an environment variable.
    pub column: usize,
    /// The key, from the top of its file: `http.listen`, `device[3].site`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// How bad it is.
    pub level: Level,
    #[serde(skip)]
    place: Place,
}

/// All problems of a configuration. An error when one of them is.
#[derive(Debug, Clone, Default)]
pub struct Report {
    problems: Vec<Problem>,
    untold: usize,
    origins: Origins,
}

/// What the readers find, before it is known which line that is.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub place: Place,
    /// A key that is missing below `place`; empty when the place itself is wrong.
    pub missing: &'static str,
    pub message: String,
    pub help: String,
    pub level: Level,
    /// The text is no TOML here, so nothing else that is said about this line is to be believed.
    pub syntax: bool,
}

impl Finding {
    pub fn error(place: Place, message: impl Into<String>, help: impl Into<String>) -> Finding {
        let (message, help) = (message.into(), help.into());
        Finding { place, missing: "", message, help, level: Level::Error, syntax: false }
    }

    pub fn warning(place: Place, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { level: Level::Warning, ..Finding::error(place, message, help) }
    }

    pub fn syntax(place: Place, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { syntax: true, ..Finding::error(place, message, help) }
    }

    /// About a key that should stand in the table at `place`.
    pub fn missing(
        place: Place,
        missing: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Finding {
        Finding { missing, ..Finding::error(place, message, help) }
    }
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>, origins: Origins, trees: &[Node]) -> Report {
        // In the order of the files and within them from top to bottom; one place says the same
        // thing once.
        findings.sort_by_key(|f| (f.place, f.level));
        findings.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        let line = |f: &Finding| (f.place.origin, origins.line(f.place));
        let broken: BTreeSet<_> = findings.iter().filter(|f| f.syntax).map(line).collect();
        // What stands below a header that is no TOML was read as if it stood elsewhere.
        let lost: Vec<_> = findings
            .iter()
            .filter(|f| f.syntax && origins.is_header(f.place))
            .map(|f| (line(f), origins.table_end(f.place)))
            .collect();
        findings.retain(|f| {
            let (file, at) = line(f);
            let is_lost = |&((of, header), end): &((u32, usize), usize)| {
                file == of && header < at && at < end
            };
            (f.syntax || !broken.contains(&(file, at))) && !lost.iter().any(is_lost)
        });
        let untold = findings.len().saturating_sub(PROBLEMS_TOLD_MAX);
        findings.truncate(PROBLEMS_TOLD_MAX);
        let problems = findings.into_iter().map(|f| locate(f, &origins, trees)).collect();
        Report { problems, untold, origins }
    }

    /// What is wrong, in the order of the files.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether anything makes it impossible to start.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    fn errors(&self) -> usize {
        self.problems.iter().filter(|p| p.level == Level::Error).count()
    }

    /// The list for programs.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self.problems)
    }

    /// The text for people: each problem with its line, and the count at the end.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for problem in &self.problems {
            out.push_str(&self.render_one(problem, &renderer));
            out.push_str("\n\n");
        }
        out.push_str(&self.count());
        out.push('\n');
        out
    }

    fn render_one(&self, p: &Problem, renderer: &Renderer) -> String {
        let mark = match p.level {
            Level::Error => Mark::ERROR,
            Level::Warning => Mark::WARNING,
        };
        let title = mark.primary_title(p.message.as_str());
        let origin = self.origins.get(p.place);
        let mut group = if origin.environment || origin.text.is_empty() {
            title.element(Origin::path(p.file.as_str()))
        } else {
            let (line, span) = line_at(&origin.text, p.place);
            title.element(
                Snippet::source(line)
                    .path(p.file.as_str())
                    .line_start(p.line)
                    .annotation(AnnotationKind::Primary.span(span).label(p.key.as_str())),
            )
        };
        if !p.help.is_empty() {
            group = group.element(Mark::HELP.message(p.help.as_str()));
        }
        let groups: [Group<'_>; 1] = [group];
        renderer.render(&groups)
    }

    fn count(&self) -> String {
        let of = |n: usize, word: &str| match n {
            1 => format!("1 {word}"),
            n => format!("{n} {word}s"),
        };
        let errors = self.errors();
        let mut text = of(errors, "error");
        let warnings = self.problems.len() - errors;
        if warnings > 0 {
            text.push_str(" and ");
            text.push_str(&of(warnings, "warning"));
        }
        if self.untold > 0 {
            let _ = write!(text, "; {} more are not shown", self.untold);
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

fn locate(f: Finding, origins: &Origins, trees: &[Node]) -> Problem {
    let origin = origins.get(f.place);
    let (file, line, column) = if origin.environment {
        (format!("env:{}", origin.name), 0, 0)
    } else {
        let before = &origin.text[..floor(&origin.text, f.place.start as usize)];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (origin.name.clone(), origins.line(f.place), before[line_start..].chars().count() + 1)
    };
    let mut key = if f.syntax {
        String::new()
    } else if origin.environment {
        origin.name.to_lowercase()
    } else {
        trees.iter().map(|t| t.key_at(f.place)).find(|k| !k.is_empty()).unwrap_or_default()
    };
    if let Some(path) = key.strip_prefix("kentongan__") {
        key = path.replace("__", ".");
    }
    let Finding { place, missing, message, help, level, .. } = f;
    if !missing.is_empty() {
        if !key.is_empty() {
            key.push('.');
        }
        tree::push_key(&mut key, missing);
    }
    Problem { file, line, column, key, message, help, level, place }
}

/// The line that a place begins on, and the part of the place that is on it.
fn line_at(text: &str, place: Place) -> (&str, std::ops::Range<usize>) {
    let start = floor(text, place.start as usize);
    let end = floor(text, place.end as usize).max(start);
    let from = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let to = text[start..].find('\n').map_or(text.len(), |i| start + i);
    let to = if text[from..to].ends_with('\r') && to > start { to - 1 } else { to };
    (&text[from..to], start - from..end.min(to).max(start) - from)
}

/// The nearest boundary of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
