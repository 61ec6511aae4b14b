//! Parts put together again: out of order, repeated, from many senders at once, within bounds. Time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Decoded;
use super::assemble::assemble;

/// How much a [`Joiner`] keeps, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinLimits {
    /// Messages kept at once; the oldest gives way.
    pub messages: usize,
    /// Of these, of one sender to one receiver: so that one handset cannot push out all others.
    pub messages_per_pair: usize,
    /// Octets of text kept at once; the oldest message gives way.
    pub octets: usize,
    /// How long missing parts are waited for, from the first that came.
    pub wait: Duration,
    /// How long a whole message is remembered, so that a part delivered again is known.
    pub remember: Duration,
}

impl Default for JoinLimits {
    fn default() -> Self {
        Self {
            messages: 10_000,
            messages_per_pair: 16,
            octets: 16 << 20,
            // Handsets out of coverage halfway through a message are back within the hour or not at all.
            wait: Duration::from_secs(3600),
            // Carriers deliver again within seconds to minutes.
            remember: Duration::from_secs(600),
        }
    }
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined<T> {
    /// The message is whole; the tags of its parts are in order of the parts.
    Whole {
        /// The message as if it had come in one.
        decoded: Decoded,
        /// What came with the parts.
        tags: Vec<T>,
    },
    /// More is to come.
    Waiting {
        /// Parts that are here.
        here: usize,
        /// Parts in all.
        total: u8,
    },
    /// The same part came before: nothing to do but to acknowledge it.
    Repeated(T),
}

/// Why a message is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// Its time is over.
    Expired,
    /// There was no room.
    Evicted,
    /// Its sender used the reference again for another message.
    Replaced,
}

/// A message whose other parts did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete<T> {
    /// The parts that did come, by number; [`assemble`] reads them.
    pub parts: Vec<(u8, Decoded, T)>,
    /// Parts in all.
    pub total: u8,
    /// Why it is given up.
    pub why: GivenUp,
}

/// Puts the parts of messages together. `T` is the caller's own tag on each part.
///
/// Parts belong together when sender, receiver, reference and total agree. The caller drains
/// [`poll_incomplete`](Self::poll_incomplete) after [`push`](Self::push) and at [`next_deadline`](Self::next_deadline).
#[derive(Debug)]
pub struct Joiner<T> {
    limits: JoinLimits,
    sets: BTreeMap<Key, Set<T>>,
    /// Every set by the time it ends, and a number so that none falls out for another of the same instant.
    deadlines: BTreeMap<(Instant, u64), Key>,
    given_up: VecDeque<Incomplete<T>>,
    octets: usize,
    counter: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: Bytes,
    dest: Bytes,
    reference: u16,
    total: u8,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the phone numbers.
        f.debug_struct("Key").field("reference", &self.reference).field("total", &self.total).finish()
    }
}

#[derive(Debug)]
struct Set<T> {
    /// By number less one; empty once the message was whole.
    parts: BTreeMap<u8, (Decoded, T)>,
    /// What each part held, so that a repeated one is known.
    seen: BTreeMap<u8, u64>,
    deadline: (Instant, u64),
    octets: usize,
}

impl<T> Joiner<T> {
    /// An empty one.
    pub fn new(limits: JoinLimits) -> Self {
        Self {
            limits,
            sets: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            given_up: VecDeque::new(),
            octets: 0,
            counter: 0,
        }
    }

