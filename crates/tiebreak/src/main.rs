//! `tiebreak`: makes HTTP writes conflict-safe.

mod dialects_cmd;
mod explain;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "tiebreak", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Explain an HTTP conflict: which one it is, why, and what to do.
    Explain(explain::ExplainArgs),
    /// List dialect packs, or check packs of your own.
    Dialects(dialects_cmd::DialectsArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Explain(args) => explain::run(args),
        Command::Dialects(args) => dialects_cmd::run(args),
    }
}
