//! Workers that change fields of one document at once, and what became of their changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::connection::Connection;
use crate::latency::{micros, summarise};
use crate::strategy::{self, Habit, Written};

/// Members of the document; each worker changes one of them.
const FIELDS: usize = 512;
/// Attempts after which client-go's default gives up.
const CUSTOMARY_ATTEMPTS: u32 = 5;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The document as the workers reach it: at the origin, or through a gateway. Given several times, the workers take turns.
    #[arg(long, required = true)]
    url: Vec<Url>,
    /// The same document at the origin itself: laid before the race, read after it.
    #[arg(long)]
    origin: Url,
    /// Workers, each with a connection of its own.
    #[arg(long, default_value_t = 64)]
    workers: usize,
    /// Changes per worker, one after the other, of its one field.
    #[arg(long, default_value_t = 1)]
    writes: u64,
    /// What the workers do.
    #[arg(long)]
    client: Habit,
    /// Each worker sends a credential of its own; else all send the same.
    #[arg(long)]
    own_credential: bool,
    /// Seconds after which no worker tries again.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

/// What one worker saw.
#[derive(Default)]
struct Worker {
    acknowledged: u64,
    failed: u64,
    late: u64,
    lost: u64,
    requests: u64,
    own_reads: u64,
    beyond_customary: u64,
    statuses: BTreeMap<String, u64>,
    samples: Vec<u64>,
    /// The value of its last acknowledged change, and whether a later, failed one leaves the field open.
    last: Option<u64>,
    unsure: bool,
}

fn field(worker: usize) -> String {
    format!("f{:03}", worker % FIELDS)
}

pub(crate) async fn run(args: Args) -> Result<(), String> {
    if args.workers > FIELDS {
        return Err(format!(
            "give each of {} workers a field: there are {FIELDS}",
            args.workers
        ));
    }
    let mut direct = Connection::new(&args.origin, None)?;
    let mut counter = Connection::new(
        &args
            .origin
            .join("/_counts")
            .map_err(|e| format!("name the counts: {e}"))?,
        None,
    )?;
    lay(&mut direct).await?;
    counter.send(Method::DELETE, &[], Bytes::new()).await?;

    let barrier = Arc::new(Barrier::new(args.workers + 1));
    let mut workers = JoinSet::new();
    for number in 0..args.workers {
        let name = if args.own_credential { number } else { 0 };
        let mut connection = Connection::new(&args.url[number % args.url.len()], Some(format!("Bearer worker-{name}")))?;
        connection.open().await?;
        let (barrier, habit, writes, seconds) = (barrier.clone(), args.client, args.writes, args.seconds);
        workers.spawn(async move {
            barrier.wait().await;
            let deadline = Instant::now() + Duration::from_secs_f64(seconds);
            work(number, habit, writes, &mut connection, deadline).await
        });
    }
    barrier.wait().await;
    let start = Instant::now();
    let mut all = Vec::new();
    while let Some(done) = workers.join_next().await {
        all.push(done.map_err(|e| format!("run a worker: {e}"))?);
    }
    let wall = start.elapsed();
    let counts: Value =
        serde_json::from_slice(&counter.get().await?.content).map_err(|e| format!("read the origin's counts: {e}"))?;

    let end: Map<String, Value> =
        serde_json::from_slice(&direct.get().await?.content).map_err(|e| format!("read the document: {e}"))?;
    let mut total = Worker::default();
    for (number, mut worker) in all {
        if let (Some(value), false) = (worker.last, worker.unsure)
            && end.get(&field(number)) != Some(&json!(value))
        {
            worker.lost += 1;
        }
        total.add(worker);
    }
    println!(
        "{}",
        json!({
            "workers": args.workers, "acknowledged": total.acknowledged, "failed": total.failed, "late": total.late,
            "lost": total.lost, "requests": total.requests, "own_reads": total.own_reads,
            "beyond_customary_attempts": total.beyond_customary, "statuses": total.statuses,
            "wall_ms": wall.as_secs_f64() * 1e3, "per_second": total.acknowledged as f64 / wall.as_secs_f64(),
            "latency": summarise(total.samples), "origin": counts,
        })
    );
    Ok(())
}

/// Lays the document with every field at zero, so that each race starts from the same state.
async fn lay(direct: &mut Connection) -> Result<(), String> {
    let document: Map<String, Value> = (0..FIELDS).map(|n| (field(n), json!(0))).collect();
    let content = Bytes::from(Value::Object(document).to_string());
    let answer = direct
        .send(Method::PUT, &[("content-type", "application/json")], content)
        .await?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(format!("lay the document: {}", answer.status))
    }
}

async fn work(
    number: usize,
    habit: Habit,
    writes: u64,
    connection: &mut Connection,
    deadline: Instant,
) -> (usize, Worker) {
    let mut worker = Worker::default();
    let field = field(number);
    for round in 0..writes {
        let value = (number as u64 + 1) * 1_000_000 + round + 1;
        let sent = Instant::now();
        match strategy::write(habit, connection, &field, value, deadline).await {
            Ok(written) => worker.note(written, value, micros(sent.elapsed())),
            Err(error) => {
                worker.failed += 1;
                *worker.statuses.entry(error).or_default() += 1;
            }
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    (number, worker)
}

impl Worker {
    fn note(&mut self, written: Written, value: u64, took: u64) {
        // A read that no longer shows what was acknowledged: somebody's write has undone ours.
        if let (Some(found), Some(last), false) = (&written.found, self.last, self.unsure)
            && *found != json!(last)
        {
            self.lost += 1;
            // Counted once, also if the coming change fails and the field is looked at again.
            self.last = None;
        }
        self.requests += u64::from(written.requests);
        self.own_reads += u64::from(written.own_reads);
        self.beyond_customary += u64::from(written.attempts > CUSTOMARY_ATTEMPTS);
        let status = written.status.map_or_else(|| "none".to_owned(), |s| s.to_string());
        *self.statuses.entry(status).or_default() += 1;
        if written.acknowledged {
            self.acknowledged += 1;
            self.samples.push(took);
            (self.last, self.unsure) = (Some(value), false);
        } else {
            self.failed += 1;
            self.late += u64::from(written.late);
            // Without an answer the field may hold either value.
            self.unsure |= written.status.is_none_or(|s| s >= 500);
        }
    }

    fn add(&mut self, other: Worker) {
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.late += other.late;
        self.lost += other.lost;
        self.requests += other.requests;
        self.own_reads += other.own_reads;
        self.beyond_customary += other.beyond_customary;
        self.samples.extend(other.samples);
        for (status, n) in other.statuses {
            *self.statuses.entry(status).or_default() += n;
        }
    }
}
