//! From what was found to one verdict.

use std::collections::BTreeSet;

use super::{
    Candidate, Context, Flag, Keyword, Kind, LONGEST_READ, Opens, PendingOptIn, Question, Reader, Reading,
    Verdict,
    compliance::{Around, Judgement, Reserved, Wish},
    date::{Day, day},
    fold::fold,
    grammar::{Found, Scale, evaluate},
    items::{Form, Item, What, items},
    labels::{self, Named, named},
    lexica::Lexica,
    lexicon::{Strength, is},
    strip::{Noise, folded_word},
    tokens::{Kind as TokenKind, Token, tokens},
};

/// Reads a reply.
pub(super) fn read(reader: &Reader, text: &str, context: &Context<'_>) -> Reading {
    let cut = text.char_indices().nth(LONGEST_READ).map_or(text.len(), |(at, _)| at);
    let language = context
        .language
        .map(|code| code.split(['-', '_']).next().unwrap_or(code))
        .filter(|code| *code != "und");
    let ours: Vec<&str> = context
        .our_last_text
        .into_iter()
        .chain(context.question.into_iter().flat_map(|question| question.asked.iter().map(String::as_str)))
        .collect();
    let stripped = reader.strip.strip(tokens(&fold(&text[..cut])), &ours);
    let mut reading = Reading {
        verdict: Verdict::FreeText,
        kept_answer: None,
        comment: None,
        rule: "nothing",
        candidates: Vec::new(),
        language_hint: None,
        flags: if cut < text.len() { vec![Flag::Truncated] } else { Vec::new() },
    };
    let (noise, reply) = (stripped.noise, Reply::new(reader, text, stripped.tokens, language, context));
    match noise {
        Some(noise) if !(noise == Noise::AutoReply && reply.tells_us_to_stop()) => {
            let (rule, flag) = match noise {
                Noise::Reaction => ("noise.reaction", Flag::Reaction),
                Noise::Echo => ("noise.echo", Flag::Echo),
                Noise::AutoReply => ("noise.auto_reply", Flag::AutoReply),
                Noise::Notice => ("noise.notice", Flag::Notice),
            };
            reading.rule = rule;
            reading.flags.push(flag);
            reading
        }
        _ => reply.decide(reading),
    }
}

/// An auto-reply that offers to stop itself is longer.
const SHORT_WORDS: usize = 10;

/// A reply about to be decided.
pub(super) struct Reply<'a> {
    pub(super) reader: &'a Reader,
    text: &'a str,
    pub(super) tokens: Vec<Token>,
    language: Option<&'a str>,
    context: &'a Context<'a>,
    /// The open survey's keyword, folded.
    prefixes: Vec<String>,
}

impl<'a> Reply<'a> {
    fn new(
        reader: &'a Reader,
        text: &'a str,
        tokens: Vec<Token>,
        language: Option<&'a str>,
        context: &'a Context<'a>,
    ) -> Self {
        let prefixes = context
            .question
            .and_then(|question| question.keyword.as_deref())
            .map(folded_word)
            .into_iter()
            .collect();
        Self { reader, text, tokens, language, context, prefixes }
    }

