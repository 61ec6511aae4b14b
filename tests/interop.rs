//! Peers we did not write, over real sockets: smpplib and rusmppc as ESMEs of the simulated carrier, and a carrier made
//! with npm smpp for `backchat serve`.

#[path = "support/esmes.rs"]
mod esmes;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use backchat::message::Msisdn;
use backchat::simulator::{Account, Settings, Simulator};
use esmes::{CODE, Sent, bound_rusmppc, check_smpplib_side, next, receipts, sent, submit, take_in};
use peers::{PATIENCE, Peer, Running};
use program::{backchat, printed, project};
use protocol::status::Status;
use protocol::text::Alphabet;
use rusmpp::pdus::DeliverSm;
use rusmpp::values::DataCoding;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SYSTEM_ID: &str = "esme";
const PASSWORD: &str = "secret";
/// A reply that takes two parts.
const LONG_REPLY: &str =
    "Слишком дорого: за последний год цена выросла вдвое, а скорость нет. Верните старый тариф 🙂";

// ------------------------------------------------------------------------------------- ESMEs of our carrier

async fn carrier() -> Simulator {
    let account = Account { system_id: SYSTEM_ID.into(), password: PASSWORD.into() };
    Simulator::start(Settings { accounts: vec![account], ..Settings::plain() }).await.expect("a free port")
}

/// Waits, a round of the scheduler at a time, until nobody is bound.
async fn nobody_is_bound(carrier: &Simulator) {
    let left = async {
        while carrier.census().bound > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, left).await.expect("the ESME leaves");
}

/// What our side must have seen after an ESME has sent these, got two replies and answered the last of them.
fn check_our_side(carrier: &Simulator, messages: &[Sent]) {
    let received = carrier.received();
    let shown =
        received.iter().map(|message| (message.number, &*message.text, message.alphabet, message.parts));
    let expected = messages.iter().map(|sent| (sent.number, &*sent.text, sent.alphabet, sent.parts));
    assert_eq!(shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(received.iter().all(|message| message.sender == CODE));

    let census = carrier.census();
    let parts: u64 = messages.iter().map(|sent| u64::from(sent.parts)).sum();
    assert_eq!((census.binds, census.messages, census.submits), (1, messages.len() as u64, parts));
    assert_eq!(
        (census.receipts_sent, census.receipts_acknowledged),
        (parts, parts),
        "a receipt for each part"
    );
    assert_eq!((census.replies_sent, census.replies_acknowledged), (2, 2));
    assert_eq!((census.redelivered, census.refused, census.duplicates), (0, 0, 0));
}

#[test]
fn smpplib_binds_to_our_carrier_sends_in_three_alphabets_takes_receipts_and_replies_and_leaves() {
    let Some(installed) = peers::installed("the carrier with smpplib") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let carrier = runtime.block_on(carrier());

    let (mut messages, submits) = esmes::for_smpplib();
    let mut esme = Peer::start("smpplib", peers::python(&installed, "smpplib_client.py"));
    let port = carrier.address().port();
    esme.tell(&json!({"port": port, "system_id": SYSTEM_ID, "password": PASSWORD, "submits": submits, "replies": 2}));
    assert_eq!(esme.next("bound")["system_id"], "backchat-sim");
    assert_eq!(esme.next("alive")["command"], "enquire_link_resp");
    esme.next("receipted");

    let (first, last) = (messages[0].number, messages[5].number);
    runtime.block_on(carrier.say(first, CODE, "3 - too expensive"));
    let reply = esme.next("reply");
    assert_eq!(reply["text"], "3 - too expensive");
    assert_eq!((&reply["sender"], &reply["code"]), (&json!(first.digits()), &json!(CODE)));
    runtime.block_on(carrier.say(last, CODE, LONG_REPLY));
    let reply = esme.next("reply");
    assert_eq!((&reply["text"], &reply["parts"]), (&json!(LONG_REPLY), &json!(2)));
    assert_eq!(reply["sender"], last.digits());
    esme.tell(&json!({"text": "Thank you, your answer is noted."}));
    messages.push(Sent { number: last, ..sent(0, "Thank you, your answer is noted.", Alphabet::Gsm7, 1) });

    let unbound = esme.next("unbound");
    assert_eq!((&unbound["command"], &unbound["status"]), (&json!("unbind_resp"), &json!(0)));
    check_smpplib_side(&esme, &messages);
    runtime.block_on(nobody_is_bound(&carrier));
    check_our_side(&carrier, &messages);
    esme.ends_well();
}

#[test]
fn smpplib_is_told_that_its_password_is_wrong() {
    let Some(installed) = peers::installed("a refused bind with smpplib") else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let carrier = runtime.block_on(carrier());
    let mut esme = Peer::start("smpplib", peers::python(&installed, "smpplib_client.py"));
    let port = carrier.address().port();
    esme.tell(
        &json!({"port": port, "system_id": SYSTEM_ID, "password": "guess", "submits": [], "replies": 0}),
    );
    assert_eq!(esme.next("refused")["status"], Status::INVPASWD.0);
    assert_eq!(carrier.census().binds, 0);
    esme.ends_well();
}

/// UCS-2 behind a header of six octets: 05 00 03, reference, parts, number.
fn long_reply(parts: &[DeliverSm]) -> String {
    let mut units = Vec::new();
    for (part, number) in parts.iter().zip(1..) {
        let octets = part.short_message().as_ref();
        assert_eq!((u8::from(part.esm_class), part.data_coding), (0x40, DataCoding::Ucs2));
        assert_eq!((&octets[..3], &octets[4..6]), (&[5, 0, 3][..], &[2, number][..]));
        units.extend(octets[6..].chunks(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])));
    }
    String::from_utf16(&units).expect("UTF-16")
}

