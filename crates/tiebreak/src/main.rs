//! Tiebreak makes HTTP writes conflict-safe: the command line.

mod admin;
mod browser;
mod config;
mod console;
mod dialects_cmd;
mod doubts;
mod exit;
mod explain;
mod fields;
mod gateway;
mod ledger_cmd;
mod probe;
mod stores;
mod submit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Each request makes many small allocations on one thread and frees them on another: see docs/decisions/0004.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes HTTP writes conflict-safe: each write lands once, on the version it was meant for.
#[derive(Debug, Parser)]
#[command(name = "tiebreak", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in front of an HTTP API (or serve an embedded JSON origin)
    Serve(Box<gateway::ServeArgs>),
    /// Push the lines of a file to an HTTP API, each of them once
    Submit(Box<submit::SubmitArgs>),
    /// Look at writes in doubt, and settle them
    Doubts(doubts::DoubtsArgs),
    /// Look at a ledger, check it, export it, or make it smaller
    Ledger(Box<ledger_cmd::LedgerArgs>),
    /// Check a configuration file, or show what is in force
    Config(config::ConfigArgs),
    /// Explain an HTTP conflict: which one it is, why, and what to do
    Explain(explain::ExplainArgs),
    /// Find out what an origin honours, on a scratch resource, and print the route's configuration
    Probe(Box<probe::ProbeArgs>),
    /// List dialect packs, or check packs of your own
    Dialects(dialects_cmd::DialectsArgs),
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| refuse(&error));
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("TIEBREAK_LOG").unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    match cli.command {
        Command::Serve(args) => gateway::run(&args),
        Command::Submit(args) => submit::run(&args),
        Command::Doubts(args) => doubts::run(&args),
        Command::Ledger(args) => ledger_cmd::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Probe(args) => probe::run(&args),
        Command::Dialects(args) => dialects_cmd::run(args),
    }
}

/// Ends with what is wrong with the arguments; where they hold a URL, without the password in it.
fn refuse(error: &clap::Error) -> ! {
    let told = error.render().to_string();
    match tiebreak_core::userinfo::hidden(&told) {
        std::borrow::Cow::Borrowed(_) => error.exit(),
        std::borrow::Cow::Owned(told) => {
            eprint!("{told}");
            std::process::exit(error.exit_code())
        }
    }
}
