//! `kentongan journal`: glue between the command line and the journal.

use super::page::bytes;
use super::{Call, FAILED, WRONG, print, print_json};
use crate::cli::{JournalArgs, JournalCommand};
use crate::config::{self, Backend, Configuration};
use crate::daemon::storage::{journal_dir, open_journal};
use anyhow::{Context as _, Result, bail};
use journal::{
    BackedUp, EmbeddedJournal, EmbeddedOptions, Journal, JournalError, RecordKind, Verified,
};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use telemetry::Telemetry;

/// Records read at once.
const RECORDS_AT_ONCE: usize = 256;

/// What every line begins with that only our own views read: verdicts that changed nothing.
const ROUTINE: &[u8] = b"{\"kind\":\"routine\"";

pub async fn run(args: &JournalArgs, call: &Call) -> Result<ExitCode> {
    let dir = match &args.command {
        JournalCommand::Verify { dir, .. } | JournalCommand::Export { dir, .. } => dir.clone(),
        _ => None,
    };
    let source = match Source::of(dir, call) {
        Ok(source) => source,
        Err(code) => return Ok(code),
    };
    match &args.command {
        JournalCommand::Verify { json, .. } => verify(&source, *json).await,
        JournalCommand::Export { file, from, to, decisions, .. } => {
            let to = to.unwrap_or(u64::MAX);
            if *from > to {
                eprintln!("kentongan: --from {from} is behind --to {to}");
                return Ok(ExitCode::from(WRONG));
            }
            let opened = source.open().await?;
            let done = export(&*opened.journal, file, *from, to, *decisions).await;
            opened.close();
            done?;
            Ok(ExitCode::SUCCESS)
        }
        JournalCommand::Copy { to } => copy(&source, to, call).await,
        JournalCommand::Backup { dir } => backup(&source, dir),
        JournalCommand::Restore { dir } => restore(&source, dir),
    }
}

/// Which journal is meant.
enum Source {
    /// A folder.
    Folder(PathBuf),
    /// A cluster, as a configuration says.
    Cluster(Box<Configuration>),
}

/// A journal that was opened for a moment.
struct Opened {
    journal: Arc<dyn Journal>,
    /// The spool that a cluster's journal wants, when it is not the daemon's.
    spool: Option<PathBuf>,
}

impl Opened {
    fn close(self) {
        drop(self.journal);
        if let Some(spool) = self.spool {
            let _ = std::fs::remove_dir_all(spool);
        }
    }
}

impl Source {
    fn of(dir: Option<PathBuf>, call: &Call) -> Result<Source, ExitCode> {
        if let Some(dir) = dir {
            return Ok(Source::Folder(dir));
        }
        let configuration = call.load()?;
        Ok(match configuration.journal.backend {
            Backend::Embedded => Source::Folder(journal_dir(&configuration.data_dir)),
            Backend::Nats(_) => Source::Cluster(Box::new(configuration)),
        })
    }

    /// The folder, for what only folders can do.
    fn folder(&self) -> Result<&Path, ExitCode> {
        match self {
            Source::Folder(dir) => Ok(dir),
            Source::Cluster(_) => {
                eprintln!(
                    "kentongan: the journal is in a cluster; copy it into a folder with `kentongan journal copy --to DIR`"
                );
                Err(ExitCode::from(WRONG))
            }
        }
    }

    async fn open(&self) -> Result<Opened> {
        match self {
            Source::Folder(dir) => {
                let journal = EmbeddedJournal::open_read_only(dir)
                    .with_context(|| format!("opening the journal in {}", dir.display()))?;
                Ok(Opened { journal: Arc::new(journal), spool: None })
            }
            Source::Cluster(configuration) => {
                // The daemon holds its own spool; a reader needs none of it.
                let spool = configuration.data_dir.join(format!("reader-{}", std::process::id()));
                let aside = Configuration { data_dir: spool.clone(), ..(**configuration).clone() };
                let journal = open_journal(&aside, &Telemetry::new()).await?;
                Ok(Opened { journal, spool: Some(spool) })
            }
        }
    }
}

