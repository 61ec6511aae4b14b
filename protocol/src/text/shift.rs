//! The tables of the GSM 7-bit alphabets: the default one and the national languages of 3GPP TS 23.038, annex A.
//!
//! A message names a *locking* table (it takes the place of the default alphabet, element 0x25 of the user data
//! header) and a *single shift* table (it takes the place of the extension table behind the escape, element 0x24).

mod locking;
mod single;

/// One table: the UTF-16 unit of each septet, 0 where the standard leaves a void.
pub(super) type Table = [u16; 128];

/// The septet that announces a character of the extension or single shift table (23.038, 6.2.1).
pub const ESCAPE: u8 = 0x1B;

/// A national language identifier (3GPP TS 23.038, 6.2.1.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Language {
    /// Turkish.
    Turkish = 1,
    /// Spanish: it has a single shift table only.
    Spanish = 2,
    /// Portuguese.
    Portuguese = 3,
    /// Bengali and Assamese.
    Bengali = 4,
    /// Gujarati.
    Gujarati = 5,
    /// Hindi.
    Hindi = 6,
    /// Kannada.
    Kannada = 7,
    /// Malayalam.
    Malayalam = 8,
    /// Oriya.
    Oriya = 9,
    /// Punjabi.
    Punjabi = 10,
    /// Tamil.
    Tamil = 11,
    /// Telugu.
    Telugu = 12,
    /// Urdu.
    Urdu = 13,
}

impl Language {
    /// All thirteen, by identifier.
    pub const ALL: [Self; 13] = [
        Self::Turkish,
        Self::Spanish,
        Self::Portuguese,
        Self::Bengali,
        Self::Gujarati,
        Self::Hindi,
        Self::Kannada,
        Self::Malayalam,
        Self::Oriya,
        Self::Punjabi,
        Self::Tamil,
        Self::Telugu,
        Self::Urdu,
    ];

    /// The language of an identifier as it stands in the header; `None` where none is assigned.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id).checked_sub(1)?).copied()
    }

    /// The identifier that stands in the header.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Its English name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Turkish => "Turkish",
            Self::Spanish => "Spanish",
            Self::Portuguese => "Portuguese",
            Self::Bengali => "Bengali",
            Self::Gujarati => "Gujarati",
            Self::Hindi => "Hindi",
            Self::Kannada => "Kannada",
            Self::Malayalam => "Malayalam",
            Self::Oriya => "Oriya",
            Self::Punjabi => "Punjabi",
            Self::Tamil => "Tamil",
            Self::Telugu => "Telugu",
            Self::Urdu => "Urdu",
        }
    }

    /// Whether annex A.3 gives it a locking shift table (all but Spanish).
    pub fn has_locking_table(self) -> bool {
        self != Self::Spanish
    }
}

/// Which national tables a message uses; the default alphabet and its extension where `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Shifts {
    /// In the place of the default alphabet.
    pub locking: Option<Language>,
    /// In the place of the extension table.
    pub single: Option<Language>,
}

impl Shifts {
    /// The default alphabet and its extension.
    pub const NONE: Self = Self { locking: None, single: None };

    /// How many header elements announce it: 0, 1 or 2 of three octets each.
    pub fn elements(self) -> usize {
        usize::from(self.locking.is_some()) + usize::from(self.single.is_some())
    }

    pub(super) fn basic(self) -> &'static Table {
        match self.locking {
            None | Some(Language::Spanish) => &BASIC,
            Some(language) => &LOCKING[usize::from(language.id())],
        }
    }

    pub(super) fn extension(self) -> &'static Table {
        match self.single {
            None => &EXTENSION,
            Some(language) => &SINGLE[usize::from(language.id())],
        }
    }
}

pub(super) static BASIC: Table = locking::DEFAULT;
pub(super) static EXTENSION: Table = single::DEFAULT;

/// By identifier. 0 is the default; 2 is void in A.3.2 and reads as the default.
static LOCKING: [Table; 14] = [
    locking::DEFAULT,
    locking::TURKISH,
    locking::DEFAULT,
    locking::PORTUGUESE,
    locking::BENGALI,
    locking::GUJARATI,
    locking::HINDI,
    locking::KANNADA,
    locking::MALAYALAM,
    locking::ORIYA,
    locking::PUNJABI,
    locking::TAMIL,
    locking::TELUGU,
    locking::URDU,
];

/// By identifier; 0 is the default extension.
static SINGLE: [Table; 14] = [
    single::DEFAULT,
    single::TURKISH,
    single::SPANISH,
    single::PORTUGUESE,
    single::BENGALI,
    single::GUJARATI,
    single::HINDI,
    single::KANNADA,
    single::MALAYALAM,
    single::ORIYA,
    single::PUNJABI,
    single::TAMIL,
    single::TELUGU,
    single::URDU,
];

