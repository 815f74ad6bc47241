//! A person who works at a desk, through the desk's own API, as somebody else than kentongan.

use crate::{redmine, rt};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The administrator of Request Tracker, as its package is installed here.
const RT_ROOT: (&str, &str) = ("root", "Rt-journeys-pass");

/// The administrator of Redmine, as it comes.
const REDMINE_ADMIN: (&str, &str) = ("admin", "admin");

/// Somebody who works at Redmine.
const SARI: (&str, &str) = ("sari", "Sari-Passw0rd");

/// A person at one of the desks.
#[derive(Debug)]
pub enum Person {
    /// At Request Tracker.
    AtRt(reqwest::Client),
    /// At Redmine, with their number there.
    AtRedmine(reqwest::Client, u64),
}

impl Person {
    /// Request Tracker's administrator.
    pub fn at_rt() -> Person {
        Person::AtRt(reqwest::Client::new())
    }

    /// A member of the project at Redmine, made if not there.
    pub async fn at_redmine() -> Result<Person> {
        let client = reqwest::Client::new();
        let base = format!("http://{}", redmine::ADDRESS);
        let ask = async |path: String| -> Result<Value> {
            let (user, password) = REDMINE_ADMIN;
            let asked = client.get(format!("{base}/{path}")).basic_auth(user, Some(password));
            Ok(asked.send().await?.error_for_status()?.json().await?)
        };
        let tell = async |path: &str, body: &Value| -> Result<()> {
            let (user, password) = REDMINE_ADMIN;
            let told = client.post(format!("{base}/{path}")).basic_auth(user, Some(password));
            let answer = told.json(body).send().await?;
            if !answer.status().is_success() {
                bail!("POST {path}: {}: {}", answer.status(), answer.text().await?);
            }
            Ok(())
        };
        let number = async || -> Result<Option<u64>> {
            let found = ask(format!("users.json?name={}", SARI.0)).await?;
            let all = found["users"].as_array().cloned().unwrap_or_default();
            Ok(all.iter().find(|u| u["login"] == SARI.0).and_then(|u| u["id"].as_u64()))
        };
        if number().await?.is_none() {
            let user = json!({ "user": {
                "login": SARI.0, "password": SARI.1, "firstname": "Sari", "lastname": "Dewi",
                "mail": "sari@journeys.invalid",
            }});
            tell("users.json", &user).await?;
        }
        let id = number().await?.context("sari is there")?;
        let roles = ask("roles.json".into()).await?;
        let roles = roles["roles"].as_array().cloned().unwrap_or_default();
        let manager = roles.iter().find(|r| r["name"] == "Manager").context("a manager's role")?;
        let members = ask("projects/network/memberships.json?limit=100".into()).await?;
        let members = members["memberships"].as_array().cloned().unwrap_or_default();
        if !members.iter().any(|m| m["user"]["id"] == id) {
            let member = json!({ "membership": { "user_id": id, "role_ids": [manager["id"]] } });
            tell("projects/network/memberships.json", &member).await?;
        }
        Ok(Person::AtRedmine(client, id))
    }

