//! A process among others: its lease, and what becomes of those whose lease ran out. Database time decides.

use std::time::Duration;

use tiebreak_core::delivery::Unknown;
use tiebreak_core::time::Time;
use tokio_postgres::Client;

use super::connect::Connected;
use super::error::trouble;
use crate::shared::{Asked, Keeping, Options};
use crate::words::{CLAIMED, DOUBTED, unknown};

/// A session of the keeper.
pub struct KeepSession(pub(super) Connected);

impl Keeping for KeepSession {
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    async fn register(&self, options: &Options) -> Asked<(i64, Time)> {
        let late = i64::try_from(options.late_after.as_millis()).unwrap_or(i64::MAX);
        let row = self
            .0
            .query_one(
                "INSERT INTO owners (name, lease_until, late_ms)
                 VALUES ($1, clock_timestamp() + make_interval(secs => $2), $3)
                 RETURNING owner, (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
                &[&options.name, &options.lease.as_secs_f64(), &late],
            )
            .await
            .map_err(trouble)?;
        Ok((row.get(0), Time(row.get::<_, i64>(1).unsigned_abs())))
    }

    async fn renew(&self, owner: i64, lease: Duration) -> Asked<bool> {
        let sql = "UPDATE owners SET lease_until = clock_timestamp() + make_interval(secs => $2) WHERE owner = $1";
        let renewed = self.0.execute(sql, &[&owner, &lease.as_secs_f64()]).await;
        Ok(renewed.map_err(trouble)? > 0)
    }

    async fn reap(&self, own: i64) -> Asked<u64> {
        let sql = "DELETE FROM owners WHERE owner IN (
                       SELECT owner FROM owners WHERE lease_until < clock_timestamp() AND owner <> $1
                       FOR UPDATE SKIP LOCKED)
                   RETURNING owner, (extract(epoch FROM lease_until) * 1000)::bigint + late_ms";
        end(&self.0, sql, own).await
    }

    async fn leave(&self, own: i64) -> Asked<u64> {
        let sql = "DELETE FROM owners WHERE owner = $1
                   RETURNING owner, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + late_ms";
        end(&self.0, sql, own).await
    }
}

/// In two steps of one transaction, so that the second sees what was committed before the owner's row was gone.
async fn end(client: &Client, deleting: &str, own: i64) -> Asked<u64> {
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

async fn ended(client: &Client, deleting: &str, own: i64) -> Asked<u64> {
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
