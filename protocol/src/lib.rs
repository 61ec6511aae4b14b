//! SMPP with the network taken out: PDUs, framing, text, receipts and the session, without sockets and without a clock.
//!
//! Covers SMPP 3.3, 3.4 and 5.0. What arrives is read in three [grades](frame::Frame): clean, tolerated with every
//! deviation named, or malformed with its header and the reply to send. A bad body never ends a session; only a
//! [lost length](frame::LostLength) does.
//!
//! ```
//! use bytes::BytesMut;
//! use protocol::address::Address;
//! use protocol::frame::{Frame, Framer, Grade, Limits};
//! use protocol::pdu::{Body, Pdu, Sm};
//!
//! let submit = Pdu::new(1, Body::SubmitSm(Sm {
//!     source: Address::alphanumeric("Backchat"),
//!     dest: Address::international("447700900123"),
//!     short_message: "Hello".into(),
//!     ..Sm::default()
//! }));
//! let mut wire = BytesMut::new();
//! submit.encode(&mut wire);
//!
//! let mut framer = Framer::new(Limits::default(), Grade::Lenient);
//! framer.push(&wire);
//! assert_eq!(framer.next(), Some(Ok(Frame::Clean(submit))));
//! assert_eq!(framer.next(), None);
//! ```

#![forbid(unsafe_code)]

pub mod address;
pub mod error;
pub mod frame;
pub mod octets;
pub mod pdu;
pub mod receipt;
pub mod session;
pub mod status;
mod strict;
pub mod text;
pub mod time;
pub mod tlv;
pub mod version;
mod wire;

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
