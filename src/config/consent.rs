//! What a code asks before it writes: whether advertising needs an opt-in, how long one counts, what STOP ends.

use super::raw::Table;
use super::unit::{duration, one_of, texts};

/// Ten years: nobody means more by the age of a consent.
const LONGEST_AGE_MS: u64 = 3_650 * 86_400_000;
/// A week: who has not confirmed by then has forgotten.
const LONGEST_WAIT_MS: u64 = 7 * 86_400_000;
/// How long a yes confirms an opt-in when nothing is said.
const USUAL_WAIT_MS: u64 = 86_400_000;

/// Whether something promotional may be sent to who has not said anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentRule {
    /// Until they opt out.
    OptOut,
    /// Only after they opted in.
    OptIn,
}

/// What a STOP to a code ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterStop {
    /// Everything from it.
    Silent,
    /// Everything but notices about what the person did or owes and one-time codes; these end with STOP ALL.
    Transactional,
}

/// What a code asks before it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeConsent {
    /// For what is promotional.
    pub advertising: ConsentRule,
    /// Programmes whose advertising needs an opt-in whatever `advertising` says.
    pub programmes: Vec<String>,
    /// An opt-in older than this, in milliseconds, counts as none. None: it does not age.
    pub max_age_ms: Option<i64>,
    /// How long an opt-in waits for its confirmation, in milliseconds.
    pub confirm_within_ms: i64,
    /// What STOP ends.
    pub after_stop: AfterStop,
}

impl CodeConsent {
    /// The rule for what is promotional in this programme.
    pub fn rule_of(&self, programme: Option<&str>) -> ConsentRule {
        match programme {
            Some(name) if self.programmes.iter().any(|needs| needs == name) => ConsentRule::OptIn,
            _ => self.advertising,
        }
    }
}

impl Default for CodeConsent {
    fn default() -> Self {
        Self {
            advertising: ConsentRule::OptOut,
            programmes: Vec::new(),
            max_age_ms: None,
            confirm_within_ms: USUAL_WAIT_MS.cast_signed(),
            after_stop: AfterStop::Silent,
        }
    }
}

/// Reads `[code.consent]`. `programmes` are those of the code.
pub(super) fn read(code: &Table<'_>, programmes: &[String]) -> CodeConsent {
    const RULES: &[(&str, ConsentRule)] = &[("opt-out", ConsentRule::OptOut), ("opt-in", ConsentRule::OptIn)];
    const AFTER: &[(&str, AfterStop)] =
        &[("silent", AfterStop::Silent), ("transactional", AfterStop::Transactional)];
    let Some(table) = code.table("consent") else { return CodeConsent::default() };
    let document = table.document();
    let mut needing = Vec::new();
    for at in table.get("programmes", texts).map(|at| at.value).unwrap_or_default() {
        match programmes.iter().find(|name| *name == at.value) {
            Some(name) => needing.push(name.clone()),
            None => {
                let hint = "write it into the code's own `programmes` first";
                document.note(at.span, format!("`{}` is no programme of this code", at.value), hint);
            }
        }
    }
    let days = duration(86_400_000..=LONGEST_AGE_MS);
    CodeConsent {
        advertising: table.or("advertising", one_of(RULES), ConsentRule::OptOut),
        programmes: needing,
        max_age_ms: table.get("max_age", days).map(|at| at.value.cast_signed()),
        confirm_within_ms: table
            .or("confirm_within", duration(60_000..=LONGEST_WAIT_MS), USUAL_WAIT_MS)
            .cast_signed(),
        after_stop: table.or("after_stop", one_of(AFTER), AfterStop::Silent),
    }
}
