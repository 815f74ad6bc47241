//! Questions to an SNMP agent, and the engine that asks them.

use crate::reason::Reason;
use async_trait::async_trait;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::time::Duration;

/// An object identifier.
pub type Oid = Vec<u32>;

/// An agent and how to speak with it (v2c).
#[derive(Debug, Clone)]
pub struct Agent {
    /// Where it listens.
    pub address: SocketAddr,
    /// Never printed.
    pub community: SecretString,
    /// How long each request may take, its one repetition included.
    pub timeout: Duration,
}

/// A name with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varbind {
    /// The name.
    pub oid: Oid,
    /// The value.
    pub value: Value,
}

/// A value, as far as we tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// INTEGER.
    Integer(i64),
    /// Counters and gauges.
    Unsigned(u64),
    /// Hundredths of a second.
    Ticks(u32),
    /// OCTET STRING and its relatives.
    Bytes(Vec<u8>),
    /// `noSuchObject`, `noSuchInstance`: the agent has nothing of that name.
    Absent,
    /// `endOfMibView`: it has nothing after it either.
    End,
    /// Anything else.
    Other,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnmpError {
    /// The agent is silent; a wrong community looks the same.
    #[error("no reply")]
    NoReply,
    /// It answered that the answer would be too big.
    #[error("the answer is too big for one packet")]
    TooBig,
    /// It could not be asked, or its answer makes no sense.
    #[error("failed: {0}")]
    Failed(Reason),
}

/// Asks agents. The one in use is [`crate::AsyncSnmp`].
#[async_trait]
pub trait SnmpEngine: Send + Sync + 'static {
    /// The values of these names.
    async fn get(&self, agent: &Agent, oids: &[Oid]) -> Result<Vec<Varbind>, SnmpError>;

    /// The `rows` next ones after each of these names, row by row.
    async fn get_bulk(
        &self,
        agent: &Agent,
        oids: &[Oid],
        rows: u32,
    ) -> Result<Vec<Varbind>, SnmpError>;

    /// Packets sent so far.
    fn packets_sent(&self) -> u64;
}