    fn decide(&self, mut reading: Reading) -> Reading {
        let all = self.items(&|_| true);
        reading.candidates = self.candidates(&all);
        let judgement = self.judge(&all);
        let stop = judgement.reserved.as_ref().filter(|reserved| reserved.wish == Wish::Stop);
        if let Some(reserved) = stop.filter(|reserved| !self.corrects_itself(reserved, &all)) {
            return self.opted_out(reading, reserved);
        }
        if let Some(rule) = judgement.contradiction {
            return verdict(reading, Verdict::Ambiguous, rule);
        }
        if let Some(keyword) = self.keyword() {
            reading.flags.push(Flag::Keyword(folded_word(&keyword.word)));
            if keyword.opens == Opens::OptIn && self.is_alone(&all) {
                return verdict(reading, Verdict::OptIn, "start.keyword");
            }
            let (meaning, rule) = match keyword.opens {
                Opens::Survey => (Verdict::FreeText, "keyword"),
                Opens::OptIn => (Verdict::Ambiguous, "start.keyword_and_more"),
            };
            return verdict(reading, meaning, rule);
        }
        let asks = judgement.reserved.as_ref().filter(|reserved| reserved.wish != Wish::Stop);
        if let Some(reserved) = asks.filter(|reserved| !self.is_rather_an_option(reserved, &all)) {
            reading.language_hint.clone_from(&reserved.language);
            let meaning = if reserved.wish == Wish::Help { Verdict::Help } else { Verdict::OptIn };
            return verdict(reading, meaning, reserved.rule);
        }
        if judgement.guarded {
            reading.flags.push(Flag::StopMentioned);
        }
        if judgement.ask.is_some() {
            reading.flags.push(Flag::ServiceCancel);
        }
        if self.context.pending_opt_in == PendingOptIn::Asked
            && let Some((meaning, rule)) = self.confirmation(&all)
        {
            if rule == "confirm.no" {
                reading.flags.push(Flag::Declined);
            }
            return verdict(reading, meaning, rule);
        }
        match self.context.question {
            Some(question) => self.answered(reading, question, &all, &judgement),
            None => self.unasked(reading, &all, &judgement),
        }
    }

    /// `im at work stop texting me`: a person wrote this.
    fn tells_us_to_stop(&self) -> bool {
        let words = self.tokens.iter().filter(|token| token.kind == TokenKind::Word);
        let judgement = self.judge(&[]);
        words.count() <= SHORT_WORDS
            && judgement.reserved.is_some_and(|reserved| {
                let first = reserved.tokens.first().and_then(|at| self.tokens.get(*at));
                reserved.wish == Wish::Stop
                    && first
                        .is_some_and(|token| self.reader.compliance.every_language.contains(&token.skeleton))
            })
    }

