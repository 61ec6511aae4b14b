//! Every value a message could mean, with the reason to doubt it.
use super::fold::{Tk, Tok, join};
use super::labels;
use super::packs::Packs;
use super::{Candidate, Kind, Question};
use std::collections::BTreeSet;

const CLASSES: &[&str] = &[
    "cue",
    "neutral",
    "unit",
    "before",
    "of",
    "maxfirst",
    "negate",
    "negate_after",
    "correct",
    "withdraw",
    "approx",
    "half",
    "scale",
];
const CHAT4: &[&str] = &[
    "me", "you", "us", "u", "my", "the", "ever", "now", "it", "them", "this", "that", "what", "your", "real",
];
const CHAT2: &[&str] = &[
    "much",
    "many",
    "late",
    "slow",
    "bad",
    "expensive",
    "long",
    "far",
    "be",
    "get",
    "the",
    "my",
    "u",
    "costly",
    "high",
    "busy",
    "hard",
    "poor",
    "pricey",
    "go",
    "say",
    "good",
    "little",
    "few",
];
const NOT_PLURAL: &[&str] = &[
    "always",
    "was",
    "is",
    "this",
    "yes",
    "sucks",
    "loads",
    "lots",
    "besides",
    "sometimes",
    "its",
    "thats",
    "as",
    "works",
    "needs",
    "gets",
    "less",
];
/// Words of a bad score.
pub const BAD: &[&str] =
    &["worst", "terrible", "awful", "horrible", "useless", "pathetic", "rubbish", "disgusting", "bad"];

/// One piece of the message.
pub struct Item {
    /// Folded words.
    pub key: String,
    /// First token.
    pub at: usize,
    /// Past the last token.
    pub end: usize,
    /// Number read.
    pub num: Option<i64>,
    /// How it was read.
    pub how: &'static str,
    /// Everyday word too.
    pub weak: bool,
    /// Never taken.
    pub ask: bool,
    /// In a pack.
    pub known: bool,
    /// Written in digits.
    pub digit: bool,
    /// Script without spaces.
    pub cj: bool,
    /// Punctuation or symbol.
    pub punct: bool,
}

/// The grammar for one person.
pub struct Grammar<'a> {
    /// Packs.
    pub packs: &'a Packs,
    /// Language.
    pub lang: &'a str,
}

