//! Just in time: a running campaign's people become messages some seconds ahead of its rate, in the order in which their
//! evenings come. So a pause, an edit, an opt-out and the hours cost nothing, and a backlog of millions is rows nobody
//! looks at.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::voice::Voice;
use super::{CampaignError, Settings};
use crate::config::Survey;
use crate::flow::Flow;
use crate::flow::accept::{CHUNK_MESSAGES, Draft};
use crate::flow::lane::part_count;
use crate::flow::surveys::{CAMPAIGN, Taken, standing_at};
use crate::message::Msisdn;
use crate::rules::campaign::{Turn, chunk_messages, takes_ms, turn};
use crate::rules::hours::Place;
use crate::rules::survey;
use crate::store::{
    Acceptance, AudienceGroup, AudienceRow, Campaign, CampaignState, Invitation, PlanStep, StoreError,
};

/// So far ahead of their turn people become messages.
const AHEAD_MS: i64 = 30_000;
/// And no more of one campaign than this wait in the queue at once, however fast the carrier.
const MOST_QUEUED: i64 = 20_000;
/// Chunks made messages in one commit, where nothing but the carrier's rate holds a campaign: each commit is waited for, and
/// one of more would keep others waiting.
const CHUNKS_A_STEP: usize = 2;
/// How often campaigns are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Every so many looks, what came back to a cancelled campaign's queue is ended too.
const SWEEP_EVERY: u64 = 40;

/// How far a campaign was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// As far ahead as it is to be, or to its end.
    Ahead,
    /// As many as there was room for; there may be room again.
    Full,
    /// Not so far: it was paused or cancelled meanwhile, or another planner was faster.
    Overtaken,
}

