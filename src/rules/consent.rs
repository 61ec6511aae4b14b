//! Who may be written to: which opt-outs block which message, and how far a STOP or a START reaches.

use crate::message::{Purpose, Scope, Sender};

/// Words that make a STOP or START one of everything of ours, beside the code it was sent to; folded, in the languages
/// we ask in. English counts everywhere.
const EVERYTHING: [&str; 33] = [
    "all",
    "everything",
    "stopall",
    "startall",
    "semua",
    "semuanya",
    "tot",
    "toate",
    "todo",
    "todos",
    "tout",
    "alle",
    "alles",
    "tutto",
    "tutti",
    "tudo",
    "wszystko",
    "wszystkie",
    "hepsi",
    "hepsini",
    "tumu",
    "все",
    "всё",
    "всех",
    "الكل",
    "सब",
    "सभी",
    "全部",
    "所有",
    "すべて",
    "全て",
    "모두",
    "tất",
];
/// More words than this around it are a sentence, in which `all` says something else: "stop texting me all day".
const WORDS_OF_A_COMMAND: usize = 3;

/// The scopes whose opt-out blocks a message. None for an answer a person is owed even when blocked: the one
/// confirmation and the answer to HELP.
pub fn blocking_scopes(purpose: Purpose, sender: &Sender, programme: Option<&str>) -> Vec<Scope> {
    match purpose {
        Purpose::Confirmation | Purpose::Help => Vec::new(),
        _ => places(sender, programme).flat_map(|place| [place.clone(), place.only(purpose)]).collect(),
    }
}

/// Where a message belongs: the widest first.
fn places<'a>(sender: &'a Sender, programme: Option<&'a str>) -> impl Iterator<Item = Scope> + 'a {
    [Scope::Everything, Scope::Sender(sender.0.clone())]
        .into_iter()
        .chain(programme.map(|name| Scope::Programme(name.to_owned())))
}

/// How far a STOP reaches: everything of ours where it says so, the programme it names if there is one of that name on
/// this code, else the code it was sent to. A word that names nothing of ours never narrows it.
pub fn scope_of_stop(text: &str, word: Option<&str>, code: &Sender, programmes: &[String]) -> Scope {
    named(text, word, programmes).unwrap_or_else(|| Scope::Sender(code.0.clone()))
}

/// The opt-outs a START ends: that of the scope it names, else that of the code it was sent to, and what is narrower
/// there. An opt-out of everything is ended by START ALL alone.
pub fn ended_by_start(text: &str, code: &Sender, programmes: &[String], opted_out: &[Scope]) -> Vec<Scope> {
    let named = named(text, None, programmes).unwrap_or_else(|| Scope::Sender(code.0.clone()));
    let ends = |scope: &&Scope| match (&named, scope) {
        (Scope::Everything, _) => true,
        (named, Scope::Only(place, _)) => *named == **place,
        (named, scope) => named == *scope,
    };
    opted_out.iter().filter(ends).cloned().collect()
}

/// What a command names beside the code it was sent to.
fn named(text: &str, word: Option<&str>, programmes: &[String]) -> Option<Scope> {
    let words: Vec<String> = text
        .split(|sign: char| !sign.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let is_command = words.len() <= WORDS_OF_A_COMMAND;
    let word = word.map(str::to_lowercase);
    let said =
        |name: &str| word.as_deref() == Some(name) || is_command && words.iter().any(|word| word == name);
    if let Some(name) = programmes.iter().find(|name| said(&name.to_lowercase())) {
        return Some(Scope::Programme(name.clone()));
    }
    EVERYTHING.iter().any(|all| said(all)).then_some(Scope::Everything)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Sender {
        Sender("88001".into())
    }

    #[test]
    fn a_stop_to_a_code_blocks_everything_from_it_but_the_confirmation_and_help() {
        let stopped = scope_of_stop("STOP", None, &code(), &[]);
        for purpose in [Purpose::Survey, Purpose::Promotional, Purpose::Reply, Purpose::Transactional] {
            assert!(blocking_scopes(purpose, &code(), None).contains(&stopped), "{purpose:?}");
        }
        for purpose in [Purpose::Confirmation, Purpose::Help] {
            assert!(blocking_scopes(purpose, &code(), None).is_empty(), "{purpose:?}");
        }
        assert!(!blocking_scopes(Purpose::Survey, &Sender("88002".into()), None).contains(&stopped));
    }

    #[test]
    fn a_programme_and_a_purpose_are_stopped_by_themselves() {
        let of = |purpose, programme| blocking_scopes(purpose, &code(), programme);
        let promo = Scope::Programme("promo".into());
        assert!(of(Purpose::Promotional, Some("promo")).contains(&promo));
        assert!(!of(Purpose::Promotional, Some("alerts")).contains(&promo));
        let advertising = Scope::Everything.only(Purpose::Promotional);
        assert!(of(Purpose::Promotional, None).contains(&advertising));
        assert!(!of(Purpose::Transactional, Some("promo")).contains(&advertising));
    }

    #[test]
    fn stop_with_a_word_reaches_as_far_as_the_programme_of_that_name_else_the_whole_code() {
        let programmes = ["Promo".to_owned()];
        let reach = |text: &str, word: Option<&str>| scope_of_stop(text, word, &code(), &programmes);
        assert_eq!(reach("STOP PROMO", Some("PROMO")), Scope::Programme("Promo".into()));
        assert_eq!(reach("stop promo", None), Scope::Programme("Promo".into()));
        assert_eq!(reach("STOP 12345", Some("12345")), Scope::Sender("88001".into()));
    }

    #[test]
    fn stop_all_reaches_everything_of_ours_and_a_sentence_with_all_in_it_does_not() {
        let reach = |text: &str| scope_of_stop(text, None, &code(), &[]);
        for text in [
            "STOP ALL",
            "stopall",
            "Stop everything!",
            "BERHENTI SEMUA",
            "ARRET TOUT",
            "СТОП ВСЕ",
            "opt out all",
        ] {
            assert_eq!(reach(text), Scope::Everything, "{text}");
        }
        for text in ["STOP", "stop texting me all day long", "please stop all these messages"] {
            assert_eq!(reach(text), Scope::Sender("88001".into()), "{text}");
        }
    }

    #[test]
    fn start_ends_only_what_it_names() {
        let sender = Scope::Sender("88001".into());
        let other = Scope::Sender("88002".into());
        let promo = Scope::Programme("promo".into());
        let out =
            [Scope::Everything, sender.clone(), other, promo.clone(), sender.clone().only(Purpose::Survey)];
        let programmes = ["promo".to_owned()];
        let ended = |text: &str| ended_by_start(text, &code(), &programmes, &out);
        assert_eq!(ended("START"), [sender.clone(), sender.only(Purpose::Survey)]);
        assert_eq!(ended("START PROMO"), [promo]);
        assert_eq!(ended("START ALL"), out);
    }
}
