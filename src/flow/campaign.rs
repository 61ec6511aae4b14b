//! A campaign from its creation to its end: what it says, to whom, when and how fast; paused, resumed, cancelled; how far
//! it is. Its people are put down once (`import`) and become messages just in time (`planner`).

mod import;
mod one;
pub mod planner;
mod voice;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Problems, RowProblem, open_contacts};
use crate::flow::Flow;
use crate::message::{CampaignId, Purpose, Sender};
use crate::rules::campaign::{Ahead, Forecast, Group, forecast};
use crate::rules::hours::Place;
use crate::store::{Campaign, CampaignState, Results, StoreError};

pub use import::Imported;
pub use one::{AskError, AskOne, AskedOne, Goes};

/// A name is a key in the database, in tables and in exports.
const NAME_CHARS: usize = 64;
/// The longest text a handset puts together reliably: ten parts.
const TEXT_CHARS: usize = 1_530;

/// What to do with rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenRows {
    /// Import nothing.
    Refuse,
    /// Import the others.
    Skip,
}

/// A survey campaign over a contact file, to be started at once.
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

/// What a campaign says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// The question of a survey, by its key.
    Survey(String),
    /// A text with merge fields.
    Text {
        /// The text before merging.
        text: String,
        /// Why it is sent.
        purpose: Purpose,
    },
}

/// A campaign to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCampaign {
    /// Its name.
    pub id: CampaignId,
    /// What it says.
    pub says: Says,
    /// The code it is sent from; without one the survey's own, else the first of the configuration.
    pub sender: Option<Sender>,
    /// Where its contacts come from, in the operator's words.
    pub contacts: String,
    /// When and how fast.
    pub settings: Settings,
}

/// When a campaign is sent, how fast, and under which policies; kept as JSON with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Not before this, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_ms: Option<i64>,
    /// Not after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_ms: Option<i64>,
    /// Message parts a second; without one as fast as the carrier account goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// The programme it belongs to: STOP with its name stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
}

impl Settings {
    /// The settings of a campaign as they were kept.
    pub fn of(campaign: &Campaign) -> Self {
        serde_json::from_value(campaign.settings.clone()).unwrap_or_default()
    }
}

/// Why a campaign was not created, started or changed.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A setting is wrong.
    #[error("`{field}` {what}")]
    Setting {
        /// Its name, as in the command and the API.
        field: &'static str,
        /// What is wrong, and what would be right.
        what: String,
    },
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
    #[error("campaign `{0}` exists already, with {1}; give this one another name")]
    Taken(CampaignId, String),
    /// There is none of this name.
    #[error("there is no campaign `{0}`; `backchat campaign list` names them")]
    Unknown(CampaignId),
    /// It stands so that this cannot be done.
    #[error("campaign `{0}` is {1}; {2}")]
    Stands(CampaignId, &'static str, &'static str),
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

/// How far a campaign is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Its name.
    pub campaign: CampaignId,
    /// How it stands.
    pub state: CampaignState,
    /// People in its contact file, each number once.
    pub audience: i64,
    /// Numbers that stood more than once.
    pub doubled: i64,
    /// Rows left out.
    pub refused: i64,
    /// Of the audience, those who are messages.
    pub planned: i64,
    /// Of these, those that are queued or in a lane's hands.
    pub queued: i64,
    /// Taken by a carrier.
    pub sent: i64,
    /// On the handset.
    pub delivered: i64,
    /// Stopped at the door out: consent, hours, cancelled.
    pub suppressed: i64,
    /// Refused, expired, undeliverable, given up.
    pub failed: i64,
    /// Messages that came back.
    pub replied: i64,
    /// When the last is due out, milliseconds since the epoch; none where it is over, held, or not to be seen.
    pub expected_end_ms: Option<i64>,
}

/// What a campaign is going to do, place by place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// People who are not messages yet.
    pub people: u64,
    /// Of these, those who wait for their hours though the campaign could begin.
    pub delayed: u64,
    /// Parts a message of it takes, at most.
    pub parts: u32,
    /// The alphabet of its dearest text.
    pub alphabet: String,
    /// Message parts a second it is planned with.
    pub rate: u32,
    /// When it begins, milliseconds since the epoch.
    pub begins_ms: i64,
    /// When the last is due out; none where it does not get through in two weeks.
    pub ends_ms: Option<i64>,
    /// Place by place, the largest first.
    pub places: Vec<PlannedPlace>,
}

