//! What comes in, through the real wire, on both stores: long messages put together, STOP at their beginning, redeliveries,
//! robots.

#[path = "support/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::message::Msisdn;
use backchat::store::{ReplyFilter, ReplyRow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const DELIVER_SM: u32 = 0x05;
const DELIVER_SM_RESP: u32 = 0x8000_0005;
const SUBMIT_SM: u32 = 0x04;
/// esm_class: the text begins with a header.
const UDHI: u8 = 0x40;

/// A carrier written octet by octet: it accepts everything, and delivers what it is told to.
struct Carrier {
    to_server: mpsc::UnboundedSender<Vec<u8>>,
    answers: mpsc::UnboundedReceiver<(u32, u32)>,
    submitted: Arc<AtomicU64>,
    sequence: u32,
    task: JoinHandle<()>,
}

fn pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).expect("a short PDU");
    let head = [length, command, status, sequence].map(u32::to_be_bytes).concat();
    [&head, body].concat()
}

async fn serve(
    mut from: OwnedReadHalf,
    to_server: mpsc::UnboundedSender<Vec<u8>>,
    answers: mpsc::UnboundedSender<(u32, u32)>,
    submitted: Arc<AtomicU64>,
) {
    let mut head = [0; 16];
    while from.read_exact(&mut head).await.is_ok() {
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four octets"));
        let (length, command, status, sequence) = (word(0), word(4), word(8), word(12));
        let mut body = vec![0; length as usize - 16];
        from.read_exact(&mut body).await.expect("the body");
        let answer = match command {
            SUBMIT_SM => format!("id{}\0", submitted.fetch_add(1, Ordering::SeqCst)),
            DELIVER_SM_RESP => {
                let _ = answers.send((sequence, status));
                continue;
            }
            command if command & 0x8000_0000 != 0 => continue,
            0x01 | 0x02 | 0x09 => "town\0".to_owned(),
            _ => String::new(),
        };
        let _ = to_server.send(pdu(command | 0x8000_0000, 0, sequence, answer.as_bytes()));
    }
}

async fn write(mut to: OwnedWriteHalf, mut from: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(octets) = from.recv().await {
        if to.write_all(&octets).await.is_err() {
            return;
        }
    }
}

impl Carrier {
    /// Waits for the server's bind.
    async fn accept(listener: TcpListener) -> Self {
        let (socket, _) = listener.accept().await.expect("the server binds");
        let (from, to) = socket.into_split();
        let (to_server, outgoing) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let submitted = Arc::new(AtomicU64::new(0));
        tokio::spawn(write(to, outgoing));
        let task = tokio::spawn(serve(from, to_server.clone(), answered, Arc::clone(&submitted)));
        Self { to_server, answers, submitted, sequence: 0, task }
    }

    /// Delivers a message and waits until it is taken.
    async fn deliver(&mut self, number: u64, esm_class: u8, text: &[u8]) {
        self.sequence += 1;
        let mut body = Vec::new();
        body.extend(b"\0\x01\x01");
        body.extend(format!("{number}\0\x03\088001\0").as_bytes());
        body.extend([esm_class, 0, 0]);
        body.extend(b"\0\0\0\0\0\0");
        body.push(u8::try_from(text.len()).expect("a short text"));
        body.extend(text);
        self.to_server.send(pdu(DELIVER_SM, 0, self.sequence, &body)).expect("a connection");
        assert_eq!(self.answers.recv().await, Some((self.sequence, 0)), "taken");
    }

    /// One part of a long message.
    async fn part(&mut self, number: u64, reference: u8, total: u8, part: u8, text: &str) {
        let header = [5, 0, 3, reference, total, part];
        self.deliver(number, UDHI, &[&header, text.as_bytes()].concat()).await;
    }
}

const ANNA: u64 = 447_700_900_001;
const BORIS: u64 = 447_700_900_002;

