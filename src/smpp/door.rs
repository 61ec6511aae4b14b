//! The door out: the gate machine shared by every bind, looked at in the instant a PDU is written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::message::{Msisdn, Scope};
use crate::rules::machines::gate::{Gate, Generation, Verdict};

/// One door a node.
#[derive(Debug, Default)]
pub struct Door {
    gate: Mutex<Gate>,
    closings: AtomicU64,
}

/// A slice's pass: taken before consent is read from the database, held by each of its messages until they have left.
#[derive(Debug)]
pub struct Pass {
    door: Arc<Door>,
    slice: Generation,
    closings: u64,
}

impl Door {
    /// Takes a pass for a slice.
    pub fn enter(self: &Arc<Self>) -> Arc<Pass> {
        // Counted first: a STOP between the two lines makes the pass look closer, never less close.
        let closings = self.closings.load(Ordering::Acquire);
        let slice = self.gate().enter();
        Arc::new(Pass { door: Arc::clone(self), slice, closings })
    }

    /// Shuts the door to a number, before the STOP is committed.
    pub fn close(&self, number: Msisdn, scope: Scope) {
        let mut gate = self.gate();
        gate.close(number, scope);
        self.closings.fetch_add(1, Ordering::Release);
    }

    /// Opens it again, after an opt-in is committed.
    pub fn open(&self, number: Msisdn, scope: &Scope) {
        self.gate().open(number, scope);
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        // The gate's methods do not panic halfway: what a poisoned lock holds is whole.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The last look. `scopes` are those that block the message.
    pub fn judge(&self, number: Msisdn, scopes: &[Scope]) -> Verdict {
        // Nothing was closed since the pass was taken: no lock on the way of most messages. A STOP that closes the door
        // right after this load still has to be committed before it is answered: a sync of the disk, while we are at
        // the write already.
        if self.door.closings.load(Ordering::Acquire) == self.closings {
            return Verdict::Pass;
        }
        self.door.gate().judge(self.slice, number, scopes)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.door.gate().leave(self.slice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_seen_by_every_pass_taken_before_it_and_forgotten_with_the_last() {
        let door = Arc::new(Door::default());
        let code = Scope::Sender("88001".into());
        let pass = door.enter();
        assert_eq!(pass.judge(Msisdn(1), std::slice::from_ref(&code)), Verdict::Pass);
        door.close(Msisdn(1), code.clone());
        assert_eq!(pass.judge(Msisdn(1), std::slice::from_ref(&code)), Verdict::Shut);
        drop(pass);
        assert!(door.gate().is_empty());
    }
}
