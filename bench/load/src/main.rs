//! Load generators and scripted servers for the benchmarks. Every client prints one JSON line.

mod connection;
mod document;
mod hop;
mod latency;
mod origin;
mod posts;
mod race;
mod serial;
mod server;
mod strategy;
mod upstream;

use clap::{Parser, Subcommand};

/// Servers to put a gateway in front of, and clients to put before it.
#[derive(Parser)]
#[command(name = "load", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A server that answers every request at once with the same few bytes.
    Upstream(upstream::Args),
    /// A versioned JSON origin: strong entity tags, If-Match, merge patch, counts by kind.
    Origin(origin::Args),
    /// Safe requests over kept connections: requests per second and latency.
    Hop(hop::Args),
    /// Workers that change fields of one document, each with the given habit.
    Race(race::Args),
    /// One client, one guarded PUT after the other, every version known: the origin's own serial rate.
    Serial(serial::Args),
    /// Callers that create new things, each with a key of its own.
    Posts(posts::Args),
}

#[tokio::main]
async fn main() {
    let done = match Cli::parse().command {
        Command::Upstream(args) => upstream::run(args).await,
        Command::Origin(args) => origin::run(args).await,
        Command::Hop(args) => hop::run(args).await,
        Command::Race(args) => race::run(args).await,
        Command::Serial(args) => serial::run(args).await,
        Command::Posts(args) => posts::run(args).await,
    };
    if let Err(error) = done {
        eprintln!("load: failed to {error}");
        std::process::exit(1);
    }
}
