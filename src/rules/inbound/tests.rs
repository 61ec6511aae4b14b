//! What one message does, message by message: commands, answers, keywords, and what takes the rest.

use std::sync::LazyLock;

use super::*;
use crate::message::InvitationState;
use crate::rules::reading::{Kind, Question};
use crate::rules::survey::{Given, Item, Need, Span, Target, Word};

static PLAN: LazyLock<Plan> = LazyLock::new(plan);

/// The exit survey, as far as these tests go.
fn plan() -> Plan {
    let labels = [(3, "too expensive"), (8, "other")].map(|(value, label)| (value, label.to_owned()));
    let question = Question {
        key: "exit".into(),
        kind: Kind::Choice {
            labels: [("en".to_owned(), labels.into_iter().collect())].into_iter().collect(),
            values: (1..=8).collect(),
        },
        keyword: None,
        asked: Vec::new(),
    };
    let item = Item {
        question,
        need: Need::Required,
        reask_limit: 1,
        within: Span::ALL,
        next: Vec::new(),
        otherwise: Target::End,
        notify: Vec::new(),
        hand_over: Vec::new(),
        calls: None,
    };
    Plan {
        items: vec![item],
        expires_after_ms: 86_400_000,
        reminders: 0,
        remind_after_ms: 3_600_000,
        late_within_ms: 86_400_000,
        change_within_ms: 900_000,
        enough: 1,
        skip: Default::default(),
        decline: Default::default(),
    }
}

fn decide_on(text: &str, known: &Known<'_>) -> Decision {
    let code = Sender("88001".into());
    let facts = CodeFacts {
        code: &code,
        language: Some("en"),
        keywords: &[],
        starts: &[],
        default: &Handler::Inbox,
        programmes: &[],
    };
    decide(&Reader::built_in(), text, "seven", 1_000_000, known, facts)
}

/// On a code with keywords, where `default` takes what nothing else does.
fn decide_with(text: &str, known: &Known<'_>, default: &Handler<'_>) -> Decision {
    let code = Sender("88001".into());
    let join = |word, language, name: &str, confirmed| Start {
        word,
        language,
        handler: Handler::OptIn { scope: Scope::Programme(name.into()), confirmed },
    };
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    let starts = [
        join("JOIN", Some("en"), "promo", Confirmed::ByAYes),
        join("HADIAH", Some("id"), "promo", Confirmed::ByAYes),
        join("NEWS", None, "news", Confirmed::ByTheWord),
        Start { word: "MOVED", language: None, handler: exit.clone() },
        Start { word: "PINDAH", language: Some("id"), handler: exit },
        Start { word: "AGENT", language: None, handler: Handler::Inbox },
        Start { word: "PRICES", language: None, handler: Handler::Help },
        Start { word: "NOTED", language: None, handler: Handler::Nobody },
        Start { word: "कॉफ़ी", language: Some("hi"), handler: Handler::Inbox },
        Start { word: "咖啡", language: Some("zh"), handler: Handler::Inbox },
        Start { word: "قهوة", language: Some("ar"), handler: Handler::Inbox },
        Start { word: "Кофе", language: Some("ru"), handler: Handler::Inbox },
    ];
    let keywords: Vec<Keyword> = starts.iter().map(Start::keyword).collect();
    let facts = CodeFacts {
        code: &code,
        language: Some("en"),
        keywords: &keywords,
        starts: &starts,
        default,
        programmes: &[],
    };
    decide(&Reader::built_in(), text, "seven", 1_000_000, known, facts)
}

fn decide_with_joins(text: &str, known: &Known<'_>) -> Decision {
    decide_with(text, known, &Handler::Inbox)
}

#[test]
fn a_keyword_with_double_opt_in_asks_and_only_a_yes_in_time_is_consent() {
    let promo = Scope::Programme("promo".into());
    let asked = decide_with_joins("join", &Known::default());
    assert_eq!(asked.ask_opt_in, Some(promo.clone()));
    assert!(asked.opt_in.is_empty(), "no consent yet");
    assert_eq!(asked.say, Some(Say::Confirm));

    let pending = |until_ms| Known { pending: Some((promo.clone(), until_ms)), ..Known::default() };
    let confirmed = decide_with_joins("YES", &pending(1_000_000));
    assert_eq!(confirmed.opt_in, std::slice::from_ref(&promo));
    assert_eq!(confirmed.say, Some(Say::Started));
    for language in
        ["id", "ro", "es", "fr", "de", "it", "pt", "nl", "pl", "tr", "ru", "ar", "hi", "zh", "vi", "sw", "tl"]
    {
        let known = Known { language: Some(language.into()), ..pending(1_000_000) };
        assert_eq!(decide_with_joins("YES", &known).opt_in, std::slice::from_ref(&promo), "{language}");
    }
    let late = decide_with_joins("YES", &pending(999_999));
    assert!(late.opt_in.is_empty(), "too late");
    let declined = decide_with_joins("NO", &pending(1_000_000));
    assert_eq!((declined.declined, declined.opt_out), (Some(promo), None));
    assert!(declined.opt_in.is_empty());
    assert_eq!(declined.say, None);
}

