//! Safety steps that can be left out, for the simulation alone: a checker that does not notice a step is missing proves
//! nothing about it. The program plants none.

/// A step to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// What the slice's transaction says about consent is not looked at.
    SkipSliceConsent,
    /// The last look at the gate, in the instant of writing, is left out.
    SkipGate,
    /// A slice is handed to a bind although its watermark is not committed.
    WriteBeforeMark,
    /// An outcome whose commit failed is not written again.
    ForgetOutcome,
    /// A message in doubt is sent again without being listed.
    ResendUnlisted,
    /// A message in doubt is sent again whatever the policy says.
    ResendUnderNever,
    /// A message that is to be tried again is put into no chunk.
    ForgetRetry,
    /// The rate is counted in messages, not in parts.
    CountMessages,
    /// Validity is looked at neither in the slice nor in the instant of writing.
    IgnoreValidity,
    /// A part the carrier is too busy for is dropped.
    DropThrottled,
    /// A chunk is closed with its first message.
    CloseEarly,
    /// "Throttled" does not slow us down.
    IgnoreThrottled,
    /// After a crash, what lies over the watermark is not queued again.
    ForgetUnsent,
    /// What a stop finds unsent is queued again while its chunk is still open, where a crash queues it once more.
    RequeueWhileOpen,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::SkipSliceConsent,
        Self::SkipGate,
        Self::WriteBeforeMark,
        Self::ForgetOutcome,
        Self::ResendUnlisted,
        Self::ResendUnderNever,
        Self::ForgetRetry,
        Self::CountMessages,
        Self::IgnoreValidity,
        Self::DropThrottled,
        Self::CloseEarly,
        Self::IgnoreThrottled,
        Self::ForgetUnsent,
        Self::RequeueWhileOpen,
    ];
}

/// The fault planted in a run: none but in a simulation that means to see it caught.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planted(Option<Fault>);

impl Planted {
    /// What the program runs with.
    pub const NONE: Self = Self(None);

    /// A run without this step.
    pub const fn only(fault: Fault) -> Self {
        Self(Some(fault))
    }

    /// Whether this step is left out.
    pub fn has(self, fault: Fault) -> bool {
        self.0 == Some(fault)
    }
}
