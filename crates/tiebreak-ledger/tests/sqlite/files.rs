//! Whose file it is, and whether it can be read.

use tiebreak_core::record::Claim;
use tiebreak_ledger::bounds::Bounds;
use tiebreak_ledger::sqlite::SqliteLedger;
use tiebreak_ledger::{Ledger, LedgerError};

use crate::support::{NOW, beside, claim, copy, doubt, granted, id, options, path, settlement};

fn open(at: &std::path::Path) -> Result<SqliteLedger, LedgerError> {
    SqliteLedger::open(
        at,
        options(Bounds {
            outstanding: 100,
            ..Bounds::default()
        }),
    )
}

#[test]
fn the_sqlite_inside_survives_concurrent_checkpoints() {
    let parts: Vec<u32> = rusqlite::version().split('.').map(|p| p.parse().unwrap()).collect();
    assert!(parts >= vec![3, 51, 3], "SQLite {parts:?} may corrupt a file");
}

#[test]
fn one_opener_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let first = open(&path).unwrap();
    let held = LedgerError::Held {
        path: path.display().to_string(),
    };
    assert_eq!(open(&path).err(), Some(held));
    drop(first);
    open(&path).unwrap();
}

#[tokio::test]
async fn it_is_free_once_closed_and_leaves_one_tidy_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let first = open(&path).unwrap();
    granted(&first, claim(1)).await;
    first.close().await.unwrap();
    assert!(!beside(&path, "-wal").exists(), "the log was moved into the database");
    let second = open(&path).unwrap();
    assert_eq!(second.stats().await.unwrap().in_doubt, 1);
}

#[test]
fn a_newer_format_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    drop(open(&path).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 3).unwrap();
    drop(conn);
    let newer = LedgerError::Newer {
        path: path.display().to_string(),
        found: 3,
        known: 2,
    };
    assert_eq!(open(&path).err(), Some(newer));
}

#[tokio::test]
async fn an_older_format_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let ledger = open(&path).unwrap();
    let fence = granted(&ledger, claim(1)).await;
    ledger.settle(id(1), fence, settlement(201, 5)).await.unwrap();
    granted(&ledger, claim(2)).await;
    ledger.close().await.unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(
        "ALTER TABLE writes DROP COLUMN exclusive; ALTER TABLE writes DROP COLUMN trace; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(conn);
    let ledger = open(&path).unwrap();
    for n in [1, 2] {
        let old = Claim {
            trace: None,
            ..claim(n)
        };
        assert_eq!(ledger.get(id(n)).await.unwrap().map(|r| r.claim), Some(old));
        assert!(ledger.look_up(claim(n).sought(), NOW).await.unwrap().is_some());
        assert_eq!(ledger.traced(claim(n).trace.unwrap(), 9).await, Ok(vec![]));
    }
    granted(&ledger, claim(3)).await;
    assert_eq!(ledger.traced(claim(3).trace.unwrap(), 9).await.map(|r| r.len()), Ok(1));
}

#[test]
fn what_is_no_ledger_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database, but long enough to have a header ".repeat(100)).unwrap();
    let other = dir.path().join("other");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    for file in [text, other] {
        let before = std::fs::read(&file).unwrap();
        assert!(
            matches!(open(&file), Err(LedgerError::Damaged(_))),
            "{}",
            file.display()
        );
        assert!(
            std::fs::read(&file).unwrap() == before,
            "{} was changed",
            file.display()
        );
    }
    let missing = dir.path().join("no/such/directory");
    assert!(matches!(open(&missing), Err(LedgerError::Unavailable(_))));
}

#[tokio::test]
async fn damage_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&path(dir.path())).unwrap();
    for n in 0..200 {
        let fence = granted(&ledger, claim(n)).await;
        ledger.settle(id(n), fence, settlement(200, 500)).await.unwrap();
    }
    ledger.close().await.unwrap();
    let whole = std::fs::read(path(dir.path())).unwrap();
    let pages = whole.len() / 4096;
    let mut noticed = 0;
    for page in 1..pages {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0x5a);
        let other = tempfile::tempdir().unwrap();
        std::fs::write(path(other.path()), damaged).unwrap();
        // Either it is refused at once, or the record that the page held is not answered with nonsense.
        let ledger = match open(&path(other.path())) {
            Err(LedgerError::Damaged(_)) => {
                noticed += 1;
                continue;
            }
            Err(error) => panic!("page {page}: {error}"),
            Ok(ledger) => ledger,
        };
        let mut errors = 0;
        for n in 0..200 {
            match ledger.get(id(n)).await {
                Ok(Some(record)) => assert_eq!(record.claim, claim(n), "page {page}"),
                Ok(None) => panic!("page {page}: record {n} is silently gone"),
                Err(LedgerError::Damaged(_)) => errors += 1,
                Err(error) => panic!("page {page}: {error}"),
            }
        }
        noticed += usize::from(errors > 0);
    }
    // Of the tables that are empty nothing was read.
    assert!(
        noticed + 3 >= pages - 1,
        "{noticed} of {pages} damaged pages were noticed"
    );
}

#[tokio::test]
async fn people_can_look_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&path(dir.path())).unwrap();
    let fence = granted(&ledger, claim(1)).await;
    ledger.settle(id(1), fence, settlement(201, 5)).await.unwrap();
    let fence = granted(&ledger, claim(2)).await;
    ledger.doubt(id(2), fence, doubt()).await.unwrap();
    // Beside the running ledger, and of the whole file afterwards.
    let other = tempfile::tempdir().unwrap();
    copy(dir.path(), other.path());
    for file in [path(dir.path()), path(other.path())] {
        let conn = rusqlite::Connection::open(file).unwrap();
        let sql = "SELECT lower(hex(id)), state, target, outcome, status, json_extract(fields, '$[0][1]')
                   FROM writes JOIN settlements USING (row)";
        let seen: (String, String, String, String, u16, String) = conn
            .query_row(sql, [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
            })
            .unwrap();
        let expected = (
            id(1).to_string(),
            "settled",
            "http://a.example/1",
            "applied",
            201,
            "\"201\"",
        );
        let seen = (seen.0, &*seen.1, &*seen.2, &*seen.3, seen.4, &*seen.5);
        assert_eq!(seen, expected);
        let check: String = conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

#[tokio::test]
async fn someone_else_in_a_transaction_delays_and_then_fails_a_claim_but_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(&path(dir.path())).unwrap();
    let conn = rusqlite::Connection::open(path(dir.path())).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = ledger.claim(claim(1)).await;
    assert!(matches!(busy, Err(LedgerError::Unavailable(_))), "{busy:?}");
    conn.execute_batch("ROLLBACK").unwrap();
    granted(&ledger, claim(1)).await;
}
