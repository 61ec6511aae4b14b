//! A Postgres server for one test binary: made in a temporary folder from the installed programs, without a network
//! port, as another user when we are root, gone when the tests are. One database a test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Set to `sqlite`, the tests leave Postgres out.
const STORES: &str = "BACKCHAT_TEST_STORES";
/// Names the folder of the server's programs, where they are not found by themselves.
const PROGRAMS: &str = "BACKCHAT_TEST_PG_BIN";
const HOW_TO_INSTALL: &str = "These tests run on Postgres too, and its server programs (initdb, postgres) are not here.\n\
    Debian, Ubuntu:  sudo apt-get install postgresql\n\
    Fedora:          sudo dnf install postgresql-server\n\
    macOS:           brew install postgresql@17\n\
    elsewhere:       BACKCHAT_TEST_PG_BIN=/path/to/postgresql/bin\n\
    or leave it out: BACKCHAT_TEST_STORES=sqlite";
/// A slow machine under load still starts within this.
const START: Duration = Duration::from_secs(60);

/// The running server.
struct Server {
    programs: PathBuf,
    folder: PathBuf,
    // the watching shell ends the server when this process, however it ends, closes the pipe
    _shell: Child,
}

/// Whether Postgres is to be tested: unless it was left out by name, it is.
pub fn wanted() -> bool {
    std::env::var(STORES).map_or(true, |stores| stores.trim() != "sqlite")
}

/// Makes a new, empty database of this name and gives its address. The first call in a test binary starts the server.
pub fn database_url(name: &str) -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).database(name)
}

impl Server {
    fn start() -> Self {
        let programs = programs().unwrap_or_else(|| panic!("{HOW_TO_INSTALL}"));
        // a socket's path must be short, so not under a long TMPDIR
        let folder = tempfile::Builder::new().prefix("backchat-pg-").tempdir_in("/tmp").unwrap().keep();
        let user = other_user();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.join("data");
        run(as_user(Command::new(programs.join("initdb")), user)
            .args(["--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust", "-U", "postgres", "-D"])
            .arg(&data));
        // what dies here are processes, not machines: without fsync the tests are quick and lose nothing
        let script = format!(
            "'{postgres}' -D '{data}' -k '{folder}' -c listen_addresses= -c fsync=off -c full_page_writes=off \
             -c max_connections=200 -c shared_buffers=32MB > '{folder}/log' 2>&1 & \
             pid=$!; cat > /dev/null; kill -QUIT $pid; wait $pid; rm -rf '{folder}'",
            postgres = programs.join("postgres").display(),
            data = data.display(),
            folder = folder.display(),
        );
        let shell = as_user(Command::new("/bin/sh"), user)
            .arg("-c")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // a signal from the terminal must not reach it before the tests are through
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self { programs, folder, _shell: shell };
        wait(&server.folder);
        server
    }

    fn database(&self, name: &str) -> String {
        run(Command::new(self.programs.join("createdb"))
            .args(["-U", "postgres", "-T", "template0", "-E", "UTF8", "-h"])
            .arg(&self.folder)
            .arg(name));
        format!("postgres://postgres@localhost/{name}?host={}", self.folder.display())
    }
}

/// Waits until the server in this folder takes connections.
fn wait(folder: &Path) {
    let socket = folder.join(".s.PGSQL.5432");
    let begin = Instant::now();
    // `pg_isready` by hand: the server answers a connection with something other than "starting up"
    while begin.elapsed() < START {
        if let Ok(mut stream) = std::os::unix::net::UnixStream::connect(&socket) {
            // protocol 3.0, user postgres; a server that is up answers R (authentication), one that is not, E
            let body = b"\0\x03\0\0user\0postgres\0\0";
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            let mut answer = [0_u8; 1];
            if stream.write_all(&[&length[..], body].concat()).is_ok()
                && stream.read_exact(&mut answer).is_ok()
                && answer == *b"R"
            {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("Postgres did not start within {START:?}:\n{log}");
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
    command
}

/// Postgres refuses to run as root: then it runs as `postgres`, or as `nobody`.
fn other_user() -> Option<(u32, u32)> {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !root {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|wanted| {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.first() == Some(wanted))
                .then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
                .flatten()
        })
    })
}

/// The folder with `initdb` and `postgres`: named, as Debian and Fedora lay them out (newest first), or on the path.
fn programs() -> Option<PathBuf> {
    let complete = |folder: &Path| {
        ["initdb", "postgres", "createdb"].iter().all(|program| folder.join(program).exists())
    };
    if let Some(named) = std::env::var_os(PROGRAMS) {
        return Some(PathBuf::from(named)).filter(|folder| complete(folder));
    }
    let mut found: Vec<PathBuf> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"]
        .iter()
        .filter_map(|base| std::fs::read_dir(base).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path().join("bin")))
        .filter(|folder| complete(folder))
        .collect();
    found.sort_by_key(|folder| version(folder));
    found.pop().or_else(|| {
        std::env::var_os("PATH").and_then(|path| std::env::split_paths(&path).find(|folder| complete(folder)))
    })
}

/// 17 for `/usr/lib/postgresql/17/bin` and for `/opt/homebrew/opt/postgresql@17/bin`.
fn version(folder: &Path) -> u32 {
    let name = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let digits = |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>();
    name.map(digits).and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// A server of a test's own, to be stopped hard and started again. Stopped for good when dropped.
pub struct OwnServer {
    programs: PathBuf,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl OwnServer {
    /// Starts one, with an empty database.
    pub fn start() -> Self {
        let programs = programs().unwrap_or_else(|| panic!("{HOW_TO_INSTALL}"));
        let folder = tempfile::Builder::new().prefix("backchat-pg-").tempdir_in("/tmp").unwrap();
        let user = other_user();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        run(as_user(Command::new(programs.join("initdb")), user)
            .args(["--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust", "-U", "postgres", "-D"])
            .arg(folder.path().join("data")));
        let mut own = Self { programs, folder, process: None };
        own.start_again();
        run(Command::new(own.programs.join("createdb"))
            .args(["-U", "postgres", "-T", "template0", "-E", "UTF8", "-h"])
            .arg(own.folder.path())
            .arg("backchat"));
        own
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/backchat?host={}", self.folder.path().display())
    }

    /// Ends it at once, as `pg_ctl stop -m immediate` does: connections are cut, nothing is finished.
    pub fn stop_hard(&mut self) {
        if let Some(mut process) = self.process.take() {
            run(Command::new("kill").args(["-QUIT", &process.id().to_string()]));
            process.wait().unwrap();
        }
    }

    /// Starts it on what the last run left.
    pub fn start_again(&mut self) {
        // what dies here are processes, not machines: without fsync the tests are quick and lose nothing
        let process = as_user(Command::new(self.programs.join("postgres")), other_user())
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        wait(self.folder.path());
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop_hard();
    }
}
