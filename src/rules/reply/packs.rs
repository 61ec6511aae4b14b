//! The word packs, folded once.
use super::fold::key;
use std::collections::{BTreeMap, HashMap};
use toml::{Table, Value};

/// One sense of a compliance word.
#[derive(Clone, Debug)]
pub struct Sense {
    /// Language.
    pub lang: String,
    /// From the main list, not an addition.
    pub listed: bool,
}

/// One sense of a number word.
#[derive(Clone, Debug)]
pub struct NumSense {
    /// Language.
    pub lang: String,
    /// Value.
    pub value: i64,
    /// Ordinal form.
    pub ordinal: bool,
    /// Everyday word too.
    pub ambiguous: bool,
    /// Never taken.
    pub ask: bool,
    /// An article.
    pub article: bool,
    /// No number, only near one.
    pub near: bool,
    /// Asked about when written without its accents.
    pub bare_ask: bool,
}

type Map = HashMap<String, Vec<Sense>>;

/// All packs.
#[derive(Debug, Default)]
pub struct Packs {
    /// Stop words.
    pub stop: Map,
    /// Start words.
    pub start: Map,
    /// Help words.
    pub help: Map,
    /// Polite filler.
    pub filler: Map,
    /// Stop phrases.
    pub phrase: Map,
    /// Guard wordings.
    pub guard: Map,
    /// Yes and no words and others that ask.
    pub asks: HashMap<String, &'static str>,
    /// Stop words that may be an option of a survey.
    pub ask_if_option: Vec<String>,
    /// Number words.
    pub numbers: HashMap<String, Vec<NumSense>>,
    /// Answer grammar by class.
    pub grammar: HashMap<String, Map>,
}

fn list(v: Option<&Value>) -> Vec<String> {
    v.and_then(Value::as_array)
        .map(|a| a.iter().filter_map(|x| x.as_str().map(str::to_string)).collect())
        .unwrap_or_default()
}

fn put(m: &mut Map, words: &[String], lang: &str, listed: bool) {
    for w in words {
        let k = key(w);
        if !k.is_empty() {
            m.entry(k).or_default().push(Sense { lang: lang.to_string(), listed });
        }
    }
}

