//! The one binary.

use std::process::ExitCode;

/// What one task makes another one frees, on another thread, by the hundred thousand a second: the system's allocator spends
/// more on that than anything else here costs. Without huge pages (`no_thp`): a process on them kept a fifth more in memory and
/// was no faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    backchat::cli::run()
}
