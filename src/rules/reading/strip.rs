//! What is not the reply: reactions, quoted text, signatures, auto-replies, networks' notices, our own text coming back.

use std::collections::HashMap;

use super::{
    fold::{fold, skeleton},
    packs::NoisePack,
    tokens::{Gap, Kind, Token, is_glued_script, tokens},
};

/// What a message turned out to be, beside or instead of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    /// A reaction to one of our messages.
    Reaction,
    /// Our own text, come back.
    Echo,
    /// A phone or an office answered.
    AutoReply,
    /// A network or a robot wrote.
    Notice,
}

/// The noise pack, folded.
#[derive(Debug)]
pub(super) struct Strip {
    reaction_before: Vec<String>,
    reaction_after: Vec<String>,
    signature: Entries,
    signature_line: Vec<String>,
    quote_line: Vec<String>,
    auto_reply: Entries,
    notice: Entries,
}

/// Fixed wordings, found by their first word; those of scripts without spaces as pieces of text.
#[derive(Debug, Default)]
struct Entries {
    by_word: HashMap<String, Vec<String>>,
    glued: Vec<String>,
}

impl Entries {
    fn new(list: Vec<String>) -> Self {
        let mut entries = Self::default();
        for entry in list {
            if entry.chars().any(is_glued_script) {
                entries.glued.push(entry.replace(' ', ""));
            } else if let Some(first) = entry.split(' ').next() {
                entries.by_word.entry(first.to_owned()).or_default().push(entry);
            }
        }
        entries
    }

    /// Does the text begin with an entry?
    fn begin(&self, text: &str) -> bool {
        let first = text.split(' ').next().unwrap_or_default();
        let spaced = self.by_word.get(first).into_iter().flatten().any(|entry| begins(text, entry));
        spaced
            || (text.chars().any(is_glued_script)
                && self.glued.iter().any(|entry| text.replace(' ', "").starts_with(entry.as_str())))
    }

    /// Does the text hold an entry as words of its own?
    fn within(&self, text: &str) -> bool {
        let starts = std::iter::once(0).chain(text.match_indices(' ').map(|(at, _)| at + 1));
        let spaced = starts.into_iter().any(|at| {
            let rest = &text[at..];
            let first = rest.split(' ').next().unwrap_or_default();
            self.by_word.get(first).into_iter().flatten().any(|entry| begins(rest, entry))
        });
        spaced
            || text.chars().any(is_glued_script) && {
                let run = text.replace(' ', "");
                self.glued.iter().any(|entry| run.contains(entry.as_str()))
            }
    }
}

/// The reply within a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stripped {
    /// What the whole is, if it is no reply.
    pub(super) noise: Option<Noise>,
    /// The tokens of the reply.
    pub(super) tokens: Vec<Token>,
}

/// Fewest words a quoted text has to be taken for one of our messages and not for an emphasised answer.
const QUOTE_WORDS: usize = 3;

/// Fewest characters of a text of ours that is looked for, should its words be fewer.
const SHORTEST_OF_OURS: usize = 8;

/// Most words before a quoted text in a reaction.
const REACTION_WORDS: usize = 7;

impl Strip {
    /// Folds the pack.
    pub(super) fn new(pack: &NoisePack) -> Self {
        let fold_all = |list: &[String]| -> Vec<String> {
            list.iter().map(|entry| plain(&tokens(&fold(entry)))).filter(|entry| !entry.is_empty()).collect()
        };
        Self {
            reaction_before: fold_all(&pack.reaction_before),
            reaction_after: fold_all(&pack.reaction_after),
            signature: Entries::new(fold_all(&pack.signature)),
            signature_line: fold_all(&pack.signature_line),
            quote_line: fold_all(&pack.quote_line),
            auto_reply: Entries::new(fold_all(&pack.auto_reply)),
            notice: Entries::new(fold_all(&pack.notice)),
        }
    }

