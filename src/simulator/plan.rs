//! What a handset does: drawn from seed, number and turn alone, so that a carrier started again has the same people.

use std::time::Duration;

use crate::message::Msisdn;
use crate::simulator::dice::Dice;
use crate::simulator::rows::Row;
use crate::simulator::settings::{Handsets, ReceiptSettings};

/// What a carrier can do with messages to a handset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate<'a> {
    /// The handset gets them.
    Delivered,
    /// It never will.
    Undeliverable {
        /// As in receipts: three characters, whose meaning is the carrier's own.
        err: &'a str,
    },
    /// It is switched off for too long.
    Expired,
}

/// The fate of messages to a handset.
pub(super) fn fate(settings: &ReceiptSettings, seed: u64, number: Msisdn) -> Fate<'_> {
    let drawn = Dice::of_handset(seed, number).fraction();
    let mut edge = settings.expired;
    if drawn < edge {
        return Fate::Expired;
    }
    let undeliverable = settings.undeliverable.iter().find(|(_, share)| {
        edge += share;
        drawn < edge
    });
    undeliverable.map_or(Fate::Delivered, |(err, _)| Fate::Undeliverable { err })
}

/// How a reply leaves the handset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As few parts as it takes, in order.
    Plain,
    /// At least two parts, in order.
    TwoParts,
    /// At least two parts, the last one first.
    TwoPartsSwapped,
}

/// A question as a handset hears it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The handset.
    pub(super) number: Msisdn,
    /// How often it has decided what to say before.
    pub(super) turn: u32,
    /// Whether it has answered this question already, not well enough.
    pub(super) again: Again,
    /// The context of the rows.
    pub(super) context: &'a str,
    /// The contact's language.
    pub(super) language: &'a str,
}

/// Whether a question is asked for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// For the first time.
    First,
    /// Once more.
    Again,
}

/// A decision to say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// What.
    pub(super) row: &'a Row,
    /// When, from having heard the question.
    pub(super) after: Duration,
    /// In which form.
    pub(super) shape: Shape,
}

/// What the handset says to that; `None`: nothing.
pub(super) fn reply<'a>(handsets: &'a Handsets, seed: u64, asked: Asked<'_>) -> Option<Plan<'a>> {
    let mut dice = Dice::of_turn(seed, asked.number, asked.turn);
    let shares = match asked.again {
        Again::First => &handsets.first,
        Again::Again => &handsets.again,
    };
    let sort = shares.pick(dice.fraction())?;
    let row = handsets.replies.draw(sort, asked.context, asked.language, dice.roll())?;
    let late = dice.happens(handsets.late);
    let after = dice.within(if late { handsets.late_think } else { handsets.think });
    let in_two = dice.happens(handsets.two_parts) && row.text.chars().nth(1).is_some();
    let swapped = dice.happens(0.5);
    let shape = match (in_two, swapped) {
        (false, _) => Shape::Plain,
        (true, false) => Shape::TwoParts,
        (true, true) => Shape::TwoPartsSwapped,
    };
    Some(Plan { row, after, shape })
}

/// Languages and the country codes where most texts are in them; the longest code wins.
const COUNTRIES: &[(&str, &[&str])] = &[
    (
        "ar",
        &[
            "20", "212", "213", "216", "218", "249", "961", "962", "963", "964", "965", "966", "967", "968",
            "970", "971", "973", "974",
        ],
    ),
    ("bn", &["880"]),
    ("de", &["41", "43", "49"]),
    ("es", &["34", "51", "52", "53", "54", "56", "57", "58", "591", "593", "595", "598"]),
    ("fa", &["98"]),
    ("fr", &["33", "352"]),
    ("he", &["972"]),
    ("hi", &["91"]),
    ("id", &["62"]),
    ("it", &["39"]),
    ("ja", &["81"]),
    ("ko", &["82"]),
    ("my", &["95"]),
    ("nl", &["31", "32"]),
    ("pl", &["48"]),
    ("pt", &["351", "55"]),
    ("ro", &["373", "40"]),
    ("ru", &["7"]),
    ("sw", &["254", "255"]),
    ("th", &["66"]),
    ("tl", &["63"]),
    ("tr", &["90"]),
    ("ur", &["92"]),
    ("vi", &["84"]),
    ("zh", &["852", "853", "86", "886"]),
];

