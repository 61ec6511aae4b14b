//! Campaigns by HTTP, for accounts that may: made, given their contact file, started, held, ended; how far one is.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde::Deserialize;

use crate::config::{Account, MayCampaign, purpose_named};
use crate::flow::campaign::{BrokenRows, CampaignError, NewCampaign, Progress, Says, Settings};
use crate::message::{CampaignId, Sender};
use crate::store::Campaign;
use crate::web::problem::{self, Failure, Fault};
use crate::web::{Caller, Door};

/// A contact file: some ten million rows.
pub(super) const FILE_OCTETS: u64 = 1 << 30;
/// A contact file has come and is put down by then.
pub(super) const FILE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// A text or a survey without a purpose is advertising: the strictest.
const USUAL_PURPOSE: &str = "promotional";

/// A campaign as it is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    survey: Option<String>,
    text: Option<String>,
    purpose: Option<String>,
    from: Option<String>,
    starts: Option<String>,
    ends: Option<String>,
    rate: Option<u32>,
    programme: Option<String>,
}

/// `POST /v1/campaigns`: makes one. It has nobody to send to yet, and sends nothing.
pub(super) async fn create(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    allowed(&caller.account)?;
    super::messages::json_only(&headers)?;
    let wanted: Wanted = serde_json::from_slice(&body)
        .map_err(|error| Failure::new(&problem::MALFORMED, error.to_string()))?;
    let new = new_campaign(wanted, &caller.account)?;
    let campaign = door.flow.create_campaign(&new).await?;
    its_own(&campaign, &caller.account)?;
    let progress = door.flow.campaign_progress(&campaign.id).await?;
    let mut response = (StatusCode::CREATED, super::json(&told(&progress))).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/v1/campaigns/{}", campaign.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `GET /v1/campaigns`: those of the account's codes, oldest first.
pub(super) async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Failure> {
    allowed(&caller.account)?;
    let campaigns = door.flow.store.campaigns().await?;
    let own = campaigns.iter().filter(|campaign| its_own(campaign, &caller.account).is_ok());
    let own: Vec<_> = own
        .map(|campaign| {
            serde_json::json!({
                "name": campaign.id,
                "state": campaign.state,
                "from": campaign.sender,
                "survey": campaign.survey,
                "purpose": campaign.purpose,
                "created": time(campaign.created_ms),
            })
        })
        .collect();
    Ok(super::json(&serde_json::json!({ "campaigns": own })))
}

/// `GET /v1/campaigns/{name}`: how far it is.
pub(super) async fn show(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let id = known(&door, &caller, name).await?;
    Ok(super::json(&told(&door.flow.campaign_progress(&id).await?)))
}

/// `PUT /v1/campaigns/{name}/contacts`: its contact file, as it is. The same file again goes on where it stopped.
pub(super) async fn contacts(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let id = known(&door, &caller, name).await?;
    csv_only(&headers)?;
    let broken = broken_rows(&asked)?;
    let file = kept(body).await?;
    let imported = door.flow.import_contacts(&id, file.path(), broken, |_| {}).await;
    let imported = imported.map_err(|error| of_file(error, file.path()))?;
    Ok(super::json(&serde_json::json!(imported)))
}

/// `POST /v1/campaigns/{name}/start`, `pause`, `resume`, `cancel`.
pub(super) async fn turn(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path((name, turn)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = known(&door, &caller, name).await?;
    match turn.as_str() {
        "start" | "resume" => door.flow.run_campaign(&id).await?,
        "pause" => door.flow.pause_campaign(&id).await?,
        "cancel" => door.flow.cancel_campaign(&id).await?,
        _ => {
            let detail = "a campaign is turned by start, pause, resume and cancel";
            return Err(Failure::new(&problem::NOT_FOUND, detail));
        }
    }
    Ok(super::json(&told(&door.flow.campaign_progress(&id).await?)))
}

fn allowed(account: &Account) -> Result<(), Failure> {
    match account.campaigns {
        MayCampaign::Yes => Ok(()),
        MayCampaign::No => Err(Failure::new(&problem::NOT_ALLOWED, "it has no `campaigns = true`")),
    }
}

/// A campaign is its account's where the account may send from its code; for others there is none.
fn its_own(campaign: &Campaign, account: &Account) -> Result<(), Failure> {
    if account.senders.contains(&campaign.sender) {
        return Ok(());
    }
    Err(Failure::new(&problem::NOT_FOUND, "this account has no such campaign"))
}

async fn known(door: &Door, caller: &Caller, name: String) -> Result<CampaignId, Failure> {
    allowed(&caller.account)?;
    let id = CampaignId(name);
    let campaign = door.flow.store.campaign(&id).await?;
    let campaign = campaign.ok_or_else(|| CampaignError::Unknown(id.clone()))?;
    its_own(&campaign, &caller.account)?;
    Ok(id)
}

fn new_campaign(wanted: Wanted, account: &Account) -> Result<NewCampaign, Failure> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, detail: String| {
        let (pointer, detail) = (format!("/{field}"), format!("`{field}` {detail}"));
        faults.push(Fault { pointer, index: None, detail });
    };
    let mut moment = |field: &str, written: Option<String>| {
        let at = written.map(|written| written.parse::<Timestamp>().map(Timestamp::as_millisecond));
        at.and_then(|at| {
            at.map_err(|_| fault(field, "is no time, like \"2026-11-28T09:00:00Z\"".to_owned())).ok()
        })
    };
    let (starts_ms, ends_ms) = (moment("starts", wanted.starts), moment("ends", wanted.ends));
    let said = wanted.purpose.as_deref().unwrap_or(USUAL_PURPOSE);
    let purpose = purpose_named(said).filter(|purpose| account.purposes.contains(purpose));
    let says = match (wanted.survey, wanted.text, purpose) {
        (Some(survey), None, _) => Some(Says::Survey(survey)),
        (None, Some(text), Some(purpose)) => Some(Says::Text { text, purpose }),
        (None, Some(_), None) => {
            let may: Vec<&str> = account.purposes.iter().map(|one| one.name()).collect();
            fault("purpose", format!("is none of this account; these are {}", may.join(", ")));
            None
        }
        _ => {
            fault("survey", "or `text` says what is sent: one of the two".to_owned());
            None
        }
    };
    let sender = wanted.from.map(Sender).or_else(|| account.senders.first().cloned());
    let sender = sender.filter(|sender| account.senders.contains(sender));
    if sender.is_none() {
        let may: Vec<&str> = account.senders.iter().map(|one| one.0.as_str()).collect();
        fault("from", format!("is no sender of this account; these are {}", may.join(", ")));
    }
    match says {
        Some(says) if faults.is_empty() => Ok(NewCampaign {
            id: CampaignId(wanted.name),
            says,
            sender,
            contacts: format!("sent by {}", account.name),
            settings: Settings { starts_ms, ends_ms, rate: wanted.rate, programme: wanted.programme },
        }),
        _ => Err(Failure::invalid(faults)),
    }
}

/// What to do with broken rows, as the address says.
fn broken_rows(asked: &BTreeMap<String, String>) -> Result<BrokenRows, Failure> {
    if let Some(other) = asked.keys().find(|key| *key != "skip_broken") {
        return Err(Failure::new(&problem::MALFORMED, format!("there is no `{other}`, but `skip_broken`")));
    }
    match asked.get("skip_broken").map(String::as_str) {
        None | Some("false") => Ok(BrokenRows::Refuse),
        Some("true") => Ok(BrokenRows::Skip),
        Some(_) => Err(Failure::new(&problem::MALFORMED, "`skip_broken` is true or false")),
    }
}

fn csv_only(headers: &HeaderMap) -> Result<(), Failure> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("text/csv") {
        return Ok(());
    }
    Err(Failure::new(
        &problem::MEDIA_TYPE,
        format!("Content-Type is `{essence}`; a contact file is text/csv"),
    ))
}

