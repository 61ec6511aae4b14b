//! A question as written: its answers, its texts in every language, and whether they fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::DeValue;

use crate::config::fields;
use crate::config::raw::{At, Document, Table, Wrong};
use crate::config::reserved::{fold, names_a_way_out, reserved_in};
use crate::config::unit::{cut, integer, name, one_of, text};
use crate::config::wording::{canonical, message};
use crate::rules::reading::Kind;

/// More answers than this fit no message.
const MOST_VALUES: usize = 100;
/// Answers are small numbers: what a thumb types.
const VALUES: std::ops::RangeInclusive<i64> = 0..=999;

/// What a question is, before its texts have found their languages.
pub(super) struct Asked {
    pub(super) key: Option<String>,
    pub(super) kind: Kind,
    pub(super) reask_limit: u32,
    pub(super) texts: BTreeMap<String, QuestionText>,
}

/// A question in one language.
pub(super) struct QuestionText {
    pub(super) ask: String,
    pub(super) ask_again: Option<String>,
    pub(super) labels: BTreeMap<i64, String>,
}

#[derive(Clone, Copy)]
enum Form {
    Choice,
    Range,
}

pub(super) fn read(table: &Table<'_>, languages: &[At<String>]) -> Option<Asked> {
    let document = table.document();
    let key = table.get("key", name).map(|at| at.value);
    let form = table.need(
        "kind",
        one_of(&[("choice", Form::Choice), ("range", Form::Range)]),
        "write kind = \"choice\" with labels, or kind = \"range\" with min and max",
    );
    let reask_limit = table.or("reask_limit", integer(0..=3), 1);
    let (min, max) = match form.as_ref().map(|at| at.value) {
        Some(Form::Range) => (
            table.need("min", integer(VALUES), "the lowest answer"),
            table.need("max", integer(VALUES), "the highest answer"),
        ),
        _ => (None, None),
    };
    let by_language = table.table("text");
    if by_language.is_none() && !table.says("text") {
        table.missing("text", "write a block for each language: [question.text.en]");
    }
    let mut blocks = Vec::new();
    for (language, block) in by_language.iter().flat_map(Table::tables_by_name) {
        blocks.push(read_block(language, &block));
    }
    if let (Some(min), Some(max)) = (&min, &max)
        && min.value >= max.value
    {
        let what = format!("`max` is {}, which is not more than `min`", max.value);
        document.note(max.span.clone(), what, format!("`min` is {}", min.value));
        return None;
    }
    by_language?;
    let form = form?;
    let declared: Vec<String> = languages.iter().map(|language| language.value.clone()).collect();
    for language in languages {
        if !blocks.iter().any(|block| block.language == language.value) {
            let what = format!("`{}` is declared, and its text is missing", language.value);
            document.note(
                language.span.clone(),
                what,
                format!("write a block [question.text.{}]", language.value),
            );
        }
    }
    for block in blocks.iter().filter(|block| !declared.contains(&block.language)) {
        let what = format!("a text for `{}`, which is not declared", block.language);
        document.note(block.at.clone(), what, "add it to `languages` at the top, or take it out");
    }
    let kind = match form.value {
        Form::Choice => choice(document, &blocks, &declared)?,
        Form::Range => Kind::Range { min: min?.value, max: max?.value },
    };
    let values = values_of(&kind);
    for block in &blocks {
        check_labels(document, block, &kind, &values);
        check_ask(document, block, &values);
    }
    let range = range_words(&kind);
    let texts = blocks.into_iter().filter_map(|block| {
        let labels: BTreeMap<i64, String> =
            block.labels.into_iter().map(|(value, at)| (value, at.value)).collect();
        let options = options(&kind, &labels);
        let put_in = |text: &str| fields::fill(&fields::fill(text, "options", &options), "range", &range);
        let again = block.ask_again.map(|at| put_in(&at.value));
        let ask = put_in(&block.ask?.value);
        Some((block.language, QuestionText { ask, ask_again: again, labels }))
    });
    let texts = texts.collect();
    Some(Asked { key, reask_limit, texts, kind })
}

/// One language of a question, as written.
struct Block {
    language: String,
    at: Range<usize>,
    ask: Option<At<String>>,
    ask_again: Option<At<String>>,
    labels: BTreeMap<i64, At<String>>,
}

fn read_block(language: At<&str>, table: &Table<'_>) -> Block {
    let document = table.document();
    let known = &["name", "brand", "options", "range"];
    let hint = "write the question, the answers as {options}, and the way out: \"Reply STOP to opt out.\"";
    let ask = table.need("ask", message(known), hint);
    let ask_again = table.get("ask_again", message(&["name", "brand", "options", "range", "read"]));
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
    Block { language, at, ask, ask_again, labels }
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

/// The question as people read it must offer the answers that we read, and a way out.
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

pub(super) fn range_words(kind: &Kind) -> String {
    let values = values_of(kind);
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return String::new() };
    let gaps = i64::try_from(values.len()).unwrap_or_default() != last - first + 1;
    if gaps {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    } else {
        format!("{first}-{last}")
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
