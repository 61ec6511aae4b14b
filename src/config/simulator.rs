//! The simulated carrier: who may bind to it, how it answers, and how the handsets behind it behave.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::carrier::octets;
use super::problem::Problems;
use super::raw::{At, Document, Table, Wrong};
use super::unit::{Secret, cut, duration_words, integer, milliseconds, one_of, secret, share, text};

/// A wait longer than this in a simulation is a typing error.
const LONGEST_MS: u64 = 86_400_000;

/// The simulated carrier.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatorConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The same seed, the same run.
    pub seed: u64,
    /// Where every message and reply is written down, one JSON object a line.
    pub journal: Option<PathBuf>,
    /// Who may bind; anybody where the list is empty.
    pub accounts: Vec<Account>,
    /// Answers to submit_sm.
    pub response: Response,
    /// Receipts.
    pub receipts: Receipts,
    /// People.
    pub handsets: Handsets,
}

/// Who may bind to the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login.
    pub system_id: String,
    /// What it must show.
    pub password: Secret,
}

/// A wait drawn between two ends, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// Shortest.
    pub min_ms: u64,
    /// Longest.
    pub max_ms: u64,
}

/// How submit_sm is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// How long the answer takes.
    pub delay: Delay,
    /// Form of the message id.
    pub ids: IdForm,
    /// Share answered ESME_RTHROTTLED.
    pub throttled_share: f64,
}

/// The form of message ids in responses and receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdForm {
    /// Decimal in both.
    Decimal,
    /// Hex in both.
    Hex,
    /// Hex in the response, decimal in the receipt.
    HexThenDecimal,
    /// Decimal in the response, padded with zeros to 10 digits in the receipt.
    Padded,
    /// A UUID in both.
    Uuid,
}

/// How messages end.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipts {
    /// How long after the response the receipt comes.
    pub delay: Delay,
    /// Share that is undeliverable, for each error code.
    pub undeliverable: Vec<Undeliverable>,
    /// Share that expires. The rest is delivered.
    pub expired_share: f64,
    /// Share of receipts sent twice.
    pub duplicate_share: f64,
}

/// Messages that can't be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct Undeliverable {
    /// `err:` of the receipt.
    pub err: String,
    /// Share of all messages.
    pub share: f64,
}

impl Receipts {
    /// Share that is delivered: what is left.
    pub fn delivered_share(&self) -> f64 {
        let lost: f64 = self.undeliverable.iter().map(|one| one.share).sum();
        (1.0 - lost - self.expired_share).max(0.0)
    }
}

/// How people behave. Shares are of those who got the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Handsets {
    /// What they write back: a CSV file like `fixtures/replies`; the built-in one where it is left out.
    pub replies: Option<PathBuf>,
    /// Share that writes back.
    pub reply_share: f64,
    /// How long they think.
    pub delay: Delay,
    /// Share of those who write back that wants to be left alone.
    pub stop_share: f64,
    /// Share of those who write back that does it late.
    pub late_share: f64,
    /// How late.
    pub late_delay: Delay,
    /// Share of those who write back whose message comes in two parts.
    pub two_part_share: f64,
}

impl Default for SimulatorConfig {
    /// What `config/simulator.toml` says, but for the account: anybody may bind.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 2775)),
            seed: 1,
            journal: None,
            accounts: Vec::new(),
            response: Response { delay: Delay::between(1, 10), ids: IdForm::Decimal, throttled_share: 0.0 },
            receipts: Receipts {
                delay: Delay::between(100, 1_500),
                undeliverable: [("001", 0.02), ("011", 0.005), ("027", 0.015)]
                    .map(|(err, share)| Undeliverable { err: err.to_owned(), share })
                    .to_vec(),
                expired_share: 0.01,
                duplicate_share: 0.01,
            },
            handsets: Handsets {
                replies: None,
                reply_share: 0.55,
                delay: Delay::between(1_000, 10_000),
                stop_share: 0.06,
                late_share: 0.05,
                late_delay: Delay::between(10_000, 20_000),
                two_part_share: 0.03,
            },
        }
    }
}

impl Delay {
    /// Between these, in milliseconds.
    pub const fn between(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms, max_ms }
    }

    /// The wait for these dice: any random number.
    pub const fn draw(self, dice: u64) -> u64 {
        self.min_ms + dice % (self.max_ms.saturating_sub(self.min_ms) + 1)
    }
}

impl std::fmt::Display for Delay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.min_ms == self.max_ms {
            return f.write_str(&duration_words(self.min_ms));
        }
        write!(f, "{}..{}", duration_words(self.min_ms), duration_words(self.max_ms))
    }
}

/// Reads a simulator's configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_simulator(path: &Path) -> Result<SimulatorConfig, Problems> {
    let document = Document::open(path)?;
    let config = read(&document);
    document.finish(config)
}

pub(super) fn read(document: &Document) -> Option<SimulatorConfig> {
    let root = document.parse();
    let table = Table::root(document, &root);
    let usual = SimulatorConfig::default();
    let listen = table.or("listen", address, usual.listen);
    let seed = table.or("seed", integer(0..=i64::MAX), 1).cast_unsigned();
    let journal = table.get("journal", text).map(|at| document.path(at.value));
    let accounts = table.tables("account").iter().filter_map(read_account).collect();
    let response = table.table("response").map_or(usual.response.clone(), |table| Response {
        delay: table.or("delay", delay, usual.response.delay),
        ids: table.or("ids", one_of(IDS), usual.response.ids),
        throttled_share: table.or("throttled", share, usual.response.throttled_share),
    });
    let receipts =
        table.table("receipts").map_or(usual.receipts.clone(), |table| read_receipts(&table, usual.receipts));
    let handsets =
        table.table("handsets").map_or(usual.handsets.clone(), |table| read_handsets(&table, usual.handsets));
    Some(SimulatorConfig { listen, seed, journal, accounts, response, receipts, handsets })
}

