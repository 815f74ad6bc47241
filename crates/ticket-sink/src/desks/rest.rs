//! What the desks that speak JSON over HTTP have in common: small readings of answers, the careful
//! order of a change (look, change, look again), and texts cut to what a desk takes.

use crate::config::{DeskConfig, PriorityName};
use crate::desk::Desk;
use crate::http::{Login, Reply, success};
use delivery::{Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// What most of them understand of the configuration.
macro_rules! common_keys {
    ($($more:literal),* $(,)?) => {
        &[
            "url", "queue", "priorities", "empty_finds", $($more),*
        ]
    };
}
pub(crate) use common_keys;

/// A text that is not empty, or a number, as text: ids come as either.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The address without slashes at its end.
pub(crate) fn base(config: &DeskConfig) -> String {
    config.url.clone().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// The JSON of a success; a success that cannot be read proves nothing.
pub(crate) fn json<T>(reply: Reply, is_success: impl Fn(u16) -> bool) -> Result<Value, Outcome<T>> {
    let said = success(reply, is_success)?;
    said.json().map_err(|reason| Outcome::Unknown { reason })
}

/// The rows of a search whose list is at `path` (a JSON pointer). One that cannot be read makes the
/// whole answer unreadable: it might have been ours.
pub(crate) fn rows(
    reply: Reply,
    is_success: impl Fn(u16) -> bool,
    path: &str,
    row: impl Fn(&Value) -> Option<Row>,
) -> Outcome<Vec<Row>> {
    let answer = match json(reply, is_success) {
        Ok(answer) => answer,
        Err(outcome) => return outcome,
    };
    let Some(items) = answer.pointer(path).and_then(Value::as_array) else {
        return unknown("the answer to the search has no list of tickets");
    };
    match items.iter().map(row).collect() {
        Some(rows) => Outcome::Done(rows),
        None => unknown("a ticket in the answer to the search has no id or no status"),
    }
}

/// Whether the desk itself says, in the words that it has for it, that there is no such ticket. A 404
/// of something in between has others; where a desk says the same of what our user may not see, it
/// proves nothing.
pub(crate) fn not_found(reply: &Reply, words: &str) -> bool {
    matches!(reply, Reply::Said(said) if said.status == 404 && !said.html && said.body.contains(words))
}

/// Nobody knows, because of `reason`.
pub(crate) fn unknown<T>(reason: impl Into<String>) -> Outcome<T> {
    Outcome::Unknown { reason: reason.into() }
}

/// The login of a desk with a token or else a user with a password; `header` makes it of the token.
pub(crate) fn login(config: &DeskConfig, header: impl Fn(&str) -> Login) -> Result<Login, String> {
    match (&config.token, &config.user, &config.password) {
        (Some(token), _, _) => Ok(header(token.expose_secret())),
        (None, Some(user), Some(password)) => Ok(Login::Basic(user.clone(), password.clone())),
        _ => Err("neither token nor user with password is given".into()),
    }
}

/// The value of an `Authorization` header: `scheme token`.
pub(crate) fn scheme(scheme: &str, token: &str) -> Login {
    Login::Header(SecretString::from(format!("{scheme} {token}")))
}

/// Says what is wrong where a token or else a user with a password is needed.
pub(crate) fn login_problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    let token = config.token.is_some() || config.token_file.is_some();
    if config.user.is_some() == token {
        let what = if token { "stands beside user" } else { "is missing" };
        tell("token", format!("{what}: give token (or token_file), or else user and password"));
    }
}

/// Says which of the names of a field and of a type of tickets is none that can stand in a query.
pub(crate) fn name_problems(config: &DeskConfig, what: &str, tell: &mut dyn FnMut(&str, String)) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (key, value) in [("key_field", &config.key_field), ("ticket_type", &config.ticket_type)] {
        if value.as_ref().is_some_and(|v| v.is_empty() || !v.chars().all(plain)) {
            tell(key, what.into());
        }
    }
}

/// Says that a key is missing without which the desk takes no ticket.
pub(crate) fn needed(
    given: Option<&String>,
    key: &str,
    what: &str,
    tell: &mut dyn FnMut(&str, String),
) {
    if given.is_none_or(|v| v.trim().is_empty()) {
        tell(key, format!("is missing: {what}"));
    }
}

