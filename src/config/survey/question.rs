//! A question as written: its answers, its texts in every language, and whether they fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::DeValue;

use super::branch::{self, Branches, Written};
use super::calls;
use crate::config::fields;
use crate::config::raw::{At, Document, Table, Wrong};
use crate::config::reserved::{fold, names_a_way_out, reserved_in};
use crate::config::unit::{cut, integer, name, one_of, text};
use crate::config::wording::{canonical, message};
use crate::rules::reading::{Kind, Question};
use crate::rules::survey::{CallHours, Item, Need, Span};

/// More answers than this fit no message.
const MOST_VALUES: usize = 100;
/// Answers are small numbers: what a thumb types.
const VALUES: std::ops::RangeInclusive<i64> = 0..=999;
/// Beyond this a number is none that a person means: 12 digits.
const LARGEST: i64 = 999_999_999_999;
/// Ten parts of 153 septets: longer words no handset sends.
const MOST_SIGNS: i64 = 1_530;

/// A question as read; where it leads is known when all are.
pub(super) struct Asked {
    pub(super) key: Option<At<String>>,
    pub(super) kind: Kind,
    pub(super) branches: Written,
    need: Need,
    reask_limit: u32,
    within: Span,
    calls: Option<CallHours>,
    texts: BTreeMap<String, QuestionText>,
}

/// What is said with a question in one language. Merge fields: `{name|there}`, `{brand}`; in `ask_again` also
/// `{read|your answer}`, in `thanks` also `{answer}`; `{options}` where they are times for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionText {
    /// The question, with the answers and the way out.
    pub ask: String,
    /// The question again, where it has its own words for it.
    pub ask_again: Option<String>,
    /// The question to somebody who has not answered, where it has its own words for it.
    pub remind: Option<String>,
    /// Thanks when it was the last one, where it has its own words for it.
    pub thanks: Option<String>,
    /// The answers in words: all of them, or the ends of a range.
    pub labels: BTreeMap<i64, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Choice,
    Range,
    YesNo,
    Text,
    Number,
    Date,
    Callback,
}

const FORMS: [(&str, Form); 7] = [
    ("choice", Form::Choice),
    ("range", Form::Range),
    ("yes_no", Form::YesNo),
    ("text", Form::Text),
    ("number", Form::Number),
    ("date", Form::Date),
    ("callback", Form::Callback),
];

impl Asked {
    /// The question for the rules, and its words by language.
    pub(super) fn finish(
        self,
        branches: Branches,
        keyword: Option<String>,
    ) -> (Item, BTreeMap<String, QuestionText>) {
        let item = Item {
            question: Question {
                key: self.key.map(|at| at.value).unwrap_or_default(),
                kind: self.kind,
                keyword,
                asked: self.texts.values().map(|text| text.ask.clone()).collect(),
            },
            need: self.need,
            reask_limit: self.reask_limit,
            within: self.within,
            next: branches.next,
            otherwise: branches.otherwise,
            notify: branches.notify,
            hand_over: branches.hand_over,
            calls: self.calls,
        };
        (item, self.texts)
    }
}

