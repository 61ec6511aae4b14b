//! The load of a benchmark, in a process of its own: it hands messages in by HTTP or as an ESME, and tells how that went as
//! one JSON line.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use protocol::address::Address;
use protocol::pdu::{Bind, Body, MessageResp, Sm};
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::carrier::{CODE, FIRST_HANDSET, LOGIN};
use crate::cli::{Done, Failure};
use crate::smpp::driver::Driver;

/// The key of the account that hands in; its login is the carrier's.
pub(super) const API_KEY: &str = "0123456789abcdef0123456789abcdef";
/// What is handed in.
const TEXT: &str = "Your parcel comes today between 2 and 4 pm. Reply STOP to opt out.";
/// Connections that each wait for the answer to one request.
const CONNECTIONS: u64 = 64;
/// Connections that hand in batches: enough that one is read while another is committed.
const BATCH_CONNECTIONS: u64 = 4;
/// Messages of a batch.
const BATCH: u64 = 1_000;
/// Requests a second where latency is measured.
const PACED_A_SECOND: u64 = 2_000;
/// Requests of an ESME that wait for their answer.
const WINDOW: usize = 100;
/// Octets of one read.
const READ_OCTETS: usize = 16 * 1024;

/// How messages are handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// One request a message.
    Single,
    /// A thousand messages a request.
    Batch,
    /// One request a message, two thousand a second, whatever the answers take.
    Paced,
    /// As an ESME, receipts back to it.
    Smpp,
}

impl Way {
    /// As it is written on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A load for `backchat bench`; not for use by hand.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How
    #[arg(value_enum)]
    way: Way,
    /// The door of the gateway
    #[arg(long)]
    to: SocketAddr,
    /// Messages
    #[arg(long)]
    messages: u64,
}

/// What it tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Loaded {
    /// From the first request to the last answer, seconds.
    pub(super) seconds: f64,
    /// From each request, or the time it was due, to its answer, milliseconds, sorted.
    pub(super) answered_after_ms: Vec<f64>,
}

pub(crate) async fn run(args: Args) -> Done {
    let began = Instant::now();
    let (seconds, mut times) = match args.way {
        Way::Smpp => esme(args.to, args.messages).await?,
        way => {
            let times = by_http(args.to, way, args.messages).await?;
            (began.elapsed().as_secs_f64(), times)
        }
    };
    times.sort_unstable();
    let answered_after_ms = times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect();
    let loaded = Loaded { seconds, answered_after_ms };
    say!("{}", serde_json::to_string(&loaded).map_err(Failure::wrong)?);
    Ok(ExitCode::SUCCESS)
}

async fn by_http(to: SocketAddr, way: Way, messages: u64) -> Result<Vec<Duration>, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let connections = if way == Way::Batch { BATCH_CONNECTIONS } else { CONNECTIONS };
    let clients: Vec<_> =
        (0..connections).map(|_| tokio::spawn(client(to, way, messages, Arc::clone(&next), began))).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.map_err(Failure::unreachable)??);
    }
    Ok(times)
}

/// One connection: takes the next messages until there are none.
async fn client(
    to: SocketAddr,
    way: Way,
    messages: u64,
    next: Arc<AtomicU64>,
    began: Instant,
) -> Result<Vec<Duration>, Failure> {
    let mut stream = TcpStream::connect(to).await.map_err(Failure::unreachable)?;
    stream.set_nodelay(true).map_err(Failure::unreachable)?;
    let many = if way == Way::Batch { BATCH } else { 1 };
    let mut times = Vec::new();
    loop {
        let first = next.fetch_add(many, Ordering::Relaxed);
        if first >= messages {
            return Ok(times);
        }
        let mut asked = Instant::now();
        if way == Way::Paced {
            asked = began
                + Duration::from_secs(1) * u32::try_from(first).unwrap_or(u32::MAX) / PACED_A_SECOND as u32;
            tokio::time::sleep_until(asked.into()).await;
        }
        let request = request(to, first, many.min(messages - first), way);
        stream.write_all(request.as_bytes()).await.map_err(Failure::unreachable)?;
        answer(&mut stream).await?;
        times.push(asked.elapsed());
    }
}

