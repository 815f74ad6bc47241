//! Opens everything in order, runs it, and takes it down in the reverse order.

use super::backend::{InForce, Rate, Status};
use super::core_loop::{CoreLoop, Pulse};
use super::desks::{Desks, Recording};
use super::reload::Signals;
use super::sinks::{Door, Observations};
use super::{heartbeat, plan, resume, storage};
use crate::config::{self, Backend, Configuration};
use anyhow::{Context, Result, bail};
use console::{ConsoleState, HeartbeatDoc};
use journal::clock_of_this_machine;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Which part of the way this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// All of it.
    #[default]
    Both,
    /// Probe, intake and journal only.
    Edge,
    /// Everything but the probe.
    Core,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Role::Both => "both",
            Role::Edge => "edge",
            Role::Core => "core",
        }
    }
}

/// Between SIGTERM and the end, at most.
const DRAIN: Duration = Duration::from_secs(20);
/// Questions to the core that wait.
const CONTROL_MAX: usize = 64;
/// Asks that wait for the probe.
const ASKS_MAX: usize = 4096;

/// Runs the daemon until it is told to end. A configuration that `check` refuses is refused here.
pub fn run(path: &Path, role: Role) -> Result<ExitCode> {
    let configuration = match config::load(path) {
        Ok(c) => Arc::new(c),
        Err(report) => {
            eprint!("{}", report.render(std::io::IsTerminal::is_terminal(&std::io::stderr())));
            return Ok(ExitCode::from(2));
        }
    };
    if role != Role::Both && matches!(configuration.journal.backend, Backend::Embedded) {
        eprintln!(
            "error: --role {} needs [journal] kind = \"nats\": with the embedded journal one process is both",
            role.word()
        );
        return Ok(ExitCode::from(2));
    }
    for warning in configuration.warnings.problems() {
        tracing::warn!("{}: {}", warning.key, warning.message);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("kentongan")
        .build()
        .context("starting the runtime")?;
    runtime.block_on(serve(path.to_owned(), configuration, role))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(path: PathBuf, configuration: Arc<Configuration>, role: Role) -> Result<()> {
    let began = Instant::now();
    let signals = Signals::listen()?;
    let telemetry = Telemetry::new();
    let clock = clock_of_this_machine();
    let listener = listen(configuration.http.listen).await?;
    let journal = storage::open_journal(&configuration, &telemetry).await?;
    let identity = journal.identity().await.context("asking the journal who we are")?;
    let views = storage::open_views(&configuration, &identity).await?;
    let shutdown = CancellationToken::new();
    let mut tasks: JoinSet<(&'static str, Result<()>)> = JoinSet::new();
    let door = Door::new(journal.clone(), configuration.inventory.clone(), telemetry.clone());
    let (plan_sender, plan_receiver) = watch::channel(plan::of(&configuration));
    let (ask_sender, asks) = mpsc::channel(ASKS_MAX);
    let (confirmed_sender, confirmed) = mpsc::channel(ASKS_MAX);
    let (control_sender, control) = mpsc::channel(CONTROL_MAX);
    let sources = intake::Sources::new(sources_of(&configuration));
    let is_core = role != Role::Edge;

    let mut desks_task = None;
    let desks_over = CancellationToken::new();
    let (desks, pulse, core) = if is_core {
        let epoch = journal.own(&identity).await.context("taking ownership of the records")?;
        storage::check_views(&journal, &views).await.context("checking the views")?;
        let resumed = resume::resume(&journal, &configuration, &identity)
            .await
            .context("coming back to where we were")?;
        let events = resume::first_events(&resumed, &configuration, &identity, clock());
        tracing::info!(
            last_event = resumed.core.last_event(),
            how = resumed.how,
            took_ms = began.elapsed().as_millis() as u64,
            "the core is back"
        );
        let pulse = Pulse::new(resumed.last_record.max(epoch.record));
        if let Err(error) = resume::keep(&journal, &configuration, &identity).await {
            tracing::warn!(%error, "the journal could not keep what the configuration says: a replay of what follows must be told it");
        }
        // Before the desks, for they may have news: the first event after a stop is that gap.
        door.append("core".into(), &events).await.context("journalling the start")?;
        let recording = Recording {
            journal: journal.clone(),
            door: door.clone(),
            epoch: epoch.clone(),
            pulse: pulse.clone(),
        };
        let (desks, task) = Desks::start(
            &configuration,
            &identity,
            &resumed,
            recording,
            &telemetry,
            desks_over.clone(),
        )
        .await?;
        desks_task = Some(task);
        (desks, pulse, Some((epoch, resumed)))
    } else {
        (Desks::none(), Pulse::new(0), None)
    };

    let status = Arc::new(Status {
        role: role.word(),
        identity: identity.clone(),
        journal: journal.clone(),
        views: views.clone(),
        door: door.clone(),
        desks: desks.clone(),
        pulse: pulse.clone(),
        clock: clock.clone(),
        control: is_core.then(|| control_sender.clone()),
        configuration: RwLock::new(InForce {
            configuration: configuration.clone(),
            loaded_at: clock(),
            refused: None,
        }),
        started: began,
        started_at: clock(),
        heartbeat: Mutex::new(HeartbeatDoc {
            configured: configuration.heartbeat.is_some(),
            ..HeartbeatDoc::default()
        }),
        probing: Mutex::new(Rate::default()),
        questions: super::questions::Questions::default(),
    });

    let core_over = CancellationToken::new();
    let views_over = CancellationToken::new();
    let mut views_task = None;
    if let Some((epoch, resumed)) = core {
        let reloaded = {
            let (status, sources) = (status.clone(), sources.clone());
            Arc::new(move |c: &Arc<Configuration>| {
                sources.replace(sources_of(c));
                status.configuration_took_effect(c);
                tracing::info!(hash = &c.hash[..12], "the configuration is in force");
            })
        };
        let another = resumed.another_configuration;
        let mut core = CoreLoop::new(
            resumed.core,
            configuration.clone(),
            journal.clone(),
            epoch,
            door.clone(),
            desks,
            telemetry.clone(),
            pulse.clone(),
            clock.clone(),
            control,
            plan_sender.clone(),
            ask_sender,
            confirmed_sender,
            reloaded,
            core_over.clone(),
        );
        if another {
            core.expect(configuration.clone());
        }
        tasks.spawn(async move { ("the core", core.run().await) });
        let newest = pulse.last_record.subscribe();
        let over = views_over.clone();
        views_task =
            Some(tokio::spawn(storage::keep_views(journal.clone(), views.clone(), newest, over)));
    }

    let mut http_tasks = JoinSet::new();
    http_tasks.spawn(serve_http(
        listener,
        router(&configuration, &status, &sources, &telemetry, &clock),
        shutdown.clone(),
    ));
    let mut probe_task = None;
    if role != Role::Core {
        let inputs = probe::Inputs { plan: plan_receiver, asks, confirmed };
        let engines = probe::Engines::real(configuration.probe.pps, &telemetry);
        let sink = Arc::new(Observations {
            door: door.clone(),
            producer: format!("probe:{}", configuration.probe.id),
        });
        probe_task = Some(tokio::spawn(probe::run(
            inputs,
            engines,
            sink,
            telemetry.clone(),
            shutdown.clone(),
        )));
    }
    let mut helpers = JoinSet::new();
    helpers.spawn(storage::expire(journal.clone(), clock.clone(), shutdown.clone()));
    if let Some(h) = configuration.heartbeat.clone() {
        let client = reqwest::Client::builder().build().context("making the heartbeat's client")?;
        helpers.spawn(heartbeat::beat(h, status.clone(), client, shutdown.clone()));
    }
    helpers.spawn(watchdog(pulse.clone(), is_core, shutdown.clone()));
    let for_signals = is_core.then(|| control_sender.clone());
    helpers.spawn(signals.obey(path, status.clone(), for_signals, shutdown.clone()));
    drop(control_sender);

    announce(&configuration, began);
    let failure = tokio::select! {
        // Being told to end comes first: then it is no failure that a part has ended.
        biased;
        () = shutdown.cancelled() => None,
        Some(ended) = tasks.join_next() => Some(ended),
        Some(ended) = http_tasks.join_next() => Some(Ok(("the web server", ended.unwrap_or_else(|e| Err(e.into()))))),
    };
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    shutdown.cancel();

    // Down in the reverse order: nobody new comes in, the probe hands over what it has, the core
    // takes what is in the journal, the desks finish what they have begun.
    let orderly = async {
        while http_tasks.join_next().await.is_some() {}
        if let Some(probe) = probe_task {
            let _ = probe.await;
        }
        core_over.cancel();
        let mut outcome = Ok(());
        if let Some(ended) = failure {
            outcome = told(ended);
        }
        while let Some(ended) = tasks.join_next().await {
            if outcome.is_ok() {
                outcome = told_quietly(ended);
            }
        }
        desks_over.cancel();
        if let Some(task) = desks_task {
            let _ = task.await;
        }
        views_over.cancel();
        if let Some(task) = views_task {
            let _ = task.await;
        }
        drop(status);
        outcome
    };
    let outcome = tokio::time::timeout(DRAIN, orderly).await;
    helpers.shutdown().await;
    match outcome {
        Ok(outcome) => {
            tracing::info!("ended in good order");
            outcome
        }
        Err(_) => {
            bail!("not everything had ended after {} s; nothing durable is lost", DRAIN.as_secs())
        }
    }
}

type Ended = Result<(&'static str, Result<()>), tokio::task::JoinError>;

/// A part that ended by itself: the daemon ends with it, loudly.
fn told(ended: Ended) -> Result<()> {
    match ended {
        Ok((what, Ok(()))) => bail!("{what} ended by itself"),
        Ok((what, Err(error))) => Err(error.context(format!("{what} cannot go on"))),
        Err(error) => Err(error).context("a part of the daemon broke"),
    }
}

fn told_quietly(ended: Ended) -> Result<()> {
    match ended {
        Ok((_, Ok(()))) => Ok(()),
        other => told(other),
    }
}

async fn listen(at: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(at).await.with_context(|| {
        format!("listening on {at}: is another kentongan running? (`kentongan status`)")
    })
}

fn router(
    c: &Configuration,
    status: &Arc<Status>,
    sources: &Arc<intake::Sources>,
    telemetry: &Arc<Telemetry>,
    clock: &journal::Clock,
) -> axum::Router {
    let mut intake =
        intake::Intake::new(sources.clone(), status.door.clone(), telemetry.clone(), clock.clone());
    intake.body_limit = c.http.body_limit;
    console::router(ConsoleState {
        views: status.views.clone(),
        backend: status.clone(),
        telemetry: telemetry.clone(),
        token: c.http.token.clone(),
        public_url: c.http.public_url.clone(),
        body_limit: c.http.body_limit,
        reader: views::Reader { language: c.locale.language, timezone: c.locale.timezone.clone() },
        also: Some((intake::router(intake), intake::openapi())),
    })
}

async fn serve_http(
    listener: TcpListener,
    router: axum::Router,
    shutdown: CancellationToken,
) -> Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown({
        let shutdown = shutdown.clone();
        async move { shutdown.cancelled().await }
    });
    tokio::select! {
        served = serving.into_future() => served.context("serving HTTP"),
        // Whoever keeps a connection open (a board) is not waited for.
        () = async { shutdown.cancelled().await; tokio::time::sleep(Duration::from_secs(2)).await } => Ok(()),
    }
}

fn sources_of(c: &Configuration) -> Vec<intake::Source> {
    let kind = |k: config::SourceKind| match k {
        config::SourceKind::Zabbix => intake::SourceKind::Zabbix,
        config::SourceKind::Events => intake::SourceKind::Events,
    };
    c.sources
        .iter()
        .map(|s| intake::Source {
            name: s.name.clone(),
            kind: kind(s.kind),
            token: s.token.clone(),
        })
        .collect()
}

/// Tells systemd that we live, as long as the core turns.
async fn watchdog(pulse: Arc<Pulse>, is_core: bool, shutdown: CancellationToken) {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    loop {
        if !is_core || pulse.age() < within {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        tokio::select! {
            () = tokio::time::sleep(within / 3) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn announce(c: &Configuration, began: Instant) {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(
        listen = %c.http.listen,
        devices = c.inventory.devices.len(),
        desks = c.desks.len(),
        took_ms = began.elapsed().as_millis() as u64,
        "kentongan {} is watching; the board is at {}/",
        env!("CARGO_PKG_VERSION"),
        c.http.public_url
    );
}