#[tokio::test(flavor = "multi_thread")]
async fn rusmppc_binds_to_our_carrier_sends_in_three_alphabets_takes_receipts_and_replies_and_leaves() {
    let carrier = carrier().await;
    let mut messages = esmes::for_rusmppc();
    let (client, events) = bound_rusmppc(carrier.address(), (SYSTEM_ID, PASSWORD), "backchat-sim").await;
    let (deliver, mut delivered) = mpsc::unbounded_channel();
    let listening = tokio::spawn(take_in(client.clone(), events, deliver));

    for (sent, reference) in messages.iter().zip(300..) {
        let ids = submit(&client, sent, reference).await;
        receipts(&mut delivered, &ids).await;
    }

    let (first, last) = (messages[0].number, messages[5].number);
    carrier.say(first, CODE, "3 - too expensive").await;
    let reply = next(&mut delivered).await;
    assert_eq!(reply.short_message().to_str(), Ok("3 - too expensive"));
    assert_eq!((reply.source_addr.as_str(), reply.destination_addr.as_str()), (&*first.digits(), CODE));
    assert_eq!(u8::from(reply.esm_class), 0);
    carrier.say(last, CODE, LONG_REPLY).await;
    let parts = [next(&mut delivered).await, next(&mut delivered).await];
    assert_eq!(long_reply(&parts), LONG_REPLY);
    assert_eq!(parts[0].source_addr.as_str(), last.digits());
    messages.push(Sent { number: last, ..sent(0, "Thank you, your answer is noted.", Alphabet::Gsm7, 1) });
    let ids = submit(&client, &messages[6], 0).await;
    receipts(&mut delivered, &ids).await;

    client.unbind().await.expect("an answer to unbind");
    timeout(PATIENCE, client.closed()).await.expect("our carrier closes");
    timeout(PATIENCE, listening).await.expect("an end").expect("no surprise among what came");
    nobody_is_bound(&carrier).await;
    check_our_side(&carrier, &messages);
}

