//! Writing JSON straight into bytes: the few forms that our lines are made of.

use model::Timestamp;
use std::io::Write;

/// A text with its quotes.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (i, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..i]);
        from = i + 1;
        let short = match b {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(b >> 4)]);
                out.push(HEX[usize::from(b & 15)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// `,"key":` where the key is one of ours and needs no escaping.
pub(crate) fn key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// `,"key":"text"`.
pub(crate) fn text_of(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    text(out, value);
}

/// `,"key":"word"` where the word is one of ours and needs no escaping.
pub(crate) fn word_of(out: &mut Vec<u8>, name: &str, word: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// `,"key":"2026-11-24T02:15:00.250Z"`.
pub(crate) fn time_of(out: &mut Vec<u8>, name: &str, at: Timestamp) {
    key(out, name);
    time(out, at);
}

/// `"2026-11-24T02:15:00.250Z"`.
pub(crate) fn time(out: &mut Vec<u8>, at: Timestamp) {
    let mut buf = [0u8; 24];
    at.write_rfc3339(&mut buf);
    out.push(b'"');
    out.extend_from_slice(&buf);
    out.push(b'"');
}

/// `,"key":17`.
pub(crate) fn count_of(out: &mut Vec<u8>, name: &str, n: u64) {
    key(out, name);
    count(out, n);
}

/// `17`.
pub(crate) fn count(out: &mut Vec<u8>, mut n: u64) {
    let mut buf = [0u8; 20];
    let mut at = buf.len();
    loop {
        at -= 1;
        buf[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&buf[at..]);
}

/// The shortest digits that read back to the same number; whole ones without a point.
/// A number that is none (NaN, ∞) cannot be said in JSON: the caller leaves it out.
pub(crate) fn number(out: &mut Vec<u8>, v: f64) {
    const WHOLE: f64 = 9_007_199_254_740_992.0; // 2^53: below it every whole number is exact
    if v.fract() == 0.0 && v.abs() < WHOLE && (v != 0.0 || v.is_sign_positive()) {
        if v < 0.0 {
            out.push(b'-');
        }
        count(out, v.abs() as u64);
    } else if serde_json::to_writer(&mut *out, &v).is_err() {
        // A Vec takes every byte; the form is serde_json's, which knows every finite number.
        let _ = write!(out, "{v:e}");
    }
}

/// `,"key":["a","b"]`.
pub(crate) fn list_of<T: AsRef<str>>(out: &mut Vec<u8>, name: &str, list: &[T]) {
    key(out, name);
    out.push(b'[');
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        text(out, item.as_ref());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_reads_back(t in any::<String>()) {
            let mut out = Vec::new();
            text(&mut out, &t);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), t);
        }

        #[test]
        fn any_number_reads_back(v in prop_oneof![
            proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            (-1_000_000i64..1_000_000).prop_map(|v| v as f64),
            (-1_000_000i64..1_000_000).prop_map(|v| v as f64 / 1000.0),
        ]) {
            let mut out = Vec::new();
            number(&mut out, v);
            let back: f64 = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(back.to_bits(), v.to_bits());
        }

        #[test]
        fn any_count_reads_back(n in any::<u64>()) {
            let mut out = Vec::new();
            count(&mut out, n);
            prop_assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        }
    }
}
