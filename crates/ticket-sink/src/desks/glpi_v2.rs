//! GLPI 11, by its high-level API (`/api.php/v2`).
//!
//! What it is like, by its documentation and source (glpi: resources/api_doc.MD,
//! src/Glpi/Api/HL/Controller/ITILController.php, src/Glpi/Api/HL/ResourceAccessor.php; glpi#20520,
//! #20762, #21159, #25139): every request needs an access token, which a user with a password gets
//! through an OAuth client and which ends after about an hour (401 before anything is done); a search
//! is `filter=external_id==KEY`; status is an object; a group cannot be given when a ticket is opened,
//! it is a second call that may fail by itself, so none is made here: let a business rule of GLPI
//! assign the ticket. Everything else is as in [`super::glpi`].

use super::glpi::{PROCESSING, SOLUTION, TITLE_MAX, is_binned, is_open};
use super::rest::{self, Names, common_keys, html, json, text, unknown};
use super::session::{Session, opened};
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, success, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

pub(crate) const KEYS: &[&str] = common_keys![
    "user",
    "password",
    "password_file",
    "client_id",
    "client_secret",
    "client_secret_file",
    "organization",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    rest::needed(config.user.as_ref(), "user", "the login name of our user", tell);
    rest::needed(config.client_id.as_ref(), "client_id", "the id of GLPI's OAuth client", tell);
    if config.client_secret.is_none() && config.client_secret_file.is_none() {
        tell("client_secret", "is missing: the secret of GLPI's OAuth client".into());
    }
    if config.queue.is_some() {
        let help = "no group can be given to this API: let a business rule assign the ticket";
        tell("queue", help.into());
    }
    super::glpi::numbers(config, tell);
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ONE_WAY
}

/// A GLPI 11.
pub(crate) struct GlpiV2Desk {
    http: Http,
    session: Session,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    user: String,
    password: SecretString,
    client_id: String,
    client_secret: SecretString,
    entity: Option<u32>,
    names: Names,
}

impl GlpiV2Desk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<GlpiV2Desk, String> {
        let http = Http::new(config, Login::None, rules.timeout)?;
        let map = Mapping::new(config)?;
        Ok(GlpiV2Desk { http, session: Session::default(), map, rules })
    }

    async fn log_in(&self) -> Result<SecretString, Reply> {
        opened(self.http.send(self.map.token()).await, |said| {
            let token = text(said.json().ok()?.get("access_token"))?;
            Some(format!("Bearer {token}"))
        })
    }

    /// Sends it with our access token.
    async fn send(&self, ask: Ask) -> Reply {
        let token = match self.session.token(&self.http, || self.log_in()).await {
            Ok(token) => token,
            Err(reply) => return reply,
        };
        match self.http.send_with(ask, "authorization", &token).await {
            reply if Mapping::token_ended(&reply) => self.session.ended(&token).await,
            reply => reply,
        }
    }
}

#[async_trait]
impl Desk for GlpiV2Desk {
    fn kind(&self) -> &'static str {
        "glpi-v2"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        self.map.rows(self.send(self.map.find(key)).await)
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.map.created(self.send(self.map.create(draft)).await)
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        let body = json!({ "content": html(&note.text), "is_private": true });
        Mapping::added(self.send(self.map.timeline(ticket, "Followup", &body)).await).map(|_| ())
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let (impact, urgency) = self.map.numbers(priority);
        let ask = self.map.patch(ticket, &json!({ "impact": impact, "urgency": urgency }));
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        rest::change(self, ticket, there, || async { Mapping::patched(self.send(ask).await) }).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let ask = self.map.timeline(ticket, "Solution", &json!({ "content": SOLUTION }));
        let solve = || async { Mapping::added(self.send(ask).await).map(|_| ()) };
        rest::change(self, ticket, |s| !s.open, solve).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let ask = self.map.patch(ticket, &json!({ "status": { "id": PROCESSING } }));
        let put = || async { Mapping::patched(self.send(ask).await) };
        rest::change(self, ticket, |s| s.open, put).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let snapshot = self.map.snapshot(self.send(self.map.ticket(ticket, "")).await);
        match snapshot {
            Outcome::Done(snapshot) if notes => {
                let path = "/Timeline/Followup?limit=500&sort=id:desc";
                Mapping::operations(self.send(self.map.ticket(ticket, path)).await)
                    .map(|notes| Snapshot { notes, ..snapshot })
            }
            other => other,
        }
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Result<Mapping, String> {
        Ok(Mapping {
            base: rest::base(config),
            user: config.user.clone().unwrap_or_default(),
            password: config.password.clone().ok_or("the password is missing")?,
            client_id: config.client_id.clone().unwrap_or_default(),
            client_secret: config.client_secret.clone().ok_or("the client_secret is missing")?,
            entity: config.organization.as_ref().and_then(|e| e.parse().ok()),
            names: Names::new(config, ["5/5", "4/4", "3/3"]),
        })
    }