impl Packs {
    /// Read the packs that are part of the binary.
    pub fn load() -> Packs {
        let mut p = Packs::default();
        let w: Table = include_str!("../../../config/packs/words.toml").parse().unwrap_or_default();
        for (lang, v) in &w {
            let Some(t) = v.as_table() else { continue };
            for (name, listed) in [("stop", true), ("added_stop", false)] {
                put(&mut p.stop, &list(t.get(name)), lang, listed);
            }
            for (name, listed) in [("start", true), ("added_start", false)] {
                put(&mut p.start, &list(t.get(name)), lang, listed);
            }
            for (name, listed) in [("help", true), ("added_help", false)] {
                put(&mut p.help, &list(t.get(name)), lang, listed);
            }
            for name in ["polite_filler", "added_polite"] {
                put(&mut p.filler, &list(t.get(name)), lang, true);
            }
            put(&mut p.phrase, &list(t.get("phrase_stop")), lang, true);
            put(&mut p.guard, &list(t.get("guard")), lang, true);
        }
        put(&mut p.stop, &list(w.get("every_language_stop")), "*", true);
        if let Some(a) = w.get("left_out").and_then(Value::as_array) {
            for (i, e) in a.iter().enumerate() {
                let what = match i {
                    0 => "no",
                    1 => "yes",
                    3 => "word",
                    _ => continue,
                };
                for x in list(e.get("words")) {
                    if what != "word" || x == "ON" {
                        p.asks.insert(key(&x), what);
                    }
                }
            }
        }
        if let Some(a) = w.get("ask_if_option").and_then(Value::as_array) {
            for e in a {
                p.ask_if_option.extend(list(e.get("words")).iter().map(|x| key(x)));
            }
        }
        let n: Table = include_str!("../../../config/packs/numbers.toml").parse().unwrap_or_default();
        for (lang, v) in &n {
            let Some(t) = v.as_table() else { continue };
            let set = |name: &str| -> Vec<String> { list(t.get(name)).iter().map(|x| key(x)).collect() };
            let (amb, ask, art) = (set("ambiguous"), set("ask"), set("article"));
            for (part, ordinal) in [("cardinal", false), ("added", false), ("ordinal", true)] {
                let Some(c) = t.get(part).and_then(Value::as_table) else {
                    continue;
                };
                for (val, words) in c {
                    let Ok(value) = val.parse::<i64>() else {
                        continue;
                    };
                    for x in list(Some(words)) {
                        let k = key(&x);
                        if k.is_empty() || k.chars().next().is_some_and(|c| c.is_ascii_digit()) {
                            continue;
                        }
                        let raw_ask = list(t.get("ask")).contains(&x);
                        let bare_ask = ask.contains(&k) && !raw_ask && !x.is_ascii();
                        let e = NumSense {
                            lang: lang.clone(),
                            value,
                            ordinal,
                            ambiguous: amb.contains(&k),
                            ask: ask.contains(&k) && !bare_ask,
                            article: art.contains(&k),
                            near: false,
                            bare_ask,
                        };
                        let v = p.numbers.entry(k).or_default();
                        if !v.iter().any(|o| o.lang == e.lang && o.value == e.value) {
                            v.push(e);
                        }
                    }
                }
            }
            for (words, near) in [(&ask, false), (&set("near"), true)] {
                for k in words {
                    let v = p.numbers.entry(k.clone()).or_default();
                    if !v.iter().any(|o| o.lang == *lang) {
                        v.push(NumSense {
                            lang: lang.clone(),
                            value: -1,
                            ordinal: false,
                            ambiguous: true,
                            ask: true,
                            article: false,
                            near,
                            bare_ask: false,
                        });
                    }
                }
            }
        }
        for c in [
            "捌", "柒", "陆", "伍", "肆", "叁", "贰", "壹", "玖", "拾", "零", "〇", "一", "二", "两", "兩",
            "三", "四", "五", "六", "七", "八", "九", "十",
        ] {
            let value = match c {
                "零" | "〇" => 0,
                "壹" | "一" => 1,
                "贰" | "二" | "两" | "兩" => 2,
                "叁" | "三" => 3,
                "肆" | "四" => 4,
                "伍" | "五" => 5,
                "陆" | "六" => 6,
                "柒" | "七" => 7,
                "捌" | "八" => 8,
                "玖" | "九" => 9,
                _ => 10,
            };
            let v = p.numbers.entry(key(c)).or_default();
            if !v.iter().any(|o| o.lang == "zh") {
                v.push(NumSense {
                    lang: "zh".into(),
                    value,
                    ordinal: false,
                    ambiguous: false,
                    ask: false,
                    article: false,
                    near: false,
                    bare_ask: false,
                });
            }
        }
        let g: Table = include_str!("../../../config/packs/answers.toml").parse().unwrap_or_default();
        for (lang, v) in &g {
            let Some(t) = v.as_table() else { continue };
            for (class, words) in t {
                put(p.grammar.entry(class.clone()).or_default(), &list(Some(words)), lang, true);
            }
        }
        if let Some(m) = p.grammar.get("stop_phrase") {
            for (k, v) in m.clone() {
                p.phrase.entry(k).or_default().extend(v);
            }
        }
        if let Some(m) = p.grammar.get("identity") {
            for (k, v) in m.clone() {
                p.help.entry(k).or_default().extend(v);
            }
        }
        p
    }

    /// Does a class of the answer grammar hold this key for the language?
    pub fn is(&self, class: &str, k: &str, lang: &str) -> bool {
        self.grammar
            .get(class)
            .and_then(|m| m.get(k))
            .is_some_and(|v| v.iter().any(|s| near_lang(&s.lang, lang, k)))
    }

    /// The value of a number word; `None` if unknown to the language.
    pub fn number(&self, k: &str, lang: &str) -> Option<&NumSense> {
        let v = self.numbers.get(k)?;
        if let Some(n) = v.iter().find(|s| s.lang == lang) {
            return Some(n);
        }
        if lang.is_empty() || !k.is_ascii() {
            let vals: BTreeMap<i64, &NumSense> = v.iter().map(|s| (s.value, s)).collect();
            if vals.len() == 1 && (k.len() > 2 || !k.is_ascii()) {
                return v.first();
            }
        }
        let english = ["tl", "hi", "sw", "zu", "ha", "yo", "ig", "ur", "bn", "ta", "te", "mr", "am"]
            .contains(&lang)
            || lang.is_empty();
        v.iter().find(|s| s.lang == "en" && !s.near && (english || k.len() > 3))
    }
}

/// Is a word of `word_lang` to be heard from a contact of `lang`?
pub fn near_lang(word_lang: &str, lang: &str, k: &str) -> bool {
    word_lang == lang
        || word_lang == "en"
        || word_lang == "*"
        || (lang.is_empty() && k.len() > 3)
        || !k.is_ascii()
}
