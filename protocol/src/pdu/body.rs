//! The body of a PDU: one variant for each command, and what is done with all of them alike.

use std::fmt;

use bytes::Bytes;

use super::{
    AlertNotification, Bind, BindResp, BroadcastSm, CancelBroadcastSm, CancelSm, CommandId, DataSm,
    MessageResp, Outbind, ParamRetrieve, ParamRetrieveResp, QueryBroadcastSm, QueryLastMsgs,
    QueryLastMsgsResp, QueryMsgDetails, QueryMsgDetailsResp, QuerySm, QuerySmResp, ReplaceSm, Sm,
    SubmitMulti, SubmitMultiResp,
};
use crate::error::Deviation;
use crate::octets::COctets;
use crate::status::Status;
use crate::tlv::Tlvs;
use crate::wire::{Fields, Reader, Sink};

macro_rules! bodies {
    (fields { $($command:ident $variant:ident($fields:ty);)* } no_fields { $($bare_command:ident $bare:ident;)* }) => {
        /// The command of a PDU with its fields.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Body {
            $(
                #[doc = concat!("[`", stringify!($command), "`](CommandId::", stringify!($command), ")")]
                $variant($fields),
            )*
            $(
                #[doc = concat!("[`", stringify!($bare_command), "`](CommandId::", stringify!($bare_command), ")")]
                $bare,
            )*
            /// A command nobody names, or a vendor's: its octets behind the header, kept as they came.
            Unknown {
                /// command_id.
                command_id: u32,
                /// Everything behind the header.
                body: Bytes,
            },
        }

        impl Body {
            /// The command_id.
            pub fn command_id(&self) -> CommandId {
                match self {
                    $(Body::$variant(_) => CommandId::$command,)*
                    $(Body::$bare => CommandId::$bare_command,)*
                    Body::Unknown { command_id, .. } => CommandId(*command_id),
                }
            }

            /// The optional parameters, of a body that can have some.
            pub fn tlvs(&self) -> Option<&Tlvs> {
                match self {
                    $(Body::$variant(fields) => fields.tlvs(),)*
                    _ => None,
                }
            }

            /// The same, to change them.
            pub fn tlvs_mut(&mut self) -> Option<&mut Tlvs> {
                match self {
                    $(Body::$variant(fields) => fields.tlvs_mut(),)*
                    _ => None,
                }
            }

            /// The body of that command with empty fields, in which [`read`](Body::read) puts what came.
            #[inline]
            pub(crate) fn blank(command: CommandId) -> Body {
                match command {
                    $(CommandId::$command => Body::$variant(Default::default()),)*
                    $(CommandId::$bare_command => Body::$bare,)*
                    CommandId(command_id) => Body::Unknown { command_id, body: Bytes::new() },
                }
            }

            /// Fills the fields where they stand.
            #[inline]
            pub(crate) fn read(&mut self, r: &mut Reader<'_>, status: Status) {
                match self {
                    $(Body::$variant(fields) => fields.read(r, status),)*
                    $(Body::$bare)|* => r.end(),
                    Body::Unknown { body, .. } => {
                        r.deviate(Deviation::UnknownCommand);
                        *body = r.everything();
                    }
                }
            }

            /// Gives the fields in wire order.
            #[inline]
            pub(crate) fn write<'a>(&'a self, w: &mut impl Sink<'a>) {
                match self {
                    $(Body::$variant(fields) => fields.write(w),)*
                    $(Body::$bare)|* => {}
                    Body::Unknown { body, .. } => w.opaque(body),
                }
            }
        }

        impl fmt::Debug for Body {
            /// Without the octets of unknown commands: nobody knows what they hold.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Body::$variant(fields) => f.debug_tuple(stringify!($variant)).field(fields).finish(),)*
                    $(Body::$bare => f.write_str(stringify!($bare)),)*
                    Body::Unknown { command_id, body } => {
                        write!(f, "Unknown(0x{command_id:08x}, {} octets)", body.len())
                    }
                }
            }
        }
    };
}

