//! STOP in every wording we have, through the whole system, on both stores: whoever says it gets one confirmation in a
//! language of theirs, and nothing more of what is sent to everybody afterwards.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "support/everybody.rs"]
mod everybody;
#[path = "support/postgres.rs"]
mod postgres;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::flow::Flow;
use backchat::message::Msisdn;
use backchat::simulator::{Account, Handsets, Settings, Simulator};

const FIRST: u64 = 447_700_900_000;
const CODE: &str = "88001";
const AFTERWARDS: &str = "Half price today.";

/// A wording, and the language of who says it.
struct Wording {
    text: String,
    language: String,
}

/// Every opt-out of the shared rows and of those read at first sight, said where no question is open: no guard of a
/// survey's own helps it.
fn wordings() -> Vec<Wording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/replies");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "csv"));
    files.sort();
    let mut known = BTreeSet::new();
    let mut wordings = Vec::new();
    for file in files {
        for row in csv::Reader::from_path(file).unwrap().into_records() {
            let row = row.unwrap();
            let (text, language) = (row[0].to_owned(), row[1].to_owned());
            if row[3] == *"optout" && known.insert((text.clone(), language.clone())) {
                wordings.push(Wording { text, language });
            }
        }
    }
    wordings
}

struct Town {
    carrier: Simulator,
    server: Server,
    folder: tempfile::TempDir,
    people: PathBuf,
}

impl Town {
    async fn new(store: &str, wordings: &[Wording]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let account = Account { system_id: "town".into(), password: "town".into() };
        let settings =
            Settings { accounts: vec![account], handsets: Handsets::silent(), ..Settings::plain() };
        let carrier = Simulator::start(settings).await.unwrap();
        let languages = languages_with_texts();
        let survey = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/surveys/exit.toml");
        let text = format!(
            "surveys = [{survey:?}]\n[hours]\nenforce = \"never\"\n[store]\n{store}\n[[carrier]]\nname = \"town\"\nhost = \"127.0.0.1\"\n\
             port = {}\nsystem_id = \"town\"\npassword = \"plain:town\"\nrate = \"2000/s\"\nwindow = 100\n\
             [[code]]\nnumber = \"{CODE}\"\ncarrier = \"town\"\nbrand = \"Town\"\nlanguages = {languages:?}\n\
             [code.keywords]\nCOFFEE = \"survey:exit\"\nJOIN = \"opt-in\"\n",
            carrier.address().port()
        );
        let config =
            config::parse("town.toml", &text, folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
        let server = Server::start(config, Clock::System).await.unwrap();
        let mut rows = String::from("number,language\n");
        for (one, number) in wordings.iter().zip(FIRST..) {
            let _ = writeln!(rows, "+{number},{}", one.language);
        }
        let people = folder.path().join("people.csv");
        std::fs::write(&people, rows).unwrap();
        Self { carrier, server, folder, people }
    }

    fn flow(&self) -> &Arc<Flow> {
        self.server.flow()
    }

    /// Tells everybody something.
    async fn tell(&self, name: &str, text: &str) {
        everybody::tell(self.flow(), &self.people, name, text).await;
    }

    /// Waits until nothing is queued and nothing on its way.
    async fn quiet(&self) {
        everybody::quiet(self.flow(), &self.carrier, "town").await;
    }
}

/// English first: it is for everybody whose language is not there.
fn languages_with_texts() -> Vec<String> {
    let pack: toml::Table = include_str!("../config/packs/texts.toml").parse().unwrap();
    let others = pack.iter().filter(|(name, value)| value.is_table() && *name != "en");
    std::iter::once("en".to_owned()).chain(others.map(|(name, _)| name.clone())).collect()
}

async fn check(store: &str) {
    let wordings = wordings();
    assert!(wordings.len() > 2_000, "only {} wordings", wordings.len());
    let town = Town::new(store, &wordings).await;
    town.tell("before", "We are open on Sunday. Reply STOP to opt out.").await;
    town.quiet().await;
    for (one, number) in wordings.iter().zip(FIRST..) {
        town.carrier.say(Msisdn(number), CODE, &one.text).await;
    }
    town.quiet().await;
    town.tell("afterwards", AFTERWARDS).await;
    town.quiet().await;

    let config = town.flow().config();
    let (code, languages) = (&config.codes[0], languages_with_texts());
    let mut heard: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for one in town.carrier.received().into_iter().filter(|one| !one.text.starts_with("We are open")) {
        heard.entry(one.number.0).or_default().extend(vec![one.text; one.times as usize]);
    }
    let (mut wrong, mut in_the_words_language) = (Vec::new(), 0);
    for (one, number) in wordings.iter().zip(FIRST..) {
        let heard = heard.remove(&number).unwrap_or_default();
        let own = &code.text(Some(&one.language)).stopped;
        let ours =
            |text: &String| languages.iter().any(|language| code.text(Some(language)).stopped == *text);
        match &heard[..] {
            [only] if only == own => {}
            // who says BERHENTI or DESABONNER is answered in Indonesian or French, whatever the contact file says
            [only] if ours(only) => in_the_words_language += 1,
            other => wrong.push(format!("{} ({}) heard {other:?}", one.text, one.language)),
        }
    }
    println!("{} wordings, {in_the_words_language} confirmed in the language of the word", wordings.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), wordings.len(), wrong.join("\n"));
    assert!(
        in_the_words_language * 50 < wordings.len(),
        "hardly anybody else is answered in another language"
    );
    assert_eq!(town.carrier.census().sends_after_stop, 0);
    town.server.stop().await;
    town.carrier.stop().await;
    drop(town.folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wording_of_stop_brings_one_confirmation_and_silence_on_sqlite() {
    check("sqlite = \"town.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wording_of_stop_brings_one_confirmation_and_silence_on_postgres() {
    if postgres::wanted() {
        check(&format!("postgres = {:?}", postgres::database_url("stop_words"))).await;
    }
}
