//! A configuration file as it lies on the disk: bounded, UTF-8, and shown without its secrets.

use std::io::{self, Read};
use std::path::Path;

use crate::config::problem::nearest;

/// Longest file read: a thousand carriers fit, a data file named by mistake doesn't.
const FILE_OCTETS: u64 = 1024 * 1024;
/// Reads a text file, bounded, as UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, (String, String)> {
    let opened = std::fs::File::open(path).and_then(|file| {
        let mut octets = Vec::new();
        file.take(FILE_OCTETS + 1).read_to_end(&mut octets).map(|_| octets)
    });
    let octets = opened.map_err(|error| not_opened(path, &error))?;
    if octets.len() as u64 > FILE_OCTETS {
        let hint = "a configuration is a text file of some kilobytes".to_owned();
        return Err((format!("is longer than {FILE_OCTETS} octets"), hint));
    }
    String::from_utf8(octets).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|octet| **octet == b'\n').count() + 1;
        (format!("is not UTF-8 (line {line})"), "save it as UTF-8".to_owned())
    })
}

/// What to say when a file can't be opened.
pub(in crate::config) fn not_opened(path: &Path, error: &io::Error) -> (String, String) {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let hint = beside(path).map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            ("there is no such file".to_owned(), hint)
        }
        io::ErrorKind::IsADirectory => ("this is a folder".to_owned(), "name the file in it".to_owned()),
        io::ErrorKind::PermissionDenied => (
            "we may not read this file".to_owned(),
            "give the user who runs this the right to read it".to_owned(),
        ),
        _ => (format!("cannot be read: {error}"), String::new()),
    }
}

/// A file in the same folder whose name is like the one not found.
fn beside(path: &Path) -> Option<String> {
    /// Folders larger than this aren't looked through for a hint.
    const LOOKED_AT: usize = 1_000;
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .take(LOOKED_AT)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let near = nearest(wanted, names.iter().map(String::as_str))?;
    Some(near.to_owned())
}

/// The text with what stands behind a password blanked out, octet for octet, so that places stay true. Works on
/// lines, so that it holds for a file that can't be parsed too.
pub(super) fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        let secret = ["pass", "secret", "postgres"].iter().filter_map(|word| lower.find(word)).min();
        let Some(value_at) = secret.and_then(|at| line[at..].find(['=', ':']).map(|sign| at + sign + 1))
        else {
            out.push_str(line);
            continue;
        };
        let (head, tail) = line.split_at(value_at);
        out.push_str(head);
        out.push_str(&blanked(tail));
    }
    out
}

/// Blanks every letter and digit of a value, but for references that tell nothing: `env:NAME`, `file:PATH`.
fn blanked(value: &str) -> String {
    let inner = value.trim_start().trim_start_matches(['"', '\'']);
    if inner.starts_with("env:") || inner.starts_with("file:") {
        return value.to_owned();
    }
    let kept = value.len() - inner.strip_prefix("plain:").unwrap_or(inner).len();
    let (head, tail) = value.split_at(kept);
    let blank = |sign: char| match sign {
        '"' | '\'' | '\r' | '\n' | ',' | '}' | ' ' => sign.to_string(),
        other => "*".repeat(other.len_utf8()),
    };
    head.chars().map(String::from).chain(tail.chars().map(blank)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_ever_shown_whatever_the_state_of_the_file() {
        for line in [
            "password = \"hunter2\"",
            "password = 'hunter2'",
            "password = hunter2",
            "PASSWORD=\"hunter2\" # or hunter2",
            "accounts = [{ system_id = \"a\", password = \"hunter2\" }]",
            "postgres = \"postgres://me:hunter2@db/x\"",
            "password = \"plain:hunter2\"",
            "pass: hunter2",
        ] {
            let shown = without_secrets(line);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.len(), line.len(), "places stay true");
        }
        assert_eq!(without_secrets("password = \"env:NAME\""), "password = \"env:NAME\"");
    }
}
