//! Tagged optional parameters: every tag of SMPP 5.0 (section 4.8) by name, the rest byte for byte.

use std::fmt;

use crate::octets::Octets;

/// The tag of an optional parameter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u16);

/// What the specification lets a TLV's value be; sizes in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An integer, or octets of a fixed count.
    Fixed(u16),
    /// An integer of either width: later versions widened or emptied it.
    Either(u16, u16),
    /// Text closed by a NUL, with that NUL at most so long.
    CString(u16),
    /// Octets, from the fewest to the most.
    Octets(u16, u16),
}

macro_rules! tags {
    ($($value:literal $constant:ident $name:literal $shape:expr;)*) => {
        impl Tag {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Tag = Tag($value);
            )*

            /// Every tag SMPP 5.0 names, in ascending order.
            pub const NAMED: &'static [Tag] = &[$(Tag($value)),*];

            fn entry(self) -> Option<(&'static str, Shape)> {
                match self.0 {
                    $($value => Some(($name, $shape)),)*
                    _ => None,
                }
            }
        }
    };
}

tags! {
    0x0005 DEST_ADDR_SUBUNIT "dest_addr_subunit" Shape::Fixed(1);
    0x0006 DEST_NETWORK_TYPE "dest_network_type" Shape::Fixed(1);
    0x0007 DEST_BEARER_TYPE "dest_bearer_type" Shape::Fixed(1);
    0x0008 DEST_TELEMATICS_ID "dest_telematics_id" Shape::Fixed(2);
    0x000D SOURCE_ADDR_SUBUNIT "source_addr_subunit" Shape::Fixed(1);
    0x000E SOURCE_NETWORK_TYPE "source_network_type" Shape::Fixed(1);
    0x000F SOURCE_BEARER_TYPE "source_bearer_type" Shape::Fixed(1);
    0x0010 SOURCE_TELEMATICS_ID "source_telematics_id" Shape::Fixed(1);
    0x0017 QOS_TIME_TO_LIVE "qos_time_to_live" Shape::Fixed(4);
    0x0019 PAYLOAD_TYPE "payload_type" Shape::Fixed(1);
    0x001D ADDITIONAL_STATUS_INFO_TEXT "additional_status_info_text" Shape::CString(256);
    0x001E RECEIPTED_MESSAGE_ID "receipted_message_id" Shape::CString(65);
    0x0030 MS_MSG_WAIT_FACILITIES "ms_msg_wait_facilities" Shape::Fixed(1);
    0x0201 PRIVACY_INDICATOR "privacy_indicator" Shape::Fixed(1);
    0x0202 SOURCE_SUBADDRESS "source_subaddress" Shape::Octets(2, 23);
    0x0203 DEST_SUBADDRESS "dest_subaddress" Shape::Octets(2, 23);
    0x0204 USER_MESSAGE_REFERENCE "user_message_reference" Shape::Fixed(2);
    0x0205 USER_RESPONSE_CODE "user_response_code" Shape::Fixed(1);
    0x020A SOURCE_PORT "source_port" Shape::Fixed(2);
    0x020B DESTINATION_PORT "destination_port" Shape::Fixed(2);
    0x020C SAR_MSG_REF_NUM "sar_msg_ref_num" Shape::Fixed(2);
    0x020D LANGUAGE_INDICATOR "language_indicator" Shape::Fixed(1);
    0x020E SAR_TOTAL_SEGMENTS "sar_total_segments" Shape::Fixed(1);
    0x020F SAR_SEGMENT_SEQNUM "sar_segment_seqnum" Shape::Fixed(1);
    0x0210 SC_INTERFACE_VERSION "sc_interface_version" Shape::Fixed(1);
    0x0302 CALLBACK_NUM_PRES_IND "callback_num_pres_ind" Shape::Fixed(1);
    0x0303 CALLBACK_NUM_ATAG "callback_num_atag" Shape::Octets(0, 65);
    0x0304 NUMBER_OF_MESSAGES "number_of_messages" Shape::Fixed(1);
    0x0381 CALLBACK_NUM "callback_num" Shape::Octets(4, 19);
    0x0420 DPF_RESULT "dpf_result" Shape::Fixed(1);
    0x0421 SET_DPF "set_dpf" Shape::Fixed(1);
    0x0422 MS_AVAILABILITY_STATUS "ms_availability_status" Shape::Fixed(1);
    0x0423 NETWORK_ERROR_CODE "network_error_code" Shape::Fixed(3);
    0x0424 MESSAGE_PAYLOAD "message_payload" Shape::Octets(0, u16::MAX);
    0x0425 DELIVERY_FAILURE_REASON "delivery_failure_reason" Shape::Fixed(1);
    0x0426 MORE_MESSAGES_TO_SEND "more_messages_to_send" Shape::Fixed(1);
    0x0427 MESSAGE_STATE "message_state" Shape::Fixed(1);
    0x0428 CONGESTION_STATE "congestion_state" Shape::Fixed(1);
    0x0501 USSD_SERVICE_OP "ussd_service_op" Shape::Fixed(1);
    0x0600 BROADCAST_CHANNEL_INDICATOR "broadcast_channel_indicator" Shape::Fixed(1);
    0x0601 BROADCAST_CONTENT_TYPE "broadcast_content_type" Shape::Fixed(3);
    0x0602 BROADCAST_CONTENT_TYPE_INFO "broadcast_content_type_info" Shape::Octets(1, 255);
    0x0603 BROADCAST_MESSAGE_CLASS "broadcast_message_class" Shape::Fixed(1);
    0x0604 BROADCAST_REP_NUM "broadcast_rep_num" Shape::Fixed(2);
    0x0605 BROADCAST_FREQUENCY_INTERVAL "broadcast_frequency_interval" Shape::Fixed(3);
    0x0606 BROADCAST_AREA_IDENTIFIER "broadcast_area_identifier" Shape::Octets(1, u16::MAX);
    0x0607 BROADCAST_ERROR_STATUS "broadcast_error_status" Shape::Fixed(4);
    0x0608 BROADCAST_AREA_SUCCESS "broadcast_area_success" Shape::Fixed(1);
    0x0609 BROADCAST_END_TIME "broadcast_end_time" Shape::Either(16, 17);
    0x060A BROADCAST_SERVICE_GROUP "broadcast_service_group" Shape::Octets(1, 255);
    0x060B BILLING_IDENTIFICATION "billing_identification" Shape::Octets(1, 1024);
    0x060D SOURCE_NETWORK_ID "source_network_id" Shape::CString(65);
    0x060E DEST_NETWORK_ID "dest_network_id" Shape::CString(65);
    0x060F SOURCE_NODE_ID "source_node_id" Shape::Fixed(6);
    0x0610 DEST_NODE_ID "dest_node_id" Shape::Fixed(6);
    0x0611 DEST_ADDR_NP_RESOLUTION "dest_addr_np_resolution" Shape::Fixed(1);
    0x0612 DEST_ADDR_NP_INFORMATION "dest_addr_np_information" Shape::Fixed(10);
    0x0613 DEST_ADDR_NP_COUNTRY "dest_addr_np_country" Shape::Octets(1, 5);
    0x1201 DISPLAY_TIME "display_time" Shape::Fixed(1);
    0x1203 SMS_SIGNAL "sms_signal" Shape::Fixed(2);
    0x1204 MS_VALIDITY "ms_validity" Shape::Either(1, 4);
    0x130C ALERT_ON_MESSAGE_DELIVERY "alert_on_message_delivery" Shape::Either(0, 1);
    0x1380 ITS_REPLY_TYPE "its_reply_type" Shape::Fixed(1);
    0x1383 ITS_SESSION_INFO "its_session_info" Shape::Fixed(2);
}

