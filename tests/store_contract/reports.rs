//! What the store tells those who ask.

use backchat::message::{CampaignId, MessageId, OutcomeKind, Purpose, Scope, Sender, Source};
use backchat::store::{
    Acceptance, AnswerRow, Campaign, CampaignProgress, CampaignState, Check, ChunkId, ConsentKind, Earlier,
    EventRow, InvitationState, OutcomeRow, ReceiptRow, Record, ReplyFilter, SliceMark, Store, StoreError,
};

use crate::fixtures::*;

crate::contract! {
    every_message_is_in_one_state_with_its_cause,
    the_life_of_a_message_is_told_in_order,
    a_number_is_told_with_its_messages_replies_and_consent,
    a_campaigns_results_add_up,
    the_median_is_of_those_who_answered,
    replies_are_narrowed_and_paged,
    a_campaign_is_kept_and_its_progress_never_moves_back,
    another_campaign_under_the_same_name_is_refused,
    the_census_counts_the_whole,
}

async fn record(store: &Store, outcomes: Vec<OutcomeRow>) {
    store.record(Record { outcomes, ..Record::default() }).await.unwrap();
}

async fn receive(store: &Store, receipts: Vec<ReceiptRow>) {
    store.receipts(receipts).await.unwrap();
}

fn because(message: i64, kind: OutcomeKind, cause: &str) -> OutcomeRow {
    OutcomeRow { cause: Some(cause.to_owned()), ..outcome(message, kind) }
}

fn failed(id: i64, carrier_id: &str, state: &str, err: &str) -> ReceiptRow {
    ReceiptRow { err: Some(err.to_owned()), ..receipt(id, carrier_id, state) }
}

async fn every_message_is_in_one_state_with_its_cause(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(16)).await.unwrap();
    let again = |mut row: OutcomeRow| {
        row.attempt = 1;
        row
    };
    let second = |mut row: OutcomeRow| {
        row.part = 1;
        row
    };
    record(
        &store,
        vec![
            sent(2, "a2"),
            because(3, OutcomeKind::Rejected, "invalid_number"),
            because(4, OutcomeKind::Suppressed, "all"),
            because(5, OutcomeKind::Expired, "validity"),
            because(6, OutcomeKind::GaveUp, "throttled"),
            because(7, OutcomeKind::Retry, "throttled"),
            because(8, OutcomeKind::InDoubt, "crash"),
            because(9, OutcomeKind::InDoubt, "crash"),
            because(9, OutcomeKind::Retry, "resend"),
            because(10, OutcomeKind::InDoubt, "timeout"),
            because(10, OutcomeKind::Retry, "resend"),
            again(sent(10, "a10")),
            sent(11, "a11"),
            sent(12, "a12"),
            sent(13, "a13"),
            second(because(13, OutcomeKind::Rejected, "queue_full")),
            because(14, OutcomeKind::InDoubt, "timeout"),
            sent(14, "a14"),
            sent(15, "a15"),
            sent(16, "a16"),
        ],
    )
    .await;
    receive(
        &store,
        vec![
            receipt(1, "a10", "delivered"),
            failed(2, "a11", "undeliverable", "027"),
            failed(3, "a12", "expired", "254"),
            receipt(4, "a13", "delivered"),
            failed(5, "a15", "undeliverable", "011"),
            receipt(6, "a15", "delivered"),
            receipt(7, "a16", "enroute"),
        ],
    )
    .await;
    let expected = [
        (1, "queued", None),
        (2, "sent", None),
        (3, "rejected", Some("invalid_number")),
        (4, "suppressed", Some("all")),
        (5, "expired", Some("validity")),
        (6, "gave_up", Some("throttled")),
        (7, "queued", Some("throttled")),
        (8, "in_doubt", Some("crash")),
        (9, "queued", Some("resend")),
        (10, "delivered", None),
        (11, "undeliverable", Some("027")),
        (12, "expired", Some("254")),
        (13, "rejected", Some("queue_full")),
        (14, "sent", None),
        (15, "delivered", None),
        (16, "sent", None),
    ];
    for (message, state, cause) in expected {
        let life = store.why(MessageId(message)).await.unwrap().unwrap();
        assert_eq!((life.state.as_str(), life.cause.as_deref()), (state, cause), "message {message}");
    }
    let results = store.results(&campaign()).await.unwrap();
    assert_eq!(results.accepted, 16);
    assert_eq!(results.states.iter().map(|row| row.count).sum::<i64>(), 16);
}

