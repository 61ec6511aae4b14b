//! A survey as a file: its questions with their branches, asked in many languages, and what is said around them.

mod branch;
mod calls;
mod question;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::de::DeValue;

use super::language::ByLanguage;
use super::problem::Problems;
use super::raw::{At, Document, Table, Wrong};
use super::reserved::reserved_in;
use super::unit::{duration, integer, name, text, texts};
use super::wording::{canonical, declared, keyword, message};
use crate::message::Sender;
use crate::rules::survey::{Plan, said_word};
use question::Asked;

pub use question::QuestionText;

/// Three days: who hasn't answered by then is telling us something else.
const USUAL_EXPIRY_MS: u64 = 3 * 86_400_000;
/// A day: a reminder sooner is a nuisance.
const USUAL_REMINDER_MS: u64 = 86_400_000;
/// A week: later than that nobody remembers what was asked.
const USUAL_LATE_MS: u64 = 7 * 86_400_000;
/// A quarter of an hour: who corrects himself does it at once.
const USUAL_CHANGE_MS: u64 = 15 * 60_000;
/// More reminders than this are badgering.
const MOST_REMINDERS: u32 = 3;
/// More questions than this nobody answers by SMS.
const MOST_QUESTIONS: usize = 20;
/// More senders than this are no pool but a mistake.
const MOST_SENDERS: usize = 20;

/// A survey.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Its name in commands, tables and exports.
    pub key: String,
    /// The codes it is asked from, where it is bound to some: the first on which the handset has no question open.
    pub senders: Vec<Sender>,
    /// The word that starts it, and that may stand before an answer.
    pub keyword: Option<String>,
    /// The questions and where answers lead, for the rules.
    pub plan: Plan,
    /// The words of each question, in the order of the plan.
    questions: Vec<ByLanguage<QuestionText>>,
    closing: ByLanguage<ClosingText>,
}

/// What is said in one language when there is nothing more to ask; where a text is missing, the code's is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClosingText {
    /// Thanks at the end.
    pub thanks: Option<String>,
    /// An answer was changed.
    pub changed: Option<String>,
    /// An answer came after the end.
    pub late: Option<String>,
}

impl Survey {
    /// The words of its first question for a person of this language.
    ///
    /// # Panics
    /// Never: a survey without a question is refused when it is read.
    pub fn text(&self, language: Option<&str>) -> &QuestionText {
        self.questions[0].get(language)
    }

    /// The words of a question, by its place in the plan.
    pub fn question(&self, place: usize, language: Option<&str>) -> Option<&QuestionText> {
        Some(self.questions.get(place)?.get(language))
    }

    /// What is said at the end.
    pub fn closing(&self, language: Option<&str>) -> &ClosingText {
        self.closing.get(language)
    }

    /// The language of [`Survey::text`].
    pub fn language(&self, language: Option<&str>) -> &str {
        self.closing.language(language)
    }

    /// Every language with the words of the first question, the default first.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &QuestionText)> {
        self.questions[0].iter()
    }

    /// Every language, the default first.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.closing.iter().map(|(language, _)| language)
    }

    /// The answers to the first question as a person is told them: `1-8`.
    pub fn range(&self) -> String {
        self.range_of(0)
    }

    /// The answers to a question as a person is told them.
    pub fn range_of(&self, place: usize) -> String {
        self.plan.items.get(place).map(question::range_words).unwrap_or_default()
    }
}

/// Reads a survey file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_survey(path: &Path) -> Result<Survey, Problems> {
    let document = Document::open(path)?;
    let survey = read(&document);
    document.finish(survey).map(|read| read.survey)
}

/// Reads a survey from memory; `file` names it in problems.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_survey(file: &str, text: &str) -> Result<Survey, Problems> {
    let document = Document::new(file, text.to_owned(), Path::new(""));
    let survey = read(&document);
    document.finish(survey).map(|read| read.survey)
}

