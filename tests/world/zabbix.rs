//! A real Zabbix 6, provisioned through its API as an administrator would: the media type that
//! `deploy/zabbix` ships is imported, a switch with a trapper item and a trigger is made, and an
//! action tells the media's user of everything.

use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

const API: &str = "http://127.0.0.1:18081/api_jsonrpc.php";
const TRAPPER_PORT: &str = "20051";
const ITEM: &str = "journeys.link";

/// The server; it stops when this is dropped.
#[derive(Debug)]
pub struct Zabbix {
    client: reqwest::Client,
    session: String,
}

impl Zabbix {
    /// Starts it and logs in.
    pub async fn start() -> Result<Zabbix> {
        shell::peer("zabbix.sh", "start")?;
        let client =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build()?;
        let mut zabbix = Zabbix { client, session: String::new() };
        let login = json!({"username": "Admin", "password": "zabbix"});
        let session = zabbix.call("user.login", login).await?;
        session.as_str().context("a session is text")?.clone_into(&mut zabbix.session);
        Ok(zabbix)
    }

    /// One call of the API. Its errors come with HTTP 200.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let mut request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
        if !self.session.is_empty() {
            request["auth"] = json!(self.session);
        }
        let answer = self
            .client
            .post(API)
            .header("content-type", "application/json-rpc")
            .body(request.to_string())
            .send()
            .await?
            .text()
            .await?;
        let mut answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("{method}: {answer}"))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// Makes a switch with one trigger, and points the shipped media type at the daemon.
    pub async fn provision(&self, host: &str, url: &str, token: &str) -> Result<()> {
        self.clean().await?;
        let group =
            first(&self.call("hostgroup.create", json!({"name": "Journeys"})).await?["groupids"])?;
        self.call(
            "host.create",
            json!({"host": host, "name": format!("Switch {host}"), "groups": [{"groupid": group}],
                   "interfaces": [{"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}]}),
        )
        .await?;
        let hosts = self
            .call("host.get", json!({"filter": {"host": [host]}, "output": ["hostid"]}))
            .await?;
        self.call("item.create", json!({"hostid": hosts[0]["hostid"], "name": "Link", "key_": ITEM, "type": 2, "value_type": 3}))
            .await?;
        self.call(
            "trigger.create",
            json!({"description": "Link down on {HOST.NAME}", "expression": format!("last(/{host}/{ITEM})>0"), "priority": 4, "manual_close": 1}),
        )
        .await?;

        let shipped = std::fs::read_to_string(
            shell::workspace().join("deploy/zabbix/media-type-kentongan.yaml"),
        )?;
        self.call(
            "configuration.import",
            json!({"format": "yaml", "source": shipped, "rules": {"mediaTypes": {"createMissing": true, "updateExisting": true}}}),
        )
        .await?;
        for (name, value) in [("{$KENTONGAN.URL}", url), ("{$KENTONGAN.TOKEN}", token)] {
            self.call("usermacro.createglobal", json!({"macro": name, "value": value})).await?;
        }
        let media_types = self
            .call(
                "mediatype.get",
                json!({"filter": {"name": "kentongan"}, "output": ["mediatypeid"]}),
            )
            .await?;
        let media_type = media_types[0]["mediatypeid"].clone();
        // The author of an update never gets its update message, so the media belongs to a service user.
        let user = self
            .call(
                "user.create",
                json!({"username": "kentongan", "passwd": "kt-Passw0rd!x", "roleid": "3", "usrgrps": [{"usrgrpid": "7"}],
                       "medias": [{"mediatypeid": media_type, "sendto": "kentongan", "active": 0, "severity": 63, "period": "1-7,00:00-24:00"}]}),
            )
            .await?;
        let user = first(&user["userids"])?;
        let operation = json!({"operationtype": 0, "opmessage": {"default_msg": 1, "mediatypeid": media_type}, "opmessage_usr": [{"userid": user}]});
        let mut at_once = operation.clone();
        at_once["esc_period"] = json!("0");
        at_once["esc_step_from"] = json!(1);
        at_once["esc_step_to"] = json!(1);
        self.call(
            "action.create",
            json!({"name": "Journeys to kentongan", "eventsource": 0, "status": 0, "esc_period": "1h", "pause_suppressed": 1,
                   "filter": {"evaltype": 0, "conditions": [{"conditiontype": 0, "operator": 0, "value": group}]},
                   "operations": [at_once], "recovery_operations": [operation], "update_operations": [operation]}),
        )
        .await?;
        // The server reads its configuration once a second.
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.send(host, 0).await
    }

    /// Tells Zabbix a value of the switch's link: 1 is down, 0 is up.
    pub async fn send(&self, host: &str, value: u8) -> Result<()> {
        let value = value.to_string();
        let mut last = String::new();
        for _ in 0..40 {
            let words =
                ["-z", "127.0.0.1", "-p", TRAPPER_PORT, "-s", host, "-k", ITEM, "-o", &value];
            match shell::run("zabbix_sender", &words) {
                Ok(said) if said.contains("failed: 0") => return Ok(()),
                Ok(said) => last = said,
                Err(why) => last = why.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        bail!("Zabbix does not take the value: {last}")
    }

    /// The problems that are open on the switch, by event id.
    pub async fn problems(&self, host: &str) -> Result<Vec<Value>> {
        let hosts = self
            .call("host.get", json!({"filter": {"host": [host]}, "output": ["hostid"]}))
            .await?;
        let problems = self
            .call("problem.get", json!({"hostids": [hosts[0]["hostid"]], "output": "extend", "selectTags": "extend"}))
            .await?;
        Ok(problems.as_array().cloned().unwrap_or_default())
    }

    /// The last messages that Zabbix tried to send, with their errors.
    pub async fn alerts(&self) -> Result<Value> {
        self.call("alert.get", json!({"output": ["alertid", "status", "error", "retries", "subject"], "sortfield": "alertid", "sortorder": "DESC", "limit": 5}))
            .await
    }

    /// Removes what an earlier run has left, in an order that Zabbix allows.
    async fn clean(&self) -> Result<()> {
        let named = |name: &str| json!({"filter": {"name": [name]}});
        let groups = self.call("hostgroup.get", named("Journeys")).await?;
        let of_group: Vec<_> =
            groups.as_array().into_iter().flatten().map(|g| g["groupid"].clone()).collect();
        for (noun, id, which) in [
            ("action", "actionid", named("Journeys to kentongan")),
            ("host", "hostid", json!({"groupids": of_group})),
            ("hostgroup", "groupid", named("Journeys")),
            ("user", "userid", json!({"filter": {"username": ["kentongan"]}})),
            ("mediatype", "mediatypeid", named("kentongan")),
        ] {
            let found = self.call(&format!("{noun}.get"), which).await?;
            self.delete(&format!("{noun}.delete"), &found, id).await?;
        }
        let found = self
            .call("usermacro.get", json!({"globalmacro": true, "output": ["globalmacroid"], "filter": {"macro": ["{$KENTONGAN.URL}", "{$KENTONGAN.TOKEN}"]}}))
            .await?;
        self.delete("usermacro.deleteglobal", &found, "globalmacroid").await
    }

    async fn delete(&self, method: &str, found: &Value, id: &str) -> Result<()> {
        let ids: Vec<_> =
            found.as_array().into_iter().flatten().map(|one| one[id].clone()).collect();
        if !ids.is_empty() {
            self.call(method, json!(ids)).await?;
        }
        Ok(())
    }
}

impl Drop for Zabbix {
    fn drop(&mut self) {
        if let Err(why) = shell::peer("zabbix.sh", "stop") {
            eprintln!("stopping Zabbix: {why:#}");
        }
    }
}

fn first(ids: &Value) -> Result<String> {
    ids[0].as_str().map(str::to_owned).context("an id came back")
}
