//! [`PingEngine`] by surge-ping: one socket for each IP version, shared by all samples.
//!
//! Raw sockets where we may have them (CAP_NET_RAW), the kernel's unprivileged ICMP sockets
//! otherwise. The library stamps times in user space, so the round-trip times say how a target
//! does compared with itself, not what the wire takes.

use crate::pace::Pace;
use crate::ping::{PingEngine, Sample, SampleSpec};
use crate::reason::{Reason, of_send};
use crate::socket;
use async_trait::async_trait;
use futures_util::future::join_all;
use socket2::Type;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use telemetry::Telemetry;
use tokio::time::{Instant, sleep_until, timeout};

/// The usual 56 bytes, as `ping` sends: some devices drop anything shorter.
const PAYLOAD: [u8; 56] = [0; 56];

/// A socket that could not be opened is tried again after this.
const REOPEN: Duration = Duration::from_secs(30);

/// When a packet's time is up, the task that receives gets this long to hand over what lies in the
/// buffer: after this process (or its machine) was stopped for a while, every time-out is over at
/// once and the answers are still to be read. Without it, a pause of ours would be silence of theirs.
const CATCH_UP: Duration = Duration::from_millis(50);

/// The library's own time-out must not end a wait before we have caught up.
const NEVER: Duration = Duration::from_hours(1);

/// Packet numbers tried before giving up.
const NUMBERS_MAX: u32 = 4;

/// How often the kernel is asked for the answers it dropped.
const COUNT_DROPS: Duration = Duration::from_secs(5);

/// Sends echo requests with surge-ping.
pub struct SurgePing {
    v4: Mutex<Side>,
    v6: Mutex<Side>,
    pace: Arc<Pace>,
    telemetry: Arc<Telemetry>,
    /// Ours among all pingers of this host, on raw sockets.
    ident: u16,
    /// One for all targets, so that two devices with one address never share a packet's number.
    sequence: AtomicU16,
    sent: AtomicU64,
}

/// The socket of one IP version.
struct Side {
    v6: bool,
    state: State,
}

enum State {
    Closed,
    Open { client: Client, drops: u32, counted: Instant },
    Refused { reason: Reason, text: String, since: Instant },
}

/// What became of one packet.
enum Packet {
    Answered(Duration),
    Silent,
    Kept(Reason),
}

impl SurgePing {
    /// Opens nothing yet.
    pub fn new(pace: Arc<Pace>, telemetry: Arc<Telemetry>) -> SurgePing {
        let chance = RandomState::new().build_hasher().finish();
        SurgePing {
            v4: Mutex::new(Side { v6: false, state: State::Closed }),
            v6: Mutex::new(Side { v6: true, state: State::Closed }),
            pace,
            telemetry,
            ident: chance as u16,
            sequence: AtomicU16::new((chance >> 16) as u16),
            sent: AtomicU64::new(0),
        }
    }

    /// One packet. The first one of a sample has had its turn already.
    async fn one(
        &self,
        client: &Client,
        to: SocketAddr,
        patience: Duration,
        first: bool,
    ) -> Packet {
        let mut pinger = client.pinger(to.ip(), PingIdentifier(self.ident)).await;
        pinger.timeout(NEVER);
        if let SocketAddr::V6(v6) = to {
            pinger.scope_id(v6.scope_id());
        }
        // A number is taken only when the last packet that had it to the same address is still
        // waiting: then the next one is free.
        for again in 0..NUMBERS_MAX {
            if again > 0 || !first {
                self.pace.take().await;
            }
            let sequence = PingSequence(self.sequence.fetch_add(1, Ordering::Relaxed));
            let mut answer = pin!(pinger.ping(sequence, &PAYLOAD));
            let answer = match timeout(patience, &mut answer).await {
                Ok(answer) => answer,
                Err(_) => match timeout(CATCH_UP, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Err(SurgeError::Timeout { seq: sequence }),
                },
            };
            if matches!(answer, Err(SurgeError::IdenticalRequests { .. })) {
                continue;
            }
            let packet = judge(answer);
            if !matches!(packet, Packet::Kept(_)) {
                self.sent.fetch_add(1, Ordering::Relaxed);
                self.telemetry.probe.packets_sent("icmp", 1);
            }
            return packet;
        }
        Packet::Kept(Reason::ProbeError)
    }

    fn client(&self, v6: bool) -> Result<Client, Reason> {
        self.side(v6).client(&self.pace, &self.telemetry)
    }

