//! Messages by HTTP: one or ten thousand in one request, accepted whole or not at all; and what became of one.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::{Account, Config, language_tag, milliseconds, purpose_named};
use crate::flow::accept::{Draft, Origin};
use crate::flow::handed::{Carried, HandedIn, OnceKey, lane_of, purpose_of};
use crate::flow::reach::reaches;
use crate::message::{MessageId, Msisdn, Sender, Source, hex};
use crate::web::problem::{self, Failure, Fault};
use crate::web::{Caller, Door};

/// Messages of one request.
pub const MOST_MESSAGES: usize = 10_000;
/// Characters of one text: ten parts in the plain alphabet, more than anybody reads.
const MOST_TEXT_CHARS: usize = 1_530;
/// Characters of a reference.
const MOST_REFERENCE_CHARS: usize = 100;
/// Characters of an Idempotency-Key.
const MOST_KEY_CHARS: usize = 255;
/// A message is worth sending for a minute at least, and no carrier keeps one longer than a week or so.
const VALID_FOR_MS: std::ops::RangeInclusive<u64> = 60_000..=7 * 86_400_000;
/// How far ahead a message may be scheduled.
const AHEAD_MS: i64 = 92 * 86_400_000;

/// One message as it is handed in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: Option<String>,
    from: Option<String>,
    text: Option<String>,
    purpose: Option<String>,
    programme: Option<String>,
    reference: Option<String>,
    valid_for: Option<String>,
    not_before: Option<String>,
    language: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    messages: Vec<Wanted>,
}

/// How messages were handed in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One object.
    One,
    /// A list of objects.
    List,
    /// An object with a list `messages`.
    Wrapped,
}

impl Shape {
    /// Where a field of a message stands, as a JSON pointer.
    fn pointer(self, index: usize, field: &str) -> String {
        match self {
            Self::One => format!("/{field}"),
            Self::List => format!("/{index}/{field}"),
            Self::Wrapped => format!("/messages/{index}/{field}"),
        }
    }
}

#[derive(Serialize)]
struct Accepted<'a> {
    id: Printed,
    to: Printed,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    state: &'static str,
}

/// Something that is written as it prints.
struct Printed(String);

impl Serialize for Printed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// `POST /v1/messages`.
pub(super) async fn accept(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    json_only(&headers)?;
    let once = once_key(&headers, &body)?;
    let (shape, wanted) = read(&body)?;
    let config = door.flow.config();
    let now_ms = door.flow.clock.now_ms();
    let mut drafts = Vec::with_capacity(wanted.len());
    let mut faults = Vec::new();
    for (index, wanted) in wanted.into_iter().enumerate() {
        let mut check =
            Check { config: &config, account: &caller.account, now_ms, shape, index, faults: &mut faults };
        drafts.extend(check.draft(wanted));
    }
    if !faults.is_empty() {
        return Err(Failure::invalid(faults));
    }
    let told: Vec<(Msisdn, Option<String>)> =
        drafts.iter().map(|draft| (draft.to, draft.origin.reference.clone())).collect();
    let handed_in = door.flow.hand_in(&caller.account, drafts, once).await?;
    Ok(answer(shape, &told, &handed_in))
}