// ---------------------------------------------------------------------------------- a carrier for our server

/// Contacts of the campaign; every tenth speaks English.
const CONTACTS: u64 = 100;
/// Languages by turns: GSM and UCS-2, one part and several.
const LANGUAGES: [&str; 10] = ["en", "id", "es", "de", "fr", "ru", "ar", "zh", "hi", "vi"];
/// English, all four. Answers with a number and words.
const ANSWERS: u64 = 0;
/// Says STOP when it has the question.
const STOPS: u64 = 10;
/// Answers when the other has stopped: the server still speaks, only not to everybody.
const ANSWERS_LATER: u64 = 20;
/// Says STOP while its question is still in the queue.
const STOPS_BEFORE: u64 = 90;

fn handset(contact: u64) -> Msisdn {
    Msisdn(447_700_900_000 + contact)
}

/// A campaign on a database of its own, and the server that sends it.
struct Gateway {
    folder: tempfile::TempDir,
}

impl Gateway {
    fn with_carrier_at(port: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            r#"
surveys = ["{}"]
[hours]
enforce = "never"
[store]
sqlite = "backchat.db"
[[carrier]]
name = "npm"
host = "127.0.0.1"
port = {port}
system_id = "{SYSTEM_ID}"
password = "plain:{PASSWORD}"
rate = "500/s"
[[code]]
number = "{CODE}"
carrier = "npm"
brand = "Backchat"
"#,
            project("config/surveys/exit.toml").display()
        );
        let mut contacts = String::from("name,number,language\n");
        for (contact, language) in (0..CONTACTS).zip(LANGUAGES.iter().cycle()) {
            contacts += &format!("Ana,{},{language}\n", handset(contact));
        }
        fs::write(folder.path().join("backchat.toml"), config).expect("a file is written");
        fs::write(folder.path().join("contacts.csv"), contacts).expect("a file is written");
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn serve(&self) -> Running {
        let mut command = backchat();
        command.arg("serve").arg("--config").arg(self.path("backchat.toml"));
        Running::start("backchat serve", command)
    }

    /// The JSON document a command prints.
    fn json(&self, arguments: &[&str]) -> Value {
        let mut command = backchat();
        command.args(arguments).arg("--json").arg("--config").arg(self.path("backchat.toml"));
        let output = command.output().expect("the program runs");
        let (out, err) = printed(&output);
        assert!(output.status.success(), "{arguments:?}: {err}");
        serde_json::from_str(&out).expect("a JSON document")
    }

    fn queue_campaign(&self) {
        let contacts = self.path("contacts.csv");
        let contacts = contacts.to_str().expect("a path in UTF-8");
        let imported = self.json(&["campaign", "leavers", "--survey", "exit", "--contacts", contacts]);
        assert_eq!((&imported["accepted"], &imported["refused"]), (&json!(CONTACTS), &json!(0)));
    }

    /// The messages to a number, oldest first, as `backchat why` has them.
    fn why(&self, number: Msisdn) -> Vec<Value> {
        let life = self.json(&["why", &number.to_string()]);
        let mut messages = life["messages"].as_array().expect("messages").clone();
        messages.reverse();
        messages
    }
}

/// A message as the carrier has put it together.
#[derive(Debug)]
struct Shown {
    text: String,
    data_coding: u64,
    parts: usize,
    /// The place of its first part among the events.
    began: usize,
}

