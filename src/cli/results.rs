//! `backchat survey results`: who was asked, how it ended, what they said, with every denominator named.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::look::print_json;
use crate::cli::paint::{Surface, bar, percent, thousands};
use crate::cli::replies::NarrowArgs;
use crate::cli::say;
use crate::cli::sheet::{Cell, Sheet};
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::store::{Access, Dimension, Narrow, OutcomeCount, ValueCount};

/// Columns of a value's bar.
const BAR: u64 = 30;
/// Values shown of one question; CSV and JSON have all.
const VALUES_SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    narrow: NarrowArgs,
    /// Only invitations that stand or ended so: open, complete, opted_out, unreadable, no_answer...
    #[arg(long)]
    outcome: Option<String>,
    /// Beside the whole, each group of these
    #[arg(long)]
    by: Option<By>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    /// CSV: a row for each question, value and group
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Language,
    Campaign,
    Code,
    Survey,
    Outcome,
}

impl By {
    fn dimension(self) -> Dimension {
        match self {
            Self::Language => Dimension::Language,
            Self::Campaign => Dimension::Campaign,
            Self::Code => Dimension::Code,
            Self::Survey => Dimension::Survey,
            Self::Outcome => Dimension::Outcome,
        }
    }
}

/// What it all came to.
#[derive(Debug, PartialEq, Serialize)]
struct Report {
    #[serde(flatten)]
    whole: Group,
    by: BTreeMap<String, Group>,
}

/// What one group came to.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Group {
    /// Invitations.
    invited: i64,
    /// By how they stand or ended.
    outcomes: BTreeMap<String, i64>,
    /// Questions with an answer.
    questions: BTreeMap<String, Question>,
}

/// The answers to one question.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Question {
    /// Answers that count: of one person the last.
    answers: i64,
    /// By value.
    values: BTreeMap<String, i64>,
    /// Half of the answers are not higher, where all are numbers.
    median: Option<f64>,
    /// A tenth is not higher.
    p10: Option<f64>,
    /// Nine tenths are not higher.
    p90: Option<f64>,
    /// The mean, where all are numbers.
    mean: Option<f64>,
}

pub(crate) async fn run(args: Args) -> Done {
    let config = config::load(&args.config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let narrow = Narrow { outcome: args.outcome, ..args.narrow.read()? };
    let store = open_store(&config, &Clock::System, Access::Look).await.map_err(Failure::unreachable)?;
    let by = args.by.map(By::dimension);
    let outcomes = store.outcome_counts(&narrow, by).await.map_err(Failure::unreachable)?;
    let answers = store.answer_counts(&narrow, by).await.map_err(Failure::unreachable)?;
    let report = Report {
        whole: group(outcomes.iter(), answers.iter()),
        by: if by.is_some() { groups(&outcomes, &answers) } else { BTreeMap::new() },
    };
    let nothing = report.whole.invited == 0 && report.whole.questions.is_empty();
    if args.json {
        return print_json(&report, nothing);
    }
    if args.csv {
        say::text(&sheet(&report).csv());
        return Ok(ExitCode::from(u8::from(nothing)));
    }
    if nothing {
        eprintln!("nobody was asked");
        return Ok(ExitCode::from(1));
    }
    say::text(&shown(&report, Surface::of_stdout()));
    Ok(ExitCode::SUCCESS)
}

/// What has no language or campaign of its own is a group too.
fn name_of(dimension: Option<&String>) -> String {
    dimension.cloned().unwrap_or_else(|| "(none)".to_owned())
}

fn groups(outcomes: &[OutcomeCount], answers: &[ValueCount]) -> BTreeMap<String, Group> {
    let of_outcomes = outcomes.iter().map(|row| name_of(row.dimension.as_ref()));
    let names: BTreeSet<String> =
        of_outcomes.chain(answers.iter().map(|row| name_of(row.dimension.as_ref()))).collect();
    let one = |name: String| {
        let outcomes = outcomes.iter().filter(|row| name_of(row.dimension.as_ref()) == name);
        let answers = answers.iter().filter(|row| name_of(row.dimension.as_ref()) == name);
        let group = group(outcomes, answers);
        (name, group)
    };
    names.into_iter().map(one).collect()
}

fn group<'a>(
    outcomes: impl Iterator<Item = &'a OutcomeCount>,
    answers: impl Iterator<Item = &'a ValueCount>,
) -> Group {
    let mut group = Group::default();
    for row in outcomes {
        group.invited += row.count;
        *group.outcomes.entry(row.outcome.clone()).or_default() += row.count;
    }
    for row in answers {
        let question = group.questions.entry(row.question.clone()).or_default();
        question.answers += row.count;
        *question.values.entry(row.value.clone()).or_default() += row.count;
    }
    group.questions.values_mut().for_each(Question::measure);
    group
}

