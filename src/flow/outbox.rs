//! Receipts on their way back to their accounts: kept in the memory until an ESME has answered them, in order, over whichever
//! of its binds receives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::address::Address;
use protocol::pdu::Sm;
use protocol::receipt::{self, Writing};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::flow::Flow;
use crate::flow::esme::state_of;
use crate::message::{Sender, SenderKind};
use crate::smpp::server::{Esme, Receives};
use crate::store::OwedReceipt;

/// esm_class of a receipt (SMPP 3.4 section 5.2.12).
const RECEIPT_CLASS: u8 = 0x04;
/// How often the memory is asked for receipts when nothing wakes us.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After a receipt that was refused or not answered, its account is left alone so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Receipts asked for at once, for one account.
const AT_ONCE: usize = 500;

/// What is on its way to whom. Bounded by the windows of the binds.
pub(super) struct Outbox {
    flow: Arc<Flow>,
    accounts: BTreeMap<String, Way>,
    /// Answered, and not written down yet: account and receipt.
    told: Vec<(String, i64)>,
    look_at: Instant,
}

/// The way to one account.
#[derive(Default)]
struct Way {
    binds: Vec<Arc<Esme>>,
    /// Handed to a bind, and not yet written down as told.
    out: BTreeSet<i64>,
    /// Everything up to this has been handed out once.
    upto: i64,
    paused_until: Option<Instant>,
    /// Whose turn it is.
    turn: usize,
    /// Whether the memory had more when it was last asked, or may have for another reason.
    more: More,
}

/// Whether to ask the memory again before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum More {
    #[default]
    Perhaps,
    Surely,
}

impl Outbox {
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        Self { flow, accounts: BTreeMap::new(), told: Vec::new(), look_at: Instant::now() }
    }

    /// Until it is time to look.
    pub(super) async fn due(&self) {
        sleep_until(self.look_at).await;
    }

    pub(super) fn bound(&mut self, esme: Arc<Esme>) {
        if esme.receives == Receives::Yes {
            let way = self.accounts.entry(esme.account.name.clone()).or_default();
            (way.upto, way.paused_until, way.more) = (0, None, More::Surely);
            way.binds.push(esme);
        }
    }

    pub(super) fn left(&mut self, account: &str, link: u64) {
        if let Some(way) = self.accounts.get_mut(account) {
            way.binds.retain(|esme| esme.link != link);
            if way.binds.is_empty() && way.out.is_empty() {
                self.accounts.remove(account);
            }
        }
    }

    pub(super) fn delivered(&mut self, esme: &Esme, id: i64) {
        self.flow.metrics.esme_receipts.one();
        self.told.push((esme.account.name.clone(), id));
    }

    pub(super) fn not_delivered(&mut self, esme: &Esme, id: i64) {
        if let Some(way) = self.accounts.get_mut(&esme.account.name) {
            way.out.remove(&id);
            way.upto = way.upto.min(id - 1);
            way.paused_until = Some(Instant::now() + PAUSE);
        }
    }

    /// Writes down what was answered, and hands out what there is room for.
    pub(super) async fn send(&mut self) {
        self.write_down().await;
        let now = Instant::now();
        let due = now >= self.look_at;
        if due {
            self.look_at = now + LOOK_EVERY;
        }
        for (name, way) in self.accounts.iter_mut().filter(|(_, way)| due || way.more == More::Surely) {
            if let Err(error) = way.fill(&self.flow, name).await {
                warn!(account = %name, "receipts for it cannot be read: {error}");
            }
        }
    }

    /// Everybody has gone: what they answered last is written down.
    pub(super) async fn finish(mut self) {
        self.write_down().await;
    }

    async fn write_down(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let ids = self.told.iter().map(|(_, id)| *id).collect();
        match self.flow.store.told(ids, self.flow.clock.now_ms()).await {
            Ok(()) => {
                for (account, id) in self.told.drain(..) {
                    if let Some(way) = self.accounts.get_mut(&account) {
                        way.out.remove(&id);
                    }
                }
            }
            // they stay among those handed out, and are not sent again meanwhile
            Err(error) => {
                warn!("{} receipts that were told wait to be written down: {error}", self.told.len())
            }
        }
    }
}

impl Way {
    async fn fill(&mut self, flow: &Flow, account: &str) -> Result<(), crate::store::StoreError> {
        let now = Instant::now();
        if self.paused_until.is_some_and(|until| until > now) || self.binds.is_empty() {
            return Ok(());
        }
        self.paused_until = None;
        let window: usize = self.binds.iter().map(|esme| esme.account.window).sum();
        let room = window.saturating_sub(self.out.len()).min(AT_ONCE);
        if room == 0 {
            return Ok(());
        }
        let limit = room + self.out.len();
        let owed = flow.store.owed(account, self.upto, limit).await?;
        self.more = if owed.len() == limit { More::Surely } else { More::Perhaps };
        for owed in owed {
            if self.out.contains(&owed.id) {
                continue;
            }
            self.turn = (self.turn + 1) % self.binds.len();
            if !self.binds[self.turn].deliver(owed.id, deliver_sm(&owed)) {
                // its link has just ended, and will say so
                return Ok(());
            }
            self.out.insert(owed.id);
            self.upto = self.upto.max(owed.id);
        }
        Ok(())
    }
}

/// A receipt as SMPP 3.4, appendix B, has it, with the parameters beside it.
fn deliver_sm(owed: &OwedReceipt) -> Sm {
    let id = owed.message.to_string();
    let state = state_of(&owed.state);
    let quote: String = owed.body.chars().filter(char::is_ascii).take(20).collect();
    let writing = Writing {
        id: id.as_bytes(),
        sub: 1,
        dlvrd: u16::from(owed.state == "delivered"),
        submitted_s: owed.submitted_ms.div_euclid(1_000),
        done_s: owed.done_ms.div_euclid(1_000),
        state,
        err: owed.err.as_deref().unwrap_or("000").as_bytes(),
        text: quote.as_bytes(),
        ..Writing::default()
    };
    Sm {
        source: Address::international(owed.to.digits().as_str()),
        dest: address(&owed.from),
        esm_class: RECEIPT_CLASS,
        short_message: receipt::format(&writing),
        tlvs: receipt::tlvs(id.as_bytes(), state, None),
        ..Sm::default()
    }
}

fn address(sender: &Sender) -> Address {
    let digits = sender.0.trim_start_matches('+');
    match sender.kind() {
        SenderKind::ShortCode => Address::new(3, 0, digits),
        SenderKind::LongCode => Address::international(digits),
        SenderKind::Alphanumeric => Address::alphanumeric(digits),
    }
}
