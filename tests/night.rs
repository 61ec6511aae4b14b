//! A night is a night: a campaign over forty time zones, on a clock that the test moves. Nobody is written to outside their
//! hours, no carrier may try for longer than they last, and everybody is reached within them. On both stores.

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::flow::Flow;
use backchat::flow::accept::{Draft, Origin};
use backchat::flow::campaign::planner::Reached;
use backchat::flow::campaign::{BrokenRows, NewCampaign, Says, Settings};
use backchat::message::{CampaignId, Msisdn, Purpose, Sender, Source};
use backchat::simulator::{Account, Handsets, Settings as CarrierSettings, Simulator};
use backchat::store::CampaignState;
use jiff::civil::Weekday;
use jiff::{Timestamp, Zoned};
use protocol::time::Time;

/// Saturday 28 November 2026, midnight in London: evening in California, morning in Japan, and no Sunday in France.
const BEGINS_MS: i64 = 1_795_824_000_000;
const STEP_MS: i64 = 30 * 60_000;
/// Monday evening everywhere.
const MOST_STEPS: usize = 3 * 48;
const PEOPLE_A_ZONE: u64 = 3;

/// Forty zones, each with the beginning of a mobile number of its country.
const ZONES: [(&str, u64); 40] = [
    ("Pacific/Auckland", 64_21),
    ("Pacific/Fiji", 6797),
    ("Pacific/Guadalcanal", 67774),
    ("Australia/Sydney", 61_412),
    ("Australia/Darwin", 61_413),
    ("Asia/Tokyo", 81_90),
    ("Asia/Seoul", 82_10),
    ("Australia/Perth", 61_414),
    ("Asia/Manila", 63_917),
    ("Asia/Singapore", 65_81),
    ("Asia/Jakarta", 62_812),
    ("Asia/Bangkok", 66_81),
    ("Asia/Ho_Chi_Minh", 84_91),
    ("Asia/Dhaka", 880_171),
    ("Asia/Kathmandu", 977_984),
    ("Asia/Kolkata", 91_98),
    ("Asia/Karachi", 92_300),
    ("Asia/Almaty", 7_701),
    ("Asia/Dubai", 97150),
    ("Asia/Baku", 99450),
    ("Europe/Istanbul", 90_532),
    ("Africa/Nairobi", 254_712),
    ("Asia/Riyadh", 96650),
    ("Europe/Athens", 30_690),
    ("Europe/Kyiv", 38067),
    ("Africa/Johannesburg", 27_82),
    ("Europe/Berlin", 49_170),
    ("Europe/Paris", 33_61),
    ("Europe/Madrid", 34_61),
    ("Africa/Lagos", 234_803),
    ("Europe/London", 44_7700),
    ("Atlantic/Azores", 35191),
    ("America/Sao_Paulo", 55_119),
    ("America/Buenos_Aires", 54_911),
    ("America/Halifax", 1_902),
    ("America/New_York", 1_212),
    ("America/Chicago", 1_312),
    ("America/Denver", 1_303),
    ("America/Los_Angeles", 1_213),
    ("Pacific/Honolulu", 1_808),
];

/// A number of ten to twelve digits that begins so.
fn number(prefix: u64, person: u64) -> u64 {
    let mut number = prefix;
    while number < 100_000_000 {
        number = number * 10 + 5;
    }
    number * 100 + person
}

/// A server whose clock the test moves, and the carrier it is bound to.
struct Night {
    carrier: Simulator,
    server: Server,
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Night {
    async fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let carrier = Simulator::start(CarrierSettings {
            accounts: vec![Account { system_id: "night".into(), password: "night".into() }],
            handsets: Handsets::silent(),
            journal: Some(folder.path().join("carrier.jsonl")),
            ..CarrierSettings::plain()
        })
        .await
        .expect("a carrier");
        let port = carrier.address().port();
        let survey = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/surveys/exit.toml");
        let text = format!(
            "surveys = [{survey:?}]\n[store]\n{store}\n[[carrier]]\nname = \"night\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             system_id = \"night\"\npassword = \"plain:night\"\nrate = \"1000/s\"\nwindow = 20\n\
             [[code]]\nnumber = \"88001\"\ncarrier = \"night\"\nbrand = \"Night\"\nlanguages = [\"en\"]\n"
        );
        let config = config::parse("night.toml", &text, folder.path()).expect("a configuration");
        let clock = Clock::manual(BEGINS_MS);
        let server = Server::start(config, clock.clone()).await.expect("a server");
        Self { carrier, server, folder, clock }
    }

    fn flow(&self) -> &Arc<Flow> {
        self.server.flow()
    }