/// A survey and where it says what only the configuration around it can judge.
pub(super) struct Read {
    pub(super) survey: Survey,
    pub(super) key_at: Range<usize>,
    pub(super) keyword_at: Option<Range<usize>>,
    pub(super) senders_at: Vec<Range<usize>>,
}

/// Reads a survey's document.
pub(super) fn read(document: &Document) -> Option<Read> {
    const DAY_MS: u64 = 86_400_000;
    let root = document.parse();
    let table = Table::root(document, &root);
    let key = table.need("key", name, "name it: key = \"exit\"");
    let keyword = table.get("keyword", keyword);
    let senders = table.get("sender", senders).map(|at| placed(at.value, &at.span)).unwrap_or_default();
    let hint = "list them, the first for everybody else: languages = [\"en\"]";
    let languages = table.need("languages", texts, hint).and_then(|written| declared(document, written));
    let expires = table.or("expires_after", duration(60_000..=31_536_000_000), USUAL_EXPIRY_MS);
    let reminders = table.or("reminders", integer(0..=MOST_REMINDERS), 0);
    let remind_after = table.get("remind_after", duration(60_000..=30 * DAY_MS));
    let late_within = table.or("late_within", duration(0..=365 * DAY_MS), USUAL_LATE_MS);
    let change_within = table.or("change_within", duration(0..=DAY_MS), USUAL_CHANGE_MS);
    let enough = table.or("enough", integer(1..=20_u32), 1);
    let closing = ["thanks", "changed", "late"]
        .map(|key| (key, words_by_language(&table, key, &["name", "brand", "answer"])));
    let skip = words_said(&table, "skip");
    let decline = words_said(&table, "decline");
    let blocks = table.tables("question");
    if blocks.is_empty() {
        table.missing("question", "write one block that begins with [[question]]");
    }
    let declared = languages.as_deref().unwrap_or_default();
    let asked: Vec<Option<Asked>> = blocks
        .iter()
        .take(MOST_QUESTIONS)
        .enumerate()
        .map(|(place, block)| question::read(block, declared, place))
        .collect();
    for more in blocks.iter().skip(MOST_QUESTIONS) {
        more.leave();
        let what = format!("more than {MOST_QUESTIONS} questions");
        document.note(more.span(), what, "nobody answers so many by SMS; make two surveys");
    }
    check_reminders(document, reminders, remind_after.as_ref(), expires);

    let languages = languages?;
    for (key, words) in &closing {
        check_declared(document, words, &languages, key);
    }
    check_keyword(document, keyword.as_ref(), &languages);
    let asked: Option<Vec<Asked>> = asked.into_iter().collect();
    let (key, mut asked) = (key?, asked.filter(|asked| !asked.is_empty())?);
    name_questions(document, &blocks, &mut asked, &key.value)?;
    let names: Vec<&str> = languages.iter().map(|language| language.value.as_str()).collect();
    let branches: Vec<_> =
        asked.iter().enumerate().map(|(place, one)| branch::read(document, one, place, &asked)).collect();
    let mut items = Vec::with_capacity(asked.len());
    let mut questions = Vec::with_capacity(asked.len());
    for (one, branches) in asked.into_iter().zip(branches) {
        let (item, texts) = one.finish(branches?, keyword.as_ref().map(|at| at.value.clone()));
        let mut texts = texts;
        let texts = names.iter().filter_map(|name| Some(((*name).to_owned(), texts.remove(*name)?)));
        items.push(item);
        questions.push(ByLanguage::new(texts.collect::<Vec<_>>())?);
    }
    let [thanks, changed, late] = closing.map(|(_, words)| words);
    let said = |words: &BTreeMap<String, At<String>>, name: &str| words.get(name).map(|at| at.value.clone());
    let closing = names.iter().map(|name| {
        let text = ClosingText {
            thanks: said(&thanks, name),
            changed: said(&changed, name),
            late: said(&late, name),
        };
        ((*name).to_owned(), text)
    });
    let ms = |span: u64| i64::try_from(span).unwrap_or(i64::MAX);
    let remind_after = remind_after.map_or(USUAL_REMINDER_MS, |at| at.value);
    let survey = Survey {
        senders: senders.iter().map(|at| Sender(at.value.to_owned())).collect(),
        keyword: keyword.as_ref().map(|at| at.value.clone()),
        plan: Plan {
            items,
            expires_after_ms: ms(expires),
            reminders,
            remind_after_ms: ms(remind_after),
            late_within_ms: ms(late_within),
            change_within_ms: ms(change_within),
            enough,
            skip,
            decline,
        },
        questions,
        closing: ByLanguage::new(closing.collect::<Vec<_>>())?,
        key: key.value,
    };
    let senders_at = senders.into_iter().map(|at| at.span).collect();
    Some(Read { survey, key_at: key.span, keyword_at: keyword.map(|at| at.span), senders_at })
}

