//! Texts and user data headers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::pdu::Sm;
use protocol::pdu::message::UDHI;
use protocol::text::{
    self, Alphabet, ByteOrder, Concat, Flaws, Habits, JoinLimits, Joined, Joiner, Language, Method, Offer,
    PART_OCTETS, Packing, Plan, Reference, Shifts, Udh, Width, udh as header,
};
use protocol::tlv::{Tag, Tlv};

use super::script::Script;

const DEFAULTS: [Alphabet; 7] = [
    Alphabet::Gsm7,
    Alphabet::Latin1,
    Alphabet::Ascii,
    Alphabet::Utf8,
    Alphabet::Ucs2,
    Alphabet::Cyrillic,
    Alphabet::Hebrew,
];

/// A body in any alphabet is read; the same octets as a text are split and join to the same text.
pub fn text(octets: &[u8]) {
    let mut script = Script::new(octets);
    let habits = Habits {
        default_alphabet: script.choose(&DEFAULTS),
        ia5_alphabet: script.choose(&[Alphabet::Ascii, Alphabet::Gsm7, Alphabet::Latin1]),
        packing: script.choose(&[Packing::Unpacked, Packing::Packed, Packing::PackedWithoutFill]),
        byte_order: script.choose(&[ByteOrder::Big, ByteOrder::Little]),
        forgets_udhi: script.choose(&[false, true]),
        hides_ucs2: script.choose(&[false, true]),
    };
    let (data_coding, udhi) = (script.octet(), script.choose(&[false, true]));
    let number = script.two_octets();
    let offer = Offer {
        habits: Habits { forgets_udhi: false, hides_ucs2: false, ia5_alphabet: Alphabet::Ascii, ..habits },
        reference: script.choose(&[Reference::Eight(number as u8), Reference::Sixteen(number)]),
        method: script.choose(&[Method::Udh, Method::Sar, Method::Payload]),
        alphabets: script.choose(&[
            &[Alphabet::Gsm7, Alphabet::Ucs2][..],
            &[Alphabet::Gsm7, Alphabet::Latin1, Alphabet::Ucs2],
            &[Alphabet::Ascii, Alphabet::Ucs2],
            &[Alphabet::Gsm7],
        ]),
        languages: script.choose(&[&[][..], &[Language::Turkish, Language::Spanish], &Language::ALL]),
        class: script.choose(&[None, Some(0), Some(1)]),
        max_parts: script.choose(&[u8::MAX, 3]),
    };
    let body = script.rest();
    read(data_coding, udhi, body, habits);
    write(&String::from_utf8_lossy(body), &offer);
}

fn read(data_coding: u8, udhi: bool, octets: &[u8], habits: Habits) {
    let read = text::decode(data_coding, udhi, &Bytes::copy_from_slice(octets), habits);
    if habits.packing == Packing::Unpacked {
        assert_eq!(read.udh.as_ref().map_or(0, Udh::octets) + read.octets.len(), octets.len());
    }
    assert!(read.concat.is_none_or(|it| (1..=it.total).contains(&it.number)));
    let alone = text::assemble(vec![read.clone()]);
    assert_eq!((alone.text, alone.concat), (read.text, None));
}

fn write(text: &str, offer: &Offer<'_>) {
    let cost = text::cost(text, offer);
    assert!(!cost.to_string().is_empty());
    let chosen = cost.chosen.map(|at| &cost.choices[at]);
    let Ok(plan) = text::plan(text, offer) else {
        assert_eq!(chosen, None);
        return;
    };
    let chosen = chosen.expect("what is sendable has a price");
    let parts = chosen.bill.expect("a bill").parts;
    assert_eq!((chosen.alphabet, chosen.shifts, parts), (plan.alphabet, plan.shifts, plan.parts.len()));
    assert!((1..=usize::from(offer.max_parts)).contains(&parts));

    let packed = offer.habits.packing != Packing::Unpacked;
    let gsm7 = plan.alphabet == Alphabet::Gsm7 && offer.habits.default_alphabet == Alphabet::Gsm7;
    let mut end = 0;
    for part in &plan.parts {
        assert_eq!(part.text.start, end);
        assert!(part.units <= plan.limit);
        let on_air = plan.alphabet == Alphabet::Ucs2 || gsm7 && packed;
        assert!(part.octets.len() <= PART_OCTETS || plan.method == Method::Payload || !on_air);
        end = part.text.end;
    }
    assert_eq!(end, text.len());

    // A leading mark decides the byte order and is not text; a return at the end of packed text is doubled or dropped.
    if text.contains(['\u{FEFF}', '\u{FFFE}']) || packed && text.contains('\r') {
        return;
    }
    let mut messages = messages(&plan);
    messages.rotate_left(parts / 2);
    let (now, mut joiner) = (Instant::now(), Joiner::new(JoinLimits::default()));
    for (number, sm) in messages.iter().enumerate() {
        let read = text::read(sm, offer.habits);
        assert_eq!(read.flaws, Flaws::default());
        match joiner.push(now, b"447700900123", b"88001", read, number) {
            Joined::Whole { decoded, tags } => {
                assert_eq!((decoded.text.as_deref(), tags.len()), (Some(text), parts));
                assert_eq!(number + 1, parts);
            }
            Joined::Waiting { here, total } => {
                assert_eq!((here, usize::from(total)), (number + 1, parts));
            }
            Joined::Repeated(_) => panic!("each part was sent once"),
        }
    }
    assert_eq!(joiner.waiting(), 0);
}

