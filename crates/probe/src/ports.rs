//! `snmp:if-status`: which ports of a device are up, one observation each.
//!
//! A port is called what people call it: `ifName` (`Gi0/1`), else `ifDescr`, else `ifindex-7`; what
//! an id may not contain becomes `_`. When the inventory names ports, exactly these are
//! observed, by either name; otherwise every physical one.

use crate::reason::Reason;
use crate::snmp::{Agent, SnmpEngine, SnmpError, Value};
use crate::walk::{Column, walk};
use std::collections::{BTreeMap, HashSet};

const IF_DESCR: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 2];
const IF_TYPE: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 3];
const IF_ADMIN_STATUS: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 7];
const IF_OPER_STATUS: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8];
const IF_NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1];
const IF_CONNECTOR_PRESENT: &[u32] = &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 17];

/// IANAifType values with nothing to plug a cable into: ppp, softwareLoopback, propVirtual,
/// propMultiplexor, pppMultilinkBundle, tunnel, l2vlan, l3ipvlan, l3ipxvlan, mplsTunnel,
/// ieee8023adLag, mpls, bridge.
const VIRTUAL_TYPES: &[i64] = &[23, 24, 53, 54, 108, 131, 135, 136, 137, 150, 161, 166, 209];

/// up(1)
const UP: i64 = 1;

/// ifAdminStatus down(2): switched off on purpose.
const ADMIN_DOWN: i64 = 2;

/// ifOperStatus testing(3), unknown(4), dormant(5): neither up nor down.
const NEITHER: std::ops::RangeInclusive<i64> = 3..=5;

/// A name of a port is cut off here.
const NAME_MAX: usize = 128;

/// The state of a port; `None` for one that the inventory names and the device does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub name: String,
    pub state: Option<PortState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortState {
    pub oper: i64,
    pub admin: i64,
}

impl PortState {
    /// Down, and not on purpose.
    pub(crate) fn is_down(self) -> bool {
        self.admin != ADMIN_DOWN && self.oper != UP && !NEITHER.contains(&self.oper)
    }
}

/// Reads the ports of a device.
pub(crate) async fn read(
    engine: &dyn SnmpEngine,
    agent: &Agent,
    wanted: &[String],
) -> Result<Vec<Port>, SnmpError> {
    let mut columns: Vec<&[u32]> = vec![IF_OPER_STATUS, IF_ADMIN_STATUS, IF_NAME];
    if wanted.is_empty() {
        columns.extend([IF_TYPE, IF_CONNECTOR_PRESENT]);
    }
    let mut read = walk(engine, agent, &columns).await?.into_iter();
    let mut table = Table {
        oper: read.next().unwrap_or_default(),
        admin: read.next().unwrap_or_default(),
        name: read.next().unwrap_or_default(),
        kind: read.next().unwrap_or_default(),
        connector: read.next().unwrap_or_default(),
        descr: Column::new(),
    };
    if table.oper.is_empty() {
        return Err(SnmpError::Failed(Reason::NotSupported));
    }
    if table.lacks_a_name(wanted) {
        let mut read = walk(engine, agent, &[IF_DESCR]).await?;
        table.descr = read.pop().unwrap_or_default();
    }
    Ok(table.ports(wanted))
}

#[derive(Default)]
struct Table {
    oper: Column,
    admin: Column,
    name: Column,
    kind: Column,
    connector: Column,
    descr: Column,
}

impl Table {
    /// Whether `ifDescr` is needed: a port without `ifName`, or a wanted one that has another.
    fn lacks_a_name(&self, wanted: &[String]) -> bool {
        let names: HashSet<String> = self.name.values().filter_map(name_of).collect();
        if wanted.is_empty() {
            self.oper.keys().any(|row| self.name.get(row).and_then(name_of).is_none())
        } else {
            wanted.iter().any(|w| !names.contains(w.as_str()))
        }
    }

    fn ports(&self, wanted: &[String]) -> Vec<Port> {
        let mut by_name: BTreeMap<String, u32> = BTreeMap::new();
        if wanted.is_empty() {
            for row in self.oper.keys().copied().filter(|row| self.is_physical(*row)) {
                // Two ports of one name cannot be told apart by anybody; the first one is observed.
                by_name.entry(self.call(row)).or_insert(row);
            }
            return by_name.into_iter().map(|(name, row)| self.port(name, Some(row))).collect();
        }
        for column in [&self.name, &self.descr] {
            for (row, value) in column {
                if let Some(name) = name_of(value)
                    && self.oper.contains_key(row)
                {
                    by_name.entry(name).or_insert(*row);
                }
            }
        }
        wanted.iter().map(|w| self.port(w.clone(), by_name.get(w).copied())).collect()
    }

