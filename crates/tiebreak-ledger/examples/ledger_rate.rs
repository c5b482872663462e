//! How many writes per second the SQLite ledger makes durable, beside the least that any ledger must do: append the
//! same bytes to a log and sync it, with the same group commit.
//!
//! `cargo run --release -p tiebreak-ledger --example ledger_rate -- [callers] [seconds per round] [rounds] [dir]`
//!
//! `… -- fill <records> [dir]` fills a ledger instead, and prints the memory that the process then takes.

#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tiebreak_core::caller::CallerId;
use tiebreak_core::fingerprint::{Digest, Fingerprint};
use tiebreak_core::guarantee::Guarantee;
use tiebreak_core::key::{KeyDigest, KeyTrace};
use tiebreak_core::lane::LaneId;
use tiebreak_core::outcome::Outcome;
use tiebreak_core::record::{Claim, Settlement, WriteId};
use tiebreak_core::time::Time;
use tiebreak_ledger::sqlite::{Options, SqliteLedger};
use tiebreak_ledger::{Claimed, Ledger};
use tokio::sync::oneshot;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    if args.first().is_some_and(|a| a == "fill") {
        let records = args.get(1).map_or(Ok(1_000_000), |a| a.parse())?;
        let dir = directory(args.get(2))?;
        return runtime.block_on(fill(dir.path(), records));
    }
    let callers = args.first().map_or(Ok(64), |a| a.parse())?;
    let seconds = Duration::from_secs_f64(args.get(1).map_or(Ok(3.0), |a| a.parse())?);
    let rounds = args.get(2).map_or(Ok(5), |a| a.parse())?;
    let dir = directory(args.get(3))?;
    runtime.block_on(compare(dir.path(), callers, seconds, rounds))
}

fn directory(parent: Option<&String>) -> std::io::Result<tempfile::TempDir> {
    match parent {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    }
}

/// Both in turns, so that what else the machine does hits both alike.
async fn compare(dir: &Path, callers: u64, seconds: Duration, rounds: u32) -> Result<(), Error> {
    let ledger = Arc::new(SqliteLedger::open(dir.join("rate.ledger"), Options::default())?);
    let log = Arc::new(Log::open(dir.join("rate.log"))?);
    let next = Arc::new(AtomicU64::new(1));
    let (mut ledger_rates, mut log_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (each, numbers) = (Arc::clone(&ledger), Arc::clone(&next));
        let ledger_rate = rate(callers, seconds, move || {
            let (ledger, next) = (Arc::clone(&each), Arc::clone(&numbers));
            async move { pair(&ledger, next.fetch_add(1, Relaxed)).await }
        });
        let ledger_rate = ledger_rate.await?;
        let each = Arc::clone(&log);
        let log_rate = rate(callers, seconds, move || {
            let log = Arc::clone(&each);
            async move {
                log.append(&[1; 200]).await?;
                log.append(&[2; 600]).await
            }
        });
        let log_rate = log_rate.await?;
        let (Rate(ledger_rate, ledger_time), Rate(log_rate, log_time)) = (ledger_rate, log_rate);
        let ratio = ledger_rate / log_rate;
        println!(
            "round {round}: ledger {ledger_rate:.0} pairs/s ({ledger_time:.0} µs of processor each), \
             log {log_rate:.0} pairs/s ({log_time:.0} µs), ratio {ratio:.2}"
        );
        ledger_rates.push(ledger_rate);
        log_rates.push(log_rate);
        ratios.push(ratio);
    }
    let (ledger_rate, log_rate, ratio) = (median(ledger_rates), median(log_rates), median(ratios));
    println!(
        "median of {rounds} rounds with {callers} callers: ledger {ledger_rate:.0} pairs/s, log {log_rate:.0} pairs/s, ratio {ratio:.2}"
    );
    ledger.close().await?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A rate (per second) and the processor time (µs) per unit of it.
#[derive(Clone, Copy)]
struct Rate(f64, f64);

/// Processor time of this process so far, in seconds (Linux: in ticks of 10 ms).
fn processor_time() -> Result<f64, Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(") ").next().ok_or("no stat")?;
    let mut fields = after_name.split(' ').skip(11);
    let mut ticks = || fields.next().and_then(|t| t.parse::<f64>().ok()).ok_or("no ticks");
    Ok((ticks()? + ticks()?) / 100.0)
}

