//! What a campaign says to one person, and from which code.

use std::sync::Arc;

use protocol::text::{Reference, split};

use super::{CampaignError, Says, Settings};
use crate::config::{Code, Config, Survey};
use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::reach::{Elsewhere, reaches};
use crate::message::{Msisdn, Purpose, Sender, Source};
use crate::rules::hours::{Evidence, Place};
use crate::rules::merge::merge;
use crate::store::{AudienceRow, Campaign};

/// A campaign's sender and words.
pub(super) struct Voice {
    config: Arc<Config>,
    /// Carrier account.
    pub(super) lane: String,
    /// What the handset shows.
    pub(super) sender: Sender,
    /// Why it is sent.
    pub(super) purpose: Purpose,
    brand: String,
    programme: Option<String>,
    says: Says,
}

impl Flow {
    /// The voice of a campaign that is kept.
    pub(super) fn voice_of_campaign(&self, campaign: &Campaign) -> Result<Voice, CampaignError> {
        let says = match (&campaign.survey, &campaign.text) {
            (Some(key), _) => Says::Survey(key.clone()),
            (None, text) => Says::Text { text: text.clone().unwrap_or_default(), purpose: campaign.purpose },
        };
        let voice = self.voice_of(&says, Some(&campaign.sender))?;
        Ok(Voice { programme: Settings::of(campaign).programme, ..voice })
    }

    /// The code a campaign is sent from, and its words.
    pub(super) fn voice_of(&self, says: &Says, sender: Option<&Sender>) -> Result<Voice, CampaignError> {
        let config = self.config();
        let (code, purpose) = match says {
            Says::Survey(key) => {
                let survey = config.surveys.get(key).ok_or_else(|| {
                    let known = config.surveys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    CampaignError::NoSurvey(key.clone(), known)
                })?;
                let code = code_of(&config, sender.or(survey.senders.first()));
                (code.ok_or_else(|| CampaignError::NoCode(key.clone()))?, Purpose::Survey)
            }
            Says::Text { purpose, .. } => {
                let known =
                    || config.codes.iter().map(|code| code.number.0.as_str()).collect::<Vec<_>>().join(", ");
                let code = code_of(&config, sender).ok_or_else(|| CampaignError::Setting {
                    field: "sender",
                    what: format!("is no [[code]] of the configuration; it has {}", known()),
                })?;
                (code, *purpose)
            }
        };
        let (lane, sender, brand) = (code.carrier().to_owned(), code.number.clone(), code.brand.clone());
        Ok(Voice { lane, sender, purpose, brand, programme: None, says: says.clone(), config })
    }
}

/// The code of this number, or the first.
fn code_of<'a>(config: &'a Config, sender: Option<&Sender>) -> Option<&'a Code> {
    match sender {
        Some(sender) => config.codes.iter().find(|code| code.number == *sender),
        None => config.codes.first(),
    }
}

impl Voice {
    /// The survey it asks, if any.
    pub(super) fn survey(&self) -> Option<&Survey> {
        match &self.says {
            Says::Survey(key) => self.config.surveys.get(key),
            Says::Text { .. } => None,
        }
    }

    /// The codes its survey can be asked from: its own first, then the others of the pool it is in.
    pub(super) fn codes(&self) -> Vec<&Code> {
        let pool = self.survey().map(|survey| survey.senders.as_slice()).unwrap_or_default();
        let others = pool.iter().filter(|sender| **sender != self.sender && pool.contains(&self.sender));
        std::iter::once(&self.sender).chain(others).filter_map(|sender| self.config.code(sender)).collect()
    }

    /// Those of them that serve a person's country, or why the first one does not.
    pub(super) fn codes_to<'c>(&self, codes: &[&'c Code], to: Msisdn) -> Result<Vec<&'c Code>, Elsewhere> {
        let (mut served, mut elsewhere) = (Vec::with_capacity(codes.len()), None);
        for code in codes {
            match reaches(&self.config, code, to) {
                Ok(()) => served.push(*code),
                Err(why) => elsewhere = elsewhere.or(Some(why)),
            }
        }
        match elsewhere {
            Some(why) if served.is_empty() => Err(why),
            _ => Ok(served),
        }
    }

    /// The configuration it began with.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The words to one person, with their language.
    pub(super) fn words(&self, row: &AudienceRow) -> (String, Option<String>) {
        let language = row.language.as_deref();
        let (text, language) = match (&self.says, self.survey()) {
            (Says::Text { text, .. }, _) => (text.as_str(), language.map(ToOwned::to_owned)),
            (Says::Survey(_), Some(survey)) => {
                (survey.text(language).ask.as_str(), Some(survey.language(language).to_owned()))
            }
            (Says::Survey(_), None) => ("", None),
        };
        let fields: serde_json::Map<String, serde_json::Value> =
            row.fields.as_deref().and_then(|fields| serde_json::from_str(fields).ok()).unwrap_or_default();
        let body = merge(text, |field| match field {
            "name" => row.name.as_deref(),
            "brand" => Some(self.brand.as_str()),
            other => fields.get(other).and_then(serde_json::Value::as_str),
        });
        (body, language)
    }

    /// The message to one person.
    pub(super) fn draft(
        &self,
        campaign: &Campaign,
        row: &AudienceRow,
        place: &Place,
        ends_ms: Option<i64>,
    ) -> Draft {
        let (body, language) = self.words(row);
        let own_zone = (place.evidence == Evidence::Contact).then(|| place.zones.to_string());
        Draft {
            lane: self.lane.clone(),
            purpose: self.purpose,
            campaign: Some(campaign.id.clone()),
            programme: self.programme.clone(),
            sender: self.sender.clone(),
            to: row.number,
            body,
            language,
            source: Source::Campaign,
            expires_ms: ends_ms,
            zone: own_zone,
            origin: Origin::default(),
        }
    }

    /// Parts and alphabet of its dearest text, merged with the fallbacks.
    pub(super) fn dearest(&self) -> (u32, String) {
        let texts: Vec<&str> = match (&self.says, self.survey()) {
            (Says::Text { text, .. }, _) => vec![text.as_str()],
            (Says::Survey(_), Some(survey)) => survey.texts().map(|(_, text)| text.ask.as_str()).collect(),
            (Says::Survey(_), None) => Vec::new(),
        };
        let bill = |text: &str| {
            let body = merge(text, |field| (field == "brand").then_some(self.brand.as_str()));
            let parts = split(&body, Reference::Eight(0)).ok()?;
            let alphabet = if parts.data_coding == 0 { "GSM 7-bit" } else { "UCS-2" };
            Some((u32::try_from(parts.parts.len()).unwrap_or(1), alphabet))
        };
        let dearest = texts.into_iter().filter_map(bill).max().unwrap_or((1, "GSM 7-bit"));
        (dearest.0, dearest.1.to_owned())
    }
}
