//! A contact file becomes a campaign: read twice, first to find every broken row, then to accept it batch by batch. What
//! was accepted is marked in the same commit, so that an import cut short goes on where it stopped.

use std::path::PathBuf;

use crate::config::{Code, Config, Contact, Problems, RowProblem, Survey, open_contacts};
use crate::flow::Flow;
use crate::flow::accept::{CHUNK_MESSAGES, Draft, Origin};
use crate::message::{CampaignId, Purpose, Source};
use crate::rules::merge::merge;
use crate::store::{Campaign, CampaignProgress, CampaignState, Invitation, InvitationState, StoreError};

/// Contacts accepted in one commit.
const BATCH: usize = 2 * CHUNK_MESSAGES;
/// Broken rows listed; a file with more is broken as a whole, and the first ones show how.
const ROWS_LISTED: usize = 100;

/// What to do with rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenRows {
    /// Import nothing.
    Refuse,
    /// Import the others.
    Skip,
}

/// A campaign to be started.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// Its name.
    pub id: CampaignId,
    /// The survey's key.
    pub survey: &'a str,
    /// The contact file.
    pub contacts: PathBuf,
    /// At most so many contacts of it.
    pub limit: Option<u64>,
    /// What to do with broken rows.
    pub broken: BrokenRows,
}

/// What was accepted.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Imported {
    /// Contacts accepted, those of an earlier, interrupted import among them.
    pub accepted: u64,
    /// Rows left out.
    pub refused: u64,
    /// Of the accepted, those an earlier import had accepted already.
    pub earlier: u64,
}

/// Why a campaign did not start.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The survey is not in the configuration.
    #[error("there is no survey `{0}`; the configuration has {1}")]
    NoSurvey(String, String),
    /// No code to send it from.
    #[error("no [[code]] in the configuration can send survey `{0}`")]
    NoCode(String),
    /// The file cannot be read, or its head is wrong.
    #[error("{0}")]
    File(#[from] Problems),
    /// Rows are broken; nothing was imported.
    #[error("{broken} of {rows} rows cannot be read; nothing was imported\n{}\nMend the rows, or leave them out with --skip-broken.", rows_listed(.listed, *.broken))]
    Rows {
        /// Rows of the file.
        rows: u64,
        /// Broken ones.
        broken: u64,
        /// The first of them.
        listed: Vec<RowProblem>,
    },
    /// Another campaign has this name.
    #[error("campaign `{0}` exists already, with survey `{1}`; give this one another name")]
    Taken(CampaignId, String),
    /// What the memory says.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn rows_listed(rows: &[RowProblem], broken: u64) -> String {
    let mut lines: Vec<String> = rows.iter().map(|row| format!("  {row}")).collect();
    let more = broken.saturating_sub(rows.len() as u64);
    if more > 0 {
        lines.push(format!("  … and {more} more"));
    }
    lines.join("\n")
}

impl Flow {
    /// Starts a campaign, or goes on with its interrupted import. When this returns, every contact counted as accepted
    /// is on disk. `progress` is told how many are.
    ///
    /// # Errors
    /// What is wrong with the file, the name or the memory; a wrong file imports nothing.
    pub async fn start_campaign(
        &self,
        start: &Start<'_>,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, CampaignError> {
        let config = self.config();
        let survey = config.surveys.get(start.survey).ok_or_else(|| {
            let known = config.surveys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            CampaignError::NoSurvey(start.survey.to_owned(), known)
        })?;
        let code = code_of(&config, survey).ok_or_else(|| CampaignError::NoCode(survey.key.clone()))?;
        let limit = start.limit.unwrap_or(u64::MAX);
        check_rows(start, limit)?;
        let done = self.open_campaign(start, survey, code).await?;
        let mut imported = Imported {
            accepted: done.accepted.cast_unsigned(),
            refused: done.refused.cast_unsigned(),
            earlier: done.accepted.cast_unsigned(),
        };
        let mut batch: Vec<Contact> = Vec::with_capacity(BATCH);
        for row in open_contacts(&start.contacts)? {
            let line = match &row {
                Ok(contact) => contact.line,
                Err(problem) => problem.line,
            };
            if line <= done.imported_upto.cast_unsigned() {
                continue;
            }
            if imported.accepted + batch.len() as u64 >= limit {
                break;
            }
            match row {
                Ok(contact) => batch.push(contact),
                Err(_) => imported.refused += 1,
            }
            if batch.len() == BATCH {
                self.import(&start.id, survey, code, &mut batch, &mut imported).await?;
                progress(imported.accepted);
            }
        }
        if !batch.is_empty() {
            self.import(&start.id, survey, code, &mut batch, &mut imported).await?;
        }
        progress(imported.accepted);
        Ok(imported)
    }

