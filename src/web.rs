//! The people's side: the JSON API. It asks the journeys, and never talks to the wire.

mod campaigns;
mod health;
mod listen;
pub mod messages;
mod metrics;
mod openapi;
pub mod problem;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use tokio_util::sync::CancellationToken;

use crate::config::{Account, Shown};
use crate::flow::Flow;
use problem::Failure;

pub use listen::{Listener, listen};

/// A batch of 10,000 messages of 800 octets.
const BODY_OCTETS: usize = 8 * 1024 * 1024;
/// A request that has not come and been answered by then has lost its asker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What all answers but problems are.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the handlers have.
#[derive(Clone)]
pub struct Door {
    flow: Arc<Flow>,
    stopping: CancellationToken,
}

/// Who makes a request.
#[derive(Clone)]
struct Caller {
    account: Arc<Account>,
}

/// Where a request's connection comes from.
#[derive(Clone, Copy)]
struct CameFrom(SocketAddr);

/// Everything there is to ask. `stopping` says when no new work is wanted.
pub fn routes(flow: Arc<Flow>, stopping: CancellationToken) -> Router {
    let door = Door { flow, stopping };
    let accounts_only = Router::new()
        .route("/v1/messages", post(messages::accept))
        .route("/v1/messages/{id}", get(messages::show))
        .route("/v1/campaigns", get(campaigns::list).post(campaigns::create))
        .route("/v1/campaigns/{name}", get(campaigns::show))
        .route("/v1/campaigns/{name}/{turn}", post(campaigns::turn))
        .route_layer(from_fn_with_state(door.clone(), recognise));
    // A contact file takes its time, and is bounded by itself.
    let files = Router::new()
        .route("/v1/campaigns/{name}/contacts", put(campaigns::contacts))
        .route_layer(from_fn_with_state(door.clone(), recognise))
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(|request: Request, next: Next| within(campaigns::FILE_TIMEOUT, request, next)))
        .with_state(door.clone());
    let quick = Router::new()
        .merge(accounts_only)
        .route("/healthz", get(health::health))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .route("/problems", get(openapi::problems))
        .route("/problems/{name}", get(openapi::problem))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(BODY_OCTETS))
        .layer(from_fn(|request: Request, next: Next| within(REQUEST_TIMEOUT, request, next)))
        .with_state(door);
    quick.merge(files)
}

/// Lets a request through with its account. The key is compared with every account's, in the same time.
async fn recognise(State(door): State<Door>, mut request: Request, next: Next) -> Result<Response, Failure> {
    let config = door.flow.config();
    let shown = key(request.headers()).map(|key| Shown::of(key.as_bytes()));
    let mut found: Option<&Arc<Account>> = None;
    for account in &config.accounts {
        if account.api_key.zip(shown).is_some_and(|(key, shown)| key.is(shown)) {
            found = Some(account);
        }
    }
    let account = found.ok_or_else(|| {
        let detail = if shown.is_some() { "the key is none of ours" } else { "there is no key" };
        Failure::new(&problem::UNAUTHORIZED, detail)
    })?;
    let from = request.extensions().get::<CameFrom>().map(|CameFrom(from)| from.ip());
    if !from.is_none_or(|address| account.may_come_from(address)) {
        return Err(Failure::new(&problem::FORBIDDEN, "the key is right, the address is not"));
    }
    request.extensions_mut().insert(Caller { account: Arc::clone(account) });
    Ok(next.run(request).await)
}

/// `Authorization: Bearer KEY`, or `X-API-Key: KEY`.
fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

async fn within(time: Duration, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(time, next.run(request)).await;
    let answer = answer.unwrap_or_else(|_| {
        Failure::new(&problem::TIMEOUT, format!("{} s have passed", time.as_secs())).into_response()
    });
    match answer.status() {
        // what refuses a body that is too large or breaks off speaks plain text
        StatusCode::PAYLOAD_TOO_LARGE if answer.headers().get(header::CONTENT_TYPE) != Some(&PROBLEM) => {
            let detail = format!("it has more than {BODY_OCTETS} octets");
            Failure::new(&problem::TOO_LARGE, detail).into_response()
        }
        StatusCode::BAD_REQUEST if answer.headers().get(header::CONTENT_TYPE) != Some(&PROBLEM) => {
            Failure::new(&problem::MALFORMED, "the body breaks off").into_response()
        }
        _ => answer,
    }
}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

async fn nothing_here() -> Failure {
    Failure::new(&problem::NOT_FOUND, "nothing answers at this address; /openapi.json lists what does")
}

async fn other_method() -> Failure {
    Failure::new(&problem::METHOD_NOT_ALLOWED, "see /openapi.json")
}

/// An answer in JSON.
fn json(value: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
}
