//! What each fuzz target does with its octets: it panics where the protocol crate breaks a promise.
//!
//! The programs in `fuzz_targets/` hand over what libFuzzer makes up. The protocol crate's `tests/fuzz_seeds.rs` includes
//! this file as a module, so that every test run does the same with the seeds and with mutations of them.

mod bodies;
mod codec;
mod receipts;
mod script;
pub mod seeds;
mod sessions;

pub use bodies::{text, udh};
pub use codec::{decode, frame, roundtrip};
pub use receipts::receipt;
pub use sessions::session;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("frame", frame),
    ("decode", decode),
    ("roundtrip", roundtrip),
    ("text", text),
    ("udh", udh),
    ("receipt", receipt),
    ("session", session),
];
