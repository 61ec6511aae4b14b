//! Consent: what is in force by date and scope, the chain that shows it, lists, and erasing a number.

use std::collections::BTreeSet;

use backchat::message::{Msisdn, Outbound, Purpose, Scope};
use backchat::rules::consent::{Stop, blocking_scopes};
use backchat::store::{
    Acceptance, AnswerRow, Asks, Channel, Check, ChunkId, ConsentChange, ConsentKind, Earlier, EventRow,
    Evidence, Fault, Head, ListProgress, PartRow, PartsKey, ReceiptRow, SliceMark, Store, StoreError,
};

use crate::fixtures::*;

crate::contract! {
    every_change_is_shown_with_its_evidence_and_its_place_in_the_chain,
    the_chain_tells_which_change_was_changed_removed_or_moved,
    an_end_that_was_noted_must_still_be_in_the_chain,
    what_was_said_later_holds_whatever_comes_in_first,
    a_later_opt_in_to_something_narrower_is_the_newer_word,
    what_needs_an_opt_in_waits_for_one_that_is_not_too_old,
    an_opt_in_waits_for_its_confirmation_and_ends_with_it,
    a_list_read_in_twice_changes_nothing_the_second_time,
    a_list_is_written_out_in_order_and_whole,
    changes_by_another_process_are_told_behind_a_place_in_the_chain,
    of_an_erased_number_nothing_is_left_but_its_silence,
    an_erased_number_can_opt_in_again,
    without_the_key_a_store_with_erased_numbers_does_not_open,
}

fn change(id: i64, of: i64, kind: ConsentKind, scope: &str, at_ms: i64) -> ConsentChange {
    ConsentChange { scope: scope.to_owned(), at_ms, ..consent(id, of, kind) }
}

/// Whether a message of this purpose from the code would be stopped now; the cause if it is.
async fn stopped(store: &Store, of: i64, purpose: Purpose, consent_since_ms: Option<i64>) -> bool {
    use std::sync::atomic::{AtomicI64, Ordering};
    static NEXT: AtomicI64 = AtomicI64::new(5_000_000);
    let id = NEXT.fetch_add(10, Ordering::Relaxed);
    let one = Outbound { to: number(of), purpose, ..message(id) };
    let scopes = blocking_scopes(purpose, &one.sender, Some("promo"), Stop::EndsAll);
    let chunk = chunk(id + 1, [id]);
    let chunk_id = chunk.id;
    store
        .accept(Acceptance { messages: vec![one], chunks: vec![chunk], ..Acceptance::default() })
        .await
        .unwrap();
    let leased = loop {
        let leased = store.lease_chunk(LANE, &line(), NOW + 1_000, LEASE).await.unwrap().unwrap();
        if leased.id == chunk_id {
            break leased;
        }
    };
    let check = Check {
        message: leased.members[0].id,
        attempt: 0,
        number: leased.members[0].to,
        scopes: scopes.into(),
        consent_since_ms,
    };
    let mark = SliceMark { chunk: ChunkId(leased.id.0), upto: 1, checks: vec![check], at_ms: NOW };
    !store.mark_chunk(mark).await.unwrap().is_empty()
}

async fn every_change_is_shown_with_its_evidence_and_its_place_in_the_chain(place: Place) {
    let store = place.open().await;
    let evidence = Evidence {
        message: Some(backchat::message::MessageId(77)),
        asked: Some("Why did you leave? \u{1f914} \"1\" price".to_owned()),
        inbound: Some(88),
        received: Some("STOP\0 it".to_owned()),
        octets: Some("53544f50".to_owned()),
        document: None,
        note: None,
    };
    let stop = ConsentChange {
        evidence: evidence.clone(),
        ..change(1, 7, ConsentKind::OptOut, "sender:88001", NOW)
    };
    let other = change(2, 8, ConsentKind::OptIn, "all", NOW + 1);
    let back = change(3, 7, ConsentKind::OptIn, "sender:88001", NOW + 2);
    store.consent(vec![stop.clone(), other]).await.unwrap();
    store.consent(vec![back.clone()]).await.unwrap();
    store.consent(vec![stop, back]).await.unwrap();
    let pack = store.consent_pack(number(7)).await.unwrap();
    assert_eq!(
        pack.changes.iter().map(|one| one.seq).collect::<Vec<_>>(),
        [1, 3],
        "repeating it adds nothing"
    );
    assert!(pack.changes.iter().all(|one| one.intact));
    let kept = pack.changes[0].evidence.clone().unwrap();
    assert_eq!(kept, Evidence { received: Some("STOP\u{fffd} it".to_owned()), ..evidence });
    assert!(pack.opted_out.is_empty(), "{:?}", pack.opted_out);
    assert_eq!(pack.opted_in[0].scope, "sender:88001");
    let verified = store.verify_consent(None, |_, _| {}).await.unwrap();
    assert_eq!((verified.changes, verified.fault_count), (3, 0), "{:?}", verified.faults);
    assert_eq!(verified.head.hash, pack.changes[1].hash);
}

