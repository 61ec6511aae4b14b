//! Message ids: 63 bits, made by us, ordered by time, unique across nodes.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// 2024-01-01T00:00:00Z in milliseconds: ids start there, so that 41 bits last until 2093.
const EPOCH_MS: i64 = 1_704_067_200_000;
/// Bits for the node, so that 1,024 nodes never make the same id.
const NODE_BITS: u32 = 10;
/// Bits for the count inside one millisecond.
const COUNT_BITS: u32 = 12;
/// Crockford's alphabet: no I, L, O, U, so that an id read over the phone stays itself.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 63 bits in digits of 5 bits.
const DIGITS: usize = 13;

/// A message's id. Prints as 13 characters of Crockford's base 32; sorts by time of acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

impl MessageId {
    /// The first id of this time, in milliseconds since the epoch: every one made before is less.
    pub fn first_at(ms: i64) -> Self {
        Self((ms - EPOCH_MS).max(0) << (NODE_BITS + COUNT_BITS))
    }

    /// When the id was made, in milliseconds since the epoch.
    pub fn made_ms(self) -> i64 {
        (self.0 >> (NODE_BITS + COUNT_BITS)) + EPOCH_MS
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.cast_unsigned();
        (0..DIGITS).rev().try_for_each(|digit| {
            let index = usize::try_from((value >> (digit * 5)) & 31).unwrap_or_default();
            fmt::Write::write_char(f, char::from(ALPHABET[index]))
        })
    }
}

/// A text that is no message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no message id: 13 letters and digits are wanted, like 05W2K8Q3M4N7A")]
pub struct NotAnId(String);

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let wrong = || NotAnId(text.to_owned());
        if text.len() != DIGITS {
            return Err(wrong());
        }
        let mut value: u64 = 0;
        for octet in text.bytes() {
            let digit =
                ALPHABET.iter().position(|letter| *letter == octet.to_ascii_uppercase()).ok_or_else(wrong)?;
            value = (value << 5) | digit as u64;
        }
        i64::try_from(value).map(MessageId).map_err(|_| wrong())
    }
}

/// Makes message ids for one node. Rising even when the clock steps back.
#[derive(Debug)]
pub struct IdSource {
    node: u64,
    last: AtomicU64,
}

impl IdSource {
    /// A source for node 0..=1023.
    pub fn new(node: u16) -> Self {
        Self { node: u64::from(node) & ((1 << NODE_BITS) - 1), last: AtomicU64::new(0) }
    }

    /// The next id at this time.
    pub fn next(&self, now_ms: i64) -> MessageId {
        let tick = (u64::try_from(now_ms - EPOCH_MS).unwrap_or_default()) << COUNT_BITS;
        // One word of time and count, so that more than 4,096 ids in a millisecond borrow from the next one.
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(tick.max(last + 1)))
            .unwrap_or_default();
        let word = tick.max(before + 1);
        let (time, count) = (word >> COUNT_BITS, word & ((1 << COUNT_BITS) - 1));
        let value = (time << (NODE_BITS + COUNT_BITS)) | (self.node << COUNT_BITS) | count;
        MessageId(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

/// A campaign's name: what the operator calls it, lower-case letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CampaignId(pub String);

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_even_when_the_clock_steps_back_and_in_a_busy_millisecond() {
        let source = IdSource::new(3);
        let mut last = source.next(EPOCH_MS + 5_000);
        for step in 0..10_000_i64 {
            let next = source.next(EPOCH_MS + 5_000 - step);
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn an_id_reads_back_as_printed_and_tells_its_time() {
        let id = IdSource::new(1023).next(EPOCH_MS + 123_456_789);
        assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        assert_eq!(id.made_ms(), EPOCH_MS + 123_456_789);
        assert!(MessageId::first_at(id.made_ms()) <= id && id < MessageId::first_at(id.made_ms() + 1));
        assert!("O".repeat(13).parse::<MessageId>().is_err());
        assert!("Z".repeat(13).parse::<MessageId>().is_err(), "over 63 bits");
    }

    #[test]
    fn two_nodes_never_make_the_same_id() {
        assert_ne!(IdSource::new(1).next(EPOCH_MS + 1), IdSource::new(2).next(EPOCH_MS + 1));
    }
}
