//! What to ask, of whom, how often.

use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Everything one probe asks. Replaced as a whole when the configuration or the inventory changes;
/// what did not change keeps its place in the interval.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Our own name, the `probe` of every observation.
    pub probe: Arc<str>,
    /// The most packets a second that leave, ICMP and SNMP together.
    pub pps: u32,
    /// Whom.
    pub targets: Vec<Arc<Target>>,
}

/// A device and what is asked of it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id in the inventory.
    pub id: Arc<str>,
    /// An IPv4 or IPv6 address, or a name.
    pub address: String,
    /// What is asked.
    pub checks: Vec<CheckPlan>,
    /// How to speak SNMP with it; without it, SNMP checks fail with `no-community`.
    pub snmp: Option<SnmpAccess>,
    /// The ports to observe, without the device's id (`Gi0/1`); empty: every physical one.
    pub ports: Vec<String>,
}

/// How to speak SNMP v2c with a device.
#[derive(Debug, Clone)]
pub struct SnmpAccess {
    /// The community. Never printed.
    pub community: SecretString,
    /// The UDP port, 161 nearly everywhere.
    pub port: u16,
}

/// A question that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// Does it answer an echo request?
    Icmp,
    /// How long has its agent been up?
    Uptime,
    /// Which of its ports are up?
    IfStatus,
}

impl Check {
    /// Every check there is.
    pub const ALL: [Check; 3] = [Check::Icmp, Check::Uptime, Check::IfStatus];

    /// The word in observation, metric and configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Check::Icmp => "icmp",
            Check::Uptime => "snmp:uptime",
            Check::IfStatus => "snmp:if-status",
        }
    }

    /// The reverse of `word`.
    pub fn from_word(word: &str) -> Option<Check> {
        Check::ALL.into_iter().find(|c| c.word() == word)
    }

    /// The protocol that carries it.
    pub(crate) const fn protocol(self) -> &'static str {
        match self {
            Check::Icmp => "icmp",
            Check::Uptime | Check::IfStatus => "snmp",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How a check is asked of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckPlan {
    /// Which.
    pub check: Check,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take; for SNMP, of each request, its one repetition included.
    pub timeout: Duration,
    /// Echo requests in one sample of `icmp`.
    pub packets: u16,
    /// The most times it is asked again after a first bad answer.
    pub down_of: u8,
    /// Good answers in a row that end a failure; they are asked for at once as well.
    pub up_needs: u8,
    /// The time between one sample and the next while something is suspected.
    pub ask_again: Duration,
}

impl CheckPlan {
    /// The defaults of a check.
    pub fn of(check: Check) -> CheckPlan {
        let icmp = check == Check::Icmp;
        CheckPlan {
            check,
            interval: Duration::from_secs(if icmp { 20 } else { 60 }),
            timeout: Duration::from_secs(2),
            packets: 3,
            down_of: if check == Check::IfStatus { 2 } else { 5 },
            up_needs: 2,
            ask_again: Duration::from_secs(2),
        }
    }
}

/// "Ask this at once": the core needs fresh evidence. Also what is said to [`crate::Inputs::confirmed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// A device, or one of its ports.
    pub target: Arc<str>,
    /// The check's word; a condition on it (`icmp:loss`) means the check itself.
    pub check: Arc<str>,
}
