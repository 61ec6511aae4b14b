//! What was out of order in a body that was read all the same.

/// One thing out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Flaw {
    /// The UDHI flag is set and there is nothing.
    UdhMissing,
    /// The header's length octet says more than there is.
    UdhOverrun,
    /// An element of the header reaches past it.
    UdhElementOverrun,
    /// A concatenation element of the wrong size.
    ConcatSize,
    /// Part 0, or a part above the total.
    ConcatOutOfRange,
    /// A national language identifier that is not assigned.
    UnknownLanguage,
    /// A header was found without the UDHI flag.
    UdhDetected,
    /// UCS-2 was found under data_coding 0.
    Ucs2Detected,
    /// A reserved data_coding.
    ReservedCoding,
    /// An odd number of octets in a two-octet alphabet.
    OddLength,
    /// Half a surrogate pair.
    LoneSurrogate,
    /// An octet that the alphabet does not hold.
    InvalidOctet,
    /// An escape at the very end.
    LoneEscape,
    /// An escape before a septet without an extension.
    UnknownEscape,
}

impl Flaw {
    const ALL: [Self; 14] = [
        Self::UdhMissing,
        Self::UdhOverrun,
        Self::UdhElementOverrun,
        Self::ConcatSize,
        Self::ConcatOutOfRange,
        Self::UnknownLanguage,
        Self::UdhDetected,
        Self::Ucs2Detected,
        Self::ReservedCoding,
        Self::OddLength,
        Self::LoneSurrogate,
        Self::InvalidOctet,
        Self::LoneEscape,
        Self::UnknownEscape,
    ];

    /// A short stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::UdhMissing => "udh_missing",
            Self::UdhOverrun => "udh_overrun",
            Self::UdhElementOverrun => "udh_ie_overrun",
            Self::ConcatSize => "concat_ie_size",
            Self::ConcatOutOfRange => "concat_seq_out_of_range",
            Self::UnknownLanguage => "unknown_language",
            Self::UdhDetected => "udh_without_udhi",
            Self::Ucs2Detected => "ucs2_under_default",
            Self::ReservedCoding => "reserved_data_coding",
            Self::OddLength => "odd_length",
            Self::LoneSurrogate => "lone_surrogate",
            Self::InvalidOctet => "invalid_octet",
            Self::LoneEscape => "lone_escape",
            Self::UnknownEscape => "unknown_escape",
        }
    }

    /// Whether the header could not be read.
    pub fn is_udh_error(self) -> bool {
        matches!(self, Self::UdhMissing | Self::UdhOverrun | Self::UdhElementOverrun)
    }

    /// Whether it is about characters and not about the header.
    pub fn is_charset_warning(self) -> bool {
        self >= Self::OddLength
    }
}

/// A set of flaws, and how many octets were outside the alphabet.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flaws {
    set: u16,
    invalid: u32,
}

impl Flaws {
    /// Adds one.
    pub fn add(&mut self, flaw: Flaw) {
        self.set |= 1 << flaw as u8;
        if flaw == Flaw::InvalidOctet {
            self.invalid = self.invalid.saturating_add(1);
        }
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        self.set |= other.set;
        self.invalid = self.invalid.saturating_add(other.invalid);
    }

    /// Whether it holds this one.
    pub fn has(self, flaw: Flaw) -> bool {
        self.set & (1 << flaw as u8) != 0
    }

    /// Whether nothing was out of order.
    pub fn is_empty(self) -> bool {
        self.set == 0
    }

    /// How many octets the alphabet did not hold.
    pub fn invalid_octets(self) -> u32 {
        self.invalid
    }

    /// Those it holds.
    pub fn iter(self) -> impl Iterator<Item = Flaw> {
        Flaw::ALL.into_iter().filter(move |flaw| self.has(*flaw))
    }
}

impl std::fmt::Debug for Flaws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Flaw::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_what_was_added() {
        let mut flaws = Flaws::default();
        assert!(flaws.is_empty());
        flaws.add(Flaw::OddLength);
        flaws.add(Flaw::UdhMissing);
        flaws.add(Flaw::OddLength);
        assert_eq!(flaws.iter().collect::<Vec<_>>(), [Flaw::UdhMissing, Flaw::OddLength]);
        assert_eq!(format!("{flaws:?}"), r#"{"udh_missing", "odd_length"}"#);
    }

    #[test]
    fn every_flaw_has_its_own_name() {
        let mut names: Vec<_> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Flaw::ALL.len());
    }
}
