use super::*;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use std::os::unix::fs::PermissionsExt as _;

/// A folder with these files, and what loading its `kentongan.toml` gives.
fn load_files(files: &[(&str, &str)], env: &[(&str, &str)]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let result = load_with(&folder.path().join("kentongan.toml"), env);
    Loaded { folder, result }
}

struct Loaded {
    folder: tempfile::TempDir,
    result: Result<Configuration, Report>,
}

impl Loaded {
    fn ok(self) -> Configuration {
        self.result.unwrap_or_else(|r| panic!("{r}"))
    }

    /// `file:line:column key: message`, one a line, warnings included.
    fn problems(&self) -> Vec<String> {
        let report = match &self.result {
            Ok(c) => &c.warnings,
            Err(report) => report,
        };
        let place = |p: &Problem| {
            let file = Path::new(&p.file).strip_prefix(self.folder.path());
            let file = file.map_or(p.file.clone(), |f| f.display().to_string());
            format!("{file}:{}:{} {}: {}", p.line, p.column, p.key, p.message)
        };
        report.problems().iter().map(place).collect()
    }
}

fn one(text: &str) -> Loaded {
    load_files(&[("kentongan.toml", text)], &[])
}

/// Compares with a file beside this one; `KENTONGAN_BLESS=1` writes it.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden").join(name);
    if std::env::var_os("KENTONGAN_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(want == text, "{name} differs; KENTONGAN_BLESS=1 rewrites it. Now:\n{text}");
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let loaded = load_files(
        &[
            ("kentongan.toml", include_str!("golden/problems.toml")),
            ("inventory/a.toml", include_str!("golden/problems-inventory.toml")),
        ],
        &[
            ("KENTONGAN__HTTP__LISTN", "127.0.0.1:1"),
            ("KENTONGAN__PROBE__PPS", "many"),
            ("KENTONGAN__SOURCE__NAGIOS__TOKEN", "s3cret-env"),
        ],
    );
    let folder = format!("{}/", loaded.folder.path().display());
    let report = loaded.result.unwrap_err();
    let text = report.render(false).replace(&folder, "");
    // The folder itself, where a message names it.
    let text = text.replace(folder.trim_end_matches('/'), "FOLDER");
    for secret in ["s3cret", "12345"] {
        assert!(!text.contains(secret), "{text}");
        assert!(!report.to_json().to_string().contains(secret));
    }
    golden("problems.txt", &text);
}

#[test]
fn an_empty_configuration_is_one() {
    let c = one("").ok();
    let timezone = c.locale.timezone.clone();
    assert_eq!(timezone.iana_name(), Some("Asia/Jakarta"));
    assert_eq!(c.settings, Settings { timezone, ..Settings::default() });
    assert_eq!(c.http.listen.to_string(), "127.0.0.1:8640");
    assert_eq!(c.http.public_url, "http://127.0.0.1:8640");
    assert_eq!(c.desks[0].name, "builtin");
    assert_eq!(c.inventory.probes.len(), 1);
    assert_eq!(&*c.inventory.probes[0].id, "noc-1");
    assert_eq!(c.probe.asking["icmp"].interval, Duration::from_secs(20));
    assert!(c.warnings.is_empty());
}

