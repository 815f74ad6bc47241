//! A real Znuny 6.5, with the web service and the field that `deploy/znuny` ships. What it holds is
//! read from its own database, past everything that kentongan says about it.

use crate::shell;
use anyhow::{Context, Result};
use serde::Deserialize;

/// Where it listens.
pub const ADDRESS: &str = "127.0.0.1:18086";

/// The folder that it stands in there.
pub const FOLDER: &str = "/otrs";

/// What a desk's configuration says of who we are, and for whom tickets are.
pub const LOGIN: &str = "user = \"middleware\"\npassword = \"mw-Passw0rd\"\nrequestor = \"noc\"";

const DATABASE: &[&str] =
    &["-h", "127.0.0.1", "-p", "55446", "-U", "postgres", "-d", "otrs2", "-v", "ON_ERROR_STOP=1"];

/// The server, and the number of the last ticket that was there before the journey began.
#[derive(Debug)]
pub struct Znuny {
    mark: i64,
}

/// A ticket, as its row says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ticket {
    /// Its number in the database.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// Its state.
    pub state: String,
    /// Its priority.
    pub priority: String,
    /// The value of its field AlertKey.
    pub key: Option<String>,
    /// What was said on it, oldest first.
    pub articles: Vec<String>,
}

impl Znuny {
    /// Starts it if it does not run, and takes its present tickets as given.
    pub fn open() -> Result<Znuny> {
        shell::peer("znuny.sh", "start")?;
        let last = query("select coalesce(max(id), 0) from ticket")?;
        Ok(Znuny { mark: last.trim().parse().with_context(|| format!("a number: {last}"))? })
    }

    /// Every ticket that is newer than the mark.
    pub fn tickets(&self) -> Result<Vec<Ticket>> {
        let json = query(&format!(
            "select coalesce(json_agg(t order by t.id), '[]') from (
                 select t.id, t.title, s.name as state, p.name as priority, (
                     select v.value_text from dynamic_field_value v
                     join dynamic_field f on f.id = v.field_id
                     where f.name = 'AlertKey' and v.object_id = t.id) as key, (
                     select coalesce(json_agg(m.a_body order by a.id), '[]') from article a
                     join article_data_mime m on m.article_id = a.id where a.ticket_id = t.id) as articles
                 from ticket t join ticket_state s on s.id = t.ticket_state_id
                 join ticket_priority p on p.id = t.ticket_priority_id where t.id > {}) t",
            self.mark
        ))?;
        serde_json::from_str(&json).with_context(|| format!("tickets: {json}"))
    }
}

/// What the database answers, as text.
fn query(sql: &str) -> Result<String> {
    shell::run("psql", &[DATABASE, &["-X", "-q", "-A", "-t", "-c", sql]].concat())
}
