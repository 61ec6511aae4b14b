//! One direction of a TCP connection put in order: repeated, overlapping and early segments, and holes in a capture.

use std::collections::BTreeMap;

/// Octets that wait behind a hole. A window is mostly smaller; beyond it the hole counts as never captured.
const MOST_WAITING_OCTETS: usize = 4 << 20;

/// A number so far ahead of what comes next is of another connection or broken: the largest window of TCP.
const MOST_AHEAD: u64 = 1 << 30;

/// How long a hole may stay open once the receiver has acknowledged what stood in it, in nanoseconds: packets are
/// captured out of order by some milliseconds at most.
const PATIENCE_NS: i64 = 200_000_000;

/// How long it may stay open although no acknowledgement was seen: a sender repeats itself within seconds.
const LONG_PATIENCE_NS: i64 = 10_000_000_000;

/// Something of the stream, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Octets, and when they were captured.
    Octets(i64, Vec<u8>),
    /// So many octets are not in the capture; when those behind them were captured.
    Missing(i64, u64),
}

impl Piece {
    /// When it was captured.
    pub(crate) fn at_ns(&self) -> i64 {
        match self {
            Piece::Octets(at_ns, _) | Piece::Missing(at_ns, _) => *at_ns,
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// The sequence number of what comes next; `None` before the first segment.
    next: Option<u32>,
    /// Its place in the stream.
    at: u64,
    /// What came early, by its place.
    waiting: BTreeMap<u64, Part>,
    waiting_octets: usize,
    /// Since when there is a hole.
    hole_since_ns: Option<i64>,
    /// The place up to which the receiver has all.
    acknowledged: u64,
}

/// What a segment carried.
#[derive(Debug)]
struct Part {
    at_ns: i64,
    octets: Vec<u8>,
    /// Octets behind these that were not captured.
    missing: usize,
}

impl Half {
    /// Takes that the stream begins behind this SYN.
    pub(crate) fn begin(&mut self, sequence: u32) {
        *self = Half { next: Some(sequence.wrapping_add(1)), ..Half::default() };
    }

    /// Whether anything of the stream has come.
    pub(crate) fn has_data(&self) -> bool {
        self.at > 0 || !self.waiting.is_empty()
    }

    /// Takes a segment and gives what follows from it.
    pub(crate) fn push(&mut self, at_ns: i64, sequence: u32, payload: &[u8], missing: usize) -> Vec<Piece> {
        let mut out = Vec::new();
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next).cast_signed();
        match self.at.checked_add_signed(i64::from(ahead)) {
            // From before the capture: at most its end is new.
            None => {
                let old = ahead.unsigned_abs() as usize;
                if let Some(rest) = payload.get(old..) {
                    self.take(at_ns, rest, missing, &mut out);
                }
            }
            Some(place) if place <= self.at => self.deliver(at_ns, place, payload, missing, &mut out),
            Some(place) if place - self.at < MOST_AHEAD && !(payload.is_empty() && missing == 0) => {
                self.keep(place, Part { at_ns, octets: payload.to_vec(), missing });
            }
            Some(_) => {}
        }
        self.catch_up(&mut out);
        if !self.waiting.is_empty() {
            self.hole_since_ns.get_or_insert(at_ns);
        }
        out.extend(self.poll(at_ns));
        out
    }

    /// Gives what waits behind a hole that nothing will fill any more.
    pub(crate) fn poll(&mut self, now_ns: i64) -> Vec<Piece> {
        let mut out = Vec::new();
        while self.waiting_octets > MOST_WAITING_OCTETS || self.is_given_up(now_ns) {
            self.skip_hole(&mut out);
        }
        out
    }

    /// Takes what the other side acknowledges: what stood before it was on its way, captured or not.
    pub(crate) fn acknowledge(&mut self, acknowledged: u32) {
        let Some(next) = self.next else { return };
        let ahead = acknowledged.wrapping_sub(next).cast_signed();
        if let Some(place) = self.at.checked_add_signed(i64::from(ahead)) {
            self.acknowledged = self.acknowledged.max(place);
        }
    }

    /// Whether something waits behind a hole.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives what waits behind holes: nothing more comes.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let mut out = Vec::new();
        while !self.waiting.is_empty() {
            self.skip_hole(&mut out);
        }
        out
    }

