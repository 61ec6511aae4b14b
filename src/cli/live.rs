//! The live view of a running campaign: one bar and its figures on a terminal, a line every few seconds when piped.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::paint::thousands;
use crate::metrics::Snapshot;

/// Ten pictures a second look like motion.
const FRAME: Duration = Duration::from_millis(100);
/// When piped, a line this often.
const LINE: Duration = Duration::from_secs(5);

/// A view that is told the counts again and again.
pub(crate) struct Live {
    bar: ProgressBar,
    plain: bool,
    began: Instant,
    drawn: Option<Instant>,
    rate: Rate,
}

/// Messages a second over the last second or so.
#[derive(Default)]
struct Rate {
    at: Option<(Instant, u64)>,
    value: u64,
}

impl Live {
    /// A view of so many messages. `quiet`: draws nothing.
    pub(crate) fn new(total: u64, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal && !quiet { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let shape = if colour { "{bar:34.cyan/blue}" } else { "{bar:34}" };
        let template = format!("  sending {shape} {{pos:>6}} of {{len}}  {{prefix}}\n  {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self { bar, plain: !terminal && !quiet, began: Instant::now(), drawn: None, rate: Rate::default() }
    }

    /// How long to wait before telling it again.
    pub(crate) fn frame(&self) -> Duration {
        FRAME
    }

    /// The counts of this moment.
    pub(crate) fn show(&mut self, counts: &Snapshot) {
        let now = Instant::now();
        let done = counts.sent + counts.rejected + counts.suppressed;
        self.rate.see(now, counts.sent);
        let queued = counts.accepted.saturating_sub(done + counts.in_window);
        let figures = format!(
            "queued {:>6}  in window {:>3}  delivered {:>6}  answered {:>5}  opted out {:>4}",
            thousands(queued),
            counts.in_window,
            thousands(counts.delivered),
            thousands(counts.answered),
            thousands(counts.opted_out),
        );
        if self.plain {
            if self.drawn.is_none_or(|drawn| now - drawn >= LINE) {
                self.drawn = Some(now);
                eprintln!(
                    "{:>4} s  sent {}  {}/s  {}",
                    self.began.elapsed().as_secs(),
                    counts.sent,
                    self.rate.value,
                    figures.split_whitespace().collect::<Vec<_>>().join(" ")
                );
            }
            return;
        }
        self.bar.set_length(counts.accepted.max(done).max(1));
        self.bar.set_position(done);
        self.bar.set_prefix(format!("{}/s", thousands(self.rate.value)));
        self.bar.set_message(figures);
    }

    /// Clears the view.
    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}

impl Rate {
    fn see(&mut self, now: Instant, count: u64) {
        match self.at {
            None => self.at = Some((now, count)),
            Some((then, before)) if now - then >= Duration::from_secs(1) => {
                let ms = u64::try_from((now - then).as_millis()).unwrap_or(u64::MAX).max(1);
                self.value = count.saturating_sub(before) * 1_000 / ms;
                self.at = Some((now, count));
            }
            Some(_) => {}
        }
    }
}
