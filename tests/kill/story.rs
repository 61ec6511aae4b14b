//! What clients, carrier and memory saw, as one history; and what the checker says of it.

use std::collections::BTreeMap;

use backchat::message::MessageId;
use backchat::simulator::journal::{self, Line};
use backchat::store::{ReplyFilter, Store};
use protocol::text::{Alphabet, decode};
use protocol::time::Time;

use crate::checker::{self, Strictness};
use crate::clients::Told;
use crate::history::{Entry, What, lines};
use crate::house::{CODE, House, RATE, WINDOW};

/// A tenth of a second's rate may leave at once. What waits unread in the sockets, a window at most, may be read at once.
const BURST: u64 = RATE / 10 + WINDOW;
/// From when a PDU is written to when the carrier reads it, on a busy machine; and its time has whole seconds, one at least.
const ON_THE_WAY_MS: i64 = 2_000;

/// Judges what happened. The memory is read as it is now.
pub async fn judge(house: &House, finished: bool, name: &str) {
    let history = history(house, finished).await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{name}.jsonl"));
    std::fs::write(&file, lines(&history)).unwrap();
    let broken = checker::check(&history, Strictness { clock_ppm: 0 });
    let file = file.display();
    assert!(broken.is_empty(), "{} promises broken, the history is in {file}: {broken:#?}", broken.len());
    let census = house.carrier.census();
    assert_eq!(census.sends_after_stop, 0, "silence after STOP, whatever came twice");
    println!(
        "{name}: {} accepted, {} parts taken, {} a second time, {} STOPs",
        house.clients.accepted().len(),
        census.submits,
        census.duplicates,
        census.stops
    );
}

/// In order of time; of one millisecond, what was written before what was stopped.
async fn history(house: &House, finished: bool) -> Vec<Entry> {
    let accepted = house.clients.accepted();
    let mut history = vec![at(0, What::Incident { bound: house.bound })];
    history.extend(house.began_ms.iter().map(|at_ms| at(*at_ms, What::Began { rate: RATE, burst: BURST })));
    for told in accepted.values() {
        history.push(at(
            0,
            What::Accepted {
                message: told.id,
                number: told.number,
                parts: 1,
                copies: house.copies,
                blockable: true,
                expires_ms: told.expires_ms,
            },
        ));
    }
    let said = carrier(house, &accepted, &mut history);
    let now_ms = history.iter().map(|entry| entry.at_us / 1_000).max().unwrap().cast_signed();
    memory(&house.look().await, &accepted, &said, now_ms, &mut history).await;
    history.push(at(now_ms, What::Drained { finished, left: "what was accepted".to_owned() }));
    history.sort_by_key(|entry| (entry.at_us, matches!(entry.what, What::Stopped { .. })));
    history
}

fn at(at_ms: i64, what: What) -> Entry {
    Entry { at_us: u64::try_from(at_ms).unwrap() * 1_000, what }
}

/// What the carrier took, told and was told. Gives what people said and the gateway took, by its words.
fn carrier(
    house: &House,
    accepted: &BTreeMap<String, Told>,
    history: &mut Vec<Entry>,
) -> BTreeMap<String, u64> {
    for line in journal::read(&house.journal()).unwrap() {
        match line {
            Line::Submit { at_ms, serial, octets, data_coding, udhi, validity_period, from, .. } => {
                let octets = octets_of(&octets);
                let text = decode(data_coding, udhi, &octets.into(), Alphabet::Gsm7).text.unwrap_or_default();
                assert_eq!(from.2, CODE);
                // What a client was not told of is nobody's; confirmations of a STOP are among it.
                let Some(told) = accepted.get(&text) else {
                    history.push(at(at_ms, written(-1, 0, at_ms)));
                    continue;
                };
                // The last moment at which the carrier may deliver it.
                let clock_ms = match told.expires_ms {
                    Some(_) => at_ms + valid_for_ms(&validity_period, at_ms) - ON_THE_WAY_MS,
                    None => at_ms,
                };
                history.push(at(at_ms, written(told.id, told.number, clock_ms)));
                let (message, number, id) = (told.id, told.number, serial.to_string());
                history.push(at(at_ms, What::Taken { message, part: 0, number, id }));
            }
            Line::ReceiptAnswered { at_ms, serial, status: 0 } => {
                let (id, state) = (serial.to_string(), "delivered".to_owned());
                history.push(at(at_ms, What::ReceiptTaken { id, state }));
            }
            _ => {}
        }
    }
    let mut said = BTreeMap::new();
    for (reply, mo) in house.carrier.replies().into_iter().zip(0..) {
        let Some(at_ms) = reply.acknowledged_at_ms else { continue };
        if reply.text == "STOP" {
            history.push(at(at_ms, What::Stopped { number: reply.number.0 }));
        } else {
            history.push(at(at_ms, What::SaidTaken { mo }));
            said.insert(reply.text, mo);
        }
    }
    said
}

fn written(message: i64, number: u64, clock_ms: i64) -> What {
    What::Written { message, part: 0, number, clock_ms }
}

fn octets_of(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// How long a carrier may try; for ever where nothing is said.
fn valid_for_ms(validity_period: &str, at_ms: i64) -> i64 {
    let forever = i64::MAX / 2 - at_ms;
    Time::parse(validity_period.as_bytes())
        .map_or(forever, |time| time.to_unix_s(at_ms / 1_000) * 1_000 - at_ms)
}

/// How everything stands in the end.
async fn memory(
    store: &Store,
    accepted: &BTreeMap<String, Told>,
    said: &BTreeMap<String, u64>,
    now_ms: i64,
    history: &mut Vec<Entry>,
) {
    for told in accepted.values() {
        let life = store.why(MessageId(told.id)).await.unwrap().expect("what was accepted is there");
        let listed = life.entries.iter().any(|entry| entry.kind == "in_doubt");
        let ids = life.entries.iter().filter(|entry| entry.kind == "sent").filter_map(|entry| {
            Some((entry.detail.get("part")?.as_i64()?, entry.detail.get("carrier_id")?.as_str()?.to_owned()))
        });
        let ids = ids.collect();
        history.push(at(now_ms, What::Final { message: told.id, state: life.state, listed, ids }));
    }
    let mut registered: BTreeMap<u64, u64> = BTreeMap::new();
    let mut filter = ReplyFilter::default();
    loop {
        let page = store.replies(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        for mo in page.iter().filter_map(|row| said.get(&row.text)) {
            *registered.entry(*mo).or_default() += 1;
        }
    }
    history.extend(registered.into_iter().map(|(mo, times)| at(now_ms, What::Registered { mo, times })));
}
