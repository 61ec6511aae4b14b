//! What this process knows of keys without asking the database: the ones it noted last, and a Bloom filter for each generation
//! it wrote or has read through, which never says no of a key that is there. What it does not know is looked up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::{OnceLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::Serialize;
use siphasher::sip::SipHasher13;

use super::block;

/// Of ten bits for each key and four looks one key in eighty that are not there looks as if it were.
const BITS_A_KEY: usize = 10;
const LOOKS: u64 = 4;
/// All filters together: those of fifty million keys, or twenty-five million messages; they take as much as there are keys. Where
/// there are more, the generations without one are probed, some fifty microseconds a key. Those that are being filled come on
/// top, and take the place of others.
const FILTERS_OCTETS: usize = 64 << 20;
/// A filter is kept in pieces of so many words: texts of some 11,000 characters.
const PIECE_WORDS: usize = 1_024;

/// Written by the writer alone, read by everybody.
#[derive(Debug, Default)]
pub(in crate::store) struct Known {
    logs: OnceLock<Logs>,
    young: RwLock<Young>,
    filters: RwLock<Vec<(i64, Filter)>>,
}

/// The ids of the keys noted last, in the order in which they were noted, by the key's hash of 64 bits: two of some ten
/// thousand do not have the same one.
type Young = HashMap<u64, Ids, BuildHasherDefault<Hashed>>;

/// Hardly ever more than one.
#[derive(Debug)]
enum Ids {
    One(i64),
    More(Vec<i64>),
}

/// Takes a hash for what it is.
#[derive(Debug, Default)]
struct Hashed(u64);

/// Whose keys of late are to be read, since they are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Logs {
    /// Everybody's.
    All,
    /// All but this run's.
    AllBut(i64),
    /// Nobody's: there is no other server.
    Nobody,
}

/// The keys of one generation, near enough.
#[derive(Debug)]
pub(super) struct Filter {
    bits: Box<[u64]>,
}

/// What is known about some keys, and what is to be looked up.
#[derive(Debug)]
pub(super) struct Asked<'k> {
    /// What was noted of late, in that order.
    pub(super) young: Vec<block::Entry>,
    pub(super) logs: Logs,
    /// The generations that have a filter.
    pub(super) known: Vec<i64>,
    /// And where in them the keys may be.
    pub(super) at: Vec<Place<'k>>,
}

/// A key in a generation.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place<'k> {
    pub(super) generation: i64,
    pub(super) key: &'k str,
}

impl Known {
    /// What this run has in its log is here from now on; others' logs are to be read.
    pub(super) fn has_log(&self, others: Logs) {
        // It stays so.
        let _ = self.logs.set(others);
    }

