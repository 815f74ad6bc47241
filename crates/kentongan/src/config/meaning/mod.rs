//! The second step: what the settings mean, and which of them cannot be meant.
//!
//! Every value has its default here. Nothing stops at a problem: a section that is wrong gets
//! its default, so that the others can be looked at, and the problem is on the list.

mod checks;
mod core;
mod neighbours;
mod process;
mod references;

pub(crate) use self::core::{instant, past_instant};

use super::origin::Place;
use super::raw;
use super::read::Key;
use super::report::{Finding, Report};
use super::units::{OneOrMany, Span};
use super::{Configuration, Http, Locale, Written};
use model::settings::Settings;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One reading of everything that was written.
pub(super) struct Reading<'a> {
    pub folder: &'a Path,
    pub written: &'a mut Written,
}

impl Reading<'_> {
    /// The configuration; `None` when there is no inventory to speak of. Whether it can be used is
    /// for the findings to say.
    pub fn all(mut self) -> Option<Configuration> {
        let root = std::mem::take(&mut self.written.root);
        let (collected, own_probe) = self.collect(&root);
        let locale = self.locale(&root);
        let sources = self.sources(&root);
        let desks = self.desks(&root);
        let instance = self.instance(&root);
        let asking = self.asking(&root, &collected);
        let windows = self.windows(&root, &locale);
        let settings = Settings {
            instance: instance.clone(),
            checks: self.checks(&root, &collected),
            exceptions: self.exceptions(&root),
            priority: self::core::priorities(&root),
            language: locale.language,
            timezone: locale.timezone.clone(),
            windows: windows.iter().map(|(w, _)| w.clone()).collect(),
            seasons: self.seasons(&root, &locale),
            public_url: self::process::public_url(&root),
            runbooks: self.runbooks(&root),
            routes: self.routes(&root, &desks, &sources),
            ..self.correlator(&root)
        };
        let probe = self.probe(&root, own_probe, asking);
        let http = self.http(&root);
        let journal = self.journal(&root);
        let heartbeat = self.heartbeat(&root);
        let inventory = self.inventory(&collected);
        self.references(&root, &windows, &collected);
        let inventory = inventory?;
        Some(Configuration {
            instance,
            data_dir: self.data_dir(&root),
            http,
            journal,
            probe,
            settings,
            inventory: Arc::new(inventory),
            written: Arc::new(collected.spec),
            sources,
            desks,
            heartbeat,
            locale,
            hash: String::new(),
            files: Vec::new(),
            warnings: Report::default(),
        })
    }

    /// What a client needs.
    pub fn contact(mut self) -> (Http, PathBuf, Locale) {
        let root = std::mem::take(&mut self.written.root);
        let locale = self.locale(&root);
        (self.http(&root), self.data_dir(&root), locale)
    }

    fn data_dir(&self, root: &raw::Root) -> PathBuf {
        let given = root.instance.get().and_then(|i| i.data_dir.get());
        self.folder.join(given.map_or("data", String::as_str))
    }

    fn error(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.written.findings.push(Finding::error(place, message, help));
    }

    fn warning(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.written.findings.push(Finding::warning(place, message, help));
    }

    fn missing(&mut self, table: Place, key: &'static str, message: &str, help: &str) {
        self.written.findings.push(Finding::missing(table, key, message, help));
    }

    /// Refuses a duration of zero.
    fn not_zero(&mut self, key: &Key<Span>) {
        if let Key::Set(Span(Duration::ZERO), place) = key {
            self.error(*place, "this must be longer than zero", "");
        }
    }
}

/// The texts of a key, each with its place.
fn each(key: &Key<OneOrMany>) -> impl Iterator<Item = (&String, Place)> {
    let place = key.place();
    key.get().into_iter().flat_map(|m| &m.0).filter_map(move |one| Some((one, place?)))
}
