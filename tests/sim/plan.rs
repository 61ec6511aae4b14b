//! What a run is made of: each seed draws its sizes, which faults exist in it, and how likely they are.

use std::num::NonZeroU32;
use std::time::Duration;

use backchat::backoff::Backoff;
use backchat::rules::delivery::Patience;
use backchat::rules::machines::doubt::{AfterHold, Doubts, InDoubtPolicy};
use backchat::rules::machines::faults::{Fault, Planted};

use crate::dice::Dice;
use crate::model::Flaws;

/// What the world around the machines does wrong on purpose, for the checker to catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorldFault {
    /// A client is told "accepted" before the commit.
    AcceptBeforeCommit,
    /// A handset's message is answered before the commit.
    AnswerBeforeCommit,
    /// The gate shuts only after the STOP is committed and answered.
    ShutLate,
    /// The gate shuts before the commit of a STOP, and not once more after it.
    ShutOnce,
    /// A crash loses commits that were told as done.
    SynchronousOff,
    /// A redelivered message of a handset is registered again.
    ForgetRedelivery,
    /// What the last run left is not settled, at the start or later.
    SkipRecovery,
    /// The model of the store: see [`Flaws`].
    IgnoreEpoch,
    ForgetParked,
    RevertFinal,
}

impl WorldFault {
    pub const ALL: [Self; 10] = [
        Self::AcceptBeforeCommit,
        Self::AnswerBeforeCommit,
        Self::ShutLate,
        Self::ShutOnce,
        Self::SynchronousOff,
        Self::ForgetRedelivery,
        Self::SkipRecovery,
        Self::IgnoreEpoch,
        Self::ForgetParked,
        Self::RevertFinal,
    ];
}

/// A safety step left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    Machine(Fault),
    World(WorldFault),
}

impl Broken {
    pub fn planted(self) -> Planted {
        match self {
            Self::Machine(fault) => Planted::only(fault),
            _ => Planted::NONE,
        }
    }

    pub fn is(self, fault: WorldFault) -> bool {
        self == Self::World(fault)
    }

    pub fn flaws(self) -> Flaws {
        Flaws {
            ignore_epoch: self.is(WorldFault::IgnoreEpoch),
            forget_parked: self.is(WorldFault::ForgetParked),
            revert_final: self.is(WorldFault::RevertFinal),
        }
    }
}

/// How likely things go wrong, in thousandths of the occasions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Odds {
    /// Store: a command fails, commits and loses its answer, is slow.
    pub store_fails: u64,
    pub store_unknown: u64,
    pub store_slow: u64,
    /// Network: a stream is cut into more pieces, delayed, clogged.
    pub net_delay: u64,
    pub net_clog: u64,
    /// Carrier: throttles, refuses for now or for good, says nothing, answers late or never.
    pub throttle: u64,
    pub temporary: u64,
    pub refuse: u64,
    pub silent: u64,
    pub late: u64,
    pub lose_answer: u64,
    /// Receipts: before the response, twice, an intermediate one after the final one, undeliverable.
    pub receipt_first: u64,
    pub receipt_twice: u64,
    pub receipt_reordered: u64,
    pub undeliverable: u64,
    /// The handset's messages: sent again although answered.
    pub redeliver: u64,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub binds: usize,
    pub window: usize,
    pub rate: NonZeroU32,
    pub queue_slices: usize,
    pub doubts: Doubts,
    pub patience: Patience,
    pub numbers: u64,
    pub batches: u64,
    pub batch_messages: u64,
    pub campaigns: u64,
    pub long: u64,
    pub expiring: u64,
    pub scheduled: u64,
    pub words: u64,
    pub busy: Duration,
    pub crashes: u64,
    pub drains: u64,
    /// In thousandths: a stop that takes too long for somebody, who kills it.
    pub impatient: u64,
    pub resets: u64,
    pub outages: u64,
    pub clock_ppm: u64,
    pub clock_steps: bool,
    pub refuse_second_bind: bool,
    pub reuse_ids: bool,
    pub carrier_rate: u64,
    pub odds: Odds,
    pub broken: Broken,
}

