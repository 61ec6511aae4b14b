//! The time of day is set forward and back by an hour under a working server: nothing is lost, nothing comes twice, and work
//! goes on at once whichever way it went.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::flow::lane::{Hearing, LaneMachine, LaneSettings, Now, Step};
use backchat::message::Msisdn;
use backchat::rules::delivery::Patience;
use backchat::rules::machines::doubt::{AfterHold, Doubts, InDoubtPolicy};
use backchat::rules::machines::faults::Planted;
use backchat::simulator::{Account, Settings, Simulator};
use backchat::smpp::door::Door;
use backchat::store::StoreError;
use serde_json::json;

#[path = "support/doors.rs"]
#[allow(unused_macros, reason = "made for the doors")]
mod doors;

use doors::{KEY, PATIENCE, post};

const HOUR_MS: i64 = 3_600_000;
const TICK: Duration = Duration::from_millis(5);

/// A clock that goes as time does, and can be set.
fn going() -> Clock {
    let clock = Clock::manual(Clock::System.now_ms());
    let ticking = clock.clone();
    tokio::spawn(async move {
        let (mut ticks, mut last) = (tokio::time::interval(TICK), Instant::now());
        loop {
            ticks.tick().await;
            let gone = i64::try_from(last.elapsed().as_millis()).unwrap();
            last += Duration::from_millis(gone.unsigned_abs());
            ticking.advance(gone);
        }
    });
    clock
}

/// Hands a batch in, and waits until the carrier has all of it.
async fn served(server: &Server, carrier: &Simulator, step: usize) {
    let http = server.http_address().unwrap();
    let text = |place: usize| format!("step {step} message {place}");
    let wanted: Vec<_> =
        (0..20).map(|place| json!({ "to": format!("+4477009{place:05}"), "text": text(place) })).collect();
    let answer = post(http, &[], &json!(wanted).to_string()).await;
    assert_eq!(answer.status, 202, "step {step}: {answer:?}");
    let all = async {
        loop {
            let received = carrier.received();
            if (0..20).all(|place| received.iter().any(|message| message.text == text(place))) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "step {step}: what is accepted is sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_forward_and_back_by_an_hour_neither_stops_nor_doubles_anything() {
    let account = Account { system_id: "esme".into(), password: "secret".into() };
    let carrier = Simulator::start(Settings { accounts: vec![account], ..Settings::plain() }).await.unwrap();
    let (folder, clock) = (tempfile::tempdir().unwrap(), going());
    let text = format!(
        "[store]\nsqlite = \"clock.db\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"esme\"\n\
         password = \"plain:secret\"\nrate = \"1000/s\"\nwindow = 20\n\
         [[code]]\nnumber = \"88001\"\ncarrier = \"main\"\nbrand = \"Backchat\"\n\
         [[account]]\nname = \"shop\"\napi_key = \"plain:{KEY}\"\nsenders = [\"88001\"]\n\
         purposes = [\"transactional\"]\nrate = \"100000/s\"\n",
        carrier.address().port()
    );
    let config =
        config::parse("clock.toml", &text, folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
    let server = Server::start(config, clock.clone()).await.unwrap();
    for (step, by_ms) in [0, HOUR_MS, -HOUR_MS, -HOUR_MS, HOUR_MS, HOUR_MS, -HOUR_MS].into_iter().enumerate()
    {
        clock.advance(by_ms);
        served(&server, &carrier, step).await;
        carrier.say(Msisdn(447_700_800_000 + step as u64), "88001", &format!("hello {step}")).await;
        tokio::time::timeout(PATIENCE, carrier.wait_idle()).await.expect("receipts and replies are taken");
    }
    let (census, memory) = (carrier.census(), server.flow().store.census().await.unwrap());
    assert_eq!((census.messages, census.duplicates), (7 * 20, 0));
    assert_eq!(memory.states.get("delivered"), Some(&(7 * 20)), "{memory:?}");
    server.stop().await;
    carrier.stop().await;
}

#[test]
fn a_lane_that_rests_after_a_failure_does_not_rest_an_hour_longer_when_the_clock_is_set_back() {
    let mut lane = LaneMachine::new(LaneSettings {
        name: "main".to_owned(),
        slice_parts: 10,
        patience: Patience::default(),
        doubts: Doubts { policy: InDoubtPolicy::Never, hold: Duration::ZERO, after: AfterHold::Leave },
        short_code: (3, 0),
        planted: Planted::NONE,
    });
    let (door, now) = (Arc::<Door>::default(), |ms| Now { instant: Instant::now(), ms });
    assert!(matches!(lane.step(now(HOUR_MS), 10, Hearing::Yes, &door), Step::Look));
    lane.looked(now(HOUR_MS), Err(StoreError::Busy));
    assert!(
        matches!(lane.step(now(HOUR_MS), 10, Hearing::Yes, &door), Step::Wait(until_ms) if until_ms > HOUR_MS)
    );
    assert!(matches!(lane.step(now(0), 10, Hearing::Yes, &door), Step::Wait(until_ms) if until_ms <= 1_000));
    assert!(matches!(lane.step(now(1_000), 10, Hearing::Yes, &door), Step::Look));
}
