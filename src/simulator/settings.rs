//! What a simulated carrier is told: who may bind, how it answers, what becomes of messages, who lives in its handsets.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::SimulatorConfig;
use crate::message::Msisdn;
use crate::simulator::rows::{Rows, Sort};

/// A time that is drawn anew each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Shortest.
    pub min: Duration,
    /// Longest.
    pub max: Duration,
}

impl Span {
    /// No time at all.
    pub const NONE: Self = Self { min: Duration::ZERO, max: Duration::ZERO };

    /// From so many milliseconds to so many.
    pub const fn of_ms(min: u64, max: u64) -> Self {
        Self { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }
}

/// Somebody who may bind.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// system_id.
    pub system_id: String,
    /// password. `Debug` hides it.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("system_id", &self.system_id).finish_non_exhaustive()
    }
}

/// The form of message ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ids {
    /// Digits.
    #[default]
    Decimal,
    /// Lower-case hexadecimal.
    Hex,
    /// Hexadecimal in the answer to the submit, decimal in the receipt.
    HexThenDecimal,
    /// Decimal in the answer to the submit, hexadecimal in the receipt.
    DecimalThenHex,
    /// Decimal, in the receipt with zeros in front.
    Padded,
    /// `7d093bfa-4d65-4757-b0bb-177fc9d0a038`.
    Uuid,
}

/// What becomes of messages, and when the sender hears of it. A handset's fate is its own: every part of every message
/// to it meets the same. Shares are from 0 to 1; what they leave is delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiptSettings {
    /// From the answer to the submit until the handset has the message and the receipt is ready.
    pub delay: Span,
    /// Shares of handsets that can't be delivered to, each with its `err` in receipts (three characters).
    pub undeliverable: Vec<(String, f64)>,
    /// Share of handsets that are switched off until the message has expired.
    pub expired: f64,
    /// Share of receipts that are sent twice.
    pub duplicates: f64,
}

impl ReceiptSettings {
    /// Every message is delivered, after this time.
    pub fn all_delivered(delay: Span) -> Self {
        Self { delay, undeliverable: Vec::new(), expired: 0.0, duplicates: 0.0 }
    }
}

/// Bad habits, all off by default. Shares are from 0 to 1, of submits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Personality {
    /// Answered ESME_RTHROTTLED.
    pub throttle: f64,
    /// More parts than this in one second of one account are answered ESME_RTHROTTLED.
    pub throttle_above: Option<u32>,
    /// Taken, delivered, and never answered.
    pub silence: f64,
    /// Answered late.
    pub late: f64,
    /// How late.
    pub late_by: Duration,
    /// The receipt comes before the answer to the submit.
    pub receipt_first: f64,
    /// The connection is reset in place of the answer to every so many submits on it.
    pub reset_after: Option<u64>,
}

/// Shares of what people say, from 0 to 1. What they leave says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// A readable answer.
    pub answer: f64,
    /// Something to be asked about.
    pub ambiguous: f64,
    /// Words.
    pub free_text: f64,
    /// A call for help.
    pub help: f64,
    /// An opt-out.
    pub stop: f64,
}

impl Shares {
    /// What a draw from 0 to 1 falls on; `None`: nothing is said.
    pub(super) fn pick(&self, fraction: f64) -> Option<Sort> {
        let mut edge = 0.0;
        [
            (self.answer, Sort::Answer),
            (self.ambiguous, Sort::Ambiguous),
            (self.free_text, Sort::FreeText),
            (self.help, Sort::Help),
            (self.stop, Sort::Stop),
        ]
        .into_iter()
        .find_map(|(share, sort)| {
            edge += share;
            (fraction < edge).then_some(sort)
        })
    }

    fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// What in a message shows which question it asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Mark {
    /// Part of its text; case, line breaks, and kinds of dash and quotation mark do not matter.
    Phrase(String),
    /// Its scale in figures, in any language: both ends beside each other (`1-8`, `0 (bad) - 5 (great)`), or every figure
    /// from the first to the last.
    Scale(u32, u32),
}

/// By what a handset knows which question it is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Cue {
    /// What shows it. Of phrases the longest found wins, and any before scales.
    pub mark: Mark,
    /// The context of the rows to answer with.
    pub context: String,
    /// The language the question is in, where that is known.
    pub language: Option<String>,
}

impl Cue {
    /// A phrase, whatever the language.
    pub fn of_phrase(phrase: impl Into<String>, context: impl Into<String>) -> Self {
        Self { mark: Mark::Phrase(phrase.into()), context: context.into(), language: None }
    }

    /// A scale, whatever the language.
    pub fn of_scale(first: u32, last: u32, context: impl Into<String>) -> Self {
        Self { mark: Mark::Scale(first, last), context: context.into(), language: None }
    }

    /// The scales of the rows that come with the program.
    pub fn usual() -> Vec<Self> {
        [(1, 8, "exit_1_8"), (1, 10, "onboarding_1_10"), (0, 5, "support_0_5")]
            .map(|(first, last, context)| Self::of_scale(first, last, context))
            .to_vec()
    }

