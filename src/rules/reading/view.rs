//! A message as one language sees it: its words, what is filler, what its phrases say.

use super::{
    compliance::{Around, Reserved, Wish},
    phrases::Text,
    speech::Speech,
    tokens::Token,
};

/// What a language's phrases say.
pub(super) enum Phrase {
    Stop(&'static str, usize, usize),
    Ask,
    Guarded,
    None,
}

/// A message seen in one language.
pub(super) struct View<'a> {
    pub(super) speech: &'a Speech,
    pub(super) text: Text,
    pub(super) filler: Vec<bool>,
}

impl View<'_> {
    /// The message without filler, joined.
    pub(super) fn bare(&self) -> String {
        let join = if self.speech.writing.glued { "" } else { " " };
        (0..self.text.len())
            .filter(|at| !self.filler[*at])
            .map(|at| self.text.word(at))
            .collect::<Vec<_>>()
            .join(join)
    }

    /// The message without filler, for patterns.
    pub(super) fn without_filler(&self) -> Text {
        self.text.part(&self.filler)
    }

    pub(super) fn everything(&self, tokens: &[Token], wish: Wish, rule: &'static str) -> Reserved {
        Reserved {
            wish,
            rule,
            language: Some(self.speech.language.clone()),
            scope: None,
            tokens: (0..tokens.len()).collect(),
        }
    }

    pub(super) fn reserved(&self, wish: Wish, rule: &'static str, from: usize, to: usize) -> Reserved {
        let tokens = (from..to).map(|at| self.text.token(at)).collect();
        Reserved { wish, rule, language: Some(self.speech.language.clone()), scope: None, tokens }
    }

    pub(super) fn words(&self, words: &[usize], wish: Wish, rule: &'static str) -> Reserved {
        let tokens = words.iter().map(|at| self.text.token(*at)).collect();
        Reserved { wish, rule, language: Some(self.speech.language.clone()), scope: None, tokens }
    }

    /// How much may follow a short opening.
    fn few(&self) -> usize {
        if self.speech.writing.glued { 4 } else { 2 }
    }

    /// A negation stands a word or two before, in the same sentence.
    pub(super) fn negated(&self, at: usize) -> bool {
        let reach = if self.speech.writing.glued || self.speech.language == "en" { 3 } else { 2 };
        let mut from = at;
        for _ in 0..reach {
            if from == 0 || self.text.breaks_before(from) {
                return false;
            }
            from -= 1;
            if self.speech.writing.glued {
                let before = self.text.joined(from, at);
                if self.speech.negations.contains(&before) {
                    return true;
                }
            } else if self.speech.negations.contains(self.text.word(from)) {
                return true;
            }
        }
        false
    }

    /// Guards, phrases that ask, phrases that mean stop: the first stop that no guard covers and no asking phrase contains.
    pub(super) fn phrase(&self, around: &Around<'_>) -> Phrase {
        let text = &self.text;
        let guards: Vec<(usize, usize)> = self.speech.guards.all_in(text).collect();
        let guarded_ask = |from: usize, to: usize| {
            guards.iter().any(|(g, e)| {
                (*g < from && from < *e) || (*g == from && *e >= to) || (from < *g && *g < to && *e > to)
            })
        };
        let asks: Vec<(usize, usize)> =
            self.speech.asks.all_in(text).filter(|(from, to)| !guarded_ask(*from, *to)).collect();
        let mut stops: Vec<(&'static str, usize, usize)> =
            self.speech.phrases.all_in(text).map(|(from, to)| ("stop.phrase", from, to)).collect();
        // Openings begin the message, courtesy and an answer before them apart.
        let opens: Vec<usize> =
            (0..text.len()).filter(|at| !self.filler[*at] && !(around.answer)(text.token(*at))).collect();
        let leave: Vec<bool> = (0..text.len()).map(|at| opens.binary_search(&at).is_err()).collect();
        let bare = text.part(&leave);
        let back = |to: usize| opens[to - 1] + 1;
        if let Some(first) = opens.first() {
            stops.extend(self.speech.openings.at(&bare, 0).map(|to| ("stop.opening", *first, back(to))));
            stops.extend(self.speech.hostile.at(&bare, 0).map(|to| ("stop.hostile", *first, back(to))));
            let short = self.speech.short_openings.at(&bare, 0).filter(|to| bare.len() - to <= self.few());
            stops.extend(short.map(|to| ("stop.opening", *first, back(to))));
            stops.extend(self.speech.openings.at(text, 0).map(|to| ("stop.opening", 0, to)));
        }
        stops.extend(self.speech.wrong.all_in(text).map(|(from, to)| ("stop.wrong_number", from, to)));
        let mut guarded = !guards.is_empty() && !stops.is_empty();
        for (rule, from, to) in &stops {
            // A guard that says "don't stop" holds however the sentence goes on.
            let turned =
                |g: usize, e: usize| (g + 1..e).any(|at| self.speech.first_class.contains(text.word(at)));
            let covered = guards.iter().any(|(g, e)| {
                (g <= from && from < e && (e >= to || g < from || turned(*g, *e)))
                    || (from < g && g < to && e > to)
            });
            // Not interested stop texting: the negation belongs to what was said before.
            let elsewhere = asks.iter().any(|(_, end)| end == from);
            if covered || (self.negated(*from) && !elsewhere) {
                guarded = true;
                continue;
            }
            // Unsubscribe … from your TV plan: what is to be stopped is named behind it.
            let service = |a: usize, e: usize| (a <= *from && e >= *to) || (a > *from && a < *to && e > *to);
            if asks.iter().any(|(a, e)| service(*a, *e)) {
                return Phrase::Ask;
            }
            return Phrase::Stop(rule, *from, *to);
        }
        let free_ask = asks.iter().any(|(from, _)| !self.negated(*from));
        match (free_ask, guarded) {
            (true, _) => Phrase::Ask,
            (false, true) => Phrase::Guarded,
            (false, false) => Phrase::None,
        }
    }
}