impl Grammar<'_> {
    pub(super) fn is(&self, i: Option<&Item>, class: &str) -> bool {
        i.is_some_and(|i| self.packs.is(class, &i.key, self.lang))
    }

    pub(super) fn items(&self, toks: &[Tok], keyword: &str, bare: bool) -> Vec<Item> {
        let (mut out, mut i) = (Vec::new(), 0);
        while i < toks.len() {
            let t = &toks[i];
            let mut it = Item {
                key: t.t.clone(),
                at: i,
                end: i + 1,
                num: None,
                how: "",
                weak: false,
                ask: false,
                known: false,
                digit: false,
                cj: t.cj,
                punct: matches!(t.k, Tk::Punct | Tk::Sym),
            };
            if t.k == Tk::Num {
                it.num = t.t.parse().ok().or(Some(i64::MAX));
                (it.how, it.digit) = ("digits", true);
            } else if t.k == Tk::Word {
                let run = toks[i..].iter().take(7).take_while(|x| matches!(x.k, Tk::Word | Tk::Num)).count();
                for n in (1..=run).rev() {
                    let k = join(&toks[i..i + n]);
                    let num = self.packs.number(&k, self.lang).filter(|n| !n.near || run == toks.len());
                    let known = CLASSES.iter().any(|c| self.packs.is(c, &k, self.lang))
                        || self
                            .packs
                            .filler
                            .get(&k)
                            .is_some_and(|v| v.iter().any(|s| s.lang == self.lang || s.lang == "en"));
                    if num.is_none() && !known && k != keyword {
                        continue;
                    }
                    if let Some(s) = num {
                        it.num = Some(s.value);
                        it.how = if s.ordinal { "ordinal word" } else { "number word" };
                        (it.weak, it.ask) = (
                            s.ambiguous || s.article || s.near || s.value < 0,
                            s.ask || (s.bare_ask && bare) || s.article || s.near || s.value < 0,
                        );
                    }
                    (it.end, it.key, it.known) = (i + n, k, true);
                    break;
                }
            }
            i = it.end;
            out.push(it);
        }
        out
    }

    pub(super) fn candidates(
        &self,
        items: &[Item],
        toks: &[Tok],
        q: &Question,
        keyword: &str,
        named: &labels::Named,
    ) -> Vec<(Candidate, usize)> {
        let mut out = Vec::new();
        let unknown = |i: &Item| !i.known && i.num.is_none() && !i.punct && !labels::uses(named, &i.key);
        let nums = items.iter().filter(|i| i.num.is_some() && !i.weak).count();
        let plain = items.iter().filter(|i| i.num.is_none()).all(|i| i.punct || i.known);
        let mut skip = BTreeSet::new();
        for (x, i) in items.iter().enumerate() {
            let Some(v) = i.num else { continue };
            if skip.contains(&x) {
                continue;
            }
            let (prev, next) = (x.checked_sub(1).and_then(|p| items.get(p)), items.get(x + 1));
            let glued_next = toks.get(i.end).is_some_and(|t| t.glued);
            let glued_prev = toks[i.at].glued;
            let latin = |o: Option<&Item>| {
                o.is_some_and(|o| !o.cj && !o.punct && o.num.is_none() && o.key.is_ascii())
            };
            let mut doubt = None;
            if i.weak
                && (nums > 0
                    || !plain
                    || i.ask
                        && !items.iter().all(|o| {
                            o.num.is_some() || o.punct || self.packs.is("neutral", &o.key, self.lang)
                        }))
            {
                continue;
            }
            if i.ask {
                doubt = Some("asked_word");
            }
            if i.cj {
                let near = |o: Option<&Item>, g: bool| g && o.is_some_and(|o| o.cj && unknown(o));
                if near(prev, glued_prev) || near(next, glued_next) {
                    continue;
                }
                if glued_next && next.is_some_and(|n| n.cj && n.num.is_some()) {
                    doubt = Some("compound_number");
                }
                if next.is_some_and(|n| matches!(n.key.as_str(), "分" | "点"))
                    && glued_next
                    && items.get(x + 2).is_some_and(|o| o.cj && unknown(o))
                {
                    doubt = Some("degree_word");
                }
            }
            if i.digit {
                if glued_prev && latin(prev) {
                    let p = prev.map_or("", |p| p.key.as_str());
                    let cue = p == keyword || (p.len() > 1 && self.packs.is("cue", p, self.lang));
                    if !cue {
                        if matches!(p, "rp" | "rs" | "usd") {
                            doubt = Some("money");
                        } else {
                            continue;
                        }
                    }
                }
                if glued_next && latin(next) {
                    let s = next.map_or("", |n| n.key.as_str());
                    if matches!(s, "st" | "nd" | "rd" | "th") {
                        if matches!(q.kind, Kind::Range { .. }) {
                            doubt = Some("ordinal_on_scale");
                        }
                    } else if !self.is(next, "scale")
                        && !matches!(s, "e" | "eme" | "o" | "a" | "er" | "ro" | "ra" | "do" | "to")
                    {
                        doubt = Some("glued_letters");
                    }
                }
                let p = |o: Option<&Item>, s: &[&str]| o.is_some_and(|o| s.contains(&o.key.as_str()));
                if p(next, &["%", "٪"])
                    || p(prev, &["$", "€", "£", "₹", "¥", "₦", "₱", "₽"])
                    || p(next, &["€", "$", "£", "₹", "₽", "₺", "₫", "₱"])
                {
                    doubt = Some("percent_or_money");
                }
                if p(next, &[".", ","])
                    && glued_next
                    && items.get(x + 2).is_some_and(|o| o.digit && toks[o.at].glued)
                {
                    doubt = Some("decimal");
                }
                if p(prev, &["-"]) && glued_prev && !toks[i.at - 1].glued {
                    let before = x.checked_sub(2).and_then(|y| items.get(y));
                    if !before.is_some_and(|b| b.key == keyword || self.is(Some(b), "cue") || b.num.is_some())
                    {
                        doubt = Some("minus");
                    }
                }
                if i.key.len() > 2 && i.key.starts_with('0') {
                    doubt = Some("leading_zeros");
                }
                let after = next.filter(|n| !n.punct).map_or("", |n| n.key.split(' ').next().unwrap_or(""));
                if v == 2 && CHAT2.contains(&after)
                    || v == 4 && x > 0 && CHAT4.contains(&after) && !self.is(prev, "cue")
                {
                    doubt = Some("chat_spelling");
                }
            }
            if next.is_some_and(|n| n.key == "번") && items.get(x + 2).is_some_and(|n| n.cj && unknown(n)) {
                doubt = Some("unit");
            }
            if next.is_some_and(|n| n.key == "?") && items.len() == x + 2 {
                doubt = Some("asked_back");
            }
            // fractions and scales that name their maximum
            let mut y = x + 1;
            while items.get(y).is_some_and(|o| self.is(Some(o), "scale") && !self.is(Some(o), "maxfirst")) {
                y += 1;
            }
            let (mid, far) = (items.get(y), items.get(y + 1).and_then(|o| o.num));
            if let (Some(m), Some(b)) = (mid, far) {
                let max = match &q.kind {
                    Kind::Range { max, .. } => Some(*max),
                    Kind::Choice { .. } => None,
                };
                if self.is(mid, "maxfirst") && max.is_some() {
                    if max == Some(v) {
                        continue;
                    }
                    if max != Some(b) {
                        doubt = Some("wrong_maximum");
                    }
                } else if (m.key == "/" || self.is(mid, "of") && !(m.key == "of" && self.lang == "nl"))
                    && doubt.is_none()
                {
                    if max == Some(b) {
                        skip.insert(y + 1);
                    } else {
                        doubt = Some("wrong_denominator");
                    }
                }
            }
            let back = items[..x]
                .iter()
                .rev()
                .find(|o| !self.packs.is("neutral", &o.key, self.lang) || self.is(Some(o), "negate"));
            let native_no = back.is_some_and(|b| {
                self.is(Some(b), "negate") && !(b.key == "no" && self.lang != "es" && self.lang != "it")
            });
            if native_no || self.is(next, "negate_after") {
                doubt = Some("negated");
            } else if doubt.is_none() {
                if self.is(next, "unit") && !(self.is(next, "scale")) {
                    doubt = Some("unit");
                }
                let kw = prev.is_some_and(|p| p.key == keyword);
                let of_pair = x >= 2 && self.is(prev, "of") && items[x - 2].num.is_some();
                if self.is(prev, "before")
                    && !kw
                    && !self.is(prev, "cue")
                    && !of_pair
                    && !self.is(prev, "correct")
                {
                    doubt = Some("unit_before");
                }
                if self.is(prev, "approx") || self.is(next, "approx") {
                    doubt = Some("approximate");
                }
                if self.is(next, "half")
                    && (!self.is(next, "scale") || items.get(x + 2).is_some_and(|o| o.num.is_some()))
                {
                    doubt = Some("half");
                }
                if i.how == "ordinal word" && matches!(q.kind, Kind::Range { .. }) {
                    doubt = Some("ordinal_on_scale");
                }
                if !q.allows(v) {
                    doubt = doubt.or(Some("out_of_range"));
                }
            }
            if doubt.is_none() && nums == 1 {
                doubt = self.place(items, x, &unknown, q);
            }
            if i.how == "ordinal word" && !plain {
                continue;
            }
            out.push((Candidate { value: v, text: i.key.clone(), how: i.how, doubt }, x));
        }
        out
    }

    /// Doubt from the place of a lone number among unknown words.
    fn place(
        &self,
        items: &[Item],
        x: usize,
        unknown: &dyn Fn(&Item) -> bool,
        q: &Question,
    ) -> Option<&'static str> {
        let before = items[..x].iter().filter(|i| unknown(i)).count();
        let after = items[x + 1..].iter().filter(|i| unknown(i)).count();
        let prev = x.checked_sub(1).map(|p| &items[p]);
        let tied = prev.is_some_and(|p| p.punct || self.is(Some(p), "cue") || self.is(Some(p), "correct"));
        if let Some(n) = items.get(x + 1).filter(|n| unknown(n)) {
            let w = n.key.as_str();
            if self.lang == "en"
                && w.len() > 3
                && w.ends_with('s')
                && !w.ends_with("ss")
                && !NOT_PLURAL.contains(&w)
                && !BAD.contains(&w)
            {
                return Some("counts_something");
            }
        }
        if before == 0 || tied && after == 0 {
            return None;
        }
        if after > 0 && !(tied && prev.is_some_and(|p| p.punct || before <= 2)) {
            return Some("inside_a_sentence");
        }
        if !items[x].digit && before > 2 && !tied {
            return Some("inside_a_sentence");
        }
        if before > 3 && !tied && matches!(q.kind, Kind::Choice { .. }) {
            return Some("inside_a_sentence");
        }
        None
    }
}
