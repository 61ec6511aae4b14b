//! Messages that turn round: STOP and START in one, a stop taken back.

use super::{compliance::Compliance, view::View};

/// What a word asks for, seen alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Stop,
    Start,
    /// Turns the word behind it into its opposite.
    Not,
    /// No, wait, sorry: between two wishes.
    Turn,
    Other,
}

impl Compliance {
    /// STOP and START in one message and no word of another kind, or START and a number: `START 0` blocks everything
    /// where a regulator takes it.
    pub(super) fn contradicts(&self, views: &[View<'_>]) -> Option<&'static str> {
        views.iter().find_map(|view| {
            let said: Vec<&str> =
                (0..view.text.len()).filter(|at| !view.filler[*at]).map(|at| view.text.word(at)).collect();
            let words: Vec<Word> = said.iter().map(|word| self.word(view, word)).collect();
            if view.speech.writing.glued {
                return is_both(view).then_some("stop.start");
            }
            if words.len() < 2 {
                return None;
            }
            if words.len() == 2
                && view.speech.start.contains(said[0])
                && said[1].chars().all(|c| c.is_ascii_digit())
            {
                return Some("start.number");
            }
            if words.contains(&Word::Other) {
                return None;
            }
            let (mut stop, mut start) = (false, false);
            for (at, word) in words.iter().enumerate() {
                // A no before a word may belong to it or to what was said before: STOP, no STOP; STOP, no START.
                let negated = at > 0 && words[at - 1] == Word::Not;
                let refused = at > 0 && view.speech.negations.contains(said[at - 1]);
                match word {
                    Word::Stop if stop && refused || negated => start = true,
                    Word::Start if negated => stop = true,
                    Word::Stop => stop = true,
                    Word::Start => start = true,
                    // Stop... no wait, don't
                    Word::Not if stop && at + 1 == words.len() && words[at - 1] == Word::Turn => start = true,
                    _ => {}
                }
            }
            (stop && start).then_some("stop.start")
        })
    }

    fn word(&self, view: &View<'_>, word: &str) -> Word {
        match () {
            () if view.speech.first_class.contains(word) || self.every_language.contains(word) => Word::Stop,
            () if view.speech.start.contains(word) => Word::Start,
            () if view.speech.turns.contains(word) => Word::Turn,
            () if view.speech.negations.contains(word) => Word::Not,
            () => Word::Other,
        }
    }

    /// Does what is said behind the wish to stop (words `from` to `to`) take it back or ask for the opposite, and nothing
    /// else? A phrase may reach over a sign into what comes behind it: stop texting me, start texting me.
    pub(super) fn turns_round(&self, view: &View<'_>, from: usize, to: usize) -> bool {
        let text = &view.text;
        let turn = |at: usize| self.word(view, text.word(at)) == Word::Turn;
        let idle = |at: usize| {
            view.filler[at] || view.speech.around.contains(text.word(at)) || turn(at) && !denies(view, at)
        };
        let behind = (to..text.len()).find(|at| !idle(*at));
        // A sign, and perhaps a no or a wait behind it.
        let fresh = |at: &usize| {
            let first = (from + 1..*at).rev().take_while(|before| turn(*before)).last().unwrap_or(*at);
            text.breaks_before(first)
        };
        let inside = (from + 1..to).filter(fresh);
        inside.chain(behind).any(|at| self.is_opposite(view, at))
    }

    /// Are the words from here to the end a stop denied, or a wish to start?
    fn is_opposite(&self, view: &View<'_>, first: usize) -> bool {
        let text = &view.text;
        let leave: Vec<bool> = (0..text.len()).map(|at| at < first || view.filler[at]).collect();
        let said: Vec<usize> = (first..text.len()).filter(|at| !leave[*at]).collect();
        let stops = |at: usize| {
            self.word(view, text.word(at)) == Word::Stop || view.speech.stop.contains(text.word(at))
        };
        // The n' of n'arrêtez pas is a word of its own there.
        let elided = |at: usize| text.word(at).chars().count() == 1;
        let denied = said.iter().any(|at| stops(*at))
            && said.iter().any(|at| denies(view, *at))
            && said.iter().all(|at| stops(*at) || denies(view, *at) || elided(*at));
        let refused =
            first > 0 && denies(view, first - 1) && self.word(view, text.word(first - 1)) != Word::Turn;
        let rest = text.part(&leave);
        denied
            || !refused
                && (view.speech.start.contains(&rest.joined(0, rest.len()))
                    || view.speech.start_phrases.whole(&rest))
    }
}

/// Does this word turn the one behind it into its opposite?
fn denies(view: &View<'_>, at: usize) -> bool {
    view.speech.negations.contains(view.text.word(at))
}

/// A stop word and a start word side by side, in a writing without spaces.
fn is_both(view: &View<'_>) -> bool {
    let bare = view.bare();
    let (stop, start) = (&view.speech.first_class, &view.speech.start);
    bare.char_indices().skip(1).any(|(at, _)| {
        let (first, second) = bare.split_at(at);
        stop.contains(first) && start.contains(second) || start.contains(first) && stop.contains(second)
    })
}

#[cfg(test)]
mod tests {
    use crate::rules::reading::{Context, Reader};

    fn read(text: &str, language: &str) -> String {
        Reader::built_in()
            .read(text, &Context { language: Some(language), ..Context::default() })
            .expected_form()
    }

    #[test]
    fn a_stop_beside_its_opposite_is_asked_about_in_every_language() {
        for (text, language) in [
            ("unsubscribe subscribe", "en"),
            ("stop texting me, start texting me", "en"),
            ("stop, sorry don't stop", "en"),
            ("stop... no wait dont", "en"),
            ("stop, pardon n'arrêtez pas", "fr"),
            ("stop, perdón no paren", "es"),
            ("abmelden nein anmelden", "de"),
            ("berhenti mulai", "id"),
            ("停止 開始", "ja"),
        ] {
            assert_eq!(read(text, language), "ambiguous", "{text}");
        }
    }

    #[test]
    fn a_start_that_is_denied_leaves_the_stop_a_stop() {
        assert_eq!(read("stop, dont start again", "en"), "optout");
        assert_eq!(read("ça n'arrête pas", "fr"), "freetext");
    }
}
