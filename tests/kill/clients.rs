//! The load: clients that hand batches in, and know what they were told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backchat::clock::Clock;
use backchat::message::MessageId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::doors::KEY;

/// Handsets that are written to.
pub const HANDSETS: u64 = 400;
pub const FIRST_HANDSET: u64 = 447_700_900_000;
/// Messages of one request.
const BATCH: u64 = 8;
/// Every so many batches have an end to their time: as short as an account may say.
const TIMED_EVERY: u64 = 3;
const VALID_FOR_MS: i64 = 60_000;
/// What another process does is looked for so often: it tells us nothing by itself.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a client was told of a message.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub id: i64,
    pub number: u64,
    /// It must not be delivered later.
    pub expires_ms: Option<i64>,
}

/// What the clients know.
#[derive(Default)]
pub struct Clients {
    serial: AtomicU64,
    batches: AtomicU64,
    refused: AtomicU64,
    /// By their words.
    accepted: Mutex<BTreeMap<String, Told>>,
}

impl Clients {
    /// Requests that were accepted.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Requests that were refused for now.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub fn accepted(&self) -> BTreeMap<String, Told> {
        self.accepted.lock().unwrap().clone()
    }

    /// Hands batches in until so many are accepted, or the gateway goes.
    pub async fn hand_in(&self, http: SocketAddr, batches: u64) {
        let (mut left, mut look) = (batches, tokio::time::interval(LOOK_EVERY));
        while left > 0 {
            match self.hand_in_one(http).await {
                Some(true) => left -= 1,
                Some(false) => _ = look.tick().await,
                None => return,
            }
        }
    }

    /// Hands one batch in: whether it was accepted; none where the gateway is not there.
    pub async fn hand_in_one(&self, http: SocketAddr) -> Option<bool> {
        let batch = self.serial.fetch_add(BATCH, Ordering::Relaxed);
        let timed = (batch / BATCH).is_multiple_of(TIMED_EVERY);
        let batch: Vec<(String, u64)> = (batch..batch + BATCH)
            .map(|serial| (format!("message {serial}"), FIRST_HANDSET + serial * 7 % HANDSETS))
            .collect();
        let wanted = batch.iter().map(|(text, number)| match timed {
            true => json!({ "to": format!("+{number}"), "text": text, "valid_for": "1m" }),
            false => json!({ "to": format!("+{number}"), "text": text }),
        });
        let wanted: Vec<Value> = wanted.collect();
        let (status, told) = ask(http, "POST", "/v1/messages", &json!(wanted).to_string()).await?;
        if status != 202 {
            assert!(
                [429, 503].contains(&status),
                "what cannot be taken now is refused for now: {status} {told}"
            );
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Some(false);
        }
        // The gateway counts from when it read the request: this is later, never sooner.
        let expires_ms = timed.then(|| Clock::System.now_ms() + VALID_FOR_MS);
        let ids = told["messages"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap());
        let ids = ids.map(|id| id.parse::<MessageId>().unwrap().0);
        let told = batch.into_iter().zip(ids);
        let told = told.map(|((text, number), id)| (text, Told { id, number, expires_ms }));
        self.accepted.lock().unwrap().extend(told);
        self.batches.fetch_add(1, Ordering::Relaxed);
        Some(true)
    }
}

/// One request; none where the gateway is not there, or goes meanwhile.
async fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(text).ok()?))
}

/// Looks until it is so, or patience is out.
pub async fn until(patience: Duration, mut is: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    let mut look = tokio::time::interval(LOOK_EVERY);
    while !is() {
        if began.elapsed() > patience {
            return false;
        }
        look.tick().await;
    }
    true
}
