//! kill -9, over and over: a gateway of its own process between a carrier that stays and clients that go on, killed at what
//! they see of it; in the end the history of what each saw keeps every promise, by the checker that judges the simulation.
//!
//! By hand, thousands: `KILLS=1000 cargo test --test kill -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "support/checker.rs"]
mod checker;
#[path = "support/doors.rs"]
#[allow(unused_macros, reason = "made for the doors")]
mod doors;
#[path = "support/history.rs"]
mod history;
#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backchat::message::{MessageId, Msisdn};
use backchat::simulator::{Account, Settings, Simulator};
use backchat::store::{Access, Location, Options, ReplyFilter, Store};
use checker::Strictness;
use doors::KEY;
use history::{Copies, Entry, What};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Kills on each store in every run of the tests.
const KILLS: u64 = 40;
const CODE: &str = "88001";
const HANDSETS: u64 = 60;
const RATE: u64 = 400;
const WINDOW: u64 = 20;
/// What one bind may leave in doubt: its window and the two slices it holds, and one that is about to be handed over.
const BOUND: u64 = WINDOW + 3 * RATE / 5;
/// What is waited for is there by then, or the kill comes all the same.
const MOMENT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(120);

/// Draws that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What the clients know.
#[derive(Default)]
struct Clients {
    serial: AtomicU64,
    batches: AtomicU64,
    /// By their words: the id they were told, and the handset.
    accepted: Mutex<BTreeMap<String, (i64, u64)>>,
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn start(folder: &std::path::Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_backchat"))
        .args(["serve", "--config"])
        .arg(folder.join("kill.toml"))
        .env_remove("BACKCHAT_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// One request; none where the gateway is not there, or goes meanwhile.
async fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(text).ok()?))
}

