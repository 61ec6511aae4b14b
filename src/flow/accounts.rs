//! What accounts may do now: how fast, how much a day, and which of their requests are being carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Account;
use crate::flow::Flow;
use crate::store::{DAY_MS, StoreError};

/// How the accounts of a running server stand. Bounded by the accounts, and by the requests under way.
#[derive(Debug, Default)]
pub struct Accounts {
    standings: Mutex<BTreeMap<String, Standing>>,
    under_way: Mutex<BTreeSet<(String, String)>>,
}

#[derive(Debug, Default)]
struct Standing {
    /// When everything taken so far is paid for by the rate.
    paid_at: Option<Instant>,
    day: i64,
    messages: u64,
    binds: usize,
}

/// Why an account may hand nothing in now, and when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Faster than its rate.
    Rate(Duration),
    /// As many as it may on one day.
    Day(Duration),
}

/// A request that is being carried out; dropped when it is through.
pub struct UnderWay<'a> {
    accounts: &'a Accounts,
    request: (String, String),
}

impl Accounts {
    /// Takes messages from what the account may hand in. A batch larger than a second's worth is taken whole, and paid for
    /// before the next is.
    pub fn spend(&self, account: &Account, messages: u64, now: Instant, now_ms: i64) -> Result<(), Limit> {
        let mut standings = self.standings();
        let standing = standings.entry(account.name.clone()).or_default();
        let paid_at = standing.paid_at.map_or(now, |at| at.max(now));
        let debt = paid_at.duration_since(now);
        if debt > Duration::ZERO && debt >= BURST {
            return Err(Limit::Rate(debt.saturating_sub(BURST).max(Duration::from_millis(1))));
        }
        let day = now_ms.div_euclid(DAY_MS);
        if standing.day != day {
            (standing.day, standing.messages) = (day, 0);
        }
        if account.per_day.is_some_and(|most| standing.messages.saturating_add(messages) > most) {
            let left_ms = (day + 1) * DAY_MS - now_ms;
            return Err(Limit::Day(Duration::from_millis(left_ms.unsigned_abs())));
        }
        standing.messages += messages;
        let rate = u64::from(account.rate.parts_per_second().get());
        let cost = Duration::from_nanos(messages.saturating_mul(NANOS / rate));
        standing.paid_at = paid_at.checked_add(cost);
        Ok(())
    }

    /// Gives messages back that were not accepted after all.
    pub fn give_back(&self, account: &Account, messages: u64) {
        if let Some(standing) = self.standings().get_mut(&account.name) {
            standing.messages = standing.messages.saturating_sub(messages);
        }
    }

    /// Begins a request under this key; none while the same is under way.
    pub fn begin(&self, account: &str, key: &str) -> Option<UnderWay<'_>> {
        let request = (account.to_owned(), key.to_owned());
        let new = self.under_way().insert(request.clone());
        new.then_some(UnderWay { accounts: self, request })
    }

    /// Takes a session of the account; false when it has all it may.
    pub fn bind(&self, account: &Account) -> bool {
        let mut standings = self.standings();
        let standing = standings.entry(account.name.clone()).or_default();
        let free = standing.binds < account.binds;
        standing.binds += usize::from(free);
        free
    }

    /// Gives a session back.
    pub fn unbind(&self, account: &str) {
        if let Some(standing) = self.standings().get_mut(account) {
            standing.binds = standing.binds.saturating_sub(1);
        }
    }

    fn counted(&self, account: &str, day: i64, messages: u64) {
        let mut standings = self.standings();
        let standing = standings.entry(account.to_owned()).or_default();
        (standing.day, standing.messages) = (day, messages);
    }

    fn standings(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        // Nothing panics halfway through a change.
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may come at once after a pause: a second's worth, so that a client that sends evenly by its own clock is not
/// refused for a hiccup.
const BURST: Duration = Duration::from_secs(1);
const NANOS: u64 = 1_000_000_000;

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.accounts.under_way().remove(&self.request);
    }
}

impl Flow {
    /// Takes up the day's counts where the last run left them.
    ///
    /// # Errors
    /// What the memory says.
    pub async fn recount(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        for (account, messages) in self.store.messages_on_day(now_ms).await? {
            self.accounts.counted(&account, now_ms.div_euclid(DAY_MS), messages);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config;

    fn account(settings: &str) -> Arc<Account> {
        let text = format!(
            "[[carrier]]\nname = \"m\"\nhost = \"h\"\nport = 1\nsystem_id = \"s\"\npassword = \"plain:p\"\n\
             [[code]]\nnumber = \"88001\"\ncarrier = \"m\"\nbrand = \"B\"\n\
             [[account]]\nname = \"shop\"\napi_key = \"plain:0123456789abcdef0123456789abcdef\"\n\
             senders = [\"88001\"]\npurposes = [\"transactional\"]\n{settings}"
        );
        config::parse("t", &text, std::path::Path::new("")).unwrap().accounts.swap_remove(0)
    }

    #[test]
    fn a_second_may_come_at_once_and_then_the_rate_holds() {
        let (accounts, account) = (Accounts::default(), account("rate = \"10/s\""));
        let begin = Instant::now();
        for _ in 0..10 {
            assert_eq!(accounts.spend(&account, 1, begin, 0), Ok(()));
        }
        assert!(matches!(accounts.spend(&account, 1, begin, 0), Err(Limit::Rate(_))));
        let later = begin + Duration::from_millis(100);
        assert_eq!(accounts.spend(&account, 1, later, 0), Ok(()), "one is paid for");
        assert!(accounts.spend(&account, 1, later, 0).is_err());
    }

    #[test]
    fn a_large_batch_is_taken_whole_and_paid_for_afterwards() {
        let (accounts, account) = (Accounts::default(), account("rate = \"10/s\""));
        let begin = Instant::now();
        assert_eq!(accounts.spend(&account, 100, begin, 0), Ok(()));
        assert_eq!(accounts.spend(&account, 1, begin, 0), Err(Limit::Rate(Duration::from_secs(9))));
        assert_eq!(accounts.spend(&account, 1, begin + Duration::from_millis(9_001), 0), Ok(()));
    }

    #[test]
    fn a_day_has_its_limit_and_the_next_begins_anew() {
        let (accounts, account) = (Accounts::default(), account("per_day = 5"));
        let now = Instant::now();
        assert_eq!(accounts.spend(&account, 5, now, DAY_MS - 1_000), Ok(()));
        let limit = accounts.spend(&account, 1, now, DAY_MS - 1_000);
        assert_eq!(limit, Err(Limit::Day(Duration::from_secs(1))));
        accounts.give_back(&account, 1);
        assert_eq!(accounts.spend(&account, 1, now, DAY_MS - 1_000), Ok(()));
        assert_eq!(accounts.spend(&account, 5, now, DAY_MS), Ok(()));
    }

    #[test]
    fn a_key_is_under_way_until_its_request_is_through() {
        let accounts = Accounts::default();
        let first = accounts.begin("shop", "k");
        assert!(first.is_some() && accounts.begin("shop", "k").is_none());
        assert!(accounts.begin("other", "k").is_some(), "keys are each account's own");
        drop(first);
        assert!(accounts.begin("shop", "k").is_some());
    }
}
