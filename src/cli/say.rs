//! What a command says on its output, for as long as somebody reads it: `backchat why ID | head` ends quietly.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Says a line, as `println!` does, which would panic where nobody reads any more.
macro_rules! say {
    () => { $crate::cli::say::line(format_args!("")) };
    ($($words:tt)+) => { $crate::cli::say::line(format_args!($($words)+)) };
}

/// A line.
pub(super) fn line(words: fmt::Arguments<'_>) {
    said(writeln!(io::stdout().lock(), "{words}"));
}

/// A text that has its own lines.
pub(super) fn text(text: &str) {
    said(io::stdout().lock().write_all(text.as_bytes()));
}

fn said(done: io::Result<()>) {
    match done {
        Ok(()) => {}
        // What was asked for was done; who asked has heard enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("what there is to say could not be written: {error}");
            std::process::exit(4);
        }
    }
}
