//! What a crash may leave of the files, at every point: the log cut anywhere, a checkpoint half done.

use std::path::Path;

use tiebreak_core::record::{Fence, Record, State};
use tiebreak_core::time::Time;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::memory::MemoryLedger;
use tiebreak_ledger::sqlite::{Options, Pretend, SqliteLedger};
use tiebreak_ledger::{Claimed, Ledger, Pending, ResolvedBy};

use crate::support::{NOW, Random, beside, claim, doubt, id, options, path, settlement};

const SEED: u64 = 0x7469_6562_7265_616b;
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;
const GROUPS: usize = 45;
/// After these groups the log is moved into the database and begins anew.
const CHECKPOINTS: [usize; 2] = [18, 34];

fn opening() -> Options {
    let bounds = Bounds {
        outstanding: 100,
        ..Bounds::default()
    };
    // No checkpoint but those of the test.
    Options {
        pretend: Pretend {
            keep_log: true,
            ..Pretend::default()
        },
        ..options(bounds)
    }
}

/// The files after a group of operations, and what they must hold.
struct Point {
    /// Where the valid part of the log ends.
    end: usize,
    /// The models after each operation of the group; the last after all.
    models: Vec<Vec<Option<Record>>>,
}

/// One life of the log: from one checkpoint to the next.
struct Life {
    database: Vec<u8>,
    /// What the life before ended with.
    before: Vec<Option<Record>>,
    points: Vec<Point>,
    log: Vec<u8>,
    /// The database after the checkpoint that ended it.
    moved: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_image_holds_what_was_acknowledged_and_nothing_half() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let lives = record(&mut random).await;
    let mut checked = 0;
    for life in &lives {
        let used = life.points.last().unwrap().end;
        let boundaries = (0..).map(|n| HEADER + n * FRAME).take_while(|end| *end <= used);
        let anywhere: Vec<usize> = (0..60).map(|_| random.below(used as u64 + 1) as usize).collect();
        for cut in boundaries.chain(anywhere).chain([0, 1, HEADER - 1]) {
            let allowed = life.allowed(cut);
            check(
                &life.database,
                &life.log[..cut],
                &allowed,
                &format!("the log cut at {cut}"),
            )
            .await;
            checked += 1;
        }
        // A checkpoint cut short: any of its pages may have reached the disk, in any order.
        for round in 0..20 {
            let mut torn = life.database.clone();
            torn.resize(life.moved.len().max(torn.len()), 0);
            for page in 0..life.moved.len() / 4096 {
                if random.below(20) > round {
                    let bytes = page * 4096..(page + 1) * 4096;
                    torn[bytes.clone()].copy_from_slice(&life.moved[bytes]);
                }
            }
            let last = [life.last()];
            check(&torn, &life.log, &last, &format!("a torn checkpoint, round {round}")).await;
            checked += 1;
        }
    }
    assert_eq!(lives.len(), 3);
    assert!(checked > 300, "only {checked} images");
}

impl Life {
    fn last(&self) -> &[Option<Record>] {
        self.points.last().unwrap().models.last().unwrap()
    }

    /// The models that an image with the log cut at `cut` may hold: all that was acknowledged, and of the group that
    /// was under way a beginning.
    fn allowed(&self, cut: usize) -> Vec<&[Option<Record>]> {
        let done = self.points.iter().take_while(|p| p.end <= cut).count();
        let acknowledged = match done {
            0 => &self.before,
            n => self.points[n - 1].models.last().unwrap(),
        };
        let mut allowed = vec![acknowledged.as_slice()];
        if let Some(under_way) = self.points.get(done) {
            let (_all, some) = under_way.models.split_last().unwrap();
            allowed.extend(some.iter().map(Vec::as_slice));
        }
        allowed
    }
}

/// Runs the stream of operations and records the files as it goes.
async fn record(random: &mut Random) -> Vec<Life> {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path());
    let log = beside(&file, "-wal");
    let ledger = SqliteLedger::open(&file, opening()).unwrap();
    let model = MemoryLedger::new();
    let checkpoint = || {
        let conn = rusqlite::Connection::open(&file).unwrap();
        let done = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| Ok((r.get(1)?, r.get(2)?)));
        let (pages, moved): (i64, i64) = done.unwrap();
        assert_eq!(pages, moved, "the checkpoint is complete");
    };
    // What opening wrote is no part of it.
    checkpoint();
    let mut stream = Stream::default();
    let mut lives = vec![begin(&file, vec![])];
    let mut group = 0;
    while group < GROUPS {
        let models = stream.group(random, &ledger, &model).await;
        if models.is_empty() {
            continue;
        }
        group += 1;
        let bytes = std::fs::read(&log).unwrap();
        let end = valid_end(&bytes);
        let life = lives.last_mut().unwrap();
        life.points.push(Point { end, models });
        life.log = bytes;
        if CHECKPOINTS.contains(&group) || group == GROUPS {
            checkpoint();
            life.moved = std::fs::read(&file).unwrap();
            if group < GROUPS {
                let last = life.last().to_vec();
                lives.push(begin(&file, last));
            }
        }
    }
    lives
}

