//! Jira and Jira Service Management, Data Center (`jira`) and Cloud (`jira-cloud`), by the REST API.
//!
//! What it is like, by its documentation and what others met (developer.atlassian.com: Jira REST API
//! v2 and v3, "search and reconcile", rate limiting; docs.atlassian.com: Jira DC REST API;
//! prometheus/alertmanager#4309, #5230; prometheus-community/jiralert#74): **a search lags behind** by
//! seconds to minutes, on Data Center by each node of its own, so an empty one proves little
//! (`visibility_delay` is 60 s by default, and two empty looks are needed); on the Cloud the old
//! search is gone (410) and `/rest/api/3/search/jql` is the one; a field that is not on the screen of
//! creation is a 400; what an issue can become is a list of transitions of its present status, their
//! names and numbers are the workflow's own, so they are chosen by the category of the status they
//! lead to (`new`, `indeterminate`, `done`); a transition that is not possible is a 400; texts are
//! wiki markup, so ours stand in a `noformat` block. The key is a label, or a text field where
//! `key_field` names one (`customfield_10040`). An issue moved to another project changes its key,
//! never its id.

use super::rest::{self, Names, common_keys, json, text, unknown};
use crate::config::{DeskConfig, DeskKind};
use crate::desk::Desk;
use crate::http::{Ask, Http, Reply, success, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// The most characters of a summary, and of a text.
const TITLE_MAX: usize = 255;
const TEXT_MAX: usize = 32_000;

/// How long a search may lag behind.
pub(crate) const VISIBILITY_DELAY: Duration = Duration::from_secs(60);

/// How many pages of a hundred comments are read to find a note.
const COMMENT_PAGES_MAX: usize = 20;

const NOFORMAT: &str = "{noformat}";

pub(crate) const KEYS: &[&str] = common_keys![
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "key_field",
    "ticket_type",
    "resolution",
    "resolved_status",
    "open_status",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    let what = "the key of the project that issues are opened in, as NOC";
    rest::needed(config.queue.as_ref(), "queue", what, tell);
    if config.kind == DeskKind::JiraCloud {
        let what = "the e-mail address of our user; password is its API token";
        rest::needed(config.user.as_ref(), "user", what, tell);
        if config.token.is_some() || config.token_file.is_some() {
            tell("token", "an API token of the Cloud is given as password, beside user".into());
        }
    } else {
        rest::login_problems(config, tell);
    }
    let custom = |f: &String| {
        let number = f.strip_prefix("customfield_");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    if config.key_field.as_ref().is_some_and(|f| f != "labels" && !custom(f)) {
        tell("key_field", "is labels, or the id of a text field, as customfield_10040".into());
    }
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ONE_WAY
}

/// A Jira.
pub(crate) struct JiraDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    cloud: bool,
    project: String,
    issue_type: String,
    /// A text field instead of a label.
    key_field: Option<String>,
    resolved: Option<String>,
    open: Option<String>,
    resolution: Option<String>,
    names: Names,
}

/// One way on from the present status.
#[derive(Debug, PartialEq)]
struct Transition {
    id: String,
    to: String,
    category: String,
    /// It asks for a resolution.
    resolution: bool,
}

impl JiraDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<JiraDesk, String> {
        let login = rest::login(config, |token| rest::scheme("Bearer", token))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(JiraDesk { http, map: Mapping::new(config), rules })
    }

    /// Takes the transition that `choose` names among those there are now.
    async fn transit(
        &self,
        ticket: &TicketRef,
        choose: impl Fn(&Mapping, &[Transition]) -> Result<Value, String> + Send,
    ) -> Outcome<()> {
        let reply = self.http.send(self.map.transitions(ticket)).await;
        let body = match Mapping::ways(reply) {
            Outcome::Done(ways) => match choose(&self.map, &ways) {
                Ok(body) => body,
                Err(reason) => return Outcome::Rejected { retry: false, reason },
            },
            other => return other.map(|_| ()).before_sending(),
        };
        Mapping::accepted(self.http.send(self.map.transit(ticket, &body)).await)
    }

    async fn operations(&self, ticket: &TicketRef) -> Outcome<Vec<String>> {
        let mut found = Vec::new();
        for page in 0..COMMENT_PAGES_MAX {
            match Mapping::operations(self.http.send(self.map.comments(ticket, page)).await) {
                Outcome::Done((operations, more)) => {
                    found.extend(operations);
                    if !more {
                        return Outcome::Done(found);
                    }
                }
                other => return other.map(|(operations, _)| operations),
            }
        }
        unknown(format!("the issue has more than {COMMENT_PAGES_MAX}00 comments"))
    }
}

