//! What decides over time: each machine is driven by events and time given to it, and is the same for every run.

pub mod correlator;
pub mod dispatcher;
pub mod doubt;
pub mod faults;
pub mod gate;
pub mod joiner;
pub mod outstanding;
pub mod pacer;