/// Hands batches in until the gateway goes.
async fn hand_in(http: SocketAddr, clients: Arc<Clients>) {
    loop {
        let batch: Vec<(String, u64)> = (0..8)
            .map(|_| clients.serial.fetch_add(1, Ordering::Relaxed))
            .map(|serial| (format!("message {serial}"), 447_700_900_000 + serial * 7 % HANDSETS))
            .collect();
        let wanted: Vec<Value> =
            batch.iter().map(|(text, number)| json!({ "to": format!("+{number}"), "text": text })).collect();
        match ask(http, "POST", "/v1/messages", &json!(wanted).to_string()).await {
            Some((202, told)) => {
                let ids = told["messages"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap());
                let ids = ids.map(|id| id.parse::<MessageId>().unwrap().0);
                let told = batch.into_iter().zip(ids).map(|((text, number), id)| (text, (id, number)));
                clients.accepted.lock().unwrap().extend(told);
                clients.batches.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => tokio::task::yield_now().await,
            None => return,
        }
    }
}

/// What another process does is looked for so often: it tells us nothing by itself.
const LOOK_EVERY: Duration = Duration::from_millis(2);

async fn until(patience: Duration, mut is: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !is() {
        if began.elapsed() > patience {
            return false;
        }
        look.tick().await;
    }
    true
}

/// Somebody stops, and somebody says something else.
async fn speak(carrier: &Simulator, dice: &mut Dice, kill: u64) {
    if dice.below(3) == 0 {
        carrier.say(Msisdn(447_700_900_000 + dice.below(HANDSETS)), CODE, "STOP").await;
    }
    carrier.say(Msisdn(447_700_900_000 + HANDSETS + kill), CODE, &format!("hello {kill}")).await;
}

/// Waits for what this kill comes after: something accepted, taken, told, said, or nothing at all.
async fn moment(carrier: &Simulator, clients: &Clients, dice: &mut Dice) {
    let (before, batches) = (carrier.census(), clients.batches.load(Ordering::Relaxed));
    let (what, count) = (dice.below(5), 1 + dice.below(30));
    until(MOMENT, || {
        let now = carrier.census();
        match what {
            0 => clients.batches.load(Ordering::Relaxed) > batches + count / 10,
            1 => now.submits >= before.submits + count,
            2 => now.receipts_acknowledged >= before.receipts_acknowledged + count,
            3 => now.replies_acknowledged > before.replies_acknowledged,
            _ => now.binds > before.binds,
        }
    })
    .await;
}

async fn kills(location: Location, store: &str, policy: &str, copies: Copies) {
    let kills = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let account = Account { system_id: "esme".into(), password: "secret".into() };
    let carrier = Simulator::start(Settings { accounts: vec![account], ..Settings::plain() }).await.unwrap();
    let (folder, http) = (tempfile::tempdir().unwrap(), free_port());
    let config = format!(
        "[store]\n{store}\n[http]\nlisten = \"{http}\"\n\
         [[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"esme\"\n\
         password = \"plain:secret\"\nrate = \"{RATE}/s\"\nwindow = {WINDOW}\nin_doubt = \"{policy}\"\n\
         [[code]]\nnumber = \"{CODE}\"\ncarrier = \"main\"\nbrand = \"Backchat\"\n\
         [[account]]\nname = \"shop\"\napi_key = \"plain:{KEY}\"\nsenders = [\"{CODE}\"]\n\
         purposes = [\"transactional\"]\nrate = \"100000/s\"\n",
        carrier.address().port()
    );
    std::fs::write(folder.path().join("kill.toml"), config).unwrap();
    let location = match location {
        Location::Sqlite(_) => Location::Sqlite(folder.path().join("kill.db")),
        other => other,
    };
    let (clients, mut dice) = (Arc::new(Clients::default()), Dice(17));
    for kill in 0..kills {
        let mut gateway = start(folder.path());
        assert!(until(PATIENCE, || std::net::TcpStream::connect(http).is_ok()).await, "it starts");
        let client = tokio::spawn(hand_in(http, Arc::clone(&clients)));
        speak(&carrier, &mut dice, kill).await;
        moment(&carrier, &clients, &mut dice).await;
        gateway.kill().unwrap();
        gateway.wait().unwrap();
        client.await.unwrap();
        if (kill + 1) % 100 == 0 {
            eprintln!("{} kills of {kills}", kill + 1);
        }
    }
    let mut gateway = start(folder.path());
    let accepted = clients.accepted.lock().unwrap().clone();
    let mut left: Vec<i64> = accepted.values().map(|(id, _)| *id).collect();
    let drained = async {
        while let Some(id) = left.last() {
            match ask(http, "GET", &format!("/v1/messages/{}", MessageId(*id)), "").await {
                Some((200, told)) if !["queued", "sent"].contains(&told["state"].as_str().unwrap()) => {
                    left.pop();
                }
                _ => tokio::task::yield_now().await,
            }
        }
        until(PATIENCE, || carrier.is_idle()).await;
    };
    let finished = tokio::time::timeout(PATIENCE, drained).await.is_ok();
    gateway.kill().unwrap();
    gateway.wait().unwrap();

    let history = told(&carrier, &accepted, kills, copies, finished, &location).await;
    let broken = checker::check(&history, Strictness { clock_ppm: 0 });
    let census = carrier.census();
    carrier.stop().await;
    assert!(broken.is_empty(), "{} promises broken, {broken:#?}", broken.len());
    assert_eq!(census.sends_after_stop, 0, "silence after STOP, whatever came twice");
    assert!(accepted.len() as u64 > kills, "the clients got through: {}", accepted.len());
    println!(
        "{kills} kills: {} accepted, {} parts taken, {} a second time, {} STOPs",
        accepted.len(),
        census.submits,
        census.duplicates,
        census.stops
    );
}

/// What everybody saw, in order of time; of one millisecond, what was written before what was stopped.
async fn told(
    carrier: &Simulator,
    accepted: &BTreeMap<String, (i64, u64)>,
    kills: u64,
    copies: Copies,
    finished: bool,
    location: &Location,
) -> Vec<Entry> {
    let at = |at_ms: i64, what: What| Entry { at_us: u64::try_from(at_ms).unwrap() * 1_000, what };
    let mut history = vec![at(0, What::Incident { bound: BOUND * kills })];
    for (message, number) in accepted.values().copied() {
        history.push(at(
            0,
            What::Accepted { message, number, parts: 1, copies, blockable: true, expires_ms: None },
        ));
    }
    for received in carrier.received() {
        // What a client was not told of is nobody's.
        let Some((message, number)) = accepted.get(&received.text).copied() else { continue };
        let (part, at_ms) = (0, received.received_at_ms);
        history.push(at(at_ms, What::Written { message, part, number, clock_ms: at_ms }));
        for copy in 0..received.times {
            history.push(at(at_ms, What::Taken { message, part, number, id: format!("{message}-{copy}") }));
        }
    }
    let mut said = BTreeMap::new();
    for (reply, mo) in carrier.replies().into_iter().zip(0..) {
        let Some(at_ms) = reply.acknowledged_at_ms else { continue };
        if reply.text == "STOP" {
            history.push(at(at_ms, What::Stopped { number: reply.number.0 }));
        } else {
            history.push(at(at_ms, What::SaidTaken { mo }));
            said.insert(reply.text, mo);
        }
    }
    let now_ms = history.iter().map(|entry| entry.at_us / 1_000).max().unwrap().cast_signed();
    let options = Options { now_ms, node: 0, access: Access::Look, subjects: None };
    let store = Store::open(location, options).await.unwrap();
    for (id, _) in accepted.values() {
        let life = store.why(MessageId(*id)).await.unwrap().expect("what was accepted is there");
        let listed = life.entries.iter().any(|entry| entry.kind == "in_doubt");
        history.push(at(now_ms, What::Final { message: *id, state: life.state, listed, ids: Vec::new() }));
    }
    let mut registered: BTreeMap<u64, u64> = BTreeMap::new();
    let mut filter = ReplyFilter::default();
    loop {
        let page = store.replies(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        for mo in page.iter().filter_map(|row| said.get(&row.text)) {
            *registered.entry(*mo).or_default() += 1;
        }
    }
    history.extend(registered.into_iter().map(|(mo, times)| at(now_ms, What::Registered { mo, times })));
    history.push(at(now_ms, What::Drained { finished, left: "what was accepted".to_owned() }));
    history.sort_by_key(|entry| (entry.at_us, matches!(entry.what, What::Stopped { .. })));
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_break_no_promise_on_sqlite_where_doubts_are_sent_again() {
    let place = Location::Sqlite("kill.db".into());
    kills(place, "sqlite = \"kill.db\"", "resend", Copies::AtLeastOnce).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_break_no_promise_on_postgres_where_nothing_goes_twice() {
    if postgres::wanted() {
        let url = postgres::database_url("kill");
        kills(Location::Postgres(url.clone()), &format!("postgres = \"{url}\""), "never", Copies::AtMostOnce)
            .await;
    }
}