/// The language of a handset's country; English where it is not known.
pub(super) fn language_of(number: Msisdn) -> &'static str {
    let digits = number.digits();
    COUNTRIES
        .iter()
        .flat_map(|(language, codes)| codes.iter().map(move |code| (code, language)))
        .filter(|(code, _)| digits.starts_with(**code))
        .max_by_key(|(code, _)| code.len())
        .map_or("en", |(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::rows::Sort;
    use crate::simulator::settings::{Settings, Span};

    fn asked(number: u64, turn: u32, again: Again) -> Asked<'static> {
        Asked { number: Msisdn(number), turn, again, context: "exit_1_8", language: "en" }
    }

    #[test]
    fn the_same_handset_does_the_same_in_every_run() {
        let (one, other) = (Handsets::default(), Handsets::default());
        for number in 447_700_900_000..447_700_900_500 {
            for turn in 0..3 {
                let asked = asked(number, turn, Again::First);
                assert_eq!(reply(&one, 9, asked), reply(&other, 9, asked));
            }
        }
        let texts = |seed| -> Vec<_> {
            (0..100)
                .map(|number| reply(&one, seed, asked(447_700_900_000 + number, 0, Again::First)))
                .collect()
        };
        assert_ne!(texts(1), texts(2));
    }

    #[test]
    fn people_mostly_answer_some_stop_some_are_late_or_in_two_parts_and_some_say_nothing() {
        let handsets = Handsets::default();
        let plans: Vec<_> = (0..5_000)
            .map(|number| reply(&handsets, 3, asked(447_700_900_000 + number, 0, Again::First)))
            .collect();
        let said: Vec<_> = plans.iter().flatten().collect();
        let of = |sort| said.iter().filter(|plan| plan.row.expected.sort() == sort).count();
        assert!(of(Sort::Answer) > of(Sort::Ambiguous) && of(Sort::Ambiguous) > of(Sort::Help));
        assert!((200..400).contains(&of(Sort::Stop)), "{}", of(Sort::Stop));
        assert_eq!(of(Sort::Start), 0);
        assert!(plans.len() - said.len() > 1_000);
        assert!(said.iter().any(|plan| plan.shape == Shape::TwoParts));
        assert!(said.iter().any(|plan| plan.shape == Shape::TwoPartsSwapped));
        assert!(said.iter().any(|plan| plan.after > handsets.think.max));
        let wordings: std::collections::BTreeSet<_> = said
            .iter()
            .filter(|plan| plan.row.expected.sort() == Sort::Stop)
            .map(|plan| &plan.row.text)
            .collect();
        assert!(wordings.len() > 20, "{}", wordings.len());
    }

    #[test]
    fn asked_again_a_handset_mostly_answers_cleanly() {
        let handsets = Handsets::default();
        let plans = (0..1_000).filter_map(|number| reply(&handsets, 3, asked(number, 1, Again::Again)));
        let (clean, other): (Vec<_>, Vec<_>) =
            plans.partition(|plan| plan.row.expected.sort() == Sort::Answer);
        assert!(clean.len() > 800 && other.len() < 60, "{} {}", clean.len(), other.len());
    }

    #[test]
    fn a_handset_has_one_fate_and_the_shares_come_out() {
        let undeliverable = vec![("001".to_owned(), 0.1), ("027".to_owned(), 0.02)];
        let receipt = ReceiptSettings { undeliverable, expired: 0.05, ..Settings::default().receipt };
        let fates: Vec<_> = (0..4_000).map(|number| fate(&receipt, 5, Msisdn(number))).collect();
        let again: Vec<_> = (0..4_000).map(|number| fate(&receipt, 5, Msisdn(number))).collect();
        assert_eq!(fates, again);
        let expired = fates.iter().filter(|fate| **fate == Fate::Expired).count();
        assert!((140..260).contains(&expired), "{expired}");
        for err in ["001", "027"] {
            assert!(fates.contains(&Fate::Undeliverable { err }), "{err}");
        }
    }

    #[test]
    fn a_country_has_its_language_by_the_longest_code() {
        assert_eq!(language_of(Msisdn(6_281_234_567_890)), "id");
        assert_eq!(language_of(Msisdn(880_171_234_567)), "bn");
        assert_eq!(language_of(Msisdn(40_721_234_567)), "ro");
        assert_eq!(language_of(Msisdn(447_700_900_123)), "en");
    }

    #[test]
    fn a_changed_think_time_changes_no_words() {
        let slow = Handsets { think: Span::of_ms(10_000, 20_000), late: 0.5, ..Handsets::default() };
        let quick = Handsets::default();
        for number in 0..300 {
            let words =
                |handsets| reply(handsets, 3, asked(number, 0, Again::First)).map(|plan| plan.row.clone());
            assert_eq!(words(&slow), words(&quick));
        }
    }
}
