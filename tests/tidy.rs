//! The house rules that a compiler does not know: import order, what a module may not do, the form of a file.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file: its path from the root, and its text without comments and without its tests.
struct Source {
    path: String,
    whole: String,
    code: String,
}

impl Source {
    /// The module under `src/` it belongs to.
    fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?;
        Some(path.split(['/', '.']).next().unwrap_or(path))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of the project").flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no sources under {folder}");
    paths
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).expect("a source file");
            let code = whole.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>();
            Source {
                path: path.strip_prefix(root()).expect("under the root").to_string_lossy().into_owned(),
                code: code.join("\n"),
                whole,
            }
        })
        .collect()
}

/// The modules in the order `src/lib.rs` declares them.
fn order() -> Vec<String> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// The modules a piece of code names behind `crate::`.
fn named(code: &str) -> Vec<&str> {
    code.match_indices("crate::")
        .map(|(at, word)| &code[at + word.len()..])
        .map(|rest| rest.split(|sign: char| !sign.is_alphanumeric() && sign != '_').next().unwrap_or(rest))
        .collect()
}

#[test]
fn a_module_uses_only_those_declared_above_it() {
    let order = order();
    let mut wrong = Vec::new();
    for source in sources("src") {
        let Some(module) = source.module().filter(|module| !["lib", "main"].contains(module)) else {
            continue;
        };
        let own = order.iter().position(|name| name == module);
        let own = own.unwrap_or_else(|| panic!("{}: `{module}` is not declared in src/lib.rs", source.path));
        for used in named(&source.code) {
            if order.iter().position(|name| name == used).is_some_and(|place| place > own) {
                wrong.push(format!("{} uses crate::{used}, which is declared below `{module}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_module_does_not_do_what_it_must_not() {
    let bans: [(&str, &[&str], &str); 7] = [
        (
            "src/rules",
            &[
                "async ",
                ".await",
                "tokio",
                "sqlx",
                "std::net",
                "std::fs",
                "Instant::now",
                "Timestamp::now",
                "SystemTime",
            ],
            "rules decide: no waiting, no clock, no database, no socket",
        ),
        ("src/message", &["crate::rules", "tokio", "sqlx"], "the nouns know nothing else"),
        ("src/smpp", &["crate::store"], "the wire remembers nothing"),
        ("src/store", &["crate::smpp", "crate::rules::inbound"], "the memory decides nothing"),
        (
            "protocol/src",
            &["tokio", "std::net", "std::fs", "Instant::now", "SystemTime", "println!"],
            "the protocol has the network taken out; time is an argument",
        ),
        ("src/cli", &[" println!", " print!("], "`say!` ends quietly where nobody reads any more"),
        ("src", &["SystemTime::now", "Timestamp::now"], "only src/clock.rs reads the time of day"),
    ];
    let all: Vec<Source> = sources("src").into_iter().chain(sources("protocol/src")).collect();
    let mut wrong = Vec::new();
    for (place, words, why) in bans {
        for source in all.iter().filter(|source| source.path.starts_with(place)) {
            if place == "src" && source.path == "src/clock.rs" {
                continue;
            }
            for word in words.iter().filter(|word| source.code.contains(**word)) {
                wrong.push(format!("{}: `{word}` ({why})", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_says_what_it_is_for_and_has_one_subject() {
    /// A file past this has two subjects. Tables of facts (the shift tables) are one however long.
    const LINES: usize = 600;
    let mut wrong = Vec::new();
    for source in ["src", "protocol/src", "tests", "protocol/tests"].into_iter().flat_map(sources) {
        if !source.whole.starts_with("//! ") {
            wrong.push(format!("{}: its first line does not say what it is for", source.path));
        }
        let lines = source.whole.lines().count();
        if lines > LINES && !source.path.contains("/shift") {
            wrong.push(format!("{}: {lines} lines; it has more than one subject", source.path));
        }
        for word in ["util", "manager", "helper", "common", "misc"] {
            if source.path.split(['/', '.', '_']).any(|part| part == word || part == format!("{word}s")) {
                wrong.push(format!("{}: `{word}` says nothing", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tests_wait_for_events_and_never_sleep() {
    let wrong: Vec<String> = ["tests", "protocol/tests"]
        .into_iter()
        .flat_map(sources)
        // Postgres is another program: whether it is up can only be asked again and again.
        .filter(|source| !["tests/tidy.rs", "tests/support/postgres.rs"].contains(&source.path.as_str()))
        .filter(|source| source.code.contains("::sleep(") || source.code.contains(" sleep("))
        .map(|source| format!("{} sleeps", source.path))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
