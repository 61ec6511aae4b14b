//! A campaign's people: put down once, planned in order, held and cancelled.

use backchat::message::{CampaignId, MessageId, Msisdn, Purpose, Sender};
use backchat::store::{
    Acceptance, Audience, AudienceGroup, AudienceRow, Campaign, CampaignProgress, CampaignState, PlanStep,
    Store, StoreError,
};

use crate::fixtures::*;

crate::contract! {
    an_audience_is_put_down_once_however_often_it_is_repeated,
    a_step_of_a_plan_is_made_once_and_only_while_the_campaign_runs,
    a_held_campaign_is_not_leased_and_goes_on_where_it_was,
    a_cancelled_campaigns_queue_ends_with_its_cause,
}

const GROUP: i64 = 77;

fn audience(people: i64) -> Audience {
    let row = |seq: i64| AudienceRow {
        grp: GROUP,
        seq,
        number: Msisdn(447_700_900_000 + seq.cast_unsigned()),
        language: Some("en".to_owned()),
        name: (seq == 1).then(|| "Ana \"A\" \u{1f914}".to_owned()),
        fields: None,
    };
    Audience {
        groups: vec![AudienceGroup {
            id: GROUP,
            campaign: campaign(),
            place: "{\"country\":\"GB\"}".to_owned(),
            total: people,
            planned: 0,
        }],
        rows: (0..people).map(row).collect(),
        progress: CampaignProgress {
            id: campaign(),
            imported_upto: people + 1,
            accepted: people,
            refused: 0,
        },
        doubled: 2,
    }
}

async fn with_people(place: &Place, state: CampaignState) -> Store {
    let store = place.open().await;
    let made = Campaign {
        id: campaign(),
        lane: LANE.to_owned(),
        sender: Sender(CODE.to_owned()),
        purpose: Purpose::Survey,
        survey: Some("exit".to_owned()),
        text: None,
        contacts: "people.csv".to_owned(),
        settings: serde_json::json!({}),
        state,
        created_ms: NOW,
        imported_upto: 0,
        accepted: 0,
        refused: 0,
    };
    store.create_campaign(made).await.unwrap();
    store.put_audience(audience(3)).await.unwrap();
    store
}

fn step(from: i64, upto: i64) -> PlanStep {
    let ids: Vec<i64> = (from + 1..=upto).collect();
    PlanStep {
        campaign: campaign(),
        group: GROUP,
        from,
        upto,
        next_ms: NOW + upto,
        acceptance: Acceptance {
            messages: ids.iter().map(|id| message(*id)).collect(),
            chunks: vec![chunk(100 + from, ids)],
            ..Acceptance::default()
        },
    }
}

async fn an_audience_is_put_down_once_however_often_it_is_repeated(place: Place) {
    let store = with_people(&place, CampaignState::Planned).await;
    store.put_audience(audience(3)).await.unwrap();
    let groups = store.audience_groups(&campaign()).await.unwrap();
    assert_eq!(groups, audience(3).groups);
    assert_eq!(store.audience_rows(GROUP, 1, 10).await.unwrap(), audience(3).rows[1..]);
    assert_eq!(store.audience_rows(GROUP, 0, 2).await.unwrap(), audience(3).rows[..2]);
    assert_eq!(store.plan_state(&campaign()).await.unwrap().doubled, 2);
    assert_eq!(store.campaign(&campaign()).await.unwrap().unwrap().accepted, 3);
    let none = CampaignId("none".to_owned());
    assert_eq!(store.audience_groups(&none).await.unwrap(), []);
}

async fn a_step_of_a_plan_is_made_once_and_only_while_the_campaign_runs(place: Place) {
    let store = with_people(&place, CampaignState::Planned).await;
    assert!(matches!(store.plan_step(step(0, 2)).await, Err(StoreError::Refused(_))), "it does not run");
    assert_eq!(store.campaign_queued(&campaign()).await.unwrap(), 0, "and nothing of the step is written");
    store.set_campaign_state(&campaign(), CampaignState::Running, NOW).await.unwrap();
    store.plan_step(step(0, 2)).await.unwrap();
    assert!(matches!(store.plan_step(step(0, 2)).await, Err(StoreError::Refused(_))), "it was made already");
    store.plan_step(step(2, 3)).await.unwrap();
    assert_eq!(store.audience_groups(&campaign()).await.unwrap()[0].planned, 3);
    assert_eq!(store.plan_state(&campaign()).await.unwrap().next_ms, NOW + 3);
    assert_eq!(store.campaign_queued(&campaign()).await.unwrap(), 3);
}

async fn a_held_campaign_is_not_leased_and_goes_on_where_it_was(place: Place) {
    let store = with_people(&place, CampaignState::Running).await;
    store.plan_step(step(0, 2)).await.unwrap();
    let due = store.next_due(LANE).await.unwrap();
    store.set_campaign_state(&campaign(), CampaignState::Paused, NOW).await.unwrap();
    store.set_campaign_state(&campaign(), CampaignState::Paused, NOW).await.unwrap();
    assert!(store.next_due(LANE).await.unwrap() > Some(NOW + 1_000_000_000_000), "nobody waits for it");
    // What comes back into the queue meanwhile is held too.
    let back =
        Acceptance { messages: vec![message(9)], chunks: vec![chunk(900, [9])], ..Acceptance::default() };
    store.accept(back).await.unwrap();
    assert!(store.next_due(LANE).await.unwrap() > Some(NOW + 1_000_000_000_000));
    store.set_campaign_state(&campaign(), CampaignState::Running, NOW).await.unwrap();
    assert_eq!(store.next_due(LANE).await.unwrap(), due);
    assert_eq!(store.campaign_queued(&campaign()).await.unwrap(), 3);
}

async fn a_cancelled_campaigns_queue_ends_with_its_cause(place: Place) {
    let store = with_people(&place, CampaignState::Running).await;
    store.plan_step(step(0, 2)).await.unwrap();
    store.set_campaign_state(&campaign(), CampaignState::Cancelled, NOW + 5).await.unwrap();
    for id in [1, 2] {
        let life = store.why(MessageId(id)).await.unwrap().unwrap();
        assert_eq!((life.state.as_str(), life.cause.as_deref()), ("suppressed", Some("cancelled")));
    }
    assert_eq!(store.campaign_queued(&campaign()).await.unwrap(), 0);
    assert_eq!(store.next_due(LANE).await.unwrap(), None);
}
