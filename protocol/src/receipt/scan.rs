//! The keys of a receipt's text (SMPP 3.4, appendix B), in any order, letter case and spacing, with any of them missing.

use super::state::MessageState;

/// The values of the keys; each as written, without the blanks around it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub id: Option<&'a [u8]>,
    pub sub: Option<&'a [u8]>,
    pub dlvrd: Option<&'a [u8]>,
    pub submit_date: Option<&'a [u8]>,
    pub done_date: Option<&'a [u8]>,
    pub stat: Option<&'a [u8]>,
    pub err: Option<&'a [u8]>,
    pub text: Option<&'a [u8]>,
}

impl Fields<'_> {
    /// Whether these are a receipt's keys and not a chance: id and state with at least one more.
    pub(super) fn is_receipt(&self) -> bool {
        let more = [self.sub, self.dlvrd, self.submit_date, self.done_date, self.err];
        self.id.is_some() && self.stat.is_some() && more.iter().any(Option::is_some)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Id,
    Sub,
    Dlvrd,
    SubmitDate,
    DoneDate,
    Stat,
    Err,
    Text,
}

/// Keys by their words; where two begin alike the colon after them decides.
const KEYS: [(&[&[u8]], Key); 14] = [
    (&[b"id"], Key::Id),
    (&[b"sub"], Key::Sub),
    (&[b"dlvrd"], Key::Dlvrd),
    (&[b"dlvd"], Key::Dlvrd),
    (&[b"submit", b"date"], Key::SubmitDate),
    (&[b"sub", b"date"], Key::SubmitDate),
    (&[b"done", b"date"], Key::DoneDate),
    (&[b"stat"], Key::Stat),
    (&[b"status"], Key::Stat),
    (&[b"state"], Key::Stat),
    (&[b"err"], Key::Err),
    (&[b"error"], Key::Err),
    (&[b"text"], Key::Text),
    (&[b"txt"], Key::Text),
];

/// Whether octets could hold a receipt's keys, at a glance: an `id` and a colon near the front or a `stat`.
pub(super) fn may_hold_keys(octets: &[u8]) -> bool {
    octets.len() >= 8 && octets.contains(&b':')
}

/// Whether it begins as nearly all receipts do, which spares a second look.
pub(super) fn starts_with_id(octets: &[u8]) -> bool {
    octets.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"id:"))
}

/// Finds the keys and their values. The first of a key counts; what stands behind `text` is the quoted message and is not
/// looked at. A state word whose key is missing is found behind the value before it.
pub(super) fn scan(octets: &[u8]) -> Fields<'_> {
    let mut fields = Fields::default();
    // What stands before the first key.
    let mut open: Option<(Option<Key>, usize)> = Some((None, 0));
    let mut at = 0;
    let mut boundary = true;
    let mut loose = None;
    while at < octets.len() {
        if boundary && let Some((key, value)) = octets.get(at..).and_then(key_at) {
            if let Some((before, start)) = open {
                close(&mut fields, &mut loose, before, octets.get(start..at).unwrap_or_default());
            }
            let start = at + value;
            if key == Key::Text {
                fields.text = octets.get(start..);
                open = None;
                break;
            }
            open = Some((Some(key), start));
            at = start;
            // A value can be empty, so that the next key follows at once.
            continue;
        }
        boundary = octets.get(at).is_some_and(|octet| is_gap(*octet));
        at += 1;
    }
    if let Some((key, start)) = open {
        close(&mut fields, &mut loose, key, octets.get(start..).unwrap_or_default());
    }
    if fields.stat.is_none() {
        fields.stat = loose;
    }
    fields
}

/// Keeps a value, and looks behind it for a state word without its key.
fn close<'a>(fields: &mut Fields<'a>, loose: &mut Option<&'a [u8]>, key: Option<Key>, value: &'a [u8]) {
    let mut value = trim(value);
    if !matches!(key, Some(Key::Stat | Key::Id))
        && let Some((rest, word)) = split_word(value)
    {
        *loose = loose.or(Some(word));
        value = rest;
    }
    let place = match key {
        None => return,
        Some(Key::Id) => &mut fields.id,
        Some(Key::Sub) => &mut fields.sub,
        Some(Key::Dlvrd) => &mut fields.dlvrd,
        Some(Key::SubmitDate) => &mut fields.submit_date,
        Some(Key::DoneDate) => &mut fields.done_date,
        Some(Key::Stat) => &mut fields.stat,
        Some(Key::Err) => &mut fields.err,
        Some(Key::Text) => &mut fields.text,
    };
    if place.is_none_or(<[u8]>::is_empty) {
        *place = Some(value);
    }
}

/// The last word of a value where it is a state's, and what stands before it.
fn split_word(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = value.iter().rposition(|octet| is_gap(*octet) || *octet == b':').map_or(0, |at| at + 1);
    let word = value.get(start..)?;
    MessageState::from_word(word)?;
    let rest = value.get(..start)?;
    Some((trim(rest.strip_suffix(b":").unwrap_or(rest)), word))
}

