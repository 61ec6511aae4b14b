//! Stop, help and start, before anything else is read: words, spellings, phrases, and the guards that keep a stop word
//! from being taken for a wish to stop.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    packs::WordsPack,
    phrases::{Text, entry_words},
    slips::{is_slip, squeeze},
    speech::Speech,
    strip,
    tokens::{Kind, Token, script_language, writes},
    view::{Phrase, View},
};

/// What a reserved word or phrase asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Stop,
    Start,
    Help,
}

/// A reserved word or phrase found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reserved {
    pub(super) wish: Wish,
    pub(super) rule: &'static str,
    /// Language of the word.
    pub(super) language: Option<String>,
    /// The programme or record named after it.
    pub(super) scope: Option<String>,
    /// Tokens it is made of; the rest may hold an answer.
    pub(super) tokens: BTreeSet<usize>,
}

/// What the reserved words say about a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) reserved: Option<Reserved>,
    /// A rule that asks, unless the open question is answered.
    pub(super) ask: Option<&'static str>,
    /// A rule that asks whatever the open question.
    pub(super) contradiction: Option<&'static str>,
    /// A stop word is there and was no wish to stop: a person should see the message.
    pub(super) guarded: bool,
}

/// Around the message.
pub(super) struct Around<'a> {
    pub(super) language: Option<&'a str>,
    /// Folded programmes and keywords: scopes of STOP.
    pub(super) names: &'a [String],
    /// Tokens that belong to an answer: number, its prefix.
    pub(super) answer: &'a dyn Fn(usize) -> bool,
}

/// The reserved words of all languages.
#[derive(Debug)]
pub(super) struct Compliance {
    pub(super) languages: BTreeMap<String, Speech>,
    pub(super) every_language: HashSet<String>,
    every_help: HashSet<String>,
    offered_only: HashSet<String>,
    alone_asked: HashSet<String>,
    rating_asked: HashSet<String>,
    pub(super) real_words: HashSet<String>,
    whole_only: HashSet<String>,
    /// Whole messages that stop or ask for help in one language or another, by wording.
    pub(super) everywhere: HashMap<String, (Wish, String)>,
    /// Single stop words by language, which count as foreign ones beside a courtesy of their own language.
    pub(super) courteous: HashMap<String, Vec<String>>,
}

/// A foreign word counts as a whole message if it is at least so long: short ones mean other things elsewhere.
const SHORTEST_FOREIGN: usize = 5;

/// Beside a courtesy of its own language a shorter one is enough.
const SHORTEST_COURTEOUS: usize = 4;

impl Compliance {
    /// Takes the compiled languages and the lists for all of them.
    pub(super) fn new(languages: BTreeMap<String, Speech>, pack: &WordsPack) -> Self {
        let plain = |lists: &[super::packs::Listed]| -> HashSet<String> {
            lists.iter().flat_map(|list| &list.words).map(|word| strip::folded_word(word)).collect()
        };
        let (real_words, whole_only) = (plain(&pack.real_words), plain(&pack.whole_only));
        let mut everywhere = HashMap::new();
        for speech in languages.values() {
            for (wish, list) in [(Wish::Stop, &speech.first_class), (Wish::Help, &speech.help)] {
                for said in list.iter().filter(|said| {
                    let length = said.chars().count();
                    length >= SHORTEST_FOREIGN
                        && !real_words.contains(*said)
                        && (length > SHORTEST_FOREIGN || !whole_only.contains(*said))
                }) {
                    everywhere.entry(said.clone()).or_insert_with(|| (wish, speech.language.clone()));
                }
            }
        }
        let mut courteous: HashMap<String, Vec<String>> = HashMap::new();
        for speech in languages.values().filter(|speech| !speech.writing.glued) {
            for said in speech.stop.iter().filter(|said| {
                let own_drafting = usize::from(!speech.first_class.contains(*said));
                let shortest = SHORTEST_COURTEOUS + own_drafting;
                !said.contains(' ') && said.chars().count() >= shortest && !real_words.contains(*said)
            }) {
                courteous.entry(said.clone()).or_default().push(speech.language.clone());
            }
        }
        Self {
            everywhere,
            courteous,
            every_language: pack.every_language_stop.iter().map(|word| strip::folded_word(word)).collect(),
            every_help: pack.every_language_help.iter().map(|word| strip::folded_word(word)).collect(),
            offered_only: plain(&pack.offered_only),
            alone_asked: plain(&pack.ask_alone),
            rating_asked: plain(&pack.ask_on_rating),
            real_words,
            whole_only,
            languages,
        }
    }

