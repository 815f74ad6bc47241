//! [`SnmpEngine`] by async-snmp: SNMP v2c over one UDP socket for each IP version.
//!
//! The library breaks its API often, so nothing of it is seen outside this file.

use crate::pace::Pace;
use crate::reason::{Reason, of_send};
use crate::snmp::{Agent, Oid, SnmpEngine, SnmpError, Value, Varbind};
use async_snmp::{Auth, Client, Error, ErrorStatus, Retry, UdpHandle, UdpTransport, VarBind};
use async_trait::async_trait;
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use telemetry::Telemetry;
use tokio::sync::Mutex;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// What we ask for as a receive buffer; the kernel gives what it allows.
const BUFFER: usize = 8 << 20;

/// Sends SNMP requests with async-snmp.
pub struct AsyncSnmp {
    v4: Mutex<Option<UdpTransport>>,
    v6: Mutex<Option<UdpTransport>>,
    pace: Arc<Pace>,
    telemetry: Arc<Telemetry>,
    sent: AtomicU64,
}

impl AsyncSnmp {
    /// Opens nothing yet.
    pub fn new(pace: Arc<Pace>, telemetry: Arc<Telemetry>) -> AsyncSnmp {
        AsyncSnmp {
            v4: Mutex::new(None),
            v6: Mutex::new(None),
            pace,
            telemetry,
            sent: AtomicU64::new(0),
        }
    }

    async fn client(&self, agent: &Agent) -> Result<Client<UdpHandle>, Box<Error>> {
        let any = if agent.address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let mut side = self.side(agent).lock().await;
        let transport = if let Some(transport) = &*side {
            transport.clone()
        } else {
            let made = UdpTransport::builder().bind(any).recv_buffer_size(BUFFER).build().await?;
            side.insert(made).clone()
        };
        drop(side);
        // The second transmission has the second half of the time.
        Client::builder(agent.address, Auth::v2c(agent.community.expose_secret()))
            .request_timeout(half(agent))
            .retry(Retry::fixed(1, Duration::ZERO).unwrap_or_else(|_| Retry::none()))
            .build_with(&transport)
            .await
    }

    fn side(&self, agent: &Agent) -> &Mutex<Option<UdpTransport>> {
        if agent.address.is_ipv6() { &self.v6 } else { &self.v4 }
    }

    /// Takes a result in: counts what was sent, and finds out whose side an error is on.
    async fn settle<T>(
        &self,
        agent: &Agent,
        began: Instant,
        result: Result<T, Box<Error>>,
    ) -> Result<T, SnmpError> {
        let packets = match &result {
            Err(error) if not_sent(error) => 0,
            _ if began.elapsed() >= half(agent) => 2,
            _ => 1,
        };
        self.sent.fetch_add(packets, Ordering::Relaxed);
        self.telemetry.probe.packets_sent("snmp", packets);
        match result {
            Ok(value) => Ok(value),
            Err(error) => {
                if matches!(error.exchange_source(), Error::Closed { .. }) {
                    // Its socket is of no use any more; the next request opens another.
                    *self.side(agent).lock().await = None;
                }
                Err(judge(&error))
            }
        }
    }
}

#[async_trait]
impl SnmpEngine for AsyncSnmp {
    async fn get(&self, agent: &Agent, oids: &[Oid]) -> Result<Vec<Varbind>, SnmpError> {
        self.pace.take().await;
        let began = Instant::now();
        // The library writes an error line for every time-out; a silent agent is no error of ours.
        let result = async {
            let oids: Vec<_> = oids.iter().map(|oid| async_snmp::Oid::from_slice(oid)).collect();
            self.client(agent).await?.get_many(&oids).await
        }
        .with_subscriber(NoSubscriber::default())
        .await;
        let answer = self.settle(agent, began, result).await?;
        Ok(answer.varbinds.into_iter().map(varbind).collect())
    }

    async fn get_bulk(
        &self,
        agent: &Agent,
        oids: &[Oid],
        rows: u32,
    ) -> Result<Vec<Varbind>, SnmpError> {
        self.pace.take().await;
        let began = Instant::now();
        let result = async {
            let oids: Vec<_> = oids.iter().map(|oid| async_snmp::Oid::from_slice(oid)).collect();
            self.client(agent).await?.get_bulk(&oids, 0, rows).await
        }
        .with_subscriber(NoSubscriber::default())
        .await;
        let answer = self.settle(agent, began, result).await?;
        Ok(answer.into_iter().map(varbind).collect())
    }

    fn packets_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

fn half(agent: &Agent) -> Duration {
    (agent.timeout / 2).max(Duration::from_millis(1))
}

fn not_sent(error: &Error) -> bool {
    match error.exchange_source() {
        Error::Network { source, .. } => of_send(source).is_some(),
        Error::Config(_) | Error::Closed { .. } | Error::RequestIdInUse { .. } => true,
        _ => false,
    }
}

/// Silence is the target's; a wrong community and a late answer look the same and are the same.
fn judge(error: &Error) -> SnmpError {
    match error.exchange_source() {
        Error::Timeout { .. } => SnmpError::NoReply,
        Error::Network { source, .. } => {
            of_send(source).map_or(SnmpError::NoReply, SnmpError::Failed)
        }
        Error::Snmp { status: ErrorStatus::TooBig, .. } => SnmpError::TooBig,
        Error::Snmp { .. } | Error::Report { .. } | Error::Auth { .. } => {
            SnmpError::Failed(Reason::AgentError)
        }
        Error::Decode(_) | Error::MalformedResponse { .. } | Error::ResponseShape { .. } => {
            SnmpError::Failed(Reason::BadAnswer)
        }
        _ => SnmpError::Failed(Reason::ProbeError),
    }
}

fn varbind(from: VarBind) -> Varbind {
    use async_snmp::Value as V;
    let value = match from.value {
        V::Integer(n) => Value::Integer(n.into()),
        V::Counter32(n) | V::Gauge32(n) | V::UInteger32(n) => Value::Unsigned(n.into()),
        V::Counter64(n) => Value::Unsigned(n),
        V::TimeTicks(n) => Value::Ticks(n),
        V::OctetString(bytes) | V::Opaque(bytes) | V::Nsap(bytes) => Value::Bytes(bytes.to_vec()),
        V::NoSuchObject | V::NoSuchInstance => Value::Absent,
        V::EndOfMibView => Value::End,
        _ => Value::Other,
    };
    Varbind { oid: from.oid.arcs().to_vec(), value }
}