    fn is_given_up(&self, now_ns: i64) -> bool {
        let (Some((first, _)), Some(since_ns)) = (self.waiting.first_key_value(), self.hole_since_ns) else {
            return false;
        };
        let waited_ns = now_ns.saturating_sub(since_ns);
        waited_ns > LONG_PATIENCE_NS || waited_ns > PATIENCE_NS && self.acknowledged >= *first
    }

    fn skip_hole(&mut self, out: &mut Vec<Piece>) {
        let Some((place, part)) = self.waiting.first_key_value() else { return };
        self.pass(part.at_ns, place - self.at, out);
        self.catch_up(out);
    }

    /// Passes over octets that were not captured.
    fn pass(&mut self, at_ns: i64, octets: u64, out: &mut Vec<Piece>) {
        if octets > 0 {
            self.at += octets;
            // Sequence numbers go round.
            self.next = self.next.map(|next| next.wrapping_add(octets as u32));
            out.push(Piece::Missing(at_ns, octets));
        }
    }

    fn keep(&mut self, place: u64, part: Part) {
        let known = self.waiting.get(&place).map_or(0, |known| known.octets.len() + known.missing);
        if part.octets.len() + part.missing > known {
            self.waiting_octets += part.octets.len();
            if let Some(old) = self.waiting.insert(place, part) {
                self.waiting_octets -= old.octets.len();
            }
        }
    }

    /// Gives of a segment that starts at or before the next place what is new.
    fn deliver(&mut self, at_ns: i64, place: u64, payload: &[u8], missing: usize, out: &mut Vec<Piece>) {
        let old = usize::try_from(self.at - place).unwrap_or(usize::MAX);
        match payload.get(old..) {
            Some(rest) => self.take(at_ns, rest, missing, out),
            None => {
                let left = (payload.len() + missing).saturating_sub(old);
                self.take(at_ns, &[], left, out);
            }
        }
    }

    fn take(&mut self, at_ns: i64, octets: &[u8], missing: usize, out: &mut Vec<Piece>) {
        if !octets.is_empty() {
            self.at += octets.len() as u64;
            self.next = self.next.map(|next| next.wrapping_add(octets.len() as u32));
            out.push(Piece::Octets(at_ns, octets.to_vec()));
        }
        self.pass(at_ns, missing as u64, out);
    }