async fn the_chain_tells_which_change_was_changed_removed_or_moved(place: Place) {
    let store = place.open().await;
    for id in 1..=9 {
        let one = ConsentChange {
            evidence: Evidence { note: Some(format!("reason {id}")), ..Evidence::default() },
            ..change(id, id, ConsentKind::OptOut, "all", NOW)
        };
        store.consent(vec![one]).await.unwrap();
    }
    let faults = async || store.verify_consent(None, |_, _| {}).await.unwrap().faults;
    assert_eq!(faults().await, []);
    place.meddle("update consent_event set scope = 'sender:1' where seq = 3").await;
    assert_eq!(faults().await, [Fault::Changed { seq: 3, id: 3 }]);
    place.meddle("update consent_event set scope = 'all' where seq = 3").await;
    place.meddle("update consent_evidence set note = 'another' where seq = 4").await;
    assert_eq!(faults().await, [Fault::Evidence { seq: 4 }]);
    place.meddle("update consent_evidence set note = 'reason 4' where seq = 4").await;
    place.meddle("update consent_evidence set number = number + 1 where seq = 5").await;
    assert_eq!(faults().await, [Fault::Evidence { seq: 5 }]);
    place.meddle("update consent_evidence set number = number - 1 where seq = 5").await;
    assert_eq!(faults().await, []);
    place.meddle("update consent_event set seq = 100 where seq = 6").await;
    place.meddle("update consent_event set seq = 6 where seq = 7").await;
    place.meddle("update consent_event set seq = 7 where seq = 100").await;
    let moved = faults().await;
    assert!(
        moved.contains(&Fault::Changed { seq: 6, id: 7 })
            && moved.contains(&Fault::Changed { seq: 7, id: 6 })
    );
    place.meddle("update consent_event set seq = 100 where seq = 6").await;
    place.meddle("update consent_event set seq = 6 where seq = 7").await;
    place.meddle("update consent_event set seq = 7 where seq = 100").await;
    assert_eq!(faults().await, []);
    place.meddle("delete from consent_evidence where seq = 2").await;
    assert_eq!(faults().await, [Fault::EvidenceMissing { seq: 2 }]);
    place.meddle("delete from consent_event where seq = 8").await;
    assert!(faults().await.contains(&Fault::Removed { from: 8, to: 8 }));
    place.meddle("delete from consent_event where seq = 9").await;
    assert!(faults().await.contains(&Fault::End { found: 7, noted: 9 }));
}

async fn an_end_that_was_noted_must_still_be_in_the_chain(place: Place) {
    let store = place.open().await;
    store.consent(vec![change(1, 1, ConsentKind::OptOut, "all", NOW)]).await.unwrap();
    let noted = store.consent_head().await.unwrap();
    store.consent(vec![change(2, 2, ConsentKind::OptOut, "all", NOW)]).await.unwrap();
    let of = async |noted: &Head| store.verify_consent(Some(noted), |_, _| {}).await.unwrap().faults;
    assert_eq!(of(&noted).await, []);
    assert_eq!(of(&Head { hash: "0".repeat(64), ..noted.clone() }).await, [Fault::NotAsNoted { seq: 1 }]);
    assert_eq!(of(&Head { seq: 5, ..noted }).await, [Fault::End { found: 2, noted: 5 }]);
}

async fn what_was_said_later_holds_whatever_comes_in_first(place: Place) {
    let store = place.open().await;
    let scope = "sender:88001";
    store.consent(vec![change(1, 1, ConsentKind::OptOut, scope, NOW)]).await.unwrap();
    store.consent(vec![change(2, 1, ConsentKind::OptIn, scope, NOW - 1)]).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Survey, None).await, "an opt-in from before the STOP ends nothing");
    store.consent(vec![change(3, 2, ConsentKind::OptIn, scope, NOW)]).await.unwrap();
    store.consent(vec![change(4, 2, ConsentKind::OptOut, scope, NOW - 1)]).await.unwrap();
    assert!(
        !stopped(&store, 2, Purpose::Survey, None).await,
        "an opt-out from before the START stops nothing"
    );
    store.consent(vec![change(5, 2, ConsentKind::OptOut, scope, NOW + 1)]).await.unwrap();
    assert!(stopped(&store, 2, Purpose::Survey, None).await);
    store.consent(vec![change(6, 2, ConsentKind::Lifted, scope, NOW + 2)]).await.unwrap();
    assert!(!stopped(&store, 2, Purpose::Survey, None).await);
    let pack = store.consent_pack(number(2)).await.unwrap();
    assert!(pack.opted_in.is_empty() && pack.opted_out.is_empty(), "to take an opt-out back is no consent");
}

