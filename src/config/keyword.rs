//! What a message to a code can start: by a word that people see somewhere, in the language it is written in, or by default.

use std::ops::Range;

use toml::de::DeValue;

use super::language::language_tag;
use super::raw::{Table, Wrong};
use super::reserved::{fold, reserved_in};
use super::unit::{cut, text};
use super::wording::{KEYWORD_HINT, is_keyword};

/// A word that starts something when it is sent to the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeKeyword {
    /// The word.
    pub word: String,
    /// The languages it is said to be of; none: of no one in particular.
    pub languages: Vec<String>,
    /// What it starts.
    pub opens: Opens,
}

impl CodeKeyword {
    /// The language it tells; one that several languages have tells none.
    pub fn language(&self) -> Option<&str> {
        match self.languages.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// What a keyword starts, or what takes a message that nothing else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opens {
    /// A survey, by its key.
    Survey(String),
    /// Consent to be written to.
    OptIn(OptIn),
    /// A conversation with people.
    Inbox,
    /// The answer to HELP.
    Help,
    /// Nothing: the words are kept, and nobody is told.
    Nothing,
}

/// A keyword's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptIn {
    /// The programme it is for; none: everything from the code.
    pub programme: Option<String>,
    /// Whether the person is asked to confirm it.
    pub double: DoubleOptIn,
}

/// Whether a person is asked to confirm an opt-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubleOptIn {
    /// The keyword is enough.
    No,
    /// A yes in time makes it consent.
    Yes,
}

/// Reads `[code.keywords]`; with each keyword the place of its entry.
pub(super) fn read(code: &Table<'_>) -> (Vec<CodeKeyword>, Vec<Range<usize>>) {
    let Some(table) = code.table("keywords") else { return Default::default() };
    let mut keywords: Vec<CodeKeyword> = Vec::new();
    let mut places = Vec::new();
    for (word, value) in table.entries() {
        let Some(read) = table.read(word.value, value, entry) else { continue };
        let Entry { opens, words } = read.value;
        let begin = keywords.len();
        let own = std::iter::once((word.value.to_owned(), None, word.span));
        let others = words.into_iter().map(|(word, language)| (word, language, read.span.clone()));
        for (word, language, at) in own.chain(others) {
            let same = keywords.iter().position(|have| fold(&have.word) == fold(&word));
            let wrong = match (is_keyword(&word), same, &language) {
                (false, ..) => Some((format!("`{}` is no keyword", cut(&word)), KEYWORD_HINT)),
                // A word of the entry is said again to be of a language, or of another one too.
                (true, Some(have), Some(language))
                    if have >= begin && !keywords[have].languages.contains(language) =>
                {
                    keywords[have].languages.push(language.clone());
                    continue;
                }
                (true, Some(_), _) => {
                    let what = format!("the keyword `{}` stands here twice", cut(&word));
                    Some((what, "capitals and accents don't matter; take one out"))
                }
                (true, None, _) => None,
            };
            if let Some((what, hint)) = wrong {
                table.document().note(at, what, hint);
                continue;
            }
            keywords.push(CodeKeyword {
                word,
                languages: language.into_iter().collect(),
                opens: opens.clone(),
            });
            places.push(read.span.clone());
        }
    }
    (keywords, places)
}

/// Notes what the code's programmes and languages say against its keywords.
pub(super) fn check(
    code: &Table<'_>,
    (keywords, places): (&[CodeKeyword], &[Range<usize>]),
    programmes: &[String],
    languages: &[String],
) {
    let document = code.document();
    for (keyword, at) in keywords.iter().zip(places) {
        if let Opens::OptIn(OptIn { programme: Some(name), .. }) = &keyword.opens
            && !programmes.contains(name)
        {
            let hint = "write it into the code's `programmes` first";
            document.note(at.clone(), format!("`{name}` is no programme of this code"), hint);
        }
        for language in keyword.languages.iter().filter(|language| !languages.contains(language)) {
            let what = format!("the keyword `{}` is for `{language}`, which is not declared", keyword.word);
            document.note(at.clone(), what, "add it to `languages`, or take the words out");
        }
        if let Some(word) = reserved_in(&keyword.word, languages) {
            let what = format!("the keyword `{}` is read as the command `{word}`", keyword.word);
            let hint = "people stop, start and ask for help with such words; take another";
            document.note(at.clone(), what, hint);
        }
    }
}

/// What takes a message that is neither a command nor an answer nor a keyword.
pub(super) fn default(value: &DeValue<'_>) -> Result<Opens, Wrong> {
    let hint = "write what takes other messages: \"inbox\", \"help\", \"survey:exit\" or \"none\"";
    match opens(value, hint)? {
        Opens::OptIn(_) => Err(Wrong::new("takes any words for consent, which they are not", hint)),
        opens => Ok(opens),
    }
}

