//! What one run came to.

use serde::Serialize;

/// A run's figures. What a mode does not measure is `None`.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Figures {
    /// Messages that went the whole way.
    pub(super) messages: u64,
    /// From the first to the last of it, seconds.
    pub(super) seconds: f64,
    /// Messages a second.
    pub(super) a_second: u64,
    /// Half of the times were shorter, milliseconds.
    pub(super) p50_ms: Option<f64>,
    /// 99 of 100 were shorter, milliseconds.
    pub(super) p99_ms: Option<f64>,
    /// From the start of the process to the first submit_sm at the carrier, milliseconds.
    pub(super) first_ms: Option<f64>,
    /// CPU seconds of the gateway for a thousand messages, user and system.
    pub(super) cpu_seconds_a_thousand: f64,
    /// The gateway's memory at its highest, MB.
    pub(super) peak_rss_mb: u64,
    /// Messages accepted a second, where they were handed in by others.
    pub(super) accepted_a_second: Option<u64>,
    /// Messages a second in the same run before the history was there.
    pub(super) before_history_a_second: Option<u64>,
}

impl Figures {
    /// So many messages in so many seconds.
    pub(super) fn of(messages: u64, seconds: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let a_second = if seconds > 0.0 { (messages as f64 / seconds).round() as u64 } else { 0 };
        Self { messages, seconds, a_second, ..Self::default() }
    }

    /// The same with these times, sorted, milliseconds.
    pub(super) fn with_times(self, sorted_ms: &[f64]) -> Self {
        let at = |hundredths: usize| {
            let place = (sorted_ms.len() * hundredths / 100).min(sorted_ms.len().saturating_sub(1));
            sorted_ms.get(place).copied()
        };
        Self { p50_ms: at(50), p99_ms: at(99), ..self }
    }

    /// The same with what the gateway used.
    pub(super) fn with_use(self, used: super::process::Use) -> Self {
        Self {
            cpu_seconds_a_thousand: a_thousand(used.cpu_seconds, self.messages),
            peak_rss_mb: used.peak_rss_kb / 1_024,
            ..self
        }
    }
}

/// A quantity for a thousand messages.
pub(super) fn a_thousand(quantity: f64, messages: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let thousands = messages.max(1) as f64 / 1_000.0;
    quantity / thousands
}
