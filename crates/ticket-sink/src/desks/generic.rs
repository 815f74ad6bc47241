//! Any JSON API, by templates for the requests and paths into the answers.
//!
//! The templates are compiled when the desk is made and tried on a sample ticket, so that a wrong
//! one is an error of the configuration with its key, not of the first alarm at night.

use crate::config::{DeskConfig, OperationConfig, PriorityName};
use crate::desk::Desk;
use crate::http::{Ask, Http, Login, Reply, Said, success};
use crate::template::{Context, Document, Templates};
use async_trait::async_trait;
use delivery::{Abilities, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};
use reqwest::Method;
use serde_json::Value;

/// A desk with a JSON API.
pub struct GenericDesk {
    http: Http,
    map: Mapping,
    rules: DeskRules,
}

/// From intents to requests and from responses to outcomes.
struct Mapping {
    templates: Templates,
    /// What every template may use.
    common: Context,
    queue: String,
    /// P1, P2, P3.
    names: [Value; 3],
    resolved: Option<String>,
    closed: Vec<String>,
    find: Option<Operation>,
    create: Option<Operation>,
    note: Option<Operation>,
    priority: Option<Operation>,
    resolve: Option<Operation>,
    reopen: Option<Operation>,
    read: Option<Operation>,
}

/// One request, compiled.
struct Operation {
    /// Its key in the configuration; `KEY.url` and `KEY.headers.NAME` are its templates.
    key: &'static str,
    method: Method,
    headers: Vec<(String, String)>,
    body: Option<Document>,
    config: OperationConfig,
}

impl GenericDesk {
    /// From a configuration without problems, secrets resolved.
    pub(crate) fn new(config: &DeskConfig, rules: DeskRules) -> Result<GenericDesk, String> {
        let http = Http::new(config, Login::None, rules.timeout)?;
        let (map, problems) = Mapping::new(config);
        match problems.into_iter().next() {
            Some((key, message)) => Err(format!("{key}: {message}")),
            None => Ok(GenericDesk { http, map, rules }),
        }
    }

    async fn ask(&self, operation: Option<&Operation>, context: Context) -> Reply {
        let Some(operation) = operation else {
            return Reply::NotSent("this desk has no such operation".into());
        };
        match self.map.request(operation, context) {
            Ok(ask) => self.http.send(ask).await,
            Err(reason) => Reply::NotSent(self.http.clean(reason)),
        }
    }

    /// A write without an id in its answer; where the desk can be read, it is looked at after it.
    async fn write(
        &self,
        operation: Option<&Operation>,
        ticket: &TicketRef,
        extra: Context,
        as_wanted: impl Fn(&Snapshot) -> bool + Send,
    ) -> Outcome<()> {
        let mut context = ticket_context(ticket);
        context.extend(extra);
        let reply = self.ask(operation, context).await;
        if let Err(outcome) = Mapping::written(operation, reply) {
            return outcome;
        }
        if self.map.read.is_none() {
            return Outcome::Done(());
        }
        match self.read(ticket, false).await {
            Outcome::Done(snapshot) if as_wanted(&snapshot) => Outcome::Done(()),
            Outcome::Done(_) => Outcome::Rejected {
                retry: false,
                reason: "the desk said yes, and the ticket is as it was".into(),
            },
            Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => Outcome::Unknown {
                reason: format!("changed, and could not be read back: {reason}"),
            },
        }
    }
}

#[async_trait]
impl Desk for GenericDesk {
    fn kind(&self) -> &'static str {
        "generic"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        let context = Context::from([("key", key.into())]);
        self.map.rows(self.ask(self.map.find.as_ref(), context).await)
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        let context = self.map.draft_context(draft);
        self.map.created(self.ask(self.map.create.as_ref(), context).await)
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        let mut context = ticket_context(ticket);
        context.insert("text", note.text.as_str().into());
        context.insert("operation", note.operation.as_str().into());
        let operation = self.map.note.as_ref();
        let reply = self.ask(operation, context).await;
        Mapping::written(operation, reply).map_or_else(|outcome| outcome, Outcome::Done)
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let extra = Context::from([("priority", self.map.name(priority).clone())]);
        let seen = self.map.read.as_ref().is_some_and(|r| r.config.priority.is_some());
        let operation = self.map.priority.as_ref();
        self.write(operation, ticket, extra, |s| !seen || s.priorities.contains(&priority)).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        self.write(self.map.resolve.as_ref(), ticket, Context::new(), |s| !s.open).await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        if self.map.read.is_some() {
            match self.read(ticket, false).await {
                Outcome::Done(snapshot) if snapshot.open => return Outcome::Done(()),
                Outcome::Done(_) => {}
                other => return other.map(|_| ()).before_sending(),
            }
        }
        self.write(self.map.reopen.as_ref(), ticket, Context::new(), |s| s.open).await
    }

    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot> {
        let reply = self.ask(self.map.read.as_ref(), ticket_context(ticket)).await;
        self.map.snapshot(reply, notes)
    }
}

