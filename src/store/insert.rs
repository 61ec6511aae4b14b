//! Rows put down by the thousand: bound as they are, in the form each engine takes fastest. One known already, by its key,
//! is left as it is.
//!
//! One JSON text for a batch (`sql.rs`) costs SQLite more than twice as much a row: it looks every column up by its name.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::message::Msisdn;

/// Rows a statement, the largest first: any number of rows is a handful of statements, each of them prepared once.
const ROWS: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];
/// Statements of this kind that a connection keeps prepared: each table in each size.
pub(super) const PREPARED: usize = 256;

/// A column, with its type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    Int(&'static str),
    Text(&'static str),
}

/// A column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
}

/// Rows for one table.
#[derive(Debug)]
pub(super) struct Insert<const N: usize> {
    table: &'static str,
    columns: [Column; N],
    sqlite: [OnceLock<String>; ROWS.len()],
    postgres: OnceLock<String>,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Int(name) | Self::Text(name) => name,
        }
    }
}

impl Value<'_> {
    /// As an integer; a text is none.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Null | Self::Text(_) => None,
        }
    }

    /// As a text; an integer is none.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Int(_) => None,
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Msisdn> for Value<'_> {
    fn from(number: Msisdn) -> Self {
        Self::Int(number.0.cast_signed())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    /// Postgres keeps no U+0000 in a text, and handsets do send it: in both engines it becomes the replacement character.
    fn from(text: &'a str) -> Self {
        match text.contains('\0') {
            true => Self::Text(text.replace('\0', "\u{fffd}").into()),
            false => Self::Text(text.into()),
        }
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        match text.contains('\0') {
            true => Self::Text(text.replace('\0', "\u{fffd}").into()),
            false => Self::Text(text.into()),
        }
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<const N: usize> Insert<N> {
    pub(super) const fn new(table: &'static str, columns: [Column; N]) -> Self {
        Self { table, columns, sqlite: [const { OnceLock::new() }; ROWS.len()], postgres: OnceLock::new() }
    }

    /// The columns.
    pub(super) fn columns(&self) -> &[Column; N] {
        &self.columns
    }

    /// The statement for as many of these rows as one takes, and how many these are.
    pub(super) fn sqlite(&'static self, rows: usize) -> (&'static str, usize) {
        let size = ROWS.iter().position(|size| *size <= rows).unwrap_or(ROWS.len() - 1);
        let text = self.sqlite[size].get_or_init(|| {
            let row = format!("({})", vec!["?"; N].join(", "));
            self.text(&format!("values {}", vec![row; ROWS[size]].join(", ")))
        });
        (text, ROWS[size])
    }

    /// The statement for any number of rows, a list for each column.
    pub(super) fn postgres(&'static self) -> &'static str {
        self.postgres.get_or_init(|| {
            let lists = self.columns.iter().zip(1..).map(|(column, place)| match column {
                Column::Int(_) => format!("cast(${place} as bigint[])"),
                Column::Text(_) => format!("cast(${place} as text[])"),
            });
            self.text(&format!("select * from unnest({})", lists.collect::<Vec<_>>().join(", ")))
        })
    }

    fn text(&self, rows: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
        format!("insert into {} ({}) {rows} on conflict do nothing", self.table, names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: Insert<2> = Insert::new("pair", [Column::Int("id"), Column::Text("name")]);

    #[test]
    fn any_number_of_rows_is_a_few_statements_of_known_sizes() {
        let (text, rows) = PAIRS.sqlite(3);
        assert_eq!(text, "insert into pair (id, name) values (?, ?), (?, ?) on conflict do nothing");
        assert_eq!(rows, 2);
        for many in [1_usize, 2, 127, 128, 129, 4_000] {
            let (mut left, mut statements) = (many, 0);
            while left > 0 {
                left -= PAIRS.sqlite(left).1;
                statements += 1;
            }
            assert!(statements <= many / ROWS[0] + ROWS.len(), "{many}: {statements}");
        }
    }

    #[test]
    fn postgres_gets_a_list_for_each_column() {
        assert_eq!(
            PAIRS.postgres(),
            "insert into pair (id, name) select * from unnest(cast($1 as bigint[]), cast($2 as text[])) \
             on conflict do nothing"
        );
    }

    #[test]
    fn a_nul_in_a_text_is_replaced() {
        assert_eq!(Value::from("a\0b"), Value::Text("a\u{fffd}b".into()));
        assert_eq!(Value::from("a\0b".to_owned()), Value::Text("a\u{fffd}b".into()));
        assert_eq!(Value::from(None::<&str>), Value::Null);
    }
}
