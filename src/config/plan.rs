//! What a reload changes, in words, and what of it needs a bind to start anew.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Carrier, Config, Survey};

/// What happens to one carrier account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum CarrierChange {
    /// It is new: its binds start.
    Starts {
        /// Its name.
        carrier: String,
        /// How many.
        binds: u8,
    },
    /// It is gone: its binds drain and unbind.
    Drains {
        /// Its name.
        carrier: String,
        /// How many.
        binds: u8,
    },
    /// Its binds drain and start anew, since nothing else would do.
    Restarts {
        /// Its name.
        carrier: String,
        /// How many.
        binds: u8,
        /// The settings that need it.
        because: Vec<String>,
    },
    /// Its binds stay; the change takes effect at once.
    Adopts {
        /// Its name.
        carrier: String,
        /// The settings that change.
        settings: Vec<String>,
    },
}

/// What happens to a code or a survey; none of it touches a bind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `code 88001`, `survey exit`.
    pub of: String,
    /// `added`, `removed`, or what of it changed.
    pub what: Vec<String>,
}

/// What a reload changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Carrier accounts.
    pub carriers: Vec<CarrierChange>,
    /// Codes and surveys.
    pub others: Vec<Change>,
    /// What only a new start can change. A reload with any of these changes nothing.
    pub needs_a_start: Vec<String>,
}

impl Plan {
    /// What changes between two configurations.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut plan = Self::default();
        if old.store != new.store {
            plan.needs_a_start.push("the database".to_owned());
        }
        if old.node != new.node {
            plan.needs_a_start.push("the number of the node".to_owned());
        }
        if old.http != new.http {
            plan.needs_a_start.push("the address of the API".to_owned());
        }
        if old.smpp != new.smpp {
            plan.needs_a_start.push("the address that ESMEs bind to".to_owned());
        }
        plan.carriers.extend(
            old.carriers
                .iter()
                .filter(|old| new.carrier(&old.name).is_none())
                .map(|old| CarrierChange::Drains { carrier: old.name.clone(), binds: old.binds }),
        );
        plan.carriers.extend(new.carriers.iter().filter_map(|new| match old.carrier(&new.name) {
            Some(old) => carrier_change(old, new),
            None => Some(CarrierChange::Starts { carrier: new.name.clone(), binds: new.binds }),
        }));
        plan.others.extend(code_changes(old, new));
        plan.others.extend(survey_changes(old, new));
        if old.accounts != new.accounts {
            let what = vec!["changed, for whoever comes from now on".to_owned()];
            plan.others.push(Change { of: "accounts".to_owned(), what });
        }
        if old.hours != new.hours {
            plan.others.push(Change { of: "permitted hours".to_owned(), what: vec!["changed".to_owned()] });
        }
        if old.retention != new.retention {
            plan.others.push(Change { of: "retention".to_owned(), what: vec!["changed".to_owned()] });
        }
        if old.reader().version() != new.reader().version() {
            let what = format!("{} instead of {}", new.reader().version(), old.reader().version());
            plan.others.push(Change { of: "word packs".to_owned(), what: vec![what] });
        }
        plan
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Plan {
    /// A line for each change, and one that says which binds it costs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changes");
        }
        let mut restarts = 0;
        for change in &self.carriers {
            match change {
                CarrierChange::Starts { carrier, binds } => {
                    writeln!(f, "carrier {carrier}: new, {} will start", bind_count(*binds))?;
                }
                CarrierChange::Drains { carrier, binds } => {
                    writeln!(f, "carrier {carrier}: gone, {} will drain and unbind", bind_count(*binds))?;
                }
                CarrierChange::Restarts { carrier, binds, because } => {
                    restarts += 1;
                    let (because, count) = (listed(because), bind_count(*binds));
                    writeln!(f, "carrier {carrier}: {count} will restart, for the change of {because}")?;
                }
                CarrierChange::Adopts { carrier, settings } => {
                    writeln!(f, "carrier {carrier}: {} at once, its binds stay", listed(settings))?;
                }
            }
        }
        for change in &self.others {
            writeln!(f, "{}: {}", change.of, listed(&change.what))?;
        }
        if !self.needs_a_start.is_empty() {
            return write!(
                f,
                "{} cannot change while the server runs: stop it and start it again",
                listed(&self.needs_a_start)
            );
        }
        if restarts == 0 { f.write_str("no bind restarts") } else { f.write_str("all other binds stay") }
    }
}

