//! A process under measurement: started where it is wanted, its processor time and memory read from the system.

use std::ffi::OsStr;
use std::fs;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::cli::Failure;

/// Clock ticks a second in /proc: fixed by the kernel's interface to programs, whatever its own clock is.
const TICKS_A_SECOND: f64 = 100.0;
/// How often a process is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Use {
    /// User and system, seconds.
    pub(super) cpu_seconds: f64,
    /// Resident memory at its highest, kB.
    pub(super) peak_rss_kb: u64,
}

impl Use {
    /// What was used since an earlier look.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { cpu_seconds: self.cpu_seconds - earlier.cpu_seconds, ..self }
    }
}

/// A command line that runs this program, on one processor where that is asked for.
pub(super) fn backchat(pin: Option<u32>) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(Failure::unreachable)?;
    Ok(pinned(&program, pin))
}

/// A command line for a program, on one processor where that is asked for.
pub(super) fn pinned(program: impl AsRef<OsStr>, pin: Option<u32>) -> Command {
    let mut command = match pin {
        Some(cpu) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(cpu.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that is ended, as a crash would end it, with this value.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Self, Failure> {
        command.spawn().map(Self).map_err(|error| {
            Failure::unreachable(format!("{} cannot be run: {error}", command.get_program().display()))
        })
    }

    /// Its pipes.
    pub(super) fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.0.stdin.take(), self.0.stdout.take())
    }

    /// What it has used so far.
    pub(super) fn used(&self) -> Use {
        used_by(self.0.id())
    }

    /// Waits for its end. What it had used when it was last looked at, which is all but the last moment.
    pub(super) fn finish(mut self) -> Result<(ExitStatus, Use), Failure> {
        let mut last = self.used();
        loop {
            if let Some(status) = self.0.try_wait().map_err(Failure::unreachable)? {
                return Ok((status, last));
            }
            last = self.used();
            sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // one that has ended cannot be ended again
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn used_by(id: u32) -> Use {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // the name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Use {
        cpu_seconds: ticks / TICKS_A_SECOND,
        peak_rss_kb: peak
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default(),
    }
}
