//! What data_coding says: the values of SMPP (3.4, 5.2.19; 5.0, 4.7.7) and, outside 0x00-0x0E, the coding groups of
//! 3GPP TS 23.038, 4.

/// An alphabet that octets are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// GSM 7-bit, default or national tables.
    #[default]
    Gsm7,
    /// IA5, that is ASCII.
    Ascii,
    /// ISO 8859-1.
    Latin1,
    /// ISO 8859-5.
    Cyrillic,
    /// ISO 8859-8.
    Hebrew,
    /// UTF-16 in two-octet units, big-endian unless the peer's habit or a mark says otherwise.
    Ucs2,
    /// UTF-8. No data_coding stands for it; some carriers mean it by 0.
    Utf8,
    /// Eight-bit data: no text.
    Octets,
    /// JIS X 0208.
    Jis,
    /// Pictogram encoding.
    Pictogram,
    /// ISO-2022-JP, music codes.
    MusicCodes,
    /// Extended Kanji JIS, X 0212.
    ExtendedKanji,
    /// KS C 5601.
    Korean,
    /// A reserved value: octets are kept, text is read as GSM 7-bit (23.038, 4: "shall be assumed to be").
    Unknown,
}

impl Alphabet {
    /// A short stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ascii => "ascii",
            Self::Latin1 => "latin1",
            Self::Cyrillic => "iso8859-5",
            Self::Hebrew => "iso8859-8",
            Self::Ucs2 => "ucs2",
            Self::Utf8 => "utf8",
            Self::Octets => "8bit",
            Self::Jis => "jis",
            Self::Pictogram => "pictogram",
            Self::MusicCodes => "iso2022jp",
            Self::ExtendedKanji => "jisx0212",
            Self::Korean => "ksc5601",
            Self::Unknown => "unknown",
        }
    }

    /// The name as a person reads it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM 7-bit",
            Self::Ascii => "ASCII",
            Self::Latin1 => "Latin-1",
            Self::Cyrillic => "ISO 8859-5",
            Self::Hebrew => "ISO 8859-8",
            Self::Ucs2 => "UCS-2",
            Self::Utf8 => "UTF-8",
            Self::Octets => "8-bit data",
            Self::Jis => "JIS X 0208",
            Self::Pictogram => "pictograms",
            Self::MusicCodes => "ISO-2022-JP",
            Self::ExtendedKanji => "JIS X 0212",
            Self::Korean => "KS C 5601",
            Self::Unknown => "a reserved coding",
        }
    }

    /// Whether octets in it are read as text.
    pub fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Octets
                | Self::Jis
                | Self::Pictogram
                | Self::MusicCodes
                | Self::ExtendedKanji
                | Self::Korean
        )
    }
}

/// What a message-waiting data_coding asks the handset to show (23.038, 4, groups 1100 to 1110).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Set the indication, or clear it.
    pub active: bool,
    /// What waits.
    pub what: WaitingKind,
    /// Whether the text is to be stored, or may be discarded.
    pub store: bool,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingKind {
    /// Voicemail.
    Voicemail,
    /// Fax.
    Fax,
    /// Electronic mail.
    Email,
    /// Something else.
    Other,
}

impl WaitingKind {
    /// A short stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Voicemail => "voicemail",
            Self::Fax => "fax",
            Self::Email => "email",
            Self::Other => "other",
        }
    }
}

/// A data_coding taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    /// The alphabet; `Gsm7` stands for the default alphabet too, which a peer may hold to be another.
    pub alphabet: Alphabet,
    /// Message class 0 to 3 (0 shows at once), where one is given.
    pub class: Option<u8>,
    /// Message waiting, where that is what it says.
    pub waiting: Option<Waiting>,
    /// Compressed by 3GPP TS 23.042: not text for us.
    pub compressed: bool,
    /// Marked for automatic deletion once read (group 01xx).
    pub delete_after_reading: bool,
}