#[test]
fn stop_while_an_opt_in_waits_is_a_stop() {
    let known = Known { pending: Some((Scope::Programme("promo".into()), 2_000_000)), ..Known::default() };
    let decision = decide_with_joins("STOP", &known);
    assert_eq!(decision.opt_out, Some(Scope::Sender("88001".into())));
}

#[test]
fn a_keyword_without_double_opt_in_is_consent_to_its_programme() {
    let decision = decide_with_joins("News", &Known::default());
    assert_eq!(decision.opt_in, [Scope::Programme("news".into())]);
}

fn open(asked: u32) -> Known<'static> {
    let progress = Progress { asked, ..Progress::opened(&PLAN, 900_000) };
    let invited = Invited { survey: "exit", plan: &PLAN, progress, language: Some("en".into()) };
    Known { open: vec![invited], ..Known::default() }
}

fn stopped_us() -> Known<'static> {
    Known { opted_out: vec![Scope::Sender("88001".into())], ..open(1) }
}

fn state(decision: &Decision) -> Option<InvitationState> {
    decision.moved.first().map(|moved| moved.progress.state)
}

fn answered(decision: &Decision) -> Option<i64> {
    decision.answer().map(|answer| answer.value)
}

#[test]
fn an_answer_closes_the_question_and_is_thanked() {
    let decision = decide_on("3 - too expensive", &open(1));
    assert_eq!(answered(&decision), Some(3));
    assert_eq!(state(&decision), Some(InvitationState::Complete));
    assert_eq!(decision.moved[0].effects.last(), Some(&Effect::Say(Word::Thanks { item: 0 })));
}

#[test]
fn a_doubtful_reply_is_asked_about_once_naming_it_and_then_left_to_people() {
    let first = decide_on("5 - too expensive", &open(1));
    assert_eq!((answered(&first), state(&first)), (None, Some(InvitationState::Open)));
    let again = Effect::Ask { item: 0, how: Asking::Again { read: "5 - too expensive".into() } };
    assert_eq!(first.moved[0].effects, [again]);
    let second = decide_on("3 and 7", &open(2));
    assert_eq!((answered(&second), state(&second)), (None, Some(InvitationState::Unreadable)));
    assert_eq!(
        second.moved[0].effects,
        [Effect::HandOver { question: "exit".into(), why: "unreadable" }],
        "nothing more is said"
    );
}

#[test]
fn stop_with_a_number_opts_out_and_keeps_the_answer() {
    let decision = decide_on("3 STOP", &open(1));
    assert_eq!(decision.opt_out, Some(Scope::Sender("88001".into())));
    assert_eq!((answered(&decision), state(&decision)), (Some(3), Some(InvitationState::OptedOut)));
    assert_eq!(decision.say, Some(Say::Stopped));
}

#[test]
fn a_second_stop_is_not_confirmed_again() {
    let decision = decide_on("STOP", &stopped_us());
    assert!(decision.opt_out.is_some());
    assert_eq!(decision.say, None);
}

#[test]
fn help_is_answered_even_to_somebody_who_has_stopped_us_and_a_question_stays_open() {
    let decision = decide_on("HELP", &stopped_us());
    assert_eq!(decision.say, Some(Say::Help));
    assert!(decision.moved.is_empty());
}

#[test]
fn somebody_who_has_stopped_us_is_not_asked_again_or_thanked() {
    for text in ["3", "3 and 7"] {
        let decision = decide_on(text, &stopped_us());
        let speaks = |effect: &&Effect| matches!(effect, Effect::Ask { .. } | Effect::Say(_));
        assert_eq!(decision.moved[0].effects.iter().find(speaks), None, "{text}");
    }
}

