//! The way in: what a carrier delivers is put together, read, decided, committed with all its effects, then answered.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::pdu::{Body, Sm};
use protocol::text::Alphabet;
use protocol::{receipt, text};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::config::DefaultAlphabet;
use crate::crash::{self, Point};
use crate::flow::Flow;
use crate::flow::receipts::take_receipts;
use crate::message::{Msisdn, Sender, hex};
use crate::rules::machines::joiner::{Effect, Event, Joiner, Place};
use crate::rules::reading::{Context, Verdict};
use crate::smpp::client::{NOT_NOW, TAKEN};
use crate::smpp::submission::{Answer, Arrival};
use crate::store::{PartRow, PartsKey, ReceiptRow, StoreError};

/// Arrivals taken into one commit.
pub(super) const BATCH: usize = 1_024;
/// Parts of a long message are waited for this long, milliseconds, then taken as they are: the words that came are kept.
const PARTS_WAIT_MS: i64 = 30_000;
/// How often it is looked whether somebody has waited long enough: what another process began is found so too.
const PARTS_LOOK: Duration = Duration::from_secs(5);
/// Another process waits for the parts that came to it. Only what is left after this too has nobody who waits.
const LEFT_BEHIND_MS: i64 = PARTS_WAIT_MS + 60_000;
/// Characters at the end of a first part that the rest may give another meaning: STOP raising the price.
const UNSETTLED_CHARS: usize = 30;
/// What is noted of a message of which parts never came.
const PARTS_MISSING: &str = "parts missing";
/// What is noted of a message that says STOP before it is all here.
const STOPPED_EARLY: &str = "says STOP at its beginning; the rest was not waited for";

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

/// A receipt, and what it came with.
pub(super) type Receipt = (ReceiptRow, Arrival);

