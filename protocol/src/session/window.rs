//! Requests of ours that wait for their response, by sequence number; and for a while those that waited too long.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use crate::pdu::{CommandId, SEQUENCE_MAX};

/// Expired requests remembered for a late answer: four stalls of a window of 1,000, at 8 octets each.
const LATE_MOST: usize = 4096;

/// Answered entries the order of sending may hold before they are swept out, beside those in flight.
const STALE_MOST: usize = 64;

/// The window of requests in flight.
pub(super) struct Window<T> {
    size: usize,
    last: u32,
    flying: HashMap<u32, Flying<T>, BuildHasherDefault<SequenceHasher>>,
    // By time of sending. Its front is always in flight, so the next expiry is known without a search; further back
    // there may be entries of requests answered meanwhile.
    order: VecDeque<(u32, Instant)>,
    late: VecDeque<(u32, CommandId)>,
}

struct Flying<T> {
    command: CommandId,
    sent: Instant,
    tag: T,
}

/// What a response answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match<T> {
    /// A request in flight, which it takes out of the window.
    Flying { tag: T, sent: Instant },
    /// A request that had expired.
    Late,
    /// Nothing.
    Nothing,
}

impl<T> Window<T> {
    pub(super) fn new(size: usize) -> Self {
        Window {
            size: size.max(1),
            last: 0,
            flying: HashMap::default(),
            order: VecDeque::new(),
            late: VecDeque::new(),
        }
    }

    pub(super) fn resize(&mut self, size: usize) {
        self.size = size.max(1);
    }

    pub(super) fn room(&self) -> usize {
        self.size.saturating_sub(self.flying.len())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// The next sequence number: 1 to 0x7FFFFFFF, then from 1 again, without those in flight (SMPP 3.4 section 5.1.4).
    pub(super) fn next_sequence(&mut self) -> u32 {
        loop {
            self.last = if self.last >= SEQUENCE_MAX { 1 } else { self.last + 1 };
            // Ends: there are more numbers than a window has room.
            if !self.flying.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// Puts a request in flight. `sequence` is from [`Window::next_sequence`].
    pub(super) fn send(&mut self, now: Instant, sequence: u32, command: CommandId, tag: T) {
        self.flying.insert(sequence, Flying { command, sent: now, tag });
        self.order.push_back((sequence, now));
    }

    /// Takes out what a response answers: same number and the command it is the twin of.
    pub(super) fn answer(&mut self, sequence: u32, response: CommandId) -> Match<T> {
        self.take(sequence, |request| request.0 | GENERIC == response.0)
    }

    /// Takes out what a generic_nack refuses: same number, whatever the command.
    pub(super) fn nack(&mut self, sequence: u32) -> Match<T> {
        self.take(sequence, |_| true)
    }

    fn take(&mut self, sequence: u32, fits: impl Fn(CommandId) -> bool) -> Match<T> {
        if let Some(flying) = self.flying.get(&sequence)
            && fits(flying.command)
            && let Some(Flying { sent, tag, .. }) = self.flying.remove(&sequence)
        {
            self.sweep();
            return Match::Flying { tag, sent };
        }
        match self.late.iter().position(|&(late, request)| late == sequence && fits(request)) {
            Some(place) => {
                self.late.remove(place);
                Match::Late
            }
            None => Match::Nothing,
        }
    }

    /// When the oldest request in flight was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.order.front().map(|&(_, sent)| sent)
    }

    /// Takes out the oldest request, which has waited long enough, and remembers it for a late answer.
    pub(super) fn expire_oldest(&mut self) -> Option<(u32, T)> {
        let &(sequence, _) = self.order.front()?;
        let Flying { command, tag, .. } = self.flying.remove(&sequence)?;
        if self.late.len() == LATE_MOST {
            self.late.pop_front();
        }
        self.late.push_back((sequence, command));
        self.sweep();
        Some((sequence, tag))
    }

    /// Takes out everything in flight, in the order sent.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let order = std::mem::take(&mut self.order);
        self.late = VecDeque::new();
        let mut flying = std::mem::take(&mut self.flying);
        order.into_iter().filter_map(|(sequence, _)| Some(flying.remove(&sequence)?.tag)).collect()
    }

    fn sweep(&mut self) {
        while self.order.front().is_some_and(|entry| !is_live(&self.flying, entry)) {
            self.order.pop_front();
        }
        // One request that nobody answers must not make the order of the others grow behind it.
        if self.order.len() > 2 * self.flying.len() + STALE_MOST {
            let flying = &self.flying;
            self.order.retain(|entry| is_live(flying, entry));
        }
    }
}

const GENERIC: u32 = CommandId::GENERIC_NACK.0;

/// Whether an entry of the order is in flight still. A number may be in use again: then the time differs, and where
/// even that is the same, so is the expiry.
fn is_live<T>(
    flying: &HashMap<u32, Flying<T>, BuildHasherDefault<SequenceHasher>>,
    &(sequence, sent): &(u32, Instant),
) -> bool {
    flying.get(&sequence).is_some_and(|flying| flying.sent == sent)
}

/// Sequence numbers are ours and follow one another: a multiplication spreads them.
#[derive(Default)]
pub(super) struct SequenceHasher(u64);

impl Hasher for SequenceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u32(u32::from(octet));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio: neighbours land far apart, in the high bits too.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SUBMIT: CommandId = CommandId::SUBMIT_SM;
    const SUBMIT_RESP: CommandId = CommandId::SUBMIT_SM_RESP;

