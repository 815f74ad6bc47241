//! Zammad, by its REST API.
//!
//! What it is like, by its documentation and source (zammad-documentation: api/intro.rst,
//! api/ticket/index.rst, api/ticket/articles.rst, api/ticket/states.rst; zammad:
//! app/controllers/tickets_controller.rb, app/models/concerns/can_search.rb): a create with its
//! first article runs in one transaction; `?expand=true` names groups, states and priorities, which
//! have other numbers on every installation; a search with a `condition` and without a `query` asks
//! the database, so it shows what was just written, where one with a `query` asks an index that lags
//! behind; a condition on an attribute that does not exist finds nothing, without an error
//! (`kentongan doctor --test-ticket` shows it); a group, state or priority that does not exist is a
//! 422; an attribute that does not exist is left out without a word, so the key of a new ticket is
//! read back.

use super::rest::{self, Names, common_keys, json, text, unknown};
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::http::{Ask, Http, Reply, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::{Value, json};

/// The most characters of a title (`tickets.title` is a column of 250).
const TITLE_MAX: usize = 250;

pub(crate) const KEYS: &[&str] = common_keys![
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "requestor",
    "key_field",
    "resolved_status",
    "open_status",
    "closed_statuses",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    rest::needed(config.queue.as_ref(), "queue", "the group that tickets are opened in", tell);
    rest::needed(
        config.requestor.as_ref(),
        "requestor",
        "the address of the customer that tickets are opened for",
        tell,
    );
    rest::login_problems(config, tell);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if config.key_field.as_ref().is_some_and(|f| f.is_empty() || !f.chars().all(plain)) {
        tell("key_field", "is the name of an object attribute, as alert_key".into());
    }
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ONE_WAY
}

/// A Zammad.
pub(crate) struct ZammadDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    group: String,
    customer: String,
    key_field: String,
    resolved: String,
    open: String,
    closed: Vec<String>,
    names: Names,
}

impl ZammadDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<ZammadDesk, String> {
        let login = rest::login(config, |token| rest::scheme("Token", &format!("token={token}")))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(ZammadDesk { http, map: Mapping::new(config), rules })
    }

    async fn put(&self, ticket: &TicketRef, change: Value) -> Outcome<()> {
        Mapping::written(self.http.send(self.map.put(ticket, &change)).await)
    }
}