#[test]
fn only_its_own_words_opt_somebody_back_in() {
    let known = Known { opted_out: vec![Scope::Sender("88001".into())], ..Known::default() };
    assert!(decide_on("hello, are you there", &known).opt_in.is_empty());
    assert!(decide_on("3", &known).opt_in.is_empty());
    assert_eq!(decide_on("START", &known).opt_in, [Scope::Sender("88001".into())]);
}

#[test]
fn the_same_words_within_minutes_are_a_redelivery_and_later_a_new_message() {
    let known = Known { their_last: Some(("seven".into(), 1_000_000 - 30_000)), ..open(2) };
    let decision = decide_on("3 and 7", &known);
    assert!(decision.redelivery && decision.moved.is_empty());
    let known = Known { their_last: Some(("seven".into(), 1_000_000 - REDELIVERY_MS)), ..open(2) };
    assert!(!decide_on("3 and 7", &known).redelivery);
}

#[test]
fn the_same_answer_to_the_next_question_is_an_answer_once_there_was_time_to_read_it() {
    let asked_ms = 1_000_000 - SOONEST_ANSWER_MS;
    let mut known = Known { their_last: Some(("seven".into(), asked_ms)), ..open(1) };
    let given = |at_ms| Given { question: "before".into(), value: 7, at_ms };
    known.open[0].progress.asked_ms = asked_ms;
    known.open[0].progress.trail = vec![given(asked_ms)];
    let decision = decide_on("7", &known);
    assert!(!decision.redelivery && decision.answer().is_some());
    known.open[0].progress.asked_ms += 1;
    assert!(decide_on("7", &known).redelivery, "nobody answers that fast");
    known.open[0].progress.asked_ms = asked_ms;
    known.open[0].progress.trail = vec![given(asked_ms - 60_000)];
    assert!(decide_on("7", &known).redelivery, "it was not what brought the question about");
}

#[test]
fn two_robots_fall_silent_and_stop_is_heard_all_the_same() {
    let known =
        Known { their_times_ms: (1..=10).map(|n| 1_000_000 - n * 30_000).collect(), ..Known::default() };
    let robot = decide_on("HELP", &known);
    assert_eq!((robot.say, robot.note), (None, Some(LOOP_NOTE)));
    let stop = decide_on("STOP", &known);
    assert!(stop.opt_out.is_some() && stop.say == Some(Say::Stopped));
}

#[test]
fn a_reaction_or_an_auto_reply_is_not_answered() {
    for text in ["Liked “Why are you leaving? Reply 1-8.”", "I'm driving right now and will reply at 5"] {
        let decision = decide_on(text, &open(1));
        assert!(decision.moved.is_empty() && decision.say.is_none(), "{text}");
    }
}

#[test]
fn a_keyword_with_courtesy_is_the_keyword_and_with_more_it_is_no_consent() {
    let asked = decide_with_joins("Join please", &Known::default());
    assert_eq!(asked.ask_opt_in, Some(Scope::Programme("promo".into())));
    assert!(asked.opt_in.is_empty(), "nothing but a yes is consent");
    let more = decide_with_joins("join me at the office tomorrow", &Known::default());
    assert!(more.ask_opt_in.is_none() && more.opt_in.is_empty());
    assert!(more.is_for_people());
}

#[test]
fn a_keyword_for_people_goes_to_people_also_while_a_question_is_open() {
    for known in [Known::default(), open(1)] {
        let decision = decide_with("agent please", &known, &Handler::Nobody);
        assert!(decision.is_for_people() && decision.moved.is_empty(), "the question stays open");
    }
}

#[test]
fn a_keyword_is_known_in_every_script() {
    for (word, language) in [("कॉफ़ी", "hi"), ("咖啡！", "zh"), ("قهوة", "ar"), ("кофе", "ru")]
    {
        let decision = decide_with(word, &Known::default(), &Handler::Nobody);
        assert!(decision.is_for_people(), "{word}");
        assert_eq!(decision.answer_in.as_deref(), Some(language), "{word}");
    }
}

#[test]
fn a_keyword_may_ask_for_help_or_be_only_noted() {
    assert_eq!(decide_with_joins("Prices", &Known::default()).say, Some(Say::Help));
    let noted = decide_with_joins("noted", &Known::default());
    assert!(noted.say.is_none() && !noted.is_for_people());
}

