//! Another configuration while the server runs, over real sockets: what the change concerns changes, every other bind stays.

#[path = "support/peers.rs"]
mod peers;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::path::Path;
use std::process::Output;
use std::time::Instant;

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::message::Msisdn;
use backchat::simulator::{Account, Handsets, Settings, Simulator};
use backchat::store::ReplyFilter;
use peers::Running;
use program::{backchat, printed};

const PERSON: Msisdn = Msisdn(447_700_900_000);
const OTHER: Msisdn = Msisdn(447_700_900_009);

async fn carrier() -> Simulator {
    Simulator::start(Settings {
        accounts: vec![Account { system_id: "town".into(), password: "town".into() }],
        handsets: Handsets::silent(),
        ..Settings::plain()
    })
    .await
    .expect("a carrier")
}

/// A configuration with these carriers, each on its port.
fn file(store: &str, carriers: &[(&str, u16)], more: &str) -> String {
    let survey = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/surveys/exit.toml");
    let carriers: String = carriers
        .iter()
        .map(|(name, port)| {
            format!(
                "[[carrier]]\nname = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\nsystem_id = \"town\"\n\
                 password = \"plain:town\"\nrate = \"400/s\"\n"
            )
        })
        .collect();
    format!(
        "surveys = [{survey:?}]\n[store]\n{store}\n{carriers}[[code]]\nnumber = \"88001\"\ncarrier = \"one\"\n\
         brand = \"Town\"\nlanguages = [\"en\"]\n{more}"
    )
}

/// Waits for what must come, and says what it was if it does not.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + peers::PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < patience, "waited in vain: {what}");
        tokio::task::yield_now().await;
    }
}

async fn verdict_of(server: &Server, text: &str) -> Option<String> {
    let rows = server.flow().store.replies(&ReplyFilter::default()).await.expect("replies");
    rows.into_iter().find(|row| row.text == text).map(|row| row.verdict)
}

