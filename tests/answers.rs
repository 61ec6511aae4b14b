//! Answers that come in while the gateway is killed over and over: each is registered once, under its own question, and each
//! person is thanked.
//!
//! By hand, many more, by the program as it is shipped; it tells how many a second:
//! `ANSWERS=100000 BACKCHAT=target/release/backchat cargo test --test answers -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backchat::message::{CampaignId, Msisdn};
use backchat::simulator::{Account, Settings, Simulator};
use backchat::store::{Access, Location, Options, Results, Store};

/// People asked in every run of the tests.
const ANSWERS: u64 = 3_000;
const KILLS: u64 = 4;
const FIRST: u64 = 447_700_000_000;
const CODE: &str = "88001";
/// Said at a time: the carrier does other things in between.
const AT_ONCE: u64 = 250;
/// What another process does is looked for so often: it tells us nothing by itself.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(600);

/// What people say to a question from 1 to 8, and how it is kept.
const SAID: [(&str, &str); 6] =
    [("3", "3"), ("7 better offer", "7"), ("two", "2"), ("I say 5", "5"), ("6.", "6"), ("number 1", "1")];

/// The answer after which the exit survey asks what went wrong.
const ASKED_MORE: &str = "5";

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        look.tick().await;
    }
}

fn backchat(folder: &Path) -> Command {
    let given = std::env::var("BACKCHAT").map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let mut command = Command::new(given.unwrap_or_else(|_| env!("CARGO_BIN_EXE_backchat").into()));
    command.env_remove("BACKCHAT_LOG").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn serve(folder: &Path) -> Child {
    backchat(folder).args(["serve", "--config", "answers.toml"]).env("BACKCHAT_LOG", "error").spawn().unwrap()
}

fn kill(mut gateway: Child) {
    gateway.kill().unwrap();
    gateway.wait().unwrap();
}

async fn answers_under_kills(store: &str, location: Location) {
    let answers = std::env::var("ANSWERS").ok().and_then(|count| count.parse().ok()).unwrap_or(ANSWERS);
    let account = Account { system_id: "esme".into(), password: "secret".into() };
    let carrier = Simulator::start(Settings { accounts: vec![account], ..Settings::plain() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let exit = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/surveys/exit.toml");
    let config = format!(
        "surveys = [{exit:?}]\n[hours]\nenforce = \"never\"\n[store]\n{store}\n\
         [[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"esme\"\n\
         password = \"plain:secret\"\nrate = \"20000/s\"\nwindow = 100\nreconnect = {{ min = \"100ms\", max = \"1s\" }}\n\
         [[code]]\nnumber = \"{CODE}\"\ncarrier = \"main\"\nbrand = \"Backchat\"\nlanguages = [\"en\"]\n",
        carrier.address().port()
    );
    std::fs::write(folder.path().join("answers.toml"), config).unwrap();
    let mut contacts = String::from("number,language\n");
    for number in FIRST..FIRST + answers {
        writeln!(contacts, "+{number},en").unwrap();
    }
    std::fs::write(folder.path().join("contacts.csv"), contacts).unwrap();

    let mut gateway = serve(folder.path());
    let import =
        ["campaign", "asked", "--survey", "exit", "--contacts", "contacts.csv", "--config", "answers.toml"];
    assert!(backchat(folder.path()).args(import).status().unwrap().success());
    until("everybody is asked", || carrier.census().submits >= answers).await;
    until("every receipt is taken", || carrier.is_idle()).await;

    let (began, mut said, mut kills) = (Instant::now(), 0, 0);
    while said < answers {
        for person in said..(said + AT_ONCE).min(answers) {
            let (words, _) = SAID[(person % SAID.len() as u64) as usize];
            carrier.say(Msisdn(FIRST + person), CODE, words).await;
        }
        said = (said + AT_ONCE).min(answers);
        // in the middle of what it has just begun to take
        if said * (KILLS + 1) / answers > kills && kills < KILLS {
            let taken = carrier.census().replies_acknowledged;
            until("it takes some", || carrier.census().replies_acknowledged > taken).await;
            kill(gateway);
            gateway = serve(folder.path());
            kills += 1;
        }
    }
    until("every answer is taken", || carrier.census().replies_acknowledged >= answers).await;
    let seconds = began.elapsed().as_secs_f64();
    until("everybody is thanked, and no receipt is left", || {
        let census = carrier.census();
        census.submits - census.duplicates >= 2 * answers && carrier.is_idle()
    })
    .await;
    kill(gateway);
    println!("{answers} answers with {kills} kills between: {:.0} a second", answers as f64 / seconds);

    let location = match location {
        Location::Sqlite(file) => Location::Sqlite(folder.path().join(file)),
        other => other,
    };
    let options = Options { now_ms: 0, access: Access::Look, ..Options::default() };
    let store = Store::open(&location, options).await.unwrap();
    let results = store.results(&CampaignId("asked".to_owned())).await.unwrap();
    assert_eq!(values(&results), expected(answers), "each answer counts once, as it was said");
    assert_eq!(results.replies.values().sum::<i64>(), answers.cast_signed(), "and its words are kept once");
    let asked_more = values(&results)[ASKED_MORE];
    let complete = answers.cast_signed() - asked_more;
    let wanted = [("complete".to_owned(), complete), ("open".to_owned(), asked_more)];
    assert_eq!(results.invitations, BTreeMap::from(wanted));
    carrier.stop().await;
}

fn values(results: &Results) -> BTreeMap<String, i64> {
    results.answers.iter().map(|answer| (answer.value.clone(), answer.count)).collect()
}

fn expected(answers: u64) -> BTreeMap<String, i64> {
    let mut expected = BTreeMap::new();
    for person in 0..answers {
        let (_, value) = SAID[(person % SAID.len() as u64) as usize];
        *expected.entry(value.to_owned()).or_default() += 1;
    }
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_registered_once_whatever_kills_the_gateway_on_sqlite() {
    answers_under_kills("sqlite = \"answers.db\"", Location::Sqlite("answers.db".into())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_registered_once_whatever_kills_the_gateway_on_postgres() {
    if postgres::wanted() {
        let url = postgres::database_url("answers");
        answers_under_kills(&format!("postgres = \"{url}\""), Location::Postgres(url)).await;
    }
}
