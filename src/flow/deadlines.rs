//! What time does to surveys: reminders, the end of the wait, surveys whose turn has come. What is due stands in an index,
//! so that a look costs nothing while nothing is, and a restart loses none.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::{Config, Survey};
use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::reach::Ways;
use crate::flow::surveys::{KEYWORD, body_of, called_up, collide, progress_of, standing_of};
use crate::message::{InvitationState, Msisdn, Purpose, Source};
use crate::rules::survey::{Delivery, Effect, Event, Progress, Turn, step};
use crate::store::{
    Acceptance, DueInvitation, Invitation, InvitationChange, InvitationStanding, StoreError, TurnCommit,
};

/// How often is looked: a reminder may come some seconds late.
const LOOK: Duration = Duration::from_secs(5);
/// Invitations taken in one go: some milliseconds, so that replies are not kept waiting.
const BATCH: usize = 250;

/// Looks for what is due until told to stop.
pub async fn keep_deadlines(flow: Arc<Flow>, stop: CancellationToken) {
    loop {
        let more = match flow.take_due().await {
            Ok(taken) => taken == BATCH,
            Err(error) => {
                warn!("reminders and ends of surveys wait: {error}");
                false
            }
        };
        if more && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Flow {
    /// Takes the invitations that are due, some hundred at most; gives how many there were.
    ///
    /// # Errors
    /// What the memory says; nothing has happened then.
    pub async fn take_due(&self) -> Result<usize, StoreError> {
        let _turn = self.surveys.lock().await;
        let config = self.config();
        let now_ms = self.clock.now_ms();
        let due = self.store.due_invitations(now_ms, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let waiting: Vec<Msisdn> = due
            .iter()
            .filter(|one| one.invitation.standing.state == InvitationState::Waiting)
            .map(|one| one.invitation.number)
            .collect();
        let mut open = self.store.open_questions(&waiting).await?;
        open.retain(|one| one.standing.state == InvitationState::Open);
        let people = due.iter().map(|one| (&one.invitation.sender, one.invitation.number));
        let ways = self.ways(&config, people).await?;
        let mut turns = Vec::with_capacity(due.len());
        let mut closed = Vec::new();
        for one in &due {
            let turn = self.turn_of(&config, &ways, one, &open, now_ms);
            match turn.change.standing.state {
                InvitationState::Open => open.push(one.invitation.clone()),
                state if state.is_closed() => closed.push(one.invitation.number),
                _ => {}
            }
            turns.push(turn);
        }
        self.commit(turns).await?;
        self.call_up(&closed, now_ms).await?;
        Ok(due.len())
    }

    async fn commit(&self, turns: Vec<TurnCommit>) -> Result<(), StoreError> {
        let said: Vec<_> = turns
            .iter()
            .filter(|turn| !turn.accept.messages.is_empty())
            .map(|turn| {
                let lanes: Vec<String> = turn.accept.chunks.iter().map(|chunk| chunk.lane.clone()).collect();
                (turn.change.message, turn.accept.messages.len(), lanes)
            })
            .collect();
        let changed: HashSet<_> = self.store.commit_turns(turns).await?.into_iter().collect();
        for (_, messages, lanes) in said.iter().filter(|(message, _, _)| changed.contains(message)) {
            self.accepted(*messages, lanes);
        }
        Ok(())
    }

    /// Calls up what waited behind surveys that have just ended.
    async fn call_up(&self, closed: &[Msisdn], now_ms: i64) -> Result<(), StoreError> {
        if closed.is_empty() {
            return Ok(());
        }
        let mut waiting = self.store.open_questions(closed).await?;
        waiting.retain(|one| one.standing.state == InvitationState::Waiting);
        let turns = waiting
            .iter()
            .map(|one| TurnCommit { change: called_up(one, now_ms), accept: Acceptance::default() })
            .collect();
        self.commit(turns).await
    }

    fn turn_of(
        &self,
        config: &Config,
        ways: &Ways,
        due: &DueInvitation,
        open: &[Invitation],
        now_ms: i64,
    ) -> TurnCommit {
        let invitation = &due.invitation;
        let Some(survey) = config.surveys.get(&invitation.survey) else {
            // Nobody knows any more what was to be asked.
            let standing = InvitationStanding {
                state: InvitationState::Cancelled,
                closed_ms: Some(now_ms),
                due_ms: None,
                ..invitation.standing.clone()
            };
            let change = InvitationChange { message: invitation.message, standing };
            return TurnCommit { change, accept: Acceptance::default() };
        };
        let before = progress_of(&invitation.standing);
        let event = match before.state {
            InvitationState::Waiting => Event::Turn(turn(config, invitation, survey, open)),
            _ => Event::Due(delivery_of(due)),
        };
        let (progress, effects) = step(&survey.plan, &before, &event, now_ms);
        let change = InvitationChange {
            message: invitation.message,
            standing: standing_of(&progress, &invitation.standing),
        };
        let accept = match question_of(config, ways, invitation, survey, &progress, &effects) {
            Some(draft) if before.state == InvitationState::Waiting => {
                let mut accept = self.acceptance(vec![draft]);
                // The invitation has had its message's id from the first.
                accept.messages.iter_mut().for_each(|message| message.id = invitation.message);
                accept.chunks.iter_mut().for_each(|chunk| chunk.members = vec![invitation.message]);
                accept
            }
            draft => self.acceptance(draft.into_iter().collect()),
        };
        TurnCommit { change, accept }
    }
}

/// Whether the handset is free for a survey that waits.
fn turn(config: &Config, waiting: &Invitation, survey: &Survey, open: &[Invitation]) -> Turn {
    let taken = open.iter().any(|one| {
        one.number == waiting.number && one.sender == waiting.sender && collide(config, survey, &one.survey)
    });
    if taken { Turn::Taken } else { Turn::Free }
}

/// The question or reminder that is to be sent.
fn question_of(
    config: &Config,
    ways: &Ways,
    invitation: &Invitation,
    survey: &Survey,
    progress: &Progress,
    effects: &[Effect],
) -> Option<Draft> {
    let code = config.code(&invitation.sender)?;
    let language = invitation.language.as_deref();
    let body = body_of(code, survey, invitation.name.as_deref(), progress, effects, language)?;
    let asked_for = invitation.started_by == KEYWORD;
    Some(Draft {
        lane: ways.lane(code, invitation.number).to_owned(),
        purpose: if asked_for { Purpose::Reply } else { Purpose::Survey },
        campaign: Some(invitation.campaign.clone()),
        programme: None,
        sender: invitation.sender.clone(),
        to: invitation.number,
        body,
        language: Some(survey.language(language).to_owned()),
        source: Source::Campaign,
        expires_ms: None,
        zone: invitation.zone.clone(),
        origin: Origin::default(),
    })
}

fn delivery_of(due: &DueInvitation) -> Delivery {
    match due {
        DueInvitation { suppressed: 1, .. } => Delivery::Suppressed,
        DueInvitation { failed: 1, .. } => Delivery::Failed,
        DueInvitation { sent_ms: Some(at_ms), .. } => Delivery::Sent { at_ms: *at_ms },
        _ => Delivery::Queued,
    }
}
