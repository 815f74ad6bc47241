//! A real Redmine 5. What it holds is read from its own database, past everything that kentongan
//! says about it.

use crate::shell;
use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, params};
use std::time::Duration;

/// Where it listens.
pub const ADDRESS: &str = "127.0.0.1:18085";

/// The server, and the number of the last issue that was there before the journey began.
#[derive(Debug)]
pub struct Redmine {
    database: String,
    token: String,
    mark: i64,
}

/// An issue, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its number.
    pub id: i64,
    /// Its status.
    pub status: String,
    /// Its priority.
    pub priority: String,
    /// The value of its field AlertKey.
    pub key: Option<String>,
    /// Its description.
    pub text: String,
    /// What was said on it, oldest first.
    pub notes: Vec<String>,
}

impl Redmine {
    /// Starts it if it does not run, and takes its present issues as given.
    pub fn open() -> Result<Redmine> {
        shell::peer("redmine.sh", "start")?;
        let database = shell::peer("redmine.sh", "database")?.trim().to_owned();
        let token = shell::peer("redmine.sh", "token")?.trim().to_owned();
        let mut redmine = Redmine { database, token, mark: 0 };
        let last = "select coalesce(max(id), 0) from issues";
        redmine.mark = redmine.db()?.query_row(last, [], |r| r.get(0))?;
        Ok(redmine)
    }

    /// The API key of the user "middleware".
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Every issue that is newer than the mark.
    pub fn issues(&self) -> Result<Vec<Issue>> {
        let db = self.db()?;
        let mut statement = db.prepare(
            "select i.id, s.name, p.name, i.description, (
                 select v.value from custom_values v join custom_fields f on f.id = v.custom_field_id
                 where f.name = 'AlertKey' and v.customized_type = 'Issue' and v.customized_id = i.id)
             from issues i join issue_statuses s on s.id = i.status_id
             join enumerations p on p.id = i.priority_id where i.id > ?1 order by i.id",
        )?;
        let rows = statement.query_map(params![self.mark], |r| {
            Ok(Issue {
                id: r.get(0)?,
                status: r.get(1)?,
                priority: r.get(2)?,
                text: r.get::<_, Option<String>>(3)?.unwrap_or_default(),
                key: r.get::<_, Option<String>>(4)?.filter(|k| !k.is_empty()),
                notes: Vec::new(),
            })
        })?;
        let mut issues = rows.collect::<Result<Vec<_>, _>>()?;
        let mut notes = db.prepare(
            "select notes from journals where journalized_type = 'Issue' and journalized_id = ?1
             and notes <> '' order by id",
        )?;
        for issue in &mut issues {
            let all = notes.query_map(params![issue.id], |r| r.get(0))?;
            issue.notes = all.collect::<Result<_, _>>()?;
        }
        Ok(issues)
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
