//! Znuny 6, and OTRS 6 and OTOBO alike, by the Generic Interface and the web service of
//! `deploy/znuny/kentongan.yml`.
//!
//! What it is like, seen on a real 6.5 and in its source (Kernel/GenericInterface/Operation/Ticket):
//! nothing can be asked before an administrator has imported the web service; who we are stands in
//! the body of every request, which is why each is one with a body: in the address of a GET the
//! password would come to rest in logs; what is refused is a 200 with an `Error` in it, always before
//! anything was done, and what breaks off later is a 500 without one; a search that finds nothing is
//! `{}`; a search by a field that does not exist (any more) ignores it and returns everything, as ids
//! only, so the tickets are fetched and their keys looked at; of a ticket that is not there it says
//! the same as of one that we may not see.
//!
//! A create is not one step: first the ticket with its title, then the field with the key, then the
//! text. What breaks off in between (seen with a field that its database would not take: a 500, and the
//! ticket is there, without a text) leaves a ticket that no search by the field shows. So the key ends the
//! title as well, and a search by the field that found nothing is followed by one by the title.

use super::rest::{self, Names, common_keys, json, text, unknown};
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The most characters of a title and of a subject (`ticket.title` is a column of 255).
const TITLE_MAX: usize = 255;

/// The most characters of a note's subject, its first line.
const SUBJECT_MAX: usize = 100;

/// The most tickets that a search returns. More than one with a key is rare, more than a few happen
/// only when the filter was ignored.
const ROWS_MAX: usize = 20;

/// How far back a search by the title goes, in minutes (30 days): titles have no index, and what a
/// create that broke off left behind is looked for soon after.
const BY_TITLE_MINUTES: u32 = 43_200;

/// The types of states that are no longer open; every state has one of Znuny's own types.
const CLOSED_TYPES: &[&str] = &["closed", "removed", "merged"];

/// What the code of an error ends in when it was said before anything was done.
const REFUSALS: &[&str] = &[
    ".AccessDenied",
    ".AuthFail",
    ".EmptyRequest",
    ".InvalidConfiguration",
    ".InvalidParameter",
    ".MissingParameter",
];

pub(crate) const KEYS: &[&str] = common_keys![
    "user",
    "password",
    "password_file",
    "requestor",
    "key_field",
    "ticket_type",
    "resolved_status",
    "open_status",
    "closed_statuses",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    rest::needed(config.queue.as_ref(), "queue", "the queue that tickets are opened in", tell);
    let what = "the login of the customer user that tickets are opened for";
    rest::needed(config.requestor.as_ref(), "requestor", what, tell);
    let what = "the login of the agent that kentongan is there";
    rest::needed(config.user.as_ref(), "user", what, tell);
    let plain = |f: &String| !f.is_empty() && f.chars().all(|c| c.is_ascii_alphanumeric());
    if config.key_field.as_ref().is_some_and(|f| !plain(f)) {
        tell("key_field", "is the name of a dynamic field: letters and digits".into());
    }
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ALL
}

/// A Znuny.
pub(crate) struct ZnunyDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    user: String,
    password: SecretString,
    queue: String,
    customer: String,
    ticket_type: Option<String>,
    key_field: String,
    resolved: String,
    open: String,
    closed: Vec<String>,
    names: Names,
}

impl ZnunyDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<ZnunyDesk, String> {
        let map = Mapping::new(config).ok_or("user with password is not given")?;
        let http = Http::new(config, Login::None, rules.timeout)?;
        Ok(ZnunyDesk { http, map, rules })
    }

    async fn search(&self, filter: Value) -> Outcome<Vec<String>> {
        Mapping::found(self.http.send(self.map.search(filter)).await)
    }

    async fn update(&self, ticket: &TicketRef, change: Value) -> Outcome<()> {
        Mapping::written(self.http.send(self.map.update(ticket, change)).await)
    }
}