async fn the_life_of_a_message_is_told_in_order(place: Place) {
    let store = place.open().await;
    let event = EventRow {
        id: 1,
        at_ms: NOW + 10,
        kind: "hours".to_owned(),
        number: None,
        message: Some(MessageId(1)),
        campaign: None,
        detail: Some("waits for 08:00".to_owned()),
    };
    let invitations = vec![invitation(1)];
    store.accept(Acceptance { invitations, events: vec![event], ..acceptance(1) }).await.unwrap();
    let kinds = |life: &backchat::store::Life| -> Vec<String> {
        life.entries.iter().map(|entry| entry.kind.clone()).collect()
    };
    let queued = store.why(MessageId(1)).await.unwrap().unwrap();
    assert_eq!(kinds(&queued), ["accepted", "asked", "queued", "hours"]);
    assert_eq!((queued.state.as_str(), &queued.message), ("queued", &message(1)));
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    let outcomes = vec![sent(1, "a1")];
    store.record(Record { outcomes, done: vec![ChunkId(100)], ..Record::default() }).await.unwrap();
    receive(&store, vec![receipt(1, "a1", "delivered")]).await;
    answered(&store, 1, 1, "3", NOW + 9_000).await;
    let life = store.why(MessageId(1)).await.unwrap().unwrap();
    assert_eq!(kinds(&life), ["accepted", "asked", "hours", "sent", "receipt", "reply", "answer"]);
    assert_eq!(life.entries[0].detail["source"], "campaign");
    assert_eq!(life.entries[3].detail["carrier_id"], "a1");
    assert_eq!(life.entries[3].detail["bind"], "north-1");
    assert!(!life.entries[3].detail.contains_key("cause"), "what is not known is not told");
    assert_eq!(life.entries[4].detail["state"], "delivered");
    assert_eq!(life.entries[6].detail["value"], "3");
    assert_eq!(store.why(MessageId(77)).await, Ok(None));
}

async fn answered(store: &Store, id: i64, from: i64, value: &str, at_ms: i64) {
    let mut commit = inbound(id, from, value);
    commit.inbound.verdict = "answer".to_owned();
    commit.inbound.received_ms = at_ms;
    commit.answer = Some(AnswerRow {
        inbound: id,
        campaign: campaign(),
        number: number(from),
        survey: "exit".to_owned(),
        question: "reason".to_owned(),
        value: value.to_owned(),
        comment: None,
        at_ms,
        rule: "digit".to_owned(),
        pack: "en@1".to_owned(),
        candidates: serde_json::Value::Null,
        late: 0,
        replaced_ms: None,
        earlier: Earlier::Perhaps,
    });
    commit.invitations = vec![change(from, InvitationState::Complete)];
    store.commit_inbound(vec![commit]).await.unwrap();
}

async fn a_number_is_told_with_its_messages_replies_and_consent(place: Place) {
    let store = place.open().await;
    let mut second = message(2);
    second.to = number(1);
    let messages = vec![message(1), second];
    store.accept(Acceptance { messages, ..Acceptance::default() }).await.unwrap();
    store.commit_inbound(vec![inbound(1, 1, "hello"), inbound(2, 3, "not mine")]).await.unwrap();
    store.consent(vec![consent(8, 1, ConsentKind::OptOut), consent(9, 1, ConsentKind::OptIn)]).await.unwrap();
    store.consent(vec![consent(10, 1, ConsentKind::OptOut)]).await.unwrap();
    let life = store.why_number(number(1)).await.unwrap();
    assert_eq!(life.messages.iter().map(|one| one.message.id.0).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(life.replies.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["hello"]);
    let kinds: Vec<&str> = life.consent.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["opt_out", "opt_in", "opt_out"]);
    assert_eq!(life.opted_out, [("sender:88001".to_owned(), NOW + 10)]);
    assert!(store.why_number(number(500)).await.unwrap().messages.is_empty());
}