    /// What is known about these keys. What is noted afterwards may be missing.
    pub(super) fn ask<'k>(&self, keys: &'k [String]) -> Asked<'k> {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let known = filters.iter().map(|(generation, _)| *generation).collect();
        let mut at = Vec::new();
        for key in keys {
            let hash = hash(key);
            let there = filters.iter().filter(|(_, filter)| filter.may_hold(hash));
            at.extend(there.map(|(generation, _)| Place { generation: *generation, key }));
        }
        drop(filters);
        let young = self.young.read().unwrap_or_else(PoisonError::into_inner);
        let noted = keys.iter().filter_map(|key| Some((key, young.get(&hash(key))?)));
        let young = noted.flat_map(|(key, ids)| ids.all().iter().map(|id| (key.clone(), *id))).collect();
        Asked { young, logs: self.logs.get().copied().unwrap_or(Logs::All), known, at }
    }

    /// These are on record.
    pub(super) fn noted(&self, entries: &[block::Entry]) {
        let mut young = self.young.write().unwrap_or_else(PoisonError::into_inner);
        entries.iter().for_each(|(key, id)| note(&mut young, key, *id));
    }

    /// These are struck off.
    pub(super) fn forget_young(&self, entries: &[block::Entry]) {
        if entries.is_empty() {
            return;
        }
        let mut young = self.young.write().unwrap_or_else(PoisonError::into_inner);
        for (key, gone) in entries {
            let Some(ids) = young.remove(&hash(key)) else { continue };
            let left = ids.all().iter().filter(|id| *id != gone);
            left.for_each(|id| note(&mut young, key, *id));
        }
    }

    /// Just these are young: all others are in generations.
    pub(super) fn young_are<'k>(&self, entries: impl IntoIterator<Item = (&'k str, i64)>) {
        let mut young = Young::default();
        entries.into_iter().for_each(|(key, id)| note(&mut young, key, id));
        *self.young.write().unwrap_or_else(PoisonError::into_inner) = young;
    }

    /// Whether there is room for a filter of so many keys, which takes the place of those of these generations.
    pub(super) fn has_room(&self, keys: usize, instead: &[i64]) -> bool {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        octets(&filters, instead) + Filter::octets(keys) <= FILTERS_OCTETS
    }

    /// A generation is there, and its filter holds all of its keys: it is in mind, where there is room.
    pub(super) fn knows(&self, generation: i64, filter: Filter, instead: &[i64]) {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        if octets(&filters, instead) + filter.bits.len() * size_of::<u64>() <= FILTERS_OCTETS {
            filters.push((generation, filter));
        }
    }

    /// Only these generations are left.
    pub(super) fn only(&self, left: impl Fn(i64) -> bool) {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        filters.retain(|(generation, _)| left(*generation));
    }

    /// Whether this generation has a filter.
    pub(super) fn has(&self, generation: i64) -> bool {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        filters.iter().any(|(known, _)| *known == generation)
    }
}

/// How much these filters take but for those of some generations.
fn octets(filters: &[(i64, Filter)], but: &[i64]) -> usize {
    let stay = filters.iter().filter(|(generation, _)| !but.contains(generation));
    stay.map(|(_, filter)| filter.bits.len() * size_of::<u64>()).sum()
}

impl Filter {
    fn octets(keys: usize) -> usize {
        (keys.max(1) * BITS_A_KEY).div_ceil(64) * size_of::<u64>()
    }

    /// For so many keys.
    pub(super) fn new(keys: usize) -> Self {
        Self { bits: vec![0; Self::octets(keys) / size_of::<u64>()].into_boxed_slice() }
    }

    /// One of its keys.
    pub(super) fn note(&mut self, key: &str) {
        for place in self.places(hash(key)) {
            self.bits[place / 64] |= 1 << (place % 64);
        }
    }

    /// How many pieces it is kept in.
    pub(super) fn pieces(&self) -> usize {
        self.bits.len().div_ceil(PIECE_WORDS)
    }

    /// Some of its pieces as texts, from 0.
    pub(super) fn texts(&self, of: Range<usize>) -> impl Iterator<Item = String> {
        self.bits.chunks(PIECE_WORDS).skip(of.start).take(of.len()).map(|words| {
            let octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            BASE64.encode(octets)
        })
    }

    /// The one whose pieces, in their order, are these; none where they are not those of a filter for so many keys.
    pub(super) fn of(texts: &[String], keys: usize) -> Option<Self> {
        let mut bits = Vec::new();
        for text in texts {
            let octets = BASE64.decode(text).ok()?;
            let (words, rest) = octets.as_chunks::<8>();
            if !rest.is_empty() {
                return None;
            }
            bits.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
        }
        let whole = bits.len() * size_of::<u64>() >= Self::octets(keys);
        whole.then(|| Self { bits: bits.into_boxed_slice() })
    }

    fn may_hold(&self, hash: u64) -> bool {
        self.places(hash).all(|place| self.bits[place / 64] >> (place % 64) & 1 == 1)
    }

    /// Where the bits of a key are; two halves of its hash make as many as are wanted.
    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let all = self.bits.len() as u64 * 64;
        let (first, step) = (hash & u64::from(u32::MAX), hash >> 32 | 1);
        (0..LOOKS).map(move |look| (first.wrapping_add(look.wrapping_mul(step)) % all) as usize)
    }
}

impl Ids {
    fn all(&self) -> &[i64] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::More(ids) => ids,
        }
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