    fn side(&self, v6: bool) -> std::sync::MutexGuard<'_, Side> {
        let side = if v6 { &self.v6 } else { &self.v4 };
        side.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PingEngine for SurgePing {
    async fn sample(&self, to: SocketAddr, spec: SampleSpec) -> Sample {
        let client = match self.client(to.is_ipv6()) {
            Ok(client) => client,
            Err(reason) => return Sample::failed(reason),
        };
        let called = Instant::now();
        self.pace.take().await;
        let start = Instant::now();
        let packets = (0..spec.packets).map(|nth| {
            let after = spec.gap() * u32::from(nth);
            let client = &client;
            async move {
                if nth > 0 {
                    sleep_until(start + after).await;
                }
                self.one(client, to, spec.timeout.saturating_sub(after), nth == 0).await
            }
        });
        let mut sample = Sample { waited: start - called, ..Sample::default() };
        for packet in join_all(packets).await {
            match packet {
                Packet::Answered(rtt) => {
                    sample.sent += 1;
                    sample.received += 1;
                    sample.rtt_sum += rtt;
                }
                Packet::Silent => sample.sent += 1,
                Packet::Kept(reason) => sample.fault = Some(reason),
            }
        }
        sample
    }

    fn packets_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn trouble(&self) -> Option<String> {
        [false, true].into_iter().find_map(|v6| match &self.side(v6).state {
            State::Refused { text, .. } => Some(text.clone()),
            _ => None,
        })
    }
}

/// An ICMP error that came back is silence that we need not wait for.
fn judge(answer: Result<(IcmpPacket, Duration), SurgeError>) -> Packet {
    match answer {
        Ok((IcmpPacket::V4(packet), rtt)) if packet.get_icmp_type().0 == 0 => Packet::Answered(rtt),
        Ok((IcmpPacket::V6(packet), rtt)) if packet.get_icmpv6_type().0 == 129 => {
            Packet::Answered(rtt)
        }
        Ok(_) | Err(SurgeError::Timeout { .. }) => Packet::Silent,
        Err(SurgeError::IOError(error)) => of_send(&error).map_or(Packet::Silent, Packet::Kept),
        Err(_) => Packet::Kept(Reason::ProbeError),
    }
}

impl Side {
    fn client(&mut self, pace: &Pace, telemetry: &Telemetry) -> Result<Client, Reason> {
        if let State::Refused { reason, since, .. } = &self.state
            && since.elapsed() < REOPEN
        {
            return Err(*reason);
        }
        if let State::Open { client, drops, counted } = &mut self.state {
            if counted.elapsed() >= COUNT_DROPS {
                *counted = Instant::now();
                let now = socket::drops(client.get_socket().get_native_sock()).unwrap_or(*drops);
                let more = now.wrapping_sub(std::mem::replace(drops, now));
                telemetry.probe.answers_dropped_by_kernel("icmp", u64::from(more));
            }
            return Ok(client.clone());
        }
        match open(self.v6, pace) {
            Ok(client) => {
                self.state =
                    State::Open { client: client.clone(), drops: 0, counted: Instant::now() };
                Ok(client)
            }
            Err(error) => {
                let reason = of_send(&error).unwrap_or(Reason::ProbeError);
                let text = explain(self.v6, &error);
                // Said once, not at every try.
                match &self.state {
                    State::Refused { text: said, .. } if *said == text => {}
                    _ => tracing::error!("{text}"),
                }
                self.state = State::Refused { reason, text, since: Instant::now() };
                Err(reason)
            }
        }
    }
}

fn open(v6: bool, pace: &Pace) -> io::Result<Client> {
    let kind = if v6 { ICMP::V6 } else { ICMP::V4 };
    let client = Client::new(&Config::builder().kind(kind).sock_type_hint(Type::RAW).build())?;
    let socket = client.get_socket();
    let raw = socket.get_type() == Type::RAW;
    let fd = socket.get_native_sock();
    if raw && let Err(error) = socket::filter_icmp(fd, v6) {
        tracing::warn!(%error, v6, "the ICMP socket hears more than it should");
    }
    let buffer = socket::enlarge(fd)?;
    // Half of what the buffer holds may be on its way back within half a second.
    let bearable = buffer / socket::BYTES_PER_ANSWER;
    pace.bear(bearable);
    tracing::info!(v6, raw, buffer, pps = pace.pps(), "the ICMP socket is open");
    if pace.pps() == bearable {
        tracing::warn!(
            pps = bearable,
            "echo requests are sent more slowly than configured, because the receive buffer is small: \
             raise net.core.rmem_max to 8388608 (sysctl), or give the daemon CAP_NET_ADMIN"
        );
    }
    Ok(client)
}

/// What is wrong and what to do, for a person.
fn explain(v6: bool, error: &io::Error) -> String {
    let version = if v6 { "IPv6" } else { "IPv4" };
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!(
            "this process may not send {version} echo requests ({error}); until it may, every icmp check is \
             `failed` with `no-permission`. Do one of these: \
             (1) let the binary do it: `setcap cap_net_raw+ep /path/to/kentongan`; \
             (2) let this group do it: `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`, and keep it in \
             /etc/sysctl.d/; \
             (3) under systemd: `AmbientCapabilities=CAP_NET_RAW` in the unit"
        ),
        Some(libc::EAFNOSUPPORT) => {
            format!("this host has no {version}; {version} targets are `failed` with `no-route`")
        }
        _ => format!("the {version} socket for echo requests cannot be opened: {error}"),
    }
}
