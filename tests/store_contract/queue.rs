//! Leases, slices, and what a dead owner leaves behind.

use backchat::message::{CampaignId, MessageId, Outbound, OutcomeKind, Purpose, Relay, Scope};
use backchat::rules::machines::dispatcher::Line;
use backchat::store::{
    Acceptance, Check, ChunkId, ConsentKind, Interrupted, LineDue, NewChunk, OpenError, Record, SliceMark,
    StoreError, Word,
};

use crate::fixtures::*;

crate::contract! {
    accepting_the_same_again_changes_nothing,
    what_is_accepted_one_by_one_shares_chunks_and_accepting_it_again_changes_nothing,
    a_leased_chunk_holds_its_messages_as_accepted_and_in_order,
    the_lines_that_wait_are_told_in_order_of_urgency_each_with_when_it_is_due,
    two_stores_over_one_database_never_lease_the_same_chunk,
    a_chunk_of_a_dead_run_is_listed_with_exactly_the_messages_in_doubt,
    what_an_earlier_attempt_had_taken_is_in_no_doubt,
    a_message_of_a_chunk_in_progress_and_of_its_retry_is_judged_in_each,
    an_interrupted_chunk_is_told_again_until_it_is_settled,
    a_chunk_in_somebodys_hands_is_not_interrupted,
    a_lease_whose_asker_has_gone_turns_up_as_interrupted,
    an_opt_out_committed_before_the_slice_suppresses_and_is_recorded_once,
    an_opt_out_of_another_scope_or_number_suppresses_nothing,
    a_slice_of_a_chunk_that_was_taken_over_is_refused,
    a_lease_takes_chunks_while_those_before_hold_too_few_messages,
    a_slice_over_several_chunks_is_marked_at_once_and_refused_only_where_one_is_not_ours,
    a_replaced_owner_cannot_queue_what_its_successor_queues,
    what_is_to_be_tried_again_waits_its_time_in_a_new_chunk,
    the_watermark_never_moves_back,
    the_queue_tells_its_depth_and_when_the_next_is_due,
}

fn check(message: i64) -> Check {
    Check {
        message: MessageId(message),
        attempt: 0,
        number: number(message),
        scopes: [Scope::Everything, Scope::Sender("88001".to_owned())].into(),
        consent_since_ms: None,
    }
}

fn mark(chunk: i64, upto: usize, checks: impl IntoIterator<Item = i64>) -> SliceMark {
    SliceMark { chunk: ChunkId(chunk), upto, checks: checks.into_iter().map(check).collect(), at_ms: NOW }
}

fn done(chunk: i64) -> Record {
    Record { done: vec![ChunkId(chunk)], ..Record::default() }
}

/// What is known of an interrupted chunk's messages.
fn known(chunk: &Interrupted) -> Vec<(i64, Vec<i64>, Word)> {
    chunk.answered.iter().map(|one| (one.message.id.0, one.parts.clone(), one.word)).collect()
}

async fn accepting_the_same_again_changes_nothing(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(3)).await.unwrap();
    let chunk = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.record(done(chunk.id.0)).await.unwrap();
    store.accept(acceptance(3)).await.unwrap();
    assert_eq!(
        store.lease_chunk(LANE, &line(), NOW, LEASE).await,
        Ok(None),
        "the chunk is through and stays so"
    );
    assert_eq!(store.results(&campaign()).await.unwrap().accepted, 3);
}

async fn what_is_accepted_one_by_one_shares_chunks_and_accepting_it_again_changes_nothing(place: Place) {
    const REQUESTS: i64 = 60;
    let one = |n: i64| {
        let mut message = message(n);
        message.campaign = None;
        let chunk = NewChunk { campaign: None, not_before_ms: NOW - n % 20, ..chunk(100 + n, [n]) };
        Acceptance { messages: vec![message], chunks: vec![chunk], ..Acceptance::default() }
    };
    let store = place.open().await;
    let no_campaign = Line { campaign: None, ..line() };
    let all_at_once = || {
        let requests = (1..=REQUESTS).map(|n| store.accept(one(n)));
        futures_util::future::join_all(requests)
    };
    all_at_once().await.into_iter().for_each(|accepted| accepted.unwrap());
    all_at_once().await.into_iter().for_each(|accepted| accepted.unwrap());
    let leased = store.lease_chunks(LANE, &no_campaign, 1_000, NOW, LEASE).await.unwrap();
    let mut sent: Vec<i64> = leased.iter().flat_map(|chunk| ids(&chunk.members)).collect();
    sent.sort_unstable();
    assert_eq!(sent, (1..=REQUESTS).collect::<Vec<_>>(), "each once");
    assert!((leased.len() as i64) < REQUESTS / 2, "{} chunks", leased.len());
    all_at_once().await.into_iter().for_each(|accepted| accepted.unwrap());
    assert_eq!(store.lease_chunks(LANE, &no_campaign, 1_000, NOW, LEASE).await, Ok(vec![]));
}

