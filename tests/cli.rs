//! Bad input on the command line: each a clear message with its place and what would be right, and nothing half done.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use program::{backchat, printed, project};

/// A configuration in a folder of its own, with the shipped exit survey and a carrier nobody listens for.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let setup = Self { folder };
        let config = fs::read_to_string(project("config/minimal.toml")).expect("config/minimal.toml");
        setup.write("backchat.toml", &config);
        let survey = fs::read_to_string(project("config/surveys/exit.toml")).expect("the exit survey");
        setup.write("surveys/exit.toml", &survey);
        setup
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn run(&self, args: &[&str]) -> Output {
        backchat().current_dir(self.path()).args(args).output().expect("the program runs")
    }

    /// Runs it and takes its refusal: exit code, and what it said.
    fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let (out, err) = printed(&output);
        assert!(!output.status.success(), "not refused: {out}{err}");
        (output.status.code().expect("an exit code"), err)
    }
}

fn holds_all(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn a_contact_file_with_broken_rows_is_refused_with_every_line_and_nothing_is_imported() {
    let setup = Setup::new();
    let broken = fs::read_to_string(project("fixtures/contacts/broken.csv")).expect("the broken file");
    setup.write("people.csv", &broken);
    let (code, said) = setup.refused(&["campaign", "exit", "--survey", "exit", "--contacts", "people.csv"]);
    assert_eq!(code, 2);
    holds_all(&said, &["people.csv:3", "people.csv:4", "nothing was imported", "--skip-broken"]);
    let (_, said) = setup.refused(&["replies"]);
    holds_all(&said, &["no replies"]);

    let output = setup.run(&[
        "campaign",
        "exit",
        "--survey",
        "exit",
        "--contacts",
        "people.csv",
        "--skip-broken",
        "--json",
    ]);
    let (out, err) = printed(&output);
    assert!(output.status.success(), "{err}");
    let imported: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(
        program::number(&imported, "/accepted") >= 2 && program::number(&imported, "/refused") >= 10,
        "{out}"
    );
}

#[test]
fn a_contact_file_whose_number_column_cannot_be_found_is_refused_by_its_header() {
    let setup = Setup::new();
    setup.write("people.csv", "name,nubmer\nAnn,+447700900001\n");
    let (code, said) = setup.refused(&["campaign", "exit", "--survey", "exit", "--contacts", "people.csv"]);
    assert_eq!(code, 2);
    holds_all(&said, &["people.csv:1", "number"]);
}

#[test]
fn an_unknown_key_in_the_configuration_is_refused_with_its_line_and_a_suggestion() {
    let setup = Setup::new();
    let config = fs::read_to_string(setup.path().join("backchat.toml")).expect("the configuration");
    setup.write("backchat.toml", &config.replace("rate =", "rat ="));
    for command in [&["check", "backchat.toml"][..], &["serve", "--config", "backchat.toml"]] {
        let (code, said) = setup.refused(command);
        assert_eq!(code, 2);
        holds_all(&said, &["backchat.toml:", "`rat`", "did you mean `rate`"]);
    }
    assert!(!setup.path().join("backchat.db").exists(), "nothing is begun with a wrong configuration");
}

#[test]
fn a_wrong_survey_is_refused_with_its_own_file_and_line() {
    let setup = Setup::new();
    let survey = fs::read_to_string(setup.path().join("surveys/exit.toml")).expect("the survey");
    setup.write("surveys/exit.toml", &survey.replacen("3 = \"too expensive\"", "3 = \"stop\"", 1));
    let (code, said) = setup.refused(&["check", "backchat.toml"]);
    assert_eq!(code, 2);
    holds_all(&said, &["surveys/exit.toml:", "stop"]);
}

#[test]
fn an_unknown_survey_is_refused_with_those_there_are() {
    let setup = Setup::new();
    setup.write("people.csv", "number\n+447700900001\n");
    let (code, said) = setup.refused(&["campaign", "x", "--survey", "exlt", "--contacts", "people.csv"]);
    assert_eq!(code, 2);
    holds_all(&said, &["`exlt`", "exit"]);
}

#[test]
fn a_database_that_is_not_ours_is_left_alone() {
    let setup = Setup::new();
    setup.write(
        "backchat.db",
        "this is a letter to my aunt, and no database at all, long enough to be looked at twice",
    );
    let (code, said) = setup.refused(&["serve", "--config", "backchat.toml"]);
    assert_eq!(code, 4);
    holds_all(&said, &["backchat.db"]);
    let kept = fs::read_to_string(setup.path().join("backchat.db")).expect("the file");
    assert!(kept.starts_with("this is a letter"));
}

#[test]
fn a_port_in_use_is_said_with_the_port() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port();
    let setup = Setup::new();
    let config = fs::read_to_string(project("config/simulator.toml")).expect("config/simulator.toml");
    let config = config.replace(":2775\"", &format!(":{port}\""));
    assert!(config.contains(&port.to_string()), "the listen address is written as expected");
    setup.write("simulator.toml", &config);
    let (code, said) = setup.refused(&["simulate", "--config", "simulator.toml"]);
    assert_eq!(code, 4);
    holds_all(&said, &[&port.to_string(), "in use"]);
}

