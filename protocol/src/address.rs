//! SME addresses: type of number, numbering plan and the digits or letters (SMPP 3.4 sections 5.2.5 to 5.2.9).

use std::fmt;

use crate::octets::COctets;

/// Types of number (SMPP 3.4 section 5.2.5).
pub mod ton {
    /// Not known.
    pub const UNKNOWN: u8 = 0;
    /// International, digits with the country code and no prefix.
    pub const INTERNATIONAL: u8 = 1;
    /// National.
    pub const NATIONAL: u8 = 2;
    /// Network specific, often a short code.
    pub const NETWORK_SPECIFIC: u8 = 3;
    /// Subscriber number.
    pub const SUBSCRIBER: u8 = 4;
    /// Letters: a sender's name.
    pub const ALPHANUMERIC: u8 = 5;
    /// Abbreviated.
    pub const ABBREVIATED: u8 = 6;
}

/// Numbering plans (SMPP 3.4 section 5.2.6).
pub mod npi {
    /// Not known.
    pub const UNKNOWN: u8 = 0;
    /// ISDN, E.163/E.164.
    pub const ISDN: u8 = 1;
    /// Data, X.121.
    pub const DATA: u8 = 3;
    /// Telex, F.69.
    pub const TELEX: u8 = 4;
    /// Land mobile, E.212.
    pub const LAND_MOBILE: u8 = 6;
    /// National.
    pub const NATIONAL: u8 = 8;
    /// Private.
    pub const PRIVATE: u8 = 9;
    /// ERMES.
    pub const ERMES: u8 = 10;
    /// Internet (IP).
    pub const INTERNET: u8 = 14;
    /// WAP client id.
    pub const WAP: u8 = 18;
}

/// The longest alphanumeric sender GSM can carry: 11 characters in ten octets (3GPP TS 23.040 section 9.1.2.5).
pub const ALPHANUMERIC_MAX: usize = 11;

/// An address with its type of number and numbering plan.
///
/// Values outside the tables of the specification are kept as they came.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// Type of number, see [`ton`].
    pub ton: u8,
    /// Numbering plan indicator, see [`npi`].
    pub npi: u8,
    /// Digits, or letters when `ton` is alphanumeric; up to 20 octets, 64 in data_sm and alert_notification.
    pub addr: COctets,
}

impl Address {
    /// An address from its three parts.
    pub fn new(ton: u8, npi: u8, addr: impl Into<COctets>) -> Self {
        Address { ton, npi, addr: addr.into() }
    }

    /// International digits in the ISDN plan: what a mobile number is sent as.
    pub fn international(digits: impl Into<COctets>) -> Self {
        Address::new(ton::INTERNATIONAL, npi::ISDN, digits)
    }

    /// A sender's name.
    pub fn alphanumeric(name: impl Into<COctets>) -> Self {
        Address::new(ton::ALPHANUMERIC, npi::UNKNOWN, name)
    }

    /// The digits without a `+` or `00` in front, which peers write although the type of number says the same.
    ///
    /// Names, and numbers of a type where `00` may be their own, come back unchanged.
    pub fn normalised(&self) -> COctets {
        if self.ton == ton::ALPHANUMERIC {
            return self.addr.clone();
        }
        let digits = |octets: &[u8]| !octets.is_empty() && octets.iter().all(u8::is_ascii_digit);
        let bare = match &*self.addr {
            [b'+', rest @ ..] => rest,
            [b'0', b'0', rest @ ..] if matches!(self.ton, ton::UNKNOWN | ton::INTERNATIONAL) => rest,
            other => other,
        };
        if digits(bare) { COctets::from(bare) } else { self.addr.clone() }
    }

    /// Whether this is a sender's name longer than a handset can show ([`ALPHANUMERIC_MAX`]).
    pub fn name_too_long(&self) -> bool {
        self.ton == ton::ALPHANUMERIC && self.addr.len() > ALPHANUMERIC_MAX
    }
}

impl fmt::Debug for Address {
    /// Masked: the first and last three digits only, so that logs hold no phone number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:", self.ton, self.npi)?;
        let text = self.addr.to_text();
        if self.ton == ton::ALPHANUMERIC || text.len() < 7 {
            return f.write_str(&text);
        }
        let last = text.chars().count() - 3;
        for (at, letter) in text.chars().enumerate() {
            let shown = if at < 3 || at >= last { letter } else { '*' };
            write!(f, "{shown}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_and_names_stay() {
        assert_eq!(Address::new(0, 0, "+447700900001").normalised(), "447700900001");
        assert_eq!(Address::new(1, 1, "00447700900123").normalised(), "447700900123");
        assert_eq!(Address::new(ton::NATIONAL, 1, "00123").normalised(), "00123");
        assert_eq!(Address::alphanumeric("+Brand").normalised(), "+Brand");
        assert_eq!(Address::new(0, 0, "Brand-1").normalised(), "Brand-1");
        assert_eq!(Address::new(0, 0, "+").normalised(), "+");
    }

    #[test]
    fn debug_output_masks_the_number() {
        assert_eq!(format!("{:?}", Address::international("447700900123")), "1/1:447******123");
        assert_eq!(format!("{:?}", Address::alphanumeric("Backchat")), "5/0:Backchat");
        assert_eq!(format!("{:?}", Address::new(0, 1, "88001")), "0/1:88001");
    }

    #[test]
    fn a_name_of_twelve_letters_is_too_long() {
        assert!(Address::alphanumeric("TwelveLetter").name_too_long());
        assert!(!Address::alphanumeric("ElevenChars").name_too_long());
        assert!(!Address::international("447700900123").name_too_long());
    }
}
