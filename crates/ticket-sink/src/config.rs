//! What a `[[desk]]` table of the configuration says, and what is wrong with it.
//!
//! One flat table for every kind, so that an editor completes it and an environment variable can
//! reach each key. A key that the desk's kind has no use for is a problem, not a shrug.

use crate::words::Words;
use model::Priority;
use model::time::parse_duration;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A ticket system to keep tickets in: `[[desk]]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeskConfig {
    // --- every kind ---
    /// A short name, unique, without spaces; routes, metrics and the console use it.
    pub name: String,
    /// What it is.
    pub kind: DeskKind,
    /// Decide everything, send nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// The address of the ticket system, without the path of its API: `https://rt.example.org`.
    /// Znuny: with the folder that it stands in: `https://desk.example.org/znuny`.
    pub url: Option<String>,
    /// How long one request may take.
    #[serde(default = "default_timeout")]
    pub timeout: String,
    /// How many requests may be under way at once.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: u32,
    /// How many requests may leave in a minute. A new ticket takes three (look, open, read back), so that
    /// the default lets a storm of a thousand incidents in a minute have its tickets within 90 s.
    /// Less for a desk with a limit of its own, as those in the cloud have.
    #[serde(default = "default_per_minute")]
    pub per_minute: u32,
    /// At most one note on a ticket in this time; what comes within it is said in one. The resolution
    /// waits no longer than that. `0s`: each note by itself, at once.
    #[serde(default = "default_note_every")]
    pub note_every: String,
    /// An incident that is over before its ticket could be opened, because the desk was away for a
    /// minute or more, gets one all the same, opened and resolved at once.
    #[serde(default)]
    pub tickets_for_passed: bool,
    /// A folder with templates for what stands on tickets here, instead of the built-in words: any of
    /// `title.txt`, `body.txt`, `note.txt`, `resolved.txt`. They have the built-in words as `title` and
    /// `text`, and what there is to tell by itself (README).
    pub templates: Option<PathBuf>,
    /// The same, read.
    #[serde(skip)]
    #[schemars(skip)]
    pub words: Option<Arc<Words>>,
    /// After a lost answer: how long the desk may still work on the request before it is done or
    /// dropped (its own time limit for a request). Only then is a ticket opened again that no search
    /// shows.
    #[serde(default = "default_commit_delay")]
    pub commit_delay: String,
    /// How long it may take until what the desk did can be seen by a search.
    /// Default: 5s; Jira, whose search lags behind: 60s.
    pub visibility_delay: Option<String>,
    /// How many empty searches, each `visibility_delay` after the one before, it takes to believe
    /// that a lost request did nothing.
    pub empty_finds: Option<u32>,
    /// The longest pause before a request that failed is tried again.
    #[serde(default = "default_retry_max")]
    pub retry_max: String,
    /// How often it is asked what people did to our tickets: taken, noted, closed, given another
    /// priority, merged, deleted. 0: nobody is listened to.
    #[serde(default = "default_poll")]
    pub poll: String,
    /// A person closed the ticket of a failure that lasts: they are told so in a note, and unless it
    /// is over by then the ticket is opened again after this long (the next time after twice as
    /// long). 0: never.
    #[serde(default = "default_reopen_after")]
    pub reopen_after: String,

    // --- how to get there ---
    /// A file with the certificate (PEM) of the authority that the desk's certificate is signed by. With
    /// it, no other authority is believed for this desk; without it, those of the system are.
    pub ca_file: Option<PathBuf>,
    /// The same, read.
    #[serde(skip)]
    #[schemars(skip)]
    pub ca: Option<Vec<u8>>,
    /// The HTTP proxy on the way to this desk: `http://proxy.example.org:3128`; `none`: straight. Without
    /// it, the environment decides (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    pub proxy: Option<String>,
    /// A user for the proxy, with a password.
    pub proxy_user: Option<String>,
    /// That user's password.
    #[schemars(with = "Option<String>")]
    pub proxy_password: Option<SecretString>,
    /// A file that holds it.
    pub proxy_password_file: Option<PathBuf>,

    // --- who we are there ---
    /// An API token. Redmine: the API key of a user.
    #[schemars(with = "Option<String>")]
    pub token: Option<SecretString>,
    /// A file that holds the token.
    pub token_file: Option<PathBuf>,
    /// A user name, with a password instead of a token.
    pub user: Option<String>,
    /// That user's password.
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// GLPI: the App-Token of its API client, where it has one.
    #[schemars(with = "Option<String>")]
    pub app_token: Option<SecretString>,
    /// A file that holds it.
    pub app_token_file: Option<PathBuf>,
    /// GLPI 11: the id of its OAuth client.
    pub client_id: Option<String>,
    /// That client's secret.
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<SecretString>,
    /// A file that holds it.
    pub client_secret_file: Option<PathBuf>,

    // --- what tickets look like there ---
    /// The queue (group, project) that tickets are opened in, unless a route names another.
    /// Zammad: the group. Redmine: the identifier of a project.
    pub queue: Option<String>,
    /// Redmine: the name of the tracker. Default: the first one of the project.
    pub tracker: Option<String>,
    /// What kind of ticket it is. Jira: the issue type (default `Task`). ServiceNow: the table
    /// (`incident`). iTop: the class (`Incident`). Znuny: the type, where it uses types.
    pub ticket_type: Option<String>,
    /// Whose ticket it is. iTop: the name of the organization, which is needed. GLPI: the number of
    /// the entity.
    pub organization: Option<String>,
    /// What a resolved ticket says of how. Jira: the resolution (`Done`). ServiceNow: the close code
    /// (`Solved (Permanently)`). iTop: the resolution code (`other`).
    pub resolution: Option<String>,
    /// Who stands as the requestor. Zammad: the customer's address, Znuny: the customer user's login;
    /// both are needed.
    pub requestor: Option<String>,
    /// The custom field that holds our key. RT, Redmine, Znuny: `AlertKey`. Zammad: `alert_key`. Redmine:
    /// used as a filter; its number works too, and is needed where neither project nor issues show
    /// the field.
    pub key_field: Option<String>,
    /// What our priorities are called there. RT: P1 = 100, P2 = 50, P3 = 0. Zammad: P1 = "3 high",
    /// P2 = "2 normal", P3 = "1 low". Redmine: P1 = "Urgent", P2 = "High", P3 = "Normal". Znuny:
    /// P1 = "5 very high", P2 = "4 high", P3 = "3 normal".
    #[serde(default)]
    pub priorities: PriorityNames,
    /// The status that says resolved. RT: `resolved`. Zammad: `closed`. Redmine: `Closed`. Znuny:
    /// `closed successful`.
    pub resolved_status: Option<String>,
    /// The status that says open, for opening again. RT, Zammad, Znuny: `open`. Redmine: `In Progress`.
    pub open_status: Option<String>,
    /// Further statuses that count as "no longer open". RT: `rejected`, `deleted`.
    /// Zammad: `merged`, `removed`. Redmine, Znuny: besides those that it calls closed itself.
    #[serde(default)]
    pub closed_statuses: Vec<String>,
    /// Redmine: notes are private, for those who may see private notes. Our user needs the right to
    /// set notes as private, or Redmine makes them public without a word.
    #[serde(default)]
    pub private_notes: bool,

    // --- generic ---
    /// Headers of every request, as templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How to look a ticket up by its key.
    pub find: Option<OperationConfig>,
    /// How to open a ticket.
    pub create: Option<OperationConfig>,
    /// How to add a note.
    pub note: Option<OperationConfig>,
    /// How to set the priority.
    pub priority: Option<OperationConfig>,
    /// How to resolve a ticket.
    pub resolve: Option<OperationConfig>,
    /// How to open it again.
    pub reopen: Option<OperationConfig>,
    /// How to read it.
    pub read: Option<OperationConfig>,
}

