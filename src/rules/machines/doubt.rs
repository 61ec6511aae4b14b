//! The in-doubt resolver: what becomes of a message that may or may not have left.

use std::time::Duration;

use crate::message::{MessageId, Purpose};
use crate::rules::delivery::may_go_twice;

/// What is held is not sent again before receipts could come for this long: hours may have passed in which the carrier could not
/// tell that it has it.
pub const LISTEN: Duration = Duration::from_secs(5);

/// What to do with a message that may or may not have left when a link or a process broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InDoubtPolicy {
    /// Send it again: at least once.
    Resend,
    /// Wait for a late answer, then decide.
    Hold,
    /// Leave it: at most once.
    Never,
}

/// What is decided when a held message has heard nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterHold {
    /// Send it again.
    Resend,
    /// Leave it in doubt.
    Leave,
}

/// How a route treats its messages in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubts {
    /// What to do first.
    pub policy: InDoubtPolicy,
    /// How long a held message waits for word of itself.
    pub hold: Duration,
    /// What then.
    pub after: AfterHold,
}

/// What becomes of one message in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Into the queue again, due after this wait. What has turned up of it by then is not sent again.
    Again(Duration),
    /// It ends in doubt, unless word of it comes.
    Leave,
}

impl Doubts {
    /// Decides about a message of this purpose. The one confirmation of an opt-out never goes twice.
    pub fn resolve(self, purpose: Purpose) -> Resolution {
        match (self.policy, self.after) {
            _ if !may_go_twice(purpose) => Resolution::Leave,
            (InDoubtPolicy::Resend, _) => Resolution::Again(Duration::ZERO),
            (InDoubtPolicy::Hold, AfterHold::Resend) => Resolution::Again(self.hold),
            (InDoubtPolicy::Hold, AfterHold::Leave) | (InDoubtPolicy::Never, _) => Resolution::Leave,
        }
    }

    /// Whether what is to be sent again waits, since word of it may be about to come. `heard_for`: for how long receipts could
    /// come; none where they cannot.
    pub fn listens(self, heard_for: Option<Duration>) -> bool {
        self.policy == InDoubtPolicy::Hold && heard_for.is_none_or(|heard_for| heard_for < LISTEN)
    }
}

/// A part that was written to a handset lately, as a receipt that names no id we know may mean it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPart {
    /// The message.
    pub message: MessageId,
    /// Which attempt, from 0.
    pub attempt: i64,
    /// Which part, from 0.
    pub part: i64,
    /// The words of that part.
    pub text: String,
    /// What is known of it.
    pub answer: PartAnswer,
}

/// Whether the carrier has answered a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartAnswer {
    /// It has, or the part has not been written: a receipt that means it is no news.
    Known,
    /// It never did: in doubt.
    None,
}

/// A receipt quotes so many characters of the message's beginning: SMPP 3.4 appendix B. A trailing space may be lost.
const QUOTED_CHARS: usize = 19;

/// The part in doubt that a receipt is about, of all parts written to its number lately. `quote`: the beginning of the text,
/// where the receipt has it. None where another part says the same, or the words are others: never guessed.
pub fn meant<'a>(parts: &'a [WrittenPart], quote: Option<&str>) -> Option<&'a WrittenPart> {
    // A quote that was not cut is the whole of it: `message 6` is not the beginning of `message 66`.
    let whole = quote.is_some_and(|quote| quote.trim_end().chars().count() < QUOTED_CHARS);
    let quote = plain(quote.unwrap_or_default());
    let says = |text: &str| if whole { text == quote } else { text.starts_with(&quote) };
    let mut meant = parts.iter().filter(|part| quote.is_empty() || says(&plain(&part.text)));
    let first = meant.next()?;
    // The same part may be in doubt from several attempts.
    let alone = meant.all(|other| (other.message, other.part) == (first.message, first.part));
    (alone && first.answer == PartAnswer::None).then_some(first)
}

