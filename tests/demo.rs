//! The demo, on both stores: every promise it prints is a figure, and every figure is checked.

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use program::{Demo, number};

fn check_whole_demo(store: &str) {
    let demo = Demo::new(store).contacts(1_000).seed(1);
    let report = demo.run_to_its_end();
    let accepted = number(&report, "/accepted");
    assert_eq!(accepted, 1_000, "every contact of the file is accepted");
    assert_eq!(number(&report, "/sent"), accepted - number(&report, "/suppressed"));
    let in_states: i64 =
        report["states"].as_array().expect("states").iter().map(|state| number(state, "/count")).sum();
    assert_eq!(in_states, accepted, "each message is in one state: {}", report["states"]);
    for state in report["all_states"].as_object().expect("states").keys() {
        let is_final =
            ["delivered", "undeliverable", "expired", "rejected", "suppressed"].contains(&state.as_str());
        assert!(is_final, "{state} is no final state");
    }
    assert_eq!(number(&report, "/sends_after_stop"), 0);
    assert_eq!(number(&report, "/duplicates"), 0);
    assert_eq!(number(&report, "/in_doubt"), 0);
    assert!(number(&report, "/opted_out") > 20, "some people say STOP");
    assert!(number(&report, "/asked_again") > 20, "some replies are doubtful");
    let answers: i64 =
        report["answers"].as_array().expect("answers").iter().map(|answer| number(answer, "/count")).sum();
    assert!(answers > 300, "people answer: {answers}");
    assert_eq!(number(&report, "/reading/wrong"), 0, "{}", report["reading"]);
    assert_eq!(number(&report, "/reading/lost"), 0, "{}", report["reading"]);
    let (right, asked) = (number(&report, "/reading/right"), number(&report, "/reading/asked"));
    assert!(right * 100 >= (right + asked) * 98, "98 % are read right: {right} right, {asked} asked about");
    let again = demo.look(&["replay", "--survey", "exit", "--json"]);
    assert!(number(&again, "/replies") > 500, "the replies to the survey: {}", again["replies"]);
    assert_eq!(again["changed"], serde_json::json!([]), "the same packs read them as they were read");
}

#[test]
fn a_thousand_people_are_asked_understood_and_left_alone_after_stop_on_sqlite() {
    check_whole_demo("sqlite");
}

#[test]
fn a_thousand_people_are_asked_understood_and_left_alone_after_stop_on_postgres() {
    check_whole_demo(&postgres::database_url("demo"));
}

#[test]
fn a_finished_demo_is_left_as_it_is_and_the_next_one_gets_a_folder_of_its_own() {
    let demo = Demo::new("sqlite").contacts(20).seed(3);
    let first = demo.run_to_its_end();
    let second = demo.run_to_its_end();
    assert_ne!(first["folder"], second["folder"]);
    assert_eq!(number(&second, "/accepted"), 20);
}
