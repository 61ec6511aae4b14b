//! Message ids in the forms in which they can be found: peers change base, letter case and padding between the response
//! and the receipt.

use crate::octets::COctets;

/// Most decimal digits of a `u128`; longer ids are only compared as they stand.
const DECIMAL_DIGITS: usize = 39;

/// How an id that was looked for became one that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// As it stands, letter case and leading zeros aside.
    Same,
    /// It is hexadecimal and the other is decimal.
    HexToDecimal,
    /// It is decimal and the other is hexadecimal.
    DecimalToHex,
}

/// The forms of one id. Keep [`key`](Self::key) of the id in the response; look for every one of
/// [`candidates`](Self::candidates) of the id in the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdForms {
    raw: COctets,
    key: String,
    as_hex: Option<u128>,
    as_decimal: Option<u128>,
}

/// The forms of an id as it stands in a response or a receipt.
pub fn id_forms(id: &[u8]) -> IdForms {
    let end = id.iter().position(|octet| *octet == 0).unwrap_or(id.len());
    let raw = COctets::from(id.get(..end).unwrap_or(id).trim_ascii());
    let folded = raw.to_text().to_ascii_lowercase();
    let key = folded.trim_start_matches('0').to_owned();
    // `from_str_radix` takes a sign, which no number of these has.
    let digits = !key.is_empty() && key.bytes().all(|digit| digit.is_ascii_hexdigit());
    let as_hex = digits.then(|| u128::from_str_radix(&key, 16).ok()).flatten();
    let as_decimal = (digits && key.len() <= DECIMAL_DIGITS).then(|| key.parse().ok()).flatten();
    IdForms { raw, key, as_hex, as_decimal }
}

impl IdForms {
    /// As it came, without blanks around it.
    pub fn raw(&self) -> &COctets {
        &self.raw
    }

    /// The form to keep: small letters, no leading zeros. Empty where the id names no message.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The number it is when read as hexadecimal.
    pub fn hex_value(&self) -> Option<u128> {
        self.as_hex
    }

    /// The number it is when read as decimal.
    pub fn decimal_value(&self) -> Option<u128> {
        self.as_decimal
    }

    /// Whether it names a message: an empty id or one of zeros stands for none and must match none.
    pub fn is_matchable(&self) -> bool {
        !self.key.is_empty()
    }

    /// The keys to look for, likeliest first; none where it names no message. Two of them found means a doubt.
    pub fn candidates(&self) -> Vec<(Form, String)> {
        let mut out = Vec::with_capacity(3);
        if !self.is_matchable() {
            return out;
        }
        out.push((Form::Same, self.key.clone()));
        let decimal = self.as_hex.map(|value| (Form::HexToDecimal, value.to_string()));
        let hex = self.as_decimal.map(|value| (Form::DecimalToHex, format!("{value:x}")));
        // With a letter in it, it can be hexadecimal only.
        for (form, key) in [hex, decimal].into_iter().flatten() {
            if out.iter().all(|(_, known)| *known != key) {
                out.push((form, key));
            }
        }
        out
    }

    /// How this id is the one kept under `key`, if it is: what a peer's base is learnt from.
    pub fn form_of(&self, key: &str) -> Option<Form> {
        self.candidates().into_iter().find(|(_, candidate)| candidate == key).map(|(form, _)| form)
    }

    /// Whether looking for this id finds the one kept under `key`.
    pub fn finds(&self, key: &str) -> bool {
        self.form_of(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(receipt: &str, response: &str) -> Option<Form> {
        id_forms(receipt.as_bytes()).form_of(id_forms(response.as_bytes()).key())
    }

    #[test]
    fn a_receipts_id_finds_the_responses_in_any_base_case_and_padding() {
        assert_eq!(form("0972660181", "39F99DD5"), Some(Form::DecimalToHex));
        assert_eq!(form("39f99dd5", "972660181"), Some(Form::HexToDecimal));
        assert_eq!(form("ABC-9", "abc-9"), Some(Form::Same));
        assert_eq!(form("0000042", "42"), Some(Form::Same));
        assert_eq!(form("9308878062554710043", "812FC7470000001B"), Some(Form::DecimalToHex));
        assert_eq!(form("7D093BFA-4d65", "7d093bfa-4D65"), Some(Form::Same));
        assert_eq!(form("42", "43"), None);
        assert_eq!(
            form("66", "42"),
            Some(Form::DecimalToHex),
            "66 is hexadecimal 42: a doubt only if 66 is kept too"
        );
    }

    #[test]
    fn zeros_and_nothing_match_nothing() {
        for id in ["", "0", "000", "  ", "\0"] {
            let forms = id_forms(id.as_bytes());
            assert!(!forms.is_matchable());
            assert!(forms.candidates().is_empty());
        }
        assert_eq!(form("0", "0"), None);
    }

    #[test]
    fn numbers_too_large_and_signs_stay_opaque() {
        let long = "9".repeat(40);
        assert_eq!(id_forms(long.as_bytes()).candidates().len(), 1);
        assert_eq!(id_forms(b"+5").decimal_value(), None);
        assert_eq!(id_forms(b"-5").hex_value(), None);
        let most = u128::MAX.to_string();
        assert_eq!(form(&most, &format!("{:X}", u128::MAX)), Some(Form::DecimalToHex));
    }

    proptest! {
        #[test]
        fn every_number_is_found_from_either_base(value in 1u128.., pad in 0usize..8, upper: bool) {
            let zeros = "0".repeat(pad);
            let hex = if upper { format!("{zeros}{value:X}") } else { format!("{zeros}{value:x}") };
            let decimal = format!("{zeros}{value}");
            prop_assert!(form(&hex, &decimal).is_some());
            prop_assert!(form(&decimal, &hex).is_some());
            prop_assert_eq!(form(&decimal, &value.to_string()), Some(Form::Same));
        }

        #[test]
        fn any_octets_have_forms(id: Vec<u8>) {
            let forms = id_forms(&id);
            prop_assert!(forms.candidates().len() <= 3);
            prop_assert_eq!(forms.is_matchable(), forms.finds(forms.key()));
            prop_assert_eq!(id_forms(forms.key().as_bytes()).key().is_empty(), forms.key().is_empty());
        }
    }
}