    fn port(&self, name: String, row: Option<u32>) -> Port {
        let state = row.map(|row| PortState {
            oper: number(self.oper.get(&row)).unwrap_or(4),
            admin: number(self.admin.get(&row)).unwrap_or(1),
        });
        Port { name, state }
    }

    fn call(&self, row: u32) -> String {
        let name = |column: &Column| column.get(&row).and_then(name_of);
        name(&self.name).or_else(|| name(&self.descr)).unwrap_or_else(|| format!("ifindex-{row}"))
    }

    /// `ifConnectorPresent` where the agent says so and the type does not contradict it.
    fn is_physical(&self, row: u32) -> bool {
        let virtual_type =
            number(self.kind.get(&row)).is_some_and(|kind| VIRTUAL_TYPES.contains(&kind));
        // TruthValue: false(2).
        !virtual_type && number(self.connector.get(&row)) != Some(2)
    }
}

fn number(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Integer(n)) => Some(*n),
        Some(Value::Unsigned(n)) => i64::try_from(*n).ok(),
        _ => None,
    }
}

/// A name that may stand in an id, or none.
fn name_of(value: &Value) -> Option<String> {
    let Value::Bytes(bytes) = value else { return None };
    // Some agents count a closing zero in.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let name: String = text
        .chars()
        .take(NAME_MAX)
        .map(|c| match c {
            '|' | '*' | '>' => '_',
            c if c.is_whitespace() || c.is_control() => '_',
            c => c,
        })
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::snmp::{Oid, Varbind};
    use crate::walk::tests::{Mib, agent};
    use async_trait::async_trait;
    use proptest::prelude::*;
    use std::sync::Mutex;

    struct Row(u32, &'static str, &'static str, i64, i64, i64, Option<i64>);

    fn device(rows: &[Row]) -> Mib {
        let mut mib = Mib::default();
        let mut put = |column: &[u32], row: u32, value: Value| {
            mib.values.insert([column, &[row]].concat(), value);
        };
        for Row(row, name, descr, kind, oper, admin, connector) in rows {
            if !name.is_empty() {
                put(IF_NAME, *row, Value::Bytes(name.as_bytes().to_vec()));
            }
            put(IF_DESCR, *row, Value::Bytes(descr.as_bytes().to_vec()));
            put(IF_TYPE, *row, Value::Integer(*kind));
            put(IF_OPER_STATUS, *row, Value::Integer(*oper));
            put(IF_ADMIN_STATUS, *row, Value::Integer(*admin));
            if let Some(connector) = connector {
                put(IF_CONNECTOR_PRESENT, *row, Value::Integer(*connector));
            }
        }
        mib
    }

    fn switch() -> Mib {
        device(&[
            Row(1, "lo", "lo", 24, 1, 1, None),
            Row(2, "Gi0/1", "GigabitEthernet0/1", 6, 1, 1, Some(1)),
            Row(3, "Gi0/2", "GigabitEthernet0/2", 6, 2, 1, Some(1)),
            Row(4, "Gi0/3", "GigabitEthernet0/3", 6, 2, 2, Some(1)),
            Row(9, "Vl10", "Vlan10", 53, 1, 1, None),
            Row(10, "Po1", "Port-channel1", 161, 1, 1, Some(2)),
            Row(12, "veth0", "veth0", 6, 1, 1, Some(2)),
        ])
    }

    async fn names(mib: &Mib, wanted: &[&str]) -> Vec<(String, Option<(i64, i64)>)> {
        let wanted: Vec<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
        let ports = read(mib, &agent(), &wanted).await.unwrap();
        ports.into_iter().map(|p| (p.name, p.state.map(|s| (s.oper, s.admin)))).collect()
    }

    #[tokio::test]
    async fn without_a_list_the_physical_ports_are_observed() {
        let read = names(&switch(), &[]).await;
        let read: Vec<_> = read.iter().map(|(n, s)| (n.as_str(), s.unwrap())).collect();
        assert_eq!(read, [("Gi0/1", (1, 1)), ("Gi0/2", (2, 1)), ("Gi0/3", (2, 2))]);
    }

    #[tokio::test]
    async fn with_a_list_exactly_these_by_either_name() {
        let read = names(&switch(), &["Gi0/2", "Port-channel1", "Gi9/9"]).await;
        let read: Vec<_> = read.iter().map(|(n, s)| (n.as_str(), *s)).collect();
        assert_eq!(
            read,
            [("Gi0/2", Some((2, 1))), ("Port-channel1", Some((1, 1))), ("Gi9/9", None)]
        );
    }

    #[tokio::test]
    async fn names_are_fit_for_an_id_and_fall_back() {
        let mib = device(&[
            Row(1, "port 1 | a*b>c\0", "x", 6, 1, 1, None),
            Row(2, "", "Intel Corporation 82540EM", 6, 1, 1, None),
            Row(3, "", "  ", 6, 1, 1, None),
        ]);
        let read = names(&mib, &[]).await;
        let read: Vec<_> = read.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(read, ["Intel_Corporation_82540EM", "ifindex-3", "port_1___a_b_c"]);
    }

    #[tokio::test]
    async fn an_agent_without_the_table_does_not_support_it() {
        let read = read(&Mib::default(), &agent(), &[]).await;
        assert_eq!(read, Err(SnmpError::Failed(Reason::NotSupported)));
    }

    #[test]
    fn down_is_down_and_not_on_purpose() {
        for (oper, admin, down) in
            [(1, 1, false), (2, 1, true), (7, 1, true), (6, 1, true), (2, 2, false), (4, 1, false)]
        {
            assert_eq!(PortState { oper, admin }.is_down(), down, "{oper} {admin}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            any::<u64>().prop_map(Value::Unsigned),
            any::<u32>().prop_map(Value::Ticks),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
            Just(Value::Absent),
            Just(Value::End),
            Just(Value::Other),
        ]
    }

    fn oid() -> impl Strategy<Value = Oid> {
        let near = proptest::sample::select(vec![
            IF_DESCR,
            IF_TYPE,
            IF_ADMIN_STATUS,
            IF_OPER_STATUS,
            IF_NAME,
            IF_CONNECTOR_PRESENT,
            &[1, 3, 6, 1, 2, 1, 1, 3][..],
            &[1, 3, 6, 1, 6, 3, 10, 2, 1, 3][..],
        ]);
        let tail = proptest::collection::vec(prop_oneof![0u32..4, any::<u32>()], 0..3);
        prop_oneof![
            4 => (near, tail).prop_map(|(head, tail)| [head, &tail].concat()),
            1 => proptest::collection::vec(any::<u32>(), 0..12),
        ]
    }

    /// Anything an agent might put into an answer.
    pub(crate) fn varbinds() -> impl Strategy<Value = Vec<Varbind>> {
        proptest::collection::vec(
            (oid(), value()).prop_map(|(oid, value)| Varbind { oid, value }),
            0..40,
        )
    }

    /// Answers whatever comes next in its script, then the end of the MIB.
    struct Script(Mutex<Vec<Vec<Varbind>>>);

    #[async_trait]
    impl SnmpEngine for Script {
        async fn get(&self, a: &Agent, oids: &[Oid]) -> Result<Vec<Varbind>, SnmpError> {
            self.get_bulk(a, oids, 1).await
        }
        async fn get_bulk(
            &self,
            _: &Agent,
            oids: &[Oid],
            _: u32,
        ) -> Result<Vec<Varbind>, SnmpError> {
            Ok(self.0.lock().unwrap().pop().unwrap_or_else(|| {
                oids.iter().map(|o| Varbind { oid: o.clone(), value: Value::End }).collect()
            }))
        }
        fn packets_sent(&self) -> u64 {
            0
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
        #[test]
        fn no_answers_make_it_panic_and_every_name_may_stand_in_an_id(
            answers in proptest::collection::vec(varbinds(), 0..12),
            wanted in proptest::collection::vec("[A-Za-z0-9/]{1,8}", 0..3),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let script = Script(Mutex::new(answers));
            if let Ok(ports) = runtime.block_on(read(&script, &agent(), &wanted)) {
                prop_assert!(wanted.is_empty() || ports.len() == wanted.len());
                for port in ports {
                    prop_assert!(!port.name.is_empty());
                    let bad = |c: char| c.is_whitespace() || c.is_control() || "|*>".contains(c);
                    prop_assert!(!port.name.contains(bad), "{:?}", port.name);
                }
            }
        }
    }
}
