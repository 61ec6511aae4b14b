//! `backchat survey check` and `show`: is a survey file right, where do its answers lead, and what does each text cost.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use protocol::text::{self, Reference};

use crate::cli::check::rendered;
use crate::cli::paint::Surface;
use crate::cli::{Done, Failure};
use crate::config::{self, Survey};
use crate::rules::merge::merge;
use crate::rules::reading::Kind;
use crate::rules::survey::{Item, Need, Span, Target};

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The survey file
    #[arg(value_name = "FILE")]
    survey: PathBuf,
    /// One JSON document: the list of problems, empty when there are none
    #[arg(long)]
    json: bool,
}

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The survey file
    #[arg(value_name = "FILE")]
    survey: PathBuf,
    /// The brand that stands in the texts: its length is paid for
    #[arg(long, default_value = "Your Brand")]
    brand: String,
    /// The contact's name that stands in them
    #[arg(long, default_value = "Maximiliane")]
    name: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(crate) fn show(args: &ShowArgs) -> Done {
    let read = config::load_survey(&args.survey).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let costs = costs(&read, &args.brand, &args.name);
    let text = if args.json { as_json(&read, &costs)? } else { shown(&read, &costs, Surface::of_stdout()) };
    // Whoever stops reading early has read enough.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn check(args: &CheckArgs) -> Done {
    match config::load_survey(&args.survey) {
        Ok(_) if args.json => say!("[]"),
        Ok(survey) => say!(
            "{}: right. {} questions in {} languages.",
            args.survey.display(),
            survey.plan.items.len(),
            survey.languages().count(),
        ),
        Err(problems) if args.json => {
            say!("{}", serde_json::to_string_pretty(problems.items()).map_err(Failure::wrong)?);
            return Ok(ExitCode::from(2));
        }
        Err(problems) => return Err(Failure::wrong(rendered(&problems))),
    }
    Ok(ExitCode::SUCCESS)
}

/// What one text comes to.
#[derive(Debug, serde::Serialize)]
struct TextCost {
    question: String,
    language: String,
    alphabet: &'static str,
    parts: usize,
    characters: usize,
}

/// The questions as they are put, with a name of this length.
fn costs(survey: &Survey, brand: &str, name: &str) -> Vec<TextCost> {
    let languages: Vec<&str> = survey.languages().collect();
    let of = |place: usize, item: &Item, language: &str| {
        let own = survey.question(place, Some(language))?;
        // Times for a call have all the same length.
        let times = item.calls.as_ref().map_or(0, |calls| calls.offers);
        let mut options: Vec<String> =
            (1..=times).map(|number| format!("{number} 2026-01-01 00:00-00:00")).collect();
        options.extend(own.labels.get(&0).filter(|_| times > 0).map(|label| format!("0 {label}")));
        let options = options.join("\n");
        let body = merge(&own.ask, |field| match field {
            "brand" => Some(brand),
            "name" => Some(name),
            "options" => Some(options.as_str()),
            _ => None,
        });
        let parts = text::split(&body, Reference::Eight(0)).ok()?;
        Some(TextCost {
            question: item.question.key.clone(),
            language: language.to_owned(),
            alphabet: if parts.data_coding == 0 { "GSM 7" } else { "UCS-2" },
            parts: parts.parts.len(),
            characters: body.chars().count(),
        })
    };
    let items = survey.plan.items.iter().enumerate();
    items
        .flat_map(|(place, item)| languages.iter().filter_map(move |language| of(place, item, language)))
        .collect()
}

fn as_json(survey: &Survey, costs: &[TextCost]) -> Result<String, Failure> {
    let questions = survey.plan.items.iter().enumerate().map(|(place, item)| {
        let next =
            item.next.iter().map(|(span, target)| (words_of(*span, item), target_name(survey, *target)));
        serde_json::json!({
            "key": item.question.key,
            "kind": kind_name(item),
            "answers": survey.range_of(place),
            "optional": item.need == Need::Optional,
            "next": next.collect::<std::collections::BTreeMap<_, _>>(),
            "else": target_name(survey, item.otherwise),
            "notify": item.notify.iter().map(|span| words_of(*span, item)).collect::<Vec<_>>(),
            "hand_over": item.hand_over.iter().map(|span| words_of(*span, item)).collect::<Vec<_>>(),
        })
    });
    let document = serde_json::json!({
        "key": survey.key,
        "keyword": survey.keyword,
        "languages": survey.languages().collect::<Vec<_>>(),
        "questions": questions.collect::<Vec<_>>(),
        "texts": costs,
    });
    serde_json::to_string_pretty(&document).map_err(Failure::wrong)
}

