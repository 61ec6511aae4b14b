//! What decides over time: each machine is driven by events and time given to it, and is the same for every run.

pub mod gate;
pub mod joiner;
