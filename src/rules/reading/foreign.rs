//! Reserved words of a language that is not the contact's.

use super::{
    compliance::{Compliance, Reserved, Wish},
    phrases::Text,
    speech::Speech,
    tokens::Token,
    view::View,
};

/// Longest message looked through for a foreign word with its courtesies, in words.
const FEW_WORDS: usize = 6;

impl Compliance {
    /// A whole message that is a reserved word of another language, alone or with that language's courtesies.
    pub(super) fn foreign(&self, tokens: &[Token], views: &[View<'_>], wish: Wish) -> Option<Reserved> {
        let reserved = |rule, language: &str| Reserved {
            wish,
            rule,
            language: Some(language.to_owned()),
            scope: None,
            tokens: (0..tokens.len()).collect(),
        };
        let said = views.first()?.bare();
        match self.everywhere.get(&said) {
            Some((Wish::Stop, language)) if wish == Wish::Stop => Some(reserved("stop.foreign", language)),
            Some((Wish::Help, language)) if wish == Wish::Help => Some(reserved("help.foreign", language)),
            _ if wish == Wish::Stop => {
                self.courteous(tokens, views).map(|language| reserved("stop.foreign", language))
            }
            _ => None,
        }
    }

    /// A stop sign with courtesies of any one language.
    pub(super) fn courteous_sign(&self, tokens: &[Token], views: &[View<'_>]) -> Option<Reserved> {
        let view = views.first()?;
        if !(1..=FEW_WORDS).contains(&view.text.len()) {
            return None;
        }
        let english = self.languages.get("en");
        let all_filler = |speech: &Speech| {
            let text = Text::new(tokens, speech.writing, |_| false);
            speech.filler(&text, english).iter().all(|filler| *filler)
        };
        self.languages.values().any(all_filler).then(|| view.everything(tokens, Wish::Stop, "stop.sign"))
    }

    /// `BAJA por favor`, `berhenti ya`: the courtesy says which language the word is of.
    fn courteous(&self, tokens: &[Token], views: &[View<'_>]) -> Option<&str> {
        let text = &views.first()?.text;
        if !(2..=FEW_WORDS).contains(&text.len()) {
            return None;
        }
        let english = self.languages.get("en")?;
        tokens.iter().filter_map(|token| self.courteous.get(&token.skeleton)).flatten().find_map(|language| {
            let speech = self.languages.get(language)?;
            let text = Text::new(tokens, speech.writing, |_| false);
            let filler = speech.filler(&text, Some(english));
            let (own, plain) = (speech.filler(&text, None), english.filler(&text, None));
            let evident = (0..text.len()).any(|at| own[at] && !plain[at]);
            let view = View { speech, text, filler };
            (evident && speech.stop.contains(&view.bare())).then_some(language.as_str())
        })
    }
}
