//! What a demo came to: the figures, the table a person reads, and the promises they are held to.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use crate::cli::paint::{Surface, bar, percent, span, thousands};
use crate::flow::recovery::Recovered;
use crate::message::Msisdn;
use crate::metrics::Metrics;
use crate::simulator::rows::Sort;
use crate::simulator::{Census as Carrier, Expected, SentReply};
use crate::store::{Census, ReplyRow, Results, StateCount};

/// Columns of an answer's bar.
const BAR: u64 = 28;

/// What a demo came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The campaign's name.
    pub(crate) campaign: String,
    /// Contacts accepted.
    pub(crate) accepted: i64,
    /// Stopped at the door out.
    pub(crate) suppressed: i64,
    /// Taken by the carrier.
    pub(crate) sent: i64,
    /// Every message's state and its cause.
    pub(crate) states: Vec<StateCount>,
    /// Answers by value.
    pub(crate) answers: Vec<Answer>,
    /// Questions asked again.
    pub(crate) asked_again: i64,
    /// Questions closed unread, the words kept.
    pub(crate) unreadable: i64,
    /// People who said STOP.
    pub(crate) opted_out: i64,
    /// Replies that are words.
    pub(crate) free_text: i64,
    /// Replies in all.
    pub(crate) replies: i64,
    /// Half of those who answered took no longer.
    pub(crate) median_answer_ms: Option<i64>,
    /// From STOP read off the socket to the gate shut, milliseconds.
    pub(crate) stop_to_gate_ms: Latency,
    /// From STOP read off the socket to its deliver_sm_resp, milliseconds.
    pub(crate) stop_to_answer_ms: Latency,
    /// What the carrier saw after a STOP, the one confirmation apart.
    pub(crate) sends_after_stop: u64,
    /// Messages the carrier got more than once.
    pub(crate) duplicates: u64,
    /// Messages that were ever in doubt.
    pub(crate) in_doubt: i64,
    /// How replies were read, against what the reply file says of each.
    pub(crate) reading: Judged,
    /// Every message of ours, replies among them, by state.
    pub(crate) all_states: BTreeMap<String, i64>,
    /// What this start found left over from one that was cut short.
    pub(crate) recovered: Recovered,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Where it is.
    pub(crate) folder: String,
    /// The store.
    pub(crate) store: String,
}

/// One answer's count.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) count: i64,
}

/// Percentiles.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// Readings against what is expected.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Judged {
    /// As expected.
    pub(crate) right: u64,
    /// Asked about, where it could have been read: harmless.
    pub(crate) asked: u64,
    /// Read as something it is not.
    pub(crate) wrong: u64,
    /// Said by a handset and in no table.
    pub(crate) lost: u64,
    /// The lost ones.
    pub(crate) lost_rows: Vec<String>,
    /// The wrong ones.
    pub(crate) wrong_rows: Vec<String>,
}

/// What a report is made of.
pub(crate) struct Facts<'a> {
    pub(crate) campaign: String,
    pub(crate) results: Results,
    pub(crate) census: Census,
    pub(crate) carrier: Carrier,
    pub(crate) said: Vec<SentReply>,
    pub(crate) rows: Vec<ReplyRow>,
    pub(crate) labels: BTreeMap<i64, String>,
    pub(crate) metrics: &'a Metrics,
    pub(crate) recovered: Recovered,
    pub(crate) took: Duration,
    pub(crate) folder: String,
    pub(crate) store: String,
}

impl Report {
    pub(crate) fn of(facts: Facts<'_>) -> Self {
        let latency = |times: &crate::metrics::Times| Latency {
            p50: times.percentile(0.5).map(|time| time.as_secs_f64() * 1_000.0),
            p99: times.percentile(0.99).map(|time| time.as_secs_f64() * 1_000.0),
        };
        let results = facts.results;
        let count_of = |value: &str| {
            results.answers.iter().filter(|answer| answer.value == value).map(|answer| answer.count).sum()
        };
        let answers = facts
            .labels
            .iter()
            .map(|(value, label)| Answer {
                value: value.to_string(),
                label: label.clone(),
                count: count_of(&value.to_string()),
            })
            .collect();
        Self {
            reading: judge(&facts.said, &facts.rows),
            campaign: facts.campaign,
            accepted: results.accepted,
            suppressed: results.suppressed,
            sent: results.sends,
            answers,
            states: results.states,
            asked_again: results.asked_again,
            unreadable: results.unreadable,
            opted_out: results.opted_out,
            free_text: results.free_text,
            replies: results.replies.values().sum(),
            median_answer_ms: results.median_answer_ms,
            stop_to_gate_ms: latency(&facts.metrics.stop_to_gate),
            stop_to_answer_ms: latency(&facts.metrics.stop_to_answer),
            sends_after_stop: facts.carrier.sends_after_stop,
            duplicates: facts.carrier.duplicates,
            in_doubt: facts.census.in_doubt,
            all_states: facts.census.states,
            recovered: facts.recovered,
            seconds: facts.took.as_secs_f64(),
            folder: facts.folder,
            store: facts.store,
        }
    }