impl Coding {
    /// Takes `data_coding` apart.
    pub fn of(data_coding: u8) -> Self {
        let plain = |alphabet| Self {
            alphabet,
            class: None,
            waiting: None,
            compressed: false,
            delete_after_reading: false,
        };
        match data_coding {
            0x00 => plain(Alphabet::Gsm7),
            0x01 => plain(Alphabet::Ascii),
            0x02 | 0x04 => plain(Alphabet::Octets),
            0x03 => plain(Alphabet::Latin1),
            0x05 => plain(Alphabet::Jis),
            0x06 => plain(Alphabet::Cyrillic),
            0x07 => plain(Alphabet::Hebrew),
            0x08 => plain(Alphabet::Ucs2),
            0x09 => plain(Alphabet::Pictogram),
            0x0A => plain(Alphabet::MusicCodes),
            0x0D => plain(Alphabet::ExtendedKanji),
            0x0E => plain(Alphabet::Korean),
            0x0B | 0x0C | 0x0F | 0x80..=0xBF => plain(Alphabet::Unknown),
            0x10..=0x7F => Self {
                class: (data_coding & 0x10 != 0).then_some(data_coding & 0x03),
                compressed: data_coding & 0x20 != 0,
                delete_after_reading: data_coding & 0x40 != 0,
                ..plain(match data_coding & 0x0C {
                    0x00 => Alphabet::Gsm7,
                    0x04 => Alphabet::Octets,
                    0x08 => Alphabet::Ucs2,
                    _ => Alphabet::Unknown,
                })
            },
            0xC0..=0xEF => Self {
                waiting: Some(Waiting {
                    active: data_coding & 0x08 != 0,
                    what: match data_coding & 0x03 {
                        0 => WaitingKind::Voicemail,
                        1 => WaitingKind::Fax,
                        2 => WaitingKind::Email,
                        _ => WaitingKind::Other,
                    },
                    store: data_coding >= 0xD0,
                }),
                ..plain(if data_coding >= 0xE0 { Alphabet::Ucs2 } else { Alphabet::Gsm7 })
            },
            0xF0..=0xFF => Self {
                class: Some(data_coding & 0x03),
                ..plain(if data_coding & 0x04 != 0 { Alphabet::Octets } else { Alphabet::Gsm7 })
            },
        }
    }
}

/// The data_coding that says `alphabet` and message class; `None` where no value does.
pub fn data_coding(alphabet: Alphabet, class: Option<u8>) -> Option<u8> {
    let Some(class) = class else {
        return Some(match alphabet {
            Alphabet::Gsm7 => 0x00,
            Alphabet::Ascii => 0x01,
            Alphabet::Latin1 => 0x03,
            Alphabet::Octets => 0x04,
            Alphabet::Jis => 0x05,
            Alphabet::Cyrillic => 0x06,
            Alphabet::Hebrew => 0x07,
            Alphabet::Ucs2 => 0x08,
            Alphabet::Pictogram => 0x09,
            Alphabet::MusicCodes => 0x0A,
            Alphabet::ExtendedKanji => 0x0D,
            Alphabet::Korean => 0x0E,
            Alphabet::Utf8 | Alphabet::Unknown => return None,
        });
    };
    let group = match alphabet {
        Alphabet::Gsm7 => 0x10,
        Alphabet::Octets => 0x14,
        Alphabet::Ucs2 => 0x18,
        _ => return None,
    };
    (class < 4).then_some(group | class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_23_038_give_alphabet_and_class() {
        let of = |value| (Coding::of(value).alphabet, Coding::of(value).class);
        assert_eq!(of(0x10), (Alphabet::Gsm7, Some(0)));
        assert_eq!(of(0x18), (Alphabet::Ucs2, Some(0)));
        assert_eq!(of(0x15), (Alphabet::Octets, Some(1)));
        assert_eq!(of(0xF5), (Alphabet::Octets, Some(1)));
        assert_eq!(of(0xF0), (Alphabet::Gsm7, Some(0)));
        assert_eq!(of(0xF3), (Alphabet::Gsm7, Some(3)));
        assert_eq!(of(0x0B), (Alphabet::Unknown, None));
        assert_eq!(of(0x08), (Alphabet::Ucs2, None));
        assert_eq!(of(0x28), (Alphabet::Ucs2, None));
        assert!(Coding::of(0x28).compressed);
        assert!(Coding::of(0x50).delete_after_reading);
        assert_eq!(of(0x50), (Alphabet::Gsm7, Some(0)));
    }

    #[test]
    fn message_waiting_is_taken_apart() {
        let waiting = Coding::of(0xC8).waiting.unwrap();
        assert_eq!((waiting.active, waiting.what, waiting.store), (true, WaitingKind::Voicemail, false));
        let waiting = Coding::of(0xD2).waiting.unwrap();
        assert_eq!((waiting.active, waiting.what, waiting.store), (false, WaitingKind::Email, true));
        assert_eq!(Coding::of(0xE8).alphabet, Alphabet::Ucs2);
    }

    #[test]
    fn what_we_write_says_what_we_meant() {
        for alphabet in [
            Alphabet::Gsm7,
            Alphabet::Ascii,
            Alphabet::Latin1,
            Alphabet::Octets,
            Alphabet::Ucs2,
            Alphabet::Korean,
        ] {
            for class in [None, Some(0), Some(1), Some(2), Some(3)] {
                if let Some(value) = data_coding(alphabet, class) {
                    let coding = Coding::of(value);
                    assert_eq!((coding.alphabet, coding.class), (alphabet, class));
                }
            }
        }
        assert_eq!(data_coding(Alphabet::Gsm7, Some(4)), None);
        assert_eq!(data_coding(Alphabet::Latin1, Some(0)), None);
    }
}
