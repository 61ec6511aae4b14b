//! How a handset knows which question a message asks.

use crate::simulator::settings::{Cue, Mark};

/// The cues of the settings, ready to be looked for; each with its place there.
#[derive(Default)]
pub(super) struct Cues {
    /// Folded, longest first.
    phrases: Vec<(String, usize)>,
    scales: Vec<((u32, u32), usize)>,
}

impl Cues {
    pub(super) fn new(cues: &[Cue]) -> Self {
        let mut all = Self::default();
        for (place, cue) in cues.iter().enumerate() {
            match &cue.mark {
                Mark::Phrase(phrase) => all.phrases.push((fold(phrase), place)),
                Mark::Scale(first, last) => all.scales.push(((*first, *last), place)),
            }
        }
        all.phrases.retain(|(phrase, _)| !phrase.is_empty());
        all.phrases.sort_by_key(|(phrase, _)| std::cmp::Reverse(phrase.len()));
        all
    }

    /// The place of the cue in this text.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let folded = fold(text);
        let by_phrase = self.phrases.iter().find(|(phrase, _)| folded.contains(phrase));
        by_phrase.map(|(_, place)| *place).or_else(|| {
            let figures = if self.scales.is_empty() { Vec::new() } else { figures(&folded) };
            let by_scale = self.scales.iter().find(|((first, last), _)| has_scale(&figures, *first, *last));
            by_scale.map(|(_, place)| *place)
        })
    }
}

impl std::fmt::Debug for Cues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} phrases, {} scales", self.phrases.len(), self.scales.len())
    }
}

/// Both ends beside each other, or everything from one to the other.
fn has_scale(figures: &[u32], first: u32, last: u32) -> bool {
    figures.windows(2).any(|pair| pair == [first, last])
        || (0..figures.len()).any(|start| {
            let run =
                figures.iter().skip(start).zip(first..).take_while(|(found, wanted)| **found == *wanted);
            run.last().is_some_and(|(found, _)| *found >= last)
        })
}

/// The whole numbers that stand alone in a text.
fn figures(text: &str) -> Vec<u32> {
    text.split(|sign: char| !sign.is_alphanumeric()).filter_map(|word| word.parse().ok()).collect()
}

/// Text in which a phrase is looked for: without case, kinds of dash and quotation mark, and kinds of space.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase).map(|sign| match sign {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            '\u{2018}' | '\u{2019}' => '\'',
            '\u{201c}' | '\u{201d}' => '"',
            other => other,
        }));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_known_by_its_ends_or_by_all_of_it_in_any_language() {
        let cues = Cues::new(&Cue::usual());
        let found = |text| cues.find(text);
        assert_eq!(found("Reply 1-8. STOP to end"), Some(0));
        assert_eq!(found("Reply 1–8"), Some(0));
        assert_eq!(
            found("Why?\n1 coverage\n2 data\n3 price\n4 bills\n5 support\n6 abroad\n7 offer\n8 other"),
            Some(0)
        );
        assert_eq!(found("Responda con una cifra, 1 (muy complicado) - 10 (muy sencillo)."), Some(1));
        assert_eq!(found("Balas dengan angka, 0 (buruk) - 5 (bagus sekali)."), Some(2));
        for other in
            ["Thank you, your answer 3 is noted", "18 and 81", "1 2 3", "1st to 8th", "call 1800 555 5"]
        {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_phrase_wins_and_any_before_a_scale() {
        let mut all = Cue::usual();
        all.push(Cue::of_phrase("why do you", "short"));
        all.push(Cue::of_phrase("Why do you\n“leave” us", "long"));
        all.push(Cue::of_phrase("", "empty"));
        let cues = Cues::new(&all);
        assert_eq!(cues.find("WHY DO YOU \"Leave\"  us? Reply 1-8"), Some(4));
        assert_eq!(cues.find("Why do you ask? 1-8"), Some(3));
    }
}
