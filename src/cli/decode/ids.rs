//! How message ids in receipts are those of the responses: which base, which padding, which letter case.

use std::collections::{BTreeMap, HashMap, VecDeque};

use protocol::octets::COctets;
use protocol::receipt::{Form, IdForms, Receipt, id_forms};

/// Ids of responses that are remembered; receipts mostly come within minutes.
const MOST_KEPT: usize = 500_000;
/// Receipts that are remembered until their response comes: it does within a second, or it is not in the capture.
const MOST_EARLY: usize = 10_000;
/// The longest id that is learnt from: the specification lets them have 64 octets.
const MOST_ID_OCTETS: usize = 255;

/// What is learnt of ids.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    kept: HashMap<String, COctets>,
    order: VecDeque<String>,
    /// Receipts whose response has not come, as they came, and the keys that would find them.
    early: BTreeMap<u64, Vec<IdForms>>,
    early_keys: HashMap<String, u64>,
    counter: u64,
    /// Ids in responses.
    pub(crate) answered: usize,
    /// Responses that accept without an id.
    pub(crate) without: usize,
    /// Receipts with an id.
    pub(crate) receipted: usize,
    /// Receipts found by their response, by how.
    pub(crate) found: BTreeMap<Form, usize>,
    /// Receipts that fit several responses, in different bases.
    pub(crate) doubtful: usize,
    /// Receipts that came before their response.
    pub(crate) early_found: usize,
    /// Ids with zeros put in front in the receipt, by their length.
    pub(crate) padded: BTreeMap<usize, usize>,
    /// Ids whose zeros in front are gone in the receipt.
    pub(crate) stripped: usize,
    /// Ids in other letter case in the receipt.
    pub(crate) other_case: usize,
}

impl Ids {
    /// Takes the id in a response that accepts.
    pub(crate) fn answer(&mut self, id: &COctets) {
        if id.len() > MOST_ID_OCTETS {
            return;
        }
        let forms = id_forms(id);
        if !forms.is_matchable() {
            self.without += 1;
            return;
        }
        self.answered += 1;
        let key = forms.key().to_owned();
        if self.kept.insert(key.clone(), forms.raw().clone()).is_none() {
            self.order.push_back(key.clone());
        }
        if self.order.len() > MOST_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
        if let Some(early) = self.early_keys.get(&key).copied()
            && let Some(receipt) = self.forget(early)
        {
            self.early_found += 1;
            self.learn(&receipt);
        }
    }

    /// Takes a receipt.
    pub(crate) fn receipt(&mut self, receipt: &Receipt) {
        let forms = receipt.forms();
        if forms.is_empty() || forms.iter().any(|forms| forms.raw().len() > MOST_ID_OCTETS) {
            return;
        }
        self.receipted += 1;
        if self.learn(&forms) {
            return;
        }
        if self.early.len() >= MOST_EARLY
            && let Some(oldest) = self.early.keys().next().copied()
        {
            self.forget(oldest);
        }
        self.counter += 1;
        for (_, key) in forms.iter().flat_map(IdForms::candidates) {
            self.early_keys.entry(key).or_insert(self.counter);
        }
        self.early.insert(self.counter, forms);
    }

    /// Takes a receipt out that waits for its response.
    fn forget(&mut self, early: u64) -> Option<Vec<IdForms>> {
        let receipt = self.early.remove(&early)?;
        for (_, key) in receipt.iter().flat_map(IdForms::candidates) {
            if self.early_keys.get(&key) == Some(&early) {
                self.early_keys.remove(&key);
            }
        }
        Some(receipt)
    }

    /// Receipts found by their response.
    pub(crate) fn all_found(&self) -> usize {
        self.found.values().sum()
    }

    fn learn(&mut self, receipt: &[IdForms]) -> bool {
        for forms in receipt {
            let hits: Vec<_> = forms
                .candidates()
                .into_iter()
                .filter_map(|(form, key)| self.kept.get(&key).map(|response| (form, response.clone())))
                .collect();
            match &hits[..] {
                [] => {}
                [(form, response)] => {
                    *self.found.entry(*form).or_default() += 1;
                    self.compare(*form, response, forms.raw());
                    return true;
                }
                // Which of them is meant can't be told, so it teaches nothing.
                _ => {
                    self.doubtful += 1;
                    return true;
                }
            }
        }
        false
    }

    fn compare(&mut self, form: Form, response: &COctets, receipt: &COctets) {
        let zeros = |id: &COctets| id.iter().take_while(|octet| **octet == b'0').count();
        let (before, after) = (zeros(response), zeros(receipt));
        if after > before || form != Form::Same && after > 0 {
            *self.padded.entry(receipt.len()).or_default() += 1;
        } else if form == Form::Same && after < before {
            self.stripped += 1;
        }
        if form == Form::Same {
            let bare = |id: &COctets| id.to_text().trim_start_matches('0').to_owned();
            self.other_case += usize::from(bare(response) != bare(receipt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::pdu::Sm;
    use protocol::receipt::parse;

    fn receipt(id: &str) -> Receipt {
        let short_message = format!("id:{id} stat:DELIVRD err:000").into();
        parse(&Sm { esm_class: 4, short_message, ..Sm::default() }).unwrap()
    }

    fn learnt(pairs: &[(&str, &str)]) -> Ids {
        let mut ids = Ids::default();
        for (response, receipted) in pairs {
            ids.answer(&COctets::from(*response));
            ids.receipt(&receipt(receipted));
        }
        ids
    }

    #[test]
    fn the_base_is_learnt_from_each_pair() {
        let ids = learnt(&[("39F99DD5", "0972660181"), ("3A000000", "0973078528")]);
        assert_eq!(ids.found, BTreeMap::from([(Form::DecimalToHex, 2)]));
        assert_eq!(ids.padded, BTreeMap::from([(10, 2)]));
        let ids = learnt(&[("972660181", "39f99dd5")]);
        assert_eq!(ids.found, BTreeMap::from([(Form::HexToDecimal, 1)]));
        assert!(ids.padded.is_empty());
    }

    #[test]
    fn padding_and_letter_case_are_told_apart() {
        let ids = learnt(&[("42", "0000000042"), ("ABC", "abc"), ("007", "7"), ("same", "same")]);
        assert_eq!(ids.found, BTreeMap::from([(Form::Same, 4)]));
        assert_eq!((ids.padded, ids.stripped, ids.other_case), (BTreeMap::from([(10, 1)]), 1, 1));
    }

    #[test]
    fn a_receipt_may_come_first_and_may_be_doubtful() {
        let mut ids = Ids::default();
        ids.receipt(&receipt("7"));
        assert_eq!(ids.all_found(), 0);
        ids.answer(&COctets::from("7"));
        assert_eq!((ids.all_found(), ids.early_found), (1, 1));
        // 16 is 10 in hexadecimal, and both were given out.
        ids.answer(&COctets::from("16"));
        ids.answer(&COctets::from("10"));
        ids.receipt(&receipt("16"));
        assert_eq!((ids.all_found(), ids.doubtful), (1, 1));
    }

    #[test]
    fn an_answer_without_an_id_is_counted() {
        let ids = learnt(&[("", "0"), ("0", "1")]);
        assert_eq!((ids.without, ids.answered, ids.receipted), (2, 0, 1));
    }
}