fn messages(plan: &Plan) -> Vec<Sm> {
    let message = |part: &text::Part| {
        let mut sm = Sm { data_coding: plan.data_coding, ..Sm::default() };
        sm.esm_class = if plan.udhi { UDHI } else { 0 };
        match plan.method {
            Method::Payload => sm.tlvs.push(Tlv::new(Tag::MESSAGE_PAYLOAD, part.octets.clone())),
            Method::Udh | Method::Sar => sm.short_message = part.octets.clone(),
        }
        if plan.method == Method::Sar {
            part.concat.map(text::sar_tlvs).into_iter().flatten().for_each(|tlv| sm.tlvs.push(tlv));
        }
        sm
    };
    plan.parts.iter().map(message).collect()
}

const LIMITS: JoinLimits = JoinLimits {
    messages: 4,
    messages_per_pair: 3,
    octets: 400,
    wait: Duration::from_secs(60),
    remember: Duration::from_secs(10),
};

/// A header is walked and written back; parts with headers as they come are joined within the limits, and every one
/// comes back exactly once.
pub fn udh(octets: &[u8]) {
    let whole = Bytes::copy_from_slice(octets);
    if let Ok((udh, body)) = Udh::split(&whole) {
        let (start, rest) = octets.split_at(udh.octets());
        assert_eq!((udh.encode().as_deref(), &body[..]), (Some(start), rest));
    }
    let _ = header::looks_like(octets);

    let mut script = Script::new(octets);
    written(&mut script);
    let (mut now, mut joiner) = (Instant::now(), Joiner::new(LIMITS));
    let (mut given, mut back) = (0, 0);
    while !script.is_empty() {
        now += Duration::from_secs(script.choose(&[0, 0, 0, 1, 11, 61]));
        let (source, data_coding) = (script.choose(b"ab"), script.choose(&[0, 8, 4, 0xF5]));
        let part =
            text::decode(data_coding, true, &Bytes::copy_from_slice(script.octets()), Habits::default());
        given += 1;
        match joiner.push(now, &[source], b"88001", part, given) {
            Joined::Whole { tags, decoded } => {
                assert_eq!(decoded.concat, None);
                back += tags.len();
            }
            Joined::Repeated(tag) => {
                assert_eq!(tag, given);
                back += 1;
            }
            Joined::Waiting { here, total } => assert!(here < usize::from(total)),
        }
        while let Some(lost) = joiner.poll_incomplete(now) {
            assert!(lost.parts.len() < usize::from(lost.total));
            back += lost.parts.len();
        }
        assert!(joiner.waiting() <= LIMITS.messages);
        assert!(joiner.next_deadline().is_none_or(|next| next > now));
    }
    while let Some(lost) = joiner.poll_incomplete(now + LIMITS.wait) {
        back += lost.parts.len();
    }
    assert_eq!((given, joiner.waiting()), (back, 0));
}

fn written(script: &mut Script<'_>) {
    let width = script.choose(&[Width::Eight, Width::Sixteen]);
    let reference = match width {
        Width::Eight => u16::from(script.octet()),
        Width::Sixteen => script.two_octets(),
    };
    let concat = Concat::new(reference, script.octet(), script.octet(), width);
    let [locking, single] = [script.octet(), script.octet()].map(|id| Language::from_id(id % 16));
    let shifts = Shifts { locking, single };
    let written = Bytes::from(header::header(concat, shifts));
    if written.is_empty() {
        assert_eq!((concat, shifts), (None, Shifts::NONE));
        return;
    }
    let (udh, rest) = Udh::split(&written).expect("a header of our own");
    let mut flaws = Flaws::default();
    assert_eq!((udh.concat(&mut flaws), udh.shifts(&mut flaws), rest.len()), (concat, shifts, 0));
    assert!(flaws.is_empty());
}