#[test]
fn why_and_replies_say_when_there_is_nothing_and_json_is_a_list() {
    let setup = Setup::new();
    setup.write("people.csv", "number\n+447700900001\n");
    let output = setup.run(&["campaign", "exit", "--survey", "exit", "--contacts", "people.csv"]);
    assert!(output.status.success(), "{}", printed(&output).1);
    let output = setup.run(&["replies", "--json"]);
    assert_eq!((output.status.code(), printed(&output).0.trim()), (Some(1), "[]"));
    let (code, said) = setup.refused(&["why", "+447700900999"]);
    assert_eq!(code, 1);
    holds_all(&said, &["+447700900999"]);
    let (code, said) = setup.refused(&["why", "hello"]);
    assert_eq!(code, 2);
    holds_all(&said, &["`hello`"]);
    // Without a server nobody plans the campaign: the person is in its audience, and no message is made yet.
    let output = setup.run(&["campaign", "progress", "exit", "--json"]);
    let progress: serde_json::Value = serde_json::from_str(&printed(&output).0).expect("JSON");
    assert_eq!((program::number(&progress, "/audience"), program::number(&progress, "/planned")), (1, 0));
}

#[test]
fn a_survey_is_put_to_one_handset_and_every_refusal_says_why() {
    let setup = Setup::new();
    let config = fs::read_to_string(setup.path().join("backchat.toml")).expect("the configuration");
    let served = config.replacen("number = \"88001\"\n", "number = \"88001\"\ncountries = [\"GB\"]\n", 1);
    setup.write("backchat.toml", &served);
    let start = |to: &'static str| ["survey", "start", "exit", "--to", to, "--language", "ro", "--json"];
    let output = setup.run(&start("+447700900001"));
    assert!(output.status.success(), "{}", printed(&output).1);
    let begun: serde_json::Value = serde_json::from_str(&printed(&output).0).expect("JSON");
    let text = |field: &str| begun[field].as_str().unwrap_or_default().to_owned();
    assert_eq!((text("state"), text("language")), ("queued".to_owned(), "ro".to_owned()), "{begun}");
    assert_eq!((text("from"), text("to")), ("88001".to_owned(), "+447700900001".to_owned()));
    assert_eq!(text("campaign"), "exit-operator");
    let why = printed(&setup.run(&["why", &text("message")])).0;
    holds_all(&why, &["+447700900001", "88001"]);

    let (code, said) = setup.refused(&start("+447700900001"));
    assert_eq!(code, 2);
    holds_all(&said, &["the survey `exit` is open with +447700900001 already"]);
    let (code, said) = setup.refused(&start("+6281234567890"));
    assert_eq!(code, 2);
    holds_all(&said, &["+6281234567890 is a number of ID; 88001 serves GB"]);
    assert!(setup.run(&["optout", "add", "+447700900002", "--reason", "letter"]).status.success());
    let (code, said) = setup.refused(&start("+447700900002"));
    assert_eq!(code, 2);
    holds_all(&said, &["has opted out", "START"]);
    let (_, said) = setup.refused(&["survey", "start", "exti", "--to", "+447700900003"]);
    holds_all(&said, &["there is no survey `exti`; the configuration has exit"]);
    let (_, said) = setup.refused(&["survey", "start", "exit", "--to", "+447700900003", "--code", "99999"]);
    holds_all(&said, &["99999 is no code that people can answer to; the configuration has 88001"]);
    let help = printed(&setup.run(&["survey", "start", "--help"])).0;
    holds_all(&help, &["Example", "backchat survey start"]);
}

#[test]
fn every_command_has_a_help_page_with_an_example() {
    for command in ["demo", "serve", "check", "simulate", "campaign", "replies", "why"] {
        let output = backchat().args([command, "--help"]).output().expect("the program runs");
        let (out, _) = printed(&output);
        assert!(output.status.success());
        holds_all(&out, &["Example", &format!("backchat {command}")]);
    }
}
