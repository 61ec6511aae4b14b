//! A Postgres server for a benchmark: from the installed programs, in a temporary folder, everything written through to the
//! disk, gone afterwards. An address of a server that runs can be given instead.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::process::{Running, pinned};
use crate::cli::Failure;

/// A slow machine under load still starts within this.
const START: Duration = Duration::from_secs(60);
/// Where Debian puts its versions.
const PLACES: &str = "/usr/lib/postgresql";

/// A server that ends with this value.
pub(super) struct Postgres {
    _server: Running,
    folder: PathBuf,
}

impl Postgres {
    /// Makes and starts one in a folder.
    ///
    /// # Errors
    /// Where no programs are installed or it does not start.
    pub(super) fn start(folder: &Path, pin: Option<u32>) -> Result<Self, Failure> {
        let programs = programs().ok_or_else(|| {
            Failure::unreachable(
                "no Postgres server is installed here (apt-get install postgresql); or give --store postgres://user@host/database",
            )
        })?;
        let folder = folder.join("postgres");
        fs::create_dir_all(&folder).map_err(Failure::unreachable)?;
        let user = other_user();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).map_err(Failure::unreachable)?;
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(Failure::unreachable)?;
        let data = folder.join("data");
        let made = as_user(pinned(programs.join("initdb"), None), user)
            .args(["--no-locale", "-E", "UTF8", "-A", "trust", "-U", "postgres", "-D"])
            .arg(&data)
            .status()
            .map_err(Failure::unreachable)?;
        if !made.success() {
            return Err(Failure::unreachable("initdb failed"));
        }
        let mut server = as_user(pinned(programs.join("postgres"), pin), user);
        server.arg("-D").arg(&data).arg("-k").arg(&folder).args([
            "-c",
            "listen_addresses=",
            "-c",
            "shared_buffers=256MB",
            "-c",
            "max_wal_size=4GB",
        ]);
        let postgres = Self { _server: Running::start(&mut server)?, folder };
        postgres.wait(&programs)?;
        Ok(postgres)
    }

    fn wait(&self, programs: &Path) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < START {
            let ready = Command::new(programs.join("pg_isready"))
                .arg("-q")
                .arg("-h")
                .arg(&self.folder)
                .status()
                .map_err(Failure::unreachable)?;
            if ready.success() {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        Err(Failure::unreachable(format!("Postgres did not start within {} s", START.as_secs())))
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Postgres refuses to run as root: then it runs as its own user.
fn other_user() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = |line: &str, field: usize| line.split(':').nth(field)?.parse().ok();
    root.then(|| {
        let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
        Some((number(line, 2)?, number(line, 3)?))
    })
    .flatten()
}

/// The newest version installed.
fn programs() -> Option<PathBuf> {
    let version = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let entries = fs::read_dir(PLACES).ok()?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort_by_key(version);
    found.into_iter().rev().map(|path| path.join("bin")).find(|path| path.join("initdb").exists())
}