bodies! {
    fields {
        SUBMIT_SM SubmitSm(Sm);
        SUBMIT_SM_RESP SubmitSmResp(MessageResp);
        DELIVER_SM DeliverSm(Sm);
        DELIVER_SM_RESP DeliverSmResp(MessageResp);
        DATA_SM DataSm(DataSm);
        DATA_SM_RESP DataSmResp(MessageResp);
        SUBMIT_MULTI SubmitMulti(Box<SubmitMulti>);
        SUBMIT_MULTI_RESP SubmitMultiResp(SubmitMultiResp);
        BIND_RECEIVER BindReceiver(Bind);
        BIND_RECEIVER_RESP BindReceiverResp(BindResp);
        BIND_TRANSMITTER BindTransmitter(Bind);
        BIND_TRANSMITTER_RESP BindTransmitterResp(BindResp);
        BIND_TRANSCEIVER BindTransceiver(Bind);
        BIND_TRANSCEIVER_RESP BindTransceiverResp(BindResp);
        OUTBIND Outbind(Outbind);
        QUERY_SM QuerySm(QuerySm);
        QUERY_SM_RESP QuerySmResp(QuerySmResp);
        CANCEL_SM CancelSm(CancelSm);
        REPLACE_SM ReplaceSm(ReplaceSm);
        ALERT_NOTIFICATION AlertNotification(AlertNotification);
        PARAM_RETRIEVE ParamRetrieve(ParamRetrieve);
        PARAM_RETRIEVE_RESP ParamRetrieveResp(ParamRetrieveResp);
        QUERY_LAST_MSGS QueryLastMsgs(QueryLastMsgs);
        QUERY_LAST_MSGS_RESP QueryLastMsgsResp(QueryLastMsgsResp);
        QUERY_MSG_DETAILS QueryMsgDetails(QueryMsgDetails);
        QUERY_MSG_DETAILS_RESP QueryMsgDetailsResp(Box<QueryMsgDetailsResp>);
        BROADCAST_SM BroadcastSm(BroadcastSm);
        BROADCAST_SM_RESP BroadcastSmResp(MessageResp);
        QUERY_BROADCAST_SM QueryBroadcastSm(QueryBroadcastSm);
        QUERY_BROADCAST_SM_RESP QueryBroadcastSmResp(MessageResp);
        CANCEL_BROADCAST_SM CancelBroadcastSm(CancelBroadcastSm);
    }
    no_fields {
        UNBIND Unbind;
        UNBIND_RESP UnbindResp;
        ENQUIRE_LINK EnquireLink;
        ENQUIRE_LINK_RESP EnquireLinkResp;
        GENERIC_NACK GenericNack;
        CANCEL_SM_RESP CancelSmResp;
        REPLACE_SM_RESP ReplaceSmResp;
        CANCEL_BROADCAST_SM_RESP CancelBroadcastSmResp;
    }
}

impl Body {
    /// short_message, of a body that has one.
    pub fn short_message(&self) -> Option<&Bytes> {
        match self {
            Body::SubmitSm(sm) | Body::DeliverSm(sm) => Some(&sm.short_message),
            Body::SubmitMulti(multi) => Some(&multi.short_message),
            Body::ReplaceSm(replace) => Some(&replace.short_message),
            _ => None,
        }
    }

    /// The response of that command with as little body as it may have: none with an error, an empty id with
    /// ESME_ROK. `None` when that is no response.
    pub fn bare_response(response: CommandId, status: Status) -> Option<Body> {
        if !response.is_response() || response.name().is_none() {
            return None;
        }
        let mut body = Body::blank(response);
        let id = match &mut body {
            Body::SubmitSmResp(resp)
            | Body::DeliverSmResp(resp)
            | Body::DataSmResp(resp)
            | Body::BroadcastSmResp(resp)
            | Body::QueryBroadcastSmResp(resp) => Some(&mut resp.message_id),
            Body::BindReceiverResp(resp)
            | Body::BindTransmitterResp(resp)
            | Body::BindTransceiverResp(resp) => Some(&mut resp.system_id),
            Body::SubmitMultiResp(resp) => Some(&mut resp.message_id),
            Body::QuerySmResp(resp) => Some(&mut resp.message_id),
            Body::ParamRetrieveResp(resp) => Some(&mut resp.param_value),
            Body::QueryMsgDetailsResp(resp) => Some(&mut resp.service_type),
            Body::QueryLastMsgsResp(resp) => {
                resp.message_ids = status.is_ok().then(Vec::new);
                None
            }
            _ => None,
        };
        if let Some(id) = id.filter(|_| status.is_ok()) {
            *id = Some(COctets::EMPTY);
        }
        Some(body)
    }
}
