//! Stop words spelled out, stretched, in look-alike letters or with two letters swapped.

use std::collections::BTreeSet;

use super::{
    compliance::{Compliance, Judgement, Reserved, Wish},
    fold::latin_look,
    slips::{is_slip, squeeze},
    tokens::{Gap, Kind, Token},
    view::View,
};

/// Shortest stop word recognised in two parts, and the longest message looked through for one, in words.
const SHORTEST_PARTED: usize = 7;
const MOST_WORDS: usize = 6;

impl Compliance {
    /// A stop word that is the whole message, spelled out, stretched, in look-alike letters or with two letters swapped.
    pub(super) fn spelled(
        &self,
        tokens: &[Token],
        views: &[View<'_>],
        judgement: &mut Judgement,
    ) -> Option<Reserved> {
        let everything = |language: &str| Reserved {
            wish: Wish::Stop,
            rule: "stop.spelling",
            language: Some(language.to_owned()),
            scope: None,
            tokens: (0..tokens.len()).collect(),
        };
        let first = |word: &str| {
            views.iter().find(|view| view.speech.first_class.contains(word) && word.chars().count() >= 4)
        };
        // S T O P, s-t-o-p, (S)(T)(O)(P)
        let courtesy: BTreeSet<usize> = views
            .iter()
            .flat_map(|view| {
                (0..view.text.len())
                    .filter(|at| view.filler[*at] && view.text.word(*at).chars().count() > 1)
                    .map(|at| view.text.token(at))
            })
            .collect();
        let words: Vec<&Token> = tokens
            .iter()
            .enumerate()
            .filter(|(at, token)| matches!(token.kind, Kind::Word | Kind::Digits) && !courtesy.contains(at))
            .map(|(_, token)| token)
            .collect();
        if words.len() >= 4 && words.iter().all(|token| token.skeleton.chars().count() == 1) {
            let spelled: String = words.iter().map(|token| token.skeleton.as_str()).collect();
            if let Some(view) = first(&looks(&spelled)).or_else(|| first(&spelled)) {
                return Some(everything(&view.speech.language));
            }
        }
        // sto p, unsub scribe: nothing but one stop word with a slip of the space bar.
        if (2..=3).contains(&words.len()) {
            let joined: String = words.iter().map(|token| token.skeleton.as_str()).collect();
            if joined.chars().count() >= 4 && self.every_language.contains(&joined) {
                return Some(everything("en"));
            }
        }
        // un subscribe me please
        if let Some(found) = views.iter().find_map(|view| self.parted(tokens, view)) {
            return Some(found);
        }
        // ST0P, $top, 5top: one run without spaces.
        let inner: Vec<&Token> = trim(tokens);
        if !inner.is_empty() && inner.iter().skip(1).all(|token| token.gap == Gap::Glued) {
            let run: String = inner.iter().map(|token| token.skeleton.as_str()).collect();
            let seen = looks(&run);
            if self.every_language.contains(&seen) && run.chars().any(char::is_alphabetic) {
                return Some(everything("en"));
            }
        }
        for view in views {
            let said: Vec<usize> = (0..view.text.len()).filter(|at| !view.filler[*at]).collect();
            let [at] = said.as_slice() else { continue };
            let word = view.text.word(*at);
            if let Some(language) = self.misspelt(word, view) {
                return Some(everything(&language));
            }
            if self.is_near_stop(word) && view.speech.language == "en" {
                judgement.contradiction = Some("stop.near");
            }
        }
        None
    }

    /// A long stop word in two, with nothing beside it that changes it.
    fn parted(&self, tokens: &[Token], view: &View<'_>) -> Option<Reserved> {
        let text = &view.text;
        if view.speech.writing.glued || text.len() > MOST_WORDS {
            return None;
        }
        (1..text.len()).find_map(|at| {
            let joined = format!("{}{}", text.word(at - 1), text.word(at));
            let is_stop = joined.chars().count() >= SHORTEST_PARTED
                && (self.every_language.contains(&joined) || view.speech.stop.contains(&joined));
            let beside = |i: usize| view.filler[i] || view.speech.around.contains(text.word(i));
            (is_stop && (0..text.len()).all(|i| i == at || i + 1 == at || beside(i)))
                .then(|| view.everything(tokens, Wish::Stop, "stop.spelling"))
        })
    }

    fn misspelt(&self, word: &str, view: &View<'_>) -> Option<String> {
        if self.real_words.contains(word)
            || view.speech.start.contains(word)
            || view.speech.help.contains(word)
        {
            return None;
        }
        let language = || Some(view.speech.language.clone());
        let squeezed = squeeze(word).unwrap_or_else(|| word.to_owned());
        if squeezed != word && view.speech.stop.contains(&squeezed) {
            return language();
        }
        // Every run of a letter let go: stopp, ssstoop is not a word.
        let single = word.chars().fold(String::new(), |mut out, c| {
            if !out.ends_with(c) {
                out.push(c);
            }
            out
        });
        if single == "stop" && word != "stop" {
            return language();
        }
        let length = word.chars().count();
        let known = |stop: &&String| {
            let same = stop.chars().count() == length;
            !stop.contains(' ')
                && stop.chars().count() >= 4
                && is_slip(word, stop)
                && (same || stop.chars().count() >= 6)
        };
        if !view.speech.writing.glued && view.speech.first_class.iter().any(|stop| known(&stop)) {
            return language();
        }
        if word == "stp" {
            return language();
        }
        let unsubscribe =
            word.starts_with("un") && length >= 7 && strsim::osa_distance(word, "unsubscribe") <= 2;
        unsubscribe.then(|| "en".to_owned())
    }

    fn is_near_stop(&self, word: &str) -> bool {
        strsim::osa_distance(word, "stop") == 1 && !self.real_words.contains(word)
    }
}

/// Letters as they look, other signs dropped.
fn looks(text: &str) -> String {
    text.chars().map(latin_look).filter(|c| c.is_alphabetic()).collect()
}

/// Tokens without punctuation at the ends; a sign that can be a letter stays.
fn trim(tokens: &[Token]) -> Vec<&Token> {
    let sign = |token: &Token| {
        matches!(token.kind, Kind::Symbol(_))
            || matches!(token.kind, Kind::Mark(c) if !matches!(c, '$' | '@' | '+' | '|'))
    };
    let from = tokens.iter().take_while(|token| sign(token)).count();
    let to = tokens.len() - tokens[from..].iter().rev().take_while(|token| sign(token)).count();
    tokens[from..to].iter().collect()
}
