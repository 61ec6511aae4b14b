//! Points at which the process dies when a test asks for it: with `BACKCHAT_CRASH_AT=slice-marked:3`, when it passes that point
//! for the third time. A build without debug assertions has none.

/// A place between two steps that must not be one without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A transaction is written, and its commit not begun.
    CommitBegins,
    /// A transaction is committed, and nobody is told.
    CommitDone,
    /// Chunks are ours, and nothing of them is marked.
    Leased,
    /// A slice is marked, and no bind has it.
    SliceMarked,
    /// A submit_sm is with the socket, and its answer has not come.
    SubmitWritten,
    /// The answer to a submit_sm is read, and not recorded.
    SubmitAnswered,
    /// A receipt is written in a transaction that is not committed.
    ReceiptWritten,
    /// A receipt is committed, and not answered.
    ReceiptDone,
    /// The gate is shut to who said STOP, and nothing committed.
    StopShut,
    /// A STOP is committed, and not answered.
    StopDone,
    /// What an earlier run left is read, and not settled.
    Recovering,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::CommitBegins,
        Self::CommitDone,
        Self::Leased,
        Self::SliceMarked,
        Self::SubmitWritten,
        Self::SubmitAnswered,
        Self::ReceiptWritten,
        Self::ReceiptDone,
        Self::StopShut,
        Self::StopDone,
        Self::Recovering,
    ];

    /// As a test writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommitBegins => "commit-begins",
            Self::CommitDone => "commit-done",
            Self::Leased => "leased",
            Self::SliceMarked => "slice-marked",
            Self::SubmitWritten => "submit-written",
            Self::SubmitAnswered => "submit-answered",
            Self::ReceiptWritten => "receipt-written",
            Self::ReceiptDone => "receipt-done",
            Self::StopShut => "stop-shut",
            Self::StopDone => "stop-done",
            Self::Recovering => "recovering",
        }
    }
}

/// Passes a point; does not come back where a test has asked for this passage.
#[cfg(debug_assertions)]
pub fn point(here: Point) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ASKED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let asked = std::env::var("BACKCHAT_CRASH_AT").ok()?;
        let (name, passage) = asked.split_once(':')?;
        Some((name.to_owned(), AtomicU64::new(passage.parse().ok()?)))
    });
    if let Some((name, left)) = &*ASKED
        && name == here.name()
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // No destructor runs, no buffer is flushed: as kill -9, but at this instruction.
        std::process::abort();
    }
}

/// Passes a point.
#[cfg(not(debug_assertions))]
pub fn point(_: Point) {}
