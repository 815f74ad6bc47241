//! Where a setting was written: which file or environment variable, and where in it.

use std::ops::Range;

/// A stretch of the text of one origin. Small and copied everywhere, so that every problem can
/// point at the place it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub(super) origin: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A text that settings were read from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// A path as it was given, or the name of an environment variable.
    pub name: String,
    /// The file's text with every secret blotted out, byte for byte as long as the original;
    /// empty for a variable, whose value is never shown.
    pub text: String,
    /// A variable rather than a file.
    pub environment: bool,
    /// Where its lines end.
    line_ends: Vec<u32>,
}

/// All texts that settings were read from, in the order they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins(Vec<Origin>);

impl Origins {
    /// A file, by its path as shown and its text.
    pub fn file(&mut self, name: String, text: &str) -> u32 {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let line_ends = ends.map(|(i, _)| i as u32).collect();
        self.add(Origin { name, text: blot_out_secrets(text), environment: false, line_ends })
    }

    /// An environment variable.
    pub fn variable(&mut self, name: String) -> u32 {
        self.add(Origin { name, text: String::new(), environment: true, line_ends: Vec::new() })
    }

    fn add(&mut self, origin: Origin) -> u32 {
        self.0.push(origin);
        self.0.len() as u32 - 1
    }

    /// The line that a place begins on, from 1.
    pub fn line(&self, place: Place) -> usize {
        self.get(place).line_ends.partition_point(|end| *end < place.start) + 1
    }

    /// Whether a place is on a line that opens a table, or was meant to.
    pub fn is_header(&self, place: Place) -> bool {
        let origin = self.get(place);
        let line = self.line(place) - 1;
        let from = line.checked_sub(1).map_or(0, |before| origin.line_ends[before] as usize + 1);
        origin.text.get(from..).is_some_and(is_header)
    }

    /// The line of the next header after a place, from 1; past the last line where there is none.
    pub fn table_end(&self, place: Place) -> usize {
        let here = self.line(place);
        let after = self.get(place).text.lines().skip(here).position(is_header);
        after.map_or(usize::MAX, |n| here + n + 1)
    }

    pub fn get(&self, place: Place) -> &Origin {
        &self.0[place.origin as usize]
    }
}

impl Place {
    pub(super) fn new(origin: u32, span: &Range<usize>) -> Place {
        Place { origin, start: span.start as u32, end: span.end.max(span.start) as u32 }
    }

    /// The very beginning of an origin.
    pub(super) fn start_of(origin: u32) -> Place {
        Place { origin, start: 0, end: 0 }
    }

    /// Whether another place lies within it.
    pub(super) fn holds(self, other: Place) -> bool {
        self.origin == other.origin && self.start <= other.start && other.end <= self.end
    }

    /// A part of it, in bytes from the beginning of the text.
    pub(super) fn part(self, range: Range<usize>) -> Place {
        Place { start: range.start as u32, end: range.end as u32, ..self }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Whether what begins here looks like the header of a table rather than a list within one.
fn is_header(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']);
    let name = line.trim_start_matches('[').trim_start_matches([' ', '\t']);
    name.len() < line.len()
        && line.starts_with('[')
        && name.starts_with(|c: char| c.is_alphabetic())
}

/// Words that make the value of a key (or of a header) a secret wherever they occur in its name.
const SECRET_WORDS: &[&str] = &[
    "token",
    "password",
    "passwd",
    "secret",
    "community",
    "authorization",
    "api_key",
    "apikey",
    "api-key",
    "credentials",
];

/// Whether what stands under this key must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let file = key.ends_with("_file") || key.ends_with("-file");
    !file && SECRET_WORDS.iter().any(|w| key.contains(w))
}

/// The same text, with `*` instead of everything that may be a secret: all quoted text on a line
/// that names a secret key, and user and password in a URL. Works on lines, since it must also
/// work where the file cannot be parsed; too much is blotted out rather than too little.
fn blot_out_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut multi_line: Option<&str> = None;
    for mut line in text.split_inclusive('\n') {
        if let Some(fence) = multi_line {
            let Some(end) = line.find(fence).map(|i| i + fence.len()) else {
                blot(&mut out, line);
                continue;
            };
            blot(&mut out, &line[..end]);
            line = &line[end..];
            multi_line = None;
        }
        if let Some(from) = secret_value(line) {
            let value = &line[from..];
            multi_line = ["\"\"\"", "'''"].into_iter().find(|f| value.matches(f).count() == 1);
            out.push_str(&line[..from]);
            blot(&mut out, value);
        } else {
            blot_out_user_info(&mut out, line);
        }
    }
    out
}

/// Where the first value that belongs to a secret key begins on this line.
fn secret_value(line: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(eq) = line[from..].find('=').map(|i| from + i) {
        let before = line[from..eq].trim_end().trim_end_matches(['"', '\'']);
        let key_start = before
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        if is_secret(&before[key_start..]) {
            return Some(eq + 1);
        }
        from = eq + 1;
    }
    None
}

/// Copies `text`, with `*` for every byte that is no white space or quote.
fn blot(out: &mut String, text: &str) {
    for c in text.chars() {
        if !c.is_whitespace() && !matches!(c, '"' | '\'') {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
}

/// Copies `line`, with `*` for what stands between `://` and `@`.
fn blot_out_user_info(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some(start) = rest.find("://").map(|i| i + 3) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let authority = rest.find(['/', '"', '\'', ' ', '\n']).unwrap_or(rest.len());
        if let Some(at) = rest[..authority].rfind('@') {
            blot(out, &rest[..at]);
            rest = &rest[at..];
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_in_place() {
        let cases = [
            ("token = \"abc\" # x\n", "token = \"***\" * *\n"),
            ("token_file = \"abc\"\n", "token_file = \"abc\"\n"),
            ("a = { user = \"u\", password = 'pw' }\n", "a = { user = \"u\", password = '**' *\n"),
            ("url = \"https://u:pw@host/x\"\n", "url = \"https://****@host/x\"\n"),
            ("\"X-Auth-Token\" = \"abc\"\n", "\"X-Auth-Token\" = \"***\"\n"),
            ("secret = \"\"\"a\nb c\n\"\"\"\nx = 1\n", "secret = \"\"\"*\n* *\n\"\"\"\nx = 1\n"),
            ("name = \"noc\"\n", "name = \"noc\"\n"),
        ];
        for (text, want) in cases {
            assert_eq!(blot_out_secrets(text), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn blotting_keeps_every_byte_in_its_place(text in "(token|x|é|=|\"|'|\n| |://|@|#|\"\"\"|[a-z]){0,40}") {
            let blotted = blot_out_secrets(&text);
            proptest::prop_assert_eq!(blotted.len(), text.len());
            proptest::prop_assert_eq!(blotted.matches('\n').count(), text.matches('\n').count());
        }
    }
}
