//! Rows put down or changed by the thousand: bound as they are, in the form each engine takes fastest. One put down that is
//! known already, by its key, is left as it is.
//!
//! One JSON text for a batch (`sql.rs`) costs SQLite three times as much a row: it looks every column up by its name.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::message::Msisdn;

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
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
    postgres_new: OnceLock<String>,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Int(name) | Self::Text(name) => name,
        }
    }
}

/// Changes to rows of one table, each made only to what was read: the first column is the key, the last one the version that
/// was read, and counts on.
#[derive(Debug)]
pub(super) struct Update<const N: usize> {
    table: &'static str,
    columns: [Column; N],
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
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
        Self {
            table,
            columns,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
            postgres_new: OnceLock::new(),
        }
    }

    /// The columns.
    pub(super) fn columns(&self) -> &[Column; N] {
        &self.columns
    }

    /// The statement for one row.
    pub(super) fn sqlite(&'static self) -> &'static str {
        self.sqlite.get_or_init(|| self.text(&format!("values ({})", vec!["?"; N].join(", "))))
    }

    /// The statement for any number of rows, a list for each column.
    pub(super) fn postgres(&'static self) -> &'static str {
        self.postgres.get_or_init(|| self.text(&format!("select * from unnest({})", lists(&self.columns))))
    }

    /// The same, telling the first column of those that were new.
    pub(super) fn postgres_new(&'static self) -> &'static str {
        let key = self.columns[0].name();
        self.postgres_new.get_or_init(|| format!("{} returning {key}", self.postgres()))
    }

    fn text(&self, rows: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
        format!("insert into {} ({}) {rows} on conflict do nothing", self.table, names.join(", "))
    }
}

impl<const N: usize> Update<N> {
    pub(super) const fn new(table: &'static str, columns: [Column; N]) -> Self {
        Self { table, columns, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// The columns.
    pub(super) fn columns(&self) -> &[Column; N] {
        &self.columns
    }

    /// The statement for one row.
    pub(super) fn sqlite(&'static self) -> &'static str {
        self.sqlite.get_or_init(|| {
            let set = self.changed().zip(2..).map(|(name, place)| format!("{name} = ?{place}"));
            let (set, key, version) = (set.collect::<Vec<_>>().join(", "), self.key(), self.version());
            format!(
                "update {} set {set}, {version} = ?{N} + 1 where {key} = ?1 and {version} = ?{N}",
                self.table
            )
        })
    }

    /// The statement for any number of rows, a list for each column; it tells the keys of those that were changed.
    pub(super) fn postgres(&'static self) -> &'static str {
        self.postgres.get_or_init(|| {
            let names: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
            let set: Vec<String> = self.changed().map(|name| format!("{name} = r.{name}")).collect();
            let (key, version) = (self.key(), self.version());
            format!(
                "update {} t set {}, {version} = r.{version} + 1 from unnest({}) r({}) \
                 where t.{key} = r.{key} and t.{version} = r.{version} returning t.{key}",
                self.table,
                set.join(", "),
                lists(&self.columns),
                names.join(", ")
            )
        })
    }

    fn key(&self) -> &'static str {
        self.columns[0].name()
    }

    fn version(&self) -> &'static str {
        self.columns[N - 1].name()
    }

    fn changed(&self) -> impl Iterator<Item = &'static str> {
        self.columns[1..N - 1].iter().map(|column| column.name())
    }
}

/// A list for each column, as Postgres takes them.
fn lists(columns: &[Column]) -> String {
    let lists = columns.iter().zip(1..).map(|(column, place)| match column {
        Column::Int(_) => format!("cast(${place} as bigint[])"),
        Column::Text(_) => format!("cast(${place} as text[])"),
    });
    lists.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: Insert<2> = Insert::new("pair", [Column::Int("id"), Column::Text("name")]);

    #[test]
    fn sqlite_gets_one_row_at_a_time() {
        assert_eq!(PAIRS.sqlite(), "insert into pair (id, name) values (?, ?) on conflict do nothing");
    }

    #[test]
    fn postgres_gets_a_list_for_each_column() {
        assert_eq!(
            PAIRS.postgres(),
            "insert into pair (id, name) select * from unnest(cast($1 as bigint[]), cast($2 as text[])) \
             on conflict do nothing"
        );
    }

    static CHANGES: Update<3> =
        Update::new("pair", [Column::Int("id"), Column::Text("name"), Column::Int("version")]);

    #[test]
    fn a_change_is_made_to_the_version_that_was_read() {
        assert_eq!(
            CHANGES.sqlite(),
            "update pair set name = ?2, version = ?3 + 1 where id = ?1 and version = ?3"
        );
        assert_eq!(
            CHANGES.postgres(),
            "update pair t set name = r.name, version = r.version + 1 \
             from unnest(cast($1 as bigint[]), cast($2 as text[]), cast($3 as bigint[])) r(id, name, version) \
             where t.id = r.id and t.version = r.version returning t.id"
        );
    }

    #[test]
    fn a_nul_in_a_text_is_replaced() {
        assert_eq!(Value::from("a\0b"), Value::Text("a\u{fffd}b".into()));
        assert_eq!(Value::from("a\0b".to_owned()), Value::Text("a\u{fffd}b".into()));
        assert_eq!(Value::from(None::<&str>), Value::Null);
    }
}
