//! The text of a receipt out of whatever it is wrapped in: peers copy data_coding and UDHI from the message receipted.

use std::borrow::Cow;

use bytes::Bytes;

use super::scan;
use crate::pdu::Sm;
use crate::text::{Alphabet, ByteOrder, Coding, Udh, ucs2};

/// The octets to look for keys in.
pub(super) struct Plain {
    /// One octet a character where that goes; UTF-8 where the text was UCS-2.
    pub octets: Bytes,
    was_ucs2: bool,
}

impl Plain {
    /// A part of the octets as text, without control octets at its end: what stands behind `text:` is cut anywhere.
    pub(super) fn text(&self, octets: &[u8]) -> String {
        let text = match std::str::from_utf8(octets) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) if self.was_ucs2 => String::from_utf8_lossy(octets),
            Err(_) => Cow::Owned(octets.iter().map(|octet| char::from(*octet)).collect()),
        };
        text.trim_end_matches(|c: char| c.is_control()).to_owned()
    }
}

/// The text of a receipt. Plain octets with a receipt's keys are believed before data_coding and the UDHI flag are.
pub(super) fn plain(sm: &Sm) -> Plain {
    let content = sm.content();
    let keyed = |octets: &[u8]| {
        let fields = scan::scan(octets);
        fields.id.is_some() || fields.stat.is_some()
    };
    if scan::starts_with_id(&content) || keyed(&content) {
        return Plain { octets: content, was_ucs2: false };
    }
    let body = match sm.has_udh().then(|| Udh::split(&content)) {
        Some(Ok((_, body))) => body,
        _ => content,
    };
    let says_ucs2 = Coding::of(sm.data_coding).alphabet == Alphabet::Ucs2;
    // Text in one octet a character holds no NULs; a receipt's keys in two octets hold one each.
    if says_ucs2 || body.contains(&0) {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            let text = ucs2::decode(&body, order).0;
            if keyed(text.as_bytes()) {
                return Plain { octets: Bytes::from(text.into_bytes()), was_ucs2: true };
            }
        }
    }
    Plain { octets: body, was_ucs2: false }
}
