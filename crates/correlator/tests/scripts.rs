//! Stories with answers. A text file tells a story to the core, what it decided stands below the
//! line, and `KENTONGAN_BLESS=1` writes the answers anew so that review reads the difference.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod manual;
mod story;

use manual::{folder, stories};
use story::Story;

/// The stories together are the manual of the correlator: its page names each of them, and each
/// begins with what it shows.
#[test]
fn every_story_stands_in_the_manual() {
    let page = folder().join("README.md");
    let mut manual = std::fs::read_to_string(&page).unwrap();
    let mut missing = Vec::new();
    let mut names = Vec::new();
    for file in stories() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let comment: Vec<&str> = text.lines().map_while(|l| l.strip_prefix("# ")).collect();
        assert!(
            !comment.is_empty(),
            "{name} does not begin with a comment that says what it shows"
        );
        let line = format!("- [{name}]({name}.txt): {}\n", comment.join(" "));
        if !manual.contains(&format!("]({name}.txt)")) {
            manual.push_str(&line);
            missing.push(name.clone());
        }
        names.push(name);
    }
    if std::env::var_os("KENTONGAN_BLESS").is_some() && !missing.is_empty() {
        std::fs::write(&page, &manual).unwrap();
        return;
    }
    assert!(
        missing.is_empty(),
        "not in tests/scripts/README.md: {missing:?} (KENTONGAN_BLESS=1 adds them at its end; move them to their chapters)"
    );
    let named = manual.split("](").skip(1).filter_map(|l| l.split_once(".txt)").map(|(n, _)| n));
    for name in named {
        assert!(names.iter().any(|n| n == name), "README.md names {name}.txt, which is not there");
    }
}

#[test]
fn every_story_ends_as_it_is_written() {
    let mut wrong = Vec::new();
    for file in stories() {
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, answer) = text.split_once("\n----\n").unwrap_or((text.trim_end(), ""));
        let mut story = Story::default();
        for line in script.lines() {
            let line = line.split('#').next().filter(|_| !line.contains(" #")).unwrap_or(line);
            if !line.trim().is_empty() && !line.starts_with('#') {
                story.line(line);
            }
        }
        if story.out != answer {
            if std::env::var_os("KENTONGAN_BLESS").is_some() {
                std::fs::write(&file, format!("{script}\n----\n{}", story.out)).unwrap();
            } else {
                wrong.push(format!("{}:\n{}", file.display(), difference(answer, &story.out)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n(KENTONGAN_BLESS=1 writes the answers anew)", wrong.join("\n"));
}

fn difference(expected: &str, got: &str) -> String {
    let (e, g): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    let same = e.iter().zip(&g).take_while(|(a, b)| a == b).count();
    format!(
        "  first difference at answer line {}\n  expected: {}\n  got:      {}",
        same + 1,
        e.get(same).unwrap_or(&"(nothing more)"),
        g.get(same).unwrap_or(&"(nothing more)")
    )
}
