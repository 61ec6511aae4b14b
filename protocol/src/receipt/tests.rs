//! Receipts as carriers send them; the dialects of `fixtures/receipt/dialects.jsonl` beside the rules.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const FULL: &str = "id:1234567890 sub:001 dlvrd:001 submit date:2603041229 done date:2603041230 stat:DELIVRD err:000 text:Hello";

fn deliver(esm_class: u8, text: &str) -> Sm {
    Sm { esm_class, short_message: Bytes::copy_from_slice(text.as_bytes()), ..Sm::default() }
}

fn with(mut sm: Sm, tag: Tag, value: &[u8]) -> Sm {
    sm.tlvs.push(crate::tlv::Tlv::new(tag, value));
    sm
}

#[test]
fn esm_class_is_read_bit_by_bit() {
    for (esm_class, kind) in [
        (0x00, Kind::Message),
        (0x04, Kind::Receipt),
        (0x44, Kind::Receipt),
        (0x87, Kind::Receipt),
        (0x20, Kind::Intermediate),
        (0x08, Kind::DeliveryAcknowledgement),
        (0x50, Kind::UserAcknowledgement),
        (0x18, Kind::ConversationAbort),
        (0xC3, Kind::Message),
    ] {
        assert_eq!(Kind::of(esm_class), kind, "{esm_class:#04x}");
    }
}

#[test]
fn the_usual_receipt_is_read_and_says_what_decided() {
    let receipt = parse(&deliver(0x04, FULL)).unwrap();
    assert_eq!(receipt.id.as_deref(), Some(&b"1234567890"[..]));
    assert_eq!((receipt.sub, receipt.dlvrd), (Some(1), Some(1)));
    assert_eq!(receipt.state, MessageState::Delivered);
    assert_eq!(receipt.done_date.unwrap().moment.unwrap().to_string(), "2026-03-04T12:30:00");
    assert_eq!(receipt.text.as_deref(), Some("Hello"));
    assert_eq!(receipt.recognised, Recognised::EsmClass);
    assert_eq!((receipt.id_origin, receipt.state_origin), (Some(Origin::Text), Some(Origin::Text)));
}

#[test]
fn parameters_win_and_a_conflict_is_told() {
    let sm = with(deliver(0x04, FULL), Tag::RECEIPTED_MESSAGE_ID, b"499602D2\0");
    let receipt = parse(&sm).unwrap();
    assert_eq!(receipt.id.as_deref(), Some(&b"499602D2"[..]));
    assert_eq!(receipt.id_text.as_deref(), Some(&b"1234567890"[..]));
    assert!(receipt.conflicts.is_empty(), "the same number in another base");
    assert_eq!(receipt.forms().len(), 2);
    let sm = with(with(deliver(0x04, FULL), Tag::RECEIPTED_MESSAGE_ID, b"77"), Tag::MESSAGE_STATE, &[5]);
    let receipt = parse(&sm).unwrap();
    assert_eq!(receipt.conflicts, [Conflict::Id, Conflict::State]);
    assert_eq!((receipt.state, receipt.state_origin), (MessageState::Undeliverable, Some(Origin::Tlv)));
}

#[test]
fn an_id_of_zeros_names_no_message_and_so_no_other_one() {
    for (text, tlv) in [("id:00 stat:DELIVRD", &b"00\0"[..]), ("id:0 stat:DELIVRD", b"42\0"), (FULL, b"0\0")]
    {
        let receipt = parse(&with(deliver(0x04, text), Tag::RECEIPTED_MESSAGE_ID, tlv)).unwrap();
        assert!(receipt.conflicts.is_empty(), "{text:?} and {tlv:?}");
    }
}

#[test]
fn parameters_alone_are_a_receipt_but_a_ticket_on_a_message_is_not() {
    let both = with(with(deliver(0, ""), Tag::RECEIPTED_MESSAGE_ID, b"42\0"), Tag::MESSAGE_STATE, &[2]);
    let receipt = parse(&both).unwrap();
    assert_eq!((receipt.recognised, receipt.state), (Recognised::Tlvs, MessageState::Delivered));
    assert_eq!(parse(&with(deliver(0, "Yes please"), Tag::RECEIPTED_MESSAGE_ID, b"42\0")), None);
    assert!(parse(&with(deliver(0, FULL), Tag::RECEIPTED_MESSAGE_ID, b"42\0")).is_some());
    assert_eq!(parse(&deliver(0, "Yes please")), None);
}

#[test]
fn a_text_alone_is_a_receipt_only_where_the_peer_is_known_for_it() {
    let sm = deliver(0, FULL);
    assert_eq!(parse(&sm), None);
    assert!(looks_like(&sm));
    let trusted = Habits { shape: Shape::Trusted, ..Habits::default() };
    assert_eq!(parse_with(&sm, &trusted).unwrap().recognised, Recognised::Shape);
    for message in ["id:5 stat:ok", "my id: 5", "", "stat:DELIVRD err:000", "Stop: id 5"] {
        assert_eq!(parse_with(&deliver(0, message), &trusted), None, "{message}");
    }
}

