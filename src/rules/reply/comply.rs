//! Stop, start and help, before any answer is looked for.
use super::fold::{Tk, Tok, join};
use super::packs::{Packs, Sense, near_lang};
use super::{Context, Kind, PendingOptIn, Verdict};

const STOP: u32 = 1;
const START: u32 = 2;
const HELP: u32 = 4;
const NUM: u32 = 8;
const LEAD: u32 = 16;
const STRONG: u32 = 32;
const WEAK: &[&str] = &["end", "cancel", "quit", "remove", "revoke", "enough", "cancelar", "anular"];
const REAL: &[&str] = &[
    "spot",
    "shop",
    "step",
    "tops",
    "opts",
    "post",
    "pots",
    "top",
    "sop",
    "subscribe",
    "subscribed",
    "cancer",
    "stoop",
    "stoops",
    "starts",
    "star",
    "quite",
    "quiet",
];
const SCOPES: &[&str] = &[
    "promo",
    "promos",
    "ads",
    "marketing",
    "offers",
    "deals",
    "news",
    "spam",
    "newsletter",
    "survey",
    "surveys",
    "promotions",
    "service",
    "now",
    "forever",
];

/// What was found: verdict, rule, a number kept beside it.
pub struct Found {
    /// Verdict.
    pub verdict: Verdict,
    /// Rule.
    pub rule: &'static str,
    /// Number written beside the word.
    pub number: Option<i64>,
}

fn found(verdict: Verdict, rule: &'static str) -> Option<Found> {
    Some(Found { verdict, rule, number: None })
}

/// The language of the word that was used, where it is neither the person's own nor known in every language: the answer
/// follows the word.
pub fn language_of(packs: &Packs, tokens: &[Tok], own: &str, verdict: &Verdict) -> Option<String> {
    /// Words of the longest stop phrase in the packs.
    const LONGEST: usize = 6;
    let words = match verdict {
        Verdict::OptOut { .. } => [&packs.stop, &packs.phrase].to_vec(),
        Verdict::OptIn => [&packs.start].to_vec(),
        Verdict::Help => [&packs.help].to_vec(),
        _ => return None,
    };
    let mut languages = std::collections::BTreeSet::new();
    for from in 0..tokens.len() {
        for to in from + 1..=tokens.len().min(from + LONGEST) {
            let key = join(&tokens[from..to]);
            languages.extend(
                words.iter().filter_map(|map| map.get(&key)).flatten().map(|sense| sense.lang.clone()),
            );
        }
    }
    let shared = ["*", "en", own].iter().any(|language| languages.contains(*language));
    // Where several languages share a word, the person is none of theirs: any of them is closer than ours.
    if shared { None } else { languages.pop_first() }
}

/// A person's language and the packs.
pub struct Words<'a> {
    /// Packs.
    pub packs: &'a Packs,
    /// Language.
    pub lang: &'a str,
}

