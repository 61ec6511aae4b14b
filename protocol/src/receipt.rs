//! Delivery receipts in every dialect met: by TLVs, by text, or by both; what decided each field is told.
//!
//! [`parse`] reads one, [`format()`] writes one, [`id_forms`] brings message ids into forms in which they can be found
//! whatever base, case or padding the peer used.
//!
//! ```
//! use protocol::pdu::Sm;
//! use protocol::receipt::{self, MessageState};
//!
//! let deliver = Sm {
//!     esm_class: 0x04,
//!     short_message: "id:0972660181 sub:001 dlvrd:001 submit date:2603041229 done date:2603041230 \
//!                     stat:DELIVRD err:000 text:Hello".into(),
//!     ..Sm::default()
//! };
//! let receipt = receipt::parse(&deliver).expect("a receipt");
//! assert_eq!(receipt.state, MessageState::Delivered);
//! // The response had named the message in hexadecimal.
//! assert!(receipt.forms().iter().any(|forms| forms.finds(receipt::id_forms(b"39F99DD5").key())));
//! ```

mod content;
mod date;
mod id;
mod scan;
mod state;
mod write;

use crate::octets::{COctets, Octets};
use crate::pdu::Sm;
use crate::tlv::{Tag, Tlvs};

pub use date::{Date, Moment, Zone};
pub use id::{Form, IdForms, id_forms};
pub use state::MessageState;
pub use write::{DateForm, Writing, format, tlvs};

use scan::Fields;

/// What esm_class says a message from the carrier is (SMPP 3.4, 5.2.12: bits 5 to 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An ordinary message.
    Message,
    /// An SMSC delivery receipt.
    Receipt,
    /// A notification before the final one.
    Intermediate,
    /// An acknowledgement by the receiving ESME.
    DeliveryAcknowledgement,
    /// An acknowledgement by the receiving user.
    UserAcknowledgement,
    /// A conversation abort (Korean CDMA).
    ConversationAbort,
}

impl Kind {
    /// Read bit by bit: peers set other bits beside, such as UDHI.
    pub fn of(esm_class: u8) -> Self {
        match esm_class & 0x3C {
            bits if bits & 0x20 != 0 => Self::Intermediate,
            bits if bits & 0x04 != 0 => Self::Receipt,
            0x18 => Self::ConversationAbort,
            0x08 => Self::DeliveryAcknowledgement,
            0x10 => Self::UserAcknowledgement,
            _ => Self::Message,
        }
    }
}

/// What showed that a message is a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recognised {
    /// esm_class says so.
    EsmClass,
    /// Its optional parameters do.
    Tlvs,
    /// Its text has the shape of one; anybody can write such a text.
    Shape,
}

/// Where the value of a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An optional parameter.
    Tlv,
    /// The text.
    Text,
    /// The text, by a word of the peer's own.
    PeerWord,
}

/// Two places that say different things. The optional parameter was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// receipted_message_id and `id:` name different messages, in whatever base.
    Id,
    /// message_state and `stat:` name different states.
    State,
}

/// A network_error_code (SMPP 3.4, 5.3.2.31).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NetworkError {
    /// As the standard has it: the kind of network (3 is GSM) and its code.
    Code {
        /// 1 ANSI-136, 2 IS-95, 3 GSM.
        network: u8,
        /// The code in that network.
        code: u16,
    },
    /// Three digits, as some peers have it.
    Digits(COctets),
    /// Something else.
    Raw(Octets),
}

/// Whether a text alone may make a message a receipt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Shape {
    /// It may not: a handset could claim deliveries with it.
    #[default]
    Ignored,
    /// It may: this peer sends receipts as ordinary messages.
    Trusted,
}

/// How a peer writes receipts, as far as it is its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Habits {
    /// Words of its own after `stat:` and what they mean; looked up before the usual ones, in any letter case.
    pub words: Vec<(COctets, MessageState)>,
    /// Whether it sends receipts that only their text shows to be such.
    pub shape: Shape,
}

