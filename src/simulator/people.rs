//! The people behind the handsets: what they hear, what they say, and whether it arrived.

use std::collections::HashMap;

use protocol::address::{Address, npi, ton};
use protocol::octets::COctets;
use protocol::status::Status;

use crate::message::Msisdn;
use crate::simulator::accounts::AccountId;
use crate::simulator::carrier::{Carrier, Due, millis};
use crate::simulator::cues::Cues;
use crate::simulator::dice::Dice;
use crate::simulator::journal::{Line, WrittenAddress};
use crate::simulator::ledger::SentReply;
use crate::simulator::outgoing::{Delivery, Part, UtteranceKey, What, parts_of};
use crate::simulator::plan::{self, Asked, Shape};
use crate::simulator::rows::{Expected, Sort};
use crate::simulator::settings::{Cue, Handsets};
use crate::simulator::stops::Pair;
use crate::simulator::talk::{Heard, Talk};

/// Conversations remembered, some 150 MB; handsets beyond it stay silent.
const MOST_TALKS: usize = 1_000_000;

/// A message that reaches a handset.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) account: AccountId,
    /// The submit of its last part.
    pub(super) serial: u64,
    pub(super) number: Msisdn,
    pub(super) handset: Address,
    pub(super) code: Address,
    pub(super) text: Words,
    pub(super) digest: u64,
}

/// Words of a message, which `Debug` does not show.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Words(pub(super) String);

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

/// Something said that is not acknowledged yet.
#[derive(Debug)]
struct Utterance {
    words: Words,
    context: String,
    expected: Option<Expected>,
    sort: Sort,
    parts: u8,
    /// Parts without a last word on them.
    left: u8,
    /// Whether a part was refused for good.
    refused: bool,
    /// Its place in the ledger.
    place: Option<usize>,
    written: bool,
}

/// What a handset is about to say.
struct Saying<'a> {
    account: AccountId,
    key: UtteranceKey,
    handset: &'a Address,
    code: &'a Address,
    words: &'a str,
    context: &'a str,
    expected: Option<Expected>,
    sort: Sort,
    shape: Shape,
    due_ms: i64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct People {
    silent: bool,
    cues: Cues,
    talks: HashMap<Pair, Talk>,
    utterances: HashMap<UtteranceKey, Utterance>,
}

impl People {
    pub(super) fn new(handsets: &Handsets) -> Self {
        Self {
            silent: handsets.are_silent(),
            cues: Cues::new(&handsets.cues),
            talks: HashMap::new(),
            utterances: HashMap::new(),
        }
    }

    /// Whether anybody answers messages of this sender: a name cannot be answered.
    pub(super) fn may_answer(&self, sender: &Address) -> bool {
        !self.silent && sender.ton != ton::ALPHANUMERIC
    }

    /// Things said and not acknowledged.
    pub(super) fn pending(&self) -> u64 {
        self.utterances.len() as u64
    }

    fn talk(&mut self, pair: &Pair) -> Option<&mut Talk> {
        if self.talks.len() >= MOST_TALKS && !self.talks.contains_key(pair) {
            return None;
        }
        Some(self.talks.entry(pair.clone()).or_default())
    }
}

impl Carrier {
    /// A handset has a message, at this time by the journal or now: it may answer.
    pub(super) fn hear(&mut self, arrival: Arrival, at_ms: i64, now_ms: i64) {
        self.arriving -= 1;
        if let Some(journal) = &mut self.journal {
            journal.put(&Line::Heard { at_ms, serial: arrival.serial });
        }
        let settings = std::sync::Arc::clone(&self.settings);
        let heard = Heard { digest: arrival.digest, context: self.people.cues.find(&arrival.text.0) };
        let pair = (arrival.number, arrival.code.addr.clone());
        let Some(talk) = self.people.talk(&pair) else { return };
        let Some(question) = talk.hear(heard) else { return };
        let Some(cue) = settings.handsets.cues.get(question.context) else { return };
        let plan = plan::reply(
            &settings.handsets,
            settings.seed,
            Asked {
                number: arrival.number,
                turn: question.turn,
                again: question.again,
                context: &cue.context,
                language: language_of(&settings.handsets, arrival.number, cue),
            },
        );
        talk.decide(question, arrival.digest, plan.map(|plan| plan.row.expected.sort()));
        let Some(plan) = plan else { return };
        self.utter(
            Saying {
                account: arrival.account,
                key: UtteranceKey { pair, turn: question.turn },
                handset: &arrival.handset,
                code: &arrival.code,
                words: &plan.row.text,
                context: &plan.row.context,
                expected: Some(plan.row.expected),
                sort: plan.row.expected.sort(),
                shape: plan.shape,
                due_ms: at_ms + millis(plan.after),
            },
            now_ms,
        );
    }

