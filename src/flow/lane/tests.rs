//! What a lane asks before it sends again what may have left.

use super::*;
use crate::message::Class;
use crate::rules::machines::doubt::{AfterHold, InDoubtPolicy};

const MINUTE_MS: i64 = 60_000;

struct Bench {
    lane: LaneMachine,
    door: Arc<Door>,
    now: Now,
    hearing: Hearing,
}

impl Bench {
    fn new(policy: InDoubtPolicy) -> Self {
        let doubts = Doubts { policy, hold: Duration::from_secs(6), after: AfterHold::Resend };
        let lane = LaneMachine::new(LaneSettings {
            name: "main".to_owned(),
            slice_parts: 10,
            patience: Patience::default(),
            doubts,
            short_code: (3, 0),
            planted: Planted::NONE,
        });
        let now = Now { instant: Instant::now(), ms: MINUTE_MS };
        Self { lane, door: Arc::default(), now, hearing: Hearing::Yes }
    }

    fn pass(&mut self, by_ms: u64) {
        self.now.ms += by_ms.cast_signed();
        self.now.instant += Duration::from_millis(by_ms);
    }

    /// A chunk of these messages is in hand.
    fn takes(&mut self, chunk: i64, class: Class, attempt: i64, messages: &[i64]) {
        let line = Line { class, campaign: None };
        let chunk = LeasedChunk {
            id: ChunkId(chunk),
            lane: "main".to_owned(),
            class,
            campaign: None,
            attempt,
            sent_upto: 0,
            lease_until_ms: i64::MAX,
            closes_ms: None,
            members: messages.iter().map(|id| Outbound::example(*id, self.now.ms)).collect(),
        };
        self.lane.dispatcher.has_work(line.clone(), self.now.ms);
        let judge = |_: &Outbound| Judgement { scopes: Vec::new(), consent_since_ms: None };
        self.lane.leased(self.now, &line, Ok(vec![chunk]), judge);
    }

    /// Goes on until the next question that is about messages, or until it has to wait. Nothing else waits.
    fn goes_on(&mut self) -> Step {
        loop {
            match self.lane.step(self.now, 100, self.hearing, &self.door) {
                Step::Look => self.lane.looked(self.now, Ok(Vec::new())),
                Step::Recover => self.lane.recovered(self.now, Ok(())),
                Step::Lease(line, _) => {
                    let judge = |_: &Outbound| unreachable!("no chunk is due");
                    self.lane.leased(self.now, &line, Ok(Vec::new()), judge);
                }
                other => return other,
            }
        }
    }

    /// A carrier has the first part of these.
    fn has(&mut self, messages: &[i64]) {
        let taken = messages.iter().map(|id| (MessageId(*id), vec![0])).collect();
        self.lane.history(self.now, Ok(taken));
    }

    /// The messages that the slice being marked hands to a bind.
    fn sends(&mut self) -> Vec<i64> {
        let parts = self.lane.marked(self.now, Ok(Marked::default()));
        parts.into_iter().map(|part| part.tag.message.0).collect()
    }

    /// The chunks that were put back since this was asked last: which one each carries on, how long it waits, its messages.
    fn put_back(&mut self) -> Vec<(i64, i64, Vec<i64>)> {
        let record = self.lane.take(self.now.ms, &IdSource::new(0)).record;
        let told = record.retry.iter().map(|chunk| {
            let carries_on = chunk.carries_on.unwrap();
            assert!(record.done.contains(&carries_on));
            let members = chunk.members.iter().map(|message| message.0).collect();
            (carries_on.0, chunk.not_before_ms - self.now.ms, members)
        });
        told.collect()
    }
}

