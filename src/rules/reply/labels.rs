//! Options named in words.
use super::fold::{Tk, fold, tokens};
use super::{Kind, Question};
use std::collections::{BTreeMap, BTreeSet};

const FUNCTION: &[&str] = &[
    "too",
    "very",
    "the",
    "for",
    "and",
    "to",
    "of",
    "a",
    "is",
    "terlalu",
    "prea",
    "demasiado",
    "trop",
    "muy",
    "zu",
    "बहुत",
    "جدا",
    "sangat",
];

/// Which options the words of a message point at.
#[derive(Debug, Default)]
pub struct Named {
    /// Options whose whole label is there.
    pub phrases: BTreeSet<i64>,
    /// Options one of whose own words is there.
    pub words: BTreeSet<i64>,
    /// Words that belong to those options.
    pub used: BTreeSet<String>,
}

impl Named {
    /// All options pointed at.
    pub fn all(&self) -> BTreeSet<i64> {
        self.phrases.union(&self.words).copied().collect()
    }
}

fn stem(w: &str) -> &str {
    if w.is_ascii() && w.len() > 4 && !w.ends_with("ss") { w.strip_suffix('s').unwrap_or(w) } else { w }
}

/// Find labels in the words of a message.
pub fn find(words: &[String], q: &Question) -> Named {
    let mut out = Named::default();
    let Kind::Choice { labels, .. } = &q.kind else {
        return out;
    };
    let have: Vec<&str> = words.iter().map(|w| stem(w)).collect();
    for set in labels.values() {
        let cut: BTreeMap<i64, Vec<(String, bool)>> = set
            .iter()
            .map(|(v, l)| {
                (
                    *v,
                    tokens(&fold(l))
                        .into_iter()
                        .filter(|t| t.k == Tk::Word || t.k == Tk::Num)
                        .map(|t| (stem(&t.t).to_string(), t.cj))
                        .collect(),
                )
            })
            .collect();
        for (v, l) in &cut {
            if l.is_empty() {
                continue;
            }
            let seq: Vec<&str> = l.iter().map(|x| x.0.as_str()).collect();
            if have.windows(seq.len()).any(|w| w == seq.as_slice()) {
                out.phrases.insert(*v);
                out.used.extend(seq.iter().map(|s| (*s).to_string()));
                continue;
            }
            for (w, cj) in l {
                let own = !cut.iter().any(|(o, ws)| o != v && ws.iter().any(|x| x.0 == *w));
                if !cj
                    && w.chars().count() >= 3
                    && own
                    && !FUNCTION.contains(&w.as_str())
                    && have.contains(&w.as_str())
                {
                    out.words.insert(*v);
                    out.used.insert(w.clone());
                }
            }
        }
    }
    out.words = out.words.difference(&out.phrases).copied().collect();
    out
}

/// Is the word one of the words used by a label found?
pub fn uses(n: &Named, w: &str) -> bool {
    n.used.contains(stem(w)) || FUNCTION.contains(&w)
}
