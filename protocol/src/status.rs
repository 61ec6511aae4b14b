//! command_status: every value of SMPP 3.4 (section 5.1.3) and 5.0 (section 4.7.6), its name, meaning and class.

use std::fmt;

/// A command_status as it came; values outside the tables are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u32);

/// What a status asks of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// Accepted.
    Ok,
    /// Sending the same again will fail the same way.
    Final,
    /// A passing fault at the peer: try again later.
    Retry,
    /// The peer is at its limit: keep the message, lower the rate.
    SlowDown,
    /// The bind is not as it should be: mend the link, then try again.
    Link,
}

macro_rules! statuses {
    ($($value:literal $constant:ident $name:literal $class:ident $meaning:literal;)*) => {
        impl Status {
            $(
                #[doc = concat!("`", $name, "`: ", $meaning, ".")]
                pub const $constant: Status = Status($value);
            )*

            /// Every value the specifications name, in ascending order.
            pub const NAMED: &'static [Status] = &[$(Status($value)),*];

            fn entry(self) -> Option<(&'static str, StatusClass, &'static str)> {
                match self.0 {
                    $($value => Some(($name, StatusClass::$class, $meaning)),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    0x000 OK "ESME_ROK" Ok "no error";
    0x001 INVMSGLEN "ESME_RINVMSGLEN" Final "message length is invalid";
    0x002 INVCMDLEN "ESME_RINVCMDLEN" Final "command length is invalid";
    0x003 INVCMDID "ESME_RINVCMDID" Final "invalid command id";
    0x004 INVBNDSTS "ESME_RINVBNDSTS" Link "incorrect bind status for the given command";
    0x005 ALYBND "ESME_RALYBND" Link "already in bound state";
    0x006 INVPRTFLG "ESME_RINVPRTFLG" Final "invalid priority flag";
    0x007 INVREGDLVFLG "ESME_RINVREGDLVFLG" Final "invalid registered delivery flag";
    0x008 SYSERR "ESME_RSYSERR" Retry "system error";
    0x00A INVSRCADR "ESME_RINVSRCADR" Final "invalid source address";
    0x00B INVDSTADR "ESME_RINVDSTADR" Final "invalid destination address";
    0x00C INVMSGID "ESME_RINVMSGID" Final "message id is invalid";
    0x00D BINDFAIL "ESME_RBINDFAIL" Link "bind failed";
    0x00E INVPASWD "ESME_RINVPASWD" Link "invalid password";
    0x00F INVSYSID "ESME_RINVSYSID" Link "invalid system id";
    0x011 CANCELFAIL "ESME_RCANCELFAIL" Final "cancel_sm failed";
    0x013 REPLACEFAIL "ESME_RREPLACEFAIL" Final "replace_sm failed";
    0x014 MSGQFUL "ESME_RMSGQFUL" SlowDown "message queue full";
    0x015 INVSERTYP "ESME_RINVSERTYP" Final "invalid service type";
    0x033 INVNUMDESTS "ESME_RINVNUMDESTS" Final "invalid number of destinations";
    0x034 INVDLNAME "ESME_RINVDLNAME" Final "invalid distribution list name";
    0x040 INVDESTFLAG "ESME_RINVDESTFLAG" Final "destination flag is invalid";
    0x042 INVSUBREP "ESME_RINVSUBREP" Final "invalid submit with replace request";
    0x043 INVESMCLASS "ESME_RINVESMCLASS" Final "invalid esm_class";
    0x044 CNTSUBDL "ESME_RCNTSUBDL" Final "cannot submit to the distribution list";
    0x045 SUBMITFAIL "ESME_RSUBMITFAIL" Final "submit_sm, data_sm or submit_multi failed";
    0x048 INVSRCTON "ESME_RINVSRCTON" Final "invalid source address type of number";
    0x049 INVSRCNPI "ESME_RINVSRCNPI" Final "invalid source address numbering plan";
    0x050 INVDSTTON "ESME_RINVDSTTON" Final "invalid destination address type of number";
    0x051 INVDSTNPI "ESME_RINVDSTNPI" Final "invalid destination address numbering plan";
    0x053 INVSYSTYP "ESME_RINVSYSTYP" Link "invalid system type";
    0x054 INVREPFLAG "ESME_RINVREPFLAG" Final "invalid replace_if_present flag";
    0x055 INVNUMMSGS "ESME_RINVNUMMSGS" Final "invalid number of messages";
    0x058 THROTTLED "ESME_RTHROTTLED" SlowDown "allowed message rate exceeded";
    0x061 INVSCHED "ESME_RINVSCHED" Final "invalid scheduled delivery time";
    0x062 INVEXPIRY "ESME_RINVEXPIRY" Final "invalid validity period";
    0x063 INVDFTMSGID "ESME_RINVDFTMSGID" Final "predefined message is invalid or not found";
    0x064 X_T_APPN "ESME_RX_T_APPN" Retry "temporary error of the receiving application";
    0x065 X_P_APPN "ESME_RX_P_APPN" Final "permanent error of the receiving application";
    0x066 X_R_APPN "ESME_RX_R_APPN" Final "the receiving application rejected the message";
    0x067 QUERYFAIL "ESME_RQUERYFAIL" Final "query_sm failed";
    0x0C0 INVTLVSTREAM "ESME_RINVTLVSTREAM" Final "error in the optional part of the PDU body (3.4: RINVOPTPARSTREAM)";
    0x0C1 TLVNOTALLWD "ESME_RTLVNOTALLWD" Final "TLV not allowed (3.4: ROPTPARNOTALLWD)";
    0x0C2 INVTLVLEN "ESME_RINVTLVLEN" Final "invalid TLV length (3.4: RINVPARLEN)";
    0x0C3 MISSINGTLV "ESME_RMISSINGTLV" Final "expected TLV missing (3.4: RMISSINGOPTPARAM)";
    0x0C4 INVTLVVAL "ESME_RINVTLVVAL" Final "invalid TLV value (3.4: RINVOPTPARAMVAL)";
    0x0FE DELIVERYFAILURE "ESME_RDELIVERYFAILURE" Final "delivery failed in transaction mode";
    0x0FF UNKNOWNERR "ESME_RUNKNOWNERR" Retry "unknown error";
    0x100 SERTYPUNAUTH "ESME_RSERTYPUNAUTH" Final "not authorised to use the service type";
    0x101 PROHIBITED "ESME_RPROHIBITED" Final "prohibited from using the operation";
    0x102 SERTYPUNAVAIL "ESME_RSERTYPUNAVAIL" Retry "service type is unavailable";
    0x103 SERTYPDENIED "ESME_RSERTYPDENIED" Final "service type is denied";
    0x104 INVDCS "ESME_RINVDCS" Final "invalid data coding scheme";
    0x105 INVSRCADDRSUBUNIT "ESME_RINVSRCADDRSUBUNIT" Final "source address subunit is invalid";
    0x106 INVDSTADDRSUBUNIT "ESME_RINVDSTADDRSUBUNIT" Final "destination address subunit is invalid";
    0x107 INVBCASTFREQINT "ESME_RINVBCASTFREQINT" Final "broadcast frequency interval is invalid";
    0x108 INVBCASTALIAS_NAME "ESME_RINVBCASTALIAS_NAME" Final "broadcast alias name is invalid";
    0x109 INVBCASTAREAFMT "ESME_RINVBCASTAREAFMT" Final "broadcast area format is invalid";
    0x10A INVNUMBCAST_AREAS "ESME_RINVNUMBCAST_AREAS" Final "number of broadcast areas is invalid";
    0x10B INVBCASTCNTTYPE "ESME_RINVBCASTCNTTYPE" Final "broadcast content type is invalid";
    0x10C INVBCASTMSGCLASS "ESME_RINVBCASTMSGCLASS" Final "broadcast message class is invalid";
    0x10D BCASTFAIL "ESME_RBCASTFAIL" Final "broadcast_sm failed";
    0x10E BCASTQUERYFAIL "ESME_RBCASTQUERYFAIL" Final "query_broadcast_sm failed";
    0x10F BCASTCANCELFAIL "ESME_RBCASTCANCELFAIL" Final "cancel_broadcast_sm failed";
    0x110 INVBCAST_REP "ESME_RINVBCAST_REP" Final "number of repeated broadcasts is invalid";
    0x111 INVBCASTSRVGRP "ESME_RINVBCASTSRVGRP" Final "broadcast service group is invalid";
    0x112 INVBCASTCHANIND "ESME_RINVBCASTCHANIND" Final "broadcast channel indicator is invalid";
}

impl Status {
    /// The name in the specification, `ESME_RTHROTTLED`.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|(name, _, _)| name)
    }

    /// What it means, in a few words. Reserved and vendor values say so.
    pub fn meaning(self) -> &'static str {
        match self.entry() {
            Some((_, _, meaning)) => meaning,
            None if self.is_vendor() => "a status of the peer's own",
            None => "a status no SMPP version names",
        }
    }

    /// What it asks of the sender; values nobody names count as final (a carrier's profile may say otherwise).
    pub fn class(self) -> StatusClass {
        self.entry().map_or(StatusClass::Final, |(_, class, _)| class)
    }

    /// Whether the request was accepted.
    pub fn is_ok(self) -> bool {
        self == Status::OK
    }

    /// Whether it lies in the range kept for vendors, 0x400 to 0x4FF.
    pub fn is_vendor(self) -> bool {
        (0x400..=0x4FF).contains(&self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:08x}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_values_are_ascending_and_unique_in_name() {
        assert!(Status::NAMED.is_sorted_by(|a, b| a < b));
        let mut names: Vec<_> = Status::NAMED.iter().map(|status| status.name().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Status::NAMED.len());
        assert_eq!(names.len(), 67);
    }

    #[test]
    fn a_full_queue_slows_down_as_throttling_does() {
        assert_eq!(Status::THROTTLED.class(), StatusClass::SlowDown);
        assert_eq!(Status::MSGQFUL.class(), StatusClass::SlowDown);
        assert_eq!(Status::ALYBND.class(), StatusClass::Link);
        assert_eq!(Status::X_T_APPN.class(), StatusClass::Retry);
        assert_eq!(Status::X_R_APPN.class(), StatusClass::Final);
    }

    #[test]
    fn values_nobody_names_are_kept_and_final() {
        assert_eq!(Status(0x22).name(), None);
        assert_eq!(Status(0x22).class(), StatusClass::Final);
        assert_eq!(Status(0x401).to_string(), "0x00000401");
        assert!(Status(0x401).is_vendor());
    }
}
