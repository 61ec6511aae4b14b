//! The words of what a survey says: the question's own, the survey's, else the code's, with everything filled in.

use crate::config::{Code, Survey};
use crate::rules::merge::merge;
use crate::rules::reading::Kind;
use crate::rules::survey::{Answer, Asking, Effect, Progress, Slot, Word};

/// The text of what a survey says, if it says anything.
pub(in crate::flow) fn body_of(
    code: &Code,
    survey: &Survey,
    name: Option<&str>,
    progress: &Progress,
    effects: &[Effect],
    language: Option<&str>,
) -> Option<String> {
    let said = effects.iter().rev().find(|effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_)))?;
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Record(answer) => Some(answer),
        _ => None,
    });
    let (text, place) = text_of(code, survey, said, language)?;
    let own = survey.question(place, language);
    let range = match &survey.plan.items.get(place)?.calls {
        Some(_) => {
            let least = i64::from(own.is_none_or(|own| !own.labels.contains_key(&0)));
            format!("{least}-{}", progress.offered.len())
        }
        None => survey.range_of(place),
    };
    let options = offered_words(&progress.offered, own.and_then(|own| own.labels.get(&0)));
    let given = answer.map(|answer| answer_words(survey, answer, language));
    let read = match said {
        Effect::Ask { how: Asking::Again { read }, .. } => read.as_str(),
        _ => "",
    };
    Some(merge(text, |field| match field {
        "name" => name,
        "brand" => Some(code.brand.as_str()),
        "range" => Some(range.as_str()),
        "options" => Some(options.as_str()),
        "read" => Some(read),
        "answer" => given.as_deref(),
        _ => None,
    }))
}

/// The words for what is to be said, the survey's where it has its own, else the code's; and the question they are about.
fn text_of<'a>(
    code: &'a Code,
    survey: &'a Survey,
    said: &Effect,
    language: Option<&str>,
) -> Option<(&'a str, usize)> {
    let usual = code.text(language);
    let closing = survey.closing(language);
    let thanks = || closing.thanks.as_deref().unwrap_or(&usual.thanks);
    match said {
        Effect::Ask { item, how } => {
            let own = survey.question(*item, language)?;
            let text = match how {
                Asking::First => &own.ask,
                Asking::Reminder => own.remind.as_ref().unwrap_or(&own.ask),
                Asking::Again { .. } => match (&own.ask_again, asks_for_a_number(survey, *item)) {
                    (Some(again), _) => again,
                    (None, true) => &usual.ask_again,
                    (None, false) => &own.ask,
                },
            };
            Some((text, *item))
        }
        Effect::Say(Word::Thanks { item }) => {
            let own = survey.question(*item, language).and_then(|own| own.thanks.as_deref());
            Some((own.unwrap_or_else(thanks), *item))
        }
        Effect::Say(Word::Changed { item }) => {
            let own = survey.question(*item, language).and_then(|own| own.thanks.as_deref());
            Some((closing.changed.as_deref().or(own).unwrap_or_else(thanks), *item))
        }
        Effect::Say(Word::Late) => Some((closing.late.as_deref().unwrap_or_else(thanks), 0)),
        _ => None,
    }
}

/// Whether the code's own "please reply with just one number" fits.
fn asks_for_a_number(survey: &Survey, place: usize) -> bool {
    survey.plan.items.get(place).is_some_and(|item| match item.question.kind {
        Kind::Choice { .. } | Kind::Range { .. } => true,
        Kind::Number => !survey.range_of(place).is_empty(),
        Kind::YesNo | Kind::FreeText | Kind::Date => false,
    })
}

/// The times for a call, one a line, and the number for none.
fn offered_words(offered: &[Slot], no_call: Option<&String>) -> String {
    let times = offered.iter().enumerate().map(|(index, slot)| format!("{} {}", index + 1, slot.words));
    times.chain(no_call.map(|label| format!("0 {label}"))).collect::<Vec<_>>().join("\n")
}

/// An answer in the person's language, for thanks that repeat it.
fn answer_words(survey: &Survey, answer: &Answer, language: Option<&str>) -> String {
    let label = survey.question(answer.item, language).and_then(|own| own.labels.get(&answer.value));
    let is_range = survey
        .plan
        .items
        .get(answer.item)
        .is_some_and(|item| matches!(item.question.kind, Kind::Range { .. }));
    label.filter(|_| !is_range).unwrap_or(&answer.kept).clone()
}