#[test]
fn the_language_of_a_keyword_counts_where_no_other_is_known() {
    let language_of = |text: &str, known: Option<&str>| {
        let known = Known { language: known.map(str::to_owned), ..Known::default() };
        decide_with_joins(text, &known).answer_in
    };
    for word in ["hadiah", "PINDAH"] {
        assert_eq!(language_of(word, None).as_deref(), Some("id"), "{word}");
        assert_eq!(
            language_of(word, Some("ro")).as_deref(),
            Some("ro"),
            "{word}: they are known to speak it"
        );
        assert_eq!(
            language_of(word, Some("en")).as_deref(),
            Some("id"),
            "{word}: what everybody is written to in tells nothing"
        );
    }
    assert_eq!(language_of("MOVED", None), None);
}

#[test]
fn an_answer_beside_a_keyword_is_read_in_its_language() {
    let decision = decide_with_joins("pindah tiga", &Known::default());
    assert_eq!(answered(&decision), Some(3));
}

#[test]
fn what_is_neither_command_nor_answer_nor_keyword_goes_where_the_code_says() {
    let words = "my invoice is wrong";
    let inbox = decide_with(words, &Known::default(), &Handler::Inbox);
    assert!(inbox.is_for_people() && inbox.say.is_none());
    let help = decide_with(words, &Known::default(), &Handler::Help);
    assert_eq!((help.say, help.is_for_people()), (Some(Say::HelpByDefault), false));
    let none = decide_with(words, &Known::default(), &Handler::Nobody);
    assert_eq!((none.say, none.is_for_people()), (None, false));
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    let survey = decide_with(words, &Known::default(), &exit);
    let begun = survey.begun.as_ref().unwrap();
    assert_eq!(begun.effects, [Effect::Ask { item: 0, how: Asking::First }]);
    assert!(!survey.is_for_people());
}

#[test]
fn commands_answers_and_keywords_come_before_the_default() {
    for default in [Handler::Help, Handler::Nobody, Handler::Survey { key: "exit", plan: &PLAN }] {
        assert!(decide_with("STOP", &Known::default(), &default).opt_out.is_some());
        assert_eq!(decide_with("HELP", &Known::default(), &default).say, Some(Say::Help));
        assert_eq!(answered(&decide_with("3", &open(1), &default)), Some(3));
        assert_eq!(decide_with("hadiah", &Known::default(), &default).say, Some(Say::Confirm));
    }
}

#[test]
fn a_number_that_nobody_asked_for_is_no_answer_to_the_survey_it_starts() {
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    let decision = decide_with("3", &Known::default(), &exit);
    assert_eq!(answered(&decision), None);
    assert!(decision.begun.is_some());
}

#[test]
fn whoever_has_just_been_through_the_survey_is_not_asked_again_but_read_by_people() {
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    let state = InvitationState::Complete;
    let progress = Progress { state, closed_ms: Some(990_000), ..Progress::opened(&PLAN, 900_000) };
    let closed = Some(Invited { survey: "exit", plan: &PLAN, progress, language: None });
    let decision = decide_with("ok thanks", &Known { closed, ..Known::default() }, &exit);
    assert!(decision.begun.is_none() && decision.is_for_people());
}

#[test]
fn a_conversation_with_people_goes_on_whatever_the_default() {
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    for default in [Handler::Help, Handler::Nobody, exit] {
        let known = Known { conversation: Conversation::GoesOn, ..Known::default() };
        let decision = decide_with("it is the one of May", &known, &default);
        assert!(decision.is_for_people() && decision.say.is_none() && decision.begun.is_none());
    }
}

#[test]
fn what_a_person_should_look_at_is_shown_to_people_whatever_the_default() {
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    for default in [Handler::Help, Handler::Nobody, exit] {
        let decision = decide_with("stop raising the price", &Known::default(), &default);
        assert!(decision.opt_out.is_none() && decision.is_for_people(), "{default:?}");
        assert!(decision.begun.is_none(), "{default:?}");
    }
}

#[test]
fn nobody_who_stopped_us_and_no_robot_is_answered_by_default() {
    let exit = Handler::Survey { key: "exit", plan: &PLAN };
    let stopped = Known { opted_out: vec![Scope::Sender("88001".into())], ..Known::default() };
    let robot =
        Known { their_times_ms: (1..=10).map(|n| 1_000_000 - n * 30_000).collect(), ..Known::default() };
    for default in [Handler::Help, Handler::Nobody, exit] {
        for known in [&stopped, &robot] {
            let decision = decide_with("are you there", known, &default);
            assert!(decision.say.is_none() && decision.begun.is_none(), "{default:?}");
        }
        let auto = decide_with("I'm driving right now and will reply at 5", &Known::default(), &default);
        assert!(auto.say.is_none() && auto.begun.is_none() && !auto.is_for_people(), "{default:?}");
    }
}