/// The kinds of desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeskKind {
    /// Request Tracker 5 or 6, by REST2.
    Rt,
    /// Zammad, by its REST API.
    Zammad,
    /// GLPI 9.5 to 11, by the API at `apirest.php`.
    Glpi,
    /// ServiceNow, by the Table API.
    ServiceNow,
    /// Jira Cloud, by its REST API.
    #[serde(rename = "jira-cloud")]
    JiraCloud,
    /// Jira Data Center or Server, by its REST API.
    Jira,
    /// iTop, by its REST/JSON service.
    Itop,
    /// GLPI 11, by its high-level API and OAuth.
    #[serde(rename = "glpi-v2")]
    GlpiV2,
    /// osTicket 1.17 or 1.18: opens tickets and adds notes, nothing else.
    OsTicket,
    /// Redmine 3.3 or later, by its REST API.
    Redmine,
    /// Znuny, OTRS or OTOBO 6 or later, by the web service in `deploy/znuny`.
    Znuny,
    /// Any JSON API, by templates.
    Generic,
    /// Tickets kept by kentongan itself.
    Builtin,
}

impl DeskKind {
    /// A route can name a category for its tickets.
    pub const fn has_categories(self) -> bool {
        matches!(self, DeskKind::Glpi | DeskKind::ServiceNow | DeskKind::Generic)
    }