impl Question {
    /// Figures of its values, where all of them are numbers.
    fn measure(&mut self) {
        let numbers: Option<Vec<(f64, i64)>> =
            self.values.iter().map(|(value, count)| Some((value.parse().ok()?, *count))).collect();
        let Some(mut numbers) = numbers.filter(|numbers| numbers.iter().all(|(value, _)| value.is_finite()))
        else {
            return;
        };
        numbers.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let sum: f64 = numbers.iter().map(|(value, count)| value * *count as f64).sum();
        self.mean = (self.answers > 0).then(|| sum / self.answers as f64);
        self.median = percentile(&numbers, 50);
        self.p10 = percentile(&numbers, 10);
        self.p90 = percentile(&numbers, 90);
    }
}

/// The lowest value that so many in a hundred do not exceed: always a value somebody gave.
fn percentile(numbers: &[(f64, i64)], hundredths: i64) -> Option<f64> {
    let all: i64 = numbers.iter().map(|(_, count)| count).sum();
    let mut seen = 0;
    numbers.iter().find_map(|(value, count)| {
        seen += count;
        (seen * 100 >= all * hundredths).then_some(*value)
    })
}

fn shown(report: &Report, surface: Surface) -> String {
    let mut out = shown_group(&report.whole, surface);
    if report.by.is_empty() {
        return out;
    }
    out += "\n";
    let width = report.by.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    for (name, group) in &report.by {
        let complete = group.outcomes.get("complete").copied().unwrap_or_default();
        let rate = percent(complete.unsigned_abs(), group.invited.unsigned_abs());
        out += &format!(
            "{}  {:>9} invited  {:>9} complete  {rate:>5} of invited\n",
            surface.bold(&format!("{name:<width$}")),
            thousands(group.invited.unsigned_abs()),
            thousands(complete.unsigned_abs()),
        );
        for (key, question) in &group.questions {
            out += &format!("{:width$}  {key}: {}\n", "", in_a_line(question));
        }
    }
    out
}

/// A question's answers in one line, for the table of groups.
fn in_a_line(question: &Question) -> String {
    let mut values: Vec<(&String, &i64)> = question.values.iter().collect();
    values.sort_by_key(|(value, count)| (-**count, (*value).clone()));
    let share = |count: i64| percent(count.unsigned_abs(), question.answers.unsigned_abs());
    let most: Vec<String> =
        values.iter().take(5).map(|(value, count)| format!("{value} {}", share(**count))).collect();
    let median = question.median.map(|median| format!(", median {median}")).unwrap_or_default();
    format!("{} of {} answers{median}", most.join(", "), thousands(question.answers.unsigned_abs()))
}

