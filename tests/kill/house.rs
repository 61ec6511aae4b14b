//! A gateway in a process of its own, between a carrier that stays and clients that go on.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use backchat::backoff::Backoff;
use backchat::clock::Clock;
use backchat::crash::Point;
use backchat::simulator::{Account, Settings, Simulator};
use backchat::store::{Access, Location, Options, Store};

use crate::clients::{Clients, until};
use crate::doors::KEY;
use crate::history::Copies;

pub const CODE: &str = "88001";
pub const RATE: u64 = 400;
pub const WINDOW: u64 = 20;
/// What one bind may leave in doubt: its window and the two slices it holds, and one that is about to be handed over.
pub const BOUND: u64 = WINDOW + 3 * RATE / 5;
pub const PATIENCE: Duration = Duration::from_secs(120);
/// What a carrier is not answered it sends again, soon: the next process has all of it to do.
const AGAIN: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
/// STOP is all that has to be understood here. Reading the packs of forty languages is most of a start in a debug build.
const PACKS: [(&str, &str); 5] = [
    ("words.toml", "format = 2\nchecked = \"\"\nevery_language_stop = [\"STOP\"]\n[en]\nstop = [\"STOP\"]\n"),
    ("numbers.toml", "format = 1\nchecked = \"\"\n"),
    ("phrases.toml", "format = 1\nchecked = \"\"\n"),
    ("grammar.toml", "format = 1\nchecked = \"\"\n"),
    (
        "noise.toml",
        "format = 1\nchecked = \"\"\nreaction_before = []\nreaction_after = []\nsignature = []\n\
         signature_line = []\nquote_line = []\nauto_reply = []\nnotice = []\n",
    ),
];

/// Where the gateway keeps everything.
pub enum Memory {
    /// A file in this folder, or in the house's own.
    Sqlite(Option<PathBuf>),
    /// This database.
    Postgres(String),
    /// The same, with a table for each day.
    PostgresByDay(String),
}

/// A running gateway. It does not outlive the test.
pub struct Gateway(Child);

impl Gateway {
    /// Whether it has ended by itself.
    pub fn has_died(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // One that has died by itself cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct House {
    pub carrier: Simulator,
    pub clients: Arc<Clients>,
    pub http: SocketAddr,
    pub copies: Copies,
    /// When each process began.
    pub began_ms: Vec<i64>,
    /// How many may be in doubt, over all that happened.
    pub bound: u64,
    location: Location,
    folder: tempfile::TempDir,
}

impl House {
    pub async fn open(memory: Memory, copies: Copies) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let carrier = Simulator::start(Settings {
            accounts: vec![Account { system_id: "esme".into(), password: "secret".into() }],
            journal: Some(folder.path().join("carrier.jsonl")),
            redelivery: AGAIN,
            ..Settings::plain()
        });
        let carrier = carrier.await.unwrap();
        let (location, store) = match memory {
            Memory::Sqlite(place) => {
                let file = place.unwrap_or_else(|| folder.path().to_owned()).join("kill.db");
                let setting = format!("sqlite = \"{}\"", file.display());
                (Location::Sqlite(file), setting)
            }
            Memory::Postgres(url) => (Location::Postgres(url.clone()), format!("postgres = \"{url}\"")),
            Memory::PostgresByDay(url) => {
                let setting = format!("postgres = \"{url}\"\npartitions = \"daily\"");
                (Location::Postgres(url), setting)
            }
        };
        let policy = match copies {
            Copies::AtLeastOnce => "resend",
            Copies::AtMostOnce => "never",
        };
        std::fs::create_dir(folder.path().join("packs")).unwrap();
        for (name, text) in PACKS {
            std::fs::write(folder.path().join("packs").join(name), text).unwrap();
        }
        let config = format!(
            "packs = \"packs\"\n[store]\n{store}\n[http]\nlisten = \"{http}\"\n\
             [[carrier]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"esme\"\n\
             password = \"plain:secret\"\nrate = \"{RATE}/s\"\nwindow = {WINDOW}\nin_doubt = \"{policy}\"\n\
             [[code]]\nnumber = \"{CODE}\"\ncarrier = \"main\"\nbrand = \"Backchat\"\n\
             [[account]]\nname = \"shop\"\napi_key = \"plain:{KEY}\"\nsenders = [\"{CODE}\"]\n\
             purposes = [\"transactional\"]\nrate = \"100000/s\"\n",
            carrier.address().port()
        );
        std::fs::write(folder.path().join("kill.toml"), config).unwrap();
        let clients = Arc::default();
        Self { carrier, clients, http, copies, began_ms: Vec::new(), bound: 0, location, folder }
    }

    /// What the carrier wrote down.
    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("carrier.jsonl")
    }

    /// Starts a gateway, to die at this passage of a point where one is named.
    pub fn start(&mut self, crash_at: Option<(Point, u64)>) -> Gateway {
        self.began_ms.push(Clock::System.now_ms());
        let mut command = Command::new(env!("CARGO_BIN_EXE_backchat"));
        command
            .args(["serve", "--config"])
            .arg(self.folder.path().join("kill.toml"))
            .env_remove("BACKCHAT_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((point, passage)) = crash_at {
            command.env("BACKCHAT_CRASH_AT", format!("{}:{passage}", point.name()));
        }
        Gateway(command.spawn().unwrap())
    }

    /// Waits until the gateway listens, or has died.
    pub async fn is_up(&self, gateway: &mut Gateway) {
        let up = || gateway.has_died() || TcpStream::connect(self.http).is_ok();
        assert!(until(PATIENCE, up).await, "it starts");
    }

    /// Kills a gateway, where it has not died by itself.
    pub fn kill(&mut self, gateway: Gateway) {
        drop(gateway);
        self.bound += BOUND;
    }

    /// What is in the memory, without changing it.
    pub async fn look(&self) -> Store {
        let now_ms = Clock::System.now_ms();
        let options = Options { now_ms, access: Access::Look, ..Options::default() };
        Store::open(&self.location, options).await.unwrap()
    }

    /// Waits until nothing waits any more, here or with the carrier.
    pub async fn drained(&self) -> bool {
        let store = self.look().await;
        let all = async {
            loop {
                until(PATIENCE, || self.carrier.is_idle()).await;
                let left = store.queue_depth("main").await;
                if left.is_ok_and(|left| left.is_empty()) && self.carrier.is_idle() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.is_ok()
    }
}
