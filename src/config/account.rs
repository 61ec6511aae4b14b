//! Who may hand messages in, by HTTP and by SMPP: what they show, what they may send, and how much of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use toml::de::DeValue;

use super::carrier::octets;
use super::code::Code;
use super::problem::{listed, nearest};
use super::raw::{At, Document, Table, Wrong};
use super::unit::{Rate, Secret, cut, integer, name, one_of, rate, secret, text, texts};
use crate::message::{Purpose, Sender};

/// SMPP 3.4, 5.2.1: system_id of at most 15 octets, and a NUL.
const SYSTEM_ID_OCTETS: usize = 15;
/// SMPP 3.4, 5.2.2: a password of at most 8 octets, and a NUL; what an ESME cannot send would never match.
const PASSWORD_OCTETS: usize = 8;
/// 128 bits as hexadecimal digits: what is shorter can be guessed.
const API_KEY_SIGNS: usize = 32;
/// Sessions of one account.
const MOST_BINDS: u8 = 32;
/// Requests of one session that may wait for their answer.
const MOST_WINDOW: u16 = 1_000;
/// More than anybody sends in a day; above this a typing error is likelier than a need.
const MOST_A_DAY: u32 = 1_000_000_000;

/// Where messages are handed in by HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port.
    pub listen: SocketAddr,
}

/// Where ESMEs bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmppConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Connections at once.
    pub connections: u16,
    /// Connections at once from one address.
    pub connections_per_address: u16,
}

/// Somebody who hands messages in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Our name for it.
    pub name: String,
    /// What it shows by HTTP; none where it may not come that way.
    pub api_key: Option<Shown>,
    /// What it shows by SMPP; none where it may not come that way.
    pub login: Option<Login>,
    /// The codes it may send from, the first where a message names none.
    pub senders: Vec<Sender>,
    /// What it may send for, the first where a message does not say.
    pub purposes: Vec<Purpose>,
    /// Messages a second, however they come.
    pub rate: Rate,
    /// Messages a day (UTC); none: as many as the rate lets through.
    pub per_day: Option<u64>,
    /// Requests of one SMPP session that may wait for their answer.
    pub window: usize,
    /// SMPP sessions at once.
    pub binds: usize,
    /// Networks it may come from; from anywhere where the list is empty.
    pub addresses: Vec<Network>,
    /// Whether it may make campaigns from its codes, by HTTP.
    pub campaigns: MayCampaign,
}

/// Whether an account may make campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MayCampaign {
    /// It may, and see those of its codes.
    Yes,
    /// It hands in messages, no more.
    #[default]
    No,
}

/// How an account binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// system_id.
    pub system_id: String,
    /// Its password.
    pub password: Shown,
}

/// What somebody must show, as the digest of it: the secret itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shown([u8; 32]);

impl Shown {
    /// Of the secret itself.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether this is it; takes the same time whatever was shown.
    pub fn is(self, shown: Shown) -> bool {
        self.0[..].ct_eq(&shown.0[..]).into()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(hidden)")
    }
}

/// A network: all addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether the address lies in it. An IPv4 address written in IPv6 is an IPv4 address.
    pub fn holds(self, address: IpAddr) -> bool {
        let differ = match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => u128::from(base.to_bits() ^ address.to_bits()) << 96,
            (IpAddr::V6(base), IpAddr::V6(address)) => base.to_bits() ^ address.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= self.bits
    }

    fn parse(written: &str) -> Option<Self> {
        let (base, bits) = written.split_once('/').map_or((written, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { base, bits })
    }
}

impl Account {
    /// Whether it may come from there.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        self.addresses.is_empty() || self.addresses.iter().any(|network| network.holds(address))
    }
}

/// An account and where it says what only the configuration around it can judge.
pub(super) struct Read {
    pub(super) account: At<Account>,
    senders_at: Vec<At<String>>,
}

/// Reads `[http]`.
pub(super) fn http(root: &Table<'_>) -> Option<HttpConfig> {
    let table = root.table("http")?;
    let listen = table.need("listen", socket, "where to listen: listen = \"127.0.0.1:8080\"")?;
    Some(HttpConfig { listen: listen.value })
}

