//! A contact file becomes an audience: read twice, first to find every broken row, then put down group by group. How far it
//! was read is marked in the same commit, so that an import cut short goes on where it stopped.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use super::{BrokenRows, CampaignError};
use crate::config::{Contact, Contacts, RowFault, open_contacts};
use crate::flow::Flow;
use crate::flow::reach::Elsewhere;
use crate::rules::hours::Place;
use crate::store::{Audience, AudienceGroup, AudienceRow, Campaign, CampaignProgress, StoreError};

/// People put down in one commit: some 250 kB, and few enough syncs of the disk that they cost nothing.
const BATCH: usize = 4_000;
/// Broken rows listed; a file with more is broken as a whole, and the first ones show how.
const ROWS_LISTED: usize = 100;
/// Places of one campaign. Zones times countries would be more; no contact file has them, and a forged one ends here.
const MOST_PLACES: usize = 4_096;

/// What was imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// People in the audience, those of an earlier, interrupted import among them.
    pub accepted: u64,
    /// Rows left out.
    pub refused: u64,
    /// Of these, by this import: numbers of countries that the campaign's code does not serve, by country; `?` where none
    /// is known.
    pub elsewhere: BTreeMap<String, u64>,
    /// Rows whose number stood in an earlier row: written to once.
    pub doubled: u64,
    /// Of the accepted, those an earlier import had put down already.
    pub earlier: u64,
}

/// The audience as far as it is put down.
#[derive(Default)]
struct Known {
    groups: HashMap<Place, AudienceGroup>,
    touched: Vec<Place>,
    rows: Vec<AudienceRow>,
    upto: u64,
}

impl Flow {
    /// Puts the people of a contact file down; `campaign` says how far an earlier import came.
    pub(super) async fn import<R: Read>(
        &self,
        campaign: &Campaign,
        contacts: Contacts<R>,
        limit: Option<u64>,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, CampaignError> {
        let earlier = campaign.accepted.cast_unsigned();
        let refused = campaign.refused.cast_unsigned();
        let mut imported = Imported { accepted: earlier, refused, earlier, ..Imported::default() };
        let voice = self.voice_of_campaign(campaign)?;
        let codes = voice.codes();
        let mut known = Known::default();
        for group in self.store.audience_groups(&campaign.id).await? {
            known.groups.insert(super::planner::place_of(&group)?, group);
        }
        // While one batch is synced to the disk the next one is read.
        let mut writing: Option<tokio::task::JoinHandle<Result<(), StoreError>>> = None;
        for row in contacts {
            let line = match &row {
                Ok(contact) => contact.line,
                Err(problem) => problem.line,
            };
            let is_new = line > campaign.imported_upto.cast_unsigned();
            if is_new && limit.is_some_and(|limit| imported.accepted >= limit) {
                break;
            }
            match row {
                Err(problem) if problem.fault == RowFault::Doubled => imported.doubled += 1,
                _ if !is_new => {}
                Err(_) => imported.refused += 1,
                Ok(contact) => match voice.codes_to(&codes, contact.number) {
                    Ok(_) => {
                        self.note(campaign, contact, &mut known)?;
                        imported.accepted += 1;
                    }
                    Err(Elsewhere { country, .. }) => {
                        imported.refused += 1;
                        *imported.elsewhere.entry(country.unwrap_or("?".to_owned())).or_default() += 1;
                    }
                },
            }
            known.upto = known.upto.max(line);
            if known.rows.len() == BATCH {
                written(writing.take()).await?;
                let (store, audience) = (self.store.clone(), known.take(campaign, &imported));
                writing = Some(tokio::spawn(async move { store.put_audience(audience).await }));
                progress(imported.accepted);
            }
        }
        written(writing).await?;
        if !known.rows.is_empty() || imported.doubled > 0 || !imported.elsewhere.is_empty() {
            self.store.put_audience(known.take(campaign, &imported)).await?;
        }
        progress(imported.accepted);
        Ok(imported)
    }

    fn note(&self, campaign: &Campaign, contact: Contact, known: &mut Known) -> Result<(), CampaignError> {
        let place = self.place(contact.number, contact.zone.as_deref());
        if known.groups.len() >= MOST_PLACES && !known.groups.contains_key(&place) {
            let what =
                format!("has more than {MOST_PLACES} different time zones and countries; split the file");
            return Err(CampaignError::Setting { field: "contacts", what });
        }
        let group = known.groups.entry(place.clone()).or_insert_with(|| AudienceGroup {
            id: self.ids.next(self.clock.now_ms()).0,
            campaign: campaign.id.clone(),
            place: serde_json::to_string(&place).unwrap_or_default(),
            total: 0,
            planned: 0,
        });
        known.rows.push(AudienceRow {
            grp: group.id,
            seq: group.total,
            number: contact.number,
            language: contact.language,
            name: contact.name,
            fields: contact.fields,
        });
        group.total += 1;
        known.touched.push(place);
        Ok(())
    }
}

impl Known {
    /// What is to be put down now.
    fn take(&mut self, campaign: &Campaign, imported: &Imported) -> Audience {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        Audience {
            groups: touched.iter().filter_map(|place| self.groups.get(place).cloned()).collect(),
            rows: std::mem::take(&mut self.rows),
            progress: CampaignProgress {
                id: campaign.id.clone(),
                imported_upto: self.upto.cast_signed(),
                accepted: imported.accepted.cast_signed(),
                refused: imported.refused.cast_signed(),
            },
            doubled: imported.doubled.cast_signed(),
        }
    }
}

async fn written(
    writing: Option<tokio::task::JoinHandle<Result<(), StoreError>>>,
) -> Result<(), CampaignError> {
    let Some(task) = writing else { return Ok(()) };
    match task.await {
        Ok(written) => Ok(written?),
        Err(error) => Err(StoreError::Unknown(format!("the import was broken off: {error}")).into()),
    }
}

/// Every row is looked at before one is imported. A number that stands twice is no mistake: it is written to once.
pub(super) fn check_rows(
    file: &Path,
    limit: Option<u64>,
    on_broken: BrokenRows,
) -> Result<(), CampaignError> {
    if on_broken == BrokenRows::Skip {
        return open_contacts(file).map(drop).map_err(CampaignError::from);
    }
    let (mut rows, mut broken, mut listed) = (0, 0, Vec::new());
    for row in open_contacts(file)? {
        if limit.is_some_and(|limit| rows - broken >= limit) {
            break;
        }
        rows += 1;
        if let Err(problem) = row
            && problem.fault == RowFault::Broken
        {
            broken += 1;
            if listed.len() < ROWS_LISTED {
                listed.push(problem);
            }
        }
    }
    if broken > 0 {
        return Err(CampaignError::Rows { rows, broken, listed });
    }
    Ok(())
}
