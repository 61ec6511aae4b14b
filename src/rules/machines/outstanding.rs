//! What a lane has handed out and not settled yet: the chunks it holds, their messages, the parts of these, and the end
//! each message comes to.

use std::collections::BTreeMap;
use std::time::Duration;

/// The end a message comes to, the worst of its parts last: a refused part decides over one that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The carrier took it.
    Sent,
    /// Certainly not written.
    NotWritten,
    /// Refused for now: again after this wait.
    Again(Duration),
    /// Written, and not answered.
    Unanswered,
    /// Its time ran out.
    Expired,
    /// A STOP came in between.
    Shut,
    /// Tried as often as allowed.
    GaveUp,
    /// Refused for good.
    Rejected,
}

/// What is out, by chunk `C` and message `M`; `T` goes with each message. Bounded by the chunks in hand.
#[derive(Debug)]
pub struct Outstanding<C, M, T> {
    chunks: BTreeMap<C, usize>,
    messages: BTreeMap<M, Out<C, T>>,
}

#[derive(Debug)]
struct Out<C, T> {
    chunk: C,
    parts_left: usize,
    end: End,
    tag: T,
}

/// A message whose last part is settled.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended<C, T> {
    /// Its chunk.
    pub chunk: C,
    /// What it came to.
    pub end: End,
    /// What went with it.
    pub tag: T,
}

impl<C, M, T> Default for Outstanding<C, M, T> {
    fn default() -> Self {
        Self { chunks: BTreeMap::new(), messages: BTreeMap::new() }
    }
}

impl<C: Copy + Ord, M: Copy + Ord, T> Outstanding<C, M, T> {
    /// A chunk is in hand; so many of its messages are to be settled.
    pub fn begin(&mut self, chunk: C, messages: usize) {
        self.chunks.insert(chunk, messages);
    }

    /// A message's parts go to a bind.
    pub fn expect(&mut self, chunk: C, message: M, parts: usize, tag: T) {
        self.messages.insert(message, Out { chunk, parts_left: parts, end: End::Sent, tag });
    }

    /// What goes with a message that is out.
    pub fn tag(&mut self, message: M) -> Option<&mut T> {
        self.messages.get_mut(&message).map(|out| &mut out.tag)
    }

    /// A part is settled. Gives the message when it was its last.
    pub fn part(&mut self, message: M, end: End) -> Option<Ended<C, T>> {
        let out = self.messages.get_mut(&message)?;
        out.end = out.end.max(end);
        out.parts_left = out.parts_left.saturating_sub(1);
        if out.parts_left > 0 {
            return None;
        }
        self.messages.remove(&message).map(|out| Ended { chunk: out.chunk, end: out.end, tag: out.tag })
    }

    /// So many messages of a chunk are settled. True when they were its last.
    pub fn settled(&mut self, chunk: C, messages: usize) -> bool {
        let Some(left) = self.chunks.get_mut(&chunk) else { return false };
        *left = left.saturating_sub(messages);
        if *left > 0 {
            return false;
        }
        self.chunks.remove(&chunk);
        true
    }

    /// A chunk is not ours any more. What is out of it is settled as it comes, and closes nothing.
    pub fn abandon(&mut self, chunk: C) {
        self.chunks.remove(&chunk);
    }

    /// Whether a chunk is in hand.
    pub fn holds(&self, chunk: C) -> bool {
        self.chunks.contains_key(&chunk)
    }

    /// Whether nothing is out.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides_when_the_last_one_is_settled() {
        let mut out: Outstanding<i64, i64, &str> = Outstanding::default();
        out.begin(1, 2);
        out.expect(1, 10, 3, "ten");
        assert_eq!(out.part(10, End::Sent), None);
        assert_eq!(out.part(10, End::Unanswered), None);
        let ended = out.part(10, End::Again(Duration::from_secs(1)));
        assert_eq!(ended, Some(Ended { chunk: 1, end: End::Unanswered, tag: "ten" }));
        assert_eq!(out.part(10, End::Sent), None, "settled once");
    }

    #[test]
    fn a_chunk_is_through_with_its_last_message() {
        let mut out: Outstanding<i64, i64, ()> = Outstanding::default();
        out.begin(1, 3);
        assert!(!out.settled(1, 1));
        assert!(out.settled(1, 2));
        assert!(!out.settled(1, 1), "once");
        out.begin(2, 1);
        out.abandon(2);
        assert!(!out.settled(2, 1), "not ours to close");
        assert!(out.is_empty());
    }
}
