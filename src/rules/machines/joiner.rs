//! The joiner: how long the parts of a long message are waited for, and when they are taken as they are.
//!
//! The parts themselves are in the memory, which also tells when a set is whole, whatever node its parts came to. The joiner
//! only keeps the time: every message that begins is looked at again, once, when its wait is over. A part that fills the set
//! ends the wait; a restart begins it anew for what the memory still holds. So nothing is lost and nothing waits for ever.

use std::collections::{BTreeMap, BTreeSet};

/// Messages waited for at once. Someone who begins more than this is not finishing them: the longest waiting is taken as it
/// is to make room.
pub const MOST_WAITING: usize = 50_000;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<K> {
    /// A part was kept, and its message is not whole yet.
    Kept {
        /// Its message.
        key: K,
        /// Is it the part the message begins with?
        place: Place,
    },
    /// The last missing part came.
    Whole {
        /// The message.
        key: K,
    },
    /// Time has passed.
    Tick,
}

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The message begins with it.
    First,
    /// It follows another.
    Later,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<K> {
    /// Look at the beginning of this message now: a STOP in it is not to wait for the rest.
    ReadAhead(K),
    /// Take what there is of this message, and mark it.
    TakeIncomplete(K),
}

/// Waits for messages by their key.
#[derive(Debug)]
pub struct Joiner<K> {
    wait_ms: i64,
    most: usize,
    waiting: BTreeMap<K, i64>,
    by_deadline: BTreeSet<(i64, K)>,
}

impl<K: Ord + Clone> Joiner<K> {
    /// A joiner that waits so long, in milliseconds, from the first part that comes.
    pub fn new(wait_ms: i64) -> Self {
        Self::bounded(wait_ms, MOST_WAITING)
    }

    fn bounded(wait_ms: i64, most: usize) -> Self {
        Self { wait_ms, most, waiting: BTreeMap::new(), by_deadline: BTreeSet::new() }
    }

    /// Takes in what happened at `now_ms` and says what is to be done.
    pub fn handle(&mut self, now_ms: i64, event: Event<K>) -> Vec<Effect<K>> {
        let mut effects = Vec::new();
        match event {
            Event::Kept { key, place } => {
                if !self.waiting.contains_key(&key) {
                    let deadline = now_ms.saturating_add(self.wait_ms);
                    self.waiting.insert(key.clone(), deadline);
                    self.by_deadline.insert((deadline, key.clone()));
                }
                if place == Place::First {
                    effects.push(Effect::ReadAhead(key));
                }
                while self.waiting.len() > self.most
                    && let Some((_, key)) = self.by_deadline.pop_first()
                {
                    self.waiting.remove(&key);
                    effects.push(Effect::TakeIncomplete(key));
                }
            }
            Event::Whole { key } => self.forget(&key),
            Event::Tick => {}
        }
        while let Some((deadline, key)) = self.by_deadline.first().cloned()
            && deadline <= now_ms
        {
            self.forget(&key);
            effects.push(Effect::TakeIncomplete(key));
        }
        effects
    }

    /// When something is to be done although nothing happens.
    pub fn next_deadline(&self) -> Option<i64> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Messages waited for.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn forget(&mut self, key: &K) {
        if let Some(deadline) = self.waiting.remove(key) {
            self.by_deadline.remove(&(deadline, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(key: u8, place: Place) -> Event<u8> {
        Event::Kept { key, place }
    }

    #[test]
    fn what_is_not_whole_when_its_wait_is_over_is_taken_as_it_is() {
        let mut joiner = Joiner::new(30);
        assert_eq!(joiner.handle(0, kept(1, Place::Later)), []);
        assert_eq!(joiner.handle(20, kept(1, Place::Later)), [], "a later part does not prolong the wait");
        assert_eq!(joiner.next_deadline(), Some(30));
        assert_eq!(joiner.handle(29, Event::Tick), []);
        assert_eq!(joiner.handle(30, Event::Tick), [Effect::TakeIncomplete(1)]);
        assert_eq!((joiner.handle(99, Event::Tick), joiner.next_deadline()), (vec![], None));
    }

    #[test]
    fn a_whole_message_is_waited_for_no_longer() {
        let mut joiner = Joiner::new(30);
        joiner.handle(0, kept(1, Place::Later));
        joiner.handle(5, Event::Whole { key: 1 });
        assert!(joiner.handle(100, Event::Tick).is_empty() && joiner.is_empty());
    }

    #[test]
    fn the_beginning_of_a_message_is_looked_at_when_it_comes() {
        let mut joiner = Joiner::new(30);
        assert_eq!(joiner.handle(0, kept(1, Place::Later)), []);
        assert_eq!(joiner.handle(1, kept(1, Place::First)), [Effect::ReadAhead(1)]);
    }

    #[test]
    fn whoever_begins_more_than_there_is_room_for_has_the_oldest_taken_as_they_are() {
        let mut joiner = Joiner::bounded(30, 2);
        joiner.handle(0, kept(1, Place::Later));
        joiner.handle(1, kept(2, Place::Later));
        assert_eq!(joiner.handle(2, kept(3, Place::Later)), [Effect::TakeIncomplete(1)]);
        assert_eq!(joiner.len(), 2);
    }

    proptest! {
        #[test]
        fn every_message_that_begins_is_whole_or_taken_once_within_its_wait(
            steps in prop::collection::vec((0..5_u8, 0..3_u8, 0..20_i64), 1..200)
        ) {
            let wait = 30;
            let mut joiner = Joiner::bounded(wait, 3);
            let (mut now, mut begun) = (0, BTreeMap::<u8, i64>::new());
            for (key, what, after) in steps {
                now += after;
                let event = match what {
                    0 => Event::Tick,
                    1 => kept(key, Place::Later),
                    _ => Event::Whole { key },
                };
                match &event {
                    Event::Kept { key, .. } => { begun.entry(*key).or_insert(now); }
                    Event::Whole { key } => { begun.remove(key); }
                    Event::Tick => {}
                }
                for effect in joiner.handle(now, event) {
                    let Effect::TakeIncomplete(key) = effect else { continue };
                    prop_assert!(begun.remove(&key).is_some(), "{key} was not waited for");
                }
                prop_assert!(joiner.len() <= 3 && joiner.len() == begun.len());
                for at in begun.values() {
                    prop_assert!(at + wait > now, "waits beyond its time");
                }
                prop_assert_eq!(joiner.next_deadline(), begun.values().min().map(|at| at + wait));
            }
        }
    }
}
