//! The counts in the text form that Prometheus reads.

use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::flow::Flow;
use crate::metrics::{Metrics, Times};
use crate::web::Door;

/// The queue's depth is left out where the database does not tell it within this.
const DEPTH_WITHIN: Duration = Duration::from_secs(2);
/// Quantiles of latencies.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// `GET /metrics`.
pub(super) async fn metrics(State(door): State<Door>) -> Response {
    let mut text = counts(&door.flow.metrics);
    let _ = tokio::time::timeout(DEPTH_WITHIN, depth(&door.flow, &mut text)).await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

fn counts(metrics: &Metrics) -> String {
    let mut text = String::with_capacity(4_096);
    let counters = [
        ("accepted", "Messages accepted", &metrics.accepted),
        ("sent", "Messages the carriers took", &metrics.sent),
        ("sent_parts", "Parts the carriers took", &metrics.sent_parts),
        ("rejected", "Messages refused for good", &metrics.rejected),
        ("retried", "Messages to be tried again", &metrics.retried),
        ("in_doubt", "Messages in doubt", &metrics.in_doubt),
        ("suppressed", "Messages stopped at the door out", &metrics.suppressed),
        ("throttled", "Answers that a carrier is too busy", &metrics.throttled),
        ("delivered", "Receipts that say delivered", &metrics.delivered),
        ("undelivered", "Receipts that say anything else final", &metrics.undelivered),
        ("inbound", "Messages from people", &metrics.inbound),
        ("answered", "Answers taken", &metrics.answered),
        ("asked_again", "Questions asked again", &metrics.asked_again),
        ("opted_out", "Opt-outs", &metrics.opted_out),
        ("forgotten", "Messages, replies and events that were old enough", &metrics.forgotten),
        ("esme_submitted", "Messages accepted from ESMEs", &metrics.esme_submitted),
        ("esme_refused", "Messages refused to ESMEs", &metrics.esme_refused),
        ("esme_receipts", "Receipts ESMEs have answered", &metrics.esme_receipts),
        ("esme_bind_refused", "Binds refused to ESMEs", &metrics.esme_bind_refused),
    ];
    for (name, help, count) in counters {
        let value = count.get();
        let _ = write!(
            text,
            "# HELP backchat_{name}_total {help}\n# TYPE backchat_{name}_total counter\nbackchat_{name}_total {value}\n"
        );
    }
    let gauges = [
        ("binds_up", "Binds to carriers that are up", &metrics.binds_up),
        ("binds", "Binds to carriers that should be up", &metrics.binds_wanted),
        ("in_window", "Messages written to carriers and not answered", &metrics.in_window),
        ("doubts_resolved", "Parts in doubt that a receipt cleared up", &metrics.doubts_resolved),
        ("receipts_waiting", "Receipts that came before their message was known", &metrics.receipts_waiting),
        ("esme_binds", "ESMEs bound", &metrics.esme_binds),
    ];
    for (name, help, count) in gauges {
        let value = count.get();
        let _ = write!(
            text,
            "# HELP backchat_{name} {help}\n# TYPE backchat_{name} gauge\nbackchat_{name} {value}\n"
        );
    }
    let latencies = [
        ("stop_to_gate", "From the last octet of a STOP to the gate shut", &metrics.stop_to_gate),
        ("stop_to_answer", "From the last octet of a STOP to its deliver_sm_resp", &metrics.stop_to_answer),
    ];
    for (name, help, times) in latencies {
        quantiles(&mut text, name, help, times);
    }
    text
}

fn quantiles(text: &mut String, name: &str, help: &str, times: &Times) {
    let _ = write!(text, "# HELP backchat_{name}_seconds {help}\n# TYPE backchat_{name}_seconds summary\n");
    for share in QUANTILES {
        if let Some(time) = times.percentile(share) {
            let _ = writeln!(text, "backchat_{name}_seconds{{quantile=\"{share}\"}} {}", time.as_secs_f64());
        }
    }
}

/// What waits, by lane and class.
async fn depth(flow: &Flow, text: &mut String) {
    let mut lines = String::new();
    for carrier in &flow.config().carriers {
        let Ok(depths) = flow.store.queue_depth(&carrier.name).await else { return };
        for depth in depths {
            let (lane, class) = (&carrier.name, depth.class.rank());
            let _ = writeln!(
                lines,
                "backchat_queue_messages{{lane=\"{lane}\",class=\"{class}\"}} {}",
                depth.messages
            );
        }
    }
    text.push_str("# HELP backchat_queue_messages Messages that wait to be sent\n# TYPE backchat_queue_messages gauge\n");
    text.push_str(&lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_its_help_its_type_and_its_value() {
        let metrics = Metrics::default();
        metrics.accepted.add(7);
        metrics.stop_to_gate.keep(Duration::from_micros(250));
        let text = counts(&metrics);
        assert!(
            text.contains("# TYPE backchat_accepted_total counter\nbackchat_accepted_total 7\n"),
            "{text}"
        );
        assert!(text.contains("backchat_stop_to_gate_seconds{quantile=\"0.99\"} 0.00025\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once(' ').unwrap();
            assert!(name.starts_with("backchat_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