fn bind_count(binds: u8) -> String {
    if binds == 1 { "1 bind".to_owned() } else { format!("{binds} binds") }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// The names of the fields in which two values differ.
macro_rules! differing {
    ($old:expr, $new:expr, $($field:ident),* $(,)?) => {{
        let mut names: Vec<String> = Vec::new();
        $(if $old.$field != $new.$field {
            names.push(stringify!($field).trim_end_matches("_ms").to_owned());
        })*
        names
    }};
}

fn carrier_change(old: &Carrier, new: &Carrier) -> Option<CarrierChange> {
    if old == new {
        return None;
    }
    // What is read from the configuration at each use, or can be told to a running bind. A setting that is not among
    // them restarts the binds: right, if not always needed.
    let adopted = Carrier {
        rate: new.rate,
        bind_rate: new.bind_rate,
        retry: new.retry,
        in_doubt: new.in_doubt,
        default_alphabet: new.default_alphabet,
        receipt_ids: new.receipt_ids,
        short_code: new.short_code,
        cancel: new.cancel,
        ..old.clone()
    };
    let carrier = new.name.clone();
    if adopted == *new {
        let settings = differing!(
            old,
            new,
            rate,
            bind_rate,
            retry,
            in_doubt,
            default_alphabet,
            receipt_ids,
            short_code,
            cancel,
        );
        return Some(CarrierChange::Adopts { carrier, settings });
    }
    let mut because = differing!(
        old,
        new,
        host,
        port,
        system_id,
        password,
        system_type,
        address_range,
        bind,
        binds,
        window,
        enquire_link_ms,
        response_timeout_ms,
        reconnect,
    );
    if because.is_empty() {
        because.push("other settings".to_owned());
    }
    Some(CarrierChange::Restarts { carrier, binds: new.binds, because })
}

fn code_changes(old: &Config, new: &Config) -> Vec<Change> {
    let numbers: BTreeSet<&str> =
        old.codes.iter().chain(&new.codes).map(|code| code.number.0.as_str()).collect();
    let find =
        |config: &'_ Config, number: &str| config.codes.iter().find(|code| code.number.0 == number).cloned();
    let changes = numbers.into_iter().filter_map(|number| {
        let what = match (find(old, number), find(new, number)) {
            (None, Some(_)) => vec!["added".to_owned()],
            (Some(_), None) => vec!["removed".to_owned()],
            (Some(old), Some(new)) if old != new => {
                let mut what = differing!(
                    old, new, carriers, countries, brand, languages, keywords, default, programmes, consent
                );
                if what.is_empty() {
                    what.push("texts".to_owned());
                }
                what
            }
            _ => return None,
        };
        Some(Change { of: format!("code {number}"), what })
    });
    changes.collect()
}

fn survey_changes(old: &Config, new: &Config) -> Vec<Change> {
    let keys: BTreeSet<&String> = old.surveys.keys().chain(new.surveys.keys()).collect();
    // A survey holds nothing but values: what it shows of itself is all there is to compare.
    let same = |old: &Survey, new: &Survey| format!("{old:?}") == format!("{new:?}");
    let changes = keys.into_iter().filter_map(|key| {
        let what = match (old.surveys.get(key), new.surveys.get(key)) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (Some(old), Some(new)) if !same(old, new) => "changed; questions already open are read by it too",
            _ => return None,
        };
        Some(Change { of: format!("survey {key}"), what: vec![what.to_owned()] })
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const FILE: &str = "surveys = [\"surveys/exit.toml\"]\n\
        [[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = 2775\nsystem_id = \"a\"\npassword = \"plain:a\"\nrate = \"10/s\"\n\
        [[code]]\nnumber = \"88001\"\ncarrier = \"main\"\nbrand = \"Town\"\n";

    fn plan(new: &str) -> Plan {
        let read = |text: &str| parse("t", text, Path::new("config")).unwrap();
        Plan::between(&read(FILE), &read(new))
    }

    #[test]
    fn a_keyword_a_text_and_a_rate_cost_no_bind() {
        let new = FILE.replace("10/s", "50/s") + "[code.keywords]\nCOFFEE = \"survey:exit\"\n";
        let plan = plan(&new);
        assert_eq!(
            plan.to_string(),
            "carrier main: rate at once, its binds stay\ncode 88001: keywords\nno bind restarts"
        );
    }

    #[test]
    fn what_is_withdrawn_and_what_is_kept_cost_no_bind() {
        let new = FILE.replace("rate", "cancel = \"after-stop\"\nrate") + "[retention]\nevents = \"30d\"\n";
        assert_eq!(
            plan(&new).to_string(),
            "carrier main: cancel at once, its binds stay\nretention: changed\nno bind restarts"
        );
    }

    #[test]
    fn another_host_restarts_the_binds_and_says_why() {
        let plan = plan(&FILE.replace("127.0.0.1", "127.0.0.2").replace("rate", "window = 5\nrate"));
        assert_eq!(
            plan.to_string(),
            "carrier main: 1 bind will restart, for the change of host and window\nall other binds stay"
        );
    }

    #[test]
    fn what_only_a_start_can_change_is_said() {
        let shown = plan(&format!("node = 7\n{FILE}")).to_string();
        assert!(shown.contains("the number of the node cannot change while the server runs"), "{shown}");
        assert_eq!(plan(FILE).to_string(), "nothing changes");
    }

    #[test]
    fn carriers_codes_and_surveys_come_and_go() {
        let new = FILE
            .replace("\"main\"", "\"second\"")
            .replace("88001", "88002")
            .replace("surveys = [\"surveys/exit.toml\"]\n", "");
        assert_eq!(
            plan(&new).to_string(),
            "carrier main: gone, 1 bind will drain and unbind\ncarrier second: new, 1 bind will start\n\
             code 88001: removed\ncode 88002: added\nsurvey exit: removed\nno bind restarts"
        );
    }
}