/// One sender, or a pool of them.
fn senders<'d>(value: &'d DeValue<'d>) -> Result<Vec<At<&'d str>>, Wrong> {
    let hint = "write one, \"88001\", or a list to choose from: [\"88001\", \"88002\"]";
    if value.as_str().is_some() {
        return Ok(vec![At { value: text(value)?, span: 0..0 }]);
    }
    let senders = texts(value).map_err(|_| Wrong::kind(value, hint))?;
    if senders.is_empty() || senders.len() > MOST_SENDERS {
        return Err(Wrong::new(format!("has {} senders", senders.len()), hint));
    }
    Ok(senders)
}

/// A single sender stands where the setting stands.
fn placed<'d>(mut senders: Vec<At<&'d str>>, at: &Range<usize>) -> Vec<At<&'d str>> {
    for sender in senders.iter_mut().filter(|sender| sender.span.is_empty()) {
        sender.span = at.clone();
    }
    senders
}

fn check_reminders(document: &Document, reminders: u32, after: Option<&At<u64>>, expires: u64) {
    let Some(after) = after else { return };
    if reminders == 0 {
        document.note(after.span.clone(), "nobody is reminded", "say how often: reminders = 1");
    } else if after.value.saturating_mul(u64::from(reminders)) >= expires {
        let hint = "it must come before `expires_after`, else it is never sent";
        document.note(after.span.clone(), "the last reminder comes when the survey is over", hint);
    }
}

fn check_keyword(document: &Document, keyword: Option<&At<String>>, languages: &[At<String>]) {
    let Some(keyword) = keyword else { return };
    let names: Vec<String> = languages.iter().map(|language| language.value.clone()).collect();
    if let Some(word) = reserved_in(&keyword.value, &names) {
        let what = format!("the keyword `{}` is read as the command `{word}`", keyword.value);
        let hint = "people stop, start and ask for help with such words; take another";
        document.note(keyword.span.clone(), what, hint);
    }
}