/// Reads a `[[question]]`; `place` is 0 for the first.
pub(super) fn read(table: &Table<'_>, languages: &[At<String>], place: usize) -> Option<Asked> {
    let document = table.document();
    let key = table.get("key", name);
    let hint = "write kind = \"choice\" with labels, kind = \"range\" with min and max, or another";
    let form = table.need("kind", one_of(&FORMS), hint);
    let reask_limit = table.or("reask_limit", integer(0..=3), 1);
    let need = if table.or("optional", truth, false) { Need::Optional } else { Need::Required };
    let branches = branch::written(table);
    let (within, kind, calls) = match form.as_ref().map(|at| at.value) {
        Some(Form::Range) => {
            let (min, max) = (
                table.need("min", integer(VALUES), "the lowest answer"),
                table.need("max", integer(VALUES), "the highest answer"),
            );
            let span = span(document, min, max);
            (Some(Span::ALL), span.map(|span| Kind::Range { min: span.from, max: span.to }), None)
        }
        Some(Form::Number) => {
            let limits = integer(-LARGEST..=LARGEST);
            (limits_of(table, "min", "max", limits), Some(Kind::Number), None)
        }
        Some(Form::Text) => {
            let signs = integer(1..=MOST_SIGNS);
            (limits_of(table, "min_chars", "max_chars", signs), Some(Kind::FreeText), None)
        }
        Some(Form::Date) => (limits_of(table, "earliest", "latest", day), Some(Kind::Date), None),
        Some(Form::YesNo) => (Some(Span::ALL), Some(Kind::YesNo), None),
        // Which times there are is known when the question is put.
        Some(Form::Callback) => {
            let calls = calls::read(table);
            let values = (0..=calls.as_ref().map_or(0, |calls| calls.offers))
                .filter_map(|value| i64::try_from(value).ok());
            let kind = Kind::Choice { labels: BTreeMap::new(), values: values.collect() };
            (Some(Span::ALL), calls.is_some().then_some(kind), calls)
        }
        Some(Form::Choice) | None => (Some(Span::ALL), None, None),
    };
    let by_language = table.table("text");
    if by_language.is_none() && !table.says("text") {
        table.missing("text", "write a block for each language: [question.text.en]");
    }
    let mut blocks = Vec::new();
    for (language, block) in by_language.iter().flat_map(Table::tables_by_name) {
        blocks.push(read_block(language, &block));
    }
    by_language?;
    let form = form?;
    if place == 0 && form.value == Form::Callback {
        let hint = "nobody waits for a call they were not asked about; put a question before it";
        document.note(form.span, "a call is offered first", hint);
        return None;
    }
    let form = form.value;
    let declared: Vec<String> = languages.iter().map(|language| language.value.clone()).collect();
    check_languages(document, &blocks, languages, &declared);
    let kind = if form == Form::Choice { choice(document, &blocks, &declared)? } else { kind? };
    let values = values_of(&kind);
    for block in &blocks {
        check_labels(document, block, &kind, &values);
        match form {
            Form::Choice | Form::Range => check_ask(document, block, &values),
            Form::Callback => check_offer(document, block),
            _ => {}
        }
        if place == 0 {
            check_way_out(document, block);
        }
    }
    let mut asked =
        Asked { key, kind, branches, need, reask_limit, within: within?, calls, texts: BTreeMap::new() };
    asked.texts = blocks.into_iter().filter_map(|block| text_of(block, &asked, form)).collect();
    Some(asked)
}

/// A block's texts, with what is known already filled in.
fn text_of(block: Block, asked: &Asked, form: Form) -> Option<(String, QuestionText)> {
    let labels: BTreeMap<i64, String> =
        block.labels.into_iter().map(|(value, at)| (value, at.value)).collect();
    let range = spelled_range(&asked.kind, asked.within, &labels);
    let options = options(&asked.kind, &labels);
    let put_in = |at: At<String>| {
        if form == Form::Callback {
            return at.value;
        }
        fields::fill(&fields::fill(&at.value, "options", &options), "range", &range)
    };
    let text = QuestionText {
        ask: put_in(block.ask?),
        ask_again: block.ask_again.map(put_in),
        remind: block.remind.map(put_in),
        thanks: block.thanks.map(|at| at.value),
        labels,
    };
    Some((block.language, text))
}

fn check_languages(document: &Document, blocks: &[Block], languages: &[At<String>], declared: &[String]) {
    for language in languages {
        if !blocks.iter().any(|block| block.language == language.value) {
            let what = format!("`{}` is declared, and its text is missing", language.value);
            let hint = format!("write a block [question.text.{}]", language.value);
            document.note(language.span.clone(), what, hint);
        }
    }
    for block in blocks.iter().filter(|block| !declared.contains(&block.language)) {
        let what = format!("a text for `{}`, which is not declared", block.language);
        document.note(block.at.clone(), what, "add it to `languages` at the top, or take it out");
    }
}

