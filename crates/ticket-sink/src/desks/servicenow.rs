//! ServiceNow, by the Table API.
//!
//! What it is like, by its documentation and what others met (ServiceNowDocs: c_TableAPI.md, the
//! product's incident table; ansible-collections/servicenow.itsm: plugins/modules/incident.py;
//! FXinnovation/alertmanager-webhook-servicenow): an unknown field of a query is dropped, and *all*
//! incidents come back, so every row is compared; an unknown field of a body is ignored, so the key is
//! read back; rows that the user may not see are missing without a word; priority is made of impact
//! and urgency and cannot be set; resolving needs a close code and close notes, and business rules may
//! want more; work notes are written in the incident and read in `sys_journal_field`; an instance that
//! hibernates answers 200 with a web page. The key is in `correlation_id`, which every incident has. With
//! the dictionary attribute *Unique* on that field a second ticket with one key is impossible.

use super::rest::{self, Names, common_keys, json, text, unknown};
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, urlencode};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::{Value, json};

/// The most characters of `short_description` and of `description`.
const TITLE_MAX: usize = 160;
const TEXT_MAX: usize = 4000;

/// In progress, on hold or new is open; these are not: resolved, closed, cancelled.
const CLOSED: [&str; 3] = ["6", "7", "8"];

/// How many work notes are read. The newest come first.
const NOTES_MAX: usize = 1000;

const FIELDS: &str = "sys_id,number,state,impact,urgency";

pub(crate) const KEYS: &[&str] = common_keys![
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "requestor",
    "key_field",
    "ticket_type",
    "resolution",
    "resolved_status",
    "open_status",
    "closed_statuses",
];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    rest::login_problems(config, tell);
    rest::pair_problems(config, tell);
    rest::name_problems(config, "is the plain name of a field or table, as u_alert_key", tell);
}

pub(crate) const fn abilities() -> Abilities {
    Abilities::ONE_WAY
}

/// A ServiceNow.
pub(crate) struct ServiceNowDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    table: String,
    group: Option<String>,
    caller: Option<String>,
    key_field: String,
    resolved: String,
    open: String,
    closed: Vec<String>,
    close_code: String,
    names: Names,
}

impl ServiceNowDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<ServiceNowDesk, String> {
        let login = rest::login(config, |key| Login::Named("x-sn-apikey", key.into()))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(ServiceNowDesk { http, map: Mapping::new(config), rules })
    }

    async fn patch(&self, ticket: &TicketRef, change: Value) -> Outcome<()> {
        Mapping::written(self.http.send(self.map.patch(ticket, &change)).await)
    }
}