async fn a_leased_chunk_holds_its_messages_as_accepted_and_in_order(place: Place) {
    let store = place.open().await;
    let mut all = acceptance(300);
    all.chunks = vec![chunk(100, (1..=300).rev())];
    all.messages[1] = Outbound {
        account: Some("shop".to_owned()),
        reference: Some("order 7".to_owned()),
        registered_delivery: Some(1),
        relay: Some(Relay {
            esm_class: 0x40,
            protocol_id: 0,
            data_coding: 8,
            octets: vec![5, 0, 3, 1, 2, 1, 4, 1],
        }),
        ..all.messages[1].clone()
    };
    all.messages[0].body = "a nul \0 and a written \\u0000".to_owned();
    store.accept(all.clone()).await.unwrap();
    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!(ids(&leased.members), (1..=300).rev().collect::<Vec<_>>());
    assert_eq!(leased.members[0], all.messages[299]);
    assert_eq!(leased.members[299].body, "a nul \u{fffd} and a written \\u0000");
    assert_eq!((leased.attempt, leased.sent_upto, leased.class), (0, 0, Purpose::Survey.class()));
    assert_eq!(leased.lease_until_ms, NOW + LEASE);
}

async fn the_lines_that_wait_are_told_in_order_of_urgency_each_with_when_it_is_due(place: Place) {
    let store = place.open().await;
    assert_eq!(store.lines(LANE).await, Ok(vec![]));
    let of = |id: i64, purpose: Purpose, campaign: Option<&str>, not_before_ms: i64| NewChunk {
        class: purpose.class(),
        campaign: campaign.map(|name| CampaignId(name.to_owned())),
        not_before_ms,
        ..chunk(id, [id])
    };
    let chunks = vec![
        of(1, Purpose::Promotional, Some("b"), NOW - 9_000),
        of(2, Purpose::Survey, Some("a"), NOW - 1_000),
        of(3, Purpose::Survey, Some("a"), NOW - 2_000),
        of(4, Purpose::OneTimeCode, None, NOW + 1_000),
        of(5, Purpose::Promotional, Some("a/b"), NOW),
        NewChunk { lane: "south".to_owned(), ..of(6, Purpose::OneTimeCode, None, NOW) },
    ];
    let messages = (1..=6).map(message).collect();
    store.accept(Acceptance { messages, chunks, ..Acceptance::default() }).await.unwrap();
    let due = |purpose: Purpose, campaign: Option<&str>, due_ms: i64| LineDue {
        line: Line { class: purpose.class(), campaign: campaign.map(|name| CampaignId(name.to_owned())) },
        due_ms,
    };
    let lines = store.lines(LANE).await.unwrap();
    let wanted = [
        due(Purpose::OneTimeCode, None, NOW + 1_000),
        due(Purpose::Survey, Some("a"), NOW - 2_000),
        due(Purpose::Promotional, Some("a/b"), NOW),
        due(Purpose::Promotional, Some("b"), NOW - 9_000),
    ];
    assert_eq!(lines, wanted);
    let survey = &lines[1].line;
    let first = store.lease_chunk(LANE, survey, NOW, LEASE).await.unwrap().unwrap();
    let second = store.lease_chunk(LANE, survey, NOW, LEASE).await.unwrap().unwrap();
    assert_eq!((first.id, second.id), (ChunkId(3), ChunkId(2)), "what has been due longest goes first");
    assert_eq!(store.lease_chunk(LANE, survey, NOW, LEASE).await, Ok(None));
    assert_eq!(store.lease_chunk(LANE, &wanted[0].line, NOW, LEASE).await, Ok(None), "not due yet");
    let code = store.lease_chunk(LANE, &wanted[0].line, NOW + 1_000, LEASE).await.unwrap().unwrap();
    assert_eq!(code.id, ChunkId(4));
    assert_eq!(store.lines(LANE).await.unwrap(), wanted[2..]);
}

