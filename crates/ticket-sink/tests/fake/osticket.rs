//! The dialect of osTicket (include/api.tickets.php): the number of the ticket as plain text, and mails
//! that find their ticket by the number in their subject, each Message-ID once.

use super::*;

pub const DIALECT: Dialect = Dialect {
    name: "osticket",
    config: |url| {
        format!(
            r#"
            name = "osticket"
            kind = "osticket"
            url = "{url}/"
            requestor = "noc@example.org"
            token = "{TOKEN}"
            timeout = "600ms"
            commit_delay = "150ms"
            visibility_delay = "150ms"
            retry_max = "300ms"
            note_every = "0s"
            "#
        )
    },
    title_max: 255,
    whole: false,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    Router::new().route("/api/tickets.json", post(create)).route("/api/tickets.email", post(mail))
}

async fn create(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    answer(&store, Op::Create, &headers, |store, _| {
        assert!(body["priorityId"].is_string() && body["email"] == "noc@example.org");
        let text = body["message"].as_str().unwrap();
        store.tickets.push(Ticket {
            title: body["subject"].as_str().unwrap().to_owned(),
            text: text.strip_prefix("data:text/plain;charset=utf-8,").unwrap().to_owned(),
            priority: body["priorityId"].clone(),
            status: "open".into(),
            ..Ticket::default()
        });
        (201, json!(100_000 + store.tickets.len()))
    })
    .await
}

async fn mail(State(store): Shared, headers: HeaderMap, body: String) -> Response {
    let (head, text) = body.split_once("\r\n\r\n").expect("it is a mail");
    let field =
        |name: &str| head.split("\r\n").find_map(|l| l.strip_prefix(name)).unwrap().to_owned();
    let number = field("Subject: Re: [#");
    let number = number.strip_suffix(']').unwrap().parse::<usize>().unwrap();
    let operation = field("Message-ID: <");
    let operation = operation.strip_suffix("@kentongan>").unwrap().to_owned();
    let text = text.strip_suffix("\r\n").unwrap().replace("\r\n", "\n");
    answer(&store, Op::Note, &headers, |store, _| {
        let marker = format!("[kent-op:{operation}]");
        let n = index(store, &(number - 100_000).to_string()).expect("there is the ticket");
        let seen = store.tickets[n].notes.iter().any(|note| note.contains(&marker));
        if !seen {
            store.tickets[n].notes.push(text);
        }
        (201, json!(number))
    })
    .await
}