fn answer(shape: Shape, told: &[(Msisdn, Option<String>)], handed_in: &HandedIn) -> Response {
    let accepted = told.iter().zip(&handed_in.ids).map(|((to, reference), id)| Accepted {
        id: Printed(id.to_string()),
        to: Printed(to.to_string()),
        reference: reference.as_deref(),
        state: "queued",
    });
    let accepted: Vec<Accepted<'_>> = accepted.collect();
    let body = match (shape, accepted.first()) {
        (Shape::One, Some(one)) => serde_json::to_vec(one),
        _ => serde_json::to_vec(&serde_json::json!({ "accepted": accepted.len(), "messages": accepted })),
    };
    let mut response = (StatusCode::ACCEPTED, body.unwrap_or_default()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, super::JSON);
    if shape == Shape::One
        && let Some(id) = handed_in.ids.first()
        && let Ok(place) = HeaderValue::try_from(format!("/v1/messages/{id}"))
    {
        headers.insert(header::LOCATION, place);
    }
    if handed_in.when == Carried::Before {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// The body as messages: an object, a list of objects, or an object with a list `messages`.
fn read(body: &[u8]) -> Result<(Shape, Vec<Wanted>), Failure> {
    let malformed = |error: serde_json::Error| Failure::new(&problem::MALFORMED, error.to_string());
    let text = body.trim_ascii_start();
    let inside = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let (shape, wanted) = match (text.first(), inside) {
        (Some(b'['), _) => (Shape::List, serde_json::from_slice(body).map_err(malformed)?),
        (_, Some(inside)) if inside.starts_with(b"\"messages\"") => {
            let batch: Batch = serde_json::from_slice(body).map_err(malformed)?;
            (Shape::Wrapped, batch.messages)
        }
        _ => (Shape::One, vec![serde_json::from_slice(body).map_err(malformed)?]),
    };
    if wanted.is_empty() {
        return Err(Failure::new(&problem::MALFORMED, "the list is empty"));
    }
    if wanted.len() > MOST_MESSAGES {
        return Err(Failure::new(&problem::TOO_LARGE, format!("{} messages in one request", wanted.len())));
    }
    Ok((shape, wanted))
}

/// Only JSON as it is: what unpacks a body has to be told how much to unpack.
pub(super) fn json_only(headers: &HeaderMap) -> Result<(), Failure> {
    let said = |name: header::HeaderName| {
        headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let kind = said(header::CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Failure::new(&problem::MEDIA_TYPE, format!("Content-Type is `{essence}`")));
    }
    if said(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Failure::new(&problem::MEDIA_TYPE, "packed bodies are not taken"));
    }
    Ok(())
}

/// The request's Idempotency-Key, with the digest of its body.
pub(super) fn once_key(headers: &HeaderMap, body: &[u8]) -> Result<Option<OnceKey>, Failure> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().unwrap_or_default().trim().trim_matches('"');
    if key.is_empty() || key.len() > MOST_KEY_CHARS {
        let detail = format!("Idempotency-Key has 1 to {MOST_KEY_CHARS} plain characters");
        return Err(Failure::new(&problem::MALFORMED, detail));
    }
    let digest = hex(&Sha256::digest(body));
    Ok(Some(OnceKey { key: key.to_owned(), body: digest }))
}

