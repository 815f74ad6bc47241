//! The stories of `tests/scripts`, which together are the manual of the correlator.

#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, each uses its part")]

use std::path::{Path, PathBuf};

/// Where they lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

/// All of them, by name.
pub fn stories() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path());
    let mut stories: Vec<_> = files.filter(|f| f.extension().is_some_and(|e| e == "txt")).collect();
    stories.sort();
    assert!(stories.len() >= 40, "the manual is long");
    stories
}

/// What happens in each, without the answers.
pub fn scripts() -> impl Iterator<Item = String> {
    stories().into_iter().map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.split("\n----\n").next().unwrap().to_owned()
    })
}
