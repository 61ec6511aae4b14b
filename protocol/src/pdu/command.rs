//! command_id: the names of all commands, and which answers which.

use std::fmt;

const RESPONSE_BIT: u32 = 0x8000_0000;

/// A command_id (SMPP 3.4 section 5.1.2, 5.0 section 4.7.5; 0x22 to 0x24 are of 3.3 alone).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u32);

macro_rules! commands {
    ($($value:literal $constant:ident $name:literal;)*) => {
        impl CommandId {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: CommandId = CommandId($value);
            )*

            /// Every command the specifications name.
            pub const NAMED: &'static [CommandId] = &[$(CommandId($value)),*];

            /// The name in the specification, `submit_sm`.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

commands! {
    0x0000_0001 BIND_RECEIVER "bind_receiver";
    0x0000_0002 BIND_TRANSMITTER "bind_transmitter";
    0x0000_0003 QUERY_SM "query_sm";
    0x0000_0004 SUBMIT_SM "submit_sm";
    0x0000_0005 DELIVER_SM "deliver_sm";
    0x0000_0006 UNBIND "unbind";
    0x0000_0007 REPLACE_SM "replace_sm";
    0x0000_0008 CANCEL_SM "cancel_sm";
    0x0000_0009 BIND_TRANSCEIVER "bind_transceiver";
    0x0000_000B OUTBIND "outbind";
    0x0000_0015 ENQUIRE_LINK "enquire_link";
    0x0000_0021 SUBMIT_MULTI "submit_multi";
    0x0000_0022 PARAM_RETRIEVE "param_retrieve";
    0x0000_0023 QUERY_LAST_MSGS "query_last_msgs";
    0x0000_0024 QUERY_MSG_DETAILS "query_msg_details";
    0x0000_0102 ALERT_NOTIFICATION "alert_notification";
    0x0000_0103 DATA_SM "data_sm";
    0x0000_0111 BROADCAST_SM "broadcast_sm";
    0x0000_0112 QUERY_BROADCAST_SM "query_broadcast_sm";
    0x0000_0113 CANCEL_BROADCAST_SM "cancel_broadcast_sm";
    0x8000_0000 GENERIC_NACK "generic_nack";
    0x8000_0001 BIND_RECEIVER_RESP "bind_receiver_resp";
    0x8000_0002 BIND_TRANSMITTER_RESP "bind_transmitter_resp";
    0x8000_0003 QUERY_SM_RESP "query_sm_resp";
    0x8000_0004 SUBMIT_SM_RESP "submit_sm_resp";
    0x8000_0005 DELIVER_SM_RESP "deliver_sm_resp";
    0x8000_0006 UNBIND_RESP "unbind_resp";
    0x8000_0007 REPLACE_SM_RESP "replace_sm_resp";
    0x8000_0008 CANCEL_SM_RESP "cancel_sm_resp";
    0x8000_0009 BIND_TRANSCEIVER_RESP "bind_transceiver_resp";
    0x8000_0015 ENQUIRE_LINK_RESP "enquire_link_resp";
    0x8000_0021 SUBMIT_MULTI_RESP "submit_multi_resp";
    0x8000_0022 PARAM_RETRIEVE_RESP "param_retrieve_resp";
    0x8000_0023 QUERY_LAST_MSGS_RESP "query_last_msgs_resp";
    0x8000_0024 QUERY_MSG_DETAILS_RESP "query_msg_details_resp";
    0x8000_0103 DATA_SM_RESP "data_sm_resp";
    0x8000_0111 BROADCAST_SM_RESP "broadcast_sm_resp";
    0x8000_0112 QUERY_BROADCAST_SM_RESP "query_broadcast_sm_resp";
    0x8000_0113 CANCEL_BROADCAST_SM_RESP "cancel_broadcast_sm_resp";
}

impl CommandId {
    /// Whether the top bit says that it answers something; generic_nack is one too.
    pub fn is_response(self) -> bool {
        self.0 & RESPONSE_BIT != 0
    }

    /// The response that answers this request; `None` for responses, for alert_notification and outbind, which are
    /// not answered, and for commands nobody names.
    pub fn response(self) -> Option<CommandId> {
        let twin = CommandId(self.0 | RESPONSE_BIT);
        (!self.is_response() && self.0 != 0 && twin.name().is_some()).then_some(twin)
    }

    /// The request this response answers; `None` for requests and generic_nack.
    pub fn request(self) -> Option<CommandId> {
        let twin = CommandId(self.0 & !RESPONSE_BIT);
        (self.is_response() && twin.name().is_some()).then_some(twin)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:08x}", self.0),
        }
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_answers_a_request_of_the_same_number() {
        for &command in CommandId::NAMED {
            match (command.response(), command.request()) {
                (Some(response), None) => assert_eq!(response.request(), Some(command)),
                (None, Some(request)) => assert_eq!(request.response(), Some(command)),
                (None, None) => assert!(
                    [CommandId::OUTBIND, CommandId::ALERT_NOTIFICATION, CommandId::GENERIC_NACK]
                        .contains(&command)
                ),
                (Some(_), Some(_)) => panic!("{command} is both"),
            }
        }
        assert_eq!(CommandId(0).response(), None);
        assert_eq!(CommandId(0x0001_0200).response(), None);
        assert_eq!(CommandId(0x0001_0200).to_string(), "0x00010200");
    }

    #[test]
    fn names_are_unique_and_ascending_in_value() {
        assert!(CommandId::NAMED.is_sorted_by(|a, b| a < b));
        assert_eq!(CommandId::NAMED.len(), 39);
        assert_eq!(CommandId(0x8000_0113).name(), Some("cancel_broadcast_sm_resp"));
    }
}
