//! Every way a request can fail, in one table: it makes the answers (RFC 9457), the pages under `/problems` and the entries in
//! the OpenAPI document.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::flow::accounts::Limit;
use crate::flow::handed::Refusal;
use crate::store::StoreError;

/// Faults of one request that are listed; more show no more.
const FAULTS_LISTED: usize = 100;

/// One kind of failure.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its stable name, the last word of its `type`.
    pub name: &'static str,
    /// The status it is answered with.
    pub status: u16,
    /// What it is, the same every time.
    pub title: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

macro_rules! problems {
    ($($constant:ident $name:literal $status:literal $title:literal $hint:literal)*) => {
        $(#[doc = $title] pub const $constant: Problem =
            Problem { name: $name, status: $status, title: $title, hint: $hint };)*
        /// All of them.
        pub const ALL: &[&Problem] = &[$(&$constant),*];
    };
}

problems! {
    MALFORMED "malformed" 400 "The body is not what this takes"
        "Send the JSON that /openapi.json describes; the detail says where it departs from it."
    UNAUTHORIZED "unauthorized" 401 "No account has this API key"
        "Send the account's key as `Authorization: Bearer KEY`."
    FORBIDDEN "forbidden" 403 "The account may not come from this address"
        "Add the address to the account's `addresses`, or send from one of them."
    NOT_ALLOWED "not_allowed" 403 "The account may not do this"
        "The operator allows it in the account's block: `campaigns = true`."
    NOT_FOUND "not_found" 404 "There is no such thing here"
        "Look at the address; a message is found only by the account that handed it in."
    METHOD_NOT_ALLOWED "method_not_allowed" 405 "This address takes other methods"
        "The header Allow names them."
    TIMEOUT "timeout" 408 "The request took too long to come or to be carried out"
        "Send it again, with the same Idempotency-Key if it had one."
    KEY_UNDER_WAY "idempotency_in_progress" 409 "A request with this Idempotency-Key is being carried out"
        "Wait for its answer, or send the same request again in a moment."
    CAMPAIGN_TAKEN "campaign_exists" 409 "Another campaign has this name"
        "Choose another name; the same campaign again is no error."
    CAMPAIGN_STANDS "campaign_state" 409 "The campaign stands so that this cannot be done"
        "Ask how it stands: GET /v1/campaigns/NAME."
    TOO_LARGE "too_large" 413 "The body is too large"
        "Send at most 10,000 messages at once, and no more than 8 MiB."
    MEDIA_TYPE "media_type" 415 "The body is of a kind this does not take"
        "Send `Content-Type: application/json`, and no Content-Encoding."
    INVALID "invalid" 422 "Some of it cannot be accepted; nothing was"
        "Mend what `errors` lists and send the whole again."
    CONTACTS "contact_file" 422 "The contact file cannot be used; nothing of it was imported"
        "Mend the rows that the detail names, or leave them out with ?skip_broken=true."
    KEY_REUSED "idempotency_key_reused" 422 "This Idempotency-Key was used for another request"
        "Make a new key for each new request; a key is remembered for 24 hours."
    RATE "rate" 429 "The account hands in faster than its rate"
        "Wait as long as Retry-After says; the operator sets `rate`."
    DAY "day" 429 "The account has handed in all it may today"
        "Wait for the next day (UTC); the operator sets `per_day`."
    BUSY "busy" 429 "More is coming in than can be written down"
        "Send it again after Retry-After; larger batches cost less."
    INTERNAL "internal" 500 "Something went wrong here"
        "Tell the operator the time; the server's log has the rest."
    UNAVAILABLE "unavailable" 503 "The database is away; nothing new is accepted"
        "Send it again after Retry-After; /healthz tells when it is back."
    UNKNOWN "unknown" 503 "The database was lost while it committed; it is not known whether this was accepted"
        "Send it again with the same Idempotency-Key: it is carried out once."
}

/// One fault in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// Which message of a batch, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// A failure, ready to be answered.
#[derive(Debug)]
pub struct Failure {
    problem: &'static Problem,
    detail: String,
    faults: Vec<Fault>,
    retry_after: Option<Duration>,
}

impl Failure {
    /// A failure of this kind, and what it is in this case.
    pub fn new(problem: &'static Problem, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into(), faults: Vec::new(), retry_after: None }
    }

    /// The faults of a request; there is at least one.
    pub fn invalid(mut faults: Vec<Fault>) -> Self {
        let count = faults.len();
        faults.truncate(FAULTS_LISTED);
        let detail = match count {
            1 => "1 fault".to_owned(),
            count if count > FAULTS_LISTED => format!("{count} faults, the first {FAULTS_LISTED} are listed"),
            count => format!("{count} faults"),
        };
        Self { faults, ..Self::new(&INVALID, detail) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let retry_after = refusal.retry_after();
        let failure = match refusal {
            Refusal::Limit(Limit::Rate(_)) => Self::new(&RATE, "come again when Retry-After has passed"),
            Refusal::Limit(Limit::Day(_)) => Self::new(&DAY, "the day ends at 00:00 UTC"),
            Refusal::KeyUnderWay => Self::new(&KEY_UNDER_WAY, "its answer is not there yet"),
            Refusal::KeyTaken => Self::new(&KEY_REUSED, "the body differs from that of the first request"),
            Refusal::Store(error) => Self::from(error),
        };
        Self { retry_after, ..failure }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let problem = match error {
            StoreError::Busy => &BUSY,
            StoreError::Unreachable(_) => &UNAVAILABLE,
            StoreError::Unknown(_) => &UNKNOWN,
            StoreError::Corrupt(_) | StoreError::Refused(_) => {
                tracing::error!("a request failed: {error}");
                &INTERNAL
            }
        };
        let retry_after = Refusal::Store(error).retry_after();
        Self { retry_after, ..Self::new(problem, problem.hint) }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Problem { name, status, title, hint } = *self.problem;
        let retry_after = self.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        let document = Document {
            r#type: format!("/problems/{name}"),
            title,
            status,
            detail: &self.detail,
            code: name,
            hint,
            errors: &self.faults,
            retry_after,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_name_of_its_own_and_says_what_to_do() {
        for (index, problem) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|before| before.name != problem.name), "{}", problem.name);
            assert!((400..600).contains(&problem.status) && problem.hint.ends_with('.'), "{}", problem.name);
            assert!(StatusCode::from_u16(problem.status).is_ok());
        }
    }

    #[test]
    fn what_may_be_asked_again_says_when() {
        let failure = Failure::from(Refusal::Limit(Limit::Rate(Duration::from_millis(1_200))));
        let response = failure.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let away = Failure::from(StoreError::Unreachable("gone".to_owned())).into_response();
        assert_eq!((away.status().as_u16(), away.headers().contains_key(header::RETRY_AFTER)), (503, true));
    }
}