/// A receipt that was read. Of what stands in two places the optional parameter is taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What esm_class says.
    pub kind: Kind,
    /// The id to look for; `None` where neither place has one.
    pub id: Option<COctets>,
    /// receipted_message_id.
    pub id_tlv: Option<COctets>,
    /// `id:`.
    pub id_text: Option<COctets>,
    /// What became of the message; `Unknown` where nothing known says it.
    pub state: MessageState,
    /// message_state as a number.
    pub message_state: Option<u64>,
    /// The word after `stat:` as written.
    pub stat: Option<COctets>,
    /// Parts submitted, as it claims; not to be relied on.
    pub sub: Option<u32>,
    /// Parts delivered, as it claims; not to be relied on.
    pub dlvrd: Option<u32>,
    /// When the message was submitted.
    pub submit_date: Option<Date>,
    /// When it came to its state.
    pub done_date: Option<Date>,
    /// The carrier's code after `err:` as written: digits, letters or hexadecimal.
    pub err: Option<COctets>,
    /// The network's code.
    pub network_error: Option<NetworkError>,
    /// The start of the message, after `text:`; control octets at its end are left out.
    pub text: Option<String>,
    /// What showed that it is a receipt.
    pub recognised: Recognised,
    /// Where the id comes from.
    pub id_origin: Option<Origin>,
    /// Where the state comes from; `None` where it is `Unknown` for want of any.
    pub state_origin: Option<Origin>,
    /// Where text and parameters disagree.
    pub conflicts: Vec<Conflict>,
}

impl Receipt {
    /// Every id it names, in the forms to look for.
    pub fn forms(&self) -> Vec<IdForms> {
        let mut forms: Vec<IdForms> = Vec::with_capacity(1);
        for id in [&self.id_tlv, &self.id_text].into_iter().flatten() {
            let candidate = id_forms(id);
            if candidate.is_matchable() && forms.iter().all(|known| known.key() != candidate.key()) {
                forms.push(candidate);
            }
        }
        forms
    }

    /// Whether it names a message at all: an empty id or one of zeros names none.
    pub fn is_matchable(&self) -> bool {
        [&self.id_tlv, &self.id_text].into_iter().flatten().any(|id| id_forms(id).is_matchable())
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("state", &self.state)
            .field("stat", &self.stat)
            .field("err", &self.err)
            .field("done_date", &self.done_date)
            .field("recognised", &self.recognised)
            .field("conflicts", &self.conflicts)
            .finish_non_exhaustive()
    }
}

/// Reads a receipt; `None` where the message is none. For a data_sm make an [`Sm`] of it first.
pub fn parse(sm: &Sm) -> Option<Receipt> {
    parse_with(sm, &Habits::default())
}

/// Reads a receipt of a peer with habits of its own.
///
/// A message is a receipt by esm_class; or by its parameters: message_state with a receipted_message_id, or one of them
/// and a text like a receipt's (a receipted_message_id alone comes with ordinary messages too, as a ticket); or, where the
/// peer is known for it, by its text.
pub fn parse_with(sm: &Sm, habits: &Habits) -> Option<Receipt> {
    let kind = Kind::of(sm.esm_class);
    let id_tlv = id_of(&sm.tlvs);
    let message_state = sm.tlvs.get_uint(Tag::MESSAGE_STATE);
    let looked_at = kind != Kind::Message
        || id_tlv.is_some()
        || message_state.is_some()
        || habits.shape == Shape::Trusted && scan::may_hold_keys(&sm.content());
    if !looked_at {
        return None;
    }
    let plain = content::plain(sm);
    let fields = scan::scan(&plain.octets);
    let recognised = match kind {
        Kind::Receipt | Kind::Intermediate => Recognised::EsmClass,
        Kind::DeliveryAcknowledgement | Kind::UserAcknowledgement
            if id_tlv.is_some() || message_state.is_some() || fields.is_receipt() =>
        {
            Recognised::EsmClass
        }
        _ if id_tlv.is_some() && message_state.is_some() => Recognised::Tlvs,
        _ if (id_tlv.is_some() || message_state.is_some()) && fields.is_receipt() => Recognised::Tlvs,
        _ if habits.shape == Shape::Trusted && fields.is_receipt() => Recognised::Shape,
        _ => return None,
    };
    let mut receipt = from_fields(&fields, kind, recognised, habits);
    receipt.text = fields.text.map(|text| plain.text(text));
    receipt.network_error = sm.tlvs.get(Tag::NETWORK_ERROR_CODE).map(|tlv| network_error(&tlv.value));
    receipt.add_tlvs(id_tlv, message_state);
    Some(receipt)
}