/// What carriers leave of a text: they cut it, and each has its own signs for what is no letter or digit of ASCII.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|sign| sign.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_held_waits_until_receipts_could_come_for_a_while() {
        let listens = |policy, heard_for| {
            Doubts { policy, hold: Duration::ZERO, after: AfterHold::Resend }.listens(heard_for)
        };
        let short = LISTEN - Duration::from_millis(1);
        assert!(listens(InDoubtPolicy::Hold, None));
        assert!(listens(InDoubtPolicy::Hold, Some(short)));
        assert!(!listens(InDoubtPolicy::Hold, Some(LISTEN)));
        assert!(!listens(InDoubtPolicy::Resend, None));
    }

    #[test]
    fn a_receipt_without_a_known_id_means_the_one_part_in_doubt_whose_words_it_quotes() {
        let part = |message: i64, part: i64, text: &str| WrittenPart {
            message: MessageId(message),
            attempt: 0,
            part,
            text: text.to_owned(),
            answer: PartAnswer::None,
        };
        let two =
            [part(1, 0, "Déjà vu: how was it in the end?"), part(2, 0, "Your code is 1234 and counting")];
        assert_eq!(meant(&two, Some("Your code is 1234 an")), Some(&two[1]));
        assert_eq!(
            meant(&two, Some("D?j? vu: how was it i")),
            Some(&two[0]),
            "what is not ASCII is written by each as it likes"
        );
        assert_eq!(meant(&two, None), None, "two may be meant");
        assert_eq!(meant(&two, Some("Something else")), None);
        assert_eq!(meant(&two[..1], None), Some(&two[0]), "one alone");
        let twice = [part(1, 0, "Hello"), part(2, 0, "Hello")];
        assert_eq!(meant(&twice, Some("Hello")), None, "never guessed");
        let parts =
            [part(1, 0, "The first half of a long text"), part(1, 1, "and the second half of it all")];
        assert_eq!(meant(&parts, Some("and the second half o")), Some(&parts[1]));
        assert_eq!(meant(&[], Some("Hello")), None);
        let longer = [part(1, 0, "message 66")];
        assert_eq!(meant(&longer, Some("message 6")), None, "another one, quoted whole");
        assert_eq!(meant(&longer, Some("message 66")), Some(&longer[0]));
        let known = WrittenPart { answer: PartAnswer::Known, ..part(3, 0, "Hello") };
        assert_eq!(meant(std::slice::from_ref(&known), Some("Hello")), None, "it is no news");
        assert_eq!(
            meant(&[part(1, 0, "Hello"), known], Some("Hello")),
            None,
            "it may be the copy of an answered one"
        );
        let tried_twice = [part(1, 0, "Hello"), WrittenPart { attempt: 1, ..part(1, 0, "Hello") }];
        assert_eq!(meant(&tried_twice, Some("Hello")), Some(&tried_twice[0]));
    }

    const HOLD: Duration = Duration::from_secs(900);

    fn doubts(policy: InDoubtPolicy, after: AfterHold) -> Doubts {
        Doubts { policy, hold: HOLD, after }
    }

    #[test]
    fn a_message_in_doubt_goes_again_at_once_after_a_wait_or_never_as_the_route_says() {
        use AfterHold::{Leave, Resend};
        let survey = Purpose::Survey;
        let at_once = Resolution::Again(Duration::ZERO);
        assert_eq!(doubts(InDoubtPolicy::Resend, Leave).resolve(survey), at_once);
        assert_eq!(doubts(InDoubtPolicy::Hold, Resend).resolve(survey), Resolution::Again(HOLD));
        assert_eq!(doubts(InDoubtPolicy::Hold, Leave).resolve(survey), Resolution::Leave);
        assert_eq!(doubts(InDoubtPolicy::Never, Resend).resolve(survey), Resolution::Leave);
    }

    #[test]
    fn the_one_confirmation_of_an_opt_out_never_goes_twice_whatever_the_policy() {
        for policy in [InDoubtPolicy::Resend, InDoubtPolicy::Hold, InDoubtPolicy::Never] {
            let resolved = doubts(policy, AfterHold::Resend).resolve(Purpose::Confirmation);
            assert_eq!(resolved, Resolution::Leave);
        }
    }
}
