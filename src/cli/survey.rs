//! `backchat survey`: what surveys ask, whom, and what they came to.

use crate::cli::{Done, ask, questions, results};

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
    /// Put a survey to one handset: as a campaign would, with consent and permitted hours
    #[command(
        after_help = "Examples:\n  backchat survey start support --to +447700900123 --name Ana\n  backchat survey start exit --to +6281234567890 --code 88001 --language id --json\n\nA server that runs on the same database sends it. It counts for the campaign SURVEY-operator."
    )]
    Start(ask::Args),
    /// Check a survey file; say what is wrong, where, and what would be right
    #[command(after_help = "Example:\n  backchat survey check config/surveys/support.toml")]
    Check(questions::CheckArgs),
    /// Show a survey's questions, where each answer leads, and the message parts each text costs by language
    #[command(after_help = "Example:\n  backchat survey show config/surveys/support.toml --brand Acme")]
    Show(questions::ShowArgs),
}

pub(crate) async fn run(args: Args) -> Done {
    match args.command {
        Command::Results(args) => results::run(args).await,
        Command::Start(args) => ask::run(args).await,
        Command::Check(args) => questions::check(&args),
        Command::Show(args) => questions::show(&args),
    }
}