/// One place of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedPlace {
    /// `FR`, `US.FL`.
    pub place: String,
    /// The candidate zones.
    pub zones: Vec<String>,
    /// What tells.
    pub evidence: &'static str,
    /// People.
    pub people: u64,
    /// Of these, waiting for their hours.
    pub delayed: u64,
    /// When the first is due out, milliseconds since the epoch.
    pub first_ms: Option<i64>,
    /// When the last is.
    pub last_ms: Option<i64>,
    /// Those who do not get it in two weeks.
    pub unsent: u64,
    /// What would help, where the hours of all zones together are fewer than three a day.
    pub help: Option<&'static str>,
}

impl Flow {
    /// Creates a campaign, or finds the same one. It has no people yet and sends nothing.
    ///
    /// # Errors
    /// Every wrong setting by its name; a name that another campaign has.
    pub async fn create_campaign(&self, new: &NewCampaign) -> Result<Campaign, CampaignError> {
        check(new)?;
        let voice = self.voice_of(&new.says, new.sender.as_ref())?;
        let (survey, text) = match &new.says {
            Says::Survey(key) => (Some(key.clone()), None),
            Says::Text { text, .. } => (None, Some(text.clone())),
        };
        if let Some(existing) = self.store.campaign(&new.id).await? {
            if existing.survey == survey && existing.text == text {
                return Ok(existing);
            }
            let other =
                existing.survey.map_or("a text of its own".to_owned(), |key| format!("survey `{key}`"));
            return Err(CampaignError::Taken(new.id.clone(), other));
        }
        let campaign = Campaign {
            id: new.id.clone(),
            lane: voice.lane.clone(),
            sender: voice.sender.clone(),
            purpose: voice.purpose,
            survey,
            text,
            contacts: new.contacts.clone(),
            settings: serde_json::to_value(&new.settings).unwrap_or_default(),
            state: CampaignState::Planned,
            created_ms: self.clock.now_ms(),
            imported_upto: 0,
            accepted: 0,
            refused: 0,
        };
        self.store.create_campaign(campaign.clone()).await?;
        Ok(campaign)
    }

    /// Creates a survey campaign, imports its people and starts it, or goes on with its interrupted import. When this
    /// returns, everybody counted as accepted is on disk. `progress` is told how many are.
    ///
    /// # Errors
    /// What is wrong with the file, the name or the memory; a wrong file imports nothing.
    pub async fn start_campaign(
        &self,
        start: &Start<'_>,
        progress: impl FnMut(u64),
    ) -> Result<Imported, CampaignError> {
        let new = NewCampaign {
            id: start.id.clone(),
            says: Says::Survey(start.survey.to_owned()),
            sender: None,
            contacts: start.contacts.display().to_string(),
            settings: Settings::default(),
        };
        self.voice_of(&new.says, None)?;
        import::check_rows(&start.contacts, start.limit, start.broken)?;
        let campaign = self.create_campaign(&new).await?;
        let contacts = open_contacts(&start.contacts)?;
        let imported = self.import(&campaign, contacts, start.limit, progress).await?;
        if campaign.state == CampaignState::Planned {
            self.store.set_campaign_state(&campaign.id, CampaignState::Running, self.clock.now_ms()).await?;
        }
        Ok(imported)
    }

    /// Reads a campaign's contact file into its audience, or goes on where an earlier import was cut short.
    ///
    /// # Errors
    /// What is wrong with the file or the memory; with [`BrokenRows::Refuse`] a wrong file imports nothing.
    pub async fn import_contacts(
        &self,
        id: &CampaignId,
        file: &std::path::Path,
        broken: BrokenRows,
        progress: impl FnMut(u64),
    ) -> Result<Imported, CampaignError> {
        let campaign = self.known(id).await?;
        // A large file takes seconds, in which a server has other things to do.
        let looked_at = file.to_owned();
        let checked = tokio::task::spawn_blocking(move || import::check_rows(&looked_at, None, broken)).await;
        checked
            .map_err(|error| StoreError::Unknown(format!("the file was not looked through: {error}")))??;
        self.import(&campaign, open_contacts(file)?, None, progress).await
    }