/// A server bound to such a carrier, with a clock that is moved by hand.
struct Town {
    server: Server,
    carrier: Carrier,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Town {
    async fn new(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let text = format!(
            "[store]\n{store}\n[[carrier]]\nname = \"town\"\nhost = \"127.0.0.1\"\nport = {port}\nsystem_id = \"town\"\n\
             password = \"plain:town\"\nrate = \"400/s\"\nwindow = 20\ndefault_alphabet = \"ascii\"\n\
             [[code]]\nnumber = \"88001\"\ncarrier = \"town\"\nbrand = \"Town\"\nlanguages = [\"en\"]\n"
        );
        let config = config::parse("town.toml", &text, folder.path()).expect("a configuration");
        let clock = Clock::manual(1_790_000_000_000);
        let server = Server::start(config, clock.clone());
        let (server, carrier) = tokio::join!(server, Carrier::accept(listener));
        Self { server: server.expect("a server"), carrier, clock, _folder: folder }
    }

    async fn replies(&self, number: u64) -> Vec<ReplyRow> {
        let filter = ReplyFilter { number: Some(Msisdn(number)), ..ReplyFilter::default() };
        let mut rows = self.server.flow().store.replies(&filter).await.expect("replies");
        rows.reverse();
        rows
    }

    /// Waits until so many replies of a handset are there.
    async fn wait_for(&self, number: u64, many: usize) -> Vec<ReplyRow> {
        loop {
            let rows = self.replies(number).await;
            if rows.len() >= many {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) {
        self.server.stop().await;
        self.carrier.task.abort();
    }
}

async fn check(store: &str) {
    let mut town = Town::new(store).await;

    // Two handsets count their long messages alike; each message is its own.
    town.carrier.part(ANNA, 7, 2, 2, "is ann").await;
    town.carrier.part(BORIS, 7, 2, 1, "my name is ").await;
    town.carrier.part(BORIS, 7, 2, 2, "boris").await;
    town.carrier.part(ANNA, 7, 2, 1, "my name ").await;
    let texts = |rows: &[ReplyRow]| rows.iter().map(|row| row.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&town.replies(ANNA).await), ["my name is ann"]);
    assert_eq!(texts(&town.replies(BORIS).await), ["my name is boris"]);
    assert_eq!(town.replies(ANNA).await[0].note, None);

    // A part that came twice changes nothing.
    town.carrier.part(ANNA, 7, 2, 1, "my name ").await;
    assert_eq!(town.replies(ANNA).await.len(), 1);

    // What never becomes whole is taken as it is when its time is over, and marked.
    town.carrier.part(ANNA, 8, 3, 1, "when do you open on ").await;
    assert_eq!(town.replies(ANNA).await.len(), 1, "it is waited for");
    town.clock.advance(31_000);
    let rows = town.wait_for(ANNA, 2).await;
    assert_eq!(
        (rows[1].text.as_str(), rows[1].note.as_deref()),
        ("when do you open on ", Some("parts missing"))
    );

    // STOP at the beginning does not wait for the rest.
    let long =
        "Please stop texting me. I have told you so on the telephone and in your shop, and I am tired of it";
    town.carrier.part(BORIS, 9, 2, 1, long).await;
    let rows = town.replies(BORIS).await;
    assert_eq!(rows[1].verdict, "optout", "{:?}", rows[1]);
    assert!(rows[1].note.as_deref().is_some_and(|note| note.contains("STOP")), "{:?}", rows[1].note);
    // What follows has been dealt with.
    town.carrier.part(BORIS, 9, 2, 2, " of it all").await;
    town.clock.advance(31_000);
    // But the rest may turn its last words round.
    let turned = "I have been a customer of yours for so many years that I hardly dare to ask for it: stop";
    town.carrier.part(ANNA, 10, 2, 1, turned).await;
    assert_eq!(town.replies(ANNA).await.len(), 2, "it is waited for");
    town.carrier.part(ANNA, 10, 2, 2, " raising the price").await;
    assert_eq!(town.replies(ANNA).await[2].verdict, "freetext");

    // A handset that begins to count anew says something else under the same reference.
    town.carrier.part(ANNA, 10, 2, 1, "and that ").await;
    town.carrier.part(ANNA, 10, 2, 2, "is all").await;
    assert_eq!(town.replies(ANNA).await[3].text, "and that is all");
    assert_eq!(town.replies(BORIS).await.len(), 2, "the rest of what began with STOP is nothing new");

    // The same octets within minutes are a redelivery; later they are said again.
    town.carrier.deliver(ANNA, 0, b"call me back").await;
    town.carrier.deliver(ANNA, 0, b"call me back").await;
    assert_eq!(town.replies(ANNA).await.len(), 5);
    town.clock.advance(200_000);
    town.carrier.deliver(ANNA, 0, b"call me back").await;
    assert_eq!(town.replies(ANNA).await.len(), 6);

    // A robot that answers our answers is answered ten times, and then noted.
    let robot = 447_700_900_003;
    for turn in 0..14 {
        town.carrier.deliver(robot, 0, if turn % 2 == 0 { b"HELP" } else { b"help" }).await;
    }
    let rows = town.replies(robot).await;
    let noted = rows.iter().filter(|row| row.note.is_some()).count();
    assert_eq!((rows.len(), noted), (14, 4));
    town.carrier.deliver(robot, 0, b"STOP").await;
    assert_eq!(
        town.replies(robot).await[14].verdict,
        "optout",
        "STOP is heard however often somebody writes"
    );
    // One confirmation for Boris, ten answers and a confirmation for the robot.
    while town.carrier.submitted.load(Ordering::SeqCst) < 12 {
        tokio::task::yield_now().await;
    }
    let submitted = Arc::clone(&town.carrier.submitted);
    town.end().await;
    assert_eq!(submitted.load(Ordering::SeqCst), 12, "and not one more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_put_together_told_apart_and_not_answered_for_ever_on_sqlite() {
    check("sqlite = \"town.db\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_put_together_told_apart_and_not_answered_for_ever_on_postgres() {
    if postgres::wanted() {
        check(&format!("postgres = {:?}", postgres::database_url("inbound"))).await;
    }
}