/// A keyword's entry: what it starts, and other words that start the same, some of a language.
struct Entry {
    opens: Opens,
    words: Vec<(String, Option<String>)>,
}

/// A text, or a table with `opens`, `aliases` and `words`.
fn entry(value: &DeValue<'_>) -> Result<Entry, Wrong> {
    let hint = "write what it starts: \"survey:exit\", \"opt-in\", \"double-opt-in:promo\", \"inbox\", \"help\" or \"none\"";
    let DeValue::Table(table) = value else {
        return Ok(Entry { opens: opens(value, hint)?, words: Vec::new() });
    };
    let usual = "write { opens = \"survey:exit\", aliases = [\"EXITS\"], words = { id = [\"PINDAH\"] } }";
    let known = ["opens", "aliases", "words"];
    if let Some((other, _)) = table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
        return Err(Wrong::new(format!("has `{}`, which is not known here", cut(other.get_ref())), usual));
    }
    let opened = table.get("opens").ok_or_else(|| Wrong::new("does not say what it opens", usual))?;
    let opens = opens(opened.get_ref(), hint)?;
    let mut words = Vec::new();
    let mut list = |of: &str, language: Option<String>, written: &DeValue<'_>| {
        let DeValue::Array(list) = written else {
            return Err(Wrong::new(format!("has `{of}` that are no list"), usual));
        };
        for word in list.iter() {
            words.push((text(word.get_ref())?.to_owned(), language.clone()));
        }
        Ok(())
    };
    if let Some(written) = table.get("aliases") {
        list("aliases", None, written.get_ref())?;
    }
    if let Some(written) = table.get("words") {
        let DeValue::Table(languages) = written.get_ref() else {
            return Err(Wrong::new("has `words` that are not told apart by language", usual));
        };
        for (language, written) in languages.iter() {
            let tag = language_tag(language.get_ref()).map_err(|_| {
                let what = format!("has `words` for `{}`, which is no language", cut(language.get_ref()));
                Wrong::new(what, "write its two-letter code, like en, id or pt-BR")
            })?;
            list("words", Some(tag), written.get_ref())?;
        }
    }
    Ok(Entry { opens, words })
}

