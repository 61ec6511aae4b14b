//! Who may be written to: which opt-outs block which message.

use crate::message::{Purpose, Scope, Sender};

/// The scopes whose opt-out blocks a message. None for an answer a person is owed even when blocked: the one
/// confirmation and the answer to HELP.
pub fn blocking_scopes(purpose: Purpose, sender: &Sender, programme: Option<&str>) -> Vec<Scope> {
    match purpose {
        Purpose::Confirmation | Purpose::Help => Vec::new(),
        _ => {
            let mut scopes = vec![Scope::Everything, Scope::Sender(sender.0.clone())];
            scopes.extend(programme.map(|name| Scope::Programme(name.to_owned())));
            scopes
        }
    }
}

/// How far a STOP reaches: the programme it names if there is one of that name on this code, else the code it was
/// sent to. A word that names nothing of ours never narrows it.
pub fn scope_of_stop(word: Option<&str>, code: &Sender, programmes: &[String]) -> Scope {
    word.and_then(|word| programmes.iter().find(|name| name.to_lowercase() == word.to_lowercase()))
        .map_or_else(|| Scope::Sender(code.0.clone()), |name| Scope::Programme(name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_to_a_code_blocks_everything_from_it_but_the_confirmation_and_help() {
        let code = Sender("88001".into());
        let stopped = scope_of_stop(None, &code, &[]);
        for purpose in [Purpose::Survey, Purpose::Promotional, Purpose::Reply, Purpose::Transactional] {
            assert!(blocking_scopes(purpose, &code, None).contains(&stopped), "{purpose:?}");
        }
        for purpose in [Purpose::Confirmation, Purpose::Help] {
            assert!(blocking_scopes(purpose, &code, None).is_empty(), "{purpose:?}");
        }
        assert!(!blocking_scopes(Purpose::Survey, &Sender("88002".into()), None).contains(&stopped));
    }

    #[test]
    fn stop_with_a_word_reaches_as_far_as_the_programme_of_that_name_else_the_whole_code() {
        let (code, programmes) = (Sender("88001".into()), vec!["Promo".to_owned()]);
        assert_eq!(scope_of_stop(Some("PROMO"), &code, &programmes), Scope::Programme("Promo".into()));
        assert_eq!(scope_of_stop(Some("12345"), &code, &programmes), Scope::Sender("88001".into()));
    }
}
