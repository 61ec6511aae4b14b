//! The bill of a text, explained: parts in every alphabet, the character that makes it dear, and what plain quotes
//! and dashes would save.

use std::fmt;

use super::form::{Form, forms};
use super::shift::{Language, Shifts};
use super::split::{Offer, Unsendable, plan};
use super::typography::straighten;
use super::{Alphabet, gsm7};

/// What a text costs in one way of writing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The alphabet.
    pub alphabet: Alphabet,
    /// Its national tables.
    pub shifts: Shifts,
    /// Parts, units of text in all and units a part holds; or what stands in the way.
    pub bill: Result<Bill, Blocked>,
}

/// What a text takes in one alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// Messages to pay.
    pub parts: usize,
    /// Septets, octets or two-octet units of text, in all.
    pub units: usize,
    /// Of which a part holds so many.
    pub limit: usize,
}

/// Why an alphabet can't carry a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// It does not hold a character.
    Character {
        /// The first of them.
        character: char,
        /// The byte of the text where it stands.
        at: usize,
        /// How many characters it does not hold.
        count: usize,
    },
    /// Too many parts.
    TooLong {
        /// How many, about.
        parts: usize,
    },
}

/// What plain quotes, dashes and blanks would change.
#[derive(Clone, PartialEq, Eq)]
pub struct Saving {
    /// The text with them.
    pub text: String,
    /// What would be replaced by what, each once.
    pub replaced: Vec<(char, &'static str)>,
    /// The alphabet that would carry it.
    pub alphabet: Alphabet,
    /// In so many parts.
    pub parts: usize,
}

impl fmt::Debug for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saving")
            .field("replaced", &self.replaced)
            .field("alphabet", &self.alphabet)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// The bill of a text. Its `Display` says it in a sentence or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Every way of the offer, in its order.
    pub choices: Vec<Choice>,
    /// The one that [`plan`](super::plan) takes, as an index; `None` where there is none.
    pub chosen: Option<usize>,
    /// What would be cheaper, where anything is.
    pub saving: Option<Saving>,
}

/// Explains what `text` costs under `offer`.
pub fn cost(text: &str, offer: &Offer<'_>) -> Cost {
    let choices: Vec<Choice> = forms(offer)
        .map(|form| Choice { alphabet: form.alphabet, shifts: form.shifts, bill: bill(form, text, offer) })
        .collect();
    let parts = |choice: &Choice| choice.bill.ok().map(|bill| bill.parts);
    let chosen = choices
        .iter()
        .enumerate()
        .filter_map(|(index, choice)| Some((parts(choice)?, index)))
        .min()
        .map(|(_, index)| index);
    let now = chosen.and_then(|index| choices.get(index)).and_then(parts).unwrap_or(usize::MAX);
    let saving = straighten(text, |c| gsm7::code(c, Shifts::NONE).is_none())
        .and_then(|(text, replaced)| {
            let plan = plan(&text, offer).ok()?;
            Some(Saving { text, replaced, alphabet: plan.alphabet, parts: plan.parts.len() })
        })
        .filter(|saving| saving.parts < now);
    Cost { choices, chosen, saving }
}

fn bill(form: Form, text: &str, offer: &Offer<'_>) -> Result<Bill, Blocked> {
    match form.cut(text, offer) {
        Ok(cut) => Ok(Bill {
            parts: cut.pieces.len(),
            units: cut.pieces.iter().map(|(_, units)| units).sum(),
            limit: cut.limit,
        }),
        Err(Unsendable::TooLong { parts, .. }) => Err(Blocked::TooLong { parts }),
        Err(Unsendable::NoAlphabet { character }) => {
            let held = |c: char| form.units(c).is_some();
            Err(Blocked::Character {
                character,
                at: text.find(character).unwrap_or(0),
                count: text.chars().filter(|c| !held(*c)).count(),
            })
        }
    }
}