    /// Takes one body. A single message comes straight back as whole.
    pub fn push(&mut self, now: Instant, source: &[u8], dest: &[u8], decoded: Decoded, tag: T) -> Joined<T> {
        let Some(concat) = decoded.concat.filter(|concat| concat.total > 1) else {
            return Joined::Whole { decoded: Decoded { concat: None, ..decoded }, tags: vec![tag] };
        };
        self.expire(now);
        let key = Key {
            source: Bytes::copy_from_slice(source),
            dest: Bytes::copy_from_slice(dest),
            reference: concat.reference,
            total: concat.total,
        };
        let print = fingerprint(&decoded);
        if let Some(set) = self.sets.get(&key) {
            match set.seen.get(&concat.number) {
                Some(known) if *known == print => return Joined::Repeated(tag),
                // Another text under the same number: the reference went round.
                Some(_) => self.give_up(&key, GivenUp::Replaced),
                None => {}
            }
        }
        if !self.sets.contains_key(&key) {
            self.make_room_for_pair(&key);
            let deadline = self.deadline(now + self.limits.wait, &key);
            let set = Set { parts: BTreeMap::new(), seen: BTreeMap::new(), deadline, octets: 0 };
            self.sets.insert(key.clone(), set);
        }
        let Some(set) = self.sets.get_mut(&key) else {
            return Joined::Repeated(tag);
        };
        let octets = decoded.octets.len();
        set.seen.insert(concat.number, print);
        set.parts.insert(concat.number, (decoded, tag));
        set.octets += octets;
        self.octets += octets;
        let here = set.parts.len();
        if here < usize::from(concat.total) {
            self.make_room(&key);
            return Joined::Waiting { here, total: concat.total };
        }
        let (parts, tags): (Vec<_>, Vec<_>) = std::mem::take(&mut set.parts).into_values().unzip();
        self.octets -= std::mem::take(&mut set.octets);
        let old = set.deadline;
        self.deadlines.remove(&old);
        let deadline = self.deadline(now + self.limits.remember, &key);
        if let Some(set) = self.sets.get_mut(&key) {
            set.deadline = deadline;
        }
        self.make_room(&key);
        Joined::Whole { decoded: assemble(parts), tags }
    }

    /// When [`poll_incomplete`](Self::poll_incomplete) has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next message that is given up by `now`.
    pub fn poll_incomplete(&mut self, now: Instant) -> Option<Incomplete<T>> {
        self.expire(now);
        self.given_up.pop_front()
    }

    /// Messages that wait for parts.
    pub fn waiting(&self) -> usize {
        self.sets.values().filter(|set| !set.parts.is_empty()).count()
    }

    fn deadline(&mut self, at: Instant, key: &Key) -> (Instant, u64) {
        self.counter += 1;
        self.deadlines.insert((at, self.counter), key.clone());
        (at, self.counter)
    }

    fn expire(&mut self, now: Instant) {
        while let Some(((at, _), key)) = self.deadlines.first_key_value() {
            if *at > now {
                return;
            }
            let key = key.clone();
            self.give_up(&key, GivenUp::Expired);
        }
    }

    fn make_room_for_pair(&mut self, new: &Key) {
        let from = Key { reference: 0, total: 0, ..new.clone() };
        let to = Key { reference: u16::MAX, total: u8::MAX, ..new.clone() };
        let of_pair = || self.sets.range(from.clone()..=to.clone());
        if of_pair().count() >= self.limits.messages_per_pair.max(1) {
            let oldest = of_pair().min_by_key(|(_, set)| set.deadline).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.give_up(&oldest, GivenUp::Evicted);
            }
        }
    }

    /// Lets the oldest go until the limits hold, but never the message at hand.
    fn make_room(&mut self, at_hand: &Key) {
        while self.sets.len() > self.limits.messages.max(1) || self.octets > self.limits.octets {
            let oldest = self.deadlines.values().find(|key| *key != at_hand).cloned();
            match oldest {
                Some(oldest) => self.give_up(&oldest, GivenUp::Evicted),
                // One message has at most 255 parts of at most 64 KiB.
                None => return,
            }
        }
    }

    fn give_up(&mut self, key: &Key, why: GivenUp) {
        let Some(set) = self.sets.remove(key) else { return };
        self.deadlines.remove(&set.deadline);
        self.octets -= set.octets;
        if set.parts.is_empty() {
            return;
        }
        // A caller that never drains loses the oldest instead of all memory.
        if self.given_up.len() >= self.limits.messages.max(1) {
            self.given_up.pop_front();
        }
        let parts = set.parts.into_iter().map(|(number, (decoded, tag))| (number, decoded, tag)).collect();
        self.given_up.push_back(Incomplete { parts, total: key.total, why });
    }
}