fn begin(file: &Path, before: Vec<Option<Record>>) -> Life {
    Life {
        database: std::fs::read(file).unwrap(),
        before,
        points: Vec::new(),
        log: Vec::new(),
        moved: Vec::new(),
    }
}

/// The end of the frames that carry the salts of the log's header; what follows is of an earlier life.
fn valid_end(log: &[u8]) -> usize {
    let salts = &log[16..24];
    let frames = log[HEADER..].chunks_exact(FRAME);
    HEADER + FRAME * frames.take_while(|f| &f[8..16] == salts).count()
}

/// What a new process finds of every id in use.
async fn snapshot(ledger: &impl Ledger, ids: u64) -> Vec<Option<Record>> {
    let mut records = Vec::new();
    for n in 0..ids {
        records.push(ledger.get(id(n)).await.unwrap());
    }
    records
}

async fn check(database: &[u8], log: &[u8], allowed: &[&[Option<Record>]], what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path());
    std::fs::write(&file, database).unwrap();
    std::fs::write(beside(&file, "-wal"), log).unwrap();
    let ledger = SqliteLedger::open(&file, opening()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let ids = allowed.iter().map(|m| m.len()).max().unwrap_or_default();
    let mut found = snapshot(&ledger, ids as u64 + 8).await;
    while found.last() == Some(&None) {
        found.pop();
    }
    let trimmed = |model: &&[Option<Record>]| {
        let end = model.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
        model[..end] == found[..]
    };
    assert!(
        allowed.iter().any(trimmed),
        "{what}: found {found:?} and not one of {allowed:?}"
    );
    let in_doubt = found
        .iter()
        .flatten()
        .filter(|r| matches!(r.state, State::InDoubt(_)))
        .count();
    assert!(!found.iter().flatten().any(|r| r.state == State::Claimed), "{what}");
    let stats = ledger.stats().await.unwrap();
    assert_eq!(stats.in_doubt, in_doubt as u64, "{what}");
    assert_eq!(ledger.doubts(None, 1_000).await.unwrap().len(), in_doubt, "{what}");
    for record in found.iter().flatten() {
        let seen = ledger.look_up(record.claim.sought(), NOW).await;
        assert_eq!(seen.as_ref(), Ok(&Some(record.clone())), "{what}");
    }
}

/// Awaits `pending` and expects it to come to `value`.
async fn expect<T: PartialEq + std::fmt::Debug>(pending: Pending<'_, T>, value: T) {
    assert_eq!(pending.await, Ok(value));
}

/// The stream: groups of one to four operations on different writes, submitted together.
#[derive(Default)]
struct Stream {
    next: u64,
    open: Vec<(u64, Fence)>,
    doubts: Vec<u64>,
}

impl Stream {
    async fn group(
        &mut self,
        random: &mut Random,
        ledger: &SqliteLedger,
        model: &MemoryLedger,
    ) -> Vec<Vec<Option<Record>>> {
        let mut pending: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        let mut models = Vec::new();
        let (mut open, mut doubts) = (Vec::new(), Vec::new());
        for _ in 0..=random.below(4) {
            let size = random.below(3) as usize * 2_500;
            let kind = random.below(8);
            match kind {
                0..=3 => {
                    let n = self.next;
                    self.next += 1;
                    let (real, expected) = (ledger.claim(claim(n)), model.claim(claim(n)).await);
                    let Ok(Claimed::Granted(fence)) = expected else {
                        panic!("{expected:?}")
                    };
                    open.push((n, fence));
                    pending.push(Box::pin(expect(real, Claimed::Granted(fence))));
                }
                4 | 5 if !self.open.is_empty() => {
                    let (n, fence) = self.open.remove(0);
                    let settled = settlement(200 + n as u16, size);
                    model.settle(id(n), fence, settled.clone()).await.unwrap();
                    pending.push(Box::pin(expect(ledger.settle(id(n), fence, settled), ())));
                }
                6 if !self.open.is_empty() => {
                    let (n, fence) = self.open.remove(0);
                    if n % 2 == 0 {
                        model.release(id(n), fence).await.unwrap();
                        pending.push(Box::pin(expect(ledger.release(id(n), fence), ())));
                    } else {
                        doubts.push(n);
                        model.doubt(id(n), fence, doubt()).await.unwrap();
                        pending.push(Box::pin(expect(ledger.doubt(id(n), fence, doubt()), ())));
                    }
                }
                7 if !self.doubts.is_empty() => {
                    let n = self.doubts.remove(0);
                    if n % 4 == 1 {
                        let fence = model.retake(id(n), 2, None).await.unwrap();
                        open.push((n, fence));
                        pending.push(Box::pin(expect(ledger.retake(id(n), 2, None), fence)));
                    } else {
                        let by = ResolvedBy::Proof;
                        let settled = settlement(300, size);
                        let record = model.resolve(id(n), settled.clone(), by, "x".into()).await.unwrap();
                        pending.push(Box::pin(expect(ledger.resolve(id(n), settled, by, "x".into()), record)));
                    }
                }
                _ => continue,
            }
            models.push(snapshot(&model.reopen_at(Time(NOW.0 + 500)), self.next).await);
        }
        for done in pending {
            done.await;
        }
        self.open.extend(open);
        self.doubts.extend(doubts);
        models
    }
}