    async fn open_campaign(
        &self,
        start: &Start<'_>,
        survey: &Survey,
        code: &Code,
    ) -> Result<CampaignProgress, CampaignError> {
        if let Some(existing) = self.store.campaign(&start.id).await? {
            if existing.survey.as_deref() != Some(&survey.key) {
                let other = existing.survey.unwrap_or_default();
                return Err(CampaignError::Taken(start.id.clone(), other));
            }
            return Ok(progress_of(&existing));
        }
        let campaign = Campaign {
            id: start.id.clone(),
            lane: code.carrier.clone(),
            sender: code.number.clone(),
            purpose: Purpose::Survey,
            survey: Some(survey.key.clone()),
            text: None,
            contacts: start.contacts.display().to_string(),
            settings: serde_json::Value::Null,
            state: CampaignState::Running,
            created_ms: self.clock.now_ms(),
            imported_upto: 0,
            accepted: 0,
            refused: 0,
        };
        let progress = progress_of(&campaign);
        self.store.create_campaign(campaign).await?;
        Ok(progress)
    }

    async fn import(
        &self,
        id: &CampaignId,
        survey: &Survey,
        code: &Code,
        batch: &mut Vec<Contact>,
        imported: &mut Imported,
    ) -> Result<(), CampaignError> {
        let upto = batch.last().map_or(0, |contact| contact.line);
        let contacts = std::mem::take(batch);
        let drafts = contacts.iter().map(|contact| draft(id, survey, code, contact)).collect();
        let mut acceptance = self.acceptance(drafts);
        acceptance.invitations = contacts
            .into_iter()
            .zip(&acceptance.messages)
            .map(|(contact, message)| Invitation {
                campaign: id.clone(),
                number: contact.number,
                sender: code.number.clone(),
                message: message.id,
                survey: survey.key.clone(),
                question: survey.question.key.clone(),
                state: InvitationState::Open,
                asked: 1,
                language: message.language.clone(),
                name: contact.name,
                opened_ms: message.accepted_ms,
                closed_ms: None,
            })
            .collect();
        imported.accepted += acceptance.messages.len() as u64;
        acceptance.progress = Some(CampaignProgress {
            id: id.clone(),
            imported_upto: upto.cast_signed(),
            accepted: imported.accepted.cast_signed(),
            refused: imported.refused.cast_signed(),
        });
        let lanes: Vec<String> = acceptance.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
        let messages = acceptance.messages.len();
        self.store.accept(acceptance).await?;
        self.accepted(messages, &lanes);
        Ok(())
    }
}

/// The code a survey is sent from: the one it names, else the first that speaks its language.
fn code_of<'a>(config: &'a Config, survey: &Survey) -> Option<&'a Code> {
    match &survey.sender {
        Some(sender) => config.code(sender),
        None => config.codes.first(),
    }
}

fn progress_of(campaign: &Campaign) -> CampaignProgress {
    CampaignProgress {
        id: campaign.id.clone(),
        imported_upto: campaign.imported_upto,
        accepted: campaign.accepted,
        refused: campaign.refused,
    }
}

/// A contact's question.
fn draft(id: &CampaignId, survey: &Survey, code: &Code, contact: &Contact) -> Draft {
    let language = survey.language(contact.language.as_deref());
    let body = merge(&survey.text(contact.language.as_deref()).ask, |field| match field {
        "name" => contact.name.as_deref(),
        "brand" => Some(code.brand.as_str()),
        _ => None,
    });
    Draft {
        lane: code.carrier.clone(),
        purpose: Purpose::Survey,
        campaign: Some(id.clone()),
        sender: code.number.clone(),
        to: contact.number,
        body,
        language: Some(language.to_owned()),
        source: Source::Campaign,
        expires_ms: None,
        zone: contact.zone.clone(),
        origin: Origin::default(),
    }
}

/// Every row is looked at before one is imported.
fn check_rows(start: &Start<'_>, limit: u64) -> Result<(), CampaignError> {
    let (mut rows, mut broken, mut listed) = (0, 0, Vec::new());
    for row in open_contacts(&start.contacts)? {
        if rows - broken >= limit {
            break;
        }
        rows += 1;
        if let Err(problem) = row {
            broken += 1;
            if listed.len() < ROWS_LISTED {
                listed.push(problem);
            }
        }
    }
    if broken > 0 && start.broken == BrokenRows::Refuse {
        return Err(CampaignError::Rows { rows, broken, listed });
    }
    Ok(())
}