/// The key at the start of `octets` and where its value begins.
fn key_at(octets: &[u8]) -> Option<(Key, usize)> {
    // No key begins otherwise: spares most places of a text the table.
    if !octets.first().is_some_and(|first| b"isdetISDET".contains(first)) {
        return None;
    }
    KEYS.iter().find_map(|(words, key)| {
        let mut at = 0;
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                at += octets.get(at..)?.iter().take_while(|octet| is_joint(**octet)).count();
            }
            let end = at + word.len();
            if !octets.get(at..end)?.eq_ignore_ascii_case(word) {
                return None;
            }
            at = end;
        }
        at += octets.get(at..)?.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        (octets.get(at) == Some(&b':')).then_some(())?;
        at += 1;
        // Blanks after the colon belong to no value, but for `text`, which is quoted as it is.
        if *key != Key::Text {
            at += octets.get(at..)?.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        } else if octets.get(at) == Some(&b' ') {
            at += 1;
        }
        Some((*key, at))
    })
}

fn is_gap(octet: u8) -> bool {
    octet.is_ascii_whitespace() || matches!(octet, 0 | b',' | b';' | b'|')
}

/// Between the words of one key: `submit date`, `submit_date`, `submitdate`.
fn is_joint(octet: u8) -> bool {
    octet.is_ascii_whitespace() || matches!(octet, b'_' | b'-')
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_gap(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_gap(*last)
    {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: Option<&[u8]>) -> Option<&str> {
        value.map(|value| std::str::from_utf8(value).unwrap())
    }

    fn assert_usual(written: &str) {
        let fields = scan(written.as_bytes());
        assert_eq!(text(fields.id), Some("42"), "{written}");
        assert_eq!(text(fields.submit_date), Some("2603041229"), "{written}");
        assert_eq!(text(fields.done_date), Some("2603041230"), "{written}");
        assert_eq!(text(fields.stat), Some("DELIVRD"), "{written}");
        assert_eq!(text(fields.err), Some("000"), "{written}");
    }

    #[test]
    fn keys_are_found_in_any_order_case_and_spacing() {
        for written in [
            "id:42 sub:001 dlvrd:001 submit date:2603041229 done date:2603041230 stat:DELIVRD err:000 text:x",
            "stat:DELIVRD err:000 id:42 done date:2603041230 submit date:2603041229",
            "ID:42 SUBMIT DATE:2603041229 DONE DATE:2603041230 STAT:DELIVRD ERR:000 TEXT:x",
            "id: 42 submit date: 2603041229 done date: 2603041230 stat: DELIVRD err: 000 text: x",
            "id :42\r\nsubmit_date:2603041229\r\ndone_date:2603041230\nstatus:DELIVRD\nerror:000",
            "id:42,submitdate:2603041229,donedate:2603041230,stat:DELIVRD,err:000",
            "id:42 sub: dlvrd: submit  date:2603041229 done date:2603041230 stat:DELIVRD err:000\0",
        ] {
            assert_usual(written);
        }
    }

    #[test]
    fn a_state_word_without_its_key_is_found() {
        assert_usual("id:42 submit date:2603041229 done date:2603041230 DELIVRD err:000 text:");
        assert_usual("id:42 submit date:2603041229 done date:2603041230 :DELIVRD err:000");
        assert_usual("id:42 submit date:2603041229 done date:2603041230 err:000 DELIVRD");
        assert_usual("DELIVRD id:42 submit date:2603041229 done date:2603041230 err:000");
    }

    #[test]
    fn nothing_behind_text_is_taken_for_a_key() {
        let fields = scan(b"id:42 stat:DELIVRD err:000 text:id:99 stat:UNDELIV");
        assert_eq!((text(fields.id), text(fields.stat)), (Some("42"), Some("DELIVRD")));
        assert_eq!(text(fields.text), Some("id:99 stat:UNDELIV"));
        let fields = scan(b"id:42 err:000 text:stat:UNDELIV");
        assert_eq!(fields.stat, None);
    }

    #[test]
    fn an_id_may_hold_dashes_blanks_and_words() {
        let fields = scan(b"id:7d09-3bfa DELIVRD x sub:001 stat:EXPIRED");
        assert_eq!(text(fields.id), Some("7d09-3bfa DELIVRD x"));
        assert_eq!(text(fields.stat), Some("EXPIRED"));
    }

    #[test]
    fn the_first_of_a_key_counts_unless_it_is_empty() {
        assert_eq!(text(scan(b"id:1 id:2 stat:DELIVRD").id), Some("1"));
        assert_eq!(text(scan(b"id: id:2 stat:DELIVRD").id), Some("2"));
    }

    #[test]
    fn keys_inside_words_are_none() {
        let fields = scan(b"paid:5 restat:x substat:y");
        assert_eq!(fields, Fields::default());
        assert!(!scan(b"my id:5 please").is_receipt());
    }

    proptest! {
        #[test]
        fn any_octets_are_scanned_without_a_panic(octets: Vec<u8>) {
            let _ = scan(&octets);
        }

        #[test]
        fn any_mix_of_keys_is_scanned_without_a_panic(pieces in prop::collection::vec("(id|sub|stat|done date|submit_date|err|text|DELIVRD)[ :]{0,3}[0-9a-z \\x00\\n]{0,6}", 0..12)) {
            let joined = pieces.concat();
            let _ = scan(joined.as_bytes());
        }
    }
}