/// Two limits that must be in order.
fn span(document: &Document, min: Option<At<i64>>, max: Option<At<i64>>) -> Option<Span> {
    let (min, max) = (min?, max?);
    if min.value >= max.value {
        let what = format!("`max` is {}, which is not more than `min`", max.value);
        document.note(max.span, what, format!("`min` is {}", min.value));
        return None;
    }
    Some(Span { from: min.value, to: max.value })
}

/// Two limits of which each may be missing.
fn limits_of(
    table: &Table<'_>,
    low: &'static str,
    high: &'static str,
    read: impl Fn(&DeValue<'_>) -> Result<i64, Wrong>,
) -> Option<Span> {
    let (from, to) = (table.get(low, &read), table.get(high, &read));
    if let (Some(from), Some(to)) = (&from, &to)
        && from.value > to.value
    {
        let what = format!("`{high}` is below `{low}`");
        table.document().note(to.span.clone(), what, "no answer would do; turn them round");
        return None;
    }
    Some(Span {
        from: from.map_or(Span::ALL.from, |at| at.value),
        to: to.map_or(Span::ALL.to, |at| at.value),
    })
}

fn day(value: &DeValue<'_>) -> Result<i64, Wrong> {
    let hint = "write a day in quotes, like \"2026-01-31\"";
    let written = value.as_str().ok_or_else(|| Wrong::kind(value, hint))?;
    branch::day(written).ok_or_else(|| Wrong::new(format!("is `{}`", cut(written)), hint))
}

fn truth(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| Wrong::kind(value, "write true or false, without quotes"))
}

/// One language of a question, as written.
struct Block {
    language: String,
    at: Range<usize>,
    ask: Option<At<String>>,
    ask_again: Option<At<String>>,
    remind: Option<At<String>>,
    thanks: Option<At<String>>,
    labels: BTreeMap<i64, At<String>>,
}

fn read_block(language: At<&str>, table: &Table<'_>) -> Block {
    let document = table.document();
    let known = &["name", "brand", "options", "range"];
    let hint = "write the question, the answers as {options}, and the way out: \"Reply STOP to opt out.\"";
    let ask = table.need("ask", message(known), hint);
    let ask_again = table.get("ask_again", message(&["name", "brand", "options", "range", "read"]));
    let remind = table.get("remind", message(known));
    let thanks = table.get("thanks", message(&["name", "brand", "answer"]));
    let mut labels = BTreeMap::new();
    if let Some(table) = table.table("labels") {
        for (key, value) in table.entries() {
            let number = key.value.parse().ok().filter(|value| VALUES.contains(value));
            let Some(number) = number else {
                let hint = format!("answers are numbers from {} to {}", VALUES.start(), VALUES.end());
                document.note(key.span, format!("`{}` is no answer", cut(key.value)), hint);
                continue;
            };
            if let Some(label) = table.read(key.value, value, label) {
                labels.insert(number, label);
            }
        }
    }
    let at = language.span.clone();
    let language = canonical(document, &language).unwrap_or_else(|| language.value.to_owned());
    Block { language, at, ask, ask_again, remind, thanks, labels }
}