#[async_trait]
impl Desk for ZnunyDesk {
    fn kind(&self) -> &'static str {
        "znuny"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        let mut found = self.search(self.map.by_field(key)).await;
        if found == Outcome::Done(Vec::new()) {
            found = self.search(Mapping::by_title(key)).await;
        }
        let rows = match found {
            Outcome::Done(ids) if ids.is_empty() => Outcome::Done(Vec::new()),
            Outcome::Done(ids) => self.map.rows(self.http.send(self.map.get(&ids, false)).await),
            Outcome::Rejected { retry, reason } => Outcome::Rejected { retry, reason },
            Outcome::Unknown { reason } => Outcome::Unknown { reason },
        };
        self.http.cleaned(rows)
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.http.cleaned(self.map.created(self.http.send(self.map.create(draft)).await))
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        let ask = self.map.update(ticket, json!({ "Article": article(note) }));
        self.http.cleaned(Mapping::noted(self.http.send(ask).await))
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let change = json!({ "Ticket": { "Priority": self.map.names.of(priority) } });
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        let done = rest::change(self, ticket, there, || self.update(ticket, change)).await;
        self.http.cleaned(done)
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({ "Ticket": { "State": self.map.resolved } });
        let done = rest::change(self, ticket, |s| !s.open, || self.update(ticket, change)).await;
        self.http.cleaned(done)
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({ "Ticket": { "State": self.map.open } });
        let done = rest::change(self, ticket, |s| s.open, || self.update(ticket, change)).await;
        self.http.cleaned(done)
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let ask = self.map.get(std::slice::from_ref(&ticket.id), notes);
        self.http.cleaned(self.map.snapshot(self.http.send(ask).await))
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Option<Mapping> {
        let or = |given: &Option<String>, otherwise: &str| {
            given.clone().unwrap_or_else(|| otherwise.to_owned())
        };
        Some(Mapping {
            base: rest::base(config),
            user: config.user.clone()?,
            password: config.password.clone()?,
            queue: or(&config.queue, ""),
            customer: or(&config.requestor, ""),
            ticket_type: config.ticket_type.clone(),
            key_field: or(&config.key_field, "AlertKey"),
            resolved: or(&config.resolved_status, "closed successful"),
            open: or(&config.open_status, "open"),
            closed: config.closed_statuses.clone(),
            names: Names::new(config, ["5 very high", "4 high", "3 normal"]),
        })
    }

    // --- to requests ---

    /// To a route of our web service, with who we are in the body.
    fn ask(&self, method: Method, path: &str, mut body: Value) -> Ask {
        body["UserLogin"] = self.user.as_str().into();
        body["Password"] = self.password.expose_secret().into();
        let url = format!("{}/nph-genericinterface.pl/Webservice/kentongan/{path}", self.base);
        Ask::json(method, url, &body)
    }

    fn by_field(&self, key: &str) -> Value {
        json!({ (format!("DynamicField_{}", self.key_field)): { "Equals": key } })
    }

    fn by_title(key: &str) -> Value {
        json!({
            "Title": format!("*{}*", marker(key)),
            "TicketCreateTimeNewerMinutes": BY_TITLE_MINUTES,
        })
    }

    /// In whatever state, those in the archive as well.
    fn search(&self, mut filter: Value) -> Ask {
        filter["SearchInArchive"] = "AllTickets".into();
        filter["Limit"] = ROWS_MAX.into();
        self.ask(Method::POST, "TicketSearch", filter)
    }

    fn get(&self, ids: &[String], notes: bool) -> Ask {
        let mut body = json!({ "TicketID": ids.join(","), "DynamicFields": 1 });
        if notes {
            body["AllArticles"] = 1.into();
        }
        self.ask(Method::POST, "TicketGet", body)
    }

    fn create(&self, draft: &Draft) -> Ask {
        let end = format!(" {}", marker(&draft.key));
        let room = TITLE_MAX - end.chars().count();
        let mut ticket = json!({
            "Title": format!("{}{end}", rest::cut(&draft.title, room)),
            "Queue": draft.group.as_deref().unwrap_or(&self.queue),
            "State": "new",
            "Priority": self.names.of(draft.priority),
            "CustomerUser": self.customer,
        });
        if let Some(name) = &self.ticket_type {
            ticket["Type"] = name.as_str().into();
        }
        let body = json!({
            "Ticket": ticket,
            // Whoever splits the ticket takes the subject along, so the key is not in it.
            "Article": said(&draft.title, TITLE_MAX, &draft.text),
            "DynamicField": [{ "Name": self.key_field, "Value": draft.key }],
        });
        self.ask(Method::POST, "Ticket", body)
    }

    fn update(&self, ticket: &TicketRef, change: Value) -> Ask {
        self.ask(Method::PATCH, &format!("Ticket/{}", urlencode(&ticket.id)), change)
    }

    // --- from responses ---