/// Whether a text has the shape of a receipt, whatever the message says it is: worth a warning where
/// [`Shape::Trusted`] is not set.
pub fn looks_like(sm: &Sm) -> bool {
    scan::may_hold_keys(&sm.content()) && scan::scan(&content::plain(sm).octets).is_receipt()
}

impl Receipt {
    fn add_tlvs(&mut self, id: Option<COctets>, message_state: Option<u64>) {
        if let Some(id) = id {
            let tlv = id_forms(&id);
            let names_another = |text: &COctets| {
                let text = id_forms(text);
                text.is_matchable() && tlv.is_matchable() && !text.finds(tlv.key())
            };
            if self.id_text.as_ref().is_some_and(names_another) {
                self.conflicts.push(Conflict::Id);
            }
            self.id = Some(id.clone());
            self.id_origin = Some(Origin::Tlv);
            self.id_tlv = Some(id);
        }
        if let Some(value) = message_state {
            let state = MessageState::from_value(value);
            if self.state_origin.is_some() && self.state != state {
                self.conflicts.push(Conflict::State);
            }
            self.message_state = message_state;
            self.state = state;
            self.state_origin = Some(Origin::Tlv);
        }
    }
}

fn from_fields(fields: &Fields<'_>, kind: Kind, recognised: Recognised, habits: &Habits) -> Receipt {
    let octets = |value: Option<&[u8]>| value.filter(|value| !value.is_empty()).map(COctets::from);
    let stat = octets(fields.stat);
    let (state, state_origin) = match stat.as_deref() {
        None => (MessageState::Unknown, None),
        Some(word) => {
            let own = habits.words.iter().find(|(own, _)| own.eq_ignore_ascii_case(word));
            match (own, MessageState::from_word(word)) {
                (Some((_, state)), _) => (*state, Some(Origin::PeerWord)),
                (None, Some(state)) => (state, Some(Origin::Text)),
                (None, None) => (MessageState::Unknown, None),
            }
        }
    };
    let id = octets(fields.id);
    Receipt {
        kind,
        id_origin: id.is_some().then_some(Origin::Text),
        id_tlv: None,
        id_text: id.clone(),
        id,
        state,
        message_state: None,
        stat,
        sub: number(fields.sub),
        dlvrd: number(fields.dlvrd),
        submit_date: octets(fields.submit_date).map(Date::read),
        done_date: octets(fields.done_date).map(Date::read),
        err: octets(fields.err),
        network_error: None,
        text: None,
        recognised,
        state_origin,
        conflicts: Vec::new(),
    }
}

/// receipted_message_id up to its NUL, which some peers leave out; `None` where it is empty.
fn id_of(tlvs: &Tlvs) -> Option<COctets> {
    let id = tlvs.get(Tag::RECEIPTED_MESSAGE_ID)?.text().trim_ascii();
    (!id.is_empty()).then(|| COctets::from(id))
}

fn number(value: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

fn network_error(value: &Octets) -> NetworkError {
    match value[..] {
        // Kinds of network are single digits as numbers, so ASCII digits are no kind.
        [..] if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
            NetworkError::Digits(COctets::from(&value[..]))
        }
        [network, high, low] => NetworkError::Code { network, code: u16::from_be_bytes([high, low]) },
        _ => NetworkError::Raw(value.clone()),
    }
}

#[cfg(test)]
mod tests;
