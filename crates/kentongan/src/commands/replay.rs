//! `kentongan replay`.

use super::page::{Cell, Look, Page, of_priority};
use super::{Call, FAILED, WRONG, print, print_json};
use crate::cli::ReplayArgs;
use crate::config::{self, Configuration};
use crate::replay::{Compare, Compared, Differing, Replay, Under, compare, replay};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// So many differences are printed for a person; `--json` has all of them.
const DIFFERENCES_SHOWN: usize = 50;

pub fn run(args: &ReplayArgs, call: &Call) -> anyhow::Result<ExitCode> {
    if let Some(against) = &args.against {
        return side_by_side(args, against, call);
    }
    let configuration = match own(args, call) {
        Ok(configuration) => configuration,
        Err(code) => return Ok(code),
    };
    let what = Replay { files: args.files.clone(), all: args.all, summary: args.summary };
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    Ok(status(replay(&what, configuration.as_ref(), &mut out, &mut err)?))
}

/// The configuration of the call; none where the recording's own are obeyed.
fn own(args: &ReplayArgs, call: &Call) -> Result<Option<Configuration>, ExitCode> {
    if args.as_recorded {
        return Ok(None);
    }
    call.load().map(Some)
}

fn status(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn side_by_side(args: &ReplayArgs, against: &Path, call: &Call) -> anyhow::Result<ExitCode> {
    let other = match config::load(against) {
        Ok(configuration) => configuration,
        Err(report) => {
            eprint!("{}", report.render(call.color_err));
            return Ok(ExitCode::from(WRONG));
        }
    };
    let one = match own(args, call) {
        Ok(configuration) => configuration,
        Err(code) => return Ok(code),
    };
    let a = match &one {
        Some(c) => (call.config.display().to_string(), Under::Given(c)),
        None => ("as recorded".to_owned(), Under::Recorded),
    };
    let what = Compare {
        files: args.files.clone(),
        a,
        b: (against.display().to_string(), &other),
        outage: args.outage,
    };
    let compared = compare(&what, &mut std::io::stderr())?;
    if args.json {
        print_json(&compared.json())?;
    } else {
        let page = Page::new(call.color, &other.locale.timezone);
        print(&show(&compared, &page))?;
    }
    Ok(status(compared.good()))
}

/// The table that a person reads: figures side by side, and below it what is not the same.
fn show(compared: &Compared, page: &Page) -> String {
    let plain = |text: String| (text, Look::Plain);
    let heading = |text: &str| (text.to_owned(), Look::Heading);
    let [a, b] = compared.names();
    let mut rows: Vec<Vec<Cell>> =
        vec![vec![heading(""), heading(a), heading(b), heading("change")]];
    for (name, [a, b]) in compared.figures() {
        let change = i128::from(b) - i128::from(a);
        let change = if change == 0 { plain(String::new()) } else { plain(format!("{change:+}")) };
        let look = if name.starts_with(' ') { Look::Faint } else { Look::Plain };
        rows.push(vec![(name, look), plain(a.to_string()), plain(b.to_string()), change]);
    }
    let (events, outages, outage) = compared.measured();
    let mut text = page.table(&rows);
    let least = model::time::show_duration(outage);
    let _ = writeln!(
        text,
        "\n{events} events; {outages} outages of at least {least} by the samples alone"
    );
    let differing = compared.differing();
    if differing.is_empty() {
        text.push_str("\nboth tell the same incidents, and neither missed any outage\n");
        return text;
    }
    text.push('\n');
    let mut rows = vec![vec![heading("began"), heading(a), heading(b), heading("what")]];
    rows.extend(differing.iter().take(DIFFERENCES_SHOWN).map(|d| difference(d, page)));
    text.push_str(&page.table(&rows));
    if differing.len() > DIFFERENCES_SHOWN {
        let more = differing.len() - DIFFERENCES_SHOWN;
        let _ = writeln!(text, "… and {more} more: --json has all of them");
    }
    text
}

fn difference(d: &Differing, page: &Page) -> Vec<Cell> {
    let side = |n: usize| match (d.missed[n], d.priorities[n]) {
        (true, _) => ("missed".to_owned(), Look::Bad),
        (false, Some(p)) => (p.to_string(), of_priority(p.word())),
        (false, None) if d.priorities == [None, None] => ("told".to_owned(), Look::Good),
        (false, None) => ("–".to_owned(), Look::Faint),
    };
    let from = (page.time(&d.from.to_string()), Look::Plain);
    vec![from, side(0), side(1), (d.root.clone(), Look::Plain)]
}