    /// Is this whole message a word that is asked about when nothing else explains it?
    pub(super) fn is_asked_alone(&self, said: &str) -> bool {
        self.alone_asked.contains(said) || self.offered_only.contains(said)
    }

    /// Is this stop word a middling score where a score is asked for (`cukup`: enough, fair)?
    pub(super) fn is_score_word(&self, said: &str) -> bool {
        self.rating_asked.contains(said)
    }

    /// The languages a message is judged in: the contact's, English, those of its script; all if none is known.
    fn speeches(&self, tokens: &[Token], language: Option<&str>) -> Vec<&Speech> {
        let mut out: Vec<&Speech> = Vec::new();
        let mut add = |speech: Option<&'_ Speech>| {
            // Safe to compare by name: one speech a language.
            if let Some(speech) = speech.and_then(|speech| self.languages.get(&speech.language))
                && !out.iter().any(|known| known.language == speech.language)
            {
                out.push(speech);
            }
        };
        match language.and_then(|code| self.languages.get(code)) {
            Some(own) => add(Some(own)),
            None => self.languages.values().for_each(|speech| add(Some(speech))),
        }
        add(self.languages.get("en"));
        for script in
            tokens.iter().filter_map(|token| script_language(&token.skeleton)).collect::<BTreeSet<_>>()
        {
            for speech in self.languages.values().filter(|speech| writes(&speech.language, script)) {
                add(Some(speech));
            }
        }
        out
    }

    /// Judges a message.
    pub(super) fn judge(&self, tokens: &[Token], around: &Around<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        if let Some(found) = self.signs(tokens, &mut judgement) {
            judgement.reserved = Some(found);
            return judgement;
        }
        let speeches = self.speeches(tokens, around.language);
        let quoted = strip::quoted(tokens);
        let in_quotes = |at: usize| quoted.iter().any(|(from, to)| (*from..=*to).contains(&at));
        let english = self.languages.get("en");
        let views: Vec<View<'_>> = speeches
            .iter()
            .map(|speech| {
                let text = Text::new(tokens, speech.writing, in_quotes);
                let filler = speech.filler(&text, english);
                View { speech, text, filler }
            })
            .collect();
        if has_stop_sign(tokens)
            && let Some(found) = self.courteous_sign(tokens, &views)
        {
            judgement.reserved = Some(found);
            return judgement;
        }
        let stop = self.stop(tokens, &views, around, &mut judgement);
        judgement.reserved = stop.or_else(|| {
            if judgement.contradiction.is_some() { None } else { self.help_or_start(tokens, &views, around) }
        });
        judgement
    }

    /// A message of signs alone: a stop sign, a question mark, a hand.
    fn signs(&self, tokens: &[Token], judgement: &mut Judgement) -> Option<Reserved> {
        if tokens.iter().any(|token| matches!(token.kind, Kind::Word | Kind::Digits)) {
            return None;
        }
        let has = |signs: &[char]| {
            tokens.iter().any(|token| matches!(token.kind, Kind::Symbol(c) if signs.contains(&c)))
        };
        let all = |wish, rule| {
            Some(Reserved { wish, rule, language: None, scope: None, tokens: (0..tokens.len()).collect() })
        };
        if has_stop_sign(tokens) {
            return all(Wish::Stop, "stop.sign");
        }
        if has(&['✋', '🖐', '🤚', '🚫', '🙅', '🖕', '📵', '🔕']) {
            judgement.contradiction = Some("sign.hand");
            return None;
        }
        let questions = !tokens.is_empty()
            && tokens.iter().all(|token| {
                token.is_mark('?')
                    || token.is_mark('¿')
                    || token.kind == Kind::Symbol('❓')
                    || token.kind == Kind::Symbol('❔')
            });
        if questions { all(Wish::Help, "help.sign") } else { None }
    }

    fn stop(
        &self,
        tokens: &[Token],
        views: &[View<'_>],
        around: &Around<'_>,
        judgement: &mut Judgement,
    ) -> Option<Reserved> {
        for view in views {
            if let Some(found) = self.whole_stop(tokens, view) {
                return Some(found);
            }
        }
        if let Some(rule) = self.contradicts(views) {
            judgement.contradiction = Some(rule);
            return None;
        }
        if let Some(found) = self.spelled(tokens, views, judgement) {
            return Some(found);
        }
        for view in views {
            if let Some(found) = self.scoped(tokens, view, around) {
                return Some(found);
            }
        }
        let mut asked = None;
        for view in views {
            match view.phrase(around) {
                Phrase::Stop(_, from, to) if self.turns_round(view, from, to) => {
                    judgement.contradiction = Some("stop.start");
                    return None;
                }
                Phrase::Stop(rule, from, to) => return Some(view.reserved(Wish::Stop, rule, from, to)),
                Phrase::Ask => asked = Some("service.cancel"),
                Phrase::Guarded => judgement.guarded = true,
                Phrase::None => {}
            }
        }
        for view in views {
            // Not interested, stop: beside a wish about the service only a sentence of its own is one about our messages.
            if let Some(found) = self.in_sentence(tokens, view, around)
                && (asked.is_none() || found.rule == "stop.sentence")
            {
                let behind = found.tokens.last().map_or(0, |last| {
                    (0..view.text.len()).take_while(|at| view.text.token(*at) <= *last).count()
                });
                if self.turns_round(view, behind.saturating_sub(1), behind) {
                    judgement.contradiction = Some("stop.start");
                    return None;
                }
                return Some(found);
            }
        }
        if asked.is_some()
            && let Some(found) = views.iter().find_map(|view| self.after_ask(view))
        {
            return Some(found);
        }
        judgement.ask = asked;
        judgement.guarded |= tokens
            .iter()
            .any(|token| self.every_language.contains(&token.skeleton) || token.skeleton.starts_with("stop"));
        self.foreign(tokens, views, Wish::Stop)
    }

    /// The whole message, with or without polite filler, is a stop word.
    fn whole_stop(&self, tokens: &[Token], view: &View<'_>) -> Option<Reserved> {
        let (all, bare) = (view.text.joined(0, view.text.len()), view.bare());
        let known = |said: &str| view.speech.stop.contains(said) || self.every_language.contains(said);
        (known(&all) || known(&bare)).then(|| view.everything(tokens, Wish::Stop, "stop.word"))
    }

    /// STOP and one more word: a programme, a record number, what is to be stopped.
    fn scoped(&self, tokens: &[Token], view: &View<'_>, around: &Around<'_>) -> Option<Reserved> {
        let said: Vec<usize> = (0..view.text.len()).filter(|at| !view.filler[*at]).collect();
        let (first, rest) = said.split_first()?;
        let stop = view.text.word(*first);
        let is_stop = view.speech.first_class.contains(stop) || self.every_language.contains(stop);
        if !is_stop
            || view.speech.writing.glued
            || rest.is_empty()
            || rest.len() > 2
            || view.text.breaks_before(rest[0])
        {
            return None;
        }
        let strong = !self.whole_only.contains(stop);
        let scope = rest.iter().map(|at| view.text.word(*at)).collect::<Vec<_>>().join(" ");
        let code = rest.len() == 1 && scope.chars().all(|c| c.is_ascii_digit()) && strong;
        let named = around.names.contains(&scope)
            || view.speech.scopes.contains(&scope)
            || self.scope_of_english(&scope);
        // UNREG is always followed by the name of a service; a name holds a digit.
        let service = rest.len() == 1
            && (matches!(stop, "unreg" | "tc")
                || strong
                    && scope.chars().any(|c| c.is_ascii_digit())
                    && scope.chars().any(char::is_alphabetic));
        if !(code || (named && strong) || service) {
            return None;
        }
        let mut found = view.everything(tokens, Wish::Stop, "stop.scope");
        found.scope = Some(scope);
        Some(found)
    }

    fn scope_of_english(&self, scope: &str) -> bool {
        self.languages.get("en").is_some_and(|english| english.scopes.contains(scope))
    }

    /// STOP among words that do not change it, as a sentence of its own, or standing out in capitals.
    fn in_sentence(&self, tokens: &[Token], view: &View<'_>, around: &Around<'_>) -> Option<Reserved> {
        let text = &view.text;
        let guarded: Vec<(usize, usize)> = view.speech.guards.all_in(text).collect();
        let free =
            |at: usize| !guarded.iter().any(|(from, to)| (*from..*to).contains(&at)) && !view.negated(at);
        let strong = |word: &str| {
            self.every_language.contains(word)
                || view.speech.first_class.contains(word)
                    && !self.whole_only.contains(word)
                    && word.chars().count() >= 4
        };
        let stops: Vec<usize> = (0..text.len())
            .filter(|at| !view.speech.writing.glued && strong(text.word(*at)) && free(*at))
            .collect();
        let first = *stops.first()?;
        let english = self.languages.get("en");
        let beside = |word: &str| {
            view.speech.around.contains(word)
                || view.speech.stop.contains(word)
                || english.is_some_and(|english| english.around.contains(word) || english.help.contains(word))
                || view.speech.help.contains(word)
        };
        if (0..text.len()).all(|at| {
            stops.contains(&at) || view.filler[at] || beside(text.word(at)) || (around.answer)(text.token(at))
        }) {
            return Some(view.words(&stops, Wish::Stop, "stop.word_in_sentence"));
        }
        // Sentences: I've had it. STOP.
        let mut from = 0;
        for to in 1..=text.len() {
            if to < text.len() && !text.breaks_before(to) {
                continue;
            }
            let left: Vec<usize> = (from..to).filter(|at| !view.filler[*at]).collect();
            if !left.is_empty() && left.iter().all(|at| stops.contains(at)) {
                return Some(view.words(&left, Wish::Stop, "stop.sentence"));
            }
            from = to;
        }
        // You keep texting me STOP
        let shouted = tokens[text.token(first)].capitals
            && tokens.iter().any(|token| token.kind == Kind::Word && !token.capitals);
        let last = text.len() - 1;
        if shouted && stops.contains(&last) && tokens[text.token(last)].capitals {
            return Some(view.words(&[last], Wish::Stop, "stop.shouted"));
        }
        None
    }

    /// Not interested stop: what ends with STOP right behind a wish about the service.
    fn after_ask(&self, view: &View<'_>) -> Option<Reserved> {
        let last = (0..view.text.len()).rev().find(|at| !view.filler[*at])?;
        let stops = self.every_language.contains(view.text.word(last));
        let behind = view.speech.asks.all_in(&view.text).any(|(_, end)| end == last);
        (stops && behind).then(|| view.words(&[last], Wish::Stop, "stop.after_ask"))
    }

    fn help_or_start(&self, tokens: &[Token], views: &[View<'_>], around: &Around<'_>) -> Option<Reserved> {
        for view in views {
            let (all, bare) = (view.text.joined(0, view.text.len()), view.bare());
            let either = |set: &HashSet<String>| set.contains(&all) || set.contains(&bare);
            let squeezed = squeeze(&bare).unwrap_or_default();
            let slipped = matches!(bare.chars().count(), 4 | 5)
                && is_slip(&bare, "help")
                && !self.real_words.contains(&bare);
            let all_help = (0..view.text.len())
                .all(|at| view.filler[at] || self.every_help.contains(view.text.word(at)))
                && !bare.is_empty();
            if either(&view.speech.help) || all_help || view.speech.help.contains(&squeezed) || slipped {
                return Some(view.everything(tokens, Wish::Help, "help.word"));
            }
            if either(&view.speech.start) || view.speech.start.contains(&squeezed) {
                return Some(view.everything(tokens, Wish::Start, "start.word"));
            }
        }
        for view in views {
            let bare = view.without_filler();
            let lead = (0..view.text.len()).take_while(|at| view.filler[*at]).count();
            if view.speech.start_phrases.whole(&bare) || view.speech.start_phrases.whole(&view.text) {
                return Some(view.everything(tokens, Wish::Start, "start.phrase"));
            }
            if view.speech.help_phrases.whole(&bare) || view.speech.help_phrases.whole(&view.text) {
                return Some(view.everything(tokens, Wish::Help, "help.phrase"));
            }
            let asked = [0, lead].into_iter().any(|at| view.speech.identity.at(&view.text, at).is_some());
            if asked && !(0..tokens.len()).any(|at| (around.answer)(at)) {
                return Some(view.everything(tokens, Wish::Help, "help.identity"));
            }
        }
        self.foreign(tokens, views, Wish::Help)
    }

    /// Does a survey label read as a stop word? For the check of a survey's options, and to ask instead of opting out.
    pub(super) fn is_reserved(&self, label: &str) -> bool {
        self.languages.values().any(|speech| {
            let said = entry_words(label, speech.writing).join(if speech.writing.glued { "" } else { " " });
            speech.stop.contains(&said) || speech.help.contains(&said) || speech.start.contains(&said)
        })
    }
}

/// A stop sign among the tokens.
fn has_stop_sign(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| matches!(token.kind, Kind::Symbol('🛑' | '⛔')))
}
