//! `backchat events`: what happened, in order, from wherever a reader left off.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::sleep;

use crate::app::open_store;
use crate::cli::check::rendered;
use crate::cli::look::clock_time;
use crate::cli::paint::Surface;
use crate::cli::serve::asked_to_stop;
use crate::cli::{ConfigArg, Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::message::{MessageId, Msisdn};
use crate::store::{Access, NumberedEvent};

/// Events read in one step.
const PAGE: i64 = 1_000;
/// How often new ones are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what comes after this number: the last one a reader has dealt with
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: i64,
    /// Only of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Only since then: 2026-11-28T08:00:00Z, or a span like 2h or 30m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on with what comes, until interrupted
    #[arg(long)]
    follow: bool,
    /// One JSON document a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// An event as programs read it.
#[derive(Serialize)]
struct Line<'a> {
    seq: i64,
    id: i64,
    at: String,
    kind: &'a str,
    number: Option<Msisdn>,
    message: Option<MessageId>,
    campaign: Option<&'a str>,
    detail: serde_json::Value,
}

pub(crate) async fn run(args: Args) -> Done {
    let since_ms = args.since.as_deref().map(|text| moment(text, Clock::System.now_ms())).transpose()?;
    let config = config::load(&args.config.config).map_err(|problems| Failure::wrong(rendered(&problems)))?;
    let store = open_store(&config, &Clock::System, Access::Look).await.map_err(Failure::unreachable)?;
    let surface = Surface::of_stdout();
    let wanted = |event: &NumberedEvent| {
        (args.kind.is_empty() || args.kind.contains(&event.kind))
            && since_ms.is_none_or(|since_ms| event.at_ms >= since_ms)
    };
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let (mut after, mut shown) = (args.after, 0_u64);
    loop {
        let page = store.events_after(after, PAGE).await.map_err(Failure::unreachable)?;
        after = page.last().map_or(after, |event| event.seq);
        for event in page.iter().filter(|event| wanted(event)) {
            shown += 1;
            say!("{}", if args.json { json_line(event)? } else { text_line(event, surface) });
        }
        if !page.is_empty() {
            continue;
        }
        if !args.follow {
            break;
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            stopped = &mut stop => {
                stopped?;
                break;
            }
        }
    }
    Ok(ExitCode::from(u8::from(shown == 0)))
}

fn json_line(event: &NumberedEvent) -> Result<String, Failure> {
    let detail =
        event.detail.as_deref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    let line = Line {
        seq: event.seq,
        id: event.id,
        at: Timestamp::from_millisecond(event.at_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
        kind: &event.kind,
        number: event.number,
        message: event.message,
        campaign: event.campaign.as_ref().map(|campaign| campaign.0.as_str()),
        detail: detail.unwrap_or_default(),
    };
    serde_json::to_string(&line).map_err(Failure::wrong)
}

fn text_line(event: &NumberedEvent, surface: Surface) -> String {
    let at = clock_time(event.at_ms);
    let number = event.number.map(|number| number.to_string()).unwrap_or_default();
    let detail = event.detail.as_deref().unwrap_or_default();
    match surface {
        Surface::Plain => format!("{}\t{at}\t{}\t{number}\t{detail}", event.seq, event.kind),
        Surface::Colour => format!(
            "{:>8}  {}  {}  {number:<16}  {detail}",
            event.seq,
            surface.dim(&at),
            surface.accent(&format!("{:<12}", event.kind))
        ),
    }
}

/// A time as people write it: a date and time, a date, or a span back from now.
pub(crate) fn moment(text: &str, now_ms: i64) -> Result<i64, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let start = day.to_zoned(jiff::tz::TimeZone::system()).map_err(Failure::wrong)?;
        return Ok(start.timestamp().as_millisecond());
    }
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let span = units.iter().find_map(|(unit, ms)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*ms)
    });
    let hint = "write 2026-11-28T08:00:00Z, 2026-11-28, or a span back from now like 2h, 30m or 7d";
    span.map(|span| now_ms.saturating_sub(span))
        .ok_or_else(|| Failure::wrong(format!("`{text}` is no time: {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_people_do() {
        assert!(matches!(moment("2h", 10_000_000), Ok(2_800_000)));
        assert!(matches!(moment("1970-01-01T00:00:01Z", 0), Ok(1_000)));
        assert!(moment("2026-11-28", 0).is_ok());
        assert!(moment("soon", 0).is_err_and(|failure| failure.text.contains("2h")));
    }
}
