//! Events in the order of their commits, conversations, tags, and what servers and commands tell each other.

use backchat::store::{
    Acceptance, Access, AnswerRow, AskKind, ConversationChange, ConversationFilter, ConversationState,
    ConversationWork, Dimension, Earlier, EventRow, InboundCommit, Narrow, NumberedEvent, Options, Store,
    StoreError, TagWork,
};

use crate::fixtures::*;

crate::contract! {
    events_are_told_in_the_order_of_their_commits_each_once,
    events_of_two_writers_are_never_missed_by_a_reader_that_goes_on,
    what_is_for_people_is_one_conversation_with_its_unread_messages,
    a_closed_conversation_opens_when_the_person_writes_again,
    a_conversation_that_does_not_exist_is_refused,
    a_reply_is_tagged_and_one_that_does_not_exist_is_refused,
    a_server_is_asked_and_says_how_it_is,
    replies_are_narrowed_by_what_an_analyst_asks,
    answers_and_invitations_are_counted_along_a_dimension,
    every_query_of_the_page_about_the_views_runs,
}

fn event(id: i64) -> EventRow {
    EventRow {
        id,
        at_ms: NOW + id,
        kind: "answer".to_owned(),
        number: Some(number(1)),
        message: None,
        campaign: None,
        detail: None,
    }
}

async fn tell(store: &Store, ids: &[i64]) {
    let events = ids.iter().map(|id| event(*id)).collect();
    store.accept(Acceptance { events, ..Acceptance::default() }).await.unwrap();
}

fn told(events: &[NumberedEvent]) -> Vec<i64> {
    events.iter().map(|event| event.id).collect()
}

async fn events_are_told_in_the_order_of_their_commits_each_once(place: Place) {
    let store = place.open().await;
    tell(&store, &[50, 40]).await;
    let first = store.events_after(0, 10).await.unwrap();
    assert_eq!(told(&first), [50, 40]);
    // Its id is lower, but it is committed later: whoever has read so far must still see it.
    tell(&store, &[7]).await;
    let cursor = first.last().unwrap().seq;
    assert_eq!(told(&store.events_after(cursor, 10).await.unwrap()), [7]);
    tell(&store, &[50, 7]).await;
    assert_eq!(
        told(&store.events_after(0, 10).await.unwrap()),
        [50, 40, 7],
        "told once, however often repeated"
    );
    assert_eq!(told(&store.events_after(0, 2).await.unwrap()), [50, 40], "in steps");
}

async fn events_of_two_writers_are_never_missed_by_a_reader_that_goes_on(place: Place) {
    const EACH: i64 = 60;
    let store = place.open().await;
    let options = Options { now_ms: NOW, node: 1, access: Access::Beside, ..Options::default() };
    let beside = Store::open(&place.location, options).await.unwrap();
    let write = async |store: &Store, first: i64| {
        for id in 0..EACH {
            tell(store, &[first - id]).await;
        }
    };
    let read = async {
        let (mut seen, mut cursor) = (Vec::new(), 0);
        while seen.len() < 2 * usize::try_from(EACH).unwrap() {
            let page = store.events_after(cursor, 7).await.unwrap();
            assert!(page.iter().all(|event| event.seq > cursor));
            cursor = page.last().map_or(cursor, |event| event.seq);
            seen.extend(told(&page));
        }
        seen
    };
    let ((), (), mut seen) = tokio::join!(write(&store, 1_000), write(&beside, 9_000), read);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2 * usize::try_from(EACH).unwrap());
}

fn for_people(id: i64, from: i64, text: &str) -> InboundCommit {
    let commit = inbound(id, from, text);
    let conversation = ConversationChange {
        number: commit.inbound.number,
        code: CODE.to_owned(),
        at_ms: commit.inbound.received_ms,
    };
    InboundCommit { conversation: Some(conversation), ..commit }
}

