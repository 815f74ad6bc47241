//! Reads columns of a table, whatever the agent makes of the request.
//!
//! Agents cut answers short, mix finished columns with unfinished ones, run into the next table,
//! and some go round in circles. Each column has its own cursor, an answer that does not move
//! forward is a bad answer, and the number of rows and of requests is bounded.

use crate::reason::Reason;
use crate::snmp::{Agent, Oid, SnmpEngine, SnmpError, Value};
use std::collections::BTreeMap;

/// Rows of a table that are read at most: a large chassis has about a thousand.
const ROWS_MAX: usize = 4096;

/// Requests for one table at most; a table of [`ROWS_MAX`] takes half of them.
const REQUESTS_MAX: usize = 1024;

/// Values in one answer: about 25 bytes each, so that they fit a packet of 1,500.
const VALUES_PER_ANSWER: usize = 50;

/// A column: the values by the row's last arc.
pub(crate) type Column = BTreeMap<u32, Value>;

/// Reads `columns`, each with a single arc as its index.
pub(crate) async fn walk(
    engine: &dyn SnmpEngine,
    agent: &Agent,
    columns: &[&[u32]],
) -> Result<Vec<Column>, SnmpError> {
    let mut read: Vec<Column> = vec![Column::new(); columns.len()];
    // Where each unfinished column stands.
    let mut open: Vec<(usize, Oid)> =
        columns.iter().enumerate().map(|(at, prefix)| (at, prefix.to_vec())).collect();
    let mut rows = (VALUES_PER_ANSWER / columns.len().max(1)).max(1);
    for _ in 0..REQUESTS_MAX {
        if open.is_empty() {
            return Ok(read);
        }
        let from: Vec<Oid> = open.iter().map(|(_, oid)| oid.clone()).collect();
        let answer = match engine.get_bulk(agent, &from, rows as u32).await {
            Err(SnmpError::TooBig) if rows > 1 => {
                rows /= 2;
                continue;
            }
            Err(SnmpError::TooBig) => return Err(SnmpError::Failed(Reason::AgentError)),
            other => other?,
        };
        if answer.is_empty() {
            return Err(SnmpError::Failed(Reason::BadAnswer));
        }
        let mut finished = vec![false; open.len()];
        for (nth, varbind) in answer.into_iter().enumerate() {
            let place = nth % open.len();
            if finished[place] {
                continue;
            }
            let (column, cursor) = &mut open[place];
            let rest = varbind.oid.strip_prefix(columns[*column]);
            let (Some(rest), false) = (rest, varbind.value == Value::End) else {
                finished[place] = true;
                continue;
            };
            if varbind.oid <= *cursor {
                return Err(SnmpError::Failed(Reason::BadAnswer));
            }
            if let [index] = rest {
                read[*column].insert(*index, varbind.value);
                if read[*column].len() > ROWS_MAX {
                    return Err(SnmpError::Failed(Reason::TooManyPorts));
                }
            }
            *cursor = varbind.oid;
        }
        let mut finished = finished.into_iter();
        open.retain(|_| !finished.next().unwrap_or(false));
    }
    Err(SnmpError::Failed(Reason::TooManyPorts))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::snmp::Varbind;
    use async_trait::async_trait;
    use secrecy::SecretString;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// An agent with a MIB in memory.
    #[derive(Default)]
    pub(crate) struct Mib {
        pub values: BTreeMap<Oid, Value>,
        /// Varbinds in an answer at most.
        pub cut: Option<usize>,
        /// Rows beyond which it says `tooBig`.
        pub too_big: Option<u32>,
        pub asked: AtomicU64,
    }

    pub(crate) fn agent() -> Agent {
        Agent {
            address: ([127, 0, 0, 1], 161).into(),
            community: SecretString::from("public"),
            timeout: Duration::from_secs(1),
        }
    }

    #[async_trait]
    impl SnmpEngine for Mib {
        async fn get(&self, _: &Agent, oids: &[Oid]) -> Result<Vec<Varbind>, SnmpError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let value = |oid: &Oid| self.values.get(oid).cloned().unwrap_or(Value::Absent);
            Ok(oids.iter().map(|o| Varbind { oid: o.clone(), value: value(o) }).collect())
        }

        async fn get_bulk(
            &self,
            _: &Agent,
            oids: &[Oid],
            rows: u32,
        ) -> Result<Vec<Varbind>, SnmpError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.too_big.is_some_and(|most| rows > most) {
                return Err(SnmpError::TooBig);
            }
            let mut at = oids.to_vec();
            let mut out = Vec::new();
            for _ in 0..rows {
                for oid in &mut at {
                    let next = self.values.range(oid.clone()..).find(|(o, _)| *o != oid);
                    out.push(match next {
                        Some((next, value)) => {
                            oid.clone_from(next);
                            Varbind { oid: next.clone(), value: value.clone() }
                        }
                        None => Varbind { oid: oid.clone(), value: Value::End },
                    });
                }
            }
            out.truncate(self.cut.unwrap_or(usize::MAX));
            Ok(out)
        }

        fn packets_sent(&self) -> u64 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    /// Columns 1, 2, 3 of a table; the second lacks its even rows, the third is the end of the MIB.
    fn table(rows: u32) -> Mib {
        let mut mib = Mib::default();
        for row in 1..=rows {
            for column in 1..=3 {
                if column != 2 || row % 2 == 1 {
                    let value = Value::Integer(i64::from(column * 1000 + row));
                    mib.values.insert(vec![1, 3, column, row], value);
                }
            }
        }
        mib.values.insert(vec![1, 3, 1, 5, 5], Value::Integer(0));
        mib
    }

    #[tokio::test]
    async fn columns_come_whole_whatever_the_agent_makes_of_the_request() {
        for (cut, too_big) in
            [(None, None), (Some(1), None), (Some(7), None), (None, Some(1)), (Some(2), Some(3))]
        {
            let mib = Mib { cut, too_big, ..table(100) };
            let columns: [&[u32]; 3] = [&[1, 3, 1], &[1, 3, 2], &[1, 3, 3]];
            let read = walk(&mib, &agent(), &columns).await.unwrap();
            let sizes: Vec<usize> = read.iter().map(BTreeMap::len).collect();
            assert_eq!(sizes, [100, 50, 100], "cut {cut:?}, too big {too_big:?}");
            assert_eq!(read[2][&77], Value::Integer(3077));
        }
    }

    struct Odd(fn(&[Oid]) -> Vec<Varbind>);

    #[async_trait]
    impl SnmpEngine for Odd {
        async fn get(&self, _: &Agent, oids: &[Oid]) -> Result<Vec<Varbind>, SnmpError> {
            Ok((self.0)(oids))
        }
        async fn get_bulk(
            &self,
            _: &Agent,
            oids: &[Oid],
            _: u32,
        ) -> Result<Vec<Varbind>, SnmpError> {
            Ok((self.0)(oids))
        }
        fn packets_sent(&self) -> u64 {
            0
        }
    }

    #[tokio::test]
    async fn circles_and_endless_tables_end() {
        let same: fn(&[Oid]) -> Vec<Varbind> =
            |_| vec![Varbind { oid: vec![1, 3, 1, 1], value: Value::Integer(1) }; 2];
        let nothing: fn(&[Oid]) -> Vec<Varbind> = |_| vec![];
        let endless: fn(&[Oid]) -> Vec<Varbind> = |from| {
            let mut oid = from[0].clone();
            if oid.len() == 3 {
                oid.push(1);
            } else {
                oid[3] += 1;
            }
            vec![Varbind { oid, value: Value::Integer(1) }]
        };
        for (odd, reason) in [
            (same, Reason::BadAnswer),
            (nothing, Reason::BadAnswer),
            (endless, Reason::TooManyPorts),
        ] {
            let read = walk(&Odd(odd), &agent(), &[&[1, 3, 1]]).await;
            assert_eq!(read, Err(SnmpError::Failed(reason)));
        }
    }
}
