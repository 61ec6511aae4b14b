//! STOP through the whole system, on both stores: whatever is queued, in a slice or on its way to the socket, nothing
//! begins after the STOP was answered, but one confirmation.

#[path = "support/everybody.rs"]
mod everybody;
#[path = "support/postgres.rs"]
mod postgres;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::flow::Flow;
use backchat::flow::campaign::{BrokenRows, Start};
use backchat::message::{CampaignId, Msisdn};
use backchat::simulator::{Account, Cue, Handsets, ReceiptSettings, Settings, Shares, Simulator, Span};
use backchat::store::Life;

/// People written to.
const PEOPLE: u64 = 150;

/// A carrier with people who all say STOP as soon as they are asked, and a server bound to it.
struct Town {
    carrier: Simulator,
    server: Server,
    folder: tempfile::TempDir,
}

impl Town {
    async fn new(store: &str, handsets: Handsets) -> Self {
        Self::at(store, Settings { handsets, ..Settings::plain() }).await
    }

    async fn at(store: &str, settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let carrier = Simulator::start(Settings {
            accounts: vec![Account { system_id: "town".into(), password: "town".into() }],
            ..settings
        })
        .await
        .expect("a carrier");
        let port = carrier.address().port();
        let survey = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/surveys/exit.toml");
        let text = format!(
            "surveys = [{survey:?}]\n[hours]\nenforce = \"never\"\n[store]\n{store}\n[[carrier]]\nname = \"town\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             system_id = \"town\"\npassword = \"plain:town\"\nrate = \"400/s\"\nwindow = 20\ncancel = \"after-stop\"\n\
             [[code]]\nnumber = \"88001\"\ncarrier = \"town\"\nbrand = \"Town\"\nlanguages = [\"en\"]\n"
        );
        let config = config::parse("town.toml", &text, folder.path()).expect("a configuration");
        let server = Server::start(config, Clock::System).await.expect("a server");
        Self { carrier, server, folder }
    }

    fn flow(&self) -> &Arc<Flow> {
        self.server.flow()
    }

    /// A file of everybody.
    fn people(&self) -> PathBuf {
        let mut people = String::from("number,language\n");
        for person in 0..PEOPLE {
            let _ = writeln!(people, "+{},en", 447_700_900_000 + person);
        }
        let contacts = self.folder.path().join("people.csv");
        std::fs::write(&contacts, people).expect("a contact file");
        contacts
    }

    /// Asks everybody.
    async fn survey(&self, name: &str) {
        let start = Start {
            id: CampaignId(name.to_owned()),
            survey: "exit",
            contacts: self.people(),
            limit: None,
            broken: BrokenRows::Refuse,
        };
        self.flow().start_campaign(&start, |_| {}).await.expect("a campaign");
    }

    /// Tells everybody something: a second question would wait for the answer to the first.
    async fn advert(&self, name: &str) {
        let text = "Half price today. Reply STOP to opt out.";
        everybody::tell(self.flow(), &self.people(), name, text).await;
    }

    /// Waits until nothing is queued and nobody has anything more to say.
    async fn quiet(&self) {
        everybody::quiet(self.flow(), &self.carrier, "town").await;
    }
}

fn all_say(shares: Shares) -> Handsets {
    let text = include_str!("../config/surveys/exit.toml");
    let survey = config::parse_survey("exit.toml", text).expect("the exit survey");
    Handsets {
        first: shares,
        again: Shares::default(),
        think: Span::of_ms(0, 150),
        late: 0.0,
        cues: Cue::of_survey(&survey, "exit_1_8"),
        ..Handsets::default()
    }
}

async fn check_second_campaign(store: &str) {
    let town = Town::new(store, all_say(Shares { stop: 1.0, ..Shares::default() })).await;
    // Made ready beside the start: in a debug build both campaigns would have gone before anybody is understood.
    drop(town.flow().reader());
    town.survey("first").await;
    town.advert("second").await;
    town.quiet().await;
    let results = town.flow().store.results(&CampaignId("second".into())).await.expect("results");
    let census = town.carrier.census();
    assert_eq!(census.sends_after_stop, 0, "{census:?}");
    assert_eq!(census.stops, PEOPLE, "everybody said STOP");
    assert_eq!(census.confirmations_after_stop, PEOPLE, "one confirmation each: {census:?}");
    assert_eq!(results.accepted, 150);
    assert!(results.suppressed > 0, "STOPs came while the second campaign was queued: {results:?}");
    assert_eq!(results.sends + results.suppressed, results.accepted, "{results:?}");

    town.advert("third").await;
    town.quiet().await;
    let results = town.flow().store.results(&CampaignId("third".into())).await.expect("results");
    assert_eq!((results.suppressed, results.sends), (150, 0), "after STOP, silence");
    assert_eq!(town.carrier.census().sends_after_stop, 0);
    town.server.stop().await;
    town.carrier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_that_come_while_a_second_campaign_is_queued_silence_it_on_sqlite() {
    check_second_campaign("sqlite = \"town.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_that_come_while_a_second_campaign_is_queued_silence_it_on_postgres() {
    if postgres::wanted() {
        check_second_campaign(&format!("postgres = {:?}", postgres::database_url("stop"))).await;
    }
}

/// Nobody's handset is reached within the hour, and one person says STOP meanwhile.
async fn check_withdrawal(store: &str) {
    let hour = Span::of_ms(3_600_000, 3_600_000);
    let receipt = ReceiptSettings { delay: hour, ..Settings::plain().receipt };
    let town = Town::at(store, Settings { receipt, handsets: Handsets::silent(), ..Settings::plain() }).await;
    town.advert("first").await;
    while town.carrier.census().submits < PEOPLE {
        tokio::task::yield_now().await;
    }
    let person = Msisdn(447_700_900_007);
    town.carrier.say(person, "88001", "STOP").await;
    let advert = loop {
        let life = town.flow().store.why_number(person).await.expect("a life");
        let ended = life.messages.into_iter().find(|message| message.state == "undeliverable");
        let told = |life: &Life| life.entries.iter().any(|entry| entry.kind == "withdrawn");
        if let Some(advert) = ended.filter(told) {
            break advert;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(advert.cause.as_deref(), Some("deleted"));
    assert_eq!(town.carrier.census().cancelled, 1, "the others are delivered in the end");
    town.server.stop().await;
    town.carrier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_carrier_still_holds_is_withdrawn_after_a_stop_on_sqlite() {
    check_withdrawal("sqlite = \"town.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_carrier_still_holds_is_withdrawn_after_a_stop_on_postgres() {
    if postgres::wanted() {
        check_withdrawal(&format!("postgres = {:?}", postgres::database_url("withdrawal"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn start_and_only_start_brings_somebody_back() {
    let town = Town::new("sqlite = \"town.db\"", Handsets::silent()).await;
    let person = Msisdn(447_700_900_000);
    for text in ["STOP", "hello, who do I talk to", "3", "yes"] {
        town.carrier.say(person, "88001", text).await;
        town.quiet().await;
    }
    let opted_out = town.flow().store.optouts(&[person]).await.expect("opt-outs");
    assert_eq!(opted_out.len(), 1, "no other word opts somebody back in");
    town.carrier.say(person, "88001", "START").await;
    town.quiet().await;
    assert!(town.flow().store.optouts(&[person]).await.expect("opt-outs").is_empty());
    let life = town.flow().store.why_number(person).await.expect("a life");
    assert_eq!(life.consent.len(), 2, "both changes are kept: {:?}", life.consent);
    town.server.stop().await;
}
