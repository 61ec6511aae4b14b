//! A table being read: knows what was asked of it, and tells what nobody asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{At, Document, Wrong, kind_of};
use crate::config::problem::{listed, nearest};

/// What operators call these settings in other gateways.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("username", "system_id"),
    ("user", "system_id"),
    ("login", "system_id"),
    ("systemid", "system_id"),
    ("pass", "password"),
    ("tps", "rate"),
    ("throughput", "rate"),
    ("sessions", "binds"),
    ("connections", "binds"),
    ("mode", "bind"),
    ("keepalive", "enquire_link"),
    ("keep_alive", "enquire_link"),
    ("timeout", "response_timeout"),
    ("smsc", "host"),
    ("short_code", "number"),
    ("lang", "languages"),
    ("title", "key"),
    ("retries", "retry"),
    ("path", "sqlite"),
    ("file", "sqlite"),
    ("url", "postgres"),
];

/// A table being read: knows what was asked of it, so that what nobody asked for is found to be unknown.
pub(in crate::config) struct Table<'d> {
    document: &'d Document,
    name: String,
    span: Range<usize>,
    entries: &'d DeTable<'d>,
    asked: RefCell<BTreeSet<&'static str>>,
    /// What must be there and isn't; told in the end, unless it stands there under a wrong name.
    needed: RefCell<Vec<(String, String)>>,
    open: Cell<bool>,
}

impl<'d> Table<'d> {
    /// The whole file as a table.
    pub(in crate::config) fn root(document: &'d Document, root: &'d Spanned<DeTable<'d>>) -> Self {
        Self::new(document, String::new(), 0..0, root.get_ref())
    }

    fn new(document: &'d Document, name: String, span: Range<usize>, entries: &'d DeTable<'d>) -> Self {
        let (asked, needed, open) = (RefCell::default(), RefCell::default(), Cell::new(false));
        Self { document, name, span, entries, asked, needed, open }
    }

    /// Leaves the table unread: nothing in it is unknown.
    pub(in crate::config) fn leave(&self) {
        self.open.set(true);
    }

    /// Whether a setting stands in it, right or wrong.
    pub(in crate::config) fn says(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where the table begins.
    pub(in crate::config) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The document it is in.
    pub(in crate::config) fn document(&self) -> &'d Document {
        self.document
    }

