//! Durable writes: callers that create new things, each under a key of its own.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use url::Url;

use crate::connection::Connection;
use crate::latency::{micros, summarise};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The collection. Given several times, the callers take turns.
    #[arg(long, required = true)]
    url: Vec<Url>,
    /// PUT each thing at a target of its own that must not be there yet, instead of a POST to the collection.
    #[arg(long)]
    put: bool,
    /// Callers, one write at a time each.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

pub(crate) async fn run(args: Args) -> Result<(), String> {
    // Keys of one run differ from those of every other, or a ledger would replay them.
    let run = fastrand::u64(..);
    let mut connections = Vec::new();
    for caller in 0..args.callers {
        let mut connection = Connection::new(&args.url[caller % args.url.len()], Some(format!("Bearer caller-{caller}")))?;
        connection.open().await?;
        connections.push(connection);
    }
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(args.seconds);
    let mut workers = JoinSet::new();
    for (caller, mut connection) in connections.into_iter().enumerate() {
        let collection = args.url[caller % args.url.len()].path().to_owned();
        workers.spawn(async move {
            let (mut samples, mut failed) = (Vec::new(), 0u64);
            while Instant::now() < end {
                let serial = samples.len();
                let key = format!("\"{run:016x}-{caller}-{serial}\"");
                let content = Bytes::from(format!(r#"{{"caller":{caller},"serial":{serial},"amount":"12.50"}}"#));
                let mut fields = vec![("content-type", "application/json"), ("idempotency-key", key.as_str())];
                let method = if args.put {
                    connection.aim(format!("{collection}/{run:016x}-{caller}-{serial}"));
                    fields.push(("if-none-match", "*"));
                    Method::PUT
                } else {
                    Method::POST
                };
                let sent = Instant::now();
                match connection.send(method, &fields, content).await {
                    Ok(answer) if answer.status.is_success() => samples.push(micros(sent.elapsed())),
                    Ok(_) | Err(_) => {
                        failed += 1;
                        break;
                    }
                }
            }
            (samples, failed)
        });
    }
    let (mut samples, mut failed) = (Vec::new(), 0);
    while let Some(done) = workers.join_next().await {
        let (some, bad) = done.map_err(|e| format!("run a caller: {e}"))?;
        samples.extend(some);
        failed += bad;
    }
    let seconds = start.elapsed().as_secs_f64();
    let applied = samples.len();
    println!(
        "{}",
        json!({ "applied": applied, "failed_callers": failed, "seconds": seconds, "per_second": applied as f64 / seconds,
                "latency": summarise(samples) })
    );
    Ok(())
}