impl Tag {
    /// The name in the specification.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|(name, _)| name)
    }

    /// What the specification lets its value be.
    pub fn shape(self) -> Option<Shape> {
        self.entry().map(|(_, shape)| shape)
    }

    /// The name, or `0x1400` in hex. ussd_service_op is written `0x0501`: the corpus of PDUs counts it among the
    /// operators' own, as its values differ from one to the next.
    pub fn label(self) -> String {
        match self.name() {
            Some(name) if self != Tag::USSD_SERVICE_OP => name.to_owned(),
            _ => format!("0x{:04x}", self.0),
        }
    }

    /// Whether it lies in the range kept for vendors, 0x1400 to 0x3FFF.
    pub fn is_vendor(self) -> bool {
        (0x1400..=0x3FFF).contains(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One optional parameter. The value is at most 65535 octets; what is longer is cut when written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tlv {
    /// Which parameter.
    pub tag: Tag,
    /// Its octets as they stand on the wire. Read, a long value is a share of the octets that came together: copy it to
    /// keep it long.
    pub value: Octets,
}

impl Tlv {
    /// A parameter from its octets.
    pub fn new(tag: Tag, value: impl Into<Octets>) -> Self {
        Tlv { tag, value: value.into() }
    }

    /// A parameter of one octet.
    pub fn u8(tag: Tag, value: u8) -> Self {
        Tlv::new(tag, &[value])
    }

    /// A parameter of two octets.
    pub fn u16(tag: Tag, value: u16) -> Self {
        Tlv::new(tag, &value.to_be_bytes())
    }

    /// A parameter of four octets.
    pub fn u32(tag: Tag, value: u32) -> Self {
        Tlv::new(tag, &value.to_be_bytes())
    }

    /// A parameter holding text; the closing NUL is added.
    pub fn cstring(tag: Tag, text: &[u8]) -> Self {
        let mut value = text.to_vec();
        value.push(0);
        Tlv::new(tag, value)
    }

    /// The value as an integer of whatever width came, one to eight octets: stacks disagree on widths.
    pub fn uint(&self) -> Option<u64> {
        match self.value.len() {
            1..=8 => Some(self.value.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet))),
            _ => None,
        }
    }

    /// The value as text: up to its first NUL, or all of it when the peer left the NUL out.
    pub fn text(&self) -> &[u8] {
        let end = self.value.iter().position(|&octet| octet == 0).unwrap_or(self.value.len());
        self.value.get(..end).unwrap_or_default()
    }
}