    fn catch_up(&mut self, out: &mut Vec<Piece>) {
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= self.at
        {
            let (place, Part { at_ns, octets, missing }) = entry.remove_entry();
            self.waiting_octets -= octets.len();
            self.deliver(at_ns, place, &octets, missing, out);
            self.hole_since_ns = self.waiting.first_key_value().map(|(_, part)| part.at_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(pieces: &[Piece]) -> String {
        let write = |piece: &Piece| match piece {
            Piece::Octets(_, octets) => String::from_utf8(octets.clone()).unwrap(),
            Piece::Missing(_, octets) => format!("[{octets}]"),
        };
        pieces.iter().map(write).collect()
    }

    fn run(segments: &[(u32, &str)]) -> String {
        let mut half = Half::default();
        half.begin(99);
        let mut out = Vec::new();
        for (sequence, payload) in segments {
            out.extend(half.push(0, *sequence, payload.as_bytes(), 0));
        }
        out.extend(half.finish());
        text(&out)
    }

    #[test]
    fn segments_come_in_any_order_twice_and_overlapping() {
        assert_eq!(run(&[(100, "abc"), (103, "def")]), "abcdef");
        assert_eq!(run(&[(103, "def"), (100, "abc")]), "abcdef");
        assert_eq!(run(&[(100, "abc"), (100, "abc"), (103, "def"), (101, "bc")]), "abcdef");
        assert_eq!(run(&[(100, "abc"), (102, "cde"), (104, "ef")]), "abcdef");
        assert_eq!(run(&[(106, "g"), (103, "def"), (103, "d"), (100, "abc")]), "abcdefg");
        assert_eq!(run(&[(100, "abc"), (102, "c"), (103, "")]), "abc");
    }

    #[test]
    fn a_hole_in_the_capture_is_said() {
        assert_eq!(run(&[(100, "abc"), (110, "def")]), "abc[7]def");
        let mut half = Half::default();
        half.begin(99);
        assert_eq!(half.push(0, 100, b"ab", 3), [Piece::Octets(0, b"ab".to_vec()), Piece::Missing(0, 3)]);
        assert_eq!(half.push(0, 105, b"f", 0), [Piece::Octets(0, b"f".to_vec())]);
    }

    #[test]
    fn a_hole_that_the_receiver_does_not_have_is_given_up_after_a_while() {
        let mut half = Half::default();
        half.begin(99);
        assert_eq!(half.push(0, 105, b"x", 0), []);
        half.acknowledge(105);
        assert_eq!(half.push(PATIENCE_NS / 2, 106, b"y", 0), []);
        assert_eq!(text(&half.poll(PATIENCE_NS + 1)), "[5]xy");
        assert_eq!(half.push(0, 109, b"x", 0), []);
        assert_eq!(text(&half.push(LONG_PATIENCE_NS + 1, 110, b"y", 0)), "[2]xy");
    }

    #[test]
    fn numbers_go_round_and_a_stream_may_begin_anywhere() {
        let mut half = Half::default();
        assert_eq!(text(&half.push(0, u32::MAX - 1, b"abc", 0)), "abc");
        assert_eq!(text(&half.push(0, 1, b"def", 0)), "def");
        assert_eq!(text(&half.push(0, u32::MAX - 5, b"....abcdefg", 0)), "g");
        let mut half = Half::default();
        assert_eq!(text(&half.push(0, 100, b"abc", 0)), "abc");
        assert_eq!(text(&half.push(0, 98, b"xyabcdef", 0)), "def");
    }

    proptest! {
        #[test]
        fn any_order_of_any_pieces_gives_the_stream(
            start: u32,
            cuts in prop::collection::vec((0..200usize, 1..40usize), 1..60),
            order in prop::collection::vec(any::<u16>(), 60),
        ) {
            let stream: Vec<u8> = (0..200u8).collect();
            let mut segments: Vec<(usize, usize)> =
                cuts.into_iter().map(|(at, length)| (at, (at + length).min(200))).collect();
            segments.extend((0..200).step_by(20).map(|at| (at, at + 20)));
            let mut keyed: Vec<_> = segments.into_iter().enumerate().collect();
            keyed.sort_by_key(|(index, _)| order.get(index % order.len()).copied());
            let mut half = Half::default();
            half.begin(start.wrapping_sub(1));
            let mut out = Vec::new();
            for (_, (from, to)) in keyed {
                for piece in half.push(0, start.wrapping_add(from as u32), &stream[from..to], 0) {
                    match piece {
                        Piece::Octets(_, octets) => out.extend(octets),
                        Piece::Missing(..) => prop_assert!(false, "nothing is missing"),
                    }
                }
            }
            prop_assert_eq!(out, stream);
        }

        #[test]
        fn any_segments_are_taken(segments in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..9), 0..9usize, any::<u32>(), any::<i64>()), 0..40)) {
            let mut half = Half::default();
            for (sequence, payload, missing, acknowledged, at_ns) in segments {
                half.acknowledge(acknowledged);
                half.push(at_ns, sequence, &payload, missing);
            }
            half.finish();
        }
    }
}
