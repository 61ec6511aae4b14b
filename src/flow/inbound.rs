//! The way in: what a carrier delivers is put together, read, decided, committed with all its effects, then answered.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::pdu::{Body, Sm};
use protocol::text::Alphabet;
use protocol::{receipt, text};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::config::DefaultAlphabet;
use crate::flow::Flow;
use crate::message::{Msisdn, Sender};
use crate::smpp::client::{NOT_NOW, TAKEN};
use crate::smpp::submission::{Answer, Arrival};
use crate::store::{PartRow, PartsKey, StoreError};

/// Arrivals taken into one commit.
const BATCH: usize = 1_024;
/// Parts of a long message are waited for this long, then taken as they are: the words that came are kept.
const PARTS_WAIT: Duration = Duration::from_secs(30);
/// How often overdue parts are looked for.
const PARTS_LOOK: Duration = Duration::from_secs(5);

/// One message from a person, put together.
#[derive(Clone)]
pub struct Incoming {
    /// The carrier account it came by.
    pub lane: String,
    /// The handset.
    pub number: Msisdn,
    /// The code it was sent to.
    pub code: Sender,
    /// Its text.
    pub text: String,
    /// Its octets as they came, the parts' one after the other.
    pub octets: Vec<u8>,
    /// data_coding of its first part.
    pub data_coding: u8,
    /// When it came, milliseconds since the epoch.
    pub received_ms: i64,
    /// Parts it came in.
    pub parts: i64,
    /// What those parts are kept under until the commit.
    pub key: Option<PartsKey>,
    /// What is odd about it: parts missing.
    pub note: Option<String>,
}

/// Who is waiting for the commit: the arrivals to answer.
type Waiting = Vec<Arrival>;

/// What one arrival turned out to be.
enum Kind {
    Receipt(Box<crate::store::ReceiptRow>),
    Whole(Box<Incoming>),
    Part(Box<PartRow>),
    /// Not for us to judge: answered, so that the carrier does not send it for ever.
    Nothing(&'static str),
}

/// Takes in what arrives until the binds have ended.
pub async fn take_in(flow: Arc<Flow>, mut arrivals: mpsc::UnboundedReceiver<Vec<Arrival>>) {
    let mut look = interval(PARTS_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut batch = tokio::select! {
            batch = arrivals.recv() => match batch {
                Some(batch) => batch,
                None => return,
            },
            _ = look.tick() => {
                flow.take_overdue_parts().await;
                continue;
            }
        };
        while batch.len() < BATCH
            && let Ok(more) = arrivals.try_recv()
        {
            batch.extend(more);
        }
        flow.take_batch(batch).await;
    }
}

impl Flow {
    async fn take_batch(&self, batch: Vec<Arrival>) {
        let (mut receipts, mut receipt_arrivals) = (Vec::new(), Waiting::new());
        let mut messages = VecDeque::new();
        for arrival in batch {
            match self.sort(&arrival) {
                Kind::Receipt(row) => {
                    receipts.push(*row);
                    receipt_arrivals.push(arrival);
                }
                Kind::Whole(incoming) => messages.push_back((Some(*incoming), None, arrival)),
                Kind::Part(part) => messages.push_back((None, Some(*part), arrival)),
                Kind::Nothing(why) => {
                    debug!(bind = %arrival.bind.name, "answered and left: {why}");
                    answer(&[arrival], Ok(()));
                }
            }
        }
        let receipts = async {
            let recorded = self.receipts(receipts).await;
            answer(&receipt_arrivals, recorded);
        };
        let messages = async {
            let mut whole = VecDeque::new();
            for (incoming, part, arrival) in messages {
                match (incoming, part) {
                    (Some(incoming), _) => whole.push_back((incoming, arrival)),
                    (None, Some(part)) => match self.store.put_part(part).await {
                        Ok(Some(parts)) => match self.joined(&parts, None) {
                            Some(incoming) => whole.push_back((incoming, arrival)),
                            None => answer(&[arrival], Ok(())),
                        },
                        Ok(None) => answer(&[arrival], Ok(())),
                        Err(error) => answer(&[arrival], Err(error)),
                    },
                    (None, None) => answer(&[arrival], Ok(())),
                }
            }
            self.take_messages(whole).await;
        };
        tokio::join!(receipts, messages);
    }

    /// Takes messages in groups in which no person appears twice: the second message is judged with the first one's
    /// effects in place.
    async fn take_messages(&self, mut messages: VecDeque<(Incoming, Arrival)>) {
        while !messages.is_empty() {
            let mut people = HashSet::new();
            let (mut group, mut waiting) = (Vec::new(), Waiting::new());
            let mut later = VecDeque::new();
            for (incoming, arrival) in messages {
                if people.insert((incoming.number, incoming.code.clone())) {
                    group.push((incoming, Some(arrival.read_at)));
                    waiting.push(arrival);
                } else {
                    later.push_back((incoming, arrival));
                }
            }
            match self.reply_to(group).await {
                Ok(stops) => {
                    answer(&waiting, Ok(()));
                    stops.iter().for_each(|read_at| self.metrics.stop_to_answer.keep(read_at.elapsed()));
                }
                Err(error) => answer(&waiting, Err(error)),
            }
            messages = later;
        }
    }

