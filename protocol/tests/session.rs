//! The session from outside: conversations a person can read, two sessions on a network of whims, peers gone mad.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "session/conversation.rs"]
mod conversation;
#[path = "session/hostile.rs"]
mod hostile;
#[path = "session/network.rs"]
mod network;
