//! `backchat read` on every file of replies: at least 98 % right, no value guessed, no opt-out invented or missed.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use program::{backchat, project};

fn read(args: &[&str], input: &str) -> Output {
    let mut child = backchat()
        .arg("read")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_file_of_replies_is_read_right_and_nothing_is_guessed() {
    let mut files = 0;
    for entry in fs::read_dir(project("fixtures/replies")).expect("the fixtures") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|end| end != "csv") {
            continue;
        }
        let rows = fs::read_to_string(&path).expect("a file of replies");
        let surveys = project("fixtures/replies/surveys.toml").display().to_string();
        let printed = out(&read(&["--surveys", &surveys, "--score", "--json"], &rows));
        let score: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        let figure = |name: &str| score[name].as_u64().expect("a figure");
        let told = format!("{}: {:#}", path.display(), score["wrong"]);
        assert!(figure("rows") >= 400 && figure("right") * 100 >= figure("rows") * 98, "{told}");
        for never in ["guessed_values", "wrong_values", "false_opt_outs", "missed_opt_outs"] {
            assert_eq!(figure(never), 0, "{never} in {told}");
        }
        files += 1;
    }
    assert!(files >= 4, "{files} files of replies");
}

#[test]
fn rows_come_back_with_one_column_more_and_everything_else_as_it_was() {
    let rows = "id,text,language,context\n7,\"3, too\nexpensive\",en,exit_1_8\n8,BERHENTI,id,none\n9,hm,,\n";
    let expected = "id,text,language,context,read\n7,\"3, too\nexpensive\",en,exit_1_8,answer:3\n\
                    8,BERHENTI,id,none,optout\n9,hm,,,freetext\n";
    assert_eq!(out(&read(&[], rows)), expected);
}

#[test]
fn a_reading_says_by_which_rule_and_packs_and_where_each_candidate_stands() {
    let rows = "text,language,context\n\"ich nehme die 5, nein, 3\",de,exit_1_8\n";
    let line: serde_json::Value = serde_json::from_str(&out(&read(&["--json"], rows))).expect("JSON");
    let spans: Vec<_> = line["candidates"].as_array().expect("candidates").iter().collect();
    assert_eq!(spans.len(), 2, "{line}");
    let text = line["text"].as_str().expect("the text");
    for (candidate, digit) in spans.iter().zip(["5", "3"]) {
        let place =
            |name: &str| usize::try_from(candidate["span"][name].as_u64().expect("a place")).expect("small");
        assert_eq!(&text[place("start")..place("end")], digit, "{line}");
    }
    assert!(!line["rule"].as_str().expect("a rule").is_empty());
    assert!(line["packs"].as_str().expect("a version").starts_with("20"), "{line}");
}

#[test]
fn other_packs_are_read_by_without_a_release() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = fs::read_to_string(project("config/packs/words.toml")).expect("the words");
    let words = words.replacen("every_language_stop = [", "every_language_stop = [\"FLUMMOX\", ", 1);
    fs::write(folder.path().join("words.toml"), words).expect("a file");
    let rows = "text\nflummox\n";
    let packs = folder.path().display().to_string();
    assert_eq!(out(&read(&[], rows)), "text,read\nflummox,freetext\n");
    assert_eq!(out(&read(&["--packs", &packs], rows)), "text,read\nflummox,optout\n");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place_and_what_would_be_right() {
    for (args, rows, telling) in [
        (&[][..], "message\nSTOP\n", "no column `text`"),
        (&[], "text,context\nhi,none\n3,exit\n", "line 3: no survey `exit`; there is none, exit_1_8"),
        (&["--score"], "text\nSTOP\n", "no column `expected`"),
        (&["--packs", "no-such-folder"], "text\nSTOP\n", "no-such-folder holds no pack"),
    ] {
        let output = read(args, rows);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(telling), "{said}");
    }
}