impl fmt::Debug for Tlv {
    /// Shows tag and size only: values may hold message bodies and numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.tag, self.value.len())
    }
}

/// Parameters that memory is taken for at first: more are rare.
const FEW: usize = 4;

/// The optional parameters of a PDU in wire order, duplicates and unknown ones included.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Tlvs(Vec<Tlv>);

impl Tlvs {
    /// None.
    pub const fn new() -> Self {
        Tlvs(Vec::new())
    }

    /// None yet, where some are known to come: a first [`push`](Tlvs::push) takes twice as long to find memory.
    #[inline]
    pub(crate) fn with_room_for_a_few() -> Self {
        Tlvs(Vec::with_capacity(FEW))
    }

    /// The first parameter with that tag; where a peer sends two, the first wins.
    pub fn get(&self, tag: Tag) -> Option<&Tlv> {
        self.0.iter().find(|tlv| tlv.tag == tag)
    }

    /// The first parameter with that tag as an integer, read by its actual width.
    pub fn get_uint(&self, tag: Tag) -> Option<u64> {
        self.get(tag).and_then(Tlv::uint)
    }

    /// Adds a parameter behind the others.
    pub fn push(&mut self, tlv: Tlv) {
        self.0.push(tlv);
    }

    /// Takes every parameter with that tag out.
    pub fn remove(&mut self, tag: Tag) {
        self.0.retain(|tlv| tlv.tag != tag);
    }

    /// Keeps those that `keep` says, and takes the others out.
    pub fn retain(&mut self, mut keep: impl FnMut(&Tlv) -> bool) {
        self.0.retain(|tlv| keep(tlv));
    }

    /// All of them in wire order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tlv> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Tlvs {
    type Item = &'a Tlv;
    type IntoIter = std::slice::Iter<'a, Tlv>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Tlv> for Tlvs {
    fn from_iter<I: IntoIterator<Item = Tlv>>(tlvs: I) -> Self {
        Tlvs(tlvs.into_iter().collect())
    }
}

impl fmt::Debug for Tlvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_tags_are_ascending_and_have_their_shape() {
        assert!(Tag::NAMED.is_sorted_by(|a, b| a < b));
        assert_eq!(Tag::NAMED.len(), 64);
        assert_eq!(Tag(0x0604).name(), Some("broadcast_rep_num"));
        assert_eq!(Tag::NETWORK_ERROR_CODE.shape(), Some(Shape::Fixed(3)));
        assert_eq!(Tag(0x1400).to_string(), "0x1400");
        assert!(Tag(0x3177).is_vendor());
    }

    #[test]
    fn integers_are_read_by_their_actual_width() {
        assert_eq!(Tlv::u8(Tag::USER_MESSAGE_REFERENCE, 7).uint(), Some(7));
        assert_eq!(Tlv::u16(Tag::USER_MESSAGE_REFERENCE, 0x1234).uint(), Some(0x1234));
        assert_eq!(Tlv::new(Tag::BROADCAST_REP_NUM, &b"\x01\x00\x00"[..]).uint(), Some(0x1_0000));
        assert_eq!(Tlv::new(Tag::MESSAGE_STATE, &b""[..]).uint(), None);
        assert_eq!(Tlv::new(Tag::MESSAGE_STATE, &b"123456789"[..]).uint(), None);
    }

    #[test]
    fn the_first_of_two_wins() {
        let tlvs: Tlvs =
            [Tlv::u8(Tag::MESSAGE_STATE, 2), Tlv::u8(Tag::MESSAGE_STATE, 5)].into_iter().collect();
        assert_eq!(tlvs.get_uint(Tag::MESSAGE_STATE), Some(2));
        assert_eq!(tlvs.len(), 2);
    }

    #[test]
    fn text_is_taken_with_and_without_its_nul() {
        assert_eq!(Tlv::cstring(Tag::RECEIPTED_MESSAGE_ID, b"42").text(), b"42");
        assert_eq!(Tlv::new(Tag::RECEIPTED_MESSAGE_ID, &b"42"[..]).text(), b"42");
    }
}