async fn two_stores_over_one_database_never_lease_the_same_chunk(place: Place) {
    let first = place.open_at(NOW, 1).await.unwrap();
    let second = place.open_at(NOW, 2).await;
    if place.is_sqlite() {
        let refused = second.unwrap_err();
        assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
        assert!(refused.to_string().contains("in use by another Backchat process"), "{refused}");
        return;
    }
    let second = second.unwrap();
    assert_ne!(first.epoch(), second.epoch());
    const CHUNKS: i64 = 60;
    let messages = (1..=CHUNKS).map(message).collect();
    let chunks = (1..=CHUNKS).map(|id| chunk(id, [id])).collect();
    first.accept(Acceptance { messages, chunks, ..Acceptance::default() }).await.unwrap();
    let take_all = |store: backchat::store::Store| async move {
        let mut taken = Vec::new();
        while let Some(chunk) = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap() {
            taken.push(chunk.id.0);
        }
        taken
    };
    let (one, other) =
        tokio::join!(tokio::spawn(take_all(first.clone())), tokio::spawn(take_all(second.clone())));
    let mut taken = [one.unwrap(), other.unwrap()].concat();
    taken.sort_unstable();
    assert_eq!(taken, (1..=CHUNKS).collect::<Vec<_>>());
    assert_eq!(second.interrupted(NOW, LEASE).await.unwrap(), [], "the other node lives");
}

async fn a_chunk_of_a_dead_run_is_listed_with_exactly_the_messages_in_doubt(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(10)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 3, 1..=3)).await.unwrap();
    store.mark_chunk(mark(100, 6, 4..=6)).await.unwrap();
    let mut second_part = sent(5, "id-5");
    second_part.part = 1;
    let earlier_try = backchat::store::OutcomeRow { attempt: 7, ..sent(3, "id-3") };
    let whole = backchat::store::OutcomeRow { bind: None, ..outcome(6, OutcomeKind::Suppressed) };
    let refused = outcome(2, OutcomeKind::Rejected);
    let outcomes = vec![sent(1, "id-1"), refused, sent(5, "id-5a"), second_part, earlier_try, whole];
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
    store.close(NOW).await;

    let store = place.open().await;
    assert_eq!(
        store.lease_chunk(LANE, &line(), NOW, LEASE).await,
        Ok(None),
        "what was begun is not simply begun again"
    );
    let found = store.interrupted(NOW, LEASE).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].chunk.id, ChunkId(100));
    assert_eq!(found[0].chunk.sent_upto, 6);
    assert_eq!(ids(&found[0].in_doubt), [3, 4]);
    assert_eq!(ids(&found[0].unsent), [7, 8, 9, 10]);
    let wanted = [
        (1, vec![0], Word::Parts),
        (2, vec![0], Word::Refused),
        (5, vec![0, 1], Word::Parts),
        (6, vec![0], Word::Ended),
    ];
    assert_eq!(known(&found[0]), wanted);
}

async fn what_an_earlier_attempt_had_taken_is_in_no_doubt(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(3)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 3, 1..=3)).await.unwrap();
    let retry = |message, attempt, part| {
        let again = outcome(message, OutcomeKind::Retry);
        backchat::store::OutcomeRow { attempt, part, ..again }
    };
    let again = NewChunk { attempt: 1, carries_on: Some(ChunkId(100)), ..chunk(101, 1..=3) };
    let first = Record {
        outcomes: vec![sent(1, "id-1"), sent(2, "id-2"), retry(1, 0, 1), retry(2, 0, 1), retry(3, 0, 0)],
        retry: vec![again],
        done: vec![ChunkId(100)],
        ..Record::default()
    };
    store.record(first).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(101, 3, 1..=3)).await.unwrap();
    store.record(Record { outcomes: vec![retry(2, 1, 1)], ..Record::default() }).await.unwrap();
    store.close(NOW).await;

    let store = place.open().await;
    let found = store.interrupted(NOW, LEASE).await.unwrap();
    let wanted = [(1, vec![0], Word::Nothing), (2, vec![0, 1], Word::Parts)];
    assert_eq!(known(&found[0]), wanted, "only the second part of 1 may have left");
    assert_eq!(ids(&found[0].in_doubt), [3]);
}

