//! Redmine, by its REST API.
//!
//! What it is like, seen on a real 5.0: a PUT is 204 also when the workflow or a missing right
//! dropped what was asked, without a word, so status, priority and notes are read back; a search by
//! a field that is not a filter ignores it and returns everything; without `status_id=*` a search
//! leaves out what is closed; a key that is not valid (any more) is answered as a stranger would be,
//! with what everybody may see, so that an empty search says nothing before we were told who we
//! are; an edit at the same moment is a 422 without a reason; everything is set by numbers that
//! differ from one installation to the next, so they are asked for by their names, kept, and asked
//! for again when one was refused. Which number a field has is told by the project when the field was
//! put on it (not when it is "for all projects"), by every issue that has it, and to administrators.

mod names;

use crate::config::{DeskConfig, PriorityName};
use crate::desk::Desk;
use crate::desks::rest;
use crate::http::{Ask, Http, Login, Reply, Said, success, urlencode};
use async_trait::async_trait;
use delivery::{
    Abilities, Changed, Changes, DeskRules, Draft, Note, Outcome, Remark, Row, Snapshot,
};
use model::{Priority, TicketRef};
use names::Names;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The longest subject, in characters; Redmine refuses what is longer.
const SUBJECT_MAX_CHARS: usize = 255;

/// How many of the issues that changed last are asked for at once; Redmine gives no more.
const CHANGES_MAX: usize = 100;

/// What brings the notes of an issue along.
const JOURNALS: &str = "?include=journals";

/// A Redmine.
pub struct RedmineDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
    /// What the names of the configuration are there, once asked.
    names: Mutex<Option<Arc<Names>>>,
}

/// From intents to requests and from responses to outcomes: everything that can be said without
/// asking.
#[derive(Debug, Clone)]
struct Mapping {
    /// Without a slash at its end.
    base: String,
    project: String,
    tracker: Option<String>,
    key_field: String,
    resolved: String,
    open: String,
    /// Further statuses that are not open, besides those that Redmine itself calls closed.
    closed: Vec<String>,
    /// P1, P2, P3.
    priorities: [PriorityName; 3],
    private_notes: bool,
}

pub(crate) const KEYS: &[&str] = &[
    "url",
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "queue",
    "tracker",
    "key_field",
    "priorities",
    "resolved_status",
    "open_status",
    "closed_statuses",
    "private_notes",
    "empty_finds",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    if config.queue.is_none() {
        tell("queue", "is missing: the identifier of the project that issues are opened in".into());
    }
    rest::login_problems(config, tell);
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ALL
}

