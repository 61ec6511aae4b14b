//! The wire: tokio around `protocol::session`. One driver for both roles, client binds, pacing. Remembers nothing.

pub mod client;
pub mod door;
pub mod driver;
pub mod outbox;
pub mod pace;
pub mod server;
pub mod submission;