async fn a_message_of_a_chunk_in_progress_and_of_its_retry_is_judged_in_each(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(2)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 2, 1..=2)).await.unwrap();
    let again = NewChunk { attempt: 1, carries_on: Some(ChunkId(100)), ..chunk(101, [1]) };
    let outcomes = vec![outcome(1, OutcomeKind::Retry)];
    store.record(Record { outcomes, retry: vec![again], ..Record::default() }).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(101, 1, [1])).await.unwrap();
    store.close(NOW).await;

    let store = place.open().await;
    let found = store.interrupted(NOW, LEASE).await.unwrap();
    let [first, retry] = found.as_slice() else { panic!("two chunks: {found:?}") };
    assert_eq!((first.chunk.id, ids(&first.in_doubt)), (ChunkId(100), vec![2]));
    assert_eq!(known(first), [(1, vec![0], Word::Parts)]);
    assert_eq!((retry.chunk.id, ids(&retry.in_doubt)), (ChunkId(101), vec![1]));
}

async fn an_interrupted_chunk_is_told_again_until_it_is_settled(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(4)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 2, [1, 2])).await.unwrap();
    store.close(NOW).await;

    let store = place.open().await;
    let first = store.interrupted(NOW, LEASE).await.unwrap();
    assert_eq!(store.interrupted(NOW, LEASE).await.unwrap(), first);
    let again = NewChunk { attempt: 1, carries_on: Some(ChunkId(100)), ..chunk(101, [1, 2]) };
    let rest = NewChunk { carries_on: Some(ChunkId(100)), ..chunk(102, [3, 4]) };
    let settled = Record {
        outcomes: [1, 2]
            .into_iter()
            .flat_map(|id| [outcome(id, OutcomeKind::InDoubt), outcome(id, OutcomeKind::Retry)])
            .collect(),
        retry: vec![again, rest],
        done: vec![ChunkId(100)],
        ..Record::default()
    };
    store.record(settled.clone()).await.unwrap();
    store.record(settled).await.unwrap();
    assert_eq!(store.interrupted(NOW, LEASE).await.unwrap(), []);
    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!((leased.id, leased.attempt, ids(&leased.members)), (ChunkId(101), 1, vec![1, 2]));
    let leased = store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!((leased.id, leased.attempt, ids(&leased.members)), (ChunkId(102), 0, vec![3, 4]));
    let listed = store.in_doubt().await.unwrap();
    assert_eq!(
        listed.iter().map(|one| (one.message.0, one.state.as_str())).collect::<Vec<_>>(),
        [(2, "queued"), (1, "queued")]
    );
}

async fn a_chunk_in_somebodys_hands_is_not_interrupted(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(2)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    assert_eq!(store.interrupted(NOW + 10 * LEASE, LEASE).await.unwrap(), []);
    store.record(done(100)).await.unwrap();
    assert_eq!(store.interrupted(NOW + 10 * LEASE, LEASE).await.unwrap(), []);
}

async fn a_lease_whose_asker_has_gone_turns_up_as_interrupted(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(2)).await.unwrap();
    {
        let line = line();
        let mut lease = Box::pin(store.lease_chunk(LANE, &line, NOW, LEASE));
        // polled once, so that the command is on its way, and then dropped
        let waker = std::task::Waker::noop();
        let polled = lease.as_mut().poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_pending());
    }
    // the first may be written together with the lease, and before it
    let mut found = store.interrupted(NOW, LEASE).await.unwrap();
    if found.is_empty() {
        found = store.interrupted(NOW, LEASE).await.unwrap();
    }
    assert_eq!(found.len(), 1);
    assert_eq!((ids(&found[0].in_doubt), ids(&found[0].unsent)), (vec![], vec![1, 2]));
}