impl RedmineDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<RedmineDesk, String> {
        let login = rest::login(config, |key| Login::Named("x-redmine-api-key", key.into()))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(RedmineDesk { http, map: Mapping::new(config), rules, names: Mutex::new(None) })
    }

    /// The numbers behind our names: kept from the last time, else asked for. Whoever wants them
    /// meanwhile waits for the same answers.
    async fn names(&self) -> Result<Arc<Names>, String> {
        let mut kept = self.names.lock().await;
        if let Some(names) = &*kept {
            return Ok(names.clone());
        }
        let names = Arc::new(self.ask_for_names().await?);
        *kept = Some(names.clone());
        Ok(names)
    }

    async fn ask_for_names(&self) -> Result<Names, String> {
        let statuses = self.list("issue_statuses").await?;
        let priorities = self.list("issue_priorities").await?;
        let tracker = match &self.map.tracker {
            Some(_) => Some(self.list("trackers").await?),
            None => None,
        };
        let fields = match self.map.key_field.parse() {
            Ok(number) => Names::the_field(number),
            Err(_) => self.ask_for_fields().await?,
        };
        self.map.resolve(&statuses, &priorities, tracker.as_deref(), &fields)
    }

    /// The issue fields, from whoever tells of ours: the project of those that were put on it by
    /// name, an issue of its fields, the administration of all.
    async fn ask_for_fields(&self) -> Result<Vec<names::Named>, String> {
        let of_project = Mapping::fields(self.http.send(self.map.project(true)).await)?;
        if self.map.has_key_field(&of_project) {
            return Ok(of_project);
        }
        let of_issues = Mapping::fields_of_issues(self.http.send(self.map.any_issues()).await)?;
        if self.map.has_key_field(&of_issues) {
            return Ok(of_issues);
        }
        match self.list("custom_fields").await {
            Ok(all) => Ok(all),
            Err(_) => Err(format!(
                "neither the project nor its issues show the field {:?}: give its number as \
                 key_field, as it stands in the address of its page in the administration",
                self.map.key_field
            )),
        }
    }

    async fn list(&self, what: &str) -> Result<Vec<names::Named>, String> {
        Mapping::list(what, self.http.send(self.map.names(what)).await)
    }

    /// A number that we sent was refused or did nothing: perhaps it is not that any more.
    async fn forget_names(&self) {
        *self.names.lock().await = None;
    }

    /// Whether a search that found nothing may be believed: a key that is not valid is answered as
    /// a stranger is, and whoever lost the project does not see its issues.
    async fn may_see(&self) -> Result<(), String> {
        Mapping::is_somebody(self.http.send(self.map.who()).await)?;
        Mapping::fields(self.http.send(self.map.project(false)).await).map(|_| ())
    }

    /// What the issue is like after a PUT that said yes to anything; when it is not `as_wanted`,
    /// `otherwise` is the reason.
    async fn put_and_see(
        &self,
        ticket: &TicketRef,
        change: Value,
        (include, otherwise): (&str, &str),
        as_wanted: impl Fn(&Snapshot) -> bool + Send,
    ) -> Outcome<()> {
        let done = Mapping::changed(self.http.send(self.map.put(ticket, &change)).await);
        if !matches!(done, Outcome::Done(())) {
            if matches!(done, Outcome::Rejected { retry: false, .. }) {
                self.forget_names().await;
            }
            return done;
        }
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return unseen(&reason),
        };
        let read = match Mapping::one(self.http.send(self.map.issue(ticket, include)).await) {
            Ok(issue) => issue,
            Err(Outcome::Rejected { reason, .. } | Outcome::Unknown { reason }) => {
                return unseen(&reason);
            }
            Err(Outcome::Done(never)) => return never,
        };
        if as_wanted(&self.map.snapshot(&read, &names)) {
            return Outcome::Done(());
        }
        self.forget_names().await;
        let allowed = match Mapping::allowed(&read) {
            allowed if allowed.is_empty() => String::new(),
            allowed => format!("; the workflow lets us set {}", allowed.join(", ")),
        };
        Outcome::Rejected { retry: false, reason: format!("{otherwise}{allowed}") }
    }

    /// Sets a status, unless the issue is as wanted already: what a person chose stays.
    async fn set_open(&self, ticket: &TicketRef, open: bool) -> Outcome<()> {
        match self.read(ticket, false).await {
            Outcome::Done(snapshot) if snapshot.gone => {
                let reason = "the issue is not there any more".into();
                return Outcome::Rejected { retry: false, reason };
            }
            Outcome::Done(snapshot) if snapshot.open == open => return Outcome::Done(()),
            Outcome::Done(_) => {}
            other => return other.map(|_| ()).before_sending(),
        }
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return Outcome::Rejected { retry: true, reason },
        };
        let (id, word) =
            if open { (names.open, &self.map.open) } else { (names.resolved, &self.map.resolved) };
        let otherwise = format!("the status was not set to {word:?}");
        let change = json!({ "status_id": id });
        let look = ("?include=allowed_statuses", otherwise.as_str());
        self.put_and_see(ticket, change, look, |s| s.open == open).await
    }
}

fn unseen(reason: &str) -> Outcome<()> {
    Outcome::Unknown { reason: format!("changed, and could not be read back: {reason}") }
}