    /// Long messages whose other parts never came are read as they are.
    async fn take_overdue_parts(&self) {
        let before_ms = self.clock.now_ms() - i64::try_from(PARTS_WAIT.as_millis()).unwrap_or_default();
        let overdue = match self.store.parts_overdue(before_ms).await {
            Ok(overdue) => overdue,
            Err(error) => return warn!("parts of long messages cannot be looked for: {error}"),
        };
        for parts in overdue {
            let group = self.joined(&parts, Some("parts missing")).map(|incoming| (incoming, None));
            if let Err(error) = self.reply_to(group.into_iter().collect()).await {
                warn!("an incomplete message waits: {error}");
            }
        }
    }

    fn sort(&self, arrival: &Arrival) -> Kind {
        let sm = match &arrival.pdu.body {
            Body::DeliverSm(sm) => sm.clone(),
            Body::DataSm(data) => Sm::from(data.clone()),
            _ => return Kind::Nothing("neither deliver_sm nor data_sm"),
        };
        if let Some(receipt) = receipt::parse(&sm) {
            return Kind::Receipt(Box::new(self.receipt_row(&arrival.bind.lane, &receipt, &sm)));
        }
        let Ok(number) = Msisdn::parse(&sm.source.addr.to_text()) else {
            return Kind::Nothing("its source address is no number");
        };
        let code = Sender(sm.dest.addr.to_text().into_owned());
        let octets = sm.content().clone();
        let lane = arrival.bind.lane.to_string();
        let received_ms = self.clock.now_ms();
        match text::concat_of(&sm) {
            Some(concat) if concat.total > 1 => Kind::Part(Box::new(PartRow {
                key: PartsKey {
                    lane,
                    number,
                    code: code.0,
                    reference: i64::from(concat.reference),
                    total: i64::from(concat.total),
                },
                part: i64::from(concat.number),
                octets: hex(&octets),
                data_coding: i64::from(sm.data_coding),
                received_ms,
            })),
            _ => {
                let text = self.decode(&lane, sm.data_coding, sm.esm_class & 0x40 != 0, &octets);
                Kind::Whole(Box::new(Incoming {
                    lane,
                    number,
                    code,
                    text,
                    octets: octets.to_vec(),
                    data_coding: sm.data_coding,
                    received_ms,
                    parts: 1,
                    key: None,
                    note: None,
                }))
            }
        }
    }

    /// Puts parts, in order, together.
    fn joined(&self, parts: &[PartRow], note: Option<&str>) -> Option<Incoming> {
        let first = parts.first()?;
        let bodies: Vec<(u8, bool, Bytes)> = parts
            .iter()
            .map(|part| {
                let (coding, octets) =
                    (u8::try_from(part.data_coding).unwrap_or_default(), unhex(&part.octets));
                (coding, names_its_part(&octets, part), octets)
            })
            .collect();
        let lane = &first.key.lane;
        Some(Incoming {
            lane: lane.clone(),
            number: first.key.number,
            code: Sender(first.key.code.clone()),
            text: bodies
                .iter()
                .map(|(coding, udhi, octets)| self.decode(lane, *coding, *udhi, octets))
                .collect(),
            octets: bodies.iter().flat_map(|(_, _, octets)| octets.iter().copied()).collect(),
            data_coding: bodies.first().map_or(0, |(coding, _, _)| *coding),
            received_ms: self.clock.now_ms(),
            parts: i64::try_from(parts.len()).unwrap_or(i64::MAX),
            key: Some(first.key.clone()),
            note: note.map(str::to_owned),
        })
    }

    /// The text of one body; empty where its octets are no text.
    fn decode(&self, lane: &str, data_coding: u8, udhi: bool, octets: &Bytes) -> String {
        let alphabet = match self.config().carrier(lane).map(|carrier| carrier.default_alphabet) {
            Some(DefaultAlphabet::Latin1) => Alphabet::Latin1,
            Some(DefaultAlphabet::Ascii) => Alphabet::Ascii,
            Some(DefaultAlphabet::Gsm7) | None => Alphabet::Gsm7,
        };
        text::decode(data_coding, udhi, octets, alphabet).text.unwrap_or_default()
    }
}

/// Answers arrivals after their commit: taken, or to be sent again.
fn answer(arrivals: &[Arrival], committed: Result<(), StoreError>) {
    if let Err(error) = &committed {
        warn!("{} deliveries are left with the carrier: {error}", arrivals.len());
    }
    let status = if committed.is_ok() { TAKEN } else { NOT_NOW };
    for arrival in arrivals {
        arrival.bind.answer(Answer {
            connection: arrival.connection,
            sequence: arrival.pdu.sequence,
            command: arrival.pdu.command_id(),
            status,
        });
    }
}

/// Whether these octets begin with a header that says which part they are. Parts told by SAR parameters have none, and a
/// text that happens to begin like the header of just this part is not met in practice.
fn names_its_part(octets: &Bytes, part: &PartRow) -> bool {
    text::decode(0, true, octets, Alphabet::Gsm7).concat.is_some_and(|concat| {
        i64::from(concat.reference) == part.key.reference
            && i64::from(concat.total) == part.key.total
            && i64::from(concat.number) == part.part
    })
}

/// Octets as the database keeps them.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Bytes {
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).filter_map(digit).collect()
}
