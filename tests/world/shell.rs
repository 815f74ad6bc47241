//! Running other programs, with an error that says what they said.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests lie in the workspace").to_path_buf()
}

/// Where the servers of the journeys keep their state.
pub fn peers() -> PathBuf {
    match std::env::var_os("KENTONGAN_PEERS") {
        Some(dir) if !dir.is_empty() => dir.into(),
        _ => workspace().join(".peers"),
    }
}

/// Runs a program to its end and gives what it printed; an error names the call and its last words.
pub fn run(program: &str, args: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(args).output().with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}\n{}{}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `ip` with words separated by spaces.
pub fn ip(line: &str) -> Result<String> {
    run("ip", &line.split_whitespace().collect::<Vec<_>>())
}

/// Runs one of the scripts in `tests/peers`.
pub fn peer(script: &str, word: &str) -> Result<String> {
    let path = workspace().join("tests/peers").join(script);
    run(path.to_str().context("the workspace has a path in UTF-8")?, &[word])
}

/// Whether a program stands in one of the folders where Debian puts them.
pub fn installed(program: &str) -> bool {
    let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(usual).any(|dir| dir.join(program).is_file())
}