async fn an_opt_out_committed_before_the_slice_suppresses_and_is_recorded_once(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(4)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.consent(vec![consent(1, 2, ConsentKind::OptOut)]).await.unwrap();
    assert_eq!(store.mark_chunk(mark(100, 4, 1..=4)).await, Ok(vec![MessageId(2)]));
    assert_eq!(
        store.mark_chunk(mark(100, 4, 1..=4)).await,
        Ok(vec![MessageId(2)]),
        "a repeat tells the same"
    );
    let life = store.why(MessageId(2)).await.unwrap().unwrap();
    assert_eq!((life.state.as_str(), life.cause.as_deref()), ("suppressed", Some("sender:88001")));
    let times = life.entries.iter().filter(|entry| entry.kind == "suppressed").count();
    assert_eq!(times, 1);
    store.consent(vec![consent(2, 3, ConsentKind::OptOut), consent(3, 3, ConsentKind::OptIn)]).await.unwrap();
    assert_eq!(store.mark_chunk(mark(100, 4, [3])).await, Ok(vec![]), "opted in again");
}

async fn an_opt_out_of_another_scope_or_number_suppresses_nothing(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(2)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    let mut other_scope = consent(1, 1, ConsentKind::OptOut);
    other_scope.scope = "sender:99009".to_owned();
    store.consent(vec![other_scope, consent(2, 77, ConsentKind::OptOut)]).await.unwrap();
    assert_eq!(store.mark_chunk(mark(100, 2, 1..=2)).await, Ok(vec![]));
}

async fn a_slice_of_a_chunk_that_was_taken_over_is_refused(place: Place) {
    let store = place.open().await;
    let refused = store.mark_chunk(mark(100, 1, [1])).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "never leased: {refused:?}");
    if place.is_sqlite() {
        return;
    }
    store.accept(acceptance(2)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    let lapsed = place.open_at(NOW, 9).await.unwrap();
    assert_eq!(lapsed.interrupted(NOW + LEASE, LEASE).await.unwrap().len(), 0, "the lease still runs");
    store.mark_chunk(SliceMark { at_ms: NOW + LEASE, ..mark(100, 1, [1]) }).await.unwrap();
    assert_eq!(lapsed.interrupted(NOW + LEASE + 1, LEASE).await.unwrap().len(), 0, "a slice renews it");
    assert_eq!(lapsed.interrupted(NOW + 2 * LEASE + 1, LEASE).await.unwrap().len(), 1);
    let refused = store.mark_chunk(mark(100, 2, [2])).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

async fn a_lease_takes_chunks_while_those_before_hold_too_few_messages(place: Place) {
    let store = place.open().await;
    let messages = (1..=9).map(message).collect();
    let earlier = NewChunk { not_before_ms: NOW - 5, ..chunk(103, [8, 9]) };
    let later = NewChunk { not_before_ms: NOW + 1, ..chunk(104, [7]) };
    let chunks = vec![chunk(100, [1]), chunk(101, [2, 3, 4]), chunk(102, [5, 6]), earlier, later];
    store.accept(Acceptance { messages, chunks, ..Acceptance::default() }).await.unwrap();
    let leased = store.lease_chunks(LANE, &line(), 4, NOW, LEASE).await.unwrap();
    let told: Vec<_> = leased.iter().map(|chunk| (chunk.id.0, ids(&chunk.members))).collect();
    assert_eq!(told, [(103, vec![8, 9]), (100, vec![1]), (101, vec![2, 3, 4])], "the earliest first");
    let rest = store.lease_chunks(LANE, &line(), 4, NOW, LEASE).await.unwrap();
    assert_eq!(rest.iter().map(|chunk| chunk.id.0).collect::<Vec<_>>(), [102], "what is not due stays");
    assert_eq!(store.lease_chunks(LANE, &line(), 4, NOW, LEASE).await, Ok(vec![]));
}

async fn a_slice_over_several_chunks_is_marked_at_once_and_refused_only_where_one_is_not_ours(place: Place) {
    let store = place.open().await;
    let messages = (1..=4).map(message).collect();
    let chunks = vec![chunk(100, [1, 2]), chunk(101, [3, 4])];
    store.accept(Acceptance { messages, chunks, ..Acceptance::default() }).await.unwrap();
    store.lease_chunks(LANE, &line(), 4, NOW, LEASE).await.unwrap();
    store.consent(vec![consent(1, 3, ConsentKind::OptOut)]).await.unwrap();
    let slice = vec![mark(100, 2, [1, 2]), mark(101, 1, [3]), mark(999, 1, [4])];
    let marked = store.mark_slice(slice).await.unwrap();
    assert_eq!(marked.stopped.into_iter().collect::<Vec<_>>(), [MessageId(3)]);
    assert_eq!(marked.refused, [ChunkId(999)]);
    store.close(NOW).await;
    let store = place.open().await;
    let left = store.interrupted(NOW, LEASE).await.unwrap();
    let upto: Vec<_> = left.iter().map(|one| (one.chunk.id.0, one.chunk.sent_upto)).collect();
    assert_eq!(upto, [(100, 2), (101, 1)]);
}

async fn a_replaced_owner_cannot_queue_what_its_successor_queues(place: Place) {
    if place.is_sqlite() {
        return;
    }
    let old = place.open().await;
    old.accept(acceptance(2)).await.unwrap();
    old.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    old.mark_chunk(mark(100, 2, [1, 2])).await.unwrap();
    let new = place.open().await;
    let found = new.interrupted(NOW, LEASE).await.unwrap();
    assert_eq!(ids(&found[0].in_doubt), [1, 2], "another run of the same node: the older one is dead");
    let again = NewChunk { attempt: 1, carries_on: Some(ChunkId(100)), ..chunk(101, [1]) };
    let late = Record {
        outcomes: vec![outcome(1, OutcomeKind::Retry), sent(2, "id-2")],
        retry: vec![again],
        done: vec![ChunkId(100)],
        ..Record::default()
    };
    old.record(late).await.unwrap();
    assert_eq!(new.lease_chunk(LANE, &line(), NOW, LEASE).await, Ok(None));
    let found = new.interrupted(NOW, LEASE).await.unwrap();
    assert_eq!(
        ids(&found[0].in_doubt),
        [1],
        "an answer is a fact and kept; what is not queued again is not retried"
    );
}

async fn what_is_to_be_tried_again_waits_its_time_in_a_new_chunk(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(2)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 2, [1, 2])).await.unwrap();
    let again = NewChunk {
        attempt: 1,
        not_before_ms: NOW + 30_000,
        carries_on: Some(ChunkId(100)),
        ..chunk(101, [2])
    };
    let record = Record {
        outcomes: vec![sent(1, "id-1"), outcome(2, OutcomeKind::Retry)],
        retry: vec![again],
        done: vec![ChunkId(100)],
        ..Record::default()
    };
    store.record(record).await.unwrap();
    assert_eq!(store.lease_chunk(LANE, &line(), NOW + 29_999, LEASE).await, Ok(None));
    assert_eq!(store.next_due(LANE).await, Ok(Some(NOW + 30_000)));
    let leased = store.lease_chunk(LANE, &line(), NOW + 30_000, LEASE).await.unwrap().unwrap();
    assert_eq!((leased.attempt, ids(&leased.members)), (1, vec![2]));
}

