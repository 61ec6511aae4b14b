//! Receipts to send: the text of SMPP 3.4, appendix B, and the parameters beside it.

use bytes::Bytes;

use super::{MessageState, NetworkError};
use crate::octets::Octets;
use crate::time::Time;
use crate::tlv::{Tag, Tlv, Tlvs};

/// Octets of the message that a receipt quotes (SMPP 3.4, appendix B).
const QUOTED_OCTETS: usize = 20;

/// How dates are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DateForm {
    /// `YYMMDDhhmm`, as appendix B has it.
    #[default]
    Minutes,
    /// `YYMMDDhhmmss`.
    Seconds,
    /// `YYYYMMDDhhmm`.
    CenturyMinutes,
    /// `YYYYMMDDhhmmss`.
    CenturySeconds,
    /// `YYMMDDhhmmsstnnp`.
    Absolute,
    /// Seconds since 1970.
    Epoch,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// The id given in the response.
    pub id: &'a [u8],
    /// Parts submitted.
    pub sub: u16,
    /// Parts delivered.
    pub dlvrd: u16,
    /// When it was submitted, in seconds since 1970.
    pub submitted_s: i64,
    /// When it came to its state, likewise.
    pub done_s: i64,
    /// What became of it.
    pub state: MessageState,
    /// The code after `err:`.
    pub err: &'a [u8],
    /// The message; its first 20 octets are quoted.
    pub text: &'a [u8],
    /// How dates are written; all are UTC.
    pub dates: DateForm,
}

impl Default for Writing<'_> {
    fn default() -> Self {
        Self {
            id: b"",
            sub: 1,
            dlvrd: 0,
            submitted_s: 0,
            done_s: 0,
            state: MessageState::Unknown,
            err: b"000",
            text: b"",
            dates: DateForm::Minutes,
        }
    }
}

/// The text of a receipt: `id:.. sub:001 dlvrd:001 submit date:.. done date:.. stat:DELIVRD err:000 text:..`.
pub fn format(receipt: &Writing<'_>) -> Bytes {
    let mut out = Vec::with_capacity(140);
    out.extend_from_slice(b"id:");
    out.extend_from_slice(receipt.id);
    let submitted = date(receipt.submitted_s, receipt.dates);
    let done = date(receipt.done_s, receipt.dates);
    let (sub, dlvrd, stat) = (receipt.sub, receipt.dlvrd, receipt.state.word());
    let counts =
        format!(" sub:{sub:03} dlvrd:{dlvrd:03} submit date:{submitted} done date:{done} stat:{stat} err:");
    out.extend_from_slice(counts.as_bytes());
    out.extend_from_slice(receipt.err);
    out.extend_from_slice(b" text:");
    out.extend_from_slice(receipt.text.get(..QUOTED_OCTETS).unwrap_or(receipt.text));
    Bytes::from(out)
}

/// The parameters of a receipt: receipted_message_id, message_state and, where there is one, network_error_code.
pub fn tlvs(id: &[u8], state: MessageState, network_error: Option<&NetworkError>) -> Tlvs {
    let mut tlvs = Tlvs::new();
    tlvs.push(Tlv::cstring(Tag::RECEIPTED_MESSAGE_ID, id));
    tlvs.push(Tlv::u8(Tag::MESSAGE_STATE, state.value()));
    let value = match network_error {
        None => return tlvs,
        Some(NetworkError::Code { network, code }) => {
            let [high, low] = code.to_be_bytes();
            Octets::from(&[*network, high, low])
        }
        Some(NetworkError::Digits(digits)) => Octets::from(&digits[..]),
        Some(NetworkError::Raw(value)) => value.clone(),
    };
    tlvs.push(Tlv::new(Tag::NETWORK_ERROR_CODE, value));
    tlvs
}