/// The choices are those of the default language; every other must have the same.
fn choice(document: &Document, blocks: &[Block], declared: &[String]) -> Option<Kind> {
    let first = blocks.iter().find(|block| Some(&block.language) == declared.first()).or(blocks.first())?;
    let values: BTreeSet<i64> = first.labels.keys().copied().collect();
    if values.len() < 2 || values.len() > MOST_VALUES {
        let what = format!("`{}` has {} answers to choose from", first.language, values.len());
        let hint =
            format!("write 2 to {MOST_VALUES} under [question.text.{}.labels]: 1 = \"…\"", first.language);
        document.note(first.at.clone(), what, hint);
        return None;
    }
    for block in blocks {
        let theirs: BTreeSet<i64> = block.labels.keys().copied().collect();
        for value in values.difference(&theirs) {
            let what = format!("`{}` has no label for answer {value}", block.language);
            let meaning = first.labels.get(value).map(|at| at.value.as_str()).unwrap_or_default();
            document.note(block.at.clone(), what, format!("say \"{meaning}\" in that language"));
        }
        for value in theirs.difference(&values) {
            let at = block.labels.get(value).map_or(block.at.clone(), |at| at.span.clone());
            let what = format!(
                "`{}` has a label for answer {value}, and `{}` has none",
                block.language, first.language
            );
            document.note(at, what, "all languages have the same answers");
        }
    }
    let labels = blocks.iter().map(|block| {
        let labels = block.labels.iter().map(|(value, at)| (*value, at.value.clone())).collect();
        (block.language.clone(), labels)
    });
    Some(Kind::Choice { labels: labels.collect(), values })
}

/// Labels are what people answer in words: none may be a command, another answer's number, or said twice.
fn check_labels(document: &Document, block: &Block, kind: &Kind, values: &BTreeSet<i64>) {
    let languages = [block.language.clone()];
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    for (value, label) in &block.labels {
        let note = |what: String, hint: String| document.note(label.span.clone(), what, hint);
        if let Some(word) = reserved_in(&label.value, &languages) {
            let what = format!("the label `{}` is read as the command `{word}`", label.value);
            note(what, "people stop, start and ask for help with such words; say it in others".to_owned());
        }
        if let Some(other) =
            numbers(&label.value).into_iter().find(|number| number != value && values.contains(number))
        {
            let what = format!("the label of {value} names {other}, which is another answer");
            note(what, "say it in words without that number".to_owned());
        }
        if let Some(first) = seen.insert(fold(&label.value), *value) {
            note(
                format!("answers {first} and {value} have the same label"),
                "a label means one answer".to_owned(),
            );
        }
        if matches!(kind, Kind::Range { .. }) && !values.contains(value) {
            note(
                format!("a label for {value}, which is outside the range"),
                "label the ends of the range".to_owned(),
            );
        }
    }
}

/// The question as people read it must offer the answers that we read.
fn check_ask(document: &Document, block: &Block, values: &BTreeSet<i64>) {
    let Some(ask) = &block.ask else { return };
    let offers_by_field = ["{options}", "{range}"].iter().any(|field| ask.value.contains(field));
    if !offers_by_field {
        let named: BTreeSet<i64> = numbers(&ask.value).into_iter().collect();
        let ends = values.first().zip(values.last());
        let missing = ends.filter(|(first, last)| !named.contains(first) || !named.contains(last));
        if let Some((first, last)) = missing {
            let what =
                format!("the question in `{}` doesn't name its answers, {first} to {last}", block.language);
            document.note(
                ask.span.clone(),
                what,
                "write {options} or {range} where they belong; they are filled in",
            );
        } else if let Some(beyond) = ends.and_then(|(_, last)| named.iter().find(|number| *number > last)) {
            let what = format!("the question in `{}` names {beyond}, which is no answer", block.language);
            document.note(ask.span.clone(), what, "write {range}; it is filled in");
        }
    }
}

/// A question for a call must offer the times; of its answers only 0, no call, has a word.
fn check_offer(document: &Document, block: &Block) {
    if let Some(ask) = block.ask.as_ref().filter(|ask| !ask.value.contains("{options}")) {
        let what = format!("the question in `{}` doesn't offer the times", block.language);
        document.note(ask.span.clone(), what, "write {options} where they belong; they are filled in");
    }
    for (value, label) in block.labels.iter().filter(|(value, _)| **value != 0) {
        let what = format!("a label for {value}, which is a time for a call");
        document.note(label.span.clone(), what, "the times are filled in; label 0, which is no call");
    }
}

