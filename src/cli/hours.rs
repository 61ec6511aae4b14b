//! `backchat hours`: when a person may be written to, and what says so.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::check::rendered;
use crate::cli::paint::Surface;
use crate::cli::{Done, Failure};
use crate::clock::Clock;
use crate::config;
use crate::message::{Msisdn, Purpose};
use crate::rules::hours::{Account, HolidayRule, Hours, NARROW_MS, Place, Row, Span, Verdict, Windows};

/// Spans shown: today's and tomorrow's, with a lunch break in each.
const SPANS_SHOWN: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The handset, like +6281234567890
    #[arg(value_name = "NUMBER")]
    number: String,
    /// What for: promotional, survey, transactional, one_time_code, reply
    #[arg(long, default_value = "promotional")]
    purpose: String,
    /// The person's own time zone, like Asia/Jakarta
    #[arg(long)]
    zone: Option<String>,
    /// Another time than now, like 2026-12-24T18:30:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The configuration whose [hours] count; without it the defaults
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// What is shown, and printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    number: Msisdn,
    purpose: &'static str,
    at: String,
    place: &'a Place,
    evidence: &'static str,
    /// `open`, `shut` or `never`.
    now: &'static str,
    /// When that changes.
    until: Option<String>,
    rule: String,
    windows: Vec<[String; 2]>,
    narrow: bool,
    help: Option<&'static str>,
    rows: Vec<NamedRow<'a>>,
    account: Option<String>,
    tables: String,
}

#[derive(Serialize)]
struct NamedRow<'a> {
    rule: String,
    #[serde(flatten)]
    row: &'a Row,
}

pub(crate) async fn run(args: Args) -> Done {
    let number =
        Msisdn::parse(&args.number).map_err(|error| Failure::wrong(format!("the number {error}")))?;
    let purpose = purpose(&args.purpose)?;
    let zone = args.zone.as_deref().map(known_zone).transpose()?;
    let now_ms = match args.at.as_deref() {
        Some(at) => at.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| {
            Failure::wrong(format!("--at `{at}` is no time with its offset; write 2026-12-24T18:30:00Z"))
        })?,
        None => Clock::System.now_ms(),
    };
    let account = match &args.config {
        Some(file) => config::load(file).map_err(|problems| Failure::wrong(rendered(&problems)))?.hours,
        None => Account::default(),
    };
    let hours = Hours::shipped();
    let place = hours.place(number, zone.as_deref(), account.area_codes);
    let windows = hours.windows(now_ms, &place, purpose, &account);
    let report = report(now_ms, number, purpose, &place, &windows, &account);
    if args.json {
        say!("{}", serde_json::to_string(&report).map_err(Failure::wrong)?);
    } else {
        print(&report, now_ms, &windows, Surface::of_stdout());
    }
    Ok(if report.now == "open" { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn purpose(written: &str) -> Result<Purpose, Failure> {
    let all = [
        Purpose::Promotional,
        Purpose::Survey,
        Purpose::Transactional,
        Purpose::OneTimeCode,
        Purpose::Reply,
        Purpose::Confirmation,
        Purpose::Help,
    ];
    let names = || all.map(Purpose::name).join(", ");
    let found = all.into_iter().find(|purpose| purpose.name() == written);
    found.ok_or_else(|| Failure::wrong(format!("--purpose `{written}` is none of {}", names())))
}

fn known_zone(written: &str) -> Result<String, Failure> {
    match TimeZone::get(written) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(written).to_owned()),
        Err(_) => {
            Err(Failure::wrong(format!("--zone `{written}` is no time zone; write it like Asia/Jakarta")))
        }
    }
}

