//! The text and the receipt in a message as a person reads them.

use protocol::pdu::Sm;
use protocol::receipt::{self, Date, Form, NetworkError};
use protocol::text;

use super::print::{Page, quoted};
use super::profile::{self, Profile};
use super::words;
use crate::message::hex;

impl Page {
    /// What the message says, and what else it may say.
    pub(super) fn text(&mut self, sm: &Sm) {
        let read = text::read(sm, self.look.profile.unwrap_or(Profile::Default).habits());
        if sm.content().is_empty() && read.flaws.is_empty() {
            return;
        }
        self.head("text");
        match &read.text {
            Some(text) => self.row(4, read.alphabet.title(), &quoted(text), ""),
            None => self.row(4, read.alphabet.title(), &words::count(read.octets.len(), "octet"), "no text"),
        }
        if let Some(udh) = &read.udh {
            self.row(4, "user data header", &words::count(udh.elements.len(), "element"), "");
            for element in &udh.elements {
                self.row(
                    6,
                    &format!("0x{:02x}", element.id),
                    &hex(&element.data),
                    words::element(element.id),
                );
            }
        }
        if let Some(concat) = read.concat {
            let value = format!("{} of {}", concat.number, concat.total);
            self.row(
                4,
                "part",
                &value,
                &format!("reference {}, {} bits", concat.reference, concat.width.bits()),
            );
        }
        for (name, language) in [("locking shift", read.shifts.locking), ("single shift", read.shifts.single)]
        {
            if let Some(language) = language {
                self.row(4, name, language.name(), "");
            }
        }
        for flaw in read.flaws.iter() {
            self.row(4, &format!("! {}", flaw.name()), "", words::flaw(flaw));
        }
        if self.look.profile.is_none() {
            for (profile, read) in profile::likely(sm, &read) {
                let name = format!("if {}", profile.name());
                self.row(4, &name, &quoted(read.text.as_deref().unwrap_or_default()), "");
            }
        }
    }

    /// What the receipt in it says, and what decided it.
    pub(super) fn receipt(&mut self, sm: &Sm) {
        let habits = self.look.profile.unwrap_or(Profile::Default).receipt_habits();
        let Some(receipt) = receipt::parse_with(sm, &habits) else {
            if receipt::looks_like(sm) {
                self.bad(
                    "! has the shape of a receipt, but neither esm_class nor TLVs say so: taken as a text",
                );
            }
            return;
        };
        self.head("receipt");
        self.row(4, "taken for one", words::recognised(receipt.recognised), "");
        match &receipt.id {
            Some(id) => {
                let by = words::origin(receipt.id_origin, "receipted_message_id", "id:");
                self.row(4, "id", &quoted(&id.to_text()), &by);
                if !receipt.is_matchable() {
                    self.row(6, "", "names no message: it must match none", "");
                }
                for (form, key) in receipt.forms().iter().flat_map(|forms| forms.candidates()) {
                    let base = match form {
                        Form::Same => continue,
                        Form::DecimalToHex => "decimal",
                        Form::HexToDecimal => "hexadecimal",
                    };
                    self.row(6, "", &format!("{key} in the response, if it is {base} here"), "");
                }
            }
            None => self.row(4, "id", "-", "no place has one: nothing can be found by it"),
        }
        let end = if receipt.state.is_final() { "final" } else { "not final" };
        let by = words::origin(receipt.state_origin, "message_state", "stat:");
        self.row(4, "state", receipt.state.name(), &format!("{end}, {by}"));
        if let Some(stat) = &receipt.stat {
            self.row(4, "stat", &quoted(&stat.to_text()), "as written");
        }
        if let Some(err) = &receipt.err {
            self.row(4, "err", &quoted(&err.to_text()), "a code of the carrier's own");
        }
        match &receipt.network_error {
            Some(NetworkError::Code { network, code }) => {
                let kind =
                    ["", "ANSI-136", "IS-95", "GSM"].get(usize::from(*network)).copied().unwrap_or_default();
                self.row(4, "network error", &code.to_string(), kind);
            }
            Some(NetworkError::Digits(digits)) => {
                self.row(4, "network error", &digits.to_text(), "digits instead of a type and a number");
            }
            Some(NetworkError::Raw(octets)) => self.row(4, "network error", &hex(octets), "of another size"),
            None => {}
        }
        for (name, date) in [("submitted", &receipt.submit_date), ("done", &receipt.done_date)] {
            if let Some(date) = date {
                self.date(name, date);
            }
        }
        let counts = [("sub", receipt.sub), ("dlvrd", receipt.dlvrd)];
        for (name, count) in counts.into_iter().filter_map(|(name, count)| Some((name, count?))) {
            self.row(4, name, &count.to_string(), "as it claims");
        }
        if let Some(text) = &receipt.text {
            self.row(4, "text", &quoted(text), "of the message, cut anywhere");
        }
        for conflict in &receipt.conflicts {
            self.row(4, "! conflict", "", words::conflict(*conflict));
        }
    }

    fn date(&mut self, name: &str, date: &Date) {
        let raw = format!("from {}", quoted(&date.raw.to_text()));
        match date.moment {
            Some(moment) => {
                let zone = match moment.zone() {
                    receipt::Zone::Unsaid => ", zone not said",
                    receipt::Zone::Utc | receipt::Zone::Offset(_) => "",
                };
                self.row(4, name, &moment.to_string(), &format!("{raw}{zone}"));
            }
            None => self.row(4, name, "-", &format!("{raw}, which means nothing")),
        }
    }
}
