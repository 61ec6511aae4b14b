//! A conversation of one handset with one code: which of the messages it gets are for it to answer.

use crate::simulator::plan::Again;
use crate::simulator::rows::Sort;

/// What a handset keeps of its conversation with a code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Talk {
    /// How often it has decided what to say.
    turns: u32,
    last: Option<Decision>,
    stopped: bool,
}

/// The last thing it decided.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decision {
    /// The message that asked; `None` for what was said unasked.
    question: Option<u64>,
    context: usize,
    /// What was said; `None` for silence.
    sort: Option<Sort>,
    /// Whether it has left the handset.
    written: bool,
}

/// A message as a handset sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Digest of its words.
    pub(super) digest: u64,
    /// The place of the cue found in it.
    pub(super) context: Option<usize>,
}

/// A message that is for the handset to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) turn: u32,
    pub(super) context: usize,
    pub(super) again: Again,
}

impl Talk {
    /// Whether a message is a question to this handset, and which. Nothing changes until [`Talk::decide`].
    pub(super) fn hear(&self, heard: Heard) -> Option<Question> {
        if self.stopped {
            return None;
        }
        let first = |context| Question { turn: self.turns, context, again: Again::First };
        let Some(last) = &self.last else { return heard.context.map(first) };
        let repeated = last.question == Some(heard.digest);
        let unclear =
            matches!(last.sort, Some(Sort::Ambiguous | Sort::FreeText | Sort::Help)) && last.written;
        if unclear && (heard.context.is_some() || last.question.is_some()) {
            // Whatever comes now is about what was said: the question again, or the help called for.
            let context = heard.context.unwrap_or(last.context);
            return Some(Question { turn: self.turns, context, again: Again::Again });
        }
        heard.context.filter(|_| !repeated).map(first)
    }

    /// Takes what the handset decided on a question: to say something of this sort, or nothing.
    pub(super) fn decide(&mut self, question: Question, digest: u64, sort: Option<Sort>) {
        self.last =
            Some(Decision { question: Some(digest), context: question.context, sort, written: false });
        self.turn(sort);
    }

    /// Takes that somebody makes the handset say something unasked. Gives its turn.
    pub(super) fn say(&mut self, sort: Sort) -> u32 {
        let turn = self.turns;
        let context = self.last.as_ref().map_or(0, |last| last.context);
        self.last = Some(Decision { question: None, context, sort: Some(sort), written: false });
        self.turn(Some(sort));
        turn
    }

    fn turn(&mut self, sort: Option<Sort>) {
        self.turns += 1;
        match sort {
            Some(Sort::Stop) => self.stopped = true,
            Some(Sort::Start) => self.stopped = false,
            _ => {}
        }
    }

    /// Takes that what was said in this turn has left the handset.
    pub(super) fn written(&mut self, turn: u32) {
        if turn + 1 == self.turns
            && let Some(last) = &mut self.last
        {
            last.written = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Heard = Heard { digest: 1, context: Some(0) };
    const THANKS: Heard = Heard { digest: 2, context: None };
    const ASKED_AGAIN: Heard = Heard { digest: 3, context: None };

    fn talk_after(sort: Option<Sort>) -> Talk {
        let mut talk = Talk::default();
        let question = talk.hear(QUESTION).unwrap();
        assert_eq!(question, Question { turn: 0, context: 0, again: Again::First });
        talk.decide(question, QUESTION.digest, sort);
        talk.written(0);
        talk
    }

    #[test]
    fn a_message_without_a_cue_is_no_question() {
        assert_eq!(Talk::default().hear(THANKS), None);
    }

    #[test]
    fn thanks_for_an_answer_and_the_same_question_twice_are_not_answered() {
        let talk = talk_after(Some(Sort::Answer));
        assert_eq!(talk.hear(THANKS), None);
        assert_eq!(talk.hear(QUESTION), None);
        let another = Heard { digest: 9, context: Some(1) };
        assert_eq!(talk.hear(another), Some(Question { turn: 1, context: 1, again: Again::First }));
    }

    #[test]
    fn after_an_unclear_reply_or_a_call_for_help_whatever_comes_asks_again() {
        for sort in [Sort::Ambiguous, Sort::FreeText, Sort::Help] {
            let talk = talk_after(Some(sort));
            assert_eq!(talk.hear(ASKED_AGAIN), Some(Question { turn: 1, context: 0, again: Again::Again }));
            assert!(talk.hear(QUESTION).is_some(), "the same words again");
        }
    }

    #[test]
    fn a_message_that_comes_while_a_reply_is_still_being_typed_is_not_about_it() {
        let mut talk = Talk::default();
        let question = talk.hear(QUESTION).unwrap();
        talk.decide(question, QUESTION.digest, Some(Sort::Ambiguous));
        assert_eq!(talk.hear(ASKED_AGAIN), None);
        assert_eq!(talk.hear(QUESTION), None);
    }

    #[test]
    fn after_its_stop_a_handset_says_nothing_until_it_is_made_to_say_start() {
        let mut talk = talk_after(Some(Sort::Stop));
        assert_eq!(talk.hear(Heard { digest: 9, context: Some(1) }), None);
        assert_eq!(talk.say(Sort::Start), 1);
        assert!(talk.hear(Heard { digest: 9, context: Some(1) }).is_some());
    }

    #[test]
    fn somebody_who_said_nothing_can_be_reminded() {
        let talk = talk_after(None);
        assert_eq!(talk.hear(QUESTION), None);
        assert_eq!(talk.hear(Heard { digest: 5, context: Some(0) }).map(|question| question.turn), Some(1));
    }
}
