//! The habits of the house, as tests: who may know whom, what the pure crates may not know at all,
//! and what the tree keeps free of. A failure names the sentence or the place; changing a habit is
//! changing the data here and the sentence in ARCHITECTURE.md, in one review.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Every arrow between our own crates, from the one who knows to those who are known.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("telemetry", &[]),
    ("correlator", &["model"]),
    ("delivery", &["model"]),
    ("wire", &["model"]),
    ("journal", &["model", "telemetry", "wire"]),
    ("views", &["journal", "model", "telemetry", "wire"]),
    ("probe", &["model", "telemetry", "wire"]),
    ("intake", &["model", "telemetry", "wire"]),
    ("ticket-sink", &["delivery", "model", "telemetry"]),
    ("console", &["model", "telemetry", "views"]),
    ("sim", &["correlator", "delivery", "model"]),
    (
        "kentongan",
        &[
            "console",
            "correlator",
            "delivery",
            "intake",
            "journal",
            "model",
            "probe",
            "sim",
            "telemetry",
            "ticket-sink",
            "views",
            "wire",
        ],
    ),
];

/// What only the tests of a crate may know besides.
const TEST_ARROWS: &[(&str, &[&str])] =
    &[("correlator", &["wire"]), ("delivery", &["wire"]), ("console", &["journal", "wire"])];

/// The crates that could be moved to another runtime untouched.
const PURE: &[&str] = &["model", "correlator", "delivery", "wire", "sim"];

/// What a pure crate's manifest may not name.
const NO_RUNTIME: &[&str] = &[
    "tokio",
    "tokio-util",
    "async-trait",
    "futures-util",
    "reqwest",
    "axum",
    "rusqlite",
    "async-nats",
    "rand",
    "fastrand",
    "socket2",
    "libc",
    "tracing",
    "mio",
    "config",
];

/// What a pure crate's source may not say (its tests may).
const NO_WORLD: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
    "rand::",
    "std::net::Tcp",
    "std::net::Udp",
    "std::fs::",
    "std::thread::",
    "std::env::",
    "HashMap::new()",
    "async fn",
];

/// A file of more lines than this, its tests not counted, tells more than one story.
const LINES_MAX: usize = 800;

/// Files that are longer nevertheless, each with the reason.
const LONG: &[(&str, &str)] = &[];

/// Where `unsafe` may be written, each with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/journal/src/embedded/disk.rs", "how much room a file system has is a system call"),
    ("crates/probe/src/socket.rs", "options of sockets that no safe wrapper offers"),
];

