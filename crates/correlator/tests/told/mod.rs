//! What others tell, drawn by number: signals, commands of people, news of desks; and what the core
//! says to that.

use correlator::Correlator;
use model::event::{Command, DeskChange, DeskNews, Operation, Severity, Signal, SignalState};
use model::settings::Window;
use model::{Decision, Event, IncidentId, Kind, Priority, Timestamp};

/// Another monitor says this of `target`.
pub fn signal(key: u8, target: Option<String>, problem: bool, severity: u8) -> Kind<'static> {
    Kind::Signal(Signal {
        source: "z".into(),
        key: key.to_string().into(),
        state: if problem { SignalState::Problem } else { SignalState::Ok },
        severity: Some(Severity::ALL[usize::from(severity)]),
        target: target.map(Into::into),
        summary: Some("it says so".into()),
    })
}

/// A person does the `what`th thing that people do: to the incident, or with the window `w{n}`.
pub fn command(
    what: u8,
    n: usize,
    incident: IncidentId,
    until: Option<Timestamp>,
    window: &Window,
) -> Kind<'static> {
    let window = |silence| Window { id: format!("w{n}"), silence, ..window.clone() };
    let operation = match what {
        0 => Operation::Acknowledge { incident },
        1 => Operation::Note { incident, text: "x".into() },
        2 => Operation::Resolve { incident, reason: "x".into() },
        3 => {
            Operation::Reprioritise { incident, priority: Priority::P1, reason: "x".into(), until }
        }
        4 => Operation::Maintenance(window(false)),
        5 => Operation::Silence(window(true)),
        _ => Operation::EndWindow { id: format!("w{n}") },
    };
    Kind::Command(Command { by: "sari".into(), operation })
}

/// Two minutes of work on one device from now on.
pub fn window(device: String, change: Option<String>, now: i64) -> Window {
    Window {
        id: String::new(),
        owner: "sari".into(),
        reason: "planned".into(),
        change,
        rrule: None,
        scope: vec![device],
        start: Timestamp::from_millis(now),
        end: Timestamp::from_millis(now + 120_000),
        silence: false,
    }
}

/// The desk says that this became of an incident's ticket.
pub fn desk(incident: IncidentId, change: u8) -> Kind<'static> {
    let change = DeskChange::ALL[usize::from(change)];
    Kind::Desk(DeskNews {
        desk: "rt".into(),
        incident,
        change,
        by: None,
        text: (change == DeskChange::Noted).then(|| "teknisi berangkat".into()),
        priority: (change == DeskChange::Reprioritised).then_some(Priority::P1),
    })
}

/// Event `number` reaches the core: what it decides. Incidents that are new are noted.
pub fn put(
    core: &mut Correlator,
    number: u64,
    event: &Event<'_>,
    incidents: &mut Vec<IncidentId>,
) -> Vec<Decision> {
    core.handle_event(number, event);
    let said: Vec<Decision> = std::iter::from_fn(|| core.poll_decision()).collect();
    for d in &said {
        if let Decision::Incident(i) = d
            && !incidents.contains(&i.id)
        {
            incidents.push(i.id.clone());
        }
    }
    said
}

/// The daemon is stopped and started: what is kept is the state alone.
pub fn restart(core: &mut Correlator) {
    let bytes = postcard::to_allocvec(core.state()).unwrap();
    let state = postcard::from_bytes(&bytes).unwrap();
    *core = Correlator::restore(core.inventory().clone(), core.settings().clone(), state);
}
