//! iTop 2.7 to 3.2, by its REST/JSON service, version 1.3.
//!
//! What it is like, by its documentation and source (iTop: webservices/rest.php,
//! core/restservices.class.inc.php, core/dbobject.class.php, datamodels/2.x/itop-incident-mgmt-itil):
//! **everything is HTTP 200**, and `code` says how it went: 0 is good, 1 to 13 refuse before anything
//! is done, 100 is an error inside, of which nobody knows; values are texts; priority is made of impact
//! and urgency and cannot be set; what a ticket can become is a matter of stimuli, of which
//! `ev_resolve` is not possible before somebody was assigned: from there `ev_autoresolve` is, which
//! the data model has for the same purpose; a stimulus that is not possible is a 100 with a sentence.
//! The standard data model has no field for an external key: an extension adds one (`alert_key`), or
//! `key_field = "title"` puts the key behind the title. Our user needs the profile *REST Services User*.

use super::rest::{self, Names, common_keys, html, json, text, unknown};
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::{Value, json};

/// The most characters of a title (a column of 255).
const TITLE_MAX: usize = 255;

const COMMENT: &str = "kentongan";

pub(crate) const KEYS: &[&str] = common_keys![
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "requestor",
    "key_field",
    "ticket_type",
    "organization",
    "resolution",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    let what = "the name of the organization that tickets are opened for";
    rest::needed(config.organization.as_ref(), "organization", what, tell);
    let what = "the e-mail address of the person who stands as the caller";
    rest::needed(config.requestor.as_ref(), "requestor", what, tell);
    rest::login_problems(config, tell);
    rest::pair_problems(config, tell);
    rest::name_problems(config, "is the plain code of an attribute or class, as alert_key", tell);
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ONE_WAY
}

/// An iTop.
pub(crate) struct ItopDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    class: String,
    team: Option<String>,
    organization: String,
    caller: String,
    key_field: String,
    resolution: String,
    names: Names,
}

/// How a call ended, when it was answered.
enum Answer {
    /// The objects, by their names (`Incident::42`).
    Good(Value),
    /// An error inside: it may have been done or not.
    Failed(String),
}

impl ItopDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<ItopDesk, String> {
        let login = rest::login(config, |token| Login::Named("auth-token", token.into()))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(ItopDesk { http, map: Mapping::new(config), rules })
    }

    /// Makes a change. An error inside is a refusal where the ticket is seen not to have changed: the
    /// call has ended, and its sentence says why.
    async fn change(
        &self,
        ticket: &TicketRef,
        as_wanted: impl Fn(&Snapshot) -> bool + Send + Sync,
        ask: impl Fn(&str) -> Ask + Send,
    ) -> Outcome<()> {
        let status = match self.status(ticket).await {
            Outcome::Done((snapshot, _)) if as_wanted(&snapshot) => return Outcome::Done(()),
            Outcome::Done((_, status)) => status,
            other => return other.map(|_| ()).before_sending(),
        };
        let why = match answer(self.http.send(ask(&status)).await) {
            Ok(Answer::Good(_)) => "iTop said yes and changed nothing".to_owned(),
            Ok(Answer::Failed(reason)) => self.http.clean(reason),
            Err(outcome) => return self.http.cleaned(outcome),
        };
        match self.read(ticket, false).await {
            Outcome::Done(snapshot) if as_wanted(&snapshot) => Outcome::Done(()),
            Outcome::Done(_) => Outcome::Rejected { retry: false, reason: why },
            Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => {
                unknown(format!("changed, and could not be read back: {reason}"))
            }
        }
    }

    /// The ticket, and its status in iTop's own word.
    async fn status(&self, ticket: &TicketRef) -> Outcome<(Snapshot, String)> {
        let reply = self.http.send(self.map.ticket(ticket, "")).await;
        self.http.cleaned(self.map.snapshot(reply)).map(|(snapshot, status, _)| (snapshot, status))
    }
}

