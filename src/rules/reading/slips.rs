//! Slips of the finger: letters held down, left out, doubled, swapped or one taken for another.

/// A word with letters held down let go: three and more of one letter become one. `None` without such letters.
pub(super) fn squeeze(word: &str) -> Option<String> {
    let chars: Vec<char> = word.chars().collect();
    let mut out = String::new();
    let (mut at, mut held) = (0, false);
    while at < chars.len() {
        let run = chars[at..].iter().take_while(|c| **c == chars[at]).count();
        held |= run >= 3;
        (0..if run >= 3 { 1 } else { run }).for_each(|_| out.push(chars[at]));
        at += run;
    }
    held.then_some(out)
}

/// One letter left out, one doubled by accident, or two neighbours swapped.
pub(super) fn is_slip(typed: &str, word: &str) -> bool {
    let (typed_length, length) = (typed.chars().count(), word.chars().count());
    // The lengths first: most words are told apart by them alone.
    if typed_length.abs_diff(length) > 1 || strsim::osa_distance(typed, word) != 1 {
        return false;
    }
    match typed_length.cmp(&length) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => doubles_a_letter(typed, word),
        std::cmp::Ordering::Equal => {
            let mut typed: Vec<char> = typed.chars().collect();
            let mut word: Vec<char> = word.chars().collect();
            typed.sort_unstable();
            word.sort_unstable();
            typed == word
        }
    }
}

/// Two letters swapped, the first and the last in their places: `thrid`. Ordinals are near too many words for more.
pub(super) fn swaps_inside(typed: &str, word: &str) -> bool {
    typed.chars().count() == word.chars().count()
        && typed.chars().next() == word.chars().next()
        && typed.chars().next_back() == word.chars().next_back()
}

pub(super) fn doubles_a_letter(typed: &str, word: &str) -> bool {
    let chars: Vec<char> = typed.chars().collect();
    (1..chars.len()).any(|at| {
        chars[at] == chars[at - 1]
            && chars.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, c)| *c).eq(word.chars())
    })
}

/// One letter inside in place of another: `expencive`.
pub(super) fn is_mistyped(said: &str, word: &str) -> bool {
    let ends = |text: &str| (text.chars().next(), text.chars().next_back());
    said.chars().count() == word.chars().count()
        && ends(said) == ends(word)
        && strsim::hamming(said, word) == Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_not_other_words() {
        assert!(is_slip("sevn", "seven"));
        assert!(is_slip("eigth", "eight"));
        assert!(is_slip("threee", "three"));
        assert!(!is_slip("fight", "eight"));
        assert!(!is_slip("weight", "eight"));
    }

    #[test]
    fn a_wrong_letter_inside_is_forgiven_and_another_ending_is_not() {
        assert!(is_mistyped("expencive", "expensive"));
        assert!(!is_mistyped("mistaken", "mistakes"));
        assert!(!is_mistyped("beverage", "coverage"));
    }

    #[test]
    fn held_letters_are_let_go() {
        assert_eq!(squeeze("stooop").as_deref(), Some("stop"));
        assert_eq!(squeeze("stopp"), None);
    }
}
