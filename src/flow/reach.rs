//! Whom a code reaches: the countries it serves, and the carrier that leads to a person.

use std::collections::HashMap;

use crate::config::{Code, Config};
use crate::flow::Flow;
use crate::message::{Msisdn, Sender};
use crate::rules::hours::Hours;
use crate::store::StoreError;

/// Why a number cannot be written to from a code: the code serves other countries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is a number of {}; {code} serves {}", .country.as_deref().unwrap_or("no known country"), .serves.join(", "))]
pub struct Elsewhere {
    /// The number's country, where it is known.
    pub country: Option<String>,
    /// The code.
    pub code: Sender,
    /// The countries that the code serves.
    pub serves: Vec<String>,
}

/// Whether a code may be sent from to a number. Who wrote to it is answered all the same.
///
/// # Errors
/// The number is of a country that the code does not serve.
pub fn reaches(config: &Config, code: &Code, to: Msisdn) -> Result<(), Elsewhere> {
    if code.countries.is_empty() {
        return Ok(());
    }
    let country = Hours::shipped().place(to, None, config.hours.area_codes).country;
    if code.serves(country.as_deref()) {
        return Ok(());
    }
    let (code, serves) = (code.number.clone(), code.countries.clone());
    Err(Elsewhere { country: country.map(Into::into), code, serves })
}

/// By which carrier people wrote last, for codes that several serve: another one may not reach them.
pub(super) struct Ways(HashMap<(String, Msisdn), String>);

impl Ways {
    /// The carrier by which to write to a person.
    pub(super) fn lane<'c>(&self, code: &'c Code, to: Msisdn) -> &'c str {
        code.carrier_for(self.0.get(&(code.number.0.clone(), to)).map(String::as_str))
    }
}

impl Flow {
    /// The ways to people on codes.
    pub(super) async fn ways<'p>(
        &self,
        config: &Config,
        people: impl Iterator<Item = (&'p Sender, Msisdn)>,
    ) -> Result<Ways, StoreError> {
        let several = |code: &Sender| config.code(code).is_some_and(|code| code.carriers.len() > 1);
        let numbers: Vec<Msisdn> =
            people.filter(|(code, _)| several(code)).map(|(_, number)| number).collect();
        Ok(Ways(self.store.lanes_written_by(&numbers).await?))
    }
}