#[async_trait]
impl Desk for JiraDesk {
    fn kind(&self) -> &'static str {
        if self.map.cloud { "jira-cloud" } else { "jira" }
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        self.map.rows(key, self.http.send(self.map.find(key)).await)
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.map.created(self.http.send(self.map.create(draft)).await)
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        Mapping::noted(self.http.send(self.map.comment(ticket, note)).await)
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let ask = self.map.put_priority(ticket, priority);
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        let put = || async { Mapping::accepted(self.http.send(ask).await) };
        rest::change(self, ticket, there, put).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let go = || self.transit(ticket, Mapping::to_resolved);
        rest::change(self, ticket, |s| !s.open, go).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let go = || self.transit(ticket, Mapping::to_open);
        rest::change(self, ticket, |s| s.open, go).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let snapshot = self.map.snapshot(self.http.send(self.map.issue(ticket)).await);
        match snapshot {
            Outcome::Done(snapshot) if notes => {
                self.operations(ticket).await.map(|notes| Snapshot { notes, ..snapshot })
            }
            other => other,
        }
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        Mapping {
            base: rest::base(config),
            cloud: config.kind == DeskKind::JiraCloud,
            project: config.queue.clone().unwrap_or_default(),
            issue_type: config.ticket_type.clone().unwrap_or_else(|| "Task".into()),
            key_field: config.key_field.clone().filter(|f| f != "labels"),
            resolved: config.resolved_status.clone(),
            open: config.open_status.clone(),
            resolution: config.resolution.clone(),
            names: Names::new(config, ["Highest", "High", "Medium"]),
        }
    }

    fn api(&self, path: &str) -> String {
        format!("{}/rest/api/2/{path}", self.base)
    }

    fn of_issue(&self, ticket: &TicketRef, rest: &str) -> String {
        self.api(&format!("issue/{}{rest}", urlencode(&ticket.id)))
    }

    fn fields(&self) -> Vec<&str> {
        let key = self.key_field.as_deref().unwrap_or("labels");
        vec!["status", "priority", key]
    }

    /// In every project: a person may have moved the issue.
    fn find(&self, key: &str) -> Ask {
        let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
        let jql = match &self.key_field {
            // A text field is searched by words; the rows are compared.
            Some(field) => {
                let number = field.trim_start_matches("customfield_");
                format!("cf[{number}] ~ \"\\\"{quoted}\\\"\" ORDER BY created ASC")
            }
            None => format!("labels = \"{quoted}\" ORDER BY created ASC"),
        };
        let body = json!({ "jql": jql, "fields": self.fields(), "maxResults": 100 });
        let url = if self.cloud {
            format!("{}/rest/api/3/search/jql", self.base)
        } else {
            self.api("search")
        };
        Ask::json(Method::POST, url, &body)
    }

    fn create(&self, draft: &Draft) -> Ask {
        let mut fields = json!({
            "project": { "key": draft.group.as_deref().unwrap_or(&self.project) },
            "issuetype": { "name": self.issue_type },
            "summary": rest::cut(&draft.title, TITLE_MAX),
            "description": plain(&draft.text),
            "priority": { "name": self.names.of(draft.priority) },
        });
        match &self.key_field {
            Some(field) => fields[field] = draft.key.as_str().into(),
            None => fields["labels"] = json!([draft.key]),
        }
        Ask::json(Method::POST, self.api("issue"), &json!({ "fields": fields }))
    }

    fn comment(&self, ticket: &TicketRef, note: &Note) -> Ask {
        let body = json!({ "body": plain(&note.text) });
        Ask::json(Method::POST, self.of_issue(ticket, "/comment"), &body)
    }

    fn put_priority(&self, ticket: &TicketRef, priority: Priority) -> Ask {
        let body = json!({ "fields": { "priority": { "name": self.names.of(priority) } } });
        Ask::json(Method::PUT, self.of_issue(ticket, ""), &body)
    }

    fn transitions(&self, ticket: &TicketRef) -> Ask {
        Ask::get(self.of_issue(ticket, "/transitions?expand=transitions.fields"))
    }

    fn transit(&self, ticket: &TicketRef, body: &Value) -> Ask {
        Ask::json(Method::POST, self.of_issue(ticket, "/transitions"), body)
    }

    fn issue(&self, ticket: &TicketRef) -> Ask {
        Ask::get(self.of_issue(ticket, &format!("?fields={}", self.fields().join(","))))
    }

    fn comments(&self, ticket: &TicketRef, page: usize) -> Ask {
        Ask::get(self.of_issue(ticket, &format!("/comment?startAt={}&maxResults=100", page * 100)))
    }

    fn to_resolved(&self, ways: &[Transition]) -> Result<Value, String> {
        let done = |way: &&Transition| way.category == "done";
        let named = |way: &&Transition| self.resolved.as_ref().is_none_or(|name| *name == way.to);
        let way = ways.iter().find(|w| done(w) && named(w)).ok_or_else(|| none("done", ways))?;
        let mut body = json!({ "transition": { "id": way.id } });
        if way.resolution {
            let name = self.resolution.as_deref().unwrap_or("Done");
            body["fields"] = json!({ "resolution": { "name": name } });
        }
        Ok(body)
    }

    /// In progress rather than new: somebody has worked on it before.
    fn to_open(&self, ways: &[Transition]) -> Result<Value, String> {
        let named = |way: &&Transition| self.open.as_ref().is_none_or(|name| *name == way.to);
        let of = |category: &str| ways.iter().find(|w| w.category == category && named(w));
        let way = of("indeterminate").or_else(|| of("new")).ok_or_else(|| none("open", ways))?;
        Ok(json!({ "transition": { "id": way.id } }))
    }

    fn ways(reply: Reply) -> Outcome<Vec<Transition>> {
        let answer = match json(reply, |s| s == 200) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let Some(items) = answer.get("transitions").and_then(Value::as_array) else {
            return unknown("the answer has no list of transitions");
        };
        let read = |item: &Value| {
            Some(Transition {
                id: text(item.get("id"))?,
                to: text(item.pointer("/to/name"))?,
                category: text(item.pointer("/to/statusCategory/key"))?,
                resolution: item.pointer("/fields/resolution").is_some(),
            })
        };
        Outcome::Done(items.iter().filter_map(read).collect())
    }

    fn rows(&self, key: &str, reply: Reply) -> Outcome<Vec<Row>> {
        rest::rows(
            reply,
            |s| s == 200,
            "/issues",
            |item| {
                Some(Row {
                    ticket: self.reference(item)?,
                    key: self.key_on(item, Some(key)),
                    open: is_open(item)?,
                    priorities: self.priorities(item),
                })
            },
        )
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        match json(reply, |s| s == 201) {
            Ok(answer) => match self.reference(&answer) {
                Some(ticket) => Outcome::Done(ticket),
                None => unknown("created, but the answer has no id"),
            },
            Err(outcome) => outcome,
        }
    }

    fn noted(reply: Reply) -> Outcome<()> {
        match json(reply, |s| s == 201) {
            Ok(answer) if text(answer.get("id")).is_some() => Outcome::Done(()),
            Ok(_) => unknown("the answer has no comment with an id"),
            Err(outcome) => outcome,
        }
    }

    /// A change is answered 204, without a body.
    fn accepted(reply: Reply) -> Outcome<()> {
        match success(reply, |s| s == 204) {
            Ok(_) => Outcome::Done(()),
            Err(outcome) => outcome,
        }
    }

    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        let issue = match json(reply, |s| s == 200) {
            Ok(issue) => issue,
            Err(outcome) => return outcome,
        };
        let Some(open) = is_open(&issue) else {
            return unknown("the answer is no issue with a status");
        };
        let key = self.key_on(&issue, None);
        Outcome::Done(Snapshot {
            key,
            open,
            priorities: self.priorities(&issue),
            ..Snapshot::default()
        })
    }

    /// The operation ids on one page of comments, and whether there is another page.
    fn operations(reply: Reply) -> Outcome<(Vec<String>, bool)> {
        let answer = match json(reply, |s| s == 200) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let Some(items) = answer.get("comments").and_then(Value::as_array) else {
            return unknown("the answer has no list of comments");
        };
        let mut found = Vec::new();
        for item in items {
            // The Cloud may escape what it gives back as wiki markup.
            let body = item.get("body").and_then(Value::as_str).unwrap_or("").replace('\\', "");
            found.extend(Note::operations_in(&body).map(str::to_owned));
        }
        let number = |key| answer.get(key).and_then(Value::as_u64);
        let end = number("startAt").unwrap_or(0) + items.len() as u64;
        Outcome::Done((found, !items.is_empty() && number("total").is_some_and(|t| end < t)))
    }

    /// Our field, or of the labels the one that was looked for, else one that looks like ours.
    fn key_on(&self, issue: &Value, looked_for: Option<&str>) -> Option<String> {
        let fields = issue.get("fields")?;
        if let Some(field) = &self.key_field {
            return text(fields.get(field));
        }
        let labels = fields.get("labels")?.as_array()?.iter().filter_map(Value::as_str);
        let mut ours: Vec<&str> = labels.filter(|l| l.starts_with("kent-")).collect();
        ours.sort_by_key(|l| Some(*l) != looked_for);
        ours.first().map(|l| (*l).to_owned())
    }

    fn priorities(&self, issue: &Value) -> Vec<Priority> {
        let name = issue.pointer("/fields/priority/name").and_then(Value::as_str);
        self.names.which(name.unwrap_or(""))
    }

    fn reference(&self, issue: &Value) -> Option<TicketRef> {
        let id = text(issue.get("id"))?;
        let shown = text(issue.get("key")).unwrap_or_else(|| id.clone());
        let url = format!("{}/browse/{}", self.base, urlencode(&shown));
        Some(TicketRef { id, url: Some(url) })
    }
}

/// Everything but `done` is open.
fn is_open(issue: &Value) -> Option<bool> {
    let category = issue.pointer("/fields/status/statusCategory/key")?.as_str()?;
    Some(category != "done")
}

/// The text as it stands, whatever it looks like in wiki markup.
fn plain(text: &str) -> String {
    let text = text.replace(NOFORMAT, "{ noformat}");
    format!("{NOFORMAT}\n{}\n{NOFORMAT}", rest::cut_keeping_end(&text, TEXT_MAX))
}

fn none(wanted: &str, ways: &[Transition]) -> String {
    let names: Vec<&str> = ways.iter().map(|w| w.to.as_str()).collect();
    let there = if names.is_empty() { "nowhere".to_owned() } else { names.join(", ") };
    format!(
        "the workflow leads from the present status to {there}, to none that is {wanted}: give our \
         user the right, or the workflow such a transition"
    )
}

#[cfg(test)]
#[path = "jira_tests.rs"]
mod tests;