    /// Takes from a message what is not the reply. `ours` are texts of ours it may repeat.
    pub(super) fn strip(&self, mut all: Vec<Token>, ours: &[&str]) -> Stripped {
        if all.is_empty() {
            return Stripped { noise: None, tokens: all };
        }
        // No text of ours is so short, and most answers are.
        let said = plain(&all);
        let short = said.chars().count() < SHORTEST_OF_OURS && said.split(' ').count() < QUOTE_WORDS;
        let ours: Vec<String> = ours
            .iter()
            .filter(|_| !short)
            .map(|text| plain(&tokens(&fold(text))))
            .filter(|text| text.split(' ').count() >= QUOTE_WORDS || text.chars().count() >= SHORTEST_OF_OURS)
            .collect();
        if ours.contains(&said) {
            return Stripped { noise: Some(Noise::Echo), tokens: Vec::new() };
        }
        all = self.without_quoted_lines(all);
        let quotes = quotes(&all);
        if let Some((from, to)) = quotes.iter().copied().max_by_key(|(from, to)| to - from) {
            let inside = plain(&all[from + 1..to]);
            let ours_quoted =
                ours.iter().any(|text| text.contains(&inside) || inside.contains(text.as_str()))
                    && inside.chars().count() > 3;
            if self.is_reaction(&all, from, to, ours_quoted) {
                return Stripped { noise: Some(Noise::Reaction), tokens: Vec::new() };
            }
            if words_in(&inside) >= QUOTE_WORDS && to - from + 1 < all.len() {
                all.drain(from..(to + 1).min(all.len()));
            }
        }
        all = without_ours(all, &ours);
        let said = plain(&all);
        if self.auto_reply.within(&said) {
            return Stripped { noise: Some(Noise::AutoReply), tokens: all };
        }
        if self.notice.within(&said) {
            return Stripped { noise: Some(Noise::Notice), tokens: Vec::new() };
        }
        Stripped { noise: None, tokens: self.without_signature(all) }
    }

    /// A quoted text with nothing but a reaction beside it.
    fn is_reaction(&self, all: &[Token], from: usize, to: usize, ours_quoted: bool) -> bool {
        let (before, after) = (&all[..from], all.get(to + 1..).unwrap_or_default());
        let inside = words_in(&plain(&all[from + 1..to]));
        let (lead, tail) = (plain(before), plain(after));
        let symbols_only = |tokens: &[Token]| {
            tokens.iter().all(|token| matches!(token.kind, Kind::Symbol(_) | Kind::Mark(_)))
        };
        let digits = before.iter().chain(after).any(|token| token.kind == Kind::Digits);
        if digits
            || inside == 0
            || (inside < QUOTE_WORDS
                && !ours_quoted
                && all[from + 1..to].iter().map(|t| t.text.chars().count()).sum::<usize>() < 5)
        {
            return false;
        }
        let lead_words = lead.split(' ').filter(|word| !word.is_empty()).count();
        let known_lead = self
            .reaction_before
            .iter()
            .any(|entry| begins(&lead, entry) || *entry == lead || ends(&lead, entry));
        let known_tail = self
            .reaction_after
            .iter()
            .any(|entry| tail.ends_with(entry.as_str()) || tail.starts_with(entry.as_str()));
        let short = lead_words <= REACTION_WORDS;
        let tail_words = tail.split(' ').filter(|word| !word.is_empty()).count();
        (short && known_lead && tail_words <= 3)
            || (known_tail && lead_words <= 3)
            || (ours_quoted && lead_words <= 4 && tail_words <= 3)
            || (lead.is_empty()
                && tail.is_empty()
                && symbols_only(before)
                && symbols_only(after)
                && !before.is_empty()
                && ours_quoted)
    }

    /// Lines quoted with `>` and what follows `On Monday … wrote:`.
    fn without_quoted_lines(&self, all: Vec<Token>) -> Vec<Token> {
        let mut out = Vec::with_capacity(all.len());
        for line in lines(&all) {
            let text = plain(line);
            let headed = line.last().is_some_and(|token| token.is_mark(':'));
            if headed && self.quote_line.iter().any(|entry| begins(&text, entry)) && !out.is_empty() {
                break;
            }
            let quoted = line.first().is_some_and(|token| token.is_mark('>')) && words_in(&text) >= 2;
            if !quoted {
                out.extend_from_slice(line);
            }
        }
        if out.is_empty() { all } else { out }
    }

