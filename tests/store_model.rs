//! The model that the simulation runs on, held to the real stores: any sequence of what the journeys ask of the memory is
//! answered alike by the maps, by SQLite and by Postgres, and every message ends in the same state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "store_contract/fixtures.rs"]
#[allow(dead_code, reason = "made for the contract")]
mod fixtures;
#[path = "support/model.rs"]
mod model;
#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::time::Duration;

use backchat::flow::recovery::settlement;
use backchat::message::{IdSource, MessageId, OutcomeKind, Scope};
use backchat::rules::machines::doubt::{AfterHold, Doubts, InDoubtPolicy};
use backchat::rules::machines::faults::Planted;
use backchat::store::{
    Acceptance, Check, ChunkId, ConsentKind, LeasedChunk, NewChunk, Record, SliceMark, Store,
};
use fixtures::*;
use model::{Flaws, Model};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Sequences tried on each store; a case of Postgres makes a database.
const ON_SQLITE: u32 = 48;
const ON_POSTGRES: u32 = 12;
const SCOPE: &str = "sender:88001";

/// What is asked of the memory.
#[derive(Debug, Clone)]
enum Step {
    /// Two chunks: one of a campaign, one that is handed in.
    Accept {
        members: u8,
        later_ms: i64,
    },
    Lease {
        messages: usize,
    },
    Mark {
        messages: usize,
    },
    Settle {
        fates: Vec<u8>,
    },
    Receipt {
        of: u8,
        state: u8,
    },
    Consent {
        of: u8,
        out: bool,
    },
    Tick {
        ms: i64,
    },
    /// The process dies and another one starts.
    Crash,
    Recover,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..5_u8, 0..2_i64).prop_map(|(members, later)| Step::Accept { members, later_ms: later * 500 }),
        5 => (1..7_usize).prop_map(|messages| Step::Lease { messages }),
        5 => (1..4_usize).prop_map(|messages| Step::Mark { messages }),
        5 => proptest::collection::vec(0..5_u8, 1..4).prop_map(|fates| Step::Settle { fates }),
        4 => (any::<u8>(), 0..4_u8).prop_map(|(of, state)| Step::Receipt { of, state }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(of, out)| Step::Consent { of, out }),
        2 => (1..800_i64).prop_map(|ms| Step::Tick { ms }),
        1 => Just(Step::Crash),
        1 => Just(Step::Recover),
    ]
}

/// A chunk in hand, how much of it is marked, and which of that is not settled.
struct Hand {
    chunk: LeasedChunk,
    upto: usize,
    out: Vec<MessageId>,
}

struct Both<'a> {
    place: &'a Place,
    store: Store,
    model: Model,
    epoch: i64,
    now_ms: i64,
    ids: IdSource,
    next: i64,
    hands: Vec<Hand>,
    /// The carrier's ids handed out, and some it never gave.
    carrier_ids: Vec<String>,
    receipts: i64,
    changes: i64,
}

impl<'a> Both<'a> {
    async fn open(place: &'a Place) -> Self {
        let mut model = Model::default();
        let epoch = model.open();
        Self {
            place,
            store: place.open().await,
            model,
            epoch,
            now_ms: NOW,
            ids: IdSource::new(7),
            next: 1,
            hands: Vec::new(),
            carrier_ids: vec!["never-given".to_owned()],
            receipts: 1,
            changes: 1,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Accept { members, later_ms } => self.accept(i64::from(members), later_ms).await,
            Step::Lease { messages } => self.lease(messages).await,
            Step::Mark { messages } => self.mark(messages).await,
            Step::Settle { fates } => self.settle(&fates).await,
            Step::Receipt { of, state } => self.receipt(of, state).await,
            Step::Consent { of, out } => self.consent(i64::from(of), out).await,
            Step::Tick { ms } => self.now_ms += ms,
            Step::Crash => self.crash().await,
            Step::Recover => self.recover().await,
        }
    }