fn shown(survey: &Survey, costs: &[TextCost], surface: Surface) -> String {
    let mut lines = vec![surface.bold(&survey.key)];
    let plan = &survey.plan;
    let mut facts = vec![format!("an answer is waited for {}", span_of_time(plan.expires_after_ms))];
    if plan.reminders > 0 {
        facts.push(format!("{} reminders, {} apart", plan.reminders, span_of_time(plan.remind_after_ms)));
    }
    facts.push(format!("late answers for {}", span_of_time(plan.late_within_ms)));
    facts.push(format!("changes within {}", span_of_time(plan.change_within_ms)));
    facts.extend(survey.keyword.iter().map(|word| format!("keyword {word}")));
    lines.push(facts.join(", "));
    for (place, item) in plan.items.iter().enumerate() {
        lines.push(String::new());
        let optional = if item.need == Need::Optional { ", can be skipped" } else { "" };
        let answers = survey.range_of(place);
        let answers =
            if item.calls.is_some() || answers.is_empty() { String::new() } else { format!(" {answers}") };
        let head = format!("{}. {}", place + 1, item.question.key);
        lines.push(format!("{}  {}{answers}{optional}", surface.bold(&head), kind_name(item)));
        if let Some(own) = survey.question(place, None) {
            lines.extend(own.ask.lines().map(|line| format!("   {}", surface.dim(line))));
        }
        for (span, target) in &item.next {
            lines.push(branch(&words_of(*span, item), &target_name(survey, *target), surface));
        }
        let rest = if item.next.is_empty() { "any answer" } else { "else" };
        lines.push(branch(rest, &target_name(survey, item.otherwise), surface));
        for (spans, what) in [(&item.notify, "somebody hears of it"), (&item.hand_over, "goes to people")] {
            let spans: Vec<String> = spans.iter().map(|span| words_of(*span, item)).collect();
            if !spans.is_empty() {
                lines.push(format!("   {}: {what}", spans.join(", ")));
            }
        }
    }
    lines.push(String::new());
    lines.push(surface.bold("What each text costs, in message parts"));
    for language in survey.languages() {
        let of = costs.iter().filter(|cost| cost.language == language);
        let costs: Vec<String> = of
            .map(|cost| {
                format!(
                    "{} {} ({} characters, {})",
                    cost.question, cost.parts, cost.characters, cost.alphabet
                )
            })
            .collect();
        lines.push(format!("   {language:<6} {}", costs.join("; ")));
    }
    lines.join("\n")
}

fn branch(answers: &str, target: &str, surface: Surface) -> String {
    format!("   {answers:<10} -> {}", surface.accent(target))
}

fn target_name(survey: &Survey, target: Target) -> String {
    match target {
        Target::Question(place) => {
            survey.plan.items.get(place).map(|item| item.question.key.clone()).unwrap_or_default()
        }
        Target::End => "end".to_owned(),
        Target::Refused => "refused".to_owned(),
    }
}

fn kind_name(item: &Item) -> &'static str {
    match item.question.kind {
        _ if item.calls.is_some() => "call",
        Kind::Choice { .. } => "choice",
        Kind::Range { .. } => "range",
        Kind::YesNo => "yes or no",
        Kind::FreeText => "words",
        Kind::Number => "number",
        Kind::Date => "day",
    }
}

/// A span of answers as it is written in the file.
fn words_of(span: Span, item: &Item) -> String {
    let end =
        |value: i64| if value == i64::MIN || value == i64::MAX { String::new() } else { item.kept(value) };
    match span {
        Span::ALL => "any".to_owned(),
        Span { from, to } if from == to => end(from),
        Span { from, to } => format!("{}..{}", end(from), end(to)),
    }
}

fn span_of_time(ms: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    let unit = UNITS.iter().find(|(unit, _)| ms >= *unit && ms % unit == 0);
    unit.map_or(format!("{} s", ms / 1_000), |(unit, name)| format!("{} {name}", ms / unit))
}
