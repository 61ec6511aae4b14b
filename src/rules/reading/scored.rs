//! The score on the corpora of replies: `fixtures/replies`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
struct Row {
    text: String,
    language: String,
    context: String,
    expected: String,
    note: String,
}

#[derive(Deserialize)]
struct Survey {
    keyword: String,
    kind: String,
    ask: String,
    min: Option<i64>,
    max: Option<i64>,
    #[serde(default)]
    labels: BTreeMap<String, BTreeMap<String, String>>,
}

fn questions() -> BTreeMap<String, Question> {
    let surveys: BTreeMap<String, Survey> =
        toml::from_str(include_str!("../../../fixtures/replies/surveys.toml")).unwrap();
    surveys
        .into_iter()
        .map(|(key, survey)| {
            let labels: BTreeMap<String, BTreeMap<i64, String>> = survey
                .labels
                .into_iter()
                .map(|(language, labels)| {
                    (
                        language,
                        labels.into_iter().map(|(value, label)| (value.parse().unwrap(), label)).collect(),
                    )
                })
                .collect();
            let kind = match survey.kind.as_str() {
                "choice" => Kind::Choice { values: labels["en"].keys().copied().collect(), labels },
                _ => Kind::Range { min: survey.min.unwrap(), max: survey.max.unwrap() },
            };
            let question =
                Question { key: key.clone(), kind, keyword: Some(survey.keyword), asked: vec![survey.ask] };
            (key, question)
        })
        .collect()
}

fn rows(text: &str) -> Vec<Row> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap()
}

/// What a corpus must come out as: the least right in a hundred, and the wrongs that may not be at all.
struct Score {
    right: usize,
    all: usize,
    taken: usize,
    false_stops: usize,
    missed_stops: usize,
}

fn score(name: &str, text: &str) -> Score {
    let reader = Reader::built_in();
    let questions = questions();
    let keywords = [("JOIN", Opens::OptIn), ("COFFEE", Opens::Survey)]
        .map(|(word, opens)| Keyword { word: word.to_owned(), opens });
    let mut table: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut score = Score { right: 0, all: 0, taken: 0, false_stops: 0, missed_stops: 0 };
    for row in rows(text) {
        let context = Context {
            language: Some(&row.language),
            question: questions.get(&row.context),
            keywords: &keywords,
            ..Context::default()
        };
        let reading = reader.read(&row.text, &context);
        let read = reading.expected_form();
        let kind = row.expected.split(':').next().unwrap_or_default().to_owned();
        let cell = table.entry(kind).or_default();
        cell.1 += 1;
        score.all += 1;
        if read == row.expected {
            cell.0 += 1;
            score.right += 1;
            continue;
        }
        score.taken += usize::from(read.starts_with("answer"));
        score.false_stops += usize::from(read == "optout");
        score.missed_stops += usize::from(row.expected == "optout");
        println!(
            "{name}: {:?} [{}, {}] expected {}, read {read} by {} ({})",
            row.text, row.language, row.context, row.expected, reading.rule, row.note
        );
    }
    println!("{name}: {} of {} right", score.right, score.all);
    for (kind, (right, all)) in table {
        println!("  {kind:<10} {right:>4} of {all:>4}");
    }
    println!(
        "  values taken wrongly {}, false opt-outs {}, opt-outs missed {}",
        score.taken, score.false_stops, score.missed_stops
    );
    score
}

fn assert_goal(score: &Score) {
    assert!(score.right * 100 >= score.all * 98, "fewer than 98 % right");
    assert_eq!(score.taken, 0, "values taken where it must ask, or other values");
    assert_eq!(score.false_stops, 0, "false opt-outs");
    assert_eq!(score.missed_stops, 0, "opt-outs missed");
}

#[test]
fn the_shared_replies_are_read_right() {
    assert_goal(&score("replies.csv", include_str!("../../../fixtures/replies/replies.csv")));
}
