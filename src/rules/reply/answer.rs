//! The open question's grammar: every candidate with its reason, then a decision.
pub use super::candidates::Grammar;
use super::candidates::{BAD, Item};
use super::fold::{Tk, Tok, join};
use super::labels;
use super::{Candidate, Context, Flag, Kind, Question, Reading, Verdict};
use std::collections::BTreeSet;

const NO_NUMBER: &[&str] = &[
    "there", "these", "sever", "even", "seen", "then", "fine", "eighty", "sixty", "foul", "force", "their",
    "where",
];
const GOOD: &[&str] = &[
    "excellent",
    "great",
    "amazing",
    "perfect",
    "love",
    "best",
    "fantastic",
    "awesome",
    "wonderful",
    "brilliant",
];

impl Grammar<'_> {
    /// Read an answer into `r`.
    pub fn read(&self, toks: &[Tok], raw: &str, ctx: &Context<'_>, r: &mut Reading) {
        let set = |r: &mut Reading, v: Verdict, rule: &'static str| {
            r.verdict = v;
            r.rule = rule;
        };
        let whole = join(toks);
        let Some(q) = ctx.question else {
            let first = toks.iter().find(|t| matches!(t.k, Tk::Word | Tk::Num));
            if let Some(f) = first {
                if ctx.keywords.iter().any(|k| super::fold::key(&k.word) == f.t) {
                    return set(r, Verdict::FreeText, "keyword_survey");
                }
                let small = |t: Option<&Tok>| t.is_some_and(|t| t.k == Tk::Num && t.t.len() <= 2);
                if small(Some(f))
                    || small(toks.iter().rfind(|t| matches!(t.k, Tk::Word | Tk::Num)))
                    || self.packs.number(&whole, self.lang).is_some_and(|n| !n.near && n.value >= 0)
                {
                    return set(r, Verdict::Ambiguous, "late_answer");
                }
            }
            return set(r, Verdict::FreeText, "nothing_open");
        };
        let keyword = q.keyword.as_deref().map(super::fold::key).unwrap_or_default();
        let range = matches!(q.kind, Kind::Range { .. });
        let items = self.items(toks, &keyword, raw.is_ascii());
        let words: Vec<String> =
            toks.iter().filter(|t| matches!(t.k, Tk::Word)).map(|t| t.t.clone()).collect();
        let named = labels::find(&words, q);
        let cands = self.candidates(&items, toks, q, &keyword, &named);
        r.candidates = cands.iter().map(|c| c.0.clone()).collect();
        if self.stars(raw, &cands, q, r) {
            return;
        }
        if raw.contains('💯') && range {
            return set(r, Verdict::Ambiguous, "hundred_emoji");
        }
        if cands.is_empty() {
            return self.no_number(&items, &whole, raw, q, &named, r);
        }
        let last = cands.iter().map(|c| c.1).max().unwrap_or(0);
        if items.iter().skip(last).any(|i| self.is(Some(i), "withdraw")) {
            return set(r, Verdict::Ambiguous, "withdrawn");
        }
        let mut live: Vec<&(Candidate, usize)> = cands.iter().collect();
        if let Some(p) = items.iter().rposition(|i| self.is(Some(i), "correct"))
            && p < last
            && live.iter().any(|c| c.1 > p && c.0.doubt != Some("negated"))
        {
            let n = live.len();
            live.retain(|c| c.1 > p);
            if live.len() < n {
                r.flags.push(Flag::Correction);
            }
        }
        let negated = live.iter().filter(|c| c.0.doubt == Some("negated")).count();
        live.retain(|c| c.0.doubt != Some("negated"));
        if live.is_empty() {
            return set(r, Verdict::Ambiguous, if negated > 0 { "only_negated" } else { "nothing_left" });
        }
        if let Some(d) = live.iter().find_map(|c| c.0.doubt) {
            return set(r, Verdict::Ambiguous, d);
        }
        let vals: BTreeSet<i64> = live.iter().map(|c| c.0.value).collect();
        if vals.len() > 1 {
            return set(r, Verdict::Ambiguous, "several_values");
        }
        let n = live[0].0.value;
        let l = named.all();
        if !l.is_empty() && !(l.contains(&n) && (l.len() == 1 || named.phrases.iter().eq([n].iter()))) {
            return set(r, Verdict::Ambiguous, "label_conflict");
        }
        if range {
            let (min, max) = match &q.kind {
                Kind::Range { min, max } => (*min, *max),
                Kind::Choice { .. } => (0, 0),
            };
            let low = n <= min + (max - min) / 3;
            let high = n >= max - (max - min) / 3;
            if (low && words.iter().any(|w| GOOD.contains(&w.as_str())))
                || (high && words.iter().any(|w| BAD.contains(&w.as_str())))
            {
                r.flags.push(Flag::Contradiction);
            }
        }
        if items.iter().any(|i| !i.known && i.num.is_none() && !i.punct) {
            r.comment = Some(raw.trim().to_string());
        }
        set(r, Verdict::Answer(n), if range { "one_value_in_range" } else { "one_option" });
    }

    fn stars(&self, raw: &str, cands: &[(Candidate, usize)], q: &Question, r: &mut Reading) -> bool {
        let full = raw.chars().filter(|c| matches!(c, '★' | '⭐' | '🌟')).count() as i64;
        let empty = raw.chars().filter(|c| *c == '☆').count() as i64;
        if full + empty == 0 {
            return false;
        }
        if !cands.is_empty() {
            let clash = full > 1 && cands.iter().any(|c| c.0.value != full);
            if clash {
                (r.verdict, r.rule) = (Verdict::Ambiguous, "stars_and_number");
            }
            return clash;
        }
        let ok = match &q.kind {
            Kind::Range { max, .. } => q.allows(full) && (empty == 0 || full + empty == *max),
            Kind::Choice { .. } => false,
        };
        r.candidates.push(Candidate {
            value: full,
            text: raw.to_string(),
            how: "stars",
            doubt: (!ok).then_some("stars"),
        });
        (r.verdict, r.rule) =
            if ok { (Verdict::Answer(full), "stars") } else { (Verdict::Ambiguous, "stars") };
        true
    }

    fn no_number(
        &self,
        items: &[Item],
        whole: &str,
        raw: &str,
        q: &Question,
        named: &labels::Named,
        r: &mut Reading,
    ) {
        let set = |r: &mut Reading, v: Verdict, rule: &'static str| {
            r.verdict = v;
            r.rule = rule;
        };
        let choice = matches!(q.kind, Kind::Choice { .. });
        let rest: Vec<&Item> = items
            .iter()
            .filter(|i| !(i.punct || i.known && i.num.is_none() || labels::uses(named, &i.key)))
            .collect();
        let all = named.all();
        if !all.is_empty() {
            let neg = items.iter().any(|i| self.is(Some(i), "negate"));
            let one = all.iter().next().copied().unwrap_or(0);
            let clear =
                all.len() == 1 && !neg && (rest.is_empty() || (named.phrases.len() == 1 && rest.len() <= 4));
            for v in &all {
                r.candidates.push(Candidate {
                    value: *v,
                    text: whole.to_string(),
                    how: "label",
                    doubt: (!clear).then_some("label_in_sentence"),
                });
            }
            return if clear {
                set(r, Verdict::Answer(one), "label")
            } else {
                set(r, Verdict::Ambiguous, "label_in_sentence")
            };
        }
        let core: Vec<&str> = items
            .iter()
            .filter(|i| !i.punct && !self.packs.is("neutral", &i.key, self.lang))
            .map(|i| i.key.as_str())
            .collect();
        let core = core.join(" ");
        if self.packs.is("vague", whole, self.lang) || self.packs.is("vague", &core, self.lang) {
            return set(r, Verdict::Ambiguous, "vague");
        }
        if whole.len() == 1 && choice && whole.is_ascii() {
            return set(r, Verdict::Ambiguous, "letter");
        }
        let roman = match whole {
            "ii" => 2,
            "iii" => 3,
            "iv" => 4,
            "vi" => 6,
            "vii" => 7,
            "viii" => 8,
            "ix" => 9,
            "xi" => 11,
            "xii" => 12,
            _ => 0,
        };
        if roman > 0 {
            let upper = !raw.chars().any(char::is_lowercase);
            let ok = q.allows(roman) && (upper || matches!(whole, "ii" | "iii" | "iv" | "vii" | "viii"));
            r.candidates.push(Candidate {
                value: roman,
                text: whole.into(),
                how: "roman",
                doubt: (!ok).then_some("roman"),
            });
            return if ok {
                set(r, Verdict::Answer(roman), "roman")
            } else {
                set(r, Verdict::Ambiguous, "roman")
            };
        }
        if self.packs.numbers.get(whole).is_some_and(|v| v.iter().any(|s| s.near && s.lang == self.lang)) {
            return set(r, Verdict::Ambiguous, "near_a_number");
        }
        let odd: Vec<&Item> = rest.into_iter().collect();
        if odd.len() == 1 && odd[0].num.is_none() && !odd[0].cj {
            let w = odd[0].key.as_str();
            if let Some(v) = self.fuzzy(w) {
                let ok = q.allows(v);
                r.candidates.push(Candidate {
                    value: v,
                    text: w.into(),
                    how: "misspelt number word",
                    doubt: (!ok).then_some("out_of_range"),
                });
                return if ok {
                    set(r, Verdict::Answer(v), "misspelt_number")
                } else {
                    set(r, Verdict::Ambiguous, "out_of_range")
                };
            }
            let foreign: BTreeSet<i64> = self
                .packs
                .numbers
                .get(w)
                .map(|v| v.iter().filter(|s| !s.weak_word()).map(|s| s.value).collect())
                .unwrap_or_default();
            if items.len() == 1 && foreign.len() == 1 && w.len() >= 4 {
                return set(r, Verdict::Ambiguous, "number_in_another_language");
            }
        }
        set(r, Verdict::FreeText, "no_candidate");
    }

    /// A number word with one slip of the thumb, if only one is near.
    fn fuzzy(&self, w: &str) -> Option<i64> {
        if w.len() < 4 || NO_NUMBER.contains(&w) || !w.is_ascii() {
            return None;
        }
        let mine = if self.lang.is_empty() { "en" } else { self.lang };
        let mut hits = BTreeSet::new();
        for (k, v) in &self.packs.numbers {
            let Some(s) = v.iter().find(|s| s.lang == mine && !s.ordinal && !s.near && s.value >= 0) else {
                continue;
            };
            let least = if mine == "en" { 5 } else { 6 };
            if k.len() < least
                || k.contains(' ')
                || k.as_bytes()[0] != w.as_bytes()[0]
                || strsim::osa_distance(k, w) != 1
            {
                continue;
            }
            if k.len() == w.len() {
                let (mut a, mut b) = (k.clone().into_bytes(), w.to_string().into_bytes());
                a.sort_unstable();
                b.sort_unstable();
                if a != b {
                    continue;
                }
            }
            hits.insert(s.value);
        }
        if hits.len() == 1 { hits.into_iter().next() } else { None }
    }
}

impl super::packs::NumSense {
    /// Is it an everyday word too?
    fn weak_word(&self) -> bool {
        self.ambiguous || self.ask || self.article || self.near || self.value < 0
    }
}