    /// Reads an optional setting. A wrong one is noted and reads as absent.
    pub(in crate::config) fn get<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'d DeValue<'d>) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let value = self.entry(key)?;
        self.read(key, value, read)
    }

    /// Reads a setting with a default.
    pub(in crate::config) fn or<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'d DeValue<'d>) -> Result<T, Wrong>,
        default: T,
    ) -> T {
        self.get(key, read).map_or(default, |at| at.value)
    }

    /// Reads a setting that must be there; `hint` says what to write.
    pub(in crate::config) fn need<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'d DeValue<'d>) -> Result<T, Wrong>,
        hint: &str,
    ) -> Option<At<T>> {
        if self.entry(key).is_none() {
            self.missing(key, hint);
            return None;
        }
        self.get(key, read)
    }

    /// A setting, or a `[[block]]`, must be there and isn't.
    pub(in crate::config) fn missing(&self, key: &str, hint: &str) {
        self.needed.borrow_mut().push((key.to_owned(), hint.to_owned()));
    }

    /// A table inside this one.
    pub(in crate::config) fn table(&self, key: &'static str) -> Option<Table<'d>> {
        let value = self.entry(key)?;
        let hint = format!("write it as a table: [{}]", self.inside(key));
        let entries =
            self.read(key, value, |value| value.as_table().ok_or_else(|| Wrong::kind(value, hint)))?;
        Some(Table::new(self.document, self.inside(key), value.span(), entries.value))
    }

    /// The tables of a list: `[[carrier]]` and again `[[carrier]]`.
    pub(in crate::config) fn tables(&self, key: &'static str) -> Vec<Table<'d>> {
        let Some(value) = self.entry(key) else { return Vec::new() };
        let hint = format!("write [[{key}]] with two brackets, one block for each");
        let Some(list) = self.read(key, value, |value| {
            value.as_array().ok_or_else(|| Wrong::new("is not a list of tables", hint.clone()))
        }) else {
            return Vec::new();
        };
        let tables = list.value.iter().filter_map(|item| {
            let span = item.span();
            let entries = match item.get_ref().as_table() {
                Some(entries) => entries,
                None => {
                    self.document.note(span, format!("`{key}` is not a list of tables"), hint.clone());
                    return None;
                }
            };
            Some(Table::new(self.document, format!("[{}]", self.inside(key)), span, entries))
        });
        tables.collect()
    }

    /// Every entry, its key free: languages, keywords, answer values.
    pub(in crate::config) fn entries(&self) -> impl Iterator<Item = (At<&'d str>, &'d Spanned<DeValue<'d>>)> {
        self.leave();
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| (At { value: key.get_ref().as_ref(), span: key.span() }, value))
    }

    /// Every entry with a free key that is a table itself.
    pub(in crate::config) fn tables_by_name(&self) -> Vec<(At<&'d str>, Table<'d>)> {
        self.tables_by_name_beside(&[])
    }

    /// The same, but for entries with these names.
    pub(in crate::config) fn tables_by_name_beside(&self, others: &[&str]) -> Vec<(At<&'d str>, Table<'d>)> {
        let entries = self.entries().filter(|(key, _)| !others.contains(&key.value));
        let entries = entries.filter_map(|(key, value)| match value.get_ref().as_table() {
            Some(entries) => {
                let table = Table::new(self.document, self.inside(key.value), value.span(), entries);
                Some((key, table))
            }
            None => {
                let what = format!("`{}` is {}", key.value, kind_of(value.get_ref()));
                let hint = format!("write it as a table: [{}]", self.inside(key.value));
                self.document.note(value.span(), what, hint);
                None
            }
        });
        entries.collect()
    }

    /// Reads a value that `entries` gave.
    pub(in crate::config) fn read<T>(
        &self,
        key: &str,
        value: &'d Spanned<DeValue<'d>>,
        read: impl FnOnce(&'d DeValue<'d>) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let span = value.span();
        match read(value.get_ref()) {
            Ok(value) => Some(At { value, span }),
            Err(Wrong { what, hint }) => {
                self.document.note(span, format!("`{key}` {what}"), hint);
                None
            }
        }
    }

    /// Notes what nobody asked for. Gives the settings that it was probably meant to be.
    fn note_unknown(&self) -> BTreeSet<&'static str> {
        let asked = self.asked.borrow();
        let mut meant = BTreeSet::new();
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let unset = asked.iter().copied().filter(|ours| !self.says(ours));
            let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            let ours = other.map(|(_, ours)| *ours).filter(|ours| asked.contains(ours));
            let ours = ours.or_else(|| nearest(name, unset)).or_else(|| nearest(name, asked.iter().copied()));
            let hint = match ours {
                Some(ours) => format!("did you mean `{ours}`?"),
                None => format!("{} knows {}", self.called(), listed(asked.iter().copied())),
            };
            self.document.note(key.span(), format!("unknown setting `{name}`"), hint);
            meant.extend(ours);
        }
        meant
    }

    fn entry(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().insert(key);
        let entry = self.entries.get(key);
        if entry.is_none() {
            self.document.leaves_out(self.inside(key));
        }
        entry
    }

    fn inside(&self, key: &str) -> String {
        match self.name.trim_matches(['[', ']']) {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    fn called(&self) -> String {
        if self.name.is_empty() { "the file".to_owned() } else { format!("[{}]", self.name) }
    }
}

impl Drop for Table<'_> {
    /// Whoever reads a table has asked for everything he knows by the time he lets go of it.
    fn drop(&mut self) {
        let meant = if self.open.get() { BTreeSet::new() } else { self.note_unknown() };
        let needed = self.needed.take();
        for (key, hint) in needed.into_iter().filter(|(key, _)| !meant.contains(key.trim_matches(['[', ']'])))
        {
            self.document.note(self.span.clone(), format!("{} has no `{key}`", self.called()), hint);
        }
    }
}

impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).field("span", &self.span).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::unit::{integer, text};

    fn read(text: &str) -> Document {
        Document::new("test.toml", text.to_owned(), Path::new("folder"))
    }

    #[test]
    fn every_problem_is_found_at_once_and_in_the_order_of_the_file() {
        let document = read("port = \"x\"\nhots = \"h\"\n[other]\n");
        {
            let root = document.parse();
            let table = Table::root(&document, &root);
            assert!(table.get("port", integer(1..=65_535)).is_none());
            assert!(table.need("host", text, "a name").is_none());
            assert!(table.need("system_id", text, "a login").is_none());
        }
        let found: Vec<String> = document.found().into_iter().map(|problem| problem.what).collect();
        assert_eq!(
            found,
            [
                "the file has no `system_id`",
                "`port` is a text",
                "unknown setting `hots`",
                "unknown setting `other`"
            ]
        );
    }

    #[test]
    fn a_setting_is_known_by_the_name_other_gateways_give_it() {
        let document = read("username = \"x\"\n");
        {
            let root = document.parse();
            let table = Table::root(&document, &root);
            assert!(table.get("system_id", text).is_none());
        }
        assert_eq!(document.found()[0].hint.as_deref(), Some("did you mean `system_id`?"));
    }
}