/// The body in a file: it is read twice, and too large for the memory.
async fn kept(mut body: Body) -> Result<tempfile::NamedTempFile, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(&problem::INTERNAL, format!("the contact file cannot be kept: {error}"))
    };
    let mut file = tempfile::Builder::new().prefix("contacts-").suffix(".csv").tempfile().map_err(failed)?;
    let mut octets = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::new(&problem::MALFORMED, "the body breaks off"))?;
        let Some(data) = frame.data_ref() else { continue };
        octets += data.len() as u64;
        if octets > FILE_OCTETS {
            let detail = format!("it has more than {FILE_OCTETS} octets; split it over several campaigns");
            return Err(Failure::new(&problem::TOO_LARGE, detail));
        }
        file.write_all(data).map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    Ok(file)
}

/// What is wrong with a contact file, for who sent it: its rows by their lines, and nothing of where we keep it.
fn of_file(error: CampaignError, kept: &std::path::Path) -> Failure {
    let text = match &error {
        CampaignError::Rows { rows, broken, listed } => {
            let lines: String = listed.iter().map(|row| format!("\n  {row}")).collect();
            format!("{broken} of {rows} rows cannot be read:{lines}")
        }
        CampaignError::File(problems) => problems.to_string(),
        _ => return error.into(),
    };
    Failure::new(&problem::CONTACTS, text.replace(&kept.display().to_string(), "contacts.csv"))
}

fn told(progress: &Progress) -> serde_json::Value {
    let mut told = serde_json::json!(progress);
    if let Some(fields) = told.as_object_mut() {
        let name = fields.remove("campaign").unwrap_or_default();
        fields.insert("name".to_owned(), name);
        let end = fields.remove("expected_end_ms").and_then(|at_ms| at_ms.as_i64());
        fields.insert("expected_end".to_owned(), serde_json::json!(end.map(time)));
    }
    told
}

fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map(|at| at.to_string()).unwrap_or_default()
}

impl From<CampaignError> for Failure {
    fn from(error: CampaignError) -> Self {
        let fault = |field: &str, detail: String| {
            Self::invalid(vec![Fault { pointer: format!("/{field}"), index: None, detail }])
        };
        match error {
            CampaignError::Setting { field, .. } => {
                let said = error.to_string();
                fault(if field == "sender" { "from" } else { field }, said)
            }
            CampaignError::NoSurvey(..) | CampaignError::NoCode(_) => fault("survey", error.to_string()),
            CampaignError::File(_) | CampaignError::Rows { .. } => {
                Self::new(&problem::CONTACTS, error.to_string())
            }
            CampaignError::Taken(..) => Self::new(&problem::CAMPAIGN_TAKEN, error.to_string()),
            CampaignError::Unknown(_) => Self::new(&problem::NOT_FOUND, "this account has no such campaign"),
            CampaignError::Stands(..) => Self::new(&problem::CAMPAIGN_STANDS, error.to_string()),
            CampaignError::Store(error) => error.into(),
        }
    }
}
