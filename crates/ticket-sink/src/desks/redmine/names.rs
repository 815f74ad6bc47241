//! What the names of the configuration are in one installation: numbers.

use super::{Mapping, number, sentence, value};
use crate::config::PriorityName;
use crate::http::Reply;
use model::Priority;
use serde_json::Value;

/// Something with a number and a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) id: u64,
    name: String,
    /// Of a status: an issue that has it is closed.
    is_closed: bool,
}

/// The numbers behind the names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Names {
    pub(super) key_field: u64,
    pub(super) tracker: Option<u64>,
    pub(super) resolved: u64,
    pub(super) open: u64,
    /// Every status that Redmine calls closed.
    pub(super) closed: Vec<u64>,
    /// P1, P2, P3.
    pub(super) priorities: [u64; 3],
}

impl Names {
    /// For a configuration that names the field by its number.
    pub(super) fn the_field(id: u64) -> Vec<Named> {
        vec![Named { id, name: id.to_string(), is_closed: false }]
    }

    pub(super) const fn priority(&self, priority: Priority) -> u64 {
        match priority {
            Priority::P1 => self.priorities[0],
            Priority::P2 => self.priorities[1],
            Priority::P3 | Priority::P4 => self.priorities[2],
        }
    }

    pub(super) fn priorities_called(&self, id: Option<u64>) -> Vec<Priority> {
        [Priority::P1, Priority::P2, Priority::P3]
            .into_iter()
            .filter(|p| id == Some(self.priority(*p)))
            .collect()
    }
}

impl Mapping {
    /// The things in `{"issue_statuses": […]}` and its like.
    pub(super) fn list(what: &str, reply: Reply) -> Result<Vec<Named>, String> {
        let answer =
            value::<()>(reply).map_err(|o| format!("asking for {what}: {}", sentence(&o)))?;
        named(&answer, what).ok_or_else(|| format!("the answer has no {what}"))
    }

    /// The issue fields of a project, where this version tells.
    pub(super) fn fields(reply: Reply) -> Result<Vec<Named>, String> {
        let answer =
            value::<()>(reply).map_err(|o| format!("asking for the project: {}", sentence(&o)))?;
        match answer.get("project") {
            Some(project) if number(project.get("id")).is_some() => {
                Ok(named(project, "issue_custom_fields").unwrap_or_default())
            }
            _ => Err("the answer is no project".into()),
        }
    }

    /// The fields of some issues.
    pub(super) fn fields_of_issues(reply: Reply) -> Result<Vec<Named>, String> {
        let answer =
            value::<()>(reply).map_err(|o| format!("asking for issues: {}", sentence(&o)))?;
        let issues = answer.get("issues").and_then(Value::as_array);
        let issues = issues.ok_or("the answer has no list of issues")?;
        Ok(issues.iter().filter_map(|i| named(i, "custom_fields")).flatten().collect())
    }

    pub(super) fn has_key_field(&self, fields: &[Named]) -> bool {
        fields.iter().any(|f| f.name.eq_ignore_ascii_case(&self.key_field))
    }

    /// Every name that we use, as a number; all that are missing are named at once.
    pub(super) fn resolve(
        &self,
        statuses: &[Named],
        priorities: &[Named],
        trackers: Option<&[Named]>,
        fields: &[Named],
    ) -> Result<Names, String> {
        let mut missing = Vec::new();
        let mut find = |what: &str, name: &str, all: &[Named]| {
            let found = all.iter().find(|n| n.name.eq_ignore_ascii_case(name)).map(|n| n.id);
            if found.is_none() {
                let there: Vec<&str> = all.iter().map(|n| n.name.as_str()).collect();
                missing.push(format!("no {what} {name:?} (there are: {})", there.join(", ")));
            }
            found.unwrap_or(0)
        };
        let names = Names {
            key_field: find("issue field", &self.key_field, fields),
            tracker: self
                .tracker
                .as_ref()
                .map(|name| find("tracker", name, trackers.unwrap_or_default())),
            resolved: find("status", &self.resolved, statuses),
            open: find("status", &self.open, statuses),
            closed: statuses.iter().filter(|s| s.is_closed).map(|s| s.id).collect(),
            priorities: self.priorities.each_ref().map(|name| match name {
                PriorityName::Number(n) => u64::try_from(*n).unwrap_or(0),
                PriorityName::Text(name) => find("priority", name, priorities),
            }),
        };
        if missing.is_empty() {
            Ok(names)
        } else {
            Err(format!("Redmine has {}", missing.join("; ")))
        }
    }
}

fn named(answer: &Value, what: &str) -> Option<Vec<Named>> {
    let all = answer.get(what)?.as_array()?.iter();
    all.map(|one| {
        Some(Named {
            id: number(one.get("id"))?,
            name: one.get("name")?.as_str()?.to_owned(),
            is_closed: one.get("is_closed").and_then(Value::as_bool).unwrap_or(false),
        })
    })
    .collect()
}
