//! GLPI 9.5 to 11, by the API at `apirest.php` (since 11 called the legacy API).
//!
//! What it is like, by its documentation and source (glpi: apirest.md, src/Glpi/Api/API.php): every
//! request needs a session from `initSession`, which a server restart or half an hour of silence
//! ends; what comes with an ended one is a 401 `ERROR_SESSION_TOKEN_INVALID` before anything is done;
//! sessions nobody ends pile up, so there is one, and `killSession` at the end. An update says
//! `[{"7":false}]` with a 2xx when it was refused; a search by `searchText` is a `LIKE`, so the key is
//! compared; texts are HTML; a solution makes the ticket solved, and a status without one skips what
//! GLPI does with solved tickets; priority is made of urgency and impact; tickets outside the user's
//! entities are not found, so the user needs a profile that is recursive from the root. The key is in
//! `externalid`, a field that every ticket has.

use super::rest::{self, Names, common_keys, html, json, text, unknown};
use super::session::{Session, opened};
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

/// The most characters of a title (`glpi_tickets.name` is a column of 255).
pub(super) const TITLE_MAX: usize = 255;

/// Processing, assigned: what an open ticket is that was solved before.
pub(super) const PROCESSING: i64 = 2;

/// What says resolved. The text of why is in a note.
pub(super) const SOLUTION: &str = "kentongan";

pub(crate) const KEYS: &[&str] = common_keys![
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "app_token",
    "app_token_file",
    "organization",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    rest::login_problems(config, tell);
    numbers(config, tell);
}

/// Groups and entities are numbers to both of GLPI's APIs.
pub(super) fn numbers(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    for (key, value) in [("queue", &config.queue), ("organization", &config.organization)] {
        if value.as_ref().is_some_and(|v| v.parse::<u32>().is_err()) {
            tell(key, "is a number: the id of the group or entity in GLPI".into());
        }
    }
    rest::pair_problems(config, tell);
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ONE_WAY
}

/// A GLPI.
pub(crate) struct GlpiDesk {
    /// Without a login: the session is one.
    http: Http,
    /// For `initSession`.
    door: Http,
    session: Session,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    group: Option<String>,
    entity: Option<u32>,
    app_token: Option<SecretString>,
    names: Names,
}

impl GlpiDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<GlpiDesk, String> {
        let login = rest::login(config, |token| rest::scheme("user_token", token))?;
        let http = Http::new(config, Login::None, rules.timeout)?;
        let door = Http::new(config, login, rules.timeout)?;
        Ok(GlpiDesk { http, door, session: Session::default(), map: Mapping::new(config), rules })
    }

    async fn log_in(&self) -> Result<SecretString, Reply> {
        let reply = self.door.send(self.map.get("initSession")).await;
        opened(reply, |said| text(said.json().ok()?.get("session_token")))
    }

    /// Sends it in our session.
    async fn send(&self, ask: Ask) -> Reply {
        let token = match self.session.token(&self.http, || self.log_in()).await {
            Ok(token) => token,
            Err(reply) => return reply,
        };
        let reply = self.http.send_with(ask, "session-token", &token).await;
        if Mapping::session_ended(&reply) { self.session.ended(&token).await } else { reply }
    }
}

