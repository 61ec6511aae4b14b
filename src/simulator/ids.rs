//! Message ids as carriers write them, in answers and in receipts.

use protocol::octets::COctets;

use crate::backoff::scatter;
use crate::simulator::settings::Ids;

/// Digits of a padded id: the widest number and some zeros in front.
const PADDED: usize = 22;

/// The id in submit_sm_resp.
pub(super) fn in_answer(ids: Ids, serial: u64) -> COctets {
    COctets::from(match ids {
        Ids::Decimal | Ids::DecimalThenHex | Ids::Padded => serial.to_string(),
        Ids::Hex | Ids::HexThenDecimal => format!("{serial:x}"),
        Ids::Uuid => uuid(serial),
    })
}

/// The id in the receipt.
pub(super) fn in_receipt(ids: Ids, serial: u64) -> COctets {
    COctets::from(match ids {
        Ids::Decimal | Ids::HexThenDecimal => serial.to_string(),
        Ids::Hex | Ids::DecimalThenHex => format!("{serial:x}"),
        Ids::Padded => format!("{serial:0PADDED$}"),
        Ids::Uuid => uuid(serial),
    })
}

/// A version 4 uuid (RFC 9562) drawn from the serial.
fn uuid(serial: u64) -> String {
    let (high, low) = (scatter(serial), scatter(!serial));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        (low >> 48) & 0x3FFF | 0x8000,
        low & 0xFFFF_FFFF_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_written_as_its_carriers_do() {
        let both =
            |ids| [in_answer(ids, 255).to_text().into_owned(), in_receipt(ids, 255).to_text().into_owned()];
        assert_eq!(both(Ids::Decimal), ["255", "255"]);
        assert_eq!(both(Ids::Hex), ["ff", "ff"]);
        assert_eq!(both(Ids::HexThenDecimal), ["ff", "255"]);
        assert_eq!(both(Ids::DecimalThenHex), ["255", "ff"]);
        assert_eq!(both(Ids::Padded), ["255", "0000000000000000000255"]);
        let [answer, receipt] = both(Ids::Uuid);
        assert_eq!(answer, receipt);
        assert_eq!(answer.len(), 36);
        assert_eq!(answer.as_bytes()[14], b'4');
        assert_ne!(in_answer(Ids::Uuid, 1), in_answer(Ids::Uuid, 2));
    }
}
