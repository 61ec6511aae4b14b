//! Consent as its operators use it: the commands, on both stores, and a server that hears of what they do.

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use backchat::app::{Server, open_store};
use backchat::clock::Clock;
use backchat::config;
use backchat::message::{Msisdn, Scope};
use backchat::rules::machines::gate::Verdict;
use backchat::store::{Access, Channel, ConsentChange, ConsentKind, Evidence};
use program::{backchat, number, printed};
use serde_json::Value;

/// A folder with a configuration.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!(
            "[store]\n{store}\nerasure_key = \"plain:a key\"\n[[carrier]]\nname = \"town\"\nhost = \"127.0.0.1\"\n\
             port = 1\nsystem_id = \"town\"\npassword = \"plain:town\"\n[[code]]\nnumber = \"88001\"\n\
             carrier = \"town\"\nbrand = \"Town\"\nprogrammes = [\"promo\"]\n"
        );
        std::fs::write(folder.path().join("town.toml"), text).expect("a configuration");
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// Runs a command; its last arguments name the configuration.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = backchat();
        command.current_dir(self.folder.path()).args(args).args(["--config", "town.toml"]);
        command.output().expect("the program runs")
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        let (out, err) = printed(&output);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
    }
}

const WHO: &str = "+447700900123";

fn check_operators_day(store: &str) {
    let desk = Desk::new(store);
    let added = desk.run(&["optout", "add", WHO, "--reason", "by mail, ticket 4711", "--by", "ana"]);
    assert!(added.status.success(), "{:?}", printed(&added));
    let shown = desk.json(&["consent", "show", WHO, "--json"]);
    assert_eq!(shown["opted_out"][0]["scope"], "all");
    let change = &shown["changes"][0];
    assert_eq!((&change["actor"], &change["channel"]), (&Value::from("ana"), &Value::from("operator")));
    assert_eq!(change["evidence"]["note"], "by mail, ticket 4711");
    assert_eq!(change["intact"], true);
    let (text, _) = printed(&desk.run(&["consent", "show", WHO]));
    assert!(text.contains("opted out of all since") && text.contains("ticket 4711"), "{text}");

    let removed = desk.run(&["optout", "remove", WHO, "--scope", "sender:88001", "--reason", "mistake"]);
    assert_eq!(removed.status.code(), Some(1), "there is no such opt-out: {:?}", printed(&removed));
    assert!(desk.run(&["optout", "remove", WHO, "--reason", "mistake"]).status.success());
    assert_eq!(desk.run(&["optout", "list"]).status.code(), Some(1), "nobody is opted out");

    let verified = desk.json(&["consent", "verify", "--json"]);
    assert_eq!((number(&verified, "/changes"), number(&verified, "/fault_count")), (2, 0));
    let noted = format!("{}:{}", verified["head"]["seq"], verified["head"]["hash"].as_str().expect("a hash"));
    assert!(desk.run(&["consent", "verify", "--noted", &noted]).status.success());
    let wrong = format!("1:{}", "0".repeat(64));
    assert_eq!(desk.run(&["consent", "verify", "--noted", &wrong]).status.code(), Some(3));
}

fn check_lists(store: &str) {
    let desk = Desk::new(store);
    let mut list = "number,scope,date,source\n".to_owned();
    for person in 0..5_000 {
        list += &format!("+{},sender:88001,2026-03-01,old provider\n", 447_700_900_000_u64 + person);
    }
    desk.write("broken.csv", &format!("{list}07700900123,,,\nx,,soon,\n"));
    let refused = desk.run(&["optout", "import", "broken.csv", "--source", "test"]);
    let (_, told) = printed(&refused);
    assert_eq!(refused.status.code(), Some(2));
    assert!(told.contains("broken.csv:5002:") && told.contains("broken.csv:5003:"), "{told}");
    assert!(told.contains("2 of 5,002 rows cannot be read; nothing was imported"), "{told}");

    let import = ["optout", "import", "broken.csv", "--source", "test", "--skip-broken", "--json"];
    let first = desk.json(&import);
    assert_eq!((number(&first, "/changed"), number(&first, "/broken")), (5_000, 2), "{first}");
    let again = desk.json(&import);
    assert_eq!(number(&again, "/earlier"), 5_002, "the same list goes on where it stopped: {again}");
    desk.write("same.csv", &(list.clone() + "\n"));
    let same = desk.json(&["optout", "import", "same.csv", "--source", "test", "--json"]);
    assert_eq!((number(&same, "/changed"), number(&same, "/known")), (0, 5_000), "{same}");

    assert!(desk.run(&["optout", "export", "out.csv"]).status.success());
    let out = std::fs::read_to_string(desk.path("out.csv")).expect("the list");
    assert_eq!(out.lines().count(), 5_001);
    assert!(
        out.contains(
            "+447700900000,sender:88001,2026-03-01T00:00:00Z,test; old provider,import,broken.csv:2"
        )
    );
    let other = Desk::new("sqlite = \"other.db\"");
    other.write("out.csv", &out);
    let moved = other.json(&["optout", "import", "out.csv", "--source", "moved", "--json"]);
    assert_eq!(number(&moved, "/changed"), 5_000, "what is written out can be read in: {moved}");

    desk.write("joined.csv", "number\n+447700900500\n+447711111111\n");
    let joined = desk.json(&[
        "consent",
        "import",
        "joined.csv",
        "--source",
        "web form",
        "--scope",
        "programme:promo",
        "--date",
        "2026-04-01",
        "--json",
    ]);
    assert_eq!(number(&joined, "/changed"), 2);
    let shown = desk.json(&["consent", "show", "+447700900500", "--json"]);
    assert_eq!(shown["opted_in"][0]["scope"], "programme:promo");
    assert_eq!(shown["opted_out"][0]["scope"], "sender:88001");
}

