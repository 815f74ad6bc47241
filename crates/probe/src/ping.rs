//! One sample of several echo requests, and the engine that takes it.

use crate::reason::Reason;
use async_trait::async_trait;
use model::Outcome;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

/// Echo requests of one sample follow each other at this distance at most.
const GAP_MAX: Duration = Duration::from_millis(200);

/// How a sample is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSpec {
    /// Echo requests.
    pub packets: u16,
    /// The sample is over after this long.
    pub timeout: Duration,
}

impl SampleSpec {
    /// The time between one packet and the next: all leave within the first half of the time-out,
    /// so that the last one has as long as the other half for its answer.
    pub fn gap(&self) -> Duration {
        GAP_MAX.min(self.timeout / (2 * u32::from(self.packets.max(1))))
    }
}

/// What a sample found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Packets that left.
    pub sent: u16,
    /// Replies.
    pub received: u16,
    /// The sum of their round-trip times.
    pub rtt_sum: Duration,
    /// Why a packet did not leave, when one did not.
    pub fault: Option<Reason>,
    /// How long the first packet waited for its turn: the sample is about the time after that.
    pub waited: Duration,
}

impl Sample {
    /// A sample of which nothing could be sent.
    pub fn failed(fault: Reason) -> Sample {
        Sample { fault: Some(fault), ..Sample::default() }
    }

    /// A single reply is a reply. Silence is one only when every packet left: if one of them
    /// stayed with us for a reason of our own, we do not know.
    pub fn outcome(&self) -> Outcome<'static> {
        if self.received > 0 {
            let rtt = self.rtt_sum.as_secs_f64() * 1000.0 / f64::from(self.received);
            let sent = self.sent.max(self.received);
            let loss = 100.0 * f64::from(sent - self.received) / f64::from(sent);
            let values = [("rtt_ms", rtt), ("loss_pct", loss)];
            return Outcome::Reply(
                values.into_iter().map(|(k, v)| (Cow::Borrowed(k), thousandths(v))).collect(),
            );
        }
        match self.fault {
            Some(reason) => Outcome::Failed { reason: reason.word().into() },
            None if self.sent == 0 => Outcome::Failed { reason: Reason::ProbeError.word().into() },
            None => Outcome::NoReply,
        }
    }
}

/// Takes samples. The one in use is [`crate::SurgePing`].
#[async_trait]
pub trait PingEngine: Send + Sync + 'static {
    /// Sends the packets of one sample and waits for their replies, `spec.timeout` at most from
    /// when the first one left.
    async fn sample(&self, to: SocketAddr, spec: SampleSpec) -> Sample;

    /// Packets sent so far.
    fn packets_sent(&self) -> u64;

    /// What is wrong with the engine itself and what to do about it, when something is.
    fn trouble(&self) -> Option<String> {
        None
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sample_comes_to() {
        let values = |rtt: f64, loss: f64| {
            Outcome::Reply(
                [("rtt_ms".into(), rtt), ("loss_pct".into(), loss)].into_iter().collect(),
            )
        };
        let failed = |reason: &'static str| Outcome::Failed { reason: reason.into() };
        let us = Duration::from_micros;
        for (sent, received, sum, fault, outcome) in [
            (3, 3, us(6000), None, values(2.0, 0.0)),
            (3, 2, us(3_333), None, values(1.667, 33.333)),
            (3, 1, us(1), None, values(0.001, 66.667)),
            (2, 1, us(500), Some(Reason::NoBuffer), values(0.5, 50.0)),
            (3, 0, us(0), None, Outcome::NoReply),
            (2, 0, us(0), Some(Reason::NoBuffer), failed("no-buffer")),
            (0, 0, us(0), Some(Reason::NoRoute), failed("no-route")),
            (0, 0, us(0), None, failed("probe-error")),
        ] {
            assert_eq!(
                Sample { sent, received, rtt_sum: sum, fault, ..Sample::default() }.outcome(),
                outcome
            );
        }
    }

    #[test]
    fn all_packets_leave_in_the_first_half_of_the_time_out() {
        for (packets, timeout) in [(3u16, 2000), (3, 300), (1, 2000), (20, 2000), (0, 0)] {
            let spec = SampleSpec { packets, timeout: Duration::from_millis(timeout) };
            assert!(
                spec.gap() * u32::from(packets.max(1)) <= spec.timeout / 2 && spec.gap() <= GAP_MAX
            );
        }
    }
}
