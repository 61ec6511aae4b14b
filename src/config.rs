//! The configuration: TOML as an operator writes it, read strictly, every mistake shown with its place and the way out.

mod account;
mod carrier;
mod checks;
mod code;
mod consent;
pub mod contacts;
mod country;
mod fields;
mod hours;
mod keyword;
mod language;
pub mod lists;
mod packs;
mod plan;
mod problem;
mod raw;
mod reserved;
mod retention;
pub mod simulator;
mod survey;
mod unit;
mod wording;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use account::{Account, HttpConfig, Login, MayCampaign, Network, Shown, SmppConfig, purpose_named};
pub use carrier::{
    AfterHold, BindKind, Cancel, Carrier, DefaultAlphabet, Doubts, InDoubtPolicy, Numbering, ReceiptIds,
};
pub use code::{Code, CodeTexts};
pub use consent::{AfterStop, CodeConsent, ConsentRule};
pub use contacts::{Contact, Contacts, RowFault, RowProblem, open_contacts, read_contacts};
pub use keyword::{CodeKeyword, DoubleOptIn, Opens, OptIn};
pub use language::{ByLanguage, NotALanguage, language_tag};
pub use lists::{List, ListedNumber, instant_of, open_list, read_list};
pub use packs::{PACK_FILES, Packs, load_packs};
pub use plan::{CarrierChange, Change, Plan};
pub use problem::{Problem, Problems};
pub use retention::Retention;
pub use simulator::{
    Delay, Handsets, IdForm, Receipts, Response, SimulatorConfig, Undeliverable, load_simulator,
};
pub use survey::{ClosingText, QuestionText, Survey, load_survey, parse_survey};
pub use unit::{Rate, Secret, milliseconds};

use crate::message::{Partitions, Sender};
use crate::rules::hours::Account as AccountHours;
use crate::rules::reading::Reader;
use raw::{At, Document, Table, Wrong};
use toml::de::DeValue;
use unit::{integer, one_of, secret, text, texts};

/// Message ids have 10 bits for the node.
const LAST_NODE: u16 = 1_023;
/// Where everything is kept when nothing is said.
const USUAL_FILE: &str = "backchat.db";
const PARTITIONS: &[(&str, Partitions)] = &[("none", Partitions::None), ("daily", Partitions::Daily)];

/// Everything an operator decides, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// This process among those that share a database, 0 to 1023.
    pub node: u16,
    /// The memory.
    pub store: StoreConfig,
    /// Accounts at carriers.
    pub carriers: Vec<Carrier>,
    /// Codes people answer to.
    pub codes: Vec<Code>,
    /// What the account decides about permitted hours.
    pub hours: AccountHours,
    /// Those who hand messages in.
    pub accounts: Vec<Arc<Account>>,
    /// Where they do so by HTTP; none: not at all.
    pub http: Option<HttpConfig>,
    /// Where they bind; none: nowhere.
    pub smpp: Option<SmppConfig>,
    /// Surveys by their key.
    pub surveys: BTreeMap<String, Survey>,
    /// What replies are read by.
    pub packs: Packs,
    /// How long what has happened is kept.
    pub retention: Retention,
}

impl Config {
    /// The carrier account of a lane.
    pub fn carrier(&self, lane: &str) -> Option<&Carrier> {
        self.carriers.iter().find(|carrier| carrier.name == lane)
    }

    /// The reader of replies.
    pub fn reader(&self) -> Arc<Reader> {
        self.packs.reader()
    }

    /// The code a message came to, or is sent from.
    pub fn code(&self, number: &Sender) -> Option<&Code> {
        self.codes.iter().find(|code| code.number == *number)
    }
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Which database.
    pub location: StoreLocation,
    /// The key under which the opt-outs of erased numbers are kept. None: no number can be erased.
    pub erasure_key: Option<Secret>,
    /// Whether each day's messages have tables of their own.
    pub partitions: Partitions,
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A file of ours.
    Sqlite(PathBuf),
    /// A Postgres server, by its URL.
    Postgres(Secret),
}

/// Reads and checks a configuration and the surveys it names.
///
/// # Errors
/// Everything that is wrong with any of the files, at once.
pub fn load(path: &Path) -> Result<Config, Problems> {
    finish(Document::open(path)?)
}

/// Reads and checks a configuration from memory: `file` names it in problems, paths in it are relative to `folder`.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Config, Problems> {
    finish(Document::new(file, text.to_owned(), folder))
}

fn finish(document: Document) -> Result<Config, Problems> {
    let mut surveys = Vec::new();
    let config = read(&document, &mut surveys);
    let rest = surveys.into_iter().flat_map(|file| file.document.found()).collect();
    document.finish_with(rest, config)
}