    /// A question's text as it is written in a survey, with merge fields: known again by its longest piece between them.
    pub fn of_template(template: &str, context: impl Into<String>, language: Option<&str>) -> Self {
        let mut depth = 0_u32;
        let pieces = template.split(|sign: char| {
            match sign {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0 || sign == '}'
        });
        let longest = pieces.max_by_key(|piece| piece.trim().len()).unwrap_or_default();
        Self {
            mark: Mark::Phrase(longest.trim().to_owned()),
            context: context.into(),
            language: language.map(ToOwned::to_owned),
        }
    }
}

impl fmt::Debug for Cue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cue")
            .field("context", &self.context)
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

/// Who lives in the handsets.
#[derive(Clone)]
pub struct Handsets {
    /// What they say.
    pub replies: Arc<Rows>,
    /// What they do when they are asked first.
    pub first: Shares,
    /// What they do when they are asked again, or have got the help they called for.
    pub again: Shares,
    /// From having the message to having answered.
    pub think: Span,
    /// Share of replies that come late.
    pub late: f64,
    /// Think time of those.
    pub late_think: Span,
    /// Share of replies that come in two parts, though one would do; half of them the second part first.
    pub two_parts: f64,
    /// How they know a question.
    pub cues: Vec<Cue>,
    /// Languages of handsets, where they are known; else that of the text received, else that of the country.
    pub languages: HashMap<Msisdn, String>,
}

impl Handsets {
    /// Handsets that take everything and say nothing.
    pub fn silent() -> Self {
        Self { first: Shares::default(), again: Shares::default(), ..Self::default() }
    }

    pub(super) fn are_silent(&self) -> bool {
        self.first.is_silent() && self.again.is_silent()
    }
}

impl Default for Handsets {
    /// People who mostly answer, with the rows and cues that come with the program.
    fn default() -> Self {
        Self {
            replies: Arc::new(Rows::shipped()),
            first: Shares { answer: 0.52, ambiguous: 0.09, free_text: 0.06, help: 0.03, stop: 0.06 },
            again: Shares { answer: 0.86, stop: 0.02, ..Shares::default() },
            think: Span::of_ms(300, 8_000),
            late: 0.04,
            late_think: Span::of_ms(10_000, 20_000),
            two_parts: 0.06,
            cues: Cue::usual(),
            languages: HashMap::new(),
        }
    }
}

impl fmt::Debug for Handsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handsets")
            .field("replies", &self.replies.rows().len())
            .field("first", &self.first)
            .field("again", &self.again)
            .field("think", &self.think)
            .finish_non_exhaustive()
    }
}

/// A simulated carrier.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may bind; anybody where the list is empty. Receipts and replies go to any bind of the account that was
    /// submitted on.
    pub accounts: Vec<Account>,
    /// From a submit to its answer.
    pub response_delay: Span,
    /// The form of message ids.
    pub ids: Ids,
    /// What becomes of messages.
    pub receipt: ReceiptSettings,
    /// Who lives in the handsets.
    pub handsets: Handsets,
    /// Bad habits.
    pub personality: Personality,
    /// Unanswered deliver_sm on one connection.
    pub window: usize,
    /// How long an ESME may take to answer a deliver_sm before it is sent again.
    pub response_timeout: Duration,
    /// When a deliver_sm that was not taken is sent again.
    pub redelivery: Backoff,
    /// All draws come from it.
    pub seed: u64,
    /// A file that keeps what was taken and what was acknowledged over a restart.
    pub journal: Option<PathBuf>,
}

impl Settings {
    /// What a configuration file does not say.
    pub(super) fn unconfigured() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            accounts: Vec::new(),
            response_delay: Span::NONE,
            ids: Ids::Decimal,
            receipt: ReceiptSettings::all_delivered(Span::NONE),
            handsets: Handsets::silent(),
            personality: Personality::default(),
            window: 50,
            response_timeout: Duration::from_secs(10),
            redelivery: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(30) },
            seed: 1,
            journal: None,
        }
    }

    /// For tests and benchmarks: a free port on this machine, anybody may bind, answers and receipts at once, everything
    /// delivered, silent handsets.
    pub fn plain() -> Self {
        Self::unconfigured()
    }
}

impl Default for Settings {
    /// As an empty configuration file describes it: on this machine, port 2775, anybody may bind, with people in the
    /// handsets.
    fn default() -> Self {
        Self::configured(&SimulatorConfig::default(), Rows::shipped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_known_by_its_longest_piece_between_merge_fields() {
        let phrase = |template| match Cue::of_template(template, "exit_1_8", Some("en")).mark {
            Mark::Phrase(phrase) => phrase,
            Mark::Scale(..) => panic!("a phrase"),
        };
        assert_eq!(phrase("Hi {name|there}, why do you leave? {link}!"), ", why do you leave?");
        assert_eq!(phrase("Reply 1-8"), "Reply 1-8");
        assert_eq!(phrase("{a}{b"), "");
    }

    #[test]
    fn a_draw_falls_on_shares_in_turn_and_past_them_on_silence() {
        let shares = Shares { answer: 0.5, stop: 0.25, ..Shares::default() };
        assert_eq!(shares.pick(0.0), Some(Sort::Answer));
        assert_eq!(shares.pick(0.49), Some(Sort::Answer));
        assert_eq!(shares.pick(0.5), Some(Sort::Stop));
        assert_eq!(shares.pick(0.75), None);
        assert!(Handsets::silent().are_silent());
    }

    #[test]
    fn no_password_or_text_is_in_debug_output() {
        let account = Account { system_id: "main".into(), password: "hunter2".into() };
        let shown = format!("{:?}", Settings { accounts: vec![account], ..Settings::default() });
        assert!(shown.contains("main") && !shown.contains("hunter2"), "{shown}");
    }
}