/// What one arrival turned out to be.
enum Kind {
    Receipt(Box<ReceiptRow>),
    Message(Piece),
    /// Not for us to judge: answered, so that the carrier does not send it for ever.
    Nothing(&'static str),
}

/// A message from a person, or a part of one.
enum Piece {
    Whole(Box<Incoming>),
    Part(Box<PartRow>),
}

/// Takes in what arrives until the binds have ended. Receipts go their own way: what a person says does not wait for them.
pub async fn take_in(flow: Arc<Flow>, arrivals: mpsc::UnboundedReceiver<Vec<Arrival>>) {
    let (receipts, receipts_come) = mpsc::unbounded_channel();
    let (pieces, pieces_come) = mpsc::unbounded_channel();
    tokio::join!(
        sort_arrivals(&flow, arrivals, receipts, pieces),
        take_receipts(&flow, receipts_come),
        take_pieces(&flow, pieces_come),
    );
}

async fn sort_arrivals(
    flow: &Flow,
    mut arrivals: mpsc::UnboundedReceiver<Vec<Arrival>>,
    receipts: mpsc::UnboundedSender<Receipt>,
    pieces: mpsc::UnboundedSender<(Piece, Arrival)>,
) {
    while let Some(batch) = arrivals.recv().await {
        for arrival in batch {
            // Whoever takes them lives as long as we send.
            match flow.sort(&arrival) {
                Kind::Receipt(row) => _ = receipts.send((*row, arrival)),
                Kind::Message(piece) => _ = pieces.send((piece, arrival)),
                Kind::Nothing(why) => {
                    debug!(bind = %arrival.bind.name, "answered and left: {why}");
                    answer(&[arrival], Ok(()));
                }
            }
        }
    }
}

async fn take_pieces(flow: &Flow, mut pieces: mpsc::UnboundedReceiver<(Piece, Arrival)>) {
    // Made ready beside the start: what is queued goes out meanwhile, and only who writes waits.
    let config = flow.config();
    let _ = tokio::task::spawn_blocking(move || drop(config.reader())).await;
    let mut joiner = Joiner::new(PARTS_WAIT_MS);
    flow.wait_for_parts_begun(&mut joiner).await;
    let mut batch = Vec::new();
    loop {
        let came = tokio::select! {
            came = pieces.recv_many(&mut batch, BATCH) => came,
            () = sleep(flow.until_parts_are_due(&joiner)) => {
                flow.take_overdue_parts(&mut joiner).await;
                continue;
            }
        };
        if came == 0 {
            return;
        }
        let mut whole = VecDeque::new();
        for (piece, arrival) in batch.drain(..) {
            let taken = match piece {
                Piece::Whole(incoming) => Ok(Some(*incoming)),
                Piece::Part(part) => flow.take_part(*part, &mut joiner).await,
            };
            match taken {
                Ok(Some(incoming)) => whole.push_back((incoming, arrival)),
                Ok(None) => answer(&[arrival], Ok(())),
                Err(error) => answer(&[arrival], Err(error)),
            }
        }
        flow.take_messages(whole).await;
    }
}

impl Flow {
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
                    stops.iter().for_each(|_| crash::point(Point::StopDone));
                    answer(&waiting, Ok(()));
                    stops.iter().for_each(|read_at| self.metrics.stop_to_answer.keep(read_at.elapsed()));
                }
                Err(error) => answer(&waiting, Err(error)),
            }
            messages = later;
        }
    }

    /// Keeps a part. Gives its message once that is whole, or once its beginning says STOP whatever follows.
    async fn take_part(
        &self,
        part: PartRow,
        joiner: &mut Joiner<PartsKey>,
    ) -> Result<Option<Incoming>, StoreError> {
        let (key, now_ms) = (part.key.clone(), self.clock.now_ms());
        let place = if part.part == 1 { Place::First } else { Place::Later };
        if let Some(parts) = self.store.put_part(part).await? {
            let due = joiner.handle(now_ms, Event::Whole { key });
            self.take_incomplete(due, joiner).await;
            return Ok(self.joined(&parts, None));
        }
        let mut due = joiner.handle(now_ms, Event::Kept { key: key.clone(), place });
        let begins = due.iter().position(|effect| matches!(effect, Effect::ReadAhead(_)));
        let begins = begins.map(|at| due.remove(at));
        self.take_incomplete(due, joiner).await;
        if begins.is_none() || !self.stops_already(&key).await? {
            return Ok(None);
        }
        joiner.handle(now_ms, Event::Whole { key: key.clone() });
        Ok(self.joined(&self.store.parts_of(&key).await?, Some(STOPPED_EARLY)))
    }

    /// Does the beginning of a long message say STOP, and would it without the words that the rest may turn round?
    async fn stops_already(&self, key: &PartsKey) -> Result<bool, StoreError> {
        let parts = self.store.parts_of(key).await?;
        let Some(first) = parts.first().filter(|part| part.part == 1) else { return Ok(false) };
        let Some(beginning) = self.joined(std::slice::from_ref(first), None) else { return Ok(false) };
        let contexts = self.store.reply_contexts(&[(key.code.clone(), key.number)]).await?;
        let last = contexts.first().and_then(|context| context.last_text.as_ref());
        let context =
            Context { language: last.and_then(|last| last.language.as_deref()), ..Context::default() };
        let text = beginning.text.as_str();
        let settled = text.char_indices().rev().nth(UNSETTLED_CHARS - 1).map_or("", |(at, _)| &text[..at]);
        let reader = self.reader();
        let stops = |text: &str| matches!(reader.read(text, &context).verdict, Verdict::OptOut { .. });
        Ok(stops(text) && stops(settled))
    }

    /// What an earlier run began to wait for is waited for again.
    async fn wait_for_parts_begun(&self, joiner: &mut Joiner<PartsKey>) {
        match self.store.parts_overdue(i64::MAX).await {
            Ok(begun) => {
                for part in begun.iter().filter_map(|parts| parts.first()) {
                    let event = Event::Kept { key: part.key.clone(), place: Place::Later };
                    let due = joiner.handle(self.clock.now_ms(), event);
                    self.take_incomplete(due, joiner).await;
                }
            }
            Err(error) => warn!("parts of long messages cannot be looked for: {error}"),
        }
    }

    /// How long nothing is due, at most as long as we may go without looking.
    fn until_parts_are_due(&self, joiner: &Joiner<PartsKey>) -> Duration {
        let due = joiner.next_deadline().map(|deadline| deadline - self.clock.now_ms());
        let due = due.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
        due.map_or(PARTS_LOOK, |due| due.min(PARTS_LOOK))
    }

    /// Long messages whose other parts never came are read as they are.
    async fn take_overdue_parts(&self, joiner: &mut Joiner<PartsKey>) {
        let due = joiner.handle(self.clock.now_ms(), Event::Tick);
        self.take_incomplete(due, joiner).await;
        match self.store.parts_overdue(self.clock.now_ms() - LEFT_BEHIND_MS).await {
            Ok(left) => {
                let keys = left.iter().filter_map(|parts| parts.first()).map(|part| part.key.clone());
                self.take_incomplete(keys.map(Effect::TakeIncomplete).collect(), joiner).await;
            }
            Err(error) => warn!("parts of long messages cannot be looked for: {error}"),
        }
    }

    async fn take_incomplete(&self, due: Vec<Effect<PartsKey>>, joiner: &mut Joiner<PartsKey>) {
        for effect in due {
            let Effect::TakeIncomplete(key) = effect else { continue };
            let taken = async {
                let parts = self.store.parts_of(&key).await?;
                let group = self.joined(&parts, Some(PARTS_MISSING)).map(|incoming| (incoming, None));
                self.reply_to(group.into_iter().collect()).await
            };
            if let Err(error) = taken.await {
                warn!("an incomplete message waits: {error}");
                joiner.handle(self.clock.now_ms(), Event::Kept { key, place: Place::Later });
            }
        }
    }

    fn sort(&self, arrival: &Arrival) -> Kind {
        let sm = match &arrival.pdu.body {
            Body::DeliverSm(sm) => Cow::Borrowed(sm),
            Body::DataSm(data) => Cow::Owned(Sm::from(data.clone())),
            _ => return Kind::Nothing("neither deliver_sm nor data_sm"),
        };
        if let Some(receipt) = receipt::parse(&sm) {
            return Kind::Receipt(Box::new(self.receipt_row(&arrival.bind.lane, &receipt, &sm)));
        }
        let Ok(number) = Msisdn::parse(&sm.source.addr.to_text()) else {
            return Kind::Nothing("its source address is no number");
        };
        let code = Sender(sm.dest.addr.to_text().into_owned());
        let octets = sm.content();
        let lane = arrival.bind.lane.to_string();
        let received_ms = self.clock.now_ms();
        match text::concat_of(&sm) {
            Some(concat) if concat.total > 1 => Kind::Message(Piece::Part(Box::new(PartRow {
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
            }))),
            _ => {
                let text = self.decode(&lane, sm.data_coding, sm.esm_class & 0x40 != 0, &octets);
                Kind::Message(Piece::Whole(Box::new(Incoming {
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
                })))
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
pub(super) fn answer(arrivals: &[Arrival], committed: Result<(), StoreError>) {
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

fn unhex(text: &str) -> Bytes {
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).filter_map(digit).collect()
}