    fn send(window: &mut Window<u32>, now: Instant, tag: u32) -> u32 {
        let sequence = window.next_sequence();
        window.send(now, sequence, SUBMIT, tag);
        sequence
    }

    #[test]
    fn numbers_run_from_1_to_0x7fffffff_and_from_1_again_without_those_in_flight() {
        let now = Instant::now();
        let mut window = Window::new(10);
        assert_eq!(send(&mut window, now, 1), 1);
        assert_eq!(send(&mut window, now, 2), 2);
        window.last = SEQUENCE_MAX - 2;
        assert_eq!(send(&mut window, now, 3), SEQUENCE_MAX - 1);
        assert_eq!(send(&mut window, now, 4), SEQUENCE_MAX);
        assert_eq!(send(&mut window, now, 5), 3);
        assert_eq!(window.answer(2, SUBMIT_RESP), Match::Flying { tag: 2, sent: now });
        assert_eq!(window.drain(), [1, 3, 4, 5]);
    }

    #[test]
    fn an_answer_fits_by_number_and_command_and_a_nack_by_number() {
        let now = Instant::now();
        let mut window = Window::new(2);
        let (first, second) = (send(&mut window, now, 1), send(&mut window, now, 2));
        assert_eq!(window.answer(first, CommandId::DATA_SM_RESP), Match::Nothing);
        assert_eq!(window.answer(first, SUBMIT_RESP), Match::Flying { tag: 1, sent: now });
        assert_eq!(window.answer(first, SUBMIT_RESP), Match::Nothing);
        assert_eq!(window.nack(0), Match::Nothing);
        assert_eq!(window.nack(second), Match::Flying { tag: 2, sent: now });
        assert_eq!((window.room(), window.oldest()), (2, None));
    }

    #[test]
    fn the_oldest_expires_first_and_its_number_is_remembered_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(3);
        let sent: Vec<u32> = (0..3).map(|tag| send(&mut window, at(u64::from(tag)), tag)).collect();
        assert_eq!(window.answer(sent[0], SUBMIT_RESP), Match::Flying { tag: 0, sent: at(0) });
        assert_eq!(window.oldest(), Some(at(1)));
        assert_eq!(window.expire_oldest(), Some((sent[1], 1)));
        assert_eq!(window.oldest(), Some(at(2)));
        assert_eq!(window.answer(sent[1], SUBMIT_RESP), Match::Late);
        assert_eq!(window.answer(sent[1], SUBMIT_RESP), Match::Nothing);
        assert_eq!(window.expire_oldest(), Some((sent[2], 2)));
        assert_eq!((window.oldest(), window.expire_oldest()), (None, None));
    }

    #[test]
    fn the_memory_of_late_answers_is_bounded_and_forgets_the_oldest() {
        let now = Instant::now();
        let mut window = Window::new(1);
        for tag in 0..LATE_MOST as u32 + 10 {
            send(&mut window, now, tag);
            assert!(window.expire_oldest().is_some());
        }
        assert_eq!(window.late.len(), LATE_MOST);
        assert_eq!(window.answer(10, SUBMIT_RESP), Match::Nothing);
        assert_eq!(window.answer(11, SUBMIT_RESP), Match::Late);
    }

    #[test]
    fn one_request_nobody_answers_does_not_make_memory_grow() {
        let now = Instant::now();
        let mut window = Window::new(10);
        send(&mut window, now, 0);
        for tag in 1..100_000 {
            let sequence = send(&mut window, now, tag);
            assert_eq!(window.answer(sequence, SUBMIT_RESP), Match::Flying { tag, sent: now });
        }
        assert!(window.order.len() <= 3 + STALE_MOST, "{}", window.order.len());
        assert_eq!(window.drain(), [0]);
    }

    #[test]
    fn a_smaller_window_lets_those_in_flight_be() {
        let now = Instant::now();
        let mut window = Window::new(3);
        for tag in 0..3 {
            send(&mut window, now, tag);
        }
        window.resize(1);
        assert_eq!((window.room(), window.in_flight()), (0, 3));
        window.resize(5);
        assert_eq!(window.room(), 2);
    }
}
