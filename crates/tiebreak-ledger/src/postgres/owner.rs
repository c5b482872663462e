//! A process among others: its lease, and what becomes of those whose lease ran out.
//!
//! Database time decides. A process knows only that its lease lasts at least until so long after it *asked* for its
//! renewal, by a clock of its own that never jumps.

use std::time::Instant;

use tokio_postgres::Client;

use super::error::{Trouble, trouble};
use super::options::Options;
use crate::words::{CLAIMED, DOUBTED, unknown};
use tiebreak_core::delivery::Unknown;

/// This process as an owner, and until when it surely is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tenure {
    pub(super) owner: i64,
    pub(super) until: Instant,
}

/// Signs in as a new owner. Also tells the database's time (ms since 1970).
pub(super) async fn register(client: &Client, options: &Options) -> Result<(Tenure, i64), Trouble> {
    let asked = Instant::now();
    let late = i64::try_from(options.late_after.as_millis()).unwrap_or(i64::MAX);
    let row = client
        .query_one(
            "INSERT INTO owners (name, lease_until, late_ms)
             VALUES ($1, clock_timestamp() + make_interval(secs => $2), $3)
             RETURNING owner, (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            &[&options.name, &options.lease.as_secs_f64(), &late],
        )
        .await
        .map_err(trouble)?;
    let until = asked + options.lease;
    Ok((
        Tenure {
            owner: row.get(0),
            until,
        },
        row.get(1),
    ))
}

/// Says that it is alive; `None` if others have declared it dead.
pub(super) async fn renew(client: &Client, owner: i64, options: &Options) -> Result<Option<Tenure>, Trouble> {
    let asked = Instant::now();
    let renewed = client
        .execute(
            "UPDATE owners SET lease_until = clock_timestamp() + make_interval(secs => $2) WHERE owner = $1",
            &[&owner, &options.lease.as_secs_f64()],
        )
        .await
        .map_err(trouble)?;
    let until = asked + options.lease;
    Ok((renewed > 0).then_some(Tenure { owner, until }))
}

/// Declares those dead whose lease ran out: what they had claimed is in doubt, and their lanes are free, but suspect for as long as
/// a request of theirs may still arrive. Returns how many claims went into doubt.
///
/// In two steps of one transaction, so that the second sees what was committed before the owner's row was gone.
pub(super) async fn reap(client: &Client, own: i64) -> Result<u64, Trouble> {
    let sql = "DELETE FROM owners WHERE owner IN (
                   SELECT owner FROM owners WHERE lease_until < clock_timestamp() AND owner <> $1
                   FOR UPDATE SKIP LOCKED)
               RETURNING owner, (extract(epoch FROM lease_until) * 1000)::bigint + late_ms";
    end(client, sql, own).await
}

/// Signs out: what is still claimed is in doubt at once.
pub(super) async fn leave(client: &Client, own: i64) -> Result<u64, Trouble> {
    let sql = "DELETE FROM owners WHERE owner = $1
               RETURNING owner, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + late_ms";
    end(client, sql, own).await
}

async fn end(client: &Client, deleting: &str, own: i64) -> Result<u64, Trouble> {
    client.batch_execute("BEGIN").await.map_err(trouble)?;
    match ended(client, deleting, own).await {
        Ok(count) => {
            client.batch_execute("COMMIT").await.map_err(trouble)?;
            Ok(count)
        }
        Err(error) => {
            let _gone = client.batch_execute("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn ended(client: &Client, deleting: &str, own: i64) -> Result<u64, Trouble> {
    let rows = client.query(deleting, &[&own]).await.map_err(trouble)?;
    if rows.is_empty() {
        return Ok(0);
    }
    let owners: Vec<i64> = rows.iter().map(|r| r.get(0)).collect();
    let late: Vec<i64> = rows.iter().map(|r| r.get(1)).collect();
    let doubting = format!(
        "UPDATE writes w
         SET state = '{DOUBTED}', owner = NULL, doubtful = true, doubt_reason = '{}', doubt_attempts = w.attempt,
             doubt_guarantee = 'D', doubt_since = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
         WHERE w.owner = ANY($1) AND w.state = '{CLAIMED}'",
        unknown(Unknown::Crash)
    );
    let count = client.execute(&doubting, &[&owners]).await.map_err(trouble)?;
    client
        .execute(
            "UPDATE lanes l
             SET owner = NULL, touched = clock_timestamp(),
                 suspect_until = greatest(l.suspect_until, to_timestamp(d.late / 1000.0))
             FROM unnest($1::bigint[], $2::bigint[]) AS d(owner, late) WHERE l.owner = d.owner",
            &[&owners, &late],
        )
        .await
        .map_err(trouble)?;
    let waits = "DELETE FROM lane_waits WHERE owner = ANY($1)";
    client.execute(waits, &[&owners]).await.map_err(trouble)?;
    Ok(count)
}