    /// What the desk calls them.
    pub fn name(&self) -> &'static str {
        match self {
            Person::AtRt(_) => RT_ROOT.0,
            Person::AtRedmine(..) => "Sari Dewi",
        }
    }

    /// Takes a ticket.
    pub async fn take(&self, ticket: i64) -> Result<()> {
        match self {
            Person::AtRt(_) => self.put(ticket, json!({ "Owner": RT_ROOT.0 })).await,
            Person::AtRedmine(_, id) => self.put(ticket, json!({ "assigned_to_id": id })).await,
        }
    }

    /// Writes a note on it.
    pub async fn note(&self, ticket: i64, text: &str) -> Result<()> {
        match self {
            Person::AtRt(client) => {
                let url = format!("http://{}/REST/2.0/ticket/{ticket}/comment", rt::ADDRESS);
                let body = json!({ "Content": text, "ContentType": "text/plain" });
                let told = client.post(url).basic_auth(RT_ROOT.0, Some(RT_ROOT.1)).json(&body);
                told.send().await?.error_for_status()?;
                Ok(())
            }
            Person::AtRedmine(..) => self.put(ticket, json!({ "notes": text })).await,
        }
    }

    /// Gives it what kentongan calls P1 (`true`) or P3.
    pub async fn prioritise(&self, ticket: i64, urgent: bool) -> Result<()> {
        match self {
            Person::AtRt(_) => {
                let priority = if urgent { 100 } else { 0 };
                self.put(ticket, json!({ "Priority": priority })).await
            }
            Person::AtRedmine(..) => {
                let name = if urgent { "Urgent" } else { "Normal" };
                let path = "enumerations/issue_priorities.json";
                let id = self.number_of(path, "issue_priorities", name).await?;
                self.put(ticket, json!({ "priority_id": id })).await
            }
        }
    }

    /// Closes it.
    pub async fn close(&self, ticket: i64) -> Result<()> {
        match self {
            Person::AtRt(_) => self.put(ticket, json!({ "Status": "resolved" })).await,
            Person::AtRedmine(..) => {
                let id = self.number_of("issue_statuses.json", "issue_statuses", "Closed").await?;
                self.put(ticket, json!({ "status_id": id })).await
            }
        }
    }

    /// Deletes it.
    pub async fn delete(&self, ticket: i64) -> Result<()> {
        match self {
            Person::AtRt(_) => self.put(ticket, json!({ "Status": "deleted" })).await,
            Person::AtRedmine(client, _) => {
                let url = format!("http://{}/issues/{ticket}.json", redmine::ADDRESS);
                let (user, password) = REDMINE_ADMIN;
                let told = client.delete(url).basic_auth(user, Some(password));
                told.send().await?.error_for_status()?;
                Ok(())
            }
        }
    }

    /// Merges it into another, at Request Tracker; gives the other's number, which is new.
    pub async fn merge_into_their_own(&self, ticket: i64) -> Result<i64> {
        let Person::AtRt(client) = self else { bail!("Redmine merges nothing") };
        let url = format!("http://{}/REST/2.0/ticket", rt::ADDRESS);
        let body = json!({ "Queue": "Network", "Subject": "Laporan pengguna", "Content": "putus" });
        let told = client.post(url).basic_auth(RT_ROOT.0, Some(RT_ROOT.1)).json(&body);
        let made: Value = told.send().await?.error_for_status()?.json().await?;
        let id = made["id"].as_i64().or_else(|| made["id"].as_str()?.parse().ok());
        let id = id.with_context(|| format!("no id in {made}"))?;
        self.put(ticket, json!({ "MergeInto": id })).await?;
        Ok(id)
    }

    async fn put(&self, ticket: i64, change: Value) -> Result<()> {
        let (told, change) = match self {
            Person::AtRt(client) => {
                let url = format!("http://{}/REST/2.0/ticket/{ticket}", rt::ADDRESS);
                (client.put(url).basic_auth(RT_ROOT.0, Some(RT_ROOT.1)), change)
            }
            Person::AtRedmine(client, _) => {
                let url = format!("http://{}/issues/{ticket}.json", redmine::ADDRESS);
                let told = client.put(url).basic_auth(SARI.0, Some(SARI.1));
                (told, json!({ "issue": change }))
            }
        };
        let answer = told.json(&change).send().await?;
        if !answer.status().is_success() {
            bail!("{change}: {}: {}", answer.status(), answer.text().await?);
        }
        Ok(())
    }

    async fn number_of(&self, path: &str, list: &str, name: &str) -> Result<u64> {
        let Person::AtRedmine(client, _) = self else { bail!("only Redmine has numbers") };
        let url = format!("http://{}/{path}", redmine::ADDRESS);
        let asked = client.get(url).basic_auth(SARI.0, Some(SARI.1));
        let all: Value = asked.send().await?.error_for_status()?.json().await?;
        let all = all[list].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|s| s["name"] == name).and_then(|s| s["id"].as_u64());
        found.with_context(|| format!("no {name} among {all:?}"))
    }
}