fn shown_group(group: &Group, surface: Surface) -> String {
    let invited = group.invited.unsigned_abs();
    let mut out = format!("{} {}\n", surface.bold("invited"), thousands(invited));
    for (outcome, count) in &group.outcomes {
        let count = count.unsigned_abs();
        let share = percent(count, invited);
        out += &format!("  {outcome:<14} {:>9}  {share:>5} of invited\n", thousands(count));
    }
    for (key, question) in &group.questions {
        let answers = question.answers.unsigned_abs();
        let rate = percent(answers, invited);
        let title = surface.bold(&format!("question {key}"));
        out += &format!("\n{title}  {} answers, {rate} of invited\n", thousands(answers));
        out += &shown_values(question, surface);
        if let (Some(mean), Some(median), Some(p10), Some(p90)) =
            (question.mean, question.median, question.p10, question.p90)
        {
            out +=
                &format!("  mean {mean:.2}, median {median}, a tenth up to {p10}, nine tenths up to {p90}\n");
        }
    }
    out
}

fn shown_values(question: &Question, surface: Surface) -> String {
    let most = question.values.values().max().copied().unwrap_or_default().unsigned_abs();
    let mut values: Vec<(&String, &i64)> = question.values.iter().collect();
    // Numbers in their own order, words by how many said them.
    if question.median.is_some() {
        let number = |value: &str| value.parse::<f64>().unwrap_or_default();
        values.sort_by(|(one, _), (other, _)| number(one).total_cmp(&number(other)));
    } else {
        values.sort_by_key(|(value, count)| (-**count, (*value).clone()));
    }
    let mut out = String::new();
    for (value, count) in values.iter().take(VALUES_SHOWN) {
        let count = count.unsigned_abs();
        let share = percent(count, question.answers.unsigned_abs());
        let short: String = value.chars().take(24).collect();
        let drawn = surface.accent(&bar(count, most, BAR));
        out += &format!("  {short:<24} {:>9}  {share:>5}  {drawn}\n", thousands(count));
    }
    if let Some(more @ 1..) = values.len().checked_sub(VALUES_SHOWN) {
        out += &format!("  and {more} more values; --csv has them\n");
    }
    out
}

fn sheet(report: &Report) -> Sheet {
    let mut sheet = Sheet::new(&["group", "question", "value", "count", "of_answers", "invited"]);
    let whole = String::new();
    let groups = std::iter::once((&whole, &report.whole)).chain(&report.by);
    for (name, group) in groups {
        for (key, question) in &group.questions {
            for (value, count) in &question.values {
                sheet.row(vec![
                    Cell::text(name),
                    Cell::text(key),
                    Cell::text(value),
                    Cell::figure(count),
                    Cell::figure(question.answers),
                    Cell::figure(group.invited),
                ]);
            }
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str, language: &str, count: i64) -> ValueCount {
        ValueCount { question: "reason".into(), value: value.into(), dimension: Some(language.into()), count }
    }

    fn outcome(outcome: &str, language: &str, count: i64) -> OutcomeCount {
        OutcomeCount { outcome: outcome.into(), dimension: Some(language.into()), count }
    }

    #[test]
    fn results_are_drawn_with_every_denominator_named() {
        let outcomes = [
            outcome("complete", "en", 60),
            outcome("open", "en", 30),
            outcome("opted_out", "en", 10),
            outcome("complete", "ro", 10),
            outcome("no_answer", "ro", 90),
        ];
        let answers = [value("1", "en", 40), value("2", "en", 15), value("8", "en", 5), value("2", "ro", 10)];
        let report =
            Report { whole: group(outcomes.iter(), answers.iter()), by: groups(&outcomes, &answers) };
        let golden = include_str!("../../fixtures/results/by-language.txt");
        assert_eq!(shown(&report, Surface::Plain), golden);
        assert_eq!(report.whole.questions["reason"].values["2"], 25);
        assert!(sheet(&report).csv().contains("ro,reason,2,10,10,100\r\n"));
    }

    #[test]
    fn a_percentile_is_a_value_somebody_gave() {
        let numbers = [(1.0, 1), (2.0, 1), (10.0, 2)];
        assert_eq!(
            [10, 50, 51, 90].map(|share| percentile(&numbers, share).unwrap()),
            [1.0, 2.0, 10.0, 10.0]
        );
        assert_eq!(percentile(&[], 50), None);
    }
}
