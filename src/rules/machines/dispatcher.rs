//! The dispatcher: which line of a lane goes next. Strict classes with ageing, then deficit round robin by message parts
//! between the campaigns of a class.

use std::collections::{BTreeMap, VecDeque};

use crate::message::{CampaignId, Class};

/// A class with work that has not been served for so long gets one slice, however much more urgent work there is: slow
/// is bearable, never is not. Three seconds: a class starved by codes still gets one slice in fifteen.
const AGEING_MS: i64 = 3_000;

/// A line of the queue: what shares its urgency and its campaign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// How urgent.
    pub class: Class,
    /// Whose; none for what belongs to no campaign.
    pub campaign: Option<CampaignId>,
}

impl Line {
    /// The line of what has this class and campaign. Campaigns take turns where campaigns are; codes and replies go in
    /// the order they came, or a person would read the next question before the thanks for the last answer.
    pub fn of(class: Class, campaign: Option<&CampaignId>) -> Self {
        let turns = matches!(class, Class::Survey | Class::Promotional);
        Self { class, campaign: campaign.filter(|_| turns).cloned() }
    }
}

/// Which line of a lane goes next. Its memory holds lines, never messages.
#[derive(Debug)]
pub struct Dispatcher {
    quantum: i64,
    classes: BTreeMap<Class, Turns>,
}

/// The lines of one class that have work, in turn.
#[derive(Debug, Default)]
struct Turns {
    ring: VecDeque<(Line, i64)>,
    /// Since when the class has had work and was not served.
    waiting_ms: Option<i64>,
}

impl Dispatcher {
    /// `quantum`: parts a line may send in its turn.
    pub fn new(quantum: usize) -> Self {
        let mut dispatcher = Self { quantum: 1, classes: BTreeMap::new() };
        dispatcher.adopt(quantum);
        dispatcher
    }

    /// From now on a line may send so many parts in its turn.
    pub fn adopt(&mut self, quantum: usize) {
        self.quantum = i64::try_from(quantum).unwrap_or(i64::MAX).max(1);
    }

    /// A line has work.
    pub fn has_work(&mut self, line: Line, now_ms: i64) {
        let turns = self.classes.entry(line.class).or_default();
        if turns.ring.iter().all(|(known, _)| *known != line) {
            turns.ring.push_back((line, 0));
            turns.waiting_ms.get_or_insert(now_ms);
        }
    }

    /// A line has none any more; it comes back without the credit it had.
    pub fn is_done(&mut self, line: &Line) {
        if let Some(turns) = self.classes.get_mut(&line.class) {
            turns.ring.retain(|(known, _)| known != line);
            if turns.ring.is_empty() {
                turns.waiting_ms = None;
            }
        }
    }

    /// How many lines have work.
    pub fn len(&self) -> usize {
        self.classes.values().map(|turns| turns.ring.len()).sum()
    }

    /// Whether no line has work.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line whose turn it is: the most urgent class, unless another one has waited too long.
    pub fn next(&mut self, now_ms: i64) -> Option<Line> {
        let aged = self
            .classes
            .iter()
            .filter(|(_, turns)| !turns.ring.is_empty())
            .filter_map(|(class, turns)| Some((turns.waiting_ms?, *class)))
            .filter(|(since, _)| now_ms - since >= AGEING_MS)
            .min();
        let quantum = self.quantum;
        let turns = match aged {
            Some((_, class)) => self.classes.get_mut(&class)?,
            None => self.classes.values_mut().find(|turns| !turns.ring.is_empty())?,
        };
        // Ends: each time round gives every line parts, and the debt of a line is at most one message.
        loop {
            let (line, credit) = turns.ring.front_mut()?;
            if *credit > 0 {
                return Some(line.clone());
            }
            *credit += quantum;
            if *credit > 0 {
                return Some(line.clone());
            }
            turns.ring.rotate_left(1);
        }
    }

    /// A line has been served so many parts. A message larger than its credit leaves a debt, which the line pays by
    /// waiting.
    pub fn served(&mut self, line: &Line, parts: usize, now_ms: i64) {
        let Some(turns) = self.classes.get_mut(&line.class) else { return };
        turns.waiting_ms = Some(now_ms);
        let Some(place) = turns.ring.iter().position(|(known, _)| known == line) else { return };
        let (_, credit) = &mut turns.ring[place];
        *credit -= i64::try_from(parts).unwrap_or(i64::MAX);
        if *credit <= 0
            && let Some(entry) = turns.ring.remove(place)
        {
            turns.ring.push_back(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(class: Class, campaign: &str) -> Line {
        Line { class, campaign: Some(CampaignId(campaign.into())) }
    }

    #[test]
    fn the_most_urgent_class_goes_first() {
        let mut dispatcher = Dispatcher::new(10);
        dispatcher.has_work(line(Class::Promotional, "a"), 0);
        dispatcher.has_work(line(Class::OneTimeCode, "b"), 0);
        assert_eq!(dispatcher.next(0), Some(line(Class::OneTimeCode, "b")));
        dispatcher.is_done(&line(Class::OneTimeCode, "b"));
        assert_eq!(dispatcher.next(0), Some(line(Class::Promotional, "a")));
        dispatcher.is_done(&line(Class::Promotional, "a"));
        assert_eq!(dispatcher.next(0), None);
        assert!(dispatcher.is_empty());
    }

    #[test]
    fn a_class_that_waited_too_long_gets_one_slice_and_waits_again() {
        let mut dispatcher = Dispatcher::new(10);
        let (urgent, patient) = (line(Class::OneTimeCode, "b"), line(Class::Promotional, "a"));
        dispatcher.has_work(urgent.clone(), 0);
        dispatcher.has_work(patient.clone(), 0);
        let mut served = Vec::new();
        for now_ms in (0..10_000).step_by(200) {
            let next = dispatcher.next(now_ms).unwrap();
            dispatcher.served(&next, 10, now_ms);
            served.push(next);
        }
        assert_eq!(served.iter().filter(|next| **next == patient).count(), 3, "once in three seconds");
        assert_eq!(served[0], urgent);
    }

    proptest! {
        /// Whatever the lengths of their messages, campaigns with work all the time get the same number of parts, to
        /// within one turn and one message.
        #[test]
        fn campaigns_share_by_parts_and_not_by_messages(
            lengths in proptest::collection::vec(1..9_usize, 2..6), quantum in 1..40_usize,
        ) {
            let mut dispatcher = Dispatcher::new(quantum);
            let lines: Vec<Line> =
                (0..lengths.len()).map(|index| line(Class::Survey, &index.to_string())).collect();
            lines.iter().for_each(|line| dispatcher.has_work(line.clone(), 0));
            let mut parts = vec![0; lines.len()];
            for _ in 0..400 {
                let next = dispatcher.next(0).unwrap();
                let place = lines.iter().position(|line| *line == next).unwrap();
                // a slice is whole messages, at least one, as many as fit
                let slice = lengths[place] * (quantum / lengths[place]).max(1);
                parts[place] += slice;
                dispatcher.served(&next, slice, 0);
            }
            let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
            prop_assert!(most - least <= 2 * (quantum + 9), "{parts:?} quantum {quantum} lengths {lengths:?}");
        }
    }
}
