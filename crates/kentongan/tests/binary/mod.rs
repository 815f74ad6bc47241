//! The binary as a script calls it.

#![allow(dead_code, reason = "each test that calls it reads what it needs")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs it in `dir`, with nothing of ours in the environment.
pub fn kentongan(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kentongan"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KENTONGAN") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).args(args).output().unwrap()
}

/// What it wrote for whoever reads on.
pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it wrote for whoever sits there.
pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