async fn a_later_opt_in_to_something_narrower_is_the_newer_word(place: Place) {
    let store = place.open().await;
    store.consent(vec![change(1, 1, ConsentKind::OptOut, "all", NOW)]).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Survey, None).await);
    store.consent(vec![change(2, 1, ConsentKind::OptIn, "sender:88001", NOW + 1)]).await.unwrap();
    assert!(!stopped(&store, 1, Purpose::Survey, None).await, "START to the code");
    let context =
        store.reply_contexts(&[("88001".to_owned(), number(1)), ("88002".to_owned(), number(1))]).await;
    let context = context.unwrap();
    assert_eq!((context[0].opted_out.len(), context[1].opted_out.len()), (0, 1), "and to no other");
    store
        .consent(vec![change(3, 1, ConsentKind::OptOut, "sender:88001/promotional", NOW + 2)])
        .await
        .unwrap();
    assert!(stopped(&store, 1, Purpose::Promotional, None).await);
    assert!(!stopped(&store, 1, Purpose::Survey, None).await);
    store.consent(vec![change(4, 1, ConsentKind::OptOut, "all", NOW + 3)]).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Survey, None).await, "a new STOP ALL is newer still");
}

async fn what_needs_an_opt_in_waits_for_one_that_is_not_too_old(place: Place) {
    let store = place.open().await;
    assert!(stopped(&store, 1, Purpose::Promotional, Some(NOW - 10)).await, "there is none");
    store.consent(vec![change(1, 1, ConsentKind::OptIn, "programme:news", NOW)]).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Promotional, Some(NOW - 10)).await, "it is for something else");
    store.consent(vec![change(2, 1, ConsentKind::OptIn, "programme:promo", NOW - 20)]).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Promotional, Some(NOW - 10)).await, "it is too old");
    store.consent(vec![change(3, 1, ConsentKind::OptIn, "programme:promo", NOW - 5)]).await.unwrap();
    assert!(!stopped(&store, 1, Purpose::Promotional, Some(NOW - 10)).await);
    store.consent(vec![change(4, 1, ConsentKind::OptOut, "programme:promo", NOW)]).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Promotional, Some(NOW - 10)).await);
}

async fn an_opt_in_waits_for_its_confirmation_and_ends_with_it(place: Place) {
    let store = place.open().await;
    let pending =
        async || store.reply_contexts(&[("88001".to_owned(), number(1))]).await.unwrap().remove(0).pending;
    let asks = Asks { code: "88001".to_owned(), until_ms: NOW + 100 };
    let asked = |id| ConsentChange {
        asks: Some(asks.clone()),
        channel: Channel::Keyword,
        ..change(id, 1, ConsentKind::Asked, "programme:promo", NOW)
    };
    store.consent(vec![asked(1)]).await.unwrap();
    let waits = pending().await.unwrap();
    assert_eq!((waits.scope.as_str(), waits.until_ms), ("programme:promo", NOW + 100));
    assert!(store.consent_pack(number(1)).await.unwrap().opted_in.is_empty(), "no consent yet");
    store.consent(vec![change(2, 1, ConsentKind::Declined, "programme:promo", NOW + 1)]).await.unwrap();
    assert_eq!(pending().await, None);
    store.consent(vec![asked(3)]).await.unwrap();
    store.consent(vec![change(4, 1, ConsentKind::OptIn, "programme:promo", NOW + 2)]).await.unwrap();
    assert_eq!(pending().await, None);
    let pack = store.consent_pack(number(1)).await.unwrap();
    let kinds: Vec<&str> = pack.changes.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["asked", "declined", "asked", "opt_in"], "each step is evidence");
    assert_eq!(pack.opted_in.len(), 1);
}

