//! Who may bind, who is bound, and what waits for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use protocol::pdu::Bind;
use protocol::status::Status;
use tokio::sync::Notify;

use crate::simulator::outgoing::Delivery;
use crate::simulator::settings::Account;

/// Accounts where anybody may bind: more is an attack or a mistake.
const MOST_ACCOUNTS: usize = 1_000;
/// What a limit of parts a second counts over.
const SECOND_MS: i64 = Duration::from_secs(1).as_millis() as i64;

/// The place of an account.
pub(super) type AccountId = usize;

/// One account.
pub(super) struct Standing {
    pub(super) system_id: String,
    password: Option<String>,
    /// Connections that receive, and what wakes them.
    receivers: Vec<(u64, Arc<Notify>)>,
    /// deliver_sm to be sent, in order.
    pub(super) ready: VecDeque<Delivery>,
    second: i64,
    parts_in_second: u32,
}

impl Standing {
    fn new(system_id: String, password: Option<String>) -> Self {
        Self {
            system_id,
            password,
            receivers: Vec::new(),
            ready: VecDeque::new(),
            second: 0,
            parts_in_second: 0,
        }
    }

    /// Whether one part more in this second is over the limit.
    pub(super) fn exceeds(&mut self, limit: u32, now_ms: i64) -> bool {
        let second = now_ms.div_euclid(SECOND_MS);
        if second != self.second {
            (self.second, self.parts_in_second) = (second, 0);
        }
        self.parts_in_second += 1;
        self.parts_in_second > limit
    }

    /// Wakes the connections that receive, but for this one, if there is something for them.
    pub(super) fn rouse(&self, but: Option<u64>) {
        if !self.ready.is_empty() {
            self.receivers
                .iter()
                .filter(|(link, _)| Some(*link) != but)
                .for_each(|(_, wake)| wake.notify_one());
        }
    }

    pub(super) fn receives(&mut self, link: u64, wake: Arc<Notify>) {
        self.receivers.push((link, wake));
    }

    pub(super) fn has_receivers(&self) -> bool {
        !self.receivers.is_empty()
    }
}

/// All accounts.
pub(super) struct Accounts {
    all: Vec<Standing>,
    anybody: bool,
}

impl Accounts {
    pub(super) fn new(accounts: &[Account]) -> Self {
        let standing =
            |account: &Account| Standing::new(account.system_id.clone(), Some(account.password.clone()));
        Self { all: accounts.iter().map(standing).collect(), anybody: accounts.is_empty() }
    }

    /// The account that binds so, or the status that refuses it.
    pub(super) fn admit(&mut self, bind: &Bind) -> Result<AccountId, Status> {
        let account = self.named(&bind.system_id.to_text()).ok_or(match self.anybody {
            true => Status::BINDFAIL,
            false => Status::INVSYSID,
        })?;
        match self.all.get(account).and_then(|standing| standing.password.as_ref()) {
            Some(password) if bind.password != *password.as_str() => Err(Status::INVPASWD),
            _ => Ok(account),
        }
    }

    /// The account of that system_id; made where anybody may bind.
    pub(super) fn named(&mut self, system_id: &str) -> Option<AccountId> {
        let known = self.all.iter().position(|standing| standing.system_id == system_id);
        if known.is_some() || !self.anybody || self.all.len() >= MOST_ACCOUNTS {
            return known;
        }
        self.all.push(Standing::new(system_id.to_owned(), None));
        Some(self.all.len() - 1)
    }

    /// Somebody to give a message nobody is known for: who is bound, else the first.
    pub(super) fn somebody(&self) -> Option<AccountId> {
        self.all.iter().position(Standing::has_receivers).or((!self.all.is_empty()).then_some(0))
    }

    pub(super) fn get(&mut self, account: AccountId) -> Option<&mut Standing> {
        self.all.get_mut(account)
    }

    /// Forgets a connection.
    pub(super) fn leave(&mut self, link: u64) {
        self.all.iter_mut().for_each(|standing| standing.receivers.retain(|(receiver, _)| *receiver != link));
    }

    pub(super) fn rouse_all(&self) {
        self.all.iter().for_each(|standing| standing.rouse(None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(system_id: &str, password: &str) -> Bind {
        Bind { system_id: system_id.into(), password: password.into(), ..Bind::default() }
    }

    #[test]
    fn only_those_listed_may_bind_with_their_password() {
        let listed = [Account { system_id: "main".into(), password: "secret".into() }];
        let mut accounts = Accounts::new(&listed);
        assert_eq!(accounts.admit(&bind("main", "secret")), Ok(0));
        assert_eq!(accounts.admit(&bind("main", "wrong")), Err(Status::INVPASWD));
        assert_eq!(accounts.admit(&bind("other", "secret")), Err(Status::INVSYSID));
    }

    #[test]
    fn anybody_may_bind_where_nobody_is_listed_each_to_an_account_of_its_own() {
        let mut accounts = Accounts::new(&[]);
        assert_eq!(accounts.somebody(), None);
        assert_eq!(accounts.admit(&bind("a", "x")), Ok(0));
        assert_eq!(accounts.admit(&bind("b", "y")), Ok(1));
        assert_eq!(accounts.admit(&bind("a", "z")), Ok(0));
        for count in 0..MOST_ACCOUNTS {
            let _ = accounts.admit(&bind(&count.to_string(), ""));
        }
        assert_eq!(accounts.admit(&bind("one more", "")), Err(Status::BINDFAIL));
        assert_eq!(accounts.admit(&bind("a", "")), Ok(0));
    }

    #[test]
    fn parts_above_the_limit_of_a_second_are_told() {
        let mut standing = Standing::new(String::new(), None);
        let told: Vec<_> = [0, 1, 999, 1_000, 1_001].map(|now_ms| standing.exceeds(2, now_ms)).to_vec();
        assert_eq!(told, [false, false, true, false, false]);
    }
}