impl Plan {
    pub fn draw(dice: &mut Dice, broken: Broken) -> Self {
        let patience = Patience {
            attempts: 4,
            backoff: Backoff { min: Duration::from_millis(200), max: Duration::from_secs(3) },
        };
        let policy = dice.pick(&[InDoubtPolicy::Resend, InDoubtPolicy::Hold, InDoubtPolicy::Never]);
        let after = dice.pick(&[AfterHold::Resend, AfterHold::Leave]);
        let doubts = Doubts { policy, hold: Duration::from_millis(dice.between(500, 4_000)), after };
        // Each fault exists in some runs only: where everything fails all the time, little gets far enough to go wrong.
        fn some(dice: &mut Dice, most: u64) -> u64 {
            if dice.chance(350) { dice.between(1, most) } else { 0 }
        }
        let odds = Odds {
            store_fails: some(dice, 200),
            store_unknown: some(dice, 150),
            store_slow: some(dice, 400),
            net_delay: some(dice, 400),
            net_clog: some(dice, 60),
            throttle: some(dice, 200),
            temporary: some(dice, 150),
            refuse: some(dice, 100),
            silent: some(dice, 30),
            late: some(dice, 40),
            lose_answer: some(dice, 60),
            receipt_first: some(dice, 500),
            receipt_twice: some(dice, 300),
            receipt_reordered: some(dice, 400),
            undeliverable: some(dice, 200),
            redeliver: some(dice, 300),
        };
        let mut plan = Self {
            binds: dice.between(1, 3) as usize,
            window: dice.between(1, 12) as usize,
            rate: NonZeroU32::new(dice.between(5, 120) as u32).unwrap_or(NonZeroU32::MIN),
            queue_slices: dice.between(1, 2) as usize,
            doubts,
            patience,
            numbers: dice.between(1, 8),
            batches: dice.between(3, 10),
            batch_messages: dice.between(1, 12),
            campaigns: dice.between(1, 3),
            long: some(dice, 400),
            expiring: some(dice, 400),
            scheduled: some(dice, 300),
            words: if dice.chance(200) { dice.between(8, 30) } else { dice.between(0, 8) },
            busy: Duration::from_millis(dice.between(1_000, 8_000)),
            crashes: if dice.chance(500) { dice.between(1, 4) } else { 0 },
            drains: if dice.chance(300) { dice.between(1, 3) } else { 0 },
            impatient: some(dice, 700),
            resets: if dice.chance(400) { dice.between(1, 5) } else { 0 },
            outages: if dice.chance(300) { dice.between(1, 2) } else { 0 },
            clock_ppm: some(dice, 500),
            clock_steps: dice.chance(200),
            refuse_second_bind: dice.chance(300),
            reuse_ids: dice.chance(150),
            carrier_rate: if dice.chance(300) { dice.between(3, 60) } else { u64::MAX },
            odds,
            broken,
        };
        plan.bring_about(dice);
        plan
    }

    /// Some faults show only where two rare things meet: a run that is to catch one has these oftener.
    fn bring_about(&mut self, dice: &mut Dice) {
        match self.broken {
            Broken::Machine(Fault::RequeueWhileOpen) => {
                (self.drains, self.impatient, self.batch_messages) = (dice.between(2, 6), 1_000, 12);
                (self.binds, self.window, self.odds.lose_answer) = (1, 3, 200);
                self.rate = NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN);
            }
            Broken::World(WorldFault::IgnoreEpoch) => {
                (self.drains, self.impatient) = (dice.between(2, 6), 1_000);
                (self.odds.store_slow, self.batch_messages) = (400, 12);
            }
            Broken::World(WorldFault::ShutOnce) => {
                (self.numbers, self.words) = (dice.between(1, 2), dice.between(15, 40));
                (self.odds.store_slow, self.batches) = (400, 20);
            }
            _ => {}
        }
    }
}