/// What the configuration says that the desk can do.
pub(crate) const KEYS: &[&str] = &[
    "url",
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "queue",
    "requestor",
    "priorities",
    "resolved_status",
    "open_status",
    "closed_statuses",
    "headers",
    "find",
    "create",
    "note",
    "priority",
    "resolve",
    "reopen",
    "read",
    "empty_finds",
];

pub(crate) fn abilities(config: &DeskConfig) -> Abilities {
    Abilities {
        find: config.find.is_some(),
        read: config.read.is_some(),
        read_notes: config.read.as_ref().is_some_and(|r| r.notes.is_some()),
        note: config.note.is_some(),
        priority: config.priority.is_some(),
        resolve: config.resolve.is_some(),
        reopen: config.reopen.is_some(),
        owner: config.read.as_ref().is_some_and(|r| r.owner.is_some()),
        priority_told: config.read.as_ref().is_some_and(|r| r.priority.is_some()),
        ..Abilities::ONE_WAY
    }
}

pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    let (map, problems) = Mapping::new(config);
    for (key, message) in problems.into_iter().chain(map.try_out()) {
        tell(&key, message);
    }
}

fn ticket_context(ticket: &TicketRef) -> Context {
    Context::from([("ticket", ticket.id.as_str().into())])
}

impl Mapping {
    fn new(config: &DeskConfig) -> (Mapping, Vec<(String, String)>) {
        let mut problems = Vec::new();
        let mut templates = Templates::new();
        let mut operation =
            |key: &'static str, config: Option<&OperationConfig>, desk: &DeskConfig| {
                Operation::new(key, config?, desk, &mut templates, &mut problems)
            };
        let find = operation("find", config.find.as_ref(), config);
        let create = operation("create", config.create.as_ref(), config);
        let note = operation("note", config.note.as_ref(), config);
        let priority = operation("priority", config.priority.as_ref(), config);
        let resolve = operation("resolve", config.resolve.as_ref(), config);
        let reopen = operation("reopen", config.reopen.as_ref(), config);
        let read = operation("read", config.read.as_ref(), config);
        let map = Mapping {
            templates,
            common: Mapping::common(config),
            queue: config.queue.clone().unwrap_or_default(),
            names: [Priority::P1, Priority::P2, Priority::P3].map(|p| {
                config.priorities.name(p).map_or_else(|| p.word().into(), PriorityName::value)
            }),
            resolved: config.resolved_status.clone(),
            closed: config.closed_statuses.clone(),
            find,
            create,
            note,
            priority,
            resolve,
            reopen,
            read,
        };
        problems.extend(map.missing(config));
        (map, problems)
    }

    fn common(config: &DeskConfig) -> Context {
        let mut common = Context::new();
        let base = config.url.clone().unwrap_or_default();
        common.insert("base", base.trim_end_matches('/').into());
        for (name, value) in [
            ("token", DeskConfig::exposed(config.token.as_ref())),
            ("password", DeskConfig::exposed(config.password.as_ref())),
            ("user", config.user.as_deref()),
            ("requestor", config.requestor.as_deref()),
            ("resolved_status", config.resolved_status.as_deref()),
            ("open_status", config.open_status.as_deref()),
        ] {
            if let Some(value) = value {
                common.insert(name, value.into());
            }
        }
        // What stands in a file is not read yet when the configuration is checked.
        for (name, file) in [("token", &config.token_file), ("password", &config.password_file)] {
            if file.is_some() {
                common.entry(name).or_insert_with(|| "secret".into());
            }
        }
        common
    }

    /// Paths and operations without which a desk would do harm.
    fn missing(&self, config: &DeskConfig) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let mut miss = |key: &str, why: &str| out.push((key.to_owned(), why.to_owned()));
        if self.create.is_none() && config.create.is_none() {
            miss("create", "is missing: how to open a ticket");
        }
        if let Some(find) = &config.find {
            for (key, path) in [("id", &find.id), ("key", &find.key), ("status", &find.status)] {
                if path.is_none() {
                    miss(&format!("find.{key}"), "is missing: where in a found ticket it stands");
                }
            }
        }
        if config.create.as_ref().is_some_and(|c| c.id.is_none()) {
            miss("create.id", "is missing: where in the answer the new ticket's id stands");
        }
        if let Some(read) = &config.read {
            for (key, path) in [("key", &read.key), ("status", &read.status)] {
                if path.is_none() {
                    miss(&format!("read.{key}"), "is missing: where in the ticket it stands");
                }
            }
        }
        if (config.find.is_some() || config.read.is_some()) && config.resolved_status.is_none() {
            miss("resolved_status", "is missing: which status says that a ticket is resolved");
        }
        out
    }

    /// Renders every request for a sample ticket.
    fn try_out(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let draft = Draft {
            key: "kent-sample".into(),
            incident: "k7f3-1".into(),
            title: "Contoh \"tiket\" é 😀".into(),
            text: "baris satu\nbaris dua\n\n[kent:kent-sample]".into(),
            priority: Priority::P1,
            group: None,
            category: None,
        };
        let ticket = TicketRef { id: "1".into(), url: None };
        let with = |name, value: Value| {
            let mut context = ticket_context(&ticket);
            context.insert(name, value);
            context
        };
        let note = {
            let mut context = with("text", "catatan\n\n[kent-op:k7f3-1.2]".into());
            context.insert("operation", "k7f3-1.2".into());
            context
        };
        for (operation, context) in [
            (&self.find, Context::from([("key", "kent-sample".into())])),
            (&self.create, self.draft_context(&draft)),
            (&self.note, note),
            (&self.priority, with("priority", self.names[0].clone())),
            (&self.resolve, ticket_context(&ticket)),
            (&self.reopen, ticket_context(&ticket)),
            (&self.read, ticket_context(&ticket)),
        ] {
            let Some(operation) = operation else { continue };
            match self.request(operation, context) {
                Ok(ask) => problems.extend(Mapping::wrong_request(operation, &ask)),
                Err(reason) => {
                    let (key, what) = reason.split_once(": ").unwrap_or((operation.key, &reason));
                    problems.push((key.to_owned(), what.to_owned()));
                }
            }
        }
        problems
    }

    fn wrong_request(operation: &Operation, ask: &Ask) -> Option<(String, String)> {
        let wrong =
            |what: &str, message: String| Some((format!("{}.{what}", operation.key), message));
        match reqwest::Url::parse(&ask.url) {
            Err(error) => return wrong("url", format!("makes no address: {error}")),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                return wrong("url", "must make an address with http:// or https://".into());
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                return wrong("url", "must not carry a user or password; use headers".into());
            }
            Ok(_) => {}
        }
        for (name, value) in &ask.headers {
            let good = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
                && reqwest::header::HeaderValue::from_str(value).is_ok();
            if !good {
                return wrong(&format!("headers.{name}"), "cannot be sent as a header".into());
            }
        }
        let json = ask
            .headers
            .iter()
            .any(|(n, v)| n.eq_ignore_ascii_case("content-type") && v.contains("json"));
        match &ask.body {
            Some(body) if json => match serde_json::from_str::<Value>(body) {
                Ok(_) => None,
                Err(error) => wrong(
                    "body",
                    format!("makes no JSON: {error}; write values with {{{{ … | tojson }}}}"),
                ),
            },
            _ => None,
        }
    }

    fn draft_context(&self, draft: &Draft) -> Context {
        Context::from([
            ("key", draft.key.as_str().into()),
            ("incident", draft.incident.as_str().into()),
            ("title", draft.title.as_str().into()),
            ("text", draft.text.as_str().into()),
            ("priority", self.name(draft.priority).clone()),
            ("queue", draft.group.as_deref().unwrap_or(&self.queue).into()),
            ("category", draft.category.as_deref().unwrap_or("").into()),
        ])
    }

    fn name(&self, priority: Priority) -> &Value {
        match priority {
            Priority::P1 => &self.names[0],
            Priority::P2 => &self.names[1],
            Priority::P3 | Priority::P4 => &self.names[2],
        }
    }

    // --- to requests ---

    fn request(&self, operation: &Operation, extra: Context) -> Result<Ask, String> {
        let mut context = self.common.clone();
        context.extend(extra);
        let url = self.templates.render(&format!("{}.url", operation.key), &context)?;
        let mut headers = Vec::new();
        for (name, template) in &operation.headers {
            headers.push((name.clone(), self.templates.render(template, &context)?));
        }
        let body = match &operation.body {
            None => None,
            Some(document) => Some(self.templates.render_document(document, &context)?),
        };
        if body.is_some() && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        Ok(Ask { method: operation.method.clone(), url, headers, body })
    }

    // --- from responses ---

    fn rows(&self, reply: Reply) -> Outcome<Vec<Row>> {
        let Some(find) = &self.find else { return Outcome::Done(Vec::new()) };
        if let Reply::Said(said) = &reply
            && find.config.absent.contains(&said.status)
        {
            return Outcome::Done(Vec::new());
        }
        let said = match find.success(reply) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let unreadable = |reason: String| Outcome::Unknown { reason };
        let answer = match said.json() {
            Ok(answer) => answer,
            Err(reason) => return unreadable(reason),
        };
        let path = find.config.items.as_deref().unwrap_or("");
        let items = match at(&answer, path) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => return unreadable(format!("the answer has no list of tickets at {path:?}")),
        };
        let mut rows = Vec::new();
        for item in items {
            let Some(id) = text_at(item, find.config.id.as_ref()) else {
                return unreadable("a found ticket has no id".into());
            };
            let Some(status) = text_at(item, find.config.status.as_ref()) else {
                return unreadable(format!("ticket {id} has no status in the answer"));
            };
            rows.push(Row {
                ticket: self.reference(find, &id, item),
                key: text_at(item, find.config.key.as_ref()),
                open: self.is_open(&status),
                priorities: self.priorities(find, item),
            });
        }
        Outcome::Done(rows)
    }

    fn created(&self, reply: Reply) -> Outcome<TicketRef> {
        let Some(create) = &self.create else {
            let reason = "this desk cannot open tickets".into();
            return Outcome::Rejected { retry: false, reason };
        };
        let said = match create.success(reply) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let answer = match said.json() {
            Ok(answer) => answer,
            Err(reason) => return Outcome::Unknown { reason },
        };
        match text_at(&answer, create.config.id.as_ref()) {
            Some(id) => Outcome::Done(self.reference(create, &id, &answer)),
            None => Outcome::Unknown { reason: "the answer has no id of the new ticket".into() },
        }
    }

    /// A write whose answer has nothing that we need.
    fn written(operation: Option<&Operation>, reply: Reply) -> Result<(), Outcome<()>> {
        let said = match operation {
            Some(operation) => operation.success(reply)?,
            None => success(reply, |_| true)?,
        };
        if said.html {
            return Err(Outcome::Unknown { reason: "the answer is a web page".into() });
        }
        Ok(())
    }

    fn snapshot(&self, reply: Reply, notes: bool) -> Outcome<Snapshot> {
        let Some(read) = &self.read else {
            let reason = "this desk cannot be read".into();
            return Outcome::Rejected { retry: false, reason };
        };
        if let Reply::Said(said) = &reply
            && read.config.absent.contains(&said.status)
        {
            return Outcome::Done(Snapshot { gone: true, ..Snapshot::default() });
        }
        let said = match read.success(reply) {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        let ticket = match said.json() {
            Ok(ticket) => ticket,
            Err(reason) => return Outcome::Unknown { reason },
        };
        let Some(status) = text_at(&ticket, read.config.status.as_ref()) else {
            return Outcome::Unknown { reason: "the ticket has no status in the answer".into() };
        };
        let mut operations = Vec::new();
        if notes {
            let path = read.config.notes.as_deref().unwrap_or("");
            let Some(Value::Array(items)) = at(&ticket, path) else {
                let reason = format!("the ticket has no list of notes at {path:?}");
                return Outcome::Unknown { reason };
            };
            let text_path = read.config.note_text.clone().unwrap_or_default();
            for text in items.iter().filter_map(|item| text_at(item, Some(&text_path))) {
                operations.extend(Note::operations_in(&text).map(str::to_owned));
            }
        }
        Outcome::Done(Snapshot {
            gone: false,
            key: text_at(&ticket, read.config.key.as_ref()),
            open: self.is_open(&status),
            priorities: self.priorities(read, &ticket),
            notes: operations,
            owner: text_at(&ticket, read.config.owner.as_ref()),
            ..Snapshot::default()
        })
    }

    fn reference(&self, operation: &Operation, id: &str, answer: &Value) -> TicketRef {
        let template = format!("{}.ticket_url", operation.key);
        let url = operation.config.ticket_url.as_ref().and_then(|path| {
            if path.contains("{{") {
                let mut context = self.common.clone();
                context.insert("id", id.into());
                self.templates.render(&template, &context).ok()
            } else {
                text_at(answer, Some(path))
            }
        });
        TicketRef { id: id.to_owned(), url }
    }

    fn is_open(&self, status: &str) -> bool {
        self.resolved.as_deref() != Some(status) && !self.closed.iter().any(|c| c == status)
    }

    fn priorities(&self, operation: &Operation, ticket: &Value) -> Vec<Priority> {
        let Some(seen) = text_at(ticket, operation.config.priority.as_ref()) else {
            return Vec::new();
        };
        [Priority::P1, Priority::P2, Priority::P3]
            .into_iter()
            .filter(|p| text(self.name(*p)).as_deref() == Some(seen.as_str()))
            .collect()
    }
}