    /// Cuts a signature off: a line of dashes and all below, `Sent from my …` and all behind.
    fn without_signature(&self, all: Vec<Token>) -> Vec<Token> {
        let mut kept: Vec<Token> = Vec::with_capacity(all.len());
        for line in lines(&all) {
            let dashes = line.iter().take_while(|token| token.is_mark('-') || token.is_mark('_')).count();
            if !kept.is_empty() && dashes >= 2 && (dashes == line.len() || line[dashes].kind == Kind::Word) {
                break;
            }
            let text = plain(line);
            if self.signature_line.iter().any(|entry| text.contains(entry.as_str())) {
                continue;
            }
            kept.extend_from_slice(line);
        }
        let cut = (0..kept.len()).find(|at| {
            let rest = plain(&kept[*at..(*at + 8).min(kept.len())]);
            kept[*at].kind == Kind::Word && self.signature.begin(&rest)
        });
        if let Some(at) = cut {
            kept.truncate(at);
        }
        kept
    }
}

/// Our texts inside the message: a copied prompt before or behind the answer.
fn without_ours(all: Vec<Token>, ours: &[String]) -> Vec<Token> {
    for text in ours {
        let words: Vec<&str> = text.split(' ').collect();
        let spots: Vec<usize> =
            (0..all.len()).filter(|at| matches!(all[*at].kind, Kind::Word | Kind::Digits)).collect();
        let hit = spots
            .windows(words.len())
            .find(|window| window.iter().zip(&words).all(|(at, word)| all[*at].skeleton == **word));
        if let Some([first, .., last]) = hit {
            let rest: Vec<Token> = all[..*first].iter().chain(&all[last + 1..]).cloned().collect();
            if words_in(&plain(&rest)) > 0 {
                return rest;
            }
        }
    }
    all
}

/// Words and digits by skeleton, joined by one space.
fn plain(tokens: &[Token]) -> String {
    let words: Vec<&str> = tokens
        .iter()
        .filter(|token| matches!(token.kind, Kind::Word | Kind::Digits))
        .map(|token| token.skeleton.as_str())
        .collect();
    words.join(" ")
}

/// How many words; a run without spaces counts one for every two characters.
fn words_in(text: &str) -> usize {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| if word.chars().any(is_glued_script) { word.chars().count().div_ceil(2) } else { 1 })
        .sum()
}

fn lines(all: &[Token]) -> Vec<&[Token]> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in 1..=all.len() {
        if at == all.len() || all[at].gap == Gap::Line {
            out.push(&all[from..at]);
            from = at;
        }
    }
    out
}

/// Pairs of quotation marks: places of the opening and the closing one.
fn quotes(all: &[Token]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let close: &[char] = match all[at].kind {
            Kind::Mark('“') => &['”', '“'],
            Kind::Mark('„') => &['“', '”', '"'],
            Kind::Mark('”') => &['”'],
            Kind::Mark('«') => &['»'],
            Kind::Mark('»') => &['«'],
            Kind::Mark('「') => &['」'],
            Kind::Mark('『') => &['』'],
            Kind::Mark('"') => &['"'],
            // A single quote opens only before a word, not after one.
            Kind::Mark('\'') if all[at].gap != Gap::Glued || at == 0 => &['\''],
            _ => &[],
        };
        let end = (at + 1..all.len()).rev().find(|i| close.iter().any(|mark| all[*i].is_mark(*mark)));
        match end {
            Some(end) if end > at + 1 => {
                out.push((at, end));
                at = end + 1;
            }
            // Cut off before it was closed.
            None if at + 2 < all.len() && matches!(all[at].kind, Kind::Mark('“' | '„' | '«' | '「')) => {
                out.push((at, all.len()));
                at = all.len();
            }
            _ => at += 1,
        }
    }
    out
}

/// Where quoted text stands: token indices from the opening to the closing mark. A whole message in quotes is not quoted.
pub(super) fn quoted(all: &[Token]) -> Vec<(usize, usize)> {
    let words = |range: &[Token]| {
        range.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Digits)).count()
    };
    quotes(all)
        .into_iter()
        .filter(|(from, to)| words(&all[..*from]) + words(all.get(to + 1..).unwrap_or_default()) > 0)
        .collect()
}

fn begins(text: &str, entry: &str) -> bool {
    text.strip_prefix(entry)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ') || entry.chars().any(is_glued_script))
}

fn ends(text: &str, entry: &str) -> bool {
    text.strip_suffix(entry).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
}

/// Folds a keyword or a programme's name for comparison.
pub(super) fn folded_word(word: &str) -> String {
    skeleton(&plain(&tokens(&fold(word))))
}