/// Reads the ticket, and makes the change only where it is still needed: then reads it back. A desk
/// that says yes and does nothing has refused.
pub(crate) async fn change<W>(
    desk: &dyn Desk,
    ticket: &TicketRef,
    as_wanted: impl Fn(&Snapshot) -> bool + Send + Sync,
    write: impl FnOnce() -> W + Send,
) -> Outcome<()>
where
    W: Future<Output = Outcome<()>> + Send,
{
    match desk.read(ticket, false).await {
        Outcome::Done(snapshot) if as_wanted(&snapshot) => return Outcome::Done(()),
        Outcome::Done(_) => {}
        other => return other.map(|_| ()).before_sending(),
    }
    match write().await {
        Outcome::Done(()) => {}
        other => return other,
    }
    match desk.read(ticket, false).await {
        Outcome::Done(snapshot) if as_wanted(&snapshot) => Outcome::Done(()),
        Outcome::Done(_) => Outcome::Rejected {
            retry: false,
            reason: "the desk said yes and changed nothing: look at its workflow, and at the \
                     rights of our user"
                .into(),
        },
        Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => {
            unknown(format!("changed, and could not be read back: {reason}"))
        }
    }
}

/// At most `max` characters, cut between characters, and visibly.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// At most `max` characters; what is cut stands before the last line, which has the marker.
pub(crate) fn cut_keeping_end(text: &str, max: usize) -> String {
    let Some((head, end)) = text.rsplit_once('\n').filter(|_| text.chars().count() > max) else {
        return cut(text, max);
    };
    let room = max.saturating_sub(end.chars().count() + 1);
    format!("{}\n{end}", cut(head, room))
}

/// Plain text as HTML that shows the same.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("<br>"),
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}

/// What our three priorities are there: a name each, or two numbers (`impact/urgency`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names([String; 3]);

impl Names {
    pub(crate) fn new(config: &DeskConfig, otherwise: [&str; 3]) -> Names {
        let all = [&config.priorities.P1, &config.priorities.P2, &config.priorities.P3];
        let mut names = otherwise.map(str::to_owned);
        for (name, given) in names.iter_mut().zip(all) {
            match given {
                Some(PriorityName::Text(text)) => name.clone_from(text),
                Some(PriorityName::Number(number)) => *name = number.to_string(),
                None => {}
            }
        }
        Names(names)
    }

    pub(crate) fn of(&self, priority: Priority) -> &str {
        match priority {
            Priority::P1 => &self.0[0],
            Priority::P2 => &self.0[1],
            Priority::P3 | Priority::P4 => &self.0[2],
        }
    }

    /// The two halves of `impact/urgency`.
    pub(crate) fn pair(&self, priority: Priority) -> (&str, &str) {
        self.of(priority).split_once('/').unwrap_or((self.of(priority), self.of(priority)))
    }

    /// Which of ours it may be.
    pub(crate) fn which(&self, name: &str) -> Vec<Priority> {
        let all = [Priority::P1, Priority::P2, Priority::P3];
        all.into_iter().filter(|p| self.of(*p) == name).collect()
    }
}

/// Says which priorities are no pair of numbers.
pub(crate) fn pair_problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    for (key, name) in config.priorities.named() {
        let good = match name {
            PriorityName::Number(_) => false,
            PriorityName::Text(text) => text.split_once('/').is_some_and(|(impact, urgency)| {
                [impact, urgency].iter().all(|n| n.parse::<u8>().is_ok())
            }),
        };
        if !good {
            tell(
                key,
                "is impact and urgency, as \"1/2\": the desk makes the priority of them".into(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_between_characters_and_spares_the_marker() {
        assert_eq!(cut("é😀x", 3), "é😀x");
        assert_eq!(cut("é😀xy", 3), "é😀…");
        assert_eq!(cut_keeping_end("é😀é😀é😀\n[kent:k]", 12), "é😀…\n[kent:k]");
        assert_eq!(cut_keeping_end("one line that is long", 5), "one …");
        assert_eq!(cut_keeping_end("kurz\n[kent:k]", 100), "kurz\n[kent:k]");
    }

    #[test]
    fn html_shows_what_was_meant() {
        assert_eq!(html("<b> & \"a\"\n'b'"), "&lt;b&gt; &amp; &quot;a&quot;<br>&#39;b&#39;");
    }
}