#[test]
fn everything_can_be_set() {
    let text = r#"
[instance]
name = "noc"
data_dir = "/var/lib/x"
heartbeat_url = "https://example.org/beat"
[http]
listen = "127.0.0.1:1"
public_url = "https://noc.example.org/"
token = "t"
body_limit = "2MiB"
[journal]
kind = "nats"
retention = "7d"
[journal.nats]
url = "nats://a:4222,b"
replicas = 3
[probe]
id = "noc-2"
pps = 10
community = "c"
[check.icmp]
interval = "2s"
loss_raise_pct = 50
[check."snmp:ups"]
thresholds = [{ value = "load_pct", raise = 90, clear = 80, over = "5m" }]
[correlator]
reopen_within = "0s"
[priority]
masif = ["P1", "P2", "P3"]
by_severity = { info = "P3" }
[locale]
language = "en"
timezone = "Asia/Makassar"
[[source]]
name = "z"
kind = "zabbix"
token = "t"
[[desk]]
name = "rt"
kind = "rt"
url = "https://rt.example.org"
queue = "Q"
token = "t"
[[route]]
match = { site = ["s"], source = "z" }
name = "semarang"
desk = "rt"
queue = "Network"
team = "Jaringan"
[[route]]
desk = "rt"
[runbook]
switch = "https://wiki.example.org/switch"
[[maintenance]]
scope = ["s", "tag:core"]
reason = "new UPS"
change = "CHG-41"
start = 2026-11-24T22:00:00
end = "2026-11-24T23:00+08:00"
[[season]]
name = "pkb"
from = 2026-11-01
to = 2026-12-01
rrule = "FREQ=YEARLY"
services = ["samsat"]
[[site]]
id = "s"
[[device]]
id = "s/sw1"
address = "10.0.0.1"
tags = ["core"]
class = "switch"
[[service]]
id = "samsat"
needs = { at_least = 1, of = ["s/sw1"] }
"#;
    let loaded = one(text);
    assert_eq!(loaded.problems(), Vec::<String>::new());
    let c = loaded.ok();
    assert_eq!(c.instance, "noc");
    assert_eq!(c.data_dir, Path::new("/var/lib/x"));
    assert_eq!(c.http.public_url, "https://noc.example.org");
    assert_eq!(c.http.body_limit, 2 << 20);
    assert!(matches!(&c.journal.backend, Backend::Nats(n) if n.replicas == 3));
    assert_eq!(c.probe.id, "noc-2");
    assert_eq!(&*c.inventory.probes[0].id, "noc-2");
    // What is not given follows the interval.
    let icmp = c.probe.asking["icmp"];
    assert_eq!((icmp.timeout, icmp.ask_again), (Duration::from_secs(1), Duration::from_secs(1)));
    let rule = &c.settings.checks["icmp"];
    assert!((rule.thresholds[0].raise - 50.0).abs() < 1e-9 && rule.thresholds.len() == 4);
    assert_eq!(c.settings.checks["snmp:ups"].thresholds[0].value, "load_pct");
    use model::{Criticality, Priority, decision::Scope};
    assert_eq!(c.settings.priority.of(Scope::Masif, Criticality::Normal), Priority::P3);
    assert_eq!(c.settings.priority.of(Scope::Masif, Criticality::Important), Priority::P2);
    // A local time is one of the time zone that is configured (WITA, eight hours ahead).
    let window = &c.settings.windows[0];
    assert_eq!(window.start.to_string(), "2026-11-24T14:00:00.000Z");
    assert_eq!(window.end.to_string(), "2026-11-24T15:00:00.000Z");
    assert_eq!(c.settings.routes[0].sources, ["z"]);
    let named: Vec<_> = c.settings.routes.iter().map(|r| (&*r.name, r.team.as_deref())).collect();
    assert_eq!(named, [("semarang", Some("Jaringan")), ("route-2", None)]);
    assert_eq!(window.change.as_deref(), Some("CHG-41"));
    assert_eq!(c.settings.seasons[0].criticality, Criticality::Vital);
    assert_eq!(c.settings.seasons[0].rrule.as_deref(), Some("FREQ=YEARLY"));
    assert_eq!(c.settings.zone(), "Asia/Makassar");
    assert_eq!(c.settings.public_url.as_deref(), Some("https://noc.example.org"));
    assert_eq!(c.settings.runbooks["switch"], "https://wiki.example.org/switch");
}

#[test]
fn the_environment_wins() {
    let text = r#"
[http]
listen = "127.0.0.1:1"
token_file = "no-such-file"
[check."snmp:if-status"]
interval = "30s"
[[source]]
name = "zabbix-dc"
kind = "zabbix"
token = "old"
"#;
    let env = [
        ("KENTONGAN__HTTP__LISTEN", "127.0.0.1:2"),
        ("KENTONGAN__HTTP__TOKEN", "12345"),
        ("KENTONGAN__CHECK__SNMP_IF_STATUS__INTERVAL", "5s"),
        ("KENTONGAN__CHECK__ICMP__DOWN_NEEDS", "2"),
        ("KENTONGAN__SOURCE__ZABBIX_DC__TOKEN", "new"),
        ("KENTONGAN__PROBE__ENABLED", "false"),
        ("KENTONGAN__PRIORITY__LOKAL", "P1,P1,P2"),
        ("KENTONGAN_LOG", "debug"),
    ];
    let loaded = load_files(&[("kentongan.toml", text)], &env);
    assert_eq!(loaded.problems(), Vec::<String>::new());
    let c = loaded.ok();
    assert_eq!(c.http.listen.port(), 2);
    assert_eq!(c.http.token.unwrap().expose_secret(), "12345");
    assert_eq!(c.settings.checks["snmp:if-status"].interval, Duration::from_secs(5));
    assert_eq!(c.settings.checks["icmp"].down_needs, 2);
    assert_eq!(c.sources[0].token.expose_secret(), "new");
    assert!(!c.probe.enabled);
    // The hash tells one configuration from another, and only that.
    assert_ne!(c.hash, one(text).result.map_or(String::new(), |c| c.hash));
    let again = load_files(&[("kentongan.toml", text)], &env[..7]).ok();
    assert_eq!(c.hash, again.hash);
}

