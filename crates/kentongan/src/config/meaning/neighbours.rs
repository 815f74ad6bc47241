//! Whom we speak with: sources, desks, and which tickets go where.

use super::super::Source;
use super::super::inventory::{items, many};
use super::super::origin::Place;
use super::super::raw;
use super::super::read::{Key, did_you_mean};
use super::super::report::Finding;
use super::super::secrets::{Found, secret, too_open};
use super::super::tree::{Node, Value};
use super::super::units::OneOrMany;
use super::{Reading, each};
use model::route::{DEFAULT_ROUTE, Route};
use secrecy::{ExposeSecret as _, SecretString};
use ticket_sink::DeskConfig;

impl Reading<'_> {
    pub(super) fn sources(&mut self, root: &raw::Root) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for (raw, table) in items(&root.source) {
            if raw.name.is_absent() {
                self.missing(table, "name", "this [[source]] has no name", "add name = \"zabbix\"");
            }
            if raw.kind.is_absent() {
                self.missing(
                    table,
                    "kind",
                    "this [[source]] does not say what it speaks",
                    "add kind = \"zabbix\" or kind = \"events\"",
                );
            }
            let findings = &mut self.written.findings;
            let token = secret(self.folder, &raw.token, &raw.token_file, findings);
            match &token {
                Found::Absent => self.missing(
                    table,
                    "token",
                    "this [[source]] has no token, so anybody could send in its name",
                    "add token_file = \"…\" with a long random text in it",
                ),
                Found::Secret(s) if s.expose_secret().is_empty() => {
                    let place = raw.token.place().unwrap_or(table);
                    self.error(place, "the token is empty", "use a long random text");
                }
                _ => {}
            }
            let Key::Set(name, place) = &raw.name else { continue };
            self.plain_name(name, *place);
            if sources.iter().any(|s| s.name == *name) {
                self.error(
                    *place,
                    format!("there are two sources called {name:?}"),
                    "rename or remove one of them",
                );
            }
            let token = token.ok().unwrap_or_else(|| SecretString::from(""));
            // The token is what a source is known by.
            let twin = sources.iter().find(|s| {
                let own = s.token.expose_secret();
                !own.is_empty() && own == token.expose_secret()
            });
            if let Some(twin) = twin {
                let place = raw.token.place().or(raw.token_file.place()).unwrap_or(table);
                let message = format!("this is the token of source {:?} as well", twin.name);
                self.error(place, message, "give each source a token of its own");
            }
            sources.push(Source {
                name: name.clone(),
                kind: raw.kind.or(raw::SourceKind::Events),
                token,
            });
        }
        sources
    }

    pub(super) fn desks(&mut self, root: &raw::Root) -> Vec<DeskConfig> {
        let mut desks: Vec<DeskConfig> = Vec::new();
        let Key::Set(list, _) = &root.desk else { return vec![DeskConfig::builtin()] };
        for (index, key) in list.iter().enumerate() {
            let Key::Set(desk, table) = key else { continue };
            let mut desk = desk.clone();
            let mut problems = desk.problems();
            if let Err(more) = desk.resolve_secrets(self.folder) {
                problems.extend(more);
            }
            if let Err(more) = desk.resolve_templates(self.folder) {
                problems.extend(more);
            }
            for problem in problems {
                let (place, missing) = self.desk_place(index, &problem.key, *table);
                let message = format!("desk {:?}: {} {}", desk.name, problem.key, problem.message);
                let mut finding = Finding::error(place, message, "");
                finding.missing = missing;
                self.written.findings.push(finding);
            }
            for (key, file) in [
                ("token_file", &desk.token_file),
                ("password_file", &desk.password_file),
                ("proxy_password_file", &desk.proxy_password_file),
            ] {
                let open = file.as_ref().and_then(|f| too_open(&self.folder.join(f)));
                if let Some((message, help)) = open {
                    let place = self.desk_place(index, key, *table).0;
                    self.warning(place, message, help);
                }
            }
            if desks.iter().any(|d| d.name == desk.name) {
                let place = self.desk_place(index, "name", *table).0;
                self.error(
                    place,
                    format!("there are two desks called {:?}", desk.name),
                    "rename or remove one of them",
                );
            }
            desks.push(desk);
        }
        if list.is_empty() { vec![DeskConfig::builtin()] } else { desks }
    }

    /// Where a dotted key of a desk stands; where it does not, its table and what is missing.
    pub(super) fn desk_place(
        &self,
        index: usize,
        key: &str,
        table: Place,
    ) -> (Place, &'static str) {
        let find = || {
            let root = self.written.trees.first()?.as_table()?;
            let Value::List(list) = &root.get("desk")?.node.value else { return None };
            let mut node: &Node = list.get(index)?;
            let mut found = None;
            for part in key.split('.') {
                let Some(entry) = node.as_table().and_then(|t| t.get(part)) else { break };
                node = &entry.node;
                found = Some(if node.as_table().is_some() { entry.key } else { node.place });
            }
            found
        };
        match find() {
            Some(place) => (place, ""),
            None => (table, DESK_KEYS.iter().find(|k| **k == key).copied().unwrap_or("")),
        }
    }

    pub(super) fn routes(
        &mut self,
        root: &raw::Root,
        desks: &[DeskConfig],
        sources: &[Source],
    ) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        let mut places = Vec::new();
        let all_read = !self.written.broken_header;
        let desks_known =
            all_read && root.desk.get().is_none_or(|l| l.iter().all(|k| k.get().is_some()));
        let sources_known = all_read && root.source.get().is_none_or(|l| l.iter().all(named));
        for (raw, table) in items(&root.route) {
            let none = raw::RouteMatch::default();
            let what = raw.r#match.get().unwrap_or(&none);
            match &raw.desk {
                Key::Absent => {
                    self.missing(table, "desk", "this [[route]] leads nowhere", "add desk = \"…\"");
                }
                Key::Set(desk, place) if desks_known && !desks.iter().any(|d| d.name == *desk) => {
                    let help = did_you_mean(desk, desks.iter().map(|d| d.name.as_str()));
                    self.error(*place, format!("there is no desk {desk:?}"), help);
                }
                _ => {}
            }
            for (source, place) in each(&what.source) {
                if sources_known && !sources.iter().any(|s| s.name == *source) {
                    let help = did_you_mean(source, sources.iter().map(|s| s.name.as_str()));
                    self.error(place, format!("there is no source {source:?}"), help);
                }
            }
            self.route_is_named(raw, &routes);
            if let (Some(desk), Key::Set(_, place)) = (raw.desk.get(), &raw.category)
                && let Some(kind) = desks.iter().find(|d| d.name == *desk).map(|d| d.kind)
                && !kind.has_categories()
            {
                let word = kind.word();
                self.warning(
                    *place,
                    format!("tickets on a desk of kind {word:?} get no category from here"),
                    "remove the line, or let a rule of the desk itself do it",
                );
            }
            let route = Route {
                name: raw.name.or(format!("route-{}", routes.len() + 1)),
                classes: many(&what.class),
                sites: many(&what.site),
                tags: many(&what.tag),
                sources: many(&what.source),
                desk: raw.desk.or(String::new()),
                queue: raw.queue.get().cloned(),
                category: raw.category.get().cloned(),
                team: raw.team.get().cloned(),
            };
            // What could not be read of a match would make it look wider than it is meant.
            let narrow = match &raw.r#match {
                Key::Absent => false,
                Key::Bad(_) => true,
                Key::Set(m, place) => {
                    let bad = |k: &Key<OneOrMany>| matches!(k, Key::Bad(_));
                    [&m.class, &m.site, &m.tag, &m.source].into_iter().any(bad)
                        || self.written.findings.iter().any(|f| place.holds(f.place))
                }
            };
            let before =
                (routes.iter().zip(&places)).find_map(|(r, place): (&Route, &Option<Place>)| {
                    place.filter(|_| covers(r, &route))
                });
            if let (Some(before), false) = (before, narrow) {
                let line = self.written.origins.line(before);
                self.warning(
                    table,
                    format!("nothing ever comes to this [[route]]: the one at line {line} takes all of it"),
                    "the first that matches is taken; put the narrower one first",
                );
            }
            routes.push(route);
            places.push((!narrow).then_some(table));
        }
        routes
    }
}