async fn the_watermark_never_moves_back(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(4)).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 3, [])).await.unwrap();
    store.mark_chunk(mark(100, 1, [])).await.unwrap();
    let beyond = store.mark_chunk(mark(100, 5, [])).await;
    assert!(matches!(beyond, Err(StoreError::Refused(_))), "a chunk of 4: {beyond:?}");
    store.close(NOW).await;
    let store = place.open().await;
    assert_eq!(store.interrupted(NOW, LEASE).await.unwrap()[0].chunk.sent_upto, 3);
}

async fn the_queue_tells_its_depth_and_when_the_next_is_due(place: Place) {
    let store = place.open().await;
    assert_eq!(store.next_due(LANE).await, Ok(None));
    assert_eq!(store.queue_depth(LANE).await, Ok(vec![]));
    store.accept(acceptance(5)).await.unwrap();
    assert_eq!(store.next_due(LANE).await, Ok(Some(NOW)));
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.mark_chunk(mark(100, 2, [])).await.unwrap();
    let depth = store.queue_depth(LANE).await.unwrap();
    assert_eq!(depth.len(), 1);
    assert_eq!((depth[0].class, depth[0].chunks, depth[0].messages), (Purpose::Survey.class(), 1, 3));
    assert_eq!(store.next_due(LANE).await, Ok(None), "leased is not due");
}