#[test]
fn the_arrows_are_those_of_the_map() {
    let map = read(&root().join("ARCHITECTURE.md"));
    let mut wrong = String::new();
    for name in crates() {
        let Some(allowed) = of(ARROWS, &name) else {
            writeln!(wrong, "crates/{name} is new: give it a row in tests/habits.rs and a sentence in ARCHITECTURE.md").expect("text");
            continue;
        };
        let sentence = sentence(&name, allowed);
        if !map.contains(&sentence) {
            writeln!(wrong, "ARCHITECTURE.md lacks the sentence: {sentence}").expect("text");
        }
        let in_tests = of(TEST_ARROWS, &name).unwrap_or_default();
        let manifest = manifest(&name);
        for (section, extra) in
            [("dependencies", &[][..]), ("dev-dependencies", in_tests), ("build-dependencies", &[])]
        {
            for known in siblings(&manifest, section) {
                if !allowed.contains(&known.as_str()) && !extra.contains(&known.as_str()) {
                    writeln!(wrong, "[{section}] of {name} draws the arrow {name} → {known}; it would change: {sentence}").expect("text");
                }
            }
        }
    }
    for (name, _) in ARROWS {
        if !root().join("crates").join(name).is_dir() {
            writeln!(wrong, "tests/habits.rs speaks of crates/{name}, which is gone")
                .expect("text");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_pure_crates_know_no_runtime_no_clock_and_no_dice() {
    let mut wrong = String::new();
    for name in PURE {
        for known in dependencies(&manifest(name), "dependencies") {
            if NO_RUNTIME.contains(&known.as_str()) {
                writeln!(wrong, "crates/{name}/Cargo.toml depends on {known}").expect("text");
            }
        }
        let src = files(&root().join("crates").join(name).join("src"), &["rs"]);
        let only_tests = only_tests(&src);
        for file in src.into_iter().filter(|file| !only_tests.contains(file)) {
            for (number, line) in code_lines(&read(&file)) {
                for word in NO_WORLD.iter().filter(|word| line.contains(**word)) {
                    writeln!(wrong, "{}:{number} says {word}", shown(&file)).expect("text");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_tree_is_tidy() {
    // Spelled in two halves, so that this file keeps its own rule.
    let machine_paths =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "bash_jobs")];
    let unfinished = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut wrong = String::new();
    let mut long = BTreeSet::new();
    let only_tests = only_tests(&files(&root(), &["rs"]));
    for file in files(
        &root(),
        &[
            "rs", "md", "toml", "sh", "pl", "yaml", "yml", "json", "service", "conf", "html",
            "css", "js",
        ],
    ) {
        let name = shown(&file);
        let text = read(&file);
        for (n, line) in text.lines().enumerate() {
            let at = n + 1;
            for path in machine_paths.iter().filter(|path| line.contains(**path)) {
                writeln!(wrong, "{name}:{at} names a folder of somebody's machine: {path}")
                    .expect("text");
            }
            if line.ends_with(' ') && !ends(&name, "md") {
                writeln!(wrong, "{name}:{at} ends in a space").expect("text");
            }
            if ends(&name, "rs") {
                for word in unfinished.iter().filter(|word| line.contains(**word)) {
                    writeln!(wrong, "{name}:{at} is unfinished: {word}").expect("text");
                }
            }
        }
        if ends(&name, "rs") {
            let lines = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().lines().count();
            if lines > LINES_MAX && !only_tests.contains(&file) {
                long.insert(name.clone());
                if !LONG.iter().any(|(listed, _)| *listed == name) {
                    writeln!(wrong, "{name} has {lines} lines: more than one story (or a line in LONG that says why not)").expect("text");
                }
            }
            let allows = concat!("allow(unsafe", "_code)");
            if text.contains(allows) && !UNSAFE.iter().any(|(listed, _)| *listed == name) {
                writeln!(wrong, "{name} allows unsafe code, and tests/habits.rs does not know why")
                    .expect("text");
            }
        }
    }
    for (name, _) in LONG.iter().filter(|(name, _)| !long.contains(*name)) {
        writeln!(wrong, "{name} is short enough now: take it off the list LONG").expect("text");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_crate_says_first_what_it_is() {
    for name in crates() {
        let src = root().join("crates").join(&name).join("src");
        let lib = src.join("lib.rs");
        let text = read(&if lib.exists() { lib } else { src.join("main.rs") });
        let essay = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(
            essay >= 2,
            "crates/{name} begins without saying what it is and what it never does"
        );
        assert!(
            manifest(&name).contains("[lints]\nworkspace = true"),
            "crates/{name} does not take part in the lint table"
        );
    }
}

#[test]
fn the_words_of_make_that_the_pages_name_exist() {
    let makefile = read(&root().join("Makefile"));
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']))
        .filter_map(|line| line.split_once(':'))
        .filter(|(_, rest)| !rest.starts_with('='))
        .flat_map(|(names, _)| names.split_whitespace())
        .collect();
    for word in ["help", "run", "check", "test", "bench", "soak"] {
        assert!(targets.contains(word), "the Makefile has no word `{word}`");
    }
    for page in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ".ci/run"] {
        for line in read(&root().join(page)).lines() {
            let mut words = line.split(|c: char| c.is_whitespace() || c == '`').peekable();
            while let Some(word) = words.next() {
                let Some(next) = words.peek().filter(|_| {
                    word == "make"
                        && (line.contains("`make ") || line.trim_start().starts_with("make "))
                }) else {
                    continue;
                };
                let next = next.trim_end_matches(['.', ',', ';', ':', ')']);
                assert!(
                    next.contains('=') || targets.contains(next),
                    "{page} names `make {next}`, which does not exist"
                );
            }
        }
    }
}

/// The sentence that ARCHITECTURE.md says about a crate's arrows.
fn sentence(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("`{name}` knows nobody.");
    }
    let known: Vec<_> = known.iter().map(|k| format!("`{k}`")).collect();
    format!("`{name}` knows {}.", known.join(", "))
}

fn ends(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == ending)
}

fn of(
    table: &[(&'static str, &'static [&'static str])],
    name: &str,
) -> Option<&'static [&'static str]> {
    table.iter().find(|(n, _)| *n == name).map(|(_, known)| *known)
}

fn root() -> PathBuf {
    journeys::shell::workspace()
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|why| panic!("reading {}: {why}", file.display()))
}

fn crates() -> BTreeSet<String> {
    let dir = std::fs::read_dir(root().join("crates")).expect("the crates lie in crates/");
    dir.filter_map(Result::ok)
        .filter(|e| e.path().join("Cargo.toml").exists())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

fn manifest(name: &str) -> String {
    read(&root().join("crates").join(name).join("Cargo.toml"))
}

/// What a section of a manifest depends on.
fn dependencies(manifest: &str, section: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|t| t.keys().cloned()).collect()
}

/// Those of them that are our own.
fn siblings(manifest: &str, section: &str) -> Vec<String> {
    let ours = crates();
    dependencies(manifest, section).into_iter().filter(|name| ours.contains(name)).collect()
}

/// The numbered lines of a source file that are code: no comments, and nothing from the tests on.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<_> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|two| two[0].trim() == "#[cfg(test)]" && two[1].trim_start().starts_with("mod "));
    let numbered = lines.iter().take(tests.unwrap_or(lines.len())).enumerate();
    numbered
        .map(|(n, line)| (n + 1, line.split("//").next().unwrap_or_default().to_owned()))
        .collect()
}

/// The files among these that are modules for tests only: `#[cfg(test)] mod world;`, and what those contain.
fn only_tests(sources: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for file in sources {
            let inherited = found.contains(file);
            for module in modules(file).into_iter().filter(|module| module.only_tests || inherited)
            {
                let below = module.file.with_extension("");
                found.extend(
                    sources.iter().filter(|s| **s == module.file || s.starts_with(&below)).cloned(),
                );
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

struct Module {
    file: PathBuf,
    only_tests: bool,
}

/// The modules of a file that lie in files of their own.
fn modules(file: &Path) -> Vec<Module> {
    let dir = file.parent().expect("a file lies in a folder");
    let stem = file.file_stem().unwrap_or_default();
    let below = if stem == "lib" || stem == "main" || stem == "mod" {
        dir.to_path_buf()
    } else {
        dir.join(stem)
    };
    let (mut found, mut only_tests, mut path) = (Vec::new(), false, None);
    for line in read(file).lines().map(str::trim) {
        if line == "#[cfg(test)]" {
            only_tests = true;
        } else if let Some(given) =
            line.strip_prefix("#[path = \"").and_then(|l| l.strip_suffix("\"]"))
        {
            path = Some(dir.join(given));
        } else {
            if let Some(name) = line.strip_suffix(';').and_then(|l| l.split("mod ").nth(1)) {
                let file = path.take().unwrap_or_else(|| below.join(format!("{name}.rs")));
                found.push(Module { file, only_tests });
            }
            (only_tests, path) = (false, None);
        }
    }
    found
}

/// The files below a folder that end so; what git ignores and what other programs made stays out.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir)
            .unwrap_or_else(|why| panic!("reading {}: {why}", dir.display()))
            .filter_map(Result::ok)
        {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !matches!(
                    name.as_str(),
                    "target"
                        | ".git"
                        | ".peers"
                        | "data"
                        | "run"
                        | "node_modules"
                        | "proptest-regressions"
                ) {
                    todo.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(&format!(".{ending}"))) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