#[async_trait]
impl Desk for GlpiDesk {
    fn kind(&self) -> &'static str {
        "glpi"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        self.map.rows(self.send(self.map.find(key)).await)
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.http.cleaned(self.map.created(self.send(self.map.create(draft)).await))
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        let reply = self.send(self.map.followup(ticket, note)).await;
        self.http.cleaned(Mapping::added(reply)).map(|_| ())
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let (impact, urgency) = self.map.numbers(priority);
        let ask = self.map.update(ticket, &json!({ "impact": impact, "urgency": urgency }));
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        let put = || async { self.http.cleaned(Mapping::updated(self.send(ask).await)) };
        rest::change(self, ticket, there, put).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let solve = || async {
            let reply = self.send(self.map.solution(ticket)).await;
            self.http.cleaned(Mapping::added(reply)).map(|_| ())
        };
        rest::change(self, ticket, |s| !s.open, solve).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let ask = self.map.update(ticket, &json!({ "status": PROCESSING }));
        let put = || async { self.http.cleaned(Mapping::updated(self.send(ask).await)) };
        rest::change(self, ticket, |s| s.open, put).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let snapshot = self.map.snapshot(self.send(self.map.ticket(ticket)).await);
        match snapshot {
            Outcome::Done(snapshot) if notes => {
                Mapping::operations(self.send(self.map.followups(ticket)).await)
                    .map(|notes| Snapshot { notes, ..snapshot })
            }
            other => other,
        }
    }

    async fn close(&self) {
        if let Some(token) = self.session.take().await {
            let ask = self.map.get("killSession");
            self.http.send_with(ask, "session-token", &token).await;
        }
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        Mapping {
            base: rest::base(config),
            group: config.queue.clone(),
            entity: config.organization.as_ref().and_then(|e| e.parse().ok()),
            app_token: config.app_token.clone(),
            names: Names::new(config, ["5/5", "4/4", "3/3"]),
        }
    }

    fn with_app(&self, mut ask: Ask) -> Ask {
        if let Some(token) = DeskConfig::exposed(self.app_token.as_ref()) {
            ask.headers.push(("app-token".into(), token.to_owned()));
        }
        ask
    }

    fn get(&self, path: &str) -> Ask {
        self.with_app(Ask::get(format!("{}/apirest.php/{path}", self.base)))
    }

    fn send(&self, method: Method, path: &str, input: &Value) -> Ask {
        let url = format!("{}/apirest.php/{path}", self.base);
        self.with_app(Ask::json(method, url, &json!({ "input": input })))
    }

    fn numbers(&self, priority: Priority) -> (i64, i64) {
        let (impact, urgency) = self.names.pair(priority);
        (impact.parse().unwrap_or(3), urgency.parse().unwrap_or(3))
    }

    fn find(&self, key: &str) -> Ask {
        let field = urlencode("searchText[externalid]");
        self.get(&format!("Ticket?{field}={}&range=0-99", urlencode(key)))
    }

    fn create(&self, draft: &Draft) -> Ask {
        let (impact, urgency) = self.numbers(draft.priority);
        let mut input = json!({
            "name": rest::cut(&draft.title, TITLE_MAX),
            "content": html(&draft.text),
            "type": 1,
            "impact": impact,
            "urgency": urgency,
            "externalid": draft.key,
        });
        let group = draft.group.as_deref().or(self.group.as_deref());
        if let Some(group) = group {
            input["_groups_id_assign"] = group.parse::<u32>().map_or(group.into(), Value::from);
        }
        if let Some(category) = draft.category.as_deref() {
            input["itilcategories_id"] =
                category.parse::<u32>().map_or(category.into(), Value::from);
        }
        if let Some(entity) = self.entity {
            input["entities_id"] = entity.into();
        }
        self.send(Method::POST, "Ticket", &input)
    }

    /// Private: a public one by the requester would open a solved ticket again.
    fn followup(&self, ticket: &TicketRef, note: &Note) -> Ask {
        let input = json!({
            "itemtype": "Ticket",
            "items_id": number(&ticket.id),
            "content": html(&note.text),
            "is_private": 1,
        });
        self.send(Method::POST, "ITILFollowup", &input)
    }

    fn solution(&self, ticket: &TicketRef) -> Ask {
        let id = number(&ticket.id);
        let input = json!({ "itemtype": "Ticket", "items_id": id, "content": SOLUTION });
        self.send(Method::POST, "ITILSolution", &input)
    }

    fn update(&self, ticket: &TicketRef, input: &Value) -> Ask {
        self.send(Method::PUT, &format!("Ticket/{}", urlencode(&ticket.id)), input)
    }

    fn ticket(&self, ticket: &TicketRef) -> Ask {
        self.get(&format!("Ticket/{}?get_hateoas=false", urlencode(&ticket.id)))
    }

    /// The newest first: what is looked for was written a moment ago.
    fn followups(&self, ticket: &TicketRef) -> Ask {
        let id = urlencode(&ticket.id);
        self.get(&format!("Ticket/{id}/ITILFollowup?range=0-499&order=DESC&get_hateoas=false"))
    }

    /// Whether it was refused because our session is none any more.
    fn session_ended(reply: &Reply) -> bool {
        matches!(reply, Reply::Said(said) if said.status == 401
            && (said.body.contains("ERROR_SESSION_TOKEN_INVALID")
                || said.body.contains("ERROR_SESSION_TOKEN_MISSING")))
    }

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        rest::rows(
            reply,
            |s| s == 200 || s == 206,
            "",
            |item| {
                Some(Row {
                    ticket: self.reference(&text(item.get("id"))?),
                    key: text(item.get("externalid")),
                    open: is_open(item)?,
                    priorities: self.priorities(item),
                })
            },
        )
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        Mapping::added(reply).map(|id| self.reference(&id))
    }

    /// The id of what was added.
    fn added(reply: Reply) -> Outcome<String> {
        let answer = match json(reply, |s| s == 201 || s == 200 || s == 207) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let item = answer.as_array().and_then(|items| items.first()).unwrap_or(&answer);
        match item.get("id") {
            Some(Value::Bool(false)) => Outcome::Rejected { retry: false, reason: message(item) },
            id => match text(id) {
                Some(id) => Outcome::Done(id),
                None => unknown("added, but the answer has no id"),
            },
        }
    }

    /// `[{"7":true,"message":""}]`.
    fn updated(reply: Reply) -> Outcome<()> {
        let answer = match json(reply, |s| s == 200 || s == 207) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let item = answer.as_array().and_then(|items| items.first());
        let flag = item.and_then(Value::as_object).and_then(|fields| {
            fields.iter().find(|(name, _)| name.bytes().all(|b| b.is_ascii_digit()))
        });
        match flag {
            Some((_, Value::Bool(true))) => Outcome::Done(()),
            Some((_, Value::Bool(false))) => {
                let reason = item.map(message).unwrap_or_default();
                Outcome::Rejected { retry: false, reason }
            }
            _ => unknown("the answer does not say whether it was changed"),
        }
    }

    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        if rest::not_found(&reply, "ERROR_ITEM_NOT_FOUND") {
            return Outcome::Done(Snapshot { gone: true, ..Snapshot::default() });
        }
        let ticket = match json(reply, |s| s == 200) {
            Ok(ticket) => ticket,
            Err(outcome) => return outcome,
        };
        let Some(open) = is_open(&ticket) else {
            return unknown("the answer is no ticket with a status");
        };
        let key = text(ticket.get("externalid"));
        let (gone, priorities) = (is_binned(&ticket), self.priorities(&ticket));
        Outcome::Done(Snapshot { key, open, priorities, gone, ..Snapshot::default() })
    }

    fn operations(reply: Reply) -> Outcome<Vec<String>> {
        let list = match json(reply, |s| s == 200 || s == 206) {
            Ok(list) => list,
            Err(outcome) => return outcome,
        };
        let Some(items) = list.as_array() else {
            return unknown("the answer is no list of followups");
        };
        let texts = items.iter().filter_map(|f| f.get("content").and_then(Value::as_str));
        Outcome::Done(texts.flat_map(Note::operations_in).map(str::to_owned).collect())
    }

    fn priorities(&self, ticket: &Value) -> Vec<Priority> {
        let number = |key| text(ticket.get(key)).unwrap_or_default();
        self.names.which(&format!("{}/{}", number("impact"), number("urgency")))
    }

    fn reference(&self, id: &str) -> TicketRef {
        let url = format!("{}/front/ticket.form.php?id={}", self.base, urlencode(id));
        TicketRef { id: id.to_owned(), url: Some(url) }
    }
}

/// An id as GLPI wants it.
fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}

fn message(item: &Value) -> String {
    let said = text(item.get("message")).unwrap_or_else(|| "no reason was given".into());
    format!("GLPI refuses: {said}")
}

/// New 1, processing 2 and 3, pending 4, solved 5, closed 6; what lies in the bin is not open.
pub(super) fn is_open(ticket: &Value) -> Option<bool> {
    let status = ticket.get("status")?;
    let status = text(status.get("id").or(Some(status)))?.parse::<i64>().ok()?;
    Some(!is_binned(ticket) && status < 5)
}

/// Whether somebody deleted it.
pub(super) fn is_binned(ticket: &Value) -> bool {
    match ticket.get("is_deleted") {
        Some(Value::Bool(deleted)) => *deleted,
        other => text(other).is_some_and(|d| d == "1"),
    }
}

#[cfg(test)]
#[path = "glpi_tests.rs"]
mod tests;