async fn a_campaigns_results_add_up(place: Place) {
    let store = place.open().await;
    let invitations = (1..=6).map(invitation).collect();
    store.accept(Acceptance { invitations, ..acceptance(6) }).await.unwrap();
    let mut reply = message(50);
    (reply.source, reply.purpose) = (Source::Reply, Purpose::Reply);
    store.accept(Acceptance { messages: vec![reply], ..Acceptance::default() }).await.unwrap();
    store.lease_chunk(LANE, &line(), NOW, LEASE).await.unwrap().unwrap();
    store.consent(vec![consent(1, 6, ConsentKind::OptOut)]).await.unwrap();
    let check = Check {
        message: MessageId(6),
        attempt: 0,
        number: number(6),
        scopes: [Scope::Sender("88001".to_owned())].into(),
        consent_since_ms: None,
    };
    store
        .mark_chunk(SliceMark { chunk: ChunkId(100), upto: 6, checks: vec![check], at_ms: NOW })
        .await
        .unwrap();
    record(&store, (1..=5).map(|n| sent(n, &format!("a{n}"))).collect()).await;
    receive(
        &store,
        vec![
            receipt(1, "a1", "delivered"),
            receipt(2, "a2", "delivered"),
            receipt(3, "a3", "delivered"),
            failed(4, "a4", "undeliverable", "027"),
        ],
    )
    .await;
    answered(&store, 11, 1, "3", NOW + 3_000).await;
    answered(&store, 12, 2, "3", NOW + 9_000).await;
    let mut unclear = inbound(13, 3, "maybe");
    unclear.inbound.verdict = "ask_again".to_owned();
    let mut again = change(3, InvitationState::Open);
    again.standing.asked = 2;
    unclear.invitations = vec![again];
    store.commit_inbound(vec![unclear, inbound(14, 3, "you were lovely")]).await.unwrap();
    let results = store.results(&campaign()).await.unwrap();
    assert_eq!((results.accepted, results.suppressed, results.sends), (6, 1, 5));
    let states: Vec<(&str, Option<&str>, i64)> =
        results.states.iter().map(|row| (row.state.as_str(), row.cause.as_deref(), row.count)).collect();
    assert_eq!(
        states,
        [
            ("delivered", None, 3),
            ("sent", None, 1),
            ("suppressed", Some("sender:88001"), 1),
            ("undeliverable", Some("027"), 1),
        ]
    );
    assert_eq!(
        results.invitations.iter().map(|(k, n)| (k.as_str(), *n)).collect::<Vec<_>>(),
        [("complete", 2), ("open", 4)]
    );
    assert_eq!((results.answers.len(), results.answers[0].count), (1, 2));
    assert_eq!((results.asked_again, results.unreadable, results.opted_out, results.free_text), (1, 0, 0, 1));
    assert_eq!(results.replies.get("ask_again"), Some(&1));
    assert_eq!(
        store.results(&CampaignId("none".to_owned())).await.unwrap(),
        backchat::store::Results::default()
    );
}

async fn the_median_is_of_those_who_answered(place: Place) {
    let store = place.open().await;
    let invitations = (1..=5).map(invitation).collect();
    store.accept(Acceptance { invitations, ..acceptance(5) }).await.unwrap();
    assert_eq!(store.results(&campaign()).await.unwrap().median_answer_ms, None);
    // taken by the carrier at NOW + 1000
    record(&store, (1..=5).map(|n| sent(n, &format!("a{n}"))).collect()).await;
    for (n, took) in [(1, 4_000), (2, 90_000), (3, 7_000)] {
        answered(&store, 20 + n, n, "1", NOW + 1_000 + took).await;
    }
    answered(&store, 30, 1, "2", NOW + 1_000 + 500_000).await;
    assert_eq!(store.results(&campaign()).await.unwrap().median_answer_ms, Some(7_000));
}