    fn token(&self) -> Ask {
        let body = json!({
            "grant_type": "password",
            "client_id": self.client_id,
            "client_secret": self.client_secret.expose_secret(),
            "username": self.user,
            "password": self.password.expose_secret(),
            "scope": "api",
        });
        Ask::json(Method::POST, format!("{}/api.php/token", self.base), &body)
    }

    fn tickets(&self, rest: &str) -> String {
        format!("{}/api.php/v2/Assistance/Ticket{rest}", self.base)
    }

    fn numbers(&self, priority: Priority) -> (i64, i64) {
        let (impact, urgency) = self.names.pair(priority);
        (impact.parse().unwrap_or(3), urgency.parse().unwrap_or(3))
    }

    fn find(&self, key: &str) -> Ask {
        let filter = urlencode(&format!("external_id=={key}"));
        Ask::get(self.tickets(&format!("?filter={filter}&limit=100")))
    }

    fn create(&self, draft: &Draft) -> Ask {
        let (impact, urgency) = self.numbers(draft.priority);
        let mut body = json!({
            "name": rest::cut(&draft.title, TITLE_MAX),
            "content": html(&draft.text),
            "type": 1,
            "impact": impact,
            "urgency": urgency,
            "external_id": draft.key,
        });
        if let Some(entity) = self.entity {
            body["entity"] = json!({ "id": entity });
        }
        Ask::json(Method::POST, self.tickets(""), &body)
    }

    fn timeline(&self, ticket: &TicketRef, item: &str, body: &Value) -> Ask {
        let path = format!("/{}/Timeline/{item}", urlencode(&ticket.id));
        Ask::json(Method::POST, self.tickets(&path), body)
    }

    fn patch(&self, ticket: &TicketRef, change: &Value) -> Ask {
        let path = format!("/{}", urlencode(&ticket.id));
        Ask::json(Method::PATCH, self.tickets(&path), change)
    }

    fn ticket(&self, ticket: &TicketRef, more: &str) -> Ask {
        Ask::get(self.tickets(&format!("/{}{more}", urlencode(&ticket.id))))
    }

    /// A 401 is for the token: what our user may not do is a 403 or a 404.
    fn token_ended(reply: &Reply) -> bool {
        matches!(reply, Reply::Said(said) if said.status == 401
            && said.body.contains("ERROR_UNAUTHENTICATED"))
    }

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        rest::rows(
            reply,
            |s| s == 200 || s == 206,
            "",
            |item| {
                Some(Row {
                    ticket: self.reference(&text(item.get("id"))?),
                    key: text(item.get("external_id")),
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
        match json(reply, |s| s == 200 || s == 201) {
            Ok(answer) => match text(answer.get("id")) {
                Some(id) => Outcome::Done(id),
                None => unknown("added, but the answer has no id"),
            },
            Err(outcome) => outcome,
        }
    }

    /// The ticket as changed, or nothing.
    fn patched(reply: Reply) -> Outcome<()> {
        match success(reply, |s| s == 200 || s == 204) {
            Ok(said) if said.status == 204 => Outcome::Done(()),
            Ok(said) => match said.json() {
                Ok(_) => Outcome::Done(()),
                Err(reason) => unknown(reason),
            },
            Err(outcome) => outcome,
        }
    }

    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        let ticket = match json(reply, |s| s == 200) {
            Ok(ticket) => ticket,
            Err(outcome) => return outcome,
        };
        let Some(open) = is_open(&ticket) else {
            return unknown("the answer is no ticket with a status");
        };
        let key = text(ticket.get("external_id"));
        let (gone, priorities) = (is_binned(&ticket), self.priorities(&ticket));
        Outcome::Done(Snapshot { key, open, priorities, gone, ..Snapshot::default() })
    }

    /// An item stands by itself, or in an envelope that says what it is (glpi#20762).
    fn operations(reply: Reply) -> Outcome<Vec<String>> {
        let list = match json(reply, |s| s == 200 || s == 206) {
            Ok(list) => list,
            Err(outcome) => return outcome,
        };
        let Some(items) = list.as_array() else {
            return unknown("the answer is no list of followups");
        };
        let mut found = Vec::new();
        for item in items {
            let content = item.get("item").unwrap_or(item).get("content").and_then(Value::as_str);
            found.extend(Note::operations_in(content.unwrap_or("")).map(str::to_owned));
        }
        Outcome::Done(found)
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

#[cfg(test)]
#[path = "glpi_v2_tests.rs"]
mod tests;