/// Every question gets a name of its own; the only one may do with the survey's.
fn name_questions(
    document: &Document,
    blocks: &[Table<'_>],
    asked: &mut [Asked],
    survey: &str,
) -> Option<()> {
    let several = asked.len() > 1;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut good = true;
    for (one, block) in asked.iter_mut().zip(blocks) {
        let Some(key) = &one.key else {
            if several {
                let hint = "answers are kept under it: key = \"reason\"";
                document.note(block.span(), "a question without a `key`", hint);
                good = false;
            }
            one.key = Some(At { value: survey.to_owned(), span: block.span() });
            continue;
        };
        if matches!(key.value.as_str(), branch::END | branch::REFUSED) || !seen.insert(key.value.clone()) {
            let what = format!("a second question called `{}`", key.value);
            document.note(key.span.clone(), what, "give each its own key; `end` and `refused` are taken");
            good = false;
        }
    }
    good.then_some(())
}

/// Lists of words by language that mean one thing in all of them.
fn words_said(table: &Table<'_>, key: &'static str) -> BTreeSet<String> {
    let Some(words) = table.table(key) else { return BTreeSet::new() };
    let document = table.document();
    let mut said = BTreeSet::new();
    for (language, value) in words.entries() {
        let Some(list) = words.read(language.value, value, texts) else { continue };
        let Some(tag) = canonical(document, &language) else { continue };
        for at in list.value {
            if let Some(word) = reserved_in(at.value, std::slice::from_ref(&tag)) {
                let what = format!("`{}` is read as the command `{word}`", at.value);
                document.note(at.span, what, "people stop, start and ask for help with such words");
                continue;
            }
            said.insert(said_word(at.value));
        }
    }
    said
}

/// A table of one text a language.
fn words_by_language(table: &Table<'_>, key: &'static str, known: &[&str]) -> BTreeMap<String, At<String>> {
    let Some(words) = table.table(key) else { return BTreeMap::new() };
    let document = table.document();
    let mut by_language = BTreeMap::new();
    for (language, value) in words.entries() {
        if let Some(at) = words.read(language.value, value, message(known))
            && let Some(tag) = canonical(document, &language)
        {
            by_language.insert(tag, at);
        }
    }
    by_language
}

fn check_declared(
    document: &Document,
    have: &BTreeMap<String, At<String>>,
    languages: &[At<String>],
    what: &str,
) {
    for (language, at) in have {
        if !languages.iter().any(|declared| declared.value == *language) {
            let what = format!("`{what}` for `{language}`, which is not declared");
            document.note(at.span.clone(), what, "add it to `languages` at the top, or take it out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reading::Kind;
    use crate::rules::survey::Target;

    /// 3GPP TS 23.038, 6.2.1 and 6.2.1.1, as far as texts go.
    const GSM_7: &str = "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                         ¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€";
    /// Languages that we write in it.
    const IN_GSM_7: [&str; 13] =
        ["en", "id", "ro", "es", "fr", "de", "it", "pt", "nl", "pl", "tr", "sw", "tl"];

    fn shipped(key: &str) -> Survey {
        let path = format!("config/surveys/{key}.toml");
        load_survey(Path::new(&path)).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn the_shipped_surveys_speak_eighteen_languages_and_show_the_way_out_in_each() {
        for key in ["exit", "onboarding", "support"] {
            let survey = shipped(key);
            assert_eq!(survey.texts().count(), 18);
            assert_eq!(survey.texts().next().map(|(language, _)| language), Some("en"));
            for (language, text) in survey.texts() {
                let last = text.ask.rsplit(['\n', '.', '。', '।']).find(|part| !part.is_empty());
                assert!(last.is_some_and(|part| part.contains("STOP")), "{key} {language}: {}", text.ask);
                assert!(!text.ask.contains("{options}") && text.ask.contains("{name|"), "{key} {language}");
            }
        }
    }

    #[test]
    fn texts_stay_in_the_cheap_alphabet_where_the_language_allows() {
        let packs = crate::config::code::built_in();
        for language in IN_GSM_7 {
            let mut texts: Vec<String> = packs[language].values().cloned().collect();
            for key in ["exit", "onboarding", "support"] {
                let survey = shipped(key);
                let closing = survey.closing(Some(language)).clone();
                texts.extend([closing.thanks, closing.changed, closing.late].into_iter().flatten());
                for text in
                    (0..survey.plan.items.len()).filter_map(|place| survey.question(place, Some(language)))
                {
                    let optional = [&text.ask_again, &text.remind, &text.thanks];
                    texts.push(text.ask.clone());
                    texts.extend(optional.into_iter().flatten().cloned());
                }
            }
            for text in texts {
                let outside: String = text.chars().filter(|sign| !GSM_7.contains(*sign)).collect();
                assert_eq!(outside, "", "{language}: {text}");
            }
        }
    }

    #[test]
    fn the_exit_survey_has_the_eight_reasons_in_words_people_use() {
        let survey = shipped("exit");
        let Kind::Choice { labels, values } = &survey.plan.items[0].question.kind else { panic!("a choice") };
        assert_eq!(values.iter().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(labels["en"][&7], "better offer elsewhere");
        for (language, third, eighth) in [
            ("en", "too expensive", "other"),
            ("id", "terlalu mahal", "Lainnya"),
            ("ro", "prea scump", "altceva"),
            ("es", "demasiado caro", "otro"),
            ("fr", "trop cher", "autre"),
            ("ar", "غالي جدا", "أخرى"),
            ("zh", "太贵了", "其他"),
            ("hi", "बहुत महंगा", "अन्य"),
        ] {
            assert_eq!((labels[language][&3].as_str(), labels[language][&8].as_str()), (third, eighth));
        }
        let ask = &survey.text(None).ask;
        assert!(ask.contains("\n1 weak coverage\n2 slow data\n") && ask.contains("\n8 other\n"), "{ask}");
    }

    #[test]
    fn the_two_scales_are_asked_with_their_ends() {
        let (onboarding, support) = (shipped("onboarding"), shipped("support"));
        assert_eq!((onboarding.range(), support.range()), ("1-10".to_owned(), "0-5".to_owned()));
        assert!(onboarding.text(None).ask.contains("1 (very hard) - 10 (very easy)"));
        assert_eq!(support.text(Some("de")).labels[&5], "sehr gut");
        assert_eq!(support.keyword.as_deref(), Some("CSAT"));
    }

    #[test]
    fn the_example_shows_every_kind_of_question_and_is_right() {
        let survey = shipped("example");
        let kinds: Vec<&Kind> = survey.plan.items.iter().map(|item| &item.question.kind).collect();
        assert!(kinds.contains(&&Kind::YesNo) && kinds.contains(&&Kind::FreeText));
        assert!(kinds.contains(&&Kind::Number) && kinds.contains(&&Kind::Date));
        assert!(survey.plan.items.iter().any(|item| item.calls.is_some()));
        assert_eq!(survey.senders.len(), 2);
        assert_eq!(survey.range_of(4), "1 - 60");
    }

    #[test]
    fn a_bad_answer_of_the_three_shipped_surveys_is_followed_up() {
        for (key, bad, good) in [("exit", 5, 3), ("onboarding", 2, 8), ("support", 1, 4)] {
            let item = &shipped(key).plan.items[0];
            assert_eq!(item.target(bad), Target::Question(1), "{key}");
            assert_eq!(item.target(good), Target::End, "{key}");
            assert!(item.notify.iter().any(|span| span.holds(bad)), "{key}");
        }
    }

    #[test]
    fn a_person_is_asked_in_the_nearest_language_there_is() {
        let survey = shipped("exit");
        assert_eq!(survey.language(Some("pt-BR")), "pt");
        assert_eq!(survey.language(Some("sv")), "en");
        assert_eq!(survey.text(Some("zh-TW")).labels[&8], "其他");
    }

    #[test]
    fn a_question_that_writes_its_numbers_out_is_taken_when_they_are_right() {
        let survey = |ask: &str| {
            let text = format!(
                "key = \"s\"\nlanguages = [\"ar\"]\n[[question]]\nkind = \"range\"\nmin = 1\nmax = 8\n\
                 [question.text.ar]\nask = \"{ask} STOP\""
            );
            parse_survey("s.toml", &text).map(|survey| survey.text(None).ask.clone())
        };
        assert!(survey("١ - ٨").is_ok());
        assert!(survey("1-8").is_ok());
        assert!(survey("1-10").is_err());
        assert!(survey("1-8, 24").is_err());
    }
}
