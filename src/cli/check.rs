//! `backchat check`: everything wrong with a configuration, at once.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{Done, Failure};
use crate::config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// One JSON document: the list of problems, empty when there are none
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    match config::load(&args.config) {
        Ok(config) => {
            if args.json {
                say!("[]");
            } else {
                let count =
                    |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
                say!(
                    "{}: right. {}, {}, {}.",
                    args.config.display(),
                    count(config.carriers.len(), "carrier"),
                    count(config.codes.len(), "code"),
                    count(config.surveys.len(), "survey"),
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) if args.json => {
            say!("{}", serde_json::to_string_pretty(problems.items()).map_err(Failure::wrong)?);
            Ok(ExitCode::from(2))
        }
        Err(problems) => Err(Failure::wrong(rendered(&problems))),
    }
}

/// Problems with their place in the file, in colour on a terminal.
pub(crate) fn rendered(problems: &config::Problems) -> String {
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        problems.styled()
    } else {
        problems.plain()
    }
}
