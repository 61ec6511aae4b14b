//! A transcript as a file: days and times, what is done (`!`), what the person writes (`<`), what the handset shows (`>`),
//! and in the end what is kept (`=`).

use std::path::Path;

/// 2 November 2026, a Monday, midnight in London: day 1.
pub const DAY_1_MS: i64 = 1_793_577_600_000;
const DAY_MS: i64 = 86_400_000;

/// A moment as transcripts write it.
pub fn moment(at_ms: i64) -> String {
    let (day, second) = ((at_ms - DAY_1_MS) / DAY_MS, (at_ms - DAY_1_MS) % DAY_MS / 1_000);
    format!("day {} {:02}:{:02}:{:02}", day + 1, second / 3_600, second / 60 % 60, second % 60)
}

pub struct Transcript {
    pub lines: Vec<Timed>,
    /// What must be kept in the end.
    pub kept: Vec<String>,
}

pub struct Timed {
    /// In the file, from 1.
    pub number: usize,
    pub at_ms: i64,
    pub what: Line,
}

pub enum Line {
    /// `! support en Ana`: invited, in a language, by name.
    Invite { survey: String, language: String, name: String },
    /// `! start support en Ana`: put to them by an operator.
    Start { survey: String, language: String, name: String },
    /// `! undelivered`: the carrier says that the last text did not arrive.
    Undelivered,
    /// `< 4`, `< 88002: 4`: the person writes to a code.
    Write { to: String, text: String },
    /// `> 88001: …`: the handset shows.
    Heard { from: String, text: String },
}

impl Transcript {
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut transcript = Self { lines: Vec::new(), kept: Vec::new() };
        let mut day = 1;
        for (index, line) in text.lines().enumerate() {
            let wrong = || format!("{}:{}: not understood: {line}", file.display(), index + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            } else if let Some(number) = line.strip_prefix("day ") {
                day = number.trim().parse().map_err(|_| wrong())?;
            } else if let Some(kept) = line.strip_prefix("= ") {
                transcript.kept.push(kept.trim().to_owned());
            } else if let Some(more) = line.trim_start().strip_prefix("| ") {
                match transcript.lines.last_mut().map(|line| &mut line.what) {
                    Some(Line::Heard { text, .. } | Line::Write { text, .. }) => {
                        text.push('\n');
                        text.push_str(more);
                    }
                    _ => return Err(wrong()),
                }
            } else {
                let (time, rest) = line.split_once(' ').ok_or_else(wrong)?;
                let at_ms = DAY_1_MS + (day - 1) * DAY_MS + of_the_day(time).ok_or_else(wrong)?;
                let what = what(rest).ok_or_else(wrong)?;
                transcript.lines.push(Timed { number: index + 1, at_ms, what });
            }
        }
        Ok(transcript)
    }
}

fn of_the_day(time: &str) -> Option<i64> {
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    Some(((hour * 60 + minute) * 60 + second) * 1_000)
}

fn what(line: &str) -> Option<Line> {
    let (sign, rest) = line.split_once(' ')?;
    match sign {
        "!" if rest == "undelivered" => Some(Line::Undelivered),
        "!" => {
            let by_hand = rest.strip_prefix("start ");
            let mut words = by_hand.unwrap_or(rest).splitn(3, ' ');
            let (survey, language) = (words.next()?.to_owned(), words.next()?.to_owned());
            let name = words.next().unwrap_or_default().to_owned();
            Some(match by_hand {
                Some(_) => Line::Start { survey, language, name },
                None => Line::Invite { survey, language, name },
            })
        }
        "<" => {
            let to_another =
                rest.split_once(": ").filter(|(code, _)| code.len() == 5 && code.starts_with("880"));
            let (to, text) = to_another.unwrap_or(("88001", rest));
            Some(Line::Write { to: to.to_owned(), text: text.to_owned() })
        }
        ">" => {
            let (from, text) = rest.split_once(": ")?;
            Some(Line::Heard { from: from.to_owned(), text: text.to_owned() })
        }
        _ => None,
    }
}