#[async_trait]
impl Desk for ServiceNowDesk {
    fn kind(&self) -> &'static str {
        "servicenow"
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
        self.patch(ticket, json!({ "work_notes": note.text })).await
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let (impact, urgency) = self.map.names.pair(priority);
        let change = json!({ "impact": impact, "urgency": urgency });
        let there = |s: &Snapshot| s.priorities.contains(&priority);
        rest::change(self, ticket, there, || self.patch(ticket, change)).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({
            "state": self.map.resolved,
            "close_code": self.map.close_code,
            "close_notes": "kentongan: pulih / recovered",
        });
        rest::change(self, ticket, |s| !s.open, || self.patch(ticket, change)).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let change = json!({ "state": self.map.open });
        rest::change(self, ticket, |s| s.open, || self.patch(ticket, change)).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let snapshot = self.map.snapshot(self.http.send(self.map.ticket(ticket)).await);
        match snapshot {
            Outcome::Done(snapshot) if notes => {
                Mapping::operations(ticket, self.http.send(self.map.journal(ticket)).await)
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
        let mut closed: Vec<String> = CLOSED.map(str::to_owned).to_vec();
        closed.extend(config.closed_statuses.iter().cloned());
        Mapping {
            base: rest::base(config),
            table: or(&config.ticket_type, "incident"),
            group: config.queue.clone(),
            caller: config.requestor.clone(),
            key_field: or(&config.key_field, "correlation_id"),
            resolved: or(&config.resolved_status, "6"),
            open: or(&config.open_status, "2"),
            closed,
            close_code: or(&config.resolution, "Solved (Permanently)"),
            names: Names::new(config, ["1/1", "1/2", "2/2"]),
        }
    }

    fn table(&self, rest: &str) -> String {
        format!("{}/api/now/table/{}{rest}", self.base, self.table)
    }

    fn fields(&self) -> String {
        format!("sysparm_fields={FIELDS},{}&sysparm_exclude_reference_link=true", self.key_field)
    }

    /// A `^` would begin another condition; keys have none, and none gets through.
    fn find(&self, key: &str) -> Ask {
        let key = key.replace('^', "");
        let query = urlencode(&format!("{}={key}^ORDERBYsys_created_on", self.key_field));
        let fields = self.fields();
        Ask::get(self.table(&format!("?sysparm_query={query}&sysparm_limit=100&{fields}")))
    }

    /// Names instead of ids for the group and the caller.
    fn create(&self, draft: &Draft) -> Ask {
        let (impact, urgency) = self.names.pair(draft.priority);
        let mut body = json!({
            "short_description": rest::cut(&draft.title, TITLE_MAX),
            "description": rest::cut_keeping_end(&draft.text, TEXT_MAX),
            "impact": impact,
            "urgency": urgency,
            &self.key_field: draft.key,
            "correlation_display": "kentongan",
        });
        if let Some(group) = draft.group.as_deref().or(self.group.as_deref()) {
            body["assignment_group"] = group.into();
        }
        if let Some(category) = draft.category.as_deref() {
            body["category"] = category.into();
        }
        if let Some(caller) = &self.caller {
            body["caller_id"] = caller.as_str().into();
        }
        let url = self.table(&format!("?sysparm_input_display_value=true&{}", self.fields()));
        Ask::json(Method::POST, url, &body)
    }

    fn patch(&self, ticket: &TicketRef, change: &Value) -> Ask {
        let url = self.table(&format!("/{}?{}", urlencode(&ticket.id), self.fields()));
        Ask::json(Method::PATCH, url, change)
    }

    fn ticket(&self, ticket: &TicketRef) -> Ask {
        Ask::get(self.table(&format!("/{}?{}", urlencode(&ticket.id), self.fields())))
    }

    fn journal(&self, ticket: &TicketRef) -> Ask {
        let id = ticket.id.replace('^', "");
        let query = format!("element_id={id}^element=work_notes^ORDERBYDESCsys_created_on");
        Ask::get(format!(
            "{}/api/now/table/sys_journal_field?sysparm_query={}&sysparm_fields=element_id,value&sysparm_limit={NOTES_MAX}",
            self.base,
            urlencode(&query)
        ))
    }

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        rest::rows(
            reply,
            |s| s == 200,
            "/result",
            |item| {
                Some(Row {
                    ticket: self.reference(item)?,
                    key: text(item.get(&self.key_field)),
                    open: self.is_open(item)?,
                    priorities: self.priorities(item),
                })
            },
        )
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        match json(reply, |s| s == 201) {
            Ok(answer) => match answer.get("result").and_then(|r| self.reference(r)) {
                Some(ticket) => Outcome::Done(ticket),
                None => unknown("created, but the answer has no sys_id"),
            },
            Err(outcome) => outcome,
        }
    }

    fn written(reply: Reply) -> Outcome<()> {
        match json(reply, |s| s == 200) {
            Ok(answer) if text(answer.pointer("/result/sys_id")).is_some() => Outcome::Done(()),
            Ok(_) => unknown("the answer has no record"),
            Err(outcome) => outcome,
        }
    }

    fn snapshot(&self, reply: Reply) -> Outcome<Snapshot> {
        let answer = match json(reply, |s| s == 200) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let record = answer.get("result").unwrap_or(&Value::Null);
        let Some(open) = self.is_open(record) else {
            return unknown("the answer is no record with a state");
        };
        let key = text(record.get(&self.key_field));
        Outcome::Done(Snapshot {
            key,
            open,
            priorities: self.priorities(record),
            ..Snapshot::default()
        })
    }

    /// Only of this ticket, should the query have been dropped.
    fn operations(ticket: &TicketRef, reply: Reply) -> Outcome<Vec<String>> {
        let answer = match json(reply, |s| s == 200) {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let Some(items) = answer.get("result").and_then(Value::as_array) else {
            return unknown("the answer has no list of work notes");
        };
        let ours =
            |item: &&Value| item.get("element_id").and_then(Value::as_str) == Some(&ticket.id);
        if items.len() >= NOTES_MAX && !items.iter().all(|item| ours(&item)) {
            return unknown("the work notes of other tickets came instead");
        }
        let texts =
            items.iter().filter(ours).filter_map(|i| i.get("value").and_then(Value::as_str));
        Outcome::Done(texts.flat_map(Note::operations_in).map(str::to_owned).collect())
    }

    fn is_open(&self, record: &Value) -> Option<bool> {
        let state = text(record.get("state"))?;
        Some(state != self.resolved && !self.closed.contains(&state))
    }

    fn priorities(&self, record: &Value) -> Vec<Priority> {
        let number = |key| text(record.get(key)).unwrap_or_default();
        self.names.which(&format!("{}/{}", number("impact"), number("urgency")))
    }

    fn reference(&self, record: &Value) -> Option<TicketRef> {
        let id = text(record.get("sys_id"))?;
        let url =
            format!("{}/nav_to.do?uri={}.do?sys_id={}", self.base, self.table, urlencode(&id));
        Some(TicketRef { id, url: Some(url) })
    }
}

#[cfg(test)]
#[path = "servicenow_tests.rs"]
mod tests;