    /// Creates and starts a campaign over everybody.
    async fn campaign(&self, id: &CampaignId) -> usize {
        let mut people = String::from("number,zone\n");
        for (zone, prefix) in ZONES {
            for person in 0..PEOPLE_A_ZONE {
                let _ = writeln!(people, "+{},{zone}", number(prefix, person));
            }
        }
        // One stands there twice, and is written to once.
        let _ = writeln!(people, "+{},{}", number(ZONES[0].1, 0), ZONES[0].0);
        let file = self.folder.path().join("people.csv");
        std::fs::write(&file, people).expect("a contact file");
        let new = NewCampaign {
            id: id.clone(),
            says: Says::Text {
                text: "Good day! Reply STOP to opt out.".into(),
                purpose: Purpose::Promotional,
            },
            sender: None,
            contacts: "people.csv".into(),
            settings: Settings::default(),
        };
        self.flow().create_campaign(&new).await.expect("a campaign");
        let imported =
            self.flow().import_contacts(id, &file, BrokenRows::Refuse, |_| {}).await.expect("people");
        assert_eq!(imported.doubled, 1);
        self.flow().run_campaign(id).await.expect("it starts");
        usize::try_from(imported.accepted).expect("a small number")
    }

    /// Waits until everything that may go now has gone and is written down.
    async fn quiet(&self, id: &CampaignId) -> CampaignState {
        loop {
            let campaign = self.flow().store.campaign(id).await.expect("the store").expect("the campaign");
            let overtaken = campaign.state == CampaignState::Running
                && self.flow().top_up(&campaign).await.expect("a plan") == Reached::Overtaken;
            self.flow().wake("night");
            let queued = self.flow().store.campaign_queued(id).await.expect("the queue");
            if !overtaken && queued == 0 && self.flow().metrics.in_window.get() == 0 {
                return campaign.state;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until all that was planned has been sent: what is marked is for a moment neither queued nor in a window.
    async fn all_sent(&self, id: &CampaignId) {
        loop {
            let progress = self.flow().campaign_progress(id).await.expect("progress");
            if progress.sent >= progress.planned {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// When each number's message was sent, milliseconds since the epoch.
    async fn sent(&self, people: impl Iterator<Item = u64>) -> BTreeMap<u64, i64> {
        let mut sent = BTreeMap::new();
        for person in people {
            let life = self.flow().store.why_number(Msisdn(person)).await.expect("a life");
            let entries = life.messages.iter().flat_map(|message| &message.entries);
            let times: Vec<i64> =
                entries.filter(|entry| entry.kind == "sent").map(|entry| entry.at_ms).collect();
            assert!(times.len() <= 1, "nobody is written to twice: {times:?}");
            sent.extend(times.into_iter().map(|at_ms| (person, at_ms)));
        }
        sent
    }

    /// What the carrier was told of how long it may try, by number.
    fn validities(&self) -> BTreeMap<u64, String> {
        let journal = std::fs::read_to_string(self.folder.path().join("carrier.jsonl")).expect("a journal");
        let submits = journal.lines().filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            if line["what"] != "submit" {
                return None;
            }
            let to = line["to"][2].as_str()?.parse().ok()?;
            Some((to, line["validity_period"].as_str().unwrap_or_default().to_owned()))
        });
        submits.collect()
    }
}

fn local(at_ms: i64, zone: &str) -> Zoned {
    Timestamp::from_millisecond(at_ms).expect("a time").in_tz(zone).expect("a zone")
}

async fn check_night(store: &str) {
    let night = Night::new(store).await;
    let id = CampaignId("world".into());
    let people = night.campaign(&id).await;
    assert_eq!(people, ZONES.len() * PEOPLE_A_ZONE as usize);
    let plan = night.flow().campaign_plan(&id).await.expect("a plan");
    assert!(
        plan.delayed > 0 && plan.delayed < plan.people,
        "some sleep: {} of {}",
        plan.delayed,
        plan.people
    );
    assert!(plan.places.iter().all(|place| place.unsent == 0));

    let mut steps = 0;
    while night.quiet(&id).await == CampaignState::Running {
        steps += 1;
        assert!(steps <= MOST_STEPS, "not everybody was reached within three days");
        night.all_sent(&id).await;
        night.clock.advance(STEP_MS);
    }
    assert!(
        plan.ends_ms.is_some_and(|ends_ms| night.clock.now_ms() <= ends_ms + STEP_MS),
        "as the plan said"
    );

    let everybody: Vec<(u64, &str)> = ZONES
        .iter()
        .flat_map(|(zone, prefix)| (0..PEOPLE_A_ZONE).map(move |person| (number(*prefix, person), *zone)))
        .collect();
    let sent = night.sent(everybody.iter().map(|(number, _)| *number)).await;
    assert_eq!(sent.len(), people, "everybody is reached");
    assert!(sent.values().any(|at_ms| *at_ms > BEGINS_MS + 24 * 3_600_000), "some had to wait for Monday");
    let validities = night.validities();
    for (number, zone) in everybody {
        let at = local(sent[&number], zone);
        assert!((9..20).contains(&at.hour()), "+{number} in {zone} at {at}");
        assert!(zone != "Europe/Paris" || at.weekday() != Weekday::Sunday, "no Sunday in France: {at}");
        let validity = Time::parse(validities[&number].as_bytes()).expect("a validity");
        let until = local(validity.to_unix_s(sent[&number] / 1_000) * 1_000, zone);
        let evening = at.date().at(20, 0, 0, 0).to_zoned(at.time_zone().clone()).expect("a time");
        assert!(at < until && until <= evening, "+{number} may be tried until {until}");
    }
    let progress = night.flow().campaign_progress(&id).await.expect("progress");
    assert_eq!((progress.state, progress.sent, progress.queued), (CampaignState::Done, people as i64, 0));
    night.server.stop().await;
    night.carrier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_forty_zones_is_written_to_at_night_on_sqlite() {
    check_night("sqlite = \"night.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_forty_zones_is_written_to_at_night_on_postgres() {
    if postgres::wanted() {
        check_night(&format!("postgres = {:?}", postgres::database_url("night"))).await;
    }
}

async fn check_door(store: &str) {
    let night = Night::new(store).await;
    let flow = Arc::clone(night.flow());
    // Tokyo has nine in the morning, London midnight; a code that somebody waits for goes at any hour.
    let draft = |to: u64, purpose: Purpose| Draft {
        lane: "night".into(),
        purpose,
        campaign: None,
        programme: None,
        sender: Sender("88001".into()),
        to: Msisdn(to),
        body: "Hello".into(),
        language: None,
        source: Source::Operator,
        expires_ms: None,
        zone: None,
        origin: Origin::default(),
    };
    let (tokyo, london, satellite) = (81_901_234_567, 447_700_900_123, 87_012_345_678);
    let drafts = vec![
        draft(tokyo, Purpose::Promotional),
        draft(london, Purpose::Promotional),
        draft(satellite, Purpose::Promotional),
        draft(447_700_900_124, Purpose::OneTimeCode),
    ];
    let ids = flow.accept(drafts).await.expect("accepted");
    let state = |at: usize| {
        let (store, id) = (flow.store.clone(), ids[at]);
        async move { store.why(id).await.expect("a life").expect("the message") }
    };
    let sent = |life: &backchat::store::Life| life.entries.iter().any(|entry| entry.kind == "sent");
    while !sent(&state(0).await) || !sent(&state(3).await) || flow.metrics.held_by_hours.get() == 0 {
        tokio::task::yield_now().await;
    }
    let waits = state(1).await;
    assert!(!sent(&waits), "London sleeps");
    let nine =
        local(BEGINS_MS, "Europe/London").date().at(9, 0, 0, 0).in_tz("Europe/London").expect("a time");
    assert_eq!(
        flow.store.next_due("night").await.expect("the queue"),
        Some(nine.timestamp().as_millisecond()),
        "and costs nothing until nine"
    );
    let never = state(2).await;
    assert_eq!(never.state, "suppressed");
    assert!(never.cause.as_deref().is_some_and(|cause| cause.starts_with("hours: ")), "{:?}", never.cause);
    night.clock.advance(9 * 3_600_000);
    flow.wake("night");
    while !sent(&state(1).await) {
        tokio::task::yield_now().await;
    }
    let attempts: Vec<_> = state(1).await.entries.into_iter().filter(|entry| entry.kind == "sent").collect();
    assert_eq!(attempts[0].detail["attempt"], 0, "waiting is no failed attempt");
    night.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_accepted_at_night_waits_for_the_morning_as_its_first_attempt_on_sqlite() {
    check_door("sqlite = \"night.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_accepted_at_night_waits_for_the_morning_as_its_first_attempt_on_postgres() {
    if postgres::wanted() {
        check_door(&format!("postgres = {:?}", postgres::database_url("door"))).await;
    }
}

async fn check_turns(store: &str) {
    let night = Night::new(store).await;
    let id = CampaignId("turns".into());
    let people = night.campaign(&id).await as i64;
    night.quiet(&id).await;
    night.all_sent(&id).await;
    night.flow().pause_campaign(&id).await.expect("it pauses");
    let held = night.flow().campaign_progress(&id).await.expect("progress");
    assert!(held.sent > 0 && held.sent < people);
    night.clock.advance(12 * 3_600_000);
    assert_eq!(night.quiet(&id).await, CampaignState::Paused);
    let later = night.flow().campaign_progress(&id).await.expect("progress");
    assert_eq!((later.sent, later.planned), (held.sent, held.planned), "a paused campaign stands still");
    night.flow().run_campaign(&id).await.expect("it resumes");
    night.quiet(&id).await;
    night.all_sent(&id).await;
    let resumed = night.flow().campaign_progress(&id).await.expect("progress");
    assert!(resumed.sent > held.sent, "and goes on");
    night.flow().cancel_campaign(&id).await.expect("it is cancelled");
    night.clock.advance(24 * 3_600_000);
    assert_eq!(night.quiet(&id).await, CampaignState::Cancelled);
    let over = night.flow().campaign_progress(&id).await.expect("progress");
    assert_eq!((over.sent, over.queued), (resumed.sent, 0), "nothing of it is sent any more");
    assert!(night.flow().run_campaign(&id).await.is_err(), "cancelled is for good");
    night.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_pauses_resumes_and_is_cancelled_on_sqlite() {
    check_turns("sqlite = \"night.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_pauses_resumes_and_is_cancelled_on_postgres() {
    if postgres::wanted() {
        check_turns(&format!("postgres = {:?}", postgres::database_url("turns"))).await;
    }
}
