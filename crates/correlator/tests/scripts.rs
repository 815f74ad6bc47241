//! Stories with answers. A text file tells a story to the core, what it decided stands below the
//! line, and `KENTONGAN_BLESS=1` writes the answers anew so that review reads the difference.

mod story;

use std::path::Path;
use story::Story;

#[test]
fn every_story_ends_as_it_is_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut wrong = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
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
