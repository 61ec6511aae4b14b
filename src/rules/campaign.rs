//! A campaign's plan: whose turn it is, how much at once, and when it will be over. Those whose window ends first go first,
//! so that as many as possible are reached before their evening.

use std::sync::Arc;

use crate::rules::hours::{NARROW_MS, Verdict, Windows};

/// Messages of one chunk of a campaign are what its rate sends in so many milliseconds: a pause, an edit or an opt-out
/// waits no longer than that for what is in a lane's hands.
const CHUNK_MS: i64 = 2_000;
/// Steps of a forecast: as many as a thousand places with two windows a day need for two weeks.
const FORECAST_STEPS: usize = 30_000;

/// People who wake and sleep at the same time.
#[derive(Debug, Clone)]
pub struct Group {
    /// How many are not messages yet.
    pub left: u64,
    /// When they may be written to.
    pub windows: Arc<Windows>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This group's; until then, where hours bind it.
    Group {
        /// Its place in the list.
        index: usize,
        /// When its window ends.
        closes_ms: Option<i64>,
    },
    /// Nobody's before this.
    At(i64),
    /// Nobody's any more: everyone is a message.
    Done,
    /// Nobody's: those left have no permitted hour.
    Never,
}

/// Whose turn it is at a moment.
pub fn turn(groups: &[Group], at_ms: i64) -> Turn {
    let mut best: Option<(i64, usize, Option<i64>)> = None;
    let mut opens: Option<i64> = None;
    let mut left = false;
    for (index, group) in groups.iter().enumerate().filter(|(_, group)| group.left > 0) {
        left = true;
        match group.windows.verdict(at_ms) {
            Verdict::Open { closes_ms, .. } => {
                let key = (closes_ms.unwrap_or(i64::MAX), index, closes_ms);
                best = best.min(Some(key)).or(Some(key));
            }
            Verdict::Shut { opens_ms, .. } => opens = opens.min(Some(opens_ms)).or(Some(opens_ms)),
            Verdict::Never { .. } => {}
        }
    }
    match (best, opens) {
        (Some((_, index, closes_ms)), _) => Turn::Group { index, closes_ms },
        (None, Some(opens_ms)) => Turn::At(opens_ms),
        (None, None) if left => Turn::Never,
        (None, None) => Turn::Done,
    }
}

/// Messages of one chunk at this rate, at most `most`.
pub fn chunk_messages(parts_a_second: u32, parts_a_message: u32, most: usize) -> usize {
    let parts = i64::from(parts_a_second) * CHUNK_MS / 1_000;
    let messages = parts / i64::from(parts_a_message.max(1));
    usize::try_from(messages).unwrap_or(1).clamp(1, most)
}

/// How long so many messages take, milliseconds, rounded up.
pub fn takes_ms(messages: u64, parts_a_message: u32, parts_a_second: u32) -> i64 {
    let parts = u128::from(messages) * u128::from(parts_a_message.max(1));
    let ms = (parts * 1_000).div_ceil(u128::from(parts_a_second.max(1)));
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// What is ahead of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// When the last message is due out; none where it does not get through in the days looked at.
    pub ends_ms: Option<i64>,
    /// Group by group, as given.
    pub groups: Vec<Ahead>,
}

/// What is ahead of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ahead {
    /// When its first message is due out.
    pub first_ms: Option<i64>,
    /// When its last.
    pub last_ms: Option<i64>,
    /// How many wait for their hours though the campaign could send now.
    pub delayed: u64,
    /// How many are not through in the days looked at.
    pub unsent: u64,
    /// Whether its windows are narrower than three hours.
    pub narrow: bool,
}

/// Works a campaign through to its end: from `start_ms`, to `end_ms` where its send window ends.
pub fn forecast(
    groups: &[Group],
    start_ms: i64,
    end_ms: Option<i64>,
    parts_a_message: u32,
    parts_a_second: u32,
) -> Forecast {
    let mut left = groups.to_vec();
    let mut ahead: Vec<Ahead> = groups
        .iter()
        .map(|group| Ahead {
            delayed: if matches!(group.windows.verdict(start_ms), Verdict::Open { .. }) {
                0
            } else {
                group.left
            },
            narrow: group.windows.widest_ms().is_some_and(|widest| widest < NARROW_MS),
            ..Ahead::default()
        })
        .collect();
    let (mut at_ms, mut through) = (start_ms, start_ms);
    for _ in 0..FORECAST_STEPS {
        if end_ms.is_some_and(|end_ms| at_ms >= end_ms) {
            break;
        }
        match turn(&left, at_ms) {
            Turn::Group { index, closes_ms } => {
                // To the end of this window, of the campaign's, or to the next opening of anybody's.
                let until = [closes_ms, end_ms, next_change(&left, at_ms)].into_iter().flatten().min();
                let all = takes_ms(left[index].left, parts_a_message, parts_a_second);
                let spell = until.map_or(all, |until| all.min(until - at_ms)).max(1);
                let parts = i128::from(spell) * i128::from(parts_a_second) / 1_000;
                let sent = u64::try_from(parts / i128::from(parts_a_message.max(1))).unwrap_or(u64::MAX);
                let sent = if spell == all { left[index].left } else { sent.min(left[index].left) };
                left[index].left -= sent;
                at_ms += spell;
                if sent > 0 {
                    through = at_ms;
                    ahead[index].first_ms.get_or_insert(at_ms - spell);
                    ahead[index].last_ms = Some(at_ms);
                }
            }
            Turn::At(opens_ms) => at_ms = opens_ms,
            Turn::Done | Turn::Never => break,
        }
    }
    for (ahead, group) in ahead.iter_mut().zip(&left) {
        ahead.unsent = group.left;
    }
    let over = left.iter().all(|group| group.left == 0);
    Forecast { ends_ms: over.then_some(through), groups: ahead }
}

