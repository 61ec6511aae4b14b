//! Whether the server can take work, and what keeps it from working well.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::web::Door;

/// A database that takes longer to answer one question counts as away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// `GET /healthz`: 200 where new work is accepted, 503 where it is not; the reasons in both cases.
pub(super) async fn health(State(door): State<Door>) -> Response {
    let flow = &door.flow;
    let mut reasons = Vec::new();
    let asked = tokio::time::timeout(ANSWERS_WITHIN, flow.store.next_due("")).await;
    let database_away = match asked {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("the database does not answer within {} s", ANSWERS_WITHIN.as_secs())),
    };
    let accepts = database_away.is_none() && !door.stopping.is_cancelled();
    reasons.extend(database_away);
    if door.stopping.is_cancelled() {
        reasons.push("the server is draining".to_owned());
    }
    let (up, wanted) = (flow.metrics.binds_up.get(), flow.metrics.binds_wanted.get());
    if up < wanted {
        reasons.push(format!("{up} of {wanted} binds to carriers are up"));
    }
    let status = match (accepts, reasons.is_empty()) {
        (false, _) => "unavailable",
        (true, false) => "degraded",
        (true, true) => "ok",
    };
    let body = serde_json::json!({ "status": status, "reasons": reasons, "binds_up": up, "binds": wanted });
    let code = if accepts { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, [(header::CONTENT_TYPE, super::JSON)], body.to_string()).into_response()
}