#[async_trait]
impl Desk for RedmineDesk {
    fn kind(&self) -> &'static str {
        "redmine"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return Outcome::Unknown { reason },
        };
        let rows = self.map.rows(self.http.send(self.map.find(key, &names)).await, &names);
        match rows {
            Outcome::Done(rows) if rows.is_empty() => match self.may_see().await {
                Ok(()) => Outcome::Done(rows),
                Err(reason) => Outcome::Unknown { reason },
            },
            other => other,
        }
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return Outcome::Rejected { retry: true, reason },
        };
        let created = self.map.created(self.http.send(self.map.create(draft, &names)).await);
        if matches!(created, Outcome::Rejected { retry: false, .. }) {
            self.forget_names().await;
        }
        created
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        let otherwise = "the note was dropped: give our user the right to add notes";
        let there = |s: &Snapshot| s.notes.contains(&note.operation);
        self.put_and_see(ticket, self.map.said(note), (JOURNALS, otherwise), there).await
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return Outcome::Rejected { retry: true, reason },
        };
        let change = json!({ "priority_id": names.priority(priority) });
        let otherwise = "the priority was not changed: give our user the right to edit issues, and \
                         see that the field is not read-only for it";
        self.put_and_see(ticket, change, ("", otherwise), |s| s.priorities.contains(&priority))
            .await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        self.set_open(ticket, false).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        self.set_open(ticket, true).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return Outcome::Unknown { reason },
        };
        let include = if notes { JOURNALS } else { "" };
        let reply = self.http.send(self.map.issue(ticket, include)).await;
        if Mapping::is_absent(&reply) {
            return match self.may_see().await {
                Ok(()) => Outcome::Done(Snapshot { gone: true, ..Snapshot::default() }),
                Err(reason) => Outcome::Unknown { reason },
            };
        }
        match Mapping::one(reply) {
            Ok(issue) if notes && issue.get("journals").is_none() => {
                Outcome::Unknown { reason: "the answer has no journals".into() }
            }
            Ok(issue) => Outcome::Done(self.map.snapshot(&issue, &names)),
            Err(outcome) => outcome,
        }
    }

    async fn changes(&self) -> Outcome<Changes> {
        let names = match self.names().await {
            Ok(names) => names,
            Err(reason) => return Outcome::Unknown { reason },
        };
        let changes = Mapping::changes(self.http.send(self.map.changed_last(&names)).await);
        match changes {
            // What a stranger sees is not all there is.
            Outcome::Done(changes) if changes.complete => match self.may_see().await {
                Ok(()) => Outcome::Done(changes),
                Err(reason) => Outcome::Unknown { reason },
            },
            other => other,
        }
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        let name = |name: &Option<PriorityName>, otherwise: &str| {
            name.clone().unwrap_or_else(|| PriorityName::Text(otherwise.into()))
        };
        Mapping {
            base: rest::base(config),
            project: config.queue.clone().unwrap_or_default(),
            tracker: config.tracker.clone(),
            key_field: config.key_field.clone().unwrap_or_else(|| "AlertKey".into()),
            resolved: config.resolved_status.clone().unwrap_or_else(|| "Closed".into()),
            open: config.open_status.clone().unwrap_or_else(|| "In Progress".into()),
            closed: config.closed_statuses.clone(),
            priorities: [
                name(&config.priorities.P1, "Urgent"),
                name(&config.priorities.P2, "High"),
                name(&config.priorities.P3, "Normal"),
            ],
            private_notes: config.private_notes,
        }
    }

    // --- to requests ---

    fn get(&self, path: &str) -> Ask {
        Ask::get(format!("{}/{path}", self.base))
    }

    fn who(&self) -> Ask {
        self.get("users/current.json")
    }

    fn project(&self, with_fields: bool) -> Ask {
        let include = if with_fields { "?include=issue_custom_fields" } else { "" };
        self.get(&format!("projects/{}.json{include}", urlencode(&self.project)))
    }

    fn any_issues(&self) -> Ask {
        let project = urlencode(&self.project);
        self.get(&format!("issues.json?project_id={project}&status_id=*&limit=5&sort=id:desc"))
    }

    fn names(&self, what: &str) -> Ask {
        let folder = if what == "issue_priorities" { "enumerations/" } else { "" };
        self.get(&format!("{folder}{what}.json"))
    }

    /// In all projects: a person may have moved the issue.
    fn find(&self, key: &str, names: &Names) -> Ask {
        let (field, key) = (names.key_field, urlencode(key));
        self.get(&format!("issues.json?status_id=*&cf_{field}={key}&limit=100&sort=id"))
    }

    fn changed_last(&self, names: &Names) -> Ask {
        let field = names.key_field;
        let which = format!("status_id=*&cf_{field}=*&sort=updated_on:desc");
        self.get(&format!("issues.json?{which}&limit={CHANGES_MAX}"))
    }

    fn create(&self, draft: &Draft, names: &Names) -> Ask {
        let mut issue = json!({
            "project_id": draft.group.as_deref().unwrap_or(&self.project),
            "subject": subject(&draft.title),
            "description": draft.text,
            "priority_id": names.priority(draft.priority),
            "custom_fields": [{ "id": names.key_field, "value": draft.key }],
        });
        if let Some(tracker) = names.tracker {
            issue["tracker_id"] = tracker.into();
        }
        let url = format!("{}/issues.json", self.base);
        Ask::json(Method::POST, url, &json!({ "issue": issue }))
    }

    fn said(&self, note: &Note) -> Value {
        let mut issue = json!({ "notes": note.text });
        if self.private_notes {
            issue["private_notes"] = true.into();
        }
        issue
    }

    fn put(&self, ticket: &TicketRef, change: &Value) -> Ask {
        let url = format!("{}/issues/{}.json", self.base, urlencode(&ticket.id));
        Ask::json(Method::PUT, url, &json!({ "issue": change }))
    }

    fn issue(&self, ticket: &TicketRef, include: &str) -> Ask {
        self.get(&format!("issues/{}.json{include}", urlencode(&ticket.id)))
    }

    // --- from responses ---

    fn is_somebody(reply: Reply) -> Result<(), String> {
        let found = value::<()>(reply).map_err(|why| sentence(&why))?;
        match found.pointer("/user/id") {
            Some(Value::Number(_)) => Ok(()),
            _ => Err("Redmine does not say who we are, so an empty search says nothing".into()),
        }
    }

    fn rows(&self, reply: Reply, names: &Names) -> Outcome<Vec<Row>> {
        let list = match value(reply) {
            Ok(list) => list,
            Err(outcome) => return outcome,
        };
        let Some(issues) = list.get("issues").and_then(Value::as_array) else {
            return Outcome::Unknown {
                reason: "the answer to the search has no list of issues".into(),
            };
        };
        let mut rows = Vec::new();
        for issue in issues {
            let Some(id) = number(issue.get("id")) else {
                return Outcome::Unknown {
                    reason: "an issue in the answer to the search has no number".into(),
                };
            };
            let Snapshot { key, open, priorities, .. } = self.snapshot(issue, names);
            rows.push(Row { ticket: self.reference(id), key, open, priorities });
        }
        Outcome::Done(rows)
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        let said = match success(refusal(reply), |s| s == 201) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let id = said.json().and_then(|v| number(v.pointer("/issue/id")).ok_or("no id".to_owned()));
        match id.or_else(|reason| Mapping::id_in_location(&said).ok_or(reason)) {
            Ok(id) => Outcome::Done(self.reference(id)),
            Err(reason) => Outcome::Unknown { reason: format!("created, but: {reason}") },
        }
    }

    fn id_in_location(said: &Said) -> Option<u64> {
        said.location.as_ref()?.rsplit_once("/issues/")?.1.parse().ok()
    }

    /// After a PUT; a 204 has no body, old versions say 200. A proxy's page is neither.
    fn changed(reply: Reply) -> Outcome<()> {
        match success(refusal(reply), |s| matches!(s, 200 | 204)) {
            Ok(said) if said.html => Outcome::Unknown { reason: "the answer is a web page".into() },
            Ok(_) => Outcome::Done(()),
            Err(outcome) => outcome,
        }
    }

    /// It says that there is no such issue: a 404 without a word. One that we may not see is a 403,
    /// and a page that says 404 is somebody else's.
    fn is_absent(reply: &Reply) -> bool {
        matches!(reply, Reply::Said(said) if said.status == 404 && !said.html && said.body.trim().is_empty())
    }

    /// The one issue of an answer.
    fn one<T>(reply: Reply) -> Result<Value, Outcome<T>> {
        let mut answer = value(reply)?;
        match answer.get_mut("issue").map(Value::take) {
            Some(issue) if issue.pointer("/status/name").is_some_and(Value::is_string) => Ok(issue),
            _ => Err(Outcome::Unknown { reason: "the answer is no issue with a status".into() }),
        }
    }

    fn snapshot(&self, issue: &Value, names: &Names) -> Snapshot {
        let journals = issue.get("journals").and_then(Value::as_array);
        let notes = journals.into_iter().flatten().filter_map(|j| j.get("notes")?.as_str());
        let last = journals.and_then(|all| all.last()).and_then(|j| j.get("user"));
        // Who opened it is our own user.
        let ours = number(issue.pointer("/author/id"));
        let theirs = |user: Option<&Value>| {
            let user = user.filter(|u| number(u.get("id")) != ours)?;
            user.get("name")?.as_str().map(str::to_owned)
        };
        let remark = |journal: &Value| {
            let said = journal.get("notes")?.as_str()?;
            let by = theirs(journal.get("user"));
            (by.is_some() && !said.trim().is_empty() && !said.contains("[kent-op:")).then(|| {
                Some(Remark {
                    id: number(journal.get("id"))?.to_string(),
                    by,
                    text: said.to_owned(),
                })
            })?
        };
        Snapshot {
            owner: theirs(issue.get("assigned_to")),
            last: theirs(last),
            changed: issue.get("updated_on").and_then(Value::as_str).map(str::to_owned),
            merged_into: None,
            remarks: journals.into_iter().flatten().filter_map(remark).collect(),
            gone: false,
            key: Mapping::key_on(issue, names.key_field),
            open: self.is_open(issue, names),
            priorities: names.priorities_called(number(issue.pointer("/priority/id"))),
            notes: notes.flat_map(Note::operations_in).map(str::to_owned).collect(),
        }
    }

    fn changes(reply: Reply) -> Outcome<Changes> {
        let list = match value(reply) {
            Ok(list) => list,
            Err(outcome) => return outcome,
        };
        let Some(issues) = list.get("issues").and_then(Value::as_array) else {
            let reason = "the answer has no list of issues".into();
            return Outcome::Unknown { reason };
        };
        let row = |issue: &Value| {
            let changed = issue.get("updated_on")?.as_str()?.to_owned();
            Some(Changed { id: number(issue.get("id"))?.to_string(), changed })
        };
        let rows = issues.iter().filter_map(row).collect();
        let total = list.get("total_count").and_then(Value::as_u64);
        let complete = total.is_some_and(|n| n <= issues.len() as u64);
        Outcome::Done(Changes { rows, complete })
    }

    /// The statuses that the workflow lets us set.
    fn allowed(issue: &Value) -> Vec<&str> {
        let all = issue.get("allowed_statuses").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|s| s.get("name")?.as_str()).collect()
    }

    fn reference(&self, id: u64) -> TicketRef {
        TicketRef { id: id.to_string(), url: Some(format!("{}/issues/{id}", self.base)) }
    }

    /// The key in our field; a field that may have several values has a list.
    fn key_on(issue: &Value, field: u64) -> Option<String> {
        let fields = issue.get("custom_fields")?.as_array()?;
        let ours = fields.iter().find(|f| number(f.get("id")) == Some(field))?;
        let value = match ours.get("value")? {
            Value::Array(values) => values.first()?,
            other => other,
        };
        value.as_str().filter(|v| !v.is_empty()).map(str::to_owned)
    }

    /// Since 5.0 an issue says itself whether its status is a closed one.
    fn is_open(&self, issue: &Value, names: &Names) -> bool {
        let status = issue.pointer("/status/name").and_then(Value::as_str).unwrap_or("");
        let says_closed = issue.pointer("/status/is_closed").and_then(Value::as_bool);
        let id = number(issue.pointer("/status/id"));
        let closed = says_closed == Some(true) || id.is_some_and(|id| names.closed.contains(&id));
        !closed && status != self.resolved && !self.closed.iter().any(|c| c == status)
    }
}

