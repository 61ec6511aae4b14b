//! A survey as a file: one question, asked in many languages, and what is said after the answer.

mod question;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::language::ByLanguage;
use super::problem::Problems;
use super::raw::{At, Document, Table};
use super::reserved::reserved_in;
use super::unit::{duration, name, text, texts};
use super::wording::{canonical, declared, keyword, message};
use crate::message::Sender;
use crate::rules::reading::Question;
use question::QuestionText;

/// Three days: who hasn't answered by then is telling us something else.
const USUAL_EXPIRY_MS: u64 = 3 * 86_400_000;

/// A survey.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Its name in commands, tables and exports.
    pub key: String,
    /// The code it is asked from, where it is bound to one.
    pub sender: Option<Sender>,
    /// What is asked, for the reading of answers.
    pub question: Question,
    /// How often we ask again when an answer can't be read.
    pub reask_limit: u32,
    /// How long an answer is waited for, milliseconds.
    pub expires_after_ms: i64,
    texts: ByLanguage<SurveyText>,
}

/// What is said in one language. Merge fields: `{name|there}`, `{brand}`; in `ask_again` also `{read|your answer}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyText {
    /// The question, with the answers and the way out.
    pub ask: String,
    /// The question again, where the survey has its own words for it.
    pub ask_again: Option<String>,
    /// Thanks for an answer, where the survey has its own words for it.
    pub thanks: Option<String>,
    /// The answers in words: all of them, or the ends of a range.
    pub labels: BTreeMap<i64, String>,
}

impl Survey {
    /// The texts for a person of this language.
    pub fn text(&self, language: Option<&str>) -> &SurveyText {
        self.texts.get(language)
    }

    /// The language of [`Survey::text`].
    pub fn language(&self, language: Option<&str>) -> &str {
        self.texts.language(language)
    }

    /// Every language with its texts, the default first.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &SurveyText)> {
        self.texts.iter()
    }

    /// The answers as a person is told them: `1-8`.
    pub fn range(&self) -> String {
        question::range_words(&self.question.kind)
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
    pub(super) sender_at: Option<Range<usize>>,
}

/// Reads a survey's document.
pub(super) fn read(document: &Document) -> Option<Read> {
    let root = document.parse();
    let table = Table::root(document, &root);
    let key = table.need("key", name, "name it: key = \"exit\"");
    let keyword = table.get("keyword", keyword);
    let sender = table.get("sender", text);
    let hint = "list them, the first for everybody else: languages = [\"en\"]";
    let languages = table.need("languages", texts, hint).and_then(|written| declared(document, written));
    let expires = table.or("expires_after", duration(60_000..=31_536_000_000), USUAL_EXPIRY_MS);
    let thanks = words_by_language(&table, "thanks", &["name", "brand"]);
    let questions = table.tables("question");
    let question = one_question(&table, &questions);
    let asked =
        question.and_then(|question| question::read(question, languages.as_deref().unwrap_or_default()));

    let languages = languages?;
    check_declared(document, &thanks, &languages, "thanks");
    if let Some(keyword) = &keyword {
        let names: Vec<String> = languages.iter().map(|language| language.value.clone()).collect();
        if let Some(word) = reserved_in(&keyword.value, &names) {
            let what = format!("the keyword `{}` is read as the command `{word}`", keyword.value);
            document.note(
                keyword.span.clone(),
                what,
                "people stop, start and ask for help with such words; take another",
            );
        }
    }
    let (key, asked) = (key?, asked?);
    let mut thanks: BTreeMap<String, String> =
        thanks.into_iter().map(|(language, at)| (language, at.value)).collect();
    let mut texts = asked.texts;
    let asked_in = texts.values().map(|text| text.ask.clone()).collect();
    let texts = languages.iter().filter_map(|language| {
        let QuestionText { ask, ask_again, labels } = texts.remove(&language.value)?;
        let thanks = thanks.remove(&language.value);
        Some((language.value.clone(), SurveyText { ask, ask_again, thanks, labels }))
    });
    let survey = Survey {
        sender: sender.as_ref().map(|at| Sender(at.value.to_owned())),
        question: Question {
            key: asked.key.unwrap_or_else(|| key.value.clone()),
            kind: asked.kind,
            keyword: keyword.as_ref().map(|at| at.value.clone()),
            asked: asked_in,
        },
        reask_limit: asked.reask_limit,
        expires_after_ms: i64::try_from(expires).unwrap_or(i64::MAX),
        texts: ByLanguage::new(texts.collect::<Vec<_>>())?,
        key: key.value,
    };
    let (keyword_at, sender_at) = (keyword.map(|at| at.span), sender.map(|at| at.span));
    Some(Read { survey, key_at: key.span, keyword_at, sender_at })
}

fn one_question<'t, 'd>(survey: &Table<'d>, questions: &'t [Table<'d>]) -> Option<&'t Table<'d>> {
    match questions {
        [] => {
            survey.missing("question", "write one block that begins with [[question]]");
            None
        }
        [question, others @ ..] => {
            for other in others {
                other.leave();
                let hint = "a survey has one question for now; make this one a survey of its own";
                survey.document().note(other.span(), "a second question", hint);
            }
            Some(question)
        }
    }
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
                let text = shipped(key).text(Some(language)).clone();
                texts.extend([text.ask].into_iter().chain(text.thanks));
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
        let Kind::Choice { labels, values } = &survey.question.kind else { panic!("a choice") };
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
        assert_eq!(support.question.keyword.as_deref(), Some("CSAT"));
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
