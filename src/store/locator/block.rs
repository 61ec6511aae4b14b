//! How keys are kept: a text of entries in order, each on a line of its own: the key, a tab, the id.
//!
//! A row for each key cost SQLite a microsecond, at every copying again; an entry of a text costs some thirty nanoseconds.

use std::collections::HashSet;
use std::fmt::Write as _;

/// A key and the id noted under it.
pub(in crate::store) type Entry = (String, i64);

/// A block is full with so many octets: with the key it begins with a row of it still stays whole in Postgres, which moves
/// what is over 2,000 octets to another table, and four fill a page of SQLite.
pub(super) const BLOCK_OCTETS: usize = 1_800;

/// Some entries that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first: String,
    pub(super) keys: String,
}

/// Writes an entry behind others.
pub(super) fn write(keys: &mut String, key: &str, id: i64) {
    // Writing to a text does not fail.
    let _ = write!(keys, "\n{key}\t{id}");
}

/// The entries of a text. What is none is passed over.
pub(super) fn entries(keys: &str) -> impl Iterator<Item = (&str, i64)> {
    keys.split('\n').filter_map(|line| {
        let (key, id) = line.rsplit_once('\t')?;
        Some((key, id.parse().ok()?))
    })
}

/// What stands before the entries of a text, and those.
pub(super) fn headed(text: &str) -> (&str, &str) {
    text.find('\n').map_or((text, ""), |end| text.split_at(end))
}

/// The ids under one key of a text.
pub(super) fn under(keys: &str, key: &str) -> impl Iterator<Item = i64> {
    keys.split('\n').filter_map(move |line| line.strip_prefix(key)?.strip_prefix('\t')?.parse().ok())
}

/// Entries under one of these keys.
pub(super) fn among(keys: &str, wanted: &HashSet<&str>) -> Vec<Entry> {
    entries(keys).filter(|(key, _)| wanted.contains(key)).map(|(key, id)| (key.to_owned(), id)).collect()
}

/// A text without some of its entries.
pub(super) fn without(keys: &str, goes: impl Fn(&str, i64) -> bool) -> Struck {
    let mut left = String::with_capacity(keys.len());
    let mut first = None;
    let mut struck = false;
    for (key, id) in entries(keys) {
        if goes(key, id) {
            struck = true;
        } else {
            first.get_or_insert_with(|| key.to_owned());
            write(&mut left, key, id);
        }
    }
    match (struck, first) {
        (false, _) => Struck::Nothing,
        (true, None) => Struck::All,
        (true, Some(first)) => Struck::Some(Block { first, keys: left }),
    }
}

/// What striking entries off a block leaves of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Struck {
    /// It as it was.
    Nothing,
    /// Less.
    Some(Block),
    /// Nothing at all.
    All,
}

/// Makes blocks of entries that come in order.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    first: Option<String>,
    keys: String,
    done: Vec<Block>,
}

impl Blocks {
    /// The next entry.
    pub(super) fn push(&mut self, key: &str, id: i64) {
        // A sign more for each of tab and line, and the digits.
        if self.keys.len() + key.len() + 22 > BLOCK_OCTETS {
            self.close();
        }
        self.first.get_or_insert_with(|| key.to_owned());
        write(&mut self.keys, key, id);
    }

    /// All of them. What comes afterwards begins a new one.
    pub(super) fn take(&mut self) -> Vec<Block> {
        self.close();
        std::mem::take(&mut self.done)
    }

    fn close(&mut self) {
        if let Some(first) = self.first.take() {
            let keys = std::mem::replace(&mut self.keys, String::with_capacity(BLOCK_OCTETS));
            self.done.push(Block { first, keys });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(entries: &[Entry]) -> Vec<Block> {
        let mut blocks = Blocks::default();
        entries.iter().for_each(|(key, id)| blocks.push(key, *id));
        blocks.take()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_in_order_and_no_block_is_too_large(
            mut all in proptest::collection::vec(("[mic][a-z0-9/ \u{e9}]{0,60}", any::<i64>()), 0..300)
        ) {
            all.sort_unstable();
            let blocks = made(&all);
            let read: Vec<Entry> = blocks
                .iter()
                .flat_map(|block| entries(&block.keys))
                .map(|(key, id)| (key.to_owned(), id))
                .collect();
            prop_assert_eq!(&read, &all);
            for block in &blocks {
                prop_assert!(block.keys.len() <= BLOCK_OCTETS);
                prop_assert_eq!(entries(&block.keys).next().map(|(key, _)| key), Some(block.first.as_str()));
            }
            if let Some((key, _)) = all.first() {
                let ids: Vec<i64> = blocks.iter().flat_map(|block| under(&block.keys, key)).collect();
                let wanted: Vec<i64> = all.iter().filter(|one| one.0 == *key).map(|one| one.1).collect();
                prop_assert_eq!(ids, wanted);
            }
        }

        #[test]
        fn no_text_breaks_it(text in any::<String>(), key in any::<String>()) {
            let (_, keys) = headed(&text);
            let _ = (entries(keys).count(), under(keys, &key).count(), without(keys, |_, id| id > 0));
        }
    }

    #[test]
    fn a_key_is_not_found_in_a_longer_one() {
        let mut keys = String::new();
        for (key, id) in [("m1", 1), ("m12", 2), ("xm12", 3)] {
            write(&mut keys, key, id);
        }
        assert_eq!(under(&keys, "m1").collect::<Vec<_>>(), [1]);
        assert_eq!(under(&keys, "m12").collect::<Vec<_>>(), [2]);
        assert_eq!(headed(&format!("head\t7{keys}")), ("head\t7", keys.as_str()));
    }

    #[test]
    fn what_is_struck_off_is_gone_and_nothing_else() {
        let mut keys = String::new();
        for (key, id) in [("a", 1), ("a", 2), ("b", 1)] {
            write(&mut keys, key, id);
        }
        let left = without(&keys, |key, _| key == "a");
        assert_eq!(left, Struck::Some(Block { first: "b".into(), keys: "\nb\t1".into() }));
        assert_eq!(without(&keys, |_, id| id == 3), Struck::Nothing);
        assert_eq!(without(&keys, |_, _| true), Struck::All);
    }
}