/// One message being checked; its faults go to the others.
struct Check<'a> {
    config: &'a Config,
    account: &'a Account,
    now_ms: i64,
    shape: Shape,
    index: usize,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    /// The draft, or faults.
    fn draft(&mut self, wanted: Wanted) -> Option<Draft> {
        let before = self.faults.len();
        let to = match wanted.to.as_deref().map(Msisdn::parse) {
            Some(Ok(to)) => Some(to),
            Some(Err(why)) => self.fault("to", why.to_string()),
            None => self.fault("to", "is missing: the handset's number, like \"+447700900123\""),
        };
        let body = match wanted.text {
            Some(text) if text.trim().is_empty() => self.fault("text", "is empty"),
            Some(text) if text.chars().count() > MOST_TEXT_CHARS => {
                self.fault("text", format!("is longer than {MOST_TEXT_CHARS} characters"))
            }
            Some(text) => Some(text),
            None => self.fault("text", "is missing: what to say"),
        };
        let sender = wanted.from.map(Sender).or_else(|| self.account.senders.first().cloned());
        let route = sender.and_then(|sender| match lane_of(self.config, self.account, &sender) {
            Some(lane) => Some((lane.to_owned(), sender)),
            None => {
                let may: Vec<&str> = self.account.senders.iter().map(|one| one.0.as_str()).collect();
                self.fault("from", format!("is no sender of this account; these are {}", may.join(", ")))
            }
        });
        let code = route.as_ref().and_then(|(_, sender)| self.config.code(sender));
        if let Some((code, to)) = code.zip(to)
            && let Err(elsewhere) = reaches(self.config, code, to)
        {
            self.fault::<()>("to", elsewhere.to_string());
        }
        let said = wanted.purpose.as_deref();
        let purpose = match (said, said.and_then(purpose_named)) {
            (Some(_), None) => None,
            (_, named) => purpose_of(self.account, named),
        };
        let purpose = purpose.or_else(|| {
            let may: Vec<&str> = self.account.purposes.iter().map(|one| one.name()).collect();
            self.fault("purpose", format!("is none of this account; these are {}", may.join(", ")))
        });
        let reference = wanted.reference.and_then(|reference| {
            if reference.chars().count() <= MOST_REFERENCE_CHARS {
                return Some(reference);
            }
            self.fault("reference", format!("is longer than {MOST_REFERENCE_CHARS} characters"))
        });
        let language = wanted.language.and_then(|language| match language_tag(&language) {
            Ok(tag) => Some(tag),
            Err(_) => self.fault("language", "is no language tag, like \"en\" or \"pt-BR\""),
        });
        let not_before_ms = wanted.not_before.and_then(|at| self.not_before(&at));
        let begins_ms = not_before_ms.unwrap_or(self.now_ms).max(self.now_ms);
        let expires_ms = wanted.valid_for.and_then(|span| self.valid_for(&span)).map(|ms| begins_ms + ms);
        let programme = wanted.programme.and_then(|programme| self.programme(programme, route.as_ref()));
        if self.faults.len() > before {
            return None;
        }
        let (lane, sender) = route?;
        Some(Draft {
            lane,
            purpose: purpose?,
            campaign: None,
            sender,
            to: to?,
            body: body?,
            language,
            source: Source::Api,
            expires_ms,
            zone: None,
            programme,
            origin: Origin {
                account: Some(self.account.name.clone()),
                reference,
                not_before_ms,
                registered_delivery: None,
                relay: None,
            },
        })
    }

    fn not_before(&mut self, at: &str) -> Option<i64> {
        match at.parse::<Timestamp>().map(Timestamp::as_millisecond) {
            Ok(at_ms) if at_ms <= self.now_ms + AHEAD_MS => Some(at_ms),
            Ok(_) => self.fault("not_before", "is more than 92 days ahead"),
            Err(_) => self.fault("not_before", "is no time, like \"2026-11-28T09:00:00Z\""),
        }
    }

    fn valid_for(&mut self, span: &str) -> Option<i64> {
        match milliseconds(span).filter(|ms| VALID_FOR_MS.contains(ms)) {
            Some(ms) => i64::try_from(ms).ok(),
            None => self.fault("valid_for", "is no span from 1m to 7d, like \"2h\""),
        }
    }

    fn programme(&mut self, programme: String, route: Option<&(String, Sender)>) -> Option<String> {
        let (_, sender) = route?;
        let code = self.config.codes.iter().find(|code| code.number == *sender)?;
        if code.programmes.contains(&programme) {
            return Some(programme);
        }
        let detail = match code.programmes.as_slice() {
            [] => format!("is none of {sender}, which has no programmes"),
            known => format!("is none of {sender}; these are {}", known.join(", ")),
        };
        self.fault("programme", detail)
    }

    fn fault<T>(&mut self, field: &str, detail: impl Into<String>) -> Option<T> {
        let pointer = self.shape.pointer(self.index, field);
        let index = (self.shape != Shape::One).then_some(self.index);
        self.faults.push(Fault { pointer, index, detail: format!("`{field}` {}", detail.into()) });
        None
    }
}

/// `GET /v1/messages/{id}`.
pub(super) async fn show(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let none = || Failure::new(&problem::NOT_FOUND, "this account has no such message");
    let id: MessageId = id.parse().map_err(|_| none())?;
    let life = door.flow.store.why(id).await?;
    let life = life.filter(|life| life.message.account.as_ref() == Some(&caller.account.name));
    let life = life.ok_or_else(none)?;
    let steps: Vec<serde_json::Value> = life
        .entries
        .iter()
        .map(|entry| serde_json::json!({ "at": time(entry.at_ms), "what": entry.kind, "detail": entry.detail }))
        .collect();
    let message = &life.message;
    Ok(super::json(&serde_json::json!({
        "id": message.id.to_string(),
        "state": life.state,
        "cause": life.cause,
        "to": message.to.to_string(),
        "from": message.sender,
        "purpose": message.purpose,
        "reference": message.reference,
        "accepted_at": time(message.accepted_ms),
        "expires_at": message.expires_ms.map(time),
        "life": steps,
    })))
}

/// RFC 3339, UTC.
pub(super) fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map(|at| at.to_string()).unwrap_or_default()
}
