//! What a survey does with everything that can happen, by itself: the transcripts in `fixtures/survey` show it with the
//! memory and the texts around it.

use proptest::prelude::*;

use super::*;
use crate::rules::reading::{Reading, Verdict};

const NOW: i64 = 1_000_000_000;
const HOUR: i64 = 3_600_000;

fn question(key: &str, kind: Kind) -> Question {
    Question { key: key.to_owned(), kind, keyword: None, asked: Vec::new() }
}

fn item(question: Question, next: Vec<(Span, Target)>, otherwise: Target) -> Item {
    Item {
        question,
        need: Need::Required,
        reask_limit: 1,
        within: Span::ALL,
        next,
        otherwise,
        notify: Vec::new(),
        hand_over: Vec::new(),
        calls: None,
    }
}

/// A score from 0 to 5; a bad one leads to words.
fn plan() -> Plan {
    let score = Kind::Range { min: 0, max: 5 };
    let bad = vec![(Span { from: 0, to: 2 }, Target::Question(1))];
    Plan {
        items: vec![
            item(question("score", score), bad, Target::End),
            item(question("what", Kind::FreeText), Vec::new(), Target::End),
        ],
        expires_after_ms: 48 * HOUR,
        reminders: 2,
        remind_after_ms: 10 * HOUR,
        late_within_ms: 72 * HOUR,
        change_within_ms: HOUR / 4,
        enough: 1,
        skip: BTreeSet::from([said_word("skip")]),
        decline: BTreeSet::from([said_word("no thanks")]),
    }
}

fn read(verdict: Verdict) -> Reading {
    Reading {
        verdict,
        kept_answer: None,
        comment: None,
        rule: "test",
        candidates: Vec::new(),
        language_hint: None,
        flags: Vec::new(),
    }
}

fn say(plan: &Plan, before: &Progress, text: &str, verdict: Verdict, now_ms: i64) -> (Progress, Vec<Effect>) {
    let reading = read(verdict);
    let earlier = before.trail.last().map(|_| reading.clone());
    let said = Said { text, reading: &reading, earlier: earlier.as_ref() };
    step(plan, before, &Event::Said(said), now_ms)
}

fn due(plan: &Plan, before: &Progress, delivery: Delivery, now_ms: i64) -> (Progress, Vec<Effect>) {
    step(plan, before, &Event::Due(delivery), now_ms)
}

#[test]
fn time_runs_from_the_moment_the_carrier_took_the_question() {
    let plan = plan();
    let opened = Progress::opened(&plan, NOW);
    assert_eq!(opened.due_ms, Some(NOW + 10 * HOUR));
    // Ten hours on it still stands in the queue: nobody is reminded of what they have not seen.
    let (queued, effects) = due(&plan, &opened, Delivery::Queued, NOW + 10 * HOUR);
    assert_eq!((queued.due_ms, effects.len()), (Some(NOW + 10 * HOUR + QUEUED_LOOK_MS), 0));
    let sent = Delivery::Sent { at_ms: NOW + 10 * HOUR };
    let (sent, effects) = due(&plan, &queued, sent, NOW + 11 * HOUR);
    assert_eq!((sent.due_ms, effects.len()), (Some(NOW + 20 * HOUR), 0));
}

#[test]
fn reminders_are_counted_and_end() {
    let plan = plan();
    let mut progress = Progress::opened(&plan, NOW);
    let mut asked_at = Vec::new();
    while progress.state == InvitationState::Open {
        let now_ms = progress.due_ms.unwrap();
        let (next, effects) = due(&plan, &progress, Delivery::Sent { at_ms: NOW }, now_ms);
        if !effects.is_empty() {
            assert_eq!(effects, [Effect::Ask { item: 0, how: Asking::Reminder }]);
            asked_at.push((now_ms - NOW) / HOUR);
        }
        progress = next;
    }
    assert_eq!(asked_at, [10, 20]);
    assert_eq!((progress.state, progress.closed_ms), (InvitationState::NoAnswer, Some(NOW + 48 * HOUR)));
}

#[test]
fn after_a_long_standstill_the_end_comes_before_a_reminder() {
    let plan = plan();
    let opened = Progress::opened(&plan, NOW);
    let (closed, effects) = due(&plan, &opened, Delivery::Sent { at_ms: NOW }, NOW + 100 * HOUR);
    assert_eq!((closed.state, effects.len()), (InvitationState::NoAnswer, 0));
}

#[test]
fn an_unread_answer_stops_reminders_and_ends_as_unreadable() {
    let plan = plan();
    let (asked, _) = say(&plan, &Progress::opened(&plan, NOW), "hm", Verdict::FreeText, NOW + HOUR);
    assert_eq!((asked.asked, asked.due_ms), (2, Some(NOW + 49 * HOUR)));
    let (closed, effects) = due(&plan, &asked, Delivery::Sent { at_ms: NOW }, NOW + 49 * HOUR);
    assert_eq!((closed.state, effects.len()), (InvitationState::Unreadable, 0));
}

#[test]
fn the_outcome_of_an_unfinished_survey_is_what_was_answered() {
    let plan = Plan { enough: 2, ..plan() };
    let (open, _) = say(&plan, &Progress::opened(&plan, NOW), "1", Verdict::Answer(1), NOW);
    assert_eq!(open.question, "what");
    let (closed, _) = due(&plan, &open, Delivery::Failed, NOW + 48 * HOUR);
    assert_eq!(closed.state, InvitationState::BreakOff, "the second text's fate is not the first's");
    let enough = Plan { enough: 1, ..plan };
    let (closed, _) = due(&enough, &open, Delivery::Queued, NOW + 48 * HOUR);
    assert_eq!(closed.state, InvitationState::Partial);
}

