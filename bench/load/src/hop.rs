//! What a hop costs: GETs over kept connections for a while.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use url::Url;

use crate::connection::Connection;
use crate::latency::{micros, summarise};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to get.
    #[arg(long)]
    url: Url,
    /// Kept connections, one request at a time on each.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

pub(crate) async fn run(args: Args) -> Result<(), String> {
    let mut connections = Vec::new();
    for _ in 0..args.connections {
        let mut connection = Connection::new(&args.url, None)?;
        connection.get().await?;
        connections.push(connection);
    }
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(args.seconds);
    let mut workers = JoinSet::new();
    for mut connection in connections {
        workers.spawn(async move {
            let (mut samples, mut errors) = (Vec::new(), 0u64);
            while Instant::now() < end {
                let sent = Instant::now();
                match connection.get().await {
                    Ok(answer) if answer.status == StatusCode::OK => samples.push(micros(sent.elapsed())),
                    Ok(_) | Err(_) => errors += 1,
                }
            }
            (samples, errors)
        });
    }
    let (mut samples, mut errors) = (Vec::new(), 0);
    while let Some(done) = workers.join_next().await {
        let (some, bad) = done.map_err(|e| format!("run a worker: {e}"))?;
        samples.extend(some);
        errors += bad;
    }
    let seconds = start.elapsed().as_secs_f64();
    let requests = samples.len();
    println!(
        "{}",
        json!({ "requests": requests, "errors": errors, "seconds": seconds, "per_second": requests as f64 / seconds,
                "latency": summarise(samples) })
    );
    Ok(())
}