fn opens(value: &DeValue<'_>, hint: &str) -> Result<Opens, Wrong> {
    let written = text(value)?;
    let (what, of) = match written.split_once(':') {
        Some((what, of)) => (what, Some(of)),
        None => (written, None),
    };
    let opt_in = |double| Ok(Opens::OptIn(OptIn { programme: of.map(str::to_owned), double }));
    match (what, of) {
        (_, Some("")) => Err(Wrong::new(format!("is `{}`", cut(written)), hint)),
        ("opt-in", _) => opt_in(DoubleOptIn::No),
        ("double-opt-in", _) => opt_in(DoubleOptIn::Yes),
        ("survey", Some(key)) => Ok(Opens::Survey(key.to_owned())),
        ("inbox", None) => Ok(Opens::Inbox),
        ("help", None) => Ok(Opens::Help),
        ("none", None) => Ok(Opens::Nothing),
        _ => Err(Wrong::new(format!("is `{}`", cut(written)), hint)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const LEAST: &str = "[[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = 2775\nsystem_id = \"a\"\n\
        password = \"plain:a\"\n[[code]]\nnumber = \"88001\"\ncarrier = \"main\"\nbrand = \"Town\"\n";

    fn problems(of_the_code: &str) -> Vec<String> {
        let text = format!("{LEAST}{of_the_code}\n");
        let problems = crate::config::parse("t", &text, Path::new("")).err();
        problems.map_or_else(Vec::new, |problems| {
            problems.items().iter().map(|problem| problem.what.clone()).collect()
        })
    }

    fn keywords(written: &str) -> Vec<CodeKeyword> {
        let text = format!("{LEAST}[code.keywords]\n{written}\n");
        crate::config::parse("t", &text, Path::new("")).unwrap().codes[0].keywords.clone()
    }

    fn language_of<'a>(keywords: &'a [CodeKeyword], word: &str) -> Option<&'a str> {
        let keyword = keywords.iter().find(|one| one.word == word);
        keyword.unwrap_or_else(|| panic!("no {word}")).language()
    }

    #[test]
    fn a_keyword_may_have_other_words_that_start_the_same() {
        let keywords =
            keywords("JOIN = { opens = \"opt-in\", aliases = [\"SIGNUP\", \"REGO\"] }\nAGENT = \"inbox\"");
        assert_eq!(keywords.len(), 4);
        for word in ["JOIN", "SIGNUP", "REGO"] {
            let opens = |one: &&CodeKeyword| one.word == word && matches!(one.opens, Opens::OptIn(_));
            assert!(keywords.iter().any(|one| opens(&one)), "{word}");
        }
    }

    #[test]
    fn a_word_of_one_language_tells_it_and_one_of_several_does_not() {
        let keywords = keywords(
            "COFFEE = { opens = \"inbox\", words = { en = [\"coffee\"], id = [\"kopi\"], fr = [\"café\"], es = [\"Cafe\"] } }",
        );
        assert_eq!(keywords.len(), 3, "{keywords:?}");
        assert_eq!(language_of(&keywords, "COFFEE"), Some("en"), "the entry's own word, said to be English");
        assert_eq!(language_of(&keywords, "kopi"), Some("id"));
        let both = keywords.iter().find(|one| fold(&one.word) == "cafe").unwrap();
        assert_eq!(both.language(), None, "French or Spanish");
    }

    #[test]
    fn words_may_be_of_any_script() {
        let words = "words = { hi = [\"कॉफ़ी\"], zh = [\"咖啡\"], ar = [\"قهوة\"], ru = [\"кофе\"] }";
        let keywords = keywords(&format!("COFFEE = {{ opens = \"inbox\", {words} }}"));
        for (word, language) in [("कॉफ़ी", "hi"), ("咖啡", "zh"), ("قهوة", "ar"), ("кофе", "ru")]
        {
            assert_eq!(language_of(&keywords, word), Some(language));
        }
    }

    #[test]
    fn other_words_are_held_to_what_keywords_are() {
        let with = |keyword: &str| problems(&format!("[code.keywords]\n{keyword}"));
        let reserved = with("JOIN = { opens = \"opt-in\", aliases = [\"STOP\"] }");
        assert!(reserved.len() == 1 && reserved[0].contains("is read as the command"), "{reserved:?}");
        let reserved = with("JOIN = { opens = \"opt-in\", words = { id = [\"berhenti\"] } }");
        assert!(reserved.len() == 1 && reserved[0].contains("is read as the command"), "{reserved:?}");
        assert_eq!(
            with("JOIN = { opens = \"opt-in\", aliases = [\"join\"] }"),
            ["the keyword `join` stands here twice"]
        );
        assert_eq!(
            with("JOIN = \"opt-in\"\nIN = { opens = \"inbox\", words = { en = [\"join\"] } }"),
            ["the keyword `join` stands here twice"]
        );
        assert_eq!(
            with("JOIN = { opens = \"opt-in\", alias = [\"A\"] }"),
            ["`JOIN` has `alias`, which is not known here"]
        );
        assert_eq!(with("JOIN = { aliases = [\"REGO\"] }"), ["`JOIN` does not say what it opens"]);
        assert_eq!(
            with("JOIN = { opens = \"inbox\", words = [\"REGO\"] }"),
            ["`JOIN` has `words` that are not told apart by language"]
        );
        assert_eq!(
            with("JOIN = { opens = \"inbox\", words = { english = [\"REGO\"] } }"),
            ["`JOIN` has `words` for `english`, which is no language"]
        );
    }

    #[test]
    fn words_are_of_languages_that_the_code_speaks() {
        let code = "languages = [\"en\"]\n[code.keywords]\nJOIN = { opens = \"inbox\", words = { id = [\"HADIAH\"] } }";
        assert_eq!(problems(code), ["the keyword `HADIAH` is for `id`, which is not declared"]);
    }

    #[test]
    fn what_takes_other_messages_is_one_of_what_keywords_start_but_never_consent() {
        for right in ["inbox", "help", "none"] {
            assert!(problems(&format!("default = \"{right}\"")).is_empty(), "{right}");
        }
        assert_eq!(
            problems("default = \"opt-in\""),
            ["`default` takes any words for consent, which they are not"]
        );
        assert_eq!(problems("default = \"nobody\""), ["`default` is `nobody`"]);
        assert_eq!(
            problems("default = \"survey:exit\""),
            ["the default of 88001 opens the survey `exit`, which is not there"]
        );
    }

    #[test]
    fn a_name_that_nobody_can_write_to_takes_nothing() {
        for what in ["[code.keywords]\nJOIN = \"opt-in\"", "default = \"help\""] {
            let text = format!("{LEAST}{what}\n").replace("88001", "Town");
            let problems = crate::config::parse("t", &text, Path::new("")).unwrap_err();
            assert_eq!(problems.items()[0].what, "nobody can write to `Town`", "{what}");
        }
    }
}
