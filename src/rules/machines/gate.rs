//! The gate: the last look at consent, in memory, at the instant a PDU is written.
//!
//! The slice's transaction has already judged consent from the database. The gate knows only what was closed since:
//! a STOP that arrived after a slice was judged is caught here. An entry is dropped once every slice judged before it
//! has left, so the gate stays small whatever the number of opt-outs.

use std::collections::{BTreeMap, HashMap};

use crate::message::{Msisdn, Scope};

/// What a slice was judged under: everything closed later is news to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// May this message still go?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing closed since the slice was judged.
    Pass,
    /// A STOP came in between.
    Shut,
}

/// The gate of one node.
#[derive(Debug, Default)]
pub struct Gate {
    generation: u64,
    closed: HashMap<Msisdn, Vec<(Scope, u64)>>,
    live: BTreeMap<u64, usize>,
}

impl Gate {
    /// A slice is about to be judged: call this before the database is asked, so that nothing falls between.
    pub fn enter(&mut self) -> Generation {
        *self.live.entry(self.generation).or_default() += 1;
        Generation(self.generation)
    }

    /// The last message of a slice has left or been given back.
    pub fn leave(&mut self, slice: Generation) {
        if let Some(count) = self.live.get_mut(&slice.0) {
            *count -= 1;
            if *count == 0 {
                self.live.remove(&slice.0);
                self.forget_what_everyone_knows();
            }
        }
    }

    /// Closes a number in a scope: nothing more begins to it.
    pub fn close(&mut self, number: Msisdn, scope: Scope) {
        self.generation += 1;
        let entries = self.closed.entry(number).or_default();
        entries.retain(|(other, _)| *other != scope);
        entries.push((scope, self.generation));
    }

    /// Opens it again, after an opt-in.
    pub fn open(&mut self, number: Msisdn, scope: &Scope) {
        if let Some(entries) = self.closed.get_mut(&number) {
            entries.retain(|(other, _)| other != scope);
        }
    }

    /// The last look: `scopes` are those that block this message.
    pub fn judge(&self, slice: Generation, number: Msisdn, scopes: &[Scope]) -> Verdict {
        if slice.0 == self.generation {
            return Verdict::Pass;
        }
        let shut = self
            .closed
            .get(&number)
            .is_some_and(|entries| entries.iter().any(|(scope, at)| *at > slice.0 && scopes.contains(scope)));
        if shut { Verdict::Shut } else { Verdict::Pass }
    }

    /// The generation now; a slice of this generation passes unseen.
    pub fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// Numbers remembered.
    pub fn len(&self) -> usize {
        self.closed.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty()
    }

    fn forget_what_everyone_knows(&mut self) {
        let oldest = self.live.keys().next().copied().unwrap_or(self.generation);
        self.closed.retain(|_, entries| {
            entries.retain(|(_, at)| *at > oldest);
            !entries.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code() -> Scope {
        Scope::Sender("88001".into())
    }

    #[test]
    fn a_stop_after_the_slice_was_judged_shuts_the_gate_for_it() {
        let mut gate = Gate::default();
        let slice = gate.enter();
        assert_eq!(gate.judge(slice, Msisdn(1), &[code()]), Verdict::Pass);
        gate.close(Msisdn(1), code());
        assert_eq!(gate.judge(slice, Msisdn(1), &[code()]), Verdict::Shut);
        assert_eq!(gate.judge(slice, Msisdn(2), &[code()]), Verdict::Pass);
        assert_eq!(gate.judge(slice, Msisdn(1), &[]), Verdict::Pass, "the confirmation");
        gate.open(Msisdn(1), &code());
        assert_eq!(gate.judge(slice, Msisdn(1), &[code()]), Verdict::Pass);
    }

    #[test]
    fn an_entry_is_dropped_when_no_slice_is_older_than_it() {
        let mut gate = Gate::default();
        let (old, other) = (gate.enter(), gate.enter());
        gate.close(Msisdn(1), code());
        let new = gate.enter();
        gate.leave(old);
        assert_eq!(gate.len(), 1, "another slice is as old");
        gate.leave(other);
        assert!(gate.is_empty());
        gate.leave(new);
    }

    proptest! {
        /// Against the plain model: remember every close with its order, never forget.
        #[test]
        fn forgetting_never_lets_a_stopped_number_through(steps in proptest::collection::vec((0..4_u8, 0..3_u64), 1..200)) {
            let mut gate = Gate::default();
            let mut slices: Vec<(Generation, usize)> = Vec::new();
            let mut events: Vec<(u64, bool)> = Vec::new();
            for (step, number) in steps {
                match step {
                    0 => slices.push((gate.enter(), events.len())),
                    1 => if let Some((slice, _)) = slices.pop() { gate.leave(slice) },
                    2 => { gate.close(Msisdn(number), code()); events.push((number, true)); }
                    _ => { gate.open(Msisdn(number), &code()); events.push((number, false)); }
                }
                for (slice, since) in &slices {
                    for number in 0..3 {
                        let closed = events[*since..].iter().rev().find(|(n, _)| *n == number).is_some_and(|(_, c)| *c);
                        let want = if closed { Verdict::Shut } else { Verdict::Pass };
                        prop_assert_eq!(gate.judge(*slice, Msisdn(number), &[code()]), want);
                    }
                }
            }
        }
    }
}
