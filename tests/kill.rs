//! A gateway of its own process between a carrier that stays and clients that go on: killed at named points and at any
//! moment, its database stopped hard, its disk full. In the end the history of what each saw keeps every promise, by the
//! checker that judges the simulation.
//!
//! By hand, thousands of kills on each store: `KILLS=5000 cargo test --test kill kills -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "support/checker.rs"]
mod checker;
#[path = "kill/clients.rs"]
mod clients;
#[path = "kill/dice.rs"]
mod dice;
#[path = "support/doors.rs"]
#[allow(unused_macros, reason = "made for the doors")]
mod doors;
#[path = "support/history.rs"]
mod history;
#[path = "kill/house.rs"]
mod house;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "kill/story.rs"]
mod story;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backchat::crash::Point;
use backchat::message::Msisdn;
use clients::{FIRST_HANDSET, HANDSETS, until};
use dice::Dice;
use history::Copies;
use house::{CODE, Gateway, House, Memory, PATIENCE};

/// Kills on each store in every run of the tests: half at named points, half at any moment.
const KILLS: u64 = 110;
/// Batches handed in to each process: enough to be in the middle of everything, few enough to drain soon.
const BATCHES: u64 = 8;
/// What is waited for is there by then, or the kill comes all the same.
const MOMENT: Duration = Duration::from_secs(2);
/// How often the database is stopped hard.
const HARD_STOPS: u64 = 4;

/// Where this kill comes: at each point in turn, then as often at any moment.
fn plan(kill: u64, dice: &mut Dice) -> Option<(Point, u64)> {
    let points = Point::ALL.len() as u64;
    let point = *Point::ALL.get(usize::try_from(kill % (2 * points)).unwrap())?;
    let passage = match point {
        Point::CommitBegins | Point::CommitDone => 1 + dice.below(20),
        Point::StopShut | Point::StopDone | Point::Recovering => 1,
        _ => 1 + dice.below(3),
    };
    Some((point, passage))
}

/// Somebody says something, and somebody says STOP.
async fn speak(house: &House, kill: u64, stops: bool) {
    if stops {
        house.carrier.say(Msisdn(FIRST_HANDSET + kill % HANDSETS), CODE, "STOP").await;
    }
    house.carrier.say(Msisdn(FIRST_HANDSET + HANDSETS + kill), CODE, &format!("hello {kill}")).await;
}

/// Waits for what this kill comes after: something accepted, taken, told, said, or nothing at all.
async fn moment(house: &House, gateway: &mut Gateway, dice: &mut Dice) {
    let (before, batches) = (house.carrier.census(), house.clients.batches());
    let (what, count) = (dice.below(5), 1 + dice.below(30));
    until(MOMENT, || {
        let now = house.carrier.census();
        gateway.has_died()
            || match what {
                0 => house.clients.batches() > batches + count / 10,
                1 => now.submits >= before.submits + count,
                2 => now.receipts_acknowledged >= before.receipts_acknowledged + count,
                3 => now.replies_acknowledged > before.replies_acknowledged,
                _ => now.binds > before.binds,
            }
    })
    .await;
}