/// The first text that a person gets shows the way out.
fn check_way_out(document: &Document, block: &Block) {
    let Some(ask) = &block.ask else { return };
    if !names_a_way_out(&ask.value) {
        let what = format!("the question in `{}` has no way out", block.language);
        document.note(ask.span.clone(), what, "end it with the language's \"Reply STOP to opt out.\"");
    }
}

/// The answers, one a line; for a range its ends.
fn options(kind: &Kind, labels: &BTreeMap<i64, String>) -> String {
    match kind {
        Kind::Range { min, max } => {
            let end = |value: &i64| {
                labels.get(value).map_or(value.to_string(), |label| format!("{value} ({label})"))
            };
            format!("{} - {}", end(min), end(max))
        }
        _ => {
            let lines: Vec<String> = labels.iter().map(|(value, label)| format!("{value} {label}")).collect();
            lines.join("\n")
        }
    }
}

fn values_of(kind: &Kind) -> BTreeSet<i64> {
    match kind {
        Kind::Choice { values, .. } => values.clone(),
        Kind::Range { min, max } => (*min..=*max).collect(),
        Kind::YesNo => [0, 1].into(),
        Kind::FreeText | Kind::Number | Kind::Date => BTreeSet::new(),
    }
}

/// The answers to a question as a person is told them: `1-8`.
pub(super) fn range_words(item: &Item) -> String {
    spelled_range(&item.question.kind, item.within, &BTreeMap::new())
}

fn spelled_range(kind: &Kind, within: Span, labels: &BTreeMap<i64, String>) -> String {
    match kind {
        Kind::Choice { .. } | Kind::Range { .. } => spelled_values(&values_of(kind)),
        Kind::YesNo => {
            let word = |value: i64, usual: &str| labels.get(&value).cloned().unwrap_or(usual.to_owned());
            format!("{} / {}", word(1, "yes"), word(0, "no"))
        }
        Kind::Date => spelled_limits(within, |day| {
            format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
        }),
        Kind::Number | Kind::FreeText => spelled_limits(within, |value| value.to_string()),
    }
}

fn spelled_values(values: &BTreeSet<i64>) -> String {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return String::new() };
    let gaps = i64::try_from(values.len()).unwrap_or_default() != last - first + 1;
    if gaps {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    } else {
        format!("{first}-{last}")
    }
}

fn spelled_limits(within: Span, word: impl Fn(i64) -> String) -> String {
    match (within.from > i64::MIN, within.to < i64::MAX) {
        (true, true) => format!("{} - {}", word(within.from), word(within.to)),
        (true, false) => format!(">= {}", word(within.from)),
        (false, true) => format!("<= {}", word(within.to)),
        (false, false) => String::new(),
    }
}

/// The whole numbers in a text, in the digits of the scripts we ask in.
fn numbers(text: &str) -> Vec<i64> {
    /// Zeros of ASCII, Arabic-Indic, Persian, Devanagari, Bengali, and full-width digits.
    const ZEROS: [u32; 6] = [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xff10];
    let digit = |sign: char| {
        let code = u32::from(sign);
        ZEROS
            .iter()
            .find(|zero| (**zero..**zero + 10).contains(&code))
            .and_then(|zero| char::from_digit(code - zero, 10))
    };
    let ascii: String = text.chars().map(|sign| digit(sign).unwrap_or(' ')).collect();
    ascii.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn label(value: &DeValue<'_>) -> Result<String, Wrong> {
    /// Two words, three at most: it stands in a list on a small screen.
    const SIGNS: usize = 60;
    let written = text(value)?.trim();
    if written.chars().count() > SIGNS
        || written.contains(['{', '}'])
        || written.chars().any(char::is_control)
    {
        let hint = format!("a label is a few words on one line, at most {SIGNS} characters, without braces");
        return Err(Wrong::new(format!("is `{}`", cut(written)), hint));
    }
    Ok(written.to_owned())
}
