//! osTicket 1.17 and 1.18, as it comes: the API that opens tickets.
//!
//! What it is like, by its documentation and source (osTicket: setup/doc/api/tickets.md,
//! include/api.tickets.php, include/class.api.php, include/class.thread.php; osTicket#741, #3973,
//! #4925): a ticket can be opened and nothing else. It cannot be searched for, read, changed or closed,
//! so **a lost answer stays a doubt for a person, and a recovery is only told in a note**. The answer
//! is the number of the ticket as plain text. Mails are sent while the request is under way, so it is
//! slow: give `timeout` half a minute. The API key belongs to one address of ours. Our note comes in as
//! an e-mail from the person the ticket was opened for, to `tickets.email`: the ticket's number in its
//! subject names the ticket, and its Message-ID is the operation's, so that the same note twice is seen
//! as one (*seen* in `ThreadEntry::lookupByEmailHeaders`). Where no ticket is recognized, osTicket opens
//! another one of the mail, and the number in its answer shows it.

use super::rest::{self, Names};
use crate::config::{DeskConfig, PriorityName};
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, success};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::json;

/// The most characters of a subject.
const TITLE_MAX: usize = 255;

/// The longest number of a ticket: its format is the installation's own.
const NUMBER_MAX: usize = 20;

pub(crate) const KEYS: &[&str] =
    &["url", "token", "token_file", "queue", "requestor", "key_field", "priorities"];

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    if config.token.is_none() && config.token_file.is_none() {
        tell("token", "is missing: the API key that belongs to our address".into());
    }
    let plain = |a: &String| {
        a.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
            && !a.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
    };
    if !config.requestor.as_ref().is_some_and(plain) {
        let what = "the e-mail address that tickets are opened for and notes come from";
        tell("requestor", format!("is missing or no plain address: {what}"));
    }
    if config.queue.as_ref().is_some_and(|t| t.parse::<u32>().is_err()) {
        tell("queue", "is the number of a help topic".into());
    }
    for (key, name) in config.priorities.named() {
        if matches!(name, PriorityName::Text(_)) {
            tell(key, "is the number of a priority in osTicket".into());
        }
    }
}

pub(crate) const fn abilities() -> Abilities {
    Abilities {
        find: false,
        read: false,
        read_notes: false,
        note: true,
        priority: false,
        resolve: false,
        reopen: false,
        ..Abilities::ONE_WAY
    }
}

/// An osTicket.
pub(crate) struct OsTicketDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

#[derive(Debug, Clone)]
struct Mapping {
    base: String,
    topic: Option<String>,
    address: String,
    key_field: Option<String>,
    names: Names,
}

impl OsTicketDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<OsTicketDesk, String> {
        let login = rest::login(config, |key| Login::Named("x-api-key", key.into()))?;
        let http = Http::new(config, login, rules.timeout)?;
        Ok(OsTicketDesk { http, map: Mapping::new(config), rules })
    }
}

fn unable<T>(what: &str) -> Outcome<T> {
    Outcome::Rejected { retry: false, reason: format!("osTicket's API cannot {what}") }
}

#[async_trait]
impl Desk for OsTicketDesk {
    fn kind(&self) -> &'static str {
        "osticket"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, _key: &str) -> Outcome<Vec<Row>> {
        unable("search")
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        self.map.created(self.http.send(self.map.create(draft)).await)
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        Mapping::noted(ticket, self.http.send(self.map.mail(ticket, note)).await)
    }

    async fn set_priority(&self, _ticket: &TicketRef, _priority: Priority) -> Outcome<()> {
        unable("change a priority")
    }

    async fn resolve(&self, _ticket: &TicketRef) -> Outcome<()> {
        unable("close a ticket")
    }

    async fn reopen(&self, _ticket: &TicketRef) -> Outcome<()> {
        unable("open a ticket again")
    }

    async fn read(&self, _ticket: &TicketRef, _notes: bool) -> Outcome<Snapshot> {
        unable("read a ticket")
    }
}

impl Mapping {
    fn new(config: &DeskConfig) -> Mapping {
        Mapping {
            base: rest::base(config),
            topic: config.queue.clone(),
            address: config.requestor.clone().unwrap_or_default(),
            key_field: config.key_field.clone(),
            names: Names::new(config, ["4", "3", "2"]),
        }
    }

    /// No answers by mail to ourselves; the staff is alerted. The key stands in the text; where the
    /// form has a field for it, there as well.
    fn create(&self, draft: &Draft) -> Ask {
        let mut body = json!({
            "name": "kentongan",
            "email": self.address,
            "subject": rest::cut(&draft.title, TITLE_MAX),
            "message": format!("data:text/plain;charset=utf-8,{}", draft.text),
            "priorityId": self.names.of(draft.priority),
            "alert": true,
            "autorespond": false,
            "source": "API",
        });
        if let Some(topic) = draft.group.as_deref().or(self.topic.as_deref()) {
            body["topicId"] = topic.into();
        }
        if let Some(field) = &self.key_field {
            body[field] = draft.key.as_str().into();
        }
        Ask::json(Method::POST, format!("{}/api/tickets.json", self.base), &body)
    }

    fn mail(&self, ticket: &TicketRef, note: &Note) -> Ask {
        let number = &ticket.id;
        let operation: String = note.operation.chars().filter(|c| is_plain(*c)).collect();
        let head = [
            format!("From: kentongan <{}>", self.address),
            format!("To: <{}>", self.address),
            format!("Subject: Re: [#{number}]"),
            format!("Message-ID: <{operation}@kentongan>"),
            "Auto-Submitted: no".to_owned(),
            "MIME-Version: 1.0".to_owned(),
            "Content-Type: text/plain; charset=utf-8".to_owned(),
            "Content-Transfer-Encoding: 8bit".to_owned(),
        ];
        let text = note.text.replace('\r', "").replace('\n', "\r\n");
        Ask {
            method: Method::POST,
            url: format!("{}/api/tickets.email", self.base),
            headers: vec![("Content-Type".into(), "message/rfc822".into())],
            body: Some(format!("{}\r\n\r\n{text}\r\n", head.join("\r\n"))),
        }
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        number(reply).map(|id| TicketRef {
            url: Some(format!("{}/scp/tickets.php?a=search&query={id}", self.base)),
            id,
        })
    }

    fn noted(ticket: &TicketRef, reply: Reply) -> Outcome<()> {
        match number(reply) {
            Outcome::Done(number) if number == ticket.id => Outcome::Done(()),
            Outcome::Done(number) => rest::unknown(format!(
                "osTicket did not recognize ticket {} and opened {number} of the note: is the \
                 requestor the ticket's owner?",
                ticket.id
            )),
            other => other.map(|_| ()),
        }
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')
}

/// The number that is the whole answer.
fn number(reply: Reply) -> Outcome<String> {
    let said = match success(reply, |s| s == 201) {
        Ok(said) => said,
        Err(outcome) => return outcome,
    };
    let number = said.body.trim().trim_matches('"');
    let good = !number.is_empty() && number.len() <= NUMBER_MAX && number.chars().all(is_plain);
    if good && !said.html && number.bytes().any(|b| b.is_ascii_digit()) {
        Outcome::Done(number.to_owned())
    } else {
        rest::unknown("opened, but the answer is no number of a ticket")
    }
}

#[cfg(test)]
#[path = "osticket_tests.rs"]
mod tests;
