//! The decisions: pure functions and machines that read no clock and touch no socket or database.

pub mod campaign;
pub mod consent;
pub mod delivery;
pub mod hours;
pub mod inbound;
pub mod loops;
pub mod machines;
pub mod merge;
pub mod reading;
pub mod retention;
pub mod survey;
