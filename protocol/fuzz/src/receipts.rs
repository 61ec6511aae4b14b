//! Delivery receipts and message ids.

use bytes::Bytes;
use protocol::octets::COctets;
use protocol::pdu::Sm;
use protocol::receipt::{self, DateForm, Habits, MessageState, Receipt, Shape, Writing};
use protocol::time::Time;
use protocol::tlv::{Tag, Tlv};

use super::script::Script;

const DATES: [DateForm; 6] = [
    DateForm::Minutes,
    DateForm::Seconds,
    DateForm::CenturyMinutes,
    DateForm::CenturySeconds,
    DateForm::Absolute,
    DateForm::Epoch,
];

/// Any message is looked at as a receipt, and what is told of it agrees with itself; one that we write reads back.
pub fn receipt(octets: &[u8]) {
    let mut script = Script::new(octets);
    let mut sm = Sm { esm_class: script.octet(), data_coding: script.octet(), ..Sm::default() };
    for tag in [Tag::MESSAGE_STATE, Tag::RECEIPTED_MESSAGE_ID, Tag::NETWORK_ERROR_CODE] {
        if script.choose(&[false, true]) {
            sm.tlvs.push(Tlv::new(tag, Bytes::copy_from_slice(script.octets())));
        }
    }
    let own = (COctets::from(script.octets()), script.choose(&MessageState::ALL));
    let (state, dates) = (script.choose(&MessageState::ALL), script.choose(&DATES));
    let content = script.rest();
    sm.short_message = Bytes::copy_from_slice(content);

    let plain = receipt::parse(&sm);
    let trusted = receipt::parse_with(&sm, &Habits { words: vec![own.clone()], shape: Shape::Trusted });
    assert!(trusted.is_some() || plain.is_none() && !receipt::looks_like(&sm));
    for (receipt, words) in [(&plain, None), (&trusted, Some(&own))] {
        if let Some(receipt) = receipt {
            agrees_with_itself(receipt, words);
        }
    }
    ids(content);
    if let Ok(time) = Time::parse(content) {
        assert_eq!(time.to_string().as_bytes(), content);
    }
    reads_back(content, state, dates);
}

fn agrees_with_itself(receipt: &Receipt, own: Option<&(COctets, MessageState)>) {
    assert!(!format!("{receipt:?}").is_empty());
    assert_eq!(receipt.id, receipt.id_tlv.clone().or(receipt.id_text.clone()));
    assert_eq!(receipt.id.is_some(), receipt.id_origin.is_some());
    assert_eq!(receipt.is_matchable(), !receipt.forms().is_empty());
    assert!(receipt.state_origin.is_some() || receipt.state == MessageState::Unknown);
    assert!(receipt.conflicts.len() <= 2);
    if let Some((word, state)) = own
        && receipt.message_state.is_none()
        && receipt.stat.as_ref().is_some_and(|stat| stat.eq_ignore_ascii_case(word))
    {
        assert_eq!(receipt.state, *state);
    }
    for date in [&receipt.submit_date, &receipt.done_date].into_iter().flatten() {
        if let Some(moment) = date.moment {
            let _ = (moment.to_unix_s(0), moment.to_string());
        }
    }
    for forms in receipt.forms() {
        ids(forms.raw());
    }
}

/// An id finds itself, and is found in the other base too where that makes another key.
fn ids(id: &[u8]) {
    let forms = receipt::id_forms(id);
    let candidates = forms.candidates();
    assert!(candidates.len() <= 3);
    assert_eq!(forms.is_matchable(), forms.finds(forms.key()));
    // a key is text, no id: octets above ASCII are read as Latin-1, and blanks behind zeros stay
    let is_id = |key: &str| key.is_ascii() && key.trim_ascii() == key;
    for (form, key) in candidates.into_iter().filter(|(_, key)| is_id(key)) {
        let other = receipt::id_forms(key.as_bytes());
        assert_eq!(other.key(), key);
        assert!(other.finds(forms.key()), "{forms:?} finds {key:?} ({form:?}) and not the other way");
    }
}

fn reads_back(content: &[u8], state: MessageState, dates: DateForm) {
    let id: Vec<u8> = content.iter().copied().filter(u8::is_ascii_alphanumeric).take(64).collect();
    let text: Vec<u8> = content.iter().copied().filter(u8::is_ascii_alphanumeric).rev().take(20).collect();
    if id.is_empty() {
        return;
    }
    let writing = Writing { id: &id, state, dates, done_s: 1_772_627_400, text: &text, ..Writing::default() };
    let tlvs = receipt::tlvs(&id, state, None);
    for tlvs in [tlvs, Default::default()] {
        let sm = Sm { esm_class: 0x04, short_message: receipt::format(&writing), tlvs, ..Sm::default() };
        let read = receipt::parse(&sm).expect("a receipt of our own");
        assert_eq!(
            (read.id.as_deref(), read.id_text.as_deref(), read.state),
            (Some(&id[..]), Some(&id[..]), state)
        );
        assert_eq!(read.text.as_deref().map(str::as_bytes), Some(&text[..]));
        assert!(read.conflicts.is_empty());
    }
}
