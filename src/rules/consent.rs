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

/// What a STOP to a code or a programme ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Everything from there.
    EndsAll,
    /// Everything but what is transactional, which only an opt-out of everything of ours ends.
    EndsMarketing,
}

/// The scopes whose opt-out blocks a message. None for an answer a person is owed even when blocked: the one
/// confirmation and the answer to HELP.
pub fn blocking_scopes(purpose: Purpose, sender: &Sender, programme: Option<&str>, stop: Stop) -> Vec<Scope> {
    match purpose {
        Purpose::Confirmation | Purpose::Help => Vec::new(),
        Purpose::Transactional | Purpose::OneTimeCode if stop == Stop::EndsMarketing => {
            vec![Scope::Everything, Scope::Everything.only(purpose)]
        }
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

/// What a START opts into: the scope it names, else the code it was sent to; and the opt-outs it ends with that, which are
/// those there for one purpose. An opt-out of everything is ended by START ALL alone; but see [`blocked_by`].
pub fn scopes_of_start(text: &str, code: &Sender, programmes: &[String], opted_out: &[Scope]) -> Vec<Scope> {
    let named = named(text, None, programmes).unwrap_or_else(|| Scope::Sender(code.0.clone()));
    let ends = |scope: &&Scope| match (&named, scope) {
        (named, scope) if named == *scope => false,
        (Scope::Everything, _) => true,
        (named, Scope::Only(place, _)) => *named == **place,
        _ => false,
    };
    let ended: Vec<Scope> = opted_out.iter().filter(ends).cloned().collect();
    std::iter::once(named).chain(ended).collect()
}

/// Which opt-out in force blocks a message of these scopes. A later opt-in to something narrower is the newer word about
/// that: after STOP ALL, START brings the one code back, and joining a programme brings that one back on a stopped code.
pub fn blocked_by<'a>(
    scopes: &[Scope],
    opted_out: &'a [(Scope, i64)],
    opted_in: &[(Scope, i64)],
) -> Option<&'a Scope> {
    let in_force = |(out, since_ms): &&'a (Scope, i64)| {
        scopes.contains(out)
            && !opted_in
                .iter()
                .any(|(into, at_ms)| at_ms > since_ms && scopes.contains(into) && is_narrower(into, out))
    };
    opted_out.iter().find(in_force).map(|(out, _)| out)
}

/// What a missing opt-in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoConsent {
    /// There is none.
    Never,
    /// There is one, and it is too old to count.
    TooOld,
}

/// Whether a message that needs an opt-in has one in one of its scopes, of this time or later.
///
/// # Errors
/// Why it has none that counts.
pub fn consented(scopes: &[Scope], opted_in: &[(Scope, i64)], since_ms: i64) -> Result<(), NoConsent> {
    let newest = opted_in.iter().filter(|(into, _)| scopes.contains(into)).map(|(_, at_ms)| *at_ms).max();
    match newest {
        None => Err(NoConsent::Never),
        Some(at_ms) if at_ms < since_ms => Err(NoConsent::TooOld),
        Some(_) => Ok(()),
    }
}

/// Whether everything one scope means is meant by the other too, and more. A programme is taken to be narrower than the
/// code it is sent from: who asks is a message, which belongs to both.
fn is_narrower(one: &Scope, other: &Scope) -> bool {
    let parts = |scope: &Scope| match scope {
        Scope::Only(place, purpose) => (width(place), Some(*purpose)),
        place => (width(place), None),
    };
    let ((place, purpose), (other_place, other_purpose)) = (parts(one), parts(other));
    place <= other_place
        && (other_purpose.is_none() || other_purpose == purpose)
        && (place, purpose) != (other_place, other_purpose)
}