async fn kills(memory: Memory, copies: Copies, name: &str) {
    let kills = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let (mut house, mut dice, began) = (House::open(memory, copies).await, Dice(17), Instant::now());
    let mut died: BTreeMap<&str, u64> = BTreeMap::new();
    for kill in 0..kills {
        let point = plan(kill, &mut dice);
        let mut gateway = house.start(point);
        house.is_up(&mut gateway).await;
        let (clients, http) = (Arc::clone(&house.clients), house.http);
        let load = tokio::spawn(async move { clients.hand_in(http, BATCHES).await });
        let stops = matches!(point, Some((Point::StopShut | Point::StopDone, _))) || dice.below(6) == 0;
        speak(&house, kill, stops).await;
        match point {
            Some(_) => _ = until(MOMENT, || gateway.has_died()).await,
            None => moment(&house, &mut gateway, &mut dice).await,
        }
        let place = point.filter(|_| gateway.has_died()).map_or("any moment", |(point, _)| point.name());
        *died.entry(place).or_default() += 1;
        house.kill(gateway);
        load.await.unwrap();
        if (kill + 1) % 100 == 0 {
            eprintln!("{name}: {} kills of {kills} in {:.0?}: {died:?}", kill + 1, began.elapsed());
        }
    }
    let gateway = house.start(None);
    let finished = house.drained().await;
    house.kill(gateway);
    story::judge(&house, finished, name).await;
    println!("{name}: {kills} kills in {:.0?}", began.elapsed());
    let often = kills / (4 * Point::ALL.len() as u64);
    let seldom: Vec<&str> = Point::ALL.iter().map(|point| point.name()).collect();
    let seldom: Vec<&&str> =
        seldom.iter().filter(|point| died.get(**point).copied().unwrap_or_default() < often).collect();
    assert!(seldom.is_empty(), "every point is died at more than {often} times: {seldom:?} of {died:?}");
    assert!(house.clients.accepted().len() as u64 > kills, "the clients got through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_break_no_promise_on_sqlite_where_doubts_are_sent_again() {
    kills(Memory::Sqlite(None), Copies::AtLeastOnce, "kills on SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_break_no_promise_on_postgres_where_nothing_goes_twice() {
    if postgres::wanted() {
        let url = postgres::database_url("kill");
        kills(Memory::Postgres(url), Copies::AtMostOnce, "kills on Postgres").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_stopped_hard_under_load_loses_nothing_and_doubles_nothing() {
    if !postgres::wanted() {
        return;
    }
    let mut database = postgres::OwnServer::start();
    let mut house = House::open(Memory::PostgresByDay(database.url()), Copies::AtMostOnce).await;
    let mut gateway = house.start(None);
    house.is_up(&mut gateway).await;
    let (clients, http) = (Arc::clone(&house.clients), house.http);
    let load = tokio::spawn(async move { clients.hand_in(http, u64::MAX).await });
    for stop in 0..HARD_STOPS {
        let (batches, taken) = (house.clients.batches(), house.carrier.census().submits);
        let busy = || house.clients.batches() > batches + 3 && house.carrier.census().submits > taken + 10;
        assert!(until(PATIENCE, busy).await, "it works, after {stop} stops");
        speak(&house, stop, true).await;
        let refused = house.clients.refused();
        tokio::task::block_in_place(|| database.stop_hard());
        assert!(
            until(PATIENCE, || house.clients.refused() > refused + 2).await,
            "it refuses while there is no database"
        );
        tokio::task::block_in_place(|| database.start_again());
    }
    let batches = house.clients.batches();
    assert!(until(PATIENCE, || house.clients.batches() > batches).await, "it accepts again by itself");
    load.abort();
    assert!(!gateway.has_died(), "it has lived through all of it");
    let finished = house.drained().await;
    // Nothing of ours died: nothing is in doubt, nothing may come twice.
    story::judge(&house, finished, "a database stopped hard").await;
    house.kill(gateway);
}

/// Names the small disk, in the process that has one.
const SMALL_DISK: &str = "BACKCHAT_TEST_SMALL_DISK";

/// Runs a test of this file again, in a process with a small disk of its own, which nobody else sees and which goes with it.
fn with_a_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=96m none \"$0\" && exec \"$@\"";
    let under = |program: &std::ffi::OsStr| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command.arg(folder.path()).arg(program).env(SMALL_DISK, folder.path());
        command
    };
    let why = match under("true".as_ref()).output() {
        Ok(tried) if tried.status.success() => {
            let own = std::env::current_exe().unwrap();
            let done = under(own.as_os_str()).args(["--exact", test, "--nocapture"]).status().unwrap();
            return assert!(done.success(), "with a small disk: see above");
        }
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).into_owned(),
        Err(error) => format!("unshare: {error}"),
    };
    eprintln!("left out, this machine lends no small disk: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_it_stays_up_and_refuses_for_now_and_goes_on_when_there_is_room() {
    let Some(disk) = std::env::var_os(SMALL_DISK).map(PathBuf::from) else {
        let test = "on_a_full_disk_it_stays_up_and_refuses_for_now_and_goes_on_when_there_is_room";
        return tokio::task::block_in_place(|| with_a_small_disk(test));
    };
    let mut house = House::open(Memory::Sqlite(Some(disk.clone())), Copies::AtMostOnce).await;
    let mut gateway = house.start(None);
    house.is_up(&mut gateway).await;
    let (clients, http) = (Arc::clone(&house.clients), house.http);
    let load = tokio::spawn(async move { clients.hand_in(http, u64::MAX).await });
    // A write-ahead log may take a third of the disk.
    let filling = vec![0; 1024 * 1024];
    for time in 0..3 {
        let (batches, taken) = (house.clients.batches(), house.carrier.census().submits);
        let busy = || house.clients.batches() > batches && house.carrier.census().submits > taken;
        assert!(until(PATIENCE, busy).await, "it works, with room for the {time}th time");
        let (refused, filler) = (house.clients.refused(), disk.join("filler"));
        let full = || {
            // Whatever room it makes by itself is taken again.
            let file = std::fs::File::options().create(true).append(true).open(&filler);
            _ = file.and_then(|mut file| file.write_all(&filling));
            house.clients.refused() > refused + 5
        };
        assert!(until(PATIENCE, full).await, "it refuses while the disk is full");
        speak(&house, time, true).await;
        assert!(!gateway.has_died(), "it stays up");
        std::fs::remove_file(&filler).unwrap();
    }
    let batches = house.clients.batches();
    assert!(until(PATIENCE, || house.clients.batches() > batches).await, "it accepts again by itself");
    load.abort();
    let finished = house.drained().await;
    story::judge(&house, finished, "a full disk").await;
    house.kill(gateway);
}