/// The whole messages among the events, by handset, in the order they began.
fn shown(events: &[Value]) -> BTreeMap<Msisdn, Vec<Shown>> {
    let mut parts: BTreeMap<(Msisdn, String), Vec<(u64, usize)>> = BTreeMap::new();
    for (place, event) in events.iter().enumerate().filter(|(_, event)| event["event"] == "submit") {
        let number = Msisdn::parse(event["to"].as_str().expect("a destination")).expect("a number");
        // 00 03, reference, parts, number; a short message has none and is a set of its own.
        let (set, part) = match event["udh"][0].as_str() {
            Some(header) => (header[..8].to_owned(), u64::from_str_radix(&header[8..], 16).expect("hex")),
            None => (format!("{place}"), 1),
        };
        parts.entry((number, set)).or_default().push((part, place));
    }
    let mut shown: BTreeMap<Msisdn, Vec<Shown>> = BTreeMap::new();
    for ((number, set), mut parts) in parts {
        let total =
            if set.starts_with("0003") { usize::from_str_radix(&set[6..], 16).expect("hex") } else { 1 };
        parts.sort_unstable();
        assert!(parts.len() <= total, "a part came twice: {parts:?} of {set}");
        if parts.len() == total {
            let event = |place: usize| &events[place];
            let text = |(_, place): &(u64, usize)| event(*place)["text"].as_str().expect("text").to_owned();
            shown.entry(number).or_default().push(Shown {
                text: parts.iter().map(text).collect(),
                data_coding: event(parts[0].1)["data_coding"].as_u64().expect("a data_coding"),
                parts: total,
                began: parts.iter().map(|(_, place)| *place).min().expect("a part"),
            });
        }
    }
    shown.values_mut().for_each(|messages| messages.sort_by_key(|message| message.began));
    shown
}

/// Whether a handset has been shown so many messages.
fn has_messages(number: Msisdn, count: usize) -> impl Fn(&[Value]) -> bool {
    move |events| shown(events).get(&number).is_some_and(|messages| messages.len() >= count)
}

/// Makes a handset write, and waits until our server has answered the deliver_sm. The place of that answer.
fn says(carrier: &mut Peer, number: Msisdn, text: &str) -> usize {
    carrier.tell(&json!({"do": "say", "from": number.digits(), "to": CODE, "text": text}));
    let seen = carrier.events.len();
    let taken = carrier.next("reply_taken");
    assert_eq!((&taken["from"], &taken["text"]), (&json!(number.digits()), &json!(text)));
    assert_eq!(taken["status"], 0, "the reply is taken");
    seen + carrier.events[seen..].iter().position(|event| *event == taken).expect("just seen")
}

/// What `backchat why` says about the campaign's messages, held against what the carrier was sent.
fn check_final_states(gateway: &Gateway, shown: &BTreeMap<Msisdn, Vec<Shown>>) {
    for contact in 0..CONTACTS {
        let number = handset(contact);
        let told = gateway.why(number);
        let question = &told[0];
        assert_eq!(
            (&question["message"]["purpose"], &question["message"]["campaign"]),
            (&json!("survey"), &json!("leavers"))
        );
        let states: Vec<&str> =
            told.iter().map(|message| message["state"].as_str().expect("a state")).collect();
        let went_out: Vec<&str> = told
            .iter()
            .filter(|message| message["state"] != "suppressed")
            .map(|message| message["message"]["body"].as_str().expect("a body"))
            .collect();
        let arrived: Vec<&str> = shown[&number].iter().map(|message| &*message.text).collect();
        assert_eq!(went_out, arrived, "what npm smpp has read is what we meant");
        match contact {
            STOPS_BEFORE => assert_eq!(states, ["suppressed", "delivered"]),
            ANSWERS | STOPS | ANSWERS_LATER => assert_eq!(states, ["delivered", "delivered"]),
            _ => assert_eq!(states, ["delivered"]),
        }
    }
}