async fn a_list_read_in_twice_changes_nothing_the_second_time(place: Place) {
    let store = place.open().await;
    let rows = |from: i64| -> Vec<ConsentChange> {
        (1..=20).map(|of| change(from + of, of, ConsentKind::OptOut, "all", NOW)).collect()
    };
    let progress = |list: &str, upto| ListProgress { list: list.to_owned(), upto, ..ListProgress::default() };
    let first = store.take_list(rows(100), progress("a", 21)).await.unwrap();
    assert_eq!((first.changed, first.known), (20, 0));
    let again = store.take_list(rows(200), progress("b", 21)).await.unwrap();
    assert_eq!((again.changed, again.known), (0, 20), "another list that says the same");
    assert_eq!(store.list_progress("a").await.unwrap().unwrap(), first);
    assert_eq!(store.list_progress("c").await.unwrap(), None);
    assert_eq!(store.consent_head().await.unwrap().seq, 20);
}

async fn a_list_is_written_out_in_order_and_whole(place: Place) {
    let store = place.open().await;
    let rows = (1..=40).rev().map(|of| change(of, of, ConsentKind::OptOut, "all", NOW + of)).collect();
    store.consent(rows).await.unwrap();
    store.consent(vec![change(50, 7, ConsentKind::OptOut, "sender:88001", NOW)]).await.unwrap();
    let rows = store.listed(ConsentKind::OptOut, (Msisdn(0), "")).await.unwrap();
    assert_eq!(rows.len(), 41);
    assert!(rows.is_sorted_by_key(|row| (row.number, row.scope.clone())));
    let rest = store.listed(ConsentKind::OptOut, (number(7), "all")).await.unwrap();
    assert_eq!((rest[0].number, rest[0].scope.as_str(), rest.len()), (number(7), "sender:88001", 34));
    assert!(store.listed(ConsentKind::OptIn, (Msisdn(0), "")).await.unwrap().is_empty());
}

async fn changes_by_another_process_are_told_behind_a_place_in_the_chain(place: Place) {
    let store = place.open().await;
    store.consent(vec![change(1, 1, ConsentKind::OptOut, "all", NOW)]).await.unwrap();
    let seen = store.consent_head().await.unwrap().seq;
    store
        .consent(vec![
            change(2, 2, ConsentKind::OptOut, "sender:88001", NOW),
            change(3, 3, ConsentKind::OptIn, "all", NOW),
        ])
        .await
        .unwrap();
    let behind = store.opted_out_behind(seen).await.unwrap();
    assert_eq!(behind.opted_out, [(number(2), Scope::Sender("88001".to_owned()))]);
    assert_eq!(behind.upto, 3);
    assert!(store.opted_out_behind(3).await.unwrap().opted_out.is_empty());
}

/// A number with a row in every table that can have one.
async fn somebody(place: &Place, store: &Store, of: i64) {
    let mut acceptance = Acceptance { messages: vec![message(of)], ..Acceptance::default() };
    acceptance.invitations = vec![invitation(of)];
    acceptance.events = vec![EventRow {
        id: 900 + of,
        at_ms: NOW,
        kind: "answer".to_owned(),
        number: Some(number(of)),
        message: None,
        campaign: None,
        detail: Some(number(of).digits()),
    }];
    store.accept(acceptance).await.unwrap();
    let (place_row, digits) = (of, number(of).digits());
    place
        .meddle(&format!(
            "insert into audience (grp, seq, number, name) values (1, {place_row}, {digits}, 'Ana')"
        ))
        .await;
    place
        .meddle(&format!(
            "insert into conversation (number, code, state, tags, unread, opened_ms, last_in_ms) \
             values ({digits}, '88001', 'open', '[]', 1, 0, 0)"
        ))
        .await;
    let mut commit = inbound(700 + of, of, &format!("3, call me at {}", number(of).digits()));
    commit.answer = Some(AnswerRow {
        inbound: 700 + of,
        campaign: campaign(),
        number: number(of),
        survey: "exit".to_owned(),
        question: "exit".to_owned(),
        value: "3".to_owned(),
        comment: Some(number(of).digits()),
        at_ms: NOW,
        rule: "r".to_owned(),
        pack: "p".to_owned(),
        candidates: serde_json::json!([number(of).digits()]),
        replaced_ms: None,
        earlier: Earlier::Perhaps,
        late: 0,
    });
    commit.consent = vec![ConsentChange {
        evidence: Evidence { received: Some(number(of).digits()), ..Evidence::default() },
        ..change(800 + of, of, ConsentKind::OptOut, "sender:88001", NOW)
    }];
    store.commit_inbound(vec![commit]).await.unwrap();
    store.consent(vec![change(850 + of, of, ConsentKind::OptIn, "programme:promo", NOW)]).await.unwrap();
    store
        .receipts(vec![ReceiptRow {
            number: Some(number(of)),
            ..receipt(600 + of, "unknown-id", "delivered")
        }])
        .await
        .unwrap();
    let key =
        PartsKey { lane: LANE.to_owned(), number: number(of), code: CODE.to_owned(), reference: 1, total: 2 };
    let part = PartRow { key, part: 1, octets: "00".to_owned(), data_coding: 0, received_ms: NOW };
    store.put_part(part).await.unwrap();
}