#[test]
fn a_survey_that_waits_too_long_is_never_asked() {
    let plan = plan();
    let waiting = Progress::waiting(&plan, NOW);
    let turn = |turn, now_ms| step(&plan, &waiting, &Event::Turn(turn), now_ms);
    let (later, effects) = turn(Turn::Taken, NOW + HOUR);
    assert_eq!((later.due_ms, effects.len()), (Some(NOW + HOUR + WAITING_LOOK_MS), 0));
    let (open, effects) = turn(Turn::Free, NOW + HOUR);
    assert_eq!((open.state, open.asked_ms), (InvitationState::Open, NOW + HOUR));
    assert_eq!(effects, [Effect::Ask { item: 0, how: Asking::First }]);
    let (stale, effects) = turn(Turn::Free, NOW + 49 * HOUR);
    assert_eq!((stale.state, effects.len()), (InvitationState::NotDelivered, 0));
}

#[test]
fn a_number_after_a_bad_score_is_a_correction_and_words_are_words() {
    let plan = plan();
    let (open, _) = say(&plan, &Progress::opened(&plan, NOW), "1", Verdict::Answer(1), NOW);
    let words = read(Verdict::FreeText);
    let number = read(Verdict::Answer(5));
    let said = |text, earlier| Said { text, reading: &words, earlier: Some(earlier) };
    let (changed, _) = step(&plan, &open, &Event::Said(said("5", &number)), NOW + 1);
    assert_eq!((changed.state, changed.trail[0].value), (InvitationState::Complete, 5));
    let (answered, effects) = step(&plan, &open, &Event::Said(said("5 calls and no help", &number)), NOW + 1);
    assert_eq!(answered.trail.len(), 2);
    assert!(
        matches!(&effects[0], Effect::Record(answer) if answer.comment.as_deref() == Some("5 calls and no help"))
    );
}

#[test]
fn surveys_collide_unless_no_answer_could_be_for_both() {
    let of = |values: &[i64], word: &str| {
        let labels = values.iter().map(|value| (*value, format!("{word} {value}"))).collect();
        let labels = [("en".to_owned(), labels)].into_iter().collect();
        let kind = Kind::Choice { labels, values: values.iter().copied().collect() };
        Plan { items: vec![item(question("q", kind), Vec::new(), Target::End)], ..plan() }
    };
    assert!(of(&[1, 2], "a").collides(&of(&[2, 3], "b")), "a value of both");
    assert!(!of(&[1, 2], "a").collides(&of(&[3, 4], "b")));
    assert!(plan().collides(&of(&[21, 22], "c")), "words may be about anything");
}

#[test]
fn words_that_decline_are_known_in_any_dress() {
    for text in ["no thanks", "No, thanks!", " NO THANKS ", "no  thanks..."] {
        assert_eq!(said_word(text), said_word("no thanks"), "{text}");
    }
    assert_ne!(said_word("no"), said_word("no thanks"));
}

/// Anything that can happen, at some hour.
fn happenings() -> impl Strategy<Value = Vec<(u8, i64, i64)>> {
    prop::collection::vec((0..8_u8, -1..7_i64, 0..30_i64), 0..20)
}

proptest! {
    #[test]
    fn whatever_happens_nothing_is_asked_after_the_end_and_every_open_survey_has_an_end(all in happenings()) {
        let plan = plan();
        let mut progress = Progress::opened(&plan, NOW);
        let (mut now_ms, mut reminders) = (NOW, 0);
        for (what, value, hours) in all {
            now_ms += hours * HOUR;
            let before = progress.clone();
            let (after, effects) = match what {
                0 | 1 => say(&plan, &before, &value.to_string(), Verdict::Answer(value), now_ms),
                2 => say(&plan, &before, "well", Verdict::FreeText, now_ms),
                3 => say(&plan, &before, "4 or 5", Verdict::Ambiguous, now_ms),
                4 => step(&plan, &before, &Event::Stopped(Some(value)), now_ms),
                5 => due(&plan, &before, Delivery::Queued, now_ms),
                6 => due(&plan, &before, Delivery::Sent { at_ms: now_ms }, now_ms),
                _ => due(&plan, &before, Delivery::Failed, now_ms),
            };
            let asks = effects.iter().any(|effect| matches!(effect, Effect::Ask { .. }));
            let records = effects.iter().filter(|effect| matches!(effect, Effect::Record(_))).count();
            let speaks = effects.iter().filter(|effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_))).count();
            prop_assert!(speaks <= 1 && records <= 1, "{effects:?}");
            prop_assert_eq!(after.state.is_closed(), after.closed_ms.is_some());
            prop_assert_eq!(after.state.is_closed(), after.due_ms.is_none());
            prop_assert!(!asks || after.state == InvitationState::Open);
            if before.state == InvitationState::OptedOut {
                prop_assert!(effects.is_empty() && after == before);
            }
            reminders += effects.iter().filter(|one| matches!(one, Effect::Ask { how: Asking::Reminder, .. })).count();
            prop_assert!(reminders <= 2);
            prop_assert!(after.trail.len() <= plan.items.len());
            progress = after;
        }
    }
}