async fn replies_are_narrowed_and_paged(place: Place) {
    let store = place.open().await;
    let commits = (1..=5).map(|id| inbound(id, id % 2, &format!("text {id}"))).collect();
    store.commit_inbound(commits).await.unwrap();
    let ids = |rows: Vec<backchat::store::ReplyRow>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    let all = ReplyFilter::default();
    assert_eq!(ids(store.replies(&all).await.unwrap()), [5, 4, 3, 2, 1]);
    let page = ReplyFilter { limit: 2, before: Some(4), ..all.clone() };
    assert_eq!(ids(store.replies(&page).await.unwrap()), [3, 2]);
    let odd = ReplyFilter { number: Some(number(1)), since_ms: Some(NOW + 5_003), ..all.clone() };
    assert_eq!(ids(store.replies(&odd).await.unwrap()), [5, 3]);
    let none = ReplyFilter { verdict: Some("answer".to_owned()), ..all.clone() };
    assert_eq!(ids(store.replies(&none).await.unwrap()), [] as [i64; 0]);
    let other = ReplyFilter { campaign: Some(CampaignId("other".to_owned())), ..all };
    assert_eq!(ids(store.replies(&other).await.unwrap()), [] as [i64; 0]);
}

fn planned() -> Campaign {
    Campaign {
        id: campaign(),
        lane: LANE.to_owned(),
        sender: Sender(CODE.to_owned()),
        purpose: Purpose::Survey,
        survey: Some("exit".to_owned()),
        text: None,
        contacts: "contacts.csv".to_owned(),
        settings: serde_json::json!({ "rate": "50/s", "windows": [{ "from": "09:00" }] }),
        state: CampaignState::Planned,
        created_ms: NOW,
        imported_upto: 0,
        accepted: 0,
        refused: 0,
    }
}

async fn a_campaign_is_kept_and_its_progress_never_moves_back(place: Place) {
    let store = place.open().await;
    store.create_campaign(planned()).await.unwrap();
    assert_eq!(store.campaign(&campaign()).await, Ok(Some(planned())));
    let progress = |upto: i64| Acceptance {
        progress: Some(CampaignProgress {
            id: campaign(),
            imported_upto: upto,
            accepted: upto - 1,
            refused: 1,
        }),
        ..Acceptance::default()
    };
    store.accept(progress(500)).await.unwrap();
    store.accept(progress(250)).await.unwrap();
    store.set_campaign_state(&campaign(), CampaignState::Running, NOW).await.unwrap();
    let kept = store.campaigns().await.unwrap();
    let told: Vec<_> =
        kept.iter().map(|one| (one.state, one.imported_upto, one.accepted, one.refused)).collect();
    assert_eq!(told, [(CampaignState::Running, 500, 499, 1)]);
    store.create_campaign(planned()).await.unwrap();
    assert_eq!(
        store.campaign(&campaign()).await.unwrap().unwrap().imported_upto,
        500,
        "made again: no change"
    );
    let unknown = store.set_campaign_state(&CampaignId("none".to_owned()), CampaignState::Done, NOW).await;
    assert!(matches!(unknown, Err(StoreError::Refused(_))), "{unknown:?}");
    assert_eq!(store.campaign(&CampaignId("none".to_owned())).await, Ok(None));
}

async fn another_campaign_under_the_same_name_is_refused(place: Place) {
    let store = place.open().await;
    store.create_campaign(planned()).await.unwrap();
    let other = Campaign { contacts: "others.csv".to_owned(), ..planned() };
    let refused = store.create_campaign(other).await.unwrap_err();
    assert!(refused.to_string().contains("another campaign named exit-survey"), "{refused}");
}

async fn the_census_counts_the_whole(place: Place) {
    let store = place.open().await;
    assert_eq!(store.census().await.unwrap(), backchat::store::Census::default());
    store.accept(acceptance(4)).await.unwrap();
    record(&store, vec![sent(1, "a1"), outcome(2, OutcomeKind::InDoubt)]).await;
    receive(&store, vec![receipt(1, "a1", "delivered"), receipt(2, "b9", "delivered")]).await;
    store.consent(vec![consent(1, 9, ConsentKind::OptOut)]).await.unwrap();
    let census = store.census().await.unwrap();
    let states: Vec<(&str, i64)> = census.states.iter().map(|(state, n)| (state.as_str(), *n)).collect();
    assert_eq!(states, [("delivered", 1), ("in_doubt", 1), ("queued", 2)]);
    assert_eq!((census.in_doubt, census.waiting_receipts, census.opted_out, census.chunks), (1, 1, 1, 1));
    let listed = store.in_doubt().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].message, listed[0].number), (MessageId(2), number(2)));
    assert_eq!((listed[0].bind.as_deref(), listed[0].state.as_str()), (Some("north-1"), "in_doubt"));
}