/// Reads `[smpp]`.
pub(super) fn smpp(root: &Table<'_>) -> Option<SmppConfig> {
    let table = root.table("smpp")?;
    let listen = table.need("listen", socket, "where to listen: listen = \"0.0.0.0:2775\"");
    let connections = table.or("connections", integer(1..=10_000), 500);
    let connections_per_address = table.or("connections_per_address", integer(1..=10_000), 50);
    Some(SmppConfig { listen: listen?.value, connections, connections_per_address })
}

const PURPOSES: &[(&str, Purpose)] = &[
    ("one_time_code", Purpose::OneTimeCode),
    ("transactional", Purpose::Transactional),
    ("survey", Purpose::Survey),
    ("promotional", Purpose::Promotional),
];

/// A purpose an account may name. Those of our own answers reach people who said STOP, so that nobody may.
pub fn purpose_named(word: &str) -> Option<Purpose> {
    PURPOSES.iter().find(|(known, _)| *known == word).map(|(_, purpose)| *purpose)
}

/// Reads one `[[account]]`.
pub(super) fn read(table: &Table<'_>) -> Option<Read> {
    let document = table.document();
    let folder = document.path("");
    let name = table.need("name", name, "name it as your team calls it: name = \"shop\"");
    let api_key = table.get("api_key", secret(&folder));
    let system_id = table.get("system_id", octets(SYSTEM_ID_OCTETS));
    let password = table.get("password", secret(&folder));
    let senders =
        table.need("senders", texts, "the [[code]] numbers it may send from: senders = [\"88001\"]");
    let purposes = table.need("purposes", purposes, "what it may send for: purposes = [\"transactional\"]");
    let rate = table.or("rate", rate, USUAL_RATE);
    let per_day = table.get("per_day", integer(1..=MOST_A_DAY));
    let window = table.or("window", integer(1..=MOST_WINDOW), 100);
    let binds = table.or("binds", integer(1..=MOST_BINDS), 2);
    let addresses = table.or("addresses", networks, Vec::new());
    let campaigns = table.or("campaigns", campaigns, MayCampaign::No);

    if let Some(key) = api_key.as_ref().filter(|key| key.value.reveal().len() < API_KEY_SIGNS) {
        let hint = format!("take at least {API_KEY_SIGNS} random characters: openssl rand -hex 16");
        document.note(key.span.clone(), "`api_key` is so short that it can be guessed", hint);
    }
    if let Some(password) = &password
        && (password.value.reveal().len() > PASSWORD_OCTETS || password.value.reveal().contains('\0'))
    {
        let hint = format!("SMPP carries at most {PASSWORD_OCTETS} octets here; more would never match");
        document.note(password.span.clone(), "`password` is no SMPP password", hint);
    }
    let senders_at: Vec<At<String>> = senders
        .map(|at| at.value)
        .unwrap_or_default()
        .into_iter()
        .map(|at| At { value: at.value.to_owned(), span: at.span })
        .collect();
    if senders_at.is_empty() && table.says("senders") {
        document.note(table.span(), "it may send from nothing", "name at least one [[code]] in `senders`");
    }
    let shown = |secret: &Secret| Shown::of(secret.reveal().as_bytes());
    let login = match (system_id, password) {
        (Some(id), Some(password)) => Some(Login { system_id: id.value, password: shown(&password.value) }),
        (Some(_), None) if !table.says("password") => {
            table.missing("password", "write password = \"env:NAME\" or \"file:PATH\"");
            None
        }
        (None, Some(_)) if !table.says("system_id") => {
            table.missing("system_id", "the login that goes with the password: system_id = \"shop\"");
            None
        }
        _ => None,
    };
    if !["api_key", "system_id", "password"].iter().any(|key| table.says(key)) {
        table.missing("api_key", "write api_key = \"env:NAME\" for HTTP, or system_id and password for SMPP");
    }
    let name = name?;
    let account = Account {
        name: name.value,
        api_key: api_key.map(|key| shown(&key.value)),
        login,
        senders: senders_at.iter().map(|at| Sender(at.value.clone())).collect(),
        purposes: purposes?.value,
        rate,
        per_day: per_day.map(|at| u64::from(at.value)),
        window: usize::from(window),
        binds: usize::from(binds),
        addresses,
        campaigns,
    };
    Some(Read { account: At { value: account, span: name.span }, senders_at })
}