/// The default alphabet's unit of a septet, for tables made at compile time.
pub(super) const fn default_unit(septet: usize) -> u16 {
    locking::DEFAULT[septet]
}

/// The default extension's unit of a septet, likewise.
pub(super) const fn extension_unit(septet: usize) -> u16 {
    single::DEFAULT[septet]
}

/// Reads a table as it is printed: eight rows of sixteen cells, four hexadecimal digits or `....` for a void.
const fn table(rows: [&str; 8]) -> Table {
    let mut out = [0; 128];
    let mut row = 0;
    while row < 8 {
        let cells = rows[row].as_bytes();
        assert!(cells.len() == 16 * 5 - 1);
        let mut column = 0;
        while column < 16 {
            let mut digit = 0;
            let mut unit = 0;
            while digit < 4 {
                unit = unit * 16 + hex(cells[column * 5 + digit]);
                digit += 1;
            }
            out[row * 16 + column] = unit;
            column += 1;
        }
        row += 1;
    }
    out
}

const fn hex(digit: u8) -> u16 {
    match digit {
        b'0'..=b'9' => (digit - b'0') as u16,
        b'A'..=b'F' => (digit - b'A' + 10) as u16,
        b'.' => 0,
        _ => panic!("not a hexadecimal digit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(table: &Table) -> usize {
        table.iter().filter(|unit| **unit != 0).count()
    }

    #[test]
    fn every_identifier_names_its_language_and_back() {
        for language in Language::ALL {
            assert_eq!(Language::from_id(language.id()), Some(language));
        }
        assert_eq!(Language::from_id(0), None);
        assert_eq!(Language::from_id(14), None);
        assert_eq!(Language::from_id(255), None);
    }

    #[test]
    fn each_table_has_as_many_characters_as_the_annex_prints() {
        // Counted in two independent transcriptions of 23.038 (releases 16 and 18), the escape and the
        // reserved control code not counted.
        let locking = [127, 127, 127, 127, 114, 120, 127, 120, 120, 116, 110, 102, 120, 127];
        let single = [10, 17, 19, 37, 82, 70, 88, 73, 82, 75, 76, 77, 78, 90];
        for id in 0..14 {
            assert_eq!(filled(&LOCKING[id]), locking[id], "locking {id}");
            assert_eq!(filled(&SINGLE[id]), single[id], "single {id}");
        }
    }

    #[test]
    fn escape_and_reserved_control_codes_are_void_in_every_table() {
        for id in 0..14 {
            assert_eq!(LOCKING[id][usize::from(ESCAPE)], 0);
            assert_eq!(SINGLE[id][usize::from(ESCAPE)], 0);
            assert_eq!(SINGLE[id][0x0D], 0, "CR2 of {id} is a control code");
            assert_eq!(SINGLE[id][0x0A], 0x0C, "page break of {id}");
            assert_eq!(SINGLE[id][0x65], 0x20AC, "euro of {id}");
            assert_eq!(LOCKING[id][0x0A], 0x0A);
            assert_eq!(LOCKING[id][0x0D], 0x0D);
        }
    }

    #[test]
    fn no_character_stands_twice_in_a_locking_table() {
        for table in &LOCKING {
            let mut seen: Vec<u16> = table.iter().copied().filter(|unit| *unit != 0).collect();
            seen.sort_unstable();
            let all = seen.len();
            seen.dedup();
            assert_eq!(seen.len(), all);
        }
    }

    #[test]
    fn tables_hold_what_the_standard_prints_at_known_places() {
        assert_eq!(BASIC[0x09], 0xC7, "capital C cedilla, not the small one of old Unicode mappings");
        assert_eq!(LOCKING[1][0x07], 0x131, "dotless i");
        assert_eq!(LOCKING[3][0x15], 0x221E, "infinity");
        for (id, table) in LOCKING.iter().enumerate().skip(4) {
            assert_eq!(table[0x2C], 0x2C, "comma of {id}");
            assert_eq!((table[0x28], table[0x29]), (0x29, 0x28), "brackets of {id} stand in this order");
        }
        assert_eq!((LOCKING[7][0x24], LOCKING[7][0x3D]), (0x0CA1, 0x0CAA));
        assert_eq!(LOCKING[9][0x47], 0x0B33);
        assert_eq!(SINGLE[10][0x23], 0x0A6D);
        assert_eq!(SINGLE[11][0x24], 0x0BEE);
        assert_eq!((SINGLE[12][0x22], SINGLE[12][0x23]), (0x0C6C, 0x0C6D));
    }
}
