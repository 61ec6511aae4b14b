//! The versions of SMPP: what each has, and how a PDU of ours is made to fit the version agreed at the bind.
//!
//! What comes is read whatever the version. What goes is held to it: SMPP 3.4 section 3.4 and 5.0 section 2.9 say that a
//! peer of an older version gets no optional parameters, commands and statuses it can't know.

use std::fmt;

use thiserror::Error;

use crate::pdu::{Body, CommandId, Pdu};
use crate::status::Status;
use crate::tlv::Tag;

/// Most octets of a short_message before 5.0 (SMPP 3.4 section 5.2.22); 5.0 lets sm_length say 255.
const SHORT_MESSAGE_MOST_OCTETS: usize = 254;

/// A version of SMPP, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 3.3: no TLVs, no transceiver, no data_sm; three inquiries that the others do not have.
    V3_3,
    /// 3.4.
    V3_4,
    /// 5.0.
    V5_0,
}

/// Why a request can't be sent to a peer of that version: what would be left out is what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misfit {
    /// A command of another version.
    #[error("SMPP {version} has no {command}")]
    Command {
        /// The version agreed.
        version: Version,
        /// The command.
        command: CommandId,
    },
    /// A parameter of a later version, without which the text would be another.
    #[error("SMPP {version} has no {tag}, and without it the message would be another")]
    Tlv {
        /// The version agreed.
        version: Version,
        /// The parameter.
        tag: Tag,
    },
    /// A short_message longer than the version's.
    #[error("a short_message of {octets} octets; SMPP {version} takes 254")]
    ShortMessage {
        /// The version agreed.
        version: Version,
        /// Octets of the short_message.
        octets: usize,
    },
}

impl Misfit {
    /// The status a peer of that version would refuse the request with.
    pub fn status(self) -> Status {
        match self {
            Misfit::Command { .. } => Status::INVCMDID,
            Misfit::Tlv { .. } => Status::TLVNOTALLWD,
            Misfit::ShortMessage { .. } => Status::INVMSGLEN,
        }
    }
}

impl Version {
    /// What an interface_version or sc_interface_version says: 0x33 and below are 3.3 (SMPP 3.4 section 5.2.4), from
    /// 0x50 on it is 5.0, and what lies between is 3.4.
    pub fn of(interface_version: u8) -> Version {
        match interface_version {
            ..=0x33 => Version::V3_3,
            0x34..=0x4F => Version::V3_4,
            0x50.. => Version::V5_0,
        }
    }

    /// Its interface_version.
    pub fn interface_version(self) -> u8 {
        match self {
            Version::V3_3 => 0x33,
            Version::V3_4 => 0x34,
            Version::V5_0 => 0x50,
        }
    }

    /// Whether the version names the command. Commands that none names, vendors' own, are in all.
    pub fn has_command(self, command: CommandId) -> bool {
        let since = match command.request().unwrap_or(command) {
            CommandId::PARAM_RETRIEVE | CommandId::QUERY_LAST_MSGS | CommandId::QUERY_MSG_DETAILS => {
                return self == Version::V3_3;
            }
            CommandId::BIND_TRANSCEIVER
            | CommandId::OUTBIND
            | CommandId::DATA_SM
            | CommandId::ALERT_NOTIFICATION => Version::V3_4,
            CommandId::BROADCAST_SM | CommandId::QUERY_BROADCAST_SM | CommandId::CANCEL_BROADCAST_SM => {
                Version::V5_0
            }
            _ => Version::V3_3,
        };
        self >= since
    }

    /// Whether the version has the parameter: 3.3 has none, and 5.0 added congestion_state and 0x0600 to 0x0613
    /// (3.4 section 5.3.2, 5.0 section 4.8.1). Vendors' own are in both.
    pub fn has_tlv(self, tag: Tag) -> bool {
        let since = match tag {
            Tag::CONGESTION_STATE | Tag(0x0600..=0x06FF) => Version::V5_0,
            _ => Version::V3_4,
        };
        self >= since
    }