#[test]
fn secrets_come_from_files() {
    let text = "[http]\ntoken_file = \"token\"\n[probe]\ncommunity_file = \"c\"\n";
    let files = [("kentongan.toml", text), ("token", "  abc\n\n"), ("c", "snmp\n")];
    let loaded = load_files(&files, &[]);
    assert_eq!(loaded.problems(), Vec::<String>::new());
    let c = loaded.ok();
    assert_eq!(c.http.token.unwrap().expose_secret(), "abc");
    assert_eq!(c.probe.community.expose_secret(), "snmp");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kentongan.toml");
    std::fs::write(&path, "[http]\ntoken_file = \"token\"\n").unwrap();
    std::fs::write(folder.path().join("token"), "abc").unwrap();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("token"), open).unwrap();
    let c = load_with(&path, Vec::new()).unwrap();
    assert_eq!(c.warnings.problems()[0].key, "http.token_file");
    assert_eq!(c.warnings.problems()[0].level, Level::Warning);

    let problems = load_files(&files[..1], &[]).problems();
    assert!(problems[0].starts_with("kentongan.toml:2:14 http.token_file: cannot read"));
    let both = "[http]\ntoken = \"x\"\ntoken_file = \"token\"\n";
    let problems = load_files(&[("kentongan.toml", both), ("token", "abc")], &[]).problems();
    assert!(problems[0].contains("given twice"), "{problems:?}");
}

