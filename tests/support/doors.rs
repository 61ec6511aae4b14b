//! A server with its doors open, between a simulated carrier and whoever hands messages in; and a small HTTP client.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::net::SocketAddr;
use std::time::Duration;

use backchat::app::Server;
use backchat::clock::Clock;
use backchat::config;
use backchat::simulator::{Account, Settings, Simulator};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Makes two tests of each function: one a store.
#[allow(unused_macros, reason = "each test file takes what it needs")]
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(None).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if crate::postgres::wanted() {
                    let url = crate::postgres::database_url(stringify!($name));
                    super::$name(Some(&url)).await;
                }
            })*
        }
    };
}

/// Whoever is waited for longer will not come.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The account's key.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Carrier and server; the folder goes last.
pub struct House {
    pub carrier: Simulator,
    pub server: Server,
    _folder: tempfile::TempDir,
}

impl House {
    /// On SQLite, or on the Postgres at this address. `more` is added to the account's block.
    pub async fn open(postgres: Option<&str>, more: &str) -> Self {
        Self::before(postgres, Settings::plain(), "", more).await
    }

    /// The same before a carrier with these habits; `of_carrier` is added to its block.
    pub async fn before(postgres: Option<&str>, habits: Settings, of_carrier: &str, more: &str) -> Self {
        let account = Account { system_id: "esme".into(), password: "secret".into() };
        let settings = Settings { accounts: vec![account], ..habits };
        let carrier = Simulator::start(settings).await.expect("a free port");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = match postgres {
            Some(url) => format!("postgres = \"{url}\""),
            None => "sqlite = \"doors.db\"".to_owned(),
        };
        let text = format!(
            "[store]\n{store}\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[smpp]\nlisten = \"127.0.0.1:0\"\n\
             [[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"esme\"\n\
             password = \"plain:secret\"\nrate = \"1000/s\"\nwindow = 100\n{of_carrier}\n\
             [[code]]\nnumber = \"88001\"\ncarrier = \"main\"\nbrand = \"Backchat\"\n\
             [[account]]\nname = \"shop\"\napi_key = \"plain:{KEY}\"\nsystem_id = \"shop\"\npassword = \"plain:pw\"\n\
             senders = [\"88001\"]\npurposes = [\"transactional\", \"promotional\"]\nrate = \"100000/s\"\n{more}\n\
             [[account]]\nname = \"other\"\napi_key = \"plain:ffffffffffffffffffffffffffffffff\"\n\
             senders = [\"88001\"]\npurposes = [\"promotional\"]\n",
            carrier.address().port()
        );
        let config =
            config::parse("test.toml", &text, folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
        let server = Server::start(config, Clock::System).await.expect("it starts");
        Self { carrier, server, _folder: folder }
    }

    pub fn http(&self) -> SocketAddr {
        self.server.http_address().expect("the API listens")
    }

    pub fn smpp(&self) -> SocketAddr {
        self.server.smpp_address().expect("the SMPP server listens")
    }

    pub async fn close(self) {
        self.server.stop().await;
        self.carrier.stop().await;
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// One request on a connection of its own. `headers` are whole lines.
pub async fn ask(to: SocketAddr, method: &str, path: &str, headers: &[String], body: &str) -> Reply {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let talk = async {
        let mut stream = TcpStream::connect(to).await.expect("it accepts");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    };
    let answer = timeout(PATIENCE, talk).await.expect("an answer in time");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Reply { status, head: head.to_lowercase(), text: text.to_owned() }
}

/// Hands messages in as the account `shop`, with more headers.
pub async fn post(to: SocketAddr, more: &[&str], body: &str) -> Reply {
    let mut headers =
        vec![format!("Authorization: Bearer {KEY}"), "Content-Type: application/json".to_owned()];
    headers.extend(more.iter().map(|line| (*line).to_owned()));
    ask(to, "POST", "/v1/messages", &headers, body).await
}

/// Asks as the account `shop`.
pub async fn get(to: SocketAddr, path: &str) -> Reply {
    ask(to, "GET", path, &[format!("Authorization: Bearer {KEY}")], "").await
}
