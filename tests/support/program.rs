//! The program as its users run it: the binary, its folders, its output.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary, with nothing from the environment that would change what it prints.
pub fn backchat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backchat"));
    command.env_remove("BACKCHAT_LOG").env_remove("BACKCHAT_CONFIG").env("NO_COLOR", "1");
    command
}

/// What a run printed.
pub fn printed(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("output in UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

/// A whole number in a JSON document.
pub fn number(document: &Value, pointer: &str) -> i64 {
    document
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_else(|| panic!("no number at {pointer} in {document}"))
}

/// A demo in a folder of its own.
pub struct Demo {
    folder: tempfile::TempDir,
    store: String,
    contacts: u64,
    seed: u64,
}

impl Demo {
    pub fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, store: store.to_owned(), contacts: 100, seed: 1 }
    }

    pub fn contacts(self, contacts: u64) -> Self {
        Self { contacts, ..self }
    }

    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    fn command(&self) -> Command {
        let mut command = backchat();
        command
            .args(["demo", "--json", "--store", &self.store])
            .args(["--contacts", &self.contacts.to_string(), "--seed", &self.seed.to_string()])
            .arg("--folder")
            .arg(self.path());
        command
    }

    /// Runs it to its end; its report.
    pub fn run_to_its_end(&self) -> Value {
        let output = self.command().output().expect("the program runs");
        let (out, err) = printed(&output);
        assert!(output.status.success(), "{err}\n{out}");
        serde_json::from_str(&out).expect("a JSON report")
    }

    /// Runs another command on what it left; its document.
    pub fn look(&self, args: &[&str]) -> Value {
        let config = self.path().join("backchat.toml");
        let output = backchat().args(args).arg("--config").arg(config).output().expect("the program runs");
        let (out, err) = printed(&output);
        assert!(output.status.success(), "{err}\n{out}");
        serde_json::from_str(&out).expect("a JSON document")
    }

    /// Starts it and kills it (SIGKILL) when it has said so often that outcomes are on disk.
    pub fn kill_after_commits(&self, commits: usize) {
        let mut child = self
            .command()
            .env("BACKCHAT_LOG", "backchat::flow=debug")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let lines = BufReader::new(child.stderr.take().expect("its standard error")).lines();
        let seen = lines
            .map_while(Result::ok)
            .filter(|line| line.contains("outcomes are on disk"))
            .take(commits)
            .count();
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        assert_eq!(seen, commits, "it ended by itself before it could be killed");
    }
}

/// A file of the repository.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