    /// The status itself where the version has it, else the nearest that it has and that asks the same of the sender
    /// (5.0 section 4.7.6 added 0x100 to 0x112; 3.4 section 5.1.3 added those about parameters). Vendors' own stay.
    pub fn nearest_status(self, status: Status) -> Status {
        let status = match status {
            Status(0x100..=0x112) if self < Version::V5_0 => match status {
                Status::SERTYPUNAUTH | Status::SERTYPDENIED => Status::INVSERTYP,
                Status::SERTYPUNAVAIL => Status::SYSERR,
                Status::INVSRCADDRSUBUNIT => Status::INVSRCADR,
                Status::INVDSTADDRSUBUNIT => Status::INVDSTADR,
                _ => Status::SUBMITFAIL,
            },
            status => status,
        };
        match status {
            Status(0x0C0..=0x0C4) | Status::DELIVERYFAILURE if self < Version::V3_4 => Status::SUBMITFAIL,
            Status::UNKNOWNERR if self < Version::V3_4 => Status::SYSERR,
            status => status,
        }
    }

    /// Makes a request fit: leaves out the parameters that the version does not have.
    ///
    /// # Errors
    /// When what it is about would be lost: its command, its text (message_payload, a text of 255 octets) or the order of
    /// its parts (sar_*). It is not changed then.
    pub fn fit_request(self, request: &mut Body) -> Result<(), Misfit> {
        self.accepts(request)?;
        self.trim(request);
        Ok(())
    }

    /// Makes a response fit: says the nearest status that the version has, and leaves out the parameters that it does
    /// not have. The command is the peer's own, whatever the version.
    pub fn fit_response(self, response: &mut Pdu) {
        response.status = self.nearest_status(response.status);
        self.trim(&mut response.body);
    }

    fn trim(self, body: &mut Body) {
        if let Some(tlvs) = body.tlvs_mut().filter(|tlvs| self < Version::V5_0 && !tlvs.is_empty()) {
            tlvs.retain(|tlv| self.has_tlv(tlv.tag));
        }
    }

    fn accepts(self, request: &Body) -> Result<(), Misfit> {
        let (version, command) = (self, request.command_id());
        if !self.has_command(command) {
            return Err(Misfit::Command { version, command });
        }
        if let Some(octets) = request.short_message().map(|text| text.len())
            && octets > SHORT_MESSAGE_MOST_OCTETS
            && self < Version::V5_0
        {
            return Err(Misfit::ShortMessage { version, octets });
        }
        let lost = request.tlvs().and_then(|tlvs| {
            tlvs.iter().map(|tlv| tlv.tag).find(|&tag| carries_text(tag) && !self.has_tlv(tag))
        });
        match lost {
            Some(tag) => Err(Misfit::Tlv { version, tag }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V3_3 => "3.3",
            Version::V3_4 => "3.4",
            Version::V5_0 => "5.0",
        })
    }
}