    async fn accept(&mut self, members: i64, later_ms: i64) {
        let first = self.next;
        self.next += 2 * members;
        let mut messages: Vec<_> = (first..self.next).map(message).collect();
        let (of_campaign, handed_in) = (first..first + members, first + members..self.next);
        for one in &mut messages[usize::try_from(members).unwrap()..] {
            one.campaign = None;
        }
        let due = |chunk: NewChunk| NewChunk { not_before_ms: self.now_ms + later_ms, ..chunk };
        let chunks = vec![
            due(chunk(10_000 + first, of_campaign)),
            NewChunk { campaign: None, ..due(chunk(10_000 + first + members, handed_in)) },
        ];
        let acceptance = Acceptance { messages, chunks, ..Acceptance::default() };
        self.store.accept(acceptance.clone()).await.unwrap();
        self.model.accept(self.epoch, &acceptance);
    }

    async fn lease(&mut self, messages: usize) {
        let lines = self.store.lines(LANE).await.unwrap();
        assert_eq!(lines, self.model.lines(LANE));
        let Some(due) = lines.first() else { return };
        let leased = self.store.lease_chunks(LANE, &due.line, messages, self.now_ms, LEASE).await.unwrap();
        let expected = self.model.lease(self.epoch, LANE, &due.line, messages, self.now_ms, LEASE);
        assert_eq!(leased, expected);
        for chunk in leased {
            self.model.hand_over(chunk.id);
            let taken: Vec<MessageId> = chunk.members.iter().map(|message| message.id).collect();
            if chunk.attempt > 0 {
                let sent = self.store.sent_parts(&taken).await.unwrap();
                assert_eq!(sent, self.model.sent_parts(&taken));
            }
            self.hands.push(Hand { upto: chunk.sent_upto, chunk, out: Vec::new() });
        }
    }

    /// Marks a slice over all chunks in hand, and over one that is nobody's.
    async fn mark(&mut self, messages: usize) {
        let mut marks =
            vec![SliceMark { chunk: ChunkId(1), upto: 1, checks: Vec::new(), at_ms: self.now_ms }];
        for hand in &mut self.hands {
            let upto = (hand.upto + messages).min(hand.chunk.members.len());
            let slice = &hand.chunk.members[hand.upto..upto];
            let checks = slice.iter().map(|message| Check {
                message: message.id,
                attempt: hand.chunk.attempt,
                number: message.to,
                scopes: [Scope::Everything, Scope::Sender(CODE.to_owned())].into(),
                consent_since_ms: None,
            });
            marks.push(SliceMark {
                chunk: hand.chunk.id,
                upto,
                checks: checks.collect(),
                at_ms: self.now_ms,
            });
            hand.out.extend(slice.iter().map(|message| message.id));
            hand.upto = upto;
        }
        let marked = self.store.mark_slice(marks.clone()).await.unwrap();
        assert_eq!(marked, self.model.mark(self.epoch, &marks));
        for hand in &mut self.hands {
            hand.out.retain(|message| !marked.stopped.contains(message));
        }
    }

    async fn settle(&mut self, fates: &[u8]) {
        let mut fates = fates.iter().cycle();
        let mut record = Record::default();
        for hand in &mut self.hands {
            let attempt = hand.chunk.attempt;
            let mut again = Vec::new();
            for id in hand.out.drain(..) {
                let row = |kind: OutcomeKind| {
                    let mut row = outcome(id.0, kind);
                    (row.attempt, row.at_ms) = (attempt, self.now_ms);
                    row
                };
                match fates.next().unwrap() {
                    0 | 1 => {
                        let carrier_id = format!("id-{}-{attempt}", id.0);
                        let mut row = sent(id.0, &carrier_id);
                        (row.attempt, row.at_ms) = (attempt, self.now_ms);
                        record.outcomes.push(row);
                        self.carrier_ids.push(carrier_id);
                    }
                    2 => record.outcomes.push(row(OutcomeKind::Rejected)),
                    3 => {
                        record.outcomes.push(row(OutcomeKind::Retry));
                        again.push(id);
                    }
                    _ => record.outcomes.push(row(OutcomeKind::InDoubt)),
                }
            }
            let chunk = &hand.chunk;
            let carry_on = |members: Vec<MessageId>, attempt: i64, ids: &IdSource| NewChunk {
                id: ChunkId(ids.next(self.now_ms).0),
                lane: LANE.to_owned(),
                class: chunk.class,
                campaign: chunk.campaign.clone(),
                not_before_ms: self.now_ms + 100,
                attempt,
                members,
                carries_on: Some(chunk.id),
            };
            if !again.is_empty() {
                record.retry.push(carry_on(again, attempt + 1, &self.ids));
            }
            if hand.upto == chunk.members.len() {
                record.done.push(chunk.id);
            }
        }
        self.hands.retain(|hand| !record.done.contains(&hand.chunk.id));
        self.write_down(record).await;
    }