    /// Starts or resumes a campaign.
    ///
    /// # Errors
    /// It is unknown, or over.
    pub async fn run_campaign(&self, id: &CampaignId) -> Result<(), CampaignError> {
        match self.known(id).await?.state {
            CampaignState::Cancelled => {
                Err(CampaignError::Stands(id.clone(), "cancelled", "that is for good; create another one"))
            }
            CampaignState::Done => Err(CampaignError::Stands(
                id.clone(),
                "done",
                "everybody of its contact file has been dealt with",
            )),
            _ => self.turn_campaign(id, CampaignState::Running).await,
        }
    }

    /// Holds a campaign: nothing more of it is made a message or sent, but what is in a lane's hands.
    ///
    /// # Errors
    /// It is unknown, or over.
    pub async fn pause_campaign(&self, id: &CampaignId) -> Result<(), CampaignError> {
        match self.known(id).await?.state {
            CampaignState::Cancelled => {
                Err(CampaignError::Stands(id.clone(), "cancelled", "nothing of it is sent"))
            }
            _ => self.turn_campaign(id, CampaignState::Paused).await,
        }
    }

    /// Ends a campaign for good: what is queued of it ends with the cause `cancelled`.
    ///
    /// # Errors
    /// It is unknown.
    pub async fn cancel_campaign(&self, id: &CampaignId) -> Result<(), CampaignError> {
        self.known(id).await?;
        self.turn_campaign(id, CampaignState::Cancelled).await
    }

    /// How far a campaign is.
    ///
    /// # Errors
    /// It is unknown, or the memory's words.
    pub async fn campaign_progress(&self, id: &CampaignId) -> Result<Progress, CampaignError> {
        let campaign = self.known(id).await?;
        let groups = self.store.audience_groups(id).await?;
        let plan = self.store.plan_state(id).await?;
        let results = self.store.results(id).await?;
        let planned = groups.iter().map(|group| group.planned).sum();
        let queued = self.store.campaign_queued(id).await?;
        let running = matches!(campaign.state, CampaignState::Running);
        let expected_end_ms = if running { self.plan_of(&campaign).await?.ends_ms } else { None };
        Ok(Progress {
            campaign: id.clone(),
            state: campaign.state,
            audience: groups.iter().map(|group| group.total).sum(),
            doubled: plan.doubled,
            refused: campaign.refused,
            planned,
            queued,
            sent: results.sends,
            delivered: counted(&results, &["delivered"]),
            suppressed: results.suppressed,
            failed: counted(&results, &["undeliverable", "expired", "rejected", "gave_up"]),
            replied: results.replies.values().sum(),
            expected_end_ms,
        })
    }

    /// What a campaign is going to do from now on.
    ///
    /// # Errors
    /// It is unknown, or the memory's words.
    pub async fn campaign_plan(&self, id: &CampaignId) -> Result<Plan, CampaignError> {
        let campaign = self.known(id).await?;
        self.plan_of(&campaign).await
    }

    async fn plan_of(&self, campaign: &Campaign) -> Result<Plan, CampaignError> {
        let settings = Settings::of(campaign);
        let now_ms = self.clock.now_ms();
        let begins_ms = now_ms.max(settings.starts_ms.unwrap_or(now_ms));
        let (groups, places) = self.groups_of(campaign, begins_ms).await?;
        let voice = self.voice_of_campaign(campaign)?;
        let (parts, alphabet) = voice.dearest();
        let rate = self.rate_of(campaign, &settings);
        let ahead = forecast(&groups, begins_ms, settings.ends_ms, parts, rate);
        Ok(plan(
            groups,
            places,
            ahead,
            Plan {
                people: 0,
                delayed: 0,
                parts,
                alphabet,
                rate,
                begins_ms,
                ends_ms: None,
                places: Vec::new(),
            },
        ))
    }

