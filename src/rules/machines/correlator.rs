//! The correlator: which part of which message a receipt is about, as long as the answer to that part is fresh. What it does
//! not know for sure is asked of the memory, which has every id there ever was.

use std::collections::BTreeMap;

use crate::message::{MessageId, Msisdn};

/// A part the carrier has taken under some id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenPart {
    /// The message.
    pub message: MessageId,
    /// The part of it, from 0.
    pub part: i64,
    /// Its handset.
    pub to: Msisdn,
    /// Whether an account waits for its receipt.
    pub awaited: Awaited,
}

/// Whether somebody is to be told of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Who handed the message in asked for it.
    Yes,
    /// Nobody did.
    No,
}

/// The parts taken lately, by the carrier's id. Bounded: the younger half is filled, then the older one is forgotten.
#[derive(Debug)]
pub struct Correlator {
    half: usize,
    young: BTreeMap<String, TakenPart>,
    old: BTreeMap<String, TakenPart>,
}

impl Correlator {
    /// One that remembers between `parts / 2` and `parts` parts.
    pub fn new(parts: usize) -> Self {
        Self { half: (parts / 2).max(1), young: BTreeMap::new(), old: BTreeMap::new() }
    }

    /// A part was taken under this id, and that is on record. Carriers use their ids again: the newest counts.
    pub fn taken(&mut self, id: String, part: TakenPart) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, part);
    }

    /// The part a receipt with this id, as written, is about. None where it is not fresh, or where the receipt names
    /// another handset: then the id may mean something else.
    pub fn about(&self, id: &str, number: Option<Msisdn>) -> Option<TakenPart> {
        let taken = self.young.get(id).or_else(|| self.old.get(id)).copied()?;
        number.is_none_or(|number| number == taken.to).then_some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(message: i64) -> TakenPart {
        TakenPart { message: MessageId(message), part: 0, to: Msisdn(message as u64), awaited: Awaited::No }
    }

    #[test]
    fn a_fresh_part_is_found_by_its_id_unless_the_receipt_names_another_handset() {
        let mut correlator = Correlator::new(10);
        correlator.taken("a".to_owned(), taken(1));
        assert_eq!(correlator.about("a", Some(Msisdn(1))), Some(taken(1)));
        assert_eq!(correlator.about("a", None), Some(taken(1)));
        assert_eq!(correlator.about("a", Some(Msisdn(2))), None);
        assert_eq!(correlator.about("b", None), None);
    }

    #[test]
    fn of_an_id_used_again_the_newest_part_counts() {
        let mut correlator = Correlator::new(4);
        correlator.taken("a".to_owned(), taken(1));
        correlator.taken("b".to_owned(), taken(2));
        correlator.taken("a".to_owned(), taken(3));
        assert_eq!(correlator.about("a", None), Some(taken(3)));
    }

    #[test]
    fn it_remembers_half_of_its_bound_at_least_and_never_more_than_its_bound() {
        let mut correlator = Correlator::new(100);
        for message in 0..1_000 {
            correlator.taken(message.to_string(), taken(message));
            let known =
                (0..=message).filter(|one| correlator.about(&one.to_string(), None).is_some()).count();
            assert!(
                known <= 100 && known >= usize::try_from(message + 1).unwrap().min(50),
                "{message}: {known}"
            );
            assert!(correlator.about(&message.to_string(), None).is_some(), "the newest");
        }
    }
}
