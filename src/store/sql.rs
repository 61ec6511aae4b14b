//! The dialect: statements are written once, with marks where SQLite and Postgres differ.
//!
//! Every statement takes one JSON text (`$1`) and gives one column of JSON texts. So all Rust code is the same for
//! both engines, a batch of any size is one prepared statement, and a row costs the driver nothing.
//!
//! | mark | means |
//! | --- | --- |
//! | `{rows id bigint, name text}` | `$1` is a list of objects: a table `r` with these columns |
//! | `{ids}` | `$1` is a list of numbers: a table `r` with a column `id` |
//! | `{each c.members}` | a JSON text holding a list of numbers: a table with a column `value` |
//! | `{text lane}`, `{int now_ms}` | `$1` is one object: its member |
//! | `{list id, "to"}` | all rows of the table `x` as one JSON list of objects; `x` has just these columns |
//! | `{row id, "to"}` | one row of `x` as a JSON object |
//! | `{pack c.id, c.lane}` | an object of columns, where there is no `x` (`returning`) |
//! | `{skip_locked}` | leave rows another node is just taking |
//! | `{probe outcome o on o.message = r.message}` | `join`, for each row before it a few by their message |
//! | `{probe left message m on m.id = r.id}` | the same, as a `left join` |
//! | `{span message}` | `and` this message is one of those asked for, or was made between them |
//! | `{states s}` | `v_message_state s`, of those messages |
//!
//! With a partition a day (`days.rs`) the last four tell Postgres between which messages it has to look: else it would plan each
//! look-up over all days. The messages are the numbers of the argument's list, or the `message` of each of its objects, or those
//! between its `after` and its `before`.
//!
//! Marks may stand in marks. A list or a column of JSON inside a row stays a string, which the reader parses in turn:
//! whether SQLite remembers that a text is JSON depends on its plan.

use std::sync::OnceLock;

use serde::Serialize;

use super::error::StoreError;

/// Which of the two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
    /// Postgres with a partition a day.
    Daily,
}

/// One statement for both engines.
pub(super) struct Sql {
    text: &'static str,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
    daily: OnceLock<String>,
}

impl Sql {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, sqlite: OnceLock::new(), postgres: OnceLock::new(), daily: OnceLock::new() }
    }

    /// The text for this engine, worked out once.
    pub(super) fn text(&'static self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite.get_or_init(|| expand(self.text, dialect)),
            Dialect::Postgres => self.postgres.get_or_init(|| expand(self.text, dialect)),
            Dialect::Daily => self.daily.get_or_init(|| expand(self.text, dialect)),
        }
    }

    /// Which messages are asked for, where the text wants to know: `$2` and `$3`.
    pub(super) fn span(&self, dialect: Dialect, argument: &str) -> Option<Span> {
        let wants = || ["{probe ", "{span ", "{states "].iter().any(|mark| self.text.contains(mark));
        if dialect != Dialect::Daily || !wants() {
            return None;
        }
        let argument: serde_json::Value = serde_json::from_str(argument).unwrap_or_default();
        let id = |of: &serde_json::Value, member| of.get(member).and_then(serde_json::Value::as_i64);
        if let (Some(after), Some(before)) = (id(&argument, "after"), id(&argument, "before")) {
            return Some(Span { from: after, to: before });
        }
        let rows = argument.as_array().map_or(std::slice::from_ref(&argument), Vec::as_slice);
        let one = |row: &serde_json::Value| id(row, "message").or_else(|| row.as_i64());
        debug_assert!(
            rows.iter().all(|row| one(row).is_some()),
            "no message in what is asked: {}",
            self.text
        );
        let ids = rows.iter().filter_map(one);
        Some(ids.fold(Span { from: i64::MAX, to: i64::MIN }, |span, id| Span {
            from: span.from.min(id),
            to: span.to.max(id.saturating_add(1)),
        }))
    }
}

/// The messages from this one up to, but without, that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// The one argument of a statement.
pub(super) fn argument(value: &(impl Serialize + ?Sized)) -> Result<String, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| StoreError::Refused(error.to_string()))?;
    Ok(without_nul(text))
}

/// Postgres keeps no U+0000 in a text, and handsets do send it. It becomes the replacement character, in both
/// engines alike, rather than a message nobody can store.
fn without_nul(text: String) -> String {
    const NUL: &str = "\\u0000";
    if !text.contains(NUL) {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        clean.push_str(&rest[..at]);
        if let Some(after) = rest[at..].strip_prefix(NUL) {
            clean.push('\u{fffd}');
            rest = after;
        } else {
            // a backslash and the sign it escapes stay together, so that `\\u0000` is not mistaken
            let end = (at + 2).min(rest.len());
            clean.push_str(&rest[at..end]);
            rest = &rest[end..];
        }
    }
    clean + rest
}