fn read_account(table: &Table<'_>) -> Option<Account> {
    let folder = table.document().path("");
    let system_id = table.need("system_id", octets(15), "the login: system_id = \"backchat\"");
    let password = table.need("password", secret(&folder), "write password = \"plain:…\" for a simulator");
    Some(Account { system_id: system_id?.value, password: password?.value })
}

const IDS: &[(&str, IdForm)] = &[
    ("decimal", IdForm::Decimal),
    ("hex", IdForm::Hex),
    ("hex-then-decimal", IdForm::HexThenDecimal),
    ("padded", IdForm::Padded),
    ("uuid", IdForm::Uuid),
];

fn read_receipts(table: &Table<'_>, usual: Receipts) -> Receipts {
    let document = table.document();
    let delay = table.or("delay", delay, usual.delay);
    let expired = table.get("expired", share);
    let duplicate_share = table.or("duplicates", share, usual.duplicate_share);
    let undeliverable = match table.table("undeliverable") {
        None => usual.undeliverable,
        Some(codes) => {
            let codes = codes.entries().filter_map(|(err, value)| {
                let share = codes.read(err.value, value, share)?.value;
                if err.value.len() != 3 || !err.value.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
                    let hint = "a receipt's err has three characters, like 001";
                    document.note(err.span, format!("`{}` is no error code", cut(err.value)), hint);
                }
                Some(Undeliverable { err: err.value.to_owned(), share })
            });
            codes.collect()
        }
    };
    let expired_share = expired.as_ref().map_or(usual.expired_share, |at| at.value);
    let lost: f64 = undeliverable.iter().map(|one| one.share).sum::<f64>() + expired_share;
    if lost > 1.0 {
        let at = expired.map_or(table.span(), |at| at.span);
        let what = format!("expired and undeliverable are {:.0}% together", lost * 100.0);
        document.note(at, what, "at most 100%; the rest is delivered");
    }
    Receipts { delay, undeliverable, expired_share, duplicate_share }
}

fn read_handsets(table: &Table<'_>, usual: Handsets) -> Handsets {
    let document = table.document();
    let replies = table.get("replies", text).map(|at| At { value: document.path(at.value), span: at.span });
    if let Some(missing) = replies.as_ref().filter(|at| !at.value.is_file()) {
        let what = format!("there is no file {}", missing.value.display());
        document.note(
            missing.span.clone(),
            what,
            "the path is relative to this file; leave it out for the built-in replies",
        );
    }
    let reply_share = table.or("reply", share, usual.reply_share);
    let thinking = table.or("delay", delay, usual.delay);
    let stop = table.get("stop", share);
    let late = table.get("late", share);
    let late_delay = table.or("late_delay", delay, usual.late_delay);
    let two_part_share = table.or("two_part", share, usual.two_part_share);
    Handsets {
        replies: replies.map(|at| at.value),
        reply_share,
        delay: thinking,
        stop_share: stop.map_or(usual.stop_share, |at| at.value),
        late_share: late.map_or(usual.late_share, |at| at.value),
        late_delay,
        two_part_share,
    }
}

fn address(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let written = text(value)?;
    let hint = "write an address and a port: \"127.0.0.1:2775\", or \"0.0.0.0:2775\" for the whole network";
    written.parse().map_err(|_| Wrong::new(format!("is `{}`", cut(written)), hint))
}

/// `"5ms"`, or `"200ms..2s"`.
fn delay(value: &DeValue<'_>) -> Result<Delay, Wrong> {
    let hint = "write a time, \"5ms\", or from one to another, \"200ms..2s\"; at most a day";
    let written = value.as_str().ok_or_else(|| Wrong::kind(value, hint))?;
    let (from, to) = written.split_once("..").unwrap_or((written, written));
    let ends = milliseconds(from).zip(milliseconds(to));
    ends.filter(|(min, max)| min <= max && *max <= LONGEST_MS)
        .map(|(min_ms, max_ms)| Delay { min_ms, max_ms })
        .ok_or_else(|| Wrong::new(format!("is `{}`", cut(written)), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay_of(written: &str) -> Option<Delay> {
        delay(&DeValue::String(written.into())).ok()
    }

    #[test]
    fn a_delay_is_one_time_or_from_one_to_another() {
        assert_eq!(delay_of("5ms"), Some(Delay::between(5, 5)));
        assert_eq!(delay_of("200ms..2s"), Some(Delay::between(200, 2_000)));
        for wrong in ["2s..1s", "..", "5", "1s..", "2d"] {
            assert_eq!(delay_of(wrong), None, "{wrong}");
        }
        assert_eq!(Delay::between(200, 2_000).to_string(), "200ms..2s");
    }

    #[test]
    fn a_delay_is_drawn_inside_its_ends() {
        for dice in [0, 1, 7, 1_801, u64::MAX] {
            assert!((200..=2_000).contains(&Delay::between(200, 2_000).draw(dice)));
        }
        assert_eq!(Delay::between(0, u64::MAX - 1).draw(u64::MAX), 0);
    }

    #[test]
    fn the_shipped_simulator_is_the_default_with_an_account() {
        let mut config = load_simulator(Path::new("config/simulator.toml")).unwrap();
        assert_eq!(config.accounts.len(), 1);
        config.accounts.clear();
        assert_eq!(config, SimulatorConfig::default());
    }
}
