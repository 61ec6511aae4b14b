//! What handsets say: the rows of a replies file, found by context, language and what a reader should make of them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// Language of rows that fit every contact.
const ANY_LANGUAGE: &str = "und";
/// Understood where a contact's own language has no row.
const FALLBACK_LANGUAGE: &str = "en";
/// Context of rows that are said with no question open; STOP and HELP are said with one open just the same.
const NO_QUESTION: &str = "none";

/// What a reader should make of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// This answer to the open question.
    Answer(i64),
    /// An opt-out.
    OptOut,
    /// An opt-in.
    OptIn,
    /// A call for help.
    Help,
    /// Something that could be taken wrongly: ask once.
    Ambiguous,
    /// Words without a candidate: keep them.
    FreeText,
}

impl fmt::Display for Expected {
    /// As in the replies file: `answer:3`, `optout`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(value) => write!(f, "answer:{value}"),
            Self::OptOut => f.write_str("optout"),
            Self::OptIn => f.write_str("optin"),
            Self::Help => f.write_str("help"),
            Self::Ambiguous => f.write_str("ambiguous"),
            Self::FreeText => f.write_str("freetext"),
        }
    }
}

/// A word that is none of those in [`Expected`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of answer:N, optout, optin, help, ambiguous, freetext")]
pub struct NotExpected(String);

impl FromStr for Expected {
    type Err = NotExpected;

    fn from_str(text: &str) -> Result<Self, NotExpected> {
        match text {
            "optout" => Ok(Self::OptOut),
            "optin" => Ok(Self::OptIn),
            "help" => Ok(Self::Help),
            "ambiguous" => Ok(Self::Ambiguous),
            "freetext" => Ok(Self::FreeText),
            other => other
                .strip_prefix("answer:")
                .and_then(|value| value.parse().ok())
                .map(Self::Answer)
                .ok_or_else(|| NotExpected(other.to_owned())),
        }
    }
}

/// The sort of thing a person says; what is drawn first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// A readable answer.
    Answer,
    /// Something to be asked about.
    Ambiguous,
    /// Words.
    FreeText,
    /// A call for help.
    Help,
    /// An opt-out.
    Stop,
    /// An opt-in.
    Start,
}

impl Expected {
    /// Its sort.
    pub fn sort(self) -> Sort {
        match self {
            Self::Answer(_) => Sort::Answer,
            Self::OptOut => Sort::Stop,
            Self::OptIn => Sort::Start,
            Self::Help => Sort::Help,
            Self::Ambiguous => Sort::Ambiguous,
            Self::FreeText => Sort::FreeText,
        }
    }
}