/// The next moment after this one at which a group opens that is shut now.
fn next_change(groups: &[Group], at_ms: i64) -> Option<i64> {
    let opening = |group: &Group| match group.windows.verdict(at_ms) {
        Verdict::Shut { opens_ms, .. } => Some(opens_ms),
        _ => None,
    };
    groups.iter().filter(|group| group.left > 0).filter_map(opening).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Msisdn, Purpose};
    use crate::rules::hours::{Account, AreaCodes, Hours};

    /// A Wednesday, 18:00 in Berlin, 12:00 in New York, midnight in Jakarta.
    const NOW: i64 = 1_795_626_000_000;
    const HOUR: i64 = 3_600_000;

    fn group(left: u64, zone: &str, number: u64) -> Group {
        let hours = Hours::shipped();
        let place = hours.place(Msisdn(number), Some(zone), AreaCodes::Hint);
        Group { left, windows: Arc::new(hours.windows(NOW, &place, Purpose::Survey, &Account::default())) }
    }

    fn world() -> Vec<Group> {
        vec![
            group(1_000, "America/New_York", 12_125_550_100),
            group(1_000, "Europe/Berlin", 491_701_234_567),
            group(1_000, "Asia/Jakarta", 6_281_234_567_890),
        ]
    }

    #[test]
    fn those_whose_evening_comes_first_go_first_and_those_who_sleep_wait() {
        let mut groups = world();
        assert!(
            matches!(turn(&groups, NOW), Turn::Group { index: 1, closes_ms: Some(closes) } if closes == NOW + 2 * HOUR)
        );
        groups[1].left = 0;
        assert!(matches!(turn(&groups, NOW), Turn::Group { index: 0, .. }));
        groups[0].left = 0;
        assert_eq!(turn(&groups, NOW), Turn::At(NOW + 9 * HOUR), "nine in Jakarta");
        groups[2].left = 0;
        assert_eq!(turn(&groups, NOW), Turn::Done);
    }

    #[test]
    fn a_forecast_says_when_it_ends_and_how_many_wait() {
        let forecast = forecast(&world(), NOW, None, 1, 1);
        // 1,000 s in Berlin, then 1,000 s in New York, then the night, then 1,000 s in Jakarta.
        assert_eq!(forecast.groups[1].last_ms, Some(NOW + 1_000_000));
        assert_eq!(forecast.groups[0].first_ms, Some(NOW + 1_000_000));
        assert_eq!(forecast.ends_ms, Some(NOW + 9 * HOUR + 1_000_000));
        let delayed: Vec<u64> = forecast.groups.iter().map(|group| group.delayed).collect();
        assert_eq!(delayed, [0, 0, 1_000]);
    }

    #[test]
    fn what_does_not_fit_before_the_evening_goes_on_next_morning() {
        let groups = vec![group(10_000, "Europe/Berlin", 491_701_234_567)];
        let forecast = forecast(&groups, NOW, None, 1, 1);
        assert_eq!(
            forecast.ends_ms,
            Some(NOW + 15 * HOUR + (10_000 - 7_200) * 1_000),
            "two hours now, the rest at nine"
        );
        let cut = super::forecast(&groups, NOW, Some(NOW + HOUR), 1, 1);
        assert_eq!((cut.ends_ms, cut.groups[0].unsent), (None, 6_400), "its own window ends after an hour");
    }

    #[test]
    fn a_chunk_is_what_the_rate_sends_in_two_seconds() {
        assert_eq!(chunk_messages(10, 1, 250), 20);
        assert_eq!(chunk_messages(10, 3, 250), 6);
        assert_eq!(chunk_messages(5_000, 1, 250), 250);
        assert_eq!(chunk_messages(1, 4, 250), 1);
        assert_eq!(takes_ms(250, 2, 100), 5_000);
    }
}