fn read(document: &Document, surveys: &mut Vec<SurveyFile>) -> Option<Config> {
    let root = document.parse();
    let table = Table::root(document, &root);
    let node = table.or("node", integer(0..=LAST_NODE), 0);
    let packs = packs::read(&table);
    let hours = hours::read(&table);
    let retention = retention::read(&table);
    let store = table.table("store");
    let location = location(document, store.as_ref());
    let partitions = store.as_ref().map_or(Partitions::None, |store| partitions(document, store));
    let erasure_key = store
        .as_ref()
        .and_then(|store| store.get("erasure_key", secret(&document.path(""))))
        .map(|at| at.value);
    let carrier_tables = table.tables("carrier");
    let code_tables = table.tables("code");
    for (block, tables) in [("carrier", &carrier_tables), ("code", &code_tables)] {
        if tables.is_empty() {
            table.missing(
                &format!("[[{block}]]"),
                &format!("write at least one block that begins with [[{block}]]"),
            );
        }
    }
    let carriers: Vec<At<Carrier>> = carrier_tables.iter().filter_map(carrier::read).collect();
    let pack = code::built_in();
    let codes: Vec<code::Read> = code_tables.iter().filter_map(|table| code::read(table, &pack)).collect();
    let (http, smpp) = (account::http(&table), account::smpp(&table));
    let accounts: Vec<account::Read> = table.tables("account").iter().filter_map(account::read).collect();
    let mut unread = 0;
    for at in table.get("surveys", texts).map(|at| at.value).unwrap_or_default() {
        match survey_file(document, &at) {
            Some(file) => surveys.push(file),
            None => unread += 1,
        }
    }
    unread += surveys.iter().filter(|file| file.read.is_none()).count();
    checks::carriers(document, &carriers);
    checks::codes(document, &codes);
    // What was refused for another reason is still named elsewhere: one mistake, one problem.
    if carriers.len() == carrier_tables.len() {
        checks::carriers_of_codes(document, &codes, &carriers);
    }
    checks::surveys(surveys);
    if codes.len() == code_tables.len() {
        checks::senders_of_surveys(surveys, &codes);
    }
    let known: Vec<&Code> = codes.iter().map(|read| &read.code).collect();
    account::check(document, &accounts, (codes.len() == code_tables.len()).then_some(known.as_slice()));
    checks::surveys_opened(document, &codes, surveys, unread == 0);

    let surveys = surveys.iter().filter_map(|file| file.read.as_ref());
    Some(Config {
        node,
        store: StoreConfig { location: location?, erasure_key, partitions },
        hours,
        carriers: carriers.into_iter().map(|at| at.value).collect(),
        codes: codes.into_iter().map(|read| read.code).collect(),
        accounts: accounts.into_iter().map(|read| Arc::new(read.account.value)).collect(),
        http,
        smpp,
        surveys: surveys.map(|read| (read.survey.key.clone(), read.survey.clone())).collect(),
        packs,
        retention,
    })
}

/// A survey's file and what could be read of it.
struct SurveyFile {
    document: Document,
    read: Option<survey::Read>,
}

fn survey_file(config: &Document, written: &At<&str>) -> Option<SurveyFile> {
    match Document::open(&config.path(written.value)) {
        Ok(document) => {
            let read = survey::read(&document);
            Some(SurveyFile { document, read })
        }
        Err(problems) => {
            for problem in problems.items() {
                let what = format!("the survey `{}` cannot be used: {}", written.value, problem.what);
                let usual = "the path is relative to this file".to_owned();
                config.note(written.span.clone(), what, problem.hint.clone().unwrap_or(usual));
            }
            None
        }
    }
}

fn location(document: &Document, store: Option<&Table<'_>>) -> Option<StoreLocation> {
    let Some(store) = store else {
        return Some(StoreLocation::Sqlite(document.path(USUAL_FILE)));
    };
    let sqlite = store.get("sqlite", text);
    let postgres = store.get("postgres", postgres(&document.path("")));
    match (sqlite, postgres) {
        (Some(_), Some(postgres)) => {
            let hint = "one holds everything: take `sqlite` or `postgres` out";
            document.note(postgres.span, "two databases", hint);
            None
        }
        (_, Some(url)) => Some(StoreLocation::Postgres(url.value)),
        (Some(file), None) => Some(StoreLocation::Sqlite(document.path(file.value))),
        (None, None) if store.says("sqlite") || store.says("postgres") => None,
        (None, None) => {
            store.missing("sqlite", "write sqlite = \"backchat.db\", or postgres = \"env:NAME\"");
            None
        }
    }
}

