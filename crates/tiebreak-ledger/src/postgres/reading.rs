//! What is read, in a session of its own: never in the way of a change.

use tiebreak_core::key::KeyTrace;
use tiebreak_core::record::{Record, Sought, WriteId};
use tiebreak_core::time::Time;
use tokio_postgres::Row;

use super::connect::Connected;
use super::error::trouble;
use super::row::millis;
use super::{arrays, check, row, searching, statements};
use crate::search::{Found, Query};
use crate::shared::{Asked, Reading, Trouble};
use crate::words::parse_resolver;
use crate::{LedgerError, MAX_PAGE, Resolution, Stats};

/// A session for readers.
pub struct ReadSession {
    pub(super) client: Connected,
    pub(super) reading: statements::Reading,
}

impl ReadSession {
    pub(super) async fn begin(client: Connected) -> Asked<ReadSession> {
        let reading = statements::Reading::prepare(&client).await?;
        Ok(ReadSession { client, reading })
    }
}

fn records(rows: &[Row]) -> Asked<Vec<Record>> {
    let records = rows.iter().map(row::decode).collect::<Result<_, _>>();
    records.map_err(Trouble::Rule)
}

impl Reading for ReadSession {
    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn look_up(&self, sought: &Sought, now: Time) -> Asked<Option<Record>> {
        arrays::look_up(&self.client, &self.reading.look_up, sought, now).await
    }

    async fn traced(&self, trace: KeyTrace, limit: usize) -> Asked<Vec<Record>> {
        let most = i64::try_from(limit.min(MAX_PAGE)).unwrap_or(0);
        let rows = self
            .client
            .query(&self.reading.traced, &[&&trace.digest.0[..], &most])
            .await;
        records(&rows.map_err(trouble)?)
    }

    async fn get(&self, id: WriteId) -> Asked<Option<Record>> {
        let row = self.client.query_opt(&self.reading.get, &[&&id.0[..]]).await;
        let row = row.map_err(trouble)?;
        row.as_ref().map(row::decode).transpose().map_err(Trouble::Rule)
    }

    async fn resolution(&self, id: WriteId) -> Asked<Option<Resolution>> {
        let got = self.client.query_opt(&self.reading.get, &[&&id.0[..]]).await;
        let Some(row) = got.map_err(trouble)? else {
            return Ok(None);
        };
        resolution(&row).map_err(Trouble::Rule)
    }

    async fn doubts(&self, after: Option<WriteId>, limit: usize) -> Asked<Vec<Record>> {
        let from: i64 = match after {
            None => 0,
            Some(id) => {
                let sql = "SELECT row FROM writes WHERE id = $1";
                let row = self.client.query_opt(sql, &[&&id.0[..]]).await.map_err(trouble)?;
                row.ok_or(Trouble::Rule(LedgerError::NotFound(id)))?.get(0)
            }
        };
        let most = i64::try_from(limit.min(MAX_PAGE)).unwrap_or(0);
        let rows = self.client.query(&self.reading.doubts, &[&from, &most]).await;
        records(&rows.map_err(trouble)?)
    }

    async fn search(&self, query: &Query, before: Option<WriteId>, limit: usize) -> Asked<Found> {
        searching::search(self, query, before, limit).await
    }

    async fn purge(&self, now: Time) -> Asked<(u64, bool)> {
        let purged = self.client.execute(&self.reading.purge, &[&millis(now)]).await;
        let purged = purged.map_err(trouble)?;
        let more = purged == statements::SLICE;
        if !more {
            // What a lane carried an hour ago helps nobody.
            let idle = "DELETE FROM lanes WHERE owner IS NULL AND touched < clock_timestamp() - interval '1 hour'
                        AND coalesce(suspect_until < clock_timestamp(), true)";
            self.client.execute(idle, &[]).await.map_err(trouble)?;
        }
        Ok((purged, more))
    }

    async fn stats(&self) -> Asked<Stats> {
        let sql = "SELECT (SELECT count(*) FROM writes WHERE state = 'claimed'),
                          (SELECT count(*) FROM writes WHERE state = 'settled'),
                          (SELECT count(*) FROM writes WHERE state = 'doubted'),
                          (SELECT pg_total_relation_size('writes') + pg_total_relation_size('lanes'))";
        let row = self.client.query_one(sql, &[]).await.map_err(trouble)?;
        let count = |at| row.get::<_, i64>(at).unsigned_abs();
        Ok(Stats {
            claimed: count(0),
            settled: count(1),
            in_doubt: count(2),
            bytes: count(3),
        })
    }

    async fn check(&self) -> Asked<Vec<String>> {
        check::check(&self.client).await
    }
}

fn resolution(row: &Row) -> Result<Option<Resolution>, LedgerError> {
    let by: Option<&str> = row::get(row, "resolved_by")?;
    let Some(by) = by.and_then(parse_resolver) else {
        return Ok(None);
    };
    let reason = row::get(row, "resolution")?;
    Ok(Some(Resolution { by, reason }))
}
