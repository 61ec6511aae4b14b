//! A simulated carrier as a configuration file describes it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, IdForm, SimulatorConfig, Survey};
use crate::simulator::rows::{NotRows, Rows};
use crate::simulator::settings::{
    Account, Cue, Handsets, Ids, Personality, ReceiptSettings, Settings, Shares, Span,
};

/// Of those who write back and do not want to be left alone: readable answers, things to be asked about, words, calls for
/// help.
const WORDS: Shares = Shares { answer: 0.75, ambiguous: 0.12, free_text: 0.09, help: 0.04, stop: 0.0 };
/// Asked again, this share answers readably; some of the others have had enough.
const ANSWER_AGAIN: f64 = 0.86;

/// Why a configuration cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum NotSettings {
    /// The replies file cannot be read.
    #[error("cannot read the replies {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The replies file is none.
    #[error("{path}, {source}")]
    Rows {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NotRows,
    },
}

impl Settings {
    /// The carrier a configuration describes. Cues and languages of handsets, and bad habits beyond throttling, are not
    /// the file's matter.
    ///
    /// # Errors
    /// Where its replies file cannot be used.
    pub fn from_config(config: &SimulatorConfig) -> Result<Self, NotSettings> {
        let replies = config.handsets.replies.as_deref().map_or_else(|| Ok(Rows::shipped()), read_rows)?;
        Ok(Self::configured(config, replies))
    }

    pub(super) fn configured(config: &SimulatorConfig, replies: Rows) -> Self {
        let people = &config.handsets;
        let account = |account: &config::simulator::Account| Account {
            system_id: account.system_id.clone(),
            password: account.password.reveal().to_owned(),
        };
        Self {
            listen: config.listen,
            accounts: config.accounts.iter().map(account).collect(),
            response_delay: config.response.delay.into(),
            ids: match config.response.ids {
                IdForm::Decimal => Ids::Decimal,
                IdForm::Hex => Ids::Hex,
                IdForm::HexThenDecimal => Ids::HexThenDecimal,
                IdForm::Padded => Ids::Padded,
                IdForm::Uuid => Ids::Uuid,
            },
            receipt: ReceiptSettings {
                delay: config.receipts.delay.into(),
                undeliverable: config
                    .receipts
                    .undeliverable
                    .iter()
                    .map(|undeliverable| (undeliverable.err.clone(), undeliverable.share))
                    .collect(),
                expired: config.receipts.expired_share,
                duplicates: config.receipts.duplicate_share,
            },
            handsets: Handsets {
                replies: Arc::new(replies),
                first: Shares {
                    stop: people.reply_share * people.stop_share,
                    ..WORDS.scaled(people.reply_share * (1.0 - people.stop_share))
                },
                again: Shares { answer: ANSWER_AGAIN, stop: people.stop_share / 2.0, ..Shares::default() },
                think: people.delay.into(),
                late: people.late_share,
                late_think: people.late_delay.into(),
                two_parts: people.two_part_share,
                ..Handsets::default()
            },
            personality: Personality { throttle: config.response.throttled_share, ..Personality::default() },
            seed: config.seed,
            journal: config.journal.clone(),
            ..Self::unconfigured()
        }
    }
}

impl Shares {
    fn scaled(self, by: f64) -> Self {
        Self {
            answer: self.answer * by,
            ambiguous: self.ambiguous * by,
            free_text: self.free_text * by,
            help: self.help * by,
            stop: self.stop * by,
        }
    }
}

impl Cue {
    /// How a handset knows a survey's question, in every language it has, asked first or again.
    pub fn of_survey(survey: &Survey, context: &str) -> Vec<Self> {
        survey
            .texts()
            .flat_map(|(language, text)| {
                let asked = std::iter::once(&text.ask).chain(&text.ask_again);
                asked.map(move |template| Self::of_template(template, context, Some(language)))
            })
            .collect()
    }
}

impl From<config::Delay> for Span {
    fn from(delay: config::Delay) -> Self {
        Self { min: Duration::from_millis(delay.min_ms), max: Duration::from_millis(delay.max_ms) }
    }
}

fn read_rows(path: &Path) -> Result<Rows, NotSettings> {
    let csv = std::fs::read_to_string(path)
        .map_err(|source| NotSettings::File { path: path.to_owned(), source })?;
    Rows::parse(&csv).map_err(|source| NotSettings::Rows { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_file_come_out_as_shares_of_all_handsets() {
        let config = SimulatorConfig::default();
        let settings = Settings::from_config(&config).unwrap();
        let first = settings.handsets.first;
        let replied = first.answer + first.ambiguous + first.free_text + first.help + first.stop;
        assert!((replied - config.handsets.reply_share).abs() < 1e-9, "{replied}");
        assert!((first.stop - config.handsets.reply_share * config.handsets.stop_share).abs() < 1e-9);
        assert!(settings.accounts.is_empty(), "anybody may bind");
    }

    #[test]
    fn a_replies_file_that_is_none_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replies.csv");
        std::fs::write(&path, "text,language,context,expected\n3,en,exit_1_8,three\n").unwrap();
        let mut config = SimulatorConfig::default();
        config.handsets.replies = Some(path);
        let error = Settings::from_config(&config).unwrap_err().to_string();
        assert!(error.contains("replies.csv, line 2: `three`"), "{error}");
        config.handsets.replies = Some("no/such/file".into());
        assert!(Settings::from_config(&config).is_err());
    }
}