    /// The word in the configuration and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            DeskKind::Rt => "rt",
            DeskKind::Zammad => "zammad",
            DeskKind::Glpi => "glpi",
            DeskKind::ServiceNow => "servicenow",
            DeskKind::JiraCloud => "jira-cloud",
            DeskKind::Jira => "jira",
            DeskKind::Itop => "itop",
            DeskKind::GlpiV2 => "glpi-v2",
            DeskKind::OsTicket => "osticket",
            DeskKind::Redmine => "redmine",
            DeskKind::Znuny => "znuny",
            DeskKind::Generic => "generic",
            DeskKind::Builtin => "builtin",
        }
    }
}

/// What our priorities are called on a desk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(non_snake_case, reason = "the keys are the words that people know")]
pub struct PriorityNames {
    /// Drop everything.
    pub P1: Option<PriorityName>,
    /// Today, now.
    pub P2: Option<PriorityName>,
    /// Soon.
    pub P3: Option<PriorityName>,
}

/// A number or a text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PriorityName {
    /// As RT has it.
    Number(i64),
    /// As most others have it.
    Text(String),
}

impl PriorityName {
    /// As a JSON value.
    pub fn value(&self) -> serde_json::Value {
        match self {
            PriorityName::Number(n) => (*n).into(),
            PriorityName::Text(t) => t.as_str().into(),
        }
    }
}

impl PriorityNames {
    /// Those that are given, each with its key.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &PriorityName)> {
        let all =
            [("priorities.P1", &self.P1), ("priorities.P2", &self.P2), ("priorities.P3", &self.P3)];
        all.into_iter().filter_map(|(key, name)| Some((key, name.as_ref()?)))
    }

    /// What `priority` is called; P4 never reaches a desk and counts as P3.
    pub fn name(&self, priority: Priority) -> Option<&PriorityName> {
        match priority {
            Priority::P1 => self.P1.as_ref(),
            Priority::P2 => self.P2.as_ref(),
            Priority::P3 | Priority::P4 => self.P3.as_ref(),
        }
    }
}

/// One request of a generic desk and where its answer has what.
///
/// `url`, `headers` and `body` are templates. They may use: `base` (the desk's `url`), `token`,
/// `user`, `password`, `key`, `incident`, `title`, `text` (with the key's marker for `create`, with
/// the operation's for `note`), `priority` (as in `priorities`), `ticket` (its id), `operation`,
/// `queue`, `category` (as a route names it, else empty), `requestor`, `resolved_status`, `open_status`; and the filters `urlencode` and `tojson`.
/// Paths are JSON pointers (`/ticket/id`) or dotted (`ticket.id`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationConfig {
    /// GET, POST, PUT, PATCH or DELETE. Default: GET for find and read, POST for create and note,
    /// PUT for the others.
    pub method: Option<String>,
    /// The whole address: `{{ base }}/api/tickets?key={{ key | urlencode }}`.
    pub url: String,
    /// Headers of this request besides those of the desk.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body. A table is sent as JSON, every text in it is a template, and a text that is one
    /// expression and nothing else keeps its type (a number stays a number). A text is a template
    /// for the whole body; write values with `tojson` where it shall be JSON.
    pub body: Option<serde_json::Value>,
    /// Which statuses mean that it worked (default: every 2xx).
    #[serde(default)]
    pub success: Vec<u16>,
    /// find: which statuses mean "there is none" (404 where the address names the key); read: which
    /// mean that the ticket was deleted.
    #[serde(default)]
    pub absent: Vec<u16>,
    /// find: where the list of tickets is; empty for the answer itself.
    pub items: Option<String>,
    /// find (in an item), create, read: where the ticket's id is.
    pub id: Option<String>,
    /// find (in an item), read: where our key is.
    pub key: Option<String>,
    /// find, create, read: where an address for people is. A template with `id` works too:
    /// `https://tickets.example.org/t/{{ id }}`.
    pub ticket_url: Option<String>,
    /// find, read: where the status is.
    pub status: Option<String>,
    /// find, read: where the priority is.
    pub priority: Option<String>,
    /// read: where the name of the person is who owns it; empty or absent while nobody does.
    pub owner: Option<String>,
    /// read: where the list of notes is, …
    pub notes: Option<String>,
    /// … and where in a note its text is; empty when a note is the text itself.
    pub note_text: Option<String>,
}

