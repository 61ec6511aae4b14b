//! What several PDUs in one buffer come to: which receipt belongs to which request, what is one event, what ends.

use protocol::pdu::{Body, Pdu};
use protocol::receipt::{self, Receipt};

use super::facts::{Item, message};

/// What came of a stream, in the words of the corpus; `None` where nothing follows from its PDUs together.
pub(crate) fn of(items: &[Item]) -> Option<String> {
    let pdus: Vec<&Pdu> = items
        .iter()
        .filter_map(|item| match item {
            Item::Frame(frame) => frame.pdu(),
            Item::Lost(_) | Item::Rest(_) => None,
        })
        .collect();
    let receipts: Vec<Receipt> = pdus.iter().filter_map(|pdu| receipt::parse(&message(pdu)?)).collect();
    let responses: Vec<(u32, String)> = pdus.iter().filter_map(|pdu| response(pdu)).collect();
    if receipts.len() > 1 && receipts.len() == pdus.len() {
        return same_message(&receipts).then(|| events(&receipts));
    }
    let mut came = Vec::new();
    for (sequence, id) in &responses {
        let key = receipt::id_forms(id.as_bytes());
        let receipted = receipts.iter().flat_map(Receipt::forms).any(|forms| forms.finds(key.key()));
        came.push(match receipted {
            true => format!("receipt matched to request {sequence}"),
            false => format!("{sequence}={id}"),
        });
    }
    if came.is_empty() {
        return None;
    }
    for pdu in &pdus {
        if let Body::Unbind = pdu.body {
            came.push(format!("unbind_resp {}", pdu.sequence));
            came.push("close".to_owned());
        }
    }
    Some(came.join(", "))
}

/// A response to a request of ours: its number, and the id or the status that refuses it.
fn response(pdu: &Pdu) -> Option<(u32, String)> {
    match &pdu.body {
        Body::SubmitSmResp(resp) | Body::DataSmResp(resp) if pdu.status.is_ok() => {
            let id = resp.message_id.as_ref().map(|id| id.to_text().into_owned());
            Some((pdu.sequence, id.unwrap_or_default()))
        }
        Body::SubmitSmResp(_) | Body::DataSmResp(_) | Body::GenericNack => {
            Some((pdu.sequence, pdu.status.to_string()))
        }
        _ => None,
    }
}

fn same_message(receipts: &[Receipt]) -> bool {
    let key = |receipt: &Receipt| receipt.forms().first().map(|forms| forms.key().to_owned());
    let first = receipts.first().and_then(key);
    first.is_some() && receipts.iter().all(|receipt| key(receipt) == first)
}

/// The states a message went through; a receipt that says nothing new is no event, and nothing follows a final state.
fn events(receipts: &[Receipt]) -> String {
    let mut states = Vec::new();
    for receipt in receipts {
        let state =
            states.last().map_or(receipt.state, |last: &receipt::MessageState| last.then(receipt.state));
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    match &states[..] {
        [_] => "one event".to_owned(),
        states => states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" then "),
    }
}
