//! What can be wrong with a PDU: what is tolerated, what is not, and what strict mode adds.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::status::Status;
use crate::tlv::Tag;

macro_rules! fields {
    ($($variant:ident $name:literal $refusal:ident;)*) => {
        /// A field of a PDU by its name in the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
        }

        impl Field {
            /// The name in the specification, `source_addr`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$variant => $name,)*
                }
            }

            /// The status that refuses a request for a bad value in this field.
            pub fn refusal(self) -> Status {
                match self {
                    $(Field::$variant => Status::$refusal,)*
                }
            }
        }
    };
}

fields! {
    SystemId "system_id" INVSYSID;
    Password "password" INVPASWD;
    SystemType "system_type" INVSYSTYP;
    InterfaceVersion "interface_version" BINDFAIL;
    AddrTon "addr_ton" BINDFAIL;
    AddrNpi "addr_npi" BINDFAIL;
    AddressRange "address_range" BINDFAIL;
    ServiceType "service_type" INVSERTYP;
    SourceAddrTon "source_addr_ton" INVSRCTON;
    SourceAddrNpi "source_addr_npi" INVSRCNPI;
    SourceAddr "source_addr" INVSRCADR;
    DestAddrTon "dest_addr_ton" INVDSTTON;
    DestAddrNpi "dest_addr_npi" INVDSTNPI;
    DestinationAddr "destination_addr" INVDSTADR;
    EsmeAddrTon "esme_addr_ton" INVDSTTON;
    EsmeAddrNpi "esme_addr_npi" INVDSTNPI;
    EsmeAddr "esme_addr" INVDSTADR;
    EsmClass "esm_class" INVESMCLASS;
    ProtocolId "protocol_id" UNKNOWNERR;
    PriorityFlag "priority_flag" INVPRTFLG;
    ScheduleDeliveryTime "schedule_delivery_time" INVSCHED;
    ValidityPeriod "validity_period" INVEXPIRY;
    RegisteredDelivery "registered_delivery" INVREGDLVFLG;
    ReplaceIfPresentFlag "replace_if_present_flag" INVREPFLAG;
    DataCoding "data_coding" INVDCS;
    SmDefaultMsgId "sm_default_msg_id" INVDFTMSGID;
    ShortMessage "short_message" INVMSGLEN;
    NumberOfDests "number_of_dests" INVNUMDESTS;
    DestAddress "dest_address" INVDSTADR;
    DestFlag "dest_flag" INVDESTFLAG;
    DlName "dl_name" INVDLNAME;
    MessageId "message_id" INVMSGID;
    FinalDate "final_date" UNKNOWNERR;
    MessageState "message_state" UNKNOWNERR;
    ErrorCode "error_code" UNKNOWNERR;
    UnsuccessSme "unsuccess_sme" UNKNOWNERR;
    ErrorStatusCode "error_status_code" UNKNOWNERR;
    ParamName "param_name" UNKNOWNERR;
    ParamValue "param_value" UNKNOWNERR;
    NumOfMsgs "num_of_msgs" UNKNOWNERR;
    SmLength "sm_length" INVMSGLEN;
    MsAvailabilityStatus "ms_availability_status" UNKNOWNERR;
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something off in a PDU that still could be read. `Display` writes the short name, `field_too_long:source_addr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deviation {
    /// A successful response without the body its command has.
    MissingBody,
    /// An unsuccessful response whose body stops within its fields.
    PartialBody,
    /// Octets behind the last field of a PDU that takes no TLVs.
    TrailingBytes,
    /// One to three NULs where a TLV would start.
    TrailingNul,
    /// One to three octets where a TLV would start.
    TlvTruncated,
    /// A TLV that claims more octets than are left; it is dropped.
    TlvOverrun,
    /// A string over its limit; it is kept whole.
    FieldTooLong(Field),
    /// The last string of the PDU without its NUL; all octets are taken.
    UnterminatedCstring(Field),
    /// A response that leaves out its message_id and starts with TLVs.
    BodyIsTlvsOnly,
    /// ms_availability_status as an octet by itself, not as a TLV.
    BareMsAvailabilityStatus,
    /// Sequence number 0.
    SequenceZero,
    /// A sequence number above 0x7FFFFFFF.
    SequenceAbove7fffffff,
    /// A command_status other than 0 in a request.
    NonzeroStatusInRequest,
    /// A command_id that no version names, or a vendor's.
    UnknownCommand,
}

impl Deviation {
    /// The short name without the field.
    pub fn name(self) -> &'static str {
        match self {
            Deviation::MissingBody => "missing_body",
            Deviation::PartialBody => "partial_body",
            Deviation::TrailingBytes => "trailing_bytes",
            Deviation::TrailingNul => "trailing_nul",
            Deviation::TlvTruncated => "tlv_truncated",
            Deviation::TlvOverrun => "tlv_overrun",
            Deviation::FieldTooLong(_) => "field_too_long",
            Deviation::UnterminatedCstring(_) => "unterminated_cstring",
            Deviation::BodyIsTlvsOnly => "body_is_tlvs_only",
            Deviation::BareMsAvailabilityStatus => "bare_ms_availability_status",
            Deviation::SequenceZero => "sequence_zero",
            Deviation::SequenceAbove7fffffff => "sequence_above_7fffffff",
            Deviation::NonzeroStatusInRequest => "nonzero_status_in_request",
            Deviation::UnknownCommand => "unknown_command",
        }
    }

    /// The field it is about.
    pub fn field(self) -> Option<Field> {
        match self {
            Deviation::FieldTooLong(field) | Deviation::UnterminatedCstring(field) => Some(field),
            _ => None,
        }
    }

    /// What strict mode calls it; `None` where strict mode lets it pass too.
    pub fn breach(self) -> Option<Breach> {
        match self {
            Deviation::MissingBody | Deviation::PartialBody => Some(Breach::MissingBody),
            Deviation::TrailingBytes | Deviation::TrailingNul | Deviation::BareMsAvailabilityStatus => {
                Some(Breach::TrailingBytes)
            }
            Deviation::TlvTruncated => Some(Breach::TlvTruncated),
            Deviation::TlvOverrun => Some(Breach::TlvOverrun),
            Deviation::FieldTooLong(field) => Some(Breach::FieldTooLong(field)),
            Deviation::UnterminatedCstring(_) => Some(Breach::UnterminatedCstring),
            Deviation::SequenceZero | Deviation::SequenceAbove7fffffff => Some(Breach::SequenceOutOfRange),
            Deviation::NonzeroStatusInRequest => Some(Breach::NonzeroStatusInRequest),
            Deviation::BodyIsTlvsOnly | Deviation::UnknownCommand => None,
        }
    }

    /// The status a server should refuse the request with although it could read it: the value can't be used.
    pub fn refusal(self) -> Option<Status> {
        match self {
            Deviation::FieldTooLong(field) => Some(field.refusal()),
            Deviation::UnknownCommand => Some(Status::INVCMDID),
            _ => None,
        }
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.field() {
            Some(field) => write!(f, ":{field}"),
            None => Ok(()),
        }
    }
}

/// What was tolerated in a PDU, in the order found, with the octets as they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Deviations(Option<Box<Tolerated>>);

// on the heap: PDUs are moved about, and few have any
#[derive(Clone, PartialEq, Eq)]
struct Tolerated {
    found: Vec<Deviation>,
    raw: Bytes,
}

impl Deviations {
    pub(crate) fn new(found: Vec<Deviation>, raw: Bytes) -> Self {
        Deviations(Some(Box::new(Tolerated { found, raw })))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Deviation] {
        self.0.as_deref().map_or(&[], |tolerated| &tolerated.found)
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Deviation> {
        self.as_slice().iter()
    }

    /// Whether this one is among them.
    pub fn contains(&self, deviation: Deviation) -> bool {
        self.as_slice().contains(&deviation)
    }

    /// The status a server should refuse the request with, when one of them makes a value unusable.
    pub fn refusal(&self) -> Option<Status> {
        self.iter().find_map(|deviation| deviation.refusal())
    }

    /// The whole PDU as it came, for a relay that must not mend it; empty where there are no deviations.
    pub fn raw(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], |tolerated| &tolerated.raw)
    }
}

impl<'a> IntoIterator for &'a Deviations {
    type Item = &'a Deviation;
    type IntoIter = std::slice::Iter<'a, Deviation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Deviations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Why a PDU with a known length could not be read. The session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The octets given are not one PDU: fewer than a header, or another count than command_length says.
    #[error("{got} octets given for a PDU of command_length {claimed}")]
    LengthMismatch {
        /// command_length, 0 when not even a header was there.
        claimed: u32,
        /// The octets given.
        got: u32,
    },
    /// The body ends before a field that must be there.
    #[error("the body ends before {0}")]
    TruncatedBody(Field),
    /// A string in the middle of the body has no NUL before the end.
    #[error("{0} has no NUL before the end of the body")]
    UnterminatedCstring(Field),
    /// sm_length is more than what is left.
    #[error("sm_length says {claimed} octets and {left} are left")]
    SmLengthOverrun {
        /// sm_length.
        claimed: u8,
        /// Octets left in the body.
        left: u8,
    },
    /// A dest_flag of submit_multi other than 1 and 2.
    #[error("dest_flag is {0}, neither an address (1) nor a distribution list (2)")]
    BadDestFlag(u8),
    /// Readable, and refused in strict mode.
    #[error("strict mode: {0}")]
    Strict(Breach),
}

impl DecodeError {
    /// The short name, `truncated_body`.
    pub fn name(self) -> &'static str {
        match self {
            DecodeError::LengthMismatch { .. } => "length_mismatch",
            DecodeError::TruncatedBody(_) => "truncated_body",
            DecodeError::UnterminatedCstring(_) => "unterminated_cstring",
            DecodeError::SmLengthOverrun { .. } => "sm_length_overrun",
            DecodeError::BadDestFlag(_) => "bad_dest_flag",
            DecodeError::Strict(breach) => breach.name(),
        }
    }

    /// The status of the response that refuses such a request.
    pub fn refusal(self) -> Status {
        match self {
            DecodeError::LengthMismatch { .. }
            | DecodeError::TruncatedBody(_)
            | DecodeError::UnterminatedCstring(_) => Status::INVCMDLEN,
            DecodeError::SmLengthOverrun { .. } => Status::INVMSGLEN,
            DecodeError::BadDestFlag(_) => Status::INVDESTFLAG,
            DecodeError::Strict(breach) => breach.refusal(),
        }
    }
}

/// What strict mode refuses in a PDU that can be read. Also what [`Pdu::check`](crate::pdu::Pdu::check) finds before
/// something of our own is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Breach {
    /// A response without its body.
    #[error("the body is missing or stops early")]
    MissingBody,
    /// Octets behind the end.
    #[error("octets behind the last field")]
    TrailingBytes,
    /// A sequence number of 0 or above 0x7FFFFFFF (SMPP 3.4 section 5.1.4).
    #[error("the sequence number is not within 1 and 0x7fffffff")]
    SequenceOutOfRange,
    /// A request with a command_status (SMPP 3.4 section 5.1.3: must be NULL).
    #[error("a request with a command_status")]
    NonzeroStatusInRequest,
    /// A string without its NUL, in a field or a TLV.
    #[error("a string without its NUL")]
    UnterminatedCstring,
    /// A string over its limit.
    #[error("{0} is over its limit")]
    FieldTooLong(Field),
    /// One to three octets where a TLV would start.
    #[error("a TLV header is cut off")]
    TlvTruncated,
    /// A TLV that claims more than is left.
    #[error("a TLV claims more octets than are left")]
    TlvOverrun,
    /// A TLV of another size than the specification gives it.
    #[error("{0} has a size the specification does not give it")]
    TlvBadLength(Tag),
    /// No destination_addr.
    #[error("destination_addr is empty")]
    MissingDestination,
    /// Both short_message and message_payload (SMPP 3.4 section 4.4.1).
    #[error("both short_message and message_payload are there")]
    BothBodies,
    /// A time neither absolute nor relative (SMPP 3.4 section 7.1.1).
    #[error("{0} is not a time of 16 characters")]
    BadTimeFormat(Field),
    /// More entries or octets than the count in front of them can say.
    #[error("{0} does not fit its count")]
    CountOverflow(Field),
}

impl Breach {
    /// The short name, `tlv_bad_length`.
    pub fn name(self) -> &'static str {
        match self {
            Breach::MissingBody => "missing_body",
            Breach::TrailingBytes => "trailing_bytes",
            Breach::SequenceOutOfRange => "sequence_out_of_range",
            Breach::NonzeroStatusInRequest => "nonzero_status_in_request",
            Breach::UnterminatedCstring => "unterminated_cstring",
            Breach::FieldTooLong(_) => "field_too_long",
            Breach::TlvTruncated => "tlv_truncated",
            Breach::TlvOverrun => "tlv_overrun",
            Breach::TlvBadLength(_) => "tlv_bad_length",
            Breach::MissingDestination => "missing_destination",
            Breach::BothBodies => "both_bodies",
            Breach::BadTimeFormat(_) => "bad_time_format",
            Breach::CountOverflow(_) => "count_overflow",
        }
    }

    /// The status that refuses a request for it.
    pub fn refusal(self) -> Status {
        match self {
            Breach::MissingBody | Breach::TrailingBytes | Breach::UnterminatedCstring => Status::INVCMDLEN,
            Breach::SequenceOutOfRange | Breach::NonzeroStatusInRequest => Status::UNKNOWNERR,
            Breach::FieldTooLong(field) | Breach::BadTimeFormat(field) | Breach::CountOverflow(field) => {
                field.refusal()
            }
            Breach::TlvTruncated | Breach::TlvOverrun => Status::INVTLVSTREAM,
            Breach::TlvBadLength(_) => Status::INVTLVLEN,
            Breach::MissingDestination => Status::INVDSTADR,
            Breach::BothBodies => Status::TLVNOTALLWD,
        }
    }
}

/// A value that any parser can read and a server should refuse: what it would do to the message is not what the sender
/// meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Objection {
    /// A time neither absolute nor relative (SMPP 3.4 section 7.1.1).
    #[error("{0} is not a time of 16 characters")]
    BadTimeFormat(Field),
    /// A sender's name of more than the 11 characters GSM can carry (3GPP TS 23.040 section 9.1.2.5).
    #[error("the sender's name is longer than 11 characters")]
    AlphanumericTooLong,
}

impl Objection {
    /// The short name, `bad_time_format`.
    pub fn name(self) -> &'static str {
        match self {
            Objection::BadTimeFormat(_) => "bad_time_format",
            Objection::AlphanumericTooLong => "alphanumeric_too_long",
        }
    }

    /// The status to refuse the request with.
    pub fn refusal(self) -> Status {
        match self {
            Objection::BadTimeFormat(field) => field.refusal(),
            Objection::AlphanumericTooLong => Status::INVSRCADR,
        }
    }
}