    fn found(reply: Reply) -> Outcome<Vec<String>> {
        let answer = match answered(reply) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        match answer.get("TicketID") {
            // The whole of what it says when there is none.
            None if answer.as_object().is_some_and(serde_json::Map::is_empty) => {
                Outcome::Done(Vec::new())
            }
            Some(Value::Array(ids)) => match ids.iter().map(|id| text(Some(id))).collect() {
                Some(ids) => Outcome::Done(ids),
                None => unknown("an id in the answer to the search is none"),
            },
            _ => unknown("the answer to the search has no list of tickets"),
        }
    }

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        let tickets = match tickets(reply) {
            Ok(tickets) => tickets,
            Err(outcome) => return outcome,
        };
        let row = |ticket: &Value| {
            let title = ticket.get("Title").and_then(Value::as_str).unwrap_or("");
            Some(Row {
                ticket: self.reference(&text(ticket.get("TicketID"))?),
                key: self.key(ticket).or_else(|| key_at_end(title)),
                open: self.is_open(ticket)?,
                priorities: self.priorities(ticket),
            })
        };
        match tickets.iter().map(row).collect() {
            Some(rows) => Outcome::Done(rows),
            None => unknown("a ticket in the answer has no id or no state"),
        }
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        match answered(reply) {
            Ok(created) => match text(created.get("TicketID")) {
                Some(id) => Outcome::Done(self.reference(&id)),
                None => unknown("created, but the answer has no id"),
            },
            Err(outcome) => outcome,
        }
    }

    fn written(reply: Reply) -> Outcome<()> {
        match answered(reply) {
            Ok(written) if text(written.get("TicketID")).is_some() => Outcome::Done(()),
            Ok(_) => unknown("the answer has no id"),
            Err(outcome) => outcome,
        }
    }

    fn noted(reply: Reply) -> Outcome<()> {
        match answered(reply) {
            Ok(written) if text(written.get("ArticleID")).is_some() => Outcome::Done(()),
            Ok(_) => unknown("the answer has no id of an article"),
            Err(outcome) => outcome,
        }
    }

    /// A ticket whose create broke off has no articles, so none is no reason for doubt.
    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        let tickets = match tickets(reply) {
            Ok(tickets) => tickets,
            Err(outcome) => return outcome,
        };
        let [ticket] = tickets.as_slice() else {
            return unknown("the answer is not one ticket");
        };
        let Some(open) = self.is_open(ticket) else {
            return unknown("the answer is no ticket with a state");
        };
        let articles = ticket.get("Article").and_then(Value::as_array);
        let bodies = articles.into_iter().flatten().filter_map(|a| a.get("Body")?.as_str());
        Outcome::Done(Snapshot {
            key: self.key(ticket),
            open,
            priorities: self.priorities(ticket),
            notes: bodies.flat_map(Note::operations_in).map(str::to_owned).collect(),
            ..Snapshot::default()
        })
    }

    /// What stands in the field; the title is a help for searching, and no place to be kept in.
    fn key(&self, ticket: &Value) -> Option<String> {
        let fields = ticket.get("DynamicField")?.as_array()?;
        let name = Some(self.key_field.as_str());
        let field = fields.iter().find(|f| f.get("Name").and_then(Value::as_str) == name)?;
        text(field.get("Value"))
    }

    fn is_open(&self, ticket: &Value) -> Option<bool> {
        let kind = ticket.get("StateType")?.as_str()?;
        let state = ticket.get("State")?.as_str()?;
        let closed = CLOSED_TYPES.contains(&kind)
            || state == self.resolved
            || self.closed.iter().any(|c| c == state);
        Some(!closed)
    }

    fn priorities(&self, ticket: &Value) -> Vec<Priority> {
        self.names.which(ticket.get("Priority").and_then(Value::as_str).unwrap_or(""))
    }

    fn reference(&self, id: &str) -> TicketRef {
        let url =
            format!("{}/index.pl?Action=AgentTicketZoom;TicketID={}", self.base, urlencode(id));
        TicketRef { id: id.to_owned(), url: Some(url) }
    }
}

/// What the title of a ticket with this key ends in.
fn marker(key: &str) -> String {
    format!("[kent:{key}]")
}

fn key_at_end(title: &str) -> Option<String> {
    let (_, rest) = title.rsplit_once("[kent:")?;
    rest.strip_suffix(']').filter(|key| !key.is_empty()).map(str::to_owned)
}

fn article(note: &Note) -> Value {
    let first = note.text.lines().find(|l| !l.trim().is_empty()).unwrap_or("kentongan");
    said(first, SUBJECT_MAX, &note.text)
}

/// An article that no customer sees.
fn said(subject: &str, max: usize, body: &str) -> Value {
    json!({
        "Subject": rest::cut(subject, max),
        "Body": body,
        "ContentType": "text/plain; charset=utf-8",
        "CommunicationChannel": "Internal",
        "SenderType": "system",
        "IsVisibleForCustomer": 0,
    })
}

/// What it answered, when it did not refuse.
fn answered<T>(reply: Reply) -> Result<Value, Outcome<T>> {
    let answer = json(reply, |s| s == 200)?;
    let Some(error) = answer.get("Error") else { return Ok(answer) };
    let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let (code, message) = (word("ErrorCode"), word("ErrorMessage"));
    let reason = format!("{code}: {message}");
    if REFUSALS.iter().any(|end| code.ends_with(end)) {
        return Err(Outcome::Rejected { retry: false, reason });
    }
    Err(unknown(reason))
}

fn tickets<T>(reply: Reply) -> Result<Vec<Value>, Outcome<T>> {
    match answered(reply)?.get_mut("Ticket").map(Value::take) {
        Some(Value::Array(tickets)) => Ok(tickets),
        _ => Err(unknown("the answer has no list of tickets")),
    }
}

#[cfg(test)]
#[path = "znuny_tests.rs"]
mod tests;
