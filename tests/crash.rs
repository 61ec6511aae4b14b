//! kill -9 in the middle of a demo, ten times over, on both stores: nothing accepted is lost, and what left twice is on the
//! list of what was in doubt.

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use program::{Demo, number};

/// Commits after which the program is killed, each in a run of its own on the same folder: from the first outcome on disk
/// to the middle of the replies.
const KILLED_AFTER: [usize; 10] = [1, 2, 3, 5, 8, 13, 2, 21, 1, 4];
/// What one bind may have out at a kill: its window, and a slice of a fifth of a second.
const IN_DOUBT_AT_A_KILL: i64 = 10 + 50;

fn check_ten_kills(store: &str) {
    let demo = Demo::new(store).contacts(600).seed(11);
    for commits in KILLED_AFTER {
        demo.kill_after_commits(commits);
    }
    let report = demo.run_to_its_end();
    let accepted = number(&report, "/accepted");
    assert_eq!(accepted, 600);
    let finals: i64 =
        report["states"].as_array().expect("states").iter().map(|state| number(state, "/count")).sum();
    assert_eq!(finals, accepted, "each message is in one final state: {}", report["states"]);
    let (duplicates, in_doubt) = (number(&report, "/duplicates"), number(&report, "/in_doubt"));
    // A message in doubt that had arrived, and whose person said STOP before it was sent again, is both.
    let both = number(&report, "/sent") + number(&report, "/suppressed") - accepted;
    assert!((0..=in_doubt).contains(&both), "none is lost: {report}");
    assert!(duplicates <= in_doubt, "{duplicates} arrived twice, {in_doubt} are listed as in doubt");
    let kills = i64::try_from(KILLED_AFTER.len()).expect("ten");
    assert!(in_doubt > 0, "a kill in the middle leaves something in doubt");
    assert!(in_doubt <= kills * IN_DOUBT_AT_A_KILL, "{in_doubt} in doubt after {kills} kills");
    assert_eq!(number(&report, "/sends_after_stop"), 0);
    assert_eq!(number(&report, "/reading/lost"), 0, "{}", report["reading"]);
    assert_eq!(number(&report, "/reading/wrong"), 0, "{}", report["reading"]);
}

#[test]
fn ten_kills_lose_nothing_and_list_every_doubt_on_sqlite() {
    check_ten_kills("sqlite");
}

#[test]
fn ten_kills_lose_nothing_and_list_every_doubt_on_postgres() {
    check_ten_kills(&postgres::database_url("crash"));
}