    fn lexica(&self) -> Lexica<'_> {
        Lexica::new(&self.reader.lexica, self.language, &self.reader.anywhere, &self.prefixes)
    }

    /// The items of the tokens for which `keep` is true.
    fn items(&self, keep: &dyn Fn(usize) -> bool) -> Vec<Item> {
        let kept: Vec<Token> = self
            .tokens
            .iter()
            .enumerate()
            .filter(|(at, _)| keep(*at))
            .map(|(_, token)| token.clone())
            .collect();
        items(&kept, &self.lexica())
    }

    fn candidates(&self, items: &[Item]) -> Vec<Candidate> {
        items
            .iter()
            .filter_map(|item| {
                let number = item.number().filter(|number| number.strength > Strength::Near)?;
                let rule = number.reject.unwrap_or(match (number.form, number.ordinal) {
                    (_, true) => "ordinal",
                    (Form::Digits, _) => "digits",
                    (Form::Word, _) => "word",
                    (Form::Roman, _) => "roman",
                });
                let span = self.tokens.get(item.from)?.start..self.tokens.get(item.to.checked_sub(1)?)?.end;
                Some(Candidate { value: number.value, span, rule })
            })
            .collect()
    }

    fn judge(&self, items: &[Item]) -> Judgement {
        let mut answer: BTreeSet<usize> = BTreeSet::new();
        for (at, item) in items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.number().is_some_and(|n| n.strength == Strength::Strong))
        {
            answer.extend(item.from..item.to);
            for before in items[..at].iter().rev().take_while(|item| {
                item.has(is::CUE | is::NEUTRAL)
                    || matches!(item.what, What::Mark(_))
                    || self.prefixes.contains(&item.skeleton)
            }) {
                answer.extend(before.from..before.to);
            }
        }
        let words = self.context.keywords.iter().map(|keyword| folded_word(&keyword.word));
        let names: Vec<String> =
            self.context.programmes.iter().map(|name| folded_word(name)).chain(words).collect();
        self.reader.compliance.judge(
            &self.tokens,
            &Around { language: self.language, names: &names, answer: &|token| answer.contains(&token) },
        )
    }

    /// `打错了，是3` to an open question: the sender mistyped, nobody reached the wrong person.
    fn corrects_itself(&self, reserved: &Reserved, items: &[Item]) -> bool {
        let scale = self.context.question.and_then(|question| scale_of(&question.kind));
        let answers = |scale| {
            matches!(self.find(items, scale, &Named::default()), Found::Value { corrected: true, .. })
        };
        let mistyped = items.iter().any(|item| item.has(is::CORRECT))
            && items.iter().any(|item| item.number().is_some());
        reserved.rule == "stop.wrong_number" && mistyped && (scale.is_some_and(answers) || scale.is_some())
    }

    /// `suport` for poor support: a help word of another language that is one of this question's options, misspelt.
    fn is_rather_an_option(&self, reserved: &Reserved, items: &[Item]) -> bool {
        reserved.rule == "help.foreign"
            && self
                .context
                .question
                .is_some_and(|question| self.named(items, &question.kind).exactly.is_some())
    }

    /// The wish to stop, and the answer beside it.
    fn opted_out(&self, mut reading: Reading, reserved: &Reserved) -> Reading {
        let said: Vec<&str> = self
            .tokens
            .iter()
            .filter(|token| token.kind == TokenKind::Word)
            .map(|token| token.skeleton.as_str())
            .collect();
        let said = said.join(" ");
        if let Some(question) = self.context.question {
            if matches!(question.kind, Kind::Range { .. }) && self.is_score(reserved, &said) {
                return verdict(reading, Verdict::Ambiguous, "stop.or_score");
            }
            if reserved.rule == "stop.word" && self.is_option(&question.kind, &said) {
                return verdict(reading, Verdict::Ambiguous, "stop.or_option");
            }
            let rest = self.items(&|at| !reserved.tokens.contains(&at));
            let ahead = reserved.tokens.first().is_some_and(|first| *first > 0);
            if let (Some(scale), true) = (scale_of(&question.kind), ahead)
                && let Found::Value { value, .. } = self.find(&rest, scale, &Named::default())
                && self.is_valid(&question.kind, value)
            {
                reading.kept_answer = Some(value);
            }
        }
        match reserved.rule {
            "stop.wrong_number" => reading.flags.push(Flag::WrongNumber),
            "stop.hostile" => reading.flags.push(Flag::Hostile),
            _ => {}
        }
        if ["delete", "erase", "hapus", "borr", "sterge", "удал", "supprim", "losch", "elimin"]
            .iter()
            .any(|verb| said.contains(verb))
        {
            reading.flags.push(Flag::Erasure);
        }
        reading.language_hint.clone_from(&reserved.language);
        verdict(reading, Verdict::OptOut { scope_word: reserved.scope.clone() }, reserved.rule)
    }

    /// A stop word that is a middling score too, alone or with courtesies: `cukup`, `ya cukup`.
    fn is_score(&self, reserved: &Reserved, said: &str) -> bool {
        let compliance = &self.reader.compliance;
        let courteous =
            matches!(reserved.rule, "stop.word" | "stop.foreign") && !compliance.is_reserved(said);
        compliance.is_score_word(said)
            || courteous && said.split(' ').any(|word| compliance.is_score_word(word))
    }

    /// A keyword of this sender at the head of the reply, unless it is the open question's own.
    fn keyword(&self) -> Option<&'a Keyword> {
        let first = self.tokens.iter().find(|token| token.kind == TokenKind::Word)?;
        if self.prefixes.contains(&first.skeleton) {
            return None;
        }
        self.context.keywords.iter().find(|keyword| folded_word(&keyword.word) == first.skeleton)
    }

    /// One word, and nothing beside it but courtesy.
    fn is_alone(&self, items: &[Item]) -> bool {
        let telling = items
            .iter()
            .filter(|item| {
                !matches!(item.what, What::Mark(_) | What::Symbol(_)) && !item.has(is::POLITE | is::NEUTRAL)
            })
            .count();
        telling <= 1
    }

    fn find(&self, items: &[Item], scale: Scale, named: &Named) -> Found {
        evaluate(items, scale, named, &self.lexica())
    }

    fn named(&self, items: &[Item], kind: &Kind) -> Named {
        let Kind::Choice { labels, .. } = kind else { return Named::default() };
        if !items.iter().any(labels::can_name) {
            return Named::default();
        }
        let languages = self.language.into_iter().chain(["en"]).chain(labels.keys().map(String::as_str));
        let mut seen = BTreeSet::new();
        let mut best = Named::default();
        for language in languages.filter(|language| seen.insert(*language)) {
            let (Some(labels), Some(lexicon)) = (labels.get(language), self.reader.lexica.get(language))
            else {
                continue;
            };
            let named = named(items, labels, lexicon);
            if !named.mentioned.is_empty() {
                best = named;
                break;
            }
        }
        best
    }

    fn is_option(&self, kind: &Kind, said: &str) -> bool {
        let Kind::Choice { labels, .. } = kind else { return false };
        labels.values().flat_map(|labels| labels.values()).any(|label| labels::plain(label) == said)
    }

    fn is_valid(&self, kind: &Kind, value: i64) -> bool {
        match kind {
            Kind::Choice { values, .. } => values.contains(&value),
            Kind::Range { min, max } => (*min..=*max).contains(&value),
            _ => true,
        }
    }

    /// The reply against the open question.
    fn answered(
        &self,
        reading: Reading,
        question: &Question,
        items: &[Item],
        judgement: &Judgement,
    ) -> Reading {
        match &question.kind {
            Kind::Choice { .. } | Kind::Range { .. } => {
                self.scored(reading, &question.kind, items, judgement)
            }
            Kind::FreeText if items.is_empty() => verdict(reading, Verdict::FreeText, "nothing"),
            Kind::FreeText => verdict(reading, Verdict::FreeText, "words"),
            Kind::YesNo => match self.yes_or_no(items) {
                Some(value) => verdict(reading, Verdict::Answer(value), "yes_no"),
                None if items.iter().any(|item| item.has(is::YES | is::NO)) => {
                    verdict(reading, Verdict::Ambiguous, "yes_no.doubt")
                }
                None => verdict(reading, Verdict::FreeText, "nothing"),
            },
            Kind::Number => match self.find(items, Scale::Range(i64::MIN, i64::MAX), &Named::default()) {
                Found::Value { value, rule, .. } => verdict(reading, Verdict::Answer(value), rule),
                Found::Ask("large") => match self.only_digits() {
                    Some(value) => verdict(reading, Verdict::Answer(value), "number"),
                    None => verdict(reading, Verdict::Ambiguous, "large"),
                },
                Found::Ask(rule) => verdict(reading, Verdict::Ambiguous, rule),
                Found::Nothing => verdict(reading, Verdict::FreeText, "nothing"),
            },
            Kind::Date => match day(&self.tokens, &self.lexica()) {
                Day::Is(_) if items.iter().any(is_doubt) => {
                    verdict(reading, Verdict::Ambiguous, "date.doubt")
                }
                Day::Is(value) => verdict(reading, Verdict::Answer(value), "date"),
                Day::Unclear => verdict(reading, Verdict::Ambiguous, "date.doubt"),
                Day::Missing => verdict(reading, Verdict::FreeText, "nothing"),
            },
        }
    }

    /// A choice or a score.
    fn scored(&self, mut reading: Reading, kind: &Kind, items: &[Item], judgement: &Judgement) -> Reading {
        let named = self.named(items, kind);
        let Some(scale) = scale_of(kind) else { return reading };
        match self.find(items, scale, &named) {
            Found::Value { value, .. } if !self.is_valid(kind, value) => {
                return verdict(reading, Verdict::Ambiguous, "out_of_range");
            }
            Found::Value { value, rule, corrected } => {
                if corrected {
                    reading.flags.push(Flag::Corrected);
                }
                if contradicts(items, scale, value) {
                    reading.flags.push(Flag::Contradictory);
                }
                reading.comment = self.comment(items);
                return verdict(reading, Verdict::Answer(value), rule);
            }
            Found::Ask(rule) => return verdict(reading, Verdict::Ambiguous, rule),
            Found::Nothing => {}
        }
        let negated = items.iter().any(|item| item.has(is::NEGATE | is::NEGATE_AFTER | is::NO))
            || items.iter().any(|item| item.is_mark('?'));
        match (named.exactly.or(named.within), negated) {
            (Some(value), false) => {
                let rule = if named.exactly.is_some() { "label" } else { "label.within" };
                reading.comment = named.exactly.is_none().then(|| self.text.trim().to_owned());
                return verdict(reading, Verdict::Answer(value), rule);
            }
            _ if !named.mentioned.is_empty() => return verdict(reading, Verdict::Ambiguous, "label.doubt"),
            _ => {}
        }
        if let Some(rule) = judgement.ask {
            return verdict(reading, Verdict::Ambiguous, rule);
        }
        match self.asks(items) {
            Some(rule) => verdict(reading, Verdict::Ambiguous, rule),
            None => verdict(reading, Verdict::FreeText, "nothing"),
        }
    }

    /// A reply when nothing is open.
    fn unasked(&self, mut reading: Reading, items: &[Item], judgement: &Judgement) -> Reading {
        if let Some(rule) = judgement.ask {
            return verdict(reading, Verdict::Ambiguous, rule);
        }
        let plain = items.iter().all(|item| {
            !matches!(item.what, What::Word)
                || item.has(
                    is::CUE | is::NEUTRAL | is::SCALE | is::PRAISE | is::POLITE | is::OUT_OF | is::OF_MAX,
                )
        });
        let late = match self.find(items, Scale::Range(0, LATE_MAX), &Named::default()) {
            Found::Value { .. } => true,
            Found::Ask("large" | "zeros" | "phone" | "clock" | "unit" | "money") | Found::Nothing => false,
            Found::Ask(_) => plain,
        };
        if late {
            reading.flags.push(Flag::LateAnswer);
            return verdict(reading, Verdict::Ambiguous, "late_answer");
        }
        let said: Vec<&str> = self
            .tokens
            .iter()
            .filter(|token| token.kind == TokenKind::Word)
            .map(|token| token.skeleton.as_str())
            .collect();
        if self.reader.compliance.is_asked_alone(&said.join(" ")) || self.yes_or_no(items).is_some() {
            return verdict(reading, Verdict::Ambiguous, "no_question");
        }
        verdict(reading, Verdict::FreeText, "nothing")
    }

    fn only_digits(&self) -> Option<i64> {
        match self.tokens.as_slice() {
            [token] if token.kind == TokenKind::Digits => token.text.parse().ok(),
            _ => None,
        }
    }

    /// The reply as written, if there is more in it than the answer.
    fn comment(&self, items: &[Item]) -> Option<String> {
        let more = items.iter().any(|item| {
            matches!(item.what, What::Word)
                && !item.has(is::CUE | is::SCALE | is::POLITE | is::OUT_OF | is::OF_MAX | is::NEUTRAL)
        });
        more.then(|| self.text.trim().to_owned())
    }
}