impl Reading<'_> {
    /// A rule's name counts misroutes, so it stands for one rule.
    fn route_is_named(&mut self, raw: &raw::Route, before: &[Route]) {
        let Key::Set(name, place) = &raw.name else { return };
        self.plain_name(name, *place);
        if *name == DEFAULT_ROUTE {
            let help = "call it otherwise";
            self.error(*place, "this is the name of the rule for what no other takes", help);
        } else if before.iter().any(|r| r.name == *name) {
            self.error(*place, format!("there are two routes called {name:?}"), "rename one");
        }
    }
}

fn named(source: &Key<raw::Source>) -> bool {
    source.get().is_some_and(|s| s.name.get().is_some())
}

/// Whether `wide` takes everything that `narrow` could.
fn covers(wide: &Route, narrow: &Route) -> bool {
    let keys = |r: &Route| [r.classes.clone(), r.sites.clone(), r.tags.clone(), r.sources.clone()];
    keys(wide).iter().zip(keys(narrow)).all(|(wide, narrow)| {
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|one| wide.contains(one)))
    })
}

/// Keys of a desk that can be missing.
const DESK_KEYS: &[&str] = &[
    "name", "kind", "url", "queue", "token", "user", "password", "find", "create", "resolve",
    "read", "note", "priority", "reopen",
];
