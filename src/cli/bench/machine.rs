//! The machine a figure was taken on, as far as it matters: processor, memory, load, and what a commit to its disk costs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

/// Commits tried; their median is told.
const COMMITS: usize = 200;
/// A page, as databases write it.
const PAGE: [u8; 8_192] = [0x5A; 8_192];

/// The machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    processor: String,
    processors: usize,
    memory_gb: u64,
    /// Average of the last minute: above the number of processors, others were working too.
    load: String,
    /// Median of appending a page and having it on disk, microseconds.
    disk_commit_us: u128,
    version: &'static str,
    build: &'static str,
}

impl Machine {
    /// Looks at this machine and tries the disk of this folder.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub(super) fn look(folder: &Path) -> io::Result<Self> {
        let fact = |file: &str, key: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = fact("/proc/meminfo", "MemTotal");
        let memory_kb: u64 =
            memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            processor: fact("/proc/cpuinfo", "model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: memory_kb.div_ceil(1_024 * 1_024),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            disk_commit_us: disk_commit_us(folder)?,
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        })
    }

    pub(super) fn in_words(&self) -> String {
        format!(
            "backchat {} ({} build) on {}, {} processors, {} GB; load {}; a page on disk in {} µs",
            self.version,
            self.build,
            self.processor,
            self.processors,
            self.memory_gb,
            self.load,
            self.disk_commit_us
        )
    }
}

fn disk_commit_us(folder: &Path) -> io::Result<u128> {
    let path = folder.join(format!("backchat-bench-{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let began = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        times.push(began.elapsed().as_micros());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[COMMITS / 2])
}