impl Choice {
    /// The way of writing as a person reads it, such as "GSM 7-bit with Hindi locking shift".
    pub fn title(&self) -> String {
        let name = |language: Option<Language>| language.map_or("", Language::name);
        match (self.shifts.locking, self.shifts.single) {
            (None, None) => self.alphabet.title().to_owned(),
            (Some(_), None) => format!("GSM 7-bit with {} locking shift", name(self.shifts.locking)),
            (None, Some(_)) => format!("GSM 7-bit with {} single shift", name(self.shifts.single)),
            (Some(_), Some(_)) => {
                format!("GSM 7-bit with {} locking and single shift", name(self.shifts.locking))
            }
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(chosen) = self.chosen.and_then(|index| self.choices.get(index)) else {
            return f.write_str("no alphabet offered carries this text");
        };
        if let Ok(bill) = chosen.bill {
            let s = if bill.parts == 1 { "" } else { "s" };
            write!(f, "{} part{s} as {} ({} units", bill.parts, chosen.title(), bill.units)?;
            write!(f, ", {} fit in a part)", bill.limit)?;
        }
        for other in &self.choices {
            match other.bill {
                Err(Blocked::Character { character, count, .. }) if other.shifts == Shifts::NONE => {
                    write!(
                        f,
                        "; {} does not hold {character:?} (U+{:04X})",
                        other.title(),
                        u32::from(character)
                    )?;
                    if count > 1 {
                        write!(f, " and {} more", count - 1)?;
                    }
                }
                Ok(bill) if other != chosen && other.shifts == Shifts::NONE => {
                    write!(f, "; {} as {}", bill.parts, other.title())?;
                }
                _ => {}
            }
        }
        if let Some(saving) = &self.saving {
            write!(f, "; {} as {} with ", saving.parts, saving.alphabet.title())?;
            for (index, (from, to)) in saving.replaced.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{to:?} for {from:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_that_makes_it_dear_is_named_and_a_plain_one_offered() {
        let text = format!("It’s {}", "a".repeat(100));
        let cost = cost(&text, &Offer::default());
        assert_eq!(cost.chosen, Some(1));
        assert_eq!(cost.choices[1].bill, Ok(Bill { parts: 2, units: 105, limit: 67 }));
        assert_eq!(cost.choices[0].bill, Err(Blocked::Character { character: '’', at: 2, count: 1 }));
        let saving = cost.saving.as_ref().unwrap();
        assert_eq!((saving.parts, saving.alphabet), (1, Alphabet::Gsm7));
        assert_eq!(saving.replaced, [('’', "'")]);
        assert!(saving.text.starts_with("It's "));
        assert_eq!(
            cost.to_string(),
            "2 parts as UCS-2 (105 units, 67 fit in a part); GSM 7-bit does not hold '’' (U+2019); \
             1 as GSM 7-bit with \"'\" for '’'"
        );
    }

    #[test]
    fn nothing_is_offered_where_nothing_is_saved() {
        assert_eq!(cost("It’s", &Offer::default()).saving, None, "one part either way");
        assert_eq!(cost(&format!("’{}", "ы".repeat(90)), &Offer::default()).saving, None);
        assert_eq!(cost("plain", &Offer::default()).saving, None);
    }

    #[test]
    fn national_tables_are_on_the_bill() {
        let offer = Offer { languages: &[Language::Hindi], ..Offer::default() };
        let cost = cost(&"नमस्ते ".repeat(21), &offer);
        let chosen = &cost.choices[cost.chosen.unwrap()];
        assert_eq!(chosen.title(), "GSM 7-bit with Hindi locking shift");
        assert_eq!(chosen.bill.unwrap().parts, 1);
        assert!(cost.to_string().contains("3 as UCS-2"), "{cost}");
    }

    #[test]
    fn what_the_bill_chooses_is_what_the_plan_takes() {
        let offer = Offer {
            languages: &Language::ALL,
            alphabets: &[Alphabet::Gsm7, Alphabet::Latin1, Alphabet::Ucs2],
            ..Offer::default()
        };
        for text in ["", "abc", "[[[[[[", "ê", "Işık", "🙂", "నమస్తే"] {
            for times in [1, 20, 60, 200] {
                let text = text.repeat(times);
                let (cost, plan) = (cost(&text, &offer), plan(&text, &offer).unwrap());
                let chosen = &cost.choices[cost.chosen.unwrap()];
                assert_eq!((chosen.alphabet, chosen.shifts), (plan.alphabet, plan.shifts), "{text}");
                assert_eq!(chosen.bill.unwrap().parts, plan.parts.len());
            }
        }
    }
}