#[async_trait]
impl Desk for ItopDesk {
    fn kind(&self) -> &'static str {
        "itop"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        self.http.cleaned(self.map.rows(self.http.send(self.map.find(key)).await))
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.http.cleaned(self.map.created(self.http.send(self.map.create(draft)).await))
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        self.http.cleaned(match answer(self.http.send(self.map.log(ticket, note)).await) {
            Ok(Answer::Good(_)) => Outcome::Done(()),
            Ok(Answer::Failed(reason)) => unknown(reason),
            Err(outcome) => outcome,
        })
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let (impact, urgency) = self.map.names.pair(priority);
        let fields = json!({ "impact": impact, "urgency": urgency });
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        self.change(ticket, there, |_| self.map.update(ticket, &fields)).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        self.change(ticket, |s| !s.open, |status| self.map.resolve(ticket, status)).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let ask = self.map.stimulus(ticket, "ev_reopen", &json!({}));
        self.change(ticket, |s| s.open, |_| ask.clone()).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let more = if notes { ",private_log" } else { "" };
        let reply = self.http.send(self.map.ticket(ticket, more)).await;
        self.http.cleaned(self.map.snapshot(reply)).map(|(snapshot, _, operations)| {
            if notes { Snapshot { notes: operations, ..snapshot } } else { snapshot }
        })
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        let or = |given: &Option<String>, otherwise: &str| {
            given.clone().unwrap_or_else(|| otherwise.to_owned())
        };
        Mapping {
            base: rest::base(config),
            class: or(&config.ticket_type, "Incident"),
            team: config.queue.clone(),
            organization: or(&config.organization, ""),
            caller: or(&config.requestor, ""),
            key_field: or(&config.key_field, "alert_key"),
            resolution: or(&config.resolution, "other"),
            names: Names::new(config, ["1/1", "2/2", "2/3"]),
        }
    }

    /// The service takes one form field with JSON in it.
    fn call(&self, body: &Value) -> Ask {
        let form = format!("json_data={}", urlencode(&body.to_string()));
        Ask {
            method: Method::POST,
            url: format!("{}/webservices/rest.php?version=1.3", self.base),
            headers: vec![("Content-Type".into(), "application/x-www-form-urlencoded".into())],
            body: Some(form),
        }
    }

    fn in_title(&self) -> bool {
        self.key_field == "title"
    }

    fn fields(&self, more: &str) -> String {
        format!("id,status,impact,urgency,{}{more}", self.key_field)
    }

    fn find(&self, key: &str) -> Ask {
        let quoted = key.replace('\\', "\\\\").replace('\'', "\\'");
        let (class, field) = (&self.class, &self.key_field);
        let oql = if self.in_title() {
            format!("SELECT {class} WHERE title LIKE '%{}%'", marker(&quoted))
        } else {
            format!("SELECT {class} WHERE {field} = '{quoted}'")
        };
        self.call(&json!({
            "operation": "core/get", "class": class, "key": oql,
            "output_fields": self.fields(""), "limit": 100, "page": 1,
        }))
    }

    fn create(&self, draft: &Draft) -> Ask {
        let (impact, urgency) = self.names.pair(draft.priority);
        let mut fields = json!({
            "org_id": { "name": self.organization },
            "caller_id": { "email": self.caller },
            "title": rest::cut(&draft.title, TITLE_MAX),
            "description": html(&draft.text),
            "origin": "monitoring",
            "impact": impact,
            "urgency": urgency,
        });
        if self.in_title() {
            let end = format!(" {}", marker(&draft.key));
            let room = TITLE_MAX - end.chars().count();
            fields["title"] = format!("{}{end}", rest::cut(&draft.title, room)).into();
        } else {
            fields[&self.key_field] = draft.key.as_str().into();
        }
        if let Some(team) = draft.group.as_deref().or(self.team.as_deref()) {
            fields["team_id"] = json!({ "name": team });
        }
        self.call(&json!({
            "operation": "core/create", "class": self.class, "comment": COMMENT,
            "output_fields": "id", "fields": fields,
        }))
    }

    fn update(&self, ticket: &TicketRef, fields: &Value) -> Ask {
        self.call(&json!({
            "operation": "core/update", "class": self.class, "key": ticket.id,
            "comment": COMMENT, "output_fields": "id", "fields": fields,
        }))
    }

    fn log(&self, ticket: &TicketRef, note: &Note) -> Ask {
        let entry = json!({ "message": html(&note.text), "format": "html" });
        self.update(ticket, &json!({ "private_log": { "add_item": entry } }))
    }

    fn stimulus(&self, ticket: &TicketRef, stimulus: &str, fields: &Value) -> Ask {
        self.call(&json!({
            "operation": "core/apply_stimulus", "class": self.class, "key": ticket.id,
            "stimulus": stimulus, "comment": COMMENT, "output_fields": "id", "fields": fields,
        }))
    }

    fn resolve(&self, ticket: &TicketRef, status: &str) -> Ask {
        let unassigned = matches!(status, "new" | "escalated_tto" | "pending");
        let stimulus = if unassigned { "ev_autoresolve" } else { "ev_resolve" };
        let fields = json!({
            "resolution_code": self.resolution,
            "solution": "kentongan: pulih / recovered",
        });
        self.stimulus(ticket, stimulus, &fields)
    }

    fn ticket(&self, ticket: &TicketRef, more: &str) -> Ask {
        self.call(&json!({
            "operation": "core/get", "class": self.class, "key": ticket.id,
            "output_fields": self.fields(more),
        }))
    }

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        let objects = match answer(reply) {
            Ok(Answer::Good(objects)) => objects,
            Ok(Answer::Failed(reason)) => return unknown(reason),
            Err(outcome) => return outcome,
        };
        // None are `null`; an empty list is an array, as PHP has it.
        let none = objects.is_null() || objects.as_array().is_some_and(Vec::is_empty);
        let mut rows = Vec::new();
        for object in objects.as_object().into_iter().flat_map(|o| o.values()) {
            let id = text(object.get("key")).or_else(|| text(object.pointer("/fields/id")));
            let (Some(id), Some(open)) = (id, is_open(object)) else {
                return unknown("an object in the answer to the search has no key or no status");
            };
            rows.push(Row {
                ticket: self.reference(&id),
                key: self.key_on(object),
                open,
                priorities: self.priorities(object),
            });
        }
        if rows.is_empty() && !none {
            return unknown("the answer to the search has no objects");
        }
        Outcome::Done(rows)
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        match answer(reply) {
            Ok(Answer::Good(objects)) => {
                let object = objects.as_object().and_then(|o| o.values().next());
                let id = object
                    .and_then(|o| text(o.get("key")).or_else(|| text(o.pointer("/fields/id"))));
                match id {
                    Some(id) => Outcome::Done(self.reference(&id)),
                    None => unknown("created, but the answer has no key"),
                }
            }
            Ok(Answer::Failed(reason)) => unknown(reason),
            Err(outcome) => outcome,
        }
    }

    /// The ticket, its status, and the operation ids in its log.
    fn snapshot(&self, reply: Reply) -> Outcome<(Snapshot, String, Vec<String>)> {
        let objects = match answer(reply) {
            Ok(Answer::Good(objects)) => objects,
            Ok(Answer::Failed(reason)) => return unknown(reason),
            Err(outcome) => return outcome,
        };
        if objects.is_null() || objects.as_array().is_some_and(Vec::is_empty) {
            let reason = "iTop has no such ticket (any more)".to_owned();
            return Outcome::Rejected { retry: false, reason };
        }
        let object = objects.as_object().and_then(|o| o.values().next());
        let Some((object, open)) = object.and_then(|o| Some((o, is_open(o)?))) else {
            return unknown("the answer is no ticket with a status");
        };
        let status = text(object.pointer("/fields/status")).unwrap_or_default();
        let entries = object.pointer("/fields/private_log/entries").and_then(Value::as_array);
        let mut operations = Vec::new();
        for entry in entries.into_iter().flatten() {
            let message = entry.get("message").or_else(|| entry.get("message_html"));
            let message = message.and_then(Value::as_str).unwrap_or("");
            operations.extend(Note::operations_in(message).map(str::to_owned));
        }
        let key = self.key_on(object);
        let priorities = self.priorities(object);
        Outcome::Done((
            Snapshot { key, open, priorities, ..Snapshot::default() },
            status,
            operations,
        ))
    }

    fn key_on(&self, object: &Value) -> Option<String> {
        let value = text(object.get("fields")?.get(&self.key_field))?;
        if !self.in_title() {
            return Some(value);
        }
        let (key, _) = value.rsplit_once("[kent:")?.1.split_once(']')?;
        (!key.is_empty()).then(|| key.to_owned())
    }

    fn priorities(&self, object: &Value) -> Vec<Priority> {
        let number = |key| text(object.pointer(&format!("/fields/{key}"))).unwrap_or_default();
        self.names.which(&format!("{}/{}", number("impact"), number("urgency")))
    }

    fn reference(&self, id: &str) -> TicketRef {
        let (class, id_) = (urlencode(&self.class), urlencode(id));
        let url = format!("{}/pages/UI.php?operation=details&class={class}&id={id_}", self.base);
        TicketRef { id: id.to_owned(), url: Some(url) }
    }
}

/// What stands behind the title.
fn marker(key: &str) -> String {
    format!("[kent:{key}]")
}

fn is_open(object: &Value) -> Option<bool> {
    let status = object.pointer("/fields/status")?.as_str()?;
    (!status.is_empty()).then_some(!matches!(status, "resolved" | "closed"))
}

/// What `code` says.
fn answer<T>(reply: Reply) -> Result<Answer, Outcome<T>> {
    let body = json(reply, |s| s == 200)?;
    let message = text(body.get("message")).unwrap_or_else(|| "no reason was given".into());
    match body.get("code").and_then(Value::as_i64) {
        Some(0) => match body.get("objects") {
            Some(objects) => Ok(Answer::Good(objects.clone())),
            None => Err(unknown("the answer has no objects")),
        },
        Some(code @ 1..=13) => Err(Outcome::Rejected {
            retry: false,
            reason: format!("iTop refuses ({code}): {message}"),
        }),
        Some(code) => Ok(Answer::Failed(format!("iTop failed ({code}): {message}"))),
        None => Err(unknown("the answer has no code")),
    }
}

#[cfg(test)]
#[path = "itop_tests.rs"]
mod tests;