    /// The groups of a campaign as the rules look at them, with their places.
    async fn groups_of(
        &self,
        campaign: &Campaign,
        now_ms: i64,
    ) -> Result<(Vec<Group>, Vec<Place>), CampaignError> {
        let rows = self.store.audience_groups(&campaign.id).await?;
        let (mut groups, mut places) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows {
            let place = planner::place_of(&row)?;
            let left = u64::try_from(row.total - row.planned).unwrap_or_default();
            groups.push(Group { left, windows: self.windows(&place, campaign.purpose, now_ms) });
            places.push(place);
        }
        Ok((groups, places))
    }

    /// Parts a second a campaign goes at: its own rate, where the carrier account is not slower.
    fn rate_of(&self, campaign: &Campaign, settings: &Settings) -> u32 {
        let config = self.config();
        let lane = config.carriers.iter().find(|carrier| carrier.name == campaign.lane);
        let lane = lane.map_or(1, |carrier| carrier.rate.parts_per_second().get());
        settings.rate.map_or(lane, |rate| rate.min(lane))
    }

    async fn turn_campaign(&self, id: &CampaignId, state: CampaignState) -> Result<(), CampaignError> {
        Ok(self.store.set_campaign_state(id, state, self.clock.now_ms()).await?)
    }

    async fn known(&self, id: &CampaignId) -> Result<Campaign, CampaignError> {
        self.store.campaign(id).await?.ok_or_else(|| CampaignError::Unknown(id.clone()))
    }
}

fn counted(results: &Results, states: &[&str]) -> i64 {
    results
        .states
        .iter()
        .filter(|count| states.contains(&count.state.as_str()))
        .map(|count| count.count)
        .sum()
}

fn plan(groups: Vec<Group>, places: Vec<Place>, ahead: Forecast, mut plan: Plan) -> Plan {
    let mut by_place: BTreeMap<(u64, Place), Ahead> = BTreeMap::new();
    for ((group, place), ahead) in
        groups.iter().zip(places).zip(&ahead.groups).filter(|((group, _), _)| group.left > 0)
    {
        plan.people += group.left;
        plan.delayed += ahead.delayed;
        by_place.insert((u64::MAX - group.left, place), *ahead);
    }
    plan.ends_ms = ahead.ends_ms;
    plan.places = by_place
        .into_iter()
        .map(|((rest, place), ahead)| PlannedPlace {
            place: place.name(),
            zones: place.zones().map(ToOwned::to_owned).collect(),
            evidence: place.evidence.words(),
            people: u64::MAX - rest,
            delayed: ahead.delayed,
            first_ms: ahead.first_ms,
            last_ms: ahead.last_ms,
            unsent: ahead.unsent,
            help: ahead.narrow.then_some(
                "fewer than three hours a day are open in all its zones: a column `zone` in the contact file, or area_codes = \"trust\", would help",
            ),
        })
        .collect();
    plan
}

/// Every setting that can be wrong by itself.
fn check(new: &NewCampaign) -> Result<(), CampaignError> {
    let wrong = |field, what: &str| Err(CampaignError::Setting { field, what: what.to_owned() });
    let name = &new.id.0;
    if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return wrong("name", "is empty or too long; 1 to 64 characters, like exit-november");
    }
    if let Says::Text { text, purpose } = &new.says {
        if text.trim().is_empty() {
            return wrong("text", "is empty; write what the person is to read");
        }
        if text.chars().count() > TEXT_CHARS {
            return wrong("text", "has more than 1,530 characters, ten parts; make it shorter");
        }
        if !matches!(purpose, Purpose::Promotional | Purpose::Transactional) {
            return wrong("purpose", "is none of promotional and transactional");
        }
    }
    let Settings { starts_ms, ends_ms, rate, .. } = &new.settings;
    if let (Some(starts_ms), Some(ends_ms)) = (starts_ms, ends_ms)
        && starts_ms >= ends_ms
    {
        return wrong("ends", "is not after `starts`");
    }
    if *rate == Some(0) {
        return wrong(
            "rate",
            "is 0; write parts a second, like 50, or leave it out for as fast as the carrier goes",
        );
    }
    Ok(())
}