#[test]
fn after_a_bind_came_up_what_is_held_waits_for_what_the_carrier_tells_and_new_messages_do_not() {
    let mut bench = Bench::new(InDoubtPolicy::Hold);
    bench.hearing = Hearing::No;
    bench.takes(1, Class::Transactional, 1, &[10, 11]);
    bench.takes(2, Class::Transactional, 0, &[20]);
    assert!(matches!(bench.goes_on(), Step::Mark(marks) if marks.len() == 1));
    assert_eq!(bench.sends(), [20], "of the same line");
    assert_eq!(bench.put_back(), [(1, 5_000, vec![10, 11])]);
    bench.pass(3_600_000);
    bench.hearing = Hearing::Yes;
    assert!(matches!(bench.goes_on(), Step::Wait(_)));
    bench.pass(4_999);
    bench.takes(3, Class::Transactional, 1, &[10, 11]);
    assert!(matches!(bench.goes_on(), Step::Wait(_)));
    assert_eq!(bench.put_back(), [(3, 5_000, vec![10, 11])], "the carrier has its time");
    bench.pass(1);
    bench.takes(4, Class::Transactional, 1, &[10, 11]);
    assert!(matches!(bench.goes_on(), Step::History(asked) if asked == [MessageId(10), MessageId(11)]));
    bench.has(&[10]);
    assert!(matches!(bench.goes_on(), Step::Mark(_)));
    assert_eq!(bench.sends(), [11], "word of the other has come");
}

#[test]
fn what_is_sent_again_by_policy_does_not_wait_for_word() {
    let mut bench = Bench::new(InDoubtPolicy::Resend);
    bench.takes(1, Class::Transactional, 1, &[10]);
    assert!(matches!(bench.goes_on(), Step::History(_)));
    bench.has(&[]);
    assert!(matches!(bench.goes_on(), Step::Mark(_)));
    assert_eq!(bench.sends(), [10]);
}

#[test]
fn a_chunk_that_is_long_in_hand_is_asked_about_again_before_the_rest_of_it_goes() {
    let mut bench = Bench::new(InDoubtPolicy::Resend);
    let messages: Vec<i64> = (0..20).collect();
    bench.takes(1, Class::Survey, 1, &messages);
    assert!(matches!(bench.goes_on(), Step::History(asked) if asked.len() == 20));
    bench.has(&[]);
    assert!(matches!(bench.goes_on(), Step::Mark(_)));
    assert_eq!(bench.sends(), &messages[..10]);
    bench.pass(1_000);
    assert!(matches!(bench.goes_on(), Step::History(asked) if asked.len() == 10));
    bench.has(&[10, 11, 12, 13, 14, 15, 16, 17, 18]);
    assert!(matches!(bench.goes_on(), Step::Mark(_)));
    assert_eq!(bench.sends(), [19], "word of the others came while the first ten went");
}

#[test]
fn what_is_known_of_one_chunk_is_not_forgotten_when_another_one_is_asked_about() {
    let mut bench = Bench::new(InDoubtPolicy::Resend);
    bench.takes(1, Class::Survey, 1, &[10, 11]);
    assert!(matches!(bench.goes_on(), Step::History(_)));
    bench.has(&[10]);
    bench.takes(2, Class::Transactional, 1, &[20]);
    assert!(
        matches!(bench.goes_on(), Step::History(asked) if asked.len() == 3),
        "asked while the first is fresh"
    );
    bench.pass(1_000);
    bench.has(&[10]);
    let mut sent = Vec::new();
    for _ in 0..2 {
        assert!(matches!(bench.goes_on(), Step::Mark(_)));
        sent.extend(bench.sends());
    }
    assert_eq!(sent, [20, 11]);
}

#[test]
fn a_slice_that_could_not_be_marked_for_long_is_cut_anew_with_what_came_meanwhile() {
    let mut bench = Bench::new(InDoubtPolicy::Resend);
    bench.takes(1, Class::Survey, 1, &[10, 11]);
    assert!(matches!(bench.goes_on(), Step::History(_)));
    bench.has(&[]);
    assert!(matches!(bench.goes_on(), Step::Mark(_)));
    bench.lane.marked(bench.now, Err(StoreError::Busy));
    bench.pass(60_000);
    assert!(matches!(bench.goes_on(), Step::History(asked) if asked.len() == 2));
    bench.has(&[11]);
    assert!(matches!(bench.goes_on(), Step::Mark(marks) if marks[0].upto == 2));
    assert_eq!(bench.sends(), [10]);
}

#[test]
fn an_answer_that_took_long_does_not_lead_to_the_same_question() {
    let mut bench = Bench::new(InDoubtPolicy::Resend);
    bench.takes(1, Class::Survey, 1, &[10]);
    assert!(matches!(bench.goes_on(), Step::History(_)));
    bench.pass(3_000);
    bench.has(&[]);
    assert!(matches!(bench.lane.step(bench.now, 100, bench.hearing, &bench.door), Step::Mark(_)));
}
