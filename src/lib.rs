//! Backchat: an SMPP gateway and two-way SMS server. Each module may use those declared above it, and no other.

pub mod message;
pub mod backoff;
pub mod crash;
pub mod rules;
pub mod config;
pub mod clock;
pub mod metrics;
pub mod store;
pub mod smpp;
pub mod flow;
pub mod web;
pub mod simulator;
pub mod app;
pub mod cli;