fn report<'a>(
    now_ms: i64,
    number: Msisdn,
    purpose: Purpose,
    place: &'a Place,
    windows: &Windows,
    account: &Account,
) -> Report<'a> {
    let hours = Hours::shipped();
    let (now, until_ms, rule) = match windows.verdict(now_ms) {
        Verdict::Open { closes_ms, rule } => ("open", closes_ms, rule),
        Verdict::Shut { opens_ms, rule } => ("shut", Some(opens_ms), rule),
        Verdict::Never { rule } => ("never", None, rule),
    };
    let stamp = |ms: i64| local(ms, place, "%Y-%m-%dT%H:%M:%S%:z");
    let narrow = windows.widest_ms().is_some_and(|widest| widest < NARROW_MS);
    let held = matches!(purpose, Purpose::Promotional | Purpose::Survey);
    Report {
        number,
        purpose: purpose.name(),
        at: stamp(now_ms),
        evidence: place.evidence.words(),
        now,
        until: until_ms.map(stamp),
        rule,
        windows: coming(windows, now_ms).map(|span| [stamp(span.from_ms), stamp(span.to_ms)]).collect(),
        narrow,
        help: narrow.then_some(
            "a zone of the contact's own (a column `zone` in the contact file), or area_codes = \"trust\" where area codes mean something",
        ),
        rows: hours.rows(place).into_iter().map(|(rule, row)| NamedRow { rule, row }).collect(),
        account: held.then(|| format!("{}-{}", minute(account.from_minute), minute(account.to_minute))),
        tables: format!("{}; holidays known until {}", hours.versions(), hours.holidays_until().unwrap_or_default()),
        place,
    }
}

fn coming(windows: &Windows, now_ms: i64) -> impl Iterator<Item = &Span> {
    let spans = windows.spans().unwrap_or_default();
    spans.iter().filter(move |span| span.to_ms > now_ms).take(SPANS_SHOWN)
}

/// A time on the clock of the place's first zone.
fn local(ms: i64, place: &Place, form: &str) -> String {
    let zone = place.zones().next().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    Timestamp::from_millisecond(ms).map(|at| at.to_zoned(zone).strftime(form).to_string()).unwrap_or_default()
}

fn minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn print(report: &Report<'_>, now_ms: i64, windows: &Windows, surface: Surface) {
    let place = report.place;
    let first = place.zones().next().unwrap_or("UTC");
    let country = report.rows.first().map_or("", |row| row.row.name.as_str());
    say!("{}  {} {country}", surface.bold(&report.number.to_string()), place.name());
    let zones: Vec<&str> = place.zones().collect();
    let zones = if zones.is_empty() { "unknown".to_owned() } else { zones.join(", ") };
    say!("  zones     {zones}");
    say!("            {}", surface.dim(report.evidence));
    let state = match report.now {
        "open" => surface.accent("open"),
        other => surface.bad(other),
    };
    let until = match (&report.now, &report.until) {
        (&"open", Some(_)) => format!("closes {}", when(until_ms(windows, now_ms), place)),
        (_, Some(_)) => format!("opens {}", when(until_ms(windows, now_ms), place)),
        _ => String::new(),
    };
    say!("  {:<9} {state} {until}  {}", report.purpose, surface.dim(&report.rule));
    for span in coming(windows, now_ms) {
        say!("            {} to {}", when(span.from_ms, place), local(span.to_ms, place, "%H:%M"));
    }
    if windows.spans().is_some() {
        say!("            {}", surface.dim(&format!("on the clock of {first}")));
    }
    if let Some(help) = report.help {
        say!(
            "  {}    less than three hours a day in all zones together; what would help: {help}",
            surface.bad("narrow")
        );
    }
    for NamedRow { rule, row } in &report.rows {
        let open = row.open.iter().map(|open| format!("{} {}-{}", open.days, open.from, open.to));
        let holidays = match row.holiday {
            HolidayRule::Closed => ", no holidays",
            HolidayRule::Avoid => ", holidays avoided",
            HolidayRule::Same => ", holidays too",
            HolidayRule::Unknown => ", holidays unknown",
        };
        say!("  rule      {rule}: {}{holidays}", open.collect::<Vec<_>>().join(", "));
        let binding = if row.binding { "binding" } else { "not binding for SMS" };
        say!("            {} ({binding}), {}, looked at {}", row.basis, row.confidence, row.checked);
        if let Some(cap) = &row.cap {
            say!("            at most {} in {} h per {}", cap.max, cap.hours, cap.per);
        }
        if !row.note.is_empty() {
            say!("            {}", surface.dim(&row.note));
        }
        row.source.iter().for_each(|source| say!("            {}", surface.dim(source)));
    }
    if let Some(account) = &report.account {
        say!("  account   {account}");
    }
    say!("  {}", surface.dim(&report.tables));
}

fn until_ms(windows: &Windows, now_ms: i64) -> i64 {
    match windows.verdict(now_ms) {
        Verdict::Open { closes_ms, .. } => closes_ms.unwrap_or(now_ms),
        Verdict::Shut { opens_ms, .. } => opens_ms,
        Verdict::Never { .. } => now_ms,
    }
}

fn when(ms: i64, place: &Place) -> String {
    local(ms, place, "%a %d %b %H:%M")
}