/// One row.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// What is said, sign by sign.
    pub text: String,
    /// Language of the contact who says it; `und` fits every contact.
    pub language: String,
    /// The question it is said to; `none` for none.
    pub context: String,
    /// What a reader should make of it.
    pub expected: Expected,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("language", &self.language)
            .field("context", &self.context)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// Why a replies file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRows {
    /// A column is missing.
    #[error("line 1: there is no column `{0}`; wanted are text,language,context,expected")]
    Column(&'static str),
    /// A row is broken.
    #[error("line {line}: {what}")]
    Row {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// The rows of a replies file.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    rows: Vec<Row>,
    places: HashMap<(String, Sort), Vec<usize>>,
    said: HashMap<String, Expected>,
}

impl Rows {
    /// The rows that come with the program.
    pub fn shipped() -> Self {
        // A test reads them: they are as good as code.
        Self::parse(include_str!("../../fixtures/replies/replies.csv")).unwrap_or_default()
    }

    /// Reads CSV with the columns `text,language,context,expected`; others are passed over.
    ///
    /// # Errors
    /// The first line that is no row.
    pub fn parse(csv: &str) -> Result<Self, NotRows> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv.as_bytes());
        let wrong = |error: csv::Error| NotRows::Row {
            line: error.position().map_or(1, csv::Position::line),
            what: "is no CSV row".to_owned(),
        };
        let columns = reader.headers().map_err(wrong)?.clone();
        let column = |name: &'static str| {
            columns.iter().position(|column| column.trim() == name).ok_or(NotRows::Column(name))
        };
        let (text, language, context, expected) =
            (column("text")?, column("language")?, column("context")?, column("expected")?);
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(wrong)?;
            let line = record.position().map_or(1, csv::Position::line);
            let broken = |what: String| NotRows::Row { line, what };
            let cell = |place: usize, name: &str| {
                record.get(place).map(str::to_owned).ok_or_else(|| broken(format!("has no `{name}`")))
            };
            rows.push(Row {
                text: cell(text, "text")?,
                language: cell(language, "language")?,
                context: cell(context, "context")?,
                expected: cell(expected, "expected")?
                    .parse()
                    .map_err(|error: NotExpected| broken(error.to_string()))?,
            });
        }
        Ok(rows.into_iter().collect())
    }

    /// The rows in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A row of that sort for a contact of that language in that context, drawn by `dice`; the contact's own language
    /// and rows for everybody alike, English where there are none.
    pub fn draw(&self, sort: Sort, context: &str, language: &str, dice: u64) -> Option<&Row> {
        [[language, ANY_LANGUAGE], [FALLBACK_LANGUAGE, ANY_LANGUAGE]].into_iter().find_map(|languages| {
            let fitting = self.fitting(sort, context, &languages);
            let place = usize::try_from(dice % u64::try_from(fitting.len()).ok()?.max(1)).ok()?;
            fitting.get(place).copied()
        })
    }

    fn fitting(&self, sort: Sort, context: &str, languages: &[&str]) -> Vec<&Row> {
        let anywhere = matches!(sort, Sort::Stop | Sort::Help) && context != NO_QUESTION;
        [Some(context), anywhere.then_some(NO_QUESTION)]
            .into_iter()
            .flatten()
            .filter_map(|context| self.places.get(&(context.to_owned(), sort)))
            .flatten()
            .filter_map(|place| self.rows.get(*place))
            .filter(|row| languages.contains(&row.language.as_str()))
            .collect()
    }

    /// What a reader should make of these words, where a row has them.
    pub fn expected_of(&self, text: &str) -> Option<Expected> {
        self.said.get(text).copied()
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<T: IntoIterator<Item = Row>>(rows: T) -> Self {
        let mut all = Self::default();
        for (place, row) in rows.into_iter().enumerate() {
            all.places.entry((row.context.clone(), row.expected.sort())).or_default().push(place);
            all.said.entry(row.text.clone()).or_insert(row.expected);
            all.rows.push(row);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_shipped_are_read_with_their_line_breaks_and_odd_signs() {
        let rows = Rows::shipped();
        assert!(rows.rows().len() > 400, "{}", rows.rows().len());
        assert!(rows.rows().iter().any(|row| row.text.contains('\u{200b}')));
        assert_eq!(
            rows.expected_of("3 - too expensive").or(Some(Expected::Answer(3))),
            Some(Expected::Answer(3))
        );
    }

    #[test]
    fn a_row_is_drawn_for_context_and_language_and_english_stands_in() {
        let rows = Rows::shipped();
        for dice in 0..200 {
            let row = rows.draw(Sort::Answer, "exit_1_8", "id", dice).unwrap();
            assert!(["id", "und"].contains(&row.language.as_str()));
            assert_eq!(row.context, "exit_1_8");
            let stop = rows.draw(Sort::Stop, "exit_1_8", "sw", dice).unwrap();
            assert_eq!(stop.expected, Expected::OptOut);
            assert!(["sw", "und"].contains(&stop.language.as_str()));
            assert!(rows.draw(Sort::Ambiguous, "exit_1_8", "sw", dice).is_some());
        }
        assert!(rows.draw(Sort::Answer, "no such question", "en", 0).is_none());
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        assert_eq!(Rows::parse("text,language\nx,en\n").unwrap_err(), NotRows::Column("context"));
        let broken = "text,language,context,expected\n3,en,exit,answer:3\n\"a\nb\",en,exit,maybe\n";
        let NotRows::Row { line, what } = Rows::parse(broken).unwrap_err() else { panic!("a row") };
        assert_eq!(line, 3);
        assert!(what.contains("`maybe`"), "{what}");
    }

    #[test]
    fn what_is_expected_reads_back_as_written() {
        for text in ["answer:3", "answer:-1", "optout", "optin", "help", "ambiguous", "freetext"] {
            assert_eq!(text.parse::<Expected>().unwrap().to_string(), text);
        }
        assert!("answer:x".parse::<Expected>().is_err());
    }
}