#[async_trait]
impl Desk for ZammadDesk {
    fn kind(&self) -> &'static str {
        "zammad"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        self.map.rows(self.http.send(self.map.find(key)).await)
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.map.created(self.http.send(self.map.create(draft)).await)
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        Mapping::written(self.http.send(self.map.article(ticket, note)).await)
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let change = json!({ "priority": self.map.names.of(priority) });
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        rest::change(self, ticket, there, || self.put(ticket, change)).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({ "state": self.map.resolved });
        rest::change(self, ticket, |s| !s.open, || self.put(ticket, change)).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({ "state": self.map.open });
        rest::change(self, ticket, |s| s.open, || self.put(ticket, change)).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let snapshot = self.map.snapshot(self.http.send(self.map.ticket(ticket)).await);
        match snapshot {
            Outcome::Done(snapshot) if notes => {
                Mapping::operations(self.http.send(self.map.articles(ticket)).await)
                    .map(|notes| Snapshot { notes, ..snapshot })
            }
            other => other,
        }
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        let or = |given: &Option<String>, otherwise: &str| {
            given.clone().unwrap_or_else(|| otherwise.to_owned())
        };
        let closed = if config.closed_statuses.is_empty() {
            vec!["merged".into(), "removed".into()]
        } else {
            config.closed_statuses.clone()
        };
        Mapping {
            base: rest::base(config),
            group: or(&config.queue, ""),
            customer: or(&config.requestor, ""),
            key_field: or(&config.key_field, "alert_key"),
            resolved: or(&config.resolved_status, "closed"),
            open: or(&config.open_status, "open"),
            closed,
            names: Names::new(config, ["3 high", "2 normal", "1 low"]),
        }
    }

    fn api(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    /// By a condition alone: that asks the database.
    fn find(&self, key: &str) -> Ask {
        let field = urlencode(&format!("condition[ticket.{}]", self.key_field));
        let (operator, value) = (urlencode("[operator]"), urlencode("[value]"));
        let key = urlencode(key);
        Ask::get(self.api(&format!(
            "tickets/search?{field}{operator}=is&{field}{value}={key}&limit=100&expand=true"
        )))
    }

    fn create(&self, draft: &Draft) -> Ask {
        let title = rest::cut(&draft.title, TITLE_MAX);
        let body = json!({
            "title": title,
            "group": draft.group.as_deref().unwrap_or(&self.group),
            "customer_id": format!("guess:{}", self.customer),
            "priority": self.names.of(draft.priority),
            &self.key_field: draft.key,
            "article": {
                "subject": title,
                "body": draft.text,
                "content_type": "text/plain",
                "type": "note",
                "internal": false,
            },
        });
        Ask::json(Method::POST, self.api("tickets"), &body)
    }

    fn article(&self, ticket: &TicketRef, note: &Note) -> Ask {
        // A number where it is one: the documentation shows numbers only.
        let id = ticket.id.parse::<u64>().map_or_else(|_| json!(ticket.id), |n| json!(n));
        let body = json!({
            "ticket_id": id,
            "body": note.text,
            "content_type": "text/plain",
            "type": "note",
            "internal": true,
        });
        Ask::json(Method::POST, self.api("ticket_articles"), &body)
    }

    fn put(&self, ticket: &TicketRef, change: &Value) -> Ask {
        Ask::json(Method::PUT, self.api(&format!("tickets/{}", urlencode(&ticket.id))), change)
    }

    fn ticket(&self, ticket: &TicketRef) -> Ask {
        Ask::get(self.api(&format!("tickets/{}?expand=true", urlencode(&ticket.id))))
    }

    fn articles(&self, ticket: &TicketRef) -> Ask {
        Ask::get(self.api(&format!("ticket_articles/by_ticket/{}", urlencode(&ticket.id))))
    }

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        rest::rows(
            reply,
            |s| s == 200,
            "",
            |item| {
                Some(Row {
                    ticket: self.reference(&text(item.get("id"))?),
                    key: text(item.get(&self.key_field)),
                    open: self.is_open(item)?,
                    priorities: self.priorities(item),
                })
            },
        )
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        match json(reply, |s| s == 201) {
            Ok(ticket) => match text(ticket.get("id")) {
                Some(id) => Outcome::Done(self.reference(&id)),
                None => unknown("created, but the answer has no id"),
            },
            Err(outcome) => outcome,
        }
    }

    /// An article is a 201, a change a 200; both are answered with what was written.
    fn written(reply: Reply) -> Outcome<()> {
        match json(reply, |s| s == 200 || s == 201) {
            Ok(written) if text(written.get("id")).is_some() => Outcome::Done(()),
            Ok(_) => unknown("the answer has no id"),
            Err(outcome) => outcome,
        }
    }

    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        if rest::not_found(&reply, "Couldn't find") {
            return Outcome::Done(Snapshot { gone: true, ..Snapshot::default() });
        }
        let ticket = match json(reply, |s| s == 200) {
            Ok(ticket) => ticket,
            Err(outcome) => return outcome,
        };
        let Some(open) = self.is_open(&ticket) else {
            return unknown("the answer is no ticket with a state");
        };
        let key = text(ticket.get(&self.key_field));
        Outcome::Done(Snapshot {
            key,
            open,
            priorities: self.priorities(&ticket),
            ..Snapshot::default()
        })
    }

    fn operations(reply: Reply) -> Outcome<Vec<String>> {
        let list = match json(reply, |s| s == 200) {
            Ok(list) => list,
            Err(outcome) => return outcome,
        };
        let Some(items) = list.as_array() else {
            return unknown("the answer is no list of articles");
        };
        let bodies = items.iter().filter_map(|a| a.get("body").and_then(Value::as_str));
        Outcome::Done(bodies.flat_map(Note::operations_in).map(str::to_owned).collect())
    }

    fn is_open(&self, ticket: &Value) -> Option<bool> {
        let state = ticket.get("state")?.as_str()?;
        Some(state != self.resolved && !self.closed.iter().any(|c| c == state))
    }

    fn priorities(&self, ticket: &Value) -> Vec<Priority> {
        self.names.which(ticket.get("priority").and_then(Value::as_str).unwrap_or(""))
    }

    fn reference(&self, id: &str) -> TicketRef {
        let url = format!("{}/#ticket/zoom/{}", self.base, urlencode(id));
        TicketRef { id: id.to_owned(), url: Some(url) }
    }
}

#[cfg(test)]
#[path = "zammad_tests.rs"]
mod tests;
