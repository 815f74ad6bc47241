//! The dialect of Znuny, with the habits of a real 6.5: everything is a 200, who we are stands in the
//! body, a search gives ids and says `{}` when there is none. Its titles end in the key; the store
//! keeps what stands before it.

use super::*;

pub const DIALECT: Dialect = Dialect {
    name: "znuny",
    config: |url| {
        format!(
            r#"
            name = "znuny"
            kind = "znuny"
            url = "{url}/znuny/"
            queue = "Network"
            requestor = "noc"
            user = "middleware"
            password = "{TOKEN}"
            timeout = "600ms"
            commit_delay = "150ms"
            visibility_delay = "150ms"
            retry_max = "300ms"
            note_every = "0s"
            "#
        )
    },
    resolved: "closed successful",
    open: "open",
    p1: || json!("5 very high"),
    // Of 255, without " [kent:kent-abc]".
    title_max: 239,
    key_in_title: true,
    ..RT
};

pub fn routes() -> Router<Arc<Mutex<Store>>> {
    let at = |path: &str| format!("/znuny/nph-genericinterface.pl/Webservice/kentongan/{path}");
    Router::new()
        .route(&at("Ticket"), post(create))
        .route(&at("Ticket/{id}"), axum::routing::patch(update))
        .route(&at("TicketGet"), post(get_tickets))
        .route(&at("TicketSearch"), post(search))
}

/// The body, and its password where the fake looks for it.
fn request(body: &str) -> (Value, HeaderMap) {
    let body: Value = serde_json::from_str(body).expect("it is JSON");
    assert_eq!(body["UserLogin"], "middleware");
    let mut login = HeaderMap::new();
    login.insert("password", body["Password"].as_str().unwrap().parse().unwrap());
    (body, login)
}

fn error(operation: &str, word: &str) -> (u16, Value) {
    let code = format!("{operation}.{word}");
    (200, json!({ "Error": { "ErrorCode": code, "ErrorMessage": format!("{operation}: no!") } }))
}

/// The marker of the key, which ends the text of a ticket of ours as well.
fn marker(ticket: &Ticket) -> &str {
    ticket.text.rsplit('\n').next().filter(|l| l.starts_with("[kent:")).unwrap_or("")
}

fn article(text: &str) -> Value {
    json!({ "ArticleID": 1, "Body": text, "ContentType": "text/plain; charset=utf-8" })
}

fn json_of(n: usize, t: &Ticket, articles: bool) -> Value {
    let kind = match t.status.as_str() {
        "closed successful" => "closed",
        other => other,
    };
    let mut ticket = json!({
        "TicketID": n + 1, "TicketNumber": "2026112410000037", "State": t.status,
        "StateType": kind, "Title": format!("{} {}", t.title, marker(t)), "Queue": t.queue,
        "Priority": t.priority.as_str().unwrap_or("1 very low"),
        "DynamicField": [
            { "Name": "AlertKey", "Value": t.key },
            { "Name": "ProcessManagementActivityID", "Value": null },
        ],
    });
    if articles {
        let all = std::iter::once(&t.text).chain(&t.notes);
        ticket["Article"] = all.map(|text| article(text)).collect();
    }
    ticket
}

async fn search(State(store): Shared, body: String) -> Response {
    let (body, login) = request(&body);
    assert_eq!(body["SearchInArchive"], "AllTickets");
    let ids = |all: Vec<usize>| match all.as_slice() {
        [] => (200, json!({})),
        all => (
            200,
            json!({ "TicketID": all.iter().map(|n| (n + 1).to_string()).collect::<Vec<_>>() }),
        ),
    };
    if let Some(title) = body["Title"].as_str() {
        assert!(body["TicketCreateTimeNewerMinutes"].is_u64());
        let end = title.trim_matches('*').to_owned();
        return answer(&store, Op::Other, &login, |store, _| {
            let all = store.tickets.iter().enumerate();
            ids(all.filter(|(_, t)| marker(t) == end).map(|(n, _)| n).collect())
        })
        .await;
    }
    let key = body["DynamicField_AlertKey"]["Equals"].as_str().expect("a key").to_owned();
    answer(&store, Op::Find, &login, |store, fault| {
        ids(matching(store, fault, &key).into_iter().map(|(n, _)| n).collect())
    })
    .await
}

async fn get_tickets(State(store): Shared, body: String) -> Response {
    let (body, login) = request(&body);
    assert_eq!(body["DynamicFields"], 1);
    let articles = body["AllArticles"] == 1;
    let op = if articles { Op::Notes } else { Op::Read };
    let asked = body["TicketID"].as_str().expect("ids with commas between").to_owned();
    answer(&store, op, &login, |store, _| {
        let there = asked.split(',').map(|id| index(store, id)).collect::<Option<Vec<usize>>>();
        let Some(there) = there else { return error("TicketGet", "AccessDenied") };
        let all = there.into_iter().map(|n| json_of(n, &store.tickets[n], articles));
        (200, json!({ "Ticket": all.collect::<Vec<_>>() }))
    })
    .await
}

async fn create(State(store): Shared, body: String) -> Response {
    let (body, login) = request(&body);
    answer(&store, Op::Create, &login, |store, fault| {
        let (ticket, article) = (&body["Ticket"], &body["Article"]);
        assert_eq!((&ticket["CustomerUser"], &ticket["State"]), (&json!("noc"), &json!("new")));
        assert_eq!(body["DynamicField"][0]["Name"], "AlertKey");
        let key = body["DynamicField"][0]["Value"].as_str().unwrap().to_owned();
        let title = ticket["Title"].as_str().unwrap();
        assert!(title.chars().count() <= 255, "the column takes no more: {title}");
        let title = title.strip_suffix(&format!(" [kent:{key}]")).expect("the key ends the title");
        assert!(article["Subject"].as_str().unwrap().chars().count() <= 255);
        store.tickets.push(Ticket {
            key: Some(key).filter(|_| fault != Some(Fault::DropKey)),
            title: title.to_owned(),
            text: article["Body"].as_str().unwrap().to_owned(),
            queue: ticket["Queue"].as_str().unwrap().to_owned(),
            priority: ticket["Priority"].clone(),
            status: "new".into(),
            notes: Vec::new(),
        });
        let id = store.tickets.len().to_string();
        (200, json!({ "ArticleID": 7, "TicketID": id, "TicketNumber": "2026112410000037" }))
    })
    .await
}

async fn update(State(store): Shared, Path(id): Path<String>, body: String) -> Response {
    let (body, login) = request(&body);
    let op = if body["Article"].is_object() { Op::Note } else { Op::Change };
    answer(&store, op, &login, |store, fault| {
        let Some(n) = index(store, &id) else { return error("TicketUpdate", "AccessDenied") };
        let mut done = json!({ "TicketID": id, "TicketNumber": "2026112410000037" });
        let t = &mut store.tickets[n];
        if op == Op::Note {
            assert!(!body["Article"]["Subject"].as_str().unwrap().is_empty());
            t.notes.push(body["Article"]["Body"].as_str().unwrap().to_owned());
            done["ArticleID"] = 9.into();
        } else if fault != Some(Fault::Ignore) {
            if let Some(state) = body["Ticket"]["State"].as_str() {
                state.clone_into(&mut t.status);
            }
            if !body["Ticket"]["Priority"].is_null() {
                t.priority = body["Ticket"]["Priority"].clone();
            }
        }
        (200, done)
    })
    .await
}