    /// The promises that do not hold, each in a sentence.
    pub(crate) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut hold = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        hold(self.sends_after_stop == 0, format!("{} messages left after a STOP", self.sends_after_stop));
        let total: i64 = self.states.iter().map(|state| state.count).sum();
        hold(total == self.accepted, format!("{} accepted, {total} in a state", self.accepted));
        let open: i64 =
            self.states.iter().filter(|state| !is_final(&state.state)).map(|state| state.count).sum();
        hold(open == 0, format!("{open} messages in no final state"));
        let open: i64 =
            self.all_states.iter().filter(|(state, _)| !is_final(state)).map(|(_, count)| count).sum();
        hold(open == 0, format!("{open} messages, replies of ours among them, in no final state"));
        let expected = self.accepted - self.suppressed;
        // Of a message cut short in the middle some parts may have left before its person said STOP: it is both.
        let both = self.sent - expected;
        hold((0..=self.in_doubt).contains(&both), format!("{} sent, {expected} expected", self.sent));
        hold(self.reading.wrong == 0, format!("{} replies read as what they are not", self.reading.wrong));
        hold(self.reading.lost == 0, format!("{} replies lost", self.reading.lost));
        hold(
            self.duplicates <= u64::try_from(self.in_doubt).unwrap_or_default(),
            format!("{} duplicates, only {} in doubt", self.duplicates, self.in_doubt),
        );
        broken
    }

    /// The table.
    pub(crate) fn print(&self, surface: Surface) {
        let line = |name: &str, value: i64, note: String| {
            say!("  {name:<18}{:>8}   {}", thousands(value.cast_unsigned()), surface.dim(&note));
        };
        say!("\n{}", surface.bold("Delivery"));
        line("accepted", self.accepted, String::new());
        line("sent", self.sent, format!("{} suppressed", self.suppressed));
        for state in &self.states {
            let cause = state.cause.as_deref().map(cause_in_words).unwrap_or_default();
            line(&state.state, state.count, cause);
        }
        say!("\n{}", surface.bold("Why they leave"));
        let most = self.answers.iter().map(|answer| answer.count).max().unwrap_or_default().cast_unsigned();
        let all: i64 = self.answers.iter().map(|answer| answer.count).sum();
        for answer in &self.answers {
            let count = answer.count.cast_unsigned();
            say!(
                "  {} {:<22} {} {} {}",
                surface.bold(&answer.value),
                answer.label,
                surface.accent(&format!("{:<28}", bar(count, most, BAR))),
                format_args!("{count:>4}"),
                surface.dim(&percent(count, all.cast_unsigned())),
            );
        }
        say!("\n{}", surface.bold("Replies"));
        line("replies", self.replies, String::new());
        let delivered: i64 =
            self.states.iter().filter(|state| state.state == "delivered").map(|state| state.count).sum();
        line(
            "answers",
            all,
            format!(
                "{} of those who got the question",
                percent(all.cast_unsigned(), delivered.cast_unsigned())
            ),
        );
        line("asked again", self.asked_again, "a doubt is asked about, never guessed".to_owned());
        line("unread", self.unreadable, "asked again in vain; the words are kept".to_owned());
        line("free text", self.free_text, String::new());
        line("opted out", self.opted_out, String::new());
        if let Some(median) = self.median_answer_ms {
            say!("  {:<18}{:>8}", "median to answer", span(median as f64));
        }
        if let (Some(p50), Some(p99)) = (self.stop_to_gate_ms.p50, self.stop_to_gate_ms.p99) {
            say!(
                "  {:<18}{:>8}   {}",
                "STOP to silence",
                span(p50),
                surface.dim(&format!("99 % within {}", span(p99)))
            );
        }
        let reading = &self.reading;
        say!(
            "  {:<18}{:>8}   {}",
            "read right",
            thousands(reading.right),
            surface.dim(&format!("{} asked about, {} wrong", reading.asked, reading.wrong))
        );
        if self.in_doubt > 0 {
            line(
                "in doubt",
                self.in_doubt,
                format!("cut short in the middle; {} arrived twice", self.duplicates),
            );
        }
        say!();
        let proof = format!("{} messages left after a STOP", self.sends_after_stop);
        say!("{}", if self.sends_after_stop == 0 { surface.good(&proof) } else { surface.bad(&proof) });
    }
}

fn is_final(state: &str) -> bool {
    // In doubt and not sent again by policy is an end, too: an honest one.
    !matches!(state, "queued" | "sent")
}

/// The simulated carrier's error codes in words.
fn cause_in_words(cause: &str) -> String {
    match cause {
        "000" => String::new(),
        cause => format!("err {cause}"),
    }
}

/// Holds every reading against what the reply file expects of it.
fn judge(said: &[SentReply], rows: &[ReplyRow]) -> Judged {
    let mut read: HashMap<(Msisdn, String), Vec<&ReplyRow>> = HashMap::new();
    for row in rows {
        read.entry((row.number, squeezed(&row.text))).or_default().push(row);
    }
    let mut judged = Judged::default();
    for reply in said {
        let Some(row) = read.get_mut(&(reply.number, squeezed(&reply.text))).and_then(Vec::pop) else {
            judged.lost += 1;
            judged.lost_rows.push(format!("{:?} in {} parts", reply.text, reply.parts));
            continue;
        };
        let Some(expected) = reply.expected else { continue };
        let asks = |sort: Sort| matches!(sort, Sort::Ambiguous | Sort::FreeText);
        let read_as = row.verdict.parse::<Expected>().ok();
        if read_as == Some(expected) {
            judged.right += 1;
        } else if read_as.is_some_and(|read_as| asks(read_as.sort()))
            && (asks(expected.sort()) || expected.sort() == Sort::Answer)
        {
            judged.asked += 1;
        } else {
            judged.wrong += 1;
            judged.wrong_rows.push(format!("{:?} read as {}, expected {expected}", reply.text, row.verdict));
        }
    }
    judged
}

/// A text without what an alphabet may change: its spaces, and a byte-order mark in front.
fn squeezed(text: &str) -> String {
    text.trim_start_matches('\u{feff}').split_whitespace().collect::<Vec<_>>().join(" ")
}