/// Puts the engine's words in for the marks, innermost first.
fn expand(text: &str, dialect: Dialect) -> String {
    let mut text = text.to_owned();
    while let Some((start, length)) =
        text.find('}').and_then(|end| text[..end].rfind('{').map(|start| (start, end - start)))
    {
        let mark = &text[start + 1..start + length];
        let (name, rest) = mark.split_once(char::is_whitespace).unwrap_or((mark, ""));
        let words = match dialect {
            Dialect::Sqlite => sqlite(name, rest.trim()),
            Dialect::Postgres => postgres(name, rest.trim()),
            Dialect::Daily => daily(name, rest.trim()),
        };
        text.replace_range(start..=start + length, &words);
    }
    text
}

/// A text as SQLite gets it.
#[cfg(test)]
pub(super) fn expanded(text: &str) -> String {
    expand(text, Dialect::Sqlite)
}

fn sqlite(name: &str, rest: &str) -> String {
    match name {
        "rows" => {
            let columns = each(rest, |column| {
                let column = column.split_whitespace().next().unwrap_or_default();
                format!("value ->> '{}' as {column}", column.trim_matches('"'))
            });
            // jsonb_each hands out parsed values: twice as fast as json_each (ARCHITECTURE.md has the figures)
            format!("(select {columns} from jsonb_each($1)) r")
        }
        "ids" => "(select value as id from json_each($1)) r".to_owned(),
        "each" => format!("json_each({rest})"),
        "text" | "int" => format!("($1 ->> '{rest}')"),
        "list" => format!("json_group_array(json_object({}))", members(rest, "x.")),
        "row" => format!("json_object({})", members(rest, "x.")),
        "pack" => format!("json_object({})", members(rest, "")),
        "probe" => joined(rest),
        "states" => format!("v_message_state {rest}"),
        _ => String::new(),
    }
}

fn postgres(name: &str, rest: &str) -> String {
    match name {
        "rows" => format!("json_to_recordset(cast($1 as json)) as r({rest})"),
        "ids" => {
            "(select cast(value as bigint) as id from json_array_elements_text(cast($1 as json))) r".into()
        }
        "each" => format!("json_array_elements_text(cast({rest} as json))"),
        "text" => format!("(cast($1 as json) ->> '{rest}')"),
        "int" => format!("cast(cast($1 as json) ->> '{rest}' as bigint)"),
        // a whole row at once: json_agg looks its column names up once, json_build_object for each row
        "list" => "cast(json_agg(x) as text)".to_owned(),
        "row" => "cast(row_to_json(x) as text)".to_owned(),
        "pack" => format!("cast(json_build_object({}) as text)", members(rest, "")),
        "skip_locked" => "for update skip locked".to_owned(),
        "probe" => joined(rest),
        "states" => format!("v_message_state {rest}"),
        _ => String::new(),
    }
}

/// `offset 0` keeps the planner from seeing through: knowing the span alone, it would rather read all of that where it takes a
/// new day's table for an empty one.
fn daily(name: &str, rest: &str) -> String {
    match name {
        "probe" => Probe::read(rest).map(|probe| probe.between()).unwrap_or_default(),
        "span" => format!("and {rest} >= $2 and {rest} < $3"),
        "states" => format!("({}) {rest}", states_between()),
        _ => postgres(name, rest),
    }
}

/// The view of states written out, with as much of its tables as is asked for.
fn states_between() -> String {
    const VIEWS: &str = include_str!("migrations/postgres/0002_state.sql");
    let view = |name: &str| {
        let text = VIEWS.split_once(&format!("create view {name} as\n")).map(|(_, text)| text);
        text.and_then(|text| text.split_once(';')).map_or("", |(text, _)| text)
    };
    let mut text = view("v_message_state").to_owned();
    for name in ["v_outcome", "v_failure"] {
        text = text.replace(&format!("from {name} "), &format!("from ({}) ", view(name)));
    }
    for (table, id) in [("message", "id"), ("outcome", "message"), ("receipt", "message")] {
        let between = format!("from (select * from {table} where {id} >= $2 and {id} < $3) ");
        text = text.replace(&format!("from {table} "), &between);
    }
    text
}

/// `left message m on m.id = r.id`
struct Probe<'a> {
    kind: &'a str,
    table: &'a str,
    alias: &'a str,
    column: &'a str,
    by: &'a str,
}

impl<'a> Probe<'a> {
    fn read(mark: &'a str) -> Option<Self> {
        let (kind, mark) = match mark.strip_prefix("left ") {
            Some(rest) => ("left ", rest),
            None => ("", mark),
        };
        let (what, condition) = mark.split_once(" on ")?;
        let (table, alias) = what.split_once(' ')?;
        let (column, by) = condition.split_once(" = ")?;
        let column = column.strip_prefix(alias)?.strip_prefix('.')?;
        Some(Self { kind, table, alias, column, by })
    }

    fn between(&self) -> String {
        let Self { kind, table, alias, column, by } = self;
        format!(
            "{kind}join lateral (select * from {table} where {column} = {by} and {column} >= $2 and {column} < $3 offset 0) \
             {alias} on true"
        )
    }
}