fn note(young: &mut Young, key: &str, id: i64) {
    match young.entry(hash(key)) {
        Entry::Vacant(none) => _ = none.insert(Ids::One(id)),
        Entry::Occupied(mut some) => match some.get_mut() {
            Ids::One(first) => {
                let both = vec![*first, id];
                some.insert(Ids::More(both));
            }
            Ids::More(ids) => ids.push(id),
        },
    }
}

/// The same for ever: filters are kept.
fn hash(key: &str) -> u64 {
    SipHasher13::new().hash(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 30_000;

    fn keys(of: Range<usize>) -> Vec<String> {
        of.map(|one| format!("m{}", 447_700_000_000 + one)).collect()
    }

    fn filled(keys: &[String]) -> Filter {
        let mut filter = Filter::new(keys.len());
        keys.iter().for_each(|key| filter.note(key));
        filter
    }

    #[test]
    fn a_key_is_found_in_its_generation_and_hardly_ever_in_another() {
        let known = Known::default();
        let (mine, others) = (keys(0..KEYS), keys(KEYS..2 * KEYS));
        known.knows(7, filled(&mine), &[]);
        let asked = known.ask(&mine);
        assert_eq!((asked.known, asked.logs), (vec![7], Logs::All));
        assert_eq!(asked.at, mine.iter().map(|key| Place { generation: 7, key }).collect::<Vec<_>>());
        let wrong = known.ask(&others).at.len();
        assert!(wrong < KEYS / 50, "{wrong}");
        known.only(|generation| generation != 7);
        assert_eq!(known.ask(&mine).known, [0_i64; 0]);
    }

    #[test]
    fn a_key_has_the_hash_that_kept_filters_were_made_with() {
        assert_eq!(hash("m447700900001"), 0x0d27_059c_3fdf_9a06, "SipHash-1-3 with keys of zero");
    }

    #[test]
    fn a_filter_that_was_kept_is_the_one_it_was() {
        let mine = keys(0..KEYS);
        let kept = filled(&mine);
        let mut texts: Vec<String> = kept.texts(0..2).collect();
        texts.extend(kept.texts(2..kept.pieces()));
        assert_eq!(texts.len(), kept.pieces());
        assert_eq!(Filter::of(&texts, KEYS).unwrap().bits, kept.bits);
        assert!(Filter::of(&texts[1..], KEYS).is_none(), "a piece is missing");
        assert!(Filter::of(&[], 0).is_none());
        assert!(Filter::of(&["AAAA".to_owned()], 0).is_none(), "a piece of a word");
        assert!(Filter::of(&["no bits".to_owned()], 0).is_none());
    }

    #[test]
    fn what_is_young_is_told_in_its_order_until_it_is_in_a_generation() {
        let known = Known::default();
        let key = || "m1".to_owned();
        known.noted(&[(key(), 3), ("m2".to_owned(), 9), (key(), 2)]);
        assert_eq!(known.ask(&[key()]).young, [(key(), 3), (key(), 2)]);
        known.forget_young(&[(key(), 3)]);
        assert_eq!(known.ask(&[key(), "m2".to_owned()]).young, [(key(), 2), ("m2".to_owned(), 9)]);
        known.forget_young(&[(key(), 2)]);
        assert_eq!(known.ask(&[key()]).young, []);
        known.young_are([]);
        assert_eq!(known.ask(&["m2".to_owned()]).young, []);
    }

    #[test]
    fn there_is_no_filter_past_the_bound() {
        let known = Known::default();
        let most = FILTERS_OCTETS * 8 / BITS_A_KEY;
        known.knows(1, Filter::new(most - 1_000), &[]);
        assert!(known.has_room(500, &[]));
        assert!(!known.has_room(2_000, &[]));
        assert!(known.has_room(2_000, &[1]), "it takes the other one's place");
        known.knows(2, Filter::new(2_000), &[]);
        assert!(known.has(1) && !known.has(2));
        known.knows(2, Filter::new(2_000), &[1]);
        assert!(known.has(2));
    }
}