fn request(to: SocketAddr, first: u64, many: u64, way: Way) -> String {
    let message = |place: u64| format!(r#"{{"to":"+{}","text":"{TEXT}"}}"#, FIRST_HANDSET + place);
    let body = match way {
        Way::Batch => format!("[{}]", (first..first + many).map(message).collect::<Vec<_>>().join(",")),
        _ => message(first),
    };
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {API_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer to its end; anything but an acceptance ends the run.
async fn answer(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut read = Vec::with_capacity(READ_OCTETS);
    let whole = loop {
        if stream.read_buf(&mut read).await.map_err(Failure::unreachable)? == 0 {
            return Err(Failure::unreachable("the gateway hung up"));
        }
        let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length
            .and_then(|value| value.trim().parse().ok())
            .ok_or_else(|| Failure::unreachable("an answer without a length"))?;
        if read.len() >= head + 4 + length {
            break read;
        }
    };
    if whole.starts_with(b"HTTP/1.1 2") {
        return Ok(());
    }
    Err(Failure::broken_promise(String::from_utf8_lossy(&whole).into_owned()))
}

/// Submits over one bind with a full window, until the last receipt is back.
async fn esme(to: SocketAddr, messages: u64) -> Result<(f64, Vec<Duration>), Failure> {
    let stream = TcpStream::connect(to).await.map_err(Failure::unreachable)?;
    let settings = Settings { window: WINDOW, ..Settings::esme() };
    let mut session: Session<Instant> = Session::new(Instant::now(), settings);
    let bind =
        Bind { system_id: LOGIN.into(), password: LOGIN.into(), interface_version: 0x34, ..Bind::default() };
    let refused = |what: &dyn std::fmt::Debug| Failure::unreachable(format!("{what:?}"));
    session.bind(Instant::now(), BindMode::Transceiver, bind).map_err(|error| refused(&error))?;
    let mut driver = Driver::new(stream, session).map_err(Failure::unreachable)?;
    let (mut asked, mut answered, mut receipts, mut times) = (0, 0_u64, 0_u64, Vec::new());
    let mut began = Instant::now();
    loop {
        let Some(event) = driver.event().await else {
            return Err(Failure::unreachable("the gateway hung up"));
        };
        match event {
            Event::Bound { .. } => began = Instant::now(),
            Event::BindRefused { status } => return Err(refused(&status)),
            Event::Answered { response, tag, .. } => {
                if response.status != Status::OK {
                    return Err(refused(&response.status));
                }
                times.push(tag.elapsed());
                answered += 1;
            }
            Event::Requested { pdu, .. } => {
                if matches!(pdu.body, Body::DeliverSm(_)) {
                    let taken = Body::DeliverSmResp(MessageResp::with_id(""));
                    let now = Instant::now();
                    driver
                        .session()
                        .respond(now, pdu.sequence, Status::OK, taken)
                        .map_err(|error| refused(&error))?;
                    receipts += 1;
                }
            }
            _ => {}
        }
        if receipts >= messages {
            driver.flush();
            return Ok((began.elapsed().as_secs_f64(), times));
        }
        while asked < messages && asked - answered < WINDOW as u64 {
            let now = Instant::now();
            let request = Body::SubmitSm(submit(asked));
            driver.session().request(now, request, now).map_err(|error| refused(&error))?;
            asked += 1;
        }
    }
}

fn submit(place: u64) -> Sm {
    Sm {
        source: Address::new(3, 0, CODE),
        dest: Address::international((FIRST_HANDSET + place).to_string()),
        registered_delivery: 1,
        short_message: TEXT.into(),
        ..Sm::default()
    }
}