/// How often per second `callers` tasks together finish `work`.
async fn rate<F: Future<Output = Result<(), Error>> + Send + 'static>(
    callers: u64,
    seconds: Duration,
    work: impl Fn() -> F + Clone + Send + 'static,
) -> Result<Rate, Error> {
    let processor = processor_time()?;
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::<Result<u64, Error>>::new();
    for _ in 0..callers {
        let work = work.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while began.elapsed() < seconds {
                work().await?;
                count += 1;
            }
            Ok(count)
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    Ok(Rate(rate, (processor_time()? - processor) * 1e6 / count as f64))
}

/// One durable claim and one durable settlement of about 200 and 600 bytes.
async fn pair(ledger: &SqliteLedger, n: u64) -> Result<(), Error> {
    let digest = |kind: u8| {
        let mut bytes = [kind; 32];
        bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        bytes[8..16].copy_from_slice(&n.to_be_bytes());
        Digest(bytes)
    };
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let at = Time(1_800_000_000_000 + n / 20);
    let id = WriteId::new(at, random);
    let target = format!("http://api.example/things/{n}");
    let claim = Claim {
        id,
        key: Some(KeyDigest(digest(1))),
        trace: Some(KeyTrace {
            digest: digest(3),
            exclusive: true,
        }),
        caller: CallerId(Digest([7; 32])),
        fingerprint: Fingerprint(digest(2)),
        method: "PUT".into(),
        lanes: vec![LaneId(target.clone())],
        target,
        attempt: 1,
        held: None,
        at,
        expires: Some(Time(at.0 + 86_400_000)),
    };
    let Claimed::Granted(fence) = ledger.claim(claim).await? else {
        return Err("a new key was taken".into());
    };
    let settlement = Settlement {
        outcome: Outcome::Applied,
        status: 200,
        fields: vec![
            ("content-type".into(), "application/json".into()),
            ("etag".into(), format!("\"v{n}\"")),
        ],
        content: Bytes::from_static(&[b'x'; 500]),
        truncated: false,
        class: None,
        evidence: String::new(),
        guarantee: Guarantee::A,
        attempts: 1,
        at,
    };
    Ok(ledger.settle(id, fence, settlement).await?)
}

async fn fill(dir: &Path, records: u64) -> Result<(), Error> {
    let path = dir.join("fill.ledger");
    let ledger = Arc::new(SqliteLedger::open(&path, Options::default())?);
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(1));
    let mut tasks = tokio::task::JoinSet::<Result<(), Error>>::new();
    for _ in 0..256 {
        let (ledger, next) = (Arc::clone(&ledger), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n > records {
                    return Ok(());
                }
                pair(&ledger, n).await?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let stats = ledger.stats().await?;
    println!(
        "{records} records in {:.1?}, {} MB on disk",
        began.elapsed(),
        stats.bytes >> 20
    );
    println!("resident: {} MB", resident()?);
    ledger.close().await?;
    drop(ledger);
    let began = Instant::now();
    let ledger = SqliteLedger::open(&path, Options::default())?;
    println!("opened again in {:.1?}; resident: {} MB", began.elapsed(), resident()?);
    ledger.close().await?;
    Ok(())
}

/// Resident memory of this process in MB (Linux).
fn resident() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no value")?.parse()?;
    Ok(kilobytes >> 10)
}

/// An append-only log with group commit: the limit.
struct Log {
    waiting: Arc<(Mutex<Vec<Entry>>, Condvar)>,
}

type Entry = (Vec<u8>, oneshot::Sender<()>);

impl Log {
    fn open(path: PathBuf) -> std::io::Result<Log> {
        let mut file = File::create(path)?;
        let waiting: Arc<(Mutex<Vec<Entry>>, Condvar)> = Arc::default();
        let shared = Arc::clone(&waiting);
        std::thread::spawn(move || {
            let mut buffer = Vec::new();
            loop {
                let (entries, bell) = &*shared;
                let Ok(entries) = entries.lock() else { return };
                let Ok(guard) = bell.wait_while(entries, |e| e.is_empty()) else {
                    return;
                };
                drop(guard);
                std::thread::yield_now();
                let Ok(batch) = shared.0.lock().map(|mut e| std::mem::take(&mut *e)) else {
                    return;
                };
                buffer.clear();
                batch.iter().for_each(|(bytes, _)| buffer.extend_from_slice(bytes));
                if file.write_all(&buffer).and_then(|()| file.sync_data()).is_err() {
                    return;
                }
                for (_, reply) in batch {
                    let _gone = reply.send(());
                }
            }
        });
        Ok(Log { waiting })
    }

    async fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        let (reply, receiver) = oneshot::channel();
        {
            let mut entries = self.waiting.0.lock().map_err(|_| "the log is gone")?;
            entries.push((bytes.to_vec(), reply));
            self.waiting.1.notify_one();
        }
        Ok(receiver.await?)
    }
}
