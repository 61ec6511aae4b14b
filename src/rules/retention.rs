//! What is old enough to be forgotten.

use std::collections::BTreeMap;

use crate::message::{Kept, MessageId, Purpose};

/// For each kind the time before which it is old enough, milliseconds since the epoch; what is not here is kept for ever.
pub type Before = BTreeMap<Kept, i64>;

/// Whether every message of this purpose made before that id is old enough.
pub fn are_old(purpose: Purpose, made_before: MessageId, before_ms: &Before) -> bool {
    let before_ms = before_ms.get(&Kept::Messages(purpose.class()));
    before_ms.is_some_and(|before_ms| made_before <= MessageId::first_at(*before_ms))
}

/// The time before which a receipt of no message of ours is old enough. It may be about one of any class, so it is kept as long
/// as the one that is kept longest; none where that is for ever.
pub fn nobodys_before_ms(before_ms: &Before) -> Option<i64> {
    let classes = Kept::ALL.into_iter().filter(|kept| matches!(kept, Kept::Messages(_)));
    let times: Option<Vec<i64>> = classes.map(|kept| before_ms.get(&kept).copied()).collect();
    times?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Class;

    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn a_receipt_of_nobodys_is_kept_as_long_as_any_message() {
        let classes = Kept::ALL.into_iter().filter(|kept| matches!(kept, Kept::Messages(_)));
        let mut before_ms: Before = classes.zip([70, 30, 90, 50]).collect();
        assert_eq!(nobodys_before_ms(&before_ms), Some(30));
        before_ms.pop_first();
        assert_eq!(nobodys_before_ms(&before_ms), None, "one is kept for ever");
    }

    #[test]
    fn messages_are_old_by_the_age_of_their_class_and_never_without_one() {
        let before_ms = Before::from([(Kept::Messages(Class::Transactional), NOW)]);
        let are = |purpose, ms| are_old(purpose, MessageId::first_at(ms), &before_ms);
        assert!(are(Purpose::Reply, NOW), "made before that time, all of them");
        assert!(!are(Purpose::Reply, NOW + 1));
        assert!(!are(Purpose::Survey, 0), "kept for ever");
    }
}