/// SQLite has one table for all days.
fn partitions(document: &Document, store: &Table<'_>) -> Partitions {
    let Some(chosen) = store.get("partitions", one_of(PARTITIONS)) else { return Partitions::None };
    if chosen.value == Partitions::Daily && store.says("sqlite") {
        let hint = "take the line out: SQLite gives the room of what is forgotten to what comes next";
        document.note(chosen.span, "SQLite has no partitions", hint);
    }
    chosen.value
}

/// A Postgres URL: as it is where there is no password in it, else by reference.
fn postgres(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<Secret, Wrong> {
    let by_reference = secret(folder);
    move |value| {
        let written = text(value)?;
        let schemes = ["postgres://", "postgresql://"];
        let plain = schemes.iter().find_map(|scheme| written.strip_prefix(scheme));
        let url = match plain {
            Some(rest)
                if rest
                    .split(['/', '?'])
                    .next()
                    .unwrap_or_default()
                    .rsplit_once('@')
                    .is_none_or(|(user, _)| !user.contains(':'))
                    && !rest.contains("password=") =>
            {
                Secret::new(written)
            }
            Some(_) => {
                let hint = "put the whole URL in a variable and write \"env:NAME\", or in a file and write \"file:PATH\"";
                return Err(Wrong::new("has a password in the file itself", hint));
            }
            None => by_reference(value)?,
        };
        if schemes.iter().any(|scheme| url.reveal().starts_with(scheme)) {
            return Ok(url);
        }
        Err(Wrong::new("is no Postgres URL", "it looks like postgres://user@host/database"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Compares with a file that a person can read; `BLESS=1` writes it anew.
    pub(super) fn same_as_golden(golden: &Path, got: &str) {
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(golden, got).unwrap();
        }
        let wanted = std::fs::read_to_string(golden).unwrap_or_default();
        assert_eq!(got, wanted, "{} says otherwise; BLESS=1 writes it anew", golden.display());
    }

    fn shipped(name: &str) -> Config {
        load(Path::new(name)).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn told(text: &str) -> Vec<String> {
        let problems = parse("test.toml", text, Path::new("config")).err();
        problems
            .map_or_else(Vec::new, |problems| problems.items().iter().map(|one| one.what.clone()).collect())
    }

    const LEAST: &str = r#"
        [[carrier]]
        name = "main"
        host = "127.0.0.1"
        port = 2775
        system_id = "backchat"
        password = "plain:backchat"
        [[code]]
        number = "88001"
        carrier = "main"
        brand = "Backchat"
    "#;

    #[test]
    fn wrong_files_are_refused_with_the_words_of_their_goldens() {
        let mut seen = 0;
        let mut files: Vec<PathBuf> =
            std::fs::read_dir("fixtures/config").unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")) {
            let name = file.file_stem().and_then(|name| name.to_str()).unwrap();
            let problems = match name.split('-').next() {
                // Right by itself; named by a file in which it is wrong.
                _ if name == "survey-sender" => continue,
                Some("survey") => load_survey(file).err(),
                Some("simulator") => load_simulator(file).err(),
                _ => load(file).err(),
            };
            let problems = problems.unwrap_or_else(|| panic!("{name} is taken for right"));
            same_as_golden(&file.with_extension("txt"), &format!("{problems}\n"));
            seen += 1;
        }
        assert!(seen >= 10, "{seen} wrong files");
    }

    #[test]
    fn the_shipped_configuration_and_simulator_work_together() {
        let config = shipped("config/minimal.toml");
        let simulator = load_simulator(Path::new("config/simulator.toml")).unwrap();
        let carrier = &config.carriers[0];
        assert_eq!((carrier.host.as_str(), carrier.port), ("127.0.0.1", simulator.listen.port()));
        assert_eq!(carrier.system_id, simulator.accounts[0].system_id);
        assert_eq!(carrier.password, simulator.accounts[0].password);
        assert_eq!(config.codes[0].number.0, "88001");
        assert_eq!(config.surveys["exit"].range(), "1-8");
        assert_eq!(config.store.location, StoreLocation::Sqlite("config/backchat.db".into()));
    }

    #[test]
    fn the_full_configuration_leaves_nothing_to_a_default() {
        let document = Document::open(Path::new("config/full.toml")).unwrap();
        let _ = read(&document, &mut Vec::new());
        assert_eq!(document.absent(), ["code.carriers", "store.erasure_key", "store.postgres"]);
    }

    #[test]
    fn the_full_configuration_says_what_the_defaults_are() {
        let (full, least) =
            (shipped("config/full.toml"), parse("least.toml", LEAST, Path::new("config")).unwrap());
        assert_eq!(full.carriers, least.carriers);
        assert_eq!((full.node, &full.store), (least.node, &least.store));
        for language in ["en", "id", "ro"] {
            let (full, least) = (full.codes[0].text(Some(language)), least.codes[0].text(Some(language)));
            assert_eq!((&full.thanks, &full.stopped), (&least.thanks, &least.stopped), "{language}");
        }
        assert_eq!(least.codes[0].languages.len(), 18);
    }

    #[test]
    fn a_code_speaks_the_persons_language_and_else_its_first() {
        let config = shipped("config/full.toml");
        let code = &config.codes[0];
        assert!(code.text(Some("ro-RO")).stopped.contains("dezabonat"));
        assert_eq!(code.language(Some("fr")), "en");
        assert!(code.text(None).help.contains("help@example.com"), "{}", code.text(None).help);
        assert!(code.text(None).ask_again.contains("{range}"), "what only the question knows stays open");
    }

    #[test]
    fn one_mistake_is_one_problem() {
        assert_eq!(told(&LEAST.replace("port = 2775", "port = 0")), ["`port` is 0"]);
        assert_eq!(told(&LEAST.replace("\"88001\"", "88001")), ["`number` is a whole number"]);
        assert_eq!(
            told(&format!("surveys = [\"no.toml\"]\n{LEAST}\n[code.keywords]\nGO = \"survey:no\"")).len(),
            1
        );
        assert_eq!(told(&format!("store = \"backchat.db\"\n{LEAST}")), ["`store` is a text"]);
        assert!(told(LEAST).is_empty());
    }

    #[test]
    fn only_postgres_has_partitions() {
        let with = |store: &str| told(&format!("[store]\n{store}\npartitions = \"daily\"\n{LEAST}"));
        assert_eq!(with("postgres = \"postgres://db/x\""), [""; 0]);
        assert_eq!(with("sqlite = \"backchat.db\""), ["SQLite has no partitions"]);
    }

    #[test]
    fn a_postgres_address_without_a_password_may_stand_in_the_file() {
        let with = |url: &str| parse("t", &format!("[store]\npostgres = \"{url}\"\n{LEAST}"), Path::new(""));
        let StoreLocation::Postgres(url) = with("postgres://me@db.example/backchat").unwrap().store.location
        else {
            panic!("not Postgres")
        };
        assert_eq!(url.reveal(), "postgres://me@db.example/backchat");
        for wrong in ["postgres://me:pw@db/x", "postgres://db/x?user=me&password=pw", "mysql://db/x"] {
            let problems = with(wrong).unwrap_err();
            assert!(!problems.to_string().contains("pw"), "{problems}");
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let config = parse("t", &LEAST.replace("plain:backchat", "plain:hunter2"), Path::new("")).unwrap();
        assert_eq!(config.carriers[0].password.reveal(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn problems_can_be_had_as_json_with_their_places() {
        let problems = load(Path::new("fixtures/config/values.toml")).unwrap_err();
        let json = serde_json::to_value(&problems.items()[0]).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "file": "fixtures/config/values.toml", "line": 2, "column": 8, "what": "`node` is 5000",
                "hint": "write a whole number from 0 to 1023",
            })
        );
        assert!(problems.styled().contains('\u{1b}') && !problems.plain().contains('\u{1b}'));
    }

    proptest! {
        // Each case reads four files.
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn no_text_upsets_it(text in ".{0,300}") {
            let _ = parse("t", &text, Path::new(""));
            let _ = parse_survey("t", &text);
        }

        /// A wrong file is much like a right one: lines taken out, doubled, cut.
        #[test]
        fn no_damage_to_a_file_upsets_it(at in 0..4_000_usize, length in 0..200_usize, sign in "[\\[\\]\"=#{}x\n]{0,3}") {
            for file in ["config/full.toml", "config/surveys/exit.toml"] {
                let text: Vec<char> = std::fs::read_to_string(file).unwrap().chars().collect();
                let at = at.min(text.len());
                let end = (at + length).min(text.len());
                let damaged: String = text[..at].iter().copied().chain(sign.chars()).chain(text[end..].iter().copied()).collect();
                if let Err(problems) = parse(file, &damaged, Path::new("config")) {
                    prop_assert!(!problems.items().is_empty() && !problems.plain().is_empty());
                }
                let _ = parse_survey(file, &damaged);
            }
        }
    }
}