/// Something wrong with a desk's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("desk {desk:?}: {key}: {message}")]
pub struct DeskProblem {
    /// The desk's name.
    pub desk: String,
    /// The key, dotted below the desk: `token_file`, `create.body`.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A desk is asked what people did at most this often.
const POLL_MIN: Duration = Duration::from_secs(1);

fn default_timeout() -> String {
    "10s".into()
}
fn default_note_every() -> String {
    "60s".into()
}
fn default_commit_delay() -> String {
    "30s".into()
}
fn default_retry_max() -> String {
    "30s".into()
}
fn default_poll() -> String {
    "30s".into()
}
fn default_reopen_after() -> String {
    "15m".into()
}
fn default_max_in_flight() -> u32 {
    4
}
fn default_per_minute() -> u32 {
    2_400
}

impl DeskConfig {
    /// The built-in desk, for a configuration without any.
    pub fn builtin() -> DeskConfig {
        DeskConfig {
            name: "builtin".into(),
            kind: DeskKind::Builtin,
            dry_run: false,
            url: None,
            timeout: default_timeout(),
            max_in_flight: default_max_in_flight(),
            per_minute: 60_000,
            note_every: default_note_every(),
            tickets_for_passed: false,
            templates: None,
            words: None,
            commit_delay: "0s".into(),
            visibility_delay: None,
            empty_finds: None,
            retry_max: default_retry_max(),
            poll: default_poll(),
            reopen_after: default_reopen_after(),
            ca_file: None,
            ca: None,
            proxy: None,
            proxy_user: None,
            proxy_password: None,
            proxy_password_file: None,
            token: None,
            token_file: None,
            user: None,
            password: None,
            password_file: None,
            app_token: None,
            app_token_file: None,
            client_id: None,
            client_secret: None,
            client_secret_file: None,
            queue: None,
            ticket_type: None,
            organization: None,
            resolution: None,
            requestor: None,
            key_field: None,
            priorities: PriorityNames::default(),
            resolved_status: None,
            open_status: None,
            closed_statuses: Vec::new(),
            tracker: None,
            private_notes: false,
            headers: BTreeMap::new(),
            find: None,
            create: None,
            note: None,
            priority: None,
            resolve: None,
            reopen: None,
            read: None,
        }
    }

