//! Backchat: an SMPP gateway and two-way SMS server. Each module may use those declared above it, and no other.

pub mod app;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod flow;
pub mod message;
pub mod metrics;
pub mod rules;
pub mod simulator;
pub mod smpp;
pub mod store;