async fn check_carriers_come_and_go(store: &str) {
    let (one, two) = (carrier().await, carrier().await);
    let (first, second) = (one.address().port(), two.address().port());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = |text: &str| config::parse("t.toml", text, folder.path()).expect("a configuration");
    let mut server =
        Server::start(read(&file(store, &[("one", first)], "")), Clock::System).await.expect("a server");
    until("the first bind", async || one.census().bound == 1).await;

    let both = file(store, &[("one", first), ("two", second)], "");
    let plan = server.reload(read(&both)).await.expect("a reload");
    assert_eq!(plan.to_string(), "carrier two: new, 1 bind will start\nno bind restarts");
    until("the second bind", async || two.census().bound == 1).await;
    assert_eq!(one.census().binds, 1, "the first one stayed");

    let faster = both.replacen("400/s", "900/s", 1) + "[code.keywords]\nJOIN = \"opt-in\"\n";
    server.reload(read(&faster)).await.expect("a reload");
    one.say(PERSON, "88001", "JOIN").await;
    until("the keyword", async || verdict_of(&server, "JOIN").await.is_some()).await;
    assert_eq!(verdict_of(&server, "JOIN").await.as_deref(), Some("optin"), "the new keyword works");
    assert_eq!((one.census().binds, two.census().binds), (1, 1), "a rate and a keyword cost no bind");

    let several = "carriers = [\"one\", \"two\"]\ncountries = [\"GB\"]\ndefault = \"help\"\n";
    let plan =
        server.reload(read(&faster.replacen("carrier = \"one\"\n", several, 1))).await.expect("a reload");
    assert_eq!(plan.to_string(), "code 88001: carriers, countries and default\nno bind restarts");
    two.say(OTHER, "88001", "when do you open").await;
    until("the default's answer", async || !two.received().is_empty()).await;
    assert!(two.received()[0].text.contains("service messages"), "the carrier they wrote by brings it");
    two.say(OTHER, "88001", "stop raising the price").await;
    until("a conversation", async || server.flow().conversation(OTHER, None).await.is_ok()).await;
    let conversation = server.flow().conversation(OTHER, None).await.expect("a conversation");
    server.flow().answer_by_hand(&conversation, "We hear you").await.expect("an answer");
    until("it by hand", async || two.received().iter().any(|one| one.text == "We hear you")).await;
    assert!(one.received().iter().all(|message| message.number != OTHER));
    assert_eq!((one.census().binds, two.census().binds), (1, 1), "nor does what a code is");

    let other = faster.replacen(&format!("port = {second}\n"), &format!("port = {second}\nwindow = 3\n"), 1);
    let plan = server.reload(read(&other)).await.expect("a reload");
    assert!(
        plan.to_string().contains("carrier two: 1 bind will restart, for the change of window"),
        "{plan}"
    );
    until("the second bind anew", async || two.census().binds == 2 && two.census().bound == 1).await;
    assert_eq!(one.census().binds, 1, "what the change does not concern stayed");

    server.reload(read(&file(store, &[("one", first)], ""))).await.expect("a reload");
    until("the second carrier unbound", async || two.census().bound == 0).await;
    assert_eq!((one.census().binds, one.census().bound), (1, 1));
    let refused = server.reload(read(&format!("node = 9\n{}", file(store, &[("one", first)], "")))).await;
    assert!(refused.is_err_and(|plan| plan.to_string().contains("stop it and start it again")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carriers_come_and_go_and_the_others_stay_bound_on_sqlite() {
    check_carriers_come_and_go("sqlite = \"town.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carriers_come_and_go_and_the_others_stay_bound_on_postgres() {
    if postgres::wanted() {
        check_carriers_come_and_go(&format!("postgres = {:?}", postgres::database_url("reload"))).await;
    }
}

/// The server as a process of its own, and the commands beside it.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_reloads_a_running_server_and_a_wrong_file_changes_nothing() {
    let town = carrier().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("town.toml");
    let write = |text: &str| std::fs::write(&place, text).expect("a file");
    let right = file("sqlite = \"town.db\"", &[("one", town.address().port())], "");
    write(&right);
    let mut serve = backchat();
    serve.arg("serve").arg("--config").arg(&place);
    let _server = Running::start("backchat serve", serve);
    until("the bind", async || town.census().bound == 1).await;
    let run = async |args: &[&str]| -> (Output, String, String) {
        let mut command = backchat();
        command.args(args);
        let output = tokio::task::spawn_blocking(move || command.output().expect("the program runs"));
        let output = output.await.expect("a run");
        let (out, err) = printed(&output);
        (output, out, err)
    };
    let config = place.to_str().expect("a path");
    // Until it has said for the first time how it is, nobody can ask it.
    until("the first pulse", async || run(&["status", "--config", config]).await.1.contains("one/1")).await;

    write(&format!("{right}[code.keywords]\nJOIN = \"opt-inn\"\n"));
    let (output, _, err) = run(&["reload", "--config", config]).await;
    assert_eq!(output.status.code(), Some(2));
    let place_and_hint = [
        ":17:8",
        "`JOIN` is `opt-inn`",
        "\"opt-in\", \"double-opt-in:promo\", \"inbox\", \"help\" or \"none\"",
    ];
    assert!(place_and_hint.iter().all(|part| err.contains(part)), "{err}");

    write(&format!("{right}[code.keywords]\nJOIN = \"opt-in\"\n"));
    let (_, out, err) = run(&["plan", config]).await;
    assert_eq!(out, "code 88001: keywords\nno bind restarts\n", "{err}");
    let (_, out, err) = run(&["reload", "--config", config]).await;
    assert_eq!(out, "code 88001: keywords\nno bind restarts\n", "{err}");
    town.say(PERSON, "88001", "JOIN").await;
    until("the keyword", async || {
        run(&["events", "--kind", "opt_in", "--json", "--config", config]).await.1.contains("447700900000")
    })
    .await;
    assert_eq!((town.census().binds, town.census().bound), (1, 1), "the bind stayed");
}
