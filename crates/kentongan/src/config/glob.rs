//! File names with `*` and `?` in them.

use std::path::{Component, Path, PathBuf};

/// A pattern that matches more files than this was meant otherwise.
const FILES_MAX: usize = 10_000;

/// The files that a pattern means, sorted by name; a pattern is relative to `folder`.
///
/// # Errors
/// What is wrong, and what to do about it.
pub(super) fn files(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, (String, String)> {
    if pattern.contains("**") {
        return Err((
            "** is not understood".into(),
            "name each folder: [\"inventory/*.toml\", \"inventory/*/*.toml\"]".into(),
        ));
    }
    let mut found = vec![folder.to_path_buf()];
    for component in Path::new(pattern).components() {
        let Component::Normal(part) = component else {
            for path in &mut found {
                path.push(component);
            }
            continue;
        };
        let part = part.to_string_lossy();
        if !part.contains(['*', '?']) {
            for path in &mut found {
                path.push(&*part);
            }
            continue;
        }
        let mut next = Vec::new();
        for path in &found {
            let here = if path.as_os_str().is_empty() { Path::new(".") } else { path.as_path() };
            let Ok(entries) = std::fs::read_dir(here) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let hidden = name.starts_with('.') && !part.starts_with('.');
                if !hidden && matches(&part, &name) {
                    next.push(path.join(&*name));
                }
            }
        }
        found = next;
    }
    found.retain(|p| p.is_file());
    found.sort();
    if found.is_empty() {
        let from = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let help =
            format!("paths are relative to the folder of the configuration, {}", from.display());
        return Err((format!("no file is called {pattern}"), help));
    }
    if found.len() > FILES_MAX {
        return Err((format!("more than {FILES_MAX} files match {pattern}"), "name fewer".into()));
    }
    Ok(found)
}

/// Whether `name` is what `pattern` says. Walks back to the last star only, so that no pattern
/// takes longer than the product of both lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, want) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.tom", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("s?te", "site", true),
            ("s?te", "ste", false),
            ("*", "", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
