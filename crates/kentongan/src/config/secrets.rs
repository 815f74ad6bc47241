//! Secrets: beside the other settings, or in files of their own.

use super::read::Key;
use super::report::Finding;
use super::units::Secret;
use super::why;
use secrecy::SecretString;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// No secret is longer; a file that is, is none.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// What was found out about a secret.
pub(super) enum Found {
    /// Nothing was written.
    Absent,
    /// It cannot be used, and that has been reported.
    Bad,
    /// This.
    Secret(SecretString),
}

impl Found {
    pub fn ok(self) -> Option<SecretString> {
        match self {
            Found::Secret(s) => Some(s),
            _ => None,
        }
    }
}

/// The secret that is given as it is, or by the name of a file.
pub(super) fn secret(
    folder: &Path,
    given: &Key<Secret>,
    file: &Key<String>,
    findings: &mut Vec<Finding>,
) -> Found {
    let (file, place) = match (given, file) {
        (Key::Absent, Key::Absent) => return Found::Absent,
        (Key::Set(secret, _), Key::Absent) => return Found::Secret(secret.0.clone()),
        (Key::Absent, Key::Set(file, place)) => (file, *place),
        (Key::Set(..), Key::Set(_, place)) => {
            let message = "the secret is given twice: as it is, and as the name of a file";
            findings.push(Finding::error(
                *place,
                message,
                "remove one of them; the file is better",
            ));
            return Found::Bad;
        }
        _ => return Found::Bad,
    };
    let path = folder.join(file);
    match read(&path) {
        Ok(text) if text.trim().is_empty() => {
            let message = format!("{} is empty", path.display());
            findings.push(Finding::error(
                place,
                message,
                "put the secret into it, and nothing else",
            ));
            Found::Bad
        }
        Ok(text) => {
            findings.extend(too_open(&path).map(|(m, h)| Finding::warning(place, m, h)));
            Found::Secret(SecretString::from(text.trim()))
        }
        Err(e) => {
            let message = format!("cannot read {}: {}", path.display(), why(&e));
            let help = "paths are relative to the folder of the configuration; the file must be readable for the user that kentongan runs as";
            findings.push(Finding::error(place, message, help));
            Found::Bad
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// What to say about a secret that everybody on the machine can read.
pub(super) fn too_open(path: &Path) -> Option<(String, String)> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        let path = path.display();
        (format!("everybody on this machine can read {path}"), format!("chmod o-rwx {path}"))
    })
}