impl Operation {
    fn new(
        key: &'static str,
        config: &OperationConfig,
        desk: &DeskConfig,
        templates: &mut Templates,
        problems: &mut Vec<(String, String)>,
    ) -> Option<Operation> {
        let before = problems.len();
        let mut add = |templates: &mut Templates, key: String, source: &str| {
            if let Err(message) = templates.add(&key, source) {
                problems.push((key, message));
            }
        };
        add(templates, format!("{key}.url"), &config.url);
        if let Some(url) = config.ticket_url.as_ref().filter(|u| u.contains("{{")) {
            add(templates, format!("{key}.ticket_url"), url);
        }
        let mut headers = Vec::new();
        for (name, source) in desk.headers.iter().filter(|(n, _)| !config.headers.contains_key(*n))
        {
            add(templates, format!("headers.{name}"), source);
            headers.push((name.clone(), format!("headers.{name}")));
        }
        for (name, source) in &config.headers {
            let template = format!("{key}.headers.{name}");
            add(templates, template.clone(), source);
            headers.push((name.clone(), template));
        }
        let body = config.body.as_ref().and_then(|body| {
            templates
                .add_document(&format!("{key}.body"), body)
                .map_err(|problem| problems.push(problem))
                .ok()
        });
        let method = config.method.as_deref().unwrap_or(match key {
            "find" | "read" => "GET",
            "create" | "note" => "POST",
            _ => "PUT",
        });
        let method = match method.to_ascii_uppercase().as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => {
                let message = "must be GET, POST, PUT, PATCH or DELETE".to_owned();
                problems.push((format!("{key}.method"), message));
                Method::GET
            }
        };
        (problems.len() == before).then(|| Operation {
            key,
            method,
            headers,
            body,
            config: config.clone(),
        })
    }

    fn success<T>(&self, reply: Reply) -> Result<Said, Outcome<T>> {
        success(reply, |status| match self.config.success.as_slice() {
            [] => (200..300).contains(&status),
            listed => listed.contains(&status),
        })
    }
}

/// The value at a path: a JSON pointer, or names with dots between them.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() || path.starts_with('/') {
        return value.pointer(path);
    }
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// The text (or number, or yes and no) at a path.
fn text_at(value: &Value, path: Option<&String>) -> Option<String> {
    text(at(value, path?)?)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "generic_tests.rs"]
mod tests;
