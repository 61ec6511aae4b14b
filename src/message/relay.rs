//! What an ESME handed over, octet for octet: a message that is relayed keeps its alphabet, its header and its parts.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hex;

/// The fields of a submit_sm that say what its octets mean, and the octets. Written as hexadecimal, in this order.
#[derive(Clone, PartialEq, Eq)]
pub struct Relay {
    /// Whether a header stands in front of the text (UDHI), and the message's mode: SMPP 3.4 section 5.2.12.
    pub esm_class: u8,
    /// TP-PID.
    pub protocol_id: u8,
    /// Alphabet and class.
    pub data_coding: u8,
    /// short_message, header and all.
    pub octets: Vec<u8>,
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&[self.esm_class, self.protocol_id, self.data_coding]))?;
        f.write_str(&hex(&self.octets))
    }
}

/// A text that is no relayed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no relayed message: hexadecimal of at least three octets is wanted")]
pub struct NotARelay;

impl FromStr for Relay {
    type Err = NotARelay;

    fn from_str(text: &str) -> Result<Self, NotARelay> {
        let octet = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let octets: Option<Vec<u8>> = (0..text.len()).step_by(2).map(octet).collect();
        match octets.ok_or(NotARelay)?.as_slice() {
            [esm_class, protocol_id, data_coding, octets @ ..] => Ok(Self {
                esm_class: *esm_class,
                protocol_id: *protocol_id,
                data_coding: *data_coding,
                octets: octets.to_vec(),
            }),
            _ => Err(NotARelay),
        }
    }
}

impl Serialize for Relay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Relay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for Relay {
    /// Without the words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("octets", &self.octets.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relayed_message_reads_back_as_written_and_its_debug_form_shows_no_words() {
        let relay = Relay {
            esm_class: 0x40,
            protocol_id: 0,
            data_coding: 8,
            octets: vec![5, 0, 3, 7, 2, 1, 0, 0x41],
        };
        let text = serde_json::to_string(&relay).unwrap();
        assert_eq!(text, "\"4000080500030702010041\"");
        assert_eq!(serde_json::from_str::<Relay>(&text).unwrap(), relay);
        assert!(!format!("{relay:?}").contains("65"));
        for wrong in ["", "40", "4000", "40000", "4000zz", "é0000"] {
            assert_eq!(wrong.parse::<Relay>(), Err(NotARelay), "{wrong}");
        }
    }
}