fn erasure(id: i64, of: i64) -> ConsentChange {
    ConsentChange { channel: Channel::Operator, ..change(id, of, ConsentKind::Erased, "all", NOW) }
}

async fn of_an_erased_number_nothing_is_left_but_its_silence(place: Place) {
    let store = place.open().await;
    somebody(&place, &store, 1).await;
    somebody(&place, &store, 2).await;
    let before: BTreeSet<String> = place.columns_with(&number(1).digits()).await.into_iter().collect();
    for table in [
        "message",
        "conversation",
        "invitation",
        "inbound",
        "answer",
        "event",
        "optout",
        "consent_evidence",
        "key_log",
        "receipt",
        "inbound_part",
        "consent",
    ] {
        assert!(before.iter().any(|column| column.starts_with(&format!("{table}."))), "{table}: {before:?}");
    }
    let erased = store.erase(number(1), erasure(1_000, 1)).await.unwrap();
    assert_eq!((erased.messages, erased.inbound, erased.kept_opt_outs), (1, 1, 1), "{erased:?}");
    assert_eq!(place.columns_with(&number(1).digits()).await, Vec::<String>::new());
    assert!(!place.columns_with(&number(2).digits()).await.is_empty(), "nobody else is touched");
    assert!(stopped(&store, 1, Purpose::Survey, None).await, "it stays silent");
    assert!(stopped(&store, 2, Purpose::Survey, None).await);
    assert!(!stopped(&store, 3, Purpose::Survey, None).await);

    let verified = store.verify_consent(None, |_, _| {}).await.unwrap();
    assert_eq!((verified.fault_count, verified.erased), (0, 2), "{:?}", verified.faults);
    let pack = store.consent_pack(number(1)).await.unwrap();
    assert_eq!(pack.opted_out[0].scope, "sender:88001");
    let kinds: Vec<(&str, bool)> =
        pack.changes.iter().map(|one| (one.kind.as_str(), one.evidence.is_some())).collect();
    assert_eq!(kinds, [("opt_out", false), ("opt_in", false), ("erased", true)]);
    assert_eq!(
        store.reply_contexts(&[(CODE.to_owned(), number(1))]).await.unwrap()[0].opted_out,
        ["sender:88001"]
    );
    let results = store.results(&campaign()).await;
    assert!(results.is_ok(), "what counts is still counted: {results:?}");
}

async fn an_erased_number_can_opt_in_again(place: Place) {
    let store = place.open().await;
    store.consent(vec![change(1, 1, ConsentKind::OptOut, "sender:88001", NOW)]).await.unwrap();
    store.erase(number(1), erasure(10, 1)).await.unwrap();
    assert!(stopped(&store, 1, Purpose::Survey, None).await);
    store.consent(vec![change(20, 1, ConsentKind::OptIn, "sender:88001", NOW + 5)]).await.unwrap();
    assert!(!stopped(&store, 1, Purpose::Survey, None).await);
}

async fn without_the_key_a_store_with_erased_numbers_does_not_open(place: Place) {
    use backchat::store::{Access, Options, SubjectKey};
    let store = place.open().await;
    store.consent(vec![change(1, 1, ConsentKind::OptOut, "all", NOW)]).await.unwrap();
    store.erase(number(1), erasure(10, 1)).await.unwrap();
    store.close(NOW).await;
    let open = async |subjects| {
        Store::open(
            &place.location,
            Options { now_ms: NOW, access: Access::Serve, subjects, ..Options::default() },
        )
        .await
    };
    let told = open(None).await.unwrap_err().to_string();
    assert!(told.contains("erasure_key"), "{told}");
    let told = open(Some(SubjectKey::new("another key"))).await.unwrap_err().to_string();
    assert!(told.contains("another key"), "{told}");
    let store = open(Some(SubjectKey::new("a key"))).await.unwrap();
    store.close(NOW).await;
    let keyless = Place::sqlite();
    let store =
        Store::open(&keyless.location, Options { now_ms: NOW, access: Access::Serve, ..Options::default() });
    let refused = store.await.unwrap().erase(number(1), erasure(10, 1)).await;
    assert!(matches!(refused, Err(StoreError::Refused(why)) if why.contains("erasure_key")));
}
