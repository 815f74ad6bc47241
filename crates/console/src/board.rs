//! The board: one page that is looked at from across the room, and the one document it polls.

use crate::Shared;
use crate::backend::{StatusDoc, TargetDoc, WindowDoc};
use crate::problem::Problem;
use crate::read::ask;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use views::{IncidentDoc, IncidentFilter, Which};

const PAGE: &str = include_str!("../assets/board.html");
const STYLE: &str = include_str!("../assets/board.css");
const SCRIPT: &str = include_str!("../assets/board.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Open incidents on the board; nobody reads more, and `open_total` says how many there are.
const OPEN_SHOWN_MAX: usize = 100;

/// Incidents that went away lately.
const RESOLVED_SHOWN_MAX: usize = 10;

/// Targets on the board, the worst first; the whole table is `GET /api/v1/targets`.
const TARGETS_SHOWN_MAX: usize = 60;

/// Ids shown of what an incident affects; the counts are whole.
const AFFECTED_SHOWN_MAX: usize = 12;

/// Everything the board shows, at one instant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoardDoc {
    /// How the daemon is.
    status: StatusDoc,
    /// Open incidents, the most urgent first and the oldest of them first.
    open: Vec<IncidentDoc>,
    /// How many there are in all.
    open_total: usize,
    /// Those that went away last.
    resolved: Vec<IncidentDoc>,
    /// Every site that has a target.
    sites: Vec<SiteDoc>,
    /// How many targets are in which state.
    targets_by_state: BTreeMap<String, usize>,
    /// The worst first.
    targets: Vec<TargetDoc>,
    /// How many there are in all.
    targets_total: usize,
    /// Windows that are active or planned.
    windows: Vec<WindowDoc>,
}

/// One site, summed up.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SiteDoc {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// Its targets.
    total: usize,
    /// Those that answer.
    up: usize,
    /// Those that do not.
    down: usize,
    /// `P1` to `P4`: the most urgent open incident that affects it.
    priority: Option<String>,
    /// `good`, `down` (nothing answers), `partly` (some do not), `suspect`, `flapping`,
    /// `maintenance` or `unknown`.
    state: &'static str,
}

/// Everything the board shows, at one instant.
#[utoipa::path(get, path = "/api/v1/board", tag = "state",
    responses((status = 200, body = BoardDoc), (status = 503, body = Problem)))]
pub(crate) async fn board(State(shared): State<Arc<Shared>>) -> Result<Json<BoardDoc>, Problem> {
    let (mut open, open_total, mut resolved) = ask(&shared, |views| {
        let mut open = Vec::new();
        let mut filter = IncidentFilter { which: Which::Open, ..IncidentFilter::default() };
        loop {
            let page = views.incidents(&filter)?;
            open.extend(page.incidents);
            // The pages are by age; the most urgent may stand on any of them.
            match page.next {
                Some(next) if open.len() < 4 * views::LIMIT_MAX => filter.cursor = Some(next),
                _ => break,
            }
        }
        let total = open.len();
        Ok((open, total, views.recently_resolved(RESOLVED_SHOWN_MAX)?))
    })
    .await?;
    open.sort_by(|a, b| (&a.priority, &a.since, &a.id).cmp(&(&b.priority, &b.since, &b.id)));

    let mut targets = shared.backend.targets().await;
    let sites = sites(&targets, &open);
    let mut targets_by_state = BTreeMap::new();
    for target in &targets {
        *targets_by_state.entry(target.state.clone()).or_default() += 1;
    }
    let targets_total = targets.len();
    targets.sort_by(|a, b| (rank(&a.state), &a.id).cmp(&(rank(&b.state), &b.id)));
    targets.truncate(TARGETS_SHOWN_MAX);
    open.truncate(OPEN_SHOWN_MAX);
    for incident in open.iter_mut().chain(&mut resolved) {
        let affected = &mut incident.affected;
        for list in [&mut affected.devices, &mut affected.sites, &mut affected.services] {
            list.truncate(AFFECTED_SHOWN_MAX);
        }
    }
    let status = shared.backend.status().await;
    let mut windows = shared.backend.windows().await;
    windows.retain(|w| w.end > status.now);
    Ok(Json(BoardDoc {
        status,
        open,
        open_total,
        resolved,
        sites,
        targets_by_state,
        targets,
        targets_total,
        windows,
    }))
}

/// The worst first.
fn rank(state: &str) -> u8 {
    match state {
        "down" => 0,
        "suspect" => 1,
        "flapping" => 2,
        "unknown" => 3,
        "new" => 4,
        _ => 5,
    }
}

fn sites(targets: &[TargetDoc], open: &[IncidentDoc]) -> Vec<SiteDoc> {
    #[derive(Default)]
    struct Sum<'a> {
        name: Option<&'a str>,
        total: usize,
        quiet: usize,
        by: BTreeMap<&'a str, usize>,
        priority: Option<&'a str>,
    }
    let mut sums: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
    for target in targets {
        let Some(site) = &target.site else { continue };
        let sum = sums.entry(site).or_default();
        sum.name = sum.name.or(target.site_name.as_deref());
        sum.total += 1;
        sum.quiet += usize::from(target.maintenance);
        *sum.by.entry(&target.state).or_default() += 1;
    }
    for incident in open {
        for site in &incident.affected.sites {
            if let Some(sum) = sums.get_mut(site.as_str()) {
                let worse = sum.priority.is_none_or(|p| incident.priority.as_str() < p);
                if worse {
                    sum.priority = Some(&incident.priority);
                }
            }
        }
    }
    let doc = |(id, sum): (&str, Sum<'_>)| {
        let of = |state: &str| sum.by.get(state).copied().unwrap_or(0);
        let state = if sum.quiet > 0 && sum.quiet >= of("down") && of("up") < sum.total {
            "maintenance"
        } else if of("down") == sum.total {
            "down"
        } else if of("down") > 0 {
            "partly"
        } else if of("suspect") > 0 {
            "suspect"
        } else if of("flapping") > 0 {
            "flapping"
        } else if of("unknown") + of("new") > 0 {
            "unknown"
        } else {
            "good"
        };
        SiteDoc {
            id: id.to_owned(),
            name: sum.name.unwrap_or(id).to_owned(),
            total: sum.total,
            up: of("up"),
            down: of("down"),
            priority: sum.priority.map(str::to_owned),
            state,
        }
    };
    sums.into_iter().map(doc).collect()
}

/// The page; its script looks at the path to know what to show.
pub(crate) async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // A page of another version than the daemon behind it would show nonsense.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