#[test]
fn one_wrong_thing_gives_one_problem() {
    let cases: &[(&str, &str)] = &[
        ("[http]\nlisten = 5", "2:10 http.listen: this must be a text in quotes, not the number 5"),
        ("[htp]", "1:2 htp: there is no key called \"htp\" here"),
        ("[http\n", "1:6 : unclosed table, expected `]`"),
        ("a.b = 1", "1:1 a: there is no key called \"a\" here"),
        ("[http]\n[http]", "2:2 : duplicate key"),
        (
            "[check.icmp]\ninterval = \"10ms\"",
            "2:12 check.icmp.interval: nothing can be asked this often",
        ),
        (
            "[check.icmp]\nstale_after = 0.5",
            "2:15 check.icmp.stale_after: evidence cannot be stale after 0.5 intervals",
        ),
        (
            "[check.icmp]\nloss_clear_pct = 30",
            "2:18 check.icmp.loss_clear_pct: loss would be raised at 20 % and cleared below 30 %",
        ),
        ("[probe]\npps = 0", "2:7 probe.pps: no packet could ever be sent"),
        (
            "[probe]\nsnmp_port = 70000",
            "2:13 probe.snmp_port: this must be a whole number from 0 to 65535, not the number 70000",
        ),
        (
            "[journal]\nretention = \"1m\"",
            "2:13 journal.retention: events must be kept for an hour at least",
        ),
        ("inventory = \"x.toml\"", "1:13 inventory: this must be a list, not the text \"x.toml\""),
        ("inventory = [\"**/x\"]", "1:14 inventory[0]: ** is not understood"),
        (
            "[[device]]\nid = \"a\"",
            "2:6 device[0].id: device \"a\" has no address, so nothing can be asked of it",
        ),
        (
            "[[device]]\nid = \"a\"\naddress = 5",
            "3:11 device[0].address: this must be a text in quotes, not the number 5",
        ),
        (
            "[[device]]\nid = \"a\"\naddress = \"::1\"\nchecks = [\"imcp\"]",
            "4:10 device[0].checks: no probe can ask the check \"imcp\" of device \"a\"",
        ),
        (
            "[[device]]\nid = \"a\"\naddress = \"::1\"\nneeds = { all = [\"a\"], any = [] }",
            "4:9 device[0].needs: a condition is exactly one of all, any, or at_least with of",
        ),
        ("[[link]]\nbetween = [\"a\"]", "2:11 link[0].between: this must be a list of 2, not of 1"),
        (
            "[[desk]]\nname = \"d\"\nkind = \"rtx\"",
            "3:8 desk[0].kind: \"rtx\" is not possible here",
        ),
        ("[[desk]]\nkind = \"builtin\"", "1:1 desk[0]: the key name is missing"),
        (
            "[[source]]\nname = \"a b\"\nkind = \"events\"\ntoken = \"t\"",
            "2:8 source[0].name: \"a b\" cannot be a name",
        ),
        (
            "[[maintenance]]\nscope = []\nreason = \"x\"\nstart = \"now\"\nend = 2026-01-01",
            "4:9 maintenance[0].start: \"now\" is no time",
        ),
        (
            "[[maintenance]]\nscope = []\nreason = \" \"\nstart = 2026-01-01\nduration = \"2h\"",
            "3:10 maintenance[0].reason: this [[maintenance]] does not say why",
        ),
        (
            "[[maintenance]]\nscope = []\nreason = \"x\"\nstart = 2026-01-01\nend = 2026-01-02\nduration = \"2h\"",
            "6:12 maintenance[0].duration: this lasts 2h, and has an end as well",
        ),
        (
            "[[maintenance]]\nscope = []\nreason = \"x\"\nstart = 2026-01-01\nduration = \"2h\"\nrrule = \"FREQ=WEEKYL\"",
            "6:9 maintenance[0].rrule: FREQ is \"WEEKYL\"",
        ),
        (
            "[http]\nbody_limit = 99999999999999999999",
            "2:14 : 99999999999999999999 is too large a number",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, want) in cases {
        let problems = one(text).problems();
        let want = format!("kentongan.toml:{want}");
        if problems.first() != Some(&want) || problems.len() > 1 {
            wrong.push(format!("{text}\n  wanted {want}\n  got    {problems:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_listener_open_to_the_network_is_a_warning() {
    let loaded = one("[http]\nlisten = \"0.0.0.0:8640\"");
    assert!(loaded.result.is_ok());
    assert_eq!(loaded.problems().len(), 1);
}

#[test]
fn what_cannot_be_read_is_said() {
    let none = load_with(Path::new("/no/such/kentongan.toml"), Vec::new()).unwrap_err();
    assert_eq!(none.problems().len(), 1);
    assert!(none.problems()[0].message.contains("there is no such file"));
    // Where a file cannot be parsed, what stands in it is not said to be missing.
    let files = [
        ("kentongan.toml", "inventory = [\"i/*.toml\"]"),
        ("i/a.toml", "[[device]]\nid = \"a\n"),
        ("i/b.toml", "[[device]]\nid = \"b\"\naddress = \"::1\"\nneeds = \"a\"\n"),
    ];
    let problems = load_files(&files, &[]).problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("i/a.toml:2:"), "{problems:?}");
}

#[test]
fn the_schema_is_the_one_in_the_tree() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/config.schema.json");
    let text = schema::text();
    if std::env::var_os("KENTONGAN_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(want == text, "schemas/config.schema.json differs; KENTONGAN_BLESS=1 rewrites it");
}

#[test]
fn the_schema_agrees_with_the_reader() {
    let schema: serde_json::Value = serde_json::from_str(&schema::text()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let cases = [
        ("[http]\nlisten = \"127.0.0.1:1\"", true),
        ("[http]\nlisten = 1", false),
        ("[htp]", false),
        ("[check.icmp]\ninterval = \"20s\"", true),
        ("[check.icmp]\ninterval = \"20\"", false),
        ("[priority]\nmasif = [\"P1\", \"P1\"]", false),
        (
            "[[device]]\nid = \"a\"\naddress = \"::1\"\nneeds = { any = [\"b\"] }\n[[device]]\nid = \"b\"\npassive = true",
            true,
        ),
        ("[[device]]\nid = \"a\"\naddress = \"::1\"\nneeds = { none = [\"a\"] }", false),
        ("[[probe]]\nid = \"a\"", true),
        ("[probe]\nid = \"a\"", true),
        ("[probe]\nidd = \"a\"", false),
        ("[[desk]]\nname = \"b\"\nkind = \"builtin\"", true),
        ("[[desk]]\nname = \"b\"\nkind = \"x\"", false),
    ];
    for (text, good) in cases {
        let value: toml::Value = toml::from_str(text).unwrap();
        let value = serde_json::to_value(value).unwrap();
        assert_eq!(schema.is_valid(&value), good, "schema: {text}");
        assert_eq!(one(text).result.is_ok(), good, "reader: {text}");
    }
}

/// Text that looks like a configuration: its words in any order, and some noise.
fn anything() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        "\n",
        "\"",
        "'",
        ",",
        ".",
        "\"\"\"",
        " ",
        "#",
        "é",
        "\\",
        "http",
        "listen",
        "token",
        "check",
        "icmp",
        "interval",
        "device",
        "id",
        "address",
        "needs",
        "all",
        "any",
        "at_least",
        "of",
        "link",
        "between",
        "probe",
        "inventory",
        "desk",
        "kind",
        "rt",
        "name",
        "5",
        "1.5",
        "-1",
        "nan",
        "true",
        "2026-11-24",
        "\"20s\"",
        "\"a\"",
        "maintenance",
        "scope",
        "start",
        "end",
        "priority",
        "masif",
        "\"P1\"",
        "url",
        "headers",
        "create",
        "body",
    ]);
    prop::collection::vec(prop_oneof![9 => words.prop_map(str::to_owned), 1 => ".{0,4}"], 0..60)
        .prop_map(|w| w.concat())
}

/// Well-formed TOML whose keys are ours and whose values are anything.
fn well_formed() -> impl Strategy<Value = String> {
    let table = prop::sample::select(vec![
        "[instance]",
        "[http]",
        "[journal]",
        "[journal.nats]",
        "[check.icmp]",
        "[check.x]",
        "[correlator]",
        "[priority]",
        "[locale]",
        "[[source]]",
        "[[desk]]",
        "[[route]]",
        "[runbook]",
        "[[maintenance]]",
        "[[season]]",
        "[[site]]",
        "[[device]]",
        "[[link]]",
        "[[service]]",
        "[[probe]]",
    ]);
    let key = prop::sample::select(vec![
        "id",
        "name",
        "kind",
        "url",
        "token",
        "token_file",
        "interval",
        "timeout",
        "down_needs",
        "down_of",
        "needs",
        "between",
        "scope",
        "start",
        "end",
        "from",
        "to",
        "match",
        "desk",
        "masif",
        "thresholds",
        "listen",
        "address",
        "addresses",
        "checks",
        "create",
        "headers",
        "priorities",
        "site",
        "at",
        "witnesses",
        "services",
        "stale_after",
        "loss_clear_pct",
        "data_dir",
        "timezone",
        "user",
        "password",
    ]);
    let leaf = prop::sample::select(vec![
        "1",
        "-1",
        "0",
        "1.5",
        "nan",
        "inf",
        "true",
        "\"\"",
        "\"a\"",
        "\"20s\"",
        "\"P1\"",
        "\"rt\"",
        "\"::1\"",
        "2026-11-24",
        "2026-11-24T00:00:00Z",
        "[]",
        "{}",
        "[\"a\", \"b\"]",
        "[\"P1\", 1, \"P2\"]",
    ])
    .prop_map(str::to_owned);
    let value = leaf.prop_recursive(4, 16, 4, |inner| {
        let key = prop::sample::select(vec![
            "all", "any", "of", "at_least", "value", "url", "P1", "site",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
            prop::collection::btree_map(key, inner, 0..3).prop_map(|m| {
                let pairs: Vec<_> = m.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", pairs.join(", "))
            }),
        ]
    });
    let body = prop::collection::btree_map(key, value, 0..6);
    prop::collection::vec((table, body), 0..6).prop_map(|tables| {
        let mut text = String::new();
        for (table, body) in tables {
            text.push_str(table);
            text.push('\n');
            for (k, v) in body {
                let _ = writeln!(text, "{k} = {v}");
            }
        }
        text
    })
}

#[test]
fn some_targets_are_judged_otherwise() {
    let text = r#"
[[site]]
id = "a"
[[device]]
id = "a/cam"
address = "192.0.2.1"
class = "camera"
[[device]]
id = "a/room"
address = "192.0.2.2"
[[check.icmp.for]]
match = { class = "camera" }
down_for = "5m"
flap_start = 9
[[check.icmp.for]]
match = { target = "a/cam" }
up_needs = 4
[[check.icmp.thresholds]]
value = "rtt_ms"
raise = 50.0
clear = 40.0
baseline = { raise = 4.0, clear = 2.0 }
[[check.room.thresholds]]
value = "celsius"
rise = { by = 5.0, within = "10m" }
"#;
    let c = one(text).result.unwrap();
    let device = |id: &str| c.inventory.device(id).unwrap();
    let cam = c.settings.rule_for("icmp", &c.inventory, device("a/cam"));
    assert_eq!((cam.down_for, cam.up_needs), (Duration::from_mins(5), 4));
    assert_eq!(cam.flapping.map(|f| (f.start, f.end)), Some((9, 2)));
    let room = c.settings.rule_for("icmp", &c.inventory, device("a/room"));
    assert_eq!((room.down_for, room.up_needs), (Duration::ZERO, 2));
    assert_eq!(
        room.thresholds[0].measure,
        model::settings::Measure::Baseline { raise: 4.0, clear: 2.0 }
    );
    let rise = &c.settings.checks["room"].thresholds[0];
    assert_eq!(rise.name("room"), "room:celsius:rise/10m");
    assert_eq!((rise.raise, rise.clear), (5.0, 2.5));
}

#[test]
fn what_is_wrong_with_an_exception_is_said() {
    for (text, message) in [
        ("[[check.icmp.for]]\ndown_for = \"1m\"\n", "it is not said for which targets"),
        ("[[check.icmp.for]]\nmatch = { site = \"b\" }\n", "there is no site \"b\""),
        ("[[check.icmp.for]]\nmatch = { target = \"x\" }\n", "there is no device \"x\""),
        ("[[check.icmp.for]]\nmatch = { clas = \"x\" }\n", "clas"),
        (
            "[[check.icmp.for]]\nmatch = { class = \"x\" }\ndown_needs = 9\ndown_of = 3\n",
            "9 of the last 3 samples can never be bad",
        ),
        (
            "[[check.x.thresholds]]\nvalue = \"v\"\nrise = { by = 0.0, within = \"1m\" }\n",
            "no rise is by this much",
        ),
        (
            "[[check.x.thresholds]]\nvalue = \"v\"\nraise = 2.0\nclear = 1.0\nbaseline = { raise = 2.0, clear = 3.0 }\n",
            "cleared below 3 times",
        ),
        ("[correlator]\nnotify_per_hour = 0\n", "nobody would ever be told"),
    ] {
        let report = one(text).result.err().unwrap_or_else(|| panic!("{text} is accepted"));
        let said = report.render(false);
        assert!(report.has_errors() && said.contains(message), "{text}\n{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_the_loader_panic(text in prop_oneof![anything(), well_formed()]) {
        let loaded = one(&text);
        let report = match &loaded.result {
            Ok(c) => &c.warnings,
            Err(report) => {
                prop_assert!(report.has_errors(), "refused without a reason");
                report
            }
        };
        let lines = text.split('\n').count();
        for p in report.problems() {
            prop_assert!(p.line <= lines && !p.message.is_empty());
        }
        report.render(true);
    }

    #[test]
    fn no_variable_makes_the_loader_panic(
        name in "(HTTP|CHECK|SOURCE|DESK|PROBE|__|_|LISTEN|ICMP|INTERVAL|Z|0|[A-Z]){0,8}",
        value in ".{0,20}",
    ) {
        let text = "[[source]]\nname = \"z\"\nkind = \"events\"\ntoken = \"t\"\n";
        let name = format!("{PREFIX}{name}");
        let loaded = load_files(&[("kentongan.toml", text)], &[(&name, &value)]);
        if let Err(report) = loaded.result {
            report.render(false);
        }
    }
}

/// A network of two joined devices, and a probe at the first.
const GOOD: &str = "[[site]]\nid = \"a\"\n\
    [[device]]\nid = \"a/r1\"\naddress = \"10.0.0.1\"\nclass = \"router\"\n\
    [[device]]\nid = \"a/r2\"\naddress = \"10.0.0.2\"\n\
    [[link]]\nbetween = [\"a/r1\", \"a/r2\"]\n\
    [[probe]]\nid = \"noc-1\"\nat = \"a/r1\"\n";

/// What `check` says of this beside the good network, without places.
fn said(main: &str, inventory: &str) -> Vec<String> {
    let inventory = format!("{GOOD}{inventory}");
    let main = format!("inventory = [\"net.toml\"]\n{main}");
    let loaded = load_files(&[("kentongan.toml", &main), ("net.toml", &inventory)], &[]);
    let key_and_message =
        |p: String| p.split_once(' ').map(|(_, said)| said.to_owned()).unwrap_or_default();
    loaded.problems().into_iter().map(key_and_message).collect()
}

#[test]
fn what_dangles_is_told_together_with_what_cannot_be_reached() {
    assert_eq!(said("", ""), [""; 0]);
    let said = said(
        "[[maintenance]]\nreason = \"x\"\nscope = [\"a/r9\", \"a|b\", \"class:router\", \"class:swich\"]\nstart = 2026-11-24T20:00:00\nend = 2026-11-24T21:00:00\n\
         [[route]]\nmatch = { site = \"aa\", class = \"ap\" }\ndesk = \"builtin\"\n\
         [[season]]\nname = \"s\"\nfrom = 2026-11-24T20:00:00\nto = 2026-11-24T21:00:00\nservices = \"samst\"\n",
        "[[device]]\nid = \"a/r3\"\naddress = \"10.0.0.3\"\nsite = \"b\"\n\
         [[device]]\nid = \"a/r4\"\naddress = \"10.0.0.4\"\nneeds = \"ups\"\n\
         [[link]]\nbetween = [\"a/r3\", \"a/r4\"]\n\
         [[service]]\nid = \"samsat\"\nneeds = \"nothing\"\n",
    );
    let has = |what: &str| assert!(said.iter().any(|s| s.contains(what)), "{what}: {said:#?}");
    has("maintenance[0].scope: \"a/r9\" is no site, device, link or service");
    has("\"a|b\" is no site, device, link or service");
    has("no device has the class \"swich\"");
    has("there is no site \"aa\"");
    has("no device has the class \"ap\"");
    has("there is no service \"samst\"");
    has("device \"a/r3\" stands at site \"b\", which does not exist");
    has("needs names \"ups\"");
    has("needs names \"nothing\"");
    has("no probe can reach device \"a/r3\"");
    has("no probe can reach device \"a/r4\"");
    assert_eq!(said.len(), 11, "{said:#?}");
}

/// A link that cannot be read may be the one that leads there, and the one that a window names.
#[test]
fn what_may_stand_in_what_cannot_be_read_is_not_missed() {
    let said = said(
        "[[maintenance]]\nreason = \"x\"\nscope = \"trunk\"\nstart = 2026-11-24T20:00:00\nend = 2026-11-24T21:00:00\n",
        "[[device]]\nid = \"a/r3\"\naddress = \"10.0.0.3\"\n\
         [[device]]\nid = \"a/r4\"\naddress = \"10.0.0.4\"\n\
         [[link]]\nbetween = [\"a/r3\", \"a/r4\"]\n\
         [[link]]\nid = \"trunk\"\nbetween = [\"a/r3\", 7]\n",
    );
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains("between"), "{said:#?}");
}

#[test]
fn slips_that_would_go_unnoticed_are_told() {
    for (main, inventory, what) in [
        (
            "[check.icpm]\ninterval = \"5s\"\n",
            "",
            "check.icpm: nobody asks a check called \"icpm\"",
        ),
        ("", "[[device]]\nid = \"m\"\naddress = \"224.0.0.5\"\n", "is a multicast address"),
        ("", "[[device]]\nid = \"m\"\naddress = \"ff02::1\"\n", "is a multicast address"),
        ("", "[[device]]\nid = \"m\"\naddress = \"255.255.255.255\"\n", "is the broadcast address"),
        ("", "[[device]]\nid = \"m\"\naddress = \"0.0.0.0\"\n", "is the unspecified address"),
        ("", "[[device]]\nid = \"m\"\naddress = \"::\"\n", "is the unspecified address"),
        (
            "",
            "[[device]]\nid = \"m\"\naddress = \"10.0.0.9\"\naddresses = [\"239.1.1.1\"]\n",
            "is a multicast address",
        ),
        (
            "",
            "[[device]]\nid = \"m\"\npassive = true\nchecks = [\"icmp\"]\n",
            "device[2].checks: device \"m\" is passive",
        ),
        (
            "",
            "[[device]]\nid = \"m\"\naddress = \"10.0.0.9\"\nneeds = { all = [] }\n",
            "device[2].needs: needs names nothing",
        ),
        (
            "",
            "[[service]]\nid = \"a\"\nneeds = \"a/r1\"\n",
            "service[0].id: service \"a\" has the id of a site",
        ),
        (
            "",
            "[[device]]\nid = \"p\"\npassive = true\nneeds = \"q\"\n[[device]]\nid = \"q\"\npassive = true\nneeds = \"p\"\n",
            "device[2].needs: needs goes round in a circle: \"p\" needs \"q\" needs \"p\"",
        ),
        (
            "[probe]\nid = \"noc-1\"\n",
            "[[device]]\nid = \"w\"\naddress = \"10.0.0.9\"\nchecks = []\n[[probe]]\nid = \"p\"\nwitnesses = [\"w\"]\n",
            "witness \"w\" of probe \"p\" is never asked: it has no checks",
        ),
    ] {
        let said = said(main, inventory);
        assert!(said.len() == 1 && said[0].contains(what), "{what}: {said:#?}");
    }
    // A check that others ask may have a rule of its own, and so may one that a device names.
    assert_eq!(said("[check.http]\ndown_needs = 1\ndown_of = 1\n", ""), [""; 0]);
}

#[test]
fn a_route_that_nothing_reaches_is_told() {
    let route = |what: &str| format!("[[route]]\n{what}desk = \"builtin\"\n");
    let class = "match = { class = \"router\" }\n";
    let both = "match = { class = [\"router\"], site = \"a\" }\n";
    for (first, second, told) in [
        ("", class, true),
        ("match = {}\n", class, true),
        (class, both, true),
        (class, class, true),
        (both, class, false),
        (class, "", false),
        (class, "match = { site = \"a\" }\n", false),
        // It is not as wide as it looks.
        ("match = { clas = \"router\" }\n", both, false),
    ] {
        let said = said(&format!("{}{}", route(first), route(second)), "");
        let found = said.iter().any(|s| {
            s.starts_with("route[1]: nothing ever comes to this [[route]]: the one at line 2")
        });
        assert_eq!(found, told, "{first:?} before {second:?}: {said:#?}");
    }
}

#[test]
fn below_a_broken_header_nothing_false_is_said() {
    for broken in ["[http\n", "[http]]\n", "[[desk]\n", "[[desk\n", "[ht tp]\n", "[[device]\n"] {
        let text = format!(
            "[instance]\nname = \"noc\"\n{broken}listen = \"127.0.0.1:1\"\nname = \"rt\"\nkind = \"rt\"\n\
             [[route]]\ndesk = \"rt\"\n[locale]\nlanguage = \"xx\"\n"
        );
        let said = one(&text).problems();
        assert_eq!(said.len(), 2, "{broken:?}: {said:#?}");
        assert!(said[0].starts_with("kentongan.toml:3:"), "{broken:?}: {said:#?}");
        assert!(said[1].contains("\"xx\" is not possible here"), "{broken:?}: {said:#?}");
    }
}

#[test]
fn a_desk_without_a_way_in_is_told_in_a_sentence() {
    let rt = "[[desk]]\nname = \"rt\"\nkind = \"rt\"\nurl = \"http://127.0.0.1/\"\nqueue = \"N\"\n";
    let sentence =
        "desk \"rt\": token is missing: give token (or token_file), or else user and password";
    let said = said(&format!("{rt}[[desk]]\nname = \"b\"\nkind = \"builtin\"\n"), "");
    assert!(said.iter().any(|s| s.contains(sentence)), "{said:#?}");
    // The same word is offered once.
    let twice = format!("{rt}{rt}[[route]]\ndesk = \"somewhere-else\"\n");
    let Err(report) = one(&twice).result else { panic!("it is wrong") };
    let help: Vec<_> = report.problems().iter().map(|p| p.help.as_str()).collect();
    assert!(help.contains(&"possible here: rt"), "{help:#?}");
}

#[test]
fn a_route_has_a_name_of_its_own_and_a_category_where_that_means_something() {
    let rt = "[[desk]]\nname = \"rt\"\nkind = \"rt\"\nurl = \"https://rt.example.org\"\nqueue = \"Q\"\ntoken = \"t\"\n";
    let route = |name: &str, more: &str| {
        format!("[[route]]\nname = \"{name}\"\nmatch = {{ site = \"a\" }}\ndesk = \"rt\"\n{more}")
    };
    let said = |text: &str| {
        let text = format!("{rt}{text}[[site]]\nid = \"a\"\n");
        one(&text).problems().join("\n")
    };
    assert!(said(&route("default", "")).contains("the rule for what no other takes"));
    let twice = said(&format!("{}{}", route("x", ""), route("x", "")));
    assert!(twice.contains("there are two routes called \"x\""), "{twice}");
    let category = said(&route("x", "category = \"7\"\n"));
    assert!(category.contains("kind \"rt\" get no category"), "{category}");
}

#[test]
fn a_template_that_is_wrong_is_told_with_its_file_and_line() {
    let loaded = load_files(
        &[
            (
                "kentongan.toml",
                "[[desk]]\nname = \"b\"\nkind = \"builtin\"\ntemplates = \"templates/b\"\n",
            ),
            ("templates/b/body.txt", "{{ text }}\n{{ titel }}\n"),
        ],
        &[],
    );
    let said = loaded.problems().join("\n");
    assert!(said.contains("kentongan.toml:4:13 desk[0].templates"), "{said}");
    assert!(said.contains("body.txt:2: undefined value"), "{said}");
}
