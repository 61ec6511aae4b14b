//! Programs that run beside a test: peers we did not write, and our own server. What they say is waited for, with a limit.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Whoever is waited for longer will not come: a loaded machine and a reconnect take a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The folder the peers are installed in; `None`, and why, where there is none.
pub fn installed(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BACKCHAT_PEERS").map(PathBuf::from);
    if folder.is_none() {
        // Past the capture of the test's output: nobody may take this for a test that has passed.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {what}. BACKCHAT_PEERS is not set; tests/run installs the peers and sets it."
        );
    }
    folder
}

/// A script with smpplib, for Python.
pub fn python(peers: &Path, script: &str) -> Command {
    let library = peers.join("python");
    assert!(
        library.join("smpplib").is_dir(),
        "BACKCHAT_PEERS is set, but smpplib is not in {}",
        library.display()
    );
    let mut command = Command::new("python3");
    command.arg(path(script)).env("PYTHONPATH", library).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A script with npm smpp, for Node.
pub fn node(peers: &Path, script: &str) -> Command {
    let library = peers.join("node/node_modules");
    assert!(
        library.join("smpp").is_dir(),
        "BACKCHAT_PEERS is set, but npm smpp is not in {}",
        library.display()
    );
    let mut command = Command::new("node");
    command.arg(path(script)).env("NODE_PATH", library);
    command
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script)
}

/// A program that runs. Dropped, it is killed.
pub struct Running {
    name: &'static str,
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub fn start(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (line, lines) = channel();
        let complaints = Arc::<Mutex<Vec<String>>>::default();
        read(child.stdout.take().expect("its output"), line);
        let (complaint, complained) = channel();
        read(child.stderr.take().expect("its errors"), complaint);
        let kept = Arc::clone(&complaints);
        thread::spawn(move || {
            complained.iter().for_each(|line| kept.lock().expect("a lock nobody panicked under").push(line))
        });
        Self { name, orders: child.stdin.take(), child, lines, complaints }
    }

    /// What it wrote to its standard error.
    pub fn complaints(&self) -> String {
        self.complaints.lock().expect("a lock nobody panicked under").join("\n")
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{}: {what}\n{}", self.name, self.complaints());
    }

    /// Its next line; `None` when it has ended.
    fn line(&self, until: Instant, awaited: &str) -> Option<String> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail(&format!("waited too long for {awaited}")),
        }
    }

    /// Asks it to stop, as a service manager does (SIGTERM).
    pub fn terminate(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.expect("`kill` runs").success(), "{} cannot be asked to stop", self.name);
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        self.orders = None;
        let until = Instant::now() + PATIENCE;
        while self.line(until, "its end").is_some() {}
        self.child.wait().expect("its exit status")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: impl Read + Send + 'static, into: Sender<String>) {
    thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| into.send(line))
    });
}

/// A peer: it prints events, one JSON object a line, and may take orders in the same form.
pub struct Peer {
    program: Running,
    /// All it has said so far, in order.
    pub events: Vec<Value>,
}

impl Peer {
    pub fn start(name: &'static str, command: Command) -> Self {
        Self { program: Running::start(name, command), events: Vec::new() }
    }

    /// Gives it an order.
    pub fn tell(&mut self, order: &Value) {
        let orders = self.program.orders.as_mut().expect("it takes orders");
        if let Err(error) = writeln!(orders, "{order}") {
            self.program.fail(&format!("it takes no orders: {error}"));
        }
    }

    /// Takes events until these hold.
    pub fn until(&mut self, awaited: &str, mut hold: impl FnMut(&[Value]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !hold(&self.events) {
            let Some(line) = self.program.line(until, awaited) else {
                self.program.fail(&format!("it ended before {awaited}"));
            };
            match serde_json::from_str(&line) {
                Ok(event) => self.events.push(event),
                Err(error) => self.program.fail(&format!("{error} in {line}")),
            }
        }
    }

    /// Takes events up to the next of this name, and gives that.
    pub fn next(&mut self, name: &str) -> Value {
        let seen = self.events.len();
        let at = |events: &[Value]| events.iter().skip(seen).position(|event| event["event"] == name);
        self.until(name, |events| at(events).is_some());
        self.events[seen + at(&self.events).expect("just seen")].clone()
    }

    /// All events of this name so far.
    pub fn all(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == name).collect()
    }

    /// Waits until it has ended, with success.
    pub fn ends_well(mut self) {
        let status = self.program.ended();
        if !status.success() {
            self.program.fail(&format!("{status}"));
        }
    }
}