async fn what_is_for_people_is_one_conversation_with_its_unread_messages(place: Place) {
    let store = place.open().await;
    store.accept(acceptance(2)).await.unwrap();
    let both = vec![for_people(1, 1, "who is this"), for_people(2, 1, "hello?")];
    store.commit_inbound(both.clone()).await.unwrap();
    store.commit_inbound(both).await.unwrap();
    store.commit_inbound(vec![for_people(3, 2, "hi")]).await.unwrap();
    let all = store.conversations(&ConversationFilter::default()).await.unwrap();
    let shown: Vec<_> = all.iter().map(|one| (one.number, one.unread, one.state)).collect();
    let open = ConversationState::Open;
    assert_eq!(shown, [(number(2), 1, open), (number(1), 2, open)], "the latest first, repeats not counted");
    let thread = store.thread(number(1), CODE, 10).await.unwrap();
    let words: Vec<_> = thread.iter().map(|item| (item.direction.as_str(), item.text.as_str())).collect();
    assert_eq!(words.len(), 3);
    assert_eq!(words[0].0, "out");
    assert_eq!(words[1..], [("in", "who is this"), ("in", "hello?")]);
    let read = store.work_on(number(1), CODE, ConversationWork::Read, NOW).await.unwrap();
    assert_eq!(read.unread, 0);
}

async fn a_closed_conversation_opens_when_the_person_writes_again(place: Place) {
    let store = place.open().await;
    store.commit_inbound(vec![for_people(1, 1, "help me")]).await.unwrap();
    let work = async |work| store.work_on(number(1), CODE, work, NOW + 9).await.unwrap();
    let assigned = work(ConversationWork::Assign("maria".to_owned())).await;
    assert_eq!((assigned.state, assigned.assignee.as_deref()), (ConversationState::Assigned, Some("maria")));
    work(ConversationWork::Tag("billing".to_owned())).await;
    let tagged = work(ConversationWork::Tag("billing".to_owned())).await;
    assert_eq!(tagged.tags, ["billing"]);
    let mine = ConversationFilter { assignee: Some("maria".to_owned()), ..ConversationFilter::default() };
    assert_eq!(store.conversations(&mine).await.unwrap().len(), 1);
    let closed = work(ConversationWork::Close).await;
    assert_eq!(
        (closed.state, closed.unread, closed.closed_ms),
        (ConversationState::Closed, 0, Some(NOW + 9))
    );
    assert!(store.conversations(&ConversationFilter::default()).await.unwrap().is_empty());
    store.commit_inbound(vec![for_people(2, 1, "still not working")]).await.unwrap();
    let again = store.conversations_of(number(1)).await.unwrap();
    assert_eq!((again[0].state, again[0].assignee.as_deref()), (ConversationState::Open, None));
    assert_eq!((again[0].unread, &again[0].tags[..]), (1, &["billing".to_owned()][..]));
}

