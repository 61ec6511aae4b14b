//! What a run stands on: a folder, a store, a carrier, and the gateway bound to it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Args;
use super::carrier::{CODE, FIRST_HANDSET, LOGIN, Order, Told};
use super::load::{API_KEY, Loaded, Way};
use super::postgres::Postgres;
use super::process::{Running, Use, backchat};
use crate::cli::Failure;

/// A run that says nothing for so long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Where a run remembers.
#[derive(Debug, Clone)]
pub(super) enum StoreChoice {
    Sqlite,
    /// A server of its own.
    Postgres,
    /// A server that runs.
    At(String),
}

impl StoreChoice {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        match written {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::At(url.to_owned()))
            }
            other => {
                Err(format!("--store {other}: write sqlite, postgres, or postgres://user@host/database"))
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres | Self::At(_) => "postgres",
        }
    }
}

/// The ground of a run.
pub(super) struct Stand<'a> {
    args: &'a Args,
    folder: TempDir,
    _postgres: Option<Postgres>,
    carrier: Carrier,
    doors: Doors,
    /// Written to so far: each campaign has people of its own.
    people: u64,
}

/// Where the gateway takes messages in.
struct Doors {
    http: SocketAddr,
    smpp: SocketAddr,
}

impl Doors {
    /// Two ports that were free a moment ago.
    fn free() -> io::Result<Self> {
        let (http, smpp) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        Ok(Self { http: http.local_addr()?, smpp: smpp.local_addr()? })
    }
}

impl<'a> Stand<'a> {
    /// A folder with a configuration, contacts and a carrier. `answering`: its handsets answer what they are asked.
    pub(super) fn new(args: &'a Args, store: &StoreChoice, answering: Answering) -> Result<Self, Failure> {
        let folder =
            tempfile::Builder::new().prefix("backchat-bench-").tempdir().map_err(Failure::unreachable)?;
        let carrier = Carrier::start(args, answering)?;
        let postgres = match store {
            StoreChoice::Postgres => Some(Postgres::start(folder.path(), args.pin)?),
            StoreChoice::Sqlite | StoreChoice::At(_) => None,
        };
        let place = match (store, &postgres) {
            (StoreChoice::At(url), _) => format!("postgres = \"plain:{url}\""),
            (_, Some(postgres)) => format!("postgres = \"{}\"", postgres.url()),
            _ => "sqlite = \"backchat.db\"".to_owned(),
        };
        let doors = Doors::free().map_err(Failure::unreachable)?;
        let config = format!(
            r#"surveys = ["bench.toml"]
[hours]
enforce = "never"
[store]
{place}
[http]
listen = "{http}"
[smpp]
listen = "{smpp}"
[[account]]
name = "bench"
api_key = "plain:{API_KEY}"
system_id = "{LOGIN}"
password = "plain:{LOGIN}"
senders = ["{CODE}"]
purposes = ["transactional"]
rate = "100000/s"
window = 200
[[carrier]]
name = "bench"
host = "127.0.0.1"
port = {port}
system_id = "{LOGIN}"
password = "plain:{LOGIN}"
rate = "20000/s"
window = 200
reconnect = {{ min = "100ms", max = "1s" }}
[[code]]
number = "{CODE}"
carrier = "bench"
brand = "Bench"
languages = ["en"]
"#,
            port = carrier.port,
            http = doors.http,
            smpp = doors.smpp
        );
        let survey = r#"key = "exit"
languages = ["en"]
[[question]]
kind = "range"
min = 1
max = 8
[question.text.en]
ask = "{name|Hello}, why are you leaving? Reply 1-8. STOP to opt out."
"#;
        let stand = Self { args, folder, _postgres: postgres, carrier, doors, people: 0 };
        stand.write("backchat.toml", &config)?;
        stand.write("bench.toml", survey)?;
        Ok(stand)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.path().join(name);
        fs::write(&path, text).map_err(Failure::unreachable)?;
        Ok(path)
    }

    /// The carrier.
    pub(super) fn carrier(&mut self) -> &mut Carrier {
        &mut self.carrier
    }