/// A subject that Redmine takes, cut between characters.
fn subject(title: &str) -> String {
    match title.char_indices().nth(SUBJECT_MAX_CHARS) {
        None => title.to_owned(),
        Some(_) => title.chars().take(SUBJECT_MAX_CHARS - 1).chain(['…']).collect(),
    }
}

/// Puts what Redmine says of a refusal into the reason; of an edit at the same moment it says
/// nothing, and that one may be tried again.
fn refusal(reply: Reply) -> Reply {
    let Reply::Said(said) = reply else { return reply };
    let errors = match said.json() {
        Ok(value) if said.status == 422 => value.get("errors").and_then(Value::as_array).cloned(),
        _ => None,
    };
    match errors {
        // Nothing was done, and it says so itself: as "not now".
        Some(errors) if errors.is_empty() => {
            let excerpt = "HTTP 422: somebody else changed the issue at the same moment".into();
            Reply::Said(Said { status: 429, excerpt, ..said })
        }
        _ => Reply::Said(said),
    }
}

/// The JSON of a GET.
fn value<T>(reply: Reply) -> Result<Value, Outcome<T>> {
    let said = success(reply, |s| s == 200)?;
    said.json().map_err(|reason| Outcome::Unknown { reason })
}

fn sentence<T>(outcome: &Outcome<T>) -> String {
    match outcome {
        Outcome::Done(_) => String::new(),
        Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => reason.clone(),
    }
}

fn number(value: Option<&Value>) -> Option<u64> {
    value?.as_u64()
}

#[cfg(test)]
#[path = "redmine_tests.rs"]
mod tests;