fn check_erasing(store: &str) {
    let desk = Desk::new(store);
    assert!(desk.run(&["optout", "add", WHO, "--reason", "by mail"]).status.success());
    let told = desk.run(&["erase", WHO, "--reason", "asked by 447700900123"]);
    assert_eq!(told.status.code(), Some(2), "the reason would keep the number");
    let erased = desk.json(&["erase", WHO, "--reason", "asked by letter", "--json"]);
    assert_eq!((number(&erased, "/changes"), number(&erased, "/kept_opt_outs")), (1, 1));
    let shown = desk.json(&["consent", "show", WHO, "--json"]);
    assert_eq!(shown["opted_out"][0]["scope"], "all", "it stays silent: {shown}");
    assert_eq!(shown["changes"][0]["evidence"], Value::Null);
    assert_eq!(shown["changes"][1]["kind"], "erased");
    let verified = desk.json(&["consent", "verify", "--json"]);
    assert_eq!((number(&verified, "/erased"), number(&verified, "/fault_count")), (1, 0), "{verified}");
}

async fn check_running_server(store: &str) {
    let desk = Desk::new(store);
    let path = desk.path("town.toml");
    let config = config::load(Path::new(&path)).expect("a configuration");
    let server = Server::start(config.clone(), Clock::System).await.expect("a server");
    let beside = open_store(&config, &Clock::System, Access::Beside).await.expect("the store");
    let (number, scope) = (Msisdn(447_700_900_123), Scope::Sender("88001".to_owned()));
    let pass = server.flow().door.enter();
    assert_eq!(pass.judge(number, std::slice::from_ref(&scope)), Verdict::Pass);
    let change = ConsentChange {
        id: 1,
        number,
        scope: scope.to_string(),
        kind: ConsentKind::OptOut,
        at_ms: Clock::System.now_ms(),
        channel: Channel::Operator,
        actor: "ana".to_owned(),
        evidence: Evidence::default(),
        asks: None,
    };
    // what the server saw when it started is behind it
    beside
        .consent(vec![ConsentChange { id: 2, number: Msisdn(447_700_900_999), ..change.clone() }])
        .await
        .expect("a change");
    beside.consent(vec![change]).await.expect("a change");
    let shut = async {
        while pass.judge(number, std::slice::from_ref(&scope)) == Verdict::Pass {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), shut).await.expect("the door hears of it");
    drop(pass);
    beside.close(Clock::System.now_ms()).await;
    server.stop().await;
}

macro_rules! on_both {
    ($($name:ident: $check:ident,)*) => {
        mod on_sqlite {
            $(#[test]
            fn $name() {
                super::$check("sqlite = \"town.db\"");
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $name() {
                if crate::postgres::wanted() {
                    super::$check(&format!("postgres = \"{}\"", crate::postgres::database_url(stringify!($name))));
                }
            })*
        }
    };
}

on_both! {
    an_operators_changes_are_kept_with_who_and_why: check_operators_day,
    lists_are_read_in_once_and_written_out: check_lists,
    an_erased_number_stays_silent: check_erasing,
    a_running_server_is_silent_to_whom_an_operator_opts_out: running_server,
}

fn running_server(store: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(check_running_server(store));
}