/// Plans every running campaign until asked to stop.
pub async fn plan_campaigns(flow: Arc<Flow>, stop: CancellationToken) {
    let mut looks = 0_u64;
    while !stop.is_cancelled() {
        let campaigns = flow.store.campaigns().await.unwrap_or_else(|error| {
            warn!("campaigns cannot be read: {error}");
            Vec::new()
        });
        let mut go_on = false;
        for campaign in campaigns {
            let done = match campaign.state {
                CampaignState::Running => flow.top_up(&campaign).await.map(|reached| {
                    go_on |= reached == Reached::Full;
                }),
                CampaignState::Cancelled if looks.is_multiple_of(SWEEP_EVERY) => flow.sweep(&campaign).await,
                _ => Ok(()),
            };
            if let Err(error) = done {
                warn!(campaign = %campaign.id, "cannot be planned further: {error}");
            }
        }
        looks += 1;
        // Meanwhile a fast carrier has taken much of what was planned.
        if go_on {
            continue;
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Where the people of a group are.
///
/// # Errors
/// The row is damaged.
pub(super) fn place_of(group: &AudienceGroup) -> Result<Place, StoreError> {
    serde_json::from_str(&group.place)
        .map_err(|_| StoreError::Corrupt(format!("the place of audience group {} cannot be read", group.id)))
}

impl Flow {
    /// Makes as many of a campaign's people messages as are due soon.
    ///
    /// # Errors
    /// What the memory says; what was planned until then stays.
    pub async fn top_up(&self, campaign: &Campaign) -> Result<Reached, CampaignError> {
        let settings = Settings::of(campaign);
        let now_ms = self.clock.now_ms();
        let mut rows = self.store.audience_groups(&campaign.id).await?;
        let (mut groups, places) = self.groups_of(campaign, now_ms).await?;
        let rate = self.rate_of(campaign, &settings);
        let all_room = takes_room(rate) - self.store.campaign_queued(&campaign.id).await?;
        let (mut room, horizon_ms) = (all_room, now_ms + AHEAD_MS);
        let next_ms = self.store.plan_state(&campaign.id).await?.next_ms;
        let mut at_ms =
            [Some(now_ms), Some(next_ms), settings.starts_ms].into_iter().flatten().max().unwrap_or(now_ms);
        let voice = self.voice_of_campaign(campaign)?;
        let (parts, _) = voice.dearest();
        while at_ms < horizon_ms && room > 0 {
            if settings.ends_ms.is_some_and(|ends_ms| at_ms >= ends_ms) {
                return self.campaign_is_planned(campaign).await;
            }
            let index = match turn(&groups, at_ms) {
                Turn::Group { index, .. } => index,
                Turn::At(opens_ms) => {
                    at_ms = opens_ms;
                    continue;
                }
                Turn::Done => return self.campaign_is_planned(campaign).await,
                // They become messages all the same, so that each ends in a state that says why.
                Turn::Never => match groups.iter().position(|group| group.left > 0) {
                    Some(index) => index,
                    None => return Ok(Reached::Ahead),
                },
            };
            let group = &mut rows[index];
            let chunks = if settings.rate.is_some() { 1 } else { CHUNKS_A_STEP };
            let most = chunk_messages(rate, parts, chunks * CHUNK_MESSAGES);
            let people = self.store.audience_rows(group.id, group.planned, most).await?;
            if people.is_empty() {
                return Err(
                    StoreError::Corrupt(format!("audience group {} has too few rows", group.id)).into()
                );
            }
            let drafts: Vec<Draft> = people
                .iter()
                .map(|row| voice.draft(campaign, row, &places[index], settings.ends_ms))
                .collect();
            let mut acceptance = match voice.survey() {
                Some(survey) => self.asked(campaign, survey, &voice, &people, drafts).await?,
                None => self.acceptance(drafts),
            };
            acceptance.chunks.iter_mut().for_each(|chunk| chunk.not_before_ms = at_ms);
            let lanes: Vec<String> = acceptance.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
            let (messages, upto) = (acceptance.messages.len(), group.planned + people.len() as i64);
            if settings.rate.is_some() {
                let parts: usize = acceptance.messages.iter().map(part_count).sum();
                at_ms += takes_ms(parts as u64, 1, rate);
            }
            let step = PlanStep {
                campaign: campaign.id.clone(),
                group: group.id,
                from: group.planned,
                upto,
                next_ms: at_ms,
                acceptance,
            };
            match self.store.plan_step(step).await {
                Ok(()) => {}
                Err(StoreError::Refused(_)) => return Ok(Reached::Overtaken),
                Err(error) => return Err(error.into()),
            }
            self.accepted(messages, &lanes);
            group.planned = upto;
            groups[index].left = groups[index].left.saturating_sub(people.len() as u64);
            room -= messages as i64;
        }
        Ok(if all_room > 0 && room <= 0 { Reached::Full } else { Reached::Ahead })
    }

    async fn campaign_is_planned(&self, campaign: &Campaign) -> Result<Reached, CampaignError> {
        self.turn_campaign(&campaign.id, CampaignState::Done).await?;
        Ok(Reached::Ahead)
    }

    /// Whether nobody of any running campaign still waits to become a message.
    ///
    /// # Errors
    /// What the memory says.
    pub async fn campaigns_are_planned(&self) -> Result<bool, StoreError> {
        let campaigns = self.store.campaigns().await?;
        Ok(campaigns.iter().all(|campaign| campaign.state != CampaignState::Running))
    }

    /// Ends what came back into the queue of a cancelled campaign: a message that was in a lane's hands.
    async fn sweep(&self, campaign: &Campaign) -> Result<(), CampaignError> {
        if self.store.campaign_queued(&campaign.id).await? > 0 {
            self.turn_campaign(&campaign.id, CampaignState::Cancelled).await?;
        }
        Ok(())
    }
}

/// Messages of a campaign that may wait at this rate.
fn takes_room(parts_a_second: u32) -> i64 {
    let ahead = i64::from(parts_a_second) * AHEAD_MS / 1_000;
    // Two chunks at least, so that one is ready while the other is sent.
    ahead.clamp(2 * CHUNK_MESSAGES as i64, MOST_QUEUED)
}

impl Flow {
    /// The questions to these people, each from a code on which no other question is open to them; who has one open on
    /// every code is asked when it is over.
    async fn asked(
        &self,
        campaign: &Campaign,
        survey: &Survey,
        voice: &Voice,
        people: &[AudienceRow],
        all: Vec<Draft>,
    ) -> Result<Acceptance, StoreError> {
        let now_ms = self.clock.now_ms();
        let numbers: Vec<Msisdn> = people.iter().map(|row| row.number).collect();
        let mut open = Taken::new(self.store.open_questions(&numbers).await?);
        // Hardly anybody stands twice among them: only for who does, what was asked a moment ago is looked at again.
        let mut met = HashSet::with_capacity(numbers.len());
        let twice: HashSet<Msisdn> = numbers.into_iter().filter(|number| !met.insert(*number)).collect();
        let codes = voice.codes();
        let (mut drafts, mut asked, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for (row, draft) in people.iter().zip(all) {
            // Where the countries have changed since the import, who was accepted is asked all the same.
            let served = voice.codes_to(&codes, row.number).unwrap_or_else(|_| codes.clone());
            let place = open.place(voice.config(), &campaign.id, survey, &served, row.number);
            let Some((code, turn)) = place else { continue };
            let progress = match turn {
                survey::Turn::Free => survey::Progress::opened(&survey.plan, now_ms),
                survey::Turn::Taken => survey::Progress::waiting(&survey.plan, now_ms),
            };
            let invitation = Invitation {
                campaign: campaign.id.clone(),
                number: row.number,
                sender: code.number.clone(),
                message: self.ids.next(now_ms),
                survey: survey.key.clone(),
                language: draft.language.clone(),
                name: row.name.clone(),
                zone: draft.zone.clone(),
                started_by: CAMPAIGN.to_owned(),
                standing: standing_at(&progress, now_ms),
            };
            if twice.contains(&row.number) {
                open.take(invitation.clone());
            }
            match turn {
                survey::Turn::Free => {
                    drafts.push(Draft {
                        lane: code.carrier().to_owned(),
                        sender: code.number.clone(),
                        ..draft
                    });
                    asked.push(invitation);
                }
                survey::Turn::Taken => waiting.push(invitation),
            }
        }
        let mut acceptance = self.acceptance(drafts);
        for (invitation, message) in asked.iter_mut().zip(&acceptance.messages) {
            invitation.message = message.id;
        }
        acceptance.invitations = asked;
        acceptance.invitations.extend(waiting);
        Ok(acceptance)
    }
}