/// Highest score looked for when nothing is open: a number beyond it is no late answer.
const LATE_MAX: i64 = 10;

fn verdict(mut reading: Reading, meaning: Verdict, rule: &'static str) -> Reading {
    reading.verdict = meaning;
    reading.rule = rule;
    reading
}

fn scale_of(kind: &Kind) -> Option<Scale> {
    match kind {
        Kind::Choice { values, .. } => Some(Scale::Choice(*values.first()?, *values.last()?)),
        Kind::Range { min, max } => Some(Scale::Range(*min, *max)),
        _ => None,
    }
}

/// Not, about, or a question mark: said of a date, it is asked about.
fn is_doubt(item: &Item) -> bool {
    item.has(is::NEGATE | is::NEGATE_AFTER | is::APPROX) || item.is_mark('?')
}

/// A high score with words of blame, a low one with words of praise.
fn contradicts(items: &[Item], scale: Scale, value: i64) -> bool {
    let Scale::Range(min, max) = scale else { return false };
    let (low, high) = (value - min <= (max - min) / 4, max - value <= (max - min) / 4);
    let (praise, blame) =
        (items.iter().any(|item| item.has(is::PRAISE)), items.iter().any(|item| item.has(is::BLAME)));
    (low && praise && !blame) || (high && blame && !praise)
}
