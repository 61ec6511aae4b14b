//! A server with a town of handsets: telling everybody something, and waiting until nobody has anything more to say.

use std::path::Path;

use backchat::flow::Flow;
use backchat::flow::campaign::{self, BrokenRows, NewCampaign, Says};
use backchat::message::{CampaignId, Purpose};
use backchat::simulator::Simulator;

/// Tells everybody in a contact file something that is advertising.
pub async fn tell(flow: &Flow, contacts: &Path, name: &str, text: &str) {
    let id = CampaignId(name.to_owned());
    let new = NewCampaign {
        id: id.clone(),
        says: Says::Text { text: text.to_owned(), purpose: Purpose::Promotional },
        sender: None,
        contacts: contacts.display().to_string(),
        settings: campaign::Settings::default(),
    };
    flow.create_campaign(&new).await.expect("a campaign");
    flow.import_contacts(&id, contacts, BrokenRows::Refuse, |_| {}).await.expect("people");
    flow.run_campaign(&id).await.expect("it starts");
}

/// Waits until nothing is queued on a lane and nobody has anything more to say.
pub async fn quiet(flow: &Flow, carrier: &Simulator, lane: &str) {
    loop {
        carrier.wait_idle().await;
        let planned = flow.campaigns_are_planned().await.expect("the campaigns");
        let depth = flow.store.queue_depth(lane).await.expect("the queue");
        if planned && depth.is_empty() && flow.metrics.in_window.get() == 0 && carrier.is_idle() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
