//! Request Tracker 5 and 6, by REST2.
//!
//! What it is like, seen on a real one: a PUT is 200 also when it was refused, with a sentence in
//! the language of the user, so states and priorities are read back; an unknown custom field is
//! dropped in silence, so a new ticket's key is read back; a search on an unknown field is an empty
//! list; an unknown queue is a 403; the text of comments stands in the ticket's attachments.

use crate::config::{DeskConfig, PriorityName};
use crate::desk::Desk;
use crate::desks::rest::{self, text};
use crate::http::{Ask, Http, Reply, Said, success, urlencode};
use async_trait::async_trait;
use delivery::{
    Abilities, Changed, Changes, DeskRules, Draft, Note, Outcome, Remark, Row, Snapshot,
};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::{Value, json};

/// How many pages of a hundred attachments are read to find a note. A ticket with more is not one
/// that an alarm should still write to.
const ATTACHMENT_PAGES_MAX: usize = 20;

/// How many of the tickets that changed last are asked for at once.
const CHANGES_MAX: usize = 100;

/// A Request Tracker.
pub struct RtDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

/// From intents to requests and from responses to outcomes: everything that can be said without
/// asking.
#[derive(Debug, Clone)]
struct Mapping {
    /// Without a slash at its end.
    base: String,
    queue: String,
    requestor: Option<String>,
    /// Our own user, where it is given; otherwise it is who created the ticket.
    user: Option<String>,
    key_field: String,
    resolved: String,
    open: String,
    closed: Vec<String>,
    /// P1, P2, P3.
    numbers: [i64; 3],
}

pub(crate) const KEYS: &[&str] = &[
    "url",
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "queue",
    "requestor",
    "key_field",
    "priorities",
    "resolved_status",
    "open_status",
    "closed_statuses",
    "empty_finds",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    if config.queue.is_none() {
        tell("queue", "is missing: the queue that tickets are opened in".into());
    }
    rest::login_problems(config, tell);
    for (key, name) in config.priorities.named() {
        if matches!(name, PriorityName::Text(_)) {
            tell(key, "RT's priorities are numbers".into());
        }
    }
    if config.key_field.as_ref().is_some_and(|f| f.contains(['{', '}', '\''])) {
        tell("key_field", "is the plain name of a custom field".into());
    }
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ALL
}

impl RtDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<RtDesk, String> {
        let login = rest::login(config, |token| rest::scheme("token", token))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(RtDesk { http, map: Mapping::new(config), rules })
    }

    async fn put(&self, ticket: &TicketRef, change: Value) -> Result<String, Outcome<()>> {
        let reply = self.http.send(self.map.put(ticket, &change)).await;
        Mapping::sentences(reply)
    }

    /// What the ticket is like after a PUT that said `sentences`; when it is not `as_wanted`, the
    /// sentences are the reason.
    async fn put_and_see(
        &self,
        ticket: &TicketRef,
        change: Value,
        as_wanted: impl Fn(&Snapshot) -> bool + Send,
    ) -> Outcome<()> {
        let sentences = match self.put(ticket, change).await {
            Ok(sentences) => sentences,
            Err(outcome) => return outcome,
        };
        match self.read(ticket, false).await {
            Outcome::Done(snapshot) if as_wanted(&snapshot) => Outcome::Done(()),
            Outcome::Done(_) => {
                Outcome::Rejected { retry: false, reason: self.http.clean(sentences) }
            }
            Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => Outcome::Unknown {
                reason: format!("changed, and could not be read back: {reason}"),
            },
        }
    }

    /// Everything that was written on a ticket.
    async fn written(&self, ticket: &TicketRef) -> Outcome<Vec<Written>> {
        let ask = |page| self.map.attachments(ticket, page);
        match self.pages(ask, Mapping::written).await {
            Outcome::Done(all) => Outcome::Done(all),
            other => other,
        }
    }

    /// What people wrote, of everything `written`. A mail that RT keeps a copy of hangs on a
    /// transaction of its own kind and is nobody's note.
    async fn remarks(
        &self,
        ticket: &TicketRef,
        written: Vec<Written>,
        ours: Option<&str>,
    ) -> Outcome<Vec<Remark>> {
        let theirs: Vec<Written> =
            written.into_iter().filter(|w| Mapping::is_of_a_person(w, ours)).collect();
        if theirs.is_empty() {
            return Outcome::Done(Vec::new());
        }
        let ask = |page| self.map.history(ticket, page);
        let notes = self.pages(ask, Mapping::notes_in_history).await;
        notes.map(|notes| {
            let said = theirs.into_iter().filter(|w| notes.contains(&w.transaction));
            said.map(|w| Remark { id: w.id, by: w.by, text: w.text }).collect()
        })
    }

    async fn pages<T: Send>(
        &self,
        ask: impl Fn(usize) -> Ask + Send,
        read: fn(Reply) -> Outcome<(Vec<T>, bool)>,
    ) -> Outcome<Vec<T>> {
        let mut found = Vec::new();
        for page in 1..=ATTACHMENT_PAGES_MAX {
            match read(self.http.send(ask(page)).await) {
                Outcome::Done((some, more)) => {
                    found.extend(some);
                    if !more {
                        return Outcome::Done(found);
                    }
                }
                Outcome::Rejected { retry, reason } => return Outcome::Rejected { retry, reason },
                Outcome::Unknown { reason } => return Outcome::Unknown { reason },
            }
        }
        let reason = format!("the list of the ticket has more than {ATTACHMENT_PAGES_MAX} pages");
        Outcome::Unknown { reason }
    }
}