fn check_replies(gateway: &Gateway) {
    let replies = gateway.json(&["replies"]);
    let row = |contact: u64| {
        let of = |row: &&Value| row["number"] == handset(contact).0;
        replies.as_array().expect("a list").iter().find(of).unwrap_or_else(|| panic!("no reply of {contact}"))
    };
    assert_eq!(replies.as_array().map(Vec::len), Some(4));
    let answer = row(ANSWERS);
    assert_eq!((&answer["text"], &answer["value"]), (&json!("3 - too expensive"), &json!("3")));
    assert_eq!((&answer["campaign"], &answer["question"]), (&json!("leavers"), &json!("reason")));
    assert_eq!(row(ANSWERS_LATER)["value"], "5");
    for stop in [row(STOPS), row(STOPS_BEFORE)] {
        assert_eq!(
            (&stop["text"], &stop["verdict"], &stop["value"]),
            (&json!("STOP"), &json!("optout"), &Value::Null)
        );
    }
}

#[test]
fn a_campaign_goes_out_to_a_carrier_of_npm_smpp_which_gives_receipts_an_answer_and_a_stop_and_then_hears_nothing_more()
 {
    let Some(installed) = peers::installed("the campaign to a carrier of npm smpp") else { return };
    let mut command = peers::node(&installed, "smpp_carrier.cjs");
    command.args([SYSTEM_ID, PASSWORD]);
    let mut carrier = Peer::start("npm smpp", command);
    let gateway = Gateway::with_carrier_at(&carrier.next("listening")["port"]);
    gateway.queue_campaign();
    let mut server = gateway.serve();
    assert_eq!(carrier.next("bound")["interface_version"], 0x34);

    // The window is full of submits without an answer, so that most of the campaign is still in the queue.
    carrier.next("submit");
    let stopped_before = says(&mut carrier, handset(STOPS_BEFORE), "STOP");
    carrier.tell(&json!({"do": "answer"}));
    carrier.until("the campaign and a confirmation", |events| shown(events).len() == CONTACTS as usize);

    says(&mut carrier, handset(ANSWERS), "3 - too expensive");
    carrier.until("thanks for the answer", has_messages(handset(ANSWERS), 2));
    let stopped = says(&mut carrier, handset(STOPS), "STOP");
    carrier.until("the confirmation of STOP", has_messages(handset(STOPS), 2));
    says(&mut carrier, handset(ANSWERS_LATER), "5");
    carrier.until("thanks for the later answer", has_messages(handset(ANSWERS_LATER), 2));
    let count = |events: &[Value], name: &str| events.iter().filter(|event| event["event"] == name).count();
    carrier.until("the last answer to a receipt", |events| {
        count(events, "receipt_taken") == count(events, "submit")
    });

    server.terminate();
    carrier.next("unbind");
    carrier.next("closed");
    assert!(server.ended().success(), "{}", server.complaints());
    let last = carrier.events.iter().rposition(|event| event["event"] == "submit");
    let unbound = carrier.events.iter().position(|event| event["event"] == "unbind");
    assert!(last < unbound, "nothing is sent behind unbind");
    for wrong in ["refused", "nacked", "unknown", "error"] {
        assert_eq!(carrier.all(wrong), Vec::<&Value>::new());
    }
    assert!(carrier.all("receipt_taken").iter().all(|taken| taken["status"] == 0));
    assert!(
        carrier
            .all("submit")
            .iter()
            .all(|submit| submit["from"] == CODE && submit["registered_delivery"] == 1)
    );

    let shown = shown(&carrier.events);
    let questions = || shown.values().map(|messages| &messages[0]);
    assert!(
        questions().any(|question| question.data_coding == 8 && question.parts > 1),
        "long ones in UCS-2"
    );
    assert!(
        questions().any(|question| question.data_coding == 0 && question.parts > 1),
        "long ones in the GSM alphabet"
    );
    for (number, stopped, before) in [(STOPS_BEFORE, stopped_before, 0), (STOPS, stopped, 1)] {
        let messages = &shown[&handset(number)];
        assert_eq!(messages.len(), before + 1, "one confirmation and nothing else");
        assert!(messages[before].began > stopped && messages[before].text.contains("opted out"));
    }
    check_final_states(&gateway, &shown);
    check_replies(&gateway);
    carrier.ends_well();
}