fn width(place: &Scope) -> u8 {
    match place {
        Scope::Everything => 2,
        Scope::Sender(_) => 1,
        Scope::Programme(_) => 0,
        Scope::Only(place, _) => width(place),
    }
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
            assert!(blocking_scopes(purpose, &code(), None, Stop::EndsAll).contains(&stopped), "{purpose:?}");
        }
        for purpose in [Purpose::Confirmation, Purpose::Help] {
            assert!(blocking_scopes(purpose, &code(), None, Stop::EndsAll).is_empty(), "{purpose:?}");
        }
        assert!(
            !blocking_scopes(Purpose::Survey, &Sender("88002".into()), None, Stop::EndsAll)
                .contains(&stopped)
        );
    }

    #[test]
    fn where_a_stop_ends_marketing_notices_and_codes_go_on_until_everything_is_stopped() {
        let of = |purpose| blocking_scopes(purpose, &code(), Some("promo"), Stop::EndsMarketing);
        let sender = Scope::Sender("88001".into());
        for purpose in [Purpose::Transactional, Purpose::OneTimeCode] {
            assert!(!of(purpose).contains(&sender), "{purpose:?}");
            assert!(of(purpose).contains(&Scope::Everything), "{purpose:?}");
        }
        for purpose in [Purpose::Survey, Purpose::Promotional, Purpose::Reply] {
            assert!(of(purpose).contains(&sender), "{purpose:?}");
        }
    }

    #[test]
    fn a_programme_and_a_purpose_are_stopped_by_themselves() {
        let of = |purpose, programme| blocking_scopes(purpose, &code(), programme, Stop::EndsAll);
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
    fn start_opts_into_what_it_names_and_ends_what_is_narrower_there() {
        let sender = Scope::Sender("88001".into());
        let other = Scope::Sender("88002".into());
        let promo = Scope::Programme("promo".into());
        let survey = sender.clone().only(Purpose::Survey);
        let out = [Scope::Everything, sender.clone(), other.clone(), promo.clone(), survey.clone()];
        let programmes = ["promo".to_owned()];
        let opted = |text: &str| scopes_of_start(text, &code(), &programmes, &out);
        assert_eq!(opted("START"), [sender.clone(), survey.clone()]);
        assert_eq!(opted("START PROMO"), std::slice::from_ref(&promo));
        assert_eq!(opted("START ALL"), [Scope::Everything, sender, other, promo, survey]);
    }

    #[test]
    fn after_stop_all_start_brings_back_the_one_code_and_no_other() {
        let out = [(Scope::Everything, 10)];
        let into = [(Scope::Sender("88001".into()), 20)];
        let blocked = |purpose, sender: &str, into: &[(Scope, i64)]| {
            blocked_by(&blocking_scopes(purpose, &Sender(sender.into()), None, Stop::EndsAll), &out, into)
                .is_some()
        };
        assert!(!blocked(Purpose::Survey, "88001", &into));
        assert!(blocked(Purpose::Survey, "88002", &into));
        assert!(blocked(Purpose::Survey, "88001", &[(Scope::Sender("88001".into()), 10)]), "an older word");
        let wide = [(Scope::Everything, 20)];
        assert!(
            blocked(Purpose::Survey, "88001", &wide),
            "the same scope is the memory's to end, not a narrower word"
        );
    }

    #[test]
    fn a_programme_joined_after_stop_comes_back_alone() {
        let out = [(Scope::Sender("88001".into()), 10)];
        let into = [(Scope::Programme("promo".into()).only(Purpose::Promotional), 20)];
        let of = |purpose, programme| blocking_scopes(purpose, &code(), programme, Stop::EndsAll);
        assert_eq!(blocked_by(&of(Purpose::Promotional, Some("promo")), &out, &into), None);
        assert!(blocked_by(&of(Purpose::Promotional, Some("news")), &out, &into).is_some());
        assert!(blocked_by(&of(Purpose::Survey, Some("promo")), &out, &into).is_some());
    }

    #[test]
    fn an_opt_in_counts_where_it_covers_the_message_and_is_not_too_old() {
        let scopes = blocking_scopes(Purpose::Promotional, &code(), Some("promo"), Stop::EndsAll);
        let into = [(Scope::Programme("promo".into()), 100)];
        assert_eq!(consented(&scopes, &into, 100), Ok(()));
        assert_eq!(consented(&scopes, &into, 101), Err(NoConsent::TooOld));
        assert_eq!(consented(&scopes, &[(Scope::Programme("news".into()), 100)], 0), Err(NoConsent::Never));
        assert_eq!(
            consented(&scopes, &[(Scope::Everything.only(Purpose::Survey), 100)], 0),
            Err(NoConsent::Never)
        );
    }
}
