//! How many writes per second a ledger in PostgreSQL makes durable, each a claim and a settlement (or claims alone): in batches, as
//! Tiebreak makes them over one connection, and one statement per operation, pipelined over so many connections, on the same tables
//! of the same database in turns.
//!
//! `cargo run --release -p tiebreak-ledger --features postgres --example shared_rate -- postgres://… [callers] [seconds] [rounds]
//! [connections] [pairs|claims]`

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::KeyDigest;
use tiebreak_core::lane::LaneId;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Settlement, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::postgres::{Address, Options, PgLedger};
use tiebreak_ledger::{Claimed, Ledger};
use tokio_postgres::{Client, NoTls, Statement};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let url = args.first().ok_or("name the database: postgres://user@host/database")?;
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |a| a.parse());
    let (callers, seconds, rounds, connections) = (number(1, 64)?, number(2, 3)?, number(3, 5)?, number(4, 1)?);
    let settled = match args.get(5).map_or("pairs", String::as_str) {
        "pairs" => true,
        "claims" => false,
        other => return Err(format!("measure pairs or claims, not {other}").into()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let size = Size {
        callers,
        seconds: Duration::from_secs(seconds),
        rounds,
        connections,
        settled,
    };
    runtime.block_on(compare(url, size))
}

/// What is measured.
struct Size {
    callers: u64,
    seconds: Duration,
    rounds: u64,
    connections: u64,
    /// Whether each claim is settled, too.
    settled: bool,
}

async fn compare(url: &str, size: Size) -> Result<(), Error> {
    let Size {
        callers,
        seconds,
        rounds,
        connections,
        settled,
    } = size;
    let mut options = Options::default();
    // Claims alone are never settled.
    options.bounds.outstanding = usize::MAX;
    let ledger = Arc::new(PgLedger::open(Address::parse(url)?, options).await?);
    let mut singles = Vec::new();
    for _ in 0..connections {
        singles.push(Arc::new(Single::connect(url).await?));
    }
    let next = Arc::new(AtomicU64::new(1));
    let what = if settled { "pairs" } else { "claims" };
    let (mut batched, mut single, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (each, numbers) = (Arc::clone(&ledger), Arc::clone(&next));
        let in_batches = rate(callers, seconds, move |_| {
            let (ledger, n) = (Arc::clone(&each), numbers.fetch_add(1, Relaxed));
            async move { write(&ledger, n, settled).await }
        });
        let in_batches = in_batches.await?;
        let (each, numbers) = (singles.clone(), Arc::clone(&next));
        let one_by_one = rate(callers, seconds, move |caller| {
            let single = Arc::clone(&each[caller as usize % each.len()]);
            let n = numbers.fetch_add(1, Relaxed);
            async move { single.write(n, settled).await }
        });
        let one_by_one = one_by_one.await?;
        let ratio = in_batches / one_by_one;
        println!("round {round}: {in_batches:.0} {what}/s in batches, {one_by_one:.0} one by one, ratio {ratio:.1}");
        batched.push(in_batches);
        single.push(one_by_one);
        ratios.push(ratio);
    }
    println!(
        "median of {rounds} rounds with {callers} callers, {connections} connections one by one: \
         {:.0} {what}/s in batches, {:.0} one by one, ratio {:.1}",
        median(batched),
        median(single),
        median(ratios)
    );
    ledger.close().await?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How often per second `callers` tasks together finish `work`.
async fn rate<F: Future<Output = Result<(), Error>> + Send + 'static>(
    callers: u64,
    seconds: Duration,
    work: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Result<f64, Error> {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::<Result<u64, Error>>::new();
    for caller in 0..callers {
        let work = work.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while began.elapsed() < seconds {
                work(caller).await?;
                done += 1;
            }
            Ok(done)
        });
    }
    let mut done = 0;
    while let Some(finished) = tasks.join_next().await {
        done += finished??;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

fn claim(n: u64) -> Claim {
    let digest = Digest::of(&[&n.to_be_bytes(), &std::process::id().to_be_bytes()]);
    let mut random = [0; 10];
    random.copy_from_slice(&digest.0[..10]);
    Claim {
        id: WriteId::new(now(), random),
        key: Some(KeyDigest(digest)),
        trace: None,
        caller: CallerId::ANONYMOUS,
        fingerprint: Fingerprint(digest),
        method: "POST".into(),
        target: format!("https://api.example.com/v1/contacts/{n}"),
        lanes: vec![LaneId(format!("https://api.example.com/v1/contacts/{n}"))],
        attempt: 1,
        held: None,
        at: now(),
        expires: Some(now().after(Duration::from_secs(86_400))),
    }
}

fn settlement() -> Settlement {
    Settlement {
        outcome: Outcome::Applied,
        status: 201,
        fields: vec![
            ("content-type".into(), "application/json".into()),
            ("etag".into(), "\"v8\"".into()),
        ],
        content: Bytes::from_static(&[b'x'; 500]),
        truncated: false,
        class: None,
        evidence: String::new(),
        guarantee: Guarantee::B,
        attempts: 1,
        at: now(),
    }
}

async fn write(ledger: &PgLedger, n: u64, settled: bool) -> Result<(), Error> {
    let claim = claim(n);
    let id = claim.id;
    match ledger.claim(claim).await? {
        Claimed::Granted(_) if !settled => Ok(()),
        Claimed::Granted(fence) => Ok(ledger.settle(id, fence, settlement()).await?),
        Claimed::Taken(_) => Err("a new key was taken".into()),
    }
}

/// One connection, one statement per operation, each its own transaction.
struct Single {
    client: Client,
    claim: Statement,
    settle: Statement,
}

impl Single {
    async fn connect(url: &str) -> Result<Single, Error> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let schema = query
            .split('&')
            .find_map(|p| p.strip_prefix("schema="))
            .unwrap_or("tiebreak");
        let (client, connection) = tokio_postgres::connect(base, NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute(&format!("SET search_path TO \"{schema}\""))
            .await?;
        let claim = "INSERT INTO writes (id, state, fence, key, slot, expires, caller, fingerprint, method, target, lanes, attempt,
                                         claimed_at)
                     SELECT $1, 'claimed', nextval('fences'), $2, $2, $3, $4, $5, $6, $7, $8, $9, $10
                     WHERE NOT EXISTS (SELECT 1 FROM writes d WHERE d.doubtful AND d.caller = $4 AND d.fingerprint = $5)
                     ON CONFLICT DO NOTHING RETURNING fence";
        let settle = "UPDATE writes SET state = 'settled', outcome = $3, status = $4, fields = $5, content = $6, truncated = false,
                      evidence = '', guarantee = $7, attempts = $8, settled_at = $9
                      WHERE id = $1 AND fence = $2 AND state = 'claimed'";
        Ok(Single {
            claim: client.prepare(claim).await?,
            settle: client.prepare(settle).await?,
            client,
        })
    }

    async fn write(&self, n: u64, settled: bool) -> Result<(), Error> {
        let (claim, settlement) = (claim(n), settlement());
        let (id, key, fingerprint) = (&claim.id.0[..], &claim.fingerprint.0.0[..], &claim.fingerprint.0.0[..]);
        let (caller, at) = (&claim.caller.0.0[..], claim.at.0 as i64);
        let expires = at + 86_400_000;
        let lanes = serde_json::json!([claim.target]).to_string();
        let row = self
            .client
            .query_one(
                &self.claim,
                &[
                    &id,
                    &key,
                    &expires,
                    &caller,
                    &fingerprint,
                    &claim.method,
                    &claim.target,
                    &lanes,
                    &1_i32,
                    &at,
                ],
            )
            .await?;
        let fence: i64 = row.get(0);
        if !settled {
            return Ok(());
        }
        let fields = serde_json::json!(settlement.fields).to_string();
        let content = &settlement.content[..];
        let settled = self
            .client
            .execute(
                &self.settle,
                &[&id, &fence, &"applied", &201_i32, &fields, &content, &"B", &1_i32, &at],
            )
            .await?;
        match settled {
            1 => Ok(()),
            _ => Err("a settlement was not made".into()),
        }
    }
}
