//! The words of the options: does a reply name one, and does it agree with the number beside it?

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    fold::{fold, skeleton},
    items::{Item, What},
    lexicon::{Lexicon, is},
    slips::{is_mistyped, is_slip},
    tokens::{Kind, is_glued_script, tokens},
};

/// Options by value, in one language: value and text.
pub(super) type Labels = BTreeMap<i64, String>;

/// What a reply says in the words of the options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The reply is an option's words and nothing that changes them.
    pub(super) exactly: Option<i64>,
    /// The reply holds a whole label of two words and more.
    pub(super) within: Option<i64>,
    /// Options of which a telling word occurs.
    pub(super) mentioned: BTreeSet<i64>,
    /// Items that are label words, and of which options.
    pub(super) items: Vec<BTreeSet<i64>>,
}

/// Shortest label word in which a slip of the finger is forgiven.
const SHORTEST_FORGIVEN: usize = 6;

/// Shortest label word in which a wrong letter is forgiven.
const LONG: usize = 8;

/// Reads the items against the options of one language. `lexicon` says which label words tell nothing (too, very).
pub(super) fn named(items: &[Item], labels: &Labels, lexicon: &Lexicon) -> Named {
    let telling: BTreeMap<i64, Vec<String>> =
        labels.iter().map(|(value, label)| (*value, telling_words(label, lexicon))).collect();
    let mut owners: HashMap<&str, BTreeSet<i64>> = HashMap::new();
    for (value, words) in &telling {
        for word in words {
            owners.entry(word).or_default().insert(*value);
        }
    }
    let mut named = Named { items: vec![BTreeSet::new(); items.len()], ..Named::default() };
    let mut found: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    let mut only_labels = true;
    for (index, item) in items.iter().enumerate() {
        let hits: Vec<&str> = owners.keys().copied().filter(|word| says(item, word)).collect();
        for word in &hits {
            let owned = &owners[word];
            named.items[index].extend(owned);
            if let (Some(value), 1) = (owned.first(), owned.len()) {
                named.mentioned.insert(*value);
                found.entry(*value).or_default().insert(word);
            }
        }
        only_labels &= !hits.is_empty() || tells_nothing(item);
    }
    if let (Some(value), 1) = (named.mentioned.first().copied(), named.mentioned.len()) {
        named.exactly = only_labels.then_some(value);
        // Two telling words of one label, and of no other, are that label in whatever sentence.
        named.within = (found[&value].len() >= 2).then_some(value);
    }
    // A label of one telling word with an everyday one before it (too expensive) is whole in any sentence that says both.
    if named.within.is_none() {
        named.within = labels
            .iter()
            .find(|(value, label)| {
                named.mentioned.contains(value) && named.mentioned.len() == 1 && contains_all(items, label)
            })
            .map(|(value, _)| *value);
    }
    named
}

/// Does the reply hold the label's words side by side, two at least?
fn contains_all(items: &[Item], label: &str) -> bool {
    let label = words_of(label);
    let text: Vec<&str> =
        items.iter().filter(|item| can_name(item)).flat_map(|item| item.skeleton.split(' ')).collect();
    let glued = label.iter().any(|word| word.chars().any(is_glued_script));
    if glued {
        let (label, text): (String, String) = (label.concat(), text.concat());
        return label.chars().count() >= 2 && text.contains(&label);
    }
    let says = |(said, word): (&&str, &String)| *said == word || is_slip(said, word);
    label.len() >= 2 && text.windows(label.len()).any(|window| window.iter().zip(&label).all(says))
}

fn words_of(label: &str) -> Vec<String> {
    tokens(&fold(label))
        .into_iter()
        .filter(|token| token.kind == Kind::Word)
        .map(|token| token.skeleton)
        .collect()
}

/// A label's words without those that stand beside any label.
fn telling_words(label: &str, lexicon: &Lexicon) -> Vec<String> {
    let beside = is::INTENSIFIER | is::NEUTRAL | is::CUE;
    words_of(label)
        .into_iter()
        .flat_map(|word| {
            if word.chars().any(is_glued_script) {
                let pieces = lexicon.pieces(&word);
                let telling =
                    |entry: Option<super::lexicon::Entry>| entry.is_none_or(|entry| entry.is & beside == 0);
                pieces.into_iter().filter(|piece| telling(piece.entry)).map(|piece| piece.text).collect()
            } else {
                let telling = lexicon.get(&word, &word).is_none_or(|entry| entry.is & beside == 0);
                if telling { vec![word] } else { Vec::new() }
            }
        })
        .collect()
}

/// Can this be a word of a label?
pub(super) fn can_name(item: &Item) -> bool {
    matches!(item.what, What::Word)
        || item.number().is_some_and(|number| number.form == super::items::Form::Word)
}

fn says(item: &Item, word: &str) -> bool {
    if !can_name(item) || item.has(is::VAGUE | is::NOTHING | is::CORRECT) {
        return false;
    }
    if word.chars().any(is_glued_script) {
        return item.skeleton.contains(word);
    }
    item.skeleton.split(' ').any(|said| {
        said == word
            || said.strip_suffix('s') == Some(word) && word.chars().count() >= 4
            || word.chars().count() >= SHORTEST_FORGIVEN && is_slip(said, word)
            || word.chars().count() >= LONG && item.is == 0 && is_mistyped(said, word)
    })
}

/// May stand beside a label without changing it.
fn tells_nothing(item: &Item) -> bool {
    match item.what {
        What::Mark(mark) => mark != '?',
        What::Symbol(_) => true,
        What::Word => {
            item.has(
                is::INTENSIFIER | is::NEUTRAL | is::CUE | is::POLITE | is::BLAME | is::TOPIC | is::CORRECT,
            ) && !item.has(is::NEGATE | is::PRAISE)
        }
        _ => false,
    }
}

/// The folded label, for comparison with a reserved word.
pub(super) fn plain(label: &str) -> String {
    skeleton(&words_of(label).join(" "))
}