/// A new account that says nothing must not flood a carrier.
const USUAL_RATE: Rate = Rate::per_second(match std::num::NonZeroU32::new(50) {
    Some(messages) => messages,
    None => std::num::NonZeroU32::MIN,
});

/// What only the accounts together, and the codes beside them, can tell.
pub(super) fn check(document: &Document, accounts: &[Read], codes: Option<&[&Code]>) {
    for (index, read) in accounts.iter().enumerate() {
        let account = &read.account.value;
        let told = |what: String, hint: &str| document.note(read.account.span.clone(), what, hint);
        for before in accounts[..index].iter().map(|before| &before.account.value) {
            if before.name == account.name {
                told(format!("two accounts are called `{}`", account.name), "give each its own name");
            }
            if account.api_key.is_some() && before.api_key == account.api_key {
                let what = format!("the accounts `{}` and `{}` have one api_key", before.name, account.name);
                told(what, "make a key for each: it says who sends");
            }
            let ids = [before, account].map(|one| one.login.as_ref().map(|login| &login.system_id));
            if let [Some(one), Some(other)] = ids
                && one == other
            {
                told(format!("two accounts bind as `{one}`"), "give each its own system_id");
            }
        }
        for at in codes.map(|_| &read.senders_at).into_iter().flatten() {
            let numbers: Vec<&str> =
                codes.unwrap_or_default().iter().map(|code| code.number.0.as_str()).collect();
            if !numbers.contains(&at.value.as_str()) {
                let what = format!(
                    "the account `{}` sends from `{}`, which is no code of ours",
                    account.name,
                    cut(&at.value)
                );
                let hint = match nearest(&at.value, numbers.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the codes are {}", listed(numbers.iter().copied())),
                };
                document.note(at.span.clone(), what, hint);
            }
        }
    }
}

fn purposes(value: &DeValue<'_>) -> Result<Vec<Purpose>, Wrong> {
    let hint = || format!("write a list of {}", listed(PURPOSES.iter().map(|(word, _)| *word)));
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Wrong::new("is no list of purposes", hint()))?;
    list.iter().map(|item| one_of(PURPOSES)(item.get_ref())).collect()
}

fn campaigns(value: &DeValue<'_>) -> Result<MayCampaign, Wrong> {
    match value {
        DeValue::Boolean(true) => Ok(MayCampaign::Yes),
        DeValue::Boolean(false) => Ok(MayCampaign::No),
        _ => Err(Wrong::new("is neither true nor false", "write campaigns = true, or leave it out")),
    }
}

fn networks(value: &DeValue<'_>) -> Result<Vec<Network>, Wrong> {
    let hint = "write addresses or networks, like \"192.0.2.7\" or \"10.0.0.0/8\"";
    texts(value)?
        .iter()
        .map(|at| {
            Network::parse(at.value).ok_or_else(|| Wrong::new(format!("holds `{}`", cut(at.value)), hint))
        })
        .collect()
}

fn socket(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let written = text(value)?;
    let hint = "write an address and a port, like \"127.0.0.1:8080\"; 0.0.0.0 is every address";
    written.parse().map_err(|_| Wrong::new(format!("is `{}`", cut(written)), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let holds =
            |network: &str, address: &str| Network::parse(network).unwrap().holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.200.3.4") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"), "IPv4 in IPv6");
        assert!(holds("2001:db8::/32", "2001:db8:1::5") && !holds("2001:db8::/32", "2001:db9::5"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        for wrong in ["10.0.0.0/33", "shop.example", "10.0.0/8", "10.0.0.0/x"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_account_may_send_as_an_answer_of_ours() {
        for word in ["reply", "confirmation", "help"] {
            assert_eq!(purpose_named(word), None, "{word} reaches people who said STOP");
        }
        assert_eq!(purpose_named("one_time_code"), Some(Purpose::OneTimeCode));
    }

    #[test]
    fn what_is_shown_is_compared_and_never_printed() {
        let key = Shown::of(b"0123456789abcdef0123456789abcdef");
        assert!(key.is(Shown::of(b"0123456789abcdef0123456789abcdef")));
        assert!(!key.is(Shown::of(b"0123456789abcdef0123456789abcdeF")));
        assert_eq!(format!("{key:?}"), "Shown(hidden)");
    }
}