impl Words<'_> {
    fn hears(&self, k: &str, v: &[Sense]) -> bool {
        v.iter().any(|s| near_lang(&s.lang, self.lang, k) && (s.lang == self.lang || k.len() > 1))
            || (v.iter().any(|s| s.listed)
                && k.len() >= 5
                && !self.packs.asks.contains_key(k)
                && self.packs.number(k, self.lang).is_none())
    }
    fn cue(&self, m: &std::collections::HashMap<String, Vec<Sense>>, k: &str) -> bool {
        m.get(k).is_some_and(|v| self.hears(k, v))
    }
    fn phrase_at(&self, w: &[Tok]) -> Option<usize> {
        (1..=w.len().min(9)).rev().find(|n| {
            self.packs
                .phrase
                .get(&join(&w[..*n]))
                .is_some_and(|v| v.iter().any(|s| near_lang(&s.lang, self.lang, &join(&w[..*n]))))
        })
    }

    /// Masks of the ways to cut all tokens into known words.
    fn cover(&self, w: &[Tok]) -> Vec<u32> {
        let mut at: Vec<Vec<u32>> = vec![Vec::new(); w.len() + 1];
        at[0].push(0);
        for i in 0..w.len() {
            if at[i].is_empty() {
                continue;
            }
            let masks = at[i].clone();
            let mut go = |j: usize, bit: u32, need: u32, cap: &[u32]| {
                for m in cap {
                    if m & need == need && !at[j].contains(&(m | bit)) {
                        at[j].push(m | bit);
                    }
                }
            };
            for n in 1..=(w.len() - i).min(9) {
                let k = join(&w[i..i + n]);
                if self.cue(&self.packs.stop, &k) {
                    go(i + n, STOP | if WEAK.contains(&k.as_str()) { 0 } else { STRONG }, 0, &masks);
                }
                if self.cue(&self.packs.start, &k) {
                    go(i + n, START, 0, &masks);
                }
                if self.cue(&self.packs.help, &k) {
                    go(i + n, HELP, 0, &masks);
                }
                if self
                    .packs
                    .filler
                    .get(&k)
                    .is_some_and(|v| v.iter().any(|s| near_lang(&s.lang, self.lang, &k)))
                {
                    go(i + n, 0, 0, &masks);
                }
                if self.packs.is("object", &k, self.lang) {
                    go(i + n, LEAD, 0, &masks);
                }
            }
            if matches!(w[i].t.as_str(), "to" | "2" | "for" | "4") {
                go(i + 1, 0, STOP, &masks);
            }
            if w[i].k == Tk::Num {
                go(i + 1, NUM, 0, &masks);
            }
        }
        at.pop().unwrap_or_default()
    }

    /// One misspelt, stretched or spaced stop word.
    fn bent(&self, w: &[Tok]) -> bool {
        let one = if w.len() >= 3 && w.iter().all(|t| t.t.chars().count() == 1 && !t.cj) {
            w.iter().map(|t| t.t.as_str()).collect::<String>()
        } else if w.len() == 1 {
            w[0].t.clone()
        } else if w.iter().skip(1).all(|t| t.glued) && w.iter().any(|t| t.k == Tk::Num) {
            w.iter()
                .map(|t| t.t.replace('0', "o").replace('5', "s").replace('1', "i").replace('3', "e"))
                .collect()
        } else {
            return false;
        };
        if REAL.contains(&one.as_str()) {
            return false;
        }
        let (mut sq, mut last) = (String::new(), ' ');
        for c in one.chars() {
            if c != last {
                sq.push(c);
            }
            last = c;
        }
        if w.len() > 1 && self.cue(&self.packs.stop, &one) {
            return true;
        }
        if sq != one
            && (sq == "stop" || (one.len() > sq.len() + 1 && sq.len() > 4 && self.cue(&self.packs.stop, &sq)))
        {
            return true;
        }
        if one.len() == 4 && one != "stop" && one.is_ascii() && strsim::osa_distance(&one, "stop") == 1 && {
            let (mut a, mut b): (Vec<char>, Vec<char>) = (one.chars().collect(), "stop".chars().collect());
            a.sort_unstable();
            b.sort_unstable();
            a == b
        } {
            return true;
        }
        if one.chars().count() >= 7
            && !self.cue(&self.packs.start, &one)
            && self.packs.number(&one, self.lang).is_none()
        {
            let two: String = one.chars().take(2).collect();
            return self.packs.stop.iter().any(|(k, v)| {
                k.starts_with(&two)
                    && !k.contains(' ')
                    && k.len() >= 8
                    && v.iter().any(|s| s.listed && near_lang(&s.lang, self.lang, "x"))
                    && strsim::osa_distance(k, &one) <= if k.len() >= 11 { 2 } else { 1 }
            });
        }
        false
    }

    /// Read a message for compliance words.
    pub fn read(&self, toks: &[Tok], raw: &str, ctx: &Context<'_>) -> Option<Found> {
        let w: Vec<Tok> = toks.iter().filter(|t| matches!(t.k, Tk::Word | Tk::Num)).cloned().collect();
        if w.is_empty() {
            let sym = |c: char| raw.contains(c);
            if sym('🛑') || sym('⛔') {
                return found(Verdict::OptOut { scope_word: None }, "stop_emoji");
            }
            if sym('✋') || sym('🚫') {
                return found(Verdict::Ambiguous, "hand_emoji");
            }
            let only_q = !toks.is_empty() && toks.iter().all(|t| t.t == "?");
            return if only_q { found(Verdict::Help, "question_mark") } else { None };
        }
        let whole = join(&w);
        if let Some(k) = ctx.keywords.iter().find(|k| super::fold::key(&k.word) == whole) {
            return found(if k.opt_in { Verdict::OptIn } else { Verdict::FreeText }, "keyword");
        }
        let number_here = ctx.question.is_some()
            && self
                .packs
                .number(&whole, self.lang)
                .is_some_and(|n| n.lang == self.lang || self.lang.is_empty());
        if number_here {
            return None;
        }
        if let (Some(q), true) = (ctx.question, self.packs.ask_if_option.contains(&whole))
            && let Kind::Choice { labels, .. } = &q.kind
            && labels
                .values()
                .flat_map(|m| m.values())
                .any(|l| super::fold::key(l).split(' ').any(|x| x == whole))
        {
            return found(Verdict::Ambiguous, "stop_word_is_option");
        }
        let opt_out = Verdict::OptOut { scope_word: None };
        if offered(&whole, ctx.our_last_text) {
            return found(opt_out, "stop_offered");
        }
        if self.packs.is("hostile", &whole, self.lang) {
            return found(opt_out, "hostile");
        }
        let guard = self.packs.guard.iter().any(|(k, v)| {
            v.iter().any(|s| near_lang(&s.lang, self.lang, k))
                && format!(" {whole} ").contains(&format!(" {k} "))
        });
        if let Some(m) = self
            .cover(&w)
            .into_iter()
            .filter(|m| m & (STOP | START | HELP) != 0)
            .min_by_key(|m| ((m & !(STRONG | LEAD)).count_ones(), m & LEAD, m & 7))
        {
            let num = || {
                w.iter().filter(|t| t.k == Tk::Num).find_map(|t| t.t.parse().ok()).filter(|_| {
                    w.first().is_some_and(|t| t.k == Tk::Num) || w.last().is_some_and(|t| t.k == Tk::Num)
                })
            };
            if m & STOP != 0 && m & START != 0 {
                return found(Verdict::Ambiguous, "stop_and_start");
            }
            if m & STOP != 0 {
                if m & STRONG == 0
                    && m & LEAD != 0
                    && matches!(w.last().map(|t| t.t.as_str()), Some("end" | "enough"))
                {
                    return None;
                }
                if m & STRONG == 0 && m & (LEAD | NUM) != 0 {
                    return found(Verdict::Ambiguous, "weak_stop_in_sentence");
                }
                return Some(Found { verdict: opt_out, rule: "stop_word", number: num() });
            }
            if m & START != 0 {
                return found(if m & NUM != 0 { Verdict::Ambiguous } else { Verdict::OptIn }, "start_word");
            }
            if m & NUM == 0 && (m & LEAD == 0 || w.len() <= 5) {
                return found(Verdict::Help, "help_word");
            }
        }
        if (w.len() == 1 || w.iter().all(|t| t.t.chars().count() == 1) || w.iter().skip(1).all(|t| t.glued))
            && self.bent(&w)
        {
            return found(opt_out, "stop_misspelt");
        }
        if !guard {
            if let Some(f) = self.scoped(&w, raw, ctx) {
                return Some(f);
            }
            let mut i = 0;
            while i <= w.len() {
                if self.phrase_at(&w[i..]).is_some() {
                    let number = w[..i].iter().find_map(|t| t.t.parse().ok());
                    return Some(Found { verdict: opt_out, rule: "stop_phrase", number });
                }
                if i == w.len() {
                    break;
                }
                let step = (1..=(w.len() - i).min(5)).rev().find(|n| {
                    let k = join(&w[i..i + n]);
                    self.packs.is("object", &k, self.lang)
                        || self
                            .packs
                            .filler
                            .get(&k)
                            .is_some_and(|v| v.iter().any(|s| near_lang(&s.lang, self.lang, &k)))
                        || (*n == 1 && w[i].k == Tk::Num)
                        || self.packs.stop.get(&k).is_some_and(|v| v.iter().any(|s| s.listed))
                            && self.phrase_at(&w[i + n..]).is_some()
                });
                match step {
                    Some(n) => i += n,
                    None => break,
                }
            }
        }
        let core: Vec<Tok> = w
            .iter()
            .filter(|t| {
                !self
                    .packs
                    .filler
                    .get(&t.t)
                    .is_some_and(|v| v.iter().any(|s| near_lang(&s.lang, self.lang, &t.t)))
            })
            .cloned()
            .collect();
        if let Some(what) = self.packs.asks.get(&whole).or_else(|| self.packs.asks.get(&join(&core))) {
            let pend = ctx.pending_opt_in == PendingOptIn::Pending;
            return match *what {
                "yes" if pend => found(Verdict::OptIn, "yes_pending"),
                "no" if pend => found(Verdict::FreeText, "no_pending"),
                _ => found(Verdict::Ambiguous, "yes_no"),
            };
        }
        let negated = w.iter().any(|t| matches!(t.t.as_str(), "dont" | "never" | "didnt"));
        if !negated && (1..=3).any(|n| w.windows(n).any(|x| self.packs.is("cancel", &join(x), self.lang))) {
            return found(Verdict::Ambiguous, "service_cancel");
        }
        None
    }

    /// STOP with a programme or record after it.
    fn scoped(&self, w: &[Tok], raw: &str, ctx: &Context<'_>) -> Option<Found> {
        if w.len() != 2 {
            return None;
        }
        let (a, b) = (w[0].t.as_str(), w[1].t.as_str());
        if !self
            .packs
            .stop
            .get(a)
            .is_some_and(|v| v.iter().any(|s| s.listed && near_lang(&s.lang, self.lang, a)))
        {
            return None;
        }
        let known = ctx.programmes.iter().any(|p| super::fold::key(p) == b);
        let upper =
            raw.chars().any(char::is_uppercase) && !raw.chars().any(char::is_lowercase) && !WEAK.contains(&a);
        if known || (!WEAK.contains(&a) && (SCOPES.contains(&b) || upper || a == "unreg")) {
            let scope_word = known.then(|| b.to_uppercase());
            return found(Verdict::OptOut { scope_word }, "stop_scoped");
        }
        None
    }
}

/// Did our last text offer this word as the way to stop?
fn offered(word: &str, ours: Option<&str>) -> bool {
    let Some(o) = ours else { return false };
    if word.contains(' ') || word.chars().count() > 4 {
        return false;
    }
    let k = super::fold::key(o);
    let v: Vec<&str> = k.split(' ').collect();
    v.windows(3).any(|x| {
        x[0] == word
            && matches!(x[1], "to" | "2" | "for")
            && matches!(x[2], "stop" | "end" | "opt" | "optout" | "unsubscribe" | "quit" | "cancel")
    })
}