    /// Reads the secrets and certificates that stand in files of their own; paths are relative to `base_dir`.
    /// One line end behind the secret is cut off.
    pub fn resolve_secrets(&mut self, base_dir: &Path) -> Result<(), Vec<DeskProblem>> {
        let mut problems = Vec::new();
        let desk = self.name.clone();
        let pairs = [
            ("token", &mut self.token, &self.token_file),
            ("password", &mut self.password, &self.password_file),
            ("app_token", &mut self.app_token, &self.app_token_file),
            ("client_secret", &mut self.client_secret, &self.client_secret_file),
            ("proxy_password", &mut self.proxy_password, &self.proxy_password_file),
        ];
        for (name, secret, file) in pairs {
            let key = format!("{name}_file");
            let mut problem = |message| {
                problems.push(DeskProblem { desk: desk.clone(), key: key.clone(), message });
            };
            let Some(file) = file else { continue };
            if secret.is_some() {
                problem(format!("give {name} or {name}_file, not both"));
                continue;
            }
            match std::fs::read_to_string(base_dir.join(file)) {
                Ok(text) => {
                    let text = text.strip_suffix('\n').unwrap_or(&text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    if text.is_empty() {
                        problem(format!("{} is empty", file.display()));
                    } else {
                        *secret = Some(SecretString::from(text.to_owned()));
                    }
                }
                Err(error) => problem(format!("cannot read {}: {error}", file.display())),
            }
        }
        if let Some(file) = &self.ca_file {
            match crate::way::certificates(&base_dir.join(file)) {
                Ok(pem) => self.ca = Some(pem),
                Err(message) => {
                    problems.push(DeskProblem { desk, key: "ca_file".into(), message });
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Reads the templates, whose folder is relative to `base_dir`, and tries them.
    pub fn resolve_templates(&mut self, base_dir: &Path) -> Result<(), Vec<DeskProblem>> {
        let Some(folder) = &self.templates else { return Ok(()) };
        match Words::load(&base_dir.join(folder)) {
            Ok(words) => {
                self.words = Some(Arc::new(words));
                Ok(())
            }
            Err(problems) => {
                let told = |message| DeskProblem {
                    desk: self.name.clone(),
                    key: "templates".into(),
                    message,
                };
                Err(problems.into_iter().map(told).collect())
            }
        }
    }

    /// Everything that is wrong and can be seen without asking the desk or reading a file.
    pub fn problems(&self) -> Vec<DeskProblem> {
        let mut found = Vec::new();
        let mut problem = |key: &str, message: String| {
            found.push(DeskProblem { desk: self.name.clone(), key: key.to_owned(), message });
        };
        if self.name.is_empty() || self.name.contains(|c: char| c.is_whitespace() || c == '|') {
            problem("name", "a name has at least one character and no spaces or |".into());
        }
        for (key, text) in [
            ("timeout", Some(&self.timeout)),
            ("note_every", Some(&self.note_every)),
            ("commit_delay", Some(&self.commit_delay)),
            ("visibility_delay", self.visibility_delay.as_ref()),
            ("retry_max", Some(&self.retry_max)),
            ("poll", Some(&self.poll)),
            ("reopen_after", Some(&self.reopen_after)),
        ] {
            let Some(text) = text else { continue };
            match parse_duration(text) {
                Err(message) => problem(key, message),
                Ok(d) if d.is_zero() && matches!(key, "timeout" | "retry_max") => {
                    problem(key, "must be longer than zero".into());
                }
                Ok(d) if key == "poll" && !d.is_zero() && d < POLL_MIN => {
                    problem(key, "must be at least 1s, or 0 to listen to nobody".into());
                }
                Ok(_) => {}
            }
        }
        if self.max_in_flight == 0 {
            problem("max_in_flight", "must be at least 1".into());
        }
        if self.per_minute == 0 {
            problem("per_minute", "must be at least 1".into());
        }
        if self.empty_finds == Some(0) {
            problem("empty_finds", "must be at least 1".into());
        }
        if self.user.is_some() != (self.password.is_some() || self.password_file.is_some()) {
            problem("user", "user and password (or password_file) belong together".into());
        }
        let keys = crate::desks::keys(self.kind);
        for (key, given) in self.keys_of_some_kinds() {
            if given && !keys.contains(&key) {
                let word = self.kind.word();
                problem(key, format!("a desk of kind {word:?} has no use for this key"));
            }
        }
        if keys.contains(&"url") {
            match self.url.as_deref().map(reqwest::Url::parse) {
                None => problem("url", "is missing: the address of the ticket system".into()),
                Some(Err(error)) => problem("url", format!("is no address: {error}")),
                Some(Ok(url)) if !matches!(url.scheme(), "http" | "https") => {
                    problem("url", "must begin with http:// or https://".into());
                }
                Some(Ok(url)) if !url.username().is_empty() || url.password().is_some() => {
                    problem("url", "must not carry a user or password; use those keys".into());
                }
                Some(Ok(_)) => {}
            }
        }
        crate::way::problems(self, &mut problem);
        crate::desks::problems(self, &mut problem);
        found
    }

    /// Which keys are given, of those that not every kind has use for.
    fn keys_of_some_kinds(&self) -> [(&'static str, bool); 32] {
        [
            ("url", self.url.is_some()),
            ("token", self.token.is_some() && self.token_file.is_none()),
            ("token_file", self.token_file.is_some()),
            ("user", self.user.is_some()),
            ("password", self.password.is_some() && self.password_file.is_none()),
            ("password_file", self.password_file.is_some()),
            ("app_token", self.app_token.is_some() && self.app_token_file.is_none()),
            ("app_token_file", self.app_token_file.is_some()),
            ("client_id", self.client_id.is_some()),
            ("client_secret", self.client_secret.is_some() && self.client_secret_file.is_none()),
            ("client_secret_file", self.client_secret_file.is_some()),
            ("queue", self.queue.is_some()),
            ("ticket_type", self.ticket_type.is_some()),
            ("organization", self.organization.is_some()),
            ("resolution", self.resolution.is_some()),
            ("tracker", self.tracker.is_some()),
            ("requestor", self.requestor.is_some()),
            ("key_field", self.key_field.is_some()),
            ("priorities", self.priorities != PriorityNames::default()),
            ("resolved_status", self.resolved_status.is_some()),
            ("open_status", self.open_status.is_some()),
            ("closed_statuses", !self.closed_statuses.is_empty()),
            ("private_notes", self.private_notes),
            ("headers", !self.headers.is_empty()),
            ("find", self.find.is_some()),
            ("create", self.create.is_some()),
            ("note", self.note.is_some()),
            ("priority", self.priority.is_some()),
            ("resolve", self.resolve.is_some()),
            ("reopen", self.reopen.is_some()),
            ("read", self.read.is_some()),
            ("empty_finds", self.empty_finds.is_some()),
        ]
    }

    /// A duration that [`DeskConfig::problems`] has seen; the fallback is never reached after it.
    pub(crate) fn duration(text: &str, fallback: Duration) -> Duration {
        parse_duration(text).unwrap_or(fallback)
    }

    /// Every secret that is given.
    pub(crate) fn secrets(&self) -> Vec<&SecretString> {
        let all = [
            &self.token,
            &self.password,
            &self.app_token,
            &self.client_secret,
            &self.proxy_password,
        ];
        all.into_iter().flatten().collect()
    }

    /// The secret's text, for the one place that puts it into a request.
    pub(crate) fn exposed(secret: Option<&SecretString>) -> Option<&str> {
        secret.map(ExposeSecret::expose_secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RT: &str = r#"
        name = "rt"
        kind = "rt"
        url = "https://rt.example.org"
        queue = "Network"
    "#;

    fn config(text: &str) -> DeskConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_secret_comes_from_a_file_and_shows_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "1-2-rahasia\n").unwrap();
        let mut good = config(&format!("{RT}token_file = \"token\""));
        good.resolve_secrets(dir.path()).unwrap();
        assert_eq!(DeskConfig::exposed(good.token.as_ref()), Some("1-2-rahasia"));
        assert!(!format!("{good:?}").contains("rahasia"));
        assert_eq!(good.problems(), []);
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        for (text, key, what) in [
            ("token_file = \"nowhere\"", "token_file", "cannot read"),
            ("token_file = \"empty\"", "token_file", "is empty"),
            ("token_file = \"token\"\ntoken = \"x\"", "token_file", "not both"),
            ("user = \"u\"\npassword_file = \"nowhere\"", "password_file", "cannot read"),
        ] {
            let mut config = config(&format!("{RT}{text}"));
            let problems = config.resolve_secrets(dir.path()).unwrap_err();
            assert_eq!(problems[0].key, key);
            assert!(problems[0].message.contains(what), "{problems:?}");
        }
    }

    #[test]
    fn every_problem_of_an_rt_desk_is_named_at_once() {
        let keys = |text: &str| -> Vec<String> {
            config(text).problems().into_iter().map(|p| p.key).collect()
        };
        assert_eq!(keys(RT), ["token"]);
        assert_eq!(keys(&format!("{RT}token = \"a\"\nuser = \"u\"\npassword = \"p\"")), ["token"]);
        assert_eq!(keys(&format!("{RT}user = \"u\"")), ["user"]);
        assert_eq!(
            keys(
                "name = \"a b\"\nkind = \"rt\"\ntoken = \"t\"\nmax_in_flight = 0\nretry_max = \"0s\"\npriorities = { P1 = \"high\" }\n[find]\nurl = \"x\""
            ),
            ["name", "retry_max", "max_in_flight", "find", "url", "queue", "priorities.P1"]
        );
        let unknown = toml::from_str::<DeskConfig>(&format!("{RT}tocken = \"t\"")).unwrap_err();
        assert!(unknown.to_string().contains("tocken"), "{unknown}");
    }

    #[test]
    fn the_schema_knows_every_key() {
        let schema = schemars::schema_for!(DeskConfig);
        let text = serde_json::to_string(&schema).unwrap();
        for key in ["token_file", "visibility_delay", "resolved_status", "ticket_url", "P1"] {
            assert!(text.contains(key), "{key}");
        }
    }
}
