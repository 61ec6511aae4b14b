//! The one binary.

use std::process::ExitCode;

/// What one task makes another one frees, on another thread, by the hundred thousand a second: the system's allocator spends
/// more on that than anything else here costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    backchat::cli::run()
}