    /// Puts a campaign to so many handsets, the next ones, into the queue. How long it took, and what it used.
    pub(super) fn import(&mut self, name: &str, count: u64) -> Result<(f64, Use), Failure> {
        let mut contacts = String::from("number,language\n");
        for handset in self.people..self.people + count {
            // into a String nothing fails
            let _ = writeln!(contacts, "+{},en", FIRST_HANDSET + handset);
        }
        self.people += count;
        let contacts = self.write("contacts.csv", &contacts)?;
        let began = Instant::now();
        let mut command = backchat(self.args.pin)?;
        command
            .args(["campaign", name, "--survey", "exit", "--json", "--contacts"])
            .arg(contacts)
            .arg("--config")
            .arg(self.folder.path().join("backchat.toml"))
            .stderr(Stdio::inherit());
        let (status, used) = Running::start(&mut command)?.finish()?;
        if !status.success() {
            return Err(Failure::unreachable("the campaign could not be imported"));
        }
        Ok((began.elapsed().as_secs_f64(), used))
    }

    /// Starts handing messages in.
    pub(super) fn load(&self, way: Way, messages: u64) -> Result<Load, Failure> {
        let to = if way == Way::Smpp { self.doors.smpp } else { self.doors.http };
        let mut command = backchat(self.args.pin)?;
        command.args([
            "bench-load",
            &way.name(),
            "--to",
            &to.to_string(),
            "--messages",
            &messages.to_string(),
        ]);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        Ok(Load(Running::start(&mut command)?))
    }

    /// Starts the gateway, and waits until it has bound and the carrier tells so; where it does not, its own words are the
    /// error.
    pub(super) fn serve(&mut self) -> Result<(Running, Told), Failure> {
        let gateway = self.start()?;
        match self.carrier.until(|told| told.census.bound > 0) {
            Ok(told) => Ok((gateway, told)),
            Err(error) => {
                let said = fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default();
                Err(if said.is_empty() { error } else { Failure::unreachable(said) })
            }
        }
    }

    fn start(&self) -> Result<Running, Failure> {
        let log = fs::File::create(self.folder.path().join("serve.log")).map_err(Failure::unreachable)?;
        let mut command = backchat(self.args.pin)?;
        command
            .arg("serve")
            .arg("--config")
            .arg(self.folder.path().join("backchat.toml"))
            .env("BACKCHAT_LOG", "warn")
            .stderr(log);
        Running::start(&mut command)
    }
}

/// Messages being handed in.
pub(super) struct Load(Running);

impl Load {
    /// Waits for its end; how it went.
    pub(super) fn finish(mut self) -> Result<Loaded, Failure> {
        let mut told = String::new();
        if let (_, Some(mut lines)) = self.0.pipes() {
            lines.read_to_string(&mut told).map_err(Failure::unreachable)?;
        }
        serde_json::from_str(&told).map_err(|_| Failure::unreachable("the load did not go through"))
    }
}

/// What the handsets of a run do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answering {
    /// They say nothing by themselves.
    Silent,
    /// They answer what they are asked, at once.
    AtOnce,
}

/// The carrier's process.
pub(super) struct Carrier {
    _process: Running,
    orders: ChildStdin,
    told: Receiver<Told>,
    port: u16,
}

impl Carrier {
    fn start(args: &Args, answering: Answering) -> Result<Self, Failure> {
        let mut command = backchat(args.pin)?;
        command.args(["bench-carrier", "--response-delay-ms", &args.response_delay_ms.to_string()]);
        if answering == Answering::AtOnce {
            command.arg("--answering");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = Running::start(&mut command)?;
        let (Some(orders), Some(lines)) = process.pipes() else {
            return Err(Failure::unreachable("the carrier has no pipes"));
        };
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(lines).lines().map_while(Result::ok);
            // a line cut off by its end is no count
            for one in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if tell.send(one).is_err() {
                    break;
                }
            }
        });
        let mut carrier = Self { _process: process, orders, told, port: 0 };
        carrier.port = carrier.next()?.port;
        Ok(carrier)
    }

    /// Tells it what to do.
    pub(super) fn order(&mut self, order: &Order) -> Result<(), Failure> {
        let line = serde_json::to_string(order).map_err(Failure::wrong)? + "\n";
        self.orders.write_all(line.as_bytes()).map_err(Failure::unreachable)
    }

    /// What it tells next.
    pub(super) fn next(&mut self) -> Result<Told, Failure> {
        self.told
            .recv_timeout(STUCK)
            .map_err(|_| Failure::broken_promise(format!("nothing has moved for {} s", STUCK.as_secs())))
    }

    /// Waits until what it tells is so.
    pub(super) fn until(&mut self, so: impl Fn(&Told) -> bool) -> Result<Told, Failure> {
        loop {
            let told = self.next()?;
            if so(&told) {
                return Ok(told);
            }
        }
    }
}