async fn a_conversation_that_does_not_exist_is_refused(place: Place) {
    let store = place.open().await;
    let refused = store.work_on(number(1), CODE, ConversationWork::Close, NOW).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

async fn a_reply_is_tagged_and_one_that_does_not_exist_is_refused(place: Place) {
    let store = place.open().await;
    store.commit_inbound(vec![inbound(1, 1, "too expensive")]).await.unwrap();
    for _ in 0..2 {
        store.tag_reply(1, "price", TagWork::Put, "maria", NOW).await.unwrap();
    }
    assert_eq!(place.count("select count(*) from reply_tag").await, 1);
    store.tag_reply(1, "price", TagWork::TakeOff, "maria", NOW).await.unwrap();
    assert_eq!(place.count("select count(*) from reply_tag").await, 0);
    let refused = store.tag_reply(2, "price", TagWork::Put, "maria", NOW).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

async fn a_server_is_asked_and_says_how_it_is(place: Place) {
    let store = place.open().await;
    assert_eq!(store.last_ask().await.unwrap(), None);
    let options = Options { now_ms: NOW, access: Access::Beside, ..Options::default() };
    let beside = Store::open(&place.location, options).await.unwrap();
    let ask = beside.ask(AskKind::Plan, "/etc/backchat.toml", NOW).await.unwrap();
    assert_eq!(store.last_ask().await.unwrap(), Some(ask));
    store.beat(3, NOW, "{}".to_owned()).await.unwrap();
    store.beat(3, NOW + 5, "{\"a\":1}".to_owned()).await.unwrap();
    let pulses = beside.pulses(NOW).await.unwrap();
    let said: Vec<_> = pulses.iter().map(|pulse| (pulse.node, pulse.at_ms, pulse.detail.as_str())).collect();
    assert_eq!(said, [(3, NOW + 5, "{\"a\":1}")]);
    assert!(beside.pulses(NOW + 6).await.unwrap().is_empty(), "what is old does not count");
}

fn answer(id: i64, value: &str) -> AnswerRow {
    AnswerRow {
        inbound: id,
        campaign: campaign(),
        number: number(1),
        survey: "exit".to_owned(),
        question: "reason".to_owned(),
        value: value.to_owned(),
        comment: None,
        at_ms: NOW + id,
        rule: "bare".to_owned(),
        pack: "en@1".to_owned(),
        candidates: serde_json::json!([]),
        late: 0,
        replaced_ms: None,
        earlier: Earlier::Perhaps,
    }
}

/// Two people asked; the first answers 3, then 4, and is tagged.
async fn answered(store: &Store) {
    let invitations = vec![invitation(1), invitation(2)];
    store.accept(Acceptance { invitations, ..acceptance(2) }).await.unwrap();
    for (id, value) in [(1, "3"), (2, "4")] {
        let commit = InboundCommit { answer: Some(answer(id, value)), ..inbound(id, 1, value) };
        store.commit_inbound(vec![commit]).await.unwrap();
    }
    store.tag_reply(2, "price", TagWork::Put, "maria", NOW).await.unwrap();
}

async fn replies_are_narrowed_by_what_an_analyst_asks(place: Place) {
    let store = place.open().await;
    answered(&store).await;
    let ids = async |narrow: Narrow| -> Vec<i64> {
        let rows = store.replies_for(&narrow, None, None, 10).await.unwrap();
        rows.iter().map(|row| row.id).collect()
    };
    let all = Narrow::default();
    assert_eq!(ids(all.clone()).await, [2, 1]);
    assert_eq!(
        ids(Narrow { survey: Some("exit".into()), language: Some("en".into()), ..all.clone() }).await,
        [2, 1]
    );
    assert!(ids(Narrow { language: Some("ro".into()), ..all.clone() }).await.is_empty());
    assert_eq!(ids(Narrow { tag: Some("price".into()), ..all.clone() }).await, [2]);
    assert_eq!(ids(Narrow { until_ms: Some(NOW + 5_002), ..all.clone() }).await, [1]);
    assert!(
        ids(Narrow { verdict: Some("answer".into()), ..all.clone() }).await.is_empty(),
        "read as free text"
    );
    let row = store.replies_for(&all, Some(number(1)), None, 1).await.unwrap().remove(0);
    assert_eq!((row.tags, row.value.as_deref()), (vec!["price".to_owned()], Some("4")));
    assert_eq!(store.replies_for(&all, None, Some(2), 10).await.unwrap().len(), 1, "the next page");
}

async fn answers_and_invitations_are_counted_along_a_dimension(place: Place) {
    let store = place.open().await;
    answered(&store).await;
    let all = Narrow::default();
    let counts = store.answer_counts(&all, Some(Dimension::Language)).await.unwrap();
    let shown: Vec<_> =
        counts.iter().map(|row| (row.value.as_str(), row.dimension.as_deref(), row.count)).collect();
    assert_eq!(shown, [("4", Some("en"), 1)], "of one person the last answer counts");
    let outcomes = store.outcome_counts(&all, None).await.unwrap();
    let shown: Vec<_> = outcomes.iter().map(|row| (row.outcome.as_str(), row.count)).collect();
    assert_eq!(shown, [("open", 2)]);
    let none = Narrow { code: Some("999".into()), ..all };
    assert!(store.answer_counts(&none, None).await.unwrap().is_empty());
}

async fn every_query_of_the_page_about_the_views_runs(place: Place) {
    let store = place.open().await;
    answered(&store).await;
    store.commit_inbound(vec![for_people(9, 2, "hello")]).await.unwrap();
    let page = include_str!("../../docs/views.md");
    let queries: Vec<&str> = page
        .split("```sql\n")
        .skip(1)
        .filter_map(|block| block.split_once("```"))
        .map(|(sql, _)| sql)
        .collect();
    assert!(queries.len() >= 5);
    for query in queries {
        place.meddle(query).await;
    }
    let counts = "select count(*) from v_answers where counts = 1 and value = '4' and language = 'en'";
    assert_eq!(place.count(counts).await, 1);
    assert_eq!(place.count("select count(*) from v_answers").await, 2, "answers are not multiplied");
    assert_eq!(place.count("select count(*) from v_invitations where outcome = 'open'").await, 2);
    assert_eq!(place.count("select count(*) from v_conversations where unread = 1").await, 1);
}
