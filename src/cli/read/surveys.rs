//! The questions behind a file of replies: name, kind and labels, as TOML.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rules::reading::{Kind, Question};

/// A question as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    keyword: Option<String>,
    kind: KindName,
    ask: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    #[serde(default)]
    labels: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Choice,
    Range,
    YesNo,
    FreeText,
    Number,
    Date,
}

/// Reads the questions by name.
///
/// # Errors
/// What is wrong, and with which question.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Question>, String> {
    let written: BTreeMap<String, Written> = toml::from_str(text).map_err(|error| error.to_string())?;
    let question = |(key, written): (String, Written)| {
        let kind = kind(&written).map_err(|what| format!("[{key}] {what}"))?;
        let asked = written.ask.into_iter().collect();
        Ok((key.clone(), Question { key, kind, keyword: written.keyword, asked }))
    };
    written.into_iter().map(question).collect()
}

fn kind(written: &Written) -> Result<Kind, String> {
    Ok(match written.kind {
        KindName::Range => match (written.min, written.max) {
            (Some(min), Some(max)) if min < max => Kind::Range { min, max },
            _ => return Err("is a range: write min, and max above it".to_owned()),
        },
        KindName::Choice => {
            let mut labels: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
            for (language, texts) in &written.labels {
                for (value, label) in texts {
                    let number = value
                        .parse()
                        .map_err(|_| format!("has a label for `{value}`, which is no number"))?;
                    labels.entry(language.clone()).or_default().insert(number, label.clone());
                }
            }
            let values = labels.values().flat_map(BTreeMap::keys).copied().collect();
            if labels.is_empty() {
                return Err("is a choice: write its labels, like labels.en = { 1 = \"slow\", 2 = \"dear\" }"
                    .to_owned());
            }
            Kind::Choice { labels, values }
        }
        KindName::YesNo => Kind::YesNo,
        KindName::FreeText => Kind::FreeText,
        KindName::Number => Kind::Number,
        KindName::Date => Kind::Date,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_surveys_are_read() {
        let surveys = read(super::super::BUILT_IN).unwrap();
        assert_eq!(surveys.keys().collect::<Vec<_>>(), ["exit_1_8", "onboarding_1_10", "support_0_5"]);
        let Kind::Choice { values, .. } = &surveys["exit_1_8"].kind else { panic!("a choice") };
        assert_eq!(values.len(), 8);
        assert_eq!(surveys["support_0_5"].kind, Kind::Range { min: 0, max: 5 });
    }

    #[test]
    fn a_wrong_survey_is_named() {
        assert!(read("[a]\nkind = \"range\"\nmin = 3").unwrap_err().contains("[a]"));
        assert!(read("[b]\nkind = \"choice\"").unwrap_err().contains("labels"));
        assert!(read("[c]\nkind = \"scale\"").unwrap_err().contains("line 2"));
    }
}