fn date(unix_s: i64, form: DateForm) -> String {
    let time = Time::at_unix_s(unix_s);
    let Time::Absolute { year, month, day, hour, minute, second, .. } = time else {
        return String::new();
    };
    let short = year % 100;
    match form {
        DateForm::Minutes => format!("{short:02}{month:02}{day:02}{hour:02}{minute:02}"),
        DateForm::Seconds => format!("{short:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}"),
        DateForm::CenturyMinutes => format!("{year}{month:02}{day:02}{hour:02}{minute:02}"),
        DateForm::CenturySeconds => format!("{year}{month:02}{day:02}{hour:02}{minute:02}{second:02}"),
        DateForm::Absolute => time.to_string(),
        DateForm::Epoch => unix_s.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Receipt, parse};
    use super::*;
    use crate::pdu::Sm;
    use proptest::prelude::*;

    fn sent(writing: &Writing<'_>) -> Receipt {
        parse(&Sm { esm_class: 4, short_message: format(writing), ..Sm::default() }).unwrap()
    }

    #[test]
    fn a_receipt_is_written_as_appendix_b_has_it() {
        let written = format(&Writing {
            id: b"42",
            dlvrd: 1,
            submitted_s: 1_772_627_340,
            done_s: 1_772_627_400,
            state: MessageState::Delivered,
            text: b"Hello, this is quoted up to here only",
            ..Writing::default()
        });
        assert_eq!(
            std::str::from_utf8(&written).unwrap(),
            "id:42 sub:001 dlvrd:001 submit date:2603041229 done date:2603041230 stat:DELIVRD err:000 \
             text:Hello, this is quote"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            id in "[0-9A-Fa-f-]{1,40}", state in 0usize..10, err in "[0-9A-F]{1,4}", text in "([!-~][ -~]{0,19})?",
            form in 0usize..6, start in 1_750_000_000i64..1_999_000_000, sub in 0u16..999, with_tlvs: bool,
        ) {
            let dates = [
                DateForm::Minutes, DateForm::Seconds, DateForm::CenturyMinutes, DateForm::CenturySeconds,
                DateForm::Absolute, DateForm::Epoch,
            ][form];
            let state = MessageState::ALL[state];
            let writing = Writing {
                id: id.as_bytes(), sub, dlvrd: sub, submitted_s: start, done_s: start + 60, state,
                err: err.as_bytes(), text: text.as_bytes(), dates,
            };
            let tlvs = if with_tlvs { tlvs(id.as_bytes(), state, None) } else { Tlvs::new() };
            let receipt = parse(&Sm { esm_class: 4, short_message: format(&writing), tlvs, ..Sm::default() }).unwrap();
            prop_assert_eq!(receipt.id.as_deref(), Some(id.as_bytes()));
            prop_assert_eq!(receipt.state, state);
            prop_assert_eq!(receipt.err.as_deref(), Some(err.as_bytes()));
            prop_assert_eq!(receipt.text.as_deref(), Some(&text[..]));
            prop_assert_eq!((receipt.sub, receipt.dlvrd), (Some(sub.into()), Some(sub.into())));
            prop_assert!(receipt.conflicts.is_empty());
            let precision = if matches!(dates, DateForm::Minutes | DateForm::CenturyMinutes) { 60 } else { 1 };
            let done = receipt.done_date.unwrap().moment.unwrap().to_unix_s(0);
            prop_assert_eq!(done, (start + 60) / precision * precision);
        }
    }

    #[test]
    fn parameters_carry_the_same() {
        let error = NetworkError::Code { network: 3, code: 34 };
        let tlvs = tlvs(b"42", MessageState::Rejected, Some(&error));
        let receipt = parse(&Sm { esm_class: 4, tlvs, ..Sm::default() }).unwrap();
        assert_eq!(receipt.id.as_deref(), Some(&b"42"[..]));
        assert_eq!((receipt.state, receipt.network_error), (MessageState::Rejected, Some(error)));
        assert_eq!(sent(&Writing { id: b"7", ..Writing::default() }).state, MessageState::Unknown);
    }
}