#[async_trait]
impl Desk for RtDesk {
    fn kind(&self) -> &'static str {
        "rt"
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
        let number = self.map.number(priority);
        let change = json!({ "Priority": number });
        self.put_and_see(ticket, change, |s| s.priorities.contains(&priority)).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({ "Status": self.map.resolved });
        self.put_and_see(ticket, change, |s| !s.open).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        // A status that a person chose, such as stalled, is open as well and stays.
        match self.read(ticket, false).await {
            Outcome::Done(snapshot) if snapshot.open => return Outcome::Done(()),
            Outcome::Done(_) => {}
            other => return other.map(|_| ()).before_sending(),
        }
        let change = json!({ "Status": self.map.open });
        self.put_and_see(ticket, change, |s| s.open).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let (snapshot, ours) = match self.map.seen(self.http.send(self.map.ticket(ticket)).await) {
            Outcome::Done(seen) => seen,
            other => return other.map(|(snapshot, _)| snapshot),
        };
        let another = snapshot.merged_into.clone().filter(|t| t.id != ticket.id);
        let snapshot = Snapshot { merged_into: another, ..snapshot };
        if !notes || snapshot.gone {
            return Outcome::Done(snapshot);
        }
        let written = match self.written(ticket).await {
            Outcome::Done(written) => written,
            other => return other.map(|_| snapshot),
        };
        let operations = written.iter().flat_map(|w| Note::operations_in(&w.text));
        let notes = operations.map(str::to_owned).collect();
        let remarks = self.remarks(ticket, written, ours.as_deref()).await;
        remarks.map(|remarks| Snapshot { notes, remarks, ..snapshot })
    }

    async fn changes(&self) -> Outcome<Changes> {
        Mapping::changes(self.http.send(self.map.changed()).await)
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        let resolved = config.resolved_status.clone().unwrap_or_else(|| "resolved".into());
        let closed = if config.closed_statuses.is_empty() {
            vec!["rejected".into(), "deleted".into()]
        } else {
            config.closed_statuses.clone()
        };
        let number = |name: &Option<PriorityName>, otherwise| match name {
            Some(PriorityName::Number(n)) => *n,
            _ => otherwise,
        };
        Mapping {
            base: rest::base(config),
            queue: config.queue.clone().unwrap_or_default(),
            requestor: config.requestor.clone(),
            user: config.user.clone(),
            key_field: config.key_field.clone().unwrap_or_else(|| "AlertKey".into()),
            resolved,
            open: config.open_status.clone().unwrap_or_else(|| "open".into()),
            closed,
            numbers: [
                number(&config.priorities.P1, 100),
                number(&config.priorities.P2, 50),
                number(&config.priorities.P3, 0),
            ],
        }
    }

    // --- to requests ---

    fn api(&self, path: &str) -> String {
        format!("{}/REST/2.0/{path}", self.base)
    }

    /// Without a queue: a person may have moved the ticket. RT shows every status but `deleted`.
    fn find(&self, key: &str) -> Ask {
        let quoted = key.replace('\\', "\\\\").replace('\'', "\\'");
        let query = urlencode(&format!("CF.{{{}}} = '{quoted}'", self.key_field));
        let fields = "Status,Priority,CustomFields";
        Ask::get(self.api(&format!("tickets?query={query}&fields={fields}&per_page=100")))
    }

    fn create(&self, draft: &Draft) -> Ask {
        let mut body = json!({
            "Queue": draft.group.as_deref().unwrap_or(&self.queue),
            "Subject": draft.title,
            "Content": draft.text,
            "ContentType": "text/plain",
            "Priority": self.number(draft.priority),
            "CustomFields": { &self.key_field: draft.key },
        });
        if let Some(requestor) = &self.requestor {
            body["Requestor"] = requestor.as_str().into();
        }
        Ask::json(Method::POST, self.api("ticket"), &body)
    }

    fn comment(&self, ticket: &TicketRef, note: &Note) -> Ask {
        let body = json!({ "Content": note.text, "ContentType": "text/plain" });
        Ask::json(
            Method::POST,
            self.api(&format!("ticket/{}/comment", urlencode(&ticket.id))),
            &body,
        )
    }

    fn put(&self, ticket: &TicketRef, change: &Value) -> Ask {
        Ask::json(Method::PUT, self.api(&format!("ticket/{}", urlencode(&ticket.id))), change)
    }

    fn ticket(&self, ticket: &TicketRef) -> Ask {
        Ask::get(self.api(&format!("ticket/{}", urlencode(&ticket.id))))
    }

    fn attachments(&self, ticket: &TicketRef, page: usize) -> Ask {
        let id = urlencode(&ticket.id);
        let fields = "fields=Content,ContentType,Creator,TransactionId&per_page=100";
        Ask::get(self.api(&format!("ticket/{id}/attachments?{fields}&page={page}")))
    }

    fn history(&self, ticket: &TicketRef, page: usize) -> Ask {
        let id = urlencode(&ticket.id);
        Ask::get(self.api(&format!("ticket/{id}/history?fields=Type&per_page=100&page={page}")))
    }

    /// By the order alone: how RT reads an instant in a query depends on the time zone of our user.
    fn changed(&self) -> Ask {
        let query = urlencode(&format!("CF.{{{}}} IS NOT NULL", self.key_field));
        let order = "orderby=LastUpdated&order=DESC";
        let rows = format!("fields=LastUpdated&per_page={CHANGES_MAX}");
        Ask::get(self.api(&format!("tickets?query={query}&{order}&{rows}")))
    }

    fn number(&self, priority: Priority) -> i64 {
        match priority {
            Priority::P1 => self.numbers[0],
            Priority::P2 => self.numbers[1],
            Priority::P3 | Priority::P4 => self.numbers[2],
        }
    }

    // --- from responses ---

    fn rows(&self, key: &str, reply: Reply) -> Outcome<Vec<Row>> {
        rest::rows(
            reply,
            |s| s == 200,
            "/items",
            |item| {
                Some(Row {
                    ticket: self.reference(&text(item.get("id"))?),
                    key: self.key_on(item, Some(key)),
                    open: self.is_open(item),
                    priorities: self.priorities(item),
                })
            },
        )
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        let said = match success(reply, |s| s == 201) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let id = said.json().and_then(|v| text(v.get("id")).ok_or("no id".to_owned()));
        match id.or_else(|reason| Mapping::id_in_location(&said).ok_or(reason)) {
            Ok(id) => Outcome::Done(self.reference(&id)),
            Err(reason) => Outcome::Unknown { reason: format!("created, but: {reason}") },
        }
    }

    fn id_in_location(said: &Said) -> Option<String> {
        let id = said.location.as_ref()?.rsplit_once("/ticket/")?.1;
        (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then(|| id.to_owned())
    }

    fn noted(reply: Reply) -> Outcome<()> {
        match success(reply, |s| s == 201) {
            Ok(said) => match said.json() {
                Ok(_) => Outcome::Done(()),
                Err(reason) => Outcome::Unknown { reason },
            },
            Err(outcome) => outcome,
        }
    }

    /// The sentences of a PUT, as one.
    fn sentences(reply: Reply) -> Result<String, Outcome<()>> {
        let said = success(reply, |s| s == 200)?;
        let value = said.json().map_err(|reason| Outcome::Unknown { reason })?;
        let sentences: Vec<String> = match &value {
            Value::Array(items) => items.iter().filter_map(|v| text(Some(v))).collect(),
            other => vec![other.to_string()],
        };
        Ok(if sentences.is_empty() {
            "nothing changed, and no reason was given".into()
        } else {
            sentences.join(" ")
        })
    }

    #[cfg(test)]
    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        self.seen(reply).map(|(snapshot, _)| snapshot)
    }

    /// A ticket, and who we are there.
    fn seen(&self, reply: Reply) -> Outcome<(Snapshot, Option<String>)> {
        let said = match success(reply, |s| s == 200 || s == 404) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        match said.json() {
            // RT says so in JSON; a page that says it is somebody else's.
            Ok(answer) if said.status == 404 && answer.get("message").is_some() => {
                Outcome::Done((Snapshot { gone: true, ..Snapshot::default() }, None))
            }
            _ if said.status == 404 => {
                Outcome::Rejected { retry: false, reason: said.excerpt.clone() }
            }
            Ok(ticket) if ticket.get("Status").is_some_and(Value::is_string) => {
                let ours = self.user.clone().or_else(|| user(&ticket, "Creator"));
                let theirs = |key| user(&ticket, key).filter(|u| Some(u) != ours.as_ref());
                let snapshot = Snapshot {
                    owner: theirs("Owner"),
                    last: theirs("LastUpdatedBy"),
                    changed: text(ticket.get("LastUpdated")),
                    merged_into: text(ticket.get("id")).map(|id| self.reference(&id)),
                    remarks: Vec::new(),
                    key: self.key_on(&ticket, None),
                    gone: ticket["Status"].as_str() == Some("deleted"),
                    open: self.is_open(&ticket),
                    priorities: self.priorities(&ticket),
                    notes: Vec::new(),
                };
                Outcome::Done((snapshot, ours))
            }
            Ok(_) => Outcome::Unknown { reason: "the answer is no ticket with a status".into() },
            Err(reason) => Outcome::Unknown { reason },
        }
    }

    /// What was written, of one page of attachments, and whether there may be another page (RT does
    /// not say how many there are to a user who may not see all).
    fn written(reply: Reply) -> Outcome<(Vec<Written>, bool)> {
        Mapping::page(reply, "attachments", |item| {
            Some(Written {
                id: text(item.get("id")).unwrap_or_default(),
                transaction: text(item.get("TransactionId")).unwrap_or_default(),
                by: user(item, "Creator"),
                plain: item.get("ContentType").and_then(Value::as_str) == Some("text/plain"),
                text: item.get("Content")?.as_str()?.to_owned(),
            })
        })
    }

    /// The numbers of the transactions that are notes, of one page of a history.
    fn notes_in_history(reply: Reply) -> Outcome<(Vec<String>, bool)> {
        Mapping::page(reply, "transactions", |item| {
            let kind = item.get("Type")?.as_str()?;
            matches!(kind, "Comment" | "Correspond").then(|| text(item.get("id")))?
        })
    }

    fn page<T>(
        reply: Reply,
        what: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Outcome<(Vec<T>, bool)> {
        let said = match success(reply, |s| s == 200) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let list = match said.json() {
            Ok(list) => list,
            Err(reason) => return Outcome::Unknown { reason },
        };
        let Some(items) = list.get("items").and_then(Value::as_array) else {
            return Outcome::Unknown { reason: format!("the answer has no list of {what}") };
        };
        let per_page = list.get("per_page").and_then(Value::as_u64).unwrap_or(100);
        let more = !items.is_empty() && items.len() as u64 >= per_page;
        Outcome::Done((items.iter().filter_map(read).collect(), more))
    }

    fn is_of_a_person(written: &Written, ours: Option<&str>) -> bool {
        let machine = |by: &str| Some(by) == ours || by == "RT_System";
        written.plain
            && !written.id.is_empty()
            && !written.text.trim().is_empty()
            && written.by.as_deref().is_some_and(|by| !machine(by))
            && !written.text.contains("[kent-op:")
            && !written.text.contains("[kent:")
    }

    fn changes(reply: Reply) -> Outcome<Changes> {
        let row = |item: &Value| {
            Some(Changed { id: text(item.get("id"))?, changed: text(item.get("LastUpdated"))? })
        };
        Mapping::page(reply, "tickets", row).map(|(rows, more)| Changes { rows, complete: !more })
    }

    fn reference(&self, id: &str) -> TicketRef {
        let url = format!("{}/Ticket/Display.html?id={}", self.base, urlencode(id));
        TicketRef { id: id.to_owned(), url: Some(url) }
    }

    /// The key in our field; of several values the one that was looked for.
    fn key_on(&self, ticket: &Value, looked_for: Option<&str>) -> Option<String> {
        let fields = ticket.get("CustomFields")?.as_array()?;
        let field = fields
            .iter()
            .find(|f| f.get("name").and_then(Value::as_str) == Some(self.key_field.as_str()))?;
        let mut values: Vec<String> =
            field.get("values")?.as_array()?.iter().filter_map(|v| text(Some(v))).collect();
        values.sort_by_key(|v| Some(v.as_str()) != looked_for);
        values.into_iter().find(|v| !v.is_empty())
    }

    fn is_open(&self, ticket: &Value) -> bool {
        let status = ticket.get("Status").and_then(Value::as_str).unwrap_or("");
        status != self.resolved && !self.closed.iter().any(|c| c == status)
    }

    fn priorities(&self, ticket: &Value) -> Vec<Priority> {
        let number = text(ticket.get("Priority")).and_then(|p| p.parse::<i64>().ok());
        [Priority::P1, Priority::P2, Priority::P3]
            .into_iter()
            .filter(|p| number == Some(self.number(*p)))
            .collect()
    }
}

/// Something that was written on a ticket.
#[derive(Debug)]
struct Written {
    id: String,
    transaction: String,
    by: Option<String>,
    plain: bool,
    text: String,
}

/// The user behind a key; nobody is none.
fn user(object: &Value, key: &str) -> Option<String> {
    text(object.get(key)?.get("id")).filter(|u| u != "Nobody")
}

#[cfg(test)]
#[path = "rt_tests.rs"]
mod tests;