fn fingerprint(decoded: &Decoded) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&decoded.octets, decoded.alphabet, decoded.shifts).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::{Alphabet, Reference, decode, split};
    use super::*;
    use proptest::prelude::*;

    const LIMITS: JoinLimits = JoinLimits {
        messages: 4,
        messages_per_pair: 3,
        octets: 2_000,
        wait: Duration::from_secs(60),
        remember: Duration::from_secs(10),
    };

    fn parts(text: &str, reference: u8) -> Vec<Decoded> {
        let parts = split(text, Reference::Eight(reference)).unwrap();
        parts.parts.iter().map(|part| decode(parts.data_coding, parts.udhi, part, Alphabet::Gsm7)).collect()
    }

    fn long(letter: &str) -> String {
        letter.repeat(400)
    }

    #[test]
    fn parts_come_out_whole_in_any_order() {
        let now = Instant::now();
        let mut joiner = Joiner::new(LIMITS);
        let mut parts = parts(&long("a"), 1).into_iter();
        let (one, two, three) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        assert_eq!(joiner.push(now, b"447", b"600", three, 'c'), Joined::Waiting { here: 1, total: 3 });
        assert_eq!(joiner.push(now, b"447", b"600", one.clone(), 'a'), Joined::Waiting { here: 2, total: 3 });
        assert_eq!(joiner.push(now, b"447", b"600", one, 'x'), Joined::Repeated('x'));
        let Joined::Whole { decoded, tags } = joiner.push(now, b"447", b"600", two.clone(), 'b') else {
            panic!("not whole")
        };
        assert_eq!(decoded.text.unwrap(), long("a"));
        assert_eq!((tags, decoded.concat), (vec!['a', 'b', 'c'], None));
        assert_eq!(joiner.push(now, b"447", b"600", two, 'y'), Joined::Repeated('y'), "remembered");
        assert_eq!(joiner.waiting(), 0);
    }

    #[test]
    fn a_single_message_is_whole_at_once() {
        let mut joiner = Joiner::new(LIMITS);
        let single = parts("hi", 1).remove(0);
        assert!(matches!(joiner.push(Instant::now(), b"1", b"2", single, ()), Joined::Whole { .. }));
    }

    #[test]
    fn senders_receivers_references_and_totals_are_kept_apart() {
        let now = Instant::now();
        let mut joiner = Joiner::new(JoinLimits { messages: 10, ..LIMITS });
        let (a, b) = (parts(&long("a"), 1), parts(&long("b"), 2));
        for (source, dest, part) in [(b"1", b"9", &a[0]), (b"2", b"9", &a[1]), (b"1", b"8", &a[2])] {
            assert!(matches!(
                joiner.push(now, source, dest, part.clone(), ()),
                Joined::Waiting { here: 1, .. }
            ));
        }
        assert!(matches!(joiner.push(now, b"1", b"9", b[1].clone(), ()), Joined::Waiting { here: 1, .. }));
        assert_eq!(joiner.waiting(), 4);
    }

    #[test]
    fn what_stays_incomplete_is_given_back_in_time() {
        let now = Instant::now();
        let mut joiner = Joiner::new(LIMITS);
        joiner.push(now, b"1", b"9", parts(&long("a"), 1).remove(1), "tag");
        assert_eq!(joiner.next_deadline(), Some(now + LIMITS.wait));
        assert_eq!(joiner.poll_incomplete(now + Duration::from_secs(59)), None);
        let given_up = joiner.poll_incomplete(now + LIMITS.wait).unwrap();
        assert_eq!((given_up.why, given_up.total, given_up.parts[0].0), (GivenUp::Expired, 3, 2));
        assert_eq!(given_up.parts[0].2, "tag");
        assert_eq!((joiner.next_deadline(), joiner.octets), (None, 0));
    }

    #[test]
    fn a_reference_used_again_for_another_text_begins_anew() {
        let now = Instant::now();
        let mut joiner = Joiner::new(LIMITS);
        joiner.push(now, b"1", b"9", parts(&long("a"), 1).remove(0), 1);
        let mut again = parts(&long("b"), 1);
        assert!(matches!(joiner.push(now, b"1", b"9", again.remove(0), 2), Joined::Waiting { here: 1, .. }));
        assert_eq!(joiner.poll_incomplete(now).unwrap().why, GivenUp::Replaced);
        joiner.push(now, b"1", b"9", again.remove(0), 3);
        let Joined::Whole { tags, .. } = joiner.push(now, b"1", b"9", again.remove(0), 4) else { panic!() };
        assert_eq!(tags, [2, 3, 4]);
        // And once more after it was whole.
        assert!(matches!(
            joiner.push(now, b"1", b"9", parts(&long("c"), 1).remove(0), 5),
            Joined::Waiting { here: 1, .. }
        ));
    }

    #[test]
    fn limits_hold_and_the_oldest_gives_way() {
        let now = Instant::now();
        let mut joiner = Joiner::new(LIMITS);
        for sender in 0..6u8 {
            joiner.push(now, &[sender], b"9", parts(&long("a"), 1).remove(0), sender);
        }
        assert_eq!(joiner.waiting(), 4);
        assert_eq!(joiner.poll_incomplete(now).unwrap().parts[0].2, 0);
        assert_eq!(joiner.poll_incomplete(now).unwrap().parts[0].2, 1);
        let mut joiner = Joiner::new(LIMITS);
        joiner.push(now, b"other", b"9", parts(&long("a"), 1).remove(0), 99);
        for reference in 0..6u8 {
            joiner.push(now, b"1", b"9", parts(&long("a"), reference).remove(0), reference);
        }
        assert_eq!(joiner.waiting(), 4, "three of the noisy sender, one of the other");
        let mut joiner = Joiner::new(JoinLimits { octets: 300, ..LIMITS });
        for sender in 0..3u8 {
            joiner.push(now, &[sender], b"9", parts(&long("a"), 1).remove(0), sender);
        }
        assert_eq!(joiner.waiting(), 1);
    }

    proptest! {
        #[test]
        fn any_text_joins_again_in_any_order(text in "\\PC{60,500}|[ -~€\\[\\]]{150,900}", wide: bool, number: u16, seed: u64) {
            prop_assume!(!text.contains(['\u{FEFF}', '\u{FFFE}']));
            let reference = if wide { Reference::Sixteen(number) } else { Reference::Eight(number as u8) };
            let parts = split(&text, reference).unwrap();
            let mut order: Vec<usize> = (0..parts.parts.len()).collect();
            // A cheap shuffle with the seed.
            order.sort_by_key(|index| (seed ^ (*index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)).rotate_left(23));
            let mut joiner = Joiner::new(JoinLimits::default());
            let now = Instant::now();
            let mut whole = None;
            for index in order {
                let part = decode(parts.data_coding, parts.udhi, &parts.parts[index], Alphabet::Gsm7);
                if parts.parts.len() > 1 && whole.is_none() && index % 2 == 0 {
                    let first = joiner.push(now, b"a", b"b", part.clone(), index);
                    if let Joined::Whole { decoded, .. } = first { whole = decoded.text; }
                    prop_assert_eq!(joiner.push(now, b"a", b"b", part, index), Joined::Repeated(index));
                    continue;
                }
                if let Joined::Whole { decoded, tags } = joiner.push(now, b"a", b"b", part, index) {
                    prop_assert!(tags.is_sorted());
                    whole = decoded.text;
                }
            }
            prop_assert_eq!(whole, Some(text));
            prop_assert_eq!(joiner.octets, 0);
        }

        #[test]
        fn any_parts_keep_the_books_right(pushes in prop::collection::vec((0u8..3, 0u8..3, 1u8..5, 1u8..5, prop::collection::vec(any::<u8>(), 0..9), 0u64..40), 0..60)) {
            let start = Instant::now();
            let mut now = start;
            let mut joiner = Joiner::new(LIMITS);
            let (mut given, mut back) = (0usize, 0usize);
            for (source, reference, total, number, body, seconds) in pushes {
                now += Duration::from_secs(seconds);
                let octets = [&[5, 0, 3, reference, total, number][..], &body].concat();
                let part = decode(0, true, &Bytes::from(octets), Alphabet::Gsm7);
                given += 1;
                match joiner.push(now, &[source], b"9", part, ()) {
                    Joined::Whole { tags, .. } => back += tags.len(),
                    Joined::Repeated(()) => back += 1,
                    Joined::Waiting { .. } => {}
                }
                while let Some(lost) = joiner.poll_incomplete(now) { back += lost.parts.len(); }
                prop_assert!(joiner.sets.len() <= LIMITS.messages);
                prop_assert_eq!(joiner.sets.len(), joiner.deadlines.len());
            }
            while let Some(lost) = joiner.poll_incomplete(now + LIMITS.wait) { back += lost.parts.len(); }
            prop_assert_eq!(given, back, "every tag comes back once");
            prop_assert_eq!(joiner.octets, 0);
        }
    }
}
