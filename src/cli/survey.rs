//! `backchat survey`: what surveys came to.

use crate::cli::{Done, results};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Who was asked, how it ended and what they said, with every denominator named
    #[command(
        after_help = "Examples:\n  backchat survey results --campaign exit-november\n  backchat survey results --survey exit --by language --csv"
    )]
    Results(results::Args),
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Command::Results(args) => results::run(args).await,
    }
}