fn joined(rest: &str) -> String {
    match rest.strip_prefix("left ") {
        Some(rest) => format!("left join {rest}"),
        None => format!("join {rest}"),
    }
}

fn members(columns: &str, table: &str) -> String {
    each(columns, |column| {
        let name = column.rsplit('.').next().unwrap_or(column).trim_matches('"');
        format!("'{name}', {table}{column}")
    })
}

fn each(list: &str, word: impl Fn(&str) -> String) -> String {
    list.split(',').map(|item| word(item.trim())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_becomes_each_engines_own_words() {
        static INSERT: Sql = Sql::new("insert into t select id, \"to\" from {rows id bigint, \"to\" text}");
        assert_eq!(
            INSERT.text(Dialect::Sqlite),
            "insert into t select id, \"to\" from \
             (select value ->> 'id' as id, value ->> 'to' as \"to\" from jsonb_each($1)) r"
        );
        assert_eq!(
            INSERT.text(Dialect::Postgres),
            "insert into t select id, \"to\" from \
             json_to_recordset(cast($1 as json)) as r(id bigint, \"to\" text)"
        );
    }

    #[test]
    fn marks_may_stand_in_marks() {
        static NESTED: Sql = Sql::new("select id from {each (select {list a} from x)}");
        assert_eq!(
            NESTED.text(Dialect::Sqlite),
            "select id from json_each((select json_group_array(json_object('a', x.a)) from x))"
        );
        assert_eq!(
            NESTED.text(Dialect::Postgres),
            "select id from json_array_elements_text(cast((select cast(json_agg(x) as text) from x) as json))"
        );
    }

    #[test]
    fn a_nul_in_a_text_is_replaced_and_a_written_one_is_not() {
        assert_eq!(argument("a\0b\0").unwrap(), "\"a\u{fffd}b\u{fffd}\"");
        assert_eq!(argument("a\\u0000b\0").unwrap(), "\"a\\\\u0000b\u{fffd}\"");
        assert_eq!(argument("plain").unwrap(), "\"plain\"");
    }

    static SENT: Sql = Sql::new(
        "select o.part from {ids} {probe outcome o on o.message = r.id} {probe left message m on m.id = o.message} \
         where o.kind = 'sent' and not exists (select 1 from receipt c where c.message = o.message {span c.message})",
    );

    #[test]
    fn with_a_table_a_day_a_look_up_says_between_which_messages_it_looks() {
        assert_eq!(
            SENT.text(Dialect::Sqlite),
            "select o.part from (select value as id from json_each($1)) r join outcome o on o.message = r.id \
             left join message m on m.id = o.message \
             where o.kind = 'sent' and not exists (select 1 from receipt c where c.message = o.message )"
        );
        assert_eq!(
            SENT.text(Dialect::Daily),
            "select o.part from (select cast(value as bigint) as id from json_array_elements_text(cast($1 as json))) r \
             join lateral (select * from outcome where message = r.id and message >= $2 and message < $3 offset 0) \
             o on true \
             left join lateral (select * from message where id = o.message and id >= $2 and id < $3 offset 0) \
             m on true \
             where o.kind = 'sent' and not exists (select 1 from receipt c where c.message = o.message \
             and c.message >= $2 and c.message < $3)"
        );
    }

    #[test]
    fn the_messages_asked_for_are_between_the_first_and_the_last_in_any_order() {
        let span = |argument| SENT.span(Dialect::Daily, argument);
        assert_eq!(span("[7,3,5]"), Some(Span { from: 3, to: 8 }));
        assert_eq!(
            span(r#"[{"message":9,"part":0},{"message":4,"part":1}]"#),
            Some(Span { from: 4, to: 10 })
        );
        assert!(span("[]").is_some_and(|none| none.from > none.to));
        assert_eq!(span(r#"{"message":9}"#), Some(Span { from: 9, to: 10 }));
        assert_eq!(span(r#"{"after":3,"before":9,"limit":5}"#), Some(Span { from: 3, to: 9 }));
        assert_eq!(SENT.span(Dialect::Postgres, "[7]"), None);
        static PLAIN: Sql = Sql::new("select {list id} from (select id from campaign) x");
        assert_eq!(PLAIN.span(Dialect::Daily, "[7]"), None);
    }

    #[test]
    fn a_state_that_is_asked_for_reads_no_whole_table() {
        static STATE: Sql = Sql::new("select s.state from {states s} where s.message = {int message}");
        let plain = STATE.text(Dialect::Postgres);
        assert!(plain.starts_with("select s.state from v_message_state s where"), "{plain}");
        let text = STATE.text(Dialect::Daily);
        for table in ["message", "outcome", "receipt"] {
            let named = text.matches(&format!("from {table} ")).count();
            assert!(named > 0, "{table}");
            assert_eq!(named, text.matches(&format!("from (select * from {table} where ")).count());
        }
        assert!(!text.contains("v_"), "no view is left: {text}");
    }
}