async fn verify(source: &Source, as_json: bool) -> Result<ExitCode> {
    let found = match source {
        Source::Folder(dir) => journal::verify_dir(dir),
        Source::Cluster(_) => {
            let opened = source.open().await?;
            let found = journal::verify(&*opened.journal).await;
            opened.close();
            found
        }
    }
    .context("verifying the journal")?;
    let hash: String = config::hex(&found.hash);
    if as_json {
        print_json(&json!({
            "good": found.touched.is_none(),
            "records": found.records,
            "first_record": found.first_record,
            "last_record": found.last_record,
            "events": found.events,
            "hash": hash,
            "touched": found.touched.as_ref().map(ToString::to_string),
        }))?;
    } else {
        print(&format!("{}\nhash of the last good record: {hash}\n", told(&found)))?;
    }
    Ok(if found.touched.is_none() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What was found, in a sentence.
pub fn told(found: &Verified) -> String {
    match &found.touched {
        Some(touched) => {
            format!("TOUCHED at {touched}; {} records before it are good", found.records)
        }
        None => format!(
            "good: {} records (up to {}), {} events",
            found.records, found.last_record, found.events
        ),
    }
}

async fn export(
    journal: &dyn Journal,
    file: &Path,
    from: u64,
    to: u64,
    decisions: bool,
) -> Result<()> {
    let mut out: Box<dyn Write + Send> = if file.as_os_str() == "-" {
        Box::new(std::io::stdout())
    } else {
        let made = File::create(file).with_context(|| format!("making {}", file.display()))?;
        Box::new(BufWriter::with_capacity(1 << 18, made))
    };
    let lines = if decisions {
        export_decisions(journal, from, to, &mut out).await?
    } else {
        journal::export_events(journal, from, to, &mut out).await.context("exporting events")?.lines
    };
    out.flush().with_context(|| format!("writing {}", file.display()))?;
    if file.as_os_str() != "-" {
        print(&format!("wrote {lines} lines to {}\n", file.display()))?;
    }
    Ok(())
}

/// Writes what was decided about the events `from..=to`, in whole batches, as a replay prints it.
async fn export_decisions(
    journal: &dyn Journal,
    from: u64,
    to: u64,
    out: &mut (dyn Write + Send),
) -> Result<u64> {
    let mut next = journal.chain_start().await.context("reading records")?.0 + 1;
    let mut lines = 0;
    let mut done_through = 0;
    loop {
        let records =
            journal.read_records(next, RECORDS_AT_ONCE).await.context("reading records")?;
        let Some(last) = records.last().map(|r| r.number) else { return Ok(lines) };
        for record in records.iter().filter(|r| r.kind == RecordKind::Decisions) {
            if record.through >= from && done_through < to {
                lines += write_decisions(&record.body, out)?;
            }
            done_through = record.through;
        }
        next = last + 1;
    }
}

fn write_decisions(body: &[u8], out: &mut (dyn Write + Send)) -> std::io::Result<u64> {
    let mut lines = 0;
    for line in body.split(|b| *b == b'\n') {
        if !line.is_empty() && !line.starts_with(ROUTINE) {
            out.write_all(line)?;
            out.write_all(b"\n")?;
            lines += 1;
        }
    }
    Ok(lines)
}

async fn copy(source: &Source, to: &Path, call: &Call) -> Result<ExitCode> {
    let target: Arc<dyn Journal> = if to.is_file() {
        match config::load(to) {
            Ok(configuration) => open_journal(&configuration, &Telemetry::new()).await?,
            Err(report) => {
                eprint!("{}", report.render(call.color_err));
                return Ok(ExitCode::from(WRONG));
            }
        }
    } else {
        let opened = EmbeddedJournal::open(EmbeddedOptions::new(to), Telemetry::new());
        Arc::new(opened.with_context(|| format!("opening the journal in {}", to.display()))?)
    };
    let opened = source.open().await?;
    let copied = journal::copy(&*opened.journal, &*target).await;
    opened.close();
    let copied = copied.context("copying the journal")?;
    print(&format!(
        "carried over {} events and {} records{}\n",
        copied.events,
        copied.records,
        if copied.snapshot { ", and the newest snapshot" } else { "" }
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The folder in a backup that holds the files of the built-in desks.
const DESKS: &str = "desks";

fn backup(source: &Source, into: &Path) -> Result<ExitCode> {
    let dir = match source.folder() {
        Ok(dir) => dir,
        Err(code) => return Ok(code),
    };
    let data_dir = dir.parent().unwrap_or(Path::new(""));
    let mut failed = None;
    let done = journal::backup_with(dir, into, &mut |into| {
        backup_desks(data_dir, into).map_err(|why| {
            let told = JournalError::Invalid(format!("{why:#}"));
            failed = Some(why);
            told
        })
    });
    if let Some(why) = failed {
        return Err(why);
    }
    let done =
        done.with_context(|| format!("backing up {} into {}", dir.display(), into.display()))?;
    let desks = done.beside().count();
    print(&format!(
        "backed up {} ({}): through event {}, record {}{}\n",
        done.identity,
        bytes(size_of(into) + size_of(&into.join(DESKS))),
        done.last_event,
        done.last_record,
        and_desks(desks)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Copies the files of the built-in desks into the backup; what they are called there.
fn backup_desks(data_dir: &Path, into: &Path) -> Result<Vec<PathBuf>> {
    let files = ticket_sink::files_in(data_dir)
        .with_context(|| format!("listing the folder {}", data_dir.display()))?;
    if !files.is_empty() {
        let folder = into.join(DESKS);
        std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        copy_desks(&files, &folder)?;
    }
    let named = |f: &PathBuf| Path::new(DESKS).join(f.file_name().unwrap_or_default());
    Ok(files.iter().map(named).collect())
}

fn copy_desks(files: &[PathBuf], into: &Path) -> Result<()> {
    for file in files {
        let name = file.file_name().unwrap_or_default();
        ticket_sink::copy_file(file, &into.join(name)).with_context(|| {
            format!("copying the built-in desk {} into {}", file.display(), into.display())
        })?;
    }
    File::open(into)
        .and_then(|f| f.sync_all())
        .with_context(|| format!("syncing {}", into.display()))
}

fn and_desks(desks: usize) -> &'static str {
    match desks {
        0 => "",
        1 => ", with the built-in desk",
        _ => ", with the built-in desks",
    }
}

fn restore(source: &Source, from: &Path) -> Result<ExitCode> {
    let dir = match source.folder() {
        Ok(dir) => dir,
        Err(code) => return Ok(code),
    };
    let data_dir = dir.parent().unwrap_or(Path::new(""));
    let folder = from.join(DESKS);
    let desks = ticket_sink::files_in(&folder)
        .with_context(|| format!("listing the folder {}", folder.display()))?;
    // Nothing is overwritten: what is there has to be moved away by hand. Looked at before anything
    // is written, so that a refusal leaves everything as it was.
    for file in ticket_sink::files_in(data_dir)
        .with_context(|| format!("listing the folder {}", data_dir.display()))?
    {
        if desks.iter().any(|d| d.file_name() == file.file_name()) {
            eprintln!(
                "kentongan: there are tickets of a built-in desk in {} already; move it away first",
                file.display()
            );
            return Ok(ExitCode::from(WRONG));
        }
    }
    match journal::restore(from, dir) {
        Ok(done) => {
            let saved = &done.backed_up;
            if let Some(strange) = desks.iter().find(|d| !listed(saved, from, d)) {
                bail!(
                    "{} was not part of the backup; the journal is restored, the desks are not",
                    strange.display()
                );
            }
            copy_desks(&desks, data_dir)?;
            print(&format!(
                "restored {} into {}: through event {}, record {}{}; it goes on with event {}; the daemon can be started\n",
                saved.identity,
                dir.display(),
                saved.last_event,
                saved.last_record,
                and_desks(desks.len()),
                done.goes_on_at
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(e @ (JournalError::Invalid(_) | JournalError::InUse { .. })) => {
            eprintln!("kentongan: {e}");
            Ok(ExitCode::from(WRONG))
        }
        Err(e) => Err(e).with_context(|| format!("restoring {}", from.display())),
    }
}

/// Whether the list of a backup has this file of a desk. The list of an older version has none.
fn listed(saved: &BackedUp, folder: &Path, file: &Path) -> bool {
    saved.beside().next().is_none() || saved.beside().any(|name| folder.join(name) == file)
}

fn size_of(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use delivery::Draft;
    use ticket_sink::{BuiltinDesk, Desk as _, Desks};

    async fn ticket(desk: &BuiltinDesk, key: &str) {
        let draft = Draft {
            key: key.into(),
            incident: "k7f3-1".into(),
            title: "noc-gw".into(),
            text: "down".into(),
            priority: model::Priority::P2,
            group: None,
            category: None,
        };
        assert!(matches!(desk.create(&draft).await, delivery::Outcome::Done(_)));
    }

    /// Records say that tickets were told: after a restore the tickets have to be there as well.
    #[tokio::test]
    async fn a_backup_brings_the_tickets_of_the_built_in_desk_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let source = Source::Folder(journal_dir(&at("data")));
        let options = EmbeddedOptions::new(journal_dir(&at("data")));
        let journal = EmbeddedJournal::open(options, Telemetry::new()).unwrap();
        let body = Bytes::from_static(b"{}\n");
        let frame = journal::NewFrame { producer: "core".into(), count: 1, body };
        journal.append_events(frame).await.unwrap();
        let desks = Desks::open(&[], &at("data")).unwrap();
        ticket(&desks.builtin[0], "kent-a").await;
        // Nothing is stopped for it.
        assert_eq!(backup(&source, &at("saved")).unwrap(), ExitCode::SUCCESS);
        ticket(&desks.builtin[0], "kent-b").await;
        drop((journal, desks));

        // Nothing is written over: neither the journal nor the tickets.
        assert_eq!(restore(&source, &at("saved")).unwrap(), ExitCode::from(WRONG));
        std::fs::remove_dir_all(journal_dir(&at("data"))).unwrap();
        assert_eq!(restore(&source, &at("saved")).unwrap(), ExitCode::from(WRONG));
        assert!(!journal_dir(&at("data")).exists(), "a refusal leaves nothing behind");
        let kept = Desks::open(&[], &at("data")).unwrap();
        assert_eq!(kept.builtin[0].list(None, None, 10).await.unwrap().len(), 2);

        let fresh = Source::Folder(journal_dir(&at("fresh")));
        assert_eq!(restore(&fresh, &at("saved")).unwrap(), ExitCode::SUCCESS);
        let desks = Desks::open(&[], &at("fresh")).unwrap();
        let found = desks.builtin[0].list(None, None, 10).await.unwrap();
        assert_eq!(found.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["kent-a"]);
    }

    #[test]
    fn our_own_lines_are_not_exported() {
        let body = b"{\"kind\":\"verdict\",\"event\":1}\n{\"kind\":\"routine\",\"from\":2}\n{\"kind\":\"alarm\"}\n";
        let mut out = Vec::new();
        assert_eq!(write_decisions(body, &mut out).unwrap(), 2);
        assert_eq!(out, b"{\"kind\":\"verdict\",\"event\":1}\n{\"kind\":\"alarm\"}\n");
    }
}