    async fn write_down(&mut self, record: Record) {
        self.store.record(record.clone()).await.unwrap();
        self.model.record(self.epoch, &record);
    }

    async fn receipt(&mut self, of: u8, state: u8) {
        let carrier_id = &self.carrier_ids[usize::from(of) % self.carrier_ids.len()];
        let state = ["delivered", "enroute", "undeliverable", "expired"][usize::from(state)];
        let mut row = receipt(self.receipts, carrier_id, state);
        row.received_ms = self.now_ms + self.receipts;
        self.receipts += 1;
        let told = self.store.receipts(vec![row.clone()]).await.unwrap();
        assert_eq!(told, self.model.receipts(&[row.clone()]));
        let again = self.store.receipts(vec![row.clone()]).await.unwrap();
        assert_eq!(again, self.model.receipts(&[row]), "told again");
    }

    async fn consent(&mut self, of: i64, out: bool) {
        let of = 1 + of % self.next.max(2);
        let kind = if out { ConsentKind::OptOut } else { ConsentKind::OptIn };
        let change = consent(self.changes, of, kind);
        assert_eq!(change.scope, SCOPE);
        self.changes += 1;
        self.store.consent(vec![change]).await.unwrap();
        self.model.consent(number(of).0, SCOPE, out);
    }

    async fn crash(&mut self) {
        // Closed first: one server a file.
        self.store.clone().close(self.now_ms).await;
        self.store = self.place.open_at(self.now_ms, 0).await.unwrap();
        self.epoch = self.model.open();
        self.hands.clear();
    }

    /// What nobody holds is told alike, and settled as the program does.
    async fn recover(&mut self) {
        let doubts = Doubts { policy: InDoubtPolicy::Resend, hold: Duration::ZERO, after: AfterHold::Resend };
        loop {
            let found = self.store.interrupted(self.now_ms, LEASE).await.unwrap();
            assert_eq!(found, self.model.interrupted(self.epoch, self.now_ms, LEASE));
            if found.is_empty() {
                return;
            }
            for one in found {
                let record = settlement(one, doubts, self.now_ms, &self.ids, Planted::NONE).record;
                self.write_down(record).await;
            }
        }
    }

    async fn states_agree(&self) {
        let mut differ = BTreeMap::new();
        for message in self.model.messages() {
            let told = self.store.why(message.id).await.unwrap().unwrap().state;
            let expected = self.model.state(message.id);
            if told != expected {
                differ.insert(message.id.0, (told, expected));
            }
        }
        assert!(differ.is_empty(), "message: (the store's state, the model's): {differ:?}");
    }
}

async fn alike(place: &Place, steps: Vec<Step>, flaws: Flaws) {
    let mut both = Both::open(place).await;
    both.model.flaws = flaws;
    for step in steps {
        both.take(step).await;
    }
    both.states_agree().await;
    both.crash().await;
    both.recover().await;
    both.states_agree().await;
    both.store.close(both.now_ms).await;
}

/// Tries sequences; tells the shortest that the two do not answer alike.
fn hold(
    cases: u32,
    flaws: Flaws,
    place: impl Fn(&tokio::runtime::Runtime) -> Option<Place>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let told = TestRunner::new(config).run(&proptest::collection::vec(step(), 5..60), |steps| {
        let Some(place) = place(&runtime) else { return Ok(()) };
        runtime.block_on(alike(&place, steps, flaws));
        Ok(())
    });
    told.map_err(|failure| failure.to_string())
}

#[test]
fn the_model_answers_as_sqlite_does() {
    hold(ON_SQLITE, Flaws::default(), |_| Some(Place::sqlite())).unwrap();
}

#[test]
fn the_model_answers_as_postgres_does() {
    hold(ON_POSTGRES, Flaws::default(), |runtime| runtime.block_on(Place::postgres())).unwrap();
}

#[test]
fn a_model_that_lets_a_late_receipt_undo_a_final_one_is_found_out() {
    let flaws = Flaws { revert_final: true, ..Flaws::default() };
    let told = hold(ON_SQLITE, flaws, |_| Some(Place::sqlite())).unwrap_err();
    assert!(told.contains("Receipt"), "{told}");
}
