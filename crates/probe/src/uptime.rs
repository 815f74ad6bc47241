//! `snmp:uptime`: how long the agent has been up. A smaller number than last time is a reboot.

use crate::reason::Reason;
use crate::snmp::{Agent, SnmpEngine, SnmpError, Value, Varbind};

/// sysUpTime.0, in hundredths of a second; starts over after 497 days.
const SYS_UP_TIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];

/// snmpEngineTime.0, in seconds; does not start over, and not every agent has it.
const SNMP_ENGINE_TIME: &[u32] = &[1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0];

/// 2^32 hundredths of a second.
const WRAP_S: f64 = 42_949_672.96;

/// How far apart the two clocks of one agent may be.
const TOLERANCE_S: f64 = 60.0;

/// Seconds since the agent started.
pub(crate) async fn read(engine: &dyn SnmpEngine, agent: &Agent) -> Result<f64, SnmpError> {
    let both = [SYS_UP_TIME.to_vec(), SNMP_ENGINE_TIME.to_vec()];
    match engine.get(agent, &both).await {
        // Some agents refuse the whole request for the sake of one name.
        Err(SnmpError::Failed(Reason::AgentError) | SnmpError::TooBig) => {
            of(&engine.get(agent, &both[..1]).await?)
        }
        answer => of(&answer?),
    }
}

/// The uptime in an answer. After 497 days `sysUpTime` starts over and looks like a reboot; where
/// the engine's own time agrees with it but for whole turns, that one is the answer.
fn of(answer: &[Varbind]) -> Result<f64, SnmpError> {
    let value = |oid: &[u32]| answer.iter().find(|v| v.oid == oid).map(|v| &v.value);
    let up = match value(SYS_UP_TIME) {
        Some(Value::Ticks(ticks)) => f64::from(*ticks) / 100.0,
        Some(Value::Absent) => return Err(SnmpError::Failed(Reason::NotSupported)),
        _ => return Err(SnmpError::Failed(Reason::BadAnswer)),
    };
    let Some(Value::Integer(engine)) = value(SNMP_ENGINE_TIME) else { return Ok(up) };
    let engine = *engine as f64;
    let apart = (engine - up).rem_euclid(WRAP_S);
    let agree = apart < TOLERANCE_S || WRAP_S - apart < TOLERANCE_S;
    Ok(if agree && engine > up + TOLERANCE_S { engine } else { up })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::tests::{Mib, agent};
    use proptest::prelude::*;

    fn mib(up: Option<Value>, engine: Option<Value>) -> Mib {
        let mut mib = Mib::default();
        mib.values.extend(up.map(|v| (SYS_UP_TIME.to_vec(), v)));
        mib.values.extend(engine.map(|v| (SNMP_ENGINE_TIME.to_vec(), v)));
        mib
    }

    #[tokio::test]
    async fn an_uptime_is_read_also_beyond_497_days() {
        let bad = Err(SnmpError::Failed(Reason::BadAnswer));
        for (up, engine, read_as) in [
            (Some(Value::Ticks(12_345)), None, Ok(123.45)),
            (Some(Value::Ticks(12_345)), Some(Value::Integer(123)), Ok(123.45)),
            // Turned over once; the engine's time goes on.
            (Some(Value::Ticks(10_000)), Some(Value::Integer(42_949_772)), Ok(42_949_772.0)),
            // An engine time that has nothing to do with it.
            (Some(Value::Ticks(10_000)), Some(Value::Integer(1_000_000)), Ok(100.0)),
            (None, Some(Value::Integer(5)), Err(SnmpError::Failed(Reason::NotSupported))),
            (Some(Value::Bytes(vec![1])), None, bad),
        ] {
            assert_eq!(read(&mib(up, engine), &agent()).await, read_as);
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in crate::ports::tests::varbinds()) {
            if let Ok(up) = of(&answer) {
                prop_assert!(up.is_finite() && up >= 0.0);
            }
        }

        #[test]
        fn any_pair_of_clocks_gives_one_of_them(ticks: u32, engine: i64) {
            let answer = [
                Varbind { oid: SYS_UP_TIME.to_vec(), value: Value::Ticks(ticks) },
                Varbind { oid: SNMP_ENGINE_TIME.to_vec(), value: Value::Integer(engine) },
            ];
            let up = of(&answer).unwrap();
            prop_assert!((up - f64::from(ticks) / 100.0).abs() < 1e-6 || (up - engine as f64).abs() < 1.0);
        }
    }
}
