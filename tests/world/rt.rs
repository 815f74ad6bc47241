//! A real Request Tracker 5. What it holds is read from its own database, past everything that
//! kentongan says about it.

use crate::{shell, wait};
use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OpenFlags, params};
use std::time::Duration;

/// Where it listens.
pub const ADDRESS: &str = "127.0.0.1:18084";

/// The server, and the number of the last ticket that was there before the journey began.
#[derive(Debug)]
pub struct RequestTracker {
    database: String,
    token: String,
    mark: i64,
}

/// A ticket, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its number.
    pub id: i64,
    /// Its subject.
    pub subject: String,
    /// Its status.
    pub status: String,
    /// Its priority, a number in this system.
    pub priority: i64,
    /// The value of its field AlertKey.
    pub key: Option<String>,
}

/// One line of a ticket's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// `Create`, `Status`, `Comment`, …
    pub what: String,
    /// The field that changed.
    pub field: Option<String>,
    /// From this …
    pub old: Option<String>,
    /// … to this.
    pub new: Option<String>,
}

impl RequestTracker {
    /// Starts it if it does not run, and takes its present tickets as given.
    pub fn open() -> Result<RequestTracker> {
        shell::peer("rt.sh", "start")?;
        let database = shell::peer("rt.sh", "database")?.trim().to_owned();
        let token = shell::peer("rt.sh", "token")?.trim().to_owned();
        let mut rt = RequestTracker { database, token, mark: 0 };
        rt.mark_now()?;
        Ok(rt)
    }

    /// Takes the tickets that are there now as given: from here on only newer ones count.
    pub fn mark_now(&mut self) -> Result<()> {
        self.mark =
            self.db()?.query_row("select coalesce(max(id), 0) from Tickets", [], |r| r.get(0))?;
        Ok(())
    }

    /// A REST2 token of the user "middleware".
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Takes the server away.
    pub fn stop(&self) {
        shell::peer("rt.sh", "stop").expect("Request Tracker can be stopped");
    }

    /// Brings it back.
    pub fn start(&self) {
        shell::peer("rt.sh", "start").expect("Request Tracker can be started");
    }

    /// Every ticket that is newer than the mark.
    pub fn tickets(&self) -> Result<Vec<Ticket>> {
        let db = self.db()?;
        let mut statement = db.prepare(
            "select t.id, t.Subject, t.Status, t.Priority, (
                 select v.Content from ObjectCustomFieldValues v join CustomFields f on f.id = v.CustomField
                 where f.Name = 'AlertKey' and v.ObjectType = 'RT::Ticket' and v.ObjectId = t.id and v.Disabled = 0)
             from Tickets t where t.id > ?1 and t.Type = 'ticket' order by t.id",
        )?;
        let rows = statement.query_map(params![self.mark], |r| {
            Ok(Ticket {
                id: r.get(0)?,
                subject: r.get::<_, Option<String>>(1)?.unwrap_or_default(),
                status: r.get(2)?,
                priority: r.get(3)?,
                key: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The history of a ticket, oldest first.
    pub fn history(&self, ticket: i64) -> Result<Vec<HistoryLine>> {
        let db = self.db()?;
        let mut statement = db.prepare(
            "select Type, Field, OldValue, NewValue from Transactions
             where ObjectType = 'RT::Ticket' and ObjectId = ?1 order by id",
        )?;
        let rows = statement.query_map(params![ticket], |r| {
            Ok(HistoryLine { what: r.get(0)?, field: r.get(1)?, old: r.get(2)?, new: r.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Everything a person can read in a ticket: its subject and all that was written in it.
    pub fn text(&self, ticket: i64) -> Result<String> {
        let db = self.db()?;
        let mut text: String =
            db.query_row("select Subject from Tickets where id = ?1", params![ticket], |r| {
                r.get(0)
            })?;
        let mut statement = db.prepare(
            "select a.Content, a.ContentEncoding from Attachments a join Transactions t on t.id = a.TransactionId
             where t.ObjectType = 'RT::Ticket' and t.ObjectId = ?1 and t.Type in ('Create', 'Comment', 'Correspond')
             and a.ContentType like 'text/%' order by a.id",
        )?;
        let mut rows = statement.query(params![ticket])?;
        while let Some(row) = rows.next()? {
            let content = match row.get_ref(0)? {
                rusqlite::types::ValueRef::Text(bytes) | rusqlite::types::ValueRef::Blob(bytes) => {
                    bytes.to_vec()
                }
                _ => continue,
            };
            let quoted = row.get::<_, Option<String>>(1)?.as_deref() == Some("quoted-printable");
            let content = if quoted { from_quoted_printable(&content) } else { content };
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&content));
        }
        Ok(text)
    }

    /// Exactly one new ticket within this time.
    pub async fn expect_ticket(&self, limit: Duration) -> Ticket {
        wait::within(limit, "a ticket in Request Tracker", async || {
            let mut tickets = self.tickets()?;
            assert!(tickets.len() < 2, "one cause, but {} tickets: {tickets:#?}", tickets.len());
            tickets.pop().context("there is none")
        })
        .await
    }

    /// This ticket has one of these states within this time, and there is no other one.
    pub async fn expect_status(&self, ticket: i64, states: &[&str], limit: Duration) -> Ticket {
        wait::within(limit, &format!("ticket {ticket} to be {}", states.join(" or ")), async || {
            let tickets = self.tickets()?;
            let ours = tickets.iter().find(|t| t.id == ticket).cloned().context("it is gone")?;
            if !states.contains(&ours.status.as_str()) {
                bail!("it is {}", ours.status);
            }
            Ok(ours)
        })
        .await
    }

    /// For this time there are never more tickets than now.
    pub async fn expect_no_more_tickets(&self, span: Duration) {
        let before = self.tickets().expect("the database of Request Tracker can be read").len();
        wait::throughout(span, "no more tickets", async || {
            let now = self.tickets()?;
            if now.len() != before {
                bail!("there are {} tickets instead of {before}: {now:#?}", now.len());
            }
            Ok(())
        })
        .await;
    }

    fn db(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.database, flags)
            .with_context(|| format!("opening {}", self.database))?;
        db.busy_timeout(Duration::from_secs(10))?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    }
}

fn from_quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'=' {
            out.push(first);
            continue;
        }
        match rest {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => rest = tail,
            [high, low, tail @ ..] => {
                let pair = [*high, *low];
                let text = std::str::from_utf8(&pair).unwrap_or("");
                match u8::from_str_radix(text, 16) {
                    Ok(byte) => out.push(byte),
                    Err(_) => out.extend([b'=', *high, *low]),
                }
                rest = tail;
            }
            _ => out.push(b'='),
        }
    }
    out
}