#[test]
fn a_peers_own_words_come_first() {
    let sm = deliver(0x04, "id:42 stat:0 err:000");
    let receipt = parse(&sm).unwrap();
    assert_eq!((receipt.state, receipt.state_origin), (MessageState::Unknown, None));
    assert_eq!(receipt.stat.as_deref(), Some(&b"0"[..]));
    let habits = Habits { words: vec![(COctets::from("0"), MessageState::Delivered)], ..Habits::default() };
    let receipt = parse_with(&sm, &habits).unwrap();
    assert_eq!((receipt.state, receipt.state_origin), (MessageState::Delivered, Some(Origin::PeerWord)));
}

#[test]
fn a_state_word_ends_at_a_nul_for_the_peers_words_too() {
    let sm = deliver(0x04, "id:42 stat:GONE\0\0x err:000");
    let habits = Habits { words: vec![("GONE".into(), MessageState::Delivered)], ..Habits::default() };
    let receipt = parse_with(&sm, &habits).unwrap();
    assert_eq!((receipt.stat.as_deref(), receipt.state), (Some(&b"GONE"[..]), MessageState::Delivered));
}

#[test]
fn ids_of_zeros_match_nothing() {
    assert!(!parse(&deliver(0x04, "id:0 stat:DELIVRD err:000")).unwrap().is_matchable());
    assert!(!parse(&deliver(0x04, "stat:DELIVRD err:000")).unwrap().is_matchable());
    let sm = with(deliver(0x04, "id:0 stat:DELIVRD"), Tag::RECEIPTED_MESSAGE_ID, b"42");
    assert!(parse(&sm).unwrap().is_matchable());
}

#[test]
fn receipts_in_ucs2_or_only_flagged_so_are_read() {
    for order in [u16::to_be_bytes, u16::to_le_bytes] {
        let octets: Vec<u8> = FULL.encode_utf16().flat_map(order).collect();
        for data_coding in [0, 8] {
            let sm = Sm { data_coding, short_message: octets.clone().into(), ..deliver(0x04, "") };
            let receipt = parse(&sm).unwrap();
            assert_eq!(receipt.id.as_deref(), Some(&b"1234567890"[..]));
            assert_eq!(receipt.text.as_deref(), Some("Hello"));
        }
    }
    let flagged = Sm { data_coding: 8, ..deliver(0x44, FULL) };
    assert_eq!(parse(&flagged).unwrap().text.as_deref(), Some("Hello"));
    let headed = format!("\x05\x00\x03\x01\x01\x01{FULL}");
    assert_eq!(parse(&deliver(0x44, &headed)).unwrap().state, MessageState::Delivered);
}

#[test]
fn acknowledgements_are_told_from_messages() {
    assert_eq!(parse(&deliver(0x10, "Yes")), None);
    assert_eq!(parse(&deliver(0x08, FULL)).unwrap().kind, Kind::DeliveryAcknowledgement);
    assert_eq!(parse(&deliver(0x20, FULL)).unwrap().kind, Kind::Intermediate);
}

#[test]
fn a_receipt_that_says_nothing_is_still_one() {
    let receipt = parse(&deliver(0x04, "Your message has arrived")).unwrap();
    assert_eq!((receipt.id, receipt.state), (None, MessageState::Unknown));
}

#[test]
fn network_errors_come_in_three_ways() {
    let code = |value: &[u8]| {
        parse(&with(deliver(0x04, FULL), Tag::NETWORK_ERROR_CODE, value)).unwrap().network_error.unwrap()
    };
    assert_eq!(code(b"\x03\x00\x22"), NetworkError::Code { network: 3, code: 34 });
    assert_eq!(code(b"061"), NetworkError::Digits(COctets::from("061")));
    assert_eq!(code(b"\x03"), NetworkError::Raw(b"\x03".into()));
    assert_eq!(code(b""), NetworkError::Raw(Octets::default()));
}

#[test]
fn debug_output_holds_no_text() {
    let shown = format!("{:?}", parse(&deliver(0x04, FULL)).unwrap());
    assert!(!shown.contains("Hello"), "{shown}");
}

proptest! {
    #[test]
    fn any_message_is_looked_at_without_a_panic(
        esm_class: u8, data_coding: u8, octets: Vec<u8>, id: Option<Vec<u8>>, state: Option<Vec<u8>>, error: Option<Vec<u8>>,
    ) {
        let mut sm = Sm { esm_class, data_coding, short_message: octets.into(), ..Sm::default() };
        for (tag, value) in [
            (Tag::RECEIPTED_MESSAGE_ID, id), (Tag::MESSAGE_STATE, state), (Tag::NETWORK_ERROR_CODE, error),
        ] {
            if let Some(value) = value { sm = with(sm, tag, &value); }
        }
        let _ = parse_with(&sm, &Habits { shape: Shape::Trusted, ..Habits::default() }).map(|it| it.forms());
        let _ = looks_like(&sm);
    }
}