/// Whether a message without this parameter would say something else.
fn carries_text(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::MESSAGE_PAYLOAD | Tag::SAR_MSG_REF_NUM | Tag::SAR_TOTAL_SEGMENTS | Tag::SAR_SEGMENT_SEQNUM
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::pdu::{BroadcastSm, DataSm, MessageResp, ParamRetrieve, QueryLastMsgs, QueryMsgDetails, Sm};
    use crate::tlv::Tlv;

    const ALL: [Version; 3] = [Version::V3_3, Version::V3_4, Version::V5_0];

    fn submit(octets: usize, tags: &[Tag]) -> Pdu {
        let tlvs = tags.iter().map(|&tag| Tlv::u8(tag, 1)).collect();
        let dest = Address::international("447700900123");
        Pdu::new(
            1,
            Body::SubmitSm(Sm { dest, short_message: vec![b'x'; octets].into(), tlvs, ..Sm::default() }),
        )
    }

    fn left(version: Version, mut pdu: Pdu) -> Result<Vec<Tag>, Misfit> {
        version.fit_request(&mut pdu.body)?;
        Ok(pdu.body.tlvs().into_iter().flatten().map(|tlv| tlv.tag).collect())
    }

    #[test]
    fn an_interface_version_means_the_version_at_or_below_it() {
        let versions = [0x00, 0x03, 0x33, 0x34, 0x40, 0x50, 0xFF].map(Version::of);
        use Version::*;
        assert_eq!(versions, [V3_3, V3_3, V3_3, V3_4, V3_4, V5_0, V5_0]);
        for version in ALL {
            assert_eq!(Version::of(version.interface_version()), version);
        }
    }

    #[test]
    fn parameters_an_older_version_lacks_are_left_out() {
        let sent =
            [Tag::USER_MESSAGE_REFERENCE, Tag::BILLING_IDENTIFICATION, Tag(0x1400), Tag::CONGESTION_STATE];
        assert_eq!(left(Version::V3_3, submit(5, &sent)), Ok(vec![]));
        let kept = vec![Tag::USER_MESSAGE_REFERENCE, Tag(0x1400)];
        assert_eq!(left(Version::V3_4, submit(5, &sent)), Ok(kept));
        assert_eq!(left(Version::V5_0, submit(5, &sent)), Ok(sent.to_vec()));
    }

    #[test]
    fn what_a_request_is_about_is_never_left_out() {
        for tag in
            [Tag::MESSAGE_PAYLOAD, Tag::SAR_MSG_REF_NUM, Tag::SAR_TOTAL_SEGMENTS, Tag::SAR_SEGMENT_SEQNUM]
        {
            let misfit = Misfit::Tlv { version: Version::V3_3, tag };
            assert_eq!(left(Version::V3_3, submit(0, &[tag])), Err(misfit));
            assert_eq!(left(Version::V3_4, submit(0, &[tag])), Ok(vec![tag]));
        }
        for version in [Version::V3_3, Version::V3_4] {
            assert_eq!(left(version, submit(254, &[])), Ok(vec![]));
            let misfit = Misfit::ShortMessage { version, octets: 255 };
            assert_eq!(left(version, submit(255, &[])), Err(misfit));
        }
        assert_eq!(left(Version::V5_0, submit(255, &[])), Ok(vec![]));
    }

    #[test]
    fn commands_are_in_their_version_and_every_later_one() {
        let (data, broadcast) = (Body::DataSm(DataSm::default()), Body::BroadcastSm(BroadcastSm::default()));
        let fits = |body: &Body| ALL.map(|version| version.fit_request(&mut body.clone()).is_ok());
        assert_eq!(fits(&data), [false, true, true]);
        assert_eq!(fits(&broadcast), [false, false, true]);
        let vendor = Body::Unknown { command_id: 0x0001_0200, body: "x".into() };
        assert_eq!(fits(&vendor), [true; 3]);
        let inquiries = [
            Body::ParamRetrieve(ParamRetrieve::default()),
            Body::QueryLastMsgs(QueryLastMsgs::default()),
            Body::QueryMsgDetails(QueryMsgDetails::default()),
        ];
        for inquiry in &inquiries {
            assert_eq!(fits(inquiry), [true, false, false], "of 3.3 alone");
        }
        for &command in CommandId::NAMED {
            let dropped = inquiries.iter().any(|inquiry| {
                inquiry.command_id() == command || inquiry.command_id().response() == Some(command)
            });
            assert_eq!(Version::V5_0.has_command(command), !dropped, "{command}");
            let answer = command.response().unwrap_or(command);
            for version in ALL {
                assert_eq!(version.has_command(command), version.has_command(answer), "{command}");
            }
        }
    }

    #[test]
    fn a_status_an_older_version_lacks_becomes_one_that_asks_the_same() {
        for &status in Status::NAMED {
            for version in ALL {
                let nearest = version.nearest_status(status);
                assert_eq!(nearest.class(), status.class(), "{status} in {version} as {nearest}");
                assert_eq!(version.nearest_status(nearest), nearest, "{status} in {version}");
            }
            assert_eq!(Version::V5_0.nearest_status(status), status);
            assert!(Version::V3_4.nearest_status(status) < Status::SERTYPUNAUTH);
            assert!(Version::V3_3.nearest_status(status) < Status::INVTLVSTREAM);
        }
        assert_eq!(Version::V3_3.nearest_status(Status(0x401)), Status(0x401));
    }

    #[test]
    fn an_answer_is_made_to_fit() {
        let mut resp = MessageResp::with_id("42");
        resp.tlvs.push(Tlv::u8(Tag::CONGESTION_STATE, 80));
        resp.tlvs.push(Tlv::cstring(Tag::ADDITIONAL_STATUS_INFO_TEXT, b"busy"));
        let answer = Pdu::with_status(1, Status::SERTYPDENIED, Body::BroadcastSmResp(resp));
        for (version, status, tlvs) in [
            (Version::V3_3, Status::INVSERTYP, 0),
            (Version::V3_4, Status::INVSERTYP, 1),
            (Version::V5_0, Status::SERTYPDENIED, 2),
        ] {
            let mut fitted = answer.clone();
            version.fit_response(&mut fitted);
            assert_eq!((fitted.status, fitted.body.tlvs().map(|tlvs| tlvs.len())), (status, Some(tlvs)));
        }
    }
}
