//! Which generations may hold a key, told without asking the database: a Bloom filter for each of those this process wrote
//! or has read through. It never says no of a key that is there. What it does not know is probed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use serde::Serialize;

use super::merge::KEYS_A_GENERATION;

/// Generations known at once: a bit of a word each, so that one look at a place tells of all of them.
const SLOTS: usize = u64::BITS as usize;
/// Sixteen for each key of a full generation: one key in four hundred that are not there looks as if it were. 4 MB.
const PLACES: usize = 16 * KEYS_A_GENERATION;
/// Places of a key.
const HASHES: u64 = 4;
/// No generation: those have ids from 1 on, but for the first one, which is never known here.
const FREE: i64 = 0;
/// A generation that is not read through yet.
const LEARNING: i64 = -1;

/// Written by the writer alone, read by everybody. A slot is taken before the first key of its generation is written, or when
/// all of them are known; it is given up after the generation is gone.
#[derive(Debug)]
pub(in crate::store) struct Sieve {
    slots: [AtomicI64; SLOTS],
    /// For each place the slots one of whose keys falls there. Made when the first slot is taken.
    places: OnceLock<Box<[AtomicU64]>>,
}

/// Where keys may be: at these places in the known generations, and in any that is not known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sifted<'a> {
    pub(super) known: Vec<i64>,
    pub(super) at: Vec<Place<'a>>,
}

/// A key in a generation.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place<'a> {
    pub(super) generation: i64,
    pub(super) key: &'a str,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { slots: [const { AtomicI64::new(FREE) }; SLOTS], places: OnceLock::new() }
    }
}

impl Sieve {
    /// From now on this generation, which holds nothing yet, is known, where there is room.
    pub(super) fn begin(&self, generation: i64) {
        if let Some(slot) = self.free() {
            self.places();
            self.slots[slot].store(generation, Ordering::Release);
        }
    }

    /// Notes keys of a generation, before they are written. One that is not known stays so.
    pub(super) fn note<'k>(&self, generation: i64, keys: impl Iterator<Item = &'k str>) {
        if let Some(slot) = self.slot(generation) {
            self.put(slot, keys);
        }
    }

    /// A generation whose keys are read through, some at a time: with the last of them it is known. None where there is no
    /// room.
    pub(super) fn learn(&self) -> Option<Learning> {
        let slot = self.free()?;
        self.slots[slot].store(LEARNING, Ordering::Release);
        Some(Learning { slot })
    }

    /// More keys of it.
    pub(super) fn learnt<'k>(&self, learning: &Learning, keys: impl Iterator<Item = &'k str>) {
        self.put(learning.slot, keys);
    }

    /// Those were all.
    pub(super) fn knows(&self, learning: Learning, generation: i64) {
        self.places();
        self.slots[learning.slot].store(generation, Ordering::Release);
    }

    /// A generation is gone, and its keys are in one that is not known.
    pub(super) fn forget(&self, generation: i64) {
        let Some(slot) = self.slot(generation) else { return };
        self.slots[slot].store(FREE, Ordering::Release);
        self.clear(slot);
    }

    /// Where these keys may be. What is written afterwards may be missing.
    pub(super) fn sift<'k>(&self, keys: &'k [String]) -> Sifted<'k> {
        let slots: Vec<(usize, i64)> = (0..SLOTS)
            .map(|slot| (slot, self.slots[slot].load(Ordering::Acquire)))
            .filter(|(_, generation)| *generation > FREE)
            .collect();
        let known = slots.iter().map(|(_, generation)| *generation).collect();
        let mut at = Vec::new();
        if !slots.is_empty() {
            let places = self.places();
            for key in keys {
                let bits =
                    places_of(key).fold(u64::MAX, |bits, place| bits & places[place].load(Ordering::Relaxed));
                let there = slots.iter().filter(|(slot, _)| bits >> slot & 1 == 1);
                at.extend(there.map(|(_, generation)| Place { generation: *generation, key }));
            }
        }
        Sifted { known, at }
    }

    fn slot(&self, generation: i64) -> Option<usize> {
        (generation > FREE)
            .then(|| self.slots.iter().position(|slot| slot.load(Ordering::Relaxed) == generation))
            .flatten()
    }

    fn free(&self) -> Option<usize> {
        self.slots.iter().position(|slot| slot.load(Ordering::Relaxed) == FREE)
    }

    fn places(&self) -> &[AtomicU64] {
        self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }

    fn put<'k>(&self, slot: usize, keys: impl Iterator<Item = &'k str>) {
        let places = self.places();
        for place in keys.flat_map(places_of) {
            let bits = places[place].load(Ordering::Relaxed);
            places[place].store(bits | 1 << slot, Ordering::Relaxed);
        }
    }

    fn clear(&self, slot: usize) {
        for place in self.places() {
            let bits = place.load(Ordering::Relaxed);
            place.store(bits & !(1 << slot), Ordering::Relaxed);
        }
    }
}

/// A slot that is being filled. One at a time.
#[derive(Debug)]
pub(super) struct Learning {
    slot: usize,
}

fn places_of(key: &str) -> impl Iterator<Item = usize> + use<> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let hash = hasher.finish();
    // Two halves make as many as are wanted.
    let (first, step) = (hash & u64::from(u32::MAX), hash >> 32 | 1);
    (0..HASHES).map(move |one| (first.wrapping_add(one.wrapping_mul(step)) % PLACES as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: std::ops::Range<usize>) -> Vec<String> {
        of.map(|one| format!("m{}", 447_700_000_000 + one)).collect()
    }

    fn texts(keys: &[String]) -> impl Iterator<Item = &str> {
        keys.iter().map(String::as_str)
    }

    #[test]
    fn a_key_is_found_in_its_generation_and_hardly_ever_in_another() {
        let sieve = Sieve::default();
        let (mine, others) = (keys(0..KEYS_A_GENERATION), keys(KEYS_A_GENERATION..2 * KEYS_A_GENERATION));
        sieve.begin(7);
        sieve.begin(8);
        sieve.note(7, texts(&mine));
        sieve.note(9, texts(&others));
        let found = sieve.sift(&mine);
        assert_eq!(found.known, [7, 8]);
        assert_eq!(found.at, mine.iter().map(|key| Place { generation: 7, key }).collect::<Vec<_>>());
        let wrong = sieve.sift(&others).at.len();
        assert!(wrong < KEYS_A_GENERATION / 200, "{wrong}");
    }

    #[test]
    fn a_generation_is_known_when_all_of_it_is_read_and_not_any_more_when_it_is_gone() {
        let sieve = Sieve::default();
        let keys = keys(0..10);
        let learning = sieve.learn().unwrap();
        sieve.learnt(&learning, texts(&keys[..5]));
        assert_eq!(sieve.sift(&keys), Sifted { known: vec![], at: vec![] });
        sieve.learnt(&learning, texts(&keys[5..]));
        sieve.knows(learning, 3);
        assert_eq!(sieve.sift(&keys).at.len(), 10);
        sieve.forget(3);
        sieve.begin(4);
        assert_eq!(sieve.sift(&keys), Sifted { known: vec![4], at: vec![] }, "its place is clean again");
    }

    #[test]
    fn what_there_is_no_room_for_is_not_known() {
        let sieve = Sieve::default();
        (1..=SLOTS as i64 + 5).for_each(|generation| sieve.begin(generation));
        let keys = keys(0..1);
        sieve.note(SLOTS as i64 + 1, texts(&keys));
        let found = sieve.sift(&keys);
        assert_eq!((found.known.len(), found.at.len()), (SLOTS, 0));
        assert!(sieve.learn().is_none());
    }
}
