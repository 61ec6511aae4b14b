//! Parts of messages on their way to handsets, put together.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use protocol::octets::COctets;
use protocol::pdu::Sm;
use protocol::text::{self, Alphabet, Concat, Decoded};

use crate::message::Msisdn;

/// Messages that wait for parts, at once; the parts of one are submitted within moments.
const MOST_WAITING: usize = 50_000;
/// A message that is not whole by then never will be.
const LONGEST_WAIT_MS: i64 = 600_000;

/// A short message as it was submitted: its octets and how to read them.
#[derive(Clone)]
pub(super) struct Piece {
    data_coding: u8,
    udhi: bool,
    octets: Bytes,
}

impl Piece {
    pub(super) fn of(sm: &Sm) -> Self {
        Self { data_coding: sm.data_coding, udhi: sm.has_udh(), octets: sm.content() }
    }

    pub(super) fn read(&self) -> Decoded {
        text::decode(self.data_coding, self.udhi, &self.octets, Alphabet::Gsm7)
    }

    /// The octets behind the header.
    fn body(&self) -> &[u8] {
        let header = match (self.udhi, self.octets.first()) {
            (true, Some(length)) => usize::from(*length) + 1,
            _ => 0,
        };
        self.octets.get(header..).unwrap_or_default()
    }
}

/// A whole message.
pub(super) struct Whole {
    pieces: Vec<Piece>,
    /// When its last part reaches the handset.
    pub(super) due_ms: i64,
}

impl Whole {
    /// Number of parts.
    pub(super) fn parts(&self) -> u8 {
        u8::try_from(self.pieces.len()).unwrap_or(u8::MAX)
    }

    /// The same for the same words to the same handset, whatever the reference of the parts.
    pub(super) fn digest(&self, number: Msisdn) -> u64 {
        let mut hasher = DefaultHasher::new();
        number.hash(&mut hasher);
        for piece in &self.pieces {
            hasher.write_u8(piece.data_coding);
            hasher.write(piece.body());
        }
        hasher.finish()
    }

    /// The words, empty where it has none, and how they were written.
    pub(super) fn words(&self) -> (String, Alphabet) {
        let decoded = match self.pieces.as_slice() {
            [single] => single.read(),
            pieces => text::assemble(pieces.iter().map(Piece::read).collect()),
        };
        (decoded.text.unwrap_or_default(), decoded.alphabet)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    number: Msisdn,
    sender: COctets,
    reference: u16,
    total: u8,
}

struct Set {
    pieces: BTreeMap<u8, Piece>,
    due_ms: i64,
    began_ms: i64,
}

/// What a part is to its message.
pub(super) struct Pushed {
    /// Whether the message began with it.
    pub(super) began: bool,
    /// The message, where this was the last part missing.
    pub(super) whole: Option<Whole>,
}

/// Messages of which parts are missing.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: HashMap<Key, Set>,
}

impl Inbox {
    /// Takes a part that reaches the handset at `due_ms`.
    pub(super) fn push(&mut self, number: Msisdn, sm: &Sm, due_ms: i64, now_ms: i64) -> Pushed {
        let piece = Piece::of(sm);
        let Some(concat) = text::concat_of(sm).filter(|concat| concat.total > 1) else {
            return Pushed { began: true, whole: Some(Whole { pieces: vec![piece], due_ms }) };
        };
        self.join(number, sm.source.addr.clone(), concat, piece, due_ms, now_ms)
    }

    fn join(
        &mut self,
        number: Msisdn,
        sender: COctets,
        concat: Concat,
        piece: Piece,
        due_ms: i64,
        now_ms: i64,
    ) -> Pushed {
        let key = Key { number, sender, reference: concat.reference, total: concat.total };
        if self.waiting.len() >= MOST_WAITING && !self.waiting.contains_key(&key) {
            self.waiting.retain(|_, set| now_ms - set.began_ms < LONGEST_WAIT_MS);
            if self.waiting.len() >= MOST_WAITING {
                return Pushed { began: true, whole: None };
            }
        }
        let mut began = false;
        let set = self.waiting.entry(key.clone()).or_insert_with(|| {
            began = true;
            Set { pieces: BTreeMap::new(), due_ms, began_ms: now_ms }
        });
        set.pieces.insert(concat.number, piece);
        set.due_ms = set.due_ms.max(due_ms);
        if set.pieces.len() < usize::from(concat.total) {
            return Pushed { began, whole: None };
        }
        let whole = self
            .waiting
            .remove(&key)
            .map(|set| Whole { pieces: set.pieces.into_values().collect(), due_ms: set.due_ms });
        Pushed { began, whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::address::Address;
    use protocol::text::Reference;

    const NUMBER: Msisdn = Msisdn(447_700_900_123);

    fn parts(text: &str, reference: u8) -> Vec<Sm> {
        let split = text::split(text, Reference::Eight(reference)).unwrap();
        let esm_class = if split.udhi { protocol::pdu::message::UDHI } else { 0 };
        let sm = |octets| Sm {
            source: Address::alphanumeric("Backchat"),
            esm_class,
            data_coding: split.data_coding,
            short_message: octets,
            ..Sm::default()
        };
        split.parts.iter().cloned().map(sm).collect()
    }

    #[test]
    fn parts_come_together_in_any_order_when_the_last_one_is_there() {
        let text = "Здравствуйте 👋 ".repeat(12);
        let parts = parts(&text, 7);
        assert!(parts.len() > 2);
        let mut inbox = Inbox::default();
        let mut whole = None;
        for (turn, sm) in (0..).zip(parts.iter().rev()) {
            let pushed = inbox.push(NUMBER, sm, 100 - turn, 0);
            assert_eq!(pushed.began, turn == 0);
            assert!(whole.is_none());
            whole = pushed.whole;
        }
        let whole = whole.unwrap();
        assert_eq!(whole.words(), (text, Alphabet::Ucs2));
        assert_eq!((usize::from(whole.parts()), whole.due_ms), (parts.len(), 100));
        assert!(inbox.waiting.is_empty());
    }

    #[test]
    fn the_same_words_have_the_same_digest_whatever_their_reference() {
        let whole = |text: &str, reference, number| {
            let mut inbox = Inbox::default();
            let whole = parts(text, reference).iter().find_map(|sm| inbox.push(number, sm, 0, 0).whole);
            whole.unwrap().digest(number)
        };
        let long = "Why did you leave us? ".repeat(10);
        assert_eq!(whole(&long, 1, NUMBER), whole(&long, 2, NUMBER));
        assert_ne!(whole(&long, 1, NUMBER), whole(&long, 1, Msisdn(1)));
        assert_ne!(whole("a", 1, NUMBER), whole("b", 1, NUMBER));
    }
}