    /// Somebody makes a handset speak, at this time by the journal or now. Nothing happens where no account could get it.
    pub(super) fn prompt(
        &mut self,
        account: Option<AccountId>,
        number: Msisdn,
        code: &Address,
        words: &str,
        at_ms: i64,
        now_ms: i64,
    ) {
        let known = self.codes.get(&code.addr).copied();
        let Some(account) = account.or(known).or_else(|| self.accounts.somebody()) else { return };
        if let (Some(journal), Some(standing)) = (&mut self.journal, self.accounts.get(account)) {
            journal.put(&Line::Prompted {
                at_ms,
                account: standing.system_id.clone(),
                number,
                code: WrittenAddress::of(code),
                text: words.to_owned(),
            });
        }
        let expected = self.settings.handsets.replies.expected_of(words).or_else(|| plain_word(words));
        let sort = expected.map_or(Sort::FreeText, Expected::sort);
        let pair = (number, code.addr.clone());
        let Some(turn) = self.people.talk(&pair).map(|talk| talk.say(sort)) else { return };
        self.utter(
            Saying {
                account,
                key: UtteranceKey { pair, turn },
                handset: &Address::international(number.digits()),
                code,
                words,
                context: "",
                expected,
                sort,
                shape: Shape::Plain,
                due_ms: at_ms,
            },
            now_ms,
        );
    }

    fn utter(&mut self, saying: Saying<'_>, now_ms: i64) {
        let (number, turn) = (saying.key.pair.0, saying.key.turn);
        // The references of one handset's messages follow each other, as in life.
        let first = Dice::of_handset(self.settings.seed, number).roll();
        let [reference, ..] = first.wrapping_add(u64::from(turn)).to_le_bytes();
        let parts = parts_of(saying.words, saying.shape, reference, saying.handset, saying.code);
        let Ok(count @ 1..) = u8::try_from(parts.len()) else { return };
        let utterance = Utterance {
            words: Words(saying.words.to_owned()),
            context: saying.context.to_owned(),
            expected: saying.expected,
            sort: saying.sort,
            parts: count,
            left: count,
            refused: false,
            place: None,
            written: false,
        };
        self.people.utterances.insert(saying.key.clone(), utterance);
        for (index, sm) in parts {
            let part = Part { utterance: saying.key.clone(), index, sm };
            let delivery = Delivery { account: saying.account, tries: 0, what: What::Part(Box::new(part)) };
            self.plan_for(saying.due_ms, now_ms, Due::Deliver(delivery));
        }
    }

    /// Takes that a part of something said leaves its handset.
    pub(super) fn written(&mut self, key: &UtteranceKey, at_ms: i64) {
        let Some(utterance) = self.people.utterances.get_mut(key).filter(|utterance| !utterance.written)
        else {
            return;
        };
        utterance.written = true;
        let code = key.pair.1.to_text().into_owned();
        if let Some(journal) = &mut self.journal {
            let (number, turn, text) = (key.pair.0, key.turn, utterance.words.0.clone());
            journal.put(&Line::Said { at_ms, number, code: code.clone(), turn, text });
        }
        utterance.place = self.ledger.reply(SentReply {
            number: key.pair.0,
            code,
            text: utterance.words.0.clone(),
            context: utterance.context.clone(),
            expected: utterance.expected,
            turn: key.turn,
            parts: utterance.parts,
            sent_at_ms: at_ms,
            acknowledged_at_ms: None,
        });
        match utterance.sort {
            Sort::Help => self.stops.help(&key.pair, at_ms),
            Sort::Start => self.stops.start(&key.pair),
            _ => {}
        }
        if let Some(talk) = self.people.talks.get_mut(&key.pair) {
            talk.written(key.turn);
        }
    }

    /// Takes the last word on a part of something said.
    pub(super) fn part_answered(&mut self, link: u64, part: &Part, status: Status, at_ms: i64) {
        let key = &part.utterance;
        if let Some(journal) = &mut self.journal {
            journal.put(&Line::ReplyAnswered {
                at_ms,
                link,
                number: key.pair.0,
                code: key.pair.1.to_text().into_owned(),
                turn: key.turn,
                part: part.index,
                status: status.0,
            });
        }
        let Some(utterance) = self.people.utterances.get_mut(key) else { return };
        utterance.refused |= !status.is_ok();
        utterance.left = utterance.left.saturating_sub(1);
        if utterance.left > 0 {
            return;
        }
        let (sort, place, refused) = (utterance.sort, utterance.place, utterance.refused);
        self.people.utterances.remove(key);
        if refused {
            return;
        }
        self.ledger.reply_acknowledged(place, at_ms);
        if sort == Sort::Stop {
            self.ledger.census.stops += 1;
            self.stops.stop(key.pair.clone(), link, at_ms);
        }
    }
}

/// The language a handset answers in: its own where it is known, else that of the question, else that of its country.
fn language_of<'a>(handsets: &'a Handsets, number: Msisdn, cue: &'a Cue) -> &'a str {
    let known = handsets.languages.get(&number).or(cue.language.as_ref());
    known.map_or_else(|| plan::language_of(number), String::as_str)
}

/// What a test most likely makes a handset say.
fn plain_word(words: &str) -> Option<Expected> {
    [("stop", Expected::OptOut), ("start", Expected::OptIn), ("help", Expected::Help)]
        .into_iter()
        .find_map(|(word, expected)| words.trim().eq_ignore_ascii_case(word).then_some(expected))
}

/// A code as a handset dials it.
pub(super) fn code_address(code: &str) -> Address {
    Address::new(ton::UNKNOWN, npi::UNKNOWN, COctets::from(code))
}
