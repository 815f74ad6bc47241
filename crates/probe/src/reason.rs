//! Why a target could not be asked, and which side an error of the network is on.
//!
//! The whole product stands on one distinction: *the target is silent* may become an incident, *we
//! could not ask* never does. For most errors the side is plain. These are the ones to think about:
//!
//! | errno of a send | what it means | outcome |
//! |---|---|---|
//! | `ENETUNREACH`, `ENETDOWN`, `EADDRNOTAVAIL`, `EINVAL` | our own routing table has no way, the interface is down, or there is no address to send from | failed `no-route` |
//! | `EHOSTUNREACH`, `EHOSTDOWN` | the way is known, and the neighbour at its end does not answer ARP or ND | no reply |
//! | `ECONNREFUSED` | something at the target's address said that nobody listens | no reply |
//! | `ENOBUFS`, `ENOMEM`, `EAGAIN` | our own queue is full | failed `no-buffer` |
//! | `EPERM`, `EACCES` | a local firewall, a `prohibit` route, a missing capability | failed `no-permission` |
//! | `EAFNOSUPPORT` | this host has no IPv6 (or IPv4) | failed `no-route` |
//!
//! An ICMP error that *comes back* (host, network, port or administratively unreachable; time
//! exceeded) was written by somebody out there: the packet left us and did not arrive. It only
//! tells us sooner that there will be no reply. So when an uplink behind the next router goes down,
//! its targets are silent, whatever that router chooses to say about it; when our own interface
//! goes down, nothing is known about anybody.

use std::fmt;
use std::io;

/// Why a target could not be asked, or its answer not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Our own send queue was full.
    NoBuffer,
    /// Our own host knows no way there.
    NoRoute,
    /// Our own host forbids it.
    NoPermission,
    /// The name of the target does not resolve.
    NoName,
    /// An SNMP check without a community.
    NoCommunity,
    /// The answer makes no sense.
    BadAnswer,
    /// The agent does not know what we asked for.
    NotSupported,
    /// The agent answered with an error.
    AgentError,
    /// The device has no port of this name.
    NoSuchPort,
    /// The device has more ports than we read.
    TooManyPorts,
    /// Something in the probe itself.
    ProbeError,
}

impl Reason {
    /// The word in observation and metric.
    pub const fn word(self) -> &'static str {
        match self {
            Reason::NoBuffer => "no-buffer",
            Reason::NoRoute => "no-route",
            Reason::NoPermission => "no-permission",
            Reason::NoName => "no-name",
            Reason::NoCommunity => "no-community",
            Reason::BadAnswer => "bad-answer",
            Reason::NotSupported => "not-supported",
            Reason::AgentError => "agent-error",
            Reason::NoSuchPort => "no-such-port",
            Reason::TooManyPorts => "too-many-ports",
            Reason::ProbeError => "probe-error",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Whose side a failed send is on: ours, for this reason, or (`None`) the target is silent.
pub(crate) fn of_send(error: &io::Error) -> Option<Reason> {
    match error.raw_os_error() {
        Some(libc::EHOSTUNREACH | libc::EHOSTDOWN | libc::ECONNREFUSED) => None,
        Some(libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN) => Some(Reason::NoBuffer),
        Some(
            libc::ENETUNREACH
            | libc::ENETDOWN
            | libc::EADDRNOTAVAIL
            | libc::EINVAL
            | libc::ENODEV
            | libc::EAFNOSUPPORT,
        ) => Some(Reason::NoRoute),
        Some(libc::EPERM | libc::EACCES) => Some(Reason::NoPermission),
        _ => Some(Reason::ProbeError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_of_an_error_is_as_the_table_says() {
        for (errno, side) in [
            (libc::EHOSTUNREACH, None),
            (libc::ECONNREFUSED, None),
            (libc::ENETUNREACH, Some("no-route")),
            (libc::ENETDOWN, Some("no-route")),
            (libc::EAFNOSUPPORT, Some("no-route")),
            (libc::ENOBUFS, Some("no-buffer")),
            (libc::EPERM, Some("no-permission")),
            (libc::EACCES, Some("no-permission")),
            (libc::EIO, Some("probe-error")),
        ] {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(of_send(&error).map(Reason::word), side, "{error}");
        }
    }
}
